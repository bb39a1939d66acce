/* ops/avx2/avx2.c - the loops for CPUs with AVX2. */
#include "ops/levels.h"
#include "ops/loops.h"

void cadre__ops_fill_avx2(cadre_ops *ops)
{
    fill(ops);
    ops->level = "avx2";
}
