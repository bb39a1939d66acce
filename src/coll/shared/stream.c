/* coll/shared/stream.c - long messages of a node: chunks through areas, or a source read
 * where it stands.
 *
 * cost: through areas each byte is copied in once and taken once by whoever wants it;
 * chunks that are written while others are read keep both in a second-level cache. Of a
 * source in a shared heap, and by process_vm_readv(), there is no copy in, but all who
 * offer wait until all have taken.
 * reason: a flag per chunk instead of one at the end lets readers work while the writer
 * does; who writes waits for nobody as long as there is room.
 * source: pipelined copies in and out as in Graham and Shipman, 2008 (see inline.c);
 * reading by the kernel as in Goglin and Moreaud, "KNEM: a generic and scalable
 * kernel-assisted intra-node MPI communication framework", 2013. */
#include "coll/shared/pull.h"
#include "coll/state.h"

/* With a core for each rank: chunks of a first-level cache for short streams, of a second
 * for long ones. Crowded: as few turns as possible. */
#define SHORT_CHUNK ((size_t)8 << 10)
#define LONG_CHUNK ((size_t)32 << 10)
#define LONG_STREAM ((size_t)128 << 10)
#define CROWDED_CHUNK ((size_t)128 << 10)
#define READ_CHUNK ((size_t)128 << 10)
/* Chunks written before the first of others is taken. */
#define AHEAD 2
/* Shorter ones are not worth waiting until all have taken them. */
#define HEAP_BYTES ((size_t)16 << 10)
/* Read at once, for a reduction. */
#define READ_BLOCK ((size_t)32 << 10)

static size_t choose_chunk(const cadre__shared *shared, size_t most, bool reading)
{
    if (reading)
        return READ_CHUNK;
    if (shared->crowded)
        return CROWDED_CHUNK;
    return most < LONG_STREAM ? SHORT_CHUNK : LONG_CHUNK;
}

static size_t chunks_of(const cadre__shared *shared, size_t bytes)
{
    return bytes == 0 ? 0 : (bytes - 1) / shared->op.chunk + 1;
}

/* ---- Offering ---- */

/* Whether the others may read this rank's source where it stands: nothing that this rank
 * takes is written there before the end. */
static bool stays(const cadre__coll_call *call)
{
    if (call->collective == CADRE_ALLREDUCE || call->collective == CADRE_SCAN)
        return false;
    return call->collective != CADRE_REDUCE_SCATTER || call->send != CADRE_IN_PLACE;
}

static void post(cadre__shared *shared, const cadre__coll_call *call, uint64_t source)
{
    shared_area *area = shared->areas[shared->rank];

    /* A rank that has run ahead changes it while others may still look. */
    shared_set(&area->posted, 0);
    shared_set(&area->send, source);
    shared_set(&area->posted, shared_stamp(shared, call));
}

static void offer(cadre__shared *shared, const cadre__coll_call *call, size_t bytes,
                  bool reading)
{
    const char *heap = shared->heaps[shared->rank];
    const uintptr_t input = (uintptr_t)shared->op.input, base = (uintptr_t)heap;
    uint64_t source = SOURCE_STAGED;

    if (bytes >= HEAP_BYTES && stays(call)) {
        if (heap != NULL && input >= base && input - base < shared->heap_bytes)
            source = 4 * (uint64_t)(input - base) + SOURCE_HEAP;
        else if (reading)
            source = 4 * (uint64_t)input + SOURCE_READ;
    }
    post(shared, call, source);
    shared->op.direct = source != SOURCE_STAGED;
    if (!shared->op.direct)
        return;
    shared->op.put = shared->op.mine;
    shared_set(&shared->areas[shared->rank]->written,
               shared->op.start + shared->op.total);
    cadre__shared_wake(shared, call);
}

/* Whether the next chunk may be written over what was there. */
static bool room(cadre__shared *shared)
{
    const uint64_t next = shared->op.start + shared->op.put + 1;
    const uint64_t slots = SHARED_DATA_BYTES / shared->op.chunk;
    const uint64_t before = next > slots ? next - slots : 0;

    return cadre__shared_all_consumed(shared,
                                      before > shared->floor ? before : shared->floor);
}

static char *chunk_of(const cadre__shared *shared, int rank, size_t index)
{
    const size_t slots = SHARED_DATA_BYTES / shared->op.chunk;

    return shared_data(shared, rank) +
           (shared->op.start + index) % slots * shared->op.chunk;
}

static void put_chunk(cadre__shared *shared, const cadre__coll_call *call)
{
    const size_t offered = cadre__pull_offered(shared, call, shared->rank);
    const size_t from = shared->op.put * shared->op.chunk;
    const size_t to =
        offered - from < shared->op.chunk ? offered : from + shared->op.chunk;
    char *chunk = chunk_of(shared, shared->rank, shared->op.put);
    size_t skip_from = to, skip_to = to;

    if (cadre__pull_keeps_own(call)) {
        const cadre__span own = {shared->op.first[call->rank],
                                 shared->op.first[call->rank + 1]};
        skip_from = own.first < from ? from : own.first < to ? own.first : to;
        skip_to = own.count < skip_from ? skip_from : own.count < to ? own.count : to;
    }
    memcpy(chunk, shared->op.input + from, skip_from - from);
    memcpy(chunk + (skip_to - from), shared->op.input + skip_to, to - skip_to);
    shared->op.put++;
    shared_set(&shared->areas[shared->rank]->written, shared->op.start + shared->op.put);
    cadre__shared_wake(shared, call);
}

