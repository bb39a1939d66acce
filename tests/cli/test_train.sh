#!/usr/bin/env bash
# cadre train: the shipped weights can be made again, and bad jobs end with a sentence.
. "$(dirname "$0")/lib.sh"

jobs="$source_dir/jobs"

# The shipped weights come from OpenBLAS 0.3.21 as Haswell; elsewhere only the number of ranks must
# not matter.
export OPENBLAS_CORETYPE=Haswell
if grep -qw avx2 /proc/cpuinfo && "$CADRE" info | grep -q 'OpenBLAS *0\.3\.21'; then
    for n in 1 3; do
        expect 0 ranks "$n" cadre train "$jobs/train-small.json" --quiet --output "$tmp/$n.h5"
        check "small.h5 comes out as shipped at $n ranks" cmp -s "$tmp/$n.h5" "$jobs/models/small.h5"
    done
    expect 0 ranks 2 cadre train "$jobs/train-medium.json" --quiet --output "$tmp/medium.h5"
    check "medium.h5 comes out as shipped" cmp -s "$tmp/medium.h5" "$jobs/models/medium.h5"
else
    echo "not OpenBLAS 0.3.21 on a CPU with AVX2: comparing ranks only"
    unset OPENBLAS_CORETYPE
    for n in 1 3; do
        expect 0 ranks "$n" cadre train "$jobs/train-small.json" --quiet --output "$tmp/$n.h5" \
            --set epochs=2
    done
    check "1 and 3 ranks give the same bytes" cmp -s "$tmp/1.h5" "$tmp/3.h5"
fi

# What it says: epochs on stderr, the summary on stdout.
expect 0 ranks 2 cadre train "$jobs/train-small.json" --set epochs=2 --output "$tmp/deep/er/two.h5"
warns "epoch   2/2  loss "
warns "test accuracy "
says "kernel        mlp, 256 parameters"
says "xxh128 "
check "missing folders are made" test -s "$tmp/deep/er/two.h5"

# From a model on, with the options of a fresh one refused.
jq '.model = "small.h5" | .output.model = "more.h5" | del(.options) | .epochs = 1' \
    "$jobs/train-small.json" >"$tmp/more.json"
cp "$tmp/1.h5" "$tmp/small.h5"
expect 0 ranks 2 cadre train "$tmp/more.json" --quiet
check "the model has changed" test -s "$tmp/more.h5"
check "and not in place" cmp -s "$tmp/1.h5" "$tmp/small.h5"
expect 3 cadre train "$tmp/more.json" --set 'options={"layers":[16,4]}'
warns "layers"
head -c 3000 "$tmp/1.h5" >"$tmp/small.h5"
expect 3 ranks 2 cadre train "$tmp/more.json"
warns "small.h5"

bad() {
    expect 3 cadre train "$jobs/train-small.json" --output "$tmp/never.h5" --set "$1"
    warns "$2"
    check "nothing is written for $1" test ! -e "$tmp/never.h5"
}
bad epoch=3 '"epochs"'
bad epochs=0 epochs
bad batch=33 "multiple of 32"
bad optimizer.name=adamw '"sgd"'
bad optimizer.schedule=linear '"cosine"'
bad data.generator=grades grade
bad 'options={"layers":[16,3]}' "label"
bad 'optimizer={"name":"sgd","learning_rate":1e6}' "diverged"

expect 3 cadre train "$tmp/absent.json"
expect 2 cadre train
expect 3 cadre train "$jobs/train-small.json" --output "$tmp"
warns "found a folder"
expect 3 cadre train "$jobs/train-small.json" --output /proc/small.h5
warns "/proc"
touch "$tmp/file"
expect 3 cadre train "$jobs/train-small.json" --output "$tmp/file/small.h5"
warns "$tmp/file"
finish
