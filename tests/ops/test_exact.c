/* tests/ops/test_exact.c - sums in fixed point: every level has the bits of ref, terms in
 * any order and any groups give the same, and the sum is the exact one, computed here
 * with integers of 128 bits, within the bound that is promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ops_case.h"

enum { TERMS = 24, WIDTH = 67 };

__extension__ typedef __int128 wide;

/* A column per element: terms[t][i]. */
typedef struct terms {
    float f32[TERMS][WIDTH];
    double f64[TERMS][WIDTH];
} terms;

typedef struct sums {
    float f32[WIDTH];
    double f64[WIDTH];
} sums;

/* Terms m x 2^(least + e), m of the type's digits, e up to `range`. */
static void fill_terms(terms *out, int least_f32, int least_f64, int range, uint64_t seed)
{
    for (int t = 0; t < TERMS; t++)
        for (int i = 0; i < WIDTH; i++) {
            const int64_t m = (int64_t)next(&seed);
            const int e = (int)(next(&seed) % (uint64_t)(range + 1));
            out->f32[t][i] = ldexpf((float)(m >> 40), least_f32 + e);
            out->f64[t][i] = ldexp((double)(m >> 11), least_f64 + e);
        }
}

/* The sums of `count` terms from `first` on, as several ranks would: `groups` of them,
 * each with integers of its own. */
static void sum_terms(const cadre_ops *ops, const terms *x, int groups, int stride,
                      sums *out)
{
    uint8_t top_f32[WIDTH] = {0};
    uint16_t top_f64[WIDTH] = {0};
    int64_t all_f32[WIDTH] = {0}, all_f64[2 * WIDTH] = {0};

    for (int t = 0; t < TERMS; t++) {
        ops->exponents_f32(x->f32[t * stride % TERMS], WIDTH, top_f32);
        ops->exponents_f64(x->f64[t * stride % TERMS], WIDTH, top_f64);
    }
    for (int g = 0; g < groups; g++) {
        int64_t of_f32[WIDTH] = {0}, of_f64[2 * WIDTH] = {0};
        for (int t = g; t < TERMS; t += groups) {
            ops->fixed_add_f32(x->f32[t * stride % TERMS], top_f32, WIDTH, of_f32);
            ops->fixed_add_f64(x->f64[t * stride % TERMS], top_f64, WIDTH, of_f64);
        }
        ops->combine[CADRE_I64][CADRE_SUM](all_f32, all_f32, of_f32, WIDTH);
        ops->combine[CADRE_I64][CADRE_SUM](all_f64, all_f64, of_f64, (size_t)2 * WIDTH);
    }
    ops->fixed_to_f32(all_f32, top_f32, WIDTH, out->f32);
    ops->fixed_to_f64(all_f64, top_f64, WIDTH, out->f64);
}

/* All levels, orders and groups: *out is their one result. */
static void sum_every_way(const terms *x, sums *out)
{
    static const int strides[] = {1, 5, 7, 23}; /* none shares a factor with TERMS */
    const cadre_ops ref = ref_table();
    cadre_ops ops;
    sums found;

    sum_terms(&ref, x, 1, 1, out);
    for (size_t l = 0; table_of(l, &ops); l++)
        for (int groups = 1; groups <= 7; groups++)
            for (int s = 0; s < 4; s++) {
                sum_terms(&ops, x, groups, strides[s], &found);
                if (memcmp(found.f32, out->f32, sizeof found.f32) != 0 ||
                    memcmp(found.f64, out->f64, sizeof found.f64) != 0)
                    fail_msg("%s: %d groups in strides of %d give other sums than ref",
                             ops.level, groups, strides[s]);
            }
}

/* x as a multiple of 2^least, which it is. */
static wide in_units(double x, int least)
{
    int exponent;
    const double fraction = frexp(x, &exponent);
    const int64_t digits = (int64_t)ldexp(fraction, 53);
    const int shift = exponent - 53 - least;

    if (x == 0)
        return 0;
    return shift >= 0 ? (wide)digits * ((wide)1 << shift) : (wide)digits >> -shift;
}

/* Whether sum is the exact one within `terms` / 2 of 2^last and half its own last bit. */
static void check_bound(double sum, wide exact, int least, int last, int digits, int i)
{
    const wide off = in_units(sum, least) - exact;
    const double error = fabs((double)off);
    int exponent;

    frexp(sum, &exponent);
    const double bound =
        ldexp(TERMS / 2.0, last - least) + ldexp(0.5, exponent - digits - least);
    if (error > bound)
        fail_msg("column %d: %a is off by %g units, expected %g at most", i, sum, error,
                 bound);
}

