/* ops/loops.h - the ops as plain loops, for the compiler to vectorise.
 *
 * Each level's one source file includes this text, and its folder compiles it with its
 * own -m flags: so all levels do the same arithmetic in the same order, and give the same
 * bits. Three rules keep it so:
 *   - no fused multiply-add of the compiler's own (-ffp-contract=off), only fmaf();
 *   - no other function of the mathematical library, but sqrtf(), which is exact: exp and
 *     tanh are the polynomials of elementary.h;
 *   - a sum or maximum along a row of LANES values or more runs in LANES interleaved
 * parts, whatever the width of the machine's vectors, and the parts are joined in one
 * fixed tree. Only the payload and sign of a NaN may differ between levels.
 */
#ifndef CADRE_OPS_LOOPS_H
#define CADRE_OPS_LOOPS_H

#include "ops/elementary.h"
#include "ops/kv.h"
#include <cadre/ops.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- Reductions, element by element ---- */

/* One line per entry of the table; the loops differ in nothing but type and expression.
 * Integers wrap: they are combined as unsigned, where C defines it. */
#define COMBINE(name, type, expression)                                                  \
    static void name(void *acc_, const void *x_, size_t n)                               \
    {                                                                                    \
        type *acc = acc_;                                                                \
        const type *x = x_;                                                              \
        for (size_t i = 0; i < n; i++) {                                                 \
            const type a = acc[i], b = x[i];                                             \
            acc[i] = (type)(expression);                                                 \
        }                                                                                \
    }

COMBINE(sum_f32, float, a + b)
COMBINE(sum_f64, double, a + b)
COMBINE(sum_i32, uint32_t, a + b)
COMBINE(sum_i64, uint64_t, a + b)
COMBINE(prod_f32, float, a *b)
COMBINE(prod_f64, double, a *b)
COMBINE(prod_i32, uint32_t, a *b)
COMBINE(prod_i64, uint64_t, a *b)
COMBINE(min_f32, float, b < a ? b : a)
COMBINE(min_f64, double, b < a ? b : a)
COMBINE(min_i32, int32_t, b < a ? b : a)
COMBINE(min_i64, int64_t, b < a ? b : a)
COMBINE(max_f32, float, b > a ? b : a)
COMBINE(max_f64, double, b > a ? b : a)
COMBINE(max_i32, int32_t, b > a ? b : a)
COMBINE(max_i64, int64_t, b > a ? b : a)
COMBINE(land_i32, int32_t, (a != 0) & (b != 0))
COMBINE(land_i64, int64_t, (a != 0) & (b != 0))
COMBINE(lor_i32, int32_t, (a | b) != 0)
COMBINE(lor_i64, int64_t, (a | b) != 0)

#undef COMBINE

/* gelu(x) = x (1 + tanh u) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3). */
static const float gelu_scale = 0.7978845608f, gelu_cube = 0.044715f;

static inline float gelu(float x)
{
    const float u = gelu_scale * (x + gelu_cube * (x * x * x));
    return (0.5f * x) * (1.0f + tanh_approx(u));
}

static inline float gelu_derivative(float x)
{
    const float u = gelu_scale * (x + gelu_cube * (x * x * x));
    const float du = gelu_scale * (1.0f + (3.0f * gelu_cube) * (x * x));
    const float t = tanh_approx(u);
    return 0.5f * (1.0f + t) + (0.5f * x) * ((1.0f - t * t) * du);
}

/* ---- Rows ---- */

static void bias_relu_f32(float *restrict y, const float *restrict bias, size_t rows,
                          size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        float *restrict row = y + r * cols;
        for (size_t c = 0; c < cols; c++) {
            const float v = row[c] + bias[c];
            row[c] = v < 0.0f ? 0.0f : v; /* a NaN stays one */
        }
    }
}

static void bias_gelu_f32(float *restrict y, const float *restrict bias, size_t rows,
                          size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        float *restrict row = y + r * cols;
        for (size_t c = 0; c < cols; c++)
            row[c] = gelu(row[c] + bias[c]);
    }
}

static void bias_add_f32(float *restrict y, const float *restrict bias, size_t rows,
                         size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        float *restrict row = y + r * cols;
        for (size_t c = 0; c < cols; c++)
            row[c] += bias[c];
    }
}

static void softmax_f32(float *y, size_t rows, size_t cols)
{
    if (cols == 0)
        return;
    for (size_t r = 0; r < rows; r++) {
        float *row = y + r * cols;
        const float top = row_max(row, cols);
        for (size_t c = 0; c < cols; c++)
            row[c] -= top;
    }
    /* One long loop, so that narrow rows fill the vectors too. */
    for (size_t i = 0; i < rows * cols; i++)
        y[i] = exp_approx(y[i]);
    for (size_t r = 0; r < rows; r++) {
        float *row = y + r * cols;
        const float sum = row_sum(row, cols);
        for (size_t c = 0; c < cols; c++)
            row[c] /= sum;
    }
}

/* ---- Vectors ---- */

static void relu_backward_f32(float *restrict grad, const float *restrict pre, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float g = grad[i]; /* read in any case, so that the loop has no branch */
        grad[i] = pre[i] <= 0.0f ? 0.0f : g;
    }
}

static void gelu_backward_f32(float *restrict grad, const float *restrict pre, size_t n)
{
    for (size_t i = 0; i < n; i++)
        grad[i] *= gelu_derivative(pre[i]);
}

static void axpy_f32(float *restrict y, float a, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static int all_finite_f32(const float *x, size_t n)
{
    uint32_t bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= (float_bits(x[i]) & 0x7f800000u) == 0x7f800000u;
    return bad == 0;
}

#include "ops/loops_tokens.h"

/* ---- The table ---- */

static void fill(cadre_ops *ops)
{
    static cadre_combine_fn *const combine[CADRE_N_DTYPES][CADRE_N_REDUCTIONS] = {
        [CADRE_F32] = {[CADRE_SUM] = sum_f32,
                       [CADRE_MIN] = min_f32,
                       [CADRE_MAX] = max_f32,
                       [CADRE_PROD] = prod_f32},
        [CADRE_F64] = {[CADRE_SUM] = sum_f64,
                       [CADRE_MIN] = min_f64,
                       [CADRE_MAX] = max_f64,
                       [CADRE_PROD] = prod_f64},
        [CADRE_I32] = {[CADRE_SUM] = sum_i32,
                       [CADRE_MIN] = min_i32,
                       [CADRE_MAX] = max_i32,
                       [CADRE_PROD] = prod_i32,
                       [CADRE_LAND] = land_i32,
                       [CADRE_LOR] = lor_i32},
        [CADRE_I64] = {[CADRE_SUM] = sum_i64,
                       [CADRE_MIN] = min_i64,
                       [CADRE_MAX] = max_i64,
                       [CADRE_PROD] = prod_i64,
                       [CADRE_LAND] = land_i64,
                       [CADRE_LOR] = lor_i64},
    };

    memcpy(ops->combine, combine, sizeof combine);
#define X(name, ret, args) ops->name = name;
    CADRE_OPS_LIST(X)
#undef X
}

#endif
