/* coll/scatter_binomial.c - scatter down a binomial tree, subtrees as one message.
 *
 *     cost = ceil(log2(p)) alpha + 2 (p-1) m beta,   m bytes to each rank
 *
 * The binomial gather run backwards, and good for the same: short blocks. R. Thakur,
 * R. Rabenseifner, W. Gropp: Optimization of collective communication operations in
 * MPICH, Int. J. High Perform. Comput. Appl. 19 (2005).
 */
#include "coll/algorithms.h"
#include "coll/blocks.h"
#include "coll/cost.h"
#include "coll/schedule.h"

double cadre__scatter_binomial_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double leaving = cadre__bytes_of_block(call) * (call->size - 1);

    /* Blocks are put in order at the root and stand in the workspace at every level. */
    return cadre__log2_ceil(call->size) * c->latency_ns + 2 * leaving * c->byte_ns;
}

/* The blocks of `n` places from `place` on, in bytes: their ranks may wrap round. */
static size_t bytes_of(const cadre__coll_call *call, const cadre__blocks *b, int place,
                       int n)
{
    const int rank = cadre__tree_rank(place, call->root, call->size);
    return cadre__blocks_round(b, rank, n, call->size);
}

/* Into subtree, in the order of places. */
static cadre_status take_in_order(cadre__coll_call *call, const cadre__blocks *b,
                                  char *subtree)
{
    const cadre__span high = cadre__blocks_at(b, call->root, call->size - call->root);
    const cadre__span low = cadre__blocks_at(b, 0, call->root);

    CADRE_TRY(cadre__coll_copy(call, subtree, (const char *)call->send + high.first,
                               high.count));
    return cadre__coll_copy(call, subtree + high.count, call->send, low.count);
}

static cadre_status take_from_parent(cadre__coll_call *call, char *subtree, size_t bytes,
                                     int place)
{
    const int reach = cadre__tree_reach(place, call->size);

    call->step = call->n_steps - 1 - cadre__log2_ceil(reach);
    return cadre__coll_exchange(call, NULL, 0, CADRE__NOBODY, subtree, bytes,
                                cadre__tree_rank(place - reach, call->root, call->size));
}

cadre_status cadre__scatter_binomial(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    const int reach = cadre__tree_reach(place, call->size);
    const int n = cadre__tree_subtree(place, call->size);
    cadre__blocks b;
    char *subtree;

    call->n_steps = cadre__log2_ceil(call->size);
    CADRE_TRY(cadre__blocks_make(call, call->counts, &b));
    const size_t bytes = bytes_of(call, &b, place, n);
    CADRE_TRY(cadre__coll_workspace(call, bytes, &subtree));
    CADRE_TRY(place == 0 ? take_in_order(call, &b, subtree)
                         : take_from_parent(call, subtree, bytes, place));
    for (int d = reach / 2; d > 0; d /= 2) {
        const int child = place + d;

        if (child >= call->size)
            continue;
        call->step = call->n_steps - 1 - cadre__log2_ceil(d);
        CADRE_TRY(cadre__coll_exchange(
            call, subtree + bytes_of(call, &b, place, d),
            bytes_of(call, &b, child, cadre__tree_subtree(child, call->size)),
            cadre__tree_rank(child, call->root, call->size), NULL, 0, CADRE__NOBODY));
    }
    if (call->recv == CADRE_IN_PLACE)
        return CADRE_OK;
    return cadre__coll_copy(call, call->recv, subtree,
                            cadre__block(&b, call->rank).count);
}
