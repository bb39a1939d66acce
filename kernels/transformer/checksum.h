/* checksum.h - checksums of long stretches of memory, block by block, on all CPUs. */
#ifndef TF_CHECKSUM_H
#define TF_CHECKSUM_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that have a checksum of their own. */
#define TF_SUM_BLOCK ((size_t)1 << 20)

/* How many checksums so many bytes have. */
size_t tf_sum_count(uint64_t bytes);

/* XXH3 checksums of the blocks of data[bytes] into sums[tf_sum_count(bytes)], by as many
 * threads as the process has CPUs. Local.
 * CADRE_ERR_NOMEM  the system gives no threads */
cadre_status tf_sum_blocks(const void *data, uint64_t bytes, uint64_t *sums);

#endif
