/* Options: what kernels pick from their tier's "options". */
#include "cmocka_all.h"
#include <cadre/options.h>
#include <string.h>

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected \"%s\" in \"%s\"", part, text);
}

static const char options[] = "{\"layers\": [16, 64, 4], \"act\": \"relu\", \"seed\": 7, "
                              "\"rate\": 0.5, \"none\": null, \"on\": true}";

static void picks_what_is_there(void **state)
{
    (void)state;
    int64_t seed = 1, layers[3] = {0};
    double rate = 1;
    char act[5] = "gelu";
    size_t n = 0;
    int on = 0;
    assert_int_equal(cadre_option_integer(options, "seed", 0, 10, &seed), CADRE_OK);
    assert_int_equal(cadre_option_number(options, "rate", 0, 1, &rate), CADRE_OK);
    assert_int_equal(cadre_option_string(options, "act", act, sizeof act), CADRE_OK);
    assert_int_equal(cadre_option_integers(options, "layers", 1, 100, layers, 3, &n),
                     CADRE_OK);
    assert_int_equal(cadre_option_boolean(options, "on", &on), CADRE_OK);
    assert_true(seed == 7 && rate == 0.5 && n == 3 && on == 1);
    assert_true(layers[0] == 16 && layers[1] == 64 && layers[2] == 4);
    assert_string_equal(act, "relu");
}

static void leaves_defaults(void **state)
{
    (void)state;
    int64_t seed = 1, layers[1] = {5};
    double rate = 2;
    char act[8] = "gelu";
    size_t n = 1;
    int on = 5;
    assert_int_equal(cadre_option_integer("{}", "seed", 0, 10, &seed), CADRE_OK);
    assert_int_equal(cadre_option_number("{}", "rate", 0, 1, &rate), CADRE_OK);
    assert_int_equal(cadre_option_string("{}", "act", act, sizeof act), CADRE_OK);
    assert_int_equal(cadre_option_integers("{}", "layers", 1, 9, layers, 1, &n),
                     CADRE_OK);
    assert_int_equal(cadre_option_boolean("{}", "on", &on), CADRE_OK);
    assert_true(seed == 1 && rate == 2 && n == 1 && layers[0] == 5 && on == 5);
    assert_string_equal(act, "gelu");
}

static void refuses_the_rest(void **state)
{
    (void)state;
    int64_t value = 1, layers[3] = {0};
    double rate = 2;
    char act[4] = "abc";
    size_t n = 9;
    int on = 0;
    assert_int_equal(cadre_option_integer(options, "seed", 0, 6, &value),
                     CADRE_ERR_INPUT);
    assert_string_equal(
        cadre_last_error(),
        "options: seed: expected a whole number from 0 to 6, found the number 7");
    assert_int_equal(cadre_option_integer(options, "act", 0, 6, &value), CADRE_ERR_INPUT);
    assert_int_equal(cadre_option_integer(options, "none", 0, 6, &value),
                     CADRE_ERR_INPUT);
    assert_int_equal(cadre_option_number(options, "layers", 0, 1, &rate),
                     CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "found an array of 3");
    assert_int_equal(cadre_option_string(options, "act", act, sizeof act),
                     CADRE_ERR_RANGE);
    assert_contains(cadre_last_error(), "act");
    assert_int_equal(cadre_option_string(options, "seed", act, sizeof act),
                     CADRE_ERR_INPUT);
    assert_int_equal(cadre_option_integers(options, "layers", 1, 20, layers, 3, &n),
                     CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(),
                    "layers[1]: expected a whole number from 1 to 20, found "
                    "the number 64");
    assert_int_equal(cadre_option_integers(options, "layers", 1, 99, layers, 2, &n),
                     CADRE_ERR_RANGE);
    assert_int_equal(cadre_option_integers(options, "rate", 1, 99, layers, 2, &n),
                     CADRE_ERR_INPUT);
    assert_int_equal(cadre_option_integers("{\"a\": [0.5]}", "a", 0, 9, layers, 2, &n),
                     CADRE_ERR_INPUT);
    assert_int_equal(
        cadre_option_integers("{\"a\": [1e300]}", "a", 0, INT64_MAX, layers, 2, &n),
        CADRE_ERR_INPUT);
    assert_int_equal(cadre_option_integer("[1]", "a", 0, 9, &value), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "expected an object, found an array of 1");
    assert_int_equal(cadre_option_integer("{", "a", 0, 9, &value), CADRE_ERR_INPUT);
    assert_int_equal(cadre_option_boolean(options, "seed", &on), CADRE_ERR_INPUT);
    assert_true(value == 1 && rate == 2 && n == 9 && layers[0] == 0);
    assert_string_equal(act, "abc");
}

static void checks_keys(void **state)
{
    (void)state;
    static const char *const known[] = {"layers", "act", "seed", "rate", "none", "on"};
    assert_int_equal(cadre_options_check(options, known, 6), CADRE_OK);
    assert_int_equal(cadre_options_check("{}", known, 0), CADRE_OK);
    assert_int_equal(cadre_options_check("{\"layer\": 1}", known, 5), CADRE_ERR_INPUT);
    assert_string_equal(cadre_last_error(),
                        "options: layer: unknown key; did you mean \"layers\"?");
    assert_int_equal(cadre_options_check("{\"wholly\": 1}", known, 2), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "known are: layers, act");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_what_is_there),
        cmocka_unit_test(leaves_defaults),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(checks_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
