/* coll/cost.h - the numbers behind the choice of an algorithm, all in one place.
 *
 * The model is Hockney's (1994), with a term for reductions: a message of m bytes costs
 * alpha + m beta, reducing m bytes costs m gamma; through memory that ranks of a node
 * share, a flag takes sync to be seen and a byte copy to be moved. Each algorithm has its
 * formula of these. Where an algorithm was itself measured, at some sizes with as many
 * ranks, that is its predicted cost, and the formula says only how it goes on beyond.
 *
 * The numbers are measured at the first blocking call by choice on a communicator made
 * from MPI's (learn.c), kept in a file for each machine and number of ranks, and
 * inherited by the comms that are made from it later.
 */
#ifndef CADRE_COLL_COST_H
#define CADRE_COLL_COST_H

#include "coll/call.h"

/* Bytes, as cadre__coll_call counts them, at which algorithms are timed. */
#define CADRE__N_CURVE 6
#define CADRE__CURVE_ROWS 16 /* of each collective; what is more has no curves */
extern const size_t cadre__coll_curve_bytes[CADRE__N_CURVE];

struct cadre__coll_costs {
    /* Messages between the ranks of the comm: inside a node, or between nodes if it has
     * ranks on several. */
    double latency_ns; /* alpha: one message, however small */
    double byte_ns;    /* beta: each byte moved */
    double reduce_ns;  /* gamma: each byte reduced */
    double native_ns;  /* where no curve is known: extra of the MPI library's own calls */
    /* Inside a node, on every comm. */
    double node_latency_ns, node_byte_ns; /* messages */
    double sync_ns; /* until a flag that one rank has written is seen by another */
    double copy_ns; /* each byte copied that another rank has just written */
    /* Times of calls on comms of curve_ranks ranks by the index-th row of a collective;
     * NAN: not measured. Those that are come first. */
    int curve_ranks; /* 0: there are no curves */
    double curve_ns[CADRE_N_COLLECTIVES][CADRE__CURVE_ROWS][CADRE__N_CURVE];
};

/* The costs for a comm: those measured on it, or inherited, or built in. Borrowed until
 * the comm is destroyed. Local. */
const cadre__coll_costs *cadre__coll_costs_of(const cadre_comm *comm);

/* The predicted cost of a call by the index-th row of its collective. */
double cadre__coll_predict(const cadre__coll_row *row, size_t index,
                           const cadre__coll_call *call);

/* How long after one message of `bytes` the next can follow on a rank that has `ends`
 * ends of each: 1 if it sends or receives, 2 if it does both. The software takes
 * CADRE__COLL_OVERHEAD of a latency at either end, and the card sends one message after
 * the other; both work at the same time. Not linear in the constants: not for algorithms
 * that these are solved from. The o and G of A. Alexandrov, M. F. Ionescu, K. E.
 * Schauser, C. Scheiman: LogGP, SPAA (1995). */
#define CADRE__COLL_OVERHEAD 0.375
double cadre__coll_gap(const cadre__coll_costs *costs, double bytes, int ends);

/* The formula of "native", about which nothing is known: the cheapest of ours that
 * applies, and costs->native_ns. */
double cadre__coll_native_cost(const cadre__coll_call *call);

/* No curves. */
void cadre__coll_clear_curves(cadre__coll_costs *costs);

#endif
