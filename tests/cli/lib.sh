# shellcheck shell=bash
# Sourced by tests/cli/test_*.sh: run the program, check what it did, clean up.
#
#   ranks N cadre ...         the command under mpirun with N ranks, at most 100 s
#   expect CODE COMMAND...    run it; its exit code must be CODE; output in $out and $err
#   says TEXT, warns TEXT     standard output, standard error of the last command hold TEXT
#   silent_on FILE            the file is empty
#   check WHAT COMMAND...     the command succeeds
#   skip REASON               leave as skipped
#   finish                    last line: print the verdict, exit 0 or 1
#
# $tmp is a folder that goes away at the end. $CADRE and $MPIRUN come from CTest, or are found
# in build/ when a script is started by hand.

source_dir="${CADRE_TEST_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
CADRE="${CADRE:-$source_dir/build/bin/cadre}"
MPIRUN="${MPIRUN:-$(command -v mpirun.openmpi || command -v mpirun)}"
# The program would warn about variables that it does not know.
export -n CADRE_TEST_SOURCE CADRE_TEST_BUILD CADRE
# shellcheck source=../../scripts/mpi_env.sh
. "$source_dir/scripts/mpi_env.sh"

# Which algorithms run must not depend on what this machine measures.
export CADRE_COLL_COSTS="${CADRE_COLL_COSTS:-off}"

tmp="$(mktemp -d "${TMPDIR:-/tmp}/cadre-test-XXXXXX")"
trap 'rm -rf -- "$tmp"' EXIT
out="$tmp/stdout"
err="$tmp/stderr"
n_checks=0
n_failed=0
last_command=

cadre() {
    "$CADRE" "$@"
}

ranks() {
    local n="$1"
    shift
    [ "$1" = cadre ] && shift && set -- "$CADRE" "$@"
    timeout 100 "$MPIRUN" -n "$n" "$@"
}

failed() {
    n_failed=$((n_failed + 1))
    echo "FAILED: $1"
    echo "  command: $last_command"
    sed 's/^/  stdout: /' "$out" 2>/dev/null | head -20
    sed 's/^/  stderr: /' "$err" 2>/dev/null | head -20
    if [ "$n_failed" -ge 10 ]; then
        echo "$(basename "$0"): given up after 10 failures"
        exit 1
    fi
}

expect() {
    local wanted="$1" code=0
    shift
    last_command="$*"
    n_checks=$((n_checks + 1))
    "$@" >"$out" 2>"$err" </dev/null || code=$?
    [ "$code" -eq "$wanted" ] || failed "exit code $code instead of $wanted"
}

says() {
    n_checks=$((n_checks + 1))
    grep -qF -- "$1" "$out" || failed "standard output lacks: $1"
}

warns() {
    n_checks=$((n_checks + 1))
    grep -qF -- "$1" "$err" || failed "standard error lacks: $1"
}

silent_on() {
    n_checks=$((n_checks + 1))
    [ ! -s "$1" ] || failed "$(basename "$1") is not empty"
}

check() {
    local what="$1"
    shift
    n_checks=$((n_checks + 1))
    "$@" || failed "$what"
}

skip() {
    echo "SKIPPED: $1"
    exit 77
}

finish() {
    echo "$(basename "$0"): $n_checks checks, $n_failed failed"
    [ "$n_failed" -eq 0 ]
    exit
}
