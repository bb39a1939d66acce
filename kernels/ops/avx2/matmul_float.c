/* ops/avx2/matmul_float.c - products of F32, F16 and BF16: packed.h. */
#include "ops/avx2/avx2.h"

/* Eight outputs at one k. */
INLINE __m256 load_weights(cadre_wtype type, const uint8_t *panel, size_t k, size_t h)
{
    if (type == CADRE_W_F16)
        return load_f16(panel + 32 * k + 16 * h);
    return _mm256_load_ps((const void *)(panel + 64 * k + 32 * h));
}

INLINE void float_tile(const cadre__tile *t, cadre_wtype type, int n_rows)
{
    const float *x = (const void *)t->values;
    const size_t stride = t->row_bytes / sizeof *x;
    panel_sums acc[TILE_ROWS];

    UNROLL
    for (int r = 0; r < n_rows; r++)
        acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    for (size_t k = 0; k < t->n_in; k++) {
        const __m256 first = load_weights(type, t->panel, k, 0);
        const __m256 second = load_weights(type, t->panel, k, 1);
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            const __m256 value = _mm256_broadcast_ss(x + (size_t)r * stride + k);
            acc[r][0] = _mm256_fmadd_ps(value, first, acc[r][0]);
            acc[r][1] = _mm256_fmadd_ps(value, second, acc[r][1]);
        }
    }
    store_tile(t, acc, n_rows);
}

/* A pair of bf16 in each 32 bits: k even is the lower. */
INLINE __m256 even(__m256i pairs)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}

INLINE __m256 odd(__m256i pairs)
{
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536)));
}

INLINE void bf16_tile(const cadre__tile *t, cadre_wtype type, int n_rows)
{
    const int32_t *x = (const void *)t->values; /* pairs */
    const size_t stride = t->row_bytes / sizeof *x;
    panel_sums acc[TILE_ROWS];

    (void)type;
    UNROLL
    for (int r = 0; r < n_rows; r++)
        acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    for (size_t i = 0; i < t->n_in / 2; i++) {
        const __m256i first = _mm256_load_si256((const void *)(t->panel + 64 * i));
        const __m256i second = _mm256_load_si256((const void *)(t->panel + 64 * i + 32));
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            const __m256i pair = _mm256_set1_epi32(x[(size_t)r * stride + i]);
            acc[r][0] = _mm256_fmadd_ps(odd(pair), odd(first), acc[r][0]);
            acc[r][1] = _mm256_fmadd_ps(odd(pair), odd(second), acc[r][1]);
            acc[r][0] = _mm256_fmadd_ps(even(pair), even(first), acc[r][0]);
            acc[r][1] = _mm256_fmadd_ps(even(pair), even(second), acc[r][1]);
        }
    }
    store_tile(t, acc, n_rows);
}

MATMUL(float_tile, CADRE_W_F32, f32, TILE_ROWS)
MATMUL(float_tile, CADRE_W_F16, f16, TILE_ROWS)
MATMUL(bf16_tile, CADRE_W_BF16, bf16, 4) /* more need too many registers */
