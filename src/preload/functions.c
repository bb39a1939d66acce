/* preload/functions.c - the functions of MPI that are overridden, as the profiling
 * interface has it (MPI-3.1, 14.2): MPI_X here, PMPI_X in the library.
 *
 * Each has a describe_ function, shared with its non-blocking form: what the call is, if
 * it is one that cadre could do. Whatever looks wrong is passed on: MPI reports errors in
 * its own way. Buffers that MPI forbids to be equal, but everybody passes equal, are
 * taken as in place. */
#include "preload/preload.h"
#include <string.h>

/* The size is hidden from the compiler, which otherwise uses an instruction that takes
 * 15 ns to start: the library is faster. */
static void clear(turn *t)
{
    size_t bytes = sizeof *t;

    __asm__("" : "+r"(bytes));
    memset(t, 0, bytes);
}

static void begin(turn *t, function f, MPI_Comm mpi, cadre_collective collective)
{
    clear(t);
    t->function = f;
    t->fate = FATE_TAKEN;
    t->mpi = mpi;
    t->args.collective = collective;
    t->comm = cadre__preload_comm(mpi);
    if (!t->comm)
        t->fate = FATE_CHECK;
}

static void refuse(turn *t, fate why)
{
    if (t->fate == FATE_TAKEN)
        t->fate = why;
}

/* ---- Reductions: the same type and count on all ranks ---- */

static size_t describe_reduction(turn *t, int count, MPI_Datatype type, MPI_Op op)
{
    size_t items = 1;

    if (!cadre__preload_reduction(type, op, &t->args.dtype, &t->args.reduction, &items))
        refuse(t, FATE_TYPE);
    if (count < 0)
        refuse(t, FATE_CHECK);
    if (t->fate != FATE_TAKEN)
        return items;
    t->args.count = (size_t)count * items;
    t->bytes = t->args.count * cadre_dtype_bytes(t->args.dtype);
    return items;
}

static void describe_buffers(turn *t, const void *send, void *recv)
{
    t->args.send = send == MPI_IN_PLACE || send == recv ? CADRE_IN_PLACE : send;
    t->args.recv = recv;
    if (t->bytes > 0 && (!send || !recv || recv == MPI_IN_PLACE))
        refuse(t, FATE_CHECK);
}

static void describe_allreduce(turn *t, const void *send, void *recv, int count,
                               MPI_Datatype type, MPI_Op op)
{
    describe_reduction(t, count, type, op);
    describe_buffers(t, send, recv);
}

static void describe_reduce(turn *t, const void *send, void *recv, int count,
                            MPI_Datatype type, MPI_Op op, int root)
{
    describe_reduction(t, count, type, op);
    t->args.root = root;
    if (t->comm && t->comm->rank == root) {
        describe_buffers(t, send, recv);
        return;
    }
    t->args.send = send;
    if (t->bytes > 0 && (!send || send == MPI_IN_PLACE))
        refuse(t, FATE_CHECK);
}

/* counts NULL: `count` for every rank. */
static void describe_blocks(turn *t, const void *send, void *recv, const int *counts,
                            int count, MPI_Datatype type, MPI_Op op)
{
    const size_t items = describe_reduction(t, count, type, op);
    size_t all = 0;

    if (t->fate != FATE_TAKEN)
        return;
    t->args.counts = t->comm->counts;
    for (int r = 0; r < t->comm->size; r++) {
        const int n = counts ? counts[r] : count;
        if (n < 0)
            refuse(t, FATE_CHECK);
        t->comm->counts[r] = (size_t)n * items;
        all += t->comm->counts[r];
    }
    t->args.count = 0;
    t->bytes = all * cadre_dtype_bytes(t->args.dtype);
    describe_buffers(t, send, recv);
}

static void describe_reduce_scatter(turn *t, const void *send, void *recv,
                                    const int *counts, MPI_Datatype type, MPI_Op op)
{
    if (!counts)
        refuse(t, FATE_CHECK);
    describe_blocks(t, send, recv, counts, 0, type, op);
}

