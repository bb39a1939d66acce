/* JSON: what is refused and with which sentence, typed getters, --set, building. */
#include "cmocka_all.h"
#include "core/memory.h"
#include "io/json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cadre__json_doc *parse(const char *text)
{
    cadre__json_doc *doc = NULL;
    if (cadre__json_parse("a.json", 1, text, strlen(text), &doc) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    return doc;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected \"%s\" in \"%s\"", part, text);
}

static void accepts_what_json_allows(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "1.5e-3",
        "\"\"",
        "null",
        " [ ] ",
        "{}",
        "[1,2,[3,{\"a\":[]}]]",
        "\t\r\n true ",
        "\xEF\xBB\xBF{\"mark\": 1}",
        "\"\\u00e9\\ud83d\\ude00\\n\\/\"",
        "\"\xC3\xA9\xF0\x9F\x98\x80\"",
        "{\"\": 1, \" \": 2}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cadre__json_doc_destroy(parse(texts[i]));
}

static void refuses_bad_syntax_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "a.json:1:1: expected a value, found the end of the text"},
        {"{\"a\": 1,\n \"b\" 2}", "a.json:2:6: expected ':' after a key, found '2'"},
        {"{\"a\": 1\n", "a.json:2:1: expected ',' or '}' after a member, found the end"},
        {"[1, 2", "a.json:1:6: expected ',' or ']' after an element"},
        {"[1,]", "a.json:1:4: expected a value, found ']'"},
        {"{\"a\":1,}", "a.json:1:8: expected a key in quotes, found '}'"},
        {"{'a':1}", "a.json:1:2: expected a key in quotes, found '''"},
        {"NaN", "a.json:1:1: expected a value, found 'NaN'"},
        {"[Infinity]", "found 'Infinity'"},
        {"nul", "found 'nul'"},
        {"01", "a.json:1:2: a number must not begin with a superfluous 0"},
        {"1.", "a.json:1:3: expected a digit, found the end"},
        {"[.5]", "expected a value, found '.'"},
        {"1e+", "expected a digit"},
        {"+1", "expected a value, found '+'"},
        {"1 2", "a.json:1:3: expected nothing more after the value, found '2'"},
        {"[1e400]", "a.json:1: [0]: the number 1e400 is too large"},
        {"{\"x\": -1e999}", "a.json:1: x: the number -1e999 is too large"},
        {"\"abc", "expected '\"' at the end of a string"},
        {"\"a\nb\"", "a.json:1:3: a string must end on its line"},
        {"\"a\tb\"", "a.json:1:3: a control character"},
        {"\"\\x\"", "expected one of"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\\u0000\"", "NUL"},
        {"\"\\ud800\"", "the first half of a surrogate pair stands alone"},
        {"\"\\ude00\"", "the second half of a surrogate pair stands alone"},
        {"\"\xC3\"", "not valid UTF-8"},
        {"\"\xC0\x80\"", "not valid UTF-8"},
        {"\"\xED\xA0\x80\"", "not valid UTF-8"},
        {"\"\xF4\x90\x80\x80\"", "not valid UTF-8"},
        {"\xFF", "found the byte 0xFF"},
        {"{\"a\":1,\n\"b\":{\"c\":1,\n\"c\":2}}",
         "a.json:3: b.c: this key is there twice; the first is on line 2"},
        {"{\"a\":1,\"\\u0061\":2}", "a: this key is there twice"},
        {"1234567890123456789012345678901234567890123456789012345678901234",
         "63 characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cadre__json_doc *doc;
        assert_int_equal(
            cadre__json_parse("a.json", 1, cases[i].text, strlen(cases[i].text), &doc),
            CADRE_ERR_INPUT);
        assert_null(doc);
        assert_contains(cadre_last_error(), cases[i].error);
    }
}

static void refuses_a_nul_byte(void **state)
{
    (void)state;
    cadre__json_doc *doc;
    assert_int_equal(cadre__json_parse("a", 1, "[1]\0", 4, &doc), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(),
                    "a:1:4: expected nothing more after the value, found the "
                    "byte 0x00");
    assert_int_equal(cadre__json_parse("a", 7, "\"x\0y\"", 5, &doc), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "a:7:3:");
}

static void limits_depth(void **state)
{
    (void)state;
    char text[300];
    cadre__json_doc *doc;
    for (size_t depth = 64; depth <= 65; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        assert_int_equal(cadre__json_parse("a", 1, text, 2 * depth, &doc),
                         depth == 64 ? CADRE_OK : CADRE_ERR_INPUT);
        cadre__json_doc_destroy(doc);
    }
    assert_contains(cadre_last_error(), "nested deeper than 64");
}

