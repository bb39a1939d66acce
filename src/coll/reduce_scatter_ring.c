/* coll/reduce_scatter_ring.c - reduce-scatter round a ring.
 *
 * With s segments to a block:
 *
 *     cost = (p-1) ((1 + (s-1)/8) alpha + m/p beta + m/(p s) gamma)
 *
 * Block by block, partial sums pass from rank to rank: each rank talks to its neighbours
 * only and moves no byte more than it must. For long vectors. P. Patarasuk, X. Yuan:
 * Bandwidth optimal all-reduce algorithms for clusters of workstations, J. Parallel
 * Distrib. Comput. 69 (2009).
 */
#include "coll/algorithms.h"
#include "coll/blocks.h"
#include "coll/ring.h"

double cadre__reduce_scatter_ring_cost(const cadre__coll_call *call)
{
    return cadre__ring_cost(call, (double)call->bytes, true);
}

cadre_status cadre__reduce_scatter_ring(cadre__coll_call *call)
{
    const bool in_place = call->send == CADRE_IN_PLACE;
    cadre__blocks blocks;
    cadre__ring ring;
    char *space;

    call->n_steps = call->size - 1;
    CADRE_TRY(cadre__blocks_make_chunks(call, &blocks));
    const cadre__span own = cadre__block(&blocks, call->rank);
    cadre__ring_init(&ring, call, cadre__coll_input(call), in_place ? call->recv : NULL,
                     blocks.first);
    CADRE_TRY(cadre__coll_workspace(
        call, in_place ? cadre__ring_landing_bytes(&ring) : call->bytes, &space));
    if (in_place) {
        ring.landing = space;
    } else {
        ring.data = space;
        ring.result = call->recv;
    }
    CADRE_TRY(cadre__ring_reduce_scatter(&ring, 1, true));
    return in_place ? cadre__coll_copy(call, call->recv, (char *)call->recv + own.first,
                                       own.count)
                    : CADRE_OK;
}
