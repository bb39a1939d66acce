/* coll/coll.c - the one checked path from arguments to a call, and the public functions
 * for each collective.
 *
 * Everything that one rank can see to be wrong is refused here, before any message.
 */
#include "coll/choice.h"
#include "coll/run.h"
#include "coll/schedule.h"
#include "coll/state.h"
#include "comm/internal.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What a rank's buffers hold, in elements. */
typedef struct extents {
    size_t send, recv;
    bool send_in_place, recv_in_place; /* whether CADRE_IN_PLACE means something */
} extents;

/* Collectives whose count without counts is that of each rank's block. */
static bool has_blocks(cadre_collective collective)
{
    return collective == CADRE_GATHER || collective == CADRE_SCATTER ||
           collective == CADRE_ALLGATHER || collective == CADRE_ALLTOALL;
}

/* ---- Checks ---- */

static cadre_status sum_of(const cadre__coll_call *call, const size_t *counts,
                           size_t *out)
{
    size_t all = 0;

    for (int r = 0; r < call->size; r++) {
        if (__builtin_add_overflow(all, counts[r], &all))
            return cadre_fail(CADRE_ERR_RANGE, "%s: the counts overflow at rank %d",
                              cadre__collective_name(call->collective), r);
    }
    *out = all;
    return CADRE_OK;
}

static cadre_status check_bytes(const cadre__coll_call *call, size_t count, size_t blocks)
{
    size_t bytes, all;

    /* Twice the bytes must fit too, so that algorithms can add offsets without
     * checking. */
    if (__builtin_mul_overflow(count, call->element_bytes, &bytes) ||
        __builtin_mul_overflow(bytes, blocks, &all) || all > SIZE_MAX / 4)
        return cadre_fail(CADRE_ERR_RANGE, "%s of %zu x %zu %s elements",
                          cadre__collective_name(call->collective), blocks, count,
                          cadre_dtype_name(call->dtype));
    return CADRE_OK;
}

static cadre_status check_counts(cadre__coll_call *call, const cadre_coll_args *args)
{
    const char *name = cadre__collective_name(call->collective);
    const bool split = has_blocks(call->collective);
    size_t arriving = 0;

    call->count = args->count;
    if (args->counts == NULL) {
        if (args->recv_counts != NULL)
            return cadre_fail(CADRE_ERR_ARG, "%s: recv_counts without counts", name);
        CADRE_TRY(check_bytes(call, call->count, split ? (size_t)call->size : 1));
    } else {
        if (!split && call->collective != CADRE_REDUCE_SCATTER)
            return cadre_fail(CADRE_ERR_ARG, "%s takes no counts of ranks", name);
        call->counts = args->counts;
        CADRE_TRY(sum_of(call, args->counts, &call->count));
        CADRE_TRY(check_bytes(call, call->count, 1));
        if ((call->collective == CADRE_ALLTOALL) != (args->recv_counts != NULL))
            return cadre_fail(CADRE_ERR_ARG,
                              "%s: alltoall, and no other, takes recv_counts with counts",
                              name);
    }
    if (args->recv_counts != NULL) {
        call->recv_counts = args->recv_counts;
        CADRE_TRY(sum_of(call, args->recv_counts, &arriving));
        CADRE_TRY(check_bytes(call, arriving, 1));
    }
    call->bytes = call->count * call->element_bytes;
    return CADRE_OK;
}

static cadre_status check_reduction(cadre__coll_call *call, cadre_reduction reduction)
{
    const char *name = cadre__collective_name(call->collective);

    call->reduction = reduction;
    if ((int)reduction < 0 || reduction >= CADRE_N_REDUCTIONS)
        return cadre_fail(CADRE_ERR_ARG, "%s: %d is no reduction", name, (int)reduction);
    call->combine =
        cadre_ops_get()
            ->combine[call->dtype][reduction == CADRE_AVG ? CADRE_SUM : reduction];
    if (call->combine == NULL ||
        (reduction == CADRE_AVG && call->collective == CADRE_SCAN))
        return cadre_fail(CADRE_ERR_ARG, "%s: there is no %s of %s", name,
                          cadre_reduction_name(reduction), cadre_dtype_name(call->dtype));
    return CADRE_OK;
}

