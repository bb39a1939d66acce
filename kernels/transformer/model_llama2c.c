/* model_llama2c.c - a llama2.c checkpoint (github.com/karpathy/llama2.c, legacy export)
 * and its tokenizer file.
 *
 * The checkpoint: seven int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads,
 * vocab_size, seq_len), then f32 tensors in a fixed order, those of one kind for all
 * layers together; vocab_size is negative if the classifier is a matrix of its own. The
 * tokenizer: int32 longest piece, then for each token f32 score, int32 bytes, the bytes.
 */
#include "model_file.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_INTS = 7, UNKNOWN = 0, BOS = 1, EOS = 2 };

typedef struct header {
    int32_t dim, ffn, n_layers, n_heads, n_kv_heads, vocab, context;
} header;

/* ---- Sizes ---- */

static cadre_status check_kind(const tf_bytes *file)
{
    static const struct {
        const char *magic, *what;
    } others[] = {
        {"24ka", "a llama2.c checkpoint of version 1 or later (export with --version 0)"},
        {"lmgg", "a GGML file, the forerunner of GGUF"},
        {"tjgg", "a GGJT file, the forerunner of GGUF"},
        {"\x89HDF", "an HDF5 file"},
        {"PK\x03\x04", "a PyTorch or zip file"},
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (file->n >= 4 && memcmp(file->data, others[i].magic, 4) == 0)
            return cadre_fail(CADRE_ERR_UNSUPPORTED,
                              "%s: expected a GGUF file or a llama2.c checkpoint, found "
                              "%s",
                              file->path, others[i].what);
    if (file->n < sizeof(header))
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected a GGUF file or a llama2.c checkpoint, found %zu "
                          "bytes",
                          file->path, file->n);
    return CADRE_OK;
}

/* The header as a shape; negative sizes become 0, which is refused. */
static void to_shape(const header *h, tf_shape *s)
{
    const int64_t vocab = h->vocab < 0 ? -(int64_t)h->vocab : h->vocab;

    *s = (tf_shape){
        .dim = h->dim > 0 ? (size_t)h->dim : 0,
        .n_layers = h->n_layers > 0 ? (size_t)h->n_layers : 0,
        .n_heads = h->n_heads > 0 ? (size_t)h->n_heads : 0,
        .n_kv_heads = h->n_kv_heads > 0 ? (size_t)h->n_kv_heads : 0,
        .ffn = h->ffn > 0 ? (size_t)h->ffn : 0,
        .n_vocab = (size_t)vocab,
        .context = h->context > 0 ? (size_t)h->context : 0,
        .eps = 1e-5f,
        .rope_base = 10000,
        .rope_factor = 1,
    };
    if (s->n_heads)
        s->head_dim = s->n_rot = s->dim / s->n_heads;
}

static cadre_status read_shape(const tf_bytes *file, tf_model *model, int *tied)
{
    header h;

    CADRE_TRY(check_kind(file));
    memcpy(&h, file->data, sizeof h);
    to_shape(&h, &model->shape);
    *tied = h.vocab > 0;
    CADRE_TRY(cadre_context(tf_check_shape(file->path, &model->shape, 0),
                            "no GGUF file, and as a llama2.c checkpoint"));
    if (model->shape.head_dim * model->shape.n_heads != model->shape.dim)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected a width in equal parts for each head, found %zu "
                          "and %zu heads",
                          file->path, model->shape.dim, model->shape.n_heads);
    return CADRE_OK;
}

/* ---- Tensors ---- */

/* Walks over the file's floats. Sums are of products of numbers up to 2^24 and three
 * factors, so counted in 128 bits. */
typedef struct walk {
    const uint8_t *data;
    size_t at; /* bytes */
} walk;

/* n_layers tensors of n_out x n_in: those of layer l into *(first + l * stride). */
static void take(walk *w, size_t n_out, size_t n_in, tf_source *out)
{
    *out = (tf_source){CADRE_W_F32, n_out, n_in, w->data + w->at};
    w->at += n_out * n_in * sizeof(float);
}

