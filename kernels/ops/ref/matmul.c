/* ops/ref/matmul.c - matrix products as packed.h defines them, weight by weight. */
#include "ops/half.h"
#include "ops/levels.h"
#include "ops/panel.h"
#include <math.h>

enum { PANEL = CADRE_PANEL, TILE = 32 };

/* Sums of up to TILE rows with a panel. */
typedef float tile_sums[TILE][PANEL];

/* Sum of the products of a half block of 16 k. */
static int32_t dot_16(const cadre__panel_block *block, const int8_t *q, size_t half)
{
    int32_t sum = 0;

    for (size_t i = 16 * half; i < 16 * half + 16; i++)
        sum += (block->u[i] - block->zero) * q[i];
    return sum;
}

/* One block of 32 k of one element. */
static float add_block(cadre_wtype type, const cadre__panel_block *block,
                       const cadre_rows *x, size_t at, float acc)
{
    const int8_t *q = (const int8_t *)x->values + 32 * at;
    const int32_t first = dot_16(block, q, 0), second = dot_16(block, q, 1);
    const float scale = x->scales[at];

    if (type == CADRE_W_Q6_K) {
        acc = fmaf((float)first, block->scale[0] * scale, acc);
        return fmaf((float)second, block->scale[1] * scale, acc);
    }
    acc = fmaf((float)(first + second), block->scale[0] * scale, acc);
    if (type == CADRE_W_Q4_K || type == CADRE_W_Q5_K)
        acc = fmaf(-block->minimum, x->offsets[at], acc);
    return acc;
}

static void sum_blocks(cadre_wtype type, const uint8_t *panel, const cadre_rows *x,
                       size_t first_row, size_t n_rows, tile_sums acc)
{
    const size_t n_blocks = x->stride / 32;

    for (size_t o = 0; o < PANEL; o++)
        for (size_t b = 0; b < n_blocks; b++) {
            cadre__panel_block block;
            cadre__panel_block_read(type, panel, b, o, &block);
            for (size_t r = 0; r < n_rows; r++)
                acc[r][o] =
                    add_block(type, &block, x, (first_row + r) * n_blocks + b, acc[r][o]);
        }
}

/* Row values at k as f32; bf16 ones are swapped in pairs. */
static float row_value(const cadre_rows *x, size_t row, size_t k)
{
    const size_t at = row * x->stride + k;

    if (x->form == CADRE_FORM_F32)
        return ((const float *)x->values)[at];
    return bf16_to_f32(((const uint16_t *)x->values)[at]);
}

static void sum_floats(cadre_wtype type, const uint8_t *panel, const cadre_rows *x,
                       size_t first_row, size_t n_rows, tile_sums acc)
{
    const size_t swap = type == CADRE_W_BF16 ? 1 : 0; /* the odd k of a pair first */

    for (size_t i = 0; i < x->stride; i++) {
        const size_t k = i ^ swap;
        float w[PANEL];
        for (size_t o = 0; o < PANEL; o++)
            w[o] = cadre__panel_weight(type, panel, k, o);
        for (size_t r = 0; r < n_rows; r++) {
            const float value = row_value(x, first_row + r, k);
            for (size_t o = 0; o < PANEL; o++)
                acc[r][o] = fmaf(value, w[o], acc[r][o]);
        }
    }
}

static void matmul(const cadre_matrix *w, size_t first_panel, size_t n_panels,
                   const cadre_rows *x, size_t first_row, size_t n_rows, float *y,
                   size_t y_stride, int accumulate)
{
    const size_t panel_bytes = cadre_panel_bytes(w->type, w->n_in);

    for (size_t p = 0; p < n_panels; p++) {
        const size_t left = w->n_out - (first_panel + p) * PANEL;
        const size_t n_out = left < PANEL ? left : PANEL;
        const uint8_t *panel = (const uint8_t *)w->data + (first_panel + p) * panel_bytes;

        for (size_t r0 = 0; r0 < n_rows; r0 += TILE) {
            const size_t n = n_rows - r0 < TILE ? n_rows - r0 : TILE;
            tile_sums acc = {{0}};
            if (x->form == CADRE_FORM_Q8)
                sum_blocks(w->type, panel, x, first_row + r0, n, acc);
            else
                sum_floats(w->type, panel, x, first_row + r0, n, acc);
            for (size_t r = 0; r < n; r++)
                for (size_t o = 0; o < n_out; o++) {
                    float *out = y + (r0 + r) * y_stride + p * PANEL + o;
                    *out = accumulate ? *out + acc[r][o] : acc[r][o];
                }
        }
    }
}

void cadre__ref_fill_matmul(cadre_ops *ops)
{
    for (size_t type = 0; type < CADRE_N_WTYPES; type++)
        ops->matmul[type] = matmul;
}
