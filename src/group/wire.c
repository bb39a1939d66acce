/* group/wire.c - packing and checking messages. */
#include "group/wire.h"
#include <string.h>

_Static_assert(sizeof(cadre__wire_head) == 72, "no holes in what is sent");
_Static_assert(sizeof(cadre__wire_request) == 56, "no holes in what is sent");
_Static_assert(sizeof(cadre_message) == 16, "no holes in what is sent");
_Static_assert(sizeof(cadre__wire_answer) == 64, "no holes in what is sent");
_Static_assert(sizeof(cadre__wire_token) == 8, "no holes in what is sent");
_Static_assert(sizeof(cadre__wire_tensor) == 48, "no holes in what is sent");

/* Parts start at multiples of 8, so that what they hold is aligned. */
static size_t round_up(size_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

size_t cadre__wire_layout(cadre__wire_head *head)
{
    size_t used = sizeof *head;

    head->magic = CADRE__WIRE_MAGIC;
    head->flags &= CADRE__WIRE_DATA_SHARED;
    if (used + head->table_bytes > CADRE__WIRE_FIRST)
        return used;
    head->flags |= CADRE__WIRE_TABLE_INLINE;
    used += head->table_bytes;
    if (head->flags & CADRE__WIRE_DATA_SHARED ||
        round_up(used) + head->data_bytes > CADRE__WIRE_FIRST)
        return used;
    head->flags |= CADRE__WIRE_DATA_INLINE;
    return round_up(used) + head->data_bytes;
}

cadre_status cadre__wire_check(const void *first, size_t bytes, cadre__wire_head *head)
{
    if (bytes < sizeof *head)
        return cadre_fail(CADRE_ERR_INPUT, "message of %zu bytes: its head alone has %zu",
                          bytes, sizeof *head);
    memcpy(head, first, sizeof *head);
    if (head->magic != CADRE__WIRE_MAGIC)
        return cadre_fail(CADRE_ERR_INPUT, "message starts with 0x%08x, expected 0x%08x",
                          head->magic, CADRE__WIRE_MAGIC);
    if (head->kind == 0 || head->kind >= CADRE__WIRE_N_KINDS)
        return cadre_fail(CADRE_ERR_INPUT, "message of kind %u: expected 1 to %d",
                          head->kind, CADRE__WIRE_N_KINDS - 1);
    if (head->table_bytes > CADRE__WIRE_MAX || head->data_bytes > CADRE__WIRE_MAX)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "message with %llu bytes of table and %llu of data: %d is the most",
            (unsigned long long)head->table_bytes, (unsigned long long)head->data_bytes,
            CADRE__WIRE_MAX);
    /* The layout follows from the sizes, so there is one right answer. */
    cadre__wire_head expected = *head;
    const size_t expected_bytes = cadre__wire_layout(&expected);
    if (head->flags != expected.flags || bytes != expected_bytes)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "message of %zu bytes with flags %u: expected %zu with flags %u", bytes,
            head->flags, expected_bytes, expected.flags);
    if (head->flags & CADRE__WIRE_DATA_SHARED && head->kind != CADRE__WIRE_BATCH)
        return cadre_fail(CADRE_ERR_INPUT, "message of kind %u with shared data",
                          head->kind);
    return CADRE_OK;
}

const uint8_t *cadre__wire_table(const void *first, const cadre__wire_head *head)
{
    return head->flags & CADRE__WIRE_TABLE_INLINE ? (const uint8_t *)first + sizeof *head
                                                  : NULL;
}

const uint8_t *cadre__wire_data(const void *first, const cadre__wire_head *head)
{
    if (!(head->flags & CADRE__WIRE_DATA_INLINE))
        return NULL;
    return (const uint8_t *)first + round_up(sizeof *head + head->table_bytes);
}

/* ---- Data in pieces ---- */

