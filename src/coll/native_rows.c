/* coll/native_rows.c - the MPI library's own collectives as rows of the table.
 *
 * They are the reference that ours are tested against, and the way out where ours should
 * be wrong. What happens inside is the library's business: the predicted cost is that of
 * the best of ours and an extra, so they run where somebody asks for them.
 */
#include "coll/algorithms.h"
#include "comm/native.h"
#include <limits.h>

bool cadre__native_applies(const cadre__coll_call *call)
{
    return call->count <= INT_MAX; /* MPI's counts are ints */
}

static double better(double a, double b)
{
    return a < b ? a : b;
}

double cadre__native_allreduce_cost(const cadre__coll_call *call)
{
    return call->costs->native_ns + better(cadre__allreduce_recursive_doubling_cost(call),
                                           cadre__allreduce_ring_cost(call));
}

cadre_status cadre__native_allreduce_run(cadre__coll_call *call)
{
    return cadre__native_allreduce(call->comm, call->send, call->recv, call->count,
                                   call->dtype, call->reduction, call->deadline_ns);
}

double cadre__native_reduce_cost(const cadre__coll_call *call)
{
    return call->costs->native_ns +
           better(cadre__reduce_binomial_cost(call), cadre__reduce_ring_cost(call));
}

cadre_status cadre__native_reduce_run(cadre__coll_call *call)
{
    return cadre__native_reduce(call->comm, call->send, call->recv, call->count,
                                call->dtype, call->reduction, call->root,
                                call->deadline_ns);
}

double cadre__native_broadcast_cost(const cadre__coll_call *call)
{
    return call->costs->native_ns + better(cadre__broadcast_binomial_cost(call),
                                           cadre__broadcast_chain_cost(call));
}

cadre_status cadre__native_broadcast_run(cadre__coll_call *call)
{
    return cadre__native_broadcast(call->comm, call->recv, call->count, call->dtype,
                                   call->root, call->deadline_ns);
}

double cadre__native_barrier_cost(const cadre__coll_call *call)
{
    return call->costs->native_ns + cadre__barrier_dissemination_cost(call);
}

cadre_status cadre__native_barrier_run(cadre__coll_call *call)
{
    return cadre__native_barrier(call->comm, call->deadline_ns);
}

double cadre__native_gather_cost(const cadre__coll_call *call)
{
    return call->costs->native_ns +
           better(cadre__gather_binomial_cost(call), cadre__gather_linear_cost(call));
}

cadre_status cadre__native_gather_run(cadre__coll_call *call)
{
    return cadre__native_gather(call->comm, call->send, call->recv, call->count,
                                call->dtype, call->root, call->deadline_ns);
}

double cadre__native_scatter_cost(const cadre__coll_call *call)
{
    return call->costs->native_ns +
           better(cadre__scatter_binomial_cost(call), cadre__scatter_linear_cost(call));
}

cadre_status cadre__native_scatter_run(cadre__coll_call *call)
{
    return cadre__native_scatter(call->comm, call->send, call->recv, call->count,
                                 call->dtype, call->root, call->deadline_ns);
}

double cadre__native_allgather_cost(const cadre__coll_call *call)
{
    return call->costs->native_ns +
           better(cadre__allgather_direct_cost(call), cadre__allgather_ring_cost(call));
}

/* MPI wants lengths and places as ints, which outlive this function if the call does. */
cadre_status cadre__native_allgather_run(cadre__coll_call *call)
{
    const size_t n = (size_t)call->size;
    char *space;

    CADRE_TRY(cadre__coll_workspace(call, 2 * n * sizeof(int), &space));
    int *counts = (int *)(void *)space, *places = counts + n;

    for (size_t r = 0, place = 0; r < n; place += call->counts[r++]) {
        counts[r] = (int)call->counts[r];
        places[r] = (int)place;
    }
    return cadre__native_allgather(call->comm, call->send, call->recv, counts, places,
                                   call->dtype, call->deadline_ns);
}
