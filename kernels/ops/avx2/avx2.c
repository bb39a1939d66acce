/* ops/avx2/avx2.c - the loops for CPUs with AVX2, FMA and F16C. */
#include "ops/avx2/avx2.h"
#include "ops/levels.h"
#include "ops/loops.h"

void cadre__ops_fill_avx2(cadre_ops *ops)
{
    fill(ops);
    ops->matmul[CADRE_W_F32] = cadre__avx2_matmul_f32;
    ops->matmul[CADRE_W_F16] = cadre__avx2_matmul_f16;
    ops->matmul[CADRE_W_BF16] = cadre__avx2_matmul_bf16;
    ops->matmul[CADRE_W_Q8_0] = cadre__avx2_matmul_q8_0;
    ops->matmul[CADRE_W_Q4_0] = cadre__avx2_matmul_q4_0;
    ops->matmul[CADRE_W_Q4_K] = cadre__avx2_matmul_q4_k;
    ops->matmul[CADRE_W_Q5_K] = cadre__avx2_matmul_q5_k;
    ops->matmul[CADRE_W_Q6_K] = cadre__avx2_matmul_q6_k;
    ops->attention = cadre__avx2_attention;
    ops->level = "avx2";
}
