#!/usr/bin/env bash
# Same seed, same trace: every experiment under many seeds, in two builds and two surroundings, must agree to the byte.
#
# usage: ci/determinism.sh [SEEDS] [FILE…]      20 seeds, all of chaos/*.yaml and, in brief, of chaos/attacks/*.yaml
set -euo pipefail
cd "$(dirname "$0")/.."

seeds="${1:-20}"
shift || true
files=("$@")
attacks=()
[ "${#files[@]}" -gt 0 ] || { files=(chaos/*.yaml); attacks=(chaos/attacks/*.yaml); }

cargo build --locked --quiet
cargo build --locked --quiet --release
dev="$(ls -d "$PWD"/target/*/debug/schism)"
release="$(ls -d "$PWD"/target/*/release/schism)"

work="$(mktemp -d)"
load=""
trap 'rm -rf "$work"; [ -z "$load" ] || kill "$load" 2>/dev/null || true' EXIT
mkdir "$work/elsewhere"

# Lines of "experiment seed trace items", in the order of files and seeds.
traces() { # binary, folder of runs
    local common=(--seeds "$seeds" --json --runs "$2" --inconclusive warn)
    {
        "$1" run "${files[@]/#/$PWD/}" "${common[@]}" || true
        [ "${#attacks[@]}" -eq 0 ] || "$1" run "${attacks[@]/#/$PWD/}" "${common[@]}" --set profile=control || true
    } | sed -nE 's/.*"experiment":"([^"]*)".*"seed":([0-9]+).*"trace":"([0-9a-f]+)".*"trace_items":([0-9]+).*/\1 \2 \3 \4/p' | sort
}

echo "dev build, here"
traces "$dev" "$work/runs-dev" > "$work/dev"
echo "release build, elsewhere: other folder, HOME and time zone, and a busy machine"
(while :; do :; done) &
load=$!
(export HOME="$work/elsewhere" TZ=Asia/Tokyo; traces "$release" "$work/elsewhere/runs" > "$work/release")
kill "$load" 2>/dev/null || true
load=""

planned() { "$release" test "$@" --list --no-controls --seeds "$seeds"; } # a sweep is several runs a seed
expected="$({ planned "${files[@]}"; [ "${#attacks[@]}" -eq 0 ] || planned "${attacks[@]}" --set profile=control; } | wc -l)"
ran="$(wc -l < "$work/dev")"
if [ "$ran" -ne "$expected" ]; then
    echo "only $ran of $expected runs gave a trace" >&2
    exit 1
fi
if ! diff "$work/dev" "$work/release" > "$work/difference"; then
    echo "traces differ (< dev, > release: experiment, seed, trace, items):" >&2
    head -n 20 "$work/difference" >&2
    echo "name the first difference: run both builds with --trace and compare their trace.txt" >&2
    exit 1
fi
different="$(awk '{print $3}' "$work/dev" | sort -u | wc -l)"
if [ "$different" -ne "$expected" ]; then
    echo "only $different traces differ among $expected seeds and experiments: the seed does not reach everything" >&2
    exit 1
fi
items="$(awk '{sum += $4} END {print sum}' "$work/dev")"
if [ "$items" -lt 100000 ]; then
    echo "only $items items were hashed: too few to show anything" >&2
    exit 1
fi
echo "$expected runs agree in both builds, $items items hashed"
