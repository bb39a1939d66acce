/* ops/avx512/matmul_float.c - products of F32 and F16 weights: one fused multiplication
 * per k, in order of k. */
#include "ops/avx512/avx512.h"
#include "ops/avx512/tile.h"

enum { STEP = 16 }; /* k between two moves of the pointers */

typedef __m512 column_fn(const uint8_t *weights, size_t k);

/* The 16 weights at k. */
INLINE __m512 f32_column(const uint8_t *w, size_t k)
{
    return _mm512_load_ps((const void *)(w + 64 * k));
}

INLINE __m512 f16_column(const uint8_t *w, size_t k)
{
    return _mm512_cvtph_ps(_mm256_load_si256((const void *)(w + 32 * k)));
}

INLINE void float_tile(const cadre__tile *t, column_fn *column, size_t column_bytes,
                       int n_rows)
{
    __m512 acc[TILE_ROWS];
    row_pointers at = tile_pointers(t);
    const uint8_t *w = t->panel;

    clear(acc, n_rows);
    for (size_t k = 0; k < t->n_in; k += STEP, w += STEP * column_bytes) {
        UNROLL
        for (size_t i = 0; i < STEP; i++) {
            const __m512 weights = column(w, i);
            UNROLL
            for (int r = 0; r < n_rows; r++) {
                const __m512 x = _mm512_castsi512_ps(broadcast_row(&at, r, 4 * i));
                acc[r] = _mm512_fmadd_ps(weights, x, acc[r]);
            }
        }
        advance(&at, 4 * STEP);
    }
    store_tile(t, acc, n_rows);
}

INLINE void f32(const cadre__tile *t, int n_rows)
{
    float_tile(t, f32_column, 64, n_rows);
}

INLINE void f16(const cadre__tile *t, int n_rows)
{
    float_tile(t, f16_column, 32, n_rows);
}

MATMUL(f32)
MATMUL(f16)
