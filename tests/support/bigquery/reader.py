"""Reads what a BigQuery server holds by Google's own client, for tests in another language.

`reader.py URL PROJECT` answers each line of standard input, a script as a JSON text, with a line
of JSON: {"answer": what the script left in `answer`}, or {"error": what went wrong}. A script is
Python with these names: `client`, `bigquery`, `project`, `rows(sql)`, `table(name)`.
"""

import datetime
import decimal
import json
import sys
import traceback

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery


def main(url, project):
    client = bigquery.Client(
        project=project,
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=url),
    )

    def rows(sql):
        """A query's rows, as lists of values."""
        return [list(row.values()) for row in client.query_and_wait(sql)]

    def table(name):
        """A table as the server describes it."""
        return client.get_table(name).to_api_repr()

    known = {
        "client": client,
        "bigquery": bigquery,
        "project": project,
        "rows": rows,
        "table": table,
    }
    for line in sys.stdin:
        try:
            names = dict(known)
            exec(json.loads(line), names)
            answer = {"answer": names["answer"]}
            said = json.dumps(answer, default=plain)
        except Exception:
            said = json.dumps({"error": traceback.format_exc()})
        print(said, flush=True)


def plain(value):
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    raise TypeError(f"{type(value)} has no place in JSON")


main(*sys.argv[1:])
