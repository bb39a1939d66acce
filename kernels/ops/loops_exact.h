/* ops/loops_exact.h - floating-point numbers to fixed point and back, for sums that do
 * not depend on the order of their terms.
 *
 * The largest exponent among the terms of a sum decides where the last bit of all of them
 * stands. Each is rounded to it, once and alone, so that what is added are integers, and
 * integers may be added in any order and in any groups (the idea of Demmel and Hida 2003
 * and of Demmel and Nguyen, "Parallel reproducible summation", 2015, here with integers
 * instead of floating-point bins).
 *
 * f32: one integer of 43 bits and a sign, so that 2^20 terms cannot overflow 64 bits; the
 * last bit is 2^-42 of the largest term's leading bit. f64: a high and a low integer, of
 * 42 and 43 bits; the last bit is 2^-84. A sum of n terms is off by n / 2 last bits at
 * most, before it is rounded to the type.
 *
 * Where the largest exponent is that of infinities and NaNs, what is added are the
 * numbers of either infinity and of NaNs, at bits 0, 21 and 42.
 *
 * Part of loops.h, with its rules. The loops for finite numbers have no branch.
 */
#ifndef CADRE_OPS_LOOPS_EXACT_H
#define CADRE_OPS_LOOPS_EXACT_H

#include "ops/half.h"
#include <cadre/ops.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t double_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double bits_double(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^n for n in -1022 .. 1023. */
static inline double double_power(int64_t n)
{
    return bits_double((uint64_t)(n + 1023) << 52);
}

/* 1.5 x 2^52: added to a number below 2^51, it rounds that to an integer, which then
 * stands in the low bits. */
#define SHIFT 6755399441055744.0

static inline int64_t nearest_integer(double x)
{
    return (int64_t)(double_bits(x + SHIFT) - double_bits(SHIFT));
}

/* Exact for |n| < 2^51. */
static inline double integer_double(int64_t n)
{
    return bits_double((uint64_t)n + double_bits(SHIFT)) - SHIFT;
}

/* What the upper 32 bits are worth, with the sign, in units of 2^32. */
static inline double upper_half(int64_t n)
{
    return integer_double((int64_t)((uint64_t)n >> 32 ^ 0x80000000u) -
                          INT64_C(0x80000000));
}

/* The flags of a number whose magnitude has these bits, where infinity has those. */
static inline int64_t special_count(int64_t magnitude, int64_t infinity, int negative)
{
    const int64_t of_infinity = negative ? INT64_C(1) << 21 : 1;
    const int64_t number = magnitude == infinity ? of_infinity : 0;
    return magnitude > infinity ? INT64_C(1) << 42 : number;
}

static inline double special_sum(int64_t counts)
{
    const int64_t mask = (1 << 21) - 1;
    const int plus = (counts & mask) != 0, minus = (counts >> 21 & mask) != 0;

    if (counts >> 42 || (plus && minus))
        return (double)NAN;
    return minus ? -(double)INFINITY : (double)INFINITY;
}

/* ---- f32 ---- */

static void exponents_f32(const float *restrict x, size_t n, uint8_t *restrict top)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t exponent = (uint8_t)(float_bits(x[i]) >> 23);
        top[i] = exponent > top[i] ? exponent : top[i];
    }
}

/* Of 2^-169: a subnormal's exponent is that of the least normal number. */
static inline int64_t last_bit_f32(uint8_t top)
{
    return top ? top : 1;
}

static void fixed_add_f32(const float *restrict x, const uint8_t *restrict top, size_t n,
                          int64_t *restrict sums)
{
    uint8_t highest = 0;

    for (size_t i = 0; i < n; i++) {
        const double scale = double_power(169 - last_bit_f32(top[i]));
        const int64_t number = nearest_integer((double)x[i] * scale);
        sums[i] += top[i] == 255 ? 0 : number;
        highest = top[i] > highest ? top[i] : highest;
    }
    if (highest < 255)
        return;
    for (size_t i = 0; i < n; i++)
        if (top[i] == 255)
            sums[i] +=
                special_count(float_bits(x[i]) & 0x7fffffffu, 0x7f800000, x[i] < 0);
}

/* A number whose rounding to f32 is that of the sum. A double has room for 53 bits: what
 * is below them shows as a 1 in the last, far below the last bit of an f32 ("rounding to
 * odd", Boldo and Melquiond 2008). */
