/* coll/shared/barrier.c - nobody goes on before all have come.
 *
 * cost: with a core for each rank, one transfer of a cache line: each rank sets its own
 * flag and reads those of all others. Crowded, one counter: a rank that looks in vain
 * gives its core away, and the last one finds at once that it is the last.
 * reason: a tree saves reads, but each of its levels is another transfer; crowded, each
 * look at many lines is time taken from those who have not come yet.
 * source: Hensgen, Finkel and Manber, "Two algorithms for barrier synchronization", 1988
 * (with radix p); the counter is the centralized barrier of Mellor-Crummey and Scott,
 * "Algorithms for scalable synchronization on shared-memory multiprocessors", 1991. */
#include "coll/shared/control.h"

static cadre_status count_all(cadre__shared *shared, cadre__coll_call *call, bool *done)
{
    _Atomic uint64_t *counter = &shared->areas[0]->arrived;
    const uint64_t n = (uint64_t)shared->n;

    if (call->at == 0) {
        cadre__shared_begin(shared);
        shared->barriers++;
        call->at = 1;
        if (atomic_fetch_add(counter, 1) + 1 == shared->barriers * n) {
            cadre__comm_wake_others(call->comm);
            cadre__shared_end(shared, done);
            return CADRE_OK;
        }
    }
    if (shared_get(counter) < shared->barriers * n)
        return cadre__shared_stalled(shared, call);
    cadre__shared_end(shared, done);
    return CADRE_OK;
}

static cadre_status see_all(cadre__shared *shared, cadre__coll_call *call, bool *done)
{
    shared_area *mine = shared->areas[shared->rank];
    const int turn = (int)(shared->barriers % 2);

    if (call->at == 0) {
        cadre__shared_begin(shared);
        shared_set(&mine->came[turn].epoch, shared->epoch);
        shared->op.next = 0;
    }
    /* The flag travels while this rank looks at those of others: only then a fence. */
    int r = shared->op.next;
    while (r < shared->n &&
           shared_get(&shared->areas[r]->came[turn].epoch) >= shared->epoch)
        r++;
    if (call->at == 0)
        cadre__comm_wake_others(call->comm);
    call->at = 1;
    shared->op.next = r;
    if (r < shared->n)
        return cadre__shared_stalled(shared, call);
    shared_fetch((const void *)&mine->came[1 - turn], sizeof(uint64_t));
    shared->barriers++;
    shared->all_left = shared->epoch - 1;
    cadre__shared_end(shared, done);
    return CADRE_OK;
}

cadre_status cadre__shared_barrier(cadre__coll_call *call, bool *done)
{
    cadre__shared *shared;

    CADRE_TRY(cadre__shared_of(call, &shared));
    return shared->crowded ? count_all(shared, call, done) : see_all(shared, call, done);
}
