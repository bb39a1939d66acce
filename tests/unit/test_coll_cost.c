/* tests/unit/test_coll_cost.c - files of costs, and curves of the MPI library's calls. */
#include "cmocka_all.h"
#include "coll/choice.h"
#include "coll/cost_set.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/cadre-costs-XXXXXX";
static char path[128];

static cadre__coll_cost_set some_costs(void)
{
    cadre__coll_cost_set set = *cadre__coll_built_in_costs(false);

    set.inside.latency_ns = 321.5;
    set.across.byte_ns = 0.0625;
    cadre__coll_clear_curves(&set.inside);
    set.inside.curve_ranks = 4;
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++)
        for (int i = 0; i < CADRE__N_CURVE - 1; i++)
            set.inside.curve_ns[c][1][i] = 100.0 * (c + 1) * (i + 1);
    return set;
}

static void costs_come_back_from_a_file(void **state)
{
    const cadre__coll_cost_set set = some_costs();
    cadre__coll_cost_set got;

    (void)state;
    assert_int_equal(cadre__coll_costs_writable(path), CADRE_OK);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(cadre__coll_costs_write(path, "here", &set), CADRE_OK);
    assert_int_equal(cadre__coll_costs_read(path, "here", &got), CADRE_OK);
    assert_true(got.inside.latency_ns == 321.5);
    assert_true(got.inside.sync_ns == set.inside.sync_ns);
    assert_true(got.across.byte_ns == 0.0625);
    assert_int_equal(got.inside.curve_ranks, 4);
    assert_int_equal(got.across.curve_ranks, 0);
    assert_true(got.inside.curve_ns[CADRE_SCAN][1][3] == 100.0 * 10 * 4);
    assert_true(isnan(got.inside.curve_ns[CADRE_SCAN][1][CADRE__N_CURVE - 1]));
    assert_true(isnan(got.inside.curve_ns[CADRE_SCAN][0][0]));
    assert_string_equal(got.origin, path);
}

static void another_machines_file_is_refused(void **state)
{
    const cadre__coll_cost_set set = some_costs();
    cadre__coll_cost_set got;

    (void)state;
    assert_int_equal(cadre__coll_costs_write(path, "here", &set), CADRE_OK);
    assert_int_equal(cadre__coll_costs_read(path, "her", &got), CADRE_ERR_INPUT);
    assert_int_equal(cadre__coll_costs_read(path, "here!", &got), CADRE_ERR_INPUT);
    assert_int_equal(cadre__coll_costs_write(path, "*", &set), CADRE_OK);
    assert_int_equal(cadre__coll_costs_read(path, "anywhere", &got), CADRE_OK);
}

static void a_busy_machines_file_expires(void **state)
{
    const struct timespec hour_ago = {.tv_sec = time(NULL) - 3600};
    const struct timespec old[2] = {hour_ago, hour_ago};
    cadre__coll_cost_set set = some_costs(), got;

    (void)state;
    set.busy = true;
    assert_int_equal(cadre__coll_costs_write(path, "here", &set), CADRE_OK);
    assert_int_equal(cadre__coll_costs_read(path, "here", &got), CADRE_OK);
    assert_true(got.busy);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    assert_int_equal(cadre__coll_costs_read(path, "here", &got), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "out of date"));
    set.busy = false;
    assert_int_equal(cadre__coll_costs_write(path, "here", &set), CADRE_OK);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    assert_int_equal(cadre__coll_costs_read(path, "here", &got), CADRE_OK);
}

static size_t load(char *text, size_t size)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    const size_t n = fread(text, 1, size - 1, file);
    fclose(file);
    text[n] = '\0';
    return n;
}

static void store(const char *text, size_t n)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    fclose(file);
}

