#!/usr/bin/env bash
# What the build needs of the system: a C compiler (zstd, ring and mimalloc are C) and Rust.
set -euo pipefail

if ! command -v cargo >/dev/null 2>&1; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "cargo is in ~/.cargo/bin, which is not on the PATH: run '. ~/.cargo/env' first" >&2
    else
        echo "Rust's toolchain is missing: see https://rustup.rs" >&2
    fi
    exit 1
fi
command -v cc >/dev/null 2>&1 && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "a C compiler is missing, and there is no apt to install one: install gcc or clang" >&2
    exit 1
fi
echo "installing a C compiler (build-essential) by apt"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get update -qq
as_root apt-get install -y -qq --no-install-recommends build-essential >/dev/null
