/* model_write.c - keys of a model file. */
#include "model_write.h"
#include <stdio.h>
#include <strings.h>

cadre_status tf_type_by_name(const char *name, cadre_wtype *out)
{
    for (int type = 0; type < CADRE_N_WTYPES; type++)
        if (strcasecmp(cadre_wtype_name((cadre_wtype)type), name) == 0) {
            *out = (cadre_wtype)type;
            return CADRE_OK;
        }
    return cadre_fail(CADRE_ERR_INPUT,
                      "--type: expected F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K or Q6_K, "
                      "found \"%.20s\"",
                      name);
}

cadre_wtype tf_type_that_fits(cadre_wtype wanted, size_t n_in)
{
    return n_in % cadre_wtype_block(wanted) == 0 ? wanted : CADRE_W_F16;
}

void tf_write_file_type(tf_writer *w, cadre_wtype type)
{
    /* As ggml numbers files of mostly one type; the K types' are their small mixtures. */
    static const uint32_t numbers[CADRE_N_WTYPES] = {
        [CADRE_W_F32] = 0,  [CADRE_W_F16] = 1,   [CADRE_W_BF16] = 32, [CADRE_W_Q8_0] = 7,
        [CADRE_W_Q4_0] = 2, [CADRE_W_Q4_K] = 14, [CADRE_W_Q5_K] = 16, [CADRE_W_Q6_K] = 18,
    };

    tf_write_integer(w, "general.file_type", numbers[type]);
}

static void write_size(tf_writer *w, const char *architecture, const char *what, size_t n)
{
    char key[96];

    snprintf(key, sizeof key, "%s.%s", architecture, what);
    tf_write_integer(w, key, (uint32_t)n);
}

static void write_constant(tf_writer *w, const char *architecture, const char *what,
                           double value)
{
    char key[96];

    snprintf(key, sizeof key, "%s.%s", architecture, what);
    tf_write_number(w, key, (float)value);
}

void tf_write_shape(tf_writer *w, const char *name, const char *architecture,
                    cadre_wtype type, const tf_shape *s)
{
    tf_write_string(w, "general.architecture", architecture);
    tf_write_string(w, "general.name", name);
    tf_write_integer(w, "general.quantization_version", 2);
    tf_write_file_type(w, type);
    write_size(w, architecture, "context_length", s->context);
    write_size(w, architecture, "embedding_length", s->dim);
    write_size(w, architecture, "block_count", s->n_layers);
    write_size(w, architecture, "feed_forward_length", s->ffn);
    write_size(w, architecture, "attention.head_count", s->n_heads);
    write_size(w, architecture, "attention.head_count_kv", s->n_kv_heads);
    write_size(w, architecture, "attention.key_length", s->head_dim);
    write_size(w, architecture, "attention.value_length", s->head_dim);
    write_size(w, architecture, "rope.dimension_count", s->n_rot);
    write_size(w, architecture, "vocab_size", s->n_vocab);
    write_constant(w, architecture, "attention.layer_norm_rms_epsilon", (double)s->eps);
    write_constant(w, architecture, "rope.freq_base", s->rope_base);
}

void tf_write_vocab(tf_writer *w, const tf_vocab *vocab)
{
    tf_write_string(w, "tokenizer.ggml.model", "llama");
    tf_write_string(w, "tokenizer.ggml.pre", "default");
    tf_write_strings(w, "tokenizer.ggml.tokens", vocab->tokens, vocab->n);
    tf_write_floats(w, "tokenizer.ggml.scores", vocab->scores, vocab->n);
    tf_write_integers(w, "tokenizer.ggml.token_type", vocab->types, vocab->n);
    tf_write_integer(w, "tokenizer.ggml.bos_token_id", (uint32_t)vocab->bos);
    tf_write_integer(w, "tokenizer.ggml.eos_token_id", (uint32_t)vocab->eos);
    tf_write_integer(w, "tokenizer.ggml.unknown_token_id", (uint32_t)vocab->unk);
    tf_write_boolean(w, "tokenizer.ggml.add_bos_token", 1);
    tf_write_boolean(w, "tokenizer.ggml.add_eos_token", 0);
    tf_write_boolean(w, "tokenizer.ggml.add_space_prefix", 1);
}
