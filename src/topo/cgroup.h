/* topo/cgroup.h - the limits that control groups put on this process. */
#ifndef CADRE_TOPO_CGROUP_H
#define CADRE_TOPO_CGROUP_H

#include <stdint.h>

#define CADRE__CGROUP_NO_LIMIT UINT64_MAX

typedef struct cadre__cgroup_limits {
    uint64_t memory_bytes; /* CADRE__CGROUP_NO_LIMIT if none */
    uint64_t quota_cpus;   /* CPU time per time, rounded up to whole CPUs; at least 1 */
} cadre__cgroup_limits;

/* The tightest limits on the way from this process's groups up to the root, of versions 1
 * and 2. `root` stands before /proc and in front of mount points ("" for this machine, a
 * folder in tests). What cannot be read sets no limit: there may be no control groups at
 * all. */
void cadre__cgroup_read(const char *root, cadre__cgroup_limits *out);

#endif
