/* split.c - arithmetic of ranks' shares. */
#include "split.h"
#include <stdlib.h>

static size_t boundary(size_t n, int rank, int size)
{
    return n * (size_t)rank / (size_t)size;
}

cadre_status tf_split_create(size_t n_values, size_t unit, int rank, int size,
                             tf_split *out)
{
    const size_t n_units = (n_values + unit - 1) / unit;

    *out = (tf_split){.rank = rank, .size = size};
    out->first = calloc((size_t)size + 1, sizeof *out->first);
    if (!out->first)
        return cadre_fail(CADRE_ERR_NOMEM, "out of memory for the shares of %d ranks",
                          size);
    for (int r = 0; r <= size; r++) {
        const size_t value = boundary(n_units, r, size) * unit;
        out->first[r] = value < n_values ? value : n_values;
    }
    return CADRE_OK;
}

tf_heads tf_split_heads(const tf_shape *shape, int rank, int size)
{
    const size_t group = shape->n_heads / shape->n_kv_heads;
    const size_t end = boundary(shape->n_heads, rank + 1, size);
    tf_heads heads = {.first = boundary(shape->n_heads, rank, size)};

    heads.n = end - heads.first;
    if (heads.n > 0) {
        heads.first_kv = heads.first / group;
        heads.n_kv = (end - 1) / group - heads.first_kv + 1;
    }
    return heads;
}

void tf_heads_of_kv(const tf_heads *heads, size_t group, size_t kv, size_t *first,
                    size_t *n)
{
    const size_t from = (heads->first_kv + kv) * group, to = from + group;
    const size_t end = heads->first + heads->n;
    const size_t lowest = from > heads->first ? from : heads->first;

    *first = lowest - heads->first;
    *n = (to < end ? to : end) - lowest;
}

tf_panels tf_panels_cover(size_t first, size_t n)
{
    const size_t from = first / CADRE_PANEL;
    const size_t to = (first + n + CADRE_PANEL - 1) / CADRE_PANEL;

    if (n == 0)
        return (tf_panels){0};
    return (tf_panels){.first = from,
                       .n = to - from,
                       .skip = first - from * CADRE_PANEL,
                       .stride = (to - from) * CADRE_PANEL};
}
