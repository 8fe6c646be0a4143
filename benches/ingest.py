#!/usr/bin/env python3
"""One month from the web straight into Postgres: taxi beside DuckDB, and a smaller one beside pandas.

Each tool is a fresh process that reads the same csv.gz over loopback HTTP, leaves out what the
rules reject and starts from a database without the table; in turn, round by round. What only
taxi does is in its time: the file is kept and proven before the month is seen, rejected rows go
to a table of their own, the other rules are counted, and all that benches/postgres.py names.
Every run's rows and sums must agree. Linux only, as main_job.py.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import List

from main_job import BENCHES, DATA, make_month, served
from postgres import MONTHS, PSQL, Job, compare, measure
from postgres import served as postgres

sys.dont_write_bytecode = True
MONTH = MONTHS[0]
TOOLS = ["taxi", "duckdb", "pandas"]


def main() -> int:
    """Runs the benchmark and prints its table; 1 when the tools disagree."""
    args = arguments()
    # pandas takes minutes for what the others do in seconds: it is given less, and taxi the same.
    jobs = [Job("taxi", args.rows), Job("duckdb", args.rows), Job("taxi", args.few), Job("pandas", args.few)]
    jobs = [job for job in jobs if job.tool in args.only]
    for rows in {job.size for job in jobs}:
        make_month(args.support, rows, "csv.gz", MONTH)
    with tempfile.TemporaryDirectory(prefix="taxi-bench-") as folder, served(args.support, DATA) as web, postgres() as url:
        title = f"yellow {MONTH} as csv.gz"
        run_once = lambda job: measure(job, command(args.taxi, job, web, url), url, Path(folder))
        return compare(jobs, args.runs, "rows", title, url, run_once)


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--taxi", type=Path, required=True, help="the program under test")
    parser.add_argument("--support", type=Path, required=True, help="the program that makes and serves months")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--few", type=int, default=200_000, help="rows beside pandas")
    parser.add_argument("--runs", type=int, default=3, help="rounds")
    parser.add_argument("--only", default=",".join(TOOLS), help="tools, separated by commas")
    args = parser.parse_args()
    args.only = args.only.split(",")
    if unknown := set(args.only) - set(TOOLS):
        parser.error(f"--only knows {', '.join(TOOLS)}, not {', '.join(sorted(unknown))}")
    if not PSQL.exists():
        parser.error("there is no Postgres: run make services")
    args.taxi, args.support = args.taxi.resolve(), args.support.resolve()
    return args


def command(taxi: Path, job: Job, web: str, url: str) -> List[str]:
    """What brings the month from the web to Postgres."""
    if job.tool == "taxi":
        line = f"run ingest-data --colour yellow --from {MONTH} --to {MONTH} --spool spool --schema {job.schema}"
        source = f"{web}/{job.size}/{{colour}}_tripdata_{{year}}-{{month}}.csv.gz"
        return [str(taxi), *line.split(), "--source", source, "--database-url", url]
    script = BENCHES / "competitors" / f"{job.tool}_ingest.py"
    return [sys.executable, "-B", str(script), url, job.schema, f"{web}/{job.size}/yellow_tripdata_{MONTH}.csv.gz"]


if __name__ == "__main__":
    sys.exit(main())
