/* random_model.h - models of any shape with random weights, for tests and timings. */
#ifndef TF_RANDOM_MODEL_H
#define TF_RANDOM_MODEL_H

#include "model.h"

typedef struct tf_random_spec {
    const char *architecture; /* "llama", "qwen2", "qwen3" */
    size_t dim, n_layers, n_heads, n_kv_heads, ffn, n_vocab, context;
    size_t head_dim; /* 0: dim / n_heads */
    cadre_wtype type;
    int tied;          /* the output matrix is the embedding */
    uint64_t seed;     /* equal seeds give equal bytes */
    const char *vocab; /* a GGUF whose vocabulary is copied; NULL: n_vocab made-up pieces
                        */
} tf_random_spec;

/* Write such a model to path, whole or not at all. Matrices are normal with deviation
 * 1 / sqrt(n_in) (K types: blocks of such a deviation), norms about 1, biases about 0.
 * Memory for a row, not for the model. Local.
 * CADRE_ERR_INPUT          the shape is absurd
 * CADRE_ERR_IO, CADRE_ERR_NOMEM */
cadre_status tf_random_write(const char *path, const tf_random_spec *spec);

#endif
