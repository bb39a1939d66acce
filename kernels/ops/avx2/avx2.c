/* ops/avx2/avx2.c - the loops for CPUs with AVX2, FMA and F16C. */
#include "ops/avx2/avx2.h"
#include "ops/levels.h"
#include "ops/loops.h"

/* Long sums go past the caches. A line is written as a whole, or memory is read first. */
#define SUM_STREAMED(suffix, type, letter)                                               \
    static void sum_##suffix##_256(void *out_, const void *a_, const void *b_, size_t n) \
    {                                                                                    \
        const type *a = a_, *b = b_;                                                     \
        type *out = out_;                                                                \
        const size_t to_line = -(uintptr_t)out % 64, step = 32 / sizeof(type);           \
        size_t i = to_line / sizeof(type);                                               \
        if (n < STREAM_BYTES / sizeof(type) || out == a || out == b ||                   \
            to_line % sizeof(type) != 0) {                                               \
            sum_##suffix(out, a, b, n);                                                  \
            return;                                                                      \
        }                                                                                \
        sum_##suffix(out, a, b, i);                                                      \
        for (; i + step <= n; i += step)                                                 \
            _mm256_stream_p##letter(                                                     \
                out + i, _mm256_add_p##letter(_mm256_loadu_p##letter(a + i),             \
                                              _mm256_loadu_p##letter(b + i)));           \
        _mm_sfence(); /* such stores are ordered with no others */                       \
        sum_##suffix(out + i, a + i, b + i, n - i);                                      \
    }

SUM_STREAMED(f32, float, s)
SUM_STREAMED(f64, double, d)

void cadre__ops_fill_avx2(cadre_ops *ops)
{
    fill(ops);
    ops->combine[CADRE_F32][CADRE_SUM] = sum_f32_256;
    ops->combine[CADRE_F64][CADRE_SUM] = sum_f64_256;
    ops->combine[CADRE_F16][CADRE_SUM] = cadre__avx2_sum_f16;
    ops->combine[CADRE_F16][CADRE_PROD] = cadre__avx2_prod_f16;
    ops->combine[CADRE_F16][CADRE_MIN] = cadre__avx2_min_f16;
    ops->combine[CADRE_F16][CADRE_MAX] = cadre__avx2_max_f16;
    ops->copy_stream = cadre__avx2_copy_stream;
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
