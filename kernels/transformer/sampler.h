/* sampler.h - from logits to a token. */
#ifndef TF_SAMPLER_H
#define TF_SAMPLER_H

#include <cadre/request.h>

typedef struct tf_sampler tf_sampler; /* scratch for one thread */

/* The caller owns *out; on failure it is NULL. Local. CADRE_ERR_NOMEM */
cadre_status tf_sampler_create(size_t n_vocab, tf_sampler **out);
void tf_sampler_destroy(tf_sampler *sampler);

/* The token that follows: greedy at temperature 0 (ties to the lowest id), else drawn
 * from softmax(logits / temperature) cut by top-k, then top-p (Holtzman et al. 2020: the
 * fewest likeliest tokens that together have at least that probability), then min-p
 * (Nguyen et al. 2024: no token less likely than that share of the likeliest), with the
 * `index`-th random number of the request's seed (Philox4x32-10, Salmon et al. 2011:
 * nothing is remembered between tokens). Exact and reproducible: depends on the arguments
 * only. Logits that give no distribution (a NaN, an infinity) are answered greedily.
 * Allocates nothing. Local. */
int32_t tf_sampler_choose(tf_sampler *sampler, const float *logits,
                          const cadre_sampling *sampling, uint32_t index);

/* One token and its log-probability. */
typedef struct tf_candidate {
    int32_t id;
    float logprob;
} tf_candidate;

#define TF_NO_LOGPROB (-9999.0f)

/* log softmax(logits) of `id` into *chosen, and of the n_top likeliest, best first (ties
 * to the lowest id), into top[]; n_top <= n_vocab. A log-probability that is no finite
 * number is given as TF_NO_LOGPROB, as OpenAI's interface has it. Allocates nothing.
 * Local. */
void tf_sampler_logprobs(tf_sampler *sampler, const float *logits, int32_t id,
                         size_t n_top, tf_candidate *chosen, tf_candidate *top);

/* The index-th random number of a seed: uniform in [0, 1), a multiple of 2^-53. Local. */
double tf_random(uint64_t seed, uint32_t index);

/* Philox4x32-10: out[4] from counter[4] and key[2]. Local. */
void tf_philox(const uint32_t *counter, const uint32_t *key, uint32_t *out);

#endif
