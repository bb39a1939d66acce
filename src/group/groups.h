/* group/groups.h - the insides of cadre_groups and cadre_group, for this folder only. */
#ifndef CADRE_GROUP_GROUPS_H
#define CADRE_GROUP_GROUPS_H

#include "group/account.h"
#include "group/engine.h"
#include "group/worker.h"
#include <cadre/group.h>
#include <stdbool.h>

struct cadre_groups {
    cadre_comm *comm; /* commands and replies: a private copy of the caller's */
    cadre_comm *meet; /* another, for collectives of all ranks */
    int rank, size;
    cadre__arena arena;
    cadre__time_account account;
    cadre__worker *worker; /* on ranks that serve */
    cadre__engine engine;  /* on the coordinator */
    cadre_group *first;    /* in order of creation */
    uint32_t last_number;
};

struct cadre_group {
    cadre_group *next;
    cadre_groups *groups;
    uint32_t number;
    char *name;
    cadre_group_state state;
    size_t n_shards, width;
    int *ranks; /* [n_shards * width], leaders first in each shard */
    cadre_partition partition;
    uint64_t n_keys;
    size_t turn; /* of round robin */
    cadre_kernel_info info;
    bool incremental;
    size_t *in_flight; /* [n_shards] */
};

#endif
