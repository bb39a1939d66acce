/* random_model.c - models of any shape with random weights. The same walk over the
 * tensors declares them first and writes their data then. */
#include "random_model.h"
#include "made_up_vocab.h"
#include "model_file.h"
#include "model_write.h"
#include "noise.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct generator {
    const tf_random_spec *spec;
    tf_shape shape;
    tf_writer *writer;
    tf_noise noise;
    float *values; /* one row */
    void *row;     /* the same in a tensor's type */
    int declaring;
} generator;

/* ---- Tensors ---- */

static cadre_status write_row(generator *g, cadre_wtype type, float mean, float deviation,
                              size_t n)
{
    const size_t bytes = n / cadre_wtype_block(type) * cadre_wtype_block_bytes(type);

    if (type == CADRE_W_Q4_K || type == CADRE_W_Q5_K || type == CADRE_W_Q6_K) {
        tf_noise_blocks(&g->noise, type, deviation, n, g->row);
    } else {
        tf_noise_normal(&g->noise, mean, deviation, n, g->values);
        CADRE_TRY(cadre_quantize(type, g->values, n, g->row));
    }
    return tf_write_data(g->writer, g->row, bytes);
}

static cadre_status vector(generator *g, const char *name, float mean, size_t n)
{
    if (!g->declaring)
        return write_row(g, CADRE_W_F32, mean, 0.1f, n);
    tf_write_tensor(g->writer, (tf_string){name, strlen(name)}, CADRE_W_F32, n, 0);
    return CADRE_OK;
}

static cadre_status matrix(generator *g, const char *name, size_t n_out, size_t n_in)
{
    const cadre_wtype type = tf_type_that_fits(g->spec->type, n_in);
    const float deviation = 1 / sqrtf((float)n_in);

    if (g->declaring)
        tf_write_tensor(g->writer, (tf_string){name, strlen(name)}, type, n_in, n_out);
    for (size_t i = 0; !g->declaring && i < n_out; i++)
        CADRE_TRY(write_row(g, type, 0, deviation, n_in));
    return CADRE_OK;
}

/* "blk.3.attn_q.weight" */
static const char *named(size_t layer, const char *what, char name[64])
{
    snprintf(name, 64, "blk.%zu.%s", layer, what);
    return name;
}

static cadre_status attention(generator *g, size_t l)
{
    const tf_shape *s = &g->shape;
    const size_t q = s->n_heads * s->head_dim, kv = s->n_kv_heads * s->head_dim;
    char name[64];

    CADRE_TRY(vector(g, named(l, "attn_norm.weight", name), 1, s->dim));
    CADRE_TRY(matrix(g, named(l, "attn_q.weight", name), q, s->dim));
    CADRE_TRY(matrix(g, named(l, "attn_k.weight", name), kv, s->dim));
    CADRE_TRY(matrix(g, named(l, "attn_v.weight", name), kv, s->dim));
    CADRE_TRY(matrix(g, named(l, "attn_output.weight", name), s->dim, q));
    if (strcmp(g->spec->architecture, "qwen2") == 0) {
        CADRE_TRY(vector(g, named(l, "attn_q.bias", name), 0, q));
        CADRE_TRY(vector(g, named(l, "attn_k.bias", name), 0, kv));
        CADRE_TRY(vector(g, named(l, "attn_v.bias", name), 0, kv));
    }
    if (strcmp(g->spec->architecture, "qwen3") == 0) {
        CADRE_TRY(vector(g, named(l, "attn_q_norm.weight", name), 1, s->head_dim));
        CADRE_TRY(vector(g, named(l, "attn_k_norm.weight", name), 1, s->head_dim));
    }
    return CADRE_OK;
}

static cadre_status feed_forward(generator *g, size_t l)
{
    const tf_shape *s = &g->shape;
    char name[64];

    CADRE_TRY(vector(g, named(l, "ffn_norm.weight", name), 1, s->dim));
    CADRE_TRY(matrix(g, named(l, "ffn_gate.weight", name), s->ffn, s->dim));
    CADRE_TRY(matrix(g, named(l, "ffn_up.weight", name), s->ffn, s->dim));
    return matrix(g, named(l, "ffn_down.weight", name), s->dim, s->ffn);
}

