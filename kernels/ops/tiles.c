/* ops/tiles.c - in which order the tiles of a product are computed. */
#include "ops/tiles.h"

/* Rows that pass over a panel before the next panel comes: with the panel they shall stay
 * in the second level of cache. */
enum { RESIDENT_BYTES = 512 * 1024 };

/* Where a panel is used by one tile alone, it streams through: so far ahead of it memory
 * is asked for more. With few rows it streams so fast that asking only disturbs the CPU's
 * own prefetchers. */
enum { STREAM_AHEAD_BYTES = 8 * 1024, STREAM_ROWS = 2 };

/* Tile i of the n_tiles of `panels_bytes` of weights fetches its share of the next ones,
 * which lie behind. What is no more of this matrix does no harm. */
static void look_ahead(cadre__tile *t, size_t panels_bytes, size_t i, size_t n_tiles,
                       size_t n_rows)
{
    t->ahead_bytes = n_rows <= STREAM_ROWS ? 0 : panels_bytes / n_tiles;
    if (n_tiles == 1)
        t->ahead = (uintptr_t)t->panel + STREAM_AHEAD_BYTES;
    else
        t->ahead = (uintptr_t)t->panel + panels_bytes + i * t->ahead_bytes;
}

/* One panel, or a pair, times n_rows rows, in tiles of nearly equal size. */
static void panels_times_rows(cadre__tile_fn *const *by_rows, size_t max_rows,
                              const cadre__tile *first, size_t panels_bytes,
                              size_t n_rows)
{
    const size_t n_tiles = (n_rows + max_rows - 1) / max_rows;

    for (size_t i = 0; i < n_tiles; i++) {
        const size_t from = i * n_rows / n_tiles, to = (i + 1) * n_rows / n_tiles;
        cadre__tile t = *first;
        t.values += from * t.row_bytes;
        if (t.scales) {
            t.scales += from * t.row_blocks;
            t.offsets += from * t.row_blocks;
            t.sums += 2 * from * t.row_blocks;
        }
        t.y += from * t.y_stride;
        look_ahead(&t, panels_bytes, i, n_tiles, n_rows);
        by_rows[to - from - 1](&t);
    }
}

/* Rows from `row` on, as they are for every panel. */
static cadre__tile rows_from(const cadre_rows *x, size_t row)
{
    static const size_t value_bytes[CADRE_N_FORMS] = {
        [CADRE_FORM_F32] = 4, [CADRE_FORM_BF16] = 2, [CADRE_FORM_Q8] = 1};
    const size_t row_bytes = x->stride * value_bytes[x->form];
    cadre__tile t = {.n_in = x->stride,
                     .values = (const uint8_t *)x->values + row * row_bytes,
                     .row_bytes = row_bytes,
                     .row_blocks = x->stride / 32};

    if (x->form == CADRE_FORM_Q8) {
        t.scales = x->scales + row * t.row_blocks;
        t.offsets = x->offsets + row * t.row_blocks;
        t.sums = x->sums + 2 * row * t.row_blocks;
    }
    return t;
}

/* NOLINTNEXTLINE(readability-function-size): a matrix product takes so many arguments. */
void cadre__multiply(const cadre__tile_set *set, const cadre_matrix *w,
                     size_t first_panel, size_t n_panels, const cadre_rows *x,
                     size_t first_row, size_t n_rows, float *y, size_t y_stride,
                     int accumulate)
{
    const size_t panel_bytes = cadre_panel_bytes(w->type, w->n_in);
    const size_t row_bytes = rows_from(x, 0).row_bytes;
    size_t step = RESIDENT_BYTES / row_bytes / set->max_rows * set->max_rows;

    step = step < 4 * set->max_rows ? 4 * set->max_rows : step;
    for (size_t row = 0; row < n_rows; row += step) {
        const size_t n = n_rows - row < step ? n_rows - row : step;
        cadre__tile t = rows_from(x, first_row + row);

        t.y_stride = y_stride;
        t.panel_bytes = panel_bytes;
        t.accumulate = accumulate;
        for (size_t p = 0, taken; p < n_panels; p += taken) {
            const size_t panel = first_panel + p;
            const size_t left = w->n_out - panel * CADRE_PANEL;
            /* Panels that stream through one tile come from memory, which gives most
             * if it is read at one place. */
            const int pair = set->pairs && n > set->max_rows && p + 1 < n_panels;
            taken = pair ? 2 : 1;
            t.panel = (const uint8_t *)w->data + panel * panel_bytes;
            t.y = y + row * y_stride + p * CADRE_PANEL;
            t.n_outputs = left < taken * CADRE_PANEL ? left : taken * CADRE_PANEL;
            panels_times_rows(pair ? set->pairs : set->by_rows,
                              pair ? set->max_pair_rows : set->max_rows, &t,
                              taken * panel_bytes, n);
        }
    }
}
