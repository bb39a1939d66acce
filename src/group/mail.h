/* group/mail.h - messages of wire.h over a comm: sending without waiting, receiving the
 * parts that did not fit the first one. */
#ifndef CADRE_GROUP_MAIL_H
#define CADRE_GROUP_MAIL_H

#include "group/arena.h"
#include "group/wire.h"
#include <cadre/comm.h>

#define CADRE__TAG_COMMAND 1 /* coordinator to worker */
#define CADRE__TAG_FORWARD 2 /* leader of a shard to its other ranks */
#define CADRE__TAG_REPLY 3   /* worker to coordinator */

/* Later parts have a tag of their ticket, so one that is never taken stands in nobody's
 * way. */
#define CADRE__TAG_PARTS 16384
#define CADRE__PARTS_TAG(ticket) (CADRE__TAG_PARTS + (int)((ticket) % CADRE__TAG_PARTS))

/* Memory that grows as needed and keeps nothing when it does. */
typedef struct cadre__buffer {
    uint8_t *data;
    size_t capacity;
} cadre__buffer;

cadre_status cadre__buffer_reserve(cadre__buffer *buffer, size_t bytes);
void cadre__buffer_fini(cadre__buffer *buffer);

/* A message as it is before sending, and as it is after receiving. */
typedef struct cadre__letter {
    cadre__wire_head head;
    const uint8_t *table;
    const uint8_t *data; /* for sending: used if source is NULL */
    const cadre__wire_source *source;
} cadre__letter;

/* A message under way. */
typedef struct cadre__outgoing {
    cadre_req sends[3];
    uint8_t *memory;      /* first part, and copies of the others */
    const uint8_t *table; /* where the parts lie */
    const uint8_t *data;
    size_t first_bytes;
    bool borrows; /* data is read from the caller's memory */
} cadre__outgoing;

/* Fill memory with the message. With `keep` the data is copied even if it lies in one
 * piece, so the caller may change it; otherwise it is read from where it is until the
 * sends are done. The letter's head gets its layout. */
cadre_status cadre__outgoing_write(cadre__outgoing *out, cadre__letter *letter,
                                   bool keep);

/* Start sending what was written. */
cadre_status cadre__outgoing_post(cadre__outgoing *out, cadre_comm *comm, int dest,
                                  int tag, const cadre__wire_head *head);

/* Whether nothing of it is on its way any more. */
bool cadre__outgoing_done(cadre__outgoing *out, cadre_comm *comm);

/* Wait for the sends; give those up that have not ended by the deadline. Frees the memory
 * unless MPI may still read it. */
cadre_status cadre__outgoing_finish(cadre__outgoing *out, cadre_comm *comm,
                                    int64_t deadline_ns);

/* Complete a received letter whose first part is checked: fetch the parts that came apart
 * into table and data, find shared data in the arena. */
cadre_status cadre__letter_fetch(cadre__letter *letter, const void *first,
                                 cadre_comm *comm, int src, const cadre__arena *arena,
                                 cadre__buffer *table, cadre__buffer *data,
                                 int64_t deadline_ns);

/* Bytes of a message on the wire. */
int64_t cadre__wire_size(const cadre__wire_head *head);

#endif
