/* ops/loops.h - the ops as plain loops, for the compiler to vectorise.
 *
 * Each level's one source file includes this text, and its folder compiles it with its
 * own -m flags: so all levels do the same arithmetic in the same order, and give the same
 * bits. Three rules keep it so:
 *   - no fused multiply-add (the tree is compiled with -ffp-contract=off);
 *   - no function of the mathematical library: exp and tanh are the polynomials below;
 *   - a sum or maximum along a row of LANES values or more runs in LANES interleaved
 * parts, whatever the width of the machine's vectors, and the parts are joined in one
 * fixed tree. Only the payload and sign of a NaN may differ between levels.
 */
#ifndef CADRE_OPS_LOOPS_H
#define CADRE_OPS_LOOPS_H

#include <cadre/ops.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 16 };

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

/* ---- Elementary functions ---- */

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

/* 2^n for n in -126 .. 127. */
static inline float power_of_two(int32_t n)
{
    return bits_float((uint32_t)(n + 127) << 23);
}

/* e^x. Reduction to |r| <= ln(2)/2 with ln(2) in two parts (Cody and Waite 1980), then
 * the polynomial of Cephes expf (Moshier 1992). Within 2 ulp; subnormal results are right
 * too. */
static inline float exp_approx(float x)
{
    /* Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits. */
    const float shift = 12582912.0f;
    /* Past these e^x is infinite or zero. A NaN fails the first comparison, so that the
     * exponent below stays sane, and is put back at the end. */
    const float low = x > -105.0f ? x : -105.0f;
    const float t = low < 90.0f ? low : 90.0f;
    const float shifted = t * 1.44269504f + shift;
    const float n = shifted - shift;
    const float r = (t - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;

    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = (p * (r * r) + r) + 1.0f;

    /* 2^n in two factors, since n (-152 .. 130) goes beyond the exponents of floats. */
    const int32_t whole = (int32_t)(float_bits(shifted) - float_bits(shift));
    const int32_t half = whole / 2;
    const float result = p * power_of_two(half) * power_of_two(whole - half);
    return x == x ? result : x;
}

/* tanh(x): Cephes tanhf, a polynomial below 0.625, else by e^2x. Within 2 ulp. */
static inline float tanh_approx(float x)
{
    const float z = x * x;
    float p = -5.70498872745e-3f;

    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const float small = (p * z) * x + x;

    const float magnitude = bits_float(float_bits(x) & 0x7fffffffu);
    const float large = 1.0f - 2.0f / (exp_approx(magnitude + magnitude) + 1.0f);
    const float signed_large =
        bits_float(float_bits(large) | (float_bits(x) & 0x80000000u));
    return magnitude < 0.625f ? small : signed_large;
}

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

/* The largest of n >= 1 values; NaNs are passed over. */
static float row_max(const float *x, size_t n)
{
    float lane[LANES], top = x[0];
    size_t i = 0;

    if (n < LANES) { /* lanes would cost more than they save */
        for (; i < n; i++)
            top = x[i] > top ? x[i] : top;
        return top;
    }
    for (size_t j = 0; j < LANES; j++)
        lane[j] = top;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (size_t j = 0; i + j < n; j++)
        lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t j = 0; j < width; j++)
            lane[j] = lane[j + width] > lane[j] ? lane[j + width] : lane[j];
    return lane[0];
}

static float row_sum(const float *x, size_t n)
{
    float lane[LANES] = {0}, sum = 0;
    size_t i = 0;

    if (n < LANES) {
        for (; i < n; i++)
            sum += x[i];
        return sum;
    }
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] += x[i + j];
    for (size_t j = 0; i + j < n; j++)
        lane[j] += x[i + j];
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t j = 0; j < width; j++)
            lane[j] += lane[j + width];
    return lane[0];
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
