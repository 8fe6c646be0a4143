"""The month cleaned by DuckDB: one pass that parts kept from rejected, unordered, then the counts.

Measured on two cores: less time and memory than a table in memory written twice, than reading
the file twice, and than keeping the order. The counts and the reasons come from the files written.

The header ends in LF and the rows in CRLF: with `strict_mode` DuckDB refuses such a file,
or, told the line end, drops rows in silence.
"""

import shutil
from pathlib import Path
from typing import List

import duckdb
from common import COLUMNS, DAY_HOURS, END, FLAGS, IN_FILE, MAX_LOCATION, MAX_MILES, MAX_PASSENGERS
from common import MAX_PAYMENT_TYPE, RATE_CODES, REJECTS, START, VENDORS, Counts, main

TYPES = {"int16": "SMALLINT", "timestamp": "TIMESTAMP", "double": "DOUBLE", "string": "VARCHAR"}

RULES = {
    "no_pickup": "pickup_datetime IS NULL",
    "pickup_outside_month": f"pickup_datetime < TIMESTAMP '{START}' OR pickup_datetime >= TIMESTAMP '{END}'",
    "dropoff_before_pickup": "dropoff_datetime < pickup_datetime",
    "distance_impossible": f"trip_distance < 0 OR trip_distance > {MAX_MILES}",
    "negative_fare": "fare_amount < 0",
    "duration_over_24h": f"dropoff_datetime > pickup_datetime + INTERVAL {DAY_HOURS} HOUR",
    "unknown_code": f"vendor_id NOT IN {tuple(VENDORS)} OR rate_code NOT IN {tuple(RATE_CODES)}"
    f" OR payment_type NOT BETWEEN 0 AND {MAX_PAYMENT_TYPE}",
    "unknown_location": f"pickup_location_id NOT BETWEEN 1 AND {MAX_LOCATION}"
    f" OR dropoff_location_id NOT BETWEEN 1 AND {MAX_LOCATION}",
    "passenger_count_over_9": f"passenger_count > {MAX_PASSENGERS}",
}
WHOLE_ROW = ", ".join(c.name if c.header else f"NULL::{TYPES[c.kind]} AS {c.name}" for c in COLUMNS)
BAD = "coalesce(" + " OR ".join(f"({RULES[rule]})" for rule in REJECTS) + ", false)"


def source(path: object) -> str:
    """The table expression that reads a file, or what is at an address, under the canonical names."""
    if str(path).endswith(".parquet"):
        named = ", ".join(f'"{c.header}"::{TYPES[c.kind]} AS {c.name}' for c in IN_FILE)
        return f"(SELECT {named} FROM read_parquet('{path}'))"
    columns = {column.name: TYPES[column.kind] for column in IN_FILE}
    return (
        f"read_csv('{path}', columns={columns}, header=true, auto_detect=false, strict_mode=false,"
        """ delim=',', quote='"', escape='"')"""
    )


def clean(path: Path, out: Path) -> Counts:
    """Writes kept.parquet and rejected.parquet and counts."""
    db = duckdb.connect()
    db.execute("SET threads = 2")
    db.execute("SET preserve_insertion_order = false")

    kept, rejected, split = out / "kept.parquet", out / "rejected.parquet", out / "split"
    db.execute(
        f"COPY (SELECT {WHOLE_ROW}, {BAD} AS bad FROM {source(path)})"
        f" TO '{split}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (bad))"
    )
    (part,) = (split / "bad=false").iterdir()
    part.rename(kept)

    reasons = ", ".join(f"CASE WHEN {RULES[rule]} THEN '{rule}' END" for rule in REJECTS)
    db.execute(
        f"COPY (SELECT list_filter([{reasons}], lambda reason: reason IS NOT NULL) AS reasons, * EXCLUDE bad"
        f" FROM read_parquet('{split}/bad=true/*.parquet'))"
        f" TO '{rejected}' (FORMAT parquet, COMPRESSION zstd)"
    )
    shutil.rmtree(split)

    kept_rows, *flagged = count(db, kept, FLAGS)
    rejected_rows, *reasoned = count(db, rejected, REJECTS)
    return Counts(kept_rows + rejected_rows, kept_rows, dict(zip(FLAGS + REJECTS, flagged + reasoned)))


def count(db: duckdb.DuckDBPyConnection, file: Path, rules: List[str]) -> List[int]:
    """The rows of a file, and how many of them each rule hits."""
    hits = ", ".join(f"count(*) FILTER ({RULES[rule]})" for rule in rules)
    return list(db.execute(f"SELECT count(*), {hits} FROM read_parquet('{file}')").fetchone())


if __name__ == "__main__":
    main(clean)
