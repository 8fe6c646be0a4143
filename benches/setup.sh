#!/usr/bin/env bash
# Makes .bench/venv with the Python tools that the benchmarks and scripts/check_samples.py run.
# Safe to run again: it does nothing when the pinned versions are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.bench/venv
pins=(
    duckdb==1.5.5 polars==2.1.0 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
    duckdb_extension_httpfs==1.5.5 duckdb_extension_postgres_scanner==1.5.5
    adbc-driver-manager==1.13.0 adbc-driver-postgresql==1.13.0
    psycopg2-binary==2.9.13 SQLAlchemy==2.1.9
)

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "the pinned versions need Python 3.11 or newer as python3; this is $(python3 --version)" >&2
    exit 1
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    ${sudo[@]+"${sudo[@]}"} apt-get update -q
    ${sudo[@]+"${sudo[@]}"} apt-get install -yq --no-install-recommends python3-venv
fi

# A venv whose making was broken off has no pip: make it anew.
"$venv/bin/pip" --version >/dev/null 2>&1 || python3 -m venv --clear "$venv"

if ! comm -23 <(printf '%s\n' "${pins[@]}" | sort) <("$venv/bin/pip" freeze | sort) | grep -q .; then
    exit 0
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check "${pins[@]}"
