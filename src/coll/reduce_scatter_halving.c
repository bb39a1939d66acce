/* coll/reduce_scatter_halving.c - reduce-scatter by recursive halving.
 *
 *     cost = log2(p) alpha + (p-1)/p m (beta + gamma)
 *
 * and 2 alpha + m (beta + gamma) + m/p beta more where p is no power of two: then the
 * first ranks pair up, and one of each pair gets its block at the end. Few latencies: for
 * short and middling vectors. R. Thakur, R. Rabenseifner, W. Gropp: Optimization of
 * collective communication operations in MPICH, Int. J. High Perform. Comput. Appl. 19
 * (2005).
 */
#include "coll/algorithms.h"
#include "coll/blocks.h"
#include "coll/cost.h"
#include "coll/halving.h"
#include "coll/levels.h"

double cadre__reduce_scatter_halving_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const int power = cadre__pow2_floor(call->size);
    const double bytes = (double)call->bytes;
    const double byte_ns = c->byte_ns * cadre__levels_sharing(call);
    const double fold = power == call->size
                            ? 0
                            : 2 * c->latency_ns + bytes * (c->byte_ns + c->reduce_ns) +
                                  bytes / call->size * c->byte_ns;

    return cadre__log2_ceil(power) * c->latency_ns +
           bytes * (power - 1) / power * (byte_ns + c->reduce_ns) + fold;
}

/* A place's piece: the blocks of its rank, and of the one before that stands aside. */
static cadre_status pieces_of(cadre__coll_call *call, const size_t *blocks,
                              const size_t **out)
{
    const int power = cadre__pow2_floor(call->size), aside = call->size - power;
    void *memory;

    CADRE_TRY(cadre__coll_keep(call, ((size_t)power + 1) * sizeof(size_t), &memory));
    size_t *first = memory;
    for (int p = 0; p <= power; p++)
        first[p] = blocks[p < aside ? 2 * p : p + aside];
    *out = first;
    return CADRE_OK;
}

/* What the halving left in data goes to recv, and to the rank that stood aside. */
static cadre_status hand_out(cadre__coll_call *call, const cadre__blocks *b,
                             const cadre__halving *h)
{
    const cadre__span own = cadre__block(b, call->rank);

    call->step = call->n_steps - 1;
    if (h->place < 0)
        return cadre__coll_exchange(call, NULL, 0, CADRE__NOBODY, call->recv, own.count,
                                    call->rank + 1);
    if (h->place < call->size - h->power) {
        const cadre__span other = cadre__block(b, call->rank - 1);

        CADRE_TRY(cadre__coll_exchange(call, h->data + other.first, other.count,
                                       call->rank - 1, NULL, 0, CADRE__NOBODY));
    }
    return cadre__coll_copy(call, call->recv, h->data + own.first, own.count);
}

cadre_status cadre__reduce_scatter_halving(cadre__coll_call *call)
{
    const bool in_place = call->send == CADRE_IN_PLACE;
    const size_t *pieces;
    cadre__blocks blocks;
    cadre__halving h;
    char *space;

    CADRE_TRY(cadre__blocks_make_chunks(call, &blocks));
    CADRE_TRY(pieces_of(call, blocks.first, &pieces));
    CADRE_TRY(cadre__halving_init(&h, call, pieces));
    call->n_steps = cadre__log2_ceil(h.power) + 2;
    if (call->size == 1)
        return cadre__coll_copy(call, call->recv, h.sum, call->bytes);
    const size_t sums = in_place ? 0 : call->bytes;
    CADRE_TRY(cadre__coll_workspace(call, sums + cadre__halving_landing(&h), &space));
    h.data = in_place ? call->recv : space;
    h.landing = space + sums;
    CADRE_TRY(cadre__halving_reduce(&h));
    return hand_out(call, &blocks, &h);
}
