/* ops/combine.h - out = a (reduction) b, element by element, for all types; and copies.
 *
 * Part of loops.h, with its rules, so all levels give the same bits. 16-bit
 * floating-point values are combined as f32 and then rounded to nearest even. For sums,
 * and products of f16, that is the exact result rounded once (Figueroa, "When is double
 * rounding innocuous?", 1995).
 *
 * Minimum and maximum keep a where b is not less (greater), and so where either is NaN.
 */
#ifndef CADRE_OPS_COMBINE_H
#define CADRE_OPS_COMBINE_H

#include "ops/half.h"
#include <cadre/ops.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* out is a or b, or apart from them: no iteration reads what another wrote. */
#ifdef __clang__
#define EACH_ALONE _Pragma("clang loop vectorize(assume_safety)")
#else
#define EACH_ALONE _Pragma("GCC ivdep")
#endif

/* One line per loop, which differ in nothing but type and expression. Integers wrap: they
 * are combined as unsigned, where C defines it. */
#define COMBINE(name, type, expression)                                                  \
    static void name(void *out_, const void *a_, const void *b_, size_t n)               \
    {                                                                                    \
        type *out = out_;                                                                \
        const type *as = a_, *bs = b_;                                                   \
        EACH_ALONE                                                                       \
        for (size_t i = 0; i < n; i++) {                                                 \
            const type a = as[i], b = bs[i];                                             \
            out[i] = (type)(expression);                                                 \
        }                                                                                \
    }

