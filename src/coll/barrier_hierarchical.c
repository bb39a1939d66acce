/* coll/barrier_hierarchical.c - a barrier inside each node, one among the nodes' first
 * ranks, and another inside.
 *
 *     cost = 2 inside(0) + ceil(log2(n)) alpha,   n nodes
 *
 * Only one rank of each node uses the network. R. L. Graham, G. Shipman: MPI support for
 * multi-core architectures: optimized shared memory collectives, EuroPVM/MPI 2008.
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include "coll/schedule.h"
#include "comm/internal.h"

double cadre__barrier_hierarchical_cost(const cadre__coll_call *call)
{
    if (!cadre__levels_two(call))
        return CADRE__NO_COST;
    return 2 * cadre__levels_inside(call, 0, 0, false) +
           cadre__log2_ceil(call->levels->n_nodes) * call->costs->latency_ns;
}

cadre_status cadre__barrier_hierarchical(cadre__coll_call *call)
{
    const cadre_coll_args barrier = {.collective = CADRE_BARRIER};
    cadre_comm *node = cadre__comm_node(call->comm);

    call->n_steps = 3;
    CADRE_TRY(cadre__coll_child(call, node, &barrier, NULL));
    call->step = 1;
    if (cadre_comm_rank(node) == 0)
        CADRE_TRY(cadre__coll_child(call, cadre__comm_cross(call->comm), &barrier, NULL));
    call->step = 2;
    return cadre__coll_child(call, node, &barrier, NULL);
}
