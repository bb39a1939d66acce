/* ops/avx512/tile.h - what the tiles (ops/tiles.h) of this level share.
 *
 * A file that includes this defines one function per weight type with the number of rows
 * as a constant argument, and makes from it one function per number of rows, so that
 * loops over rows unroll and arrays of sums become registers.
 */
#ifndef CADRE_OPS_AVX512_TILE_H
#define CADRE_OPS_AVX512_TILE_H

#include "ops/avx512/lanes.h"
#include "ops/packed.h"
#include "ops/tiles.h"

/* As many as the first level of cache has ways on most CPUs: where the distance of rows
 * is a multiple of 4 KiB, their values at one k fall into one set of it. */
enum { TILE_ROWS = 8 };

/* A statement for each row r, 0 to n - 1, of at most eight. Written out, not a loop, so
 * that arrays of sums are registers for any compiler: n and r are constants. */
#define EACH_ROW(n, ...)                                                                 \
    do {                                                                                 \
        IF_ROW(0, n, __VA_ARGS__)                                                        \
        IF_ROW(1, n, __VA_ARGS__)                                                        \
        IF_ROW(2, n, __VA_ARGS__)                                                        \
        IF_ROW(3, n, __VA_ARGS__)                                                        \
        IF_ROW(4, n, __VA_ARGS__)                                                        \
        IF_ROW(5, n, __VA_ARGS__)                                                        \
        IF_ROW(6, n, __VA_ARGS__)                                                        \
        IF_ROW(7, n, __VA_ARGS__)                                                        \
    } while (0)
#define IF_ROW(row, n, ...)                                                              \
    if ((n) > (row)) {                                                                   \
        enum { r = (row) };                                                              \
        __VA_ARGS__;                                                                     \
    }

/* Keep the compiler from knowing that *variable is still the same: it shall not keep in
 * registers, which it lacks, what can be read again. */
#define HIDE(variable) __asm__("" : "+r"(variable))

/* Keep a vector in a register. */
#define KEEP(vector) __asm__("" : "+v"(vector))

/* 4 bytes that are broadcast to a register, whatever they are. */
typedef int32_t __attribute__((may_alias)) four_bytes;

/* Where the rows of a tile lie, at one k: two addresses and two distances reach eight
 * rows by the addressing modes of the CPU, while compilers would keep eight pointers.
 * Addresses, since there may be no fifth row. */
typedef struct row_pointers {
    uintptr_t four[TILE_ROWS / 4]; /* rows 0, 4 */
    size_t one, three;             /* distance of rows, and three times that */
} row_pointers;

INLINE row_pointers pointers_to(const void *rows, size_t row_bytes)
{
    row_pointers at = {.one = row_bytes, .three = 3 * row_bytes};

    for (size_t i = 0; i < TILE_ROWS / 4; i++) {
        at.four[i] = (uintptr_t)rows + 4 * i * row_bytes;
        HIDE(at.four[i]);
    }
    HIDE(at.one);
    HIDE(at.three);
    return at;
}

INLINE row_pointers tile_pointers(const cadre__tile *t)
{
    return pointers_to(t->values, t->row_bytes);
}

INLINE void advance(row_pointers *at, size_t bytes)
{
    for (size_t i = 0; i < TILE_ROWS / 4; i++) {
        at->four[i] += bytes;
        HIDE(at->four[i]); /* or eight pointers run along */
    }
}

/* Four bytes of row r, in every lane. */
INLINE __m512i broadcast_row(const row_pointers *at, int r, size_t byte)
{
    const size_t distance[4] = {0, at->one, 2 * at->one, at->three};
    const four_bytes *four = (const void *)(at->four[r / 4] + distance[r % 4] + byte);
    return _mm512_set1_epi32(*four);
}

/* Fetch in n_steps equal steps what a tile shall look ahead for. */
typedef struct look_ahead {
    uintptr_t at;
    size_t step;
} look_ahead;

INLINE look_ahead look_ahead_from(const cadre__tile *t, size_t n_steps)
{
    return (look_ahead){t->ahead, t->ahead_bytes / n_steps};
}

INLINE void fetch_ahead(look_ahead *ahead)
{
    for (size_t byte = 0; byte < ahead->step; byte += 64)
        _mm_prefetch((const char *)(ahead->at + byte), _MM_HINT_T1);
    ahead->at += ahead->step;
}

