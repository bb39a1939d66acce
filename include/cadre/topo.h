/* cadre/topo.h - this node: its packages, NUMA nodes, caches and cores, and what of it
 * this process may use.
 *
 * What the process may use is the smallest of: the machine, its cgroup, and its CPU
 * binding (mpirun and srun bind). Cores are numbered in topology order, so that
 * neighbours share as much cache as possible.
 */
#ifndef CADRE_TOPO_H
#define CADRE_TOPO_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cadre_topo cadre_topo;

#define CADRE_TOPO_MAX_CACHES 8

typedef struct cadre_topo_cache {
    int level;         /* 1, 2, 3 */
    size_t bytes;      /* of one cache */
    size_t n;          /* how many there are */
    size_t cores_each; /* cores that share one */
    size_t line_bytes;
} cadre_topo_cache;

typedef struct cadre_topo_facts {
    char cpu_model[128];
    size_t n_packages, n_numa, n_cores, n_pus; /* of the node */
    size_t usable_cores, usable_pus; /* of this process: its binding and cgroup */
    size_t node_cores;               /* usable if nothing bound this process */
    uint64_t memory_bytes;           /* of the node */
    uint64_t memory_limit_bytes;     /* of the cgroup; memory_bytes if none */
    int bound;                       /* 1: bound to fewer PUs than the node allows */
    size_t n_caches;
    /* Data or unified, smallest level first. */
    cadre_topo_cache caches[CADRE_TOPO_MAX_CACHES];
} cadre_topo_facts;

/* Discover this node. The caller owns *out; on failure *out is NULL. Local.
 * CADRE_ERR_TOPO  hwloc cannot read this machine, or the XML file that CADRE_TOPO_XML
 * names */
CADRE_API cadre_status cadre_topo_create(cadre_topo **out);

/* NULL is ignored. Local. */
CADRE_API void cadre_topo_destroy(cadre_topo *topo);

/* Borrowed until destroy. Local. */
CADRE_API const cadre_topo_facts *cadre_topo_get_facts(const cadre_topo *topo);

/* The cores this process may use as a list such as "0-3,8" of PU numbers of the operating
 * system, into buf (always NUL-terminated). Returns buf. Local. */
CADRE_API char *cadre_topo_cpuset(const cadre_topo *topo, char *buf, size_t size);

/* Bind the calling process to the slot-th of n_slots equal parts of the cores that the
 * node allows (slot modulo their number when there are more slots than cores). Does
 * nothing when the process is bound already: whoever bound it knew why. Local.
 * CADRE_ERR_TOPO  the operating system refused */
CADRE_API cadre_status cadre_topo_bind_slot(cadre_topo *topo, size_t slot,
                                            size_t n_slots);

#endif
