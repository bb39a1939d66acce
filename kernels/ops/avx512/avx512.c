/* ops/avx512/avx512.c - the loops for CPUs with AVX-512 F, BW, DQ and VL, and what is
 * faster than them. */
#include "ops/avx512/avx512.h"
#include "ops/levels.h"
#include "ops/loops.h"

void cadre__ops_fill_avx512(cadre_ops *ops)
{
    fill(ops);
    ops->matmul[CADRE_W_F32] = cadre__avx512_matmul_f32;
    ops->matmul[CADRE_W_F16] = cadre__avx512_matmul_f16;
    if (__builtin_cpu_supports("avx512bf16"))
        ops->matmul[CADRE_W_BF16] = cadre__avx512_matmul_bf16;
    if (__builtin_cpu_supports("avx512vnni")) {
        ops->matmul[CADRE_W_Q8_0] = cadre__avx512_matmul_q8_0;
        ops->matmul[CADRE_W_Q4_0] = cadre__avx512_matmul_q4_0;
        ops->matmul[CADRE_W_Q4_K] = cadre__avx512_matmul_q4_k;
        ops->matmul[CADRE_W_Q5_K] = cadre__avx512_matmul_q5_k;
        ops->matmul[CADRE_W_Q6_K] = cadre__avx512_matmul_q6_k;
    }
    ops->level = "avx512";
}
