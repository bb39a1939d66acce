/* made_up_vocab.c - a SentencePiece vocabulary of any size. */
#include "made_up_vocab.h"
#include "model_file.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE "\xe2\x96\x81" /* U+2581, which stands for a space */

enum { PIECE = 16, N_BYTES = 256, N_PRINTABLE = '~' - '!' + 1 };

/* The i-th word of a, b, ..., z, aa, ab, ... */
static void word(size_t i, char out[PIECE])
{
    char reversed[PIECE];
    size_t n = 0;

    for (i++; i > 0; i = (i - 1) / 26)
        reversed[n++] = (char)('a' + (i - 1) % 26);
    for (size_t k = 0; k < n; k++)
        out[k] = reversed[n - 1 - k];
    out[n] = '\0';
}

/* The i-th piece: a space, the printable characters, then words. */
static void piece(size_t i, char out[PIECE])
{
    char letters[PIECE];

    if (i == 0) {
        strcpy(out, SPACE);
    } else if (i <= N_PRINTABLE) {
        out[0] = (char)('!' + i - 1);
        out[1] = '\0';
    } else if (i <= N_PRINTABLE + 26) { /* without the space they are there already */
        word(i - N_PRINTABLE - 1, letters);
        snprintf(out, PIECE, SPACE "%.8s", letters);
    } else {
        const size_t k = i - N_PRINTABLE - 27;
        word(26 + k / 2, letters);
        snprintf(out, PIECE, "%s%.8s", k % 2 ? SPACE : "", letters);
    }
}

static void name_token(size_t id, size_t n_bytes, char out[PIECE], int32_t *type)
{
    static const char *const special[] = {"<unk>", "<s>", "</s>"};

    if (id < 3) {
        strcpy(out, special[id]);
        *type = id == 0 ? TF_TOKEN_UNKNOWN : TF_TOKEN_CONTROL;
    } else if (id < 3 + n_bytes) {
        snprintf(out, PIECE, "<0x%02X>", (unsigned)(id - 3) & 0xff);
        *type = TF_TOKEN_BYTE;
    } else {
        piece(id - 3 - n_bytes, out);
        *type = TF_TOKEN_NORMAL;
    }
}

cadre_status tf_made_up_vocab(size_t n, tf_vocab *out)
{
    static const char *const what = "a made-up vocabulary";
    const size_t n_bytes = n > 3 + N_BYTES ? N_BYTES : 0;
    char *text = tf_allocate(what, n, PIECE); /* the first token's pointer keeps it */

    *out = (tf_vocab){.n = n, .bos = 1, .eos = 2, .eot = -1, .pad = -1};
    out->tokens = tf_allocate(what, n, sizeof *out->tokens);
    out->scores = tf_allocate(what, n, sizeof *out->scores);
    out->types = tf_allocate(what, n, sizeof *out->types);
    if (!text || !out->tokens || !out->scores || !out->types) {
        free(text);
        tf_made_up_vocab_free(out);
        return CADRE_ERR_NOMEM;
    }
    for (size_t id = 0; id < n; id++) {
        char *at = text + id * PIECE;
        name_token(id, n_bytes, at, &out->types[id]);
        out->tokens[id] = (tf_string){at, strlen(at)};
        out->scores[id] = id < 3 + n_bytes ? 0 : -(float)(id - 3 - n_bytes);
    }
    return CADRE_OK;
}

void tf_made_up_vocab_free(tf_vocab *vocab)
{
    if (vocab->tokens && vocab->tokens[0].at)
        free((void *)(uintptr_t)vocab->tokens[0].at);
    free(vocab->tokens);
    free(vocab->scores);
    free(vocab->types);
    *vocab = (tf_vocab){0};
}
