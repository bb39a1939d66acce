/* forward.c - a forward pass's memory, and what a step is to compute. */
#include "step.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, MAX_ROWS = 1 << 20 };
#define HUGE_PAGE ((size_t)2 << 20)

/* ---- Shares ---- */

static cadre_status split(tf_forward *f)
{
    const tf_shape *shape = &f->weights->shape;
    const size_t head = shape->head_dim;

    f->heads = tf_split_heads(shape, f->rank, f->size);
    f->q = tf_panels_cover(f->heads.first * head, f->heads.n * head);
    f->k = tf_panels_cover(f->heads.first_kv * head, f->heads.n_kv * head);
    f->v = f->k;
    CADRE_TRY(
        tf_split_create(shape->n_heads * head, head, f->rank, f->size, &f->by_heads));
    CADRE_TRY(tf_split_create(shape->dim, CADRE_PANEL, f->rank, f->size, &f->by_dim));
    CADRE_TRY(tf_split_create(shape->ffn, CADRE_PANEL, f->rank, f->size, &f->by_ffn));
    return tf_split_create(shape->n_vocab, CADRE_PANEL, f->rank, f->size, &f->by_vocab);
}

/* ---- Memory ---- */

/* Places are given out twice: first to learn how much there must be (base NULL), then for
 * good. */
typedef struct arena {
    uint8_t *base;
    size_t used;
} arena;

