/* coll/shared/control.c - turns, flags and sentences of operations in shared memory. */
#include "coll/shared/control.h"
#include "coll/last.h"
#include "coll/state.h"
#include "comm/internal.h"
#include "core/memory.h"
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>

_Static_assert(sizeof(shared_area) <= SHARED_CONTROL_BYTES, "flags and slots fit");

/* Looks in vain between two looks at what the other ranks do. */
#define LOOKS_PER_CHECK 256

/* Less than the shared caches of most servers: a copy past the caches is right where what
 * is stored would be gone before it is read again, and slow where it would not. */
#define CACHE_BYTES ((size_t)32 << 20)

/* Stores into an area: of so long copies one in so many is timed (not the first of each
 * operation alone: nobody has read lately what it writes over); slower ones than this are
 * suspicious, and the other way is tried; it is better if it takes so many times less,
 * and tried again after so many that were timed. */
#define TIMED_BYTES ((size_t)8 << 10)
#define ONE_IN 4
#define SUSPICIOUS_NS 0.12
#define MUCH_FASTER 2
#define TRY_AGAIN 8
#define TRY_AGAIN_SLOW 128
#define LONGEST_NS 1.0 /* per byte; more was an interruption */

/* Elements that are reduced at once stay in a first-level cache. */
#define REDUCE_BLOCK_BYTES 8192

static void destroy(void *memory)
{
    cadre__shared *shared = memory;

    if (shared == NULL)
        return;
    cadre__free(shared->areas);
    cadre__free(shared->heaps);
    cadre__free(shared->pids);
    cadre__free(shared->scratch[SCRATCH_KEPT]);
    cadre__free(shared->scratch[SCRATCH_PASSING]);
    cadre__free(shared->op.first);
    cadre__free(shared->op.source);
    cadre__free(shared->op.posted);
    cadre__free(shared);
}

static void fill(cadre__shared *shared, cadre_comm *comm)
{
    shared->rank = cadre_comm_rank(comm);
    shared->crowded = cadre__comm_crowded(comm);
    shared->can_read = cadre__comm_can_read(comm);
    shared->heap_bytes = cadre__comm_heap_bytes(comm);
    shared->swap_bytes = shared->n == 2 ? CADRE__SWAP_BYTES : 0;
    shared->data_bytes =
        cadre__comm_area_bytes(comm) - SHARED_CONTROL_BYTES - shared->swap_bytes;
    for (int r = 0; r < shared->n; r++) {
        shared->areas[r] = (shared_area *)(void *)cadre__comm_area(comm, r);
        shared->heaps[r] = cadre__comm_heap(comm, r);
        shared->pids[r] = cadre__comm_pid(comm, r);
    }
}

cadre_status cadre__shared_make(cadre__coll_state *state, cadre_comm *comm)
{
    cadre__shared *shared = cadre__alloc(sizeof *shared);

    if (shared == NULL)
        return CADRE_ERR_NOMEM;
    shared->n = cadre_comm_size(comm);
    const size_t n = (size_t)shared->n;
    shared->areas = cadre__alloc_n(n, sizeof *shared->areas);
    shared->heaps = cadre__alloc_n(n, sizeof *shared->heaps);
    shared->pids = cadre__alloc_n(n, sizeof *shared->pids);
    shared->op.first = cadre__alloc_n(n + 1, sizeof *shared->op.first);
    shared->op.source = cadre__alloc_n(n, sizeof *shared->op.source);
    shared->op.posted = cadre__alloc_n(n, sizeof *shared->op.posted);
    if (shared->areas == NULL || shared->heaps == NULL || shared->pids == NULL ||
        shared->op.first == NULL || shared->op.source == NULL ||
        shared->op.posted == NULL) {
        destroy(shared);
        return CADRE_ERR_NOMEM;
    }
    fill(shared, comm);
    state->shared = shared;
    state->destroy_shared = destroy;
    return CADRE_OK;
}

/* ---- An operation ---- */

void cadre__shared_begin(cadre__shared *shared)
{
    shared->epoch++;
    shared->in_vain = 0;
    shared->op.phase = 0;
}

void cadre__shared_end(cadre__shared *shared, bool *done)
{
    shared_set(&shared->areas[shared->rank]->left, shared->epoch);
    *done = true;
}

cadre_status cadre__shared_mismatch(const cadre__coll_call *call, int rank)
{
    const cadre__last mine = cadre__last_from(call);
    cadre__last last;
    char theirs[160] = "another", ours[160];

    if (cadre__last_of(call->comm, rank, &last))
        cadre__last_describe(&last, theirs, sizeof theirs);
    return cadre_fail(
        CADRE_ERR_ARG,
        "rank %d on %s called %s, and this rank, %d, %s: all ranks make the "
        "same calls in the same order",
        rank, cadre_comm_host_of(call->comm, rank), theirs, call->rank,
        cadre__last_describe(&mine, ours, sizeof ours));
}

