/* Tables: alignment, headers of several lines, cells of the usual kinds, hostile
 * cells. */
#include "report/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(cadre__table *table, const char *expected)
{
    cadre__text out = {0};

    assert_int_equal(cadre__table_print(table, &out), CADRE_OK);
    assert_string_equal(cadre__text_string(&out), expected);
    cadre__text_fini(&out);
}

static void numbers_right_words_left(void **state)
{
    static const char *const header[] = {"tier", "n", "cost\nUSD", "cores"};
    cadre__table *table = cadre__table_new(4);

    (void)state;
    cadre__table_header(table, header);
    cadre__table_text(table, "small");
    cadre__table_count(table, 1234567);
    cadre__table_money(table, 25 * (CADRE_MONEY_USD / 100));
    cadre__table_text(table, "0-3");
    cadre__table_text(table, "xl");
    cadre__table_count(table, 0);
    cadre__table_money(table, 10 * CADRE_MONEY_USD + 1);
    cadre__table_text(table, "4");
    cadre__table_text(table, "none");
    cadre__table_text(table, NULL);
    cadre__table_text(table, "");
    cadre__table_text(table, "5");
    expect(table, "                                cost\n"
                  "  tier           n               USD  cores\n"
                  "  -----  ---------  ----------------  -----\n"
                  "  small  1,234,567   0.25             0-3\n"
                  "  xl             0  10.0000000000001  4\n"
                  "  none           -   -                5\n");
}

static void kinds_of_numbers(void **state)
{
    static const struct {
        double value;
        const char *shown;
    } cases[] = {
        {0, "0.000"},        {0.12345, "0.123"},  {9.9949, "9.995"},
        {9.9951, "10.00"},   {99.94, "99.94"},    {99.96, "100.0"},
        {999.4, "999.4"},    {999.6, "1,000"},    {1234567.8, "1,234,568"},
        {-1234.4, "-1,234"}, {-0.5, "-0.500"},    {NAN, "-"},
        {INFINITY, "-"},     {1e21, "1.000e+21"},
    };
    char buf[40];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(cadre__show_number(cases[i].value, buf), cases[i].shown);
    assert_string_equal(cadre__show_count(UINT64_MAX, buf), "18,446,744,073,709,551,615");
    assert_string_equal(cadre__show_count(999, buf), "999");
    assert_string_equal(cadre__show_count(1000, buf), "1,000");
}

static void percents_and_times(void **state)
{
    cadre__table *table = cadre__table_new(2);

    (void)state;
    cadre__table_cell(table, "share %%");
    cadre__table_cell(table, "ms");
    cadre__table_percent(table, 1, 3);
    cadre__table_ms(table, 1500000);
    cadre__table_percent(table, 1, 0);
    cadre__table_ms(table, 2500000000);
    expect(table, "  share %         ms\n"
                  "  -------  ---------\n"
                  "     33.3      1.500\n"
                  "      -    2,500\n");
}

static void names_of_many_bytes(void **state)
{
    cadre__table *table = cadre__table_new(2);

    (void)state;
    cadre__table_cell(table, "name");
    cadre__table_cell(table, "n");
    cadre__table_cell(table, "Zo\xC3\xAB");
    cadre__table_cell(table, "1");
    cadre__table_cell(table, "Anna");
    cadre__table_cell(table, "10");
    expect(table, "  name   n\n"
                  "  ----  --\n"
                  "  Zo\xC3\xAB    1\n"
                  "  Anna  10\n");
}

static void control_characters_are_disarmed(void **state)
{
    cadre__table *table = cadre__table_new(1);

    (void)state;
    cadre__table_cell(table, "name");
    cadre__table_cell(table, "%s", "a\033[31m\nb");
    expect(table, "  name\n"
                  "  --------\n"
                  "  a?[31m?b\n");
}

static void long_cells_are_kept(void **state)
{
    cadre__table *table = cadre__table_new(1);
    cadre__text out = {0};
    char name[400];

    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cadre__table_cell(table, "name");
    for (int i = 0; i < 200; i++)
        cadre__table_cell(table, "%s", name);
    assert_int_equal(cadre__table_print(table, &out), CADRE_OK);
    assert_int_equal(out.size, 7 + 201 * (2 + 399 + 1));
    cadre__text_fini(&out);
}

static void html_is_escaped(void **state)
{
    cadre__table *table = cadre__table_new(2);
    cadre__text out = {0};

    (void)state;
    cadre__table_cell(table, "name");
    cadre__table_cell(table, "n\nms");
    cadre__table_cell(table, "<b>&\"'");
    cadre__table_cell(table, "1");
    cadre__table_cell(table, "plain");
    cadre__table_cell(table, "2.5");
    assert_int_equal(cadre__table_html(table, &out), CADRE_OK);
    assert_string_equal(
        cadre__text_string(&out),
        "<div class=\"wide\"><table>\n"
        "<tr><th>name</th><th class=\"n\">n<br>ms</th></tr>\n"
        "<tr><td>&lt;b&gt;&amp;&quot;&#39;</td><td class=\"n\">1<i>.0</i></td></tr>\n"
        "<tr><td>plain</td><td class=\"n\">2.5</td></tr>\n"
        "</table></div>\n");
    cadre__text_fini(&out);
}

static void a_cell_too_few_is_told(void **state)
{
    cadre__table *table = cadre__table_new(2);
    cadre__text out = {0};

    (void)state;
    cadre__table_cell(table, "only one");
    assert_int_equal(cadre__table_print(table, &out), CADRE_ERR_INTERNAL);
    assert_string_equal(cadre_last_error(), "a table of 2 columns has 1 cells");
    assert_int_equal(cadre__table_print(NULL, &out), CADRE_ERR_NOMEM);
    cadre__text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_right_words_left),
        cmocka_unit_test(kinds_of_numbers),
        cmocka_unit_test(percents_and_times),
        cmocka_unit_test(names_of_many_bytes),
        cmocka_unit_test(control_characters_are_disarmed),
        cmocka_unit_test(long_cells_are_kept),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(a_cell_too_few_is_told),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
