#!/usr/bin/env bash
# Everything wrong that can come from outside gets a sentence that helps, exit code 2 or 3, and
# leaves nothing under a final name.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/jobs.sh"

# bad NAME JQ-PROGRAM TEXT...: the job so changed is refused with exit code 3 and these texts.
bad() {
    local name="$1" program="$2" text
    shift 2
    write_job "$tmp/bad.json" "$program"
    expect 3 ranks 2 cadre run "$tmp/bad.json" --progress off
    for text in "$@"; do
        warns "$text"
    done
    check "$name: nothing is written" test ! -e "$tmp/run"
}

expect 3 ranks 2 cadre run "$tmp/missing.json"
warns "missing.json"
check "said once, not by every rank" test "$(grep -c missing.json "$err")" -eq 1
expect 2 ranks 2 cadre run
expect 2 ranks 2 cadre run --colour
printf '{\n  "schema_version": 1,\n  "name": oops\n}\n' >"$tmp/syntax.json"
expect 3 ranks 2 cadre run "$tmp/syntax.json"
warns "syntax.json:3:"

bad "unknown key" '.tiers[0].shard = 2' 'tiers[0].shard' 'shards' 'bad.json:'
bad "duplicate tier" '.tiers[1].name = "small"' 'small'
bad "negative price" '.tiers[0].price.per_request = "-0.01"' 'tiers[0].price.per_request' '-0.01'
bad "budget 1e400" '.tenants[0].budget = "1e400"' 'tenants[0].budget' '1e400'
bad "budget as a number" '.tenants[0].budget = 5' 'tenants[0].budget'
bad "zero shards" '.tiers[0].shards = 0' 'tiers[0].shards' '0'
bad "more shards than ranks" '.tiers[0].shards = 9' 'tiers[0].shards' '9'
write_job "$tmp/bad.json" '.tiers[0].ranks_per_shard = 2'
expect 3 ranks 3 cadre run "$tmp/bad.json" --progress off
warns 'it does not split a model'
check "a model that cannot be split leaves nothing" test ! -e "$tmp/run"
bad "unknown kernel" '.tiers[0].kernel = "mpl"' 'mpl' 'mlp'
bad "missing model" '.tiers[0].model = "nowhere.h5"' 'nowhere.h5'
bad "missing request file" '.input = {path: "nowhere.jsonl"}' 'nowhere.jsonl'
bad "unknown generator" '.input.generator = "gradde"' 'graded'
bad "no tiers" '.tiers = []' 'tiers'

# Requests.
requests() {
    write_job "$tmp/bad.json" ".input = {path: \"$tmp/requests.jsonl\"}"
    expect 3 ranks 2 cadre run "$tmp/bad.json" --progress off
    warns "requests.jsonl:$1:"
    shift
    for text in "$@"; do
        warns "$text"
    done
    check "nothing is written" test ! -e "$tmp/run"
}
row="[0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"
printf '{"id":"a","input":%s}\n{"id":"b","input":%s}\n{"id":"a","input":%s}\n' "$row" "$row" "$row" >"$tmp/requests.jsonl"
requests 3 'line 1' '"a"'
printf '{"id":"a","input":[1,2,3]}\n' >"$tmp/requests.jsonl"
requests 1 '16' '3'
printf '{"id":"a","input":%s}\n{"id":"b",\n' "$row" >"$tmp/requests.jsonl"
requests 2
printf '{"id":"a","input":%s,"tenant":"nobody"}\n' "$row" >"$tmp/requests.jsonl"
requests 1 'nobody'
printf '{"id":"a","prompt":"text for a kernel of rows"}\n' >"$tmp/requests.jsonl"
requests 1 'rows of numbers'

# A NaN in a dataset, a row too short.
printf '1,2,3\n4,nan,6\n' >"$tmp/rows.csv"
write_job "$tmp/bad.json" ".input = {path: \"$tmp/rows.csv\"}"
expect 3 ranks 2 cadre run "$tmp/bad.json" --progress off
warns "rows.csv:2"
printf '1,2,3\n4,5,6\n' >"$tmp/rows.csv"
expect 3 ranks 2 cadre run "$tmp/bad.json" --progress off
warns "16"

# A router that reads what rows do not have.
seq -s, 16 >"$tmp/rows.csv"
bad "column that rows lack" ".input = {path: \"$tmp/rows.csv\"} | .router.complexity.feature = 16" 'rows.csv:1' 'column 16'
expect 3 cadre plan "$tmp/bad.json"
bad "too few weights" ".input = {path: \"$tmp/rows.csv\"} | .router.complexity = {source: \"linear\", weights: [1, 2]}" '2 weights' '16 columns'

# A truncated weights file, at several places.
size="$(stat -c %s "$models/small.h5")"
for part in 0 1 2 3; do
    head -c "$((size * part / 4 + 7))" "$models/small.h5" >"$tmp/cut.h5"
    bad "weights cut at $part/4" ".tiers[0].model = \"$tmp/cut.h5\"" 'cut.h5'
done

# Output directories.
mkdir "$tmp/other" && echo hello >"$tmp/other/file"
write_job "$tmp/job.json"
expect 3 ranks 2 cadre run "$tmp/job.json" --output "$tmp/other" --progress off
warns "$tmp/other"
check "what was there is untouched" test "$(cat "$tmp/other/file")" = hello
expect 3 ranks 2 cadre run "$tmp/job.json" --output /proc/cadre --progress off
warns "/proc/cadre"
echo file >"$tmp/plainfile"
expect 3 ranks 2 cadre run "$tmp/job.json" --output "$tmp/plainfile/run" --progress off
warns "plainfile"
finish
