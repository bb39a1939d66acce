/* ops/elementary.h - exp, tanh, and sums and maxima along a row, to the same bits at
 * every level. loops.h states the rules.
 */
#ifndef CADRE_OPS_ELEMENTARY_H
#define CADRE_OPS_ELEMENTARY_H

#include "ops/half.h"
#include <stddef.h>

/* Interleaved parts of a sum or maximum along a row. */
enum { LANES = 16 };

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

/* ---- Along a row ---- */

/* The largest of n >= 1 values; NaNs are passed over. */
static inline float row_max(const float *x, size_t n)
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

static inline float row_sum(const float *x, size_t n)
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

/* The parts of a sum, joined in row_sum()'s tree. */
static inline float join_lanes(float *lane)
{
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t j = 0; j < width; j++)
            lane[j] += lane[j + width];
    return lane[0];
}

/* LANES values at once, added to the lanes of a sum. */
static inline void exp_lanes(const float *x, float max, float scale, float *e,
                             float *lane)
{
    float power[LANES];

    for (size_t j = 0; j < LANES; j++)
        power[j] = exp_approx((x[j] - max) * scale);
    for (size_t j = 0; j < LANES; j++)
        lane[j] += power[j];
    if (e)
        memcpy(e, power, sizeof power);
}

/* y = exp((x - max) * scale), and their sum, in LANES parts for any n; y may be NULL. */
static inline float exp_sum(const float *x, size_t n, float max, float scale, float *y)
{
    float lane[LANES] = {0}, rest[LANES] = {0}, unused[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        exp_lanes(x + i, max, scale, y ? y + i : NULL, lane);
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): only y may be NULL. */
    memcpy(rest, x + i, (n - i) * sizeof *rest);
    exp_lanes(rest, max, scale, rest, unused);
    for (size_t j = 0; i + j < n; j++)
        lane[j] += rest[j];
    if (y)
        memcpy(y + i, rest, (n - i) * sizeof *rest);
    return join_lanes(lane);
}

#endif
