"""Months of the lake into Postgres by DuckDB's postgres extension, one after the other.

`CREATE TABLE AS` with the first file, `INSERT` with the others: a binary COPY each.
"""

import sys
from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner as package

url, schema, *files = sys.argv[1:]
(extension,) = Path(package.__file__).parent.glob("extensions/*/*.duckdb_extension")

db = duckdb.connect()
db.execute("SET threads = 2")
db.execute("SET preserve_insertion_order = false")
db.execute(f"LOAD '{extension}'")
db.execute(f"ATTACH '{url}' AS target (TYPE postgres)")
db.execute(f"CREATE SCHEMA target.{schema}")
for number, file in enumerate(files):
    into = "INSERT INTO" if number else "CREATE TABLE"
    name = f"target.{schema}.yellow_trips" + ("" if number else " AS")
    db.execute(f"{into} {name} SELECT * FROM read_parquet('{file}')")
