/* ops/avx512/matmul_float.c - products of F32 and F16 weights, and of BF16 on CPUs
 * without vdpbf16ps: one fused multiplication per k, in the order of packed.h. */
#include "ops/avx512/avx512.h"
#include "ops/avx512/tile.h"

#include <stdalign.h>

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

/* acc[r] += weights x values of row r. */
INLINE void add_column(float_sums *acc, float_pair weights, const row_pointers *at,
                       size_t byte, int n_rows, int n_panels)
{
    if (n_panels == 1)
        EACH_ROW(n_rows,
                 acc->of[0][r] = _mm512_fmadd_ps(
                     weights.of[0], _mm512_castsi512_ps(broadcast_row(at, r, byte)),
                     acc->of[0][r]));
    else
        EACH_ROW(n_rows, __m512 row = _mm512_castsi512_ps(broadcast_row(at, r, byte));
                 KEEP(row); /* or it is loaded for each product */
                 acc->of[0][r] = _mm512_fmadd_ps(weights.of[0], row, acc->of[0][r]);
                 acc->of[1][r] = _mm512_fmadd_ps(weights.of[1], row, acc->of[1][r]));
}

INLINE void float_tile(const cadre__tile *t, column_fn *column, size_t column_bytes,
                       int n_rows, int n_panels)
{
    float_sums acc;
    row_pointers at = tile_pointers(t);
    look_ahead ahead = look_ahead_from(t, t->n_in / STEP);
    const uint8_t *w = t->panel;

    clear_sums(&acc, n_rows, n_panels);
    for (size_t k = 0; k < t->n_in; k += STEP, w += STEP * column_bytes) {
        const uint8_t *v = n_panels == 2 ? w + t->panel_bytes : w;
        HIDE(v);
        UNROLL
        for (size_t i = 0; i < STEP; i++) {
            const float_pair weights = {{column(w, i), column(v, i)}};
            add_column(&acc, weights, &at, 4 * i, n_rows, n_panels);
        }
        advance(&at, 4 * STEP);
        fetch_ahead(&ahead);
    }
    store_panels(t, &acc, n_rows, n_panels);
}

INLINE void f32(const cadre__tile *t, int n_rows, int n_panels)
{
    float_tile(t, f32_column, 64, n_rows, n_panels);
}

INLINE void f16(const cadre__tile *t, int n_rows, int n_panels)
{
    float_tile(t, f16_column, 32, n_rows, n_panels);
}

/* ---- BF16 as f32 ----
 *
 * Widening an activation wherever it is used would take as many instructions as its
 * multiplications, so the rows of a tile are widened once, a few k at a time. */

enum { WIDENED = 256 }; /* k, a multiple of 64 */

/* Even k are the lower halves of pairs. */
INLINE __m512 even(__m512i pairs)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}

INLINE __m512 odd(__m512i pairs)
{
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-65536)));
}

INLINE void widen(const uint8_t *halves, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 16) {
        const __m256i src = _mm256_loadu_si256((const void *)(halves + 2 * i));
        _mm512_store_ps(out + i, even(_mm512_cvtepu16_epi32(src)));
    }
}

INLINE void bf16_widened(const cadre__tile *t, int n_rows, int n_panels)
{
    alignas(64) float rows[TILE_ROWS][WIDENED];
    float_sums acc;
    look_ahead ahead = look_ahead_from(t, t->n_in / (2 * STEP));
    const uint8_t *w = t->panel;

    clear_sums(&acc, n_rows, n_panels);
    for (size_t from = 0; from < t->n_in; from += WIDENED) {
        const size_t n = t->n_in - from < WIDENED ? t->n_in - from : WIDENED;
        row_pointers at = pointers_to(rows, sizeof rows[0]);
        for (size_t r = 0; r < (size_t)n_rows; r++)
            widen(t->values + r * t->row_bytes + 2 * from, n, rows[r]);
        for (size_t k = 0; k < n; k += 2 * STEP, w += STEP * 64) {
            const uint8_t *v = n_panels == 2 ? w + t->panel_bytes : w;
            HIDE(v);
            UNROLL
            for (size_t i = 0; i < STEP; i++) {
                const __m512i a = _mm512_load_si512(w + 64 * i),
                              b = _mm512_load_si512(v + 64 * i);
                const float_pair second = {{odd(a), odd(b)}},
                                 first = {{even(a), even(b)}};
                add_column(&acc, second, &at, 8 * i + 4, n_rows, n_panels);
                add_column(&acc, first, &at, 8 * i, n_rows, n_panels);
            }
            advance(&at, 8 * STEP);
            fetch_ahead(&ahead);
        }
    }
    store_panels(t, &acc, n_rows, n_panels);
}

MATMUL_PAIRS(f32)
MATMUL_PAIRS(f16)
MATMUL_PAIRS(bf16_widened)
