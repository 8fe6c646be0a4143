"""A month from the web into Postgres by pandas, as tutorials do it: `read_csv`, a mask, `to_sql`.

The rows that the rules reject are left out; they are not kept anywhere.
"""

import sys

import pandas as pd
from pandas_clean import read, rejected_by, whole
from sqlalchemy import create_engine, text

url, schema, address = sys.argv[1:]

trips = read(address)
trips = whole(trips[~pd.concat(rejected_by(trips), axis=1).any(axis=1)])
engine = create_engine(url.replace("postgres://", "postgresql+psycopg2://"))
with engine.begin() as connection:
    connection.execute(text(f"CREATE SCHEMA {schema}"))
    trips.to_sql("yellow_trips", connection, schema=schema, index=False, chunksize=100_000)