/* Sums of integers, and minima and maxima of all types, are reproducible anyway. */
static cadre_status check_reproducible(cadre__coll_call *call, bool wanted)
{
    const bool real = call->dtype == CADRE_F32 || call->dtype == CADRE_F64;
    const bool half = call->dtype == CADRE_BF16 || call->dtype == CADRE_F16;
    const bool sum = call->reduction == CADRE_SUM || call->reduction == CADRE_AVG;

    if (!wanted || !cadre__collective_reduces(call->collective) || !(real || half) ||
        call->reduction == CADRE_MIN || call->reduction == CADRE_MAX)
        return CADRE_OK;
    if (!sum || half || call->collective != CADRE_ALLREDUCE)
        return cadre_fail(
            CADRE_ERR_UNSUPPORTED,
            "%s: there is no reproducible %s of %s; an allreduce's sums and "
            "averages of f32 and f64 can be",
            cadre__collective_name(call->collective),
            cadre_reduction_name(call->reduction), cadre_dtype_name(call->dtype));
    call->reproducible = true;
    return CADRE_OK;
}

static size_t own_block(const cadre__coll_call *call)
{
    if (call->counts != NULL)
        return call->counts[call->rank];
    return has_blocks(call->collective)
               ? call->count
               : cadre__chunk(call->count, call->size, call->rank).count;
}

static size_t all_blocks(const cadre__coll_call *call)
{
    return call->counts != NULL ? call->count : call->count * (size_t)call->size;
}

static extents extents_of(const cadre__coll_call *call, const cadre_coll_args *args)
{
    const bool root = call->rank == call->root;
    extents e = {0};

    switch (call->collective) {
    case CADRE_ALLREDUCE:
    case CADRE_SCAN:
        return (extents){call->count, call->count, true, false};
    case CADRE_REDUCE:
        return (extents){call->count, root ? call->count : 0, root, false};
    case CADRE_REDUCE_SCATTER:
        return (extents){call->count,
                         args->send == CADRE_IN_PLACE ? call->count : own_block(call),
                         true, false};
    case CADRE_BROADCAST:
        return (extents){0, call->count, false, false};
    case CADRE_GATHER:
        return (extents){own_block(call), root ? all_blocks(call) : 0, root, false};
    case CADRE_SCATTER:
        return (extents){root ? all_blocks(call) : 0, own_block(call), false, root};
    case CADRE_ALLGATHER:
        return (extents){own_block(call), all_blocks(call), true, false};
    case CADRE_ALLTOALL:
        e = (extents){all_blocks(call), all_blocks(call), true, false};
        for (int r = 0; call->recv_counts != NULL && r < call->size; r++)
            e.recv = (r > 0 ? e.recv : 0) + call->recv_counts[r];
        return e;
    default:
        return e;
    }
}

static cadre_status check_buffer(const cadre__coll_call *call, const char *which,
                                 const void *buf, size_t count, bool in_place)
{
    const char *name = cadre__collective_name(call->collective);

    if (buf == NULL && count > 0)
        return cadre_fail(CADRE_ERR_ARG, "%s of %zu elements: the %s buffer is NULL",
                          name, call->count, which);
    if (buf == CADRE_IN_PLACE && !in_place)
        return cadre_fail(CADRE_ERR_ARG,
                          "%s: the %s buffer of rank %d cannot be in place", name, which,
                          call->rank);
    return CADRE_OK;
}

static cadre_status check_overlap(const cadre__coll_call *call, const extents *e)
{
    const uintptr_t send = (uintptr_t)call->send, recv = (uintptr_t)call->recv;

    if (e->send == 0 || e->recv == 0 || call->send == CADRE_IN_PLACE ||
        call->recv == CADRE_IN_PLACE)
        return CADRE_OK;
    if (send < recv ? recv - send < e->send * call->element_bytes
                    : send - recv < e->recv * call->element_bytes)
        return cadre_fail(
            CADRE_ERR_ARG,
            "%s: the send and receive buffers overlap; CADRE_IN_PLACE is for "
            "input that stands in the receive buffer",
            cadre__collective_name(call->collective));
    return CADRE_OK;
}

