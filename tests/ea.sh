#!/usr/bin/env bash
# The tests of tests/over_terminals.txt over the Expert Advisors of both platforms, then those of the Expert Advisors alone, and how much of
# mql/ all of them ran. `make test-ea` is the way to call it. CARGO and TEST as in the Makefile; EA_FLOOR: percent of lines that must be run.
set -euo pipefail
cd "$(dirname "$0")/.."
read -ra cargo <<<"${CARGO:-cargo}"
read -ra test <<<"${TEST:-test}"
target=${CARGO_TARGET_DIR:-target}
features=(--locked --workspace --features failpoints)
export MTBRIDGE_EA_VARIANT=coverage
# The soak by few terminals: each is a process.
export SOAK_TERMINALS=${SOAK_TERMINALS:-12}

mapfile -t over < <(grep -v '^#' tests/over_terminals.txt)
alone=()
for file in tests/it/ea_*.rs; do alone+=("$(basename "$file" .rs)::"); done

table=()
# run WHAT FILTER…: these tests of tests/it, with how many they were and how long they took.
run() {
    local what=$1 begun=$SECONDS log=$target/test-ea.log count
    shift
    printf '\n=== %s\n' "$what"
    "${cargo[@]}" "${test[@]}" "${features[@]}" --no-fail-fast --test it -- "$@" 2>&1 | tee "$log"
    # nextest's summary or that of plain `cargo test`.
    count=$(sed -nE 's/.* ([0-9]+) passed.*/\1/p' "$log" | tail -1)
    test "${count:-0}" -gt 0 || { echo "no test of: $what"; exit 1; }
    table+=("$(printf '%-44s %4d tests %5d s' "$what" "$count" $((SECONDS - begun)))")
}

"${cargo[@]}" build "${features[@]}" --bin mqlc
"$target/debug/mqlc" coverage --anew
MTBRIDGE_TEST_TERMINAL=mt5 run 'over the EA of MetaTrader 5' --exact "${over[@]}"
MTBRIDGE_TEST_TERMINAL=mt4 run 'over the EA of MetaTrader 4' --exact "${over[@]}"
run 'of the EAs alone' "${alone[@]}"
code=0
"$target/debug/mqlc" coverage --floor "${EA_FLOOR:-85}" >"$target/coverage-ea.txt" || code=$?
printf '\n'
printf '%s\n' "${table[@]}"
printf '%-44s %s (those that were not: %s)\n' 'lines of mql/ that were run' "$(tail -1 "$target/coverage-ea.txt")" "$target/coverage-ea.txt"
exit "$code"