/* Seconds if it were quadratic; keys of many objects as well as elements. */
static void parses_large_containers(void **state)
{
    (void)state;
    const size_t n = 100000; /* of either */
    char *text = malloc(n * 32 + 16), *p = text;
    double sum = 0;
    assert_non_null(text);
    p += sprintf(p, "[{");
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "%s\"k%zu\":1", i ? "," : "", i);
    p += sprintf(p, "}");
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, ",%zu", i);
    sprintf(p, "]");
    cadre__json_doc *doc = parse(text);
    const cadre__json *node = cadre__json_first(cadre__json_root(doc));
    assert_int_equal(cadre__json_length(node), n);
    while ((node = cadre__json_next(node)))
        sum += cadre__json_number_or(node, 0);
    assert_true(sum == (double)(n * (n - 1)) / 2);
    cadre__json_doc_destroy(doc);
    memcpy(strstr(text, "\"k77\""), "\"k78\"", 5);
    assert_int_equal(cadre__json_parse("a", 1, text, strlen(text), &doc),
                     CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "a:1: [0].k78: this key is there twice");
    free(text);
}

static const char tiers[] = "{\n"
                            "  \"name\": \"n\",\n"
                            "  \"tiers\": [\n"
                            "    {\"name\": \"small\", \"shards\": 0,\n"
                            "     \"price\": {\n"
                            "       \"input_per_1k\": -1,\n"
                            "       \"output_per_1k\": 5.0,\n"
                            "       \"per_request\": \"-0.5\"\n"
                            "     }}\n"
                            "  ],\n"
                            "  \"big\": 9007199254740993, \"half\": 1.5, \"yes\": true\n"
                            "}\n";

static void getters_name_line_path_expected_and_found(void **state)
{
    (void)state;
    cadre__json_doc *doc = parse(tiers);
    const cadre__json *root = cadre__json_root(doc);
    const cadre__json *tier = cadre__json_element(cadre__json_member(root, "tiers"), 0);
    const cadre__json *price = cadre__json_member(tier, "price");
    static const char *const known[] = {"name", "shardz", "prices"};
    int64_t integer = 7;
    double number = 7;
    bool yes = false;
    const char *text = "default";
    cadre_money money = 7;

    assert_int_equal(cadre__json_get_integer(doc, tier, "shards", true, 1, 100, &integer),
                     CADRE_ERR_INPUT);
    assert_string_equal(cadre_last_error(),
                        "a.json:4: tiers[0].shards: expected a whole number "
                        "from 1 to 100, found the number 0");
    assert_int_equal(cadre__json_get_money(doc, price, "output_per_1k", true, 0, &money),
                     CADRE_ERR_INPUT);
    assert_string_equal(
        cadre_last_error(),
        "a.json:7: tiers[0].price.output_per_1k: expected an amount in USD as a "
        "decimal string such as \"0.10\", found the number 5.0: write \"5.0\", in "
        "quotes");
    assert_int_equal(cadre__json_get_money(doc, price, "per_request", true, 0, &money),
                     CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(),
                    "a.json:8: tiers[0].price.per_request: expected an amount "
                    "of at least 0.00 USD, found \"-0.5\"");
    assert_int_equal(
        cadre__json_get_integer(doc, root, "big", true, 0, INT64_MAX, &integer),
        CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(),
                    "a.json:11: big: expected a whole number, at least 0 and "
                    "below 2^53, found the number 9007199254740993");
    assert_int_equal(cadre__json_get_integer(doc, root, "half", true, 0, 9, &integer),
                     CADRE_ERR_INPUT);
    assert_int_equal(cadre__json_get_number(doc, root, "half", true, 0, 1, &number),
                     CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(),
                    "expected a number from 0 to 1, found the number 1.5");
    assert_int_equal(cadre__json_get_string(doc, root, "half", false, &text),
                     CADRE_ERR_INPUT);
    assert_int_equal(cadre__json_get_bool(doc, root, "name", false, &yes),
                     CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "expected true or false, found \"n\"");
    assert_int_equal(cadre__json_get_string(doc, tier, "model", true, &text),
                     CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "a.json:4: tiers[0]: \"model\" is missing");
    assert_int_equal(cadre__json_only_keys(doc, tier, known, 3), CADRE_ERR_INPUT);
    assert_string_equal(cadre_last_error(),
                        "a.json:4: tiers[0].shards: unknown key; did you mean "
                        "\"shardz\"?");
    /* Nothing was written on any failure. */
    assert_true(integer == 7 && number == 7 && !yes && money == 7);
    assert_string_equal(text, "default");

    assert_int_equal(cadre__json_get_number(doc, root, "half", true, 0, 2, &number),
                     CADRE_OK);
    assert_true(number == 1.5);
    assert_int_equal(cadre__json_get_bool(doc, root, "yes", true, &yes), CADRE_OK);
    assert_true(yes);
    assert_int_equal(cadre__json_get_integer(doc, root, "absent", false, 0, 1, &integer),
                     CADRE_OK);
    assert_int_equal(integer, 7);
    cadre__json_doc_destroy(doc);
}

