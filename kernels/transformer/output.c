/* output.c - stop strings and the text of an answer. */
#include "output.h"
#include "utf8.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_STOP_BYTES = 1 << 20 };

/* ---- Stop strings ---- */

static void find_borders(tf_stop *stop)
{
    uint32_t length = 0;

    stop->border[0] = 0;
    for (uint32_t i = 1; i < stop->n; i++) {
        while (length > 0 && stop->text[i] != stop->text[length])
            length = stop->border[length - 1];
        length += stop->text[i] == stop->text[length];
        stop->border[i] = length;
    }
}

static cadre_status copy_stop(tf_stop *stop, const char *text)
{
    const size_t n = strlen(text);

    if (n == 0 || n > MAX_STOP_BYTES)
        return cadre_fail(CADRE_ERR_INPUT,
                          "stop string: expected 1 to %d bytes, found %zu",
                          MAX_STOP_BYTES, n);
    stop->n = (uint32_t)n;
    stop->text = malloc(n);
    stop->border = malloc(n * sizeof *stop->border);
    if (!stop->text || !stop->border)
        return cadre_fail(CADRE_ERR_NOMEM, "stop string of %zu bytes", n);
    memcpy(stop->text, text, n);
    find_borders(stop);
    return CADRE_OK;
}

cadre_status tf_stops_init(tf_stops *stops, const char *const *texts, size_t n)
{
    *stops = (tf_stops){0};
    if (n > CADRE_MAX_STOPS)
        return cadre_fail(CADRE_ERR_INPUT, "expected at most %d stop strings, found %zu",
                          CADRE_MAX_STOPS, n);
    for (; stops->n < n; stops->n++) {
        const cadre_status st = copy_stop(&stops->items[stops->n], texts[stops->n]);
        if (st != CADRE_OK) {
            stops->n++;
            return st;
        }
    }
    return CADRE_OK;
}

void tf_stops_fini(tf_stops *stops)
{
    for (size_t i = 0; i < stops->n; i++) {
        free(stops->items[i].text);
        free(stops->items[i].border);
    }
    *stops = (tf_stops){0};
}

/* Whether the string is complete with this byte. */
static int feed_stop(tf_stop *stop, char byte)
{
    if (stop->matched == stop->n)
        stop->matched = stop->border[stop->n - 1];
    while (stop->matched > 0 && stop->text[stop->matched] != byte)
        stop->matched = stop->border[stop->matched - 1];
    stop->matched += stop->text[stop->matched] == byte;
    return stop->matched == stop->n;
}

int tf_stops_feed(tf_stops *stops, const char *bytes, size_t n, size_t *end)
{
    for (size_t i = 0; i < n; i++) {
        size_t longest = 0;
        for (size_t s = 0; s < stops->n; s++) {
            tf_stop *stop = &stops->items[s];
            if (feed_stop(stop, bytes[i]) && stop->n > longest)
                longest = stop->n;
        }
        stops->n_seen++;
        if (longest > 0) {
            *end = stops->n_seen - longest;
            return 1;
        }
    }
    return 0;
}

/* ---- Text ---- */

static size_t count_bytes(const tf_tokenizer *tokenizer, const int32_t *ids, size_t n)
{
    size_t total = 0, bytes;

    for (size_t i = 0; i < n; i++) {
        (void)tf_tokenizer_text(tokenizer, ids[i], &bytes);
        total += bytes;
    }
    return total;
}

/* The bytes of the tokens, one behind the other. */
static size_t join(const tf_tokenizer *tokenizer, const int32_t *ids, size_t n,
                   size_t skip, char *out)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        size_t bytes;
        const char *text = tf_tokenizer_text(tokenizer, ids[i], &bytes);
        const size_t left_out = i > 0 ? 0 : skip < bytes ? skip : bytes;
        if (bytes > left_out)
            memcpy(out + total, text + left_out, bytes - left_out);
        total += bytes - left_out;
    }
    return total;
}

cadre_status tf_output_text(const tf_tokenizer *tokenizer, const int32_t *ids, size_t n,
                            size_t skip, size_t most, char **text, size_t *bytes)
{
    const size_t n_raw = count_bytes(tokenizer, ids, n);

    *text = NULL;
    char *raw = malloc(n_raw + 1);
    char *out = malloc(TF_UTF8_GROWTH * n_raw + 1);
    if (!raw || !out) {
        free(raw);
        free(out);
        return cadre_fail(CADRE_ERR_NOMEM, "text of %zu bytes", n_raw);
    }
    size_t kept = join(tokenizer, ids, n, skip, raw);
    kept = tf_utf8_complete(raw, kept < most ? kept : most);
    /* A text has no NUL inside: 0xFF is in no character, either. */
    for (char *nul = raw; (nul = memchr(nul, '\0', (size_t)(raw + kept - nul)));)
        *nul = '\xFF';
    *bytes = tf_utf8_append_valid(out, raw, kept);
    out[*bytes] = '\0';
    free(raw);
    *text = out;
    return CADRE_OK;
}