/* What a rank sends itself it gets; and an alltoall in place takes each block from where
 * its answer goes. */
static cadre_status check_same_counts(const cadre__coll_call *call)
{
    for (int r = 0; call->recv_counts != NULL && r < call->size; r++) {
        if (call->counts[r] != call->recv_counts[r] &&
            (r == call->rank || call->send == CADRE_IN_PLACE))
            return cadre_fail(CADRE_ERR_ARG,
                              "alltoall%s: %zu elements to rank %d and %zu from it: "
                              "expected as many",
                              r == call->rank ? " to itself" : " in place",
                              call->counts[r], r, call->recv_counts[r]);
    }
    return CADRE_OK;
}

/* Buffers that mean nothing on this rank become NULL. */
static cadre_status check_buffers(cadre__coll_call *call, const cadre_coll_args *args)
{
    const extents e = extents_of(call, args);
    const bool no_send =
        call->collective == CADRE_BROADCAST || call->collective == CADRE_BARRIER ||
        (call->collective == CADRE_SCATTER && call->rank != call->root) ||
        (call->collective == CADRE_ALLGATHER && e.send == 0);
    const bool no_recv =
        call->collective == CADRE_BARRIER ||
        ((call->collective == CADRE_GATHER || call->collective == CADRE_REDUCE) &&
         call->rank != call->root);

    if (!no_send) {
        CADRE_TRY(check_buffer(call, "send", args->send, e.send, e.send_in_place));
        call->send = args->send;
    }
    if (!no_recv) {
        CADRE_TRY(check_buffer(call, "receive", args->recv, e.recv, e.recv_in_place));
        call->recv = args->recv;
    }
    CADRE_TRY(check_overlap(call, &e));
    return check_same_counts(call);
}

/* What all ranks must pass alike, in one word. */
static uint32_t signature_of(const cadre__coll_call *call)
{
    const uint64_t kind = (uint64_t)call->collective | (uint64_t)call->dtype << 8 |
                          (uint64_t)call->reduction << 16 | (uint64_t)call->root << 24;
    const uint64_t count = call->recv_counts == NULL ? call->count : 0;
    const uint64_t mix = (kind + 1) * 0x9e3779b97f4a7c15u ^
                         (count + 1) * 0xc2b2ae3d27d4eb4fu; /* primes of xxHash's kind */

    return (uint32_t)(mix >> 32 ^ mix);
}

static cadre_status check_args(cadre__coll_call *call, const cadre_coll_args *args,
                               const cadre_coll_opts *opts)
{
    const char *name = cadre__collective_name(call->collective);

    if (call->collective == CADRE_BARRIER)
        return CADRE_OK;
    call->dtype = args->dtype;
    call->element_bytes = cadre_dtype_bytes(args->dtype);
    if (call->element_bytes == 0)
        return cadre_fail(CADRE_ERR_ARG, "%s: %d is no dtype", name, (int)args->dtype);
    CADRE_TRY(check_counts(call, args));
    if (cadre__collective_reduces(call->collective)) {
        CADRE_TRY(check_reduction(call, args->reduction));
        CADRE_TRY(check_reproducible(call, opts != NULL && opts->reproducible));
    }
    if (cadre__collective_has_root(call->collective)) {
        call->root = args->root;
        if (args->root < 0 || args->root >= call->size)
            return cadre_fail(CADRE_ERR_ARG, "%s: root %d of %d ranks", name, args->root,
                              call->size);
    }
    return CADRE_OK;
}

/* All but the messages, which a program clears. The size is hidden from the compiler,
 * which otherwise uses an instruction that takes 15 ns to start: the library is faster.
 */
static void clear(cadre__coll_call *call)
{
    size_t bytes = offsetof(cadre__coll_call, out);

    __asm__("" : "+r"(bytes));
    memset(call, 0, bytes);
}

static bool has_name(const char *name, const cadre__coll_recent *recent)
{
    return name == NULL ? !recent->named
                        : recent->named && strcmp(name, recent->row->name) == 0;
}

/* If the call is like the one before, but for its buffers and root, what is known of that
 * one. */
