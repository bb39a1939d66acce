/* tests/unit/test_tensor_file.c - tensor files: what is written is read back, what other
 * programs wrote is converted or refused, and damaged files never do harm. */
#include "cmocka_all.h"
#include "h5_case.h"
#include "io/tensor_file.h"
#include <cadre/clock.h>
#include <cadre/io.h>
#include <math.h>
#include <sys/stat.h>

static float weights[6] = {1, 2, 3, 4, 5, 6.5f};
static double bias[2] = {0.1, -0.2};
static int32_t shape[1] = {7};
static int64_t steps[2] = {INT64_MAX, INT64_MIN};

static void write_sample(const char *path)
{
    const cadre_named_tensor tensors[] = {
        {"layers/0/w", {CADRE_F32, 2, {2, 3}, weights}},
        {"layers/0/b", {CADRE_F64, 1, {2}, bias}},
        {"shape", {CADRE_I32, 0, {0}, shape}},
        {"steps", {CADRE_I64, 1, {2}, steps}},
        {"nothing", {CADRE_F32, 2, {0, 3}, NULL}},
    };
    const cadre_attribute attributes[] = {{"kind", "mlp"}, {"activation", ""}};
    assert_int_equal(cadre_tensor_file_write(path, tensors, 5, attributes, 2), CADRE_OK);
}

static void test_round_trip(void **state)
{
    cadre_tensor_file *file;
    cadre_tensor view;
    int mapped;
    (void)state;
    write_sample(in_folder("a.h5"));
    assert_int_equal(cadre_tensor_file_open(in_folder("a.h5"), &file), CADRE_OK);
    assert_int_equal(cadre_tensor_file_get(file, "layers/0/w", &view, &mapped), CADRE_OK);
    assert_int_equal(view.dtype, CADRE_F32);
    assert_int_equal(view.n_dims, 2);
    assert_int_equal(view.dims[0], 2);
    assert_int_equal(view.dims[1], 3);
    assert_memory_equal(view.data, weights, sizeof weights);
    assert_int_equal(mapped, 1);
    assert_int_equal((uintptr_t)view.data % 64, 0);
    assert_int_equal(cadre_tensor_file_get(file, "layers/0/b", &view, &mapped), CADRE_OK);
    assert_memory_equal(view.data, bias, sizeof bias);
    assert_int_equal(mapped, 1);
    assert_int_equal(cadre_tensor_file_get(file, "shape", &view, NULL), CADRE_OK);
    assert_int_equal(view.n_dims, 0);
    assert_memory_equal(view.data, shape, sizeof shape);
    assert_int_equal(cadre_tensor_file_get(file, "steps", &view, NULL), CADRE_OK);
    assert_memory_equal(view.data, steps, sizeof steps);
    assert_int_equal(cadre_tensor_file_get(file, "nothing", &view, &mapped), CADRE_OK);
    assert_int_equal(view.dims[0], 0);
    assert_int_equal(mapped, 0);
    assert_string_equal(cadre_tensor_file_attribute(file, "kind"), "mlp");
    assert_string_equal(cadre_tensor_file_attribute(file, "activation"), "");
    assert_null(cadre_tensor_file_attribute(file, "layers/0/w"));
    assert_string_equal(cadre_tensor_file_name(file, 0), "layers/0/b");
    assert_non_null(cadre_tensor_file_name(file, 4));
    assert_null(cadre_tensor_file_name(file, 5));
    cadre_tensor_file_close(file);
    cadre_tensor_file_close(NULL);
}

static void test_bytes_are_reproducible(void **state)
{
    size_t n_a = 0, n_b = 0;
    (void)state;
    write_sample(in_folder("a.h5"));
    sleep(1); /* a time stamp would differ now */
    write_sample(in_folder("b.h5"));
    char *a = get_file(in_folder("a.h5"), &n_a), *b = get_file(in_folder("b.h5"), &n_b);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a);
    free(a);
    free(b);
}

