/* coll/broadcast_hierarchical.c - broadcast across nodes first, then inside each.
 *
 *     cost = least of log2(n) (alpha + m beta) and
 *            (n - 2 + s) (alpha + m/s beta)   + inside(m copies),   n nodes, s segments
 *
 * The vector enters each node once, at the rank that has the root's place there, and is
 * spread by shared memory. Where some node has no such rank, the first ranks of the nodes
 * take part, and the root's node begins. A. R. Mamidala et al.: MPI collectives on modern
 * multicore clusters, CCGRID 2008.
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include "coll/schedule.h"
#include "comm/internal.h"

#define SEGMENT_BYTES (128.0 * 1024)

double cadre__broadcast_hierarchical_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double bytes = (double)call->bytes;

    if (!cadre__levels_two(call))
        return CADRE__NO_COST;
    const int n = call->levels->n_nodes;
    const double s = bytes > SEGMENT_BYTES ? bytes / SEGMENT_BYTES : 1;
    const double tree = cadre__log2_ceil(n) * (c->latency_ns + bytes * c->byte_ns);
    const double chain = (n - 2 + s) * (c->latency_ns + bytes / s * c->byte_ns);

    return (tree < chain ? tree : chain) + cadre__levels_inside(call, bytes, 1, false);
}

/* The rank of `comm`, a part of the call's comm, that is `rank` there; -1: none. */
static int rank_in_part(const cadre__coll_call *call, const cadre_comm *part, int rank)
{
    const int world = cadre_comm_world_rank_of(call->comm, rank);

    for (int r = 0; r < cadre_comm_size(part); r++) {
        if (cadre_comm_world_rank_of(part, r) == world)
            return r;
    }
    return -1;
}

static cadre_status child(cadre__coll_call *call, cadre_comm *comm, int root)
{
    const cadre_coll_args args = {.collective = CADRE_BROADCAST,
                                  .recv = call->recv,
                                  .count = call->count,
                                  .dtype = call->dtype,
                                  .root = root};

    return cadre__coll_child(call, comm, &args, NULL);
}

cadre_status cadre__broadcast_hierarchical(cadre__coll_call *call)
{
    cadre_comm *node = cadre__comm_node(call->comm);
    cadre_comm *cross = cadre__comm_cross(call->comm);
    const int place = cadre__levels_place(call, call->root);
    const int root_inside = rank_in_part(call, node, call->root);
    const bool everywhere = place < call->levels->least;
    const int driver = everywhere ? place : 0;

    call->n_steps = 3;
    if (!everywhere && root_inside >= 0)
        CADRE_TRY(child(call, node, root_inside));
    call->step = 1;
    if (cadre_comm_rank(node) == driver) {
        const int node_of_root = cadre_comm_node_of(call->comm, call->root);
        int root = 0;

        while (cadre_comm_node_of(cross, root) != node_of_root)
            root++;
        CADRE_TRY(child(call, cross, root));
    }
    call->step = 2;
    return everywhere || root_inside < 0 ? child(call, node, driver) : CADRE_OK;
}
