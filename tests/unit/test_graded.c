/* tests/unit/test_graded.c - the generator "graded", and that the shipped models are
 * graded by it: each tier gets right what it should, and not much more. */
#include "cmocka_all.h"
#include "io/dataset.h"
#include "io/file.h"
#include <cadre/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const cadre_kernel cadre_kernel_mlp;

enum { N = 12000, N_GRADES = 3, COLUMNS = CADRE__GRADED_COLUMNS, BATCH = 250 };

static cadre__dataset *make(uint64_t seed, uint64_t first, size_t n)
{
    cadre__dataset *set = NULL;

    assert_int_equal(cadre__dataset_graded(seed, first, n, &set), CADRE_OK);
    assert_int_equal(set->n_rows, n);
    assert_int_equal(set->n_cols, COLUMNS);
    return set;
}

static int grade_of(const float *row)
{
    return row[0] < 0.3f ? 0 : row[0] < 0.7f ? 1 : 2;
}

static void test_rows_depend_on_seed_and_index_only(void **state)
{
    cadre__dataset *all = make(5, 0, 100), *part = make(5, 40, 10),
                   *other = make(6, 40, 10);

    (void)state;
    assert_memory_equal(all->x + 40 * COLUMNS, part->x, 10 * COLUMNS * sizeof(float));
    assert_memory_equal(all->labels + 40, part->labels, 10 * sizeof(int32_t));
    assert_memory_equal(all->complexity + 40, part->complexity, 10 * sizeof(double));
    assert_memory_not_equal(part->x, other->x, 10 * COLUMNS * sizeof(float));
    cadre__dataset_destroy(all);
    cadre__dataset_destroy(part);
    cadre__dataset_destroy(other);
}

/* The shipped weights were trained on these very rows: they must never change. */
static void test_rows_are_the_ones_of_old(void **state)
{
    cadre__dataset *set = make(1, 0, 4096);
    char x[33], labels[33];

    (void)state;
    cadre__bytes_digest(set->x, set->n_rows * COLUMNS * sizeof(float), x);
    cadre__bytes_digest(set->labels, set->n_rows * sizeof(int32_t), labels);
    assert_string_equal(x, "c1a49b5c0073f0ca75e407dca26484e7");
    assert_string_equal(labels, "cf51d1a3a91e0837747fd6dc8213f53c");
    cadre__dataset_destroy(set);
}

static void test_values_and_classes_are_spread(void **state)
{
    cadre__dataset *set = make(9, 1000, N);
    size_t classes[N_GRADES][CADRE__GRADED_CLASSES] = {{0}}, grades[N_GRADES] = {0};

    (void)state;
    for (size_t r = 0; r < N; r++) {
        const float *row = set->x + r * COLUMNS;
        assert_true(row[0] >= 0 && row[0] < 1 && set->complexity[r] == (double)row[0]);
        for (size_t c = 1; c < COLUMNS; c++)
            assert_true(row[c] >= -1 && row[c] < 1);
        assert_in_range(set->labels[r], 0, CADRE__GRADED_CLASSES - 1);
        grades[grade_of(row)]++;
        classes[grade_of(row)][set->labels[r]]++;
    }
    assert_in_range(grades[0], N * 29 / 100, N * 31 / 100);
    assert_in_range(grades[1], N * 39 / 100, N * 41 / 100);
    for (int g = 0; g < N_GRADES; g++)
        for (int c = 0; c < CADRE__GRADED_CLASSES; c++)
            assert_in_range(classes[g][c], grades[g] / 8, grades[g] / 2);
    cadre__dataset_destroy(set);
}

/* Percent of the rows of each grade that the model in jobs/models gets right. */
static void accuracies(const char *name, const cadre__dataset *set,
                       double percent[N_GRADES])
{
    static cadre_request requests[BATCH];
    static cadre_answer answers[BATCH];
    size_t n[N_GRADES] = {0}, right[N_GRADES] = {0};
    char path[4096];
    void *net;

    const char *source = getenv("CADRE_TEST_SOURCE");
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/jobs/models/%s", source, name);
    const cadre_kernel_args args = {.model = path, .tokenizer = "", .options = "{}"};
    if (cadre_kernel_mlp.open(&args, &net) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    for (size_t first = 0; first < set->n_rows; first += BATCH) {
        for (size_t i = 0; i < BATCH; i++)
            requests[i] = (cadre_request){.id = i,
                                          .data = set->x + (first + i) * COLUMNS,
                                          .bytes = COLUMNS * sizeof(float)};
        assert_int_equal(cadre_kernel_mlp.serve(net, requests, BATCH, answers), CADRE_OK);
        for (size_t i = 0; i < BATCH; i++) {
            const int grade = grade_of(requests[i].data);
            const float *p = answers[i].data;
            int best = 0;
            for (int c = 1; c < CADRE__GRADED_CLASSES; c++)
                best = p[c] > p[best] ? c : best;
            n[grade]++;
            right[grade] += best == set->labels[first + i];
        }
    }
    cadre_kernel_mlp.close(net);
    for (int g = 0; g < N_GRADES; g++)
        percent[g] = 100.0 * (double)right[g] / (double)n[g];
}

static void test_shipped_models_are_graded(void **state)
{
    cadre__dataset *set = make(77, 0, N);
    double small[N_GRADES], medium[N_GRADES], large[N_GRADES];

    (void)state;
    accuracies("small.h5", set, small);
    accuracies("medium.h5", set, medium);
    accuracies("large.h5", set, large);
    cadre__dataset_destroy(set);
    if (small[0] < 98 || small[1] > 75 || small[2] > 50)
        fail_msg("small: %.1f %% easy, %.1f %% medium, %.1f %% hard", small[0], small[1],
                 small[2]);
    if (medium[0] < 98 || medium[1] < 96 || medium[2] > 70)
        fail_msg("medium: %.1f %% easy, %.1f %% medium, %.1f %% hard", medium[0],
                 medium[1], medium[2]);
    if (large[0] < 98 || large[1] < 96 || large[2] < 95)
        fail_msg("large: %.1f %% easy, %.1f %% medium, %.1f %% hard", large[0], large[1],
                 large[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_depend_on_seed_and_index_only),
        cmocka_unit_test(test_rows_are_the_ones_of_old),
        cmocka_unit_test(test_values_and_classes_are_spread),
        cmocka_unit_test(test_shipped_models_are_graded),
    };
    return cmocka_run_group_tests_name("graded", tests, NULL, NULL);
}
