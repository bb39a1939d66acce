/* coll/allreduce_rabenseifner.c - allreduce by recursive halving, then doubling.
 *
 *     cost = 2 log2(p) alpha + 2 (p-1)/p m beta + (p-1)/p m gamma
 *
 * As little to move as the ring, with few latencies: for middling vectors. It is worst
 * where p is no power of two: then some ranks hand their vector to a neighbour first and
 * get it back at the end, 2 (alpha + m beta) + m gamma more. And partners are far apart,
 * so that on nodes of several ranks all of them use the node's link at once, where a ring
 * crosses it once. R. Rabenseifner: Optimization of collective reduction operations, ICCS
 * 2004.
 *
 * A piece is summed up by one rank and then copied, so all ranks get equal bits.
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/halving.h"
#include "coll/levels.h"

double cadre__allreduce_rabenseifner_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const int power = cadre__pow2_floor(call->size);
    const double bytes = (double)call->bytes, part = bytes * (power - 1) / power;
    const double byte_ns = c->byte_ns * cadre__levels_sharing(call);
    const double fold = power == call->size ? 0
                                            : 2 * (c->latency_ns + bytes * c->byte_ns) +
                                                  bytes * c->reduce_ns;

    return 2 * cadre__log2_ceil(power) * c->latency_ns + 2 * part * byte_ns +
           part * c->reduce_ns + fold;
}

static cadre_status fold_out(cadre__coll_call *call, const cadre__halving *h)
{
    call->step = call->n_steps - 1;
    if (h->place < 0)
        return cadre__coll_exchange(call, NULL, 0, CADRE__NOBODY, call->recv, call->bytes,
                                    call->rank + 1);
    if (h->place >= call->size - h->power)
        return CADRE_OK;
    return cadre__coll_exchange(call, call->recv, call->bytes, call->rank - 1, NULL, 0,
                                CADRE__NOBODY);
}

cadre_status cadre__allreduce_rabenseifner(cadre__coll_call *call)
{
    cadre__halving h;

    CADRE_TRY(cadre__halving_init(&h, call, NULL));
    call->n_steps = 2 * cadre__log2_ceil(h.power) + 2;
    if (call->size == 1)
        return cadre__coll_copy(call, call->recv, h.sum, call->bytes);
    CADRE_TRY(cadre__coll_workspace(call, cadre__halving_landing(&h), &h.landing));
    h.data = call->recv;
    CADRE_TRY(cadre__halving_reduce(&h));
    CADRE_TRY(cadre__halving_gather(&h));
    return h.power < call->size ? fold_out(call, &h) : CADRE_OK;
}
