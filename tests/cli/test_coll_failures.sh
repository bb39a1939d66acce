#!/usr/bin/env bash
# A rank that is stopped or dies in front of a collective is named by all others, with what it last
# entered; the flight recorder writes what it kept.
. "$(dirname "$0")/lib.sh"

program="${CADRE_TEST_BUILD:-$source_dir/build}/tests/test_recorder"

# lose HOW RANKS STATE: every survivor says in time who is missing. Open MPI would end the job
# with the rank, so it is told not to.
lose() {
    local how="$1" n="$2" state="$3"
    last_command="test_recorder $how at $n ranks"
    timeout 60 "$MPIRUN" --enable-recovery -n "$n" "$program" "$how" >"$out" 2>"$err" </dev/null
    check "$((n - 1)) survivors speak" test "$(grep -c '^rank' "$out")" -eq $((n - 1))
    check "all in time" test "$(grep -c 'ERR_TIMEOUT after a moment' "$out")" -eq $((n - 1))
    check "all name it" test "$(grep -c "missing: rank $((n - 1)) on .*$state.*broadcast" "$out")" -eq $((n - 1))
}
lose stop 2 "is stopped"
lose kill 3 "has ended"
lose stop 4 "is stopped"
lose kill 7 "has ended"

# SIGUSR1 writes and goes on: three lines of five operations, and one on top.
CADRE_COLL_TRACE=3 expect 0 ranks 2 "$program" trace
warns 'kept=3 of=5'
warns 'why=SIGUSR1'
for rank in 0 1; do
    check "lines of rank $rank" test "$(grep -c "^cadre-trace rank=$rank " "$err")" -eq 4
    check "oldest first, rank $rank" test "$(grep "rank=$rank .*number=" "$err" | sed 's/.*number=\([0-9]*\).*/\1/' |
        tr '\n' ' ')" = "3 4 5 "
done
warns 'count=1000 bytes=4000 dtype=f32 reduction=sum'
warns 'root=0'

# Into files; SIGTERM ends the program all the same (15: mpirun says 128 + 15).
CADRE_COLL_TRACE=100 CADRE_COLL_TRACE_FILE="$tmp/trace" expect 143 ranks 2 "$program" trace 15
check "five operations and a heading" test "$(grep -c '^cadre-trace rank=1' "$tmp/trace.1")" -eq 6
check "nothing under way" test "$(grep -c 'state=done' "$tmp/trace.0")" -eq 5

# A failure writes, too, with the step where it happened.
CADRE_COLL_TRACE=10 CADRE_COLL_TRACE_FILE="$tmp/failed" lose stop 3 "is stopped"
check "the failed one is the last" grep -q 'collective=allreduce.*state=ERR_TIMEOUT step=' "$tmp/failed.0"

CADRE_COLL_TRACE=many expect 1 ranks 1 "$program" trace
warns 'CADRE_COLL_TRACE: expected a whole number'
finish
