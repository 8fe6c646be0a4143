"""A month of the lake into Postgres by ADBC: the pyarrow table whole, ingested by binary COPY."""

import sys

import pyarrow.parquet as parquet
from adbc_driver_postgresql import dbapi

url, schema, file = sys.argv[1:]

with dbapi.connect(url) as connection, connection.cursor() as cursor:
    cursor.execute(f"CREATE SCHEMA {schema}")
    cursor.adbc_ingest("yellow_trips", parquet.read_table(file), mode="create", db_schema_name=schema)
    connection.commit()
