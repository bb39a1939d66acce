/* model_gguf.c - a model in a GGUF file: its hyperparameters and tensors, by the names
 * that the format has for them. */
#include "model_file.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 96, MIN_LAYER_TENSORS = 9 };

typedef enum presence { ABSENT, OPTIONAL, REQUIRED } presence;

/* What architectures differ in. */
static const struct architecture {
    const char *name;
    int rope_halves;
    presence biases, head_norms; /* of q, k, v; of q, k */
} architectures[] = {
    {"llama", 0, OPTIONAL, ABSENT},
    {"qwen2", 1, REQUIRED, ABSENT},
    {"qwen3", 1, OPTIONAL, REQUIRED},
};

static const char *const matrix_names[TF_N_MATRICES] = {
    [TF_Q] = "attn_q",      [TF_K] = "attn_k",      [TF_V] = "attn_v",
    [TF_O] = "attn_output", [TF_GATE] = "ffn_gate", [TF_UP] = "ffn_up",
    [TF_DOWN] = "ffn_down",
};

static const char *const vector_names[TF_N_VECTORS] = {
    [TF_ATTN_NORM] = "attn_norm.weight", [TF_FFN_NORM] = "ffn_norm.weight",
    [TF_Q_BIAS] = "attn_q.bias",         [TF_K_BIAS] = "attn_k.bias",
    [TF_V_BIAS] = "attn_v.bias",         [TF_Q_NORM] = "attn_q_norm.weight",
    [TF_K_NORM] = "attn_k_norm.weight",
};

/* ---- Hyperparameters ---- */

typedef struct reader {
    const tf_gguf *file;
    tf_model *model;
    const struct architecture *architecture; /* NULL: a vocabulary only */
    uint8_t *used;                           /* [n_tensors] */
} reader;

/* The key of this model's architecture: "llama." and what. */
static const char *key_of(const reader *r, const char *what, char key[NAME])
{
    snprintf(key, NAME, "%s.%s", r->model->architecture, what);
    return key;
}

static cadre_status read_architecture(reader *r, int required)
{
    char shown[TF_SHOWN];
    tf_string name = {0};

    CADRE_TRY(tf_gguf_string(r->file, "general.architecture", required, &name));
    snprintf(r->model->architecture, sizeof r->model->architecture, "%s",
             tf_show(name, shown));
    if (!required)
        return CADRE_OK;
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++)
        if (tf_string_is(name, architectures[i].name))
            r->architecture = &architectures[i];
    if (!r->architecture)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: architecture \"%s\" is not supported; those that are: "
                          "llama, qwen2, qwen3",
                          tf_gguf_name(r->file), shown);
    return CADRE_OK;
}

/* An array that holds the same number for every layer, as some converters write. */
static cadre_status read_equal(const reader *r, const char *key, int64_t max, size_t *out)
{
    int32_t *all = NULL;
    size_t n = 0;

    CADRE_TRY(tf_gguf_integers(r->file, key, 1, 0, max, &all, &n));
    int equal = n > 0 && n == r->model->shape.n_layers;
    for (size_t i = 1; equal && i < n; i++)
        equal = all[i] == all[0];
    if (equal)
        *out = (size_t)all[0];
    free(all);
    if (!equal)
        return cadre_fail(
            CADRE_ERR_UNSUPPORTED,
            "%s: key \"%s\": layers that differ are not supported: expected "
            "a number, or %zu equal ones",
            tf_gguf_name(r->file), key, r->model->shape.n_layers);
    return CADRE_OK;
}

/* A size, as a number or as an array of equal ones. */
static cadre_status read_size(const reader *r, const char *what, int required,
                              int64_t max, size_t *out)
{
    char key[NAME];
    int64_t n = (int64_t)*out;

    const tf_value *value = tf_gguf_value(r->file, key_of(r, what, key));
    if (value && value->is_array)
        return read_equal(r, key, max, out);
    CADRE_TRY(tf_gguf_integer(r->file, key, required, 1, max, &n));
    *out = (size_t)n;
    return CADRE_OK;
}

