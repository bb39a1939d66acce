/* tests/unit/test_bench_row.c - derived figures of the benchmark table. */
#include "cmocka_all.h"
#include "run/bench_row.h"
#include <math.h>

static void test_critical_compute(void **state)
{
    const int64_t cpu[] = {100, 300, 200, 100};
    (void)state;
    /* A core for each: the longest shard. */
    assert_int_equal(cadre__critical_compute(cpu, 4, 4), 300);
    /* Two cores: all work shared by them is longer. */
    assert_int_equal(cadre__critical_compute(cpu, 4, 2), 350);
    assert_int_equal(cadre__critical_compute(cpu, 4, 1), 700);
    assert_int_equal(cadre__critical_compute(cpu, 1, 8), 100);
}

static void test_finish(void **state)
{
    static cadre_hist latency;
    cadre__bench_sample samples[] = {
        {30000000, 20000000}, {10000000, 8000000}, {20000000, 15000000}};
    const int64_t compute[] = {30, 10};
    cadre__bench_row row = {.shards = 2, .requests = 40};
    (void)state;
    cadre_hist_init(&latency);
    for (int64_t i = 1; i <= 100; i++)
        cadre_hist_record(&latency, i * CADRE_HIST_BUCKETS);
    cadre__bench_row_finish(&row, samples, 3, &latency, compute);
    assert_int_equal(row.repetitions, 3);
    assert_true(fabs(row.wall_ms - 20) < 1e-9);
    assert_true(fabs(row.compute_ms - 15) < 1e-9);
    assert_true(fabs(row.coordination_ms - 5) < 1e-9);
    assert_true(fabs(row.compute_percent - 75) < 1e-9);
    assert_true(fabs(row.granularity - 3) < 1e-9);
    assert_true(fabs(row.spread_percent - 50) < 1e-9);
    assert_true(fabs(row.requests_per_s - 2000) < 1e-9);
    assert_true(fabs(row.imbalance - 1.5) < 1e-9);
    assert_true(row.p50_ms <= row.p95_ms && row.p95_ms <= row.p99_ms);
}

static void test_compare(void **state)
{
    cadre__bench_row rows[] = {{.shards = 1, .requests_per_s = 100},
                               {.shards = 2, .requests_per_s = 180},
                               {.shards = 4, .requests_per_s = 200}};
    (void)state;
    cadre__bench_rows_compare(rows, 3);
    assert_true(fabs(rows[0].efficiency_percent - 100) < 1e-9);
    assert_true(isnan(rows[0].karp_flatt));
    assert_true(fabs(rows[1].efficiency_percent - 90) < 1e-9);
    /* e = (1/1.8 - 1/2) / (1 - 1/2) = 0.111 */
    assert_true(fabs(rows[1].karp_flatt - 1.0 / 9.0) < 1e-9);
    assert_true(fabs(rows[2].efficiency_percent - 50) < 1e-9);
    assert_true(fabs(rows[2].karp_flatt - 1.0 / 3.0) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_critical_compute),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
