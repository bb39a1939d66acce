#!/usr/bin/env bash
# Builds and runs one fuzzer under the address and undefined behaviour sanitizers:
#   run.sh NAME [SECONDS [CORPUS]]
# NAME.c says in its first comment which sources and libraries it needs. It starts from
# seeds/NAME, and NAME.dict if there is one. New inputs are kept in CORPUS if that is given. Input
# that does harm is left in $TMPDIR as NAME-crash-..., and the exit code is not 0. Needs clang; exits with
# 77 if there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
name="${1:?which fuzzer, for instance fuzz_gguf}"
seconds="${2:-60}"
source="tests/fuzz/$name.c"

command -v clang >/dev/null || {
    echo "SKIPPED: no clang here"
    exit 77
}
tmp="$(mktemp -d "${TMPDIR:-/tmp}/cadre-fuzz-XXXXXX")"
trap 'rm -rf -- "$tmp"' EXIT
corpus="${3:-$tmp/corpus}"
mkdir -p "$corpus"

# " * Sources: a.c b/{c,d}.c", perhaps several such lines.
listed() {
    sed -n "s/^ \* $1: //p" "$source" | sed 's/ \*\/$//'
}
sources=()
libraries=()
eval "sources=($(listed Sources))"
eval "libraries=($(listed Libraries))"

clang -g -O1 -std=c11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=all -ffp-contract=off -Iinclude -Isrc -Ikernels \
    "$source" "${sources[@]}" "${libraries[@]}" -lm -o "$tmp/$name"

options=(-max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -print_final_stats=1
    -artifact_prefix="${TMPDIR:-/tmp}/$name-")
[ -f "tests/fuzz/$name.dict" ] && options+=(-dict="tests/fuzz/$name.dict")
seeds=()
[ -d "tests/fuzz/seeds/$name" ] && seeds=("tests/fuzz/seeds/$name")
"$tmp/$name" "${options[@]}" "$corpus" "${seeds[@]}" 2>"$tmp/log" || {
    tail -60 "$tmp/log" >&2
    exit 1
}
grep -E '^(Done|stat::number_of_executed_units)' "$tmp/log"
