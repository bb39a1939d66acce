/* coll/blocks.h - blocks, one per rank, one behind the other, equal or not. */
#ifndef CADRE_COLL_BLOCKS_H
#define CADRE_COLL_BLOCKS_H

#include "coll/call.h"
#include "coll/schedule.h"

/* Where the blocks of a call stand. */
typedef struct cadre__blocks {
    const size_t *first; /* [size + 1], in elements; NULL: equal blocks */
    size_t count;        /* of each equal one */
    size_t element_bytes;
} cadre__blocks;

/* The blocks of `count` elements each, or of counts[size] if that is not NULL; the list
 * lives as long as the program. */
cadre_status cadre__blocks_make(cadre__coll_call *call, const size_t *counts,
                                cadre__blocks *out);

/* Those of a reduce_scatter without counts: chunks of a vector. */
cadre_status cadre__blocks_make_chunks(cadre__coll_call *call, cadre__blocks *out);

/* Bytes first .. first+count-1 of n blocks from that of `rank` on. */
static inline cadre__span cadre__blocks_at(const cadre__blocks *b, int rank, int n)
{
    const size_t from = (size_t)rank, to = from + (size_t)n;

    if (b->first == NULL)
        return (cadre__span){from * b->count * b->element_bytes,
                             (to - from) * b->count * b->element_bytes};
    return (cadre__span){b->first[from] * b->element_bytes,
                         (b->first[to] - b->first[from]) * b->element_bytes};
}

/* The block of one rank, in bytes. */
static inline cadre__span cadre__block(const cadre__blocks *b, int rank)
{
    return cadre__blocks_at(b, rank, 1);
}

/* Bytes of n blocks from that of `rank` on, round past the last of `size`. */
static inline size_t cadre__blocks_round(const cadre__blocks *b, int rank, int n,
                                         int size)
{
    const int before = n < size - rank ? n : size - rank;

    return cadre__blocks_at(b, rank, before).count +
           cadre__blocks_at(b, 0, n - before).count;
}

/* Bytes of all blocks together, and of the mean one. For cost(). */
static inline double cadre__bytes_of_all(const cadre__coll_call *call)
{
    return (double)call->bytes * (call->counts != NULL ? 1 : call->size);
}

static inline double cadre__bytes_of_block(const cadre__coll_call *call)
{
    return cadre__bytes_of_all(call) / call->size;
}

/* The largest block, in bytes: equal on all ranks. */
size_t cadre__blocks_largest(const cadre__coll_call *call);

/* Message `i` of a block; all blocks have as many, some of them empty. */
static inline cadre__span cadre__block_piece(const cadre__blocks *b, int rank, size_t i)
{
    return cadre__segment(cadre__block(b, rank), CADRE__COLL_MAX_MESSAGE, i);
}

static inline size_t cadre__block_n_pieces(const cadre__coll_call *call)
{
    return cadre__n_segments(cadre__blocks_largest(call), 1, CADRE__COLL_MAX_MESSAGE);
}

/* Emit: this rank's own block where it belongs in recv, unless it stands there. */
cadre_status cadre__blocks_place_own(cadre__coll_call *call, const cadre__blocks *b);

#endif
