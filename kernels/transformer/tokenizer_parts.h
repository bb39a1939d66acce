/* tokenizer_parts.h - what tokenizer.c and the two kinds of vocabulary share. */
#ifndef TF_TOKENIZER_PARTS_H
#define TF_TOKENIZER_PARTS_H

#include "merger.h"
#include "pretokenize.h"
#include "token_table.h"
#include "tokenizer.h"

enum {                      /* marks of a token */
       TF_MARK_CONTROL = 1, /* never made of text, and adds none */
       TF_MARK_USER = 2,    /* found in any text before all else */
       TF_MARK_END = 4      /* ends a text */
};

struct tf_tokenizer {
    const tf_vocab *vocab;
    unsigned char *marks; /* [n] */
    tf_string *texts;     /* [n]: what each adds to a text, in arena */
    char *arena;          /* room for all of the vocabulary's bytes */
    size_t arena_bytes;   /* used */
    int32_t *specials;    /* [n_specials]: control and user tokens, by their text */
    size_t n_specials;
    unsigned char starts[256];  /* marks of the specials that start with a byte */
    int32_t byte_ids[256];      /* -1: there is none */
    tf_token_table table;       /* SPM: every token that text may become; BPE: words */
    unsigned char goes_on[256]; /* SPM: a token has a space behind this byte */
    tf_pretokenizer *pre;       /* BPE */
    tf_merge_table merges;      /* BPE */
};

/* What one call of encode() works with. */
typedef struct tf_encoding {
    tf_merger merger;
    tf_words words;
    char *spaced; /* SPM: a text with its spaces as the vocabulary has them */
    size_t spaced_bytes;
    tf_tokens *out;
} tf_encoding;

/* Copy bytes to the arena as what token id adds to a text. */
void tf_tokenizer_set_text(tf_tokenizer *t, int32_t id, const char *bytes, size_t n);

/* Fill what the kind needs; marks are there, `all` has every token of the vocabulary by
 * its text in the file. */
cadre_status tf_spm_create(tf_tokenizer *t);
cadre_status tf_bpe_create(tf_tokenizer *t, const tf_token_table *all);

/* Append the tokens of text, which holds no special ones. */
cadre_status tf_spm_encode(const tf_tokenizer *t, tf_encoding *encoding, const char *text,
                           size_t bytes, int with_prefix);
cadre_status tf_bpe_encode(const tf_tokenizer *t, tf_encoding *encoding, const char *text,
                           size_t bytes);

#endif
