/* tests/unit/test_money.c - decimals to integers and back, exactly or not at all. */
#include "cmocka_all.h"
#include <cadre/money.h>
#include <string.h>

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        cadre_money amount;
    } good[] = {
        {"0", 0},
        {"5", 5 * CADRE_MONEY_USD},
        {"5.00", 5 * CADRE_MONEY_USD},
        {"0.10", CADRE_MONEY_USD / 10},
        {"-0.1", -CADRE_MONEY_USD / 10},
        {"0.0000000000001", 1},
        {"0.00000000000010000", 1},
        {"007.5", 75 * CADRE_MONEY_USD / 10},
        {"922337.2036854775807", INT64_MAX},
        {"-922337.2036854775808", INT64_MIN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cadre_money amount = -7;
        assert_int_equal(cadre_money_parse(good[i].text, &amount), CADRE_OK);
        assert_true(amount == good[i].amount);
    }
}

static void test_refuse(void **state)
{
    static const struct {
        const char *text;
        cadre_status status;
    } bad[] = {
        {"", CADRE_ERR_INPUT},
        {"1e400", CADRE_ERR_INPUT},
        {"+1", CADRE_ERR_INPUT},
        {" 1", CADRE_ERR_INPUT},
        {"1 ", CADRE_ERR_INPUT},
        {".5", CADRE_ERR_INPUT},
        {"5.", CADRE_ERR_INPUT},
        {"1,5", CADRE_ERR_INPUT},
        {"nan", CADRE_ERR_INPUT},
        {"0x10", CADRE_ERR_INPUT},
        {"--1", CADRE_ERR_INPUT},
        {"1.2.3", CADRE_ERR_INPUT},
        {"0.00000000000001", CADRE_ERR_INPUT},
        {"922337.2036854775808", CADRE_ERR_RANGE},
        {"-922337.2036854775809", CADRE_ERR_RANGE},
        {"99999999999999999999999999", CADRE_ERR_RANGE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cadre_money amount = -7;
        assert_int_equal(cadre_money_parse(bad[i].text, &amount), bad[i].status);
        assert_true(amount == -7);
        assert_true(bad[i].text[0] == '\0' ||
                    strstr(cadre_last_error(), bad[i].text) != NULL);
    }
}

static void test_format(void **state)
{
    static const struct {
        cadre_money amount;
        const char *text;
    } rows[] = {
        {0, "0.00"},
        {5 * CADRE_MONEY_USD, "5.00"},
        {CADRE_MONEY_USD / 10, "0.10"},
        {25 * (CADRE_MONEY_USD / 10000000), "0.0000025"},
        {1, "0.0000000000001"},
        {-1, "-0.0000000000001"},
        {INT64_MAX, "922337.2036854775807"},
        {INT64_MIN, "-922337.2036854775808"},
    };
    char buf[CADRE_MONEY_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cadre_money back;
        assert_string_equal(cadre_money_format(rows[i].amount, buf), rows[i].text);
        assert_int_equal(cadre_money_parse(buf, &back), CADRE_OK);
        assert_true(back == rows[i].amount);
    }
}

static void test_arithmetic(void **state)
{
    cadre_money out = 3;
    (void)state;
    assert_int_equal(cadre_money_add(1, 2, &out), CADRE_OK);
    assert_true(out == 3);
    assert_int_equal(cadre_money_sub(1, 2, &out), CADRE_OK);
    assert_true(out == -1);
    assert_int_equal(cadre_money_mul(CADRE_MONEY_USD, 7, &out), CADRE_OK);
    assert_true(out == 7 * CADRE_MONEY_USD);
    assert_int_equal(cadre_money_add(INT64_MAX, 1, &out), CADRE_ERR_RANGE);
    assert_int_equal(cadre_money_sub(INT64_MIN, 1, &out), CADRE_ERR_RANGE);
    assert_int_equal(cadre_money_mul(2, UINT64_MAX, &out), CADRE_ERR_RANGE);
    assert_true(out == 7 * CADRE_MONEY_USD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
