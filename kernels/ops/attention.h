/* ops/attention.h - what the levels share of attention (kv.h): the rows of a call in
 * tiles, their weights and the last step. A level's own are the two products between.
 */
#ifndef CADRE_OPS_ATTENTION_H
#define CADRE_OPS_ATTENTION_H

#include "ops/elementary.h"
#include "ops/kv.h"
#include <cadre/ops.h>

/* Some query rows (token, head) of a call. In scratch each has a score per position,
 * which tile_weigh() makes its weight, and a sum per component. */
typedef struct attention_tile {
    const cadre_attention *a;
    cadre__kv_layout at;
    size_t first_row, n_rows, n_pages;
    float *scores;  /* [CADRE__ATTENTION_ROWS][n_pages * CADRE_KV_PAGE] */
    float *sums;    /* [CADRE__ATTENTION_ROWS][padded] */
    float *inverse; /* [CADRE__ATTENTION_ROWS]: 1 / sum of a row's weights */
} attention_tile;

static inline size_t tile_token(const attention_tile *t, size_t r)
{
    return (t->first_row + r) / t->a->group;
}

static inline size_t tile_head(const attention_tile *t, size_t r)
{
    return (t->first_row + r) % t->a->group;
}

/* The last position that a row sees. */
static inline size_t tile_position(const attention_tile *t, size_t r)
{
    return t->a->first_position + tile_token(t, r);
}

static inline const float *tile_q(const attention_tile *t, size_t r)
{
    return t->a->q + tile_token(t, r) * t->a->q_stride + tile_head(t, r) * t->a->head_dim;
}

static inline float *tile_scores(const attention_tile *t, size_t r)
{
    return t->scores + r * t->n_pages * CADRE_KV_PAGE;
}

static inline float *tile_sums(const attention_tile *t, size_t r)
{
    return t->sums + r * t->at.padded;
}

static inline const uint8_t *tile_page(const attention_tile *t, size_t page)
{
    return t->a->blocks + t->a->pages[page] * t->a->page_stride;
}

/* Multiply what a row has at the positions of a page by the keys' or values' scales. */
static inline void scale_positions(float *x, const uint8_t *scales, float factor)
{
    const float *scale = (const float *)(const void *)scales;

    for (size_t p = 0; p < CADRE_KV_PAGE; p++)
        x[p] *= scale[p] * factor;
}

/* Scores of one row, which are plain sums of products, to weights. */
static inline void weigh_row(const attention_tile *t, size_t r)
{
    const size_t n = tile_position(t, r) + 1, n_all = t->n_pages * CADRE_KV_PAGE;
    const int scaled = cadre__kv_scaled(t->a->type);
    float *x = tile_scores(t, r);

    if (scaled)
        for (size_t page = 0; page < t->n_pages; page++)
            scale_positions(x + page * CADRE_KV_PAGE,
                            tile_page(t, page) + t->at.key_scales, t->a->scale);
    else
        for (size_t p = 0; p < n_all; p++)
            x[p] *= t->a->scale;
    t->inverse[r] = 1.0f / exp_sum(x, n, row_max(x, n), 1.0f, x);
    memset(x + n, 0, (n_all - n) * sizeof *x);
    if (scaled)
        for (size_t page = 0; page < t->n_pages; page++)
            scale_positions(x + page * CADRE_KV_PAGE,
                            tile_page(t, page) + t->at.value_scales, 1.0f);
}

static inline void tile_weigh(const attention_tile *t)
{
    for (size_t r = 0; r < t->n_rows; r++)
        weigh_row(t, r);
}

/* Sums to outputs. */
static inline void tile_finish(const attention_tile *t)
{
    const cadre_attention *a = t->a;

    for (size_t r = 0; r < t->n_rows; r++) {
        const float *sums = tile_sums(t, r), inverse = t->inverse[r];
        float *out =
            a->out + tile_token(t, r) * a->out_stride + tile_head(t, r) * a->head_dim;
        for (size_t d = 0; d < a->head_dim; d++)
            out[d] = sums[d] * inverse + 0.0f;
    }
}

/* Call attend for all rows of a call, tile by tile. */
static inline void attention_tiles(const cadre_attention *a,
                                   void (*attend)(const attention_tile *t))
{
    const size_t n_rows = a->n_tokens * a->group;
    float inverse[CADRE__ATTENTION_ROWS];

    for (size_t first = 0; first < n_rows; first += CADRE__ATTENTION_ROWS) {
        const size_t left = n_rows - first;
        attention_tile t = {.a = a, .first_row = first, .inverse = inverse};
        t.at = cadre__kv_layout_of(a->type, a->head_dim);
        t.n_rows = left < CADRE__ATTENTION_ROWS ? left : CADRE__ATTENTION_ROWS;
        t.n_pages = tile_position(&t, t.n_rows - 1) / CADRE_KV_PAGE + 1;
        t.scores = a->scratch;
        t.sums = t.scores + CADRE__ATTENTION_ROWS * t.n_pages * CADRE_KV_PAGE;
        attend(&t);
    }
}

#endif
