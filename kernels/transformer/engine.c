/* engine.c - continuous batching.
 *
 * A request stands in one line after the other: waiting, running, finished, handed out.
 * At most one running sequence has a prompt that is computed in part; those before it
 * decode, so the running line stays in order of arrival. */
#include "engine.h"
#include "kv.h"
#include "sampler.h"
#include "sequence.h"
#include <stdlib.h>

typedef struct line {
    tf_sequence *first, *last;
    size_t n;
} line;

struct tf_engine {
    tf_engine_options options;
    const tf_tokenizer *tokenizer;
    tf_forward *forward;
    tf_kv *kv;
    tf_sampler *sampler;
    size_t n_vocab;
    line waiting, running, finished, handed;

    /* The step that is being planned; its spans belong to the running line's first. */
    int32_t *tokens; /* [max_rows] */
    size_t n_rows;
    tf_span *spans; /* [max_sequences] */
    size_t n_spans;
};

/* ---- Lines ---- */

static void push(line *to, tf_sequence *s)
{
    s->next = NULL;
    if (to->last)
        to->last->next = s;
    else
        to->first = s;
    to->last = s;
    to->n++;
}

static tf_sequence *shift(line *from)
{
    tf_sequence *s = from->first;

    from->first = s->next;
    if (!from->first)
        from->last = NULL;
    from->n--;
    return s;
}

static void empty(line *from)
{
    while (from->first)
        tf_sequence_destroy(shift(from));
}

/* ---- Life ---- */

size_t tf_engine_pages(size_t n_positions)
{
    return (n_positions + CADRE_KV_PAGE - 1) / CADRE_KV_PAGE;
}

static cadre_status check_options(const tf_engine_options *o, const tf_shape *shape,
                                  size_t n_vocab)
{
    if (o->max_sequences == 0 || o->max_rows < o->max_sequences)
        return cadre_fail(CADRE_ERR_ARG,
                          "expected at least one sequence, and as many rows in a step; "
                          "found %zu and %zu",
                          o->max_sequences, o->max_rows);
    if (o->max_positions < 2 || o->max_positions > shape->context)
        return cadre_fail(CADRE_ERR_ARG,
                          "context: expected 2 to the model's %zu, found "
                          "%zu",
                          shape->context, o->max_positions);
    if (o->n_pages < tf_engine_pages(o->max_positions))
        return cadre_fail(CADRE_ERR_ARG,
                          "a sequence of %zu positions needs %zu pages of KV cache, "
                          "there are %zu",
                          o->max_positions, tf_engine_pages(o->max_positions),
                          o->n_pages);
    if (n_vocab > shape->n_vocab)
        return cadre_fail(CADRE_ERR_ARG,
                          "the vocabulary has %zu tokens, the model knows %zu", n_vocab,
                          shape->n_vocab);
    return CADRE_OK;
}

/* What each rank of a shard takes for itself. */
static cadre_status take_own_memory(tf_engine *engine)
{
    const tf_engine_options *o = &engine->options;

    engine->tokens = calloc(o->max_rows, sizeof *engine->tokens);
    engine->spans = calloc(o->max_sequences, sizeof *engine->spans);
    if (!engine->tokens || !engine->spans)
        return cadre_fail(CADRE_ERR_NOMEM, "a step of %zu rows", o->max_rows);
    CADRE_TRY(tf_kv_create(o->n_pages, &engine->kv));
    return tf_sampler_create(engine->n_vocab, &engine->sampler);
}

static cadre_status take_memory(tf_engine *engine, const tf_weights *weights)
{
    const tf_engine_options *o = &engine->options;
    const cadre_status st = take_own_memory(engine);

    if (o->shard)
        CADRE_TRY(cadre_comm_agree(o->shard, st, cadre_deadline_in_ms(o->timeout_ms)));
    CADRE_TRY(st);
    const tf_forward_options forward = {.max_rows = o->max_rows,
                                        .max_logits = o->max_sequences,
                                        .max_positions = o->max_positions,
                                        .n_threads = o->n_threads,
                                        .kv = o->kv,
                                        .n_pages = o->n_pages,
                                        .shard = o->shard,
                                        .timeout_ms = o->timeout_ms};
    return tf_forward_create(weights, &forward, &engine->forward);
}

cadre_status tf_engine_create(const tf_weights *weights, const tf_tokenizer *tokenizer,
                              const tf_engine_options *options, tf_engine **out)
{
    *out = NULL;
    CADRE_TRY(check_options(options, &weights->shape, tf_tokenizer_n_vocab(tokenizer)));
    tf_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return cadre_fail(CADRE_ERR_NOMEM, "transformer");
    engine->options = *options;
    engine->tokenizer = tokenizer;
    engine->n_vocab = weights->shape.n_vocab;
    const cadre_status st = take_memory(engine, weights);
    if (st != CADRE_OK) {
        tf_engine_destroy(engine);
        return st;
    }
    *out = engine;
    return CADRE_OK;
}

