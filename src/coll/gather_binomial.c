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
#include "coll/blocks.h"
#include "coll/cost.h"
#include "coll/schedule.h"

double cadre__gather_binomial_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double arriving = cadre__bytes_of_block(call) * (call->size - 1);

    /* Blocks stand in the workspace at every level, and are put in order at the root. */
    return cadre__log2_ceil(call->size) * c->latency_ns + 2 * arriving * c->byte_ns;
}

/* The blocks of `n` places from `place` on, in bytes: their ranks may wrap round. */
static size_t bytes_of(const cadre__coll_call *call, const cadre__blocks *b, int place,
                       int n)
{
    const int rank = cadre__tree_rank(place, call->root, call->size);
    return cadre__blocks_round(b, rank, n, call->size);
}

/* subtree: those of all ranks, in the order of places. */
static cadre_status put_in_order(cadre__coll_call *call, const cadre__blocks *b,
                                 const char *subtree)
{
    const cadre__span high = cadre__blocks_at(b, call->root, call->size - call->root);
    const cadre__span low = cadre__blocks_at(b, 0, call->root);

    CADRE_TRY(
        cadre__coll_copy(call, (char *)call->recv + high.first, subtree, high.count));
    return cadre__coll_copy(call, call->recv, subtree + high.count, low.count);
}

cadre_status cadre__gather_binomial(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    const int reach = cadre__tree_reach(place, call->size);
    const int n = cadre__tree_subtree(place, call->size);
    cadre__blocks b;
    char *subtree;

    call->n_steps = cadre__log2_ceil(call->size);
    CADRE_TRY(cadre__blocks_make(call, call->counts, &b));
    const cadre__span own = cadre__block(&b, call->rank);
    CADRE_TRY(cadre__coll_workspace(call, bytes_of(call, &b, place, n), &subtree));
    CADRE_TRY(cadre__coll_copy(call, subtree,
                               call->send != CADRE_IN_PLACE
                                   ? (const char *)call->send
                                   : (const char *)call->recv + own.first,
                               own.count));
    for (int d = 1; d < reach && place + d < call->size; d *= 2) {
        call->step = cadre__log2_ceil(d);
        CADRE_TRY(cadre__coll_exchange(
            call, NULL, 0, CADRE__NOBODY, subtree + bytes_of(call, &b, place, d),
            bytes_of(call, &b, place + d, cadre__tree_subtree(place + d, call->size)),
            cadre__tree_rank(place + d, call->root, call->size)));
    }
    if (place == 0)
        return put_in_order(call, &b, subtree);
    call->step = cadre__log2_ceil(reach);
    return cadre__coll_exchange(call, subtree, bytes_of(call, &b, place, n),
                                cadre__tree_rank(place - reach, call->root, call->size),
                                NULL, 0, CADRE__NOBODY);
}