INLINE void clear(__m512 *acc, int n_rows)
{
    EACH_ROW(n_rows, acc[r] = _mm512_setzero_ps());
}

INLINE void store_row(const cadre__tile *t, __m512 sum, size_t row)
{
    const __mmask16 outputs = lanes_of(t->n_outputs);
    float *y = t->y + row * t->y_stride;

    if (t->accumulate)
        sum = _mm512_add_ps(_mm512_maskz_loadu_ps(outputs, y), sum);
    _mm512_mask_storeu_ps(y, outputs, sum);
}

INLINE void store_tile(const cadre__tile *t, const __m512 *acc, int n_rows)
{
    EACH_ROW(n_rows, store_row(t, acc[r], r));
}

/* Sums of a tile: of one panel's outputs or, where n_panels is 2, of two panels that lie
 * one behind the other. Two share what is broadcast of a row: one load for two products,
 * of which the CPU has units for as many. */
typedef struct float_sums {
    __m512 of[2][TILE_ROWS];
} float_sums;

/* The same vector of each panel. */
typedef struct float_pair {
    __m512 of[2];
} float_pair;

INLINE void clear_sums(float_sums *acc, int n_rows, int n_panels)
{
    for (int p = 0; p < n_panels; p++)
        /* cppcheck-suppress uninitvar; this is what initialises. */
        clear(acc->of[p], n_rows);
}

INLINE void store_panels(const cadre__tile *t, const float_sums *acc, int n_rows,
                         int n_panels)
{
    cadre__tile second = *t;

    store_tile(t, acc->of[0], n_rows);
    if (n_panels == 1)
        return;
    second.y += CADRE_PANEL;
    second.n_outputs -= CADRE_PANEL;
    store_tile(&second, acc->of[1], n_rows);
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
        static const cadre__tile_set set = {by_rows, TILE_ROWS, NULL, 0};                \
        cadre__multiply(&set, w, first_panel, n_panels, x, first_row, n_rows, y,         \
                        y_stride, accumulate);                                           \
    }

/* The same from NAME(t, n_rows, n_panels), with tiles of two panels besides: these have
 * six rows at most, so that all sums are registers. More than TILE_ROWS rows cut into
 * nearly equal parts of at most six are at least four each. */
enum { PAIR_ROWS = 6 };
#define PAIR_FUNCTION(name, n, n_panels)                                                 \
    static void name##_##n##x##n_panels(const cadre__tile *t)                            \
    {                                                                                    \
        name(t, n, n_panels);                                                            \
    }
#define MATMUL_PAIRS(name)                                                               \
    PAIR_FUNCTION(name, 1, 1)                                                            \
    PAIR_FUNCTION(name, 2, 1)                                                            \
    PAIR_FUNCTION(name, 3, 1)                                                            \
    PAIR_FUNCTION(name, 4, 1)                                                            \
    PAIR_FUNCTION(name, 5, 1)                                                            \
    PAIR_FUNCTION(name, 6, 1)                                                            \
    PAIR_FUNCTION(name, 7, 1)                                                            \
    PAIR_FUNCTION(name, 8, 1)                                                            \
    PAIR_FUNCTION(name, 4, 2)                                                            \
    PAIR_FUNCTION(name, 5, 2)                                                            \
    PAIR_FUNCTION(name, 6, 2)                                                            \
    void cadre__avx512_matmul_##name(                                                    \
        const cadre_matrix *w, size_t first_panel, size_t n_panels, const cadre_rows *x, \
        size_t first_row, size_t n_rows, float *y, size_t y_stride, int accumulate)      \
    {                                                                                    \
        static cadre__tile_fn *const by_rows[TILE_ROWS] = {                              \
            name##_1x1, name##_2x1, name##_3x1, name##_4x1,                              \
            name##_5x1, name##_6x1, name##_7x1, name##_8x1};                             \
        static cadre__tile_fn *const pairs[PAIR_ROWS] = {                                \
            [3] = name##_4x2, [4] = name##_5x2, [5] = name##_6x2};                       \
        static const cadre__tile_set set = {by_rows, TILE_ROWS, pairs, PAIR_ROWS};       \
        cadre__multiply(&set, w, first_panel, n_panels, x, first_row, n_rows, y,         \
                        y_stride, accumulate);                                           \
    }

#endif