void tf_engine_destroy(tf_engine *engine)
{
    if (!engine)
        return;
    empty(&engine->waiting);
    empty(&engine->running);
    empty(&engine->finished);
    empty(&engine->handed);
    tf_forward_destroy(engine->forward);
    tf_kv_destroy(engine->kv);
    tf_sampler_destroy(engine->sampler);
    free(engine->tokens);
    free(engine->spans);
    free(engine);
}

/* ---- Requests come ---- */

cadre_status tf_engine_submit(tf_engine *engine, const cadre_request *request)
{
    const tf_engine_options *o = &engine->options;
    tf_sequence *s;

    if (engine->waiting.n + engine->running.n >= 2 * o->max_sequences)
        return cadre_fail(CADRE_ERR_STATE, "%zu requests run and wait, no more fit",
                          engine->waiting.n + engine->running.n);
    CADRE_TRY(
        tf_sequence_create(engine->tokenizer, o->chat, o->max_positions, request, &s));
    push(&engine->waiting, s);
    return CADRE_OK;
}

/* ---- A step ---- */

/* Plan the next n tokens of a sequence. Its last known token's logits give the next. */
static void plan(tf_engine *engine, tf_sequence *s, size_t n)
{
    const size_t n_known = s->n_prompt + s->n_out;

    for (size_t i = 0; i < n; i++)
        engine->tokens[engine->n_rows + i] = s->tokens[s->n_computed + i];
    engine->n_rows += n;
    engine->spans[engine->n_spans++] = (tf_span){.first_position = s->n_computed,
                                                 .n_tokens = n,
                                                 .n_logits = s->n_computed + n == n_known,
                                                 .pages = s->pages};
    s->n_computed += n;
    if (engine->options.prefix_sharing && s->n_out == 0)
        tf_kv_publish(engine->kv, s->tokens, s->n_computed, s->pages);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One token of each that decodes, and the rest of a prompt that was begun. */
static void plan_running(tf_engine *engine)
{
    for (tf_sequence *s = engine->running.first; s; s = s->next) {
        const size_t n_left = s->n_prompt + s->n_out - s->n_computed;
        plan(engine, s, least(n_left, engine->options.max_rows - engine->n_rows));
    }
}

/* Admit the waiting while there are rows and pages for them. */
static void plan_waiting(tf_engine *engine)
{
    const tf_engine_options *o = &engine->options;

    while (engine->waiting.n > 0 && engine->n_rows < o->max_rows &&
           engine->running.n < o->max_sequences) {
        tf_sequence *s = engine->waiting.first;
        if (tf_kv_take(engine->kv, s->tokens, s->n_prompt, s->n_pages, s->pages,
                       &s->n_shared) != CADRE_OK)
            return;
        s->n_computed = s->n_shared;
        push(&engine->running, shift(&engine->waiting));
        plan(engine, s, least(s->n_prompt - s->n_shared, o->max_rows - engine->n_rows));
    }
}

/* Give each planned sequence its logits, and sort out those that are finished. */
static void accept(tf_engine *engine, const float *logits)
{
    line running = engine->running;

    engine->running = (line){0};
    for (size_t i = 0; running.first; i++) {
        tf_sequence *s = shift(&running);
        if (engine->spans[i].n_logits > 0) {
            tf_sequence_accept(s, engine->tokenizer, engine->sampler,
                               engine->options.ignore_end, logits);
            logits += engine->n_vocab;
        }
        if (s->finish_reason)
            tf_kv_release(engine->kv, s->pages, s->n_pages);
        push(s->finish_reason ? &engine->finished : &engine->running, s);
    }
}

cadre_status tf_engine_step(tf_engine *engine, size_t *n_active)
{
    const float *logits;

    empty(&engine->handed);
    engine->n_rows = engine->n_spans = 0;
    plan_running(engine);
    plan_waiting(engine);
    if (engine->n_spans > 0) {
        CADRE_TRY(tf_forward_step(engine->forward, engine->tokens, engine->spans,
                                  engine->n_spans, &logits));
        accept(engine, logits);
    }
    *n_active = engine->running.n + engine->waiting.n;
    return CADRE_OK;
}

/* ---- Answers leave ---- */

size_t tf_engine_collect(tf_engine *engine, cadre_answer *answers, size_t max)
{
    size_t n = 0;

    empty(&engine->handed);
    for (; n < max && engine->finished.n > 0; n++) {
        tf_sequence *s = shift(&engine->finished);
        answers[n] = tf_sequence_answer(s, engine->tokenizer);
        push(&engine->handed, s);
    }
    return n;
}

/* Take all with this id out of a line. */
static void forget(tf_engine *engine, line *from, uint64_t id, int has_pages)
{
    line all = *from;

    *from = (line){0};
    while (all.first) {
        tf_sequence *s = shift(&all);
        if (s->id != id) {
            push(from, s);
            continue;
        }
        if (has_pages)
            tf_kv_release(engine->kv, s->pages, s->n_pages);
        tf_sequence_destroy(s);
    }
}

void tf_engine_cancel(tf_engine *engine, uint64_t id)
{
    forget(engine, &engine->waiting, id, 0);
    forget(engine, &engine->running, id, 1);
    forget(engine, &engine->finished, id, 0);
}
