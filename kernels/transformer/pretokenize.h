/* pretokenize.h - cutting text into the words in which byte-level BPE merges, by the
 * regular expressions that belong to a vocabulary.
 */
#ifndef TF_PRETOKENIZE_H
#define TF_PRETOKENIZE_H

#include "gguf.h"

typedef struct tf_pretokenizer tf_pretokenizer;

/* Where words end, in bytes from the start of the text. Scratch, all zero when empty,
 * that may be used again. */
typedef struct tf_words {
    size_t *ends;
    size_t n, capacity;
    size_t *before; /* the words of the expression before */
    size_t before_capacity;
    void *match;  /* of pcre2 */
    void *limits; /* of pcre2 */
} tf_words;
void tf_words_fini(tf_words *words);

/* By the name that GGUF files use in tokenizer.ggml.pre. The caller owns *out. Local.
 * CADRE_ERR_UNSUPPORTED  an unknown name; lists the known ones
 * CADRE_ERR_NOMEM */
cadre_status tf_pretokenizer_create(tf_string name, tf_pretokenizer **out);
void tf_pretokenizer_destroy(tf_pretokenizer *pre);

/* Whether a word that is a token is taken as it is, without merging (llama 3). */
int tf_pretokenizer_takes_words(const tf_pretokenizer *pre);

/* Cut valid UTF-8 into words, which cover it. Linear in bytes.
 * CADRE_ERR_NOMEM */
cadre_status tf_pretokenize(const tf_pretokenizer *pre, const char *text, size_t bytes,
                            tf_words *words);

#endif
