/* merger.h - the loop that both kinds of vocabulary share: of all neighbours that may be
 * joined, join the best, until none may.
 */
#ifndef TF_MERGER_H
#define TF_MERGER_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

/* A part of the text. Parts are numbered from left to right. */
typedef struct tf_symbol {
    uint32_t at, bytes; /* bytes 0: was joined to one before it */
    int32_t id;         /* token, or -1 */
    int32_t prev, next; /* neighbours, or -1 */
} tf_symbol;

typedef struct tf_proposal {
    uint64_t order; /* rank << 32 | left: equal ranks go from left to right */
    uint32_t bytes; /* of both together, which tells when either has changed since */
    int32_t id;
} tf_proposal;

/* Scratch, all zero when empty, that may be used again. */
typedef struct tf_merger {
    tf_symbol *symbols;
    size_t n_symbols, capacity;
    tf_proposal *heap;
    size_t n_heap;
} tf_merger;

/* Whether two neighbours may be joined: then 1, and the token they make and its rank, the
 * lowest first. */
typedef int tf_may_join(const void *context, const tf_symbol *left,
                        const tf_symbol *right, int32_t *id, uint32_t *rank);

/* Make room for n symbols and forget those there are. CADRE_ERR_NOMEM */
cadre_status tf_merger_reset(tf_merger *merger, size_t n);
/* Append a symbol, within the room made. */
void tf_merger_add(tf_merger *merger, uint32_t at, uint32_t bytes, int32_t id);
/* Join until nothing may be joined; O(n log n). The result is the chain from symbols[0]
 * along `next`. */
void tf_merger_run(tf_merger *merger, tf_may_join *may_join, const void *context);
void tf_merger_fini(tf_merger *merger);

#endif
