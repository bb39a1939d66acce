/* group/mail.c - messages in up to three parts. */
#include "group/mail.h"
#include "core/memory.h"
#include <string.h>

cadre_status cadre__buffer_reserve(cadre__buffer *buffer, size_t bytes)
{
    if (bytes <= buffer->capacity)
        return CADRE_OK;
    cadre__buffer_fini(buffer);
    buffer->data = cadre__alloc(bytes);
    if (!buffer->data)
        return CADRE_ERR_NOMEM;
    buffer->capacity = bytes;
    return CADRE_OK;
}

void cadre__buffer_fini(cadre__buffer *buffer)
{
    cadre__free(buffer->data);
    *buffer = (cadre__buffer){0};
}

int64_t cadre__wire_size(const cadre__wire_head *head)
{
    return (int64_t)(sizeof *head + head->table_bytes + head->data_bytes);
}

static void put_data(uint8_t *to, const cadre__letter *letter)
{
    if (letter->source)
        cadre__wire_copy(letter->source, to);
    else if (letter->data)
        memcpy(to, letter->data, letter->head.data_bytes);
}

cadre_status cadre__outgoing_write(cadre__outgoing *out, cadre__letter *letter, bool keep)
{
    cadre__wire_head *head = &letter->head;
    const size_t first_bytes = cadre__wire_layout(head);
    const bool table_apart = !(head->flags & CADRE__WIRE_TABLE_INLINE);
    const bool shared = head->flags & CADRE__WIRE_DATA_SHARED;
    const bool data_apart = !shared && !(head->flags & CADRE__WIRE_DATA_INLINE);
    const void *whole = letter->source ? letter->source->whole : letter->data;
    const bool copy = data_apart && (keep || !whole);
    const size_t table_at = (first_bytes + 63) / 64 * 64;
    const size_t data_at =
        table_at + (table_apart ? (head->table_bytes + 63) / 64 * 64 : 0);

    *out = (cadre__outgoing){.first_bytes = first_bytes};
    out->memory = cadre__alloc(data_at + (copy ? head->data_bytes : 0));
    if (!out->memory)
        return CADRE_ERR_NOMEM;
    memcpy(out->memory, head, sizeof *head);
    out->table =
        table_apart ? out->memory + table_at : cadre__wire_table(out->memory, head);
    out->data = data_apart ? out->memory + data_at : cadre__wire_data(out->memory, head);
    if (head->table_bytes)
        memcpy((uint8_t *)out->table, letter->table, head->table_bytes);
    if (shared) {
        out->data = letter->data;
    } else if (copy || !data_apart) {
        put_data((uint8_t *)out->data, letter);
    } else {
        out->data = whole;
        out->borrows = true;
    }
    return CADRE_OK;
}

cadre_status cadre__outgoing_post(cadre__outgoing *out, cadre_comm *comm, int dest,
                                  int tag, const cadre__wire_head *head)
{
    const int parts_tag = CADRE__PARTS_TAG(head->ticket);

    CADRE_TRY(
        cadre_isend(comm, out->memory, out->first_bytes, dest, tag, &out->sends[0]));
    if (!(head->flags & CADRE__WIRE_TABLE_INLINE) && head->table_bytes)
        CADRE_TRY(cadre_isend(comm, out->table, head->table_bytes, dest, parts_tag,
                              &out->sends[1]));
    if (!(head->flags & (CADRE__WIRE_DATA_INLINE | CADRE__WIRE_DATA_SHARED)) &&
        head->data_bytes)
        CADRE_TRY(cadre_isend(comm, out->data, head->data_bytes, dest, parts_tag,
                              &out->sends[2]));
    return CADRE_OK;
}

bool cadre__outgoing_done(cadre__outgoing *out, cadre_comm *comm)
{
    for (int i = 0; i < 3; i++) {
        int done = 1;
        if (cadre_test(comm, &out->sends[i], &done) != CADRE_OK || !done)
            return false;
    }
    return true;
}

cadre_status cadre__outgoing_finish(cadre__outgoing *out, cadre_comm *comm,
                                    int64_t deadline_ns)
{
    cadre_status st = CADRE_OK;
    if (comm) {
        size_t leaked = 0;
        st = cadre_wait(comm, out->sends, 3, deadline_ns);
        cadre_cancel(comm, out->sends, 3, &leaked);
        if (leaked)
            out->memory = NULL;
    }
    cadre__free(out->memory);
    *out = (cadre__outgoing){0};
    return st;
}

static cadre_status fetch(cadre_comm *comm, int src, int tag, size_t bytes,
                          cadre__buffer *buffer, int64_t deadline_ns, const uint8_t **out)
{
    size_t got = 0;
    CADRE_TRY(cadre__buffer_reserve(buffer, bytes));
    CADRE_TRY(cadre_recv(comm, buffer->data, bytes, src, tag, deadline_ns, &got));
    if (got != bytes)
        return cadre_fail(CADRE_ERR_INPUT,
                          "part of a message has %zu bytes, expected %zu", got, bytes);
    *out = buffer->data;
    return CADRE_OK;
}

cadre_status cadre__letter_fetch(cadre__letter *letter, const void *first,
                                 cadre_comm *comm, int src, const cadre__arena *arena,
                                 cadre__buffer *table, cadre__buffer *data,
                                 int64_t deadline_ns)
{
    cadre__wire_head *head = &letter->head;
    const int tag = CADRE__PARTS_TAG(head->ticket);

    letter->source = NULL;
    letter->table = cadre__wire_table(first, head);
    letter->data = cadre__wire_data(first, head);
    if (!letter->table && head->table_bytes)
        CADRE_TRY(
            fetch(comm, src, tag, head->table_bytes, table, deadline_ns, &letter->table));
    if (head->flags & CADRE__WIRE_DATA_SHARED) {
        const uint64_t offset = (uint64_t)head->args[0];
        if (!arena->base || offset > arena->bytes ||
            head->data_bytes > arena->bytes - offset)
            return cadre_fail(CADRE_ERR_INPUT,
                              "%llu bytes of shared data at %llu, of %zu that are shared",
                              (unsigned long long)head->data_bytes,
                              (unsigned long long)offset, arena->bytes);
        letter->data = arena->base + offset;
        /* For whoever passes it on, it is data like any other. */
        head->flags &= (uint16_t)~CADRE__WIRE_DATA_SHARED;
        return CADRE_OK;
    }
    if (!letter->data && head->data_bytes)
        CADRE_TRY(
            fetch(comm, src, tag, head->data_bytes, data, deadline_ns, &letter->data));
    return CADRE_OK;
}
