#!/usr/bin/env python3
"""Checks taxi against real TLC files with a reader of its own, which shares no code with it.

    .bench/venv/bin/python scripts/check_samples.py --taxi target/release/taxi --samples FOLDER [--all]
    .bench/venv/bin/python scripts/check_samples.py --taxi target/release/taxi --heads FOLDER
    .bench/venv/bin/python scripts/check_samples.py --samples FOLDER --all --expect-only

The real files are not part of this project: FOLDER is yours. Each file is served over loopback
HTTP and goes through `taxi run etl-web-to-gcs` into a lake in a temporary folder. Compared with
what the reader here makes of the same bytes: rows, reasons, flags, every value of every kept row
in order, every quarantined record, and how the Parquet is stored. Needs pyarrow (benches/setup.sh).
"""

import argparse
import csv
import functools
import http.server
import json
import math
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import pyarrow as pa
import pyarrow.parquet as pq

Value = Union[int, float, str, None]

SAMPLES = [
    "green_tripdata_2020-04.parquet",
    "green_tripdata_2024-01.parquet",
    "yellow_tripdata_2025-01.head10000.csv",
    "yellow_tripdata_2025-01.head10000.parquet",
    "green_tripdata_2020-04.sample1000.csv",
    "yellow_tripdata_2020-04.sample1000.csv",
]
MORE_SAMPLES = [
    "yellow_tripdata_2015-01.head2000.csv",
    "fhv_tripdata_2020-04.sample1000.csv",
    "fhvhv_tripdata_2020-04.sample1000.csv",
]
SAME_CONTENT = ("yellow_tripdata_2025-01.head10000.csv", "yellow_tripdata_2025-01.head10000.parquet")
NAME = re.compile(r"(?P<colour>\w+)_tripdata_(?P<month>\d{4}-\d{2})\.(?:\w+\.)?(?P<form>csv|parquet)")

# The canonical columns and what each holds.
CODE, COUNT, NUMBER, TEXT, TIME = "code", "count", "number", "text", "time"
KINDS: Dict[str, str] = {
    **dict.fromkeys(["vendor_id", "passenger_count", "rate_code", "payment_type", "trip_type", "sr_flag"], CODE),
    **dict.fromkeys(["pickup_location_id", "dropoff_location_id"], CODE),
    **dict.fromkeys(["pickup_datetime", "dropoff_datetime", "request_datetime", "on_scene_datetime"], TIME),
    **dict.fromkeys(["trip_distance", "pickup_longitude", "pickup_latitude"], NUMBER),
    **dict.fromkeys(["dropoff_longitude", "dropoff_latitude", "fare_amount", "extra", "mta_tax"], NUMBER),
    **dict.fromkeys(["tip_amount", "tolls_amount", "ehail_fee", "improvement_surcharge", "total_amount"], NUMBER),
    **dict.fromkeys(["congestion_surcharge", "airport_fee", "cbd_congestion_fee", "trip_miles"], NUMBER),
    **dict.fromkeys(["base_passenger_fare", "tolls", "bcf", "sales_tax", "tips", "driver_pay"], NUMBER),
    "trip_time": COUNT,
    **dict.fromkeys(["store_and_fwd_flag", "dispatching_base_num", "originating_base_num"], TEXT),
    **dict.fromkeys(["affiliated_base_num", "hvfhs_license_num", "shared_request_flag"], TEXT),
    **dict.fromkeys(["shared_match_flag", "access_a_ride_flag", "wav_request_flag", "wav_match_flag"], TEXT),
}
METERED = """vendor_id pickup_datetime dropoff_datetime passenger_count trip_distance rate_code store_and_fwd_flag
    pickup_location_id dropoff_location_id pickup_longitude pickup_latitude dropoff_longitude dropoff_latitude
    payment_type fare_amount extra mta_tax tip_amount tolls_amount improvement_surcharge total_amount
    congestion_surcharge cbd_congestion_fee""".split()
COLUMNS: Dict[str, List[str]] = {
    "yellow": METERED + ["airport_fee"],
    "green": METERED + ["ehail_fee", "trip_type"],
    "fhv": """dispatching_base_num pickup_datetime dropoff_datetime pickup_location_id dropoff_location_id sr_flag
        affiliated_base_num""".split(),
    "fhvhv": """hvfhs_license_num dispatching_base_num originating_base_num request_datetime on_scene_datetime
        pickup_datetime dropoff_datetime pickup_location_id dropoff_location_id trip_miles trip_time
        base_passenger_fare tolls bcf sales_tax congestion_surcharge airport_fee tips driver_pay sr_flag
        shared_request_flag shared_match_flag access_a_ride_flag wav_request_flag wav_match_flag
        cbd_congestion_fee""".split(),
}

