#!/usr/bin/env python3
"""Write a small GGUF model with random weights, for tests of the numerics.

Any of the architectures and tensor types that the transformer kernel reads. The vocabulary
is of the SentencePiece kind: unknown, start and end, 256 bytes, and pieces "_0", "_1", ...
"""
import argparse
import struct

import numpy as np

import blocks

ALIGNMENT = 32
UINT32, FLOAT32, STRING, ARRAY, INT32 = 4, 6, 8, 9, 5


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key, kind, payload):
    return text(key) + struct.pack("<I", kind) + payload


def integer(key, value):
    return pair(key, UINT32, struct.pack("<I", value))


def number(key, value):
    return pair(key, FLOAT32, struct.pack("<f", value))


def string(key, value):
    return pair(key, STRING, text(value))


def array(key, kind, items):
    return pair(key, ARRAY, struct.pack("<IQ", kind, len(items)) + b"".join(items))


def vocabulary(size):
    """Keys of a vocabulary: tokens, scores, types."""
    special = [("<unk>", 2), ("<s>", 3), ("</s>", 3)]
    of_bytes = [(f"<0x{i:02X}>", 6) for i in range(256)]
    n_pieces = size - len(special) - len(of_bytes)
    if n_pieces < 0:
        raise SystemExit(f"--vocab: expected 259 or more, found {size}")
    tokens = special + of_bytes + [(f"\u2581{i}", 1) for i in range(n_pieces)]
    return [
        string("tokenizer.ggml.model", "llama"),
        array("tokenizer.ggml.tokens", STRING, [text(t) for t, _ in tokens]),
        array("tokenizer.ggml.scores", FLOAT32,
              [struct.pack("<f", -float(i)) for i in range(size)]),
        array("tokenizer.ggml.token_type", INT32, [struct.pack("<i", k) for _, k in tokens]),
        integer("tokenizer.ggml.bos_token_id", 1),
        integer("tokenizer.ggml.eos_token_id", 2),
        integer("tokenizer.ggml.unknown_token_id", 0),
    ]


def keys(a):
    arch = a.arch
    pairs = [
        string("general.architecture", arch),
        string("general.name", "random"),
        integer(f"{arch}.context_length", a.context),
        integer(f"{arch}.embedding_length", a.dim),
        integer(f"{arch}.block_count", a.layers),
        integer(f"{arch}.feed_forward_length", a.ffn),
        integer(f"{arch}.attention.head_count", a.heads),
        integer(f"{arch}.attention.head_count_kv", a.kv_heads),
        integer(f"{arch}.attention.key_length", a.head_dim),
        integer(f"{arch}.attention.value_length", a.head_dim),
        integer(f"{arch}.rope.dimension_count", a.head_dim),
        number(f"{arch}.attention.layer_norm_rms_epsilon", a.epsilon),
        number(f"{arch}.rope.freq_base", a.rope_base),
        integer(f"{arch}.vocab_size", a.vocab),
    ]
    if a.rope_factor != 1:
        pairs += [string(f"{arch}.rope.scaling.type", "linear"),
                  number(f"{arch}.rope.scaling.factor", a.rope_factor)]
    return pairs + vocabulary(a.vocab)


def tensors(a):
    """(name, rows, columns or 0 for a vector, type, what its values are like)."""
    q, kv = a.heads * a.head_dim, a.kv_heads * a.head_dim
    yield "token_embd.weight", a.vocab, a.dim, a.type, "embedding"
    if a.rope_divisors:
        yield "rope_freqs.weight", a.head_dim // 2, 0, "F32", "divisors"
    for layer in range(a.layers):
        at = f"blk.{layer}."
        yield at + "attn_norm.weight", a.dim, 0, "F32", "norm"
        for part, rows in (("q", q), ("k", kv), ("v", kv)):
            kind = a.second_type if part == "v" else a.type
            yield f"{at}attn_{part}.weight", rows, a.dim, kind, "matrix"
            if a.arch == "qwen2" or a.biases:
                yield f"{at}attn_{part}.bias", rows, 0, "F32", "bias"
            if a.arch == "qwen3" and part != "v":
                yield f"{at}attn_{part}_norm.weight", a.head_dim, 0, "F32", "norm"
        yield at + "attn_output.weight", a.dim, q, a.type, "matrix"
        yield at + "ffn_norm.weight", a.dim, 0, "F32", "norm"
        yield at + "ffn_gate.weight", a.ffn, a.dim, a.type, "matrix"
        yield at + "ffn_up.weight", a.ffn, a.dim, a.type, "matrix"
        yield at + "ffn_down.weight", a.dim, a.ffn, a.second_type, "matrix"
    yield "output_norm.weight", a.dim, 0, "F32", "norm"
    if not a.tied:
        yield "output.weight", a.vocab, a.dim, a.second_type, "matrix"


def values(a, rng, rows, columns, kind, role):
    if role == "norm":
        return rng.uniform(0.5, 1.5, rows).astype("<f4").tobytes()
    if role == "bias":
        return (rng.standard_normal(rows) * 0.3).astype("<f4").tobytes()
    if role == "divisors":
        return rng.uniform(1, 8, rows).astype("<f4").tobytes()
    n = rows * columns // blocks.TYPES[kind][1]
    deviation = 1 if role == "embedding" and not a.tied else columns ** -0.5
    return blocks.random_blocks(rng, kind, n, deviation).tobytes()


def padding(n):
    return bytes(-n % ALIGNMENT)


def write(a):
    rng = np.random.default_rng(a.seed)
    described, data = b"", b""
    n_tensors = 0
    for name, rows, columns, kind, role in tensors(a):
        number_of_type, block, _ = blocks.TYPES[kind]
        if columns % block:
            raise SystemExit(f"{name}: rows of {columns} values do not divide into blocks of "
                             f"{block}, as {kind} has them")
        shape = [columns, rows] if columns else [rows]
        described += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        described += struct.pack("<IQ", number_of_type, len(data))
        raw = values(a, rng, rows, columns, kind, role)
        data += raw + padding(len(raw))
        n_tensors += 1
    pairs = keys(a)
    head = b"GGUF" + struct.pack("<IQQ", 3, n_tensors, len(pairs)) + b"".join(pairs) + described
    with open(a.output, "wb") as f:
        f.write(head + padding(len(head)) + data)


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("output")
    p.add_argument("--arch", choices=("llama", "qwen2", "qwen3"), default="llama")
    p.add_argument("--dim", type=int, default=256)
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--kv-heads", type=int, default=2)
    p.add_argument("--head-dim", type=int, help="dim / heads if not given")
    p.add_argument("--ffn", type=int, default=512)
    p.add_argument("--vocab", type=int, default=320)
    p.add_argument("--context", type=int, default=256)
    p.add_argument("--type", choices=blocks.TYPES, default="F32")
    p.add_argument("--second-type", choices=blocks.TYPES,
                   help="of v, down and output, as mixed files have one; --type if not given")
    p.add_argument("--epsilon", type=float, default=1e-5)
    p.add_argument("--rope-base", type=float, default=10000)
    p.add_argument("--rope-factor", type=float, default=1, help="linear scaling")
    p.add_argument("--rope-divisors", action="store_true", help="with rope_freqs.weight")
    p.add_argument("--biases", action="store_true", help="biases of q, k, v in any architecture")
    p.add_argument("--tied", action="store_true", help="the output is the embedding")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    a.head_dim = a.head_dim or a.dim // a.heads
    a.second_type = a.second_type or a.type
    return a


if __name__ == "__main__":
    write(arguments())
