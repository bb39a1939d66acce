/* coll/alltoall_bruck.c - alltoall of equal blocks in ceil(log2(p)) exchanges.
 *
 *     cost = ceil(log2(p)) (alpha + p/2 m beta + p m copies) + 2 p m copies,
 *                                                      m bytes of each block
 *
 * A block that must go i ranks on takes a hop of 2^k for each bit k of i, together with
 * all others that take this hop: few messages, each block moved up to log2(p) times. For
 * short blocks. J. Bruck, C.-T. Ho, S. Kipnis, E. Upfal, D. Weathersby: Efficient
 * algorithms for all-to-all communications in multiport message-passing systems, IEEE
 * Trans. Parallel Distrib. Syst. 8 (1997).
 */
#include "coll/algorithms.h"
#include "coll/blocks.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include <string.h>

bool cadre__alltoall_bruck_applies(const cadre__coll_call *call)
{
    return call->counts == NULL;
}

double cadre__alltoall_bruck_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double all = (double)call->bytes * call->size;
    const double byte_ns = c->byte_ns * cadre__levels_sharing(call);

    return cadre__log2_ceil(call->size) *
               (c->latency_ns + all / 2 * byte_ns + all * c->copy_ns) +
           2 * all * c->copy_ns;
}

/* Blocks of the workspace whose number has a bit, packed one behind the other, or back;
 * or, for bit 0, all blocks to where they belong in recv. */
typedef struct packing {
    char *blocks, *packed;
    size_t bytes;
    int size, rank, bit;
    bool unpack;
} packing;

static void pack(void *context)
{
    const packing *p = context;
    char *packed = p->packed;

    for (int i = 0; i < p->size; i++) {
        char *block = p->blocks + (size_t)i * p->bytes;

        if ((i & p->bit) == 0)
            continue;
        memcpy(p->unpack ? block : packed, p->unpack ? packed : block, p->bytes);
        packed += p->bytes;
    }
}

/* Block i has come from i ranks back. */
static void put_in_order(void *context)
{
    const packing *p = context;

    for (int i = 0; i < p->size; i++)
        memcpy(p->packed + (size_t)cadre__ring_neighbour(p->rank, -i, p->size) * p->bytes,
               p->blocks + (size_t)i * p->bytes, p->bytes);
}

static cadre_status apply(cadre__coll_call *call, void (*fn)(void *context), packing p)
{
    void *memory;

    CADRE_TRY(cadre__coll_keep(call, sizeof p, &memory));
    p.size = call->size;
    p.rank = call->rank;
    p.bytes = call->bytes;
    memcpy(memory, &p, sizeof p);
    return cadre__coll_apply(call, fn, memory);
}

cadre_status cadre__alltoall_bruck(cadre__coll_call *call)
{
    const int size = call->size, rank = call->rank;
    const size_t all = call->bytes * (size_t)size;
    const size_t below = call->bytes * (size_t)rank;
    const char *input = cadre__coll_input(call);
    char *blocks; /* for the ranks rank, rank + 1, .., then what goes out and comes in */

    call->n_steps = cadre__log2_ceil(size);
    CADRE_TRY(cadre__coll_workspace(call, 3 * all, &blocks));
    char *out = blocks + all, *in = out + all;
    CADRE_TRY(cadre__coll_copy(call, blocks, input + below, all - below));
    CADRE_TRY(cadre__coll_copy(call, blocks + (all - below), input, below));
    for (int bit = 1; bit < size; bit *= 2, call->step++) {
        size_t n = 0;

        for (int i = 0; i < size; i++)
            n += (i & bit) != 0;
        CADRE_TRY(
            apply(call, pack, (packing){.blocks = blocks, .packed = out, .bit = bit}));
        CADRE_TRY(cadre__coll_exchange(
            call, out, n * call->bytes, cadre__ring_neighbour(rank, bit, size), in,
            n * call->bytes, cadre__ring_neighbour(rank, -bit, size)));
        CADRE_TRY(
            apply(call, pack,
                  (packing){.blocks = blocks, .packed = in, .bit = bit, .unpack = true}));
    }
    call->step = call->n_steps > 0 ? call->n_steps - 1 : 0;
    return apply(call, put_in_order, (packing){.blocks = blocks, .packed = call->recv});
}