static cadre_status read_head_sizes(const reader *r, tf_shape *s)
{
    if (s->n_heads)
        s->head_dim = s->dim / s->n_heads;
    CADRE_TRY(read_size(r, "attention.key_length", 0, TF_MAX_HEAD_DIM, &s->head_dim));
    size_t value_length = s->head_dim;
    CADRE_TRY(read_size(r, "attention.value_length", 0, TF_MAX_HEAD_DIM, &value_length));
    if (value_length != s->head_dim)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: heads with keys of %zu values and values of %zu are not "
                          "supported: expected the same",
                          tf_gguf_name(r->file), s->head_dim, value_length);
    s->n_rot = s->head_dim;
    return read_size(r, "rope.dimension_count", 0, TF_MAX_HEAD_DIM, &s->n_rot);
}

static cadre_status read_sizes(const reader *r, int required, tf_shape *s)
{
    CADRE_TRY(read_size(r, "block_count", required, TF_MAX_SIZE, &s->n_layers));
    CADRE_TRY(read_size(r, "embedding_length", required, TF_MAX_SIZE, &s->dim));
    CADRE_TRY(read_size(r, "context_length", required, TF_MAX_CONTEXT, &s->context));
    CADRE_TRY(read_size(r, "feed_forward_length", required, TF_MAX_SIZE, &s->ffn));
    CADRE_TRY(read_size(r, "attention.head_count", required, TF_MAX_SIZE, &s->n_heads));
    s->n_kv_heads = s->n_heads;
    CADRE_TRY(read_size(r, "attention.head_count_kv", 0, TF_MAX_SIZE, &s->n_kv_heads));
    return read_head_sizes(r, s);
}

/* How positions are stretched: by a constant, or not. */
static cadre_status read_rope_scaling(const reader *r, tf_shape *s)
{
    char key[NAME], shown[TF_SHOWN];
    tf_string type = {"linear", strlen("linear")};

    s->rope_factor = 1;
    CADRE_TRY(tf_gguf_string(r->file, key_of(r, "rope.scaling.type", key), 0, &type));
    if (tf_string_is(type, "none"))
        return CADRE_OK;
    if (!tf_string_is(type, "linear"))
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: key \"%s\": \"%s\" is not supported; those that are: "
                          "\"none\", \"linear\"",
                          tf_gguf_name(r->file), key, tf_show(type, shown));
    double factor = 0; /* files write 0 where there is none */
    CADRE_TRY(
        tf_gguf_number(r->file, key_of(r, "rope.scale_linear", key), 0, 0, 1e6, &factor));
    CADRE_TRY(tf_gguf_number(r->file, key_of(r, "rope.scaling.factor", key), 0, 0, 1e6,
                             &factor));
    if (factor != 0 && factor < 1e-3)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: rope scaling: expected a factor of 0 (none) or from 0.001 "
                          "to 1e6, found %g",
                          tf_gguf_name(r->file), factor);
    if (factor != 0)
        s->rope_factor = factor;
    return CADRE_OK;
}

static cadre_status read_constants(const reader *r, int required, tf_shape *s)
{
    char key[NAME];
    double eps = 0;

    CADRE_TRY(tf_gguf_number(r->file, key_of(r, "attention.layer_norm_rms_epsilon", key),
                             required, 0, 1, &eps));
    s->eps = (float)eps;
    s->rope_base = 10000;
    CADRE_TRY(tf_gguf_number(r->file, key_of(r, "rope.freq_base", key), 0, 1, 1e12,
                             &s->rope_base));
    s->rope_halves = r->architecture && r->architecture->rope_halves;
    return read_rope_scaling(r, s);
}

/* What would be computed otherwise, if these keys are there and set. */
static cadre_status refuse_variants(const reader *r)
{
    char key[NAME];
    int64_t n_experts = 0;
    double attention_factor = 1;
    int causal = 1;

    CADRE_TRY(tf_gguf_integer(r->file, key_of(r, "expert_count", key), 0, 0, INT32_MAX,
                              &n_experts));
    if (n_experts > 0)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: key \"%s\": mixtures of experts are not supported, found "
                          "%" PRId64 " experts",
                          tf_gguf_name(r->file), key, n_experts);
    CADRE_TRY(tf_gguf_boolean(r->file, key_of(r, "attention.causal", key), 0, &causal));
    if (!causal)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: key \"%s\": attention to later tokens is not supported",
                          tf_gguf_name(r->file), key);
    CADRE_TRY(tf_gguf_number(r->file, key_of(r, "rope.scaling.attn_factor", key), 0, -1e9,
                             1e9, &attention_factor));
    if (attention_factor != 1)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: key \"%s\": a scaled attention is not supported, found %g",
                          tf_gguf_name(r->file), key, attention_factor);
    return CADRE_OK;
}

