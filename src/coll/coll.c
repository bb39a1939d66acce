/* coll/coll.c - the public calls: arguments checked, an algorithm chosen, and run.
 *
 * Everything that one rank can see to be wrong is refused here, before any message.
 */
#include "coll/call.h"
#include "coll/choice.h"
#include "coll/cost.h"
#include "comm/internal.h"
#include <stdint.h>

static cadre_status check_comm(cadre__coll_call *call, cadre__collective collective,
                               cadre_comm *comm)
{
    *call = (cadre__coll_call){.collective = collective, .comm = comm};
    if (comm == NULL)
        return cadre_fail(CADRE_ERR_ARG, "%s without a communicator",
                          cadre__collective_name(collective));
    call->rank = cadre_comm_rank(comm);
    call->size = cadre_comm_size(comm);
    call->costs = cadre__coll_costs_of(cadre_comm_n_nodes(comm) == 1);
    return CADRE_OK;
}

/* blocks: how many times `count` elements some rank holds. */
static cadre_status check_count(cadre__coll_call *call, size_t count, cadre_dtype dtype,
                                size_t blocks)
{
    const char *name = cadre__collective_name(call->collective);
    size_t all;

    call->count = count;
    call->dtype = dtype;
    call->element_bytes = cadre_dtype_bytes(dtype);
    if (call->element_bytes == 0)
        return cadre_fail(CADRE_ERR_ARG, "%s: %d is no dtype", name, (int)dtype);
    /* Twice the bytes must fit too, so that algorithms can add offsets without
     * checking. */
    if (__builtin_mul_overflow(count, call->element_bytes, &call->bytes) ||
        __builtin_mul_overflow(call->bytes, blocks, &all) || all > SIZE_MAX / 4)
        return cadre_fail(CADRE_ERR_RANGE, "%s of %zu x %zu %s elements", name, blocks,
                          count, cadre_dtype_name(dtype));
    return CADRE_OK;
}

static cadre_status check_reduction(cadre__coll_call *call, cadre_reduction reduction)
{
    const char *name = cadre__collective_name(call->collective);

    call->reduction = reduction;
    if ((int)reduction < 0 || reduction >= CADRE_N_REDUCTIONS)
        return cadre_fail(CADRE_ERR_ARG, "%s: %d is no reduction", name, (int)reduction);
    call->combine = cadre_ops_get()->combine[call->dtype][reduction];
    if (call->combine == NULL)
        return cadre_fail(CADRE_ERR_ARG, "%s: there is no %s of %s", name,
                          cadre_reduction_name(reduction), cadre_dtype_name(call->dtype));
    return CADRE_OK;
}

static cadre_status check_root(cadre__coll_call *call, int root)
{
    call->root = root;
    if (root < 0 || root >= call->size)
        return cadre_fail(CADRE_ERR_ARG, "%s: root %d of %d ranks",
                          cadre__collective_name(call->collective), root, call->size);
    return CADRE_OK;
}

/* in_place: whether CADRE_IN_PLACE means something for this buffer on this rank. */
static cadre_status check_buffer(const cadre__coll_call *call, const char *which,
                                 const void *buf, bool in_place)
{
    const char *name = cadre__collective_name(call->collective);

    if (buf == NULL && call->count > 0)
        return cadre_fail(CADRE_ERR_ARG, "%s of %zu elements: the %s buffer is NULL",
                          name, call->count, which);
    if (buf == CADRE_IN_PLACE && !in_place)
        return cadre_fail(CADRE_ERR_ARG,
                          "%s: the %s buffer of rank %d cannot be in place", name, which,
                          call->rank);
    return CADRE_OK;
}

static cadre_status check_overlap(const cadre__coll_call *call, size_t send_bytes,
                                  size_t recv_bytes)
{
    const uintptr_t send = (uintptr_t)call->send, recv = (uintptr_t)call->recv;

    if (call->count == 0 || call->send == CADRE_IN_PLACE || call->recv == CADRE_IN_PLACE)
        return CADRE_OK;
    if (send < recv ? recv - send < send_bytes : send - recv < recv_bytes)
        return cadre_fail(
            CADRE_ERR_ARG,
            "%s: the send and receive buffers overlap; CADRE_IN_PLACE is for "
            "input that stands in the receive buffer",
            cadre__collective_name(call->collective));
    return CADRE_OK;
}

/* Choose and run. Nothing is to be done for no elements, but what is wrong is said also
 * then. */
static cadre_status perform(cadre__coll_call *call, const cadre_coll_opts *opts)
{
    const cadre__coll_row *row;

    CADRE_TRY(cadre__comm_check(call->comm));
    CADRE_TRY(cadre__coll_choose(call, opts != NULL ? opts->algorithm : NULL, &row));
    if (call->count == 0 && call->collective != CADRE__BARRIER)
        return CADRE_OK;
    call->deadline_ns = opts != NULL && opts->deadline_ns != 0
                            ? opts->deadline_ns
                            : cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS);
    return cadre__coll_run(call, row->name, row->run);
}

