#!/usr/bin/env bash
# The transformer kernel's logits against a second implementation in Python with numpy
# (tests/numerics), on small random models of every architecture and tensor type. PYTHON names
# an interpreter that has numpy; else python3 is tried, and the one of the distribution.
. "$(dirname "$0")/lib.sh"

for python in "${PYTHON:-python3}" /usr/bin/python3; do
    "$python" -c 'import numpy' 2>/dev/null && break
done
numerics="$source_dir/tests/numerics"
tool="$(dirname "$CADRE")/cadre-model"
export PYTHONDONTWRITEBYTECODE=1
"$python" -c 'import numpy' 2>/dev/null || skip "$python has no numpy"

# More tokens than two pages of the KV cache hold, so that reading crosses pages.
tokens="$(seq -s, 2 3 257)"

# same_as OPTIONS...: the logits in $tmp/logits are those of the reference, within the bounds.
same_as() {
    expect 0 "$python" "$numerics/reference.py" "$tmp/model.gguf" --tokens "$tokens" \
        --against "$tmp/logits" "$@"
    echo "  $(cat "$out")"
}

# logits OPTIONS...: what the kernel makes of the model and the tokens.
logits() {
    expect 0 "$tool" logits "$tmp/model.gguf" --tokens "$tokens" --output "$tmp/logits" "$@"
}

# model OPTIONS...: a model of this kind, and its logits from the kernel.
model() {
    echo "$*"
    expect 0 "$python" "$numerics/make_model.py" "$tmp/model.gguf" "$@"
    logits
}

# With keys and values in f32 nothing is rounded but f32's last bit. By default they are kept as
# f16: then the reference rounds them, too.
while read -r options; do
    # shellcheck disable=SC2086 # several options
    model --type F32 $options
    same_as --rounded --max-error 1e-4
    logits --kv f32
    same_as --max-error 1e-5
    mv "$tmp/logits" "$tmp/whole"
    logits --kv f32 --chunk 5 --threads 2
    check "other chunks and threads, the same bits" cmp "$tmp/logits" "$tmp/whole"
done <<'end'
--seed 2 --kv-heads 4 --tied
--seed 3 --kv-heads 1 --layers 3 --ffn 500 --vocab 259
--seed 4 --dim 48 --heads 3 --kv-heads 1 --ffn 80 --rope-base 500000 --rope-divisors
--seed 5 --rope-factor 4 --biases
--seed 6 --arch qwen2 --rope-base 1000000
--seed 7 --arch qwen3 --head-dim 96
--seed 8 --arch qwen3 --heads 6 --kv-heads 2 --head-dim 32 --tied
end

# Integer activations may round the other way where two sums differ in the last bit, so what is
# compared are the distributions, with those of unrounded arithmetic: KL divergence in nats.
while read -r type second kl arch; do
    model --type "$type" --second-type "$second" --arch "$arch"
    same_as --max-kl "$kl"
done <<'end'
F32 F32 1e-7 llama
F16 F16 1e-7 qwen3
BF16 BF16 2e-5 llama
Q8_0 Q8_0 2.5e-4 qwen2
Q4_0 Q4_0 1e-4 llama
Q4_0 Q8_0 2.5e-4 qwen3
Q4_K Q6_K 3e-4 llama
Q5_K Q6_K 3e-4 qwen3
Q6_K Q6_K 4e-4 llama
Q8_0 F16 1e-4 llama
end

model --type F16
logits --kv int8
same_as --max-kl 1e-4
logits --kv f32
same_as --max-error 1e-5
expect 2 "$tool" logits "$tmp/model.gguf" --tokens "$tokens" --kv f64 --output "$tmp/logits"
warns 'expected f16, int8 or f32, found "f64"'

# The comparison can fail: another model's logits.
model --type F32 --seed 9
expect 0 "$python" "$numerics/make_model.py" "$tmp/model.gguf" --type F32 --seed 10
expect 1 "$python" "$numerics/reference.py" "$tmp/model.gguf" --tokens "$tokens" \
    --against "$tmp/logits" --max-error 1e-1
finish
