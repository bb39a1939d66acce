/* coll/algorithms.h - the algorithms, one file each: what it costs, and how it runs.
 *
 * cost: predicted nanoseconds from the call's size, bytes and costs. Ranks must all
 * choose alike, so it depends on nothing that differs between them. run: the call is
 * checked and has count > 0 (except a barrier); size may be 1.
 */
#ifndef CADRE_COLL_ALGORITHMS_H
#define CADRE_COLL_ALGORITHMS_H

#include "coll/call.h"

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

/* The MPI library's own calls; one file for all, as comm does the work. */
bool cadre__native_applies(const cadre__coll_call *call);
double cadre__native_allreduce_cost(const cadre__coll_call *call);
cadre_status cadre__native_allreduce_run(cadre__coll_call *call);
double cadre__native_reduce_cost(const cadre__coll_call *call);
cadre_status cadre__native_reduce_run(cadre__coll_call *call);
double cadre__native_broadcast_cost(const cadre__coll_call *call);
cadre_status cadre__native_broadcast_run(cadre__coll_call *call);
double cadre__native_barrier_cost(const cadre__coll_call *call);
cadre_status cadre__native_barrier_run(cadre__coll_call *call);
double cadre__native_gather_cost(const cadre__coll_call *call);
cadre_status cadre__native_gather_run(cadre__coll_call *call);
double cadre__native_scatter_cost(const cadre__coll_call *call);
cadre_status cadre__native_scatter_run(cadre__coll_call *call);
double cadre__native_allgather_cost(const cadre__coll_call *call);
cadre_status cadre__native_allgather_run(cadre__coll_call *call);

#endif
