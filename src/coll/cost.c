/* coll/cost.c - the numbers of the cost model. */
#include "coll/cost.h"

/* Typical of x86 servers of the 2020s, in round numbers. The native calls get an extra:
 * they are progressed by polling, not by the doorbell that wakes a waiting rank of ours,
 * and what algorithm is inside is not known. */
static const cadre__coll_costs one_node_costs = {
    .latency_ns = 1000, /* a message and a wake-up through shared memory */
    .byte_ns = 0.15,    /* 6.7 GB/s: copied once or twice by a core */
    .reduce_ns = 0.1,   /* 10 GB/s: two reads and a write, vectorized */
    .native_ns = 20000,
};

static const cadre__coll_costs cross_node_costs = {
    .latency_ns = 3000, /* network, switch, and polling on arrival */
    .byte_ns = 0.1,     /* 10 GB/s: a 100 Gbit/s link, most of it */
    .reduce_ns = 0.1,
    .native_ns = 20000,
};

const cadre__coll_costs *cadre__coll_costs_of(bool one_node)
{
    return one_node ? &one_node_costs : &cross_node_costs;
}
