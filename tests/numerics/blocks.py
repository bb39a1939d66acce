"""Tensor types of GGUF files: their numbers, the bytes of their blocks, and their values.

Layouts: github.com/ggml-org/ggml, ggml-common.h (structs block_*), read as a description.
Every function takes whole rows: raw bytes [n_blocks][bytes of a block].
"""
import numpy as np

# name: (number in files, values of a block, bytes of a block)
TYPES = {
    "F32": (0, 1, 4),
    "F16": (1, 1, 2),
    "BF16": (30, 1, 2),
    "Q8_0": (8, 32, 34),
    "Q4_0": (2, 32, 18),
    "Q4_K": (12, 256, 144),
    "Q5_K": (13, 256, 176),
    "Q6_K": (14, 256, 210),
}
NAMES = {number: name for name, (number, _, _) in TYPES.items()}


def _half(raw, at):
    """The f16 at byte `at` of each block, as a column of f64."""
    return raw[:, at:at + 2].copy().view("<f2").astype(np.float64)


def _nibbles(raw):
    """Low and high four bits."""
    return (raw & 15).astype(np.float64), (raw >> 4).astype(np.float64)


def _q8_0(raw):
    return _half(raw, 0) * raw[:, 2:].view(np.int8)


def _q4_0(raw):
    low, high = _nibbles(raw[:, 2:])
    return _half(raw, 0) * (np.concatenate([low, high], axis=1) - 8)


def _scales_and_minima(packed):
    """Eight 6-bit scales and eight 6-bit minima from 12 bytes: [n][8] each."""
    first, second, third = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    scales = np.concatenate([first & 63, (third & 15) | (first >> 6) << 4], axis=1)
    minima = np.concatenate([second & 63, (third >> 4) | (second >> 6) << 4], axis=1)
    return scales.astype(np.float64), minima.astype(np.float64)


def _q4_or_q5_k(raw, fifth_bits):
    """Eight sub-blocks of 32; bit b of fifth_bits[:, i] belongs to value i of sub-block b."""
    scales, minima = _scales_and_minima(raw[:, 4:16])
    values = raw[:, -128:].reshape(-1, 4, 1, 32)
    values = np.concatenate([values & 15, values >> 4], axis=2).reshape(-1, 8, 32)
    if fifth_bits is not None:
        bits = fifth_bits[:, None, :] >> np.arange(8, dtype=np.uint8)[:, None] & 1
        values = values | bits << 4
    scale = (_half(raw, 0) * scales)[:, :, None]
    minimum = (_half(raw, 2) * minima)[:, :, None]
    return (scale * values - minimum).reshape(-1, 256)


def _q4_k(raw):
    return _q4_or_q5_k(raw, None)


def _q5_k(raw):
    return _q4_or_q5_k(raw, raw[:, 16:48])


def _q6_k(raw):
    low = raw[:, 0:128].reshape(-1, 2, 1, 64)
    low = np.concatenate([low & 15, low >> 4], axis=2).reshape(-1, 2, 4, 32)
    high = raw[:, 128:192].reshape(-1, 2, 1, 32)
    high = high >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    values = (low | high << 4).astype(np.float64).reshape(-1, 16, 16) - 32
    scales = _half(raw, 208) * raw[:, 192:208].view(np.int8)
    return (scales[:, :, None] * values).reshape(-1, 256)


_DECODERS = {"Q8_0": _q8_0, "Q4_0": _q4_0, "Q4_K": _q4_k, "Q5_K": _q5_k, "Q6_K": _q6_k}


def dequantize(name, raw):
    """uint8 [n_blocks][block bytes] of a type to f64 [n_blocks][block values], exactly."""
    raw = np.ascontiguousarray(raw, np.uint8)
    if name == "F32":
        return raw.view("<f4").astype(np.float64)
    if name == "F16":
        return raw.view("<f2").astype(np.float64)
    if name == "BF16":
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return _DECODERS[name](raw)


def _put_half(raw, at, values):
    raw[:, at:at + 2] = values.astype("<f2").reshape(-1, 1).view(np.uint8)


def random_blocks(rng, name, n, deviation):
    """n valid blocks whose values have about this standard deviation.

    The bits of the quantised types are uniform, so every code, scale and minimum occurs.
    """
    size = TYPES[name][2]
    if name in ("F32", "F16", "BF16"):
        values = (rng.standard_normal((n, 1)) * deviation).astype("<f4")
        if name == "F16":
            return values.astype("<f2").view(np.uint8)
        if name == "BF16":
            return (values.view("<u4") >> 16).astype("<u2").view(np.uint8)
        return values.view(np.uint8)
    raw = rng.integers(0, 256, (n, size), np.uint8)
    wobble = rng.uniform(0.5, 1.5, n) * deviation
    if name == "Q8_0":
        _put_half(raw, 0, wobble / 74)
    elif name == "Q4_0":
        _put_half(raw, 0, wobble / 4.6)
    elif name == "Q6_K":
        _put_half(raw, 208, wobble / (18.5 * 74))
    else:  # a minimum of the same size as half the range makes the mean zero
        top = 15 if name == "Q4_K" else 31
        _put_half(raw, 0, wobble / (top * 21))
        _put_half(raw, 2, wobble / 42)
    return raw
