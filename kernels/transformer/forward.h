/* forward.h - one step of the transformer: rows of tokens of many sequences in, logits
 * out.
 *
 * A step computes n_rows tokens. Rows of one sequence are a span, at consecutive
 * positions; spans of prompts and single tokens being decoded share a step. Every logit
 * is the same to the last bit however its sequence is cut into spans and steps, whatever
 * shares them, and for any number of threads and ranks.
 */
#ifndef TF_FORWARD_H
#define TF_FORWARD_H

#include "weights.h"
#include <cadre/comm.h>

typedef struct tf_forward tf_forward;

typedef struct tf_forward_options {
    size_t max_rows;      /* of a step */
    size_t max_logits;    /* rows of a step that want logits */
    size_t max_positions; /* of a sequence */
    int n_threads;        /* 1: the caller's alone */
    cadre_kv_type kv;
    size_t n_pages;     /* of the KV cache */
    cadre_comm *shard;  /* ranks that split the model, or NULL */
    int64_t timeout_ms; /* of a step's collectives */
} tf_forward_options;

typedef struct tf_span {
    size_t first_position, n_tokens;
    size_t n_logits;       /* of its last so many tokens; 0 for a prompt's earlier part */
    const uint32_t *pages; /* of the sequence, covering its positions */
} tf_span;

/* Memory for everything a step needs is taken here: weights stay borrowed, the KV cache
 * is zero pages until used. The caller owns *out. Collective over options->shard.
 * CADRE_ERR_NOMEM  says how much */
cadre_status tf_forward_create(const tf_weights *weights,
                               const tf_forward_options *options, tf_forward **out);
void tf_forward_destroy(tf_forward *forward);

/* Bytes of one page of the KV cache (all layers, this rank's heads). */
size_t tf_forward_page_bytes(const tf_shape *shape, cadre_kv_type kv, int shard_rank,
                             int shard_size);

/* Compute a step. tokens[] holds the spans' tokens one span behind the other. *logits is
 * [sum of n_logits][n_vocab], valid until the next step. Allocates nothing, takes no
 * locks. Collective over the shard: all ranks pass the same.
 * Fails only in the shard's collectives; then the forward is of no more use. */
cadre_status tf_forward_step(tf_forward *forward, const int32_t *tokens,
                             const tf_span *spans, size_t n_spans, const float **logits);

#endif