static void test_write_refuses(void **state)
{
    cadre_named_tensor tensor = {"w", {CADRE_F32, 1, {6}, NULL}};
    (void)state;
    assert_int_equal(cadre_tensor_file_write(in_folder("no.h5"), &tensor, 1, NULL, 0),
                     CADRE_ERR_ARG);
    tensor.tensor.data = weights;
    tensor.name = "a//b";
    assert_int_equal(cadre_tensor_file_write(in_folder("no.h5"), &tensor, 1, NULL, 0),
                     CADRE_ERR_ARG);
    tensor.name = "w";
    tensor.tensor.dtype = CADRE_BF16;
    assert_int_equal(cadre_tensor_file_write(in_folder("no.h5"), &tensor, 1, NULL, 0),
                     CADRE_ERR_ARG);
    assert_non_null(strstr(cadre_last_error(), "bf16"));
    tensor.tensor.dtype = CADRE_F32;
    assert_int_equal(cadre_tensor_file_write(in_folder("no/no.h5"), &tensor, 1, NULL, 0),
                     CADRE_ERR_IO);
    /* The same name twice is found out by HDF5 in the middle: nothing may be left. */
    const cadre_named_tensor twice[] = {tensor, tensor};
    assert_int_equal(cadre_tensor_file_write(in_folder("no.h5"), twice, 2, NULL, 0),
                     CADRE_ERR_IO);
    assert_non_null(
        strstr(cadre_last_error(), "tensor 'w' cannot be written: name already"));
    assert_int_not_equal(access(in_folder("no.h5"), F_OK), 0);
    assert_int_not_equal(access(in_folder("no.h5.partial"), F_OK), 0);
}

/* Element i of a tensor of any type. */
static double at(const cadre_tensor *view, size_t i)
{
    switch (view->dtype) {
    case CADRE_F32:
        return ((const float *)view->data)[i];
    case CADRE_F64:
        return ((const double *)view->data)[i];
    case CADRE_I32:
        return ((const int32_t *)view->data)[i];
    default:
        return (double)((const int64_t *)view->data)[i];
    }
}

static void test_types_of_others(void **state)
{
    static const struct {
        const char *name;
        cadre_dtype dtype;
        int mapped;
        double first;
    } cases[] = {
        {"f32", CADRE_F32, 1, 0},
        {"f64", CADRE_F64, 1, 0},
        {"i32", CADRE_I32, 1, 0},
        {"i64", CADRE_I64, 1, 0},
        {"f16", CADRE_F32, 0, 0},
        {"f32_be", CADRE_F32, 0, 0},
        {"i8", CADRE_I32, 0, 0},
        {"u8", CADRE_I32, 0, 0},
        {"i16", CADRE_I32, 0, 0},
        {"u16", CADRE_I32, 0, 0},
        {"i64_be", CADRE_I64, 0, 0},
        {"f32_gz", CADRE_F32, 0, 0},
        {"u32", CADRE_I64, 0, 4294967284.0},
    };
    cadre_tensor_file *file;
    cadre_tensor view;
    int mapped;
    (void)state;
    assert_int_equal(cadre_tensor_file_open(test_data("types.h5"), &file), CADRE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(cadre_tensor_file_get(file, cases[i].name, &view, &mapped),
                         CADRE_OK);
        if (view.dtype != cases[i].dtype || mapped != cases[i].mapped ||
            view.n_dims != 2 || view.dims[0] != 3 || view.dims[1] != 4)
            fail_msg("%s: %s, mapped %d", cases[i].name, cadre_dtype_name(view.dtype),
                     mapped);
        for (size_t k = 0; k < 12; k++)
            if (at(&view, k) != cases[i].first + (double)k)
                fail_msg("%s[%zu]: %g", cases[i].name, k, at(&view, k));
    }
    assert_int_equal(cadre_tensor_file_get(file, "bool", &view, NULL), CADRE_OK);
    assert_true(view.dtype == CADRE_I32 && at(&view, 0) == 0 && at(&view, 11) == 1);
    assert_int_equal(cadre_tensor_file_get(file, "f32_unwritten", &view, NULL), CADRE_OK);
    assert_true(at(&view, 0) == 2.5 && at(&view, 11) == 2.5);
    assert_int_equal(cadre_tensor_file_get(file, "scalar", &view, NULL), CADRE_OK);
    assert_true(view.n_dims == 0 && at(&view, 0) == 1.5);
    assert_int_equal(cadre_tensor_file_get(file, "none", &view, NULL), CADRE_OK);
    assert_true(view.n_dims == 2 && view.dims[0] == 0 && view.dims[1] == 4);
    assert_int_equal(cadre_tensor_file_get(file, "group/deep/f32", &view, NULL),
                     CADRE_OK);
    assert_true(view.n_dims == 1 && view.dims[0] == 2 && at(&view, 1) == 2);
    assert_string_equal(cadre_tensor_file_attribute(file, "text"), "größer");
    assert_string_equal(cadre_tensor_file_attribute(file, "fixed"), "abc");
    assert_string_equal(cadre_tensor_file_attribute(file, "number"),
                        "0.10000000000000001");
    assert_string_equal(cadre_tensor_file_attribute(file, "whole"), "-9007199254740993");
    assert_string_equal(cadre_tensor_file_attribute(file, "layers"), "64,32,10");
    cadre_tensor_file_close(file);
}

