/* comm/message.c - point-to-point messages. */
#include "comm/state.h"
#include <limits.h>
#include <string.h>

static cadre_status check(const cadre_comm *comm, const void *buf, size_t bytes, int peer,
                          int tag)
{
    CADRE_TRY(cadre__comm_check(comm));
    if (peer < 0 || peer >= comm->size)
        return cadre_fail(CADRE_ERR_ARG, "rank %d: this communicator has ranks 0 to %d",
                          peer, comm->size - 1);
    if (tag < 0 || tag >= CADRE__COLL_TAG + CADRE__COLL_NUMBERS * CADRE__COLL_KINDS)
        return cadre_fail(CADRE_ERR_ARG, "tag %d: expected 0 to %d", tag, CADRE_MAX_TAG);
    if (bytes > INT_MAX)
        return cadre_fail(CADRE_ERR_ARG, "message of %zu bytes: %d is the most", bytes,
                          INT_MAX);
    if (!buf && bytes)
        return cadre_fail(CADRE_ERR_ARG, "message of %zu bytes with a NULL buffer",
                          bytes);
    return CADRE_OK;
}

static void keep(cadre_req *req, MPI_Request handle, int peer, int is_recv, size_t bytes)
{
    *req = (cadre_req){.peer = peer, .is_recv = is_recv, .bytes = bytes};
    memcpy(&req->handle, &handle, sizeof handle);
}

cadre_status cadre_isend(cadre_comm *comm, const void *buf, size_t bytes, int dest,
                         int tag, cadre_req *req)
{
    MPI_Request handle;
    CADRE_TRY(check(comm, buf, bytes, dest, tag));
    const int error =
        PMPI_Isend(buf, (int)bytes, MPI_BYTE, dest, tag, comm->mpi, &handle);
    if (error != MPI_SUCCESS)
        return cadre__mpi_fail(error, "MPI_Isend");
    keep(req, handle, dest, 0, bytes);
    cadre__ring(comm, dest);
    return CADRE_OK;
}

cadre_status cadre_irecv(cadre_comm *comm, void *buf, size_t bytes, int src, int tag,
                         cadre_req *req)
{
    MPI_Request handle;
    CADRE_TRY(check(comm, buf, bytes, src == CADRE_ANY_RANK ? 0 : src, tag));
    const int error =
        PMPI_Irecv(buf, (int)bytes, MPI_BYTE,
                   src == CADRE_ANY_RANK ? MPI_ANY_SOURCE : src, tag, comm->mpi, &handle);
    if (error != MPI_SUCCESS)
        return cadre__mpi_fail(error, "MPI_Irecv");
    keep(req, handle, src, 1, bytes);
    return CADRE_OK;
}

cadre_status cadre_send(cadre_comm *comm, const void *buf, size_t bytes, int dest,
                        int tag, int64_t deadline_ns)
{
    cadre_req req;
    CADRE_TRY(cadre_isend(comm, buf, bytes, dest, tag, &req));
    const cadre_status st = cadre_wait(comm, &req, 1, deadline_ns);
    cadre_cancel(comm, &req, 1, NULL);
    return st;
}

cadre_status cadre_recv(cadre_comm *comm, void *buf, size_t bytes, int src, int tag,
                        int64_t deadline_ns, size_t *got)
{
    cadre_req req;
    CADRE_TRY(cadre_irecv(comm, buf, bytes, src, tag, &req));
    const cadre_status st = cadre_wait(comm, &req, 1, deadline_ns);
    cadre_cancel(comm, &req, 1, NULL);
    if (st == CADRE_OK && got)
        *got = req.bytes;
    return st;
}

cadre_status cadre__probe_once(cadre_comm *comm, int tag, bool *found, int *from,
                               size_t *bytes)
{
    MPI_Status status;
    int flag = 0, n = 0;

    const int error = PMPI_Iprobe(MPI_ANY_SOURCE, tag, comm->mpi, &flag, &status);
    if (error != MPI_SUCCESS)
        return cadre__mpi_fail(error, "MPI_Iprobe");
    *found = flag != 0;
    if (flag == 0)
        return CADRE_OK;
    PMPI_Get_count(&status, MPI_BYTE, &n);
    *from = status.MPI_SOURCE;
    *bytes = (size_t)n;
    return CADRE_OK;
}

typedef struct probing {
    cadre_comm *comm;
    int src, tag;
    MPI_Status status;
} probing;

static cadre_status poll_probe(void *context, bool *done)
{
    probing *p = context;
    int found = 0;
    for (int look = 0; look < CADRE__LOOKS && !found; look++) {
        const int error = PMPI_Iprobe(p->src, p->tag, p->comm->mpi, &found, &p->status);
        if (error != MPI_SUCCESS)
            return cadre__mpi_fail(error, "MPI_Iprobe");
    }
    *done = found != 0;
    return CADRE_OK;
}

cadre_status cadre_probe(cadre_comm *comm, int src, int tag, int64_t deadline_ns,
                         int *from, size_t *bytes)
{
    CADRE_TRY(check(comm, NULL, 0, src == CADRE_ANY_RANK ? 0 : src, tag));
    probing p = {
        .comm = comm, .src = src == CADRE_ANY_RANK ? MPI_ANY_SOURCE : src, .tag = tag};
    const cadre_status st = cadre__wait_loop(comm, poll_probe, &p, true, deadline_ns);
    if (st == CADRE_ERR_TIMEOUT)
        return src == CADRE_ANY_RANK
                   ? cadre_fail(st,
                                "deadline passed, waiting for a message from any rank")
                   : cadre_fail(
                         st, "deadline passed, waiting for a message from rank %d on %s",
                         src, cadre_comm_host_of(comm, src));
    CADRE_TRY(st);
    int n = 0;
    PMPI_Get_count(&p.status, MPI_BYTE, &n);
    *from = p.status.MPI_SOURCE;
    *bytes = (size_t)n;
    return CADRE_OK;
}
