/* tokenizer_bpe.c - byte-level BPE (Radford et al. 2019): text is cut into words, and the
 * bytes of each are joined by the merges, in their order (Sennrich et al. 2016). */
#include "tokenizer_parts.h"
#include "utf8.h"
#include <stdlib.h>
#include <string.h>

/* In files, each byte is a character that can be seen: itself, or for the 68 that cannot
 * be seen those from U+0100. */
#define FIRST_UNSEEN 0x100
#define N_CHARACTERS (FIRST_UNSEEN + 68)

static int is_seen(int byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
           (byte >= 0xAE && byte <= 0xFF);
}

/* bytes[c] is the byte of character c, or -1. */
static void list_characters(int16_t bytes[N_CHARACTERS])
{
    int16_t next = FIRST_UNSEEN;
    for (int c = 0; c < N_CHARACTERS; c++)
        bytes[c] = -1;
    for (int byte = 0; byte < 256; byte++)
        bytes[is_seen(byte) ? byte : next++] = (int16_t)byte;
}

/* Write the bytes that the characters of text stand for to out. 0: not all are such. */
static size_t decode(const int16_t bytes[N_CHARACTERS], tf_string text, char *out)
{
    size_t n = 0;
    for (size_t at = 0; at < text.bytes;) {
        uint32_t code;
        const size_t step = tf_utf8_decode(text.at + at, text.bytes - at, &code);
        if (step == 0 || code >= N_CHARACTERS || bytes[code] < 0)
            return 0;
        out[n++] = (char)bytes[code];
        at += step;
    }
    return n;
}

/* What each token adds to a text, and which is a single byte or a whole word. */
static void read_tokens(tf_tokenizer *t, int takes_words)
{
    const tf_vocab *vocab = t->vocab;
    int16_t bytes[N_CHARACTERS];
    list_characters(bytes);
    for (size_t i = 0; i < vocab->n; i++) {
        const tf_string text = vocab->tokens[i];
        if (t->marks[i] & TF_MARK_CONTROL)
            continue;
        char *out = t->arena + t->arena_bytes;
        const size_t n = decode(bytes, text, out);
        if (n == 1)
            t->byte_ids[(unsigned char)out[0]] = (int32_t)i;
        if (n == 0 || (t->marks[i] & TF_MARK_USER)) {
            tf_tokenizer_set_text(t, (int32_t)i, text.at, text.bytes);
            continue;
        }
        t->texts[i] = (tf_string){out, n};
        t->arena_bytes += n;
        if (takes_words)
            (void)tf_token_table_add(&t->table, (int32_t)i);
    }
}

static cadre_status fail_merge(const tf_vocab *vocab, size_t index, const char *what)
{
    char shown[TF_SHOWN];
    return cadre_fail(CADRE_ERR_INPUT, "%s: merge %zu, \"%s\", %s", vocab->source, index,
                      tf_show(vocab->merges[index], shown), what);
}

/* Add merge number `index`, "left right". joined is scratch of its bytes. */
static cadre_status read_merge(tf_tokenizer *t, const tf_token_table *all, size_t index,
                               char *joined)
{
    const tf_string text = t->vocab->merges[index];
    /* A space can be the first character of a token, though not of ours. */
    const char *space = text.bytes > 2 ? memchr(text.at + 1, ' ', text.bytes - 2) : NULL;
    if (!space)
        return fail_merge(t->vocab, index, "is not two tokens with a space between them");
    const size_t n_left = (size_t)(space - text.at), n_right = text.bytes - n_left - 1;
    memcpy(joined, text.at, n_left);
    memcpy(joined + n_left, space + 1, n_right);
    const int32_t left = tf_token_table_find(all, joined, n_left);
    const int32_t right = tf_token_table_find(all, space + 1, n_right);
    const int32_t id = tf_token_table_find(all, joined, n_left + n_right);
    if (left < 0 || right < 0 || id < 0)
        return fail_merge(t->vocab, index,
                          left < 0    ? "starts with what is no token"
                          : right < 0 ? "ends with what is no token"
                                      : "makes what is no token");
    if (!((t->marks[left] | t->marks[right] | t->marks[id]) & TF_MARK_CONTROL))
        tf_merge_table_add(&t->merges, (tf_merge){left, right, id, (uint32_t)index});
    return CADRE_OK;
}