static const void *piece(const cadre__wire_source *source, size_t i, size_t *bytes)
{
    if (source->requests) {
        *bytes = source->requests[i].bytes;
        return source->requests[i].data;
    }
    *bytes = source->answers[i].data ? source->answers[i].bytes : 0;
    return source->answers[i].data;
}

/* Add up the pieces and see whether each begins where the one before it ends. */
static cadre_status survey(cadre__wire_source *source, const char *what)
{
    const uint8_t *start = NULL;
    bool together = true;

    source->bytes = 0;
    for (size_t i = 0; i < source->n; i++) {
        size_t bytes;
        const uint8_t *data = piece(source, i, &bytes);
        if (bytes == 0)
            continue;
        if (!data)
            return cadre_fail(CADRE_ERR_ARG, "%s %zu has %zu bytes and no data", what, i,
                              bytes);
        if (bytes > CADRE__WIRE_MAX - source->bytes)
            return cadre_fail(CADRE_ERR_ARG, "batch with more than %d bytes of data",
                              CADRE__WIRE_MAX);
        if (!start)
            start = data;
        together = together && data == start + source->bytes;
        source->bytes += bytes;
    }
    source->whole = together ? start : NULL;
    return CADRE_OK;
}

cadre_status cadre__wire_source_requests(const cadre_request *requests, size_t n,
                                         cadre__wire_source *out)
{
    *out = (cadre__wire_source){.requests = requests, .n = n};
    if (n > CADRE__WIRE_MAX / sizeof(cadre__wire_request))
        return cadre_fail(CADRE_ERR_ARG, "batch of %zu requests: %zu is the most", n,
                          CADRE__WIRE_MAX / sizeof(cadre__wire_request));
    return survey(out, "request");
}

cadre_status cadre__wire_source_answers(const cadre_answer *answers, size_t n,
                                        cadre__wire_source *out)
{
    *out = (cadre__wire_source){.answers = answers, .n = n};
    return survey(out, "answer");
}

void cadre__wire_copy(const cadre__wire_source *source, uint8_t *to)
{
    if (source->bytes == 0)
        return;
    if (source->whole) {
        memcpy(to, source->whole, source->bytes);
        return;
    }
    for (size_t i = 0; i < source->n; i++) {
        size_t bytes;
        const void *data = piece(source, i, &bytes);
        if (bytes)
            memcpy(to, data, bytes);
        to += bytes;
    }
}

/* ---- Requests ---- */

static bool is_inside(const cadre_message *message, size_t bytes)
{
    return (uint64_t)message->role_at + message->role_bytes <= bytes &&
           (uint64_t)message->content_at + message->content_bytes <= bytes;
}

static bool counts_are_sane(uint32_t n_stops, int32_t logprobs)
{
    return n_stops <= CADRE_MAX_STOPS && logprobs >= -1 &&
           logprobs <= CADRE_MAX_TOP_LOGPROBS;
}

/* What stands behind the entries for one request. */
static cadre_status measure_request(const cadre_request *request, size_t i, size_t *bytes)
{
    if (!counts_are_sane(request->n_stops, request->sampling.logprobs))
        return cadre_fail(CADRE_ERR_ARG,
                          "request %zu has %u stop strings and asks for %d alternatives: "
                          "expected at most %d, and -1 to %d",
                          i, request->n_stops, request->sampling.logprobs,
                          CADRE_MAX_STOPS, CADRE_MAX_TOP_LOGPROBS);
    if (request->n_messages && !request->messages)
        return cadre_fail(CADRE_ERR_ARG, "request %zu has %u messages and no pointer", i,
                          request->n_messages);
    for (uint32_t k = 0; k < request->n_messages; k++) {
        if (!is_inside(&request->messages[k], request->bytes))
            return cadre_fail(CADRE_ERR_ARG,
                              "message %u of request %zu reaches past its %zu bytes", k,
                              i, request->bytes);
    }
    *bytes += request->n_messages * sizeof(cadre_message);
    for (uint32_t k = 0; k < request->n_stops; k++) {
        if (!request->stops || !request->stops[k])
            return cadre_fail(CADRE_ERR_ARG, "stop string %u of request %zu is missing",
                              k, i);
        *bytes += strlen(request->stops[k]) + 1;
    }
    return CADRE_OK;
}

