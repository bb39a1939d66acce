/* ops/avx2/avx2.h - what the files of this level offer to each other. */
#ifndef CADRE_OPS_AVX2_AVX2_H
#define CADRE_OPS_AVX2_AVX2_H

#include "ops/tiles.h"
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef CADRE_SANITIZED
#define UNROLL /* what is checked at every step would take minutes to compile */
#elif defined __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

cadre_matmul_fn cadre__avx2_matmul_f32, cadre__avx2_matmul_f16, cadre__avx2_matmul_bf16;
cadre_matmul_fn cadre__avx2_matmul_q8_0, cadre__avx2_matmul_q4_0, cadre__avx2_matmul_q4_k,
    cadre__avx2_matmul_q5_k, cadre__avx2_matmul_q6_k;

/* gcc would regroup sums of integers, and spill what it then needs at the same time. */
#define KEEP_ORDER(sum) __asm__("" : "+x"(sum))

enum { TILE_ROWS = 6 };

void cadre__avx2_attention(const cadre_attention *a);
cadre_combine_fn cadre__avx2_sum_f16, cadre__avx2_prod_f16, cadre__avx2_min_f16,
    cadre__avx2_max_f16;
void cadre__avx2_copy_stream(void *dst, const void *src, size_t bytes);

/* The sums of a row: outputs 0 to 7 and 8 to 15. */
typedef __m256 panel_sums[2];

INLINE __m256 load_f16(const uint8_t *src)
{
    return _mm256_cvtph_ps(_mm_load_si128((const void *)src));
}

/* Write or add the sums of n_rows rows. */
INLINE void store_tile(const cadre__tile *t, panel_sums *acc, int n_rows)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    UNROLL
    for (int h = 0; h < 2; h++) {
        const __m256i left = _mm256_set1_epi32((int)t->n_outputs - 8 * h);
        const __m256i mask = _mm256_cmpgt_epi32(left, lanes);
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            float *y = t->y + (size_t)r * t->y_stride + 8 * h;
            __m256 sum = acc[r][h];
            if (t->accumulate)
                sum = _mm256_add_ps(_mm256_maskload_ps(y, mask), sum);
            _mm256_maskstore_ps(y, mask, sum);
        }
    }
}

/* cadre__avx2_matmul_NAME from a tile function of constants TYPE and number of rows, in
 * tiles of up to max_rows. */
#define TILE_FUNCTION(fn, type, name, n)                                                 \
    static void name##_##n(const cadre__tile *t)                                         \
    {                                                                                    \
        fn(t, type, n);                                                                  \
    }
#define MATMUL(fn, type, name, max_rows)                                                 \
    TILE_FUNCTION(fn, type, name, 1)                                                     \
    TILE_FUNCTION(fn, type, name, 2)                                                     \
    TILE_FUNCTION(fn, type, name, 3)                                                     \
    TILE_FUNCTION(fn, type, name, 4)                                                     \
    TILE_FUNCTION(fn, type, name, 5)                                                     \
    TILE_FUNCTION(fn, type, name, 6)                                                     \
    static cadre__tile_fn *const name##_tiles[TILE_ROWS] = {                             \
        name##_1, name##_2, name##_3, name##_4, name##_5, name##_6};                     \
    void cadre__avx2_matmul_##name(                                                      \
        const cadre_matrix *w, size_t first_panel, size_t n_panels, const cadre_rows *x, \
        size_t first_row, size_t n_rows, float *y, size_t y_stride, int accumulate)      \
    {                                                                                    \
        static const cadre__tile_set set = {name##_tiles, max_rows, NULL, 0};            \
        cadre__multiply(&set, w, first_panel, n_panels, x, first_row, n_rows, y,         \
                        y_stride, accumulate);                                           \
    }

#endif
