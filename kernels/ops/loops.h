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

#include "ops/combine.h"
#include "ops/elementary.h"
#include "ops/kv.h"
#include <cadre/ops.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

#include "ops/loops_exact.h"
#include "ops/loops_tokens.h"

/* ---- The table ---- */

static void fill(cadre_ops *ops)
{
    fill_combine(ops);
#define X(name, ret, args) ops->name = name;
    CADRE_OPS_LIST(X)
#undef X
}

#endif
