/* tests/unit/test_coll_data.c - the patterns that benchmarks of collectives verify with,
 * and the lists in their arguments. */
#include "cmocka_all.h"
#include "run/coll_data.h"
#include "run/coll_task.h"
#include "run/word_list.h"
#include <cadre/ops.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What ops combine is what data_reduce() says, in every type: no sum is rounded. */
static void reductions_are_exact(void **state)
{
    enum { RANKS = 7 };

    (void)state;
    for (int dtype = 0; dtype < CADRE_N_DTYPES; dtype++)
        for (int r = 0; r < CADRE_AVG; r++) {
            cadre_combine_fn *combine = cadre_ops_get()->combine[dtype][r];
            const cadre__coll_data data = {.dtype = (cadre_dtype)dtype,
                                           .reduction = (cadre_reduction)r,
                                           .reduces = true,
                                           .size = RANKS};
            const size_t bytes = cadre__coll_data_bytes(&data);
            char *sum = malloc(bytes), *one = malloc(bytes), *expected = malloc(bytes);

            assert_true(sum && one && expected);
            if (combine) {
                cadre__coll_data_make(&data, 0, sum);
                for (int rank = 1; rank < RANKS; rank++) {
                    cadre__coll_data_make(&data, rank, one);
                    combine(sum, sum, one, 2 * CADRE__COLL_PERIOD);
                }
                cadre__coll_data_reduce(&data, RANKS - 1, expected);
                if (memcmp(sum, expected, bytes) != 0)
                    fail_msg("%s of %s differs", cadre_reduction_name((cadre_reduction)r),
                             cadre_dtype_name((cadre_dtype)dtype));
            }
            free(sum);
            free(one);
            free(expected);
        }
}

/* A lost rank, a swapped pair of ranks and a shifted block are seen. */
static void mistakes_are_seen(void **state)
{
    const cadre__coll_data data = {
        .dtype = CADRE_F32, .reduction = CADRE_SUM, .reduces = true, .size = 4};
    enum { N = 3 * CADRE__COLL_PERIOD + 17 };
    char *table = malloc(cadre__coll_data_bytes(&data));
    char *other = malloc(cadre__coll_data_bytes(&data));
    float *got = malloc(N * sizeof *got);

    (void)state;
    assert_true(table && other && got);
    cadre__coll_data_reduce(&data, 3, table);
    cadre__coll_data_write(&data, table, 1000, N, (char *)got);
    assert_int_equal(cadre__coll_data_compare(&data, table, 1000, N, (char *)got), N);
    assert_true(cadre__coll_data_compare(&data, table, 1001, N, (char *)got) < 8);
    cadre__coll_data_reduce(&data, 2, other);
    assert_true(cadre__coll_data_compare(&data, other, 1000, N, (char *)got) < 8);
    got[N - 1] += 1;
    assert_int_equal(cadre__coll_data_compare(&data, table, 1000, N, (char *)got), N - 1);
    free(table);
    free(other);
    free(got);
}

static void bus_bandwidth_is_that_of_nccl_tests(void **state)
{
    (void)state;
    assert_true(cadre__coll_bus_factor(CADRE_ALLREDUCE, 4) == 1.5);
    assert_true(cadre__coll_bus_factor(CADRE_ALLREDUCE, 1) == 0);
    assert_true(cadre__coll_bus_factor(CADRE_REDUCE_SCATTER, 4) == 0.75);
    assert_true(cadre__coll_bus_factor(CADRE_ALLGATHER, 2) == 0.5);
    assert_true(cadre__coll_bus_factor(CADRE_BROADCAST, 8) == 1);
    assert_true(isnan(cadre__coll_bus_factor(CADRE_BARRIER, 8)));
}

static void sizes_are_lists_and_ranges(void **state)
{
    static const char *const bad[] = {"",     "0",  "4-",   "-4",    "8,4",
                                      "4,,8", "4,", "1x",   "64k-4", "2k,2k",
                                      "3M",   "a",  "4-8-", "1 k",   "4-64k,64k"};
    cadre__size_list list;

    (void)state;
    assert_int_equal(cadre__sizes_read("4-64", "--sizes", 1 << 20, &list), CADRE_OK);
    assert_int_equal(list.n, 3);
    assert_int_equal(list.bytes[2], 64);
    assert_int_equal(cadre__sizes_read("5,1k-1M", "--sizes", 1 << 20, &list), CADRE_OK);
    assert_int_equal(list.n, 7);
    assert_int_equal(list.bytes[0], 5);
    assert_int_equal(list.bytes[6], 1 << 20);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (cadre__sizes_read(bad[i], "--sizes", 1 << 20, &list) != CADRE_ERR_ARG)
            fail_msg("sizes \"%s\" are taken", bad[i]);
}

static void names_are_known_or_listed(void **state)
{
    bool which[CADRE_N_COLLECTIVES];
    cadre_reduction reduction;
    cadre__word_list words;
    cadre_dtype dtype;

    (void)state;
    assert_int_equal(cadre__collectives_read("scan,allreduce", "--c", which), CADRE_OK);
    assert_true(which[CADRE_SCAN] && which[CADRE_ALLREDUCE] && !which[CADRE_REDUCE]);
    assert_int_equal(cadre__collectives_read("all", "--c", which), CADRE_OK);
    assert_true(which[CADRE_REDUCE]);
    assert_int_equal(cadre__collectives_read("scam", "--c", which), CADRE_ERR_ARG);
    assert_non_null(strstr(cadre_last_error(), "alltoall, scan"));
    assert_int_equal(cadre__dtype_by_name("bf16", &dtype), CADRE_OK);
    assert_int_equal(dtype, CADRE_BF16);
    assert_int_equal(cadre__dtype_by_name("f", &dtype), CADRE_ERR_ARG);
    assert_int_equal(cadre__reduction_by_name("average", &reduction), CADRE_OK);
    assert_int_equal(cadre__reduction_by_name("", &reduction), CADRE_ERR_ARG);
    assert_int_equal(cadre__words_read("a,b", "--a", &words), CADRE_OK);
    assert_true(cadre__words_have(&words, "b") && !cadre__words_have(&words, "c"));
    assert_int_equal(cadre__words_read("a,,b", "--a", &words), CADRE_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reductions_are_exact),
        cmocka_unit_test(mistakes_are_seen),
        cmocka_unit_test(bus_bandwidth_is_that_of_nccl_tests),
        cmocka_unit_test(sizes_are_lists_and_ranges),
        cmocka_unit_test(names_are_known_or_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