# Names of the files, trimmed and in lower case, that differ from the canonical ones.
ALIASES: Dict[str, str] = {
    **dict.fromkeys(["vendorid", "vendor_name"], "vendor_id"),
    **dict.fromkeys(["tpep_pickup_datetime", "lpep_pickup_datetime", "trip_pickup_datetime"], "pickup_datetime"),
    "pickup_date": "pickup_datetime",
    **dict.fromkeys(["tpep_dropoff_datetime", "lpep_dropoff_datetime", "trip_dropoff_datetime"], "dropoff_datetime"),
    "ratecodeid": "rate_code",
    "store_and_forward": "store_and_fwd_flag",
    **dict.fromkeys(["pulocationid", "locationid"], "pickup_location_id"),
    "dolocationid": "dropoff_location_id",
    "start_lon": "pickup_longitude",
    "start_lat": "pickup_latitude",
    "end_lon": "dropoff_longitude",
    "end_lat": "dropoff_latitude",
    "fare_amt": "fare_amount",
    "surcharge": "extra",
    "tip_amt": "tip_amount",
    "tolls_amt": "tolls_amount",
    "total_amt": "total_amount",
    "dispatching_base_number": "dispatching_base_num",
    "affiliated_base_number": "affiliated_base_num",
}
WORDS: Dict[str, Dict[str, int]] = {
    "vendor_id": {"cmt": 1, "vts": 2, "dds": 3},
    "sr_flag": {"y": 1, "n": 0},
    "payment_type": {
        **dict.fromkeys(["credit", "crd", "cre"], 1),
        **dict.fromkeys(["cash", "csh", "cas"], 2),
        **dict.fromkeys(["no charge", "noc", "no"], 3),
        **dict.fromkeys(["dispute", "dis"], 4),
        **dict.fromkeys(["unknown", "unk", "na"], 5),
    },
}
KNOWN_CODES = {
    "vendor_id": {1, 2, 3, 4, 6, 7},
    "rate_code": {1, 2, 3, 4, 5, 6, 99},
    "payment_type": set(range(7)),
    "trip_type": {1, 2},
}
LIMITS = {CODE: 2**15, COUNT: 2**31}
TYPES = {
    CODE: [pa.int16()],
    COUNT: [pa.int32(), pa.int64()],
    NUMBER: [pa.float64()],
    TEXT: [pa.string(), pa.large_string()],
    TIME: [pa.timestamp("us")],
}
MAX_GROUP_ROWS = 2**20

INTEGER = re.compile(r"[+-]?\d+(\.0*)?")
FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))?")
EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
DAY = 24 * 3600 * 1_000_000


class Quarantined(NamedTuple):
    """A record set aside: its line, why, and its fields (None where the source is not text)."""

    line: int
    reasons: List[str]
    fields: Optional[List[str]]


class Reading(NamedTuple):
    """What a file comes to by the rules: kept rows column by column, and the rest."""

    kept: Dict[str, List[Value]]
    quarantined: List[Quarantined]
    flags: Dict[str, int]
    rows_kept: int

    @property
    def counts(self) -> Dict[str, object]:
        """The counts in the form of taxi's JSON."""
        return {
            "rows_read": self.rows_kept + len(self.quarantined),
            "rows_kept": self.rows_kept,
            "rows_quarantined": len(self.quarantined),
            "reasons": dict(sorted(Counter(r for q in self.quarantined for r in q.reasons).items())),
            "flags": dict(sorted(self.flags.items())),
        }


class Unreadable(ValueError):
    """A value that is not of its column's type."""


def text_value(column: str, text: str) -> Value:
    """A field of a CSV as its column's type."""
    text_or_null, kind = text.strip(), KINDS[column]
    if not text_or_null:
        return None
    if kind == TEXT:
        return spelled(column, text_or_null)
    if kind == TIME:
        return microseconds(text_or_null)
    if kind == NUMBER:
        if not FLOAT.fullmatch(text_or_null):
            raise Unreadable(text)
        return finite(float(text_or_null))
    word = WORDS.get(column, {}).get(text_or_null.lower())
    if word is not None:
        return word
    if not INTEGER.fullmatch(text_or_null):
        raise Unreadable(text)
    return in_range(int(text_or_null.split(".")[0]), kind)


