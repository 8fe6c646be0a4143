"""A month from the web into Postgres by DuckDB alone: its httpfs, CSV reader and postgres extension.

The rows that the rules reject are left out; they are not kept anywhere.
"""

import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import duckdb_extension_postgres_scanner
from duckdb_clean import BAD, WHOLE_ROW, source

url, schema, address = sys.argv[1:]

db = duckdb.connect()
db.execute("SET threads = 2")
db.execute("SET preserve_insertion_order = false")
for package in (duckdb_extension_httpfs, duckdb_extension_postgres_scanner):
    (extension,) = Path(package.__file__).parent.glob("extensions/*/*.duckdb_extension")
    db.execute(f"LOAD '{extension}'")
db.execute(f"ATTACH '{url}' AS target (TYPE postgres)")
db.execute(f"CREATE SCHEMA target.{schema}")
db.execute(f"CREATE TABLE target.{schema}.yellow_trips AS SELECT {WHOLE_ROW} FROM {source(address)} WHERE NOT {BAD}")
