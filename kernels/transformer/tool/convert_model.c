/* convert_model.c - any model that we can open as a GGUF file of another type. The same
 * walk over the tensors declares them first and writes their data then. */
#include "convert_model.h"
#include "model_file.h"
#include "model_write.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE "\xe2\x96\x81" /* U+2581, by which SentencePiece writes a space */

typedef struct converter {
    const tf_model *model;
    cadre_wtype type;
    tf_writer *writer;
    float *values; /* [longest row] */
    void *row;
    size_t n_others;
    int declaring;
} converter;

/* ---- Tensors ---- */

/* f16, and with it Q8_0's and Q4_0's scales, ends at 65504. */
static cadre_status check_range(const converter *c, tf_string name, cadre_wtype type,
                                size_t n)
{
    const float limit = type == CADRE_W_F32 || type == CADRE_W_BF16 ? 3.4e38f : 65504;
    char shown[TF_SHOWN];

    for (size_t i = 0; i < n; i++)
        if (!(fabsf(c->values[i]) <= limit))
            return cadre_fail(CADRE_ERR_INPUT,
                              "%s: tensor \"%s\": expected weights within +-%g for %s, "
                              "found %g",
                              c->model->path, tf_show(name, shown), (double)limit,
                              cadre_wtype_name(type), (double)c->values[i]);
    return CADRE_OK;
}

static size_t row_bytes(cadre_wtype type, size_t n)
{
    return n / cadre_wtype_block(type) * cadre_wtype_block_bytes(type);
}

static cadre_status copy_rows(converter *c, tf_string name, const tf_source *from,
                              cadre_wtype type)
{
    const size_t n = from->n_in, in = row_bytes(from->type, n), out = row_bytes(type, n);

    if (from->type == type)
        return tf_write_data(c->writer, from->data, from->n_out * in);
    for (size_t i = 0; i < from->n_out; i++) {
        cadre_dequantize(from->type, (const uint8_t *)from->data + i * in, n, c->values);
        CADRE_TRY(check_range(c, name, type, n));
        CADRE_TRY(cadre_quantize(type, c->values, n, c->row));
        CADRE_TRY(tf_write_data(c->writer, c->row, out));
    }
    return CADRE_OK;
}

static cadre_status tensor(converter *c, tf_string name, const tf_source *from,
                           int is_vector)
{
    const cadre_wtype type =
        is_vector ? CADRE_W_F32 : tf_type_that_fits(c->type, from->n_in);

    if (!c->declaring)
        return copy_rows(c, name, from, type);
    if (!is_vector && type != c->type)
        c->n_others++;
    tf_write_tensor(c->writer, name, type, from->n_in, is_vector ? 0 : from->n_out);
    return CADRE_OK;
}

static cadre_status tensor_named(converter *c, const char *name, const tf_source *from,
                                 int is_vector)
{
    return tensor(c, (tf_string){name, strlen(name)}, from, is_vector);
}

/* ---- From GGUF ---- */

static cadre_status gguf_tensors(converter *c)
{
    const tf_gguf *file = c->model->file->gguf;

    for (size_t i = 0; i < tf_gguf_n_tensors(file); i++) {
        const tf_tensor *t = tf_gguf_tensor_at(file, i);
        const tf_source from = {t->type, t->dims[1], t->dims[0], t->data};
        CADRE_TRY(tensor(c, t->name, &from, t->n_dims == 1));
    }
    return CADRE_OK;
}

/* All keys but those that tell of the file itself. */
static void gguf_keys(converter *c)
{
    const tf_gguf *file = c->model->file->gguf;

    tf_write_file_type(c->writer, c->type);
    for (size_t i = 0; i < tf_gguf_n_values(file); i++) {
        const tf_value *value = tf_gguf_value_at(file, i);
        if (!tf_string_is(value->key, "general.file_type") &&
            !tf_string_is(value->key, "general.alignment"))
            tf_write_value(c->writer, value);
    }
}

/* ---- From llama2.c ---- */

static cadre_status llama2c_layer(converter *c, size_t l)
{
    /* Both formats rotate pairs (2i, 2i + 1), so rows of q and k keep their order. */
    static const struct {
        const char *name;
        int role, is_vector;
    } parts[] = {
        {"attn_norm", TF_ATTN_NORM, 1},
        {"attn_q", TF_Q, 0},
        {"attn_k", TF_K, 0},
        {"attn_v", TF_V, 0},
        {"attn_output", TF_O, 0},
        {"ffn_norm", TF_FFN_NORM, 1},
        {"ffn_gate", TF_GATE, 0},
        {"ffn_up", TF_UP, 0},
        {"ffn_down", TF_DOWN, 0},
    };
    const tf_layer_source *layer = &c->model->layers[l];
    char name[64];

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(name, sizeof name, "blk.%zu.%s.weight", l, parts[i].name);
        CADRE_TRY(tensor_named(c, name,
                               parts[i].is_vector ? &layer->vectors[parts[i].role]
                                                  : &layer->matrices[parts[i].role],
                               parts[i].is_vector));
    }
    return CADRE_OK;
}

