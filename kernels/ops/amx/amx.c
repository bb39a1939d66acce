/* ops/amx/amx.c - the level for CPUs with tile registers (AMX) for int8 and bf16: the
 * products that they do. The rest is that of AVX-512. */
#include "ops/amx/amx.h"
#include "ops/levels.h"

void cadre__ops_fill_amx(cadre_ops *ops)
{
    ops->matmul[CADRE_W_BF16] = cadre__amx_matmul_bf16;
    ops->matmul[CADRE_W_Q8_0] = cadre__amx_matmul_q8_0;
    ops->matmul[CADRE_W_Q4_0] = cadre__amx_matmul_q4_0;
    ops->matmul[CADRE_W_Q4_K] = cadre__amx_matmul_q4_k;
    ops->matmul[CADRE_W_Q5_K] = cadre__amx_matmul_q5_k;
    ops->matmul[CADRE_W_Q6_K] = cadre__amx_matmul_q6_k;
    ops->level = "amx";
}
