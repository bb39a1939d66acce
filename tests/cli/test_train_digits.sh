#!/usr/bin/env bash
# The digits of ../shared/data: at least 95 % of the held-out rows, and the same bytes of weights
# at any number of ranks.
. "$(dirname "$0")/lib.sh"

digits="$source_dir/../shared/data/digits/digits.csv.gz"
[ -f "$digits" ] || skip "no ../shared/data/digits/digits.csv.gz beside the sources"

for n in 1 2 3 5 8; do
    expect 0 ranks "$n" cadre train "$source_dir/jobs/train-digits.json" --quiet \
        --set "data.path=$digits" --set "test.path=$digits" --output "$tmp/$n.h5"
    says "ranks         $n"
    percent="$(sed -n 's/^accuracy  *\([0-9.]*\) % of 360 test rows$/\1/p' "$out")"
    check "accuracy is $percent %, expected at least 95 %" \
        awk -v p="$percent" 'BEGIN { exit !(p != "" && p >= 95) }'
    check "the weights at $n ranks are those at 1 rank" cmp -s "$tmp/1.h5" "$tmp/$n.h5"
done

# Rows that are not there, and a label column that is none.
expect 3 ranks 2 cadre train "$source_dir/jobs/train-digits.json" --output "$tmp/never.h5" \
    --set "data.path=$digits" --set "test.path=$digits" --set data.rows=100000
expect 3 ranks 2 cadre train "$source_dir/jobs/train-digits.json" --output "$tmp/never.h5" \
    --set "data.path=$digits" --set "test.path=$digits" --set data.label_column=5
warns "expected a label from 0 to 9"
check "nothing is written" test ! -e "$tmp/never.h5"
finish
