/* coll/alltoall_pairwise.c - alltoall in p-1 exchanges, each block straight to its rank.
 *
 *     cost = (p-1) (alpha + m beta),   m bytes of each block
 *
 * In step k each rank sends to the one k places on and hears from the one k places back,
 * so nobody is flooded and each byte is moved once: for long blocks. In place, partners
 * exchange with each other instead, since a block must have left before its answer is put
 * there. R. Thakur, R. Rabenseifner, W. Gropp: Optimization of collective communication
 * operations in MPICH, Int. J. High Perform. Comput. Appl. 19 (2005).
 */
#include "coll/algorithms.h"
#include "coll/blocks.h"
#include "coll/cost.h"
#include "coll/levels.h"

double cadre__alltoall_pairwise_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;

    return (call->size - 1) * (c->latency_ns + (double)call->bytes * c->byte_ns *
                                                   cadre__levels_sharing(call));
}

static cadre_status apart(cadre__coll_call *call, const cadre__blocks *to,
                          const cadre__blocks *from)
{
    const cadre__span own_out = cadre__block(to, call->rank);
    const cadre__span own_in = cadre__block(from, call->rank);

    CADRE_TRY(cadre__coll_copy(call, (char *)call->recv + own_in.first,
                               (const char *)call->send + own_out.first, own_in.count));
    for (int k = 1; k < call->size; k++) {
        const int dest = cadre__ring_neighbour(call->rank, k, call->size);
        const int src = cadre__ring_neighbour(call->rank, -k, call->size);
        const cadre__span out = cadre__block(to, dest), in = cadre__block(from, src);

        call->step = k - 1;
        CADRE_TRY(cadre__coll_exchange(call, (const char *)call->send + out.first,
                                       out.count, out.count > 0 ? dest : CADRE__NOBODY,
                                       (char *)call->recv + in.first, in.count,
                                       in.count > 0 ? src : CADRE__NOBODY));
    }
    return CADRE_OK;
}

/* In round k partners are those whose ranks add up to k, modulo p. */
static cadre_status in_place(cadre__coll_call *call, const cadre__blocks *b)
{
    size_t largest = 0;
    char *space;

    for (int r = 0; r < call->size; r++)
        largest = cadre__block(b, r).count > largest ? cadre__block(b, r).count : largest;
    CADRE_TRY(cadre__coll_workspace(call, largest, &space));
    for (int k = 0; k < call->size; k++) {
        const int partner = cadre__ring_neighbour(k, -call->rank, call->size);
        const cadre__span block = cadre__block(b, partner);
        char *data = (char *)call->recv + block.first;

        if (partner == call->rank || block.count == 0)
            continue;
        CADRE_TRY(cadre__coll_exchange(call, data, block.count, partner, space,
                                       block.count, partner));
        CADRE_TRY(cadre__coll_copy(call, data, space, block.count));
        call->step += call->step < call->n_steps - 1;
    }
    return CADRE_OK;
}

cadre_status cadre__alltoall_pairwise(cadre__coll_call *call)
{
    cadre__blocks to, from;

    call->n_steps = call->size - 1;
    CADRE_TRY(cadre__blocks_make(call, call->counts, &to));
    CADRE_TRY(cadre__blocks_make(call, call->recv_counts, &from));
    return call->send == CADRE_IN_PLACE ? in_place(call, &from) : apart(call, &to, &from);
}
