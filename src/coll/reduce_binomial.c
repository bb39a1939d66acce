/* coll/reduce_binomial.c - reduce up a binomial tree rooted at the root.
 *
 *     cost = ceil(log2(p)) (alpha + m beta + m gamma)
 *
 * Few latencies, the whole vector at each level: for short and middling vectors. R.
 * Thakur, R. Rabenseifner, W. Gropp: Optimization of collective communication operations
 * in MPICH, Int. J. High Perform. Comput. Appl. 19 (2005).
 *
 * Children are reduced in a fixed order, nearest first, which is the order of places.
 */
#include "coll/algorithms.h"
#include "coll/schedule.h"
#include <string.h>

double cadre__reduce_binomial_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double bytes = (double)call->bytes;

    return cadre__log2_ceil(call->size) *
           (c->latency_ns + bytes * c->byte_ns + bytes * c->reduce_ns);
}

/* Buffers: the root sums up in its receive buffer, an inner rank in the workspace, and a
 * leaf sends its input as it stands. */
static cadre_status take_buffers(cadre__coll_call *call, bool leaf, char **sum,
                                 char **child)
{
    const bool root = call->rank == call->root;
    char *space = NULL;

    *sum = *child = NULL;
    if (leaf && !root)
        return CADRE_OK;
    /* Elements are at most 8 bytes, so the second vector stays aligned for them. */
    const size_t bytes = root ? call->bytes : 2 * call->bytes;
    if (bytes < call->bytes)
        return cadre_fail(CADRE_ERR_RANGE, "reducing %zu bytes", call->bytes);
    CADRE_TRY(cadre__coll_workspace(call, bytes, &space));
    *child = space;
    *sum = root ? call->recv : space + call->bytes;
    if (*sum != (const char *)cadre__coll_input(call))
        memcpy(*sum, cadre__coll_input(call), call->bytes);
    return CADRE_OK;
}

cadre_status cadre__reduce_binomial(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    const int reach = cadre__tree_reach(place, call->size);
    const bool leaf = cadre__tree_subtree(place, call->size) == 1;
    char *sum, *child;

    call->n_steps = cadre__log2_ceil(call->size);
    CADRE_TRY(take_buffers(call, leaf, &sum, &child));
    for (int d = 1; d < reach && place + d < call->size; d *= 2) {
        call->step = cadre__log2_ceil(d);
        CADRE_TRY(
            cadre__coll_exchange(call, NULL, 0, CADRE__NOBODY, child, call->bytes,
                                 cadre__tree_rank(place + d, call->root, call->size)));
        call->combine(sum, child, call->count);
    }
    if (place == 0)
        return CADRE_OK;
    call->step = cadre__log2_ceil(reach);
    return cadre__coll_exchange(
        call, leaf ? (const char *)cadre__coll_input(call) : sum, call->bytes,
        cadre__tree_rank(place - reach, call->root, call->size), NULL, 0, CADRE__NOBODY);
}
