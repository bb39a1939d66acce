/* coll/shared/control.h - what the direct algorithms stand on: flags and data areas in
 * memory that all ranks of a comm have mapped. For this folder only.
 *
 * Each rank has an area that only it writes, but for `claimed`, `given`, `arrived` and
 * the slot that two ranks swap. In it: slots for short messages, flags for streams of
 * chunks, that slot if there are two ranks, and the chunks. What
 * different ranks wait for stands on different pairs of cache lines (neighbours are
 * fetched in pairs).
 *
 * Operations of a comm that come here take turns in the order of their start, so all
 * ranks count them alike: `epoch`. A stamp is (epoch, signature of the call), so that a
 * rank that came with another call is seen where its stamp is looked at.
 *
 * A rank may run ahead of others. A slot is written again only after all ranks have left
 * the operation that used it SLOTS epochs before (`left`), a chunk only after all have
 * consumed what was in it (`consumed`).
 */
#ifndef CADRE_COLL_SHARED_CONTROL_H
#define CADRE_COLL_SHARED_CONTROL_H

#include "coll/shared/shared.h"
#include "coll/state.h"
#include "comm/internal.h"
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#define SHARED_LINE 128
#define SHARED_SLOTS 8
#define SHARED_INLINE_BYTES 4096
#define SHARED_SLOT_BYTES (SHARED_LINE + SHARED_INLINE_BYTES)
#define SHARED_CONTROL_BYTES ((size_t)64 << 10)
/* Of a message that two ranks swap. */
#define SHARED_SWAP_BYTES (CADRE__SWAP_BYTES - 4096)

/* How the others get at a rank's source: chunks of its area, its shared heap, or its own
 * memory. */
enum { SOURCE_STAGED, SOURCE_HEAP, SOURCE_READ };

/* A short message: the stamp, and behind it the data, so that up to 56 bytes come with
 * one cache line; more begin with the next line. */
typedef struct shared_slot {
    _Alignas(SHARED_LINE) _Atomic uint64_t stamp;
    char rest[SHARED_SLOT_BYTES - sizeof(uint64_t)];
} shared_slot;

typedef struct shared_area {
    _Alignas(SHARED_LINE) _Atomic uint64_t left; /* epoch */

    /* A stream: positions of chunks that may be read, and where the source is. */
    _Alignas(SHARED_LINE) _Atomic uint64_t written;
    _Atomic uint64_t posted;     /* stamp of what follows; 0: being changed */
    _Atomic uint64_t send, recv; /* 4 x (offset in the heap, or address) + kind */

    /* Of who takes a broadcast that the root writes in part: epoch << 32 and the next
     * chunk that nobody works on; and how many the root has written. */
    _Alignas(SHARED_LINE) _Atomic uint64_t claimed;
    _Atomic uint64_t given;

    _Alignas(SHARED_LINE) _Atomic uint64_t reduced;  /* positions whose result is there */
    _Alignas(SHARED_LINE) _Atomic uint64_t consumed; /* positions read, of all ranks */
    struct {
        _Alignas(SHARED_LINE) _Atomic uint64_t epoch; /* of a barrier */
    } came[2];                                        /* in turns */
    _Alignas(SHARED_LINE) _Atomic uint64_t
        arrived; /* rank 0's: at barriers, of all ranks, ever */

    shared_slot slots[SHARED_SLOTS];
} shared_area;

/* A comm's side of it on this rank. */
typedef struct cadre__shared {
    int n, rank;
    bool crowded, can_read;
    shared_area **areas; /* [n] */
    char **heaps;        /* [n] */
    size_t heap_bytes;
    size_t swap_bytes; /* in front of the chunks of each area; 0: not two ranks */
    size_t data_bytes; /* of chunks, in each area */
    int *pids;         /* [n] */

    uint64_t epoch;    /* of the operation that was begun last */
    uint64_t all_left; /* an epoch that all ranks have left */
    uint64_t position; /* chunk positions given out to operations so far */
    uint64_t all_consumed;
    uint64_t barriers;
    uint64_t swaps;     /* between two ranks, so far */
    bool populated;     /* the chunks of all areas have been mapped */
    uint64_t floor;     /* before anything is written, all have consumed so far */
    size_t chunk_bytes; /* of the last stream */
    unsigned in_vain;   /* looks since something happened */
    char *scratch[2];   /* grown as needed */
    size_t scratch_bytes[2];

    /* How this rank stores into its area: as usual (0), or past the caches (1). */
    struct {
        int way;
        double byte_ns[2]; /* what it took lately; 0: not tried yet */
        unsigned age;      /* timed copies since the other way was tried */
        unsigned count;    /* of copies that are long enough to be timed */
    } storing;

    /* The operation whose turn it is. */
    struct {
        size_t *first;       /* [n + 1] where the ranks' blocks begin, in bytes */
        const char **source; /* [n] */
        uint64_t *posted;    /* [n] as in areas; 0: not known yet */
        uint64_t start;      /* its first position */
        size_t chunk, slots; /* bytes; how many before they are written over */
        size_t put, mine;    /* chunks of this rank's stream written, and in all */
        size_t taken, total; /* chunks of all streams */
        size_t reduced;
        bool split;    /* a broadcast that its root may write in part */
        int phase;     /* 0 at the start, then as the way likes */
        int next, end; /* rank to go on with, and after the last */
        size_t most;   /* bytes, of all streams the longest */
        bool is_short; /* through slots */
        size_t lead;   /* where in a slot the data begin */
        bool swaps;    /* through slots that two ranks write in turns */
        bool agreed;   /* posted already, to agree on that */
        bool wake_due; /* something was made visible, and nobody woken yet */
        bool apart;    /* some buffers are in no heap */
        bool direct;   /* this rank's source is read where it stands */
        void (*copy)(void *to, const void *from, size_t bytes); /* of results */
        const char *input;
        char *output;
        char *kept; /* where this rank's own stream goes, too; NULL: nowhere */
        char *held; /* the result, while others may still read what it will replace */
    } op;
} cadre__shared;

