/* coll/barrier_dissemination.c - barrier by dissemination of signals.
 *
 *     cost = ceil(log2(p)) alpha
 *
 * In round k each rank tells the one 2^k further on, and so knows of 2^(k+1) ranks; any
 * number of ranks, no root. D. Hensgen, R. Finkel, U. Manber: Two algorithms for barrier
 * synchronization, Int. J. Parallel Program. 17 (1988).
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/schedule.h"

double cadre__barrier_dissemination_cost(const cadre__coll_call *call)
{
    return cadre__log2_ceil(call->size) * call->costs->latency_ns;
}

cadre_status cadre__barrier_dissemination(cadre__coll_call *call)
{
    call->n_steps = cadre__log2_ceil(call->size);
    for (call->step = 0; call->step < call->n_steps; call->step++) {
        const int distance = 1 << call->step;

        CADRE_TRY(cadre__coll_exchange(
            call, NULL, 0, cadre__ring_neighbour(call->rank, distance, call->size), NULL,
            0, cadre__ring_neighbour(call->rank, -distance, call->size)));
    }
    return CADRE_OK;
}
