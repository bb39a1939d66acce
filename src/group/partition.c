/* group/partition.c - which shard a key belongs to. */
#include "group/partition.h"

/* The finishing steps of SplitMix64 (Steele, Lea, Flood 2014): neighbouring keys, the
 * usual case, spread evenly. */
static uint64_t mix(uint64_t key)
{
    key += UINT64_C(0x9e3779b97f4a7c15);
    key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
    return key ^ (key >> 31);
}

size_t cadre__partition_hash(uint64_t key, size_t n_shards)
{
    return (size_t)(mix(key) % n_shards);
}

size_t cadre__partition_range(uint64_t key, uint64_t n_keys, size_t n_shards)
{
    if (key >= n_keys)
        return n_shards - 1;
    const uint64_t shortest = n_keys / n_shards, n_longer = n_keys % n_shards;
    const uint64_t in_longer = n_longer * (shortest + 1);
    if (key < in_longer)
        return (size_t)(key / (shortest + 1));
    return (size_t)(n_longer + (key - in_longer) / shortest);
}
