/* preload/no_blas.c - in place of ops/blas.c, whose matrix product nothing here calls: a
 * library for all programs should not load OpenBLAS into each. */
#include "ops/levels.h"

cadre_status cadre__blas_threads_from_settings(void)
{
    return CADRE_OK;
}
