/* topo/topo_internal.h - what topo shares with the layers above it, and with its
 * tests. */
#ifndef CADRE_TOPO_TOPO_INTERNAL_H
#define CADRE_TOPO_TOPO_INTERNAL_H

#include <cadre/topo.h>
#include <stdbool.h>

/* The hwloc that topo was built with and the interface of the one that is running, which
 * does not tell its version: "2.9.0 (interface 2.8)". */
const char *cadre__topo_library_version(void);

/* The PUs of the slot-th of n_slots parts, as cadre_topo_bind_slot() would bind to, in
 * the form of cadre_topo_cpuset(). Returns buf. */
char *cadre__topo_slot_cpuset(const cadre_topo *topo, size_t slot, size_t n_slots,
                              char *buf, size_t size);

/* Which slot a rank of a job should take on its node. */
typedef struct cadre__bind_plan {
    bool bind;
    size_t slot, n_slots; /* if bind */
    const char *why;      /* half a sentence for the log, bind or not */
} cadre__bind_plan;

/* node_rank of node_size ranks live on a node of node_cores usable cores;
 * coordinator_here says that the lowest of them coordinates and mostly sleeps. It is not
 * bound, and the workers divide all cores, which their threads may need: pure arithmetic,
 * the same on every rank of the node. */
cadre__bind_plan cadre__topo_plan_binding(size_t node_rank, size_t node_size,
                                          bool coordinator_here, size_t node_cores);

#endif
