/* comm/native.c - the MPI library's own collectives behind our types and deadlines.
 *
 * The non-blocking forms are used, since a blocking one cannot be left when its deadline
 * passes. They announce nothing by doorbell, so the wait polls at short intervals. */
#include "comm/native.h"
#include "comm/state.h"
#include <limits.h>

static MPI_Datatype type_of(cadre_dtype dtype)
{
    switch (dtype) {
    case CADRE_F32:
        return MPI_FLOAT;
    case CADRE_F64:
        return MPI_DOUBLE;
    case CADRE_I32:
        return MPI_INT32_T;
    case CADRE_I64:
        return MPI_INT64_T;
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

static const void *in_place_or(const void *buf)
{
    return buf == CADRE_IN_PLACE ? MPI_IN_PLACE : buf;
}

typedef struct pending {
    MPI_Request request;
} pending;

static cadre_status poll_pending(void *context, bool *done)
{
    pending *p = context;
    int flag = 0;
    const int error = MPI_Test(&p->request, &flag, MPI_STATUS_IGNORE);
    if (error != MPI_SUCCESS)
        return cadre__mpi_fail(error, "MPI_Test");
    *done = flag != 0;
    return CADRE_OK;
}

/* Wait for what `call` started. A collective cannot be cancelled: on a timeout its
 * buffers stay in MPI's hands and the comm is broken. */
static cadre_status finish(cadre_comm *comm, int error, const char *call, pending *p,
                           int64_t deadline_ns)
{
    if (error != MPI_SUCCESS)
        return cadre__mpi_fail(error, call);
    cadre_status st = cadre__wait_loop(comm, poll_pending, p, false, deadline_ns);
    if (st == CADRE_ERR_TIMEOUT)
        st = cadre_fail(
            st, "deadline passed in %s; which ranks are missing, MPI does not tell",
            call);
    if (st != CADRE_OK)
        cadre_comm_break(comm, cadre_last_error());
    return st;
}

static cadre_status check_count(const cadre_comm *comm, size_t count)
{
    CADRE_TRY(cadre__comm_check(comm));
    if (count > INT_MAX)
        return cadre_fail(CADRE_ERR_UNSUPPORTED, "%zu elements: MPI's own call takes %d",
                          count, INT_MAX);
    return CADRE_OK;
}

cadre_status cadre__native_allreduce(cadre_comm *comm, const void *send, void *recv,
                                     size_t count, cadre_dtype dtype,
                                     cadre_reduction reduction, int64_t deadline_ns)
{
    pending p;
    CADRE_TRY(check_count(comm, count));
    const int error = MPI_Iallreduce(in_place_or(send), recv, (int)count, type_of(dtype),
                                     op_of(reduction), comm->mpi, &p.request);
    return finish(comm, error, "MPI_Iallreduce", &p, deadline_ns);
}

cadre_status cadre__native_reduce(cadre_comm *comm, const void *send, void *recv,
                                  size_t count, cadre_dtype dtype,
                                  cadre_reduction reduction, int root,
                                  int64_t deadline_ns)
{
    pending p;
    CADRE_TRY(check_count(comm, count));
    const int error = MPI_Ireduce(in_place_or(send), recv, (int)count, type_of(dtype),
                                  op_of(reduction), root, comm->mpi, &p.request);
    return finish(comm, error, "MPI_Ireduce", &p, deadline_ns);
}

cadre_status cadre__native_broadcast(cadre_comm *comm, void *buf, size_t count,
                                     cadre_dtype dtype, int root, int64_t deadline_ns)
{
    pending p;
    CADRE_TRY(check_count(comm, count));
    const int error =
        MPI_Ibcast(buf, (int)count, type_of(dtype), root, comm->mpi, &p.request);
    return finish(comm, error, "MPI_Ibcast", &p, deadline_ns);
}

cadre_status cadre__native_barrier(cadre_comm *comm, int64_t deadline_ns)
{
    pending p;
    CADRE_TRY(cadre__comm_check(comm));
    const int error = MPI_Ibarrier(comm->mpi, &p.request);
    return finish(comm, error, "MPI_Ibarrier", &p, deadline_ns);
}

cadre_status cadre__native_gather(cadre_comm *comm, const void *send, void *recv,
                                  size_t count, cadre_dtype dtype, int root,
                                  int64_t deadline_ns)
{
    pending p;
    CADRE_TRY(check_count(comm, count));
    const int error =
        MPI_Igather(in_place_or(send), (int)count, type_of(dtype), recv, (int)count,
                    type_of(dtype), root, comm->mpi, &p.request);
    return finish(comm, error, "MPI_Igather", &p, deadline_ns);
}

cadre_status cadre__native_scatter(cadre_comm *comm, const void *send, void *recv,
                                   size_t count, cadre_dtype dtype, int root,
                                   int64_t deadline_ns)
{
    pending p;
    CADRE_TRY(check_count(comm, count));
    void *target = recv == CADRE_IN_PLACE ? MPI_IN_PLACE : recv;
    const int error = MPI_Iscatter(send, (int)count, type_of(dtype), target, (int)count,
                                   type_of(dtype), root, comm->mpi, &p.request);
    return finish(comm, error, "MPI_Iscatter", &p, deadline_ns);
}

cadre_status cadre__native_allgather(cadre_comm *comm, const void *send, void *recv,
                                     const int *counts, const int *places,
                                     cadre_dtype dtype, int64_t deadline_ns)
{
    pending p;
    CADRE_TRY(cadre__comm_check(comm));
    const int error =
        MPI_Iallgatherv(in_place_or(send), counts[cadre_comm_rank(comm)], type_of(dtype),
                        recv, counts, places, type_of(dtype), comm->mpi, &p.request);
    return finish(comm, error, "MPI_Iallgatherv", &p, deadline_ns);
}
