/* run/infer_load.h - texts for benchmarks of text generation: as many tokens as wanted,
 * by the kernel's own count, different from each other, the same in every run. */
#ifndef CADRE_RUN_INFER_LOAD_H
#define CADRE_RUN_INFER_LOAD_H

#include "core/text.h"
#include <cadre/kernel.h>

/* How long texts are; the k-th is uniform in [min, max], by a fixed seed. */
typedef struct cadre__infer_shape {
    size_t prompt_min, prompt_max, generate_min, generate_max; /* tokens */
} cadre__infer_shape;

typedef struct cadre__infer_load {
    size_t n;
    cadre_request *requests; /* [n]: greedy, ids 0 to n - 1 */
    char **texts;            /* [n] */
    uint32_t *tokens_in;     /* [n] */
} cadre__infer_load;

/* Words such that the kernel's estimate() counts exactly n tokens, into out. Another
 * seed gives other words.
 * CADRE_ERR_INPUT  no text with so many tokens was found, or says the kernel, none may be
 */
cadre_status cadre__infer_text(const cadre_kernel *kernel, const void *state,
                               uint64_t seed, size_t n_tokens, cadre__text *out);

/* n requests. state is the kernel's, opened to describe at least. *out is freed by the
 * caller, on failure too.
 * CADRE_ERR_UNSUPPORTED  the kernel takes no texts or cannot estimate them
 * CADRE_ERR_INPUT        a text of that length does not fit the model */
cadre_status cadre__infer_load_make(const cadre_kernel *kernel, const void *state,
                                    const cadre__infer_shape *shape, size_t n,
                                    cadre__infer_load *out);
void cadre__infer_load_fini(cadre__infer_load *load);

#endif
