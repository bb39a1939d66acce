#!/usr/bin/env bash
# cadre-model tokenize: texts of the command line and of standard input; what is no text or no
# vocabulary is refused.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

tool="$(dirname "$CADRE")/cadre-model"
vocab="$source_dir/../shared/data/vocab"
stories="$source_dir/../shared/data/stories260K"
[ -f "$vocab/ggml-vocab-llama-spm.gguf" ] || skip "no ../shared/data/vocab beside the sources"
spm="$vocab/ggml-vocab-llama-spm.gguf"

# Standard input as tests give it: expect() closes it.
piped() {
    printf '%b' "$1" | "$tool" tokenize "${@:2}"
}

expect 0 "$tool" tokenize "$spm" "Hello world"
check "ids" test "$(cat "$out")" = "15043 3186"
expect 0 "$tool" tokenize "$spm" --bos --special "</s>Hello"
check "BOS and a special token" test "$(cat "$out")" = "1 2 15043"
expect 0 "$tool" tokenize "$spm" "</s>"
check "none in plain text" test "$(cat "$out")" = "1533 29879 29958"
expect 0 piped 'Hello world' "$spm" -
check "standard input" test "$(cat "$out")" = "15043 3186"
expect 0 piped '' "$spm"
check "nothing" test "$(cat "$out")" = ""
expect 0 "$tool" tokenize "$vocab/ggml-vocab-gpt-2.gguf" --pieces "Hello world"
says '15496  "Hello"'
expect 0 "$tool" tokenize "$stories/stories260K.bin" --tokenizer "$stories/tok512.bin" "Once"
check "llama2.c" test "$(cat "$out")" = "403"

expect 3 piped 'ab\xc3(' "$spm"
warns "part 1 of the text: byte 2 (0xC3) is not valid UTF-8"
sed 's/gpt-2/gpt-9/g' "$vocab/ggml-vocab-gpt-2.gguf" >"$tmp/pre.gguf"
expect 3 "$tool" tokenize "$tmp/pre.gguf" x
warns 'pre-tokenizer "gpt-9"; known are default, gpt-2'
expect 3 "$tool" tokenize "$tmp/none.gguf" x
warns "none.gguf"
expect 2 "$tool" tokenize
warns "expected MODEL [TEXT]"
finish