static cadre_status llama2c_tensors(converter *c)
{
    const tf_model *m = c->model;

    CADRE_TRY(tensor_named(c, "token_embd.weight", &m->embedding, 0));
    for (size_t l = 0; l < m->shape.n_layers; l++)
        CADRE_TRY(llama2c_layer(c, l));
    CADRE_TRY(tensor_named(c, "output_norm.weight", &m->output_norm, 1));
    if (m->output.data == m->embedding.data)
        return CADRE_OK;
    return tensor_named(c, "output.weight", &m->output, 0);
}

/* A piece with its spaces as SentencePiece writes them, at `out`; returns its bytes. */
static size_t respace(tf_string piece, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < piece.bytes; i++) {
        if (piece.at[i] == ' ') {
            memcpy(out + n, SPACE, 3);
            n += 3;
        } else {
            out[n++] = piece.at[i];
        }
    }
    return n;
}

/* The vocabulary as SentencePiece has it; *text keeps the pieces. */
static cadre_status respace_vocab(const tf_vocab *from, tf_vocab *to, char **text)
{
    size_t n_bytes = 0;

    *to = *from;
    for (size_t i = 0; i < from->n; i++)
        n_bytes += 3 * from->tokens[i].bytes;
    *text = tf_allocate(from->source, n_bytes, 1);
    if (!*text)
        return CADRE_ERR_NOMEM;
    to->tokens = tf_allocate(from->source, from->n, sizeof *to->tokens);
    if (!to->tokens)
        return CADRE_ERR_NOMEM;
    char *at = *text;
    for (size_t i = 0; i < from->n; i++) {
        to->tokens[i] = (tf_string){at, respace(from->tokens[i], at)};
        at += to->tokens[i].bytes;
    }
    /* llama2.c's export puts them on lines of their own. */
    to->tokens[from->bos] = (tf_string){"<s>", 3};
    to->tokens[from->eos] = (tf_string){"</s>", 4};
    return CADRE_OK;
}

static cadre_status llama2c_keys(converter *c)
{
    tf_vocab vocab = {0};
    char *text = NULL;

    tf_write_shape(c->writer, c->model->name, "llama", c->type, &c->model->shape);
    const cadre_status st = respace_vocab(&c->model->vocab, &vocab, &text);
    if (st == CADRE_OK)
        tf_write_vocab(c->writer, &vocab);
    if (vocab.tokens != c->model->vocab.tokens)
        free(vocab.tokens);
    free(text);
    return st;
}

/* ---- The whole ---- */

static cadre_status write_all(converter *c)
{
    cadre_status (*tensors)(converter *) =
        c->model->file->gguf ? gguf_tensors : llama2c_tensors;

    if (c->model->file->gguf)
        gguf_keys(c);
    else
        CADRE_TRY(llama2c_keys(c));
    c->declaring = 1;
    CADRE_TRY(tensors(c));
    c->declaring = 0;
    return tensors(c);
}

static cadre_status convert(converter *c, const char *path)
{
    const tf_shape *s = &c->model->shape;
    const size_t q = s->n_heads * s->head_dim;
    size_t n = s->dim > s->ffn ? s->dim : s->ffn;

    n = q > n ? q : n;
    c->values = tf_allocate(path, n, sizeof *c->values);
    if (!c->values)
        return CADRE_ERR_NOMEM;
    c->row = tf_allocate(path, n, sizeof *c->values);
    if (!c->row)
        return CADRE_ERR_NOMEM;
    CADRE_TRY(tf_writer_create(path, &c->writer));
    const cadre_status st = write_all(c);
    if (st == CADRE_OK)
        return tf_writer_finish(c->writer);
    tf_writer_discard(c->writer);
    return st;
}

cadre_status tf_convert(const tf_model *model, cadre_wtype type, const char *path,
                        size_t *n_others)
{
    converter c = {.model = model, .type = type};

    *n_others = 0;
    if (type > CADRE_W_Q4_0)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: type %s is read but not made; those that are: F32, F16, "
                          "BF16, Q8_0, Q4_0",
                          path, cadre_wtype_name(type));
    const cadre_status st = convert(&c, path);
    free(c.values);
    free(c.row);
    *n_others = c.n_others;
    return st;
}