static void take_matrices(walk *w, tf_model *m, tf_role role, size_t n_out, size_t n_in)
{
    for (size_t l = 0; l < m->shape.n_layers; l++)
        take(w, n_out, n_in, &m->layers[l].matrices[role]);
}

static void take_vectors(walk *w, tf_model *m, tf_vector vector, size_t n)
{
    for (size_t l = 0; l < m->shape.n_layers; l++)
        take(w, 1, n, &m->layers[l].vectors[vector]);
}

/* Bytes of a checkpoint of this shape, at most UINT64_MAX / 2. */
static uint64_t checkpoint_bytes(const tf_shape *s, int tied)
{
    typedef unsigned __int128 wide;
    const wide dim = s->dim, q = (wide)s->n_heads * s->head_dim,
               kv = (wide)s->n_kv_heads * s->head_dim;
    const wide layer = 2 * dim + 2 * dim * q + 2 * dim * kv + 3 * dim * s->ffn;
    const wide floats = dim * s->n_vocab * (tied ? 1 : 2) + layer * s->n_layers + dim +
                        (wide)s->context * s->head_dim;
    const wide bytes = sizeof(header) + floats * sizeof(float);
    return bytes < UINT64_MAX / 2 ? (uint64_t)bytes : UINT64_MAX / 2;
}

static void place(const uint8_t *data, int tied, tf_model *m)
{
    const tf_shape *s = &m->shape;
    const size_t q = s->n_heads * s->head_dim, kv = s->n_kv_heads * s->head_dim;
    walk w = {.data = data, .at = sizeof(header)};

    take(&w, s->n_vocab, s->dim, &m->embedding);
    take_vectors(&w, m, TF_ATTN_NORM, s->dim);
    take_matrices(&w, m, TF_Q, q, s->dim);
    take_matrices(&w, m, TF_K, kv, s->dim);
    take_matrices(&w, m, TF_V, kv, s->dim);
    take_matrices(&w, m, TF_O, s->dim, q);
    take_vectors(&w, m, TF_FFN_NORM, s->dim);
    take_matrices(&w, m, TF_GATE, s->ffn, s->dim);
    take_matrices(&w, m, TF_DOWN, s->dim, s->ffn);
    take_matrices(&w, m, TF_UP, s->ffn, s->dim);
    take(&w, 1, s->dim, &m->output_norm);
    /* Tables of RoPE's cosines and sines, which nobody reads any more. */
    w.at += s->context * s->head_dim * sizeof(float);
    m->output = m->embedding;
    if (!tied)
        take(&w, s->n_vocab, s->dim, &m->output);
}

static cadre_status check_vectors(const tf_model *m)
{
    char name[48];

    for (size_t l = 0; l < m->shape.n_layers; l++)
        for (int v = TF_ATTN_NORM; v <= TF_FFN_NORM; v++) {
            snprintf(name, sizeof name, "%s of layer %zu",
                     v == TF_ATTN_NORM ? "rms_att" : "rms_ffn", l);
            CADRE_TRY(tf_check_finite(m->path, name, m->layers[l].vectors[v].data,
                                      m->shape.dim));
        }
    return tf_check_finite(m->path, "rms_final", m->output_norm.data, m->shape.dim);
}

static cadre_status read_weights(const tf_bytes *file, int tied, tf_model *m)
{
    const uint64_t bytes = checkpoint_bytes(&m->shape, tied);

    if (bytes != file->n)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected %" PRIu64
                          " bytes for a llama2.c checkpoint of width %zu, %zu layers, "
                          "%zu tokens, found %zu",
                          file->path, bytes, m->shape.dim, m->shape.n_layers,
                          m->shape.n_vocab, file->n);
    m->layers = tf_allocate(m->path, m->shape.n_layers, sizeof *m->layers);
    if (!m->layers)
        return CADRE_ERR_NOMEM;
    place(file->data, tied, m);
    return check_vectors(m);
}

/* ---- Vocabulary ---- */

