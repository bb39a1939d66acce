/* fuzz_tokenizer_bpe: any bytes as a byte-level vocabulary with merges and a text, which
 * must come back from its tokens.
 *
 * The first byte chooses the pre-tokenizer, the second the number of merges, each of
 * which is two bytes: tokens that are there already, or with 0xFF in front, a type and
 * length, and a merge as it stands in a file, with a token made of the same bytes. The
 * rest is text.
 *
 * Sources: kernels/transformer/{tokenizer,tokenizer_spm,tokenizer_bpe}.c
 * Sources: kernels/transformer/{token_table,merger,pretokenize,utf8}.c
 * Sources: kernels/transformer/{allocate,gguf,gguf_values,mapped}.c
 * Sources: kernels/ops/quant.c src/core/{memory,status,text}.c
 * Libraries: -lpcre2-8
 */
#include "transformer/tokenizer.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TOKENS = 512, MAX_BYTES = 64 };

static const char *const names[] = {"gpt-2",     "llama-bpe",    "qwen2",
                                    "starcoder", "deepseek-llm", "deepseek-coder",
                                    "falcon",    "default"};

typedef struct input {
    const uint8_t *at, *end;
} input;

static uint8_t next(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

typedef struct words {
    tf_vocab vocab;
    tf_string tokens[MAX_TOKENS], merges[MAX_TOKENS];
    int32_t types[MAX_TOKENS];
    char token_bytes[MAX_TOKENS][MAX_BYTES], merge_bytes[MAX_TOKENS][2 * MAX_BYTES];
} words;

static void add_token(words *w, const char *text, size_t bytes, int type)
{
    const size_t i = w->vocab.n;
    for (size_t k = 0; k < i; k++)
        if (w->tokens[k].bytes == bytes && memcmp(w->tokens[k].at, text, bytes) == 0)
            return;
    memcpy(w->token_bytes[i], text, bytes);
    w->tokens[i] = (tf_string){w->token_bytes[i], bytes};
    w->types[i] = type;
    w->vocab.n++;
}

static void add_merge(words *w, const char *text, size_t bytes)
{
    const size_t i = w->vocab.n_merges++;
    memcpy(w->merge_bytes[i], text, bytes);
    w->merges[i] = (tf_string){w->merge_bytes[i], bytes};
}

/* The 256 characters that stand for bytes: Latin-1's that can be seen, and from U+0100.
 */
static void add_bytes(words *w)
{
    unsigned unseen = 0x100;
    for (unsigned byte = 0; byte < 256; byte++) {
        const int seen = (byte > ' ' && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
        const unsigned code = seen ? byte : unseen++;
        const char wide[2] = {(char)(0xC0 | code >> 6), (char)(0x80 | (code & 0x3F))};
        const char narrow = (char)code;
        add_token(w, code < 0x80 ? &narrow : wide, code < 0x80 ? 1 : 2, TF_TOKEN_NORMAL);
    }
}

static void merge_two(words *w, const tf_string *left, const tf_string *right)
{
    char text[2 * MAX_BYTES];
    if (left->bytes + right->bytes > MAX_BYTES)
        return;
    memcpy(text, left->at, left->bytes);
    text[left->bytes] = ' ';
    memcpy(text + left->bytes + 1, right->at, right->bytes);
    add_merge(w, text, left->bytes + 1 + right->bytes);
    memcpy(text + left->bytes, right->at, right->bytes);
    add_token(w, text, left->bytes + right->bytes, TF_TOKEN_NORMAL);
}

/* A user's token adds itself to a text, so if merges make it, it must mean itself. */
static int type_of(int kind, const uint8_t *text, size_t bytes)
{
    int ascii = 1;
    for (size_t i = 0; i < bytes; i++)
        ascii &= text[i] > ' ' && text[i] < 0x7F;
    return kind == 2            ? TF_TOKEN_CONTROL
           : kind == 3 && ascii ? TF_TOKEN_USER
                                : TF_TOKEN_NORMAL;
}

static void read_merge(input *in, words *w)
{
    const uint8_t left = next(in), right = next(in);
    if (left != 0xFF) {
        /* One of the bytes, and any token, the newest ones for high numbers. */
        merge_two(w, &w->tokens[left],
                  &w->tokens[right < 0x80 ? right : w->vocab.n - 1 - (0xFF - right)]);
        return;
    }
    const size_t rest = (size_t)(in->end - in->at), wanted = right % MAX_BYTES;
    const size_t bytes = wanted < rest ? wanted : rest;
    add_merge(w, (const char *)in->at, bytes);
    if (bytes > 0)
        add_token(w, (const char *)in->at, bytes, type_of(right >> 6, in->at, bytes));
    in->at += bytes;
}

static void check_round_trip(const tf_tokenizer *t, const tf_piece *piece,
                             const tf_tokens *tokens)
{
    size_t at = 0;
    for (size_t i = 0; i < tokens->n; i++) {
        size_t bytes;
        const char *text = tf_tokenizer_text(t, tokens->ids[i], &bytes);
        if (bytes > piece->bytes - at || memcmp(piece->text + at, text, bytes) != 0)
            abort();
        at += bytes;
    }
    if (at != piece->bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static words w;
    input in = {data, data + size};
    const char *name = names[next(&in) % (sizeof names / sizeof *names)];
    tf_tokenizer *t;
    tf_tokens tokens = {0};

    w.vocab = (tf_vocab){.source = "fuzz",
                         .kind = TF_VOCAB_BPE,
                         .pre = {name, strlen(name)},
                         .tokens = w.tokens,
                         .types = w.types,
                         .merges = w.merges,
                         .bos = -1,
                         .eos = -1,
                         .eot = -1,
                         .unk = -1,
                         .pad = -1};
    add_bytes(&w);
    for (size_t n = next(&in) % 128; n > 0; n--)
        read_merge(&in, &w);
    if (tf_tokenizer_create(&w.vocab, &t) != CADRE_OK)
        return 0;
    const tf_piece piece = {(const char *)in.at, (size_t)(in.end - in.at), 0};
    if (tf_tokenizer_encode(t, &piece, 1, 0, &tokens) == CADRE_OK)
        check_round_trip(t, &piece, &tokens);
    tf_tokens_free(&tokens);
    tf_tokenizer_destroy(t);
    return 0;
}
