/* coll/shared/stream.c - long messages of a node: chunks through areas, or a source read
 * where it stands.
 *
 * cost: through areas each byte is copied in once and taken once by whoever wants it;
 * chunks that are written while others are read keep both in a second-level cache. Of a
 * source in a shared heap, and by process_vm_readv(), there is no copy in, but all who
 * offer wait until all have taken.
 * reason: a flag per chunk instead of one at the end lets readers work while the writer
 * does; who writes waits for nobody as long as there is room.
 * A long broadcast whose source can be read where it stands is taken by the readers, and
 * given by the root meanwhile, chunk by chunk, so that two cores copy where one would
 * wait. source: pipelined copies in and out as in Graham and Shipman, 2008 (see
 * inline.c); reading by the kernel as in Goglin and Moreaud, "KNEM: a generic and
 * scalable kernel-assisted intra-node MPI communication framework", 2013. */
#include "coll/shared/pull.h"
#include "coll/state.h"

/* With a core for each rank: chunks of a first-level cache for short streams, larger ones
 * for longer streams. Chunks that another core has just read are slow to write, so the
 * whole area is used, round and round. Crowded: as few turns as possible. */
#define SHORT_CHUNK ((size_t)8 << 10)
#define MIDDLING_STREAM ((size_t)128 << 10)
#define MIDDLING_CHUNK ((size_t)32 << 10)
#define LONG_STREAM ((size_t)512 << 10)
#define LONG_CHUNK ((size_t)128 << 10)
#define CROWDED_CHUNK ((size_t)128 << 10)
/* Of what is read in other ranks' memory: a call of the kernel each. Where it is reduced,
 * or root and readers share the work, smaller parts do. */
#define READ_CHUNK ((size_t)1 << 20)
#define READ_PART ((size_t)128 << 10)
/* Chunks written before the first of others is taken. */
#define AHEAD 2
/* Shorter ones are not worth waiting until all have taken them. */
#define HEAP_BYTES ((size_t)16 << 10)
/* Read at once, for a reduction. */
#define READ_BLOCK ((size_t)32 << 10)
/* Reduced at once, then stored past the caches. */
#define SUM_BLOCK ((size_t)8 << 10)

enum { BEGINNING, MOVING, ENDING };

/* Where each rank leaves out its own part ranks begin at different places of the vector,
 * and with small chunks would wait for each other in turns. */
