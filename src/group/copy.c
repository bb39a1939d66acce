/* group/copy.c - requests and answers that outlive the message or call they came with. */
#include "group/copy.h"
#include "core/memory.h"
#include <string.h>

#define ALIGN 8 /* enough for all that a request points to */

static size_t round_up(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t bytes_of_stops(const cadre_request *request)
{
    size_t bytes = request->n_stops * sizeof(char *);
    for (uint32_t k = 0; k < request->n_stops; k++)
        bytes += strlen(request->stops[k]) + 1;
    return bytes;
}

/* All parts of a request, each of a multiple of ALIGN bytes. Lengths that came in one
 * message or lie in memory do not overflow when they are added. */
static size_t bytes_of_request(const cadre_request *request)
{
    return round_up(request->bytes) +
           round_up(request->n_messages * sizeof(cadre_message)) +
           round_up(bytes_of_stops(request));
}

static const void *put(uint8_t **at, const void *from, size_t bytes)
{
    uint8_t *to = *at;
    if (bytes)
        memcpy(to, from, bytes);
    *at += round_up(bytes);
    return to;
}

static void copy_stops(const cadre_request *request, cadre_request *copy, uint8_t **at)
{
    const char **stops = (const char **)(void *)*at;
    char *text = (char *)(stops + request->n_stops);

    for (uint32_t k = 0; k < request->n_stops; k++) {
        const size_t bytes = strlen(request->stops[k]) + 1;
        stops[k] = memcpy(text, request->stops[k], bytes);
        text += bytes;
    }
    *at += round_up(bytes_of_stops(request));
    copy->stops = request->n_stops ? stops : NULL;
}

cadre_status cadre__requests_copy(const cadre_request *requests, size_t n,
                                  cadre_request *copies, void **memory)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += bytes_of_request(&requests[i]);
    uint8_t *at = *memory = cadre__alloc(bytes);
    if (!at)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const cadre_request *request = &requests[i];
        copies[i] = *request;
        copies[i].data = put(&at, request->data, request->bytes);
        copies[i].messages =
            put(&at, request->messages, request->n_messages * sizeof(cadre_message));
        copy_stops(request, &copies[i], &at);
    }
    return CADRE_OK;
}

/* Copy n tokens to `to`, their bytes to *at. */
static void copy_tokens(const cadre_token *tokens, size_t n, cadre_token *to, char **at)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = tokens[i];
        to[i].bytes = *at;
        if (tokens[i].n_bytes)
            memcpy(*at, tokens[i].bytes, tokens[i].n_bytes);
        *at += tokens[i].n_bytes;
    }
}

static size_t bytes_of_tokens(const cadre_token *tokens, size_t n)
{
    size_t bytes = n * sizeof *tokens;
    for (size_t i = 0; i < n; i++)
        bytes += tokens[i].n_bytes;
    return bytes;
}

cadre_logprobs *cadre__logprobs_copy(const cadre_logprobs *logprobs)
{
    if (!logprobs)
        return NULL;
    const size_t n = logprobs->n_tokens, n_top = n * logprobs->n_top;
    cadre_logprobs *copy =
        cadre__alloc(sizeof *copy + bytes_of_tokens(logprobs->tokens, n) +
                     bytes_of_tokens(logprobs->top, n_top));
    if (!copy)
        return NULL;
    cadre_token *tokens = (cadre_token *)(copy + 1);
    char *text = (char *)(tokens + n + n_top);
    *copy = *logprobs;
    copy->tokens = tokens;
    copy->top = tokens + n;
    copy_tokens(logprobs->tokens, n, tokens, &text);
    copy_tokens(logprobs->top, n_top, tokens + n, &text);
    return copy;
}
