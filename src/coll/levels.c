/* coll/levels.c - how the ranks of a comm lie on nodes. */
#include "coll/levels.h"
#include "coll/cost.h"
#include "core/memory.h"

/* Hops of the ring of ranks that leave each node, and ranks on it. */
static void count(const cadre_comm *comm, int *ranks, int *leaving)
{
    const int size = cadre_comm_size(comm);

    for (int r = 0; r < size; r++) {
        const int node = cadre_comm_node_of(comm, r);

        ranks[node]++;
        leaving[node] += cadre_comm_node_of(comm, r + 1 < size ? r + 1 : 0) != node;
    }
}

cadre_status cadre__levels_of(const cadre_comm *comm, cadre__levels *out)
{
    int n = 0;

    /* Nodes are numbered over all ranks of the job: some may have none of this comm. */
    for (int r = 0; r < cadre_comm_size(comm); r++)
        n = cadre_comm_node_of(comm, r) >= n ? cadre_comm_node_of(comm, r) + 1 : n;
    int *ranks = cadre__alloc_n(2 * (size_t)n, sizeof *ranks);
    if (ranks == NULL)
        return CADRE_ERR_NOMEM;
    count(comm, ranks, ranks + n);
    *out = (cadre__levels){.least = cadre_comm_size(comm)};
    for (int node = 0; node < n; node++) {
        if (ranks[node] == 0)
            continue;
        out->n_nodes++;
        out->least = ranks[node] < out->least ? ranks[node] : out->least;
        out->most = ranks[node] > out->most ? ranks[node] : out->most;
        out->streams = ranks[n + node] > out->streams ? ranks[n + node] : out->streams;
    }
    cadre__free(ranks);
    return CADRE_OK;
}

bool cadre__levels_two(const cadre__coll_call *call)
{
    const cadre__levels *levels = call->levels;

    return levels != NULL && levels->n_nodes > 1 && levels->most > 1;
}

double cadre__levels_sharing(const cadre__coll_call *call)
{
    return cadre__levels_two(call) ? call->levels->most : 1;
}

double cadre__levels_ring_sharing(const cadre__coll_call *call)
{
    return cadre__levels_two(call) ? call->levels->streams : 1;
}

int cadre__levels_place(const cadre__coll_call *call, int rank)
{
    const int node = cadre_comm_node_of(call->comm, rank);
    int place = 0;

    for (int r = 0; r < rank; r++)
        place += cadre_comm_node_of(call->comm, r) == node;
    return place;
}

double cadre__levels_inside(const cadre__coll_call *call, double bytes, double copies,
                            bool reduce)
{
    const cadre__coll_costs *c = call->costs;

    return 2 * c->sync_ns + bytes * (copies * c->copy_ns + (reduce ? c->reduce_ns : 0));
}
