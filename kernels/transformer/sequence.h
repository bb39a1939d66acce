/* sequence.h - one request on its way: its prompt, what was generated, its answer. */
#ifndef TF_SEQUENCE_H
#define TF_SEQUENCE_H

#include "chat.h"
#include "output.h"
#include "sampler.h"

typedef struct tf_sequence {
    struct tf_sequence *next; /* in whatever line it stands */
    uint64_t id;
    cadre_sampling sampling;
    int32_t *tokens; /* [n_prompt + max_out]: the prompt, then what was generated */
    size_t n_prompt, n_out, max_out;
    size_t n_computed; /* positions whose keys and values stand in the cache */
    size_t n_shared;   /* of them, those that were found there */
    uint32_t *pages;   /* [n_pages] */
    size_t n_pages;
    tf_stops stops;
    size_t text_end;          /* bytes of the text; SIZE_MAX: all of the tokens' */
    tf_candidate *candidates; /* [max_out][1 + n_top], or NULL */
    size_t n_top;
    int drops_space; /* a space at the start of the first token is no part of the text */
    const char *finish_reason; /* NULL: it goes on */
    const char *failure;       /* a sentence if no token could be chosen */
    int64_t submitted_ns, first_ns, last_ns;
    char *text; /* made by tf_sequence_answer(), as what follows */
    cadre_token *answer_tokens;
    cadre_logprobs logprobs;
} tf_sequence;

/* The tokens of a request's prompt, appended to *tokens, which is empty, and how many may
 * be generated: max_tokens, or what a context of max_positions leaves. What a request
 * asks is checked here, for estimating and for submitting it. The caller frees *tokens in
 * any case. Local.
 * CADRE_ERR_INPUT        invalid UTF-8; an empty prompt in a vocabulary without BOS; chat
 *                        messages that the template refuses; a prompt that leaves no room
 *                        in the context; max_tokens 0; sampling values out of range
 * CADRE_ERR_UNSUPPORTED  a chat, and the model has no known template
 * CADRE_ERR_NOMEM */
cadre_status tf_sequence_read(const tf_tokenizer *tokenizer, tf_chat chat,
                              size_t max_positions, const cadre_request *request,
                              tf_tokens *tokens, uint32_t *max_out);

/* A sequence of a request, with all memory that it needs while it runs; fails as reading
 * does. The caller owns *out; on failure it is NULL. Local. */
cadre_status tf_sequence_create(const tf_tokenizer *tokenizer, tf_chat chat,
                                size_t max_positions, const cadre_request *request,
                                tf_sequence **out);
void tf_sequence_destroy(tf_sequence *sequence);

/* Choose the token that follows from its logits, and see whether the text ends: at an end
 * token (unless ignore_end), which belongs to neither text nor count; at a stop string,
 * whose tokens count; or because max_out are there. Logits that are no finite numbers, as
 * damaged weights give, end it as a failure. Allocates nothing. Local. */
void tf_sequence_accept(tf_sequence *sequence, const tf_tokenizer *tokenizer,
                        tf_sampler *sampler, int ignore_end, const float *logits);

/* The answer of a finished sequence, which points into it and the tokenizer; a failure
 * (no memory, no finite logits) stands in the answer. Local. */
cadre_answer tf_sequence_answer(tf_sequence *sequence, const tf_tokenizer *tokenizer);

#endif
