/* step.c - the transformer, walked through by all threads of a rank side by side.
 *
 * A layer (Vaswani et al. 2017, as in Touvron et al. 2023): the residual x gets attention
 * of its norm, then a gated feed-forward of its norm. In the last layer only rows whose
 * logits are wanted go on once keys and values are stored.
 */
#include "step.h"
#include <cadre/coll.h>
#include <math.h>
#include <string.h>

/* Where a thread is. */
typedef struct walk {
    tf_forward *f;
    int thread;
    const tf_scratch *scratch;
    size_t layer;
    float *x; /* the residual of the rows that are still computed */
    size_t n; /* these rows */
} walk;

/* ---- Dividing work ---- */

static void my_rows(const walk *w, size_t n_rows, size_t *first, size_t *n)
{
    tf_team_part(n_rows, (size_t)tf_team_size(w->f->team), (size_t)w->thread, first, n);
}

/* The next portion of n_items, at most `most` at a time; 0 if none is left. Portions
 * shrink as the end comes near, so that threads end together (guided self-scheduling,
 * Polychronopoulos and Kuck 1987); two panels go together where several rows share them.
 */
static size_t next_portion(const walk *w, tf_phase phase, size_t n_items, size_t most,
                           size_t *first)
{
    atomic_size_t *next = &w->f->portions[w->layer * TF_N_PHASES + (size_t)phase];
    const size_t n_threads = (size_t)tf_team_size(w->f->team), least = w->n > 1 ? 2 : 1;
    size_t portion;

    *first = atomic_load_explicit(next, memory_order_relaxed);
    do {
        if (*first >= n_items)
            return 0;
        const size_t left = n_items - *first, share = left / (2 * n_threads);
        portion = share < least ? least : share;
        portion = portion < most ? portion : most;
        portion = portion < left ? portion : left;
    } while (!atomic_compare_exchange_weak_explicit(
        next, first, *first + portion, memory_order_relaxed, memory_order_relaxed));
    return portion;
}

/* ---- Parts of ranks ---- */

/* What ranks compute of n rows stands part behind part in the stage, [n][width] each. */
static float *part_of(const tf_forward *f, const tf_split *split, size_t n, int rank)
{
    return f->stage + n * split->first[rank];
}

/* All threads have written this rank's part: every rank gets all. 0 if that failed. */
static int gather(const walk *w, const tf_split *split, size_t n)
{
    tf_forward *f = w->f;

    tf_team_barrier(f->team);
    if (f->size == 1)
        return 1;
    if (w->thread == 0) {
        const cadre_coll_opts opts = {.deadline_ns =
                                          cadre_deadline_in_ms(f->options.timeout_ms)};
        for (int r = 0; r < f->size; r++)
            f->counts[r] = n * tf_split_width(split, r);
        f->status = cadre_allgather(f->options.shard, CADRE_IN_PLACE, f->stage, f->counts,
                                    CADRE_F32, &opts);
    }
    tf_team_barrier(f->team);
    return f->status == CADRE_OK;
}

/* Row `row` of n, put together. */
static void assemble(const tf_forward *f, const tf_split *split, size_t n, size_t row,
                     float *out)
{
    for (int r = 0; r < f->size; r++) {
        const size_t width = tf_split_width(split, r);
        if (width > 0)
            memcpy(out + split->first[r], part_of(f, split, n, r) + row * width,
                   width * sizeof(float));
    }
}

/* ---- Matrices and their inputs ---- */

static unsigned form_of(const cadre_matrix *matrix)
{
    return 1u << cadre_wtype_form(matrix->type);
}

/* Rows of x, `n` from `first`, as an input in each of the forms asked for. */
static void convert(const walk *w, tf_input input, unsigned forms, const float *x,
                    size_t stride, size_t n, size_t first)
{
    tf_forward *f = w->f;

    for (int form = 0; form < CADRE_N_FORMS; form++)
        if (forms & 1u << form)
            f->ops->to_rows(x, stride, n, &f->inputs[input][form], first);
}

