/* coll/broadcast_chain.c - broadcast through a chain of all ranks, segment by segment.
 *
 *     cost = (p - 2 + s) (alpha + m/s beta),   s segments
 *
 * Each byte enters and leaves each rank once, whatever their number, and neighbours work
 * at the same time; the price is p - 2 segments until the last rank has its first. For
 * long vectors. The pipeline is analysed in J. Pjesivac-Grbovic et al.: Performance
 * analysis of MPI collective operations, Cluster Computing 10 (2007).
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/schedule.h"

#define SEGMENT_BYTES ((size_t)128 * 1024)

double cadre__broadcast_chain_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double segments = (double)cadre__n_segments(call->bytes, 1, SEGMENT_BYTES);
    const double bytes = (double)call->bytes / segments;

    if (call->size == 1)
        return 0;
    return (call->size - 2 + segments) * (c->latency_ns + bytes * c->byte_ns);
}

static cadre_status pass_on(cadre__coll_call *call, int from, int to)
{
    const cadre__span whole = {0, call->bytes};
    const size_t n_segments = cadre__n_segments(call->bytes, 1, SEGMENT_BYTES);
    char *data = call->recv;
    size_t posted = 0;

    for (size_t i = 0; i < n_segments; i++) {
        const cadre__span segment = cadre__segment(whole, SEGMENT_BYTES, i);

        call->step = i < (size_t)call->n_steps ? (int)i : call->n_steps - 1;
        for (; from != CADRE__NOBODY && posted < n_segments &&
               posted < i + CADRE__COLL_WINDOW;
             posted++) {
            const cadre__span next = cadre__segment(whole, SEGMENT_BYTES, posted);

            CADRE_TRY(cadre__coll_start_recv(call, posted, data + next.first, next.count,
                                             from));
        }
        CADRE_TRY(cadre__coll_finish_recv(call, i));
        if (to != CADRE__NOBODY)
            CADRE_TRY(
                cadre__coll_start_send(call, i, data + segment.first, segment.count, to));
    }
    return cadre__coll_finish_sends(call);
}

cadre_status cadre__broadcast_chain(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    const size_t n_segments = cadre__n_segments(call->bytes, 1, SEGMENT_BYTES);

    call->n_steps = n_segments < INT32_MAX ? (int)n_segments : INT32_MAX;
    return pass_on(
        call,
        place == 0 ? CADRE__NOBODY : cadre__tree_rank(place - 1, call->root, call->size),
        place == call->size - 1 ? CADRE__NOBODY
                                : cadre__tree_rank(place + 1, call->root, call->size));
}
