/* coll/allreduce_leader.c - allreduce with one leader per node: reduce to it, allreduce
 * among leaders, broadcast from it.
 *
 *     cost = inside(m copies + m gamma) + across(m) + inside(m copies)
 *
 * with across(m) as in allreduce_hierarchical.c. Few messages, and any number of ranks on
 * each node: for short vectors, and where nodes have unequally many ranks. R. L. Graham,
 * G. Shipman: MPI support for multi-core architectures: optimized shared memory
 * collectives, EuroPVM/MPI 2008.
 *
 * All ranks get copies of what leaders have, which is equal.
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include "comm/internal.h"

bool cadre__two_levels_applies(const cadre__coll_call *call)
{
    return cadre__levels_two(call);
}

double cadre__allreduce_leader_cost(const cadre__coll_call *call)
{
    const double bytes = (double)call->bytes;

    if (!cadre__levels_two(call))
        return CADRE__NO_COST;
    return cadre__levels_inside(call, bytes * (call->levels->most - 1), 1, true) +
           cadre__levels_allreduce_across(call, 1) +
           cadre__levels_inside(call, bytes, 1, false);
}

cadre_status cadre__allreduce_leader(cadre__coll_call *call)
{
    cadre_comm *node = cadre__comm_node(call->comm);
    const bool leads = cadre_comm_rank(node) == 0;
    const cadre_reduction reduction =
        call->reduction == CADRE_AVG ? CADRE_SUM : call->reduction;
    const cadre_coll_args up = {.collective = CADRE_REDUCE,
                                .send = leads ? call->send : cadre__coll_input(call),
                                .recv = call->recv,
                                .count = call->count,
                                .dtype = call->dtype,
                                .reduction = reduction};
    const cadre_coll_args across = {.collective = CADRE_ALLREDUCE,
                                    .send = CADRE_IN_PLACE,
                                    .recv = call->recv,
                                    .count = call->count,
                                    .dtype = call->dtype,
                                    .reduction = reduction};
    const cadre_coll_args down = {.collective = CADRE_BROADCAST,
                                  .recv = call->recv,
                                  .count = call->count,
                                  .dtype = call->dtype};

    call->n_steps = 3;
    CADRE_TRY(cadre__coll_child(call, node, &up, NULL));
    call->step = 1;
    if (leads) {
        CADRE_TRY(cadre__coll_child(call, cadre__comm_cross(call->comm), &across, NULL));
        CADRE_TRY(cadre__coll_average(call, call->recv, call->count));
    }
    call->step = 2;
    return cadre__coll_child(call, node, &down, NULL);
}
