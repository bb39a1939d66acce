/* coll/allgather_ring.c - allgather round a ring: each block passes from rank to rank.
 *
 *     cost = (p-1) alpha + (p-1)/p m beta,   m bytes of all blocks together
 *
 * Every rank talks to its two neighbours only, and on a ring of nodes each link carries
 * each block once: for long blocks. R. Thakur, R. Rabenseifner, W. Gropp: Optimization of
 * collective communication operations in MPICH, Int. J. High Perform. Comput. Appl. 19
 * (2005).
 */
#include "coll/algorithms.h"
#include "coll/blocks.h"
#include "coll/cost.h"
#include "coll/schedule.h"

double cadre__allgather_ring_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double steps = call->size - 1;

    return steps * (c->latency_ns + cadre__bytes_of_block(call) * c->byte_ns);
}

cadre_status cadre__allgather_ring(cadre__coll_call *call)
{
    const int left = cadre__ring_neighbour(call->rank, -1, call->size);
    const int right = cadre__ring_neighbour(call->rank, 1, call->size);
    cadre__blocks blocks;

    CADRE_TRY(cadre__blocks_make(call, call->counts, &blocks));
    CADRE_TRY(cadre__blocks_place_own(call, &blocks));
    call->n_steps = call->size - 1;
    for (call->step = 0; call->step < call->n_steps; call->step++) {
        const cadre__span out = cadre__block(
            &blocks, cadre__ring_neighbour(call->rank, -call->step, call->size));
        const cadre__span in = cadre__block(
            &blocks, cadre__ring_neighbour(call->rank, -call->step - 1, call->size));

        CADRE_TRY(cadre__coll_exchange(call, (char *)call->recv + out.first, out.count,
                                       out.count > 0 ? right : CADRE__NOBODY,
                                       (char *)call->recv + in.first, in.count,
                                       in.count > 0 ? left : CADRE__NOBODY));
    }
    return CADRE_OK;
}
