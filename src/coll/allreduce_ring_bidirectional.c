/* coll/allreduce_ring_bidirectional.c - two ring allreduces of half the vector each, in
 * opposite directions.
 *
 *     cost = that of the single ring, and a message more in each step: (p-1) alpha
 *
 * Each link between neighbours carries both directions at once. On a network that is
 * itself a ring (or a torus) that halves the time per byte; behind a switch a rank's own
 * link is the limit, and it carries both directions in the single ring, too. The formula
 * is for a switch, so it runs where it is asked for. P. Sack, W. Gropp: Faster
 * topology-aware collective algorithms through non-minimal communication, PPoPP 2012,
 * has it among its building blocks.
 *
 * A chunk is reduced in the order of its ring and then copied, so all ranks get equal
 * bits.
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/ring.h"

double cadre__allreduce_ring_bidirectional_cost(const cadre__coll_call *call)
{
    const double bytes = (double)call->bytes;
    const double filled = (double)call->count / (2.0 * call->size); /* chunks of a ring */

    /* Two messages in and two out are 4 x 3/8 of a latency of software on a rank, half a
     * latency more than a message takes from rank to rank. Empty ones are not sent. */
    return (call->size - 1) * (4 * CADRE__COLL_OVERHEAD - 1) * 2 *
               (filled < 1 ? filled : 1) * call->costs->latency_ns +
           cadre__ring_cost(call, bytes, true) + cadre__ring_cost(call, bytes, false);
}

cadre_status cadre__allreduce_ring_bidirectional(cadre__coll_call *call)
{
    cadre__ring rings[2];
    char *space = NULL;

    call->n_steps = 2 * (call->size - 1);
    if (call->size == 1)
        return cadre__coll_copy(call, call->recv, cadre__coll_input(call), call->bytes);
    for (int i = 0; i < 2; i++) {
        cadre__ring_init(&rings[i], call, cadre__coll_input(call), call->recv, NULL);
        rings[i].span = cadre__chunk(call->count, 2, i);
        rings[i].backward = i == 1;
        rings[i].lane = i;
        rings[i].n_lanes = 2;
    }
    const size_t landing = cadre__ring_landing_bytes(&rings[0]);
    if (landing > 0) {
        CADRE_TRY(cadre__coll_workspace(call, 2 * landing, &space));
        rings[0].landing = space;
        rings[1].landing = space + landing;
    }
    /* Both take as many messages, some of them of the shorter half perhaps empty. */
    rings[0].n_segments = rings[1].n_segments =
        cadre__n_segments(rings[0].span.count, call->size, rings[0].segment);
    CADRE_TRY(cadre__ring_reduce_scatter(rings, 2, false));
    return cadre__ring_allgather(rings, 2);
}
