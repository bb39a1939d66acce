/* coll/scatter_linear.c - scatter straight from the root.
 *
 *     cost = (p-1) (alpha + m beta),   m bytes to each rank
 *
 * Each block is moved once, from where it stands: for long blocks, where bandwidth out of
 * the root is all that counts. (The flat tree of J. Pjesivac-Grbovic et al.: Performance
 * analysis of MPI collective operations, Cluster Computing 10, 2007.)
 */
#include "coll/algorithms.h"
#include "coll/blocks.h"
#include "coll/cost.h"
#include "coll/schedule.h"

double cadre__scatter_linear_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;

    return (call->size - 1) * (c->latency_ns + cadre__bytes_of_block(call) * c->byte_ns);
}

static cadre_status hand_out(cadre__coll_call *call, const cadre__blocks *b)
{
    for (int place = 1; place < call->size; place++) {
        const int rank = cadre__tree_rank(place, call->root, call->size);

        call->step = place - 1;
        for (size_t i = 0; i < cadre__block_n_pieces(call); i++) {
            const cadre__span piece = cadre__block_piece(b, rank, i);

            if (piece.count > 0)
                CADRE_TRY(cadre__coll_start_send(
                    call, (size_t)place * cadre__block_n_pieces(call) + i,
                    (const char *)call->send + piece.first, piece.count, rank));
        }
    }
    return cadre__coll_finish_sends(call);
}

static cadre_status take(cadre__coll_call *call, const cadre__blocks *b, int place)
{
    const cadre__span own = cadre__block(b, call->rank);

    call->step = place - 1;
    for (size_t i = 0; i < cadre__block_n_pieces(call); i++) {
        const cadre__span piece = cadre__block_piece(b, call->rank, i);

        if (piece.count > 0)
            CADRE_TRY(cadre__coll_start_recv(
                call, (size_t)place * cadre__block_n_pieces(call) + i,
                (char *)call->recv + (piece.first - own.first), piece.count, call->root));
    }
    return cadre__coll_finish_recvs(call);
}

cadre_status cadre__scatter_linear(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    cadre__blocks b;

    call->n_steps = call->size - 1;
    CADRE_TRY(cadre__blocks_make(call, call->counts, &b));
    if (place != 0)
        return take(call, &b, place);
    const cadre__span own = cadre__block(&b, call->rank);
    if (call->recv != CADRE_IN_PLACE)
        CADRE_TRY(cadre__coll_copy(call, call->recv, (const char *)call->send + own.first,
                                   own.count));
    return hand_out(call, &b);
}
