/* fuzz_tokenizer_spm: any bytes as a vocabulary with scores and a text. What is encoded
 * must give the text again where that holds.
 *
 * The first byte has switches, the second the number of tokens, each of which has a type,
 * a score, a length and so many bytes; the rest is text, in which 0xFF starts a piece.
 *
 * Sources: kernels/transformer/{tokenizer,tokenizer_spm,tokenizer_bpe}.c
 * Sources: kernels/transformer/{token_table,merger,pretokenize,utf8}.c
 * Sources: kernels/transformer/{allocate,gguf,gguf_values,mapped}.c
 * Sources: kernels/ops/quant.c src/core/{memory,status,text}.c
 * Libraries: -lpcre2-8
 */
#include "transformer/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLAIN_SPACES = 1, NO_PREFIX = 2, NO_UNKNOWN = 4, ALL_BYTES = 8, NO_TYPES = 16 };
enum { MAX_TOKENS = 512, MAX_PIECES = 8 };

typedef struct input {
    const uint8_t *at, *end;
} input;

static uint8_t next(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

typedef struct words {
    tf_vocab vocab;
    tf_string tokens[MAX_TOKENS];
    float scores[MAX_TOKENS];
    int32_t types[MAX_TOKENS];
    char byte_names[256][8];
} words;

static void add(words *w, tf_string text, float score, int type)
{
    const size_t i = w->vocab.n++;
    w->tokens[i] = text;
    w->scores[i] = score;
    w->types[i] = type;
}

static void read_vocab(input *in, int switches, words *w)
{
    const size_t n = next(in);
    w->vocab = (tf_vocab){
        .source = "fuzz",
        .kind = switches & PLAIN_SPACES ? TF_VOCAB_LLAMA2C : TF_VOCAB_SPM,
        .tokens = w->tokens,
        .scores = w->scores,
        .types = switches & NO_TYPES ? NULL : w->types,
        .bos = -1,
        .eos = -1,
        .eot = -1,
        .unk = -1,
        .pad = -1,
        .add_space_prefix = !(switches & NO_PREFIX),
    };
    for (size_t i = 0; i < n; i++) {
        const int type = next(in) % (TF_TOKEN_BYTE + 1);
        const float score = (float)(int8_t)next(in);
        const size_t bytes = next(in) % 16, left = (size_t)(in->end - in->at);
        add(w, (tf_string){(const char *)in->at, bytes < left ? bytes : left}, score,
            type);
        in->at += bytes < left ? bytes : left;
    }
    if (!(switches & NO_UNKNOWN)) {
        w->vocab.unk = (int32_t)w->vocab.n;
        add(w, (tf_string){"<unknown>", 9}, 0, TF_TOKEN_UNKNOWN);
    }
    for (int byte = 0; byte < 256 && (switches & ALL_BYTES); byte++) {
        snprintf(w->byte_names[byte], sizeof w->byte_names[byte], "<0x%02X>",
                 (unsigned)byte);
        add(w, (tf_string){w->byte_names[byte], 6}, 0, TF_TOKEN_BYTE);
    }
}

static size_t read_pieces(input *in, tf_piece pieces[MAX_PIECES])
{
    size_t n = 0;
    while (in->at < in->end && n < MAX_PIECES) {
        const size_t left = (size_t)(in->end - in->at);
        const uint8_t *mark = n + 1 < MAX_PIECES ? memchr(in->at, 0xFF, left) : NULL;
        const size_t bytes = mark ? (size_t)(mark - in->at) : left;
        pieces[n] = (tf_piece){(const char *)in->at, bytes, n % 2 == 1};
        in->at += mark ? bytes + 1 : bytes;
        n++;
    }
    return n;
}

/* Text with U+2581 as the space that it is told for. */
static size_t append_spaced(char *out, const char *text, size_t bytes, int marked)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        const int mark = marked && bytes - i >= 3 && !memcmp(text + i, "\u2581", 3);
        out[n++] = mark ? ' ' : text[i];
        i += mark ? 2 : 0;
    }
    return n;
}

static void check_round_trip(const tf_tokenizer *t, const words *w,
                             const tf_piece *pieces, size_t n_pieces,
                             const tf_tokens *tokens)
{
    const int marked = w->vocab.kind == TF_VOCAB_SPM;
    size_t bytes = 1, n_want = 0, n_got = 0;
    for (size_t i = 0; i < n_pieces; i++)
        bytes += pieces[i].bytes;
    char *raw = malloc(bytes), *want = malloc(bytes), *got = malloc(bytes);
    size_t n_raw = 0;
    for (size_t i = 0; i < n_pieces; i++) {
        memcpy(raw + n_raw, pieces[i].text, pieces[i].bytes);
        n_raw += pieces[i].bytes;
    }
    if (tf_tokenizer_drops_space(t) && n_raw > 0)
        want[n_want++] = ' ';
    n_want += append_spaced(want + n_want, raw, n_raw, marked);
    for (size_t i = 0; i < tokens->n; i++) {
        size_t n;
        const char *text = tf_tokenizer_text(t, tokens->ids[i], &n);
        if (n_got + n > bytes)
            abort();
        memcpy(got + n_got, text, n);
        n_got += n;
    }
    if (n_got != n_want || memcmp(got, want, n_got) != 0)
        abort();
    free(raw);
    free(want);
    free(got);
}

/* Whether every token adds the bytes it was made of, no prefix stands inside, and a
 * space is a token, not three bytes that look like one. Without types, a token with the
 * name of an end is one, and adds nothing. */
static int keeps_text(const tf_tokenizer *t, const words *w, int switches)
{
    int space = w->vocab.kind != TF_VOCAB_SPM;
    if (!(switches & ALL_BYTES))
        return 0;
    for (size_t i = 0; i < w->vocab.n; i++) {
        if (w->types[i] != TF_TOKEN_NORMAL && w->types[i] != TF_TOKEN_UNUSED &&
            w->types[i] != TF_TOKEN_BYTE && (int32_t)i != w->vocab.unk)
            return 0;
        if (w->vocab.types == NULL && tf_tokenizer_is_end(t, (int32_t)i))
            return 0;
        space |= w->tokens[i].bytes == 3 && !memcmp(w->tokens[i].at, "\u2581", 3);
    }
    return space;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static words w;
    input in = {data, data + size};
    const int switches = next(&in);
    tf_piece pieces[MAX_PIECES];
    tf_tokenizer *t;
    tf_tokens tokens = {0};

    read_vocab(&in, switches, &w);
    if (tf_tokenizer_create(&w.vocab, &t) != CADRE_OK)
        return 0;
    const size_t n = read_pieces(&in, pieces);
    if (tf_tokenizer_encode(t, pieces, n, 1, &tokens) == CADRE_OK) {
        int unknown = 0;
        for (size_t i = 0; i < tokens.n; i++) {
            if (tokens.ids[i] < 0 || (size_t)tokens.ids[i] >= w.vocab.n)
                abort();
            unknown |= tokens.ids[i] == w.vocab.unk;
        }
        if (!unknown && keeps_text(t, &w, switches))
            check_round_trip(t, &w, pieces, n, &tokens);
    }
    tf_tokens_free(&tokens);
    tf_tokenizer_destroy(t);
    return 0;
}