#define COMBINE_FLOAT(suffix, type)                                                      \
    COMBINE(sum_##suffix, type, a + b)                                                   \
    COMBINE(prod_##suffix, type, a *b)                                                   \
    COMBINE(min_##suffix, type, b < a ? b : a)                                           \
    COMBINE(max_##suffix, type, b > a ? b : a)

COMBINE_FLOAT(f32, float)
COMBINE_FLOAT(f64, double)

/* wide: unsigned, and not narrower than int, into which C would widen the factors. */
#define COMBINE_INT(bits, wide)                                                          \
    COMBINE(sum_##bits, uint##bits##_t, a + b)                                           \
    COMBINE(prod_##bits, uint##bits##_t, (wide)a *b)                                     \
    COMBINE(land_##bits, uint##bits##_t, (a != 0) & (b != 0))                            \
    COMBINE(lor_##bits, uint##bits##_t, (a | b) != 0)                                    \
    COMBINE(min_i##bits, int##bits##_t, b < a ? b : a)                                   \
    COMBINE(max_i##bits, int##bits##_t, b > a ? b : a)                                   \
    COMBINE(min_u##bits, uint##bits##_t, b < a ? b : a)                                  \
    COMBINE(max_u##bits, uint##bits##_t, b > a ? b : a)

COMBINE_INT(8, uint32_t)
COMBINE_INT(16, uint32_t)
COMBINE_INT(32, uint32_t)
COMBINE_INT(64, uint64_t)

#undef COMBINE_INT
#undef COMBINE_FLOAT
#undef COMBINE

#define COMBINE_F16(name, expression)                                                    \
    static void name(void *out_, const void *a_, const void *b_, size_t n)               \
    {                                                                                    \
        uint16_t *out = out_;                                                            \
        const uint16_t *as = a_, *bs = b_;                                               \
        EACH_ALONE                                                                       \
        for (size_t i = 0; i < n; i++) {                                                 \
            const float a = f16_to_f32(as[i]), b = f16_to_f32(bs[i]);                    \
            out[i] = f32_to_f16(expression);                                             \
        }                                                                                \
    }

/* The bits of an f32 whose upper half is x rounded to bf16. */
static inline uint32_t rounded_to_bf16(float x)
{
    const uint32_t bits = float_bits(x);
    const uint32_t rounded = bits + 0x7fffu + (bits >> 16 & 1u), quiet = bits | 0x400000u;
    return x == x ? rounded : quiet;
}

/* Two at a time, in the halves of a word: so nothing is widened and packed again. Each
 * half stays where it was, so it does not matter which is the first. */
#define COMBINE_BF16(name, expression)                                                   \
    static inline uint32_t name##_rounded(uint32_t a_, uint32_t b_)                      \
    {                                                                                    \
        const float a = bits_float(a_), b = bits_float(b_);                              \
        return rounded_to_bf16(expression);                                              \
    }                                                                                    \
    static void name(void *out_, const void *a_, const void *b_, size_t n)               \
    {                                                                                    \
        uint16_t *out = out_;                                                            \
        const uint16_t *as = a_, *bs = b_;                                               \
        EACH_ALONE                                                                       \
        for (size_t i = 0; i < n / 2; i++) {                                             \
            uint32_t a, b;                                                               \
            memcpy(&a, as + 2 * i, sizeof a);                                            \
            memcpy(&b, bs + 2 * i, sizeof b);                                            \
            const uint32_t low = name##_rounded(a << 16, b << 16) >> 16;                 \
            const uint32_t high = name##_rounded(a & 0xffff0000u, b & 0xffff0000u);      \
            const uint32_t both = (high & 0xffff0000u) | low;                            \
            memcpy(out + 2 * i, &both, sizeof both);                                     \
        }                                                                                \
        if (n % 2) {                                                                     \
            const uint32_t a = as[n - 1], b = bs[n - 1];                                 \
            out[n - 1] = (uint16_t)(name##_rounded(a << 16, b << 16) >> 16);             \
        }                                                                                \
    }

#define COMBINE_HALVES(define, suffix)                                                   \
    define(sum_##suffix, a + b) define(prod_##suffix, a *b)                              \
        define(min_##suffix, b < a ? b : a) define(max_##suffix, b > a ? b : a)

COMBINE_HALVES(COMBINE_F16, f16)
COMBINE_HALVES(COMBINE_BF16, bf16)

#undef COMBINE_HALVES
#undef COMBINE_BF16
#undef COMBINE_F16

/* A result of so many bytes goes past the caches, at levels that can: it would not fit
 * them, and a store into them reads what it overwrites first. That takes a third off the
 * time of a long sum. */
#define STREAM_BYTES ((size_t)8 << 20)

static void copy_stream(void *dst, const void *src, size_t bytes)
{
    memcpy(dst, src, bytes);
}

static void fill_combine(cadre_ops *ops)
{
#define FLOATS(s)                                                                        \
    {                                                                                    \
        [CADRE_SUM] = sum_##s, [CADRE_PROD] = prod_##s, [CADRE_MIN] = min_##s,           \
        [CADRE_MAX] = max_##s                                                            \
    }
#define INTS(sign, bits)                                                                 \
    {                                                                                    \
        [CADRE_SUM] = sum_##bits, [CADRE_PROD] = prod_##bits,                            \
        [CADRE_MIN] = min_##sign##bits, [CADRE_MAX] = max_##sign##bits,                  \
        [CADRE_LAND] = land_##bits, [CADRE_LOR] = lor_##bits                             \
    }
    static cadre_combine_fn *const combine[CADRE_N_DTYPES][CADRE_N_REDUCTIONS] = {
        [CADRE_F32] = FLOATS(f32), [CADRE_F64] = FLOATS(f64), [CADRE_BF16] = FLOATS(bf16),
        [CADRE_F16] = FLOATS(f16), [CADRE_I8] = INTS(i, 8),   [CADRE_U8] = INTS(u, 8),
        [CADRE_I16] = INTS(i, 16), [CADRE_U16] = INTS(u, 16), [CADRE_I32] = INTS(i, 32),
        [CADRE_U32] = INTS(u, 32), [CADRE_I64] = INTS(i, 64), [CADRE_U64] = INTS(u, 64),
    };
#undef INTS
#undef FLOATS

    memcpy(ops->combine, combine, sizeof combine);
}

#endif
