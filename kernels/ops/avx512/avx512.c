/* ops/avx512/avx512.c - the loops for CPUs with AVX-512 F, BW, DQ and VL. */
#include "ops/levels.h"
#include "ops/loops.h"

void cadre__ops_fill_avx512(cadre_ops *ops)
{
    fill(ops);
    ops->level = "avx512";
}
