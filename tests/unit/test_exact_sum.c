/* tests/unit/test_exact_sum.c - sums of gradients do not depend on order, are right, and
 * tell when they cannot be. */
#include "cmocka_all.h"
#include "run/exact_sum.h"
#include <math.h>
#include <string.h>

enum { N = 37, TERMS = 64 };

/* Values of very unlike size, as gradients are. */
static float term(size_t i, size_t j)
{
    const uint32_t r = (uint32_t)(i * 2654435761u + j * 40503u + 12345u) * 2246822519u;
    return ldexpf((float)(r >> 8) / 8388608.0f - 1.0f, (int)(r % 31) - 20);
}

static void add_all(int64_t sum[N], const size_t *order, size_t n)
{
    float x[N];

    for (size_t t = 0; t < n; t++) {
        for (size_t i = 0; i < N; i++)
            x[i] = term(i, order[t]);
        assert_true(cadre__exact_add(sum, x, N));
    }
}

static void test_order_and_grouping_do_not_matter(void **state)
{
    int64_t forward[N] = {0}, backward[N] = {0}, halves[2][N] = {{0}};
    size_t order[TERMS], reverse[TERMS];

    (void)state;
    for (size_t t = 0; t < TERMS; t++) {
        order[t] = t;
        reverse[t] = TERMS - 1 - t;
    }
    add_all(forward, order, TERMS);
    add_all(backward, reverse, TERMS);
    add_all(halves[0], order, 13);
    add_all(halves[1], order + 13, TERMS - 13);
    for (size_t i = 0; i < N; i++) {
        double plain = 0;
        for (size_t t = 0; t < TERMS; t++)
            plain += (double)term(i, t);
        assert_true(forward[i] == backward[i]);
        assert_true(forward[i] == halves[0][i] + halves[1][i]);
        assert_true(fabs(cadre__exact_value(forward[i]) - plain) <= TERMS * 0x1p-41);
    }
}

static void test_values_are_rounded_to_nearest(void **state)
{
    const float x[4] = {0x1.8p-41f, -0x1.8p-41f, 0x1p-41f, 2048.0f};
    int64_t sum[4] = {0};

    (void)state;
    assert_true(cadre__exact_add(sum, x, 4));
    assert_true(sum[0] == 1 && sum[1] == -1);
    assert_true(sum[2] == 0); /* a tie goes to the even one */
    assert_true(sum[3] == INT64_C(2048) << 40);
    assert_true(cadre__exact_value(sum[3]) == 2048.0);
}

static void test_the_largest_sum_fits(void **state)
{
    const float x[2] = {CADRE__EXACT_LIMIT, -CADRE__EXACT_LIMIT};
    int64_t sum[2] = {0};

    (void)state;
    for (int t = 0; t < CADRE__EXACT_MAX_TERMS; t++)
        assert_true(cadre__exact_add(sum, x, 2));
    assert_true(cadre__exact_value(sum[0]) == 2048.0 * CADRE__EXACT_MAX_TERMS);
    assert_true(cadre__exact_value(sum[1]) == -2048.0 * CADRE__EXACT_MAX_TERMS);
}

static void test_what_does_not_fit_is_told(void **state)
{
    const float bad[] = {2049.0f, -1e30f, NAN, INFINITY, -INFINITY};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (size_t at = 0; at < N; at++) {
            int64_t sum[N] = {0};
            float x[N] = {0};
            assert_true(cadre__exact_add(sum, x, N));
            x[at] = bad[i];
            assert_false(cadre__exact_add(sum, x, N));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_grouping_do_not_matter),
        cmocka_unit_test(test_values_are_rounded_to_nearest),
        cmocka_unit_test(test_the_largest_sum_fits),
        cmocka_unit_test(test_what_does_not_fit_is_told),
    };
    return cmocka_run_group_tests_name("exact_sum", tests, NULL, NULL);
}
