/* coll/shared/slices.c - allreduce and reduce of a node: each rank reduces its slice of
 * the vector for all, or for the root; in shared heaps always, else, of an allreduce,
 * where the row says so.
 *
 * cost, per rank, p ranks and m bytes: through areas (p-1)/p m copied in, m/p reduced
 * from p sources, m copied out, with two waits for all per chunk. By process_vm_readv()
 * nothing is copied in. With all buffers in shared heaps nothing is copied at all: each
 * rank reads its slice of all inputs and writes it to all outputs. reason: the work on
 * each element is done once and not p times. source: Rabenseifner, "Optimization of
 * collective reduction operations", 2004, with shared memory in place of messages;
 * reduction in place of copies as in Jain et al., "Framework for scalable intra-node
 * collective operations using shared memory", 2018. */
#include "coll/schedule.h"
#include "coll/shared/pull.h"
#include "comm/internal.h"

/* Through areas: several chunks for overlap; crowded: as few turns as possible. */
#define STAGED_CHUNK ((size_t)128 << 10)
#define CROWDED_CHUNK ((size_t)512 << 10)
/* By reading: what is read from others' results should still be in a shared cache. */
#define READ_CHUNK ((size_t)4 << 20)
#define READ_BLOCK ((size_t)32 << 10)
/* Reduced at once, then written to all outputs from a first-level cache. */
#define PUSH_BLOCK ((size_t)8 << 10)
#define AHEAD 2

/* The ways, and what comes before. */
enum { BEGIN, LEARN, PUSHED, STREAMED, STAGED, READING };

static bool gets_result(const cadre__coll_call *call, int r)
{
    return call->collective != CADRE_REDUCE || r == call->root;
}

static void post(cadre__shared *shared, const cadre__coll_call *call, bool reading)
{
    shared_area *area = shared->areas[shared->rank];
    uint64_t send = cadre__shared_locate(shared, shared->op.input, reading);
    uint64_t recv = gets_result(call, call->rank)
                        ? cadre__shared_locate(shared, shared->op.output, reading)
                        : send; /* nothing is written there */

    /* Through areas, unless both can be reached. */
    if (!reading && (send % 4 != SOURCE_HEAP || recv % 4 != SOURCE_HEAP))
        send = recv = SOURCE_STAGED;
    shared->op.direct = send % 4 == SOURCE_HEAP && recv % 4 == SOURCE_HEAP;
    /* As in stream.c: others may still look at what was posted before. */
    shared_set(&area->posted, 0);
    shared_set(&area->send, send);
    shared_set(&area->recv, recv);
    shared_set(&area->posted, shared_stamp(shared, call));
    cadre__comm_wake_others(call->comm);
}

static size_t chunk_for(const cadre__shared *shared, int way)
{
    if (way == READING)
        return READ_CHUNK;
    return shared->crowded ? CROWDED_CHUNK : STAGED_CHUNK;
}

static cadre_status begin(cadre__shared *shared, cadre__coll_call *call, int way)
{
    CADRE_TRY(cadre__pull_begin(shared, call, false));
    shared->op.copy = cadre__shared_copier(call);
    shared->op.start = shared->position;
    shared->op.total = 0;
    if (way != STREAMED) { /* the stream chooses its own */
        const size_t chunk = chunk_for(shared, way);

        shared->op.total = (call->bytes - 1) / chunk + 1;
        cadre__shared_reserve(shared, chunk);
    }
    shared->op.put = shared->op.reduced = shared->op.taken = 0;
    shared->op.next = 0;
    shared->op.apart = false;
    post(shared, call, way == READING);
    call->at = way == READING || shared->op.direct ? LEARN : way;
    return CADRE_OK;
}

/* ---- Parts of the vector, in bytes ---- */

static cadre__span chunk_span(const cadre__shared *shared, const cadre__coll_call *call,
                              size_t index)
{
    return cadre__segment((cadre__span){0, call->bytes}, shared->op.chunk, index);
}

/* The slice of rank r of a part of the vector. */
static cadre__span slice_of(const cadre__coll_call *call, cadre__span part, int r)
{
    const cadre__span slice =
        cadre__chunk(part.count / call->element_bytes, call->size, r);

    return (cadre__span){part.first + slice.first * call->element_bytes,
                         slice.count * call->element_bytes};
}

