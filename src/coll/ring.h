/* coll/ring.h - the two halves of the ring algorithms: reduce-scatter and allgather. */
#ifndef CADRE_COLL_RING_H
#define CADRE_COLL_RING_H

#include "coll/call.h"

/* The walk of one rank round the ring, over call->count elements cut into size chunks. */
typedef struct cadre__ring {
    cadre__coll_call *call;
    const char *own;   /* this rank's input */
    char *data;        /* where the result grows; may be own */
    char *landing;     /* CADRE__COLL_WINDOW segments; needed only if data is own */
    size_t segment;    /* elements */
    size_t n_segments; /* of each chunk */
} cadre__ring;

/* Bytes of one segment, at most. */
#define CADRE__RING_SEGMENT ((size_t)128 * 1024)

void cadre__ring_init(cadre__ring *ring, cadre__coll_call *call, const void *own,
                      void *data);

/* Bytes that `landing` must have; 0 if it is not needed. */
size_t cadre__ring_landing_bytes(const cadre__ring *ring);

/* Afterwards rank r has chunk r+1 of the reduction in data; other chunks there hold parts
 * of sums. The operands of each chunk are combined in ring order, from the rank of the
 * chunk's number on, whatever the timing. */
cadre_status cadre__ring_reduce_scatter(cadre__ring *ring);

/* Afterwards every rank has all chunks in data. */
cadre_status cadre__ring_allgather(cadre__ring *ring);

#endif
