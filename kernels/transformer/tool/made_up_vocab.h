/* made_up_vocab.h - a SentencePiece vocabulary of any size, for models that are made up
 * as well. */
#ifndef TF_MADE_UP_VOCAB_H
#define TF_MADE_UP_VOCAB_H

#include "model.h"

/* unknown, BOS and EOS; the 256 bytes, if there is room for them and a piece; then
 * pieces: printable ASCII, and words of one letter, two letters, and so on, each with and
 * without a space before it. n >= 4. The caller frees *out with tf_made_up_vocab_free().
 * CADRE_ERR_NOMEM */
cadre_status tf_made_up_vocab(size_t n, tf_vocab *out);
void tf_made_up_vocab_free(tf_vocab *vocab);

#endif