/* Whether all ranks have set a flag to at least `position`. */
static bool all_at(cadre__shared *shared, size_t flag_offset, uint64_t position)
{
    for (int r = shared->op.next; r < shared->n; r++) {
        const char *area = (const char *)shared->areas[r];

        if (r != shared->rank &&
            shared_get((const _Atomic uint64_t *)(const void *)(area + flag_offset)) <
                position) {
            shared->op.next = r;
            return false;
        }
    }
    shared->op.next = 0;
    return true;
}

/* ---- Through areas ---- */

static bool put_staged(cadre__shared *shared, const cadre__coll_call *call)
{
    const uint64_t next = shared->op.start + shared->op.put + 1;
    const size_t ahead = shared->crowded ? shared->op.slots : AHEAD;

    if (shared->op.put == shared->op.total ||
        shared->op.put >= shared->op.taken + ahead || !cadre__shared_room(shared))
        return false;
    const cadre__span part = chunk_span(shared, call, shared->op.put);
    const cadre__span own = slice_of(call, part, call->rank);
    char *to = shared_chunk(shared, call->rank, shared->op.put);
    const size_t behind = own.first + own.count;

    cadre__shared_store(shared, to, shared->op.input + part.first,
                        own.first - part.first);
    cadre__shared_store(shared, to + (behind - part.first), shared->op.input + behind,
                        part.first + part.count - behind);
    shared->op.put++;
    shared_set(&shared->areas[shared->rank]->written, next);
    cadre__comm_wake_others(call->comm);
    return true;
}

/* The result goes where this rank's own slice of the chunk was left out. */
static bool reduce_staged(cadre__shared *shared, const cadre__coll_call *call)
{
    const size_t index = shared->op.reduced;
    const uint64_t next = shared->op.start + index + 1;

    if (index == shared->op.put || !all_at(shared, offsetof(shared_area, written), next))
        return false;
    const cadre__span part = chunk_span(shared, call, index);
    const cadre__span own = slice_of(call, part, call->rank);

    for (size_t at = 0; at < own.count; at += PUSH_BLOCK) {
        const size_t bytes = own.count - at < PUSH_BLOCK ? own.count - at : PUSH_BLOCK;
        const size_t offset = own.first - part.first + at;
        char *result = shared_chunk(shared, call->rank, index) + offset;
        _Alignas(64) char sum[PUSH_BLOCK];
        char *to = cadre__shared_stores_plainly(shared) ? result : sum;

        for (int r = 0; r < shared->n; r++)
            shared->op.source[r] = r == call->rank
                                       ? shared->op.input + own.first + at
                                       : shared_chunk(shared, r, index) + offset;
        cadre__shared_reduce(call, to, shared->op.source, shared->n,
                             bytes / call->element_bytes);
        if (to == sum)
            cadre__shared_store(shared, result, sum, bytes);
        shared->op.copy(shared->op.output + own.first + at, to, bytes);
    }
    shared->op.reduced++;
    shared_set(&shared->areas[shared->rank]->reduced, next);
    cadre__comm_wake_others(call->comm);
    return true;
}

static bool take_staged(cadre__shared *shared, const cadre__coll_call *call)
{
    const size_t index = shared->op.taken;
    const uint64_t next = shared->op.start + index + 1;
    const cadre__span part = chunk_span(shared, call, index);

    if (index == shared->op.reduced)
        return false;
    for (int r = shared->op.next; r < shared->n; shared->op.next = ++r) {
        const cadre__span slice = slice_of(call, part, r);

        if (r == call->rank)
            continue;
        if (shared_get(&shared->areas[r]->reduced) < next)
            return false;
        shared->op.copy(shared->op.output + slice.first,
                        shared_chunk(shared, r, index) + (slice.first - part.first),
                        slice.count);
    }
    shared->op.next = 0;
    shared->op.taken++;
    shared_set(&shared->areas[shared->rank]->consumed, next);
    cadre__comm_wake_others(call->comm);
    return true;
}