/* A rank whose operation of this number is not ours; -1: none. */
static int other_call(const cadre__coll_call *call)
{
    cadre__last last;

    for (int r = 0; r < call->size; r++) {
        if (cadre__last_of(call->comm, r, &last) && last.number == call->number &&
            last.signature != call->signature)
            return r;
    }
    return -1;
}

cadre_status cadre__shared_stalled(cadre__shared *shared, const cadre__coll_call *call)
{
    if (++shared->in_vain % LOOKS_PER_CHECK != 0)
        return CADRE_OK;
    const int other = other_call(call);
    return other < 0 ? CADRE_OK : cadre__shared_mismatch(call, other);
}

cadre_status cadre__shared_timed_out(const cadre__coll_call *call)
{
    char list[256] = "";
    size_t used = 0;
    int left_out = 0;
    cadre__last last;
    const int other = other_call(call);

    if (other >= 0)
        return cadre__shared_mismatch(call, other);
    for (int r = 0; r < call->size; r++) {
        if (!cadre__last_of(call->comm, r, &last) ||
            (int32_t)(last.number - call->number) >= 0)
            continue;
        if (used + 96 > sizeof list)
            left_out++;
        else
            used += (size_t)snprintf(list + used, sizeof list - used, "%srank %d on %s",
                                     used > 0 ? ", " : "", r,
                                     cadre_comm_host_of(call->comm, r));
    }
    if (used == 0)
        return cadre_fail(CADRE_ERR_TIMEOUT,
                          "deadline passed; all ranks of the node have "
                          "come, and some are still at work");
    if (left_out > 0)
        return cadre_fail(CADRE_ERR_TIMEOUT,
                          "deadline passed, waiting for %s and %d more", list, left_out);
    return cadre_fail(CADRE_ERR_TIMEOUT, "deadline passed, waiting for %s", list);
}

/* ---- Data ---- */

char *cadre__shared_scratch(cadre__shared *shared, int which, size_t bytes)
{
    if (shared->scratch_bytes[which] >= bytes && bytes > 0)
        return shared->scratch[which];
    cadre__free(shared->scratch[which]);
    shared->scratch[which] = cadre__alloc(bytes);
    shared->scratch_bytes[which] = shared->scratch[which] != NULL ? bytes : 0;
    return shared->scratch[which];
}

uint64_t cadre__shared_locate(const cadre__shared *shared, const void *memory,
                              bool reading)
{
    const char *heap = shared->heaps[shared->rank];
    const uintptr_t address = (uintptr_t)memory, base = (uintptr_t)heap;

    if (heap != NULL && address >= base && address - base < shared->heap_bytes)
        return 4 * (uint64_t)(address - base) + SOURCE_HEAP;
    return reading ? 4 * (uint64_t)address + SOURCE_READ : SOURCE_STAGED;
}

/* Between here and rank's memory there, all of it. */
static cadre_status move(const cadre__shared *shared, int rank, void *here,
                         uint64_t there, size_t bytes, bool write)
{
    size_t got = 0;

    while (got < bytes) {
        const struct iovec mine = {(char *)here + got, bytes - got};
        const struct iovec theirs = {(char *)(uintptr_t)there + got, bytes - got};
        const pid_t pid = shared->pids[rank];
        const ssize_t n = write ? process_vm_writev(pid, &mine, 1, &theirs, 1, 0)
                                : process_vm_readv(pid, &mine, 1, &theirs, 1, 0);

        if (n <= 0)
            return cadre_fail(CADRE_ERR_IO, "%s %zu bytes of rank %d's memory: %s",
                              write ? "writing" : "reading", bytes - got, rank,
                              n < 0 ? strerror(errno) : "none moved");
        got += (size_t)n;
    }
    return CADRE_OK;
}

cadre_status cadre__shared_read(const cadre__shared *shared, int rank, void *to,
                                uint64_t from, size_t bytes)
{
    return move(shared, rank, to, from, bytes, false);
}

cadre_status cadre__shared_write(const cadre__shared *shared, int rank, uint64_t to,
                                 const void *from, size_t bytes)
{
    return move(shared, rank, (void *)(uintptr_t)from, to, bytes, true);
}

/* ---- Storing into an area ---- */

/* The way in which the next copy is timed: now and then the other one. */
static int way_to_time(cadre__shared *shared)
{
    const bool usual = shared->storing.way == 0;
    const bool never = shared->storing.byte_ns[1] == 0;

    if (usual && shared->storing.byte_ns[0] < SUSPICIOUS_NS)
        return 0;
    if (++shared->storing.age < (usual ? TRY_AGAIN : TRY_AGAIN_SLOW) && !never)
        return shared->storing.way;
    shared->storing.age = 0;
    return usual;
}

