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
#include "coll/cost.h"
#include "coll/schedule.h"

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
    if (root)
        *sum = call->recv;
    if (leaf)
        return CADRE_OK;
    /* Elements are at most 8 bytes, so the second vector stays aligned for them. */
    CADRE_TRY(cadre__coll_workspace(call, (root ? 1 : 2) * call->bytes, &space));
    *child = space;
    if (!root)
        *sum = space + call->bytes;
    return CADRE_OK;
}

cadre_status cadre__reduce_binomial(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    const int reach = cadre__tree_reach(place, call->size);
    const bool leaf = cadre__tree_subtree(place, call->size) == 1;
    const char *so_far = cadre__coll_input(call);
    char *sum, *child;

    call->n_steps = cadre__log2_ceil(call->size);
    CADRE_TRY(take_buffers(call, leaf, &sum, &child));
    for (int d = 1; d < reach && place + d < call->size; d *= 2) {
        call->step = cadre__log2_ceil(d);
        CADRE_TRY(
            cadre__coll_exchange(call, NULL, 0, CADRE__NOBODY, child, call->bytes,
                                 cadre__tree_rank(place + d, call->root, call->size)));
        CADRE_TRY(cadre__coll_combine(call, sum, so_far, child, call->count));
        so_far = sum;
    }
    if (place == 0) {
        CADRE_TRY(cadre__coll_copy(call, sum, so_far, call->bytes));
        return cadre__coll_average(call, sum, call->count);
    }
    call->step = cadre__log2_ceil(reach);
    return cadre__coll_exchange(call, so_far, call->bytes,
                                cadre__tree_rank(place - reach, call->root, call->size),
                                NULL, 0, CADRE__NOBODY);
}
