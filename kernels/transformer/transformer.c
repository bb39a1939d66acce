/* transformer.c - the kernel "transformer": text from GGUF and llama2.c model files. Its
 * table and life. */
#include "sequence.h"
#include "tier_options.h"
#include <cadre/coll.h>
#include <cadre/kernel.h>
#include <stdlib.h>

/* Ranks of a shard may wait for one another while weights are packed. */
#define OPEN_TIMEOUT_MS 600000

typedef struct transformer {
    tf_model *model; /* open for its vocabulary */
    tf_tokenizer *tokenizer;
    tf_tier_options options;
    tf_weights *weights; /* NULL if opened for describing only, as what follows */
    tf_engine *engine;
    uint64_t kv_bytes;
} transformer;

static void transformer_close(void *state)
{
    transformer *t = state;

    if (!t)
        return;
    tf_engine_destroy(t->engine);
    tf_weights_close(t->weights);
    tf_tokenizer_destroy(t->tokenizer);
    tf_model_close(t->model);
    free(t);
}

/* All ranks of the shard have as many pages as the one with the fewest: they plan alike.
 */
static cadre_status count_pages(transformer *t, cadre_comm *shard)
{
    const int rank = shard ? cadre_comm_rank(shard) : 0;
    const int size = shard ? cadre_comm_size(shard) : 1;
    const size_t page_bytes =
        tf_forward_page_bytes(&t->model->shape, t->options.engine.kv, rank, size);
    size_t n_pages = 0;
    cadre_status st = tf_tier_options_pages(&t->options, page_bytes, &n_pages);

    if (shard) {
        int64_t least = (int64_t)n_pages;
        CADRE_TRY(
            cadre_comm_agree(shard, st, cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS)));
        CADRE_TRY(cadre_allreduce(shard, CADRE_IN_PLACE, &least, 1, CADRE_I64, CADRE_MIN,
                                  NULL));
        n_pages = (size_t)least;
    }
    t->options.engine.n_pages = n_pages;
    t->kv_bytes = (uint64_t)n_pages * page_bytes;
    return st;
}

/* What every rank of a shard does for itself. */
static cadre_status open_alone(transformer *t, const cadre_kernel_args *args)
{
    if (args->trainable)
        return cadre_fail(CADRE_ERR_UNSUPPORTED, "transformer: it cannot be trained");
    if (args->model[0] == '\0')
        return cadre_fail(CADRE_ERR_INPUT,
                          "transformer: the tier names no model; expected a GGUF file or "
                          "a llama2.c checkpoint");
    CADRE_TRY(tf_model_open(args->model, args->tokenizer, 0, &t->model));
    CADRE_TRY(cadre_context(tf_tier_options_read(args->options, t->model, &t->options),
                            "transformer"));
    CADRE_TRY(tf_tokenizer_create(&t->model->vocab, &t->tokenizer));
    if (args->describe_only)
        return CADRE_OK;
    CADRE_TRY(tf_tier_options_complete(&t->options, args->node_workers));
    CADRE_TRY(tf_weights_open(t->model, t->options.cache, &t->weights));
    tf_model_rest(t->model);
    return CADRE_OK;
}

static cadre_status open_parts(transformer *t, const cadre_kernel_args *args)
{
    const cadre_status st = open_alone(t, args);

    if (args->shard)
        CADRE_TRY(
            cadre_comm_agree(args->shard, st, cadre_deadline_in_ms(OPEN_TIMEOUT_MS)));
    CADRE_TRY(st);
    if (args->describe_only)
        return CADRE_OK;
    CADRE_TRY(count_pages(t, args->shard));
    t->options.engine.shard = args->shard;
    return tf_engine_create(t->weights, t->tokenizer, &t->options.engine, &t->engine);
}

static cadre_status transformer_open(const cadre_kernel_args *args, void **state)
{
    transformer *t = calloc(1, sizeof *t);

    *state = NULL;
    if (!t)
        return cadre_fail(CADRE_ERR_NOMEM, "transformer");
    const cadre_status st = open_parts(t, args);
    if (st != CADRE_OK) {
        transformer_close(t);
        return st;
    }
    *state = t;
    return CADRE_OK;
}

static cadre_status transformer_describe(const void *state, cadre_kernel_info *info)
{
    const transformer *t = state;

    *info = (cadre_kernel_info){
        .takes = CADRE_PAYLOAD_TEXT,
        .gives = CADRE_PAYLOAD_TEXT,
        .weights_bytes = t->weights ? t->weights->bytes : t->model->file_bytes,
        .private_bytes = t->kv_bytes,
        .best_batch = t->options.engine.max_sequences,
    };
    return CADRE_OK;
}

static cadre_status transformer_estimate(const void *state, const cadre_request *request,
                                         cadre_estimate *out)
{
    const transformer *t = state;
    tf_tokens tokens = {0};
    uint32_t max_out = 0;

    const cadre_status st =
        tf_sequence_read(t->tokenizer, t->options.engine.chat,
                         t->options.engine.max_positions, request, &tokens, &max_out);
    *out = (cadre_estimate){.tokens_in = (uint32_t)tokens.n, .max_tokens_out = max_out};
    tf_tokens_free(&tokens);
    return st;
}

/* The engine of a kernel that was opened for more than describing. */
static cadre_status engine_of(void *state, tf_engine **out)
{
    *out = ((transformer *)state)->engine;
    return *out ? CADRE_OK
                : cadre_fail(CADRE_ERR_STATE,
                             "this transformer was opened for describing only");
}

static cadre_status transformer_submit(void *state, const cadre_request *request)
{
    tf_engine *engine;

    CADRE_TRY(engine_of(state, &engine));
    return tf_engine_submit(engine, request);
}

static cadre_status transformer_step(void *state, size_t *n_active)
{
    tf_engine *engine;

    *n_active = 0;
    CADRE_TRY(engine_of(state, &engine));
    return tf_engine_step(engine, n_active);
}

static size_t transformer_collect(void *state, cadre_answer *answers, size_t max)
{
    tf_engine *engine = ((transformer *)state)->engine;

    return engine ? tf_engine_collect(engine, answers, max) : 0;
}

static void transformer_cancel(void *state, uint64_t id)
{
    tf_engine *engine = ((transformer *)state)->engine;

    if (engine)
        tf_engine_cancel(engine, id);
}

extern const cadre_kernel cadre_kernel_transformer;

const cadre_kernel cadre_kernel_transformer = {
    .abi = CADRE_KERNEL_ABI,
    .name = "transformer",
    .summary = "text from GGUF and llama2.c models: llama, qwen2, qwen3 architectures",
    .open = transformer_open,
    .close = transformer_close,
    .describe = transformer_describe,
    .estimate = transformer_estimate,
    .submit = transformer_submit,
    .step = transformer_step,
    .collect = transformer_collect,
    .cancel = transformer_cancel,
};