cadre_status cadre__wire_measure_requests(const cadre_request *requests, size_t n,
                                          size_t *bytes)
{
    size_t total = 0;

    for (size_t i = 0; i < n && total <= CADRE__WIRE_MAX; i++)
        CADRE_TRY(measure_request(&requests[i], i, &total));
    if (n > CADRE__WIRE_MAX / sizeof(cadre__wire_request) ||
        total > CADRE__WIRE_MAX - 8 - n * sizeof(cadre__wire_request))
        return cadre_fail(CADRE_ERR_ARG,
                          "batch of %zu requests with %zu bytes of messages and stop "
                          "strings: too much",
                          n, total);
    *bytes = round_up(n * sizeof(cadre__wire_request) + total);
    return CADRE_OK;
}

static uint8_t *put_bytes(uint8_t *at, const void *from, size_t bytes)
{
    if (bytes)
        memcpy(at, from, bytes);
    return at + bytes;
}

static uint32_t bytes_of_stops(const cadre_request *request)
{
    size_t bytes = 0;
    for (uint32_t k = 0; k < request->n_stops; k++)
        bytes += strlen(request->stops[k]) + 1;
    return (uint32_t)bytes;
}

void cadre__wire_pack_requests(const cadre_request *requests, size_t n, uint8_t *table,
                               size_t bytes)
{
    cadre__wire_request *entries = (cadre__wire_request *)table;
    uint8_t *at = table + n * sizeof *entries;

    for (size_t i = 0; i < n; i++) {
        const cadre_request *request = &requests[i];
        const cadre_sampling *sampling = &request->sampling;
        entries[i] = (cadre__wire_request){.id = request->id,
                                           .seed = sampling->seed,
                                           .bytes = (uint32_t)request->bytes,
                                           .max_tokens = sampling->max_tokens,
                                           .temperature = sampling->temperature,
                                           .top_p = sampling->top_p,
                                           .min_p = sampling->min_p,
                                           .top_k = sampling->top_k,
                                           .logprobs = sampling->logprobs,
                                           .n_messages = request->n_messages,
                                           .n_stops = request->n_stops,
                                           .stop_bytes = bytes_of_stops(request)};
        at =
            put_bytes(at, request->messages, request->n_messages * sizeof(cadre_message));
    }
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < requests[i].n_stops; k++)
            at = put_bytes(at, requests[i].stops[k], strlen(requests[i].stops[k]) + 1);
    }
    memset(at, 0, (size_t)(table + bytes - at));
}

/* Where the parts of a table of requests begin, and how many stop strings it has. */
typedef struct requests_map {
    size_t messages_at, stops_at, n_stops;
} requests_map;

static cadre_status map_requests(const cadre__wire_head *head, const uint8_t *table,
                                 requests_map *map)
{
    const cadre__wire_request *entries = (const cadre__wire_request *)table;
    uint64_t n_messages = 0, n_stops = 0, stop_bytes = 0;

    if (head->table_bytes < (uint64_t)head->n * sizeof *entries)
        return cadre_fail(CADRE_ERR_INPUT, "table of %u requests has only %llu bytes",
                          head->n, (unsigned long long)head->table_bytes);
    for (uint32_t i = 0; i < head->n; i++) {
        if (!counts_are_sane(entries[i].n_stops, entries[i].logprobs))
            return cadre_fail(
                CADRE_ERR_INPUT,
                "request %u came with %u stop strings and a wish for %d alternatives", i,
                entries[i].n_stops, entries[i].logprobs);
        n_messages += entries[i].n_messages;
        n_stops += entries[i].n_stops;
        stop_bytes += entries[i].stop_bytes;
    }
    map->messages_at = head->n * sizeof *entries;
    const uint64_t stops_at = map->messages_at + n_messages * sizeof(cadre_message);
    if (head->table_bytes != round_up(stops_at + stop_bytes))
        return cadre_fail(CADRE_ERR_INPUT,
                          "table of %u requests has %llu bytes, expected %llu", head->n,
                          (unsigned long long)head->table_bytes,
                          (unsigned long long)round_up(stops_at + stop_bytes));
    map->stops_at = stops_at;
    map->n_stops = n_stops;
    return CADRE_OK;
}

