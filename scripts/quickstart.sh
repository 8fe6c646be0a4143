#!/usr/bin/env bash
# The main job on the sample months that come with the project: no network, no account.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "building taxi (about ten minutes the first time, most of it for Polars)"
cargo build --release --locked --bin taxi
taxi=target/release/taxi

run() {
    printf '\n$ taxi %s\n' "$*"
    "$taxi" "$@"
}

run run etl-web-to-gcs --source sample --colour yellow,green --year 2020 --months 1-2
echo
echo "Once more: nothing has changed, so nothing is done."
run run etl-web-to-gcs --source sample --colour yellow,green --year 2020 --months 1-2
run quarantine --colour green --month 2020-01
echo
echo "The lake is the folder data/:"
find data/yellow data/green data/quarantine -type f | sort | sed 's/^/  /'
cat <<'TEXT'

Next, months of your own (see README.md):
  target/release/taxi run etl-web-to-gcs --colour green --year 2020 --months 1-3
TEXT
