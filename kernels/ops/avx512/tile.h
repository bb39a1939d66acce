/* ops/avx512/tile.h - what the tiles (ops/tiles.h) of this level share.
 *
 * A file that includes this defines one function per weight type with the number of rows
 * as a constant argument, and makes from it one function per number of rows, so that
 * loops over rows unroll and arrays of sums become registers.
 */
#ifndef CADRE_OPS_AVX512_TILE_H
#define CADRE_OPS_AVX512_TILE_H

#include "ops/packed.h"
#include "ops/tiles.h"
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* As many as the first level of cache has ways on most CPUs: where the distance of rows
 * is a multiple of 4 KiB, their values at one k fall into one set of it. */
enum { TILE_ROWS = 8 };

/* Keep the compiler from knowing that *variable is still the same: it shall not keep in
 * registers, which it lacks, what can be read again. */
#define HIDE(variable) __asm__("" : "+r"(variable))

/* 4 bytes that are broadcast to a register, whatever they are. */
typedef int32_t __attribute__((may_alias)) four_bytes;

/* Where the rows of a tile lie, at one k: two pointers and two distances reach eight
 * rows by the addressing modes of the CPU, while compilers would keep eight pointers. */
typedef struct row_pointers {
    const uint8_t *four[TILE_ROWS / 4]; /* rows 0, 4 */
    size_t one, three;                  /* distance of rows, and three times that */
} row_pointers;

INLINE row_pointers tile_pointers(const cadre__tile *t)
{
    row_pointers at = {.one = t->row_bytes, .three = 3 * t->row_bytes};

    for (size_t i = 0; i < TILE_ROWS / 4; i++) {
        at.four[i] = t->values + 4 * i * t->row_bytes;
        HIDE(at.four[i]);
    }
    HIDE(at.one);
    HIDE(at.three);
    return at;
}

INLINE void advance(row_pointers *at, size_t bytes)
{
    for (size_t i = 0; i < TILE_ROWS / 4; i++)
        at->four[i] += bytes;
}

/* Four bytes of row r, in every lane. */
INLINE __m512i broadcast_row(const row_pointers *at, int r, size_t byte)
{
    const size_t distance[4] = {0, at->one, 2 * at->one, at->three};
    const four_bytes *four = (const void *)(at->four[r / 4] + distance[r % 4] + byte);
    return _mm512_set1_epi32(*four);
}

/* The first n of 16 lanes. */
INLINE __mmask16 lanes_of(size_t n)
{
    return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffffu);
}

INLINE void clear(__m512 *acc, int n_rows)
{
    UNROLL
    for (int r = 0; r < n_rows; r++)
        acc[r] = _mm512_setzero_ps();
}

INLINE void store_tile(const cadre__tile *t, const __m512 *acc, int n_rows)
{
    const __mmask16 outputs = lanes_of(t->n_outputs);

    UNROLL
    for (int r = 0; r < n_rows; r++) {
        float *y = t->y + (size_t)r * t->y_stride;
        __m512 sum = acc[r];
        if (t->accumulate)
            sum = _mm512_add_ps(_mm512_maskz_loadu_ps(outputs, y), sum);
        _mm512_mask_storeu_ps(y, outputs, sum);
    }
}

/* NAME_1 ... NAME_8 from NAME(t, n_rows), and the op of the type made of them. */
#define TILE_FUNCTION(name, n)                                                           \
    static void name##_##n(const cadre__tile *t)                                         \
    {                                                                                    \
        name(t, n);                                                                      \
    }
#define MATMUL(name)                                                                     \
    TILE_FUNCTION(name, 1)                                                               \
    TILE_FUNCTION(name, 2)                                                               \
    TILE_FUNCTION(name, 3)                                                               \
    TILE_FUNCTION(name, 4)                                                               \
    TILE_FUNCTION(name, 5)                                                               \
    TILE_FUNCTION(name, 6)                                                               \
    TILE_FUNCTION(name, 7)                                                               \
    TILE_FUNCTION(name, 8)                                                               \
    void cadre__avx512_matmul_##name(                                                    \
        const cadre_matrix *w, size_t first_panel, size_t n_panels, const cadre_rows *x, \
        size_t first_row, size_t n_rows, float *y, size_t y_stride, int accumulate)      \
    {                                                                                    \
        static cadre__tile_fn *const by_rows[TILE_ROWS] = {name##_1, name##_2, name##_3, \
                                                           name##_4, name##_5, name##_6, \
                                                           name##_7, name##_8};          \
        static const cadre__tile_set set = {by_rows, TILE_ROWS};                         \
        cadre__multiply(&set, w, first_panel, n_panels, x, first_row, n_rows, y,         \
                        y_stride, accumulate);                                           \
    }

#endif
