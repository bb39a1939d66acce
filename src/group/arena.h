/* group/arena.h - memory of the coordinator that the workers of its node map, too.
 *
 * A batch that must be packed is packed here, and one that the caller keeps here is not
 * moved at all: the worker reads it in place, and only its head travels. Where there is
 * no shared memory, or no room in it, allocation gives NULL and batches go as messages.
 */
#ifndef CADRE_GROUP_ARENA_H
#define CADRE_GROUP_ARENA_H

#include <cadre/comm.h>
#include <stdint.h>

typedef struct cadre__arena {
    uint8_t *base; /* NULL: none on this rank */
    size_t bytes;  /* mapped from base; backed by memory only where it was allocated */
    /* Of the coordinator: */
    int fd;
    size_t backed_bytes;
    uint32_t *lengths; /* [n_blocks]: blocks of the piece that begins here */
    uint8_t *taken;    /* [n_blocks] */
    size_t n_blocks;
} cadre__arena;

/* Collective over comm. Failing to share memory is no failure: base is NULL then. */
cadre_status cadre__arena_open(cadre_comm *comm, cadre__arena *arena);
void cadre__arena_close(cadre__arena *arena);

/* Coordinator. Aligned to 64 KiB; NULL when there is no room. */
void *cadre__arena_alloc(cadre__arena *arena, size_t bytes);
void cadre__arena_free(cadre__arena *arena, void *ptr);

/* Whether bytes at ptr lie in the arena, and where. */
int cadre__arena_holds(const cadre__arena *arena, const void *ptr, size_t bytes,
                       int64_t *offset);

#endif