static void refuses_money_that_is_none(void **state)
{
    (void)state;
    cadre_money money;
    cadre__json_doc *doc = parse("{\"budget\": \"1e400\"}");
    assert_int_equal(
        cadre__json_get_money(doc, cadre__json_root(doc), "budget", true, 0, &money),
        CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "a.json:1: budget: ");
    assert_contains(cadre_last_error(), "\"1e400\"");
    cadre__json_doc_destroy(doc);
}

static void set_replaces_and_adds(void **state)
{
    (void)state;
    cadre__json_doc *doc = parse("{\"a\": {\"b\": [1, {\"c\": 2}]}, \"s\": \"x\"}");
    assert_int_equal(cadre__json_set_path(doc, "a.b.1.c", "[3, 4]"), CADRE_OK);
    assert_int_equal(cadre__json_set_path(doc, "a.b.0", "yes"), CADRE_OK);
    assert_int_equal(cadre__json_set_path(doc, "a.b.0", "\"no\""), CADRE_OK);
    assert_int_equal(cadre__json_set_path(doc, "s", "5.0"), CADRE_OK);
    assert_int_equal(cadre__json_set_path(doc, "new.deep", "true"), CADRE_OK);
    char *text = cadre__json_print(cadre__json_root(doc), false);
    assert_string_equal(text, "{\"a\":{\"b\":[\"no\",{\"c\":[3,4]}]},\"s\":\"5.0\","
                              "\"new\":{\"deep\":true}}");
    cadre__free(text);

    int64_t value = 0;
    const cadre__json *new_ = cadre__json_member(cadre__json_root(doc), "new");
    assert_int_equal(cadre__json_get_integer(doc, new_, "deep", true, 0, 1, &value),
                     CADRE_ERR_INPUT);
    assert_string_equal(cadre_last_error(),
                        "a.json (--set new.deep): new.deep: expected a whole "
                        "number from 0 to 1, found true");
    const cadre__json *c = cadre__json_member(
        cadre__json_element(
            cadre__json_member(cadre__json_member(cadre__json_root(doc), "a"), "b"), 1),
        "c");
    assert_int_equal(cadre__json_fail(doc, cadre__json_element(c, 1), "odd"),
                     CADRE_ERR_INPUT);
    assert_string_equal(cadre_last_error(), "a.json (--set a.b.1.c): a.b[1].c[1]: odd");
    cadre__json_doc_destroy(doc);
}

static void set_refuses_bad_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path, *value, *error;
    } cases[] = {
        {"a.x.y", "1", "--set a.x.y: there is nothing below"},
        {"list.1", "1", "--set list.1: expected an index below 1, found \"1\""},
        {"list.-1", "1", "expected an index"},
        {"list.0x0", "1", "expected an index"},
        {"", "1", "expected a path"},
        {"a..b", "1", "expected a path"},
        {"a.", "1", "expected a path"},
        {"a", "{\"b\": }", "--set: a:1:7: expected a value"},
        {"a", "{\"b\":1,\"b\":1}", "this key is there twice"},
    };
    cadre__json_doc *doc = parse("{\"a\": {\"x\": 1}, \"list\": [0]}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(cadre__json_set_path(doc, cases[i].path, cases[i].value),
                         CADRE_ERR_INPUT);
        assert_contains(cadre_last_error(), cases[i].error);
    }
    char *text = cadre__json_print(cadre__json_root(doc), false);
    assert_string_equal(text, "{\"a\":{\"x\":1},\"list\":[0]}");
    cadre__free(text);
    cadre__json_doc_destroy(doc);
}

static void numbers_survive_printing(void **state)
{
    (void)state;
    const double numbers[] = {0.1,
                              1.0 / 3.0,
                              5e-324,
                              1.7976931348623157e308,
                              123456789.123456789,
                              -0.30000000000000004,
                              9007199254740993.0};
    const size_t n = sizeof numbers / sizeof *numbers;
    cadre__json *array = cadre__json_new_array();
    for (size_t i = 0; i < n; i++)
        cadre__json_add_number(array, NULL, numbers[i]);
    char *text = cadre__json_print(array, false);
    cadre__json_doc *doc = parse(text);
    for (size_t i = 0; i < n; i++)
        assert_true(cadre__json_number_or(cadre__json_element(cadre__json_root(doc), i),
                                          -1) == numbers[i]);
    cadre__json_doc_destroy(doc);
    cadre__free(text);
    cadre__json_destroy(array);
}