static void learn_way(cadre__shared *shared, int way, double byte_ns)
{
    double *known = shared->storing.byte_ns;

    if (byte_ns > LONGEST_NS)
        byte_ns = LONGEST_NS;
    known[way] = way == shared->storing.way && known[way] > 0 ? (known[way] + byte_ns) / 2
                                                              : byte_ns;
    shared->storing.way =
        known[1] > 0 && known[0] > SUSPICIOUS_NS && known[0] > MUCH_FASTER * known[1];
}

static void store(int way, void *to, const void *from, size_t bytes)
{
    if (way == 0)
        memcpy(to, from, bytes);
    else
        cadre_ops_get()->copy_stream(to, from, bytes);
}

void cadre__shared_store(cadre__shared *shared, void *to, const void *from, size_t bytes)
{
    if (bytes < TIMED_BYTES || shared->storing.count++ % ONE_IN != 0) {
        store(shared->storing.way, to, from, bytes);
        return;
    }
    const int way = way_to_time(shared);
    const int64_t start = cadre_clock_ns();

    store(way, to, from, bytes);
    learn_way(shared, way, (double)(cadre_clock_ns() - start) / (double)bytes);
}

bool cadre__shared_stores_plainly(const cadre__shared *shared)
{
    return shared->storing.way == 0;
}

/* Bytes of all buffers of all ranks of a call. */
static size_t buffers_of(const cadre__coll_call *call)
{
    const size_t n = (size_t)call->size, bytes = call->bytes;

    switch (call->collective) {
    case CADRE_BROADCAST:
        return n * bytes;
    case CADRE_REDUCE:
    case CADRE_REDUCE_SCATTER:
        return (n + 1) * bytes;
    case CADRE_ALLGATHER:
        return call->counts != NULL ? (n + 1) * bytes : (n + 1) * n * bytes;
    case CADRE_ALLTOALL:
        return call->counts != NULL ? 2 * n * bytes : 2 * n * n * bytes;
    default:
        return 2 * n * bytes;
    }
}

void cadre__shared_copy_plainly(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

shared_copy_fn *cadre__shared_copier(const cadre__coll_call *call)
{
    return buffers_of(call) >= CACHE_BYTES ? cadre_ops_get()->copy_stream
                                           : cadre__shared_copy_plainly;
}

bool cadre__shared_all_consumed(cadre__shared *shared, uint64_t position)
{
    if (shared->all_consumed >= position)
        return true;
    uint64_t least = UINT64_MAX;
    for (int r = 0; r < shared->n; r++) {
        const uint64_t consumed = shared_get(&shared->areas[r]->consumed);
        if (r != shared->rank && consumed < least)
            least = consumed;
    }
    shared->all_consumed = least;
    return least >= position;
}

/* Page faults, of which each rank has one for each page of each area, all at once rather
 * than one by one in the first operations. Older kernels cannot: then one by one. */
static void populate(cadre__shared *shared)
{
#ifdef MADV_POPULATE_WRITE
    for (int r = 0; r < shared->n; r++)
        (void)madvise(shared_data(shared, r), shared->data_bytes, MADV_POPULATE_WRITE);
#endif
    shared->populated = true;
}

void cadre__shared_reserve(cadre__shared *shared, size_t chunk)
{
    if (!shared->populated)
        populate(shared);
    if (chunk != shared->chunk_bytes)
        shared->floor = shared->position;
    shared->chunk_bytes = shared->op.chunk = chunk;
    shared->op.slots = shared->data_bytes / chunk;
    shared->op.start = shared->position;
    shared->position += shared->op.total;
}

bool cadre__shared_room(cadre__shared *shared)
{
    const uint64_t next = shared->op.start + shared->op.put + 1;
    const uint64_t before = next > shared->op.slots ? next - shared->op.slots : 0;

    return cadre__shared_all_consumed(shared,
                                      before > shared->floor ? before : shared->floor);
}

static void reduce_block(const cadre__coll_call *call, char *out,
                         const char *const *sources, int n_sources, size_t offset,
                         size_t count)
{
    _Alignas(64) char sum[REDUCE_BLOCK_BYTES];
    const char *a = sources[0] + offset;

    for (int i = 1; i < n_sources; i++) {
        char *to = i == n_sources - 1 ? out + offset : sum;

        call->combine(to, a, sources[i] + offset, count);
        a = sum;
    }
    if (n_sources == 1 && out != sources[0])
        memcpy(out + offset, a, count * call->element_bytes);
    if (call->reduction == CADRE_AVG)
        cadre__divide(call->dtype, out + offset, count, call->size);
}

void cadre__shared_reduce(const cadre__coll_call *call, char *out,
                          const char *const *sources, int n_sources, size_t count)
{
    const size_t most = REDUCE_BLOCK_BYTES / call->element_bytes;

    if (n_sources == 2 && call->reduction != CADRE_AVG) {
        call->combine(out, sources[0], sources[1], count);
        return;
    }
    for (size_t at = 0; at < count; at += most)
        reduce_block(call, out, sources, n_sources, at * call->element_bytes,
                     count - at < most ? count - at : most);
}
