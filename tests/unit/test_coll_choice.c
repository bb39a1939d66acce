/* tests/unit/test_coll_choice.c - the table of algorithms, and the choice by setting and
 * cost. */
#include "cmocka_all.h"
#include "coll/choice.h"
#include "coll/cost_set.h"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static cadre__coll_call call_of(cadre_collective collective, int size, size_t count)
{
    return (cadre__coll_call){
        .collective = collective,
        .size = size,
        .count = count,
        .element_bytes = 4,
        .bytes = 4 * count,
        .costs = &cadre__coll_built_in_costs(false)->inside,
    };
}

static const char *chosen(cadre_collective collective, int size, size_t count)
{
    const cadre__coll_call call = call_of(collective, size, count);
    const cadre__coll_row *row = NULL;

    assert_int_equal(cadre__coll_choose(&call, NULL, &row), CADRE_OK);
    assert_non_null(row);
    return row->name;
}

static void every_collective_has_native_and_another(void **state)
{
    (void)state;
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++) {
        const char *collective = cadre__collective_name((cadre_collective)c);
        const char *name, *summary;
        size_t n = 0, n_native = 0;

        for (; (name = cadre_coll_algorithm(collective, n, &summary)) != NULL; n++) {
            n_native += strcmp(name, "native") == 0;
            assert_true(strlen(summary) > 0);
            for (size_t i = 0; i < n; i++)
                assert_string_not_equal(cadre_coll_algorithm(collective, i, NULL), name);
        }
        assert_int_equal(n_native, 1);
        assert_true(n >= 2);
    }
    assert_null(cadre_coll_algorithm("allscatter", 0, NULL));
    assert_null(cadre_coll_algorithm(NULL, 0, NULL));
}

/* In a process of its own, since the setting is read once. */
static int bad_setting_in_child(void)
{
    const cadre__coll_call call = call_of(CADRE_BROADCAST, 4, 10);
    const cadre__coll_row *row;

    setenv("CADRE_COLL", "allreduce:rnig", 1);
    for (int i = 0; i < 2; i++) {
        if (cadre__coll_choose(&call, NULL, &row) != CADRE_ERR_NOT_FOUND)
            return 1;
        if (strncmp(cadre_last_error(), "CADRE_COLL: ", strlen("CADRE_COLL: ")) != 0)
            return 2;
    }
    /* Who names an algorithm does not depend on the setting. */
    return cadre__coll_choose(&call, "binomial", &row) == CADRE_OK ? 0 : 3;
}

static void bad_setting_fails_the_first_choice(void **state)
{
    int status = -1;

    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(bad_setting_in_child());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void choice_follows_size(void **state)
{
    (void)state;
    for (int size = 3; size <= 64; size++) {
        const bool power = (size & (size - 1)) == 0;

        assert_string_equal(chosen(CADRE_ALLREDUCE, size, 1), "recursive_doubling");
        assert_string_equal(chosen(CADRE_ALLREDUCE, size, 10000000), "ring");
        assert_string_equal(chosen(CADRE_REDUCE, size, 1), "binomial");
        assert_string_equal(chosen(CADRE_REDUCE, size, 10000000), "ring");
        assert_string_equal(chosen(CADRE_BROADCAST, size, 10000000), "chain");
        assert_string_equal(chosen(CADRE_REDUCE_SCATTER, size, 10000000), "ring");
        assert_string_equal(chosen(CADRE_SCAN, size, 10000000), "chain");
        if (power)
            assert_string_equal(chosen(CADRE_REDUCE_SCATTER, size, 1), "halving");
        if (power && size > 4)
            assert_string_equal(chosen(CADRE_ALLREDUCE, size, 10000), "rabenseifner");
    }
    assert_string_equal(chosen(CADRE_BROADCAST, 8, 4000), "binomial");
    assert_string_equal(chosen(CADRE_BROADCAST, 21, 1), "kary");
    assert_string_equal(chosen(CADRE_GATHER, 16, 1), "binomial");
    assert_string_equal(chosen(CADRE_GATHER, 16, 10000000), "linear");
    assert_string_equal(chosen(CADRE_SCATTER, 16, 1), "binomial");
    assert_string_equal(chosen(CADRE_SCATTER, 16, 10000000), "linear");
    assert_string_equal(chosen(CADRE_ALLGATHER, 16, 1), "bruck");
    assert_string_equal(chosen(CADRE_ALLGATHER, 3, 1), "direct");
    assert_string_equal(chosen(CADRE_ALLGATHER, 64, 4096), "direct");
    assert_string_equal(chosen(CADRE_ALLGATHER, 64, 10000000), "ring");
    assert_string_equal(chosen(CADRE_ALLTOALL, 16, 1), "bruck");
    assert_string_equal(chosen(CADRE_ALLTOALL, 16, 10000000), "pairwise");
    assert_string_equal(chosen(CADRE_SCAN, 16, 1), "doubling");
}

/* Of calls of unequal size whose class is equal the choice is, too. */
static void a_class_has_one_choice(void **state)
{
    const cadre__coll_call least = call_of(CADRE_ALLREDUCE, 16, 513),
                           most = call_of(CADRE_ALLREDUCE, 16, 1024),
                           more = call_of(CADRE_ALLREDUCE, 16, 1025);

    (void)state;
    assert_int_equal(cadre__coll_class(&least), cadre__coll_class(&most));
    assert_int_equal(cadre__coll_class(&most) + 1, cadre__coll_class(&more));
    for (size_t n = 1; n < 1u << 24; n *= 2)
        assert_string_equal(chosen(CADRE_ALLREDUCE, 12, n / 2 + 1),
                            chosen(CADRE_ALLREDUCE, 12, n));
}

static void setting_beats_cost(void **state)
{
    (void)state;
    /* main() set CADRE_COLL=barrier:native, which no cost would choose. */
    assert_string_equal(chosen(CADRE_BARRIER, 8, 0), "native");
}

static void named_row_beats_all(void **state)
{
    const cadre__coll_call call = call_of(CADRE_BARRIER, 8, 0);
    const cadre__coll_row *row;

    (void)state;
    assert_int_equal(cadre__coll_choose(&call, "dissemination", &row), CADRE_OK);
    assert_string_equal(row->name, "dissemination");
    assert_int_equal(cadre__coll_choose(&call, "tree", &row), CADRE_ERR_NOT_FOUND);
    assert_non_null(strstr(cadre_last_error(), "dissemination, hierarchical"));
}

static void native_does_not_apply_to_huge_counts(void **state)
{
    const cadre__coll_call call = call_of(CADRE_BROADCAST, 8, (size_t)1 << 31);
    const cadre__coll_row *row;

    (void)state;
    assert_int_equal(cadre__coll_choose(&call, "native", &row), CADRE_ERR_UNSUPPORTED);
    assert_int_equal(cadre__coll_choose(&call, "chain", &row), CADRE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_collective_has_native_and_another),
        cmocka_unit_test(bad_setting_fails_the_first_choice),
        cmocka_unit_test(choice_follows_size),
        cmocka_unit_test(a_class_has_one_choice),
        cmocka_unit_test(setting_beats_cost),
        cmocka_unit_test(named_row_beats_all),
        cmocka_unit_test(native_does_not_apply_to_huge_counts),
    };

    setenv("CADRE_COLL", "barrier:native", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
