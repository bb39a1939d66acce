/* io/result_logprobs.c - log-probabilities of an answer in OpenAI's two forms. */
#include "io/json_text.h"
#include "io/results.h"
#include <math.h>
#include <string.h>

#define NEVER (-9999.0) /* what OpenAI writes for a probability of nearly 0 */

static void put_number(cadre__text *out, float logprob)
{
    cadre__text_printf(out, "%.9g", isfinite(logprob) ? (double)logprob : NEVER);
}

static void put_token(cadre__text *out, const cadre_token *token)
{
    cadre__text_json_string(out, token->bytes, token->n_bytes);
}

/* The alternatives of one token. */
static const cadre_token *tops(const cadre_logprobs *logprobs, uint32_t i)
{
    return logprobs->top + (size_t)i * logprobs->n_top;
}

/* ---- Completions: four parallel arrays ---- */

static bool is_text(const cadre_token *token)
{
    return cadre__utf8_valid_bytes(token->bytes, token->n_bytes) == token->n_bytes;
}

/* Whether two tokens are shown alike. */
static bool same_key(const cadre_token *a, const cadre_token *b)
{
    cadre__text x = {0}, y = {0};

    if (is_text(a) && is_text(b))
        return a->n_bytes == b->n_bytes &&
               (a->n_bytes == 0 || memcmp(a->bytes, b->bytes, a->n_bytes) == 0);
    cadre__text_utf8(&x, a->bytes, a->n_bytes);
    cadre__text_utf8(&y, b->bytes, b->n_bytes);
    const bool same = strcmp(cadre__text_string(&x), cadre__text_string(&y)) == 0;
    cadre__text_fini(&x);
    cadre__text_fini(&y);
    return same;
}

/* A key must not be there twice: the likeliest of those that are shown alike stays. */
static bool is_repeated(const cadre_token *top, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++) {
        if (same_key(&top[i], &top[k]))
            return true;
    }
    return false;
}

static void put_top(cadre__text *out, const cadre_token *top, uint32_t n)
{
    cadre__text_puts(out, "{");
    for (uint32_t i = 0; i < n; i++) {
        if (is_repeated(top, i))
            continue;
        cadre__text_puts(out, i ? "," : "");
        put_token(out, &top[i]);
        cadre__text_puts(out, ":");
        put_number(out, top[i].logprob);
    }
    cadre__text_puts(out, "}");
}

/* Characters that begin in bytes[0..n). */
static size_t count_characters(const char *bytes, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)bytes[i] & 0xC0) != 0x80;
    return count;
}

static void put_arrays(cadre__text *out, const cadre_logprobs *logprobs)
{
    size_t offset = 0;

    cadre__text_puts(out, "{\"tokens\":[");
    for (uint32_t i = 0; i < logprobs->n_tokens; i++) {
        cadre__text_puts(out, i ? "," : "");
        put_token(out, &logprobs->tokens[i]);
    }
    cadre__text_puts(out, "],\"token_logprobs\":[");
    for (uint32_t i = 0; i < logprobs->n_tokens; i++) {
        cadre__text_puts(out, i ? "," : "");
        put_number(out, logprobs->tokens[i].logprob);
    }
    cadre__text_puts(out, "],\"top_logprobs\":");
    cadre__text_puts(out, logprobs->n_top ? "[" : "null");
    for (uint32_t i = 0; logprobs->n_top && i < logprobs->n_tokens; i++) {
        cadre__text_puts(out, i ? "," : "");
        put_top(out, tops(logprobs, i), logprobs->n_top);
    }
    cadre__text_puts(out, logprobs->n_top ? "]" : "");
    cadre__text_puts(out, ",\"text_offset\":[");
    for (uint32_t i = 0; i < logprobs->n_tokens; i++) {
        cadre__text_printf(out, i ? ",%zu" : "%zu", offset);
        offset +=
            count_characters(logprobs->tokens[i].bytes, logprobs->tokens[i].n_bytes);
    }
    cadre__text_puts(out, "]}");
}

/* ---- Chats: an object per token ---- */

/* {"token":" a","logprob":-0.5,"bytes":[32,97], left open. */
static void open_entry(cadre__text *out, const cadre_token *token)
{
    cadre__text_puts(out, "{\"token\":");
    put_token(out, token);
    cadre__text_puts(out, ",\"logprob\":");
    put_number(out, token->logprob);
    cadre__text_puts(out, ",\"bytes\":[");
    for (uint32_t i = 0; i < token->n_bytes; i++)
        cadre__text_printf(out, i ? ",%u" : "%u", (unsigned char)token->bytes[i]);
    cadre__text_puts(out, "]");
}

static void put_entries(cadre__text *out, const cadre_logprobs *logprobs)
{
    cadre__text_puts(out, "{\"content\":[");
    for (uint32_t i = 0; i < logprobs->n_tokens; i++) {
        cadre__text_puts(out, i ? "," : "");
        open_entry(out, &logprobs->tokens[i]);
        cadre__text_puts(out, ",\"top_logprobs\":[");
        for (uint32_t k = 0; k < logprobs->n_top; k++) {
            cadre__text_puts(out, k ? "," : "");
            open_entry(out, &tops(logprobs, i)[k]);
            cadre__text_puts(out, "}");
        }
        cadre__text_puts(out, "]}");
    }
    cadre__text_puts(out, "],\"refusal\":null}");
}

void cadre__put_logprobs(cadre__text *out, const cadre_logprobs *logprobs, bool chat)
{
    if (!logprobs)
        cadre__text_puts(out, "null");
    else if (chat)
        put_entries(out, logprobs);
    else
        put_arrays(out, logprobs);
}
