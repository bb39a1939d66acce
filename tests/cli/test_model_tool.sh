#!/usr/bin/env bash
# cadre-model: models are made, converted and shown; damaged ones are refused with a sentence,
# exit code 3, and within a second.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

tool="$(dirname "$CADRE")/cadre-model"
stories="$source_dir/../shared/data/stories260K"
small="--dim 64 --layers 2 --heads 4 --kv-heads 2 --ffn 96 --vocab 300 --context 64"

# ---- Usage ----
expect 0 "$tool" --help
says "inspect"
expect 0 "$tool" --man
says ".SS \"convert IN OUT.gguf\""
expect 0 "$tool" convert --help
says "--type F32|F16|BF16|Q8_0|Q4_0 "
expect 2 "$tool" explode
warns "unknown command \"explode\""
expect 2 "$tool" inspect
warns "expected FILE, found 0 operands"
expect 2 "$tool" random "$tmp/x.gguf" --layer-count 2
warns "unknown option --layer-count"
expect 2 "$tool" random "$tmp/x.gguf" --layers two
warns "--layers: expected a whole number from 1"
expect 2 "$tool" random "$tmp/x.gguf" --seed
warns "a value is missing after --seed"
expect 2 "$tool" random "$tmp/x.gguf" --type Q2_K
warns "--type: expected F32|F16|BF16|Q8_0|Q4_0|Q4_K|Q5_K|Q6_K, found \"Q2_K\""
expect 2 "$tool" random "$tmp/x.gguf" --arch gpt2
warns "--arch: expected llama|qwen2|qwen3, found \"gpt2\""
expect 2 "$tool" convert "$tmp/x.gguf" "$tmp/y.gguf" --type Q9
warns "--type: expected F32|F16|BF16|Q8_0|Q4_0, found \"Q9\""

# ---- What is made is shown ----
# shellcheck disable=SC2086 # the shape is several words
expect 0 "$tool" random "$tmp/r.gguf" $small --type Q8_0
expect 0 "$tool" inspect "$tmp/r.gguf" --tensors
says "heads             4 of 16 values, 2 for keys and values"
says "16 of Q8_0"
says "blk.1.ffn_down.weight"
says "tokenizer.ggml.tokens"
expect 0 "$tool" convert "$tmp/r.gguf" "$tmp/b.gguf" --type bf16
expect 0 "$tool" inspect "$tmp/b.gguf"
says "16 of BF16"
expect 2 "$tool" convert "$tmp/r.gguf" "$tmp/k.gguf" --type Q4_K
warns "found \"Q4_K\""
check "nothing is left of a refused conversion" test ! -e "$tmp/k.gguf"
expect 6 "$tool" convert "$tmp/r.gguf" "$tmp/no/folder.gguf"
warns "folder.gguf: cannot be written"
mkfifo "$tmp/pipe.gguf"
expect 3 timeout 1 "$tool" convert "$tmp/r.gguf" "$tmp/pipe.gguf"
warns "pipe.gguf is there and is not a regular file: it is not replaced"
check "a pipe or device stays" test -p "$tmp/pipe.gguf"
expect 6 timeout 5 "$tool" random "$tmp/huge.gguf" --dim 1048576 --layers 1000 --heads 8192 --head-dim 128
warns "huge.gguf: no room"
check "nothing is left of what has no room" test ! -e "$tmp/huge.gguf.partial"
# shellcheck disable=SC2086
expect 0 "$tool" random "$tmp/q.gguf" $small --arch qwen3 --head-dim 32 --tied --type Q4_0
expect 0 "$tool" inspect "$tmp/q.gguf"
says "architecture      qwen3"
says "pairs (i, i + half)"

if [ -f "$stories/stories260K.bin" ]; then
    expect 0 "$tool" convert "$stories/stories260K.bin" "$tmp/s.gguf" --type Q8_0 \
        --tokenizer "$stories/tok512.bin"
    warns "5 matrices are F16, as their rows do not fit Q8_0's blocks of 32"
    expect 0 "$tool" inspect "$tmp/s.gguf"
    says "512 tokens, SentencePiece"
    expect 3 "$tool" inspect "$stories/stories260K.bin"
    warns "name its tokenizer file"
else
    echo "SKIPPED in part: no ../shared/data/stories260K beside the sources"
fi

# ---- Bad files ----
refused() { # FILE TEXT
    expect 3 timeout 1 "$tool" inspect "$1"
    warns "$2"
}
expect 3 "$tool" inspect "$tmp/absent.gguf"
warns "No such file"
: >"$tmp/empty.gguf"
refused "$tmp/empty.gguf" "the file is empty"
mkfifo "$tmp/fifo.gguf"
refused "$tmp/fifo.gguf" "expected a regular file"
refused "$source_dir/README.md" "no GGUF file"
size="$(stat -c %s "$tmp/r.gguf")"
for part in 3 20 1000 $((size / 2)) $((size - 40)); do
    head -c "$part" "$tmp/r.gguf" >"$tmp/cut.gguf"
    refused "$tmp/cut.gguf" "cut.gguf"
done
cp "$tmp/r.gguf" "$tmp/count.gguf"
printf '\377\377\377\377\377\377\377\177' |
    dd of="$tmp/count.gguf" bs=1 seek=8 conv=notrunc status=none
refused "$tmp/count.gguf" "9223372036854775807 as number of tensors"

finish
