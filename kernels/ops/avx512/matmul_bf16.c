/* ops/avx512/matmul_bf16.c - products of BF16 weights by vdpbf16ps, two k at a time. */
#include "ops/avx512/avx512.h"
#include "ops/avx512/tile.h"

enum { STEP = 16 }; /* pairs of k between two moves of the pointers */

INLINE void bf16(const cadre__tile *t, int n_rows)
{
    __m512 acc[TILE_ROWS];
    row_pointers at = tile_pointers(t);
    look_ahead ahead = look_ahead_from(t, t->n_in / (2 * STEP));
    const uint8_t *w = t->panel;

    clear(acc, n_rows);
    for (size_t k = 0; k < t->n_in; k += 2 * STEP, w += STEP * 64) {
        UNROLL
        for (size_t i = 0; i < STEP; i++) {
            const __m512i weights = _mm512_load_si512(w + 64 * i);
            EACH_ROW(n_rows,
                     acc[r] = _mm512_dpbf16_ps(acc[r], (__m512bh)weights,
                                               (__m512bh)broadcast_row(&at, r, 4 * i)));
        }
        advance(&at, 4 * STEP);
        fetch_ahead(&ahead);
    }
    store_tile(t, acc, n_rows);
}

MATMUL(bf16)
