/* ops/avx512/avx512.h - what the files of this level offer to avx512.c, which checks the
 * CPU for what each of them needs beside AVX-512 F, BW, DQ and VL. */
#ifndef CADRE_OPS_AVX512_AVX512_H
#define CADRE_OPS_AVX512_AVX512_H

#include <cadre/ops.h>

void cadre__avx512_attention(const cadre_attention *a);
cadre_combine_fn cadre__avx512_sum_f16, cadre__avx512_prod_f16, cadre__avx512_min_f16,
    cadre__avx512_max_f16;
void cadre__avx512_copy_stream(void *dst, const void *src, size_t bytes);
cadre_matmul_fn cadre__avx512_matmul_f32, cadre__avx512_matmul_f16,
    cadre__avx512_matmul_bf16_widened;
cadre_matmul_fn cadre__avx512_matmul_bf16; /* AVX512_BF16 */
/* AVX512_VNNI */
cadre_matmul_fn cadre__avx512_matmul_q8_0, cadre__avx512_matmul_q4_0,
    cadre__avx512_matmul_q4_k, cadre__avx512_matmul_q5_k, cadre__avx512_matmul_q6_k;

#endif
