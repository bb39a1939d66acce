/* coll/allreduce_hierarchical.c - allreduce in three parts: reduce-scatter inside each
 * node, allreduce across nodes, allgather inside.
 *
 *     cost = inside(2 m copies + m gamma) + across(m), where across nodes, n of them,
 *     across(m) = least of log2(n) (alpha + m (beta + gamma/k)) and
 *                 2 (n-1) (alpha + m/n beta)
 *
 * Each of the k ranks of a node drives the slice of the vector that it has summed up, so
 * all of them share the work and the link of the node, over which each byte goes as if
 * the node were one rank. For vectors that are worth cutting, where every node has as
 * many ranks. J. L. Träff: Efficient allgather for regular SMP-clusters, EuroPVM/MPI
 * 2006, cuts vectors so; A. R. Mamidala et al.: MPI collectives on modern multicore
 * clusters, CCGRID 2008, has the shared memory inside.
 *
 * A slice has equal bits on all ranks that drive it, and is then copied.
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include "coll/ring.h"
#include "coll/schedule.h"
#include "comm/internal.h"

bool cadre__allreduce_hierarchical_applies(const cadre__coll_call *call)
{
    return cadre__levels_two(call) && call->levels->least == call->levels->most;
}

double cadre__levels_allreduce_across(const cadre__coll_call *call, int drivers)
{
    const cadre__coll_costs *c = call->costs;
    const int n = call->levels->n_nodes;
    const double bytes = (double)call->bytes, reduce = bytes / drivers * c->reduce_ns;
    const double doubling =
        cadre__log2_ceil(n) * (c->latency_ns + bytes * c->byte_ns + reduce);
    const double ring =
        (n - 1) * (2 * (c->latency_ns + bytes / n * c->byte_ns) + reduce / n);

    return doubling < ring ? doubling : ring;
}

double cadre__allreduce_hierarchical_cost(const cadre__coll_call *call)
{
    const double bytes = (double)call->bytes;

    if (!cadre__levels_two(call))
        return CADRE__NO_COST;
    return cadre__levels_inside(call, bytes, 1, true) +
           cadre__levels_allreduce_across(call, call->levels->most) +
           cadre__levels_inside(call, bytes, 1, false);
}

/* Lengths of the slices. */
static cadre_status slices_of(cadre__coll_call *call, int n, size_t **out)
{
    void *memory;

    CADRE_TRY(cadre__coll_keep(call, (size_t)n * sizeof(size_t), &memory));
    *out = memory;
    for (int i = 0; i < n; i++)
        (*out)[i] = cadre__chunk(call->count, n, i).count;
    return CADRE_OK;
}

cadre_status cadre__allreduce_hierarchical(cadre__coll_call *call)
{
    cadre_comm *node = cadre__comm_node(call->comm);
    const int n = cadre_comm_size(node), place = cadre_comm_rank(node);
    const cadre__span slice = cadre__chunk(call->count, n, place);
    const cadre_reduction reduction =
        call->reduction == CADRE_AVG ? CADRE_SUM : call->reduction;
    const bool in_place = call->send == CADRE_IN_PLACE;
    size_t *slices;
    char *sum = (char *)call->recv + slice.first * call->element_bytes;

    call->n_steps = 3;
    CADRE_TRY(slices_of(call, n, &slices));
    if (in_place) /* the input is still there while the slice is summed up */
        CADRE_TRY(cadre__coll_workspace(call, slice.count * call->element_bytes, &sum));
    const cadre_coll_args scatter = {.collective = CADRE_REDUCE_SCATTER,
                                     .send = cadre__coll_input(call),
                                     .recv = sum,
                                     .counts = slices,
                                     .dtype = call->dtype,
                                     .reduction = reduction};
    CADRE_TRY(cadre__coll_child(call, node, &scatter, NULL));
    call->step = 1;
    const cadre_coll_args across = {.collective = CADRE_ALLREDUCE,
                                    .send = CADRE_IN_PLACE,
                                    .recv = sum,
                                    .count = slice.count,
                                    .dtype = call->dtype,
                                    .reduction = reduction};
    /* Long slices in segments: halves and wholes of them, as exchanges move them, ask
     * before they travel. */
    cadre_comm *cross = cadre__comm_cross(call->comm);
    const size_t chunk =
        slice.count * call->element_bytes / (size_t)cadre_comm_size(cross);
    CADRE_TRY(cadre__coll_child(call, cross, &across,
                                chunk >= CADRE__RING_SEGMENT ? "ring" : NULL));
    CADRE_TRY(cadre__coll_average(call, sum, slice.count));
    call->step = 2;
    const cadre_coll_args gather = {.collective = CADRE_ALLGATHER,
                                    .send = in_place ? sum : CADRE_IN_PLACE,
                                    .recv = call->recv,
                                    .counts = slices,
                                    .dtype = call->dtype};
    return cadre__coll_child(call, node, &gather, NULL);
}
