"""What the competitors share: the month, the columns, the fetch and the report."""

import json
import shutil
import sys
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional

START = datetime(2019, 1, 1)
END = datetime(2019, 2, 1)

VENDORS = [1, 2, 3, 4, 6, 7]
RATE_CODES = [1, 2, 3, 4, 5, 6, 99]
MAX_MILES = 1000
MAX_LOCATION = 265
MAX_PAYMENT_TYPE = 6
MAX_PASSENGERS = 9
DAY_HOURS = 24


class Column(NamedTuple):
    """A column of the kept file: its name, the header of the CSV (None when the month lacks it), its kind."""

    name: str
    header: Optional[str]
    kind: str


COLUMNS: List[Column] = [
    Column("vendor_id", "VendorID", "int16"),
    Column("pickup_datetime", "tpep_pickup_datetime", "timestamp"),
    Column("dropoff_datetime", "tpep_dropoff_datetime", "timestamp"),
    Column("passenger_count", "passenger_count", "int16"),
    Column("trip_distance", "trip_distance", "double"),
    Column("rate_code", "RatecodeID", "int16"),
    Column("store_and_fwd_flag", "store_and_fwd_flag", "string"),
    Column("pickup_location_id", "PULocationID", "int16"),
    Column("dropoff_location_id", "DOLocationID", "int16"),
    Column("payment_type", "payment_type", "int16"),
    Column("fare_amount", "fare_amount", "double"),
    Column("extra", "extra", "double"),
    Column("mta_tax", "mta_tax", "double"),
    Column("tip_amount", "tip_amount", "double"),
    Column("tolls_amount", "tolls_amount", "double"),
    Column("improvement_surcharge", "improvement_surcharge", "double"),
    Column("total_amount", "total_amount", "double"),
    Column("congestion_surcharge", "congestion_surcharge", "double"),
    Column("pickup_longitude", None, "double"),
    Column("pickup_latitude", None, "double"),
    Column("dropoff_longitude", None, "double"),
    Column("dropoff_latitude", None, "double"),
    Column("airport_fee", None, "double"),
    Column("cbd_congestion_fee", None, "double"),
]
IN_FILE: List[Column] = [column for column in COLUMNS if column.header]
LACKING: List[Column] = [column for column in COLUMNS if not column.header]

REJECTS = ["pickup_outside_month", "no_pickup", "dropoff_before_pickup", "distance_impossible"]
FLAGS = ["negative_fare", "duration_over_24h", "unknown_code", "unknown_location", "passenger_count_over_9"]


class Counts(NamedTuple):
    """What a competitor found: rows in the file, rows kept, and rows by rule."""

    read: int
    kept: int
    by_rule: Dict[str, int]


def main(clean: Callable[[Path, Path], Counts]) -> None:
    """Fetches the month at the address `argv[1]`, cleans it into the folder `argv[2]`, prints the counts."""
    url, out = sys.argv[1], Path(sys.argv[2])
    fetched = out / url.rsplit("/", 1)[1]
    with urllib.request.urlopen(url) as body, fetched.open("wb") as file:
        shutil.copyfileobj(body, file, 1 << 20)
    counts = clean(fetched, out)
    fetched.unlink()
    print(
        json.dumps(
            {
                "rows_read": counts.read,
                "rows_kept": counts.kept,
                "rows_quarantined": counts.read - counts.kept,
                "reasons": {rule: int(counts.by_rule[rule]) for rule in REJECTS},
                "flags": {rule: int(counts.by_rule[rule]) for rule in FLAGS},
            }
        )
    )