static cadre_status go_staged(cadre__shared *shared, cadre__coll_call *call, bool *done)
{
    while (shared->op.taken < shared->op.total) {
        bool moved = false;

        while (put_staged(shared, call))
            moved = true;
        if (shared->op.reduced == shared->op.taken)
            moved |= reduce_staged(shared, call);
        if (shared->op.reduced > shared->op.taken)
            moved |= take_staged(shared, call);
        if (!moved)
            return cadre__shared_stalled(shared, call);
    }
    cadre__shared_end(shared, done);
    return CADRE_OK;
}

/* ---- Reading ---- */

static cadre_status reduce_read(cadre__shared *shared, const cadre__coll_call *call,
                                cadre__span own)
{
    char *scratch =
        cadre__shared_scratch(shared, SCRATCH_PASSING, (size_t)shared->n * READ_BLOCK);

    if (scratch == NULL)
        return CADRE_ERR_NOMEM;
    for (size_t at = 0; at < own.count; at += READ_BLOCK) {
        const size_t bytes = own.count - at < READ_BLOCK ? own.count - at : READ_BLOCK;
        const size_t offset = own.first + at;

        for (int r = 0; r < shared->n; r++) {
            const uint64_t send = shared_get(&shared->areas[r]->send);
            char *block = scratch + (size_t)r * READ_BLOCK;

            if (r == call->rank)
                shared->op.source[r] = shared->op.input + offset;
            else if (send % 4 == SOURCE_HEAP)
                shared->op.source[r] = shared->heaps[r] + send / 4 + offset;
            else {
                CADRE_TRY(cadre__shared_read(shared, r, block, send / 4 + offset, bytes));
                shared->op.source[r] = block;
            }
        }
        cadre__shared_reduce(call, shared->op.output + offset, shared->op.source,
                             shared->n, bytes / call->element_bytes);
    }
    return CADRE_OK;
}

static cadre_status take_read(cadre__shared *shared, int r, cadre__span slice)
{
    const uint64_t recv = shared_get(&shared->areas[r]->recv);

    if (recv % 4 == SOURCE_READ)
        return cadre__shared_read(shared, r, shared->op.output + slice.first,
                                  recv / 4 + slice.first, slice.count);
    shared->op.copy(shared->op.output + slice.first,
                    shared->heaps[r] + recv / 4 + slice.first, slice.count);
    return CADRE_OK;
}

static cadre_status go_reading(cadre__shared *shared, cadre__coll_call *call, bool *done)
{
    shared_area *mine = shared->areas[shared->rank];

    while (shared->op.taken < shared->op.total) {
        const uint64_t next = shared->op.start + shared->op.taken + 1;
        const cadre__span part = chunk_span(shared, call, shared->op.taken);

        if (shared->op.reduced == shared->op.taken) {
            CADRE_TRY(reduce_read(shared, call, slice_of(call, part, call->rank)));
            shared->op.reduced++;
            shared_set(&mine->reduced, next);
            cadre__comm_wake_others(call->comm);
        }
        for (int r = shared->op.next; r < shared->n; shared->op.next = ++r) {
            if (r == call->rank)
                continue;
            if (shared_get(&shared->areas[r]->reduced) < next)
                return cadre__shared_stalled(shared, call);
            CADRE_TRY(take_read(shared, r, slice_of(call, part, r)));
        }
        shared->op.next = 0;
        shared->op.taken++;
    }
    if (shared_get(&mine->consumed) < shared->op.start + shared->op.total) {
        shared_set(&mine->consumed, shared->op.start + shared->op.total);
        cadre__comm_wake_others(call->comm);
    }
    if (!cadre__shared_all_consumed(shared, shared->op.start + shared->op.total))
        return cadre__shared_stalled(shared, call);
    cadre__shared_end(shared, done);
    return CADRE_OK;
}

/* ---- Everything in heaps ---- */

