/* tests/unit/test_core.c - statuses, memory, texts, settings, log, tensors, clock. */
#include "cmocka_all.h"
#include "core/memory.h"
#include "core/settings.h"
#include "core/text.h"
#include <cadre/clock.h>
#include <cadre/dtype.h>
#include <cadre/log.h>
#include <stdlib.h>
#include <string.h>

static cadre_status deep(void)
{
    return cadre_fail(CADRE_ERR_INPUT, "row %d is short", 7);
}

static cadre_status shallow(void)
{
    CADRE_TRY(cadre_context(deep(), "reading %s", "a.h5"));
    return CADRE_OK;
}

static void test_status(void **state)
{
    (void)state;
    assert_int_equal(shallow(), CADRE_ERR_INPUT);
    assert_string_equal(cadre_last_error(), "reading a.h5: row 7 is short");
    assert_non_null(strstr(cadre_last_error_where(), "test_core.c:"));
    assert_int_equal(cadre_context(CADRE_OK, "nothing happens"), CADRE_OK);
    assert_string_equal(cadre_last_error(), "reading a.h5: row 7 is short");
    assert_string_equal(cadre_status_name(CADRE_ERR_TIMEOUT), "ERR_TIMEOUT");
    assert_string_equal(cadre_status_text(CADRE_ERR_TIMEOUT), "deadline passed");
    assert_string_equal(cadre_status_text((cadre_status)-99), "unknown status");
}

static void test_long_context_is_cut_not_overrun(void **state)
{
    static char text[4000];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    deep();
    assert_int_equal(cadre_context(CADRE_ERR_IO, "%s", text), CADRE_ERR_IO);
    assert_true(strlen(cadre_last_error()) < 2048);
}

static void test_memory(void **state)
{
    (void)state;
    char *a = cadre__alloc(100);
    assert_true((uintptr_t)a % CADRE__ALIGN == 0);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(a[i], 0);
    a[99] = 'z';
    a = cadre__grow(a, 100, 1000);
    assert_int_equal(a[99], 'z');
    assert_int_equal(a[100], 0);
    cadre__free(a);
    assert_null(cadre__alloc_n(SIZE_MAX / 2, 3));
    assert_null(cadre__alloc(SIZE_MAX));
    cadre__free(NULL);
}

