#!/usr/bin/env bash
# Fuzzes the parsers, each target for some seconds from its seeds and what it found before.
#
#   scripts/fuzz.sh [seconds]       60 when not said
#
# Fails when an input breaks a target; cargo fuzz says where it keeps the input, and which
# commands run it again and make it smaller (in fuzz/, with RUSTC_BOOTSTRAP=1 before them).
set -euo pipefail

seconds=${1:-60}
say() { printf 'fuzz: %s\n' "$*" >&2; }
if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
  say "'$seconds' is no number of seconds; for example: scripts/fuzz.sh 60"
  exit 2
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/scripts/system.sh"
if ! cargo fuzz --version >/dev/null 2>&1; then
  say "installing cargo-fuzz by cargo, once"
  cargo install --quiet --locked cargo-fuzz
fi

# Instrumentation is an unstable flag of the compiler. This lets the stable one take it, so
# that what is fuzzed is what is shipped, and no second toolchain is needed.
export RUSTC_BOOTSTRAP=1

sanitizer=none
if compgen -G "$(rustc --print target-libdir)/librustc*_rt.asan.a" >/dev/null; then
  sanitizer=address
fi

cd "$root/fuzz"
failed=()
for target in $(cargo fuzz list); do
  say "$target for $seconds s, sanitizer: $sanitizer"
  mkdir -p "corpus/$target"
  cargo fuzz run --sanitizer "$sanitizer" "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="$seconds" -timeout=10 -print_final_stats=1 || failed+=("$target")
done
if ((${#failed[@]})); then
  say "broken: ${failed[*]}"
  exit 1
fi
say "no input breaks a target"