static void multiply(const walk *w, const cadre_matrix *matrix, size_t first_panel,
                     size_t n_panels, tf_input input, float *y, size_t stride,
                     int accumulate)
{
    const tf_forward *f = w->f;

    f->ops->matmul[matrix->type](matrix, first_panel, n_panels,
                                 &f->inputs[input][cadre_wtype_form(matrix->type)], 0,
                                 w->n, y, stride, accumulate);
}

/* This rank's panels of y = W input, or y += W input, into y itself if the rank is alone,
 * else into its part of the stage. */
static void product(const walk *w, tf_phase phase, const cadre_matrix *matrix,
                    const tf_split *split, tf_input input, float *y, int accumulate)
{
    const tf_forward *f = w->f;
    const int alone = f->size == 1;
    const size_t width = tf_split_width(split, f->rank);
    const size_t first_panel = split->first[f->rank] / CADRE_PANEL;
    const size_t n_panels = (width + CADRE_PANEL - 1) / CADRE_PANEL;
    float *out = alone ? y : part_of(f, split, w->n, f->rank);
    size_t at, n;

    while ((n = next_portion(w, phase, n_panels, TF_MAX_PORTION, &at)) > 0)
        multiply(w, matrix, first_panel + at, n, input, out + at * CADRE_PANEL, width,
                 alone && accumulate);
}

/* x += what ranks have put on the stage, for the residual's row. */
static void add_parts(const walk *w, size_t row)
{
    const tf_forward *f = w->f;
    float *x = w->x + row * f->weights->shape.dim;

    for (int r = 0; r < f->size; r++) {
        const size_t width = tf_split_width(&f->by_dim, r);
        if (width > 0)
            f->ops->bias_add_f32(x + f->by_dim.first[r],
                                 part_of(f, &f->by_dim, w->n, r) + row * width, 1, width);
    }
}

/* The residual's norm as an input. A rank that is not alone first adds the product that
 * was gathered, if there was one. */
static void norm(const walk *w, const float *weight, unsigned forms, int after_product)
{
    const tf_forward *f = w->f;
    const tf_shape *shape = &f->weights->shape;
    size_t first, n;

    my_rows(w, w->n, &first, &n);
    for (size_t row = first; row < first + n; row++) {
        if (after_product && f->size > 1)
            add_parts(w, row);
        f->ops->rmsnorm_f32(w->x + row * shape->dim, weight, shape->eps, shape->dim,
                            w->scratch->row);
        convert(w, TF_IN_DIM, forms, w->scratch->row, shape->dim, 1, row);
    }
    tf_team_barrier(f->team);
}

/* ---- Before the layers ---- */

static void embed(const walk *w)
{
    const tf_forward *f = w->f;
    const size_t dim = f->weights->shape.dim;
    size_t first, n;

    my_rows(w, w->n, &first, &n);
    for (size_t row = first; row < first + n; row++)
        cadre_matrix_row(&f->weights->embedding, (size_t)f->tokens[row],
                         w->x + row * dim);
}

static void turn(const walk *w)
{
    const tf_forward *f = w->f;
    const size_t n_pairs = f->weights->shape.n_rot / 2;
    size_t first, n;

    my_rows(w, w->n, &first, &n);
    for (size_t row = first; row < first + n; row++) {
        for (size_t i = 0; i < n_pairs; i++) {
            const double angle = f->rows[row].position * f->frequencies[i];
            f->cosines[row * n_pairs + i] = (float)cos(angle);
            f->sines[row * n_pairs + i] = (float)sin(angle);
        }
    }
}

/* ---- Attention ---- */

typedef struct projection {
    const cadre_matrix *matrix;
    const tf_panels *panels;
    float *out;
} projection;