static void *take(arena *a, size_t n, size_t bytes)
{
    void *place = a->base ? a->base + a->used : NULL;

    a->used += (n * bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return place;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void take_input(arena *a, cadre_rows *rows, cadre_form form, size_t n_rows,
                       size_t n_in)
{
    void *place = take(a, 1, cadre_rows_bytes(form, n_rows, n_in));

    if (place)
        cadre_rows_init(rows, form, n_rows, n_in, place);
}

/* Which forms the matrices need that this input goes into. */
static unsigned forms_of(const tf_weights *weights, tf_input input)
{
    static const tf_input into[] = {
        [TF_Q] = TF_IN_DIM,   [TF_K] = TF_IN_DIM,    [TF_V] = TF_IN_DIM,
        [TF_O] = TF_IN_HEADS, [TF_GATE] = TF_IN_DIM, [TF_UP] = TF_IN_DIM,
        [TF_DOWN] = TF_IN_FFN};
    unsigned forms = 0;

    for (size_t l = 0; l < weights->shape.n_layers; l++)
        for (int m = 0; m < TF_N_MATRICES; m++)
            if (into[m] == input)
                forms |= 1u << cadre_wtype_form(weights->layers[l].matrices[m].type);
    if (input == TF_IN_DIM)
        forms |= 1u << cadre_wtype_form(weights->output.type);
    return forms;
}

static void take_inputs(tf_forward *f, arena *a)
{
    const tf_shape *shape = &f->weights->shape;
    const size_t n_in[] = {[TF_IN_DIM] = shape->dim,
                           [TF_IN_HEADS] = shape->n_heads * shape->head_dim,
                           [TF_IN_FFN] = shape->ffn};

    for (int input = 0; input < TF_N_INPUTS; input++) {
        const unsigned forms = forms_of(f->weights, (tf_input)input);
        for (int form = 0; form < CADRE_N_FORMS; form++)
            if (forms & 1u << form)
                take_input(a, &f->inputs[input][form], (cadre_form)form,
                           f->options.max_rows, n_in[input]);
    }
}

static void take_scratch(tf_forward *f, arena *a, tf_scratch *scratch)
{
    const tf_shape *shape = &f->weights->shape;
    const size_t rows = f->options.max_rows;
    const size_t heads = shape->n_heads * shape->head_dim;

    scratch->row = take(a, larger(larger(shape->dim, shape->ffn), heads), sizeof(float));
    scratch->up = take(a, rows * TF_MAX_PORTION * CADRE_PANEL, sizeof(float));
    scratch->attention =
        take(a, 1,
             cadre_attention_scratch(shape->n_heads / shape->n_kv_heads, shape->head_dim,
                                     f->options.max_positions));
}

static size_t stage_floats(const tf_forward *f)
{
    const tf_shape *shape = &f->weights->shape;
    const size_t rows = f->options.max_rows;

    if (f->size == 1)
        return rows * shape->ffn;
    const size_t widest =
        larger(larger(shape->dim, shape->ffn), shape->n_heads * shape->head_dim);
    return larger(rows * widest, f->options.max_logits * shape->n_vocab);
}

static void take_all(tf_forward *f, arena *a)
{
    const tf_shape *shape = &f->weights->shape;
    const size_t rows = f->options.max_rows, logits = f->options.max_logits;
    const size_t n_threads = (size_t)f->options.n_threads;
    tf_scratch scratch;

    f->x = take(a, rows * shape->dim, sizeof(float));
    f->x_last = take(a, logits * shape->dim, sizeof(float));
    f->q_out = take(a, rows * f->q.stride, sizeof(float));
    f->k_out = take(a, rows * f->k.stride, sizeof(float));
    f->v_out = take(a, rows * f->v.stride, sizeof(float));
    f->stage = take(a, stage_floats(f), sizeof(float));
    f->logits = take(a, logits * shape->n_vocab, sizeof(float));
    f->cosines = take(a, rows * (shape->n_rot / 2), sizeof(float));
    f->sines = take(a, rows * (shape->n_rot / 2), sizeof(float));
    f->frequencies = take(a, shape->n_rot / 2, sizeof(double));
    take_inputs(f, a);
    f->scratch = take(a, n_threads, sizeof *f->scratch);
    for (size_t i = 0; i < n_threads; i++)
        take_scratch(f, a, f->scratch ? &f->scratch[i] : &scratch);
    f->rows = take(a, rows, sizeof *f->rows);
    f->kept = take(a, logits, sizeof *f->kept);
    f->chunks = take(a, rows, sizeof *f->chunks);
    f->last_chunks = take(a, logits, sizeof *f->last_chunks);
    f->counts = take(a, (size_t)f->size, sizeof *f->counts);
    f->portions = take(a, (shape->n_layers + 1) * TF_N_PHASES, sizeof *f->portions);
}

/* Zero pages, huge where the system has them to give. */
static void *map_zeros(size_t bytes, int flags)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    if (bytes >= HUGE_PAGE)
        madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static cadre_status take_memory(tf_forward *f)
{
    arena a = {0};

    take_all(f, &a);
    f->memory = map_zeros(a.used, 0);
    if (!f->memory)
        return cadre_fail(CADRE_ERR_NOMEM,
                          "%.1f MiB for steps of %zu rows and %zu logits: %s",
                          (double)a.used / 1048576, f->options.max_rows,
                          f->options.max_logits, strerror(errno));
    f->memory_bytes = a.used;
    a = (arena){.base = f->memory};
    take_all(f, &a);
    return CADRE_OK;
}

size_t tf_forward_page_bytes(const tf_shape *shape, cadre_kv_type kv, int shard_rank,
                             int shard_size)
{
    return shape->n_layers * tf_split_heads(shape, shard_rank, shard_size).n_kv *
           cadre_kv_block_bytes(kv, shape->head_dim);
}

static cadre_status take_kv(tf_forward *f)
{
    const tf_shape *shape = &f->weights->shape;

    f->block_bytes = cadre_kv_block_bytes(f->options.kv, shape->head_dim);
    f->page_bytes = tf_forward_page_bytes(shape, f->options.kv, f->rank, f->size);
    if (__builtin_mul_overflow(f->page_bytes, f->options.n_pages, &f->kv_bytes))
        return cadre_fail(CADRE_ERR_NOMEM, "%zu pages of %zu bytes are no memory",
                          f->options.n_pages, f->page_bytes);
    if (f->kv_bytes == 0) /* a rank without heads */
        return CADRE_OK;
    f->kv = map_zeros(f->kv_bytes, MAP_NORESERVE);
    if (!f->kv)
        return cadre_fail(
            CADRE_ERR_NOMEM, "%.1f MiB for %zu pages of keys and values: %s",
            (double)f->kv_bytes / 1048576, f->options.n_pages, strerror(errno));
    return CADRE_OK;
}

static void set_frequencies(tf_forward *f)
{
    const tf_shape *shape = &f->weights->shape;

    for (size_t i = 0; i < shape->n_rot / 2; i++) {
        const double divisor = shape->rope_divisors ? shape->rope_divisors[i] : 1;
        f->frequencies[i] =
            pow(shape->rope_base, -2.0 * (double)i / (double)shape->n_rot) /
            (shape->rope_factor * divisor);
    }
}

/* ---- Creating and destroying ---- */

static cadre_status check_options(const tf_forward_options *options)
{
    if (options->max_rows < 1 || options->max_rows > MAX_ROWS ||
        options->max_logits < 1 || options->max_logits > options->max_rows)
        return cadre_fail(CADRE_ERR_RANGE,
                          "steps of 1 to %d rows, of which 1 or more have logits, "
                          "expected; found %zu rows and %zu logits",
                          MAX_ROWS, options->max_rows, options->max_logits);
    return CADRE_OK;
}

static cadre_status prepare(tf_forward *f)
{
    CADRE_TRY(check_options(&f->options));
    CADRE_TRY(split(f));
    CADRE_TRY(tf_team_create(f->options.n_threads, &f->team));
    CADRE_TRY(take_memory(f));
    CADRE_TRY(take_kv(f));
    set_frequencies(f);
    return CADRE_OK;
}

cadre_status tf_forward_create(const tf_weights *weights,
                               const tf_forward_options *options, tf_forward **out)
{
    cadre_status st = CADRE_OK;

    *out = NULL;
    tf_forward *f = calloc(1, sizeof *f);
    if (f) {
        f->weights = weights;
        f->ops = cadre_ops_get();
        f->options = *options;
        f->rank = options->shard ? cadre_comm_rank(options->shard) : 0;
        f->size = options->shard ? cadre_comm_size(options->shard) : 1;
        st = prepare(f);
    } else {
        st = cadre_fail(CADRE_ERR_NOMEM, "out of memory for a forward pass");
    }
    if (options->shard)
        st = cadre_comm_agree(options->shard, st,
                              cadre_deadline_in_ms(options->timeout_ms));
    if (st != CADRE_OK) {
        tf_forward_destroy(f);
        return st;
    }
    *out = f;
    return CADRE_OK;
}

void tf_forward_destroy(tf_forward *f)
{
    if (!f)
        return;
    tf_team_destroy(f->team);
    free(f->by_heads.first);
    free(f->by_dim.first);
    free(f->by_ffn.first);
    free(f->by_vocab.first);
    if (f->memory)
        munmap(f->memory, f->memory_bytes);
    if (f->kv)
        munmap(f->kv, f->kv_bytes);
    free(f);
}

/* ---- What a step computes ---- */

/* The last n tokens of a span, whose first is `row`, in chunks. */
static size_t cut(const tf_span *span, size_t row, size_t n, size_t out_row,
                  tf_chunk *chunks)
{
    size_t n_chunks = 0;

    for (size_t at = span->n_tokens - n; at < span->n_tokens;) {
        const size_t left = span->n_tokens - at;
        const size_t now = left < TF_ATTENTION_TOKENS ? left : TF_ATTENTION_TOKENS;
        chunks[n_chunks++] = (tf_chunk){.row = row + at,
                                        .out_row = out_row,
                                        .first_position = span->first_position + at,
                                        .n_tokens = now,
                                        .pages = span->pages};
        at += now;
        out_row += now;
    }
    return n_chunks;
}

static void describe_rows(tf_forward *f, const tf_span *span)
{
    for (size_t i = 0; i < span->n_tokens; i++) {
        const size_t position = span->first_position + i;
        f->rows[f->n_rows + i] = (tf_row){.position = (uint32_t)position,
                                          .page = span->pages[position / CADRE_KV_PAGE]};
    }
    for (size_t i = 0; i < span->n_logits; i++)
        f->kept[f->n_logits + i] =
            (uint32_t)(f->n_rows + span->n_tokens - span->n_logits + i);
}

static void describe(tf_forward *f, const tf_span *spans, size_t n_spans)
{
    f->n_rows = f->n_logits = f->n_chunks = f->n_last_chunks = 0;
    for (size_t s = 0; s < n_spans; s++) {
        const tf_span *span = &spans[s];
        describe_rows(f, span);
        f->n_chunks +=
            cut(span, f->n_rows, span->n_tokens, f->n_rows, f->chunks + f->n_chunks);
        f->n_last_chunks += cut(span, f->n_rows, span->n_logits, f->n_logits,
                                f->last_chunks + f->n_last_chunks);
        f->n_rows += span->n_tokens;
        f->n_logits += span->n_logits;
    }
}

cadre_status tf_forward_step(tf_forward *f, const int32_t *tokens, const tf_span *spans,
                             size_t n_spans, const float **logits)
{
    describe(f, spans, n_spans);
    f->tokens = tokens;
    f->status = CADRE_OK;
    *logits = f->logits;
    if (f->n_rows > 0)
        tf_step_run(f);
    return f->status;
}