/* ---- Tensors ---- */

/* The tensor of this name as n_out rows of n_in. */
static cadre_status find(reader *r, const char *name, presence wanted, size_t n_out,
                         size_t n_in, tf_source *out)
{
    const tf_tensor *t = tf_gguf_tensor(r->file, name);

    if (!t && wanted == REQUIRED)
        return cadre_fail(CADRE_ERR_INPUT, "%s: tensor \"%s\" is missing",
                          tf_gguf_name(r->file), name);
    if (!t || wanted == ABSENT)
        return CADRE_OK;
    if (t->dims[0] != n_in || t->dims[1] != n_out || t->dims[2] != 1 || t->dims[3] != 1)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: tensor \"%s\": expected shape [%zu, %zu], found [%zu, %zu, "
            "%zu, %zu]",
            tf_gguf_name(r->file), name, n_in, n_out, t->dims[0], t->dims[1], t->dims[2],
            t->dims[3]);
    r->used[t - tf_gguf_tensor_at(r->file, 0)] = 1;
    *out = (tf_source){t->type, n_out, n_in, t->data};
    return CADRE_OK;
}

static cadre_status find_vector(reader *r, const char *name, presence wanted, size_t n,
                                tf_source *out)
{
    CADRE_TRY(find(r, name, wanted, 1, n, out));
    if (!out->data)
        return CADRE_OK;
    if (out->type != CADRE_W_F32)
        return cadre_fail(
            CADRE_ERR_UNSUPPORTED,
            "%s: tensor \"%s\": expected F32, as a vector is kept, found %s",
            tf_gguf_name(r->file), name, cadre_wtype_name(out->type));
    return tf_check_finite(tf_gguf_name(r->file), name, out->data, n);
}

static cadre_status find_layer_matrices(reader *r, size_t l, tf_layer_source *layer)
{
    const tf_shape *s = &r->model->shape;
    const size_t q = s->n_heads * s->head_dim, kv = s->n_kv_heads * s->head_dim;
    const size_t n_out[TF_N_MATRICES] = {q, kv, kv, s->dim, s->ffn, s->ffn, s->dim};
    const size_t n_in[TF_N_MATRICES] = {s->dim, s->dim, s->dim, q,
                                        s->dim, s->dim, s->ffn};
    char name[NAME];

    for (int m = 0; m < TF_N_MATRICES; m++) {
        snprintf(name, sizeof name, "blk.%zu.%s.weight", l, matrix_names[m]);
        CADRE_TRY(find(r, name, REQUIRED, n_out[m], n_in[m], &layer->matrices[m]));
    }
    return CADRE_OK;
}

static cadre_status find_layer_vectors(reader *r, size_t l, tf_layer_source *layer)
{
    const tf_shape *s = &r->model->shape;
    const size_t q = s->n_heads * s->head_dim, kv = s->n_kv_heads * s->head_dim;
    const size_t n[TF_N_VECTORS] = {s->dim, s->dim, q, kv, kv, s->head_dim, s->head_dim};
    const presence biases = r->architecture->biases, norms = r->architecture->head_norms;
    const presence wanted[TF_N_VECTORS] = {REQUIRED, REQUIRED, biases, biases,
                                           biases,   norms,    norms};
    char name[NAME];

    for (int v = 0; v < TF_N_VECTORS; v++) {
        snprintf(name, sizeof name, "blk.%zu.%s", l, vector_names[v]);
        CADRE_TRY(find_vector(r, name, wanted[v], n[v], &layer->vectors[v]));
    }
    return CADRE_OK;
}

static cadre_status find_layers(reader *r)
{
    tf_model *model = r->model;
    const size_t n_layers = model->shape.n_layers;

    if (n_layers > tf_gguf_n_tensors(r->file) / MIN_LAYER_TENSORS)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected %d tensors or more for each of %zu layers, found "
                          "%zu in all",
                          tf_gguf_name(r->file), MIN_LAYER_TENSORS, n_layers,
                          tf_gguf_n_tensors(r->file));
    model->layers = tf_allocate(model->path, n_layers, sizeof *model->layers);
    if (!model->layers)
        return CADRE_ERR_NOMEM;
    for (size_t l = 0; l < n_layers; l++) {
        CADRE_TRY(find_layer_matrices(r, l, &model->layers[l]));
        CADRE_TRY(find_layer_vectors(r, l, &model->layers[l]));
    }
    return CADRE_OK;
}