/* "<0x0A>" */
static int is_byte(tf_string piece)
{
    static const char digits[] = "0123456789ABCDEF";

    return piece.bytes == 6 && memcmp(piece.at, "<0x", 3) == 0 && piece.at[5] == '>' &&
           memchr(digits, piece.at[3], 16) && memchr(digits, piece.at[4], 16);
}

static int32_t type_of(size_t id, tf_string piece)
{
    if (id == UNKNOWN)
        return TF_TOKEN_UNKNOWN;
    if (id == BOS || id == EOS)
        return TF_TOKEN_CONTROL;
    return is_byte(piece) ? TF_TOKEN_BYTE : TF_TOKEN_NORMAL;
}

/* One token at *at, which moves on. */
static cadre_status read_token(const tf_bytes *file, size_t *at, size_t id, tf_vocab *v)
{
    const size_t head = sizeof(float) + sizeof(int32_t);
    int32_t n = -1;

    if (file->n - *at >= head) {
        memcpy(&v->scores[id], file->data + *at, sizeof v->scores[id]);
        memcpy(&n, file->data + *at + sizeof(float), sizeof n);
    }
    if (n < 0 || (size_t)n > file->n - *at - head)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: offset %zu: truncated or damaged at token %zu: %zu bytes "
                          "are left",
                          file->path, *at, id, file->n - *at);
    if (v->scores[id] != v->scores[id])
        return cadre_fail(CADRE_ERR_INPUT, "%s: offset %zu: token %zu's score is a NaN",
                          file->path, *at, id);
    v->tokens[id] = (tf_string){(const char *)file->data + *at + head, (size_t)n};
    v->types[id] = type_of(id, v->tokens[id]);
    *at += head + (size_t)n;
    return CADRE_OK;
}

static cadre_status read_vocab(const tf_bytes *file, tf_model *model)
{
    const size_t n = model->shape.n_vocab;
    size_t at = sizeof(int32_t); /* the longest piece is not needed */
    tf_vocab *v = &model->vocab;

    *v = (tf_vocab){.source = model->file->tokenizer_path,
                    .kind = TF_VOCAB_LLAMA2C,
                    .pre = {"default", strlen("default")},
                    .n = n,
                    .bos = BOS,
                    .eos = EOS,
                    .eot = -1,
                    .unk = UNKNOWN,
                    .pad = -1,
                    .add_bos = 1,
                    .add_space_prefix = 1};
    if (n <= EOS || file->n < at || n > (file->n - at) / (2 * sizeof(int32_t)))
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: %zu bytes, too few for a vocabulary of %zu tokens (or "
                          "fewer tokens than unknown, BOS and EOS)",
                          file->path, file->n, n);
    v->tokens = tf_allocate(file->path, n, sizeof *v->tokens);
    if (!v->tokens)
        return CADRE_ERR_NOMEM;
    v->scores = tf_allocate(file->path, n, sizeof *v->scores);
    if (!v->scores)
        return CADRE_ERR_NOMEM;
    v->types = tf_allocate(file->path, n, sizeof *v->types);
    if (!v->types)
        return CADRE_ERR_NOMEM;
    for (size_t id = 0; id < n; id++)
        CADRE_TRY(read_token(file, &at, id, v));
    if (at != file->n)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected the end after %zu tokens, at offset %zu, found "
                          "%zu bytes more: another model's vocabulary?",
                          file->path, n, at, file->n - at);
    return CADRE_OK;
}

cadre_status tf_model_read_llama2c(const tf_bytes *file, const tf_bytes *tokenizer,
                                   tf_model *model)
{
    int tied = 1;

    CADRE_TRY(read_shape(file, model, &tied));
    CADRE_TRY(read_weights(file, tied, model));
    snprintf(model->architecture, sizeof model->architecture, "llama");
    if (!tokenizer->data)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: a llama2.c checkpoint has no vocabulary of its own: name "
                          "its tokenizer file",
                          file->path);
    return read_vocab(tokenizer, model);
}