static inline double sum_to_odd(int64_t sum)
{
    const int64_t limit = INT64_C(1) << 53;
    const int64_t cut = (int64_t)((uint64_t)sum & ~UINT64_C(2047));
    const int64_t odd = cut | (sum == cut ? 0 : 1024);
    const int fits = (sum > -limit) & (sum < limit);
    const int64_t kept = fits ? sum : odd;
    return upper_half(kept) * 0x1p32 + integer_double(kept & 0xffffffff);
}

static void fixed_to_f32(const int64_t *restrict sums, const uint8_t *restrict top,
                         size_t n, float *restrict out)
{
    uint8_t highest = 0;

    for (size_t i = 0; i < n; i++) {
        const double scale = double_power(last_bit_f32(top[i]) - 169);
        out[i] = (float)(sum_to_odd(sums[i]) * scale);
        highest = top[i] > highest ? top[i] : highest;
    }
    if (highest < 255)
        return;
    for (size_t i = 0; i < n; i++)
        if (top[i] == 255)
            out[i] = (float)special_sum(sums[i]);
}

/* ---- f64 ---- */

static void exponents_f64(const double *restrict x, size_t n, uint16_t *restrict top)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t exponent = (uint16_t)(double_bits(x[i]) >> 52 & 0x7ff);
        top[i] = exponent > top[i] ? exponent : top[i];
    }
}

/* Of the high integer: 2^-1064 times this power of two. */
static inline int64_t high_bit_f64(uint16_t top)
{
    return top ? top : 1;
}

/* x times 2^n, n in -2000 .. 2000, in two steps, since a power may be no double. */
static inline double scaled(double x, int64_t n)
{
    const int64_t half = (int64_t)((uint64_t)(n + 2048) >> 1) - 1024;
    return x * double_power(half) * double_power(n - half);
}

static void fixed_add_f64(const double *restrict x, const uint16_t *restrict top,
                          size_t n, int64_t *restrict sums)
{
    int64_t *restrict lows = sums + n;
    uint16_t highest = 0;

    for (size_t i = 0; i < n; i++) {
        const double number = scaled(x[i], 1064 - high_bit_f64(top[i]));
        const int64_t high = nearest_integer(number);
        const int64_t low = nearest_integer((number - integer_double(high)) * 0x1p43);
        sums[i] += top[i] == 2047 ? 0 : high;
        lows[i] += top[i] == 2047 ? 0 : low;
        highest = top[i] > highest ? top[i] : highest;
    }
    if (highest < 2047)
        return;
    for (size_t i = 0; i < n; i++)
        if (top[i] == 2047)
            sums[i] += special_count(double_bits(x[i]) & INT64_MAX, INT64_C(0x7ff) << 52,
                                     x[i] < 0);
}

/* high x 2^43 + low, rounded once: cut into two parts of 53 bits, which are doubles. */
static inline double rounded_once(int64_t high, int64_t low)
{
    /* What is above 43 bits of low belongs to high; the shift is one without a sign. */
    const uint64_t positive = (uint64_t)low + (UINT64_C(1) << 62) + (UINT64_C(1) << 42);
    const int64_t carry = (int64_t)(positive >> 43) - (INT64_C(1) << 19);
    const int64_t h = high + carry;
    const int64_t l = (int64_t)((uint64_t)low - ((uint64_t)carry << 43));
    const double upper = upper_half(h) * 0x1p75 + integer_double(h & 0xfffffc00) * 0x1p43;
    const double lower = integer_double(h & 0x3ff) * 0x1p43 + integer_double(l);
    return upper + lower;
}

static void fixed_to_f64(const int64_t *restrict sums, const uint16_t *restrict top,
                         size_t n, double *restrict out)
{
    const int64_t *restrict lows = sums + n;
    uint16_t highest = 0;

    for (size_t i = 0; i < n; i++) {
        /* Exact, but for an overflow: a sum below the least normal number is a multiple
         * of the least number, as its terms are. */
        out[i] = scaled(rounded_once(sums[i], lows[i]), high_bit_f64(top[i]) - 1107);
        highest = top[i] > highest ? top[i] : highest;
    }
    if (highest < 2047)
        return;
    for (size_t i = 0; i < n; i++)
        if (top[i] == 2047)
            out[i] = special_sum(sums[i]);
}

#undef SHIFT

#endif
