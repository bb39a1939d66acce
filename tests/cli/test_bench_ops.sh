#!/usr/bin/env bash
# cadre bench ops: every level agrees with the reference, is timed, and is reported in each form.
. "$(dirname "$0")/lib.sh"

levels="$(cadre info ops --format json | jq '[.ops.levels[] | select(.usable)] | length')"
small="--n-out 40 --n-in 64 --repetitions 1 --output $tmp/bench"

# shellcheck disable=SC2086 # words
expect 0 cadre bench ops --type Q4_0 --rows 1,9 $small
says "every level has the bits of ref"
says "matmul Q4_0"
report="$tmp/bench/report.json"
check "a row per size and level" test "$(jq '.rows | length' "$report")" -eq $((2 * levels))
check "all were timed" jq -e 'all(.rows[]; .time_us > 0 and .gops_per_s > 0 and .gb_per_s > 0)' "$report"
check "the sizes" jq -e '[.rows[].rows] | unique == [1, 9]' "$report"
check "a page" grep -q "Figures" "$tmp/bench/report.html"
expect 0 cadre report "$tmp/bench" --format csv
says "op,shape,rows,level"
check "a line per row" test "$(wc -l <"$out")" -eq $((2 * levels + 1))
expect 0 cadre report "$tmp/bench"
says "40 x 64"

# Other ranks wait.
# shellcheck disable=SC2086
expect 0 ranks 2 cadre bench ops --type BF16 --rows 2 --format csv $small
check "one table" test "$(grep -c '^op,' "$out")" -eq 1

# All ops, with their default sizes where they have such.
expect 0 cadre bench ops --rows 1 --n-out 16 --n-in 256 --repetitions 1 --output "$tmp/all"
for op in "matmul F32" "matmul Q6_K" "attention f16" "attention int8" "attention f32" rmsnorm "to_rows Q8" argmax kv_store "combine f32 sum" "combine bf16 sum" "fixed f32"; do
    says "$op"
done

expect 2 cadre bench ops --rows 1,,2
warns '--rows: expected up to 16 numbers from 1 to 4096 with commas between, found "1,,2"'
expect 2 cadre bench ops --rows 0
expect 2 cadre bench ops --rows 5000
expect 2 cadre bench ops --n-in 100
warns "--n-in: expected a multiple of 32, the block of Q8_0, found 100"
expect 0 cadre bench ops --type F32 --n-in 100 --n-out 17 --rows 3 --repetitions 1 --output "$tmp/odd"
expect 2 cadre bench ops --type Q3_K
expect 2 cadre bench ops --ragged
warns "not an option of this benchmark: --ragged"
mkdir "$tmp/run" && echo '{}' >"$tmp/run/run.json"
expect 3 cadre bench ops --type F32 --output "$tmp/run"
warns "holds the run of a job"
expect 3 cadre bench ops --type F32 --output /proc
warns "/proc: cannot write there"
finish
