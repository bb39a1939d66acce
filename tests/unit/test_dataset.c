/* tests/unit/test_dataset.c - datasets from CSV and HDF5: slices, labels, and what is
 * refused with which sentence. */
#include "cmocka_all.h"
#include "h5_case.h"
#include "io/dataset.h"
#include <cadre/io.h>

static cadre__job_input input_of(const char *path)
{
    static char kept[1024], none[] = "", x[] = "x";
    snprintf(kept, sizeof kept, "%s", path);
    return (cadre__job_input){
        .path = kept, .generator = none, .dataset = x, .label_column = -2, .scale = 1};
}

static cadre__job_input csv_of(const char *text)
{
    put_file(in_folder("a.csv"), text, strlen(text));
    return input_of(in_folder("a.csv"));
}

static cadre__dataset *load(const cadre__job_input *input)
{
    cadre__dataset *dataset;
    if (cadre__dataset_load(input, &dataset) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    return dataset;
}

static void expect_refused(const cadre__job_input *input, const char *words)
{
    cadre__dataset *dataset;
    const cadre_status st = cadre__dataset_load(input, &dataset);
    if (st != CADRE_ERR_INPUT || dataset || !strstr(cadre_last_error(), words))
        fail_msg("expected \"%s\", found %s: %s", words, cadre_status_name(st),
                 cadre_last_error());
}

static void test_csv(void **state)
{
    (void)state;
    cadre__job_input input = csv_of("a, b,class\r\n1,2.5,0\r\n\r\n-3e1, 4 ,2\r\n5,6,1");
    cadre__dataset *dataset = load(&input);
    assert_int_equal(dataset->n_rows, 3);
    assert_int_equal(dataset->n_cols, 3);
    assert_null(dataset->labels);
    assert_true(dataset->x[3] == -30 && dataset->x[5] == 2);
    cadre__dataset_destroy(dataset);

    input.label_column = -1;
    input.first_row = 1;
    input.rows = 1;
    input.scale = 0.5;
    dataset = load(&input);
    assert_int_equal(dataset->n_rows, 1);
    assert_int_equal(dataset->n_cols, 2);
    assert_true(dataset->x[0] == -15 && dataset->x[1] == 2);
    assert_int_equal(dataset->labels[0], 2);
    cadre__dataset_destroy(dataset);

    input = csv_of("7,1,2\n8,3,4\n");
    input.label_column = 0;
    dataset = load(&input);
    assert_true(dataset->labels[0] == 7 && dataset->labels[1] == 8);
    assert_true(dataset->x[0] == 1 && dataset->x[3] == 4);
    cadre__dataset_destroy(dataset);
    cadre__dataset_destroy(NULL);
}

static void test_csv_gz(void **state)
{
    static const unsigned char packed[] = {/* "1,2\n3,4\n" */
                                           0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00,
                                           0x00, 0x02, 0x03, 0x33, 0xd4, 0x31, 0xe2,
                                           0x32, 0xd6, 0x31, 0xe1, 0x02, 0x00, 0x47,
                                           0x93, 0x6c, 0xaf, 0x08, 0x00, 0x00, 0x00};
    (void)state;
    put_file(in_folder("a.csv.gz"), packed, sizeof packed);
    const cadre__job_input input = input_of(in_folder("a.csv.gz"));
    cadre__dataset *dataset = load(&input);
    assert_true(dataset->n_rows == 2 && dataset->x[3] == 4);
    cadre__dataset_destroy(dataset);
}

static void test_csv_refused(void **state)
{
    static const struct {
        const char *text, *words;
        int64_t label_column;
    } cases[] = {
        {"1,2\n3,x\n", "a.csv:2: column 2: found \"x\", expected a number", -2},
        {"a,b\n3,\n", "a.csv:2: column 2: found \"\", expected a number", -2},
        {"1,2\n3,nan\n", "a.csv:2: column 2: found nan, expected a finite f32", -2},
        {"1,inf\n3,4\n", "a.csv:1: column 2: found inf, expected a finite f32", -2},
        {"1,2\n1e39,4\n", "a.csv:2: column 1: found 1e39, expected a finite f32", -2},
        {"1,2\n\n3,4,5\n", "a.csv:3: found 3 columns, expected 2", -2},
        {"1,2\n3\n", "a.csv:2: found 1 columns, expected 2", -2},
        {"1,0\n3,0.5\n", "a.csv:2: column 2: found 0.5, expected a class", -1},
        {"1,0\n3,-1\n", "a.csv:2: column 2: found -1, expected a class", -1},
        {"1,0\n3,nan\n", "a.csv:2: column 2: found nan, expected a class", -1},
        {"1,0\n", "there are only 2 columns", 2},
        {"1\n2\n", "its only column is the label", -1},
        {"a,b\n", "it has no rows", -2},
        {"", "it has no rows", -2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cadre__job_input input = csv_of(cases[i].text);
        input.label_column = cases[i].label_column;
        expect_refused(&input, cases[i].words);
    }
    cadre__job_input input = csv_of("1,2\n3,4\n");
    input.first_row = 1;
    input.rows = 2;
    expect_refused(&input, "rows 1 to 2 are wanted (counted from 0), but it has only 2");
    input.first_row = UINT64_MAX;
    expect_refused(&input, "but it has only 2");
    input.first_row = 2;
    input.rows = 0;
    expect_refused(&input, "rows 2 to 2 are wanted");
}

static void test_h5(void **state)
{
    (void)state;
    cadre__job_input input = input_of(test_data("rows.h5"));
    input.first_row = 2;
    input.rows = 6;
    input.scale = 4;
    cadre__dataset *dataset = load(&input);
    assert_int_equal(dataset->n_rows, 6);
    assert_int_equal(dataset->n_cols, 3);
    for (int i = 0; i < 18; i++)
        assert_true(dataset->x[i] == (float)(6 + i));
    assert_int_equal(dataset->labels[0], 2);
    assert_int_equal(dataset->labels[5], 3);
    assert_true(dataset->complexity[5] == 0.875);
    assert_string_equal(dataset->tenants[0], "acme");
    assert_string_equal(dataset->tenants[5], "globex");
    assert_string_equal(dataset->tiers[4], "auto");
    assert_string_equal(dataset->tiers[5], "large");
    cadre__dataset_destroy(dataset);
}

static void test_h5_refused(void **state)
{
    static char nan_name[] = "nan", huge[] = "huge", flat[] = "flat", shorter[] = "short",
                tenant[] = "tenant", none[] = "y";
    (void)state;
    cadre__job_input input = input_of(test_data("rows.h5"));
    input.dataset = nan_name;
    expect_refused(&input,
                   "rows.h5: dataset 'nan', row 5, column 1 (counted from 0): found nan");
    input.dataset = huge;
    expect_refused(&input, "dataset 'huge', row 0, column 0");
    input.dataset = flat;
    expect_refused(&input, "dataset 'flat' has 1 dimension, expected rows and columns");
    input.dataset = shorter;
    expect_refused(&input, "each of the 7 rows, found 1 dimension and 8");
    input.dataset = tenant;
    expect_refused(&input, "strings, expected numbers");
    input.dataset = none;
    expect_refused(&input, "no dataset 'y'; it has complexity");
    input.rows = 9;
    input.dataset = NULL;
    expect_refused(&input, "rows 0 to 8 are wanted (counted from 0), but it has only 8");
}

/* A dataset of two good rows, and one column that is wrong. */
static void expect_column_refused(const char *name, cadre_tensor column,
                                  const char *words)
{
    static float x[2] = {1, 2};
    const cadre_named_tensor tensors[] = {{"x", {CADRE_F32, 2, {2, 1}, x}},
                                          {name, column}};
    assert_int_equal(cadre_tensor_file_write(in_folder("c.h5"), tensors, 2, NULL, 0),
                     CADRE_OK);
    const cadre__job_input input = input_of(in_folder("c.h5"));
    expect_refused(&input, words);
}

static void test_h5_columns_refused(void **state)
{
    static float fraction[2] = {0, 1.5f};
    static int64_t label[2] = {-1, INT64_C(1) << 31};
    static int32_t number[2] = {1, 2};
    (void)state;
    expect_column_refused(
        "complexity", (cadre_tensor){CADRE_F32, 1, {2}, fraction},
        "dataset 'complexity', row 1: found 1.5, expected a number from 0");
    expect_column_refused("label", (cadre_tensor){CADRE_I64, 1, {2}, label},
                          "dataset 'label', row 1: found 2147483648");
    expect_column_refused("label", (cadre_tensor){CADRE_F32, 1, {2}, fraction},
                          "'label' holds f32, expected i32 or i64");
    expect_column_refused("label", (cadre_tensor){CADRE_I32, 2, {2, 1}, number},
                          "found 2 dimensions and 2");
    expect_column_refused("tier", (cadre_tensor){CADRE_I32, 1, {2}, number},
                          "holds numbers, expected strings");
}

static void test_which(void **state)
{
    static char other[] = "other", graded[] = "graded", empty[] = "";
    cadre__dataset *dataset;
    (void)state;
    cadre__job_input input = input_of("requests.jsonl");
    expect_refused(&input, "requests.jsonl: not a dataset");
    input.path = empty;
    input.generator = other;
    expect_refused(&input, "no generator \"other\"");
    input.generator = graded;
    expect_refused(&input, "needs \"rows\"");
    input.rows = 3;
    dataset = load(&input);
    assert_int_equal(dataset->n_rows, 3);
    cadre__dataset_destroy(dataset);
    input = input_of(in_folder("missing.csv"));
    assert_int_equal(cadre__dataset_load(&input, &dataset), CADRE_ERR_NOT_FOUND);
    assert_null(dataset);
    input = input_of(in_folder("missing.h5"));
    assert_int_equal(cadre__dataset_load(&input, &dataset), CADRE_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),         cmocka_unit_test(test_csv_gz),
        cmocka_unit_test(test_csv_refused), cmocka_unit_test(test_h5),
        cmocka_unit_test(test_h5_refused),  cmocka_unit_test(test_h5_columns_refused),
        cmocka_unit_test(test_which),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
