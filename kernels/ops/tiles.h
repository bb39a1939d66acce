/* ops/tiles.h - a matrix product cut into tiles: one panel times a few rows, whose sums a
 * level keeps in registers from the first k to the last. */
#ifndef CADRE_OPS_TILES_H
#define CADRE_OPS_TILES_H

#include <cadre/ops.h>

typedef struct cadre__tile {
    const uint8_t *panel;
    size_t panel_bytes;
    size_t n_in;           /* rounded up to 64 */
    const uint8_t *values; /* of the first row */
    size_t row_bytes;
    const float *scales, *offsets; /* Q8: of the first row; a row has row_blocks */
    const int32_t *sums;           /* twice as many */
    size_t row_blocks;
    /* Address of weights that come soon, to be brought into the cache in the course of
     * this tile; it may lie past them. */
    uintptr_t ahead;
    size_t ahead_bytes;
    float *y;
    size_t y_stride;
    size_t n_outputs; /* that the matrix has of the panel's 16, or the two panels' 32 */
    int accumulate;
} cadre__tile;

typedef void cadre__tile_fn(const cadre__tile *t);

/* by_rows[n - 1] computes tiles of n rows, for n to max_rows; pairs, if not NULL, does so
 * for two panels at a time and n to max_pair_rows, where there are more than max_rows
 * rows. */
typedef struct cadre__tile_set {
    cadre__tile_fn *const *by_rows;
    size_t max_rows;
    cadre__tile_fn *const *pairs;
    size_t max_pair_rows;
} cadre__tile_set;

/* The product, arguments as of cadre_matmul_fn, by calls of the set's functions. */
void cadre__multiply(const cadre__tile_set *set, const cadre_matrix *w,
                     size_t first_panel, size_t n_panels, const cadre_rows *x,
                     size_t first_row, size_t n_rows, float *y, size_t y_stride,
                     int accumulate);

#endif
