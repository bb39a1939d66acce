/* comm/native.h - the MPI library's own collectives, with our types, as requests. */
#ifndef CADRE_COMM_NATIVE_H
#define CADRE_COMM_NATIVE_H

#include <cadre/comm.h>
#include <cadre/dtype.h>
#include <stdbool.h>

typedef enum cadre__native_kind {
    CADRE__NATIVE_ALLREDUCE,
    CADRE__NATIVE_REDUCE,
    CADRE__NATIVE_REDUCE_SCATTER,
    CADRE__NATIVE_SCAN,
    CADRE__NATIVE_BROADCAST,
    CADRE__NATIVE_BARRIER,
    CADRE__NATIVE_GATHER,
    CADRE__NATIVE_SCATTER,
    CADRE__NATIVE_ALLGATHER,
    CADRE__NATIVE_ALLTOALL,
} cadre__native_kind;

/* Lengths and places of blocks, as MPI wants them: ints, in elements, [size] each. */
typedef struct cadre__native_blocks {
    const int *counts, *places;
} cadre__native_blocks;

/* A call of the MPI library's. Buffers may be CADRE_IN_PLACE, with MPI's meaning. What
 * this points to is kept until the operation has ended, and for ever if it fails. */
typedef struct cadre__native_call {
    cadre__native_kind kind;
    const void *send;
    void *recv;
    int count; /* elements of the vector, or of each block */
    /* The v-forms, for collectives that have one; counts NULL: all blocks are of `count`.
     * `from` is used by alltoall: the blocks that come. */
    cadre__native_blocks blocks, from;
    cadre_dtype dtype;
    cadre_reduction reduction;
    int root;
} cadre__native_call;

/* Whether MPI has this type, and this reduction of it with our meaning. Local. */
bool cadre__native_has(cadre_dtype dtype);
bool cadre__native_reduces(cadre_dtype dtype, cadre_reduction reduction);

/* Start it as *req, which announces nothing by doorbell: whoever waits polls. It cannot
 * be cancelled: after a timeout its buffers stay in MPI's hands. Local. */
cadre_status cadre__native_start(cadre_comm *comm, const cadre__native_call *call,
                                 cadre_req *req);

/* The blocking call, as a program would make it; it has no deadline and may wait for
 * ever. A reduce_scatter without lengths of blocks has `count` elements in each. For
 * benchmarks, as what others are compared with. Collective over comm. */
cadre_status cadre__native_blocking(cadre_comm *comm, const cadre__native_call *call);

#endif