static cadre_status tensors(generator *g)
{
    const tf_shape *s = &g->shape;

    CADRE_TRY(matrix(g, "token_embd.weight", s->n_vocab, s->dim));
    for (size_t l = 0; l < s->n_layers; l++) {
        CADRE_TRY(attention(g, l));
        CADRE_TRY(feed_forward(g, l));
    }
    CADRE_TRY(vector(g, "output_norm.weight", 1, s->dim));
    return g->spec->tied ? CADRE_OK : matrix(g, "output.weight", s->n_vocab, s->dim);
}

/* ---- Keys ---- */

static void copy_vocab(generator *g, const tf_model *source)
{
    static const char prefix[] = "tokenizer.";
    const tf_gguf *file = source->file->gguf;

    for (size_t i = 0; i < tf_gguf_n_values(file); i++) {
        const tf_value *value = tf_gguf_value_at(file, i);
        if (value->key.bytes >= sizeof prefix - 1 &&
            memcmp(value->key.at, prefix, sizeof prefix - 1) == 0)
            tf_write_value(g->writer, value);
    }
}

static cadre_status make_vocab(generator *g)
{
    tf_vocab vocab;

    CADRE_TRY(tf_made_up_vocab(g->shape.n_vocab, &vocab));
    tf_write_vocab(g->writer, &vocab);
    tf_made_up_vocab_free(&vocab);
    return CADRE_OK;
}

static cadre_status generate(generator *g, const tf_model *vocab)
{
    char name[64];

    snprintf(name, sizeof name, "random-%zux%zu", g->shape.n_layers, g->shape.dim);
    tf_write_shape(g->writer, name, g->spec->architecture, g->spec->type, &g->shape);
    if (vocab)
        copy_vocab(g, vocab);
    else
        CADRE_TRY(make_vocab(g));
    g->declaring = 1;
    CADRE_TRY(tensors(g));
    g->declaring = 0;
    return tensors(g);
}

/* ---- The whole ---- */

static cadre_status set_shape(generator *g, const tf_model *vocab)
{
    const tf_random_spec *spec = g->spec;
    const size_t head_dim =
        spec->head_dim || !spec->n_heads ? spec->head_dim : spec->dim / spec->n_heads;

    if (strcmp(spec->architecture, "llama") != 0 &&
        strcmp(spec->architecture, "qwen2") != 0 &&
        strcmp(spec->architecture, "qwen3") != 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "architecture: expected llama, qwen2 or qwen3, found \"%.20s\"",
                          spec->architecture);
    if (!vocab && spec->n_vocab < 4)
        return cadre_fail(CADRE_ERR_INPUT,
                          "vocabulary: expected 4 tokens or more, found %zu",
                          spec->n_vocab);
    g->shape = (tf_shape){
        .dim = spec->dim,
        .n_layers = spec->n_layers,
        .n_heads = spec->n_heads,
        .n_kv_heads = spec->n_kv_heads,
        .head_dim = head_dim,
        .ffn = spec->ffn,
        .n_vocab = vocab ? vocab->vocab.n : spec->n_vocab,
        .context = spec->context,
        .n_rot = head_dim,
        .eps = 1e-5f,
        .rope_base = 10000,
    };
    return tf_check_shape("a random model", &g->shape, 0);
}

/* Memory for the longest row of any tensor. */
static cadre_status allocate_rows(generator *g)
{
    const size_t q = g->shape.n_heads * g->shape.head_dim;
    size_t n = g->shape.dim > g->shape.ffn ? g->shape.dim : g->shape.ffn;

    n = q > n ? q : n;
    g->values = tf_allocate("a random model", n, sizeof *g->values);
    if (!g->values)
        return CADRE_ERR_NOMEM;
    g->row = tf_allocate("a random model", n, sizeof *g->values);
    return g->row ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status write_model(generator *g, const char *path, const tf_model *vocab)
{
    CADRE_TRY(set_shape(g, vocab));
    CADRE_TRY(allocate_rows(g));
    CADRE_TRY(tf_noise_init(&g->noise, g->spec->seed));
    CADRE_TRY(tf_writer_create(path, &g->writer));
    const cadre_status st = generate(g, vocab);
    if (st == CADRE_OK)
        return tf_writer_finish(g->writer);
    tf_writer_discard(g->writer);
    return st;
}

cadre_status tf_random_write(const char *path, const tf_random_spec *spec)
{
    generator g = {.spec = spec};
    tf_model *vocab = NULL;

    if (spec->vocab)
        CADRE_TRY(tf_model_open(spec->vocab, NULL, 1, &vocab));
    const cadre_status st = write_model(&g, path, vocab);
    tf_noise_fini(&g.noise);
    free(g.values);
    free(g.row);
    tf_model_close(vocab);
    return st;
}
