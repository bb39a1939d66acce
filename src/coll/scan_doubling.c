/* coll/scan_doubling.c - inclusive scan in ceil(log2(p)) rounds.
 *
 *     cost = ceil(log2(p)) (alpha + m beta + m gamma)
 *
 * In round k each rank sends its sum so far, which is that of up to 2^k ranks, to the
 * rank 2^k further on: the fewest latencies. For short vectors. W. D. Hillis, G. L.
 * Steele: Data parallel algorithms, Commun. ACM 29 (1986).
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include "coll/schedule.h"

double cadre__scan_doubling_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double bytes = (double)call->bytes;

    return cadre__log2_ceil(call->size) *
           (c->latency_ns + bytes * c->byte_ns * cadre__levels_sharing(call) +
            bytes * c->reduce_ns);
}

cadre_status cadre__scan_doubling(cadre__coll_call *call)
{
    const char *sum = cadre__coll_input(call);
    char *lower;

    call->n_steps = cadre__log2_ceil(call->size);
    CADRE_TRY(cadre__coll_workspace(call, call->bytes, &lower));
    for (int distance = 1; distance < call->size; distance *= 2, call->step++) {
        const int to = call->rank + distance, from = call->rank - distance;

        CADRE_TRY(cadre__coll_exchange(call, sum, call->bytes,
                                       to < call->size ? to : CADRE__NOBODY, lower,
                                       call->bytes, from >= 0 ? from : CADRE__NOBODY));
        if (from < 0)
            continue;
        CADRE_TRY(cadre__coll_combine(call, call->recv, lower, sum, call->count));
        sum = call->recv;
    }
    call->step = call->n_steps > 0 ? call->n_steps - 1 : 0;
    return cadre__coll_copy(call, call->recv, sum, call->bytes);
}
