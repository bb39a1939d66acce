/* tests/unit/test_kernel_registry.c - kernels by name, and tables that are not as they
 * should be. */
#include "cmocka_all.h"
#include "group/kernel_registry.h"
#include <cadre/group.h>
#include <dlfcn.h>
#include <string.h>

static cadre_status open_none(const cadre_kernel_args *args, void **state)
{
    (void)args;
    *state = NULL;
    return CADRE_OK;
}

static void close_none(void *state)
{
    (void)state;
}

static cadre_status describe_none(const void *state, cadre_kernel_info *info)
{
    (void)state;
    *info = (cadre_kernel_info){.best_batch = 1};
    return CADRE_OK;
}

static cadre_status serve_none(void *state, const cadre_request *requests, size_t n,
                               cadre_answer *answers)
{
    (void)state, (void)requests, (void)n, (void)answers;
    return CADRE_OK;
}

static cadre_status submit_none(void *state, const cadre_request *request)
{
    (void)state, (void)request;
    return CADRE_OK;
}

static cadre_status step_none(void *state, size_t *n_active)
{
    (void)state;
    *n_active = 0;
    return CADRE_OK;
}

static size_t collect_none(void *state, cadre_answer *answers, size_t max)
{
    (void)state, (void)answers, (void)max;
    return 0;
}

static void cancel_none(void *state, uint64_t id)
{
    (void)state, (void)id;
}

static const cadre_kernel good = {.abi = CADRE_KERNEL_ABI,
                                  .name = "none",
                                  .summary = "does nothing",
                                  .open = open_none,
                                  .close = close_none,
                                  .describe = describe_none,
                                  .serve = serve_none};

static void whole_tables_pass(void **state)
{
    cadre_kernel kernel = good;

    (void)state;
    assert_int_equal(cadre__kernel_check(&kernel, "here"), CADRE_OK);
    assert_false(cadre__kernel_is_incremental(&kernel));
    kernel.serve = NULL;
    kernel.submit = submit_none;
    kernel.step = step_none;
    kernel.collect = collect_none;
    kernel.cancel = cancel_none;
    assert_int_equal(cadre__kernel_check(&kernel, "here"), CADRE_OK);
    assert_true(cadre__kernel_is_incremental(&kernel));
}

static void broken_tables_are_refused(void **state)
{
    cadre_kernel bad;

    (void)state;
    assert_int_equal(cadre__kernel_check(NULL, "here"), CADRE_ERR_UNSUPPORTED);
#define REFUSED(change)                                                                  \
    do {                                                                                 \
        bad = good;                                                                      \
        change;                                                                          \
        assert_int_equal(cadre__kernel_check(&bad, "here.so"), CADRE_ERR_UNSUPPORTED);   \
        assert_non_null(strstr(cadre_last_error(), "here.so"));                          \
    } while (0)
    REFUSED(bad.abi = CADRE_KERNEL_ABI + 1);
    REFUSED(bad.name = NULL);
    REFUSED(bad.summary = NULL);
    REFUSED(bad.open = NULL);
    REFUSED(bad.close = NULL);
    REFUSED(bad.describe = NULL);
    REFUSED(bad.serve = NULL);
    REFUSED(bad.step = step_none);
    REFUSED(bad.serve = NULL; bad.step = step_none; bad.submit = submit_none;
            bad.collect = collect_none);
}

static void names_are_found(void **state)
{
    const cadre_kernel *kernel;

    (void)state;
    for (size_t i = 0; cadre__builtin_kernels[i]; i++) {
        assert_int_equal(cadre_kernel_find(cadre__builtin_kernels[i]->name, &kernel),
                         CADRE_OK);
        assert_ptr_equal(kernel, cadre__builtin_kernels[i]);
    }
    assert_int_equal(cadre_kernel_find("nothing", &kernel), CADRE_ERR_NOT_FOUND);
    assert_null(kernel);
    assert_non_null(strstr(cadre_last_error(), cadre__builtin_kernels[0]->name));
    assert_int_equal(cadre_kernel_find("", &kernel), CADRE_ERR_ARG);
    assert_int_equal(cadre_kernel_find(NULL, &kernel), CADRE_ERR_ARG);
    assert_int_equal(cadre_kernel_find("./nothing.so", &kernel), CADRE_ERR_NOT_FOUND);
    /* Not looked for in the system's folders. */
    assert_int_equal(cadre_kernel_find("libcmocka.so", &kernel), CADRE_ERR_NOT_FOUND);
}

static void objects_without_the_entry_are_refused(void **state)
{
    const cadre_kernel *kernel;
    Dl_info libc; /* some shared object that is no kernel */

    (void)state;
    assert_true(dladdr(dlsym(RTLD_DEFAULT, "strlen"), &libc) != 0);
    assert_int_equal(cadre_kernel_find(libc.dli_fname, &kernel), CADRE_ERR_UNSUPPORTED);
    assert_non_null(strstr(cadre_last_error(), CADRE_KERNEL_ENTRY));
    assert_null(kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_tables_pass),
        cmocka_unit_test(broken_tables_are_refused),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(objects_without_the_entry_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
