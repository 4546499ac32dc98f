#!/bin/sh
# Applies each patch of this folder to a copy of the sources, one at a time: every patch breaks the
# subject, and the tests must find it.
#
#   tests/breaks/run.sh [patch ...]      (default: all of them)
#
# How to write a patch:
# - Break the subject in one place, let `git diff >tests/breaks/NAME.patch` write the patch, and undo
#   the break. NAME says what the broken subject does wrong.
# - Lines above the diff are free text: say what breaks, where the diff alone does not.
# - The command that has to fail stands there too, on a line of its own that begins with `Found by:`
#   It runs in the root of the copy. Without such a line it is the simulator, with 2,000 seeds.
#
#     Found by: cargo run -q --release -p sharedb-proxy-tests --bin simulate -- --seeds 5000 --no-plans
#     Found by: cargo test -q -p worker-host --test lives NAME
#     Found by: node tests/js/run.mjs FILE
#     Found by: node tests/browser/run.mjs --grep NAME
#
# Each command first has to pass in the copy as it is. A patch that does not apply or does not compile
# counts as failed. Before a command that does not begin with `cargo` the npm package of the copy is
# built (`cargo xtask build --dev`), so patches of Rust reach JavaScript. One run at a time for each
# checkout: the copy is in `target/breaks`.
exec node "$(dirname "$0")/run.mjs" "$@"
