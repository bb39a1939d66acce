/* split.h - which part of each layer a rank of a shard computes.
 *
 * Matrices are split by their outputs, never along what is summed over: query heads in
 * contiguous ranges together with the KV heads that they need (computed by each rank that
 * needs them), all else in panels. Ranks gather the parts of a vector before a matrix
 * multiplies it. So every value is computed by one rank, in one order, and the bits do
 * not depend on the number of ranks. A rank may have nothing to compute.
 */
#ifndef TF_SPLIT_H
#define TF_SPLIT_H

#include "model.h"

/* A vector of values split over ranks: rank r has [first[r], first[r + 1]). */
typedef struct tf_split {
    int rank, size;
    size_t *first; /* [size + 1] */
} tf_split;

/* By whole units of `unit` values, the last of which may be shorter. The caller frees
 * out->first. CADRE_ERR_NOMEM */
cadre_status tf_split_create(size_t n_values, size_t unit, int rank, int size,
                             tf_split *out);

static inline size_t tf_split_width(const tf_split *split, int rank)
{
    return split->first[rank + 1] - split->first[rank];
}

/* Heads of a rank; n_kv is 0 if n is. */
typedef struct tf_heads {
    size_t first, n;       /* query heads */
    size_t first_kv, n_kv; /* KV heads that these read */
} tf_heads;

tf_heads tf_split_heads(const tf_shape *shape, int rank, int size);

/* The query heads of this rank that read KV head first_kv + kv: [*first, *first + *n),
 * counted from its first. */
void tf_heads_of_kv(const tf_heads *heads, size_t group, size_t kv, size_t *first,
                    size_t *n);

/* Panels that cover outputs [first, first + n) of a matrix; the first of these outputs is
 * number `skip` of what the panels give, `stride` values for a row. */
typedef struct tf_panels {
    size_t first, n, skip, stride;
} tf_panels;

tf_panels tf_panels_cover(size_t first, size_t n);

#endif
