/* coll/broadcast_kary.c - broadcast down a tree in which every rank has k = 4 children.
 *
 *     cost = max over ranks of the sum, on the way to it, of
 *            alpha + m beta + i max(3/8 alpha, m beta),
 *
 * where i < k is the place of a child among its siblings: about log4(p) times that of the
 * last child.
 *
 * Sends to different children overlap but for their software and their bytes, so that a
 * flat tree has fewer latencies in a row than a binomial one; each rank sends the vector
 * k times, so it is for short ones. The k-ary tree of J. Pjesivac-Grbovic et al.:
 * Performance analysis of MPI collective operations, Cluster Computing 10 (2007).
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/schedule.h"

#define CHILDREN 4

static int levels_below_root(int size)
{
    int levels = 0;

    for (int64_t last = 0, width = CHILDREN; last < size - 1; width *= CHILDREN) {
        last += width;
        levels++;
    }
    return levels;
}

double cadre__broadcast_kary_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double message_ns = c->latency_ns + (double)call->bytes * c->byte_ns;
    const double gap_ns = cadre__coll_gap(c, (double)call->bytes, 1);
    double latest = 0;

    for (int place = 1; place < call->size; place++) {
        double ns = 0;

        for (int p = place; p > 0; p = (p - 1) / CHILDREN) {
            const int before = (p - 1) % CHILDREN; /* siblings that are served first */

            ns += message_ns + before * gap_ns;
        }
        latest = ns > latest ? ns : latest;
    }
    return latest;
}

/* Pieces of the vector to all children, piece by piece. */
static cadre_status pass_on(cadre__coll_call *call, int place)
{
    const cadre__span whole = {0, call->bytes};
    const size_t n = cadre__n_segments(call->bytes, 1, CADRE__COLL_MAX_MESSAGE);
    const int64_t first = (int64_t)place * CHILDREN + 1;

    for (size_t i = 0; i < n; i++) {
        const cadre__span piece = cadre__segment(whole, CADRE__COLL_MAX_MESSAGE, i);

        for (int64_t child = first; child < first + CHILDREN && child < call->size;
             child++)
            CADRE_TRY(cadre__coll_start_send(
                call, (size_t)(child - first), (char *)call->recv + piece.first,
                piece.count, cadre__tree_rank((int)child, call->root, call->size)));
    }
    return cadre__coll_finish_sends(call);
}

cadre_status cadre__broadcast_kary(cadre__coll_call *call)
{
    const int place = cadre__tree_place(call->rank, call->root, call->size);
    int level = 0;

    call->n_steps = levels_below_root(call->size);
    for (int p = place; p > 0; p = (p - 1) / CHILDREN)
        level++;
    if (place > 0) {
        call->step = level - 1;
        CADRE_TRY(cadre__coll_exchange(
            call, NULL, 0, CADRE__NOBODY, call->recv, call->bytes,
            cadre__tree_rank((place - 1) / CHILDREN, call->root, call->size)));
    }
    call->step = level < call->n_steps ? level : level - 1;
    return pass_on(call, place);
}
