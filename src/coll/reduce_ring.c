/* coll/reduce_ring.c - reduce long vectors: ring reduce-scatter, then chunks to the root.
 *
 * With s segments to a chunk:
 *
 *     cost = (p-1) (2 + (s-1)/8) alpha  +  2 (p-1)/p m beta  +  (p-1)/p m/s gamma
 *
 * The tree moves and reduces the whole vector log2(p) times on its longest path; here
 * each byte is reduced once on that path and moved twice. P. Patarasuk, X. Yuan:
 * Bandwidth optimal all-reduce algorithms for clusters of workstations, J. Parallel
 * Distrib. Comput. 69 (2009); the gather is the second half of Rabenseifner's reduce
 * (Thakur et al. 2005).
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include "coll/ring.h"
#include "coll/schedule.h"

double cadre__reduce_ring_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double chunk = (double)call->bytes / call->size;

    return cadre__ring_cost(call, (double)call->bytes, true) +
           (call->size - 1) *
               (c->latency_ns + chunk * c->byte_ns * cadre__levels_sharing(call));
}

/* Messages to the root: piece by piece of chunk by chunk. */
static size_t n_pieces(const cadre__coll_call *call)
{
    return cadre__n_segments(call->count, call->size,
                             CADRE__COLL_MAX_MESSAGE / call->element_bytes);
}

static cadre__span piece_of(const cadre__coll_call *call, int chunk, size_t piece)
{
    return cadre__segment(cadre__chunk(call->count, call->size, chunk),
                          CADRE__COLL_MAX_MESSAGE / call->element_bytes, piece);
}

static cadre_status collect(cadre__coll_call *call, char *data)
{
    for (int chunk = 0; chunk < call->size; chunk++) {
        const int owner = cadre__ring_neighbour(chunk, -1, call->size);

        for (size_t piece = 0; piece < n_pieces(call) && owner != call->root; piece++) {
            const cadre__span span = piece_of(call, chunk, piece);

            if (span.count > 0)
                CADRE_TRY(
                    cadre__coll_start_recv(call, (size_t)chunk * n_pieces(call) + piece,
                                           data + span.first * call->element_bytes,
                                           span.count * call->element_bytes, owner));
        }
    }
    return cadre__coll_finish_recvs(call);
}

static cadre_status deliver(cadre__coll_call *call, const char *data)
{
    const int chunk = cadre__ring_neighbour(call->rank, 1, call->size);

    for (size_t piece = 0; piece < n_pieces(call); piece++) {
        const cadre__span span = piece_of(call, chunk, piece);

        if (span.count > 0)
            CADRE_TRY(cadre__coll_start_send(call, (size_t)chunk * n_pieces(call) + piece,
                                             data + span.first * call->element_bytes,
                                             span.count * call->element_bytes,
                                             call->root));
    }
    return cadre__coll_finish_sends(call);
}

cadre_status cadre__reduce_ring(cadre__coll_call *call)
{
    const bool root = call->rank == call->root;
    const char *own = cadre__coll_input(call);
    char *space = NULL;
    cadre__ring ring;

    call->n_steps = call->size;
    if (root) {
        cadre__ring_init(&ring, call, own, call->recv, NULL);
        if (cadre__ring_landing_bytes(&ring) > 0)
            CADRE_TRY(
                cadre__coll_workspace(call, cadre__ring_landing_bytes(&ring), &space));
        ring.landing = space;
    } else {
        CADRE_TRY(cadre__coll_workspace(call, call->bytes, &space));
        cadre__ring_init(&ring, call, own, space, NULL);
    }
    CADRE_TRY(cadre__ring_reduce_scatter(&ring, 1, false));
    call->step = call->size - 1;
    return root ? collect(call, ring.data) : deliver(call, ring.data);
}