static bool recall(cadre__coll_call *call, const cadre_coll_args *args,
                   const cadre_coll_opts *opts)
{
    const cadre__coll_recent *recent = &call->state_of_comm->recent[args->collective];

    if (recent->row == NULL || args->count != recent->count ||
        args->dtype != recent->dtype || args->reduction != recent->reduction ||
        args->counts != NULL || args->recv_counts != NULL ||
        (opts != NULL && opts->reproducible) != recent->reproducible ||
        !has_name(opts != NULL ? opts->algorithm : NULL, recent))
        return false;
    call->row = recent->row;
    call->dtype = recent->dtype;
    call->reduction = recent->reduction;
    if (cadre__collective_has_root(call->collective)) {
        if (args->root < 0 || args->root >= call->size)
            return false;
        call->root = args->root;
    }
    call->count = recent->count;
    call->element_bytes = recent->element_bytes;
    call->bytes = recent->count * recent->element_bytes;
    call->combine = recent->combine;
    call->signature = signature_of(call);
    return true;
}

static void remember(const cadre__coll_call *call, const cadre_coll_args *args,
                     const cadre_coll_opts *opts)
{
    const bool named = opts != NULL && opts->algorithm != NULL;

    /* Not before it is known what the machine's costs are, if they decide the row. */
    if (!(named || call->state_of_comm->settled) || call->row == NULL ||
        call->counts != NULL || call->recv_counts != NULL || call->reproducible)
        return;
    call->state_of_comm->recent[args->collective] = (cadre__coll_recent){
        .row = call->row,
        .named = named,
        .reproducible = opts != NULL && opts->reproducible,
        .dtype = args->dtype,
        .reduction = args->reduction,
        .count = args->count,
        .element_bytes = call->element_bytes,
        .combine = call->combine,
    };
}

/* Everything about a call but its buffers. */
static cadre_status find_out(cadre__coll_call *call, const cadre_coll_args *args,
                             const cadre_coll_opts *opts)
{
    CADRE_TRY(check_args(call, args, opts));
    CADRE_TRY(
        cadre__coll_choose(call, opts != NULL ? opts->algorithm : NULL, &call->row));
    call->signature = signature_of(call);
    /* Nothing is to be done for no elements, but what is wrong is said also then. */
    if (call->count == 0 && call->recv_counts == NULL &&
        call->collective != CADRE_BARRIER)
        call->row = NULL;
    remember(call, args, opts);
    return CADRE_OK;
}

cadre_status cadre__coll_prepare(cadre__coll_call *call, cadre_comm *comm,
                                 const cadre_coll_args *args, const cadre_coll_opts *opts)
{
    if (args == NULL || (int)args->collective < 0 ||
        args->collective >= CADRE_N_COLLECTIVES)
        return cadre_fail(CADRE_ERR_ARG, "there is no such collective");
    clear(call);
    call->collective = args->collective;
    call->comm = comm;
    if (comm == NULL)
        return cadre_fail(CADRE_ERR_ARG, "%s without a communicator",
                          cadre__collective_name(args->collective));
    call->rank = cadre_comm_rank(comm);
    call->size = cadre_comm_size(comm);
    CADRE_TRY(cadre__comm_check(comm));
    CADRE_TRY(cadre__coll_state_of(comm, &call->state_of_comm));
    call->costs = call->state_of_comm->costs;
    call->levels = &call->state_of_comm->levels;
    call->deadline_ns = opts != NULL ? opts->deadline_ns : 0;
    if (!recall(call, args, opts))
        CADRE_TRY(find_out(call, args, opts));
    if (call->row != NULL) {
        call->ordered = call->row->ordered;
        call->polled = call->row->polled;
    }
    return call->collective == CADRE_BARRIER ? CADRE_OK : check_buffers(call, args);
}

/* ---- One function for each ---- */

cadre_status cadre_allreduce(cadre_comm *comm, const void *send, void *recv, size_t count,
                             cadre_dtype dtype, cadre_reduction reduction,
                             const cadre_coll_opts *opts)
{
    return cadre_coll_call(comm,
                           &(cadre_coll_args){.collective = CADRE_ALLREDUCE,
                                              .send = send,
                                              .recv = recv,
                                              .count = count,
                                              .dtype = dtype,
                                              .reduction = reduction},
                           opts);
}

