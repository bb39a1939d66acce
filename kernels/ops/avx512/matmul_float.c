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

INLINE __m512 add_column(__m512 acc, __m512 weights, const row_pointers *at, int row,
                         size_t byte)
{
    return _mm512_fmadd_ps(weights, _mm512_castsi512_ps(broadcast_row(at, row, byte)),
                           acc);
}

INLINE void float_tile(const cadre__tile *t, column_fn *column, size_t column_bytes,
                       int n_rows)
{
    __m512 acc[TILE_ROWS];
    row_pointers at = tile_pointers(t);
    look_ahead ahead = look_ahead_from(t, t->n_in / STEP);
    const uint8_t *w = t->panel;

    clear(acc, n_rows);
    for (size_t k = 0; k < t->n_in; k += STEP, w += STEP * column_bytes) {
        UNROLL
        for (size_t i = 0; i < STEP; i++) {
            const __m512 weights = column(w, i);
            EACH_ROW(n_rows, acc[r] = add_column(acc[r], weights, &at, r, 4 * i));
        }
        advance(&at, 4 * STEP);
        fetch_ahead(&ahead);
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