static void test_refusals_name_the_reason(void **state)
{
    static const struct {
        const char *name, *reason;
    } cases[] = {
        {"u64", "unsigned integers of 8 bytes"},
        {"f128", "floating-point numbers of 16 bytes"},
        {"five_dims", "5 dimensions"},
        {"pair", "compound"},
        {"null", "nothing"},
        {"names_2d", "strings in 2 dimensions"},
        {"bomb", "CADRE_H5_MIB"},
        {"outside", "other files"},
        {"names", "strings, expected numbers"},
    };
    cadre_tensor_file *file;
    cadre_tensor view;
    (void)state;
    assert_int_equal(cadre_tensor_file_open(test_data("types.h5"), &file), CADRE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(cadre_tensor_file_get(file, cases[i].name, &view, NULL),
                         CADRE_ERR_INPUT);
        if (!strstr(cadre_last_error(), cases[i].reason) ||
            !strstr(cadre_last_error(), "types.h5: dataset '"))
            fail_msg("%s: %s", cases[i].name, cadre_last_error());
    }
    /* Links are not followed, and what is missing is answered with what is there. */
    assert_int_equal(cadre_tensor_file_get(file, "soft", &view, NULL),
                     CADRE_ERR_NOT_FOUND);
    assert_int_equal(cadre_tensor_file_get(file, "w9", &view, NULL), CADRE_ERR_NOT_FOUND);
    assert_non_null(strstr(cadre_last_error(), "no dataset 'w9'; it has bomb, bool, "));
    cadre_tensor_file_close(file);
}

static void test_strings(void **state)
{
    cadre_tensor_file *file;
    const char *const *strings;
    size_t n;
    (void)state;
    assert_int_equal(cadre_tensor_file_open(test_data("types.h5"), &file), CADRE_OK);
    assert_int_equal(cadre__tensor_file_strings(file, "names", &strings, &n), CADRE_OK);
    assert_int_equal(n, 3);
    assert_string_equal(strings[0], "acme");
    assert_string_equal(strings[1], "");
    assert_string_equal(strings[2], "größer");
    assert_int_equal(cadre__tensor_file_strings(file, "names_fixed", &strings, &n),
                     CADRE_OK);
    assert_int_equal(n, 3);
    assert_string_equal(strings[2], "exactly8");
    assert_int_equal(cadre__tensor_file_strings(file, "f32", &strings, &n),
                     CADRE_ERR_INPUT);
    assert_int_equal(cadre__tensor_file_strings(file, "f33", &strings, &n),
                     CADRE_ERR_NOT_FOUND);
    assert_true(cadre__tensor_file_has(file, "u64") &&
                !cadre__tensor_file_has(file, "text"));
    cadre_tensor_file_close(file);
}

static void expect_refused(const char *path, cadre_status expected, const char *words)
{
    cadre_tensor_file *file;
    const cadre_status st = cadre_tensor_file_open(path, &file);
    if (st != expected || file || !strstr(cadre_last_error(), words))
        fail_msg("%s: %s: %s", path, cadre_status_name(st), cadre_last_error());
}

static void test_no_tensor_files(void **state)
{
    size_t size = 0;
    (void)state;
    expect_refused(in_folder("missing.h5"), CADRE_ERR_NOT_FOUND, "no such file");
    expect_refused(test_folder, CADRE_ERR_INPUT, "not a regular file");
    put_file(in_folder("empty.h5"), "", 0);
    expect_refused(in_folder("empty.h5"), CADRE_ERR_INPUT, "empty");
    put_file(in_folder("text.h5"), "{\"schema_version\": 1}", 21);
    expect_refused(in_folder("text.h5"), CADRE_ERR_INPUT, "not a readable HDF5 file");
    assert_int_equal(mkfifo(in_folder("pipe.h5"), 0600), 0);
    expect_refused(in_folder("pipe.h5"), CADRE_ERR_INPUT, "not a regular file");
    write_sample(in_folder("a.h5"));
    char *bytes = get_file(in_folder("a.h5"), &size);
    put_file(in_folder("cut.h5"), bytes, size - 1);
    free(bytes);
    expect_refused(in_folder("cut.h5"), CADRE_ERR_INPUT, "truncated file");
    expect_refused(test_data("loop.h5"), CADRE_ERR_INPUT, "nested");
}

