/* checksum.c - checksums of long stretches of memory, block by block, on all CPUs. */
#include "checksum.h"
#include "team.h"
#include <cadre/io.h>
#include <stdatomic.h>

enum { MAX_THREADS = 16 };

typedef struct summing {
    const uint8_t *data;
    uint64_t bytes;
    uint64_t *sums;
    size_t n_blocks;
    atomic_size_t next;
} summing;

size_t tf_sum_count(uint64_t bytes)
{
    return (size_t)((bytes + TF_SUM_BLOCK - 1) / TF_SUM_BLOCK);
}

static void sum_main(void *context, int thread)
{
    summing *s = context;
    size_t block;

    (void)thread;
    while ((block = atomic_fetch_add(&s->next, 1)) < s->n_blocks) {
        const uint64_t at = (uint64_t)block * TF_SUM_BLOCK, left = s->bytes - at;
        s->sums[block] = cadre_bytes_checksum(
            s->data + at, left < TF_SUM_BLOCK ? (size_t)left : TF_SUM_BLOCK);
    }
}

cadre_status tf_sum_blocks(const void *data, uint64_t bytes, uint64_t *sums)
{
    summing s = {
        .data = data, .bytes = bytes, .sums = sums, .n_blocks = tf_sum_count(bytes)};
    tf_team *team;
    int n = tf_team_cpus();

    n = n < MAX_THREADS ? n : MAX_THREADS;
    n = (size_t)n < s.n_blocks ? n : (int)s.n_blocks;
    if (n == 0)
        return CADRE_OK;
    CADRE_TRY(tf_team_create(n, &team));
    tf_team_run(team, sum_main, &s);
    tf_team_destroy(team);
    return CADRE_OK;
}
