/* comm/native.c - the MPI library's own collectives behind our types.
 *
 * The non-blocking forms are used, since a blocking one cannot be left when its deadline
 * passes. */
#include "comm/native.h"
#include "comm/state.h"
#include <string.h>

static MPI_Datatype type_of(cadre_dtype dtype)
{
    switch (dtype) {
    case CADRE_F32:
        return MPI_FLOAT;
    case CADRE_F64:
        return MPI_DOUBLE;
    case CADRE_I8:
        return MPI_INT8_T;
    case CADRE_I16:
        return MPI_INT16_T;
    case CADRE_I32:
        return MPI_INT32_T;
    case CADRE_I64:
        return MPI_INT64_T;
    case CADRE_U8:
        return MPI_UINT8_T;
    case CADRE_U16:
    case CADRE_BF16: /* to be moved, not to be reduced */
    case CADRE_F16:
        return MPI_UINT16_T;
    case CADRE_U32:
        return MPI_UINT32_T;
    case CADRE_U64:
        return MPI_UINT64_T;
    default:
        return MPI_DATATYPE_NULL;
    }
}

static MPI_Op op_of(cadre_reduction reduction)
{
    switch (reduction) {
    case CADRE_SUM:
        return MPI_SUM;
    case CADRE_MIN:
        return MPI_MIN;
    case CADRE_MAX:
        return MPI_MAX;
    case CADRE_PROD:
        return MPI_PROD;
    case CADRE_LAND:
        return MPI_LAND;
    case CADRE_LOR:
        return MPI_LOR;
    default:
        return MPI_OP_NULL;
    }
}

bool cadre__native_has(cadre_dtype dtype)
{
    return type_of(dtype) != MPI_DATATYPE_NULL;
}

bool cadre__native_reduces(cadre_dtype dtype, cadre_reduction reduction)
{
    const bool narrow = cadre_dtype_bytes(dtype) < 4;

    if (dtype == CADRE_BF16 || dtype == CADRE_F16 || reduction == CADRE_AVG)
        return false;
    /* Open MPI's vector code for narrow integers saturates where ours wraps. */
    return !(narrow && (reduction == CADRE_SUM || reduction == CADRE_PROD));
}

static const void *in_place_or(const void *buf)
{
    return buf == CADRE_IN_PLACE ? MPI_IN_PLACE : buf;
}

static int start_reduction(MPI_Comm mpi, const cadre__native_call *c,
                           MPI_Request *request)
{
    const MPI_Datatype type = type_of(c->dtype);
    const MPI_Op op = op_of(c->reduction);
    const void *send = in_place_or(c->send);

    switch (c->kind) {
    case CADRE__NATIVE_ALLREDUCE:
        return PMPI_Iallreduce(send, c->recv, c->count, type, op, mpi, request);
    case CADRE__NATIVE_REDUCE:
        return PMPI_Ireduce(send, c->recv, c->count, type, op, c->root, mpi, request);
    case CADRE__NATIVE_REDUCE_SCATTER:
        return PMPI_Ireduce_scatter(send, c->recv, c->blocks.counts, type, op, mpi,
                                    request);
    default:
        return PMPI_Iscan(send, c->recv, c->count, type, op, mpi, request);
    }
}

static int start_blocks(MPI_Comm mpi, int rank, const cadre__native_call *c,
                        MPI_Request *request)
{
    const MPI_Datatype type = type_of(c->dtype);
    const void *send = in_place_or(c->send);
    void *recv = c->recv == CADRE_IN_PLACE ? MPI_IN_PLACE : c->recv;
    const int *counts = c->blocks.counts, *places = c->blocks.places;

    switch (c->kind) {
    case CADRE__NATIVE_GATHER:
        return counts ? PMPI_Igatherv(send, counts[rank], type, recv, counts, places,
                                      type, c->root, mpi, request)
                      : PMPI_Igather(send, c->count, type, recv, c->count, type, c->root,
                                     mpi, request);
    case CADRE__NATIVE_SCATTER:
        return counts ? PMPI_Iscatterv(send, counts, places, type, recv, counts[rank],
                                       type, c->root, mpi, request)
                      : PMPI_Iscatter(send, c->count, type, recv, c->count, type, c->root,
                                      mpi, request);
    case CADRE__NATIVE_ALLGATHER:
        return counts ? PMPI_Iallgatherv(send, counts[rank], type, recv, counts, places,
                                         type, mpi, request)
                      : PMPI_Iallgather(send, c->count, type, recv, c->count, type, mpi,
                                        request);
    default:
        return counts ? PMPI_Ialltoallv(send, counts, places, type, recv, c->from.counts,
                                        c->from.places, type, mpi, request)
                      : PMPI_Ialltoall(send, c->count, type, recv, c->count, type, mpi,
                                       request);
    }
}

