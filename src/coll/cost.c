/* coll/cost.c - the costs of a comm, and what the MPI library's calls are predicted to
 * take. */
#include "coll/cost.h"
#include "coll/choice.h"
#include "coll/cost_set.h"
#include "coll/explain.h"
#include "comm/internal.h"
#include <math.h>

const size_t cadre__coll_curve_bytes[CADRE__N_CURVE] = {8,       4 << 10, 64 << 10,
                                                        1 << 20, 4 << 20, 16 << 20};

/* Typical of x86 servers of the 2020s, in round numbers. The native calls get an extra:
 * they are progressed by polling, not by the doorbell that wakes a waiting rank of ours,
 * and what algorithm is inside is not known. */
#define INSIDE                                                                           \
    .latency_ns = 1000, .byte_ns = 0.15, /* a message in a node: copied once or twice */ \
        .node_latency_ns = 1000, .node_byte_ns = 0.15,                                   \
    .reduce_ns = 0.1, /* 10 GB/s: two reads and a write, vectorized */                   \
        .native_ns = 20000, .copy_ns = 0.08

#define ACROSS                                                                           \
    .latency_ns = 3000, .byte_ns = 0.1, /* a 100 Gbit/s link, most of it */              \
        .node_latency_ns = 1000, .node_byte_ns = 0.15, .reduce_ns = 0.1,                 \
    .native_ns = 20000, .copy_ns = 0.08

/* A flag is seen when the line has come over, or, where ranks share cores, when the other
 * rank has had its turn. */
static const cadre__coll_cost_set built_in = {
    .inside = {INSIDE, .sync_ns = 100},
    .across = {ACROSS, .sync_ns = 100},
    .origin = "built in",
};
static const cadre__coll_cost_set built_in_crowded = {
    .inside = {INSIDE, .sync_ns = 1500},
    .across = {ACROSS, .sync_ns = 1500},
    .origin = "built in",
};

const cadre__coll_cost_set *cadre__coll_built_in_costs(bool crowded)
{
    return crowded ? &built_in_crowded : &built_in;
}

const cadre__coll_cost_set *cadre__coll_cost_set_of(const cadre_comm *comm)
{
    const cadre__coll_cost_set *set = cadre__comm_heritage(comm);

    return set != NULL ? set : cadre__coll_built_in_costs(cadre__comm_crowded(comm));
}

const char *cadre__coll_costs_origin(const cadre_comm *comm)
{
    return cadre__coll_cost_set_of(comm)->origin;
}

const cadre__coll_costs *cadre__coll_costs_of(const cadre_comm *comm)
{
    const cadre__coll_cost_set *set = cadre__coll_cost_set_of(comm);

    return cadre_comm_n_nodes(comm) == 1 ? &set->inside : &set->across;
}

void cadre__coll_clear_curves(cadre__coll_costs *costs)
{
    costs->curve_ranks = 0;
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++)
        for (int r = 0; r < CADRE__CURVE_ROWS; r++)
            for (int i = 0; i < CADRE__N_CURVE; i++)
                costs->curve_ns[c][r][i] = NAN;
}

/* ---- Predictions ---- */

double cadre__coll_gap(const cadre__coll_costs *costs, double bytes, int ends)
{
    return fmax(ends * CADRE__COLL_OVERHEAD * costs->latency_ns, bytes * costs->byte_ns);
}

/* The cheapest of ours by formula; 0 if there is none. */
static double best_of_ours(const cadre__coll_call *call)
{
    const cadre__coll_row *row;
    double best = 0;

    for (size_t i = 0; (row = cadre__coll_row_at(call->collective, i)) != NULL; i++) {
        if (row->cost_ns == cadre__coll_native_cost || !cadre__coll_applies(row, call))
            continue;
        const double cost = row->cost_ns(call);
        if (best == 0 || cost < best)
            best = cost;
    }
    return best;
}

double cadre__coll_native_cost(const cadre__coll_call *call)
{
    return best_of_ours(call) + call->costs->native_ns;
}

/* How many times as long a call takes as one of `bytes`, by formula. */
static double growth(const cadre__coll_row *row, const cadre__coll_call *call,
                     size_t bytes)
{
    double (*cost)(const cadre__coll_call *) =
        row->cost_ns == cadre__coll_native_cost ? best_of_ours : row->cost_ns;
    cadre__coll_call shorter = *call;

    shorter.bytes = bytes;
    shorter.count = bytes / call->element_bytes;
    const double from = cost(&shorter), to = cost(call);
    return from > 0 && to > from ? to / from : 1;
}

/* Between points of the curve; both logarithms. */
static double interpolate(const double *curve, double bytes)
{
    const size_t *at = cadre__coll_curve_bytes;
    size_t i = 1;

    if (bytes <= (double)at[0])
        return curve[0];
    while (bytes > (double)at[i])
        i++;
    const double part =
        log(bytes / (double)at[i - 1]) / log((double)at[i] / (double)at[i - 1]);
    return curve[i - 1] * pow(curve[i] / curve[i - 1], part);
}

/* Points of a curve that are measured: all before the first that is not. */
static size_t n_measured(const double *curve)
{
    size_t known = 0;

    while (known < CADRE__N_CURVE && !isnan(curve[known]))
        known++;
    return known;
}

/* The fastest at point known - 1 of those that were measured further; no row: SIZE_MAX.
 */
static size_t find_pacemaker(const double (*curves)[CADRE__N_CURVE], size_t known)
{
    size_t best = SIZE_MAX;

    for (size_t r = 0; r < CADRE__CURVE_ROWS; r++) {
        if (n_measured(curves[r]) > known &&
            (best == SIZE_MAX || curves[r][known - 1] < curves[best][known - 1]))
            best = r;
    }
    return best;
}

double cadre__coll_predict(const cadre__coll_row *row, size_t index,
                           const cadre__coll_call *call)
{
    const cadre__coll_costs *costs = call->costs;

    if (costs->curve_ranks != call->size || index >= CADRE__CURVE_ROWS)
        return row->cost_ns(call);
    const double(*curves)[CADRE__N_CURVE] = costs->curve_ns[call->collective];
    const size_t known = n_measured(curves[index]);
    if (known == 0)
        return row->cost_ns(call);
    const size_t last = cadre__coll_curve_bytes[known - 1];
    const double there = curves[index][known - 1];
    if (call->bytes <= last)
        return interpolate(curves[index], (double)call->bytes);
    /* Who was too slow to be measured further stays behind by as much as he was: a
     * formula may not carry him past one that was measured. */
    const size_t pacemaker = find_pacemaker(curves, known);
    if (pacemaker != SIZE_MAX)
        return there / curves[pacemaker][known - 1] *
               cadre__coll_predict(cadre__coll_row_at(call->collective, pacemaker),
                                   pacemaker, call);
    return there * growth(row, call, last);
}
