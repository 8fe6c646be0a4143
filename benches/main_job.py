#!/usr/bin/env python3
"""One month from the web to the lake: taxi beside DuckDB, Polars and pandas doing the same work.

Each tool is a fresh process that fetches one made-up month over loopback HTTP, judges every row
by the same rules, and writes the kept and the rejected rows as zstd Parquet. In turn, round by
round; every round's counts must agree, and the kept rows of the first round to the last bit.
Linux only: the peak is the highest RssAnon of the process and its children, sampled every 5 ms.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

import duckdb

BENCHES = Path(__file__).resolve().parent
DATA = BENCHES.parent / ".bench" / "data"
sys.dont_write_bytecode = True
sys.path.insert(0, str(BENCHES / "competitors"))
from common import COLUMNS  # noqa: E402

DIRT = (
    "pickup_outside_month=20,dropoff_before_pickup=30,distance_impossible=5,negative_fare=4000,"
    "duration_over_24h=50,unknown_code=200,unknown_location=40,passenger_count_over_9=12"
)
TOOLS = ["taxi", "duckdb", "polars", "pandas"]
BIG_ROWS = 8_000_000
PROMISED_MB = 512
SAMPLE_SECONDS = 0.005
SQL_TYPES = {"int16": "SMALLINT", "timestamp": "TIMESTAMP", "double": "DOUBLE", "string": "VARCHAR"}


class Job(NamedTuple):
    """A tool and the form of the month it is given."""

    tool: str
    form: str


class Run(NamedTuple):
    """What one process took, and the size of the kept file it left."""

    seconds: float
    peak_mb: float
    kept_mb: float


class Measured(NamedTuple):
    """Every run of a job, and what its first run found."""

    job: Job
    runs: List[Run]
    counts: Dict[str, object]
    content: Tuple[object, ...]


def main() -> int:
    """Runs the benchmark and prints its table; 1 when tools disagree or the memory promise is broken."""
    args = arguments()
    rows = BIG_ROWS if args.big else args.rows
    if args.big:
        jobs = [Job(tool, form) for form in ("csv.gz", "parquet") for tool in ("taxi", "duckdb")]
    else:
        jobs = [Job(tool, "csv.gz") for tool in TOOLS]
    jobs = [job for job in jobs if job.tool in args.only]

    for form in sorted({job.form for job in jobs}):
        make_month(args.support, rows, form)
    runs: Dict[Job, List[Run]] = {job: [] for job in jobs}
    counts: Dict[Job, Dict[str, object]] = {}
    content: Dict[Job, Tuple[object, ...]] = {}
    with served(args.support, DATA) as url:
        for turn in range(args.runs):
            for job in jobs:
                with tempfile.TemporaryDirectory(prefix="bench-", dir=DATA.parent) as folder:
                    run, found, kept = run_once(args.taxi, job, f"{url}/{rows}", Path(folder))
                    runs[job].append(run)
                    print(f"  round {turn + 1}: {job.tool} {job.form} {run.seconds:.2f} s", file=sys.stderr)
                    if counts.setdefault(job, found) != found:
                        raise SystemExit(f"{job.tool} changed its mind: {counts[job]} then {found}")
                    if turn == 0:
                        content[job] = content_of(kept)

    measured = [Measured(job, runs[job], counts[job], content[job]) for job in jobs]
    agreed = agree(measured)
    print(describe(rows, args.runs, measured))
    print(table(measured, args.big))
    kept_promise = all(run.peak_mb <= PROMISED_MB for m in measured if m.job.tool == "taxi" for run in m.runs)
    return 0 if agreed and (kept_promise or not args.big) else 1


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--taxi", type=Path, required=True, help="the program under test")
    parser.add_argument("--support", type=Path, required=True, help="the program that makes and serves months")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, help="rounds (5; with --big 1)")
    parser.add_argument("--only", default=",".join(TOOLS), help="tools, separated by commas")
    parser.add_argument("--big", action="store_true", help=f"{BIG_ROWS:,} rows, csv.gz and Parquet, and the promise")
    args = parser.parse_args()
    args.only = args.only.split(",")
    unknown = set(args.only) - set(TOOLS)
    if unknown:
        parser.error(f"--only knows {', '.join(TOOLS)}, not {', '.join(sorted(unknown))}")
    args.runs = args.runs or (1 if args.big else 5)
    args.taxi, args.support = args.taxi.resolve(), args.support.resolve()
    return args


def make_month(support: Path, rows: int, form: str, month: str = "2019-01") -> Path:
    """The made-up month of this size and form, made once and kept under .bench/data."""
    path = DATA / str(rows) / f"yellow_tripdata_{month}.{form}"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    command = f"generate --colour yellow --month {month} --rows {rows} --form {form} --seed 7 --dirt {DIRT} --out"
    print(f"making {rows:,} rows as {form}", file=sys.stderr)
    subprocess.run([str(support), *command.split(), str(unfinished)], check=True, stdout=sys.stderr)
    unfinished.rename(path)
    return path


@contextmanager
def served(support: Path, folder: Path) -> Iterator[str]:
    """Serves a folder over loopback while the block runs; gives its address."""
    command = [str(support), "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip().rstrip("/")
        finally:
            server.terminate()


def run_once(taxi: Path, job: Job, url: str, folder: Path) -> Tuple[Run, Dict[str, object], Path]:
    """One fresh process: what it took, its counts, and its kept file."""
    if job.tool == "taxi":
        kept = folder / "lake" / "yellow" / "yellow_tripdata_2019-01.parquet"
        source = f"{url}/{{colour}}_tripdata_{{year}}-{{month}}.{job.form}"
        command = [str(taxi), *"run etl-web-to-gcs --colour yellow --year 2019 --months 1 --output json".split()]
        command += ["--source", source, "--lake", str(folder / "lake"), "--spool", str(folder / "spool")]
    else:
        kept = folder / "kept.parquet"
        script = BENCHES / "competitors" / f"{job.tool}_clean.py"
        command = [sys.executable, "-B", str(script), f"{url}/yellow_tripdata_2019-01.{job.form}", str(folder)]

    with (folder / "stdout").open("w+") as stdout, (folder / "stderr").open("w+") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=stdout, stderr=stderr)
        with peak_memory(process.pid) as peak:
            code = process.wait()
            seconds = time.perf_counter() - started
        stdout.seek(0)
        stderr.seek(0)
        if code != 0:
            raise SystemExit(f"{job.tool} ended with code {code}:\n{stdout.read()}{stderr.read()}")
        printed = json.load(stdout)
    found = counts_of(printed["months"][0] if job.tool == "taxi" else printed)
    return Run(seconds, peak[0] / 1024, kept.stat().st_size / 1e6), found, kept


@contextmanager
def peak_memory(pid: int) -> Iterator[List[int]]:
    """Samples a process and its descendants while the block runs; the one item is the peak in KiB."""
    peak = [0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            peak[0] = max(peak[0], anonymous_kib(pid))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peak
    finally:
        done.set()
        sampler.join()


def anonymous_kib(pid: int) -> int:
    """RssAnon of a process and all its descendants, 0 when it is gone."""
    total = 0
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(anonymous_kib(int(child)) for child in (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def counts_of(printed: Dict[str, object]) -> Dict[str, object]:
    """The counts every tool prints, without the rules that nothing tripped."""
    counts: Dict[str, object] = {key: printed[key] for key in ("rows_read", "rows_kept", "rows_quarantined")}
    for key in ("reasons", "flags"):
        counts[key] = {rule: hits for rule, hits in sorted(printed[key].items()) if hits}
    return counts


def content_of(kept: Path) -> Tuple[object, ...]:
    """Rows and a digest of every value of a kept file, whatever the order of its rows."""
    values = ", ".join(f"{column.name}::{SQL_TYPES[column.kind]}" for column in COLUMNS)
    return duckdb.sql(f"SELECT count(*), sum(hash({values})) FROM read_parquet('{kept}')").fetchone()


def agree(measured: List[Measured]) -> bool:
    """Says where a tool's counts or kept rows differ from the first tool's with the same form of the month."""
    first_of: Dict[str, Measured] = {}
    agreed = True
    for other in measured:
        first = first_of.setdefault(other.job.form, other)
        for what, left, right in (
            ("counts", first.counts, other.counts),
            ("kept rows", first.content, other.content),
        ):
            if left != right:
                agreed = False
                print(f"DISAGREEMENT on {what}: {name(first.job)} {left}, {name(other.job)} {right}")
    return agreed


def name(job: Job) -> str:
    """How the table names a job."""
    return job.tool if job.form == "csv.gz" else f"{job.tool} ({job.form})"


def describe(rows: int, rounds: int, measured: List[Measured]) -> str:
    """What was measured, with which versions."""
    sizes = {m.job.form: DATA / str(rows) / f"yellow_tripdata_2019-01.{m.job.form}" for m in measured}
    files = ", ".join(f"{form} {path.stat().st_size / 1e6:.1f} MB" for form, path in sizes.items())
    versions = ", ".join(f"{tool} {version(tool)}" for tool in sorted({m.job.tool for m in measured} - {"taxi"}))
    lines = [f"yellow 2019-01, {rows:,} rows, {files}, rounds: {rounds}", versions, json.dumps(measured[0].counts)]
    return "\n".join(line for line in lines if line)


def table(measured: List[Measured], promise: bool) -> str:
    """The result: one line a job, taxi's median as a share of the other's, the promise where it is asked for."""
    head = ["tool", "median s", "min s", "peak anonymous MB", "kept file MB", "taxi / tool"]
    lines = [head + [f"at most {PROMISED_MB} MB"] if promise else head]
    taxi = {m.job.form: m for m in measured if m.job.tool == "taxi"}
    for m in measured:
        seconds = [run.seconds for run in m.runs]
        median, peak = statistics.median(seconds), max(run.peak_mb for run in m.runs)
        ratio = "-"
        if m.job.tool != "taxi" and m.job.form in taxi:
            ratio = f"{statistics.median(run.seconds for run in taxi[m.job.form].runs) / median:.2f}"
        line = [name(m.job), f"{median:.2f}", f"{min(seconds):.2f}", f"{peak:.0f}", f"{m.runs[0].kept_mb:.1f}", ratio]
        if promise:
            line.append("PASS" if peak <= PROMISED_MB else "FAIL")
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