static void cut_and_changed_files_are_refused(void **state)
{
    static char text[8192], bad[8192];
    const cadre__coll_cost_set set = some_costs();
    cadre__coll_cost_set got;

    (void)state;
    assert_int_equal(cadre__coll_costs_write(path, "here", &set), CADRE_OK);
    const size_t n = load(text, sizeof text), whole = strlen("across copy_ns 0.08\n");
    /* Cut anywhere before its last line it lacks a cost. */
    for (size_t cut = 0; cut + whole <= n; cut += 7) {
        store(text, cut);
        assert_int_not_equal(cadre__coll_costs_read(path, "here", &got), CADRE_OK);
    }
    static const char *const worse[] = {"-1", "0", "nan", "inf", "1e300", "1x", "", "-"};
    for (size_t i = 0; i < sizeof worse / sizeof worse[0]; i++) {
        char *at = strstr(text, "321.5");
        snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - text), text, worse[i],
                 at + strlen("321.5"));
        store(bad, strlen(bad));
        if (cadre__coll_costs_read(path, "here", &got) != CADRE_ERR_INPUT)
            fail_msg("a latency of \"%s\" is taken", worse[i]);
    }
    memset(bad, 'x', sizeof bad);
    store(bad, sizeof bad);
    assert_int_equal(cadre__coll_costs_read(path, "here", &got), CADRE_ERR_INPUT);
}

static void places_that_cannot_be_are_errors(void **state)
{
    const cadre__coll_cost_set set = some_costs();
    cadre__coll_cost_set got;
    char deep[256];

    (void)state;
    assert_int_equal(cadre__coll_costs_read("/nowhere/at/all", "", &got),
                     CADRE_ERR_NOT_FOUND);
    assert_int_equal(cadre__coll_costs_read(folder, "", &got), CADRE_ERR_INPUT);
    assert_int_equal(cadre__coll_costs_writable("/proc/nowhere/costs"), CADRE_ERR_IO);
    assert_int_equal(cadre__coll_costs_write("/proc/nowhere/costs", "", &set),
                     CADRE_ERR_IO);
    snprintf(deep, sizeof deep, "%s/a/b/costs", folder);
    assert_int_equal(cadre__coll_costs_write(deep, "k", &set), CADRE_OK);
    assert_int_equal(cadre__coll_costs_read(deep, "k", &got), CADRE_OK);
}

static double predicted(const cadre__coll_costs *costs, const char *name, int size,
                        size_t bytes)
{
    const cadre__coll_call call = {.collective = CADRE_ALLTOALL,
                                   .size = size,
                                   .count = bytes,
                                   .element_bytes = 1,
                                   .bytes = bytes,
                                   .costs = costs};
    const cadre__coll_row *row;
    size_t index = 0;

    while ((row = cadre__coll_row_at(CADRE_ALLTOALL, index)) != NULL &&
           strcmp(row->name, name) != 0)
        index++;
    assert_non_null(row);
    return cadre__coll_predict(row, index, &call);
}

static void what_was_measured_counts(void **state)
{
    cadre__coll_costs costs = cadre__coll_built_in_costs(false)->inside;
    size_t index = 0;

    (void)state;
    while (strcmp(cadre__coll_row_at(CADRE_ALLTOALL, index)->name, "pairwise") != 0)
        index++;
    double *curve = costs.curve_ns[CADRE_ALLTOALL][index];
    const double formula = predicted(&costs, "pairwise", 4, 100);
    const double of_five = predicted(&costs, "pairwise", 5, 100);
    cadre__coll_clear_curves(&costs);
    costs.curve_ranks = 4;
    assert_true(predicted(&costs, "pairwise", 4, 100) == formula); /* not measured */
    for (int i = 0; i < CADRE__N_CURVE; i++)
        curve[i] = sqrt((double)cadre__coll_curve_bytes[i]) / 10;
    assert_true(predicted(&costs, "pairwise", 5, 100) == of_five); /* other ranks */
    assert_true(predicted(&costs, "pairwise", 4, 1) == curve[0]);
    for (size_t bytes = 8; bytes <= 16 << 20; bytes *= 2)
        assert_true(
            fabs(predicted(&costs, "pairwise", 4, bytes) / (sqrt((double)bytes) / 10) -
                 1) < 1e-9);
    /* Beyond, as the formula goes on. */
    const double grown = predicted(&costs, "pairwise", 4, 256 << 20) / curve[5];
    assert_true(grown > 15 && grown < 16.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_come_back_from_a_file),
        cmocka_unit_test(another_machines_file_is_refused),
        cmocka_unit_test(a_busy_machines_file_expires),
        cmocka_unit_test(cut_and_changed_files_are_refused),
        cmocka_unit_test(places_that_cannot_be_are_errors),
        cmocka_unit_test(what_was_measured_counts),
    };
    char remove[160];

    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/costs", folder);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(remove, sizeof remove, "rm -r %s", folder);
    return system(remove) == 0 ? failed : 1;
}
