/* tests/tiny_model.h - small models with random weights, made in memory, for tests of
 * what computes with them. */
#ifndef CADRE_TESTS_TINY_MODEL_H
#define CADRE_TESTS_TINY_MODEL_H

#include "transformer/model.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tiny_spec {
    size_t dim, n_layers, n_heads, n_kv_heads, head_dim, ffn, n_vocab, n_rot;
    cadre_wtype type; /* of all matrices but v and down: */
    cadre_wtype other;
    int tied, halves, biases, head_norms, divisors;
    double rope_factor;
    unsigned seed;
} tiny_spec;

enum { TINY_CONTEXT = 512, TINY_MAX_LAYERS = 4 };

typedef struct tiny_model {
    tf_model model;
    char path[64];
    FILE *file;
    uint32_t state;
    float divisors[128];
    void *owned[16 * TINY_MAX_LAYERS];
    size_t n_owned;
} tiny_model;

/* Uniform in [-1, 1). */
static inline float tiny_random(tiny_model *tiny)
{
    tiny->state = tiny->state * 1664525u + 1013904223u;
    return (float)(tiny->state >> 8) / 8388608.0f - 1.0f;
}

static inline void *tiny_own(tiny_model *tiny, size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory || tiny->n_owned == sizeof tiny->owned / sizeof tiny->owned[0])
        abort();
    return tiny->owned[tiny->n_owned++] = memory;
}

/* Blocks of a K type, which are never made here: any bits, but scales such that weights
 * are small and their mean is about zero. */
static inline void tiny_fill_blocks(tiny_model *tiny, cadre_wtype type, uint8_t *data,
                                    size_t bytes)
{
    const size_t block = cadre_wtype_block_bytes(type);
    const uint16_t d = 0x0800;                                       /* 2^-13 */
    const uint16_t minimum = type == CADRE_W_Q5_K ? 0x17c0 : 0x1380; /* 15.5, 7.5 times */

    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(int)(tiny_random(tiny) * 128);
    for (size_t at = 0; at < bytes; at += block) {
        if (type == CADRE_W_Q6_K) {
            memcpy(data + at + block - 2, &d, 2);
        } else {
            memcpy(data + at, &d, 2);
            memcpy(data + at + 2, &minimum, 2);
        }
    }
}

/* n_out x n_in weights of middle +- size; kept, and written to the model's file. */
static inline tf_source tiny_weights(tiny_model *tiny, cadre_wtype type, size_t n_out,
                                     size_t n_in, float middle, float size)
{
    const size_t n = n_out * n_in;
    const size_t bytes = n / cadre_wtype_block(type) * cadre_wtype_block_bytes(type);
    float *values = malloc(n * sizeof *values);
    uint8_t *data = tiny_own(tiny, bytes);

    for (size_t i = 0; i < n; i++)
        values[i] = middle + size * tiny_random(tiny);
    if (cadre_quantize(type, values, n, data) != CADRE_OK)
        tiny_fill_blocks(tiny, type, data, bytes);
    fwrite(data, 1, bytes, tiny->file);
    free(values);
    return (tf_source){.type = type, .n_out = n_out, .n_in = n_in, .data = data};
}

