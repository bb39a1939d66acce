/* coll/levels.h - how the ranks of a comm lie on nodes, as far as algorithms care. */
#ifndef CADRE_COLL_LEVELS_H
#define CADRE_COLL_LEVELS_H

#include "coll/call.h"

struct cadre__levels {
    int n_nodes;
    int least, most; /* ranks of the comm on a node */
    int streams;     /* the most hops of the ring 0, 1, 2, ... that leave one node */
};

/* Local; equal on all ranks. CADRE_ERR_NOMEM */
cadre_status cadre__levels_of(const cadre_comm *comm, cadre__levels *out);

/* Whether the ranks lie on several nodes, several on some, so that there are sub-comms
 * for the nodes and across them. For cost() and applies(). */
bool cadre__levels_two(const cadre__coll_call *call);

/* Streams that share a node's link when every rank sends to one far away at the same
 * time, and when every rank sends to the next: factors of the time per byte. */
double cadre__levels_sharing(const cadre__coll_call *call);
double cadre__levels_ring_sharing(const cadre__coll_call *call);

/* The place of a rank among those of its node. O(ranks). */
int cadre__levels_place(const cadre__coll_call *call, int rank);

/* The predicted cost of moving and reducing `bytes` inside a node by shared memory, each
 * byte copied `copies` times and reduced once if `reduce`. */
double cadre__levels_inside(const cadre__coll_call *call, double bytes, double copies,
                            bool reduce);

#endif
