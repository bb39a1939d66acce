/* coll/scatter_linear.c - scatter straight from the root.
 *
 *     cost = (p-1) (alpha + m beta),   m bytes to each rank
 *
 * Each block is moved once, from where it stands: for long blocks, where bandwidth out of
 * the root is all that counts. (The flat tree of J. Pjesivac-Grbovic et al.: Performance
 * analysis of MPI collective operations, Cluster Computing 10, 2007.)
 */
#include "coll/algorithms.h"
#include "coll/schedule.h"
#include <string.h>

double cadre__scatter_linear_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;

    return (call->size - 1) * (c->latency_ns + (double)call->bytes * c->byte_ns);
}

static cadre_status hand_out(cadre__coll_call *call)
{
    const size_t n_pieces = cadre__n_segments(call->bytes, 1, CADRE__COLL_MAX_MESSAGE);
    const cadre__span block = {0, call->bytes};

    for (int place = 1; place < call->size; place++) {
        const int rank = cadre__tree_rank(place, call->root, call->size);
        const char *from = (const char *)call->send + (size_t)rank * call->bytes;

        call->step = place - 1;
        for (size_t i = 0; i < n_pieces; i++) {
            const cadre__span piece = cadre__segment(block, CADRE__COLL_MAX_MESSAGE, i);

            CADRE_TRY(cadre__coll_start_send(call, (size_t)place * n_pieces + i,
                                             from + piece.first, piece.count, rank));
        }
    }
    return cadre__coll_finish_sends(call);
}

static cadre_status take(cadre__coll_call *call, int place)
{
    const size_t n_pieces = cadre__n_segments(call->bytes, 1, CADRE__COLL_MAX_MESSAGE);
    const cadre__span block = {0, call->bytes};

    call->step = place - 1;
    for (size_t i = 0; i < n_pieces; i++) {
        const cadre__span piece = cadre__segment(block, CADRE__COLL_MAX_MESSAGE, i);

        CADRE_TRY(cadre__coll_start_recv(call, (size_t)place * n_pieces + i,
                                         (char *)call->recv + piece.first, piece.count,
                                         call->root));
    }
    return cadre__coll_finish_recvs(call);
}

cadre_status cadre__scatter_linear(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);

    call->n_steps = call->size - 1;
    if (place != 0)
        return take(call, place);
    if (call->recv != CADRE_IN_PLACE)
        memcpy(call->recv, (const char *)call->send + (size_t)call->rank * call->bytes,
               call->bytes);
    return hand_out(call);
}