static void test_text(void **state)
{
    cadre__text text = {0};
    (void)state;
    assert_string_equal(cadre__text_string(&text), "");
    for (int i = 0; i < 1000; i++)
        cadre__text_printf(&text, "%d,", i);
    assert_int_equal(text.size, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(cadre__text_status(&text), CADRE_OK);
    cadre__text_clear(&text);
    cadre__text_puts(&text, "end");
    assert_string_equal(cadre__text_string(&text), "end");
    cadre__text_fini(&text);
}

static void test_nearest(void **state)
{
    static const char *const names[] = {"shards", "model", "price"};
    (void)state;
    assert_string_equal(cadre__nearest("shard", names, 3), "shards");
    assert_string_equal(cadre__nearest("prcie", names, 3), "price");
    assert_null(cadre__nearest("temperature", names, 3));
}

static void check_path(char *path, const char *expected)
{
    assert_string_equal(path, expected);
    cadre__free(path);
}

static void test_paths(void **state)
{
    (void)state;
    check_path(cadre__path_join("jobs", "a.json"), "jobs/a.json");
    check_path(cadre__path_join("jobs", "/a.json"), "/a.json");
    check_path(cadre__path_join(".", "a.json"), "a.json");
    check_path(cadre__path_join("nowhere/x", "../a.json"), "nowhere/x/../a.json");
    check_path(cadre__path_join("/proc/sys", "../a.json"), "/proc/a.json");
    check_path(cadre__path_join("/proc/sys", "../../a.json"), "/a.json");
    check_path(cadre__path_join("/proc/self", "../a.json"), "/proc/self/../a.json");
    check_path(cadre__path_folder("jobs/x/a.json"), "jobs/x");
    check_path(cadre__path_folder("a.json"), ".");
    check_path(cadre__path_folder("/a.json"), "/");
}

static char logged[1024];
static void to_buffer(void *context, cadre_log_level level, const char *line)
{
    (void)context;
    (void)level;
    strncat(logged, line, sizeof logged - strlen(logged) - 2);
    strcat(logged, "\n");
}

static void test_log(void **state)
{
    (void)state;
    cadre_log_set_sink(to_buffer, NULL);
    assert_int_equal(cadre_log_filter("warn,coll=debug,io=off"), CADRE_OK);
    cadre_log(CADRE_LOG_INFO, "run", "hidden");
    cadre_log(CADRE_LOG_DEBUG, "coll", "shown %d", 1);
    cadre_log(CADRE_LOG_ERROR, "io", "hidden");
    cadre_log_set_rank(3);
    cadre_log(CADRE_LOG_WARN, "run", "shown 2");
    cadre_log_set_rank(-1);
    assert_string_equal(logged,
                        "cadre debug coll: shown 1\ncadre warn rank 3 run: shown 2\n");
    assert_int_equal(cadre_log_filter("loud"), CADRE_ERR_INPUT);
    assert_int_equal(cadre_log_filter("coll=loud"), CADRE_ERR_INPUT);
    assert_int_equal(cadre_log_filter(NULL), CADRE_OK);
    cadre_log_set_sink(NULL, NULL);
}

static void test_settings(void **state)
{
    int64_t value = -1;
    (void)state;
    unsetenv("CADRE_BLAS_THREADS");
    assert_int_equal(cadre__setting_integer(CADRE__SETTING_BLAS_THREADS, 1, 64, &value),
                     CADRE_OK);
    assert_int_equal(value, 1);
    assert_string_equal(cadre__setting_source(CADRE__SETTING_BLAS_THREADS), "default");
    setenv("CADRE_BLAS_THREADS", "2x", 1);
    assert_int_equal(cadre__setting_integer(CADRE__SETTING_BLAS_THREADS, 1, 64, &value),
                     CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "CADRE_BLAS_THREADS"));
    setenv("CADRE_BLAS_THREADS", "8", 1);
    assert_int_equal(cadre__setting_integer(CADRE__SETTING_BLAS_THREADS, 1, 64, &value),
                     CADRE_OK);
    assert_int_equal(value, 8);
    assert_string_equal(cadre__setting_source(CADRE__SETTING_BLAS_THREADS),
                        "environment");
    unsetenv("CADRE_BLAS_THREADS");
}

static void test_unknown_settings_are_named(void **state)
{
    (void)state;
    logged[0] = '\0';
    cadre_log_set_sink(to_buffer, NULL);
    setenv("CADRE_LGO", "info", 1);
    cadre__settings_warn_unknown();
    unsetenv("CADRE_LGO");
    cadre_log_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "CADRE_LGO"));
    assert_non_null(strstr(logged, "nearest known is CADRE_LOG"));
}

static void test_tensor(void **state)
{
    size_t count = 0;
    cadre_tensor tensor = {.dtype = CADRE_F64, .n_dims = 2, .dims = {3, 5}};
    (void)state;
    assert_int_equal(cadre_tensor_count(&tensor, &count), CADRE_OK);
    assert_int_equal(count, 15);
    tensor.n_dims = 0;
    assert_int_equal(cadre_tensor_count(&tensor, &count), CADRE_OK);
    assert_int_equal(count, 1);
    tensor.n_dims = 2;
    tensor.dims[0] = SIZE_MAX / 8;
    assert_int_equal(cadre_tensor_count(&tensor, &count), CADRE_ERR_RANGE);
    tensor.n_dims = 5;
    assert_int_equal(cadre_tensor_count(&tensor, &count), CADRE_ERR_RANGE);
    tensor.dtype = (cadre_dtype)77;
    assert_int_equal(cadre_tensor_count(&tensor, &count), CADRE_ERR_RANGE);
}

static void test_clock(void **state)
{
    char buf[32];
    (void)state;
    const int64_t before = cadre_clock_ns();
    assert_true(cadre_clock_ns() >= before);
    assert_true(cadre_deadline_in_ms(INT64_MAX) == INT64_MAX);
    assert_true(cadre_deadline_in_ms(1000) >= before + CADRE_NS_PER_S);
    assert_int_equal(strlen(cadre_clock_utc(buf)), strlen("2026-11-23T13:05:00Z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_long_context_is_cut_not_overrun),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_unknown_settings_are_named),
        cmocka_unit_test(test_tensor),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
