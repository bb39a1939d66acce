/* tests/unit/test_hist.c - quantiles within the stated error, over the whole range. */
#include "cmocka_all.h"
#include <cadre/hist.h>
#include <stdlib.h>

static cadre_hist hist, other;

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void test_empty(void **state)
{
    (void)state;
    cadre_hist_init(&hist);
    assert_true(cadre_hist_quantile(&hist, 0.5) == 0);
    assert_true(cadre_hist_mean(&hist) == 0.0);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    cadre_hist_init(&hist);
    for (int64_t v = 1; v <= 100; v++)
        cadre_hist_record(&hist, v);
    assert_true(cadre_hist_quantile(&hist, 0.0) == 1);
    assert_true(cadre_hist_quantile(&hist, 0.5) == 50);
    assert_true(cadre_hist_quantile(&hist, 0.99) == 99);
    assert_true(cadre_hist_quantile(&hist, 1.0) == 100);
    assert_true(cadre_hist_mean(&hist) == 50.5);
}

static void test_error_bound(void **state)
{
    enum { N = 20000 };
    static int64_t values[N];
    static const double quantiles[] = {0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0};
    uint64_t seed = 42;
    (void)state;
    cadre_hist_init(&hist);
    for (size_t i = 0; i < N; i++) {
        values[i] = (int64_t)(next_random(&seed) >> (1 + next_random(&seed) % 60));
        cadre_hist_record(&hist, values[i]);
    }
    qsort(values, N, sizeof values[0], compare);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        const double rank = quantiles[i] * N;
        size_t index = (size_t)rank;
        index += (double)index < rank;
        const int64_t exact = values[index - 1],
                      got = cadre_hist_quantile(&hist, quantiles[i]);
        assert_true(got >= exact);
        assert_true((double)(got - exact) <= (double)exact / 256.0 + 0.5);
    }
}

static void test_extremes(void **state)
{
    (void)state;
    cadre_hist_init(&hist);
    cadre_hist_record(&hist, INT64_MAX);
    cadre_hist_record(&hist, -5);
    assert_true(hist.min == 0);
    assert_true(cadre_hist_quantile(&hist, 1.0) == INT64_MAX);
    assert_true(cadre_hist_quantile(&hist, 0.5) == 0);
}

static void test_merge(void **state)
{
    (void)state;
    cadre_hist_init(&hist);
    cadre_hist_init(&other);
    for (int64_t v = 0; v < 1000; v++)
        cadre_hist_record(v % 2 ? &hist : &other, v * 1000);
    cadre_hist_merge(&hist, &other);
    assert_true(hist.count == 1000);
    assert_true(hist.min == 0 && hist.max == 999000);
    const int64_t median = cadre_hist_quantile(&hist, 0.5);
    assert_true(median >= 499000 && median <= 499000 + 499000 / 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),       cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_error_bound), cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
