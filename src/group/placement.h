/* group/placement.h - which workers get which shards: a pure function of the workers,
 * their nodes and what they hold already.
 *
 * Shards of several ranks are gangs. Two gangs that share a rank are the same gang, with
 * the same leader: so the leader alone decides in which order its ranks act, and two
 * gangs can never wait for each other. */
#ifndef CADRE_GROUP_PLACEMENT_H
#define CADRE_GROUP_PLACEMENT_H

#include <cadre/group.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cadre__site {
    int rank;
    int node;
    uint64_t load;  /* weight of the shards it holds */
    int leader;     /* rank of the leader of its gang; -1 if it is in none */
    int gang_ranks; /* ranks of that gang */
} cadre__site;

/* ranks[shards * width], shard by shard, leader first. sites are in order of rank, and
 * ranks of a gang stand in the order of sites.
 * CADRE_ERR_TOPO  not that many shards of that width can be placed */
cadre_status cadre__place(const cadre__site *sites, size_t n_sites, size_t shards,
                          size_t width, cadre_placement placement, int *ranks);

#endif
