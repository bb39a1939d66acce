/* ops/amx/amx.h - what the files of this level offer to amx.c. */
#ifndef CADRE_OPS_AMX_AMX_H
#define CADRE_OPS_AMX_AMX_H

#include <cadre/ops.h>

cadre_matmul_fn cadre__amx_matmul_bf16;
cadre_matmul_fn cadre__amx_matmul_q8_0, cadre__amx_matmul_q4_0, cadre__amx_matmul_q4_k,
    cadre__amx_matmul_q5_k, cadre__amx_matmul_q6_k;

#endif
