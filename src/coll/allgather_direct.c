/* coll/allgather_direct.c - allgather in which every rank sends its block to every other.
 *
 *     cost = alpha + b beta + (p-2) max(3/4 alpha, 11/10 b beta),   b bytes of a block
 *
 * Messages to different ranks overlap (CADRE__COLL_WINDOW at a time), but the software of
 * sending one and receiving another takes turns on a rank, or else their bytes do on its
 * link; many at once get in each other's way, which the 11/10 stands for. In round k a
 * rank sends to the one k places on and hears from the one k places back, so nobody is
 * flooded. For short blocks, as between the ranks that share a model.
 */
#include "coll/algorithms.h"
#include "coll/blocks.h"
#include "coll/cost.h"
#include "coll/schedule.h"

bool cadre__allgather_direct_applies(const cadre__coll_call *call)
{
    return cadre__blocks_largest(call) <= CADRE__COLL_MAX_MESSAGE;
}

double cadre__allgather_direct_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double block = cadre__bytes_of_block(call);

    if (call->size == 1)
        return 0;
    return c->latency_ns + block * c->byte_ns +
           (call->size - 2) * cadre__coll_gap(c, 1.1 * block, 2);
}

cadre_status cadre__allgather_direct(cadre__coll_call *call)
{
    cadre__blocks blocks;

    CADRE_TRY(cadre__blocks_make(call, call->counts, &blocks));
    CADRE_TRY(cadre__blocks_place_own(call, &blocks));
    const cadre__span own = cadre__block(&blocks, call->rank);
    call->n_steps = call->size - 1;
    for (call->step = 0; call->step < call->n_steps; call->step++) {
        const int distance = call->step + 1;
        const int to = cadre__ring_neighbour(call->rank, distance, call->size);
        const int from = cadre__ring_neighbour(call->rank, -distance, call->size);
        const cadre__span in = cadre__block(&blocks, from);

        if (in.count > 0)
            CADRE_TRY(cadre__coll_start_recv(
                call, (size_t)call->step, (char *)call->recv + in.first, in.count, from));
        if (own.count > 0)
            CADRE_TRY(cadre__coll_start_send(
                call, (size_t)call->step, (char *)call->recv + own.first, own.count, to));
    }
    call->step = call->n_steps > 0 ? call->n_steps - 1 : 0;
    CADRE_TRY(cadre__coll_finish_recvs(call));
    return cadre__coll_finish_sends(call);
}