static void check_columns(const terms *x, const sums *found, int least_f32, int least_f64,
                          int exact_digits)
{
    for (int i = 0; i < WIDTH; i++) {
        wide f32 = 0, f64 = 0;
        double top_f32 = 0, top_f64 = 0;
        for (int t = 0; t < TERMS; t++) {
            f32 += in_units((double)x->f32[t][i], least_f32);
            f64 += in_units(x->f64[t][i], least_f64);
            top_f32 = fmax(top_f32, fabs((double)x->f32[t][i]));
            top_f64 = fmax(top_f64, fabs(x->f64[t][i]));
        }
        if (exact_digits) { /* nothing was rounded but the end: gcc rounds to even, too */
            const float want_f32 = (float)ldexp((double)(float)f32, least_f32);
            const double want_f64 = ldexp((double)f64, least_f64);
            if (found->f32[i] != want_f32 || found->f64[i] != want_f64)
                fail_msg("column %d: sums %a and %a, expected %a and %a", i,
                         (double)found->f32[i], found->f64[i], (double)want_f32,
                         want_f64);
            continue;
        }
        check_bound((double)found->f32[i], f32, least_f32, ilogb(top_f32) - 42, 24, i);
        check_bound(found->f64[i], f64, least_f64, ilogb(top_f64) - 84, 53, i);
    }
}

static void test_near_terms_are_exact(void **state)
{
    static terms x;
    sums found;

    (void)state;
    for (int turn = 0; turn < 8; turn++) {
        fill_terms(&x, -40 + 10 * turn, -400 + 100 * turn, 18, (uint64_t)turn);
        sum_every_way(&x, &found);
        check_columns(&x, &found, -40 + 10 * turn, -400 + 100 * turn, 1);
    }
}

static void test_subnormal_terms_are_exact(void **state)
{
    static terms x;
    sums found;

    (void)state;
    for (int range = 0; range < 18; range++) {
        fill_terms(&x, -149, -1074, range, (uint64_t)range);
        for (int t = 0; t < TERMS; t++)
            for (int i = 0; i < WIDTH; i++)
                if ((t + i) % 3 == 0) {
                    x.f32[t][i] = ldexpf((float)(t * i % 9 - 4), -149);
                    x.f64[t][i] = ldexp((double)(t * i % 9 - 4), -1074);
                }
        sum_every_way(&x, &found);
        check_columns(&x, &found, -149, -1074, 1);
    }
}

static void test_far_terms_keep_the_bound(void **state)
{
    static terms x;
    sums found;

    (void)state;
    for (int turn = 0; turn < 8; turn++) {
        const int least_f32 = turn == 7 ? 127 - 23 - 60 : -149 + 15 * turn;
        const int least_f64 = turn == 7 ? 1023 - 52 - 65 : -1074 + 250 * turn;
        fill_terms(&x, least_f32, least_f64, 55, 100 + (uint64_t)turn);
        sum_every_way(&x, &found);
        check_columns(&x, &found, least_f32, least_f64, 0);
    }
}

/* Each term beside its opposite, then one small one: all that is left. */
static void test_cancellation(void **state)
{
    static terms x;
    sums found;

    (void)state;
    fill_terms(&x, 0, 0, 10, 3);
    for (int i = 0; i < WIDTH; i++) {
        for (int t = 0; t < TERMS; t += 2) {
            x.f32[t + 1][i] = -x.f32[t][i];
            x.f64[t + 1][i] = -x.f64[t][i];
        }
        x.f32[TERMS - 1][i] = x.f32[TERMS - 2][i] = i % 2 ? 0.25f : 0;
        x.f64[TERMS - 1][i] = x.f64[TERMS - 2][i] = i % 2 ? 0x1p-10 : 0;
    }
    sum_every_way(&x, &found);
    for (int i = 0; i < WIDTH; i++) {
        assert_true(found.f32[i] == (i % 2 ? 0.5f : 0));
        assert_true(found.f64[i] == (i % 2 ? 0x1p-9 : 0));
        assert_true(!signbit(found.f32[i]) && !signbit(found.f64[i]));
    }
}

static void test_infinities_and_nan(void **state)
{
    static terms x;
    sums found;

    (void)state;
    fill_terms(&x, 80, 900, 20, 4);
    for (int i = 0; i < WIDTH; i++) {
        const int kind = i % 5;
        if (kind == 1 || kind == 3) {
            x.f32[i % TERMS][i] = INFINITY;
            x.f64[i % TERMS][i] = (double)INFINITY;
        }
        if (kind == 2 || kind == 3) {
            x.f32[(i + 5) % TERMS][i] = -INFINITY;
            x.f64[(i + 5) % TERMS][i] = -(double)INFINITY;
        }
        if (kind == 4) {
            x.f32[(i + 9) % TERMS][i] = NAN;
            x.f64[(i + 9) % TERMS][i] = (double)NAN;
        }
    }
    sum_every_way(&x, &found);
    for (int i = 0; i < WIDTH; i++) {
        const double f32 = (double)found.f32[i], f64 = found.f64[i];
        switch (i % 5) {
        case 0:
            assert_true(isfinite(f32) && isfinite(f64));
            break;
        case 1:
            assert_true(isinf(f32) && f32 > 0 && isinf(f64) && f64 > 0);
            break;
        case 2:
            assert_true(isinf(f32) && f32 < 0 && isinf(f64) && f64 < 0);
            break;
        default:
            assert_true(isnan(f32) && isnan(f64));
        }
    }
}