/* What is read from the text is what strtod makes of it, to the last bit. */
static void lean_documents_read_rows_from_text(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "-0.0",
                                          "1",
                                          "-17.25",
                                          "0.1",
                                          "3.4028234663852886e38",
                                          "1e-45",
                                          "1E+2",
                                          "123456789012345678",
                                          "9007199254740993",
                                          "0.30000001192092896",
                                          "16777217",
                                          "0.00000000000000000000000000000000001",
                                          "12345678901234567890123",
                                          "0.5000000298023224",
                                          "7.0064923216240854e-46",
                                          "1e-400"};
    enum { N = sizeof numbers / sizeof *numbers };
    char text[1024] = "{\"a\": [1, \"x]\", [ ", *p = text + strlen(text);
    float row[N];
    cadre__json_doc *doc;
    for (size_t i = 0; i < N; i++)
        p += sprintf(p, "%s%s", i ? i % 2 ? ",\n" : " , " : "", numbers[i]);
    strcpy(p, "\t]], \"b\\\"[1]\": [], \"c\": [2]}");
    assert_int_equal(cadre__json_parse_lean("a", 1, text, strlen(text), &doc), CADRE_OK);
    const cadre__json *a = cadre__json_first(cadre__json_root(doc));
    const cadre__json *b = cadre__json_next(a), *c = cadre__json_next(b);
    const cadre__json *inner = cadre__json_element(a, 2);
    assert_int_equal(cadre__json_length(a), 3);
    assert_string_equal(cadre__json_key(b), "b\"[1]");
    assert_int_equal(cadre__json_n_numbers(doc, a), 0);
    assert_int_equal(cadre__json_n_numbers(doc, b), 0);
    assert_int_equal(cadre__json_n_numbers(doc, c), 1);
    assert_int_equal(cadre__json_n_numbers(doc, inner), N);
    assert_int_equal(cadre__json_read_floats(doc, inner, N, row), CADRE_OK);
    for (size_t i = 0; i < N; i++) {
        const float expected = (float)strtod(numbers[i], NULL);
        if (expected != row[i] || signbit(expected) != signbit(row[i]))
            fail_msg("%s was read as %.9g", numbers[i], (double)row[i]);
    }
    cadre__json_doc_destroy(doc);
}

static void builds_and_prints(void **state)
{
    (void)state;
    cadre__json *root = cadre__json_new_object(), *list = cadre__json_new_array();
    cadre__json_add(root, "list", list);
    cadre__json_add_integer(list, NULL, INT64_MAX);
    cadre__json_add_integer(list, NULL, INT64_MIN);
    cadre__json_add_integer(list, NULL, -42);
    cadre__json_add_string(root, "text", "a\"\n\x01\xC3\xA9");
    cadre__json_add_string(root, "none", NULL);
    cadre__json_add_number(root, "inf", 1.0 / 0.0);
    cadre__json_add_bool(root, "yes", true);
    cadre__json_add_money(root, "usd", CADRE_MONEY_USD * 5);
    cadre__json_add_bool(root, "gone", true);
    cadre__json_remove(root, "gone");
    cadre__json_remove(root, "never there");
    cadre__json *copy = cadre__json_copy(root);
    cadre__json_destroy(root);
    char *text = cadre__json_print(copy, false);
    assert_string_equal(text,
                        "{\"list\":[9223372036854775807,-9223372036854775808,-42],"
                        "\"text\":\"a\\\"\\n\\u0001\xC3\xA9\",\"none\":null,\"inf\":null,"
                        "\"yes\":true,\"usd\":\"5.00\"}");
    cadre__free(text);
    text = cadre__json_print(copy, true);
    assert_int_equal(text[strlen(text) - 1], '\n');
    cadre__free(text);
    cadre__json_destroy(copy);
}

static void a_failed_addition_is_not_forgotten(void **state)
{
    (void)state;
    cadre__json *root = cadre__json_new_object(), *inner = cadre__json_new_object();
    cadre__json_add(root, "inner", inner);
    cadre__json_add(inner, "x", NULL); /* as after running out of memory */
    assert_null(cadre__json_print(root, false));
    cadre__json_destroy(root);
    cadre__json_add(NULL, "x", cadre__json_new_object());
    assert_null(cadre__json_print(NULL, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_json_allows),
        cmocka_unit_test(refuses_bad_syntax_with_its_place),
        cmocka_unit_test(refuses_a_nul_byte),
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(parses_large_containers),
        cmocka_unit_test(getters_name_line_path_expected_and_found),
        cmocka_unit_test(refuses_money_that_is_none),
        cmocka_unit_test(set_replaces_and_adds),
        cmocka_unit_test(set_refuses_bad_paths),
        cmocka_unit_test(numbers_survive_printing),
        cmocka_unit_test(lean_documents_read_rows_from_text),
        cmocka_unit_test(builds_and_prints),
        cmocka_unit_test(a_failed_addition_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
