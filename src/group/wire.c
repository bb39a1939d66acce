/* group/wire.c - packing and checking messages. */
#include "group/wire.h"
#include <string.h>

_Static_assert(sizeof(cadre__wire_head) == 72, "no holes in what is sent");
_Static_assert(sizeof(cadre__wire_request) == 32, "no holes in what is sent");
_Static_assert(sizeof(cadre__wire_answer) == 32, "no holes in what is sent");
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

void cadre__wire_pack_requests(const cadre_request *requests, size_t n,
                               cadre__wire_request *table)
{
    for (size_t i = 0; i < n; i++)
        table[i] = (cadre__wire_request){.id = requests[i].id,
                                         .seed = requests[i].sampling.seed,
                                         .bytes = (uint32_t)requests[i].bytes,
                                         .max_tokens = requests[i].sampling.max_tokens,
                                         .temperature = requests[i].sampling.temperature,
                                         .top_p = requests[i].sampling.top_p};
}

cadre_status cadre__wire_unpack_requests(const cadre__wire_head *head,
                                         const uint8_t *table, const uint8_t *data,
                                         cadre_request *requests)
{
    const cadre__wire_request *entries = (const cadre__wire_request *)table;
    uint64_t used = 0;

    if (head->table_bytes != (uint64_t)head->n * sizeof *entries)
        return cadre_fail(CADRE_ERR_INPUT,
                          "table of %u requests has %llu bytes, expected %llu", head->n,
                          (unsigned long long)head->table_bytes,
                          (unsigned long long)head->n * sizeof *entries);
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
                                                   .seed = entry->seed}};
        used += entry->bytes;
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

cadre_status cadre__wire_measure_answers(const cadre_answer *answers, size_t n,
                                         size_t *bytes)
{
    size_t total = n * sizeof(cadre__wire_answer);
    for (size_t i = 0; i < n; i++)
        total += text_bytes(answers[i].message) + text_bytes(answers[i].finish_reason);
    *bytes = round_up(total);
    if (total > CADRE__WIRE_MAX - 8)
        return cadre_fail(CADRE_ERR_ARG, "%zu answers carry %zu bytes of text: too much",
                          n, total);
    return CADRE_OK;
}

static uint8_t *put_text(uint8_t *at, const char *text, size_t bytes)
{
    if (bytes)
        memcpy(at, text, bytes);
    return at + bytes;
}

void cadre__wire_pack_answers(const cadre_answer *answers, size_t n, uint8_t *table,
                              size_t bytes)
{
    cadre__wire_answer *entries = (cadre__wire_answer *)table;
    uint8_t *text = table + n * sizeof *entries;

    for (size_t i = 0; i < n; i++) {
        const cadre_answer *answer = &answers[i];
        entries[i] = (cadre__wire_answer){
            .id = answer->id,
            .status = answer->status,
            .bytes = answer->data ? (uint32_t)answer->bytes : 0,
            .tokens_in = answer->tokens_in,
            .tokens_out = answer->tokens_out,
            .message_bytes = (uint32_t)text_bytes(answer->message),
            .finish_bytes = (uint32_t)text_bytes(answer->finish_reason)};
        text = put_text(text, answer->message, entries[i].message_bytes);
        text = put_text(text, answer->finish_reason, entries[i].finish_bytes);
    }
    memset(text, 0, (size_t)(table + bytes - text));
}

/* The next text of so many bytes, or NULL for none. */
static cadre_status take_text(const uint8_t **at, const uint8_t *end, uint32_t bytes,
                              const char **out)
{
    *out = NULL;
    if (bytes == 0)
        return CADRE_OK;
    if (bytes > (size_t)(end - *at) || (*at)[bytes - 1] != '\0')
        return cadre_fail(CADRE_ERR_INPUT,
                          "an answer's text of %u bytes reaches past the table", bytes);
    *out = (const char *)*at;
    *at += bytes;
    return CADRE_OK;
}

cadre_status cadre__wire_unpack_answers(const cadre__wire_head *head,
                                        const uint8_t *table, const uint8_t *data,
                                        cadre_answer *answers)
{
    const cadre__wire_answer *entries = (const cadre__wire_answer *)table;
    uint64_t used = 0;

    if (head->table_bytes < (uint64_t)head->n * sizeof *entries)
        return cadre_fail(CADRE_ERR_INPUT, "table of %u answers has only %llu bytes",
                          head->n, (unsigned long long)head->table_bytes);
    const uint8_t *text = table + head->n * sizeof *entries,
                  *end = table + head->table_bytes;
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
                                 .tokens_out = entry->tokens_out};
        used += entry->bytes;
        CADRE_TRY(take_text(&text, end, entry->message_bytes, &answer->message));
        CADRE_TRY(take_text(&text, end, entry->finish_bytes, &answer->finish_reason));
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
        data = put_text(data, strings[i], strlen(strings[i]) + 1);
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