def spelled(column: str, text: str) -> str:
    """A text in its canonical spelling: base numbers in upper case, flags as Y and N."""
    if column.endswith("_base_num"):
        return text.upper()
    if column.endswith("_flag"):
        return {"1": "Y", "1.0": "Y", "y": "Y", "0": "N", "0.0": "N", "n": "N"}.get(text, text)
    return text


def parquet_value(column: str, value: Value) -> Value:
    """A value of a Parquet file (timestamps as microseconds) as its column's type."""
    kind = KINDS[column]
    if value is None:
        return None
    if isinstance(value, str):
        return text_value(column, value)
    if kind == TIME:
        return value
    if kind == NUMBER:
        return finite(float(value))
    if value != int(value):
        raise Unreadable(str(value))
    return spelled(column, str(int(value))) if kind == TEXT else in_range(int(value), kind)


def microseconds(text: str) -> int:
    """A timestamp as microseconds since 1970, whatever is finer cut off."""
    parts = TIMESTAMP.fullmatch(text)
    if not parts:
        raise Unreadable(text)
    try:
        moment = datetime.strptime(f"{parts[1]} {parts[2]}", "%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        raise Unreadable(text) from error
    return (moment - EPOCH) // MICROSECOND + int((parts[3] or "").ljust(6, "0")[:6])


def finite(number: float) -> float:
    """The number, when it is one."""
    if not math.isfinite(number):
        raise Unreadable(str(number))
    return number


def in_range(number: int, kind: str) -> int:
    """The integer, when its column can hold it."""
    if not -LIMITS[kind] <= number < LIMITS[kind]:
        raise Unreadable(str(number))
    return number


def reasons_against(row: Dict[str, Value], month: str) -> List[str]:
    """The rejecting rules that a readable row trips."""
    pickup, dropoff = row.get("pickup_datetime"), row.get("dropoff_datetime")
    reasons = []
    if pickup is None:
        reasons.append("no_pickup")
    elif (EPOCH + pickup * MICROSECOND).strftime("%Y-%m") != month:
        reasons.append("pickup_outside_month")
    if pickup is not None and dropoff is not None and dropoff < pickup:
        reasons.append("dropoff_before_pickup")
    for column in ("trip_distance", "trip_miles"):
        miles = row.get(column)
        if miles is not None and not 0 <= miles <= 1000:
            reasons.append("distance_impossible")
    return reasons


def flags_on(row: Dict[str, Value]) -> Iterator[str]:
    """The flagging rules that a kept row trips."""
    pickup, dropoff = row.get("pickup_datetime"), row.get("dropoff_datetime")
    fares = [row.get(column) for column in ("fare_amount", "base_passenger_fare")]
    passengers = row.get("passenger_count")
    if any(fare is not None and fare < 0 for fare in fares):
        yield "negative_fare"
    if dropoff is not None and dropoff - pickup > DAY:
        yield "duration_over_24h"
    if any(row.get(column) not in known | {None} for column, known in KNOWN_CODES.items()):
        yield "unknown_code"
    places = (row.get("pickup_location_id"), row.get("dropoff_location_id"))
    if any(place is not None and not 1 <= place <= 265 for place in places):
        yield "unknown_location"
    if passengers is not None and passengers > 9:
        yield "passenger_count_over_9"


def canonical(header: Sequence[str], colour: str) -> List[Optional[str]]:
    """The canonical column of each header name, None for one that the colour does not know."""
    names = [name.strip().lower() for name in header]
    return [name if name in COLUMNS[colour] else None for name in (ALIASES.get(n, n) for n in names)]


def csv_records(path: Path) -> Iterator[Tuple[int, List[str]]]:
    """The header and the records of a CSV with the lines they start on, blank lines left out."""
    with path.open(newline="\n", encoding="utf-8", errors="surrogateescape") as file:
        reader = csv.reader(file)
        line = 1
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1


def parquet_records(path: Path) -> Tuple[List[str], Iterator[Tuple[int, List[Value]]]]:
    """The column names and the rows of a Parquet file, rows counted from 1, timestamps as microseconds."""
    table = pq.read_table(path)
    columns = []
    for column in table.columns:
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        columns.append(column.to_pylist())
    return table.column_names, enumerate(map(list, zip(*columns)), start=1)


def typed(names: Sequence[Optional[str]], record: Sequence[Value], is_text: bool) -> Dict[str, Value]:
    """A record under canonical names; of two columns with one meaning, the first that says something."""
    value_of = text_value if is_text else parquet_value
    row: Dict[str, Value] = {}
    for name, raw in zip(names, record):
        if name is not None and row.get(name) is None:
            row[name] = value_of(name, raw)
    return row


def surplus_fields(colour: str, month: str) -> int:
    """How many empty fields the published files of a month have at the end of each record."""
    editions = {"yellow": [("2016-07", "2016-12")], "green": [("2013-08", "2015-06"), ("2016-07", "2016-12")]}
    return 2 if any(first <= month <= last for first, last in editions.get(colour, [])) else 0


def read(path: Path, colour: str, month: str) -> Reading:
    """Reads and judges a whole file."""
    is_text = path.suffix == ".csv"
    if is_text:
        records = csv_records(path)
        _, header = next(records)
    else:
        header, records = parquet_records(path)
    names = canonical(header, colour)
    kept: Dict[str, List[Value]] = {column: [] for column in COLUMNS[colour]}
    quarantined: List[Quarantined] = []
    flags: Counter = Counter()
    rows_kept = 0
    for line, record in records:
        row: Dict[str, Value] = {}
        surplus = len(record) - len(header)
        if surplus not in (0, surplus_fields(colour, month) if is_text else 0) or any(record[len(header) :]):
            reasons = ["wrong_field_count"]
        else:
            try:
                row = typed(names, record, is_text)
                reasons = reasons_against(row, month)
            except Unreadable:
                reasons = ["unreadable"]
        if reasons:
            quarantined.append(Quarantined(line, sorted(reasons), record if is_text else None))
            continue
        rows_kept += 1
        flags.update(flags_on(row))
        for column, values in kept.items():
            values.append(row.get(column))
    return Reading(kept, quarantined, dict(flags), rows_kept)


def summary(values: List[Value]) -> Dict[str, object]:
    """Nulls, the exact sum, the extremes and the distinct values of a column."""
    present = [value for value in values if value is not None]
    numbers = bool(present) and not isinstance(present[0], str)
    total = (math.fsum if numbers and isinstance(present[0], float) else sum)(present) if numbers else None
    return {
        "nulls": len(values) - len(present),
        "sum": total,
        "min": min(present, default=None),
        "max": max(present, default=None),
        "distinct": len(set(present)),
    }


def stored(path: Path) -> Dict[str, List[Value]]:
    """The columns of a lake file, timestamps as microseconds."""
    names, rows = parquet_records(path)
    columns = list(zip(*(row for _, row in rows))) or [()] * len(names)
    return {name: list(column) for name, column in zip(names, columns)}


def kept_differences(expected: Dict[str, List[Value]], path: Path) -> Iterator[str]:
    """Where the kept rows of a lake file differ from the expected ones, column by column."""
    found = stored(path)
    for name in sorted(found.keys() - expected.keys()):
        if name not in KINDS or any(value is not None for value in found[name]):
            yield f"unexpected column {name}"
    for name, want in expected.items():
        if name not in found:
            yield f"no column {name}"
            continue
        have = found[name]
        want_summary, have_summary = summary(want), summary(have)
        for measure, wanted in want_summary.items():
            if have_summary[measure] != wanted:
                yield f"{name}: {measure} {have_summary[measure]}, expected {wanted}"
        if have != want:
            row = next((i for i, (h, w) in enumerate(zip(have, want)) if h != w), min(len(have), len(want)))
            yield f"{name}: differs from kept row {row + 1} on: {have[row : row + 1]}, expected {want[row : row + 1]}"


def storage_differences(path: Path) -> Iterator[str]:
    """Where a kept file is not stored as the lake promises."""
    file = pq.ParquetFile(path)
    for field in file.schema_arrow:
        if field.name in KINDS and field.type not in TYPES[KINDS[field.name]]:
            yield f"{field.name} is stored as {field.type}"
    for group in (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)):
        if group.num_rows > MAX_GROUP_ROWS:
            yield f"a row group of {group.num_rows} rows"
        codecs = {group.column(i).compression for i in range(group.num_columns)}
        if codecs != {"ZSTD"}:
            yield f"compressed with {', '.join(sorted(codecs))}"