cadre_status cadre__wire_count_stops(const cadre__wire_head *head, const uint8_t *table,
                                     size_t *n_stops)
{
    requests_map map;
    CADRE_TRY(map_requests(head, table, &map));
    *n_stops = map.n_stops;
    return CADRE_OK;
}

/* The stop strings of one entry, at *at, into stops. */
static cadre_status take_stops(const cadre__wire_request *entry, const uint8_t **at,
                               const char **stops)
{
    const uint8_t *end = *at + entry->stop_bytes;

    for (uint32_t k = 0; k < entry->n_stops; k++) {
        const uint8_t *nul = *at < end ? memchr(*at, '\0', (size_t)(end - *at)) : NULL;
        if (!nul)
            break;
        stops[k] = (const char *)*at;
        *at = nul + 1;
        if (k + 1 == entry->n_stops && *at == end)
            return CADRE_OK;
    }
    return entry->n_stops == 0 && entry->stop_bytes == 0
               ? CADRE_OK
               : cadre_fail(CADRE_ERR_INPUT, "%u bytes are not %u stop strings",
                            entry->stop_bytes, entry->n_stops);
}

static cadre_status check_messages(const cadre_request *request, uint32_t i)
{
    for (uint32_t k = 0; k < request->n_messages; k++) {
        if (!is_inside(&request->messages[k], request->bytes))
            return cadre_fail(CADRE_ERR_INPUT,
                              "message %u of request %u reaches past its %zu bytes", k, i,
                              request->bytes);
    }
    return CADRE_OK;
}

cadre_status cadre__wire_unpack_requests(const cadre__wire_head *head,
                                         const uint8_t *table, const uint8_t *data,
                                         cadre_request *requests, const char **stops)
{
    const cadre__wire_request *entries = (const cadre__wire_request *)table;
    requests_map map;
    uint64_t used = 0;

    CADRE_TRY(map_requests(head, table, &map));
    const cadre_message *messages = (const cadre_message *)(table + map.messages_at);
    const uint8_t *stop_at = table + map.stops_at;
    for (uint32_t i = 0; i < head->n; i++) {
        const cadre__wire_request *entry = &entries[i];
        if (entry->bytes > head->data_bytes - used)
            return cadre_fail(
                CADRE_ERR_INPUT,
                "request %u of %u bytes reaches past the end of %llu bytes of data", i,
                entry->bytes, (unsigned long long)head->data_bytes);
        requests[i] = (cadre_request){.id = entry->id,
                                      .data = data + used,
                                      .bytes = entry->bytes,
                                      .sampling = {.max_tokens = entry->max_tokens,
                                                   .temperature = entry->temperature,
                                                   .top_p = entry->top_p,
                                                   .min_p = entry->min_p,
                                                   .top_k = entry->top_k,
                                                   .logprobs = entry->logprobs,
                                                   .seed = entry->seed},
                                      .messages = entry->n_messages ? messages : NULL,
                                      .n_messages = entry->n_messages,
                                      .n_stops = entry->n_stops,
                                      .stops = entry->n_stops ? stops : NULL};
        CADRE_TRY(check_messages(&requests[i], i));
        CADRE_TRY(take_stops(entry, &stop_at, stops));
        used += entry->bytes;
        messages += entry->n_messages;
        stops += entry->n_stops;
    }
    if (used != head->data_bytes)
        return cadre_fail(CADRE_ERR_INPUT, "requests have %llu bytes, and %llu came",
                          (unsigned long long)used, (unsigned long long)head->data_bytes);
    return CADRE_OK;
}