/* The most terms that there may be, all the largest: nothing wraps, and the sum of finite
 * terms is infinite only where it is. */
static void test_most_terms(void **state)
{
    const float big_f32 = -0x1.fffffep126f, huge_f32 = 0x1.fffffep127f;
    const double big_f64 = -0x1.fffffffffffffp1002, huge_f64 = 0x1.fffffffffffffp1023;
    const cadre_ops ops = ref_table();
    const int64_t n = INT64_C(1) << 20;
    uint8_t top_f32 = 0;
    uint16_t top_f64 = 0;
    int64_t f32 = 0, f64[2] = {0};
    float out_f32;
    double out_f64;

    (void)state;
    ops.exponents_f64(&big_f64, 1, &top_f64);
    ops.fixed_add_f64(&big_f64, &top_f64, 1, f64);
    f64[0] *= n, f64[1] *= n;
    ops.fixed_to_f64(f64, &top_f64, 1, &out_f64);
    assert_true(out_f64 == big_f64 * 0x1p20);

    ops.exponents_f32(&big_f32, 1, &top_f32);
    ops.fixed_add_f32(&big_f32, &top_f32, 1, &f32);
    ops.fixed_to_f32(&f32, &top_f32, 1, &out_f32);
    assert_true(out_f32 == big_f32);
    f32 *= n;
    assert_true(f32 < 0);
    ops.fixed_to_f32(&f32, &top_f32, 1, &out_f32);
    assert_true(isinf(out_f32) && out_f32 < 0);

    /* twice the largest, less the largest */
    top_f32 = 0, top_f64 = 0, f32 = 0, f64[0] = f64[1] = 0;
    ops.exponents_f32(&huge_f32, 1, &top_f32);
    ops.exponents_f64(&huge_f64, 1, &top_f64);
    for (int i = 0; i < 3; i++) {
        const float term_f32 = i < 2 ? huge_f32 : -huge_f32;
        const double term_f64 = i < 2 ? huge_f64 : -huge_f64;
        ops.fixed_add_f32(&term_f32, &top_f32, 1, &f32);
        ops.fixed_add_f64(&term_f64, &top_f64, 1, f64);
    }
    ops.fixed_to_f32(&f32, &top_f32, 1, &out_f32);
    ops.fixed_to_f64(f64, &top_f64, 1, &out_f64);
    assert_true(out_f32 == huge_f32 && out_f64 == huge_f64);
}

/* Sums of more bits than the type has, at and beside the middle between two values: one
 * rounding, to nearest, and of two as near to the even one. */
static void test_one_rounding(void **state)
{
    enum { SHIFT = 169 }; /* of f32: with this exponent the last bit is 1 */
    const uint8_t top_f32[3] = {SHIFT, SHIFT, SHIFT};
    const uint16_t top_f64[3] = {1107, 1107, 1107};
    cadre_ops ops;

    (void)state;
    for (size_t l = 0; table_of(l, &ops); l++)
        for (int bits = 26; bits <= 62; bits++)
            for (int sign = -1; sign <= 1; sign += 2) {
                const int64_t base = INT64_C(1) << bits, half = base >> 24;
                const int64_t fixed[3] = {sign * (base + half - 1), sign * (base + half),
                                          sign * (base + half + 1)};
                float out[3];
                ops.fixed_to_f32(fixed, top_f32, 3, out);
                assert_true(out[0] == (float)(sign * base));
                assert_true(out[1] == (float)(sign * base));
                assert_true(out[2] == (float)(sign * (base + 2 * half)));
            }
    for (size_t l = 0; table_of(l, &ops); l++)
        for (int bits = 11; bits <= 61; bits++)
            for (int sign = -1; sign <= 1; sign += 2) {
                const wide base = (wide)1 << (bits + 43), half = base >> 53;
                int64_t fixed[6];
                double out[3];
                for (int i = 0; i < 3; i++) {
                    const wide sum = sign * (base + half + i - 1);
                    const wide low = sum % ((wide)1 << 43);
                    fixed[i] = (int64_t)((sum - low) / ((wide)1 << 43)) - 3;
                    fixed[3 + i] = (int64_t)low + 3 * (INT64_C(1) << 43);
                }
                ops.fixed_to_f64(fixed, top_f64, 3, out);
                assert_true(out[0] == (double)(sign * base));
                assert_true(out[1] == (double)(sign * base));
                assert_true(out[2] == (double)(sign * (base + 2 * half)));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_terms_are_exact),
        cmocka_unit_test(test_subnormal_terms_are_exact),
        cmocka_unit_test(test_far_terms_keep_the_bound),
        cmocka_unit_test(test_cancellation),
        cmocka_unit_test(test_infinities_and_nan),
        cmocka_unit_test(test_most_terms),
        cmocka_unit_test(test_one_rounding),
    };
    return cmocka_run_group_tests_name("exact", tests, NULL, NULL);
}
