/* coll/shared/pull.h - collectives as streams: what each rank offers, and what each takes
 * of the streams of others. For this folder only. */
#ifndef CADRE_COLL_SHARED_PULL_H
#define CADRE_COLL_SHARED_PULL_H

#include "coll/schedule.h"
#include "coll/shared/control.h"

/* Fill op.first, op.input and op.output of the operation that was begun. */
cadre_status cadre__pull_prepare(cadre__shared *shared, const cadre__coll_call *call);

/* Begin the operation whose turn it is, choose how streams go, and prepare. */
cadre_status cadre__pull_begin(cadre__shared *shared, const cadre__coll_call *call,
                               bool may_read);

/* Bytes that rank r offers: a vector, its block, or one block for each rank. */
size_t cadre__pull_offered(const cadre__shared *shared, const cadre__coll_call *call,
                           int r);

/* The most that a rank offers: equal on all ranks. From the call alone, for the choice.
 */
size_t cadre__pull_most(const cadre__coll_call *call);

/* Bytes of the stream of rank r that this rank takes; of a reduction its own, too. */
cadre__span cadre__pull_wanted(const cadre__shared *shared, const cadre__coll_call *call,
                               int r);

/* The ranks first .. first+count-1 of whose streams this rank takes, itself perhaps among
 * them. */
cadre__span cadre__pull_sources(const cadre__coll_call *call);

/* Whether nobody else takes the block of this rank from its stream. */
bool cadre__pull_keeps_own(const cadre__coll_call *call);

/* Where copied bytes of rank r go. */
char *cadre__pull_place(const cadre__shared *shared, const cadre__coll_call *call, int r);

/* Put this rank's own block where it belongs. */
void cadre__pull_own(const cadre__shared *shared, const cadre__coll_call *call);

/* Whether there are two ranks that both offer and take, and no more than fits. */
static inline bool cadre__pull_swaps(const cadre__coll_call *call, size_t most)
{
    const cadre_collective collective = call->collective;

    return call->size == 2 && most <= SHARED_SWAP_BYTES &&
           (collective == CADRE_ALLREDUCE || collective == CADRE_ALLGATHER ||
            collective == CADRE_ALLTOALL || collective == CADRE_REDUCE_SCATTER);
}

/* Short streams, and those that two ranks swap, through slots. */
cadre_status cadre__pull_inline(cadre__shared *shared, cadre__coll_call *call,
                                bool *done);
/* As it was begun; long ones in chunks; may_read: by process_vm_readv() where that is
 * allowed. */
cadre_status cadre__pull_stream(cadre__shared *shared, cadre__coll_call *call,
                                bool may_read, bool *done);

#endif
