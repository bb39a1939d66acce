/* coll/allreduce_ring.c - ring allreduce: reduce-scatter, then allgather.
 *
 * Each rank sends 2 (p-1)/p m bytes, which is the least that any algorithm needs, and
 * talks to its two neighbours only, so no link is used twice. The price is 2 (p-1)
 * latencies: good for long vectors. With s segments to a chunk:
 *
 *     cost = 2 (p-1) (1 + (s-1)/8) alpha  +  2 (p-1)/p m beta  +  (p-1)/p m/s gamma
 *
 * since segments overlap. P. Patarasuk, X. Yuan: Bandwidth optimal all-reduce algorithms
 * for clusters of workstations, J. Parallel Distrib. Comput. 69 (2009).
 *
 * A chunk is reduced in the order of the ring and then copied, so all ranks get equal
 * bits.
 */
#include "coll/algorithms.h"
#include "coll/ring.h"
#include "coll/schedule.h"

double cadre__allreduce_ring_cost(const cadre__coll_call *call)
{
    const double bytes = (double)call->bytes;

    return cadre__ring_cost(call, bytes, true) + cadre__ring_cost(call, bytes, false);
}

cadre_status cadre__allreduce_ring(cadre__coll_call *call)
{
    cadre__ring ring;

    call->n_steps = 2 * (call->size - 1);
    cadre__ring_init(&ring, call, cadre__coll_input(call), call->recv, NULL);
    if (cadre__ring_landing_bytes(&ring) > 0)
        CADRE_TRY(
            cadre__coll_workspace(call, cadre__ring_landing_bytes(&ring), &ring.landing));
    CADRE_TRY(cadre__ring_reduce_scatter(&ring, 1, false));
    return cadre__ring_allgather(&ring, 1);
}
