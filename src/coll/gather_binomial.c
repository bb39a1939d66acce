/* coll/gather_binomial.c - gather up a binomial tree, subtrees as one message.
 *
 *     cost = ceil(log2(p)) alpha + 2 (p-1) m beta,   m bytes from each rank
 *
 * The root takes log2(p) messages instead of p-1: for short blocks. Long ones would be
 * copied at each level, and once more to put them in order, for nothing. R. Thakur, R.
 * Rabenseifner, W. Gropp: Optimization of collective communication operations in MPICH,
 * Int. J. High Perform. Comput. Appl. 19 (2005).
 */
#include "coll/algorithms.h"
#include "coll/schedule.h"
#include <string.h>

double cadre__gather_binomial_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double arriving = (double)call->bytes * (call->size - 1);

    /* Blocks stand in the workspace at every level, and are put in order at the root. */
    return cadre__log2_ceil(call->size) * c->latency_ns + 2 * arriving * c->byte_ns;
}

static const char *own_block(const cadre__coll_call *call)
{
    if (call->send != CADRE_IN_PLACE)
        return call->send;
    return (const char *)call->recv + (size_t)call->rank * call->bytes;
}

/* blocks: those of the subtree, in the order of places. */
static void put_in_order(const cadre__coll_call *call, const char *blocks)
{
    for (int place = 0; place < call->size; place++) {
        const int rank = cadre__tree_rank(place, call->root, call->size);

        memcpy((char *)call->recv + (size_t)rank * call->bytes,
               blocks + (size_t)place * call->bytes, call->bytes);
    }
}

cadre_status cadre__gather_binomial(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    const int reach = cadre__tree_reach(place, call->size);
    const int subtree = cadre__tree_subtree(place, call->size);
    char *blocks;

    call->n_steps = cadre__log2_ceil(call->size);
    CADRE_TRY(cadre__coll_workspace(call, (size_t)subtree * call->bytes, &blocks));
    memcpy(blocks, own_block(call), call->bytes);
    for (int d = 1; d < reach && place + d < call->size; d *= 2) {
        const int child = place + d;

        call->step = cadre__log2_ceil(d);
        CADRE_TRY(cadre__coll_exchange(
            call, NULL, 0, CADRE__NOBODY, blocks + (size_t)d * call->bytes,
            (size_t)cadre__tree_subtree(child, call->size) * call->bytes,
            cadre__tree_rank(child, call->root, call->size)));
    }
    if (place == 0) {
        put_in_order(call, blocks);
        return CADRE_OK;
    }
    call->step = cadre__log2_ceil(reach);
    return cadre__coll_exchange(call, blocks, (size_t)subtree * call->bytes,
                                cadre__tree_rank(place - reach, call->root, call->size),
                                NULL, 0, CADRE__NOBODY);
}
