#!/bin/sh
# Breaks the core on purpose, one patch at a time, in a copy: the simulator must fail each time.
# Usage: tests/breaks/run.sh [patch...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
(cd "$root" && git ls-files -z -- '*.rs' '*.toml' Cargo.lock '*/README.md' | tar --null -T - -cf -) | tar -xmf - -C "$copy"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/breaks"
simulate() {
  (cd "$copy" && cargo build -q --release -p sharedb-proxy-tests --bin simulate 2>"$copy/out") || { cat "$copy/out"; exit 1; }
  "$CARGO_TARGET_DIR/release/simulate" --seeds 2000 --no-plans >"$copy/out" 2>&1
}
if ! simulate; then
  echo "the core fails without a break: $(tail -n 1 "$copy/out")"
  exit 1
fi
passed=0 failed=0
for patch in ${*:-"$here"/*.patch}; do
  name=$(basename "$patch" .patch)
  (cd "$copy" && patch -s -p1 <"$patch")
  if simulate; then
    echo "$name: NOT FOUND in 2000 seeds"
    failed=$((failed + 1))
  else
    echo "$name: found ($(tail -n 1 "$copy/out"))"
    passed=$((passed + 1))
  fi
  (cd "$copy" && patch -s -R -p1 <"$patch")
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
