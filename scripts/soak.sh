#!/usr/bin/env bash
# What `make soak` runs: the tests whose long form takes too long for every day, and the fuzzers.
#
#   scripts/soak.sh            300 kills, the largest months, rough lines
#   scripts/soak.sh 1000       1000 kills
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
kills=${1:-300}

say() { printf 'soak: %s\n' "$*" >&2; }
it() { cargo test --release --test it -- --nocapture --test-threads=1 "$@"; }

say "building the program and its tests"
cargo test --release --test it --no-run

say "killing $kills runs while they fetch, clean and publish; run again, each has to come out the same"
TAXI_SOAK_KILLS=$kills it kills::

say "cleaning months of 8 and 20 million rows; none may take more than 512 MB (1 GB of disk, some minutes)"
TAXI_SOAK=1 it memory::

say "31 months of two colours to the lake and on to Postgres; not more than 1 GB (4 GB of disk, some minutes)"
TAXI_SOAK=1 it backfill::large

say "killing backfills into Postgres and BigQuery: $kills times at each step and at any moment"
TAXI_SOAK_KILLS=$kills it unattended::killed

say "24 months of two colours over rough lines before every server, twelve times (ten minutes)"
TAXI_SOAK=1 it unattended::rough

if [ "$(id -u)" = 0 ] && command -v ip >/dev/null; then
    say "24 months on one machine and on two, each in a network namespace; one dies (about six minutes)"
    TAXI_SOAK=1 it prefect::machines
else
    say "two machines in network namespaces take root and iproute2: left out"
fi

say "damaging good months at the level of bytes and of HTTP, an hour in all"
TAXI_DAMAGE_SECONDS=${DAMAGE_SECONDS:-1800} it damage::

say "fuzzing the parsers, a minute each"
scripts/fuzz.sh 60