/* ---- Taking ---- */

/* Whether chunk `index` of rank r is there, and if so, learn where its source is. */
static bool offered(cadre__shared *shared, const cadre__coll_call *call, int r,
                    size_t index, cadre_status *st)
{
    const shared_area *area = shared->areas[r];

    if (shared_get(&area->written) <= shared->op.start + index) {
        *st = cadre__shared_stalled(shared, call);
        return false;
    }
    if (shared->op.posted[r] != UINT64_MAX)
        return true;
    const uint64_t expected = shared_stamp(shared, call);
    const uint64_t source = shared_get(&area->send);
    const uint64_t stamp = shared_get(&area->posted);
    if (stamp != expected && stamp >> 32 == expected >> 32) {
        *st = cadre__shared_mismatch(shared, call, r);
        return false;
    }
    /* Only who needs nobody to take his source can have gone on to another post. */
    shared->op.posted[r] = stamp == expected ? source : SOURCE_STAGED;
    return true;
}

/* The part of chunk `index` that is wanted of rank r: from and count in its stream. */
static cadre__span part_of(const cadre__shared *shared, const cadre__coll_call *call,
                           int r, size_t index)
{
    const cadre__span wanted = cadre__pull_wanted(shared, call, r);
    const size_t first = index * shared->op.chunk, end = first + shared->op.chunk;
    const size_t from = wanted.first > first ? wanted.first : first;
    const size_t to =
        wanted.first + wanted.count < end ? wanted.first + wanted.count : end;

    return (cadre__span){from, from < to ? to - from : 0};
}

static cadre_status take_copied(cadre__shared *shared, const cadre__coll_call *call,
                                size_t index, int r, cadre__span part)
{
    const uint64_t posted = shared->op.posted[r];
    char *to = cadre__pull_place(shared, call, r) + part.first -
               cadre__pull_wanted(shared, call, r).first;

    if (posted % 4 == SOURCE_READ)
        return cadre__shared_read(shared, r, to, posted / 4 + part.first, part.count);
    const char *from =
        posted % 4 == SOURCE_HEAP
            ? shared->heaps[r] + posted / 4 + part.first
            : chunk_of(shared, r, index) + part.first - index * shared->op.chunk;
    shared->op.copy(to, from, part.count);
    return CADRE_OK;
}

/* Bytes `part` of rank r's source, read into the r-th block of scratch if need be. */
static cadre_status source_of(cadre__shared *shared, const cadre__coll_call *call, int r,
                              size_t index, cadre__span part, char *scratch)
{
    const uint64_t posted = shared->op.posted[r];
    char *block = scratch + (size_t)r * READ_BLOCK;

    const bool replaced = call->send == CADRE_IN_PLACE &&
                          (call->collective == CADRE_ALLREDUCE ||
                           (call->collective == CADRE_SCAN && shared->op.mine > 0));

    if (r == call->rank && !replaced)
        shared->op.source[r] = shared->op.input + part.first;
    else if (r == call->rank || posted % 4 == SOURCE_STAGED)
        shared->op.source[r] =
            chunk_of(shared, r, index) + part.first - index * shared->op.chunk;
    else if (posted % 4 == SOURCE_HEAP)
        shared->op.source[r] = shared->heaps[r] + posted / 4 + part.first;
    else {
        shared->op.source[r] = block;
        return cadre__shared_read(shared, r, block, posted / 4 + part.first, part.count);
    }
    return CADRE_OK;
}

static cadre_status take_reduced(cadre__shared *shared, const cadre__coll_call *call,
                                 size_t index, cadre__span part)
{
    const int n = call->collective == CADRE_SCAN ? call->rank + 1 : call->size;
    const size_t origin = cadre__pull_wanted(shared, call, call->rank).first;
    bool reads = false;

    for (int r = 0; r < n; r++)
        reads |= r != call->rank && shared->op.posted[r] % 4 == SOURCE_READ;
    char *scratch = NULL;
    if (reads) {
        scratch = cadre__shared_scratch(shared, SCRATCH_PASSING, (size_t)n * READ_BLOCK);
        if (scratch == NULL)
            return CADRE_ERR_NOMEM;
    }
    for (size_t at = 0; at < part.count;) {
        cadre__span piece = {part.first + at, part.count - at};
        if (reads && piece.count > READ_BLOCK)
            piece.count = READ_BLOCK;
        for (int r = 0; r < n; r++)
            CADRE_TRY(source_of(shared, call, r, index, piece, scratch));
        cadre__shared_reduce(call, shared->op.output + piece.first - origin,
                             shared->op.source, n, piece.count / call->element_bytes);
        at += piece.count;
    }
    return CADRE_OK;
}