cadre_status cadre_reduce(cadre_comm *comm, const void *send, void *recv, size_t count,
                          cadre_dtype dtype, cadre_reduction reduction, int root,
                          const cadre_coll_opts *opts)
{
    return cadre_coll_call(comm,
                           &(cadre_coll_args){.collective = CADRE_REDUCE,
                                              .send = send,
                                              .recv = recv,
                                              .count = count,
                                              .dtype = dtype,
                                              .reduction = reduction,
                                              .root = root},
                           opts);
}

static cadre_status need_counts(const char *name, const size_t *counts)
{
    return counts != NULL ? CADRE_OK
                          : cadre_fail(CADRE_ERR_ARG, "%s without counts", name);
}

cadre_status cadre_reduce_scatter(cadre_comm *comm, const void *send, void *recv,
                                  const size_t *counts, cadre_dtype dtype,
                                  cadre_reduction reduction, const cadre_coll_opts *opts)
{
    CADRE_TRY(need_counts("reduce_scatter", counts));
    return cadre_coll_call(comm,
                           &(cadre_coll_args){.collective = CADRE_REDUCE_SCATTER,
                                              .send = send,
                                              .recv = recv,
                                              .counts = counts,
                                              .dtype = dtype,
                                              .reduction = reduction},
                           opts);
}

cadre_status cadre_scan(cadre_comm *comm, const void *send, void *recv, size_t count,
                        cadre_dtype dtype, cadre_reduction reduction,
                        const cadre_coll_opts *opts)
{
    return cadre_coll_call(comm,
                           &(cadre_coll_args){.collective = CADRE_SCAN,
                                              .send = send,
                                              .recv = recv,
                                              .count = count,
                                              .dtype = dtype,
                                              .reduction = reduction},
                           opts);
}

cadre_status cadre_broadcast(cadre_comm *comm, void *buf, size_t count, cadre_dtype dtype,
                             int root, const cadre_coll_opts *opts)
{
    return cadre_coll_call(comm,
                           &(cadre_coll_args){.collective = CADRE_BROADCAST,
                                              .recv = buf,
                                              .count = count,
                                              .dtype = dtype,
                                              .root = root},
                           opts);
}

cadre_status cadre_barrier(cadre_comm *comm, const cadre_coll_opts *opts)
{
    return cadre_coll_call(comm, &(cadre_coll_args){.collective = CADRE_BARRIER}, opts);
}

cadre_status cadre_gather(cadre_comm *comm, const void *send, void *recv, size_t count,
                          cadre_dtype dtype, int root, const cadre_coll_opts *opts)
{
    return cadre_coll_call(comm,
                           &(cadre_coll_args){.collective = CADRE_GATHER,
                                              .send = send,
                                              .recv = recv,
                                              .count = count,
                                              .dtype = dtype,
                                              .root = root},
                           opts);
}

cadre_status cadre_scatter(cadre_comm *comm, const void *send, void *recv, size_t count,
                           cadre_dtype dtype, int root, const cadre_coll_opts *opts)
{
    return cadre_coll_call(comm,
                           &(cadre_coll_args){.collective = CADRE_SCATTER,
                                              .send = send,
                                              .recv = recv,
                                              .count = count,
                                              .dtype = dtype,
                                              .root = root},
                           opts);
}

cadre_status cadre_allgather(cadre_comm *comm, const void *send, void *recv,
                             const size_t *counts, cadre_dtype dtype,
                             const cadre_coll_opts *opts)
{
    CADRE_TRY(need_counts("allgather", counts));
    return cadre_coll_call(comm,
                           &(cadre_coll_args){.collective = CADRE_ALLGATHER,
                                              .send = send,
                                              .recv = recv,
                                              .counts = counts,
                                              .dtype = dtype},
                           opts);
}

cadre_status cadre_alltoall(cadre_comm *comm, const void *send, void *recv, size_t count,
                            cadre_dtype dtype, const cadre_coll_opts *opts)
{
    return cadre_coll_call(comm,
                           &(cadre_coll_args){.collective = CADRE_ALLTOALL,
                                              .send = send,
                                              .recv = recv,
                                              .count = count,
                                              .dtype = dtype},
                           opts);
}
