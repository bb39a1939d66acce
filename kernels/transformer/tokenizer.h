/* tokenizer.h - text to tokens and back. */
#ifndef TF_TOKENIZER_H
#define TF_TOKENIZER_H

#include "model.h"

typedef struct tf_tokenizer tf_tokenizer;

/* A growing list of tokens: all zero is empty; the caller frees ids with
 * tf_tokens_free(). */
typedef struct tf_tokens {
    int32_t *ids;
    size_t n, capacity;
} tf_tokens;
cadre_status tf_tokens_push(tf_tokens *tokens, int32_t id);
void tf_tokens_free(tf_tokens *tokens);

/* A piece of input: text as the user wrote it, or part of a chat template, in which
 * special tokens are recognised. */
typedef struct tf_piece {
    const char *text;
    size_t bytes;
    int is_template;
} tf_piece;

/* Build the tables of a vocabulary, which stays borrowed. Thread-safe for reading once
 * made. The caller owns *out. Local.
 * CADRE_ERR_INPUT        a hole or a duplicate in the vocabulary where it matters, a
 * merge of unknown tokens, ids out of range; names the token CADRE_ERR_UNSUPPORTED  a
 * pre-tokenizer we do not know; lists those we do */
cadre_status tf_tokenizer_create(const tf_vocab *vocab, tf_tokenizer **out);
void tf_tokenizer_destroy(tf_tokenizer *tokenizer);

/* Append the tokens of the pieces, which are one text, to *out; with add_bos the
 * vocabulary's BOS first, if it has one and wants it (add_bos of the vocabulary).
 * CADRE_ERR_INPUT  invalid UTF-8: says at which byte of which piece
 * CADRE_ERR_NOMEM */
cadre_status tf_tokenizer_encode(const tf_tokenizer *tokenizer, const tf_piece *pieces,
                                 size_t n_pieces, int add_bos, tf_tokens *out);

/* What token id adds to the text; may be part of a UTF-8 character, and is empty for
 * control tokens. Borrowed. An id out of range gives nothing. */
const char *tf_tokenizer_text(const tf_tokenizer *tokenizer, int32_t id, size_t *bytes);

/* Whether text starts with a space that belongs to the vocabulary's space prefix and is
 * to be dropped when it follows BOS (SPM). */
int tf_tokenizer_drops_space(const tf_tokenizer *tokenizer);

/* Whether id ends a text: EOS, EOT, end of turn. */
int tf_tokenizer_is_end(const tf_tokenizer *tokenizer, int32_t id);

size_t tf_tokenizer_n_vocab(const tf_tokenizer *tokenizer);

#endif
