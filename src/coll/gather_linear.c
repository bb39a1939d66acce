/* coll/gather_linear.c - gather straight to the root.
 *
 *     cost = (p-1) (alpha + m beta),   m bytes from each rank
 *
 * Each block is moved once and lands where it belongs: for long blocks, where bandwidth
 * into the root is all that counts. (The flat tree of J. Pjesivac-Grbovic et al.:
 * Performance analysis of MPI collective operations, Cluster Computing 10, 2007.)
 */
#include "coll/algorithms.h"
#include "coll/schedule.h"
#include <string.h>

double cadre__gather_linear_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;

    return (call->size - 1) * (c->latency_ns + (double)call->bytes * c->byte_ns);
}

static cadre_status collect(cadre__coll_call *call)
{
    const size_t n_pieces = cadre__n_segments(call->bytes, 1, CADRE__COLL_MAX_MESSAGE);
    const cadre__span block = {0, call->bytes};

    for (int place = 1; place < call->size; place++) {
        const int rank = cadre__tree_rank(place, call->root, call->size);
        char *to = (char *)call->recv + (size_t)rank * call->bytes;

        call->step = place - 1;
        for (size_t i = 0; i < n_pieces; i++) {
            const cadre__span piece = cadre__segment(block, CADRE__COLL_MAX_MESSAGE, i);

            CADRE_TRY(cadre__coll_start_recv(call, (size_t)place * n_pieces + i,
                                             to + piece.first, piece.count, rank));
        }
    }
    return cadre__coll_finish_recvs(call);
}

static cadre_status deliver(cadre__coll_call *call, int place)
{
    const size_t n_pieces = cadre__n_segments(call->bytes, 1, CADRE__COLL_MAX_MESSAGE);
    const cadre__span block = {0, call->bytes};

    call->step = place - 1;
    for (size_t i = 0; i < n_pieces; i++) {
        const cadre__span piece = cadre__segment(block, CADRE__COLL_MAX_MESSAGE, i);

        CADRE_TRY(cadre__coll_start_send(call, (size_t)place * n_pieces + i,
                                         (const char *)call->send + piece.first,
                                         piece.count, call->root));
    }
    return cadre__coll_finish_sends(call);
}

cadre_status cadre__gather_linear(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);

    call->n_steps = call->size - 1;
    if (place != 0)
        return deliver(call, place);
    if (call->send != CADRE_IN_PLACE)
        memcpy((char *)call->recv + (size_t)call->rank * call->bytes, call->send,
               call->bytes);
    return collect(call);
}