static cadre_status read_merges(tf_tokenizer *t, const tf_token_table *all)
{
    const tf_vocab *vocab = t->vocab;
    size_t longest = 1;
    if (vocab->n_merges > UINT32_MAX)
        return cadre_fail(CADRE_ERR_INPUT, "%s: %zu merges are too many", vocab->source,
                          vocab->n_merges);
    for (size_t i = 0; i < vocab->n_merges; i++)
        if (vocab->merges[i].bytes > longest)
            longest = vocab->merges[i].bytes;
    CADRE_TRY(tf_merge_table_init(&t->merges, vocab->n_merges));
    char *joined = malloc(longest);
    if (!joined)
        return cadre_fail(CADRE_ERR_NOMEM, "%s: no memory for a merge of %zu bytes",
                          vocab->source, longest);
    cadre_status st = CADRE_OK;
    for (size_t i = 0; i < vocab->n_merges && st == CADRE_OK; i++)
        st = read_merge(t, all, i, joined);
    free(joined);
    return st;
}

cadre_status tf_bpe_create(tf_tokenizer *t, const tf_token_table *all)
{
    CADRE_TRY(cadre_context(tf_pretokenizer_create(t->vocab->pre, &t->pre), "%s",
                            t->vocab->source));
    const int takes_words = tf_pretokenizer_takes_words(t->pre);
    if (takes_words)
        CADRE_TRY(tf_token_table_init(&t->table, t->texts, t->vocab->n));
    read_tokens(t, takes_words);
    return read_merges(t, all);
}

static int may_join(const void *of, const tf_symbol *left, const tf_symbol *right,
                    int32_t *id, uint32_t *rank)
{
    const tf_tokenizer *t = of;
    const tf_merge *merge = tf_merge_table_find(&t->merges, left->id, right->id);
    if (!merge)
        return 0;
    *id = merge->id;
    *rank = merge->rank;
    return 1;
}

static cadre_status encode_word(const tf_tokenizer *t, tf_encoding *encoding,
                                const char *word, size_t bytes)
{
    tf_merger *merger = &encoding->merger;
    if (tf_pretokenizer_takes_words(t->pre)) {
        const int32_t id = tf_token_table_find(&t->table, word, bytes);
        if (id >= 0)
            return tf_tokens_push(encoding->out, id);
    }
    CADRE_TRY(tf_merger_reset(merger, bytes));
    for (size_t i = 0; i < bytes; i++) {
        const int32_t id = t->byte_ids[(unsigned char)word[i]];
        if (id < 0)
            return cadre_fail(CADRE_ERR_INPUT,
                              "the text has a byte 0x%02X, for which %s has no token",
                              (unsigned)(unsigned char)word[i], t->vocab->source);
        tf_merger_add(merger, (uint32_t)i, 1, id);
    }
    tf_merger_run(merger, may_join, t);
    for (int32_t i = 0; i >= 0; i = merger->symbols[i].next)
        CADRE_TRY(tf_tokens_push(encoding->out, merger->symbols[i].id));
    return CADRE_OK;
}

cadre_status tf_bpe_encode(const tf_tokenizer *t, tf_encoding *encoding, const char *text,
                           size_t bytes)
{
    size_t start = 0;
    CADRE_TRY(tf_pretokenize(t->pre, text, bytes, &encoding->words));
    for (size_t i = 0; i < encoding->words.n; i++) {
        const size_t end = encoding->words.ends[i];
        CADRE_TRY(encode_word(t, encoding, text + start, end - start));
        start = end;
    }
    return CADRE_OK;
}