static void describe_reduce_scatter_block(turn *t, const void *send, void *recv,
                                          int count, MPI_Datatype type, MPI_Op op)
{
    describe_blocks(t, send, recv, NULL, count, type, op);
}

/* ---- Data movement: as many bytes on all ranks ---- */

static side describe_side(turn *t, const void *buf, int count, MPI_Datatype type)
{
    side s = {.buf = buf, .count = count, .type = type};

    t->moves = true;
    t->args.dtype = CADRE_U8;
    if (!cadre__preload_layout(&s))
        refuse(t, FATE_CHECK);
    /* Where a type holds absolute addresses, its buffer is NULL. */
    if (s.dense && count > 0 && s.item_bytes > 0 && !buf)
        refuse(t, FATE_CHECK);
    return s;
}

static void describe_bcast(turn *t, void *buf, int count, MPI_Datatype type, int root)
{
    t->recv = describe_side(t, buf, count, type);
    t->args.root = root;
    if (t->fate != FATE_TAKEN)
        return;
    t->bytes = t->args.count = (size_t)count * t->recv.item_bytes;
}

/* The sending side, whose blocks are at `own` in the receive buffer if it is in place. */
static void describe_sender(turn *t, const void *buf, int count, MPI_Datatype type,
                            const void *own, size_t block_bytes)
{
    t->send = (side){.buf = MPI_IN_PLACE};
    if (buf == MPI_IN_PLACE || (buf == own && block_bytes > 0))
        return;
    t->send = describe_side(t, buf, count, type);
    if (t->fate == FATE_TAKEN && (size_t)count * t->send.item_bytes != block_bytes)
        refuse(t, FATE_CHECK);
}

static const char *item_at(const side *s, int64_t index)
{
    return (const char *)s->buf + index * s->extent;
}

static void describe_allgather(turn *t, const void *send, int send_count,
                               MPI_Datatype send_type, void *recv, int recv_count,
                               MPI_Datatype recv_type)
{
    t->recv = describe_side(t, recv, recv_count, recv_type);
    if (recv == MPI_IN_PLACE)
        refuse(t, FATE_CHECK);
    if (t->fate != FATE_TAKEN)
        return;
    t->args.count = (size_t)recv_count * t->recv.item_bytes;
    t->bytes = t->args.count * (size_t)t->comm->size;
    describe_sender(t, send, send_count, send_type,
                    item_at(&t->recv, (int64_t)t->comm->rank * recv_count),
                    t->args.count);
}

static void describe_allgatherv(turn *t, const void *send, int send_count,
                                MPI_Datatype send_type, void *recv, const int *counts,
                                const int *places, MPI_Datatype recv_type)
{
    t->recv = describe_side(t, recv, 1, recv_type);
    if (recv == MPI_IN_PLACE || !counts || !places)
        refuse(t, FATE_CHECK);
    if (t->fate != FATE_TAKEN)
        return;
    const int rank = t->comm->rank;
    t->recv_counts = counts;
    t->places = places;
    t->args.counts = t->comm->counts;
    for (int r = 0; r < t->comm->size; r++) {
        if (counts[r] < 0)
            refuse(t, FATE_CHECK);
        t->comm->counts[r] = (size_t)counts[r] * t->recv.item_bytes;
        t->bytes += t->comm->counts[r];
    }
    describe_sender(t, send, send_count, send_type, item_at(&t->recv, places[rank]),
                    t->comm->counts[rank]);
}

static void describe_alltoall(turn *t, const void *send, int send_count,
                              MPI_Datatype send_type, void *recv, int recv_count,
                              MPI_Datatype recv_type)
{
    t->recv = describe_side(t, recv, recv_count, recv_type);
    if (recv == MPI_IN_PLACE)
        refuse(t, FATE_CHECK);
    if (t->fate != FATE_TAKEN)
        return;
    t->args.count = (size_t)recv_count * t->recv.item_bytes;
    t->bytes = t->args.count * (size_t)t->comm->size;
    describe_sender(t, send, send_count, send_type, recv, t->args.count);
}

