/* tests/ops/test_gemm.c - the matrix product in all four orientations against plain sums,
 * on integers small enough that every order of summation is exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cadre/ops.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { PAD = 3 };

static float value(size_t i)
{
    return (float)((i * 7919 + 13) % 17) - 8.0f;
}

static float *matrix(size_t rows, size_t ld)
{
    float *m = calloc(rows * ld + 1, sizeof *m);

    assert_non_null(m);
    for (size_t i = 0; i < rows * ld; i++)
        m[i] = value(i);
    return m;
}

static void check(int trans_a, int trans_b, size_t m, size_t n, size_t k)
{
    const size_t lda = (trans_a ? m : k) + PAD, ldb = (trans_b ? k : n) + PAD,
                 ldc = n + PAD;
    float *a = matrix(trans_a ? k : m, lda), *b = matrix(trans_b ? n : k, ldb);
    float *c = matrix(m, ldc), *before = matrix(m, ldc);

    cadre_gemm_f32(trans_a, trans_b, m, n, k, 2.0f, a, lda, b, ldb, -1.0f, c, ldc);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < ldc; j++) {
            float sum = 0;
            for (size_t l = 0; l < k && j < n; l++)
                sum += a[trans_a ? l * lda + i : i * lda + l] *
                       b[trans_b ? j * ldb + l : l * ldb + j];
            const float old = before[i * ldc + j];
            const float want = j < n ? 2.0f * sum - old : old;
            if (c[i * ldc + j] != want)
                fail_msg("gemm(%d, %d) %zu x %zu x %zu: C[%zu][%zu] is %g, not %g",
                         trans_a, trans_b, m, n, k, i, j, (double)c[i * ldc + j],
                         (double)want);
        }
    free(a);
    free(b);
    free(c);
    free(before);
}

static void test_all_orientations(void **state)
{
    static const size_t sizes[] = {0, 1, 3, 16, 33, 70};

    (void)state;
    for (int t = 0; t < 4; t++)
        for (size_t i = 0; i < 6; i++)
            for (size_t j = 0; j < 6; j++)
                for (size_t l = 0; l < 6; l++)
                    check(t & 1, t >> 1, sizes[i], sizes[j], sizes[l]);
}

static void test_beta_zero_ignores_what_was_there(void **state)
{
    const float a[2] = {1, 2}, b[2] = {3, 4};
    const uint32_t nan_bits = 0x7fc00000u;
    float c;

    (void)state;
    memcpy(&c, &nan_bits, sizeof c);
    cadre_gemm_f32(0, 1, 1, 1, 2, 1.0f, a, 2, b, 2, 0.0f, &c, 1);
    assert_true(c == 11.0f);
}

static void test_blas_tells_its_name(void **state)
{
    (void)state;
    assert_true(cadre_blas_core()[0] != '\0');
    assert_non_null(strstr(cadre_blas_version(), "OpenBLAS"));
    cadre_blas_set_threads(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_orientations),
        cmocka_unit_test(test_beta_zero_ignores_what_was_there),
        cmocka_unit_test(test_blas_tells_its_name),
    };
    return cmocka_run_group_tests_name("gemm", tests, NULL, NULL);
}
