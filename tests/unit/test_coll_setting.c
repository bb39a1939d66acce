/* tests/unit/test_coll_setting.c - CADRE_COLL: names, ranges of sizes, and what is wrong
 * with bad ones. */
#include "cmocka_all.h"
#include "coll/choice.h"
#include "coll/setting.h"
#include <stdio.h>
#include <string.h>

static cadre__coll_rules rules;

static const char *name_for(cadre_collective collective, size_t bytes)
{
    const cadre__coll_row *row = cadre__coll_rule_for(&rules, collective, bytes);

    return row != NULL ? row->name : "by choice";
}

static void nothing_is_by_choice(void **state)
{
    (void)state;
    assert_int_equal(cadre__coll_parse("", &rules), CADRE_OK);
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++)
        assert_null(cadre__coll_rule_for(&rules, (cadre_collective)c, 1));
}

static void names_are_for_all_sizes(void **state)
{
    (void)state;
    assert_int_equal(cadre__coll_parse("allreduce:ring,broadcast:native", &rules),
                     CADRE_OK);
    assert_string_equal(name_for(CADRE_ALLREDUCE, 0), "ring");
    assert_string_equal(name_for(CADRE_ALLREDUCE, SIZE_MAX), "ring");
    assert_string_equal(name_for(CADRE_BROADCAST, 7), "native");
    assert_string_equal(name_for(CADRE_REDUCE, 7), "by choice");
}

static void ranges_end_before_their_end(void **state)
{
    (void)state;
    assert_int_equal(cadre__coll_parse("allreduce:0-4k:recursive_doubling,"
                                       "broadcast:native,allreduce:64K-1M:ring,"
                                       "allreduce:2g-:native",
                                       &rules),
                     CADRE_OK);
    assert_string_equal(name_for(CADRE_ALLREDUCE, 0), "recursive_doubling");
    assert_string_equal(name_for(CADRE_ALLREDUCE, 4095), "recursive_doubling");
    assert_string_equal(name_for(CADRE_ALLREDUCE, 4096), "by choice"); /* a gap */
    assert_string_equal(name_for(CADRE_ALLREDUCE, (64 << 10) - 1), "by choice");
    assert_string_equal(name_for(CADRE_ALLREDUCE, 64 << 10), "ring");
    assert_string_equal(name_for(CADRE_ALLREDUCE, 1 << 20), "by choice");
    assert_string_equal(name_for(CADRE_ALLREDUCE, (size_t)2 << 30), "native");
    assert_string_equal(name_for(CADRE_ALLREDUCE, SIZE_MAX), "native");
    assert_int_equal(
        cadre__coll_parse("allreduce:-100:ring,allreduce:100-101:native", &rules),
        CADRE_OK);
    assert_string_equal(name_for(CADRE_ALLREDUCE, 99), "ring");
    assert_string_equal(name_for(CADRE_ALLREDUCE, 100), "native");
    assert_string_equal(name_for(CADRE_ALLREDUCE, 101), "by choice");
}

static void bad_settings_are_refused(void **state)
{
    static const struct {
        const char *setting;
        cadre_status status;
        const char *says; /* part of the sentence */
    } bad[] = {
        {"allreduce:rnig", CADRE_ERR_NOT_FOUND, "character 11"},
        {"allreduce:rnig", CADRE_ERR_NOT_FOUND, "recursive_doubling, ring"},
        {"allreduce:ring2", CADRE_ERR_NOT_FOUND, "\"ring2\""},
        {"allreduce:rin", CADRE_ERR_NOT_FOUND, "\"rin\""},
        {"allreduce:", CADRE_ERR_NOT_FOUND, "\"\""},
        {"allreduces:ring", CADRE_ERR_NOT_FOUND, "allreduce, reduce, reduce_scatter"},
        {"barrier:native,gahter:linear", CADRE_ERR_NOT_FOUND, "character 16"},
        {"ring", CADRE_ERR_INPUT, "COLLECTIVE:ALGORITHM"},
        {"barrier:native,ring", CADRE_ERR_INPUT, "character 16"},
        {",barrier:native", CADRE_ERR_INPUT, "character 1"},
        {"barrier:native,barrier:native", CADRE_ERR_INPUT, "twice"},
        {"allreduce:ring:native", CADRE_ERR_INPUT, "character 1"},
        {"allreduce:0-4k", CADRE_ERR_INPUT, "COLLECTIVE:FROM-TO:ALGORITHM"},
        {"allreduce:4k:ring", CADRE_ERR_INPUT, "character 11"},
        {"allreduce:4x-8x:ring", CADRE_ERR_INPUT, "character 11"},
        {"allreduce:0-4x:ring", CADRE_ERR_INPUT, "character 13"},
        {"allreduce:0-4kk:ring", CADRE_ERR_INPUT, "character 13"},
        {"allreduce:0--4:ring", CADRE_ERR_INPUT, "character 13"},
        {"allreduce:4k-4k:ring", CADRE_ERR_INPUT, "empty"},
        {"allreduce:8k-4k:ring", CADRE_ERR_INPUT, "empty"},
        {"allreduce:0-99999999999999999999:ring", CADRE_ERR_INPUT, "character 13"},
        {"allreduce:0-99999999999G:ring", CADRE_ERR_INPUT, "character 13"},
        {"allreduce:0-4k:ring,allreduce:4095-:native", CADRE_ERR_INPUT, "4095 bytes"},
        {"allreduce:4k-8k:ring,allreduce:native", CADRE_ERR_INPUT, "twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (cadre__coll_parse(bad[i].setting, &rules) != bad[i].status)
            fail_msg("%s: another status: %s", bad[i].setting, cadre_last_error());
        if (strstr(cadre_last_error(), bad[i].says) == NULL)
            fail_msg("%s: the sentence lacks \"%s\": %s", bad[i].setting, bad[i].says,
                     cadre_last_error());
    }
}

static void too_many_ranges_are_refused(void **state)
{
    char setting[2048] = "";

    (void)state;
    for (int i = 0; i <= CADRE__MAX_RULES; i++) {
        if (i > 0)
            assert_int_equal(cadre__coll_parse(setting, &rules), CADRE_OK);
        const size_t used = strlen(setting);
        snprintf(setting + used, sizeof setting - used, "%sreduce:%d-%d:ring",
                 i > 0 ? "," : "", i, i + 1);
    }
    assert_int_equal(cadre__coll_parse(setting, &rules), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "16 ranges"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_by_choice),
        cmocka_unit_test(names_are_for_all_sizes),
        cmocka_unit_test(ranges_end_before_their_end),
        cmocka_unit_test(bad_settings_are_refused),
        cmocka_unit_test(too_many_ranges_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