/* Of a comm whose ranks share memory; made at the first call. CADRE_ERR_NOMEM. */
cadre_status cadre__shared_make(cadre__coll_state *state, cadre_comm *comm);
static inline cadre_status cadre__shared_of(const cadre__coll_call *call,
                                            cadre__shared **out)
{
    cadre__coll_state *state = call->state_of_comm;

    if (__builtin_expect(state->shared == NULL, 0))
        CADRE_TRY(cadre__shared_make(state, call->comm));
    *out = state->shared;
    return CADRE_OK;
}

/* Begin the operation whose turn it is: the next epoch. End it: nothing of others is
 * looked at any more. */
void cadre__shared_begin(cadre__shared *shared);
void cadre__shared_end(cadre__shared *shared, bool *done);

/* There is nothing to do until another rank has done something. Fails if that will never
 * be, since it is in another call. */
cadre_status cadre__shared_stalled(cadre__shared *shared, const cadre__coll_call *call);

/* Fail: rank came with another call. */
cadre_status cadre__shared_mismatch(const cadre__coll_call *call, int rank);

/* At least so many bytes for what is kept during an operation, or what is passing
 * through; contents undefined. NULL: no memory. */
enum { SCRATCH_KEPT, SCRATCH_PASSING };
char *cadre__shared_scratch(cadre__shared *shared, int which, size_t bytes);

/* Where others find memory of this rank: in its heap; if they read each other's memory,
 * at its address; else nowhere, SOURCE_STAGED. As in shared_area.send. */
uint64_t cadre__shared_locate(const cadre__shared *shared, const void *memory,
                              bool reading);

/* Copy from another rank's memory, by process_vm_readv(), or into it. */
cadre_status cadre__shared_read(const cadre__shared *shared, int rank, void *to,
                                uint64_t from, size_t bytes);
cadre_status cadre__shared_write(const cadre__shared *shared, int rank, uint64_t to,
                                 const void *from, size_t bytes);

/* Copy into this rank's area, where others will read. Where the host has laid that
 * memory, each store to a line that another core has read may take ten times as long as
 * on a better day: then it is stored past the caches, which takes the others longer to
 * read, but no longer than usual. Which way is better is found by timing. */
void cadre__shared_store(cadre__shared *shared, void *to, const void *from, size_t bytes);
bool cadre__shared_stores_plainly(const cadre__shared *shared);

/* How results are stored: past the caches if the buffers of all ranks would not stay
 * there. */
typedef void shared_copy_fn(void *to, const void *from, size_t bytes);
shared_copy_fn *cadre__shared_copier(const cadre__coll_call *call);
shared_copy_fn cadre__shared_copy_plainly; /* what it is otherwise */

/* Give the operation its positions, of op.total chunks of so many bytes. */
void cadre__shared_reserve(cadre__shared *shared, size_t chunk);

/* Where the index-th chunk of the operation is in the area of a rank. */
static inline char *shared_chunk(const cadre__shared *shared, int rank, size_t index);

/* Whether the chunk that this rank writes next, op.put, may be written over what was
 * there.
 */
bool cadre__shared_room(cadre__shared *shared);

/* Whether all other ranks have consumed all positions below this one. */
bool cadre__shared_all_consumed(cadre__shared *shared, uint64_t position);

/* out = the reduction of n_sources vectors in that order; each, and out, of count
 * elements; out may be any of them. */
void cadre__shared_reduce(const cadre__coll_call *call, char *out,
                          const char *const *sources, int n_sources, size_t count);

static inline uint64_t shared_stamp(const cadre__shared *shared,
                                    const cadre__coll_call *call)
{
    return shared->epoch << 32 | call->signature;
}

static inline char *shared_data(const cadre__shared *shared, int rank)
{
    return (char *)shared->areas[rank] + SHARED_CONTROL_BYTES + shared->swap_bytes;
}

static inline char *shared_chunk(const cadre__shared *shared, int rank, size_t index)
{
    return shared_data(shared, rank) +
           (shared->op.start + index) % shared->op.slots * shared->op.chunk;
}

/* Fetch lines that will be written soon, while there is something else to do: they were
 * read by another core since they were written last. */
static inline void shared_fetch(const void *memory, size_t bytes)
{
#if defined(__x86_64__)
    for (size_t at = 0; at < bytes; at += 64)
        __asm__ volatile("prefetchw %0" : : "m"(((const char *)memory)[at]));
#else
    (void)memory;
    (void)bytes;
#endif
}

static inline uint64_t shared_get(const _Atomic uint64_t *flag)
{
    return atomic_load_explicit(flag, memory_order_acquire);
}

static inline void shared_set(_Atomic uint64_t *flag, uint64_t value)
{
    atomic_store_explicit(flag, value, memory_order_release);
}

#endif