cadre_status cadre__native_start(cadre_comm *comm, const cadre__native_call *call,
                                 cadre_req *req)
{
    MPI_Request request = MPI_REQUEST_NULL;
    int error;

    CADRE_TRY(cadre__comm_check(comm));
    switch (call->kind) {
    case CADRE__NATIVE_ALLREDUCE:
    case CADRE__NATIVE_REDUCE:
    case CADRE__NATIVE_REDUCE_SCATTER:
    case CADRE__NATIVE_SCAN:
        error = start_reduction(comm->mpi, call, &request);
        break;
    case CADRE__NATIVE_BROADCAST:
        error = PMPI_Ibcast(call->recv, call->count, type_of(call->dtype), call->root,
                            comm->mpi, &request);
        break;
    case CADRE__NATIVE_BARRIER:
        error = PMPI_Ibarrier(comm->mpi, &request);
        break;
    default:
        error = start_blocks(comm->mpi, comm->rank, call, &request);
        break;
    }
    if (error != MPI_SUCCESS)
        return cadre__mpi_fail(error, "starting the MPI library's own collective");
    *req = (cadre_req){.peer = -1};
    memcpy(&req->handle, &request, sizeof request);
    return CADRE_OK;
}

/* ---- The blocking forms ---- */

static int call_reduction(MPI_Comm mpi, const cadre__native_call *c)
{
    const MPI_Datatype type = type_of(c->dtype);
    const MPI_Op op = op_of(c->reduction);
    const void *send = in_place_or(c->send);

    switch (c->kind) {
    case CADRE__NATIVE_ALLREDUCE:
        return PMPI_Allreduce(send, c->recv, c->count, type, op, mpi);
    case CADRE__NATIVE_REDUCE:
        return PMPI_Reduce(send, c->recv, c->count, type, op, c->root, mpi);
    case CADRE__NATIVE_REDUCE_SCATTER:
        return c->blocks.counts
                   ? PMPI_Reduce_scatter(send, c->recv, c->blocks.counts, type, op, mpi)
                   : PMPI_Reduce_scatter_block(send, c->recv, c->count, type, op, mpi);
    default:
        return PMPI_Scan(send, c->recv, c->count, type, op, mpi);
    }
}

static int call_blocks(MPI_Comm mpi, int rank, const cadre__native_call *c)
{
    const MPI_Datatype type = type_of(c->dtype);
    const void *send = in_place_or(c->send);
    void *recv = c->recv == CADRE_IN_PLACE ? MPI_IN_PLACE : c->recv;
    const int *counts = c->blocks.counts, *places = c->blocks.places;

    switch (c->kind) {
    case CADRE__NATIVE_GATHER:
        return counts ? PMPI_Gatherv(send, counts[rank], type, recv, counts, places, type,
                                     c->root, mpi)
                      : PMPI_Gather(send, c->count, type, recv, c->count, type, c->root,
                                    mpi);
    case CADRE__NATIVE_SCATTER:
        return counts ? PMPI_Scatterv(send, counts, places, type, recv, counts[rank],
                                      type, c->root, mpi)
                      : PMPI_Scatter(send, c->count, type, recv, c->count, type, c->root,
                                     mpi);
    case CADRE__NATIVE_ALLGATHER:
        return counts ? PMPI_Allgatherv(send, counts[rank], type, recv, counts, places,
                                        type, mpi)
                      : PMPI_Allgather(send, c->count, type, recv, c->count, type, mpi);
    default:
        return counts ? PMPI_Alltoallv(send, counts, places, type, recv, c->from.counts,
                                       c->from.places, type, mpi)
                      : PMPI_Alltoall(send, c->count, type, recv, c->count, type, mpi);
    }
}

cadre_status cadre__native_blocking(cadre_comm *comm, const cadre__native_call *call)
{
    int error;

    switch (call->kind) {
    case CADRE__NATIVE_ALLREDUCE:
    case CADRE__NATIVE_REDUCE:
    case CADRE__NATIVE_REDUCE_SCATTER:
    case CADRE__NATIVE_SCAN:
        error = call_reduction(comm->mpi, call);
        break;
    case CADRE__NATIVE_BROADCAST:
        error = PMPI_Bcast(call->recv, call->count, type_of(call->dtype), call->root,
                           comm->mpi);
        break;
    case CADRE__NATIVE_BARRIER:
        error = PMPI_Barrier(comm->mpi);
        break;
    default:
        error = call_blocks(comm->mpi, comm->rank, call);
        break;
    }
    return error == MPI_SUCCESS
               ? CADRE_OK
               : cadre__mpi_fail(error, "the MPI library's own collective");
}
