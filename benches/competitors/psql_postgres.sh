#!/usr/bin/env bash
# A month into Postgres by psql: the kept rows as csv.gz, inflated into \copy with FREEZE.
set -euo pipefail

psql=$1 url=$2 schema=$3 columns=$4 file=$5

gunzip -c "$file" | "$psql" -qX -v ON_ERROR_STOP=1 -1 "$url" -c "CREATE SCHEMA $schema" \
    -c "CREATE TABLE $schema.yellow_trips ($columns)" \
    -c "\\copy $schema.yellow_trips FROM STDIN (FORMAT csv, FREEZE)"
