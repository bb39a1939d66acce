/* coll/blocks.h - blocks of unequal length, one per rank, one behind the other. */
#ifndef CADRE_COLL_BLOCKS_H
#define CADRE_COLL_BLOCKS_H

#include "coll/call.h"
#include "coll/schedule.h"
#include <string.h>

/* Where the block of `rank` stands, in bytes; from call->counts. */
static inline cadre__span cadre__block_bytes(const cadre__coll_call *call, int rank)
{
    cadre__span block = {0, call->counts[rank] * call->element_bytes};

    for (int r = 0; r < rank; r++)
        block.first += call->counts[r] * call->element_bytes;
    return block;
}

/* Put this rank's own block where it belongs, unless it stands there. */
static inline void cadre__blocks_place_own(cadre__coll_call *call)
{
    const cadre__span own = cadre__block_bytes(call, call->rank);

    if (call->send != CADRE_IN_PLACE && own.count > 0)
        memcpy((char *)call->recv + own.first, call->send, own.count);
}

#endif
