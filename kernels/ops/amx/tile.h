/* ops/amx/tile.h - the eight tile registers: which is used for what, their shapes, and in
 * which order a product is computed with them.
 *
 * Registers 0 to 3 hold sums [row][output], 4 and 5 activations [row][k], 6 and 7 weights
 * as packed.h lays them out: [k / 4 or k / 2][output][4 or 2]. gcc wants their numbers as
 * literals.
 */
#ifndef CADRE_OPS_AMX_TILE_H
#define CADRE_OPS_AMX_TILE_H

#include "ops/avx512/tile.h"

enum {
    TILE_HEIGHT = 16,    /* rows of a register, at most */
    TILE_ROW_BYTES = 64, /* bytes of such a row, at most */

    /* Rows that pass over a panel before the next panel comes: with it they shall stay in
     * the second level of cache. */
    RESIDENT_BYTES = 512 * 1024
};

/* What ldtilecfg reads. */
typedef struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

/* Give this thread's tile registers their shapes, for n_rows rows and row_bytes bytes of
 * each at a time. Each op does this, since others may have used the registers before, and
 * gives them back by _tile_release(). */
INLINE void shape_tiles(size_t n_rows, size_t row_bytes)
{
    tile_shapes s = {.palette = 1};

    for (size_t i = 0; i < 8; i++) {
        s.rows[i] = (uint8_t)(i < 6 ? n_rows : row_bytes / 4);
        s.row_bytes[i] = (uint16_t)(i == 4 || i == 5 ? row_bytes : TILE_ROW_BYTES);
    }
    /* gcc 12 believes that only the first 8 bytes are read. */
    __asm__ volatile("" : "+m"(s));
    _tile_loadconfig(&s);
}

/* gcc does not know that a tile is read from memory: what has been written before has to
 * be there. */
#define LOAD_TILE(tile, from, distance)                                                  \
    do {                                                                                 \
        __asm__ volatile("" ::: "memory");                                               \
        _tile_loadd(tile, from, distance);                                               \
    } while (0)

/* ---- Rows as tiles ---- */

/* Rows cut into tiles of one height, so that the shapes stay. Where the heights do not
 * add up, the last tile begins with rows of the tile before it; its own are the others.
 */
typedef struct row_tiles {
    size_t n_rows, n_tiles, height;
} row_tiles;

/* n_rows is not 0. */
INLINE row_tiles row_tiles_of(size_t n_rows)
{
    const size_t n = (n_rows + TILE_HEIGHT - 1) / TILE_HEIGHT;
    return (row_tiles){n_rows, n, (n_rows + n - 1) / n};
}

/* How many rows are the tile's own, and how many stand before them. */
INLINE size_t own_rows(const row_tiles *t, size_t tile)
{
    const size_t left = t->n_rows - tile * t->height;
    return left < t->height ? left : t->height;
}

INLINE size_t rows_before_own(const row_tiles *t, size_t tile)
{
    return t->height - own_rows(t, tile);
}

/* ---- A product ---- */

/* The arguments of a cadre_matmul_fn. */
typedef struct product {
    const cadre_matrix *w;
    size_t first_panel, n_panels;
    const cadre_rows *x;
    float *y;
    size_t first_row, y_stride;
    int accumulate;
    row_tiles tiles;
} product;

/* Some tiles times some panels, which count from the product's first ones. */
typedef struct part {
    size_t first_tile, n_tiles, first_panel, n_panels;
} part;

typedef void part_fn(const product *p, const part *t);

INLINE size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Compute p in parts of so many tiles and panels. */
INLINE void compute_parts(const product *p, size_t row_bytes, size_t n_tiles,
                          size_t n_panels, part_fn *compute)
{
    const size_t all = p->tiles.n_tiles;
    size_t step = RESIDENT_BYTES / (row_bytes * p->tiles.height) / n_tiles * n_tiles;

    step = step < n_tiles ? n_tiles : step;
    for (size_t first = 0; first < all; first += step) {
        const size_t end = smaller(first + step, all);
        for (size_t panel = 0; panel < p->n_panels; panel += n_panels)
            for (size_t tile = first; tile < end; tile += n_tiles) {
                const part t = {tile, smaller(n_tiles, end - tile), panel,
                                smaller(n_panels, p->n_panels - panel)};
                compute(p, &t);
            }
    }
}

/* Where the rows of a tile lie, its own or not. */
INLINE size_t first_row_of(const product *p, size_t tile)
{
    return p->first_row + tile * p->tiles.height - rows_before_own(&p->tiles, tile);
}

/* Sums of n_rows rows from the own ones of a tile on, to y. */
INLINE void store_sums(const product *p, size_t tile, size_t panel, size_t n_rows,
                       float (*sums)[CADRE_PANEL])
{
    const size_t left = p->w->n_out - (p->first_panel + panel) * CADRE_PANEL;
    const __mmask16 outputs = lanes_of(left);
    float *y = p->y + tile * p->tiles.height * p->y_stride + panel * CADRE_PANEL;

    for (size_t r = 0; r < n_rows; r++, y += p->y_stride) {
        __m512 sum = _mm512_load_ps(sums[r]);
        if (p->accumulate)
            sum = _mm512_add_ps(_mm512_maskz_loadu_ps(outputs, y), sum);
        _mm512_mask_storeu_ps(y, outputs, sum);
    }
}

#endif