def quarantine_differences(expected: Reading, paths: List[Path], source: Path, colour: str) -> Iterator[str]:
    """Where the quarantine of a month differs: lines, reasons, and the fields against the source."""
    if len(paths) != bool(expected.quarantined):
        yield f"{len(paths)} quarantine files for {len(expected.quarantined)} records"
        return
    if not paths:
        return
    schema = pq.read_schema(paths[0])
    lists = [schema.field(name).type for name in ("reasons", "fields")]
    if schema.field("line").type != pa.int64() or not all(pa.types.is_string(each.value_type) for each in lists):
        yield f"quarantine stored as {schema}"
    rows = pq.read_table(paths[0]).to_pylist()
    found = [(row["line"], sorted(row["reasons"])) for row in rows]
    wanted = [(record.line, record.reasons) for record in expected.quarantined]
    if found != wanted:
        difference = next((pair for pair in zip(found, wanted) if pair[0] != pair[1]), (len(found), len(wanted)))
        yield f"quarantined (line, reasons) {difference[0]}, expected {difference[1]}"
        return
    records: Dict[int, List[Value]] = {}
    names: List[Optional[str]] = []
    if source.suffix == ".parquet":
        header, lines = parquet_records(source)
        records, names = dict(lines), canonical(header, colour)
    for row, record in zip(rows, expected.quarantined):
        fields = [field or "" for field in row["fields"]]
        if record.fields is not None:
            same = [plain(field) for field in fields] == [plain(field) for field in record.fields]
        else:
            same = same_values(names, fields, records[record.line])
        if not same:
            yield f"quarantined line {record.line} keeps {fields}, expected {record.fields or records[record.line]}"