static void push(cadre__shared *shared, const cadre__coll_call *call)
{
    _Alignas(64) char sum[PUSH_BLOCK];
    const cadre__span own = slice_of(call, (cadre__span){0, call->bytes}, call->rank);

    for (size_t at = 0; at < own.count; at += PUSH_BLOCK) {
        const size_t bytes = own.count - at < PUSH_BLOCK ? own.count - at : PUSH_BLOCK;
        const size_t offset = own.first + at;

        for (int r = 0; r < shared->n; r++)
            shared->op.source[r] =
                shared->heaps[r] + shared_get(&shared->areas[r]->send) / 4 + offset;
        cadre__shared_reduce(call, sum, shared->op.source, shared->n,
                             bytes / call->element_bytes);
        for (int r = 0; r < shared->n; r++) {
            const uint64_t recv = shared_get(&shared->areas[r]->recv);

            if (gets_result(call, r))
                shared->op.copy(shared->heaps[r] + recv / 4 + offset, sum, bytes);
        }
    }
    shared_set(&shared->areas[shared->rank]->consumed,
               shared->op.start + shared->op.total);
    cadre__comm_wake_others(call->comm);
}

static cadre_status end_pushed(cadre__shared *shared, cadre__coll_call *call, bool *done)
{
    if (!cadre__shared_all_consumed(shared, shared->op.start + shared->op.total))
        return cadre__shared_stalled(shared, call);
    cadre__shared_end(shared, done);
    return CADRE_OK;
}

/* Learn whether rank r's buffers are in its heap; false: it has not said yet. One that
 * waits for nobody, and so is not in this way, may be in a later operation already. */
static bool learn_of(cadre__shared *shared, uint64_t expected, int r)
{
    const shared_area *area = shared->areas[r];
    const uint64_t stamp = shared_get(&area->posted);

    if (stamp != expected) {
        if (stamp == 0 || (int32_t)((stamp >> 32) - (expected >> 32)) <= 0)
            return false;
        shared->op.apart = true;
        return true;
    }
    const uint64_t send = shared_get(&area->send), recv = shared_get(&area->recv);

    if (shared_get(&area->posted) != expected)
        return false;
    if (send % 4 != SOURCE_HEAP || recv % 4 != SOURCE_HEAP)
        shared->op.apart = true;
    return true;
}

/* Where the buffers of all are. Whoever finds one that cannot be reached takes the other
 * way, and so do all others, for they find it, too. */
static cadre_status learn(cadre__shared *shared, cadre__coll_call *call, int way)
{
    const uint64_t expected = shared_stamp(shared, call);

    for (int r = shared->op.next; r < shared->n; shared->op.next = ++r) {
        if (learn_of(shared, expected, r))
            continue;
        const uint64_t stamp = shared_get(&shared->areas[r]->posted);

        return stamp != expected && stamp >> 32 == expected >> 32
                   ? cadre__shared_mismatch(call, r)
                   : cadre__shared_stalled(shared, call);
    }
    shared->op.next = 0;
    call->at = shared->op.apart ? way : PUSHED;
    if (shared->op.apart)
        return CADRE_OK;
    if (way == STREAMED) { /* one position: that of being done */
        shared->op.total = 1;
        shared->position++;
    }
    push(shared, call);
    return CADRE_OK;
}

static cadre_status in_slices(cadre__coll_call *call, int way, bool *done)
{
    cadre__shared *shared;

    CADRE_TRY(cadre__shared_of(call, &shared));
    if (way == READING && !shared->can_read)
        way = STAGED;
    if (call->at == BEGIN)
        CADRE_TRY(begin(shared, call, way));
    if (call->at == LEARN)
        CADRE_TRY(learn(shared, call, way));
    switch (call->at) {
    case PUSHED:
        return end_pushed(shared, call, done);
    case STREAMED:
        return cadre__pull_stream(shared, call, false, done);
    case STAGED:
        return go_staged(shared, call, done);
    case READING:
        return go_reading(shared, call, done);
    default:
        return CADRE_OK;
    }
}

cadre_status cadre__shared_reduce_all(cadre__coll_call *call, bool *done)
{
    if (call->bytes <= SHARED_INLINE_BYTES)
        return cadre__shared_pull(call, done);
    return in_slices(call, STREAMED, done);
}

cadre_status cadre__shared_slices(cadre__coll_call *call, bool *done)
{
    if (cadre__pull_swaps(call, call->bytes))
        return cadre__shared_reduce_all(call, done);
    return in_slices(call, STAGED, done);
}

cadre_status cadre__shared_slices_read(cadre__coll_call *call, bool *done)
{
    return in_slices(call, READING, done);
}