static void test_settings_limit_the_reader(void **state)
{
    cadre_tensor_file *file;
    cadre_tensor view;
    (void)state;
    setenv("CADRE_H5_MIB", "many", 1);
    expect_refused(test_data("types.h5"), CADRE_ERR_INPUT, "CADRE_H5_MIB");
    setenv("CADRE_H5_MIB", "1", 1);
    assert_int_equal(cadre_tensor_file_open(test_data("types.h5"), &file), CADRE_OK);
    assert_int_equal(cadre_tensor_file_get(file, "f32", &view, NULL), CADRE_OK);
    cadre_tensor_file_close(file);
    unsetenv("CADRE_H5_MIB");
}

/* Read every number that a file shows, as a kernel would; how many there are,
 * infinite ones counted twice. */
static size_t touch_all(const cadre_tensor_file *file)
{
    const char *name;
    size_t touched = 0;
    for (size_t i = 0; (name = cadre_tensor_file_name(file, i)); i++) {
        cadre_tensor view;
        size_t n;
        assert_int_equal(cadre_tensor_file_get(file, name, &view, NULL), CADRE_OK);
        assert_int_equal(cadre_tensor_count(&view, &n), CADRE_OK);
        for (size_t k = 0; k < n; k++)
            touched += at(&view, k) == HUGE_VAL ? 2 : 1; /* the value must be read */
    }
    return touched;
}

/* A fixed sequence of numbers (SplitMix64). */
static uint64_t next_number(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void open_damaged(const char *what, size_t where, const void *bytes, size_t size)
{
    cadre_tensor_file *file;
    put_file(in_folder("damaged.h5"), bytes, size);
    const int64_t start = cadre_clock_ns();
    const cadre_status st = cadre_tensor_file_open(in_folder("damaged.h5"), &file);
    if (st != CADRE_OK && (st != CADRE_ERR_INPUT || file || !cadre_last_error()[0]))
        fail_msg("%s at %zu: %s: %s", what, where, cadre_status_name(st),
                 cadre_last_error());
    if (cadre_clock_ns() - start > 10 * CADRE_NS_PER_S)
        fail_msg("%s at %zu took too long", what, where);
    if (st == CADRE_OK)
        assert_in_range(touch_all(file), 0, (size_t)64 << 20);
    cadre_tensor_file_close(file);
}

static void damage(const char *path, size_t n_cuts, size_t n_flips)
{
    size_t size = 0;
    char *bytes = get_file(path, &size);
    uint64_t random = 20261123;
    assert_non_null(bytes);
    for (size_t i = 0; i < n_cuts; i++)
        open_damaged("cut", size * i / n_cuts, bytes, size * i / n_cuts);
    for (size_t i = 0; i < n_flips; i++) {
        const size_t where = next_number(&random) % size;
        const char kept = bytes[where];
        bytes[where] = (char)(kept ^ (1 + next_number(&random) % 255));
        open_damaged("flip", where, bytes, size);
        bytes[where] = kept;
    }
    free(bytes);
}

static void test_damaged_files_do_no_harm(void **state)
{
    (void)state;
    setenv("CADRE_H5_SECONDS", "1", 1);
    setenv("CADRE_H5_MIB", "64", 1);
    write_sample(in_folder("a.h5"));
    damage(in_folder("a.h5"), 50, 200);
    damage(test_data("types.h5"), 10, 60);
    unsetenv("CADRE_H5_SECONDS");
    unsetenv("CADRE_H5_MIB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bytes_are_reproducible),
        cmocka_unit_test(test_write_refuses),
        cmocka_unit_test(test_types_of_others),
        cmocka_unit_test(test_refusals_name_the_reason),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_no_tensor_files),
        cmocka_unit_test(test_settings_limit_the_reader),
        cmocka_unit_test(test_damaged_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
