/* coll/shared/inline.c - short messages of a node, and up to 2 MiB those that two ranks
 * swap: a whole message, and its flag in front.
 *
 * cost: two transfers of cache lines between cores for up to 56 bytes, wherever they come
 * from; one more for each further line, overlapped. Each rank reads those of all others,
 * so that there is one exchange and no second step.
 * reason: below some 4 KiB waiting for each other is all that costs.
 *
 * Two ranks of which each offers and takes have two slots and write them in turns: what a
 * rank has read in one operation it writes in the next. A line that a core writes again
 * and another reads must be taken away from the reader, then brought to it, in each
 * operation; so it only goes to and fro, and each journey brings something. And nobody
 * need be asked whether a slot may be written: who writes it has read it.
 *
 * source: flags and data in one line as in the eager protocols of Buntinas, Mercier and
 * Gropp, "Design and evaluation of Nemesis", 2006; flat exchange as in Graham and
 * Shipman, "MPI support for multi-core architectures: optimized shared memory
 * collectives", 2008. */
#include "coll/shared/pull.h"

#define LINE 64

enum { BEGINNING, PUTTING, TAKING };

/* Whether the slot of this epoch may be written: all have left the operation that used it
 * last. */
static bool slot_free(cadre__shared *shared)
{
    if (shared->epoch - shared->all_left <= SHARED_SLOTS)
        return true;
    uint64_t least = shared->epoch;
    for (int r = 0; r < shared->n; r++) {
        const uint64_t left = shared_get(&shared->areas[r]->left);
        if (r != shared->rank && left < least)
            least = left;
    }
    shared->all_left = least;
    return shared->epoch - least <= SHARED_SLOTS;
}

static shared_slot *slot_of(const cadre__shared *shared, int rank)
{
    if (shared->op.swaps) {
        const int at = rank ^ (int)(shared->swaps % 2);

        return (shared_slot *)(void *)((char *)shared->areas[at] + SHARED_CONTROL_BYTES);
    }
    return &shared->areas[rank]->slots[shared->epoch % SHARED_SLOTS];
}

static char *data_of(const cadre__shared *shared, int rank)
{
    return (char *)slot_of(shared, rank) + shared->op.lead;
}

/* Where byte `at` of another rank's stream is, which leaves its own block out. */
static const char *byte_of(const cadre__shared *shared, const cadre__coll_call *call,
                           int r, size_t at)
{
    const size_t *first = shared->op.first;

    if (cadre__pull_keeps_own(call) && r < call->rank)
        at -= first[r + 1] - first[r];
    return data_of(shared, r) + at;
}

/* Without a fence: the flag travels while this rank looks at those of others. */
static void put(cadre__shared *shared, const cadre__coll_call *call, size_t bytes)
{
    char *data = data_of(shared, shared->rank);
    cadre__span own = {bytes, bytes}; /* from, to */

    if (cadre__pull_keeps_own(call))
        own =
            (cadre__span){shared->op.first[call->rank], shared->op.first[call->rank + 1]};
    if (bytes > 0) {
        memcpy(data, shared->op.input, own.first);
        memcpy(data + own.first, shared->op.input + own.count, bytes - own.count);
    }
    shared_set(&slot_of(shared, shared->rank)->stamp, shared_stamp(shared, call));
    shared->op.wake_due = true;
}

static void wake(cadre__shared *shared, const cadre__coll_call *call)
{
    if (shared->op.wake_due)
        cadre__comm_wake_others(call->comm);
    shared->op.wake_due = false;
}

/* Empty streams bring no flag, but where ranks swap: there it says that the other slot
 * may be written, too. */
static bool takes(const cadre__shared *shared, const cadre__coll_call *call, int r)
{
    return shared->op.swaps || cadre__pull_wanted(shared, call, r).count > 0;
}

/* Whether all slots that this rank takes from have come; *st says if one is that of
 * another call. */
static bool all_here(cadre__shared *shared, const cadre__coll_call *call,
                     cadre_status *st)
{
    const uint64_t expected = shared_stamp(shared, call);

    for (int r = shared->op.next; r < shared->op.end; r++) {
        const uint64_t stamp = shared_get(&slot_of(shared, r)->stamp);

        if (stamp == expected || r == shared->rank || !takes(shared, call, r))
            continue;
        shared->op.next = r;
        *st = stamp >> 32 == expected >> 32 ? cadre__shared_mismatch(call, r)
                                            : cadre__shared_stalled(shared, call);
        return false;
    }
    return true;
}

static void take_reduced(cadre__shared *shared, const cadre__coll_call *call)
{
    const char **source = shared->op.source;
    const int last = call->collective == CADRE_SCAN ? call->rank : shared->n - 1;
    const cadre__span span = cadre__pull_wanted(shared, call, shared->rank);

    for (int r = 0; r <= last; r++)
        source[r] = byte_of(shared, call, r, span.first);
    source[shared->rank] = shared->op.input + span.first;
    cadre__shared_reduce(call, shared->op.output, source, last + 1,
                         span.count / call->element_bytes);
    if (shared->op.held != NULL)
        memcpy(call->recv, shared->op.held, span.count);
}

static void take_copied(cadre__shared *shared, const cadre__coll_call *call)
{
    const cadre__span sources = cadre__pull_sources(call);

    for (int r = (int)sources.first; r < shared->op.end; r++) {
        const cadre__span span = cadre__pull_wanted(shared, call, r);

        if (span.count > 0)
            memcpy(cadre__pull_place(shared, call, r),
                   byte_of(shared, call, r, span.first), span.count);
    }
    cadre__pull_own(shared, call);
}

/* The next operation is often like this one. */
static void fetch_next(const cadre__shared *shared, const cadre__coll_call *call)
{
    const size_t bytes = cadre__pull_offered(shared, call, shared->rank);
    const shared_slot *next =
        &shared->areas[shared->rank]->slots[(shared->epoch + 1) % SHARED_SLOTS];

    if (bytes > 0 && !shared->op.swaps)
        shared_fetch(next, shared->op.lead + bytes);
}

static void begin(cadre__shared *shared, const cadre__coll_call *call)
{
    const cadre__span sources = cadre__pull_sources(call);

    shared->op.next = (int)sources.first;
    shared->op.end = (int)(sources.first + sources.count);
    shared->op.wake_due = false;
    shared->op.phase = PUTTING;
    shared->op.lead = shared->op.most > LINE - sizeof(uint64_t) ? LINE : sizeof(uint64_t);
    shared->swaps += shared->op.swaps;
}

cadre_status cadre__pull_inline(cadre__shared *shared, cadre__coll_call *call, bool *done)
{
    cadre_status st = CADRE_OK;

    if (shared->op.phase == BEGINNING)
        begin(shared, call);
    if (shared->op.phase == PUTTING) {
        const size_t bytes = cadre__pull_offered(shared, call, shared->rank);

        if (bytes > 0 && !shared->op.swaps && !slot_free(shared))
            return cadre__shared_stalled(shared, call);
        if (bytes > 0 || shared->op.swaps)
            put(shared, call, bytes);
        shared->op.phase = TAKING;
    }
    if (!all_here(shared, call, &st)) {
        wake(shared, call);
        return st;
    }
    if (!cadre__collective_reduces(call->collective))
        take_copied(shared, call);
    else if (cadre__pull_wanted(shared, call, shared->rank).count > 0)
        take_reduced(shared, call);
    if (call->collective == CADRE_ALLREDUCE)
        shared->all_left = shared->epoch - 1;
    wake(shared, call);
    fetch_next(shared, call);
    cadre__shared_end(shared, done);
    return CADRE_OK;
}
