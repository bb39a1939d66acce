/* comm/segment.h - memory that the ranks of a node share: areas of a communicator, and
 * heaps from which whole buffers are handed out. For this folder only; internal.h has
 * what others use.
 *
 * Names in /dev/shm are removed as soon as all ranks have mapped what they stand for, so
 * a killed job leaves nothing behind. */
#ifndef CADRE_COMM_SEGMENT_H
#define CADRE_COMM_SEGMENT_H

#include <cadre/status.h>
#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A piece that was handed out, in bytes from the start of this rank's heap. */
typedef struct heap_piece {
    size_t first, bytes;
} heap_piece;

/* What the ranks of a node share per root, besides the bells. Local indexes are those of
 * the bells. */
typedef struct cadre__node_memory {
    int n, mine;
    pid_t *pids;   /* [n] */
    bool can_read; /* process_vm_readv() works between all of them */
    char *heaps;   /* n heaps, one behind the other; NULL: none */
    size_t heap_bytes;
    int fd;
    heap_piece *pieces; /* of this rank, by address */
    size_t n_pieces, room;
} cadre__node_memory;

/* Map n x bytes_each of new, zeroed memory, shared by the n ranks of `node`. With
 * `commit` the memory is there already, so that touching it cannot fail; else it is a
 * sparse file, and *fd (may be NULL) keeps it open. *out is NULL on all ranks if any of
 * them could not. Collective over node. */
void cadre__segment_share(MPI_Comm node, size_t bytes_each, bool commit, int *fd,
                          char **out);
void cadre__segment_unmap(char *memory, size_t bytes);

/* Collective over node. On failure (CADRE_ERR_NOMEM) memory can be closed too. */
cadre_status cadre__node_memory_open(cadre__node_memory *memory, MPI_Comm node);
void cadre__node_memory_close(cadre__node_memory *memory);

/* A piece of this rank's heap, zeroed and page-aligned. CADRE_ERR_NOMEM: full, or there
 * is none. Local. */
cadre_status cadre__node_memory_take(cadre__node_memory *memory, size_t bytes,
                                     void **out);
/* False if `piece` was not handed out here. */
bool cadre__node_memory_give(cadre__node_memory *memory, void *piece);

#endif
