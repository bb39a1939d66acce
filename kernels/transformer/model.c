/* model.c - opening a model of either format, and what both have to fulfil. */
#include "model_file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Checks ---- */

/* From 1 to max, or 0 where that means: not told. */
static cadre_status check_size(const char *path, const char *what, size_t n, size_t max,
                               int incomplete)
{
    if (n > max || (n == 0 && !incomplete))
        return cadre_fail(CADRE_ERR_INPUT, "%s: %s: expected 1 to %zu, found %zu", path,
                          what, max, n);
    return CADRE_OK;
}

static cadre_status check_heads(const char *path, const tf_shape *s)
{
    if (s->n_heads % s->n_kv_heads != 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected heads in equal groups per KV head, found %zu "
                          "heads and %zu KV heads",
                          path, s->n_heads, s->n_kv_heads);
    if (s->n_rot > s->head_dim || s->n_rot % 2 != 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected an even number of rotated values from 2 to a "
                          "head's %zu, found %zu",
                          path, s->head_dim, s->n_rot);
    return CADRE_OK;
}

cadre_status tf_check_shape(const char *path, const tf_shape *shape, int incomplete)
{
    const struct {
        const char *what;
        size_t n, max;
    } sizes[] = {
        {"width (embedding length)", shape->dim, TF_MAX_SIZE},
        {"layers (block count)", shape->n_layers, TF_MAX_SIZE},
        {"heads", shape->n_heads, TF_MAX_SIZE},
        {"KV heads", shape->n_kv_heads, TF_MAX_SIZE},
        {"values of a head", shape->head_dim, TF_MAX_HEAD_DIM},
        {"rotated values of a head", shape->n_rot, TF_MAX_HEAD_DIM},
        {"feed-forward width", shape->ffn, TF_MAX_SIZE},
        {"vocabulary", shape->n_vocab, TF_MAX_SIZE},
        {"context length", shape->context, TF_MAX_CONTEXT},
    };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        CADRE_TRY(check_size(path, sizes[i].what, sizes[i].n, sizes[i].max, incomplete));
    if (!incomplete)
        CADRE_TRY(check_heads(path, shape));
    return CADRE_OK;
}

cadre_status tf_check_finite(const char *path, const char *tensor, const float *values,
                             size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return cadre_fail(CADRE_ERR_INPUT,
                              "%s: tensor \"%s\": expected finite values, found %g at "
                              "%zu",
                              path, tensor, (double)values[i], i);
    return CADRE_OK;
}

/* ---- Opening ---- */

static cadre_status copy_string(const char *text, char **out)
{
    *out = strdup(text);
    return *out ? CADRE_OK : cadre_fail(CADRE_ERR_NOMEM, "%s: no memory", text);
}

/* The model's own name, or its file's. */
static cadre_status read_name(tf_model *model)
{
    char shown[TF_SHOWN];
    tf_string name = {0};

    if (model->file->gguf)
        CADRE_TRY(tf_gguf_string(model->file->gguf, "general.name", 0, &name));
    if (name.bytes > 0)
        return copy_string(tf_show(name, shown), &model->name);
    const char *slash = strrchr(model->path, '/');
    return copy_string(slash ? slash + 1 : model->path, &model->name);
}

static int is_gguf(const tf_bytes *file)
{
    return file->n >= 4 && memcmp(file->data, "GGUF", 4) == 0;
}

static cadre_status fill(const tf_bytes *file, const tf_bytes *tokenizer, int vocab_only,
                         tf_model *model)
{
    model->file = tf_allocate(file->path, 1, sizeof *model->file);
    if (!model->file)
        return CADRE_ERR_NOMEM;
    CADRE_TRY(copy_string(file->path, &model->path));
    CADRE_TRY(copy_string(tokenizer->path, &model->file->tokenizer_path));
    model->file_bytes = file->n;
    model->vocab.source = model->path;
    if (is_gguf(file) && tokenizer->path[0])
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: a GGUF file has its own vocabulary: expected no tokenizer "
                          "beside it, found %s",
                          file->path, tokenizer->path);
    if (is_gguf(file))
        CADRE_TRY(tf_model_read_gguf(file, vocab_only, model));
    else
        CADRE_TRY(tf_model_read_llama2c(file, tokenizer, model));
    return read_name(model);
}

static cadre_status open_bytes(const tf_bytes *file, const tf_bytes *tokenizer,
                               int vocab_only, tf_model **out)
{
    tf_model *model = tf_allocate(file->path, 1, sizeof *model);

    if (!model)
        return CADRE_ERR_NOMEM;
    const cadre_status st = fill(file, tokenizer, vocab_only, model);
    if (st != CADRE_OK)
        tf_model_close(model);
    else
        *out = model;
    return st;
}

cadre_status tf_model_open_memory(const char *path, const void *data, size_t bytes,
                                  const char *tokenizer_path, const void *tokenizer,
                                  size_t tokenizer_bytes, int vocab_only, tf_model **out)
{
    const tf_bytes file = {path, data, bytes};
    const tf_bytes vocabulary = {tokenizer_path ? tokenizer_path : "", tokenizer,
                                 tokenizer_bytes};

    *out = NULL;
    return open_bytes(&file, &vocabulary, vocab_only, out);
}

/* Map the vocabulary, if one is named, and open. */
static cadre_status open_mapped(const char *path, const tf_mapped *weights,
                                const char *tokenizer, int vocab_only, tf_model **out)
{
    tf_mapped vocabulary = {0};

    if (tokenizer && tokenizer[0])
        CADRE_TRY(tf_map(tokenizer, &vocabulary));
    const cadre_status st =
        tf_model_open_memory(path, weights->data, weights->bytes, tokenizer,
                             vocabulary.data, vocabulary.bytes, vocab_only, out);
    if (st != CADRE_OK)
        tf_unmap(&vocabulary);
    else
        (*out)->file->tokenizer = vocabulary;
    return st;
}

cadre_status tf_model_open(const char *path, const char *tokenizer, int vocab_only,
                           tf_model **out)
{
    tf_mapped weights;

    *out = NULL;
    CADRE_TRY(tf_map(path, &weights));
    const cadre_status st = open_mapped(path, &weights, tokenizer, vocab_only, out);
    if (st != CADRE_OK) {
        tf_unmap(&weights);
        return st;
    }
    (*out)->file->weights = weights;
    (*out)->id = weights.id;
    return CADRE_OK;
}

void tf_model_rest(const tf_model *model)
{
    tf_rest(&model->file->weights);
}

void tf_model_close(tf_model *model)
{
    if (!model)
        return;
    if (model->file) {
        tf_gguf_close(model->file->gguf);
        tf_unmap(&model->file->weights);
        tf_unmap(&model->file->tokenizer);
        free(model->file->tokenizer_path);
    }
    free(model->file);
    free(model->vocab.tokens);
    free(model->vocab.scores);
    free(model->vocab.types);
    free(model->vocab.merges);
    free(model->layers);
    free(model->path);
    free(model->name);
    free(model);
}
