/* coll/state.h - what this folder keeps with each communicator. */
#ifndef CADRE_COLL_STATE_H
#define CADRE_COLL_STATE_H

#include "coll/call.h"
#include "coll/levels.h"

typedef struct cadre__coll_order cadre__coll_order; /* choice.c */

/* A call that was found to be in order, and what was found out about it: the next one is
 * often like it. */
typedef struct cadre__coll_recent {
    const cadre__coll_row *row; /* NULL: there was none */
    bool named;                 /* the row, by the call */
    bool reproducible;          /* was asked for */
    cadre_dtype dtype;
    cadre_reduction reduction;
    size_t count, element_bytes;
    cadre_combine_fn *combine;
} cadre__coll_recent;

struct cadre__coll_state {
    const cadre__coll_costs *costs;
    cadre__levels levels;
    uint32_t number; /* of the operation that was started last */
    bool crowded;    /* more ranks than CPUs on this node */
    bool settled;    /* its costs are what they will be (learn.c) */
    /* Operations under way, in the order of their start. */
    cadre__coll_call *first, **end;
    cadre__program *spare;                          /* memory for programs */
    cadre__coll_order *orders[CADRE_N_COLLECTIVES]; /* of rows, by cost */
    cadre__coll_recent recent[CADRE_N_COLLECTIVES];
    void *note; /* this rank's, of last.c */
    bool check; /* ranks compare what they call */
    /* When this rank looked last whether another has given up, and whether one has. */
    int64_t listened_ns;
    bool summoned;
    /* Of the algorithms by shared memory. */
    void *shared;
    void (*destroy_shared)(void *shared);
};

/* The state of a comm, made at the first call. Local. CADRE_ERR_NOMEM */
cadre_status cadre__coll_state_of(cadre_comm *comm, cadre__coll_state **out);

#endif