static void project(const walk *w, const tf_layer *layer)
{
    const tf_forward *f = w->f;
    const projection all[] = {{&layer->matrices[TF_Q], &f->q, f->q_out},
                              {&layer->matrices[TF_K], &f->k, f->k_out},
                              {&layer->matrices[TF_V], &f->v, f->v_out}};
    const size_t total = f->q.n + f->k.n + f->v.n;
    size_t at, n;

    while ((n = next_portion(w, TF_PHASE_QKV, total, TF_MAX_PORTION, &at)) > 0) {
        const projection *one = all;
        for (size_t now; n > 0; n -= now, at = 0, one++) {
            /* A portion lies within the total, so the search ends within all.
             * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
            for (; at >= one->panels->n; one++)
                at -= one->panels->n;
            now = one->panels->n - at < n ? one->panels->n - at : n;
            multiply(w, one->matrix, one->panels->first + at, now, TF_IN_DIM,
                     one->out + at * CADRE_PANEL, one->panels->stride, 0);
        }
    }
    tf_team_barrier(f->team);
}

/* Bias, norm of each head and rotation for n_heads heads of row, whose first is `head`
 * of the model. */
static void finish_heads(const walk *w, float *x, size_t row, size_t head, size_t n_heads,
                         const float *bias, const float *weight)
{
    const tf_forward *f = w->f;
    const tf_shape *shape = &f->weights->shape;
    const size_t size = shape->head_dim, n_pairs = shape->n_rot / 2;

    if (bias)
        f->ops->bias_add_f32(x, bias + head * size, 1, n_heads * size);
    for (size_t h = 0; weight && h < n_heads; h++)
        f->ops->rmsnorm_f32(x + h * size, weight, shape->eps, size, x + h * size);
    f->ops->rope_f32(x, n_heads, size, shape->n_rot, f->cosines + row * n_pairs,
                     f->sines + row * n_pairs, shape->rope_halves);
}

static uint8_t *block(const tf_forward *f, size_t layer, size_t kv)
{
    return f->kv + (layer * f->heads.n_kv + kv) * f->block_bytes;
}

/* A KV head of a row, and the query heads that read it. */
static void finish_group(const walk *w, const tf_layer *layer, size_t row, size_t kv)
{
    const tf_forward *f = w->f;
    const tf_shape *shape = &f->weights->shape;
    const size_t size = shape->head_dim, kv_head = f->heads.first_kv + kv;
    const float *const *vectors = layer->vectors;
    const tf_row *at = &f->rows[row];
    float *k = f->k_out + row * f->k.stride + f->k.skip + kv * size;
    float *v = f->v_out + row * f->v.stride + f->v.skip + kv * size;
    size_t first, n;

    tf_heads_of_kv(&f->heads, shape->n_heads / shape->n_kv_heads, kv, &first, &n);
    finish_heads(w, f->q_out + row * f->q.stride + f->q.skip + first * size, row,
                 f->heads.first + first, n, vectors[TF_Q_BIAS], vectors[TF_Q_NORM]);
    finish_heads(w, k, row, kv_head, 1, vectors[TF_K_BIAS], vectors[TF_K_NORM]);
    if (vectors[TF_V_BIAS])
        f->ops->bias_add_f32(v, vectors[TF_V_BIAS] + kv_head * size, 1, size);
    f->ops->kv_store(f->options.kv, size,
                     block(f, w->layer, kv) + at->page * f->page_bytes,
                     at->position % CADRE_KV_PAGE, k, v);
}

static void finish(const walk *w, const tf_layer *layer)
{
    const tf_forward *f = w->f;
    size_t first, n;

    my_rows(w, w->n * f->heads.n_kv, &first, &n);
    for (size_t i = first; i < first + n; i++)
        finish_group(w, layer, i / f->heads.n_kv, i % f->heads.n_kv);
    tf_team_barrier(f->team);
}

/* Part `slice` of n_slices of the query heads that read a KV head, for a chunk. */
static void attend_chunk(const walk *w, const tf_chunk *chunk, size_t kv, size_t slice,
                         size_t n_slices)
{
    const tf_forward *f = w->f;
    const tf_shape *shape = &f->weights->shape;
    size_t first, group, from, n;

    tf_heads_of_kv(&f->heads, shape->n_heads / shape->n_kv_heads, kv, &first, &group);
    tf_team_part(group, n_slices, slice, &from, &n);
    if (n == 0)
        return;
    const size_t column = (first + from) * shape->head_dim;
    float *q = f->q_out + chunk->row * f->q.stride + f->q.skip + column;
    cadre_attention a = {.type = f->options.kv,
                         .head_dim = shape->head_dim,
                         .group = n,
                         .blocks = block(f, w->layer, kv),
                         .page_stride = f->page_bytes,
                         .pages = chunk->pages,
                         .first_position = chunk->first_position,
                         .n_tokens = chunk->n_tokens,
                         .scale = 1.0f / sqrtf((float)shape->head_dim),
                         .q = q,
                         .q_stride = f->q.stride,
                         .out = q,
                         .out_stride = f->q.stride,
                         .scratch = w->scratch->attention};
    if (f->size > 1) {
        a.out_stride = tf_split_width(&f->by_heads, f->rank);
        a.out = part_of(f, &f->by_heads, w->n, f->rank) + chunk->out_row * a.out_stride +
                column;
    }
    f->ops->attention(&a);
}

static void attend(const walk *w, const tf_chunk *chunks, size_t n_chunks)
{
    const tf_forward *f = w->f;
    const size_t n_threads = (size_t)tf_team_size(f->team), n_kv = f->heads.n_kv;
    const size_t n_pairs = n_chunks * n_kv;
    /* Few and long sequences: heads of a group are then divided, too. */
    const size_t n_slices =
        n_pairs > 0 && n_pairs < n_threads ? (n_threads + n_pairs - 1) / n_pairs : 1;
    size_t at;

    while (next_portion(w, TF_PHASE_ATTENTION, n_pairs * n_slices, 1, &at) > 0) {
        const size_t pair = at / n_slices;
        attend_chunk(w, &chunks[pair / n_kv], pair % n_kv, at % n_slices, n_slices);
    }
}

/* From here on, only rows that want logits. */
static void keep_rows(walk *w)
{
    tf_forward *f = w->f;
    const size_t dim = f->weights->shape.dim;
    size_t first, n;

    if (f->n_logits == f->n_rows)
        return;
    my_rows(w, f->n_logits, &first, &n);
    for (size_t i = first; i < first + n; i++)
        memcpy(f->x_last + i * dim, f->x + f->kept[i] * dim, dim * sizeof(float));
    w->x = f->x_last;
}

static void convert_attention(const walk *w, unsigned forms)
{
    const tf_forward *f = w->f;
    const size_t n_in = f->weights->shape.n_heads * f->weights->shape.head_dim;
    const int all = w->n == f->n_rows;
    size_t first, n;

    my_rows(w, w->n, &first, &n);
    for (size_t row = first; row < first + n; row++) {
        const float *x = w->scratch->row;
        if (f->size > 1)
            assemble(f, &f->by_heads, w->n, row, w->scratch->row);
        else
            x = f->q_out + (all ? row : f->kept[row]) * f->q.stride;
        convert(w, TF_IN_HEADS, forms, x, n_in, 1, row);
    }
    tf_team_barrier(f->team);
}

/* 0 if the shard failed. */
static int attention(walk *w, const tf_layer *layer)
{
    const tf_forward *f = w->f;
    const cadre_matrix *m = layer->matrices;
    const int last = w->layer + 1 == f->weights->shape.n_layers;

    norm(w, layer->vectors[TF_ATTN_NORM],
         form_of(&m[TF_Q]) | form_of(&m[TF_K]) | form_of(&m[TF_V]), w->layer > 0);
    project(w, layer);
    finish(w, layer);
    if (last)
        w->n = f->n_logits;
    if (w->n == 0)
        return 1;
    attend(w, last ? f->last_chunks : f->chunks, last ? f->n_last_chunks : f->n_chunks);
    if (!gather(w, &f->by_heads, w->n))
        return 0;
    if (last)
        keep_rows(w);
    convert_attention(w, form_of(&m[TF_O]));
    product(w, TF_PHASE_O, &m[TF_O], &f->by_dim, TF_IN_HEADS, w->x, 1);
    return gather(w, &f->by_dim, w->n);
}

/* ---- Feed-forward ---- */

static void gate_and_up(const walk *w, const tf_layer *layer)
{
    const tf_forward *f = w->f;
    const tf_split *split = &f->by_ffn;
    const size_t width = tf_split_width(split, f->rank);
    const size_t first_panel = split->first[f->rank] / CADRE_PANEL;
    const size_t n_panels = (width + CADRE_PANEL - 1) / CADRE_PANEL;
    float *part = part_of(f, split, w->n, f->rank), *up = w->scratch->up;
    size_t at, n;

    while ((n = next_portion(w, TF_PHASE_FFN, n_panels, TF_MAX_PORTION, &at)) > 0) {
        const size_t column = at * CADRE_PANEL, stride = n * CADRE_PANEL;
        const size_t n_columns = width - column < stride ? width - column : stride;
        multiply(w, &layer->matrices[TF_GATE], first_panel + at, n, TF_IN_DIM,
                 part + column, width, 0);
        multiply(w, &layer->matrices[TF_UP], first_panel + at, n, TF_IN_DIM, up, stride,
                 0);
        f->ops->silu_mul_f32(part + column, width, up, stride, w->n, n_columns);
    }
}

static void convert_hidden(const walk *w, unsigned forms)
{
    const tf_forward *f = w->f;
    const size_t ffn = f->weights->shape.ffn;
    size_t first, n;

    my_rows(w, w->n, &first, &n);
    if (f->size == 1) {
        convert(w, TF_IN_FFN, forms, f->stage + first * ffn, ffn, n, first);
    } else {
        for (size_t row = first; row < first + n; row++) {
            assemble(f, &f->by_ffn, w->n, row, w->scratch->row);
            convert(w, TF_IN_FFN, forms, w->scratch->row, ffn, 1, row);
        }
    }
    tf_team_barrier(f->team);
}

static int feed_forward(const walk *w, const tf_layer *layer)
{
    const tf_forward *f = w->f;
    const cadre_matrix *m = layer->matrices;

    norm(w, layer->vectors[TF_FFN_NORM], form_of(&m[TF_GATE]) | form_of(&m[TF_UP]), 1);
    gate_and_up(w, layer);
    if (!gather(w, &f->by_ffn, w->n))
        return 0;
    convert_hidden(w, form_of(&m[TF_DOWN]));
    product(w, TF_PHASE_DOWN, &m[TF_DOWN], &f->by_dim, TF_IN_FFN, w->x, 1);
    return gather(w, &f->by_dim, w->n);
}

/* ---- After the layers ---- */

static void head(const walk *w)
{
    const tf_forward *f = w->f;
    const size_t n_vocab = f->weights->shape.n_vocab;
    size_t first, n;

    norm(w, f->weights->output_norm, form_of(&f->weights->output), 1);
    product(w, TF_PHASE_QKV, &f->weights->output, &f->by_vocab, TF_IN_DIM, f->logits, 0);
    if (!gather(w, &f->by_vocab, w->n) || f->size == 1)
        return;
    my_rows(w, w->n, &first, &n);
    for (size_t row = first; row < first + n; row++)
        assemble(f, &f->by_vocab, w->n, row, f->logits + row * n_vocab);
}

static void step_main(void *context, int thread)
{
    tf_forward *f = context;
    walk w = {.f = f,
              .thread = thread,
              .scratch = &f->scratch[thread],
              .x = f->x,
              .n = f->n_rows};

    embed(&w);
    turn(&w);
    for (; w.layer < f->weights->shape.n_layers; w.layer++) {
        const tf_layer *layer = &f->weights->layers[w.layer];
        if (!attention(&w, layer))
            return;
        if (w.n == 0)
            return;
        if (!feed_forward(&w, layer))
            return;
    }
    head(&w);
}

void tf_step_run(tf_forward *f)
{
    const size_t n = (f->weights->shape.n_layers + 1) * TF_N_PHASES;

    for (size_t i = 0; i < n; i++)
        atomic_init(&f->portions[i], 0);
    tf_team_run(f->team, step_main, f);
}