/* ---- Answers ---- */

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t n_alternatives(const cadre_logprobs *logprobs)
{
    return (size_t)logprobs->n_tokens * logprobs->n_top;
}

static uint64_t bytes_of_tokens(const cadre_token *tokens, size_t n)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += tokens[i].n_bytes;
    return bytes;
}

/* The tokens of an answer, chosen and alternatives, and the bytes of their texts. */
static void count_logprobs(const cadre_logprobs *logprobs, uint64_t *n_tokens,
                           uint64_t *token_bytes)
{
    *n_tokens = *token_bytes = 0;
    if (!logprobs)
        return;
    const size_t n_top = n_alternatives(logprobs);
    *n_tokens = logprobs->n_tokens + n_top;
    *token_bytes = bytes_of_tokens(logprobs->tokens, logprobs->n_tokens) +
                   bytes_of_tokens(logprobs->top, n_top);
}

cadre_status cadre__wire_measure_answers(const cadre_answer *answers, size_t n,
                                         size_t *bytes)
{
    uint64_t texts = 0, tokens = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t n_tokens, token_bytes;
        if (answers[i].logprobs && answers[i].logprobs->n_top > CADRE_MAX_TOP_LOGPROBS)
            return cadre_fail(CADRE_ERR_ARG, "answer %zu has %u alternatives, %d at most",
                              i, answers[i].logprobs->n_top, CADRE_MAX_TOP_LOGPROBS);
        count_logprobs(answers[i].logprobs, &n_tokens, &token_bytes);
        texts += text_bytes(answers[i].message) + text_bytes(answers[i].finish_reason);
        tokens += n_tokens * sizeof(cadre__wire_token) + token_bytes;
    }
    const uint64_t total =
        round_up(n * sizeof(cadre__wire_answer) + texts) + round_up(tokens);
    if (total > CADRE__WIRE_MAX)
        return cadre_fail(CADRE_ERR_ARG,
                          "%zu answers carry %llu bytes besides their data: too much", n,
                          (unsigned long long)total);
    *bytes = total;
    return CADRE_OK;
}

static cadre__wire_token *put_tokens(cadre__wire_token *at, const cadre_token *tokens,
                                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] =
            (cadre__wire_token){.logprob = tokens[i].logprob, .bytes = tokens[i].n_bytes};
    return at + n;
}

static uint8_t *put_token_bytes(uint8_t *at, const cadre_token *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++)
        at = put_bytes(at, tokens[i].bytes, tokens[i].n_bytes);
    return at;
}

/* The log-probabilities of all answers, from `at` on. Returns the end. */
static uint8_t *put_logprobs(uint8_t *at, const cadre_answer *answers, size_t n)
{
    cadre__wire_token *tokens = (cadre__wire_token *)at;

    for (size_t i = 0; i < n; i++) {
        const cadre_logprobs *logprobs = answers[i].logprobs;
        if (!logprobs)
            continue;
        tokens = put_tokens(tokens, logprobs->tokens, logprobs->n_tokens);
        tokens = put_tokens(tokens, logprobs->top, n_alternatives(logprobs));
    }
    at = (uint8_t *)tokens;
    for (size_t i = 0; i < n; i++) {
        const cadre_logprobs *logprobs = answers[i].logprobs;
        if (!logprobs)
            continue;
        at = put_token_bytes(at, logprobs->tokens, logprobs->n_tokens);
        at = put_token_bytes(at, logprobs->top, n_alternatives(logprobs));
    }
    return at;
}

