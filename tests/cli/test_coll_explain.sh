#!/usr/bin/env bash
# cadre coll explain: candidates, the choice and why; where costs come from and are kept.
. "$(dirname "$0")/lib.sh"

explain() { # RANKS ARGUMENTS...
    local n="$1"
    shift
    ranks "$n" cadre coll explain "$@"
}

expect 0 explain 3 --collective allreduce,barrier --sizes 8,64k
says "3 ranks on 1 node, f32, sum, malloc buffers; costs: built in: CADRE_COLL_COSTS=off"
says "allreduce, 65,536 bytes"
says "barrier, 0 bytes"
says ": least predicted time of "
expect 0 explain 3 --format json --sizes 100,64k --dtype f64
check "all collectives, each size" jq -e '[.calls[].collective] | length == 19 and (unique | length == 10)' "$out"
check "one is chosen, and can do it" jq -e 'all(.calls[]; [.candidates[] | select(.chosen)] | length == 1 and .[0].applies)' "$out"
check "the least predicted is chosen, all but shared memory at 5/4" jq -e 'all(.calls[];
    [.candidates[] | select(.applies) | . + {counted: (.predicted_us * (if .algorithm | . == "shm" or . == "shm_slices" then 4 else 5 end))}] |
    (.[] | select(.chosen).counted) <= min_by(.counted).counted * 1.000001)' "$out"
check "what applies is predicted and measured" jq -e 'all(.calls[].candidates[];
    .applies == (.predicted_us != null) and .applies == (.measured_us != null))' "$out"
check "predictions are for the class" jq -e '.calls[] | select(.collective == "broadcast" and .bytes == 104) | .class_bytes == 128' "$out"
expect 0 explain 2 --format json --sizes 8-1k --no-measure
check "nothing is measured" jq -e 'all(.calls[].candidates[]; .measured_us == null)' "$out"
CADRE_COLL=allreduce:-1k:ring,broadcast:native expect 0 explain 3 --format json --sizes 8,4k --no-measure
check "the setting says so" jq -e '[.calls[] | select(.why == "CADRE_COLL says so") | .collective + (.bytes | tostring)] |
    . == ["allreduce8", "broadcast8", "broadcast4096"]' "$out"
expect 0 cadre coll explain --collective reduce --sizes 8
says "1 rank on 1 node"

expect 2 cadre coll explian
warns 'expected "explain", found "explian"'
expect 2 cadre coll
expect 2 explain 2 --collective none
warns 'there is no collective "none"'
expect 2 explain 2 --sizes 0
CADRE_COLL=allreduce:ring,allreduce:ring expect 2 explain 2
warns "named twice"

# Costs are measured once, kept, and read by the next job.
costs() { # COMMAND...: with a cache of its own
    env -u CADRE_COLL_COSTS XDG_CACHE_HOME="$tmp/cache" "$@"
}
once() {
    costs timeout 100 "$MPIRUN" -n 2 "$CADRE" coll explain --no-measure --collective allreduce --sizes 8 --format json
}
# (Or found that the machine is too busy for that, and for how long it is not tried again.)
fresh() { # WHAT
    check "$1" jq -e '.costs | test("^measured in this job|^built in: the machine is too busy")' "$out"
}
expect 0 once
fresh "measured"
file="$(echo "$tmp"/cache/cadre/coll-*-2x1-*.costs)"
check "kept" test -s "$file"
expect 0 once
check "read" jq -e --arg file "$file" '.costs | . == $file or test("was too busy")' "$out"

# What is wrong with the file is mended.
for damage in "s/^key .*/key another machine/" "s/sync_ns .*/sync_ns -3/" "/across/d" "s/^cadre.*/{}/"; do
    sed -i "$damage" "$file"
    expect 0 once
    fresh "measured again after $damage"
    silent_on "$err"
done
cp "$file" "$tmp/mine.costs"
: >"$file"
expect 0 once
fresh "measured again: empty"

# A file of one's own; no place to keep anything; always anew.
sed -i 's/^key .*/key */; /busy/d; /curve/d; s/^inside latency_ns .*/inside latency_ns 123456/' "$tmp/mine.costs"
CADRE_COLL_COSTS="$tmp/mine.costs" expect 0 explain 2 --no-measure --collective barrier --format json
check "its costs hold" jq -e '.calls[0].candidates[] | select(.algorithm == "dissemination").predicted_us == 123.456' "$out"
CADRE_COLL_COSTS="$tmp/new/own.costs" expect 0 explain 2 --no-measure --collective barrier
check "made where it was not" test -s "$tmp/new/own.costs"
expect 0 env -u CADRE_COLL_COSTS XDG_CACHE_HOME=/proc/nowhere "$MPIRUN" -n 2 "$CADRE" coll explain --no-measure --collective barrier
says "built in: there is no place to keep measured ones"
warns "measured costs of collectives cannot be kept (/proc/nowhere/"
check "said once" test "$(grep -c "cannot be kept" "$err")" -eq 1
CADRE_COLL_COSTS=measure expect 0 explain 2 --no-measure --collective barrier
says "costs: measured in this job"
silent_on "$err"
finish
