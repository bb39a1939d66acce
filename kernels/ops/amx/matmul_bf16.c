/* ops/amx/matmul_bf16.c - products of BF16 weights by tdpbf16ps.
 *
 * One instruction adds 32 k to a sum: one chain of fused multiplications over the even k
 * and one over the odd ones, both from zero, and then the sum of the two (Intel 64 and
 * IA-32 Architectures Software Developer's Manual, volume 2). vdpbf16ps rounds otherwise,
 * so all numbers of rows go this way. */
#include "ops/amx/amx.h"
#include "ops/amx/tile.h"

enum {
    STEP_K = 32,                        /* k of an instruction */
    STEP_BYTES = STEP_K * 2,            /* of a row at these */
    STEP_WEIGHTS = 16 * TILE_ROW_BYTES, /* of a panel */
    N_TILES = 2,                        /* of a part */
    N_PANELS = 2
};

/* What the instructions of a part read, and where they leave the sums. */
typedef struct operands {
    const uint8_t *values[N_TILES], *panel[N_PANELS];
    size_t row_bytes, n_in;
    _Alignas(64) float sums[N_TILES][N_PANELS][TILE_HEIGHT][CADRE_PANEL];
} operands;

/* Up to four sums grow in turn, so that none waits for its own last product. */
INLINE void multiply(operands *o, int two_tiles, int two_panels)
{
    size_t at = 0, weights_at = 0;

    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t k = 0; k < o->n_in; k += STEP_K) {
        LOAD_TILE(4, o->values[0] + at, o->row_bytes);
        LOAD_TILE(6, o->panel[0] + weights_at, TILE_ROW_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        if (two_panels) {
            LOAD_TILE(7, o->panel[1] + weights_at, TILE_ROW_BYTES);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (two_tiles) {
            LOAD_TILE(5, o->values[1] + at, o->row_bytes);
            _tile_dpbf16ps(2, 5, 6);
            if (two_panels)
                _tile_dpbf16ps(3, 5, 7);
        }
        at += STEP_BYTES;
        weights_at += STEP_WEIGHTS;
    }
    _tile_stored(0, o->sums[0][0], TILE_ROW_BYTES);
    _tile_stored(1, o->sums[0][1], TILE_ROW_BYTES);
    _tile_stored(2, o->sums[1][0], TILE_ROW_BYTES);
    _tile_stored(3, o->sums[1][1], TILE_ROW_BYTES);
}

static void compute_part(const product *p, const part *t)
{
    const size_t panel_bytes = cadre_panel_bytes(CADRE_W_BF16, p->w->n_in);
    const int two_tiles = t->n_tiles == 2, two_panels = t->n_panels == 2;
    operands o;

    o.n_in = p->x->stride;
    o.row_bytes = p->x->stride * sizeof(uint16_t);
    for (size_t i = 0; i < t->n_tiles; i++)
        o.values[i] = (const uint8_t *)p->x->values +
                      first_row_of(p, t->first_tile + i) * o.row_bytes;
    for (size_t i = 0; i < t->n_panels; i++)
        o.panel[i] = (const uint8_t *)p->w->data +
                     (p->first_panel + t->first_panel + i) * panel_bytes;

    if (two_tiles && two_panels)
        multiply(&o, 1, 1);
    else if (two_tiles)
        multiply(&o, 1, 0);
    else if (two_panels)
        multiply(&o, 0, 1);
    else
        multiply(&o, 0, 0);

    for (size_t i = 0; i < t->n_tiles; i++)
        for (size_t j = 0; j < t->n_panels; j++) {
            const size_t tile = t->first_tile + i;
            store_sums(p, tile, t->first_panel + j, own_rows(&p->tiles, tile),
                       o.sums[i][j] + rows_before_own(&p->tiles, tile));
        }
}

/* NOLINTNEXTLINE(readability-function-size): a matrix product takes so many arguments. */
void cadre__amx_matmul_bf16(const cadre_matrix *w, size_t first_panel, size_t n_panels,
                            const cadre_rows *x, size_t first_row, size_t n_rows,
                            float *y, size_t y_stride, int accumulate)
{
    if (n_rows == 0)
        return;
    const product p = {w,        first_panel, n_panels,
                       x,        y,           first_row,
                       y_stride, accumulate,  row_tiles_of(n_rows)};
    shape_tiles(p.tiles.height, STEP_BYTES);
    compute_parts(&p, x->stride * sizeof(uint16_t), N_TILES, N_PANELS, compute_part);
    _tile_release();
}