void cadre__wire_pack_answers(const cadre_answer *answers, size_t n, uint8_t *table,
                              size_t bytes)
{
    cadre__wire_answer *entries = (cadre__wire_answer *)table;
    uint8_t *text = table + n * sizeof *entries;

    for (size_t i = 0; i < n; i++) {
        const cadre_answer *answer = &answers[i];
        const cadre_logprobs *logprobs = answer->logprobs;
        uint64_t n_tokens, token_bytes;
        count_logprobs(logprobs, &n_tokens, &token_bytes);
        entries[i] = (cadre__wire_answer){
            .id = answer->id,
            .first_token_ns = answer->first_token_ns,
            .last_token_ns = answer->last_token_ns,
            .status = answer->status,
            .bytes = answer->data ? (uint32_t)answer->bytes : 0,
            .tokens_in = answer->tokens_in,
            .tokens_out = answer->tokens_out,
            .tokens_shared = answer->tokens_shared,
            .message_bytes = (uint32_t)text_bytes(answer->message),
            .finish_bytes = (uint32_t)text_bytes(answer->finish_reason),
            .n_tokens = logprobs ? logprobs->n_tokens : 0,
            .n_top = logprobs ? (int32_t)logprobs->n_top : -1,
            .token_bytes = (uint32_t)token_bytes};
        text = put_bytes(text, answer->message, entries[i].message_bytes);
        text = put_bytes(text, answer->finish_reason, entries[i].finish_bytes);
    }
    uint8_t *at = table + round_up((size_t)(text - table));
    memset(text, 0, (size_t)(at - text));
    at = put_logprobs(at, answers, n);
    memset(at, 0, (size_t)(table + bytes - at));
}

/* Where the parts of a table of answers begin, and how many log-probabilities it has. */
typedef struct answers_map {
    size_t texts_at, tokens_at, n_tokens, bytes_at, n_logprobs;
} answers_map;

static cadre_status map_answers(const cadre__wire_head *head, const uint8_t *table,
                                answers_map *map)
{
    const cadre__wire_answer *entries = (const cadre__wire_answer *)table;
    uint64_t texts = 0, n_tokens = 0, token_bytes = 0;

    if (head->table_bytes < (uint64_t)head->n * sizeof *entries)
        return cadre_fail(CADRE_ERR_INPUT, "table of %u answers has only %llu bytes",
                          head->n, (unsigned long long)head->table_bytes);
    map->n_logprobs = 0;
    for (uint32_t i = 0; i < head->n; i++) {
        const cadre__wire_answer *entry = &entries[i];
        if (entry->n_top < -1 || entry->n_top > CADRE_MAX_TOP_LOGPROBS ||
            entry->n_tokens > head->table_bytes ||
            (entry->n_top == -1 && (entry->n_tokens || entry->token_bytes)))
            return cadre_fail(CADRE_ERR_INPUT,
                              "answer %u has %u tokens with %d alternatives each", i,
                              entry->n_tokens, entry->n_top);
        texts += (uint64_t)entry->message_bytes + entry->finish_bytes;
        n_tokens += (uint64_t)entry->n_tokens * (uint64_t)(entry->n_top + 1);
        token_bytes += entry->token_bytes;
        map->n_logprobs += entry->n_top >= 0;
    }
    map->texts_at = head->n * sizeof *entries;
    const uint64_t tokens_at = round_up(map->texts_at + texts);
    const uint64_t bytes_at = tokens_at + n_tokens * sizeof(cadre__wire_token);
    if (head->table_bytes != round_up(bytes_at + token_bytes))
        return cadre_fail(CADRE_ERR_INPUT,
                          "table of %u answers has %llu bytes, expected %llu", head->n,
                          (unsigned long long)head->table_bytes,
                          (unsigned long long)round_up(bytes_at + token_bytes));
    map->tokens_at = tokens_at;
    map->n_tokens = n_tokens;
    map->bytes_at = bytes_at;
    return CADRE_OK;
}