/* Take chunk op.taken of all streams, as far as it is there. */
static cadre_status take_chunk(cadre__shared *shared, const cadre__coll_call *call,
                               bool *taken)
{
    const size_t index = shared->op.taken;
    const bool reduces = cadre__pull_reduces(call);
    cadre__span part = {0, 0};
    cadre_status st = CADRE_OK;

    for (int r = shared->op.next; r < shared->n; shared->op.next = ++r) {
        const cadre__span wanted = part_of(shared, call, r, index);

        if (wanted.count == 0)
            continue;
        part = wanted;
        if (r == shared->rank)
            continue;
        if (!offered(shared, call, r, index, &st))
            return st;
        if (!reduces)
            CADRE_TRY(take_copied(shared, call, index, r, wanted));
    }
    if (reduces) {
        part = part_of(shared, call, shared->rank, index);
        if (part.count > 0)
            CADRE_TRY(take_reduced(shared, call, index, part));
    }
    shared->op.next = 0;
    *taken = true;
    return CADRE_OK;
}

/* ---- Both ---- */

static cadre_status begin(cadre__shared *shared, cadre__coll_call *call, bool may_read)
{
    const size_t most = cadre__pull_most(call);
    const bool reading = may_read && shared->can_read;

    cadre__shared_begin(shared, call);
    CADRE_TRY(cadre__pull_prepare(shared, call));
    shared->op.chunk = choose_chunk(shared, most, reading);
    shared->op.copy = cadre__shared_copier(shared, most);
    shared->op.start = shared->position;
    shared->op.put = shared->op.taken = 0;
    shared->op.next = 0;
    shared->op.mine = chunks_of(shared, cadre__pull_offered(shared, call, shared->rank));
    shared->op.total = chunks_of(shared, most);
    shared->position += shared->op.total;
    if (shared->op.chunk != shared->chunk_bytes)
        shared->floor = shared->op.start;
    shared->chunk_bytes = shared->op.chunk;
    for (int r = 0; r < shared->n; r++)
        shared->op.posted[r] = UINT64_MAX;
    offer(shared, call, cadre__pull_offered(shared, call, shared->rank), reading);
    cadre__pull_own(shared, call);
    call->at = 1;
    return CADRE_OK;
}

static cadre_status finish(cadre__shared *shared, cadre__coll_call *call, bool *done)
{
    const bool waits = shared->op.direct || shared->op.held != NULL;

    if (waits && !cadre__shared_all_consumed(shared, shared->op.start + shared->op.total))
        return cadre__shared_stalled(shared, call);
    if (shared->op.held != NULL)
        memcpy(call->recv, shared->op.held,
               cadre__pull_wanted(shared, call, call->rank).count);
    cadre__shared_end(shared, call, done);
    return CADRE_OK;
}

cadre_status cadre__pull_stream(cadre__shared *shared, cadre__coll_call *call,
                                bool may_read, bool *done)
{
    if (call->at == 0)
        CADRE_TRY(begin(shared, call, may_read));
    /* A chunk may be this rank's own source, which it reads before it is written over. */
    const size_t ahead = shared->crowded ? SHARED_DATA_BYTES / shared->op.chunk : AHEAD;
    while (call->at == 1) {
        bool moved = false, taken = false;

        while (shared->op.put < shared->op.mine &&
               shared->op.put < shared->op.taken + ahead && room(shared)) {
            put_chunk(shared, call);
            moved = true;
        }
        /* What is taken may replace this rank's own input: it is written before. */
        if (shared->op.put > shared->op.taken || shared->op.put == shared->op.mine)
            CADRE_TRY(take_chunk(shared, call, &taken));
        if (taken) {
            shared->op.taken++;
            shared_set(&shared->areas[shared->rank]->consumed,
                       shared->op.start + shared->op.taken);
            cadre__shared_wake(shared, call);
        }
        if (shared->op.taken == shared->op.total)
            call->at = 2;
        else if (!taken && !moved)
            return cadre__shared_stalled(shared, call);
    }
    return finish(shared, call, done);
}

static cadre_status pull(cadre__coll_call *call, bool may_read, bool *done)
{
    cadre__shared *shared = call->state_of_comm->shared;

    if (call->at == 0) {
        CADRE_TRY(cadre__shared_of(call, &shared));
        shared->op.is_short = cadre__pull_most(call) <= SHARED_INLINE_BYTES;
    }
    if (shared->op.is_short)
        return cadre__pull_inline(shared, call, done);
    return cadre__pull_stream(shared, call, may_read, done);
}

cadre_status cadre__shared_pull(cadre__coll_call *call, bool *done)
{
    return pull(call, false, done);
}

cadre_status cadre__shared_pull_read(cadre__coll_call *call, bool *done)
{
    return pull(call, true, done);
}
