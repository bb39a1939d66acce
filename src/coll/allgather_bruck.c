/* coll/allgather_bruck.c - allgather in ceil(log2(p)) exchanges.
 *
 *     cost = ceil(log2(p)) alpha + (p-1)/p m beta + 2 m copies,   m bytes of all blocks
 *
 * In step k a rank gets all that the rank 2^k further on has, so that what it has
 * doubles; any number of ranks. Blocks stand in the workspace in the order in which they
 * came and are put in order at the end: for short ones. J. Bruck, C.-T. Ho, S. Kipnis,
 * E. Upfal, D. Weathersby: Efficient algorithms for all-to-all communications in
 * multiport message-passing systems, IEEE Trans. Parallel Distrib. Syst. 8 (1997).
 */
#include "coll/algorithms.h"
#include "coll/blocks.h"
#include "coll/cost.h"
#include "coll/levels.h"

double cadre__allgather_bruck_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double all = cadre__bytes_of_all(call);

    return cadre__log2_ceil(call->size) * c->latency_ns +
           all * (call->size - 1) / call->size * c->byte_ns *
               cadre__levels_sharing(call) +
           2 * all * c->copy_ns;
}

cadre_status cadre__allgather_bruck(cadre__coll_call *call)
{
    const int size = call->size, rank = call->rank;
    cadre__blocks b;
    char *space; /* blocks rank, rank + 1, .., round past the last */

    call->n_steps = cadre__log2_ceil(size);
    CADRE_TRY(cadre__blocks_make(call, call->counts, &b));
    const cadre__span own = cadre__block(&b, rank), low = cadre__blocks_at(&b, 0, rank);
    const cadre__span high = cadre__blocks_at(&b, rank, size - rank);
    CADRE_TRY(cadre__coll_workspace(call, low.count + high.count, &space));
    CADRE_TRY(cadre__coll_copy(call, space,
                               call->send == CADRE_IN_PLACE
                                   ? (const char *)call->recv + own.first
                                   : (const char *)call->send,
                               own.count));
    for (int have = 1; have < size; have *= 2) {
        const int n = have < size - have ? have : size - have;
        const int from = cadre__ring_neighbour(rank, have, size);

        CADRE_TRY(cadre__coll_exchange(call, space,
                                       cadre__blocks_round(&b, rank, n, size),
                                       cadre__ring_neighbour(rank, -have, size),
                                       space + cadre__blocks_round(&b, rank, have, size),
                                       cadre__blocks_round(&b, from, n, size), from));
        call->step++;
    }
    call->step = call->n_steps > 0 ? call->n_steps - 1 : 0;
    CADRE_TRY(cadre__coll_copy(call, (char *)call->recv + high.first, space, high.count));
    return cadre__coll_copy(call, call->recv, space + high.count, low.count);
}
