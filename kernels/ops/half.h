/* ops/half.h - 16-bit floats in portable C: exact to f32, to nearest even from it. */
#ifndef CADRE_OPS_HALF_H
#define CADRE_OPS_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, magnitude = h & 0x7fffu;
    /* The exponent's bias grows by 112; the product also normalises subnormals. */
    const float scaled = bits_float(magnitude << 13) * 0x1p112f;
    const uint32_t bits = magnitude >= 0x7c00u ? 0x7f800000u | (magnitude & 0x3ffu) << 13
                                               : float_bits(scaled);
    return bits_float(bits | sign);
}

/* Past the largest f16 comes infinity; a NaN stays one. */
static inline uint16_t f32_to_f16(float x)
{
    const uint32_t bits = float_bits(x), magnitude = bits & 0x7fffffffu;
    const uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t h;

    if (magnitude > 0x7f800000u) {
        h = 0x7e00u | (magnitude >> 13 & 0x3ffu);
    } else if (magnitude < 0x38800000u) { /* below 2^-14: adding 0.5 rounds to 2^-24 */
        h = float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000u;
    } else if (magnitude < 0x47800000u) {
        h = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
    } else {
        h = 0x7c00u;
    }
    return (uint16_t)(h | sign);
}

static inline float bf16_to_f32(uint16_t b)
{
    return bits_float((uint32_t)b << 16);
}

static inline uint16_t f32_to_bf16(float x)
{
    const uint32_t bits = float_bits(x);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    const uint32_t quiet = bits >> 16 | 0x40u; /* of a NaN */
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

#endif