cadre_status cadre_allreduce(cadre_comm *comm, const void *send, void *recv, size_t count,
                             cadre_dtype dtype, cadre_reduction reduction,
                             const cadre_coll_opts *opts)
{
    cadre__coll_call call;

    CADRE_TRY(check_comm(&call, CADRE__ALLREDUCE, comm));
    CADRE_TRY(check_count(&call, count, dtype, 1));
    CADRE_TRY(check_reduction(&call, reduction));
    CADRE_TRY(check_buffer(&call, "send", send, true));
    CADRE_TRY(check_buffer(&call, "receive", recv, false));
    call.send = send;
    call.recv = recv;
    CADRE_TRY(check_overlap(&call, call.bytes, call.bytes));
    return perform(&call, opts);
}

cadre_status cadre_reduce(cadre_comm *comm, const void *send, void *recv, size_t count,
                          cadre_dtype dtype, cadre_reduction reduction, int root,
                          const cadre_coll_opts *opts)
{
    cadre__coll_call call;

    CADRE_TRY(check_comm(&call, CADRE__REDUCE, comm));
    CADRE_TRY(check_count(&call, count, dtype, 1));
    CADRE_TRY(check_reduction(&call, reduction));
    CADRE_TRY(check_root(&call, root));
    CADRE_TRY(check_buffer(&call, "send", send, call.rank == root));
    call.send = send;
    if (call.rank == root) {
        CADRE_TRY(check_buffer(&call, "receive", recv, false));
        call.recv = recv;
        CADRE_TRY(check_overlap(&call, call.bytes, call.bytes));
    }
    return perform(&call, opts);
}

cadre_status cadre_broadcast(cadre_comm *comm, void *buf, size_t count, cadre_dtype dtype,
                             int root, const cadre_coll_opts *opts)
{
    cadre__coll_call call;

    CADRE_TRY(check_comm(&call, CADRE__BROADCAST, comm));
    CADRE_TRY(check_count(&call, count, dtype, 1));
    CADRE_TRY(check_root(&call, root));
    CADRE_TRY(check_buffer(&call, "broadcast", buf, false));
    call.recv = buf;
    return perform(&call, opts);
}

cadre_status cadre_barrier(cadre_comm *comm, const cadre_coll_opts *opts)
{
    cadre__coll_call call;

    CADRE_TRY(check_comm(&call, CADRE__BARRIER, comm));
    return perform(&call, opts);
}

cadre_status cadre_gather(cadre_comm *comm, const void *send, void *recv, size_t count,
                          cadre_dtype dtype, int root, const cadre_coll_opts *opts)
{
    cadre__coll_call call;

    CADRE_TRY(check_comm(&call, CADRE__GATHER, comm));
    CADRE_TRY(check_count(&call, count, dtype, (size_t)call.size));
    CADRE_TRY(check_root(&call, root));
    CADRE_TRY(check_buffer(&call, "send", send, call.rank == root));
    call.send = send;
    if (call.rank == root) {
        CADRE_TRY(check_buffer(&call, "receive", recv, false));
        call.recv = recv;
        CADRE_TRY(check_overlap(&call, call.bytes, call.bytes * (size_t)call.size));
    }
    return perform(&call, opts);
}

cadre_status cadre_scatter(cadre_comm *comm, const void *send, void *recv, size_t count,
                           cadre_dtype dtype, int root, const cadre_coll_opts *opts)
{
    cadre__coll_call call;

    CADRE_TRY(check_comm(&call, CADRE__SCATTER, comm));
    CADRE_TRY(check_count(&call, count, dtype, (size_t)call.size));
    CADRE_TRY(check_root(&call, root));
    CADRE_TRY(check_buffer(&call, "receive", recv, call.rank == root));
    call.recv = recv;
    if (call.rank == root) {
        CADRE_TRY(check_buffer(&call, "send", send, false));
        call.send = send;
        CADRE_TRY(check_overlap(&call, call.bytes * (size_t)call.size, call.bytes));
    }
    return perform(&call, opts);
}

/* The sum of the ranks' counts. */
static cadre_status check_counts(cadre__coll_call *call, const size_t *counts,
                                 cadre_dtype dtype)
{
    size_t all = 0;

    if (counts == NULL)
        return cadre_fail(CADRE_ERR_ARG, "allgather without counts");
    call->counts = counts;
    for (int r = 0; r < call->size; r++)
        if (__builtin_add_overflow(all, counts[r], &all))
            return cadre_fail(CADRE_ERR_RANGE,
                              "allgather: the counts overflow at rank %d", r);
    return check_count(call, all, dtype, 1);
}

cadre_status cadre_allgather(cadre_comm *comm, const void *send, void *recv,
                             const size_t *counts, cadre_dtype dtype,
                             const cadre_coll_opts *opts)
{
    cadre__coll_call call;

    CADRE_TRY(check_comm(&call, CADRE__ALLGATHER, comm));
    CADRE_TRY(check_counts(&call, counts, dtype));
    CADRE_TRY(check_buffer(&call, "receive", recv, false));
    call.recv = recv;
    if (counts[call.rank] > 0) {
        CADRE_TRY(check_buffer(&call, "send", send, true));
        call.send = send;
        CADRE_TRY(
            check_overlap(&call, counts[call.rank] * call.element_bytes, call.bytes));
    }
    return perform(&call, opts);
}
