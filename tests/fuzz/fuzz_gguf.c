/* fuzz_gguf: any bytes as a GGUF file, as a model in one, and as a llama2.c checkpoint
 * with its vocabulary (two bytes that say how long that is, the vocabulary, the rest).
 * What opens is read from end to end.
 *
 * Sources: kernels/transformer/{allocate,gguf,gguf_values,mapped}.c
 * Sources: kernels/transformer/model*.c
 * Sources: kernels/ops/quant.c src/core/{memory,status,text}.c
 */
#include "transformer/model.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte, so that the sanitizer sees one that is out of bounds. */
static unsigned sum_of(const void *data, size_t n)
{
    const uint8_t *bytes = data;
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += bytes[i];
    return sum;
}

static unsigned read_source(const tf_source *source)
{
    if (!source->data)
        return 0;
    return sum_of(source->data, source->n_out *
                                    (source->n_in / cadre_wtype_block(source->type)) *
                                    cadre_wtype_block_bytes(source->type));
}

static unsigned read_vocab(const tf_vocab *v)
{
    unsigned sum = sum_of(v->chat_template.at, v->chat_template.bytes);

    for (size_t i = 0; i < v->n; i++) {
        sum += sum_of(v->tokens[i].at, v->tokens[i].bytes);
        sum += v->scores && v->scores[i] > 0;
        sum += v->types && v->types[i] > 0;
    }
    for (size_t i = 0; i < v->n_merges; i++)
        sum += sum_of(v->merges[i].at, v->merges[i].bytes);
    const int32_t ids[] = {v->bos, v->eos, v->eot, v->unk, v->pad};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (ids[i] < -1 || ids[i] >= (int64_t)v->n)
            abort();
    return sum;
}

static unsigned read_model(const tf_model *m)
{
    unsigned sum = read_vocab(&m->vocab);

    sum += read_source(&m->embedding) + read_source(&m->output) +
           read_source(&m->output_norm);
    if (m->shape.rope_divisors)
        sum += sum_of(m->shape.rope_divisors, m->shape.n_rot / 2 * sizeof(float));
    for (size_t l = 0; m->layers && l < m->shape.n_layers; l++) {
        for (int i = 0; i < TF_N_MATRICES; i++)
            sum += read_source(&m->layers[l].matrices[i]);
        for (int i = 0; i < TF_N_VECTORS; i++)
            sum += read_source(&m->layers[l].vectors[i]);
    }
    return sum;
}

static unsigned read_file(const tf_gguf *file)
{
    unsigned sum = 0;

    for (size_t i = 0; i < tf_gguf_n_values(file); i++) {
        const tf_value *value = tf_gguf_value_at(file, i);
        sum += sum_of(value->key.at, value->key.bytes) + sum_of(value->at, value->bytes);
    }
    for (size_t i = 0; i < tf_gguf_n_tensors(file); i++) {
        const tf_tensor *t = tf_gguf_tensor_at(file, i);
        sum += sum_of(t->name.at, t->name.bytes) + sum_of(t->data, t->bytes);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static volatile unsigned result;
    tf_gguf *file;
    tf_model *model;

    if (tf_gguf_open_memory("fuzz.gguf", data, size, &file) == CADRE_OK) {
        result += read_file(file);
        tf_gguf_close(file);
    }
    for (int vocab_only = 0; vocab_only < 2; vocab_only++)
        if (tf_model_open_memory("fuzz.gguf", data, size, NULL, NULL, 0, vocab_only,
                                 &model) == CADRE_OK) {
            result += read_model(model);
            tf_model_close(model);
        }

    const size_t vocab = size < 2 ? 0 : data[0] | (size_t)data[1] << 8;
    if (size < 2 || vocab > size - 2)
        return 0;
    /* A copy of its own, so that it is aligned and its end is watched. */
    const size_t n = size - 2 - vocab;
    void *weights = malloc(n ? n : 1);
    memcpy(weights, data + 2 + vocab, n);
    if (tf_model_open_memory("fuzz.bin", weights, n, "fuzz.tok", data + 2, vocab, 0,
                             &model) == CADRE_OK) {
        result += read_model(model);
        tf_model_close(model);
    }
    free(weights);
    return 0;
}
