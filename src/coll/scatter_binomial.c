/* coll/scatter_binomial.c - scatter down a binomial tree, subtrees as one message.
 *
 *     cost = ceil(log2(p)) alpha + 2 (p-1) m beta,   m bytes to each rank
 *
 * The binomial gather run backwards, and good for the same: short blocks. R. Thakur,
 * R. Rabenseifner, W. Gropp: Optimization of collective communication operations in
 * MPICH, Int. J. High Perform. Comput. Appl. 19 (2005).
 */
#include "coll/algorithms.h"
#include "coll/schedule.h"
#include <string.h>

double cadre__scatter_binomial_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double leaving = (double)call->bytes * (call->size - 1);

    /* Blocks are put in order at the root and stand in the workspace at every level. */
    return cadre__log2_ceil(call->size) * c->latency_ns + 2 * leaving * c->byte_ns;
}

static void take_in_order(const cadre__coll_call *call, char *blocks)
{
    for (int place = 0; place < call->size; place++) {
        const int rank = cadre__tree_rank(place, call->root, call->size);

        memcpy(blocks + (size_t)place * call->bytes,
               (const char *)call->send + (size_t)rank * call->bytes, call->bytes);
    }
}

cadre_status cadre__scatter_binomial(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    const int reach = cadre__tree_reach(place, call->size);
    const int subtree = cadre__tree_subtree(place, call->size);
    char *blocks;

    call->n_steps = cadre__log2_ceil(call->size);
    CADRE_TRY(cadre__coll_workspace(call, (size_t)subtree * call->bytes, &blocks));
    if (place == 0) {
        take_in_order(call, blocks);
    } else {
        call->step = call->n_steps - 1 - cadre__log2_ceil(reach);
        CADRE_TRY(cadre__coll_exchange(
            call, NULL, 0, CADRE__NOBODY, blocks, (size_t)subtree * call->bytes,
            cadre__tree_rank(place - reach, call->root, call->size)));
    }
    for (int d = reach / 2; d > 0; d /= 2) {
        const int child = place + d;

        if (child >= call->size)
            continue;
        call->step = call->n_steps - 1 - cadre__log2_ceil(d);
        CADRE_TRY(cadre__coll_exchange(
            call, blocks + (size_t)d * call->bytes,
            (size_t)cadre__tree_subtree(child, call->size) * call->bytes,
            cadre__tree_rank(child, call->root, call->size), NULL, 0, CADRE__NOBODY));
    }
    if (call->recv != CADRE_IN_PLACE)
        memcpy(call->recv, blocks, call->bytes);
    return CADRE_OK;
}