cadre_status cadre__wire_count_tokens(const cadre__wire_head *head, const uint8_t *table,
                                      size_t *n_logprobs, size_t *n_tokens)
{
    answers_map map;
    CADRE_TRY(map_answers(head, table, &map));
    *n_logprobs = map.n_logprobs;
    *n_tokens = map.n_tokens;
    return CADRE_OK;
}

/* The next text of so many bytes, or NULL for none. */
static cadre_status take_text(const uint8_t **at, uint32_t bytes, const char **out)
{
    *out = NULL;
    if (bytes == 0)
        return CADRE_OK;
    if ((*at)[bytes - 1] != '\0')
        return cadre_fail(CADRE_ERR_INPUT, "an answer's text of %u bytes has no end",
                          bytes);
    *out = (const char *)*at;
    *at += bytes;
    return CADRE_OK;
}

/* What is left to be read of log-probabilities, and room for them. */
typedef struct token_reader {
    const cadre__wire_token *from;
    const uint8_t *bytes;
    cadre_token *to;
    cadre_logprobs *logprobs;
} token_reader;

static cadre_status take_logprobs(const cadre__wire_answer *entry, token_reader *r,
                                  const cadre_logprobs **out)
{
    uint64_t left = entry->token_bytes;

    *out = NULL;
    if (entry->n_top < 0)
        return CADRE_OK;
    const size_t n = (size_t)entry->n_tokens * (size_t)(entry->n_top + 1);
    for (size_t i = 0; i < n; i++) {
        const cadre__wire_token *from = &r->from[i];
        if (from->bytes > left)
            return cadre_fail(CADRE_ERR_INPUT,
                              "a token of %u bytes, and %llu are left of the answer's",
                              from->bytes, (unsigned long long)left);
        r->to[i] = (cadre_token){.bytes = (const char *)r->bytes,
                                 .n_bytes = from->bytes,
                                 .logprob = from->logprob};
        r->bytes += from->bytes;
        left -= from->bytes;
    }
    if (left)
        return cadre_fail(CADRE_ERR_INPUT, "%llu bytes left behind an answer's tokens",
                          (unsigned long long)left);
    *r->logprobs = (cadre_logprobs){.n_tokens = entry->n_tokens,
                                    .n_top = (uint32_t)entry->n_top,
                                    .tokens = r->to,
                                    .top = r->to + entry->n_tokens};
    *out = r->logprobs++;
    r->from += n;
    r->to += n;
    return CADRE_OK;
}

cadre_status cadre__wire_unpack_answers(const cadre__wire_head *head,
                                        const uint8_t *table, const uint8_t *data,
                                        cadre_answer *answers, cadre_logprobs *logprobs,
                                        cadre_token *tokens)
{
    const cadre__wire_answer *entries = (const cadre__wire_answer *)table;
    answers_map map;
    uint64_t used = 0;

    CADRE_TRY(map_answers(head, table, &map));
    const uint8_t *text = table + map.texts_at;
    token_reader reader = {.from = (const cadre__wire_token *)(table + map.tokens_at),
                           .bytes = table + map.bytes_at,
                           .to = tokens,
                           .logprobs = logprobs};
    for (uint32_t i = 0; i < head->n; i++) {
        const cadre__wire_answer *entry = &entries[i];
        cadre_answer *answer = &answers[i];
        if (entry->bytes > head->data_bytes - used)
            return cadre_fail(
                CADRE_ERR_INPUT,
                "answer %u of %u bytes reaches past the end of %llu bytes of data", i,
                entry->bytes, (unsigned long long)head->data_bytes);
        *answer = (cadre_answer){.id = entry->id,
                                 .status = (cadre_status)entry->status,
                                 .data = entry->status == CADRE_OK ? data + used : NULL,
                                 .bytes = entry->bytes,
                                 .tokens_in = entry->tokens_in,
                                 .tokens_out = entry->tokens_out,
                                 .tokens_shared = entry->tokens_shared,
                                 .first_token_ns = entry->first_token_ns,
                                 .last_token_ns = entry->last_token_ns};
        used += entry->bytes;
        CADRE_TRY(take_text(&text, entry->message_bytes, &answer->message));
        CADRE_TRY(take_text(&text, entry->finish_bytes, &answer->finish_reason));
        CADRE_TRY(take_logprobs(entry, &reader, &answer->logprobs));
    }
    if (used != head->data_bytes)
        return cadre_fail(CADRE_ERR_INPUT, "answers have %llu bytes, and %llu came",
                          (unsigned long long)used, (unsigned long long)head->data_bytes);
    return CADRE_OK;
}

