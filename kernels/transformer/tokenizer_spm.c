/* tokenizer_spm.c - SentencePiece's BPE (Kudo and Richardson 2018): characters are joined
 * to the tokens of the best scores, and what is no token is told byte by byte. llama2.c's
 * vocabularies are the same with plain spaces. */
#include "tokenizer_parts.h"
#include <stdlib.h>
#include <string.h>

#define MARK "\xE2\x96\x81" /* U+2581, in place of a space */
#define MARK_BYTES 3

static tf_string space_of(const tf_vocab *vocab)
{
    return vocab->kind == TF_VOCAB_SPM ? (tf_string){MARK, MARK_BYTES}
                                       : (tf_string){" ", 1};
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that a token "<0x0A>" stands for, or -1. */
static int byte_of(tf_string text)
{
    if (text.bytes != 6 || memcmp(text.at, "<0x", 3) != 0 || text.at[5] != '>')
        return -1;
    const int high = hex_digit(text.at[3]), low = hex_digit(text.at[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Bytes of the mark at text[bytes], or 0. */
static size_t mark_at(const char *text, size_t bytes, tf_string space)
{
    return bytes >= space.bytes && memcmp(text, space.at, space.bytes) == 0 ? space.bytes
                                                                            : 0;
}

/* A token's text with spaces for marks; out has room for text.bytes. */
static size_t unmarked(tf_string text, tf_string space, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < text.bytes;) {
        const size_t mark = mark_at(text.at + i, text.bytes - i, space);
        out[n++] = mark ? ' ' : text.at[i];
        i += mark ? mark : 1;
    }
    return n;
}

/* Note the bytes that this token has in front of a space. */
static void note_spaces(tf_tokenizer *t, tf_string text, tf_string space)
{
    for (size_t i = 1; i < text.bytes; i++)
        if (mark_at(text.at + i, text.bytes - i, space))
            t->goes_on[(unsigned char)text.at[i - 1]] = 1;
}

static cadre_status check_bytes(const tf_tokenizer *t)
{
    for (int byte = 0; byte < 256 && t->vocab->unk < 0; byte++)
        if (t->byte_ids[byte] < 0)
            return cadre_fail(
                CADRE_ERR_INPUT,
                "%s: the vocabulary has neither a token \"<0x%02X>\" nor one "
                "for what is unknown",
                t->vocab->source, (unsigned)byte);
    return CADRE_OK;
}

cadre_status tf_spm_create(tf_tokenizer *t)
{
    const tf_vocab *vocab = t->vocab;
    const tf_string space = space_of(vocab);
    if (!vocab->scores)
        return cadre_fail(CADRE_ERR_INPUT, "%s: the vocabulary has no scores",
                          vocab->source);
    CADRE_TRY(tf_token_table_init(&t->table, vocab->tokens, vocab->n));
    for (size_t i = 0; i < vocab->n; i++) {
        const tf_string text = vocab->tokens[i];
        const int32_t id = (int32_t)i;
        const int byte = byte_of(text);
        if (vocab->scores[i] != vocab->scores[i])
            return cadre_fail(CADRE_ERR_INPUT, "%s: the score of token %zu is a NaN",
                              vocab->source, i);
        if ((t->marks[i] & TF_MARK_CONTROL) || text.bytes == 0)
            continue;
        if (byte >= 0) {
            t->byte_ids[byte] = id;
            tf_tokenizer_set_text(t, id, (char[]){(char)byte}, 1);
            continue;
        }
        (void)tf_token_table_add(&t->table, id);
        note_spaces(t, text, space);
        if (t->marks[i] & TF_MARK_USER) {
            tf_tokenizer_set_text(t, id, text.at, text.bytes);
            continue;
        }
        char *out = t->arena + t->arena_bytes;
        t->texts[i] = (tf_string){out, unmarked(text, space, out)};
        t->arena_bytes += t->texts[i].bytes;
    }
    return check_bytes(t);
}

/* Floats as integers in the opposite order. */
static uint32_t rank_of(float score)
{
    const float no_minus_zero = score + 0.0f;
    uint32_t bits;
    memcpy(&bits, &no_minus_zero, sizeof bits);
    return bits & UINT32_C(0x80000000) ? bits : ~(bits | UINT32_C(0x80000000));
}

typedef struct context {
    const tf_tokenizer *t;
    const char *text;
} context;

static int may_join(const void *of, const tf_symbol *left, const tf_symbol *right,
                    int32_t *id, uint32_t *rank)
{
    const context *c = of;
    *id = tf_token_table_find(&c->t->table, c->text + left->at,
                              (size_t)left->bytes + right->bytes);
    if (*id < 0)
        return 0;
    *rank = rank_of(c->t->vocab->scores[*id]);
    return 1;
}

/* A character that is no part of a longer token. */
static cadre_status push_character(const context *c, const tf_symbol *symbol,
                                   tf_tokens *out)
{
    const char *text = c->text + symbol->at;
    const int32_t id = tf_token_table_find(&c->t->table, text, symbol->bytes);
    if (id >= 0)
        return tf_tokens_push(out, id);
    for (uint32_t i = 0; i < symbol->bytes; i++)
        if (c->t->byte_ids[(unsigned char)text[i]] < 0)
            return tf_tokens_push(out, c->t->vocab->unk);
    for (uint32_t i = 0; i < symbol->bytes; i++)
        CADRE_TRY(tf_tokens_push(out, c->t->byte_ids[(unsigned char)text[i]]));
    return CADRE_OK;
}

/* Bytes of the character that starts with this byte; the text is valid. */
static uint32_t character_bytes(unsigned char lead)
{
    return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* text[start..end), which no token goes beyond. */
static cadre_status encode_part(const context *c, tf_encoding *encoding, size_t start,
                                size_t end)
{
    tf_merger *merger = &encoding->merger;
    CADRE_TRY(tf_merger_reset(merger, end - start));
    for (size_t at = start; at < end;) {
        const uint32_t bytes = character_bytes((unsigned char)c->text[at]);
        tf_merger_add(merger, (uint32_t)at, bytes, -1);
        at += bytes;
    }
    tf_merger_run(merger, may_join, c);
    for (int32_t i = 0; i >= 0; i = merger->symbols[i].next) {
        const tf_symbol *symbol = &merger->symbols[i];
        CADRE_TRY(symbol->id >= 0 ? tf_tokens_push(encoding->out, symbol->id)
                                  : push_character(c, symbol, encoding->out));
    }
    return CADRE_OK;
}

/* Copy text to encoding->spaced with the vocabulary's spaces, one in front if asked. */
static cadre_status space_text(tf_encoding *encoding, const char *text, size_t bytes,
                               int with_prefix, tf_string space)
{
    char *out = realloc(encoding->spaced, (bytes + 1) * space.bytes);
    if (!out)
        return cadre_fail(CADRE_ERR_NOMEM, "no memory to tokenize %zu bytes", bytes);
    encoding->spaced = out;
    if (with_prefix)
        out = (char *)memcpy(out, space.at, space.bytes) + space.bytes;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == ' ')
            out = (char *)memcpy(out, space.at, space.bytes) + space.bytes;
        else
            *out++ = text[i];
    }
    encoding->spaced_bytes = (size_t)(out - encoding->spaced);
    return CADRE_OK;
}

cadre_status tf_spm_encode(const tf_tokenizer *t, tf_encoding *encoding, const char *text,
                           size_t bytes, int with_prefix)
{
    const tf_string space = space_of(t->vocab);
    CADRE_TRY(space_text(encoding, text, bytes, with_prefix, space));
    const context c = {t, encoding->spaced};
    const size_t end = encoding->spaced_bytes;
    size_t start = 0;
    /* Parts between which no token lies can be done one by one. Most words are such. */
    for (size_t at = 1; at < end; at++) {
        if (c.text[at] != space.at[0] || t->goes_on[(unsigned char)c.text[at - 1]] ||
            !mark_at(c.text + at, end - at, space))
            continue;
        CADRE_TRY(encode_part(&c, encoding, start, at));
        start = at;
    }
    return encode_part(&c, encoding, start, end);
}
