/* group/partition.h - which shard a key belongs to: arithmetic only. */
#ifndef CADRE_GROUP_PARTITION_H
#define CADRE_GROUP_PARTITION_H

#include <stddef.h>
#include <stdint.h>

/* The same on every machine and in every version: results may be kept by it. n_shards
 * >= 1. */
size_t cadre__partition_hash(uint64_t key, size_t n_shards);

/* Shard of a key in [0, n_keys), n_keys >= 1, cut into n_shards ranges that differ by one
 * at most, the longer ones first. Keys past the end belong to the last shard. */
size_t cadre__partition_range(uint64_t key, uint64_t n_keys, size_t n_shards);

#endif
