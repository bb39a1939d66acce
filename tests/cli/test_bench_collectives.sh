#!/usr/bin/env bash
# cadre bench collectives: verified, timed beside MPI, and reported in each form.
. "$(dirname "$0")/lib.sh"

bench() { # RANKS ARGUMENTS...
    local n="$1"
    shift
    ranks "$n" cadre bench collectives --repetitions 1 --output "$tmp/bench" "$@"
}
report="$tmp/bench/report.json"

# Every collective, what is chosen, with and without shared memory.
expect 0 bench 3 --sizes 8,64k --buffers both
says "verified: each contender's results on every rank"
check "all collectives" jq -e '[.rows[].collective] | unique | length == 10' "$report"
check "a barrier has no size" jq -e '[.rows[] | select(.collective == "barrier")] | length == 2 and
    all(.bytes == 0 and .bus_gb_per_s == null)' "$report"
check "MPI and ours in each" jq -e '[.rows[] | select(.collective == "allreduce")] |
    map(.buffers + (.is_mpi_call | tostring)) | . == ["malloctrue", "mallocfalse", "sharedfalse",
    "malloctrue", "mallocfalse", "sharedfalse"]' "$report"
check "all were timed" jq -e 'all(.rows[]; .time_us > 0 and .best_us > 0 and .speedup > 0)' "$report"
check "ours is what is chosen" jq -e 'all(.rows[]; .chosen != .is_mpi_call)' "$report"
check "bandwidths" jq -e '.rows[] | select(.collective == "allreduce" and .bytes == 65536) |
    (.algorithm_gb_per_s * .time_us * 1000 / 65536 - 1 | fabs < 1e-6) and
    (.bus_gb_per_s / .algorithm_gb_per_s - 4 / 3 | fabs < 1e-6)' "$report"
check "sizes are rounded up to whole blocks" jq -e '[.rows[] | select(.collective == "allgather") | .bytes] |
    unique == [12, 65544]' "$report"
check "a page" grep -q "Figures" "$tmp/bench/report.html"
expect 0 cadre report "$tmp/bench" --format csv
says "collective,bytes,algorithm,buffers,chosen,repetitions,time_us"
check "a line per row" test "$(wc -l <"$out")" -eq "$(jq '.rows | length + 1' "$report")"
expect 0 cadre report "$tmp/bench"
says "benchmark collectives on 3 ranks"

# Every algorithm of one collective, other types and reductions; MPI has no bf16.
expect 0 bench 4 --collective allreduce --algorithms all --sizes 100,5k --dtype i64 --reduction min
check "each once per size" jq -e '[.rows[] | .algorithm + (.bytes | tostring)] | length == (unique | length) and
    length >= 8' "$report"
check "one is chosen" jq -e '[.rows[] | select(.chosen)] | length == 2' "$report"
expect 0 bench 3 --collective allreduce,scan --algorithms all --sizes 1,999 --dtype bf16
check "no row of MPI's" jq -e 'all(.rows[]; .is_mpi_call == false and .speedup == null)' "$report"
expect 0 bench 2 --collective allreduce,reduce_scatter,reduce --algorithms all --sizes 2k --dtype f16 --reduction average
expect 0 bench 2 --collective broadcast,alltoall --algorithms native,chosen --sizes 9 --dtype u8
check "the named and the chosen" jq -e '[.rows[] | select(.algorithm == "native")] | length == 2' "$report"
expect 0 cadre bench collectives --sizes 64 --collective allreduce,barrier --repetitions 1 --output "$tmp/one"
says "on 1 rank,"

# Sums with the same bits for any ranks are timed where they are named, and never chosen.
expect 0 bench 2 --collective allreduce --algorithms reproducible,chosen --sizes 8,64k --buffers both
check "beside what is chosen" jq -e '[.rows[] | select(.is_mpi_call | not) | (.algorithm == "reproducible") != .chosen] |
    all and length == 8' "$report"

# So many ranks that areas are smaller than what is read at once in others' memory.
expect 0 bench 18 --collective broadcast,allgather --algorithms all --sizes 8k
check "verified with 18 ranks" jq -e 'all(.rows[]; .time_us > 0)' "$report"

# A setting chooses, and stands in the report.
CADRE_COLL=allreduce:0-1k:ring expect 0 bench 2 --collective allreduce --sizes 64,2k
check "the setting chose" jq -e '[.rows[] | select(.is_mpi_call | not) | .algorithm == "ring"] == [true, false]' "$report"
check "and is told" jq -e '.settings | contains("CADRE_COLL=allreduce:0-1k:ring")' "$report"

mistake() { # WARNING ARGUMENTS...
    local text="$1"
    shift
    expect 2 ranks 2 cadre bench collectives --output "$tmp/bench" "$@"
    warns "$text"
}
mistake '--sizes: expected ascending sizes' --sizes 64k-4
mistake '--sizes: expected ascending sizes' --sizes 2G
mistake 'there is no collective "allredcue"; there are allreduce, reduce' --collective allredcue
mistake 'has an algorithm "rong"' --algorithms ring,rong
mistake 'has an algorithm "chain"' --collective allreduce --algorithms chain
mistake 'there is no type "f31"; there are f32' --dtype f31
mistake 'there is no reduction "add"; there are sum' --reduction add
mistake 'expected malloc|shared|both' --buffers mallock
mistake 'not an option of this benchmark: --ragged' --ragged
CADRE_COLL=allreduce:rnig mistake 'CADRE_COLL: character 11'
CADRE_COLL=allreduce:4k-2k:ring mistake 'CADRE_COLL: character'
mkdir "$tmp/run" && echo '{}' >"$tmp/run/run.json"
expect 3 ranks 2 cadre bench collectives --sizes 8 --output "$tmp/run"
warns "holds the run of a job"
expect 3 ranks 2 cadre bench collectives --sizes 8 --output /proc/cadre
warns "/proc/cadre"
finish