static cadre_status find_rope_divisors(reader *r)
{
    static const char *const name = "rope_freqs.weight";
    tf_source source = {0};
    const size_t n = r->model->shape.n_rot / 2;

    CADRE_TRY(find_vector(r, name, OPTIONAL, n, &source));
    const float *divisors = source.data;
    for (size_t i = 0; divisors && i < n; i++)
        if (!(divisors[i] > 0))
            return cadre_fail(
                CADRE_ERR_INPUT,
                "%s: tensor \"%s\": expected values above 0, found %g at %zu",
                tf_gguf_name(r->file), name, (double)divisors[i], i);
    r->model->shape.rope_divisors = divisors;
    return CADRE_OK;
}

/* A tensor that nobody asked for would change what the model computes, except these,
 * which hold what hyperparameters tell. */
static cadre_status refuse_unknown(const reader *r)
{
    static const char tail[] = ".attn_rot_embd.weight";
    char shown[TF_SHOWN];

    for (size_t i = 0; i < tf_gguf_n_tensors(r->file); i++) {
        const tf_string name = tf_gguf_tensor_at(r->file, i)->name;
        const size_t n = sizeof tail - 1;
        if (r->used[i] ||
            (name.bytes > n && memcmp(name.at + name.bytes - n, tail, n) == 0))
            continue;
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: tensor \"%s\" is none that architecture %s has here",
                          tf_gguf_name(r->file), tf_show(name, shown),
                          r->architecture->name);
    }
    return CADRE_OK;
}

static cadre_status find_tensors(reader *r)
{
    tf_model *model = r->model;
    const tf_shape *s = &model->shape;

    CADRE_TRY(
        find(r, "token_embd.weight", REQUIRED, s->n_vocab, s->dim, &model->embedding));
    model->output = model->embedding;
    CADRE_TRY(find(r, "output.weight", OPTIONAL, s->n_vocab, s->dim, &model->output));
    CADRE_TRY(
        find_vector(r, "output_norm.weight", REQUIRED, s->dim, &model->output_norm));
    CADRE_TRY(find_layers(r));
    CADRE_TRY(find_rope_divisors(r));
    return refuse_unknown(r);
}

/* ---- The whole ---- */

static cadre_status read_model(reader *r)
{
    tf_model *model = r->model;

    CADRE_TRY(read_architecture(r, 1));
    CADRE_TRY(refuse_variants(r));
    CADRE_TRY(read_sizes(r, 1, &model->shape));
    CADRE_TRY(read_constants(r, 1, &model->shape));
    CADRE_TRY(tf_model_read_vocab(model));
    CADRE_TRY(tf_check_shape(model->path, &model->shape, 0));
    r->used = tf_allocate(model->path, tf_gguf_n_tensors(r->file), sizeof *r->used);
    if (!r->used)
        return CADRE_ERR_NOMEM;
    return find_tensors(r);
}

static cadre_status read_only_vocab(reader *r)
{
    tf_model *model = r->model;

    CADRE_TRY(read_architecture(r, 0));
    CADRE_TRY(read_sizes(r, 0, &model->shape));
    CADRE_TRY(read_constants(r, 0, &model->shape));
    CADRE_TRY(tf_model_read_vocab(model));
    return tf_check_shape(model->path, &model->shape, 1);
}

cadre_status tf_model_read_gguf(const tf_bytes *file, int vocab_only, tf_model *model)
{
    CADRE_TRY(tf_gguf_open_memory(file->path, file->data, file->n, &model->file->gguf));
    reader r = {.file = model->file->gguf, .model = model};
    if (tf_gguf_n_tensors(r.file) == 0 && vocab_only)
        return read_only_vocab(&r);
    if (tf_gguf_n_tensors(r.file) == 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected a model, found no tensors: a vocabulary only",
                          file->path);
    const cadre_status st = read_model(&r);
    free(r.used);
    return st;
}
