#!/usr/bin/env bash
# Kernels of users through job files: split over ranks, incremental, failing, hanging.
. "$(dirname "$0")/lib.sh"

kernels="${CADRE_TEST_BUILD:-$source_dir/build}/tests"

# write_kernel_job KERNEL: rows of $tmp/rows.jsonl for one tier of the kernel.
write_kernel_job() {
    cat >"$tmp/job.json" <<JOB
{"schema_version": 1, "name": "kernels", "input": {"path": "rows.jsonl"}, "output": {"dir": "run"},
 "tiers": [{"name": "only", "kernel": "$kernels/kernel_$1.so", "price": {"per_request": "0.01"}}],
 "tenants": [{"name": "acme", "budget": "5.00"}]}
JOB
}
rows() { # JQ-EXPRESSION of the row's number, HOW MANY
    jq -nc "range($2) | {id: \"r\(.)\", input: $1}" >"$tmp/rows.jsonl"
}
# run CODE RANKS ARGUMENTS...: the job, anew.
run() {
    local code="$1" n="$2"
    shift 2
    rm -rf "$tmp/run"
    expect "$code" ranks "$n" cadre run "$tmp/job.json" --progress off "$@"
}
answers() { jq -c '[.custom_id, .response.body.data[0].embedding]' "$tmp/run/results.jsonl"; }
ended_as() { jq -r 'select(.error.code == "'"$1"'") | .custom_id' "$tmp/run/errors.jsonl" | wc -l; }
ledger() { jq -r 'select(.event == "'"$1"'") | .event' "$tmp/run/ledger.jsonl" | wc -l; }

# One model over two ranks, in the first tier too: the answers are those of one rank.
write_kernel_job halves
rows '[range(64) as $k | (. * 7 + $k) % 11]' 300
run 0 2
answers >"$tmp/whole"
check "the sums are right" test "$(head -1 "$tmp/whole")" = '["r0",[311]]'
for n in 3 5; do
    run 0 "$n" --set tiers.0.ranks_per_shard=2 --set tiers.0.shards=$((n / 2))
    answers >"$tmp/split"
    check "two ranks per shard, $n ranks" cmp -s "$tmp/whole" "$tmp/split"
done
run 3 3 --set tiers.0.ranks_per_shard=2 --set tiers.0.shards=2
warns 'expected at most 1 shard, found 2'

# Requests that join and leave between steps; one that the kernel refuses.
write_kernel_job collatz
rows '[.]' 100
for n in 1 2 4; do
    run 1 "$n" --set tiers.0.shards=$((n > 1 ? n - 1 : 1))
    check "99 answers at $n ranks" test "$(wc -l <"$tmp/run/results.jsonl")" -eq 99
    check "27 takes 111 moves at $n ranks" grep -q '"r27".*\[111,9232\]' "$tmp/run/results.jsonl"
    check "0 is refused" test "$(ended_as kernel_error)" -eq 1
done

# A request that breaks its batch is found; the others are served. Money comes back.
write_kernel_job moody
rows '[if . == 50 then 1 else 0 end, -1, ., 0]' 200
run 1 3 --set tiers.0.shards=2
check "one failed" test "$(ended_as kernel_error)" -eq 1
check "after three attempts" test "$(jq .cadre.attempts "$tmp/run/errors.jsonl")" -eq 3
check "199 charges" test "$(ledger commit)" -eq 199
check "one release" test "$(ledger release)" -eq 1

# One that comes back later than anybody waits: the run is complete all the same.
rows '[if . == 50 then 2 else 0 end, -1, 3000, 0]' 200
run 1 2 --set limits.request_timeout_ms=200 --set limits.reduce_timeout_ms=200
warns "lacks the ranks' times"
check "some timed out" test "$(ended_as timeout)" -gt 0
check "each request has a record" test "$(cat "$tmp/run/results.jsonl" "$tmp/run/errors.jsonl" | wc -l)" -eq 200
check "each reservation is settled" test "$(($(ledger commit) + $(ledger release)))" -eq 200
check "no money is left reserved" test "$(tail -1 "$tmp/run/ledger.jsonl" | jq -r .reserved_usd)" = 0.00

# The job's deadline.
rows '[2, -1, 20, 0]' 200
run 5 2 --set limits.job_deadline_s=1
check "some expired" test "$(ended_as expired)" -gt 0
check "each reservation is settled" test "$(($(ledger commit) + $(ledger release)))" -eq "$(ledger reserve)"

# What does not open is found before anything is computed, and leaves nothing.
run 3 2 --set 'tiers.0.options={"fail_on":1}'
warns 'told not to open'
check "nothing is left" test ! -e "$tmp/run"
finish
