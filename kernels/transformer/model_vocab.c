/* model_vocab.c - a GGUF file's vocabulary. What is not told is as in the programs that
 * wrote the first such files; the format's description leaves it open. */
#include "model_file.h"
#include <inttypes.h>
#include <string.h>

static cadre_status read_kind(const tf_gguf *file, tf_vocab *vocab)
{
    char shown[TF_SHOWN];
    tf_string kind = {0};

    CADRE_TRY(tf_gguf_string(file, "tokenizer.ggml.model", 1, &kind));
    if (tf_string_is(kind, "llama"))
        vocab->kind = TF_VOCAB_SPM;
    else if (tf_string_is(kind, "gpt2"))
        vocab->kind = TF_VOCAB_BPE;
    else
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: key \"tokenizer.ggml.model\": \"%s\" is not supported; "
                          "those that are: \"llama\" (SentencePiece), \"gpt2\" "
                          "(byte-level BPE)",
                          tf_gguf_name(file), tf_show(kind, shown));
    vocab->pre = (tf_string){"default", strlen("default")};
    return tf_gguf_string(file, "tokenizer.ggml.pre", 0, &vocab->pre);
}

static cadre_status check_length(const tf_gguf *file, const char *key, size_t n,
                                 const tf_vocab *vocab)
{
    if (n != vocab->n)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: key \"%s\": expected an element for each of %zu tokens, "
                          "found %zu",
                          tf_gguf_name(file), key, vocab->n, n);
    return CADRE_OK;
}

static cadre_status read_scores(const tf_gguf *file, tf_vocab *vocab)
{
    static const char *const key = "tokenizer.ggml.scores";
    size_t n;

    CADRE_TRY(tf_gguf_floats(file, key, vocab->kind == TF_VOCAB_SPM, &vocab->scores, &n));
    if (!vocab->scores)
        return CADRE_OK;
    CADRE_TRY(check_length(file, key, n, vocab));
    for (size_t i = 0; i < n; i++)
        if (vocab->scores[i] != vocab->scores[i])
            return cadre_fail(CADRE_ERR_INPUT, "%s: key \"%s\": element %zu is a NaN",
                              tf_gguf_name(file), key, i);
    return CADRE_OK;
}

static cadre_status read_types(const tf_gguf *file, tf_vocab *vocab)
{
    static const char *const key = "tokenizer.ggml.token_type";
    size_t n;

    CADRE_TRY(tf_gguf_integers(file, key, 0, 0, TF_TOKEN_BYTE, &vocab->types, &n));
    return vocab->types ? check_length(file, key, n, vocab) : CADRE_OK;
}

static cadre_status read_arrays(const tf_gguf *file, tf_vocab *vocab)
{
    CADRE_TRY(
        tf_gguf_strings(file, "tokenizer.ggml.tokens", 1, &vocab->tokens, &vocab->n));
    if (vocab->n < 1 || vocab->n > TF_MAX_SIZE)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: key \"tokenizer.ggml.tokens\": expected 1 to %d tokens, found %zu",
            tf_gguf_name(file), TF_MAX_SIZE, vocab->n);
    CADRE_TRY(read_scores(file, vocab));
    CADRE_TRY(read_types(file, vocab));
    return tf_gguf_strings(file, "tokenizer.ggml.merges", vocab->kind == TF_VOCAB_BPE,
                           &vocab->merges, &vocab->n_merges);
}

/* The id under this key, `otherwise` if it is absent and there is such a token. */
static cadre_status read_id(const tf_gguf *file, const tf_vocab *vocab, const char *key,
                            int32_t otherwise, int32_t *out)
{
    int64_t id = (size_t)otherwise < vocab->n ? otherwise : -1;

    CADRE_TRY(tf_gguf_integer(file, key, 0, 0, (int64_t)vocab->n - 1, &id));
    *out = (int32_t)id;
    return CADRE_OK;
}

/* Padding is never used here, and files are known that give an id beyond the vocabulary
 * for it: that is none. */
static cadre_status read_padding(const tf_gguf *file, tf_vocab *vocab)
{
    int64_t id = -1;

    CADRE_TRY(
        tf_gguf_integer(file, "tokenizer.ggml.padding_token_id", 0, -1, UINT32_MAX, &id));
    vocab->pad = id < (int64_t)vocab->n ? (int32_t)id : -1;
    return CADRE_OK;
}

static cadre_status read_ids(const tf_gguf *file, tf_vocab *vocab)
{
    const int spm = vocab->kind == TF_VOCAB_SPM;

    CADRE_TRY(
        read_id(file, vocab, "tokenizer.ggml.bos_token_id", spm ? 1 : -1, &vocab->bos));
    CADRE_TRY(
        read_id(file, vocab, "tokenizer.ggml.eos_token_id", spm ? 2 : -1, &vocab->eos));
    CADRE_TRY(read_id(file, vocab, "tokenizer.ggml.eot_token_id", -1, &vocab->eot));
    CADRE_TRY(read_id(file, vocab, "tokenizer.ggml.unknown_token_id", spm ? 0 : -1,
                      &vocab->unk));
    return read_padding(file, vocab);
}

/* Llama 3's texts start with BOS, though its files may leave it to the reader to know. */
static int is_llama3(tf_string pre)
{
    return tf_string_is(pre, "llama-bpe") || tf_string_is(pre, "llama3") ||
           tf_string_is(pre, "llama-v3");
}

static cadre_status read_habits(const tf_gguf *file, tf_vocab *vocab)
{
    vocab->add_bos = vocab->kind == TF_VOCAB_SPM || is_llama3(vocab->pre);
    vocab->add_eos = 0;
    vocab->add_space_prefix = vocab->kind == TF_VOCAB_SPM;
    CADRE_TRY(tf_gguf_boolean(file, "tokenizer.ggml.add_bos_token", 0, &vocab->add_bos));
    CADRE_TRY(tf_gguf_boolean(file, "tokenizer.ggml.add_eos_token", 0, &vocab->add_eos));
    return tf_gguf_boolean(file, "tokenizer.ggml.add_space_prefix", 0,
                           &vocab->add_space_prefix);
}

cadre_status tf_model_read_vocab(tf_model *model)
{
    const tf_gguf *file = model->file->gguf;
    tf_vocab *vocab = &model->vocab;

    CADRE_TRY(read_kind(file, vocab));
    CADRE_TRY(read_arrays(file, vocab));
    CADRE_TRY(read_ids(file, vocab));
    CADRE_TRY(read_habits(file, vocab));
    model->shape.n_vocab = vocab->n;
    return tf_gguf_string(file, "tokenizer.chat_template", 0, &vocab->chat_template);
}
