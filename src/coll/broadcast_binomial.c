/* coll/broadcast_binomial.c - broadcast down a binomial tree.
 *
 *     cost = ceil(log2(p)) (alpha + m beta)
 *
 * The fewest latencies; the whole vector travels at each level, so for long ones the
 * chain is faster. R. Thakur, R. Rabenseifner, W. Gropp: Optimization of collective
 * communication operations in MPICH, Int. J. High Perform. Comput. Appl. 19 (2005).
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/schedule.h"

double cadre__broadcast_binomial_cost(const cadre__coll_call *call)
{
    return cadre__log2_ceil(call->size) *
           (call->costs->latency_ns + (double)call->bytes * call->costs->byte_ns);
}

cadre_status cadre__broadcast_binomial(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    const int reach = cadre__tree_reach(place, call->size);

    call->n_steps = cadre__log2_ceil(call->size);
    if (place != 0) {
        call->step = call->n_steps - 1 - cadre__log2_ceil(reach);
        CADRE_TRY(cadre__coll_exchange(
            call, NULL, 0, CADRE__NOBODY, call->recv, call->bytes,
            cadre__tree_rank(place - reach, call->root, call->size)));
    }
    for (int d = reach / 2; d > 0; d /= 2) {
        if (place + d >= call->size)
            continue;
        call->step = call->n_steps - 1 - cadre__log2_ceil(d);
        CADRE_TRY(cadre__coll_exchange(
            call, call->recv, call->bytes,
            cadre__tree_rank(place + d, call->root, call->size), NULL, 0, CADRE__NOBODY));
    }
    return CADRE_OK;
}
