#!/usr/bin/env python3
"""A second implementation of the forward pass, to compare the transformer kernel with.

Reads a GGUF file of architecture llama, qwen2 or qwen3 and computes, in numpy and 64-bit
floats, the logits after each of the given tokens. It shares no code with the kernel.

  reference.py MODEL --tokens 1,5,7 --output FILE            writes f32 [n_tokens][n_vocab]
  reference.py MODEL --tokens 1,5,7 --against FILE [--max-error E] [--max-kl K]
        compares: prints the largest difference over the largest logit, the mean and largest
        KL divergence of the next-token distributions (nats) and how often the most likely
        token is the same; exits 1 if a bound is exceeded
  --rounded   round as the kernel is documented to: keys and values to f16, and what a
              matrix multiplies to the form of its type (bf16, or 8 bits per 32 values)
"""
import argparse
import struct
import sys

import numpy as np

import blocks

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q",
           12: "d"}


class File:
    """A GGUF file: its keys, and its tensors as matrices of f64."""

    def __init__(self, path):
        self.raw = np.memmap(path, np.uint8, "r")
        self.at = 0
        magic, version, n_tensors, n_keys = self.take("4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise SystemExit(f"{path}: not a GGUF file of version 2 or 3")
        self.keys = {}
        for _ in range(n_keys):
            key = self.text()
            self.keys[key] = self.value(self.take("I")[0])
        self.tensors = {}
        for _ in range(n_tensors):
            name = self.text()
            shape = self.take(f"{self.take('I')[0]}Q")
            self.tensors[name] = (shape, *self.take("IQ"))
        alignment = self.keys.get("general.alignment", 32)
        self.data = -(-self.at // alignment) * alignment

    def take(self, layout):
        size = struct.calcsize("<" + layout)
        found = struct.unpack("<" + layout, self.raw[self.at:self.at + size].tobytes())
        self.at += size
        return found

    def text(self):
        size = self.take("Q")[0]
        self.at += size
        return self.raw[self.at - size:self.at].tobytes().decode("utf-8", "replace")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, n = self.take("IQ")
            if inner in SCALARS:
                return self.take(f"{n}{SCALARS[inner]}")
            return [self.value(inner) for _ in range(n)]
        return self.take(SCALARS[kind])[0]

    def type_of(self, name):
        return blocks.NAMES[self.tensors[name][1]]

    def tensor(self, name, rows=slice(None)):
        """These rows of a tensor; None if there is no such tensor."""
        if name not in self.tensors:
            return None
        shape, number, offset = self.tensors[name]
        _, block, size = blocks.TYPES[blocks.NAMES[number]]
        n_rows = int(np.prod(shape[1:], dtype=np.int64))
        row_bytes = shape[0] // block * size
        start = self.data + offset
        raw = self.raw[start:start + n_rows * row_bytes].reshape(n_rows, row_bytes)[rows]
        values = blocks.dequantize(blocks.NAMES[number], raw.reshape(-1, size))
        values = values.reshape(-1, shape[0])
        return values[0] if len(shape) == 1 else values


def to_bf16(x):
    bits = x.astype(np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + (bits >> 16 & 1) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(np.float64)


def to_q8(x):
    """Integers of -127 to 127 with one scale per 32 values."""
    padded = np.pad(x, ((0, 0), (0, -x.shape[1] % 32))).astype(np.float32)
    groups = padded.reshape(len(x), -1, 32)
    scale = np.abs(groups).max(axis=2, keepdims=True) / np.float32(127)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale > 0)
    whole = np.rint(groups * inverse).astype(np.float64)
    return (whole * scale).reshape(len(x), -1)[:, :x.shape[1]]


def to_f16(x):
    return x.astype(np.float32).astype(np.float16).astype(np.float64)


class Model:
    def __init__(self, file, rounded):
        self.file, self.rounded = file, rounded
        self.arch = file.keys["general.architecture"]
        self.n_layers = self.key("block_count")
        self.dim = self.key("embedding_length")
        self.n_heads = self.key("attention.head_count")
        self.n_kv = self.key("attention.head_count_kv", self.n_heads)
        self.head_dim = self.key("attention.key_length", self.dim // self.n_heads)
        self.n_rot = self.key("rope.dimension_count", self.head_dim)
        self.epsilon = self.key("attention.layer_norm_rms_epsilon")
        self.halves = self.arch in ("qwen2", "qwen3")

    def key(self, name, default=None):
        found = self.file.keys.get(f"{self.arch}.{name}", default)
        if found is None:
            raise SystemExit(f"key {self.arch}.{name} is missing")
        return found

    def multiply(self, x, name):
        """x [n][n_in] by the matrix `name`.weight [n_out][n_in], plus its bias if any."""
        kind = self.file.type_of(name + ".weight")
        if self.rounded and kind == "BF16":
            x = to_bf16(x)
        elif self.rounded and kind[0] == "Q":
            x = to_q8(x)
        y = x @ self.file.tensor(name + ".weight").T
        bias = self.file.tensor(name + ".bias")
        return y if bias is None else y + bias

    def norm(self, x, name):
        """RMS norm over the last axis."""
        mean_square = (x * x).mean(axis=-1, keepdims=True)
        return x / np.sqrt(mean_square + self.epsilon) * self.file.tensor(name)

    def rope(self, x):
        """Rotate x [n][heads][head_dim], row i standing at position i."""
        half = self.n_rot // 2
        angle = np.arange(len(x))[:, None] / self.stretch()
        angle = angle * self.key("rope.freq_base", 10000.0) ** (-np.arange(half) / half)
        divisors = self.file.tensor("rope_freqs.weight")
        if divisors is not None:
            angle = angle / divisors
        c, s = np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]
        first = slice(0, half) if self.halves else slice(0, self.n_rot, 2)
        second = slice(half, self.n_rot) if self.halves else slice(1, self.n_rot, 2)
        y = x.copy()
        y[..., first] = x[..., first] * c - x[..., second] * s
        y[..., second] = x[..., first] * s + x[..., second] * c
        return y

    def stretch(self):
        kind = self.key("rope.scaling.type", "linear")
        if kind not in ("none", "linear"):
            raise SystemExit(f"rope scaling {kind} is not known")
        factor = self.key("rope.scaling.factor", self.key("rope.scale_linear", 0.0))
        return factor if kind == "linear" and factor else 1.0

    def heads(self, x, n):
        return x.reshape(len(x), n, self.head_dim)

    def head_norm(self, x, name):
        return x if name not in self.file.tensors else self.norm(x, name)

    def attention(self, x, at):
        n = len(x)
        q = self.heads(self.multiply(x, at + "attn_q"), self.n_heads)
        k = self.heads(self.multiply(x, at + "attn_k"), self.n_kv)
        v = self.heads(self.multiply(x, at + "attn_v"), self.n_kv)
        q = self.rope(self.head_norm(q, at + "attn_q_norm.weight"))
        k = self.rope(self.head_norm(k, at + "attn_k_norm.weight"))
        if self.rounded:
            k, v = to_f16(k), to_f16(v)
        k = np.repeat(k, self.n_heads // self.n_kv, axis=1)
        v = np.repeat(v, self.n_heads // self.n_kv, axis=1)
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(self.head_dim)
        scores += np.triu(np.full((n, n), -np.inf), 1)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        mixed = np.einsum("hij,jhd->ihd", weights, v).reshape(n, -1)
        return self.multiply(mixed, at + "attn_output")

    def feed_forward(self, x, at):
        gate = self.multiply(x, at + "ffn_gate")
        up = self.multiply(x, at + "ffn_up")
        return self.multiply(gate / (1 + np.exp(-gate)) * up, at + "ffn_down")

    def logits(self, tokens):
        """f64 [n_tokens][n_vocab]: what follows each token, given those up to it."""
        x = self.file.tensor("token_embd.weight", tokens)
        for layer in range(self.n_layers):
            at = f"blk.{layer}."
            x = x + self.attention(self.norm(x, at + "attn_norm.weight"), at)
            x = x + self.feed_forward(self.norm(x, at + "ffn_norm.weight"), at)
        x = self.norm(x, "output_norm.weight")
        tied = "output.weight" not in self.file.tensors
        return self.multiply(x, "token_embd" if tied else "output")


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def compare(expected, path, max_error, max_kl):
    found = np.fromfile(path, "<f4").astype(np.float64)
    if found.size != expected.size:
        raise SystemExit(f"{path}: expected {expected.size} logits, found {found.size}")
    found = found.reshape(expected.shape)
    if not np.isfinite(found).all():
        raise SystemExit(f"{path}: expected finite logits")
    error = np.abs(found - expected).max() / np.abs(expected).max()
    p, q = log_softmax(expected), log_softmax(found)
    kl = (np.exp(p) * (p - q)).sum(axis=1)
    same = (expected.argmax(axis=1) == found.argmax(axis=1)).mean()
    print(f"error {error:.3g}, KL mean {kl.mean():.3g} max {kl.max():.3g}, "
          f"top-1 {100 * same:.4g} % of {len(kl)}")
    return error <= max_error and kl.mean() <= max_kl


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("model")
    p.add_argument("--tokens", required=True, help="ids, with commas")
    p.add_argument("--output", help="f32 logits are written here")
    p.add_argument("--against", help="f32 logits to compare with")
    p.add_argument("--max-error", type=float, default=np.inf)
    p.add_argument("--max-kl", type=float, default=np.inf)
    p.add_argument("--rounded", action="store_true", help="round as the kernel does")
    a = p.parse_args()
    tokens = [int(t) for t in a.tokens.split(",")]
    expected = Model(File(a.model), a.rounded).logits(tokens)
    if a.output:
        expected.astype("<f4").tofile(a.output)
    if a.against and not compare(expected, a.against, a.max_error, a.max_kl):
        sys.exit(1)


if __name__ == "__main__":
    main()