/* ---- The functions: MPI_X and MPI_Ix from one description ---- */

#define TOGETHER(...) __VA_ARGS__

#define DEFINE(X, Ix, ID, collective, describe, parameters, arguments)                   \
    int MPI_##X(parameters, MPI_Comm comm)                                               \
    {                                                                                    \
        turn t;                                                                          \
        begin(&t, FN_##ID, comm, collective);                                            \
        describe_##describe(&t, arguments);                                              \
        if (cadre__preload_takes(&t, true))                                              \
            return cadre__preload_run(&t);                                               \
        return cadre__preload_passed(&t, PMPI_##X(arguments, comm));                     \
    }                                                                                    \
    int MPI_##Ix(parameters, MPI_Comm comm, MPI_Request *request)                        \
    {                                                                                    \
        turn t;                                                                          \
        begin(&t, FN_I##ID, comm, collective);                                           \
        describe_##describe(&t, arguments);                                              \
        if (cadre__preload_takes(&t, false))                                             \
            return cadre__preload_start(&t, request);                                    \
        return cadre__preload_passed(&t, PMPI_##Ix(arguments, comm, request));           \
    }

DEFINE(Allreduce, Iallreduce, ALLREDUCE, CADRE_ALLREDUCE, allreduce,
       TOGETHER(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op),
       TOGETHER(send, recv, count, type, op))

DEFINE(Reduce, Ireduce, REDUCE, CADRE_REDUCE, reduce,
       TOGETHER(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op,
                int root),
       TOGETHER(send, recv, count, type, op, root))

DEFINE(Reduce_scatter, Ireduce_scatter, REDUCE_SCATTER, CADRE_REDUCE_SCATTER,
       reduce_scatter,
       TOGETHER(const void *send, void *recv, const int counts[], MPI_Datatype type,
                MPI_Op op),
       TOGETHER(send, recv, counts, type, op))

DEFINE(Reduce_scatter_block, Ireduce_scatter_block, REDUCE_SCATTER_BLOCK,
       CADRE_REDUCE_SCATTER, reduce_scatter_block,
       TOGETHER(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op),
       TOGETHER(send, recv, count, type, op))

DEFINE(Bcast, Ibcast, BCAST, CADRE_BROADCAST, bcast,
       TOGETHER(void *buf, int count, MPI_Datatype type, int root),
       TOGETHER(buf, count, type, root))

DEFINE(Allgather, Iallgather, ALLGATHER, CADRE_ALLGATHER, allgather,
       TOGETHER(const void *send, int send_count, MPI_Datatype send_type, void *recv,
                int recv_count, MPI_Datatype recv_type),
       TOGETHER(send, send_count, send_type, recv, recv_count, recv_type))

DEFINE(Allgatherv, Iallgatherv, ALLGATHERV, CADRE_ALLGATHER, allgatherv,
       TOGETHER(const void *send, int send_count, MPI_Datatype send_type, void *recv,
                const int counts[], const int places[], MPI_Datatype recv_type),
       TOGETHER(send, send_count, send_type, recv, counts, places, recv_type))

DEFINE(Alltoall, Ialltoall, ALLTOALL, CADRE_ALLTOALL, alltoall,
       TOGETHER(const void *send, int send_count, MPI_Datatype send_type, void *recv,
                int recv_count, MPI_Datatype recv_type),
       TOGETHER(send, send_count, send_type, recv, recv_count, recv_type))

int MPI_Barrier(MPI_Comm comm)
{
    turn t;
    begin(&t, FN_BARRIER, comm, CADRE_BARRIER);
    if (cadre__preload_takes(&t, true))
        return cadre__preload_run(&t);
    return cadre__preload_passed(&t, PMPI_Barrier(comm));
}

int MPI_Ibarrier(MPI_Comm comm, MPI_Request *request)
{
    turn t;
    begin(&t, FN_IBARRIER, comm, CADRE_BARRIER);
    if (cadre__preload_takes(&t, false))
        return cadre__preload_start(&t, request);
    return cadre__preload_passed(&t, PMPI_Ibarrier(comm, request));
}
