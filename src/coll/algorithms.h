/* coll/algorithms.h - the algorithms, one file each: what it costs, and how it runs.
 *
 * cost: predicted nanoseconds from the call's size, bytes and costs. Ranks must all
 * choose alike, so it depends on nothing that differs between them. It is asked for
 * typical calls: equal blocks, elements of a byte. The other: build the program; the call
 * is checked and has count > 0 (except a barrier; single blocks may be empty); size may
 * be 1.
 */
#ifndef CADRE_COLL_ALGORITHMS_H
#define CADRE_COLL_ALGORITHMS_H

#include "coll/call.h"
#include <math.h>

/* The cost of a row that cannot apply to any call on this comm. */
#define CADRE__NO_COST ((double)INFINITY)

double cadre__allreduce_recursive_doubling_cost(const cadre__coll_call *call);
cadre_status cadre__allreduce_recursive_doubling(cadre__coll_call *call);

double cadre__allreduce_ring_cost(const cadre__coll_call *call);
cadre_status cadre__allreduce_ring(cadre__coll_call *call);

double cadre__reduce_binomial_cost(const cadre__coll_call *call);
cadre_status cadre__reduce_binomial(cadre__coll_call *call);

double cadre__reduce_ring_cost(const cadre__coll_call *call);
cadre_status cadre__reduce_ring(cadre__coll_call *call);

double cadre__broadcast_binomial_cost(const cadre__coll_call *call);
cadre_status cadre__broadcast_binomial(cadre__coll_call *call);

double cadre__broadcast_chain_cost(const cadre__coll_call *call);
cadre_status cadre__broadcast_chain(cadre__coll_call *call);

double cadre__barrier_dissemination_cost(const cadre__coll_call *call);
cadre_status cadre__barrier_dissemination(cadre__coll_call *call);

double cadre__gather_binomial_cost(const cadre__coll_call *call);
cadre_status cadre__gather_binomial(cadre__coll_call *call);

double cadre__gather_linear_cost(const cadre__coll_call *call);
cadre_status cadre__gather_linear(cadre__coll_call *call);

double cadre__scatter_binomial_cost(const cadre__coll_call *call);
cadre_status cadre__scatter_binomial(cadre__coll_call *call);

double cadre__scatter_linear_cost(const cadre__coll_call *call);
cadre_status cadre__scatter_linear(cadre__coll_call *call);

double cadre__allgather_ring_cost(const cadre__coll_call *call);
cadre_status cadre__allgather_ring(cadre__coll_call *call);

bool cadre__allgather_direct_applies(const cadre__coll_call *call);
double cadre__allgather_direct_cost(const cadre__coll_call *call);
cadre_status cadre__allgather_direct(cadre__coll_call *call);

double cadre__allreduce_rabenseifner_cost(const cadre__coll_call *call);
cadre_status cadre__allreduce_rabenseifner(cadre__coll_call *call);

double cadre__allreduce_ring_bidirectional_cost(const cadre__coll_call *call);
cadre_status cadre__allreduce_ring_bidirectional(cadre__coll_call *call);

bool cadre__allreduce_hierarchical_applies(const cadre__coll_call *call);
double cadre__allreduce_hierarchical_cost(const cadre__coll_call *call);
cadre_status cadre__allreduce_hierarchical(cadre__coll_call *call);

double cadre__allreduce_leader_cost(const cadre__coll_call *call);
cadre_status cadre__allreduce_leader(cadre__coll_call *call);

double cadre__reduce_scatter_ring_cost(const cadre__coll_call *call);
cadre_status cadre__reduce_scatter_ring(cadre__coll_call *call);

double cadre__reduce_scatter_halving_cost(const cadre__coll_call *call);
cadre_status cadre__reduce_scatter_halving(cadre__coll_call *call);

double cadre__broadcast_kary_cost(const cadre__coll_call *call);
cadre_status cadre__broadcast_kary(cadre__coll_call *call);

double cadre__broadcast_hierarchical_cost(const cadre__coll_call *call);
cadre_status cadre__broadcast_hierarchical(cadre__coll_call *call);

double cadre__barrier_hierarchical_cost(const cadre__coll_call *call);
cadre_status cadre__barrier_hierarchical(cadre__coll_call *call);

double cadre__allgather_bruck_cost(const cadre__coll_call *call);
cadre_status cadre__allgather_bruck(cadre__coll_call *call);

double cadre__alltoall_pairwise_cost(const cadre__coll_call *call);
cadre_status cadre__alltoall_pairwise(cadre__coll_call *call);

bool cadre__alltoall_bruck_applies(const cadre__coll_call *call);
double cadre__alltoall_bruck_cost(const cadre__coll_call *call);
cadre_status cadre__alltoall_bruck(cadre__coll_call *call);

double cadre__scan_doubling_cost(const cadre__coll_call *call);
cadre_status cadre__scan_doubling(cadre__coll_call *call);

double cadre__scan_chain_cost(const cadre__coll_call *call);
cadre_status cadre__scan_chain(cadre__coll_call *call);

/* Those that need ranks on several nodes, several on some. */
bool cadre__two_levels_applies(const cadre__coll_call *call);

/* The time of an allreduce of the whole vector across nodes, each of which has so many
 * ranks that drive it. */
double cadre__levels_allreduce_across(const cadre__coll_call *call, int drivers);

/* The MPI library's own calls; one file for all, as comm does the work. */
cadre_status cadre__native(cadre__coll_call *call);
bool cadre__native_applies(const cadre__coll_call *call);

#endif
