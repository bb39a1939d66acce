/* coll/ring.h - the two halves of the ring algorithms: reduce-scatter and allgather. */
#ifndef CADRE_COLL_RING_H
#define CADRE_COLL_RING_H

#include "coll/call.h"
#include "coll/schedule.h"

/* The way of one rank round a ring, over a span of elements cut into size chunks. */
typedef struct cadre__ring {
    cadre__coll_call *call;
    const char *own;     /* this rank's input */
    char *data;          /* where the result grows; may be own */
    char *landing;       /* segments; needed only if data is own */
    char *result;        /* where this rank's finished chunk goes; NULL: into data */
    const size_t *first; /* [size + 1], where chunks begin; NULL: equal ones of span */
    cadre__span span;    /* elements */
    bool backward;       /* to lower ranks */
    int lane, n_lanes;   /* of rings that are walked at the same time */
    size_t segment;      /* elements */
    size_t n_segments;   /* of each chunk */
} cadre__ring;

/* Bytes of one segment, at most. Open MPI sends up to 64 KiB, its header included, over
 * TCP at once; longer messages ask first, and 128 KiB took 1.5 times as long per byte. */
#define CADRE__RING_SEGMENT ((size_t)63 * 1024)

/* The predicted time of one way round with `bytes` in all chunks, s segments to each:
 *
 *     (p-1) ((1 + (s-1)/8) alpha + bytes/p beta + bytes/(p s) gamma)
 *
 * Segments overlap, as many as CADRE__COLL_WINDOW at a time, and all reductions but the
 * last of a step hide behind them. */
double cadre__ring_cost(const cadre__coll_call *call, double bytes, bool reduce);

/* A single forward ring over the whole vector; first as above. */
void cadre__ring_init(cadre__ring *ring, cadre__coll_call *call, const void *own,
                      void *data, const size_t *first);

/* Bytes that `landing` must have; 0 if it is not needed. */
size_t cadre__ring_landing_bytes(const cadre__ring *ring);

/* Afterwards each rank has its whole chunk of the reduction, if so the average: that of
 * its own number if `own`. Other chunks in data hold parts of sums. The operands of each
 * chunk are combined in the order of the ring, whatever the timing. Rings are walked at
 * the same time, message by message. */
cadre_status cadre__ring_reduce_scatter(cadre__ring *rings, int n_rings, bool own);

/* After a reduction (not `own`): afterwards every rank has all chunks in data. */
cadre_status cadre__ring_allgather(cadre__ring *rings, int n_rings);

#endif
