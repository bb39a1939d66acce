/* engine.h - continuous batching: requests join and leave between steps.
 *
 * Waiting requests are admitted in order of arrival as soon as pages for their worst case
 * (prompt and max_tokens) are free, so none runs out of memory in the middle. Each step
 * computes one token of every sequence that decodes, and fills what is left of max_rows
 * with slices of prompts.
 *
 * What is decided depends on the calls only, never on time, so ranks of a shard that make
 * the same calls decide alike.
 */
#ifndef TF_ENGINE_H
#define TF_ENGINE_H

#include "chat.h"
#include "forward.h"
#include <cadre/request.h>

typedef struct tf_engine tf_engine;

typedef struct tf_engine_options {
    size_t max_sequences; /* that run at a time; as many may wait besides */
    size_t max_rows;      /* of a step; at least max_sequences */
    size_t max_positions; /* of a sequence: the model's context or less */
    size_t n_pages;       /* of the KV cache; at least those of one sequence */
    cadre_kv_type kv;
    int n_threads;
    int prefix_sharing;
    int ignore_end; /* 1: end tokens are tokens like others, for measuring */
    tf_chat chat;
    int64_t timeout_ms;
    cadre_comm *shard; /* NULL: this rank alone */
} tf_engine_options;

/* Pages that n positions need. Local. */
size_t tf_engine_pages(size_t n_positions);

/* Take the memory for everything a step needs. weights and tokenizer stay borrowed. The
 * caller owns *out; on failure it is NULL. Collective over the shard; all ranks pass
 * equal options.
 * CADRE_ERR_ARG    options that do not fit each other
 * CADRE_ERR_NOMEM  says how much */
cadre_status tf_engine_create(const tf_weights *weights, const tf_tokenizer *tokenizer,
                              const tf_engine_options *options, tf_engine **out);
void tf_engine_destroy(tf_engine *engine);

/* As the functions of cadre_kernel. submit() takes all memory that its request needs
 * until collect(), which makes its text; step() takes none. */
cadre_status tf_engine_submit(tf_engine *engine, const cadre_request *request);
cadre_status tf_engine_step(tf_engine *engine, size_t *n_active);
size_t tf_engine_collect(tf_engine *engine, cadre_answer *answers, size_t max);
void tf_engine_cancel(tf_engine *engine, uint64_t id);

#endif