static size_t choose_chunk(const cadre__shared *shared, const cadre__coll_call *call,
                           bool reading)
{
    const size_t most = shared->op.most;

    if (reading)
        return cadre__collective_reduces(call->collective) || shared->op.split ? READ_PART
               : READ_CHUNK < shared->data_bytes ? READ_CHUNK
                                                 : shared->data_bytes;
    if (shared->crowded)
        return CROWDED_CHUNK;
    if (most >= LONG_STREAM || cadre__pull_keeps_own(call))
        return LONG_CHUNK;
    return most < MIDDLING_STREAM ? SHORT_CHUNK : MIDDLING_CHUNK;
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

static uint64_t locate(const cadre__shared *shared, const cadre__coll_call *call,
                       bool reading)
{
    if (cadre__pull_offered(shared, call, shared->rank) < HEAP_BYTES || !stays(call))
        return SOURCE_STAGED;
    return cadre__shared_locate(shared, shared->op.input, reading);
}

static void offer(cadre__shared *shared, const cadre__coll_call *call, bool reading)
{
    const uint64_t source = locate(shared, call, reading);

    if (!shared->op.agreed)
        post(shared, call, source);
    shared->op.direct = source != SOURCE_STAGED;
    if (!shared->op.direct)
        return;
    shared->op.put = shared->op.mine;
    shared_set(&shared->areas[shared->rank]->written,
               shared->op.start + shared->op.total);
    cadre__comm_wake_others(call->comm);
}

static void put_chunk(cadre__shared *shared, const cadre__coll_call *call)
{
    const size_t offered = cadre__pull_offered(shared, call, shared->rank);
    const size_t from = shared->op.put * shared->op.chunk;
    const size_t to =
        offered - from < shared->op.chunk ? offered : from + shared->op.chunk;
    char *chunk = shared_chunk(shared, shared->rank, shared->op.put);
    size_t skip_from = to, skip_to = to;

    if (cadre__pull_keeps_own(call)) {
        const cadre__span own = {shared->op.first[call->rank],
                                 shared->op.first[call->rank + 1]};
        skip_from = own.first < from ? from : own.first < to ? own.first : to;
        skip_to = own.count < skip_from ? skip_from : own.count < to ? own.count : to;
    }
    cadre__shared_store(shared, chunk, shared->op.input + from, skip_from - from);
    cadre__shared_store(shared, chunk + (skip_to - from), shared->op.input + skip_to,
                        to - skip_to);
    shared->op.put++;
    shared_set(&shared->areas[shared->rank]->written, shared->op.start + shared->op.put);
    cadre__comm_wake_others(call->comm);
    /* While it is still in a cache. */
    if (shared->op.kept != NULL)
        shared->op.copy(shared->op.kept + from, shared->op.input + from, to - from);
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
        *st = cadre__shared_mismatch(call, r);
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
            : shared_chunk(shared, r, index) + part.first - index * shared->op.chunk;
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
            shared_chunk(shared, r, index) + part.first - index * shared->op.chunk;
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
    const bool past_caches = shared->op.copy != cadre__shared_copy_plainly && !reads;
    const size_t most = past_caches ? SUM_BLOCK : reads ? READ_BLOCK : part.count;
    _Alignas(64) char sum[SUM_BLOCK];
    for (size_t at = 0; at < part.count; at += most) {
        const cadre__span piece = {part.first + at,
                                   part.count - at < most ? part.count - at : most};
        char *to = shared->op.output + piece.first - origin;

        for (int r = 0; r < n; r++)
            CADRE_TRY(source_of(shared, call, r, index, piece, scratch));
        cadre__shared_reduce(call, past_caches ? sum : to, shared->op.source, n,
                             piece.count / call->element_bytes);
        if (past_caches)
            shared->op.copy(to, sum, piece.count);
    }
    return CADRE_OK;
}

/* Take chunk op.taken of all streams, as far as it is there. */
static cadre_status take_chunk(cadre__shared *shared, const cadre__coll_call *call,
                               bool *taken)
{
    const size_t index = shared->op.taken;
    const bool reduces = cadre__collective_reduces(call->collective);
    cadre_status st = CADRE_OK;

    for (int r = shared->op.next; r < shared->n; shared->op.next = ++r) {
        const cadre__span wanted = part_of(shared, call, r, index);

        if (wanted.count == 0 || r == shared->rank)
            continue;
        if (!offered(shared, call, r, index, &st))
            return st;
        if (!reduces)
            CADRE_TRY(take_copied(shared, call, index, r, wanted));
    }
    if (reduces) {
        const cadre__span part = part_of(shared, call, shared->rank, index);

        if (part.count > 0)
            CADRE_TRY(take_reduced(shared, call, index, part));
    }
    shared->op.next = 0;
    *taken = true;
    return CADRE_OK;
}

/* ---- A broadcast by its root and its readers ---- */

/* Let the root write into this rank's buffer. */
static void invite(cadre__shared *shared, bool reading)
{
    shared_area *area = shared->areas[shared->rank];

    shared_set(&area->posted, 0); /* as in post() */
    shared_set(&area->recv, cadre__shared_locate(shared, shared->op.output, reading));
    shared_set(&area->given, 0);
    shared_set(&area->claimed, shared->epoch << 32);
}

/* The next chunk of what goes to rank r that nobody works on; false: there is none, or
 * the rank is not, or no longer, in this operation. */
static bool claim(const cadre__shared *shared, int r, uint64_t *recv, size_t *index)
{
    _Atomic uint64_t *claimed = &shared->areas[r]->claimed;
    uint64_t next = shared_get(claimed);

    do {
        if (next >> 32 != (uint32_t)shared->epoch || (uint32_t)next >= shared->op.total)
            return false;
        *index = (uint32_t)next;
        *recv = shared_get(&shared->areas[r]->recv);
        if (r != shared->rank && *recv % 4 == SOURCE_STAGED)
            return false;
    } while (!atomic_compare_exchange_weak(claimed, &next, next + 1));
    return true;
}

/* The root writes one chunk for each reader that has some left. */
static cadre_status give(cadre__shared *shared, const cadre__coll_call *call, bool *moved)
{
    size_t index;
    uint64_t recv;

    for (int r = 0; r < shared->n; r++) {
        if (r == shared->rank || !claim(shared, r, &recv, &index))
            continue;
        const cadre__span part =
            cadre__segment((cadre__span){0, call->bytes}, shared->op.chunk, index);
        const char *from = shared->op.input + part.first;

        if (recv % 4 == SOURCE_READ)
            CADRE_TRY(
                cadre__shared_write(shared, r, recv / 4 + part.first, from, part.count));
        else
            shared->op.copy(shared->heaps[r] + recv / 4 + part.first, from, part.count);
        atomic_fetch_add(&shared->areas[r]->given, 1);
        cadre__comm_wake_others(call->comm);
        *moved = true;
    }
    return CADRE_OK;
}

static void end_split(cadre__shared *shared, const cadre__coll_call *call)
{
    shared_set(&shared->areas[shared->rank]->consumed,
               shared->op.start + shared->op.total);
    cadre__comm_wake_others(call->comm);
    shared->op.phase = ENDING;
}

/* A reader takes what the root does not give. */
static cadre_status take_split(cadre__shared *shared, const cadre__coll_call *call,
                               bool *moved)
{
    const shared_area *mine = shared->areas[shared->rank];
    size_t index;
    uint64_t recv;

    *moved = claim(shared, shared->rank, &recv, &index);
    if (*moved) {
        const cadre__span part =
            cadre__segment((cadre__span){0, call->bytes}, shared->op.chunk, index);
        shared->op.put++; /* nothing else is put here */
        return take_copied(shared, call, index, call->root, part);
    }
    if (shared->op.put + shared_get(&mine->given) < shared->op.total)
        return CADRE_OK;
    end_split(shared, call);
    *moved = true;
    return CADRE_OK;
}

static cadre_status split(cadre__shared *shared, const cadre__coll_call *call,
                          bool *moved)
{
    cadre_status st = CADRE_OK;

    *moved = false;
    if (call->rank != call->root) {
        if (!offered(shared, call, call->root, 0, &st))
            return st;
        shared->op.split = shared->op.posted[call->root] % 4 != SOURCE_STAGED;
        *moved = true;
        return shared->op.split ? take_split(shared, call, moved) : CADRE_OK;
    }
    CADRE_TRY(give(shared, call, moved));
    if (cadre__shared_all_consumed(shared, shared->op.start + shared->op.total)) {
        end_split(shared, call);
        *moved = true;
    }
    return CADRE_OK;
}

/* ---- Both ---- */

static void begin(cadre__shared *shared, cadre__coll_call *call, bool may_read)
{
    const bool reading = may_read && shared->can_read;

    shared->op.split = call->collective == CADRE_BROADCAST && call->bytes >= HEAP_BYTES;
    const size_t chunk = choose_chunk(shared, call, reading);
    shared->op.copy = cadre__shared_copier(call);
    shared->op.chunk = chunk;
    shared->op.put = shared->op.taken = 0;
    shared->op.next = 0;
    shared->op.mine = chunks_of(shared, cadre__pull_offered(shared, call, shared->rank));
    shared->op.total = chunks_of(shared, shared->op.most);
    cadre__shared_reserve(shared, chunk);
    for (int r = 0; r < shared->n; r++)
        shared->op.posted[r] = UINT64_MAX;
    if (shared->op.split && call->rank != call->root)
        invite(shared, reading);
    offer(shared, call, reading);
    if (call->rank == call->root)
        shared->op.split = shared->op.split && shared->op.direct;
    shared->op.kept = NULL;
    if (call->collective == CADRE_ALLGATHER && call->send != CADRE_IN_PLACE &&
        !shared->op.direct)
        shared->op.kept = cadre__pull_place(shared, call, call->rank);
    else
        cadre__pull_own(shared, call);
    shared->op.phase = MOVING;
}

static cadre_status finish(cadre__shared *shared, cadre__coll_call *call, bool *done)
{
    const bool waits = shared->op.direct || shared->op.held != NULL;

    if (waits && !cadre__shared_all_consumed(shared, shared->op.start + shared->op.total))
        return cadre__shared_stalled(shared, call);
    if (shared->op.held != NULL)
        memcpy(call->recv, shared->op.held,
               cadre__pull_wanted(shared, call, call->rank).count);
    cadre__shared_end(shared, done);
    return CADRE_OK;
}

static cadre_status go(cadre__shared *shared, cadre__coll_call *call, bool may_read,
                       bool *done)
{
    if (shared->op.phase == BEGINNING)
        begin(shared, call, may_read);
    /* A chunk may be this rank's own source, which it reads before it is written over. */
    const size_t ahead = shared->crowded ? shared->op.slots : AHEAD;
    while (shared->op.phase == MOVING) {
        bool moved = false, taken = false;

        if (shared->op.split) {
            CADRE_TRY(split(shared, call, &moved));
            if (!moved)
                return cadre__shared_stalled(shared, call);
            continue;
        }
        while (shared->op.put < shared->op.mine &&
               shared->op.put < shared->op.taken + ahead && cadre__shared_room(shared)) {
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
            cadre__comm_wake_others(call->comm);
        }
        if (shared->op.taken == shared->op.total)
            shared->op.phase = ENDING;
        else if (!taken && !moved)
            return cadre__shared_stalled(shared, call);
    }
    return finish(shared, call, done);
}

cadre_status cadre__pull_stream(cadre__shared *shared, cadre__coll_call *call,
                                bool may_read, bool *done)
{
    return shared->op.is_short || shared->op.swaps
               ? cadre__pull_inline(shared, call, done)
               : go(shared, call, may_read, done);
}

/* ---- The rows ---- */

enum { BEGIN, AGREE, GO };

cadre_status cadre__pull_begin(cadre__shared *shared, const cadre__coll_call *call,
                               bool may_read)
{
    const size_t most = cadre__pull_most(call);

    cadre__shared_begin(shared);
    shared->op.most = most;
    shared->op.is_short = most <= SHARED_INLINE_BYTES;
    shared->op.swaps =
        cadre__pull_swaps(call, most) && (shared->op.is_short || !may_read);
    shared->op.agreed = false;
    return cadre__pull_prepare(shared, call);
}

/* Two ranks swap what either would have to copy into its area. Where the sources of both
 * are in heaps, each takes the other's there instead. So each posts where its source is;
 * who has to copy it need not look. */
static bool may_agree(cadre__shared *shared, cadre__coll_call *call)
{
    if (!shared->op.swaps || shared->op.most < HEAP_BYTES)
        return false;

    const uint64_t source = locate(shared, call, false);
    post(shared, call, source);
    cadre__comm_wake_others(call->comm);
    shared->op.agreed = true;
    return source % 4 == SOURCE_HEAP;
}

static cadre_status agree(cadre__shared *shared, cadre__coll_call *call)
{
    const int other = 1 - shared->rank;
    const shared_area *area = shared->areas[other];
    const uint64_t expected = shared_stamp(shared, call);
    const uint64_t stamp = shared_get(&area->posted);

    if (stamp != expected)
        return stamp >> 32 == expected >> 32 ? cadre__shared_mismatch(call, other)
                                             : cadre__shared_stalled(shared, call);
    shared->op.swaps = shared_get(&area->send) % 4 != SOURCE_HEAP;
    call->at = GO;
    return CADRE_OK;
}

static cadre_status pull(cadre__coll_call *call, bool may_read, bool *done)
{
    cadre__shared *shared = call->state_of_comm->shared;

    if (call->at == BEGIN) {
        CADRE_TRY(cadre__shared_of(call, &shared));
        CADRE_TRY(cadre__pull_begin(shared, call, may_read));
        call->at = may_agree(shared, call) ? AGREE : GO;
    }
    if (call->at == AGREE)
        CADRE_TRY(agree(shared, call));
    return call->at == GO ? cadre__pull_stream(shared, call, may_read, done) : CADRE_OK;
}

cadre_status cadre__shared_pull(cadre__coll_call *call, bool *done)
{
    return pull(call, false, done);
}

cadre_status cadre__shared_pull_read(cadre__coll_call *call, bool *done)
{
    return pull(call, true, done);
}