/* ---- Tensors and strings ---- */

size_t cadre__wire_tensor_bytes(const char *name)
{
    return round_up(sizeof(cadre__wire_tensor) + strlen(name) + 1);
}

void cadre__wire_pack_tensor(const cadre_tensor *tensor, const char *name, uint8_t *table)
{
    cadre__wire_tensor entry = {.dtype = (int32_t)tensor->dtype,
                                .n_dims = tensor->n_dims};

    for (int i = 0; i < tensor->n_dims; i++)
        entry.dims[i] = tensor->dims[i];
    entry.name_bytes = strlen(name) + 1;
    memset(table, 0, cadre__wire_tensor_bytes(name));
    memcpy(table, &entry, sizeof entry);
    memcpy(table + sizeof entry, name, entry.name_bytes);
}

cadre_status cadre__wire_unpack_tensor(const cadre__wire_head *head, const uint8_t *table,
                                       cadre_tensor *tensor, const char **name)
{
    cadre__wire_tensor entry;
    size_t count;

    if (head->table_bytes < sizeof entry)
        return cadre_fail(CADRE_ERR_INPUT, "a tensor's shape in %llu bytes",
                          (unsigned long long)head->table_bytes);
    memcpy(&entry, table, sizeof entry);
    if (entry.name_bytes == 0 || entry.name_bytes > head->table_bytes - sizeof entry ||
        table[sizeof entry + entry.name_bytes - 1] != '\0')
        return cadre_fail(CADRE_ERR_INPUT,
                          "a tensor's name of %llu bytes is out of bounds",
                          (unsigned long long)entry.name_bytes);
    if (entry.dtype < 0 || entry.n_dims < 0 || entry.n_dims > CADRE_MAX_DIMS)
        return cadre_fail(CADRE_ERR_INPUT, "a tensor of type %d with %d dimensions",
                          entry.dtype, entry.n_dims);
    *tensor = (cadre_tensor){.dtype = (cadre_dtype)entry.dtype, .n_dims = entry.n_dims};
    for (int i = 0; i < entry.n_dims; i++)
        tensor->dims[i] = entry.dims[i];
    *name = (const char *)table + sizeof entry;
    return cadre_tensor_count(tensor, &count);
}

size_t cadre__wire_strings_bytes(const char *const *strings, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(strings[i]) + 1;
    return bytes;
}

void cadre__wire_pack_strings(const char *const *strings, size_t n, uint8_t *data)
{
    for (size_t i = 0; i < n; i++)
        data = put_bytes(data, strings[i], strlen(strings[i]) + 1);
}

cadre_status cadre__wire_unpack_strings(const uint8_t *data, size_t bytes,
                                        const char **strings, size_t n)
{
    const uint8_t *end = data + bytes;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *nul = data < end ? memchr(data, '\0', (size_t)(end - data)) : NULL;
        if (!nul)
            return cadre_fail(CADRE_ERR_INPUT, "%zu strings in a message, expected %zu",
                              i, n);
        strings[i] = (const char *)data;
        data = nul + 1;
    }
    if (data != end)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%zu bytes left behind %zu strings of a message",
                          (size_t)(end - data), n);
    return CADRE_OK;
}