static inline void tiny_layer(tiny_model *tiny, const tiny_spec *spec,
                              tf_layer_source *layer)
{
    const size_t q = spec->n_heads * spec->head_dim;
    const size_t kv = spec->n_kv_heads * spec->head_dim;
    const float size = 1.5f / sqrtf((float)spec->dim);
    tf_source *m = layer->matrices, *v = layer->vectors;

    m[TF_Q] = tiny_weights(tiny, spec->type, q, spec->dim, 0, size);
    m[TF_K] = tiny_weights(tiny, spec->type, kv, spec->dim, 0, size);
    m[TF_V] = tiny_weights(tiny, spec->other, kv, spec->dim, 0, size);
    m[TF_O] = tiny_weights(tiny, spec->type, spec->dim, q, 0, size);
    m[TF_GATE] = tiny_weights(tiny, spec->type, spec->ffn, spec->dim, 0, size);
    m[TF_UP] = tiny_weights(tiny, spec->type, spec->ffn, spec->dim, 0, size);
    m[TF_DOWN] = tiny_weights(tiny, spec->other, spec->dim, spec->ffn, 0, size);
    v[TF_ATTN_NORM] = tiny_weights(tiny, CADRE_W_F32, 1, spec->dim, 1, 0.2f);
    v[TF_FFN_NORM] = tiny_weights(tiny, CADRE_W_F32, 1, spec->dim, 1, 0.2f);
    if (spec->biases) {
        v[TF_Q_BIAS] = tiny_weights(tiny, CADRE_W_F32, 1, q, 0, 0.3f);
        v[TF_K_BIAS] = tiny_weights(tiny, CADRE_W_F32, 1, kv, 0, 0.3f);
        v[TF_V_BIAS] = tiny_weights(tiny, CADRE_W_F32, 1, kv, 0, 0.3f);
    }
    if (spec->head_norms) {
        v[TF_Q_NORM] = tiny_weights(tiny, CADRE_W_F32, 1, spec->head_dim, 1, 0.2f);
        v[TF_K_NORM] = tiny_weights(tiny, CADRE_W_F32, 1, spec->head_dim, 1, 0.2f);
    }
}

static inline void tiny_shape(tiny_model *tiny, const tiny_spec *spec)
{
    tiny->model.shape = (tf_shape){.dim = spec->dim,
                                   .n_layers = spec->n_layers,
                                   .n_heads = spec->n_heads,
                                   .n_kv_heads = spec->n_kv_heads,
                                   .head_dim = spec->head_dim,
                                   .ffn = spec->ffn,
                                   .n_vocab = spec->n_vocab,
                                   .context = TINY_CONTEXT,
                                   .n_rot = spec->n_rot,
                                   .eps = 1e-5f,
                                   .rope_halves = spec->halves,
                                   .rope_base = 10000,
                                   .rope_factor = spec->rope_factor};
    for (size_t i = 0; spec->divisors && i < spec->n_rot / 2; i++) {
        tiny->divisors[i] = 1.0f + 0.25f * (float)i;
        tiny->model.shape.rope_divisors = tiny->divisors;
    }
}

/* Make *tiny with a file that stands for it; tiny_free() removes both. `name` keeps the
 * files of ranks apart, or together. */
static inline void tiny_make(tiny_model *tiny, const tiny_spec *spec, const char *name)
{
    tf_model *model = &tiny->model;

    *tiny = (tiny_model){.state = spec->seed * 7919u + 1};
    snprintf(tiny->path, sizeof tiny->path, "/tmp/cadre-tiny-%s", name);
    tiny->file = fopen(tiny->path, "wb");
    if (!tiny->file)
        abort();
    fwrite(spec, 1, sizeof *spec, tiny->file);
    tiny_shape(tiny, spec);
    model->path = tiny->path;
    model->embedding = tiny_weights(tiny, spec->type, spec->n_vocab, spec->dim, 0, 1.0f);
    model->output = model->embedding;
    if (!spec->tied)
        model->output = tiny_weights(tiny, spec->type, spec->n_vocab, spec->dim, 0, 1.0f);
    model->output_norm = tiny_weights(tiny, CADRE_W_F32, 1, spec->dim, 1, 0.2f);
    model->layers = tiny_own(tiny, spec->n_layers * sizeof *model->layers);
    for (size_t l = 0; l < spec->n_layers; l++)
        tiny_layer(tiny, spec, &model->layers[l]);
    fclose(tiny->file);
    if (tf_file_identify(tiny->path, &model->id) != CADRE_OK)
        abort();
}

static inline void tiny_free(tiny_model *tiny)
{
    remove(tiny->path);
    for (size_t i = 0; i < tiny->n_owned; i++)
        free(tiny->owned[i]);
}

#endif
