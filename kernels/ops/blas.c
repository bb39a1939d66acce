/* ops/blas.c - the matrix product, which is OpenBLAS's. The one file that includes its
 * header.
 *
 * OpenBLAS picks a kernel for the CPU at hand when it is loaded, and starts with one
 * thread per core. Ranks are our threads, so it is told to use one before the first
 * product.
 */
#include "core/settings.h"
#include "ops/levels.h"
#include <cblas.h>
#include <stdatomic.h>

static atomic_int n_threads_set; /* 0: nobody has said how many */

void cadre_blas_set_threads(int n_threads)
{
    const int n = n_threads > 0 ? n_threads : 1;

    openblas_set_num_threads(n);
    atomic_store(&n_threads_set, n);
}

cadre_status cadre__blas_threads_from_settings(void)
{
    int64_t n = 1;

    CADRE_TRY(cadre__setting_integer(CADRE__SETTING_BLAS_THREADS, 1, 1024, &n));
    cadre_blas_set_threads((int)n);
    return CADRE_OK;
}

const char *cadre_blas_core(void)
{
    return openblas_get_corename();
}

const char *cadre_blas_version(void)
{
    return openblas_get_config();
}

/* NOLINTNEXTLINE(readability-function-size): a matrix product takes so many arguments. */
void cadre_gemm_f32(int trans_a, int trans_b, size_t m, size_t n, size_t k, float alpha,
                    const float *a, size_t lda, const float *b, size_t ldb, float beta,
                    float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    if (atomic_load(&n_threads_set) == 0)
        cadre_blas_set_threads(1);
    cblas_sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans,
                trans_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k,
                alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}
