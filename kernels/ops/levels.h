/* ops/levels.h - what each level's folder offers to ops.c. */
#ifndef CADRE_OPS_LEVELS_H
#define CADRE_OPS_LEVELS_H

#include <cadre/ops.h>

/* Fill or overwrite the entries of *ops that the level implements. */
void cadre__ops_fill_ref(cadre_ops *ops);
void cadre__ref_fill_matmul(cadre_ops *ops);
#ifdef __x86_64__
void cadre__ops_fill_avx2(cadre_ops *ops);
void cadre__ops_fill_avx512(cadre_ops *ops);
void cadre__ops_fill_amx(cadre_ops *ops);
#endif

/* Apply CADRE_BLAS_THREADS. CADRE_ERR_INPUT if it is no number from 1 to 1024. */
cadre_status cadre__blas_threads_from_settings(void);

#endif