def same_values(names: List[Optional[str]], fields: List[str], record: List[Value]) -> bool:
    """Whether the fields kept as text say what the record of a Parquet file says."""
    try:
        return typed(names, fields, True) == typed(names, record, False)
    except Unreadable:
        return False


def plain(field: str) -> str:
    """A field without the quote and line end that a cut-off record may or may not keep."""
    return field.strip('"\r\n')


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder over loopback HTTP while the block runs; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run_taxi(taxi: Path, folder: Path, colour: str, span: Tuple[str, str], form: str, lake: Path) -> Dict[str, dict]:
    """Runs the flow over months of a served folder; gives the JSON of each month."""
    with served(folder) as url, tempfile.TemporaryDirectory() as away:
        source = f"{url}/{{colour}}_tripdata_{{year}}-{{month}}.{form}"
        command = [str(taxi), "run", "etl-web-to-gcs", "--colour", colour, "--from", span[0], "--to", span[1]]
        command += ["--source", source, "--lake", str(lake), "--spool", f"{away}/spool", "--output", "json"]
        done = subprocess.run(command, cwd=away, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        return {month["month"]: month for month in json.loads(done.stdout)["months"]}
    except (ValueError, KeyError):
        raise SystemExit(f"{' '.join(command)} ended with code {done.returncode}:\n{done.stdout}{done.stderr}")


def month_differences(
    expected: Reading, said: Optional[dict], lake: Path, source: Path, colour: str, month: str
) -> Iterator[str]:
    """Where taxi's account of a month, or what lies in the lake, differs from the expected reading."""
    if said is None:
        yield "not in taxi's answer"
        return
    if said["state"] != "published":
        yield f"{said['state']}: {said['error']}"
        return
    for key, want in expected.counts.items():
        have = {rule: hits for rule, hits in said[key].items() if hits} if isinstance(want, dict) else said[key]
        if have != want:
            yield f"{key} {have}, expected {want}"
    path = lake / colour / f"{colour}_tripdata_{month}.parquet"
    if not path.exists():
        yield f"no {path.relative_to(lake)} in the lake"
        return
    yield from kept_differences(expected.kept, path)
    yield from storage_differences(path)
    quarantine = sorted((lake / "quarantine" / colour).glob(f"{colour}_tripdata_{month}.*.parquet"))
    yield from quarantine_differences(expected, quarantine, source, colour)


def check_samples(taxi: Optional[Path], folder: Path, names: List[str]) -> int:
    """Checks each sample; gives the number of differences."""
    differences = 0
    verdict = "same" if taxi else "expected"
    kept: Dict[str, Dict[str, List[Value]]] = {}
    for name in names:
        parts = NAME.fullmatch(name)
        assert parts
        colour, month, form = parts["colour"], parts["month"], parts["form"]
        expected = read(folder / name, colour, month)
        kept[name] = expected.kept
        found: List[str] = []
        if taxi:
            with tempfile.TemporaryDirectory() as temporary:
                web, lake = Path(temporary, "web"), Path(temporary, "lake")
                web.mkdir()
                (web / f"{colour}_tripdata_{month}.{form}").symlink_to((folder / name).resolve())
                said = run_taxi(taxi, web, colour, (month, month), form, lake)
                found = list(month_differences(expected, said.get(month), lake, folder / name, colour, month))
                if not found:
                    kept[name] = stored(lake / colour / f"{colour}_tripdata_{month}.parquet")
        differences += report(name, expected.counts, found, verdict)
    if all(name in kept for name in SAME_CONTENT):
        left, right = (kept[name] for name in SAME_CONTENT)
        columns = sorted(left.keys() | right.keys())
        unlike = [f"{column} differs" for column in columns if left.get(column) != right.get(column)]
        rows: Dict[str, object] = {"rows_kept": len(left["vendor_id"])}
        differences += report("CSV and Parquet of yellow 2025-01", rows, unlike, verdict)
    return differences


def check_heads(taxi: Optional[Path], folder: Path) -> int:
    """Checks the head of every CSV month, one command a colour; gives the number of differences."""
    differences = 0
    for colour in COLUMNS:
        paths = sorted(folder.glob(f"{colour}_tripdata_*.csv"))
        months = [path.stem[-7:] for path in paths]
        readings = {month: read(path, colour, month) for month, path in zip(months, paths)}
        found: List[str] = []
        if taxi:
            with tempfile.TemporaryDirectory() as temporary:
                lake = Path(temporary, "lake")
                said = run_taxi(taxi, folder, colour, (months[0], months[-1]), "csv", lake)
                for month, path in zip(months, paths):
                    account = said.get(month)
                    for difference in month_differences(readings[month], account, lake, path, colour, month):
                        found.append(f"{month}: {difference}")
        totals: Dict[str, object] = {"months": len(months)}
        for key in ("rows_read", "rows_kept", "rows_quarantined"):
            totals[key] = sum(reading.counts[key] for reading in readings.values())
        for key in ("reasons", "flags"):
            totals[key] = dict(sum((Counter(reading.counts[key]) for reading in readings.values()), Counter()))
        differences += report(f"{colour} heads", totals, found, "same" if taxi else "expected")
    return differences


def report(name: str, counts: Dict[str, object], differences: List[str], verdict: str) -> int:
    """Prints a line for a file and one for each difference; gives their number."""
    numbers = "  ".join(f"{key.replace('rows_', '')} {n}" for key, n in counts.items() if isinstance(n, int))
    rules = {**counts.get("reasons", {}), **counts.get("flags", {})}
    named = ", ".join(f"{rule} {hits}" for rule, hits in rules.items())
    print(f"{'DIFFERS' if differences else verdict:10}{name:43}{numbers:49}{named}".rstrip(), flush=True)
    for difference in differences:
        print(f"          {difference}")
    return len(differences)


def main() -> int:
    """Runs the checks asked for; 1 when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--taxi", type=Path, help="the program under test")
    parser.add_argument("--samples", type=Path, help="the folder of the sample files")
    parser.add_argument("--heads", type=Path, help="the folder of the heads of the CSV months")
    parser.add_argument("--all", action="store_true", help="the yellow 2015, fhv and fhvhv samples too")
    parser.add_argument("--expect-only", action="store_true", help="print what is expected, run nothing")
    args = parser.parse_args()
    if not (args.samples or args.heads):
        parser.error("give --samples, --heads or both")
    if bool(args.taxi) == args.expect_only:
        parser.error("give either --taxi or --expect-only")
    taxi = args.taxi.resolve() if args.taxi else None
    differences = 0
    if args.samples:
        differences += check_samples(taxi, args.samples, SAMPLES + (MORE_SAMPLES if args.all else []))
    if args.heads:
        differences += check_heads(taxi, args.heads)
    print(f"{differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
