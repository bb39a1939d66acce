/* coll/scan_chain.c - inclusive scan along the chain of ranks, segment by segment.
 *
 *     cost = (p - 2 + s) (alpha + m/s (beta + gamma)),   s segments
 *
 * Each byte enters and leaves each rank once, whatever their number, and neighbours work
 * at the same time. For long vectors. The pipeline is that of the broadcast: J.
 * Pjesivac-Grbovic et al.: Performance analysis of MPI collective operations, Cluster
 * Computing 10 (2007).
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include "coll/schedule.h"

#define SEGMENT_BYTES ((size_t)128 * 1024)

double cadre__scan_chain_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double segments = (double)cadre__n_segments(call->bytes, 1, SEGMENT_BYTES);
    const double bytes = (double)call->bytes / segments;

    if (call->size == 1)
        return 0;
    return (call->size - 2 + segments) *
           (c->latency_ns + bytes * c->reduce_ns +
            bytes * c->byte_ns * cadre__levels_ring_sharing(call));
}

static cadre_status receive(cadre__coll_call *call, char *landing, size_t i)
{
    const cadre__span segment =
        cadre__segment((cadre__span){0, call->bytes}, SEGMENT_BYTES, i);

    return cadre__coll_start_recv(call, i,
                                  landing + i % CADRE__COLL_WINDOW * SEGMENT_BYTES,
                                  segment.count, call->rank - 1);
}

/* Segment i of recv becomes the sum up to this rank. */
static cadre_status add(cadre__coll_call *call, const char *landing, cadre__span segment,
                        size_t i)
{
    const char *own = (const char *)cadre__coll_input(call) + segment.first;
    char *out = (char *)call->recv + segment.first;

    if (call->rank == 0)
        return cadre__coll_copy(call, out, own, segment.count);
    CADRE_TRY(cadre__coll_finish_recv(call, i));
    return cadre__coll_combine(call, out,
                               landing + i % CADRE__COLL_WINDOW * SEGMENT_BYTES, own,
                               segment.count / call->element_bytes);
}

cadre_status cadre__scan_chain(cadre__coll_call *call)
{
    const size_t n = cadre__n_segments(call->bytes, 1, SEGMENT_BYTES);
    size_t posted = 0;
    char *landing;

    call->n_steps = n < INT32_MAX ? (int)n : INT32_MAX;
    CADRE_TRY(cadre__coll_workspace(call, CADRE__COLL_WINDOW * SEGMENT_BYTES, &landing));
    for (size_t i = 0; i < n; i++) {
        const cadre__span segment =
            cadre__segment((cadre__span){0, call->bytes}, SEGMENT_BYTES, i);

        call->step = i < (size_t)call->n_steps ? (int)i : call->n_steps - 1;
        for (; call->rank > 0 && posted < n && posted < i + CADRE__COLL_WINDOW; posted++)
            CADRE_TRY(receive(call, landing, posted));
        CADRE_TRY(add(call, landing, segment, i));
        if (call->rank + 1 < call->size)
            CADRE_TRY(cadre__coll_start_send(call, i, (char *)call->recv + segment.first,
                                             segment.count, call->rank + 1));
    }
    return cadre__coll_finish_sends(call);
}
