/* comm/wait.c - waiting without taking the core from those who work. */
#include "comm/state.h"
#include "core/memory.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* Sleeps grow from the first to the longest, so that a lost ring costs little and an idle
 * rank next to nothing. Without a bell (peers on other nodes, the MPI library's own
 * collectives) a sleep is added latency, so it stays short. */
#define FIRST_SLEEP_NS (50 * CADRE_NS_PER_US)
#define LONGEST_SLEEP_NS (10 * CADRE_NS_PER_MS)
#define LONGEST_BLIND_SLEEP_NS (200 * CADRE_NS_PER_US)

void cadre__comm_beside_mpi(cadre_comm *comm)
{
    comm->root->beside_mpi = true;
}

/* Any call that looks at the network does; nobody ever sends with this tag to itself. */
static void make_progress(const cadre_comm *comm)
{
    int found = 0;
    PMPI_Iprobe(comm->rank, 0, comm->mpi, &found, MPI_STATUS_IGNORE);
}

cadre_status cadre__wait_loop(cadre_comm *comm, cadre__poll_fn *poll, void *context,
                              bool rings, int64_t deadline_ns)
{
    const comm_root *root = comm->root;
    const bool belled = rings && root->bells.all && root->n_nodes == 1;
    const int64_t longest =
        belled && !root->beside_mpi ? LONGEST_SLEEP_NS : LONGEST_BLIND_SLEEP_NS;
    const int64_t spin_ns =
        root->beside_mpi && !cadre__comm_crowded(comm) ? INT64_MAX : root->spin_ns;
    int64_t nap = FIRST_SLEEP_NS, start = 0;
    /* Announced before the last look, so that what shared memory brings between look and
     * sleep rings. */
    bool sleepy = spin_ns == 0;

    for (;;) {
        if (sleepy)
            cadre__bell_announce(&root->bells);
        const uint32_t seen = cadre__bell_read(&root->bells);
        bool done = false;
        /* Also for the sake of a rank that needs ours to get a message that was sent
         * before: what we wait for may be that it comes. */
        if (root->beside_mpi || sleepy)
            make_progress(comm);
        const cadre_status st = poll(context, &done);
        const int64_t now = st == CADRE_OK && !done ? cadre_clock_ns() : 0;
        if (st != CADRE_OK || done || now >= deadline_ns) {
            cadre__bell_retract(&root->bells);
            return st != CADRE_OK ? st : done ? CADRE_OK : CADRE_ERR_TIMEOUT;
        }
        if (!start)
            start = now;
        if (!sleepy) {
            sleepy = now - start >= spin_ns;
            if (cadre__comm_crowded(comm))
                sched_yield();
            continue;
        }
        const int64_t left = deadline_ns - now;
        cadre__bell_sleep(&root->bells, seen, nap < left ? nap : left);
        nap = 2 * nap < longest ? 2 * nap : longest;
    }
}

/* ---- Requests ---- */

static MPI_Request to_mpi(const cadre_req *req)
{
    MPI_Request handle;
    _Static_assert(sizeof handle <= sizeof req->handle, "an MPI_Request fits the handle");
    memcpy(&handle, &req->handle, sizeof handle);
    return handle;
}

static cadre_status reserve(cadre_comm *comm, size_t n)
{
    if (n <= comm->n_polled)
        return CADRE_OK;
    cadre__free(comm->polled);
    cadre__free(comm->polled_index);
    cadre__free(comm->completed);
    cadre__free(comm->statuses);
    comm->n_polled = 0;
    comm->polled = cadre__alloc_n(n, sizeof *comm->polled);
    comm->polled_index = cadre__alloc_n(n, sizeof *comm->polled_index);
    comm->completed = cadre__alloc_n(n, sizeof *comm->completed);
    comm->statuses = cadre__alloc_n(n, sizeof *comm->statuses);
    if (!comm->polled || !comm->polled_index || !comm->completed || !comm->statuses)
        return CADRE_ERR_NOMEM;
    comm->n_polled = n;
    return CADRE_OK;
}

/* Above this size MPI needs an answer from the receiver, which the sender may sleep
 * for. */
#define ANSWERED_BYTES 1024

static void complete(cadre_comm *comm, cadre_req *req, const MPI_Status *status)
{
    req->handle = NULL;
    if (req->is_recv) {
        int n = 0;
        PMPI_Get_count(status, MPI_BYTE, &n);
        req->bytes = (size_t)n;
        req->peer = status->MPI_SOURCE;
        if (req->bytes < ANSWERED_BYTES)
            return;
    }
    /* A send that completed late may have been held back until now. */
    cadre__ring(comm, req->peer);
}

/* MPI_Testsome() failed: it freed what completed, well or not, so those handles are void.
 * The sentence is that of the first request that failed. */
static cadre_status forget_failed(cadre_comm *comm, cadre_req *reqs, int n_polled,
                                  int n_completed, int error)
{
    for (int i = 0; i < n_polled; i++) {
        if (comm->polled[i] == MPI_REQUEST_NULL)
            reqs[comm->polled_index[i]].handle = NULL;
    }
    for (int i = 0; error == MPI_ERR_IN_STATUS && i < n_completed; i++) {
        if (comm->statuses[i].MPI_ERROR != MPI_SUCCESS &&
            comm->statuses[i].MPI_ERROR != MPI_ERR_PENDING)
            error = comm->statuses[i].MPI_ERROR;
    }
    return cadre__mpi_fail(error, "MPI_Testsome");
}

/* One look at all requests; counts those still under way, tells the first that is not. */
static cadre_status poll_requests(cadre_comm *comm, cadre_req *reqs, size_t n,
                                  size_t *n_pending, size_t *first_done)
{
    int n_polled = 0, n_completed = 0;

    CADRE_TRY(reserve(comm, n));
    for (size_t i = 0; i < n; i++) {
        if (!reqs[i].handle)
            continue;
        comm->polled_index[n_polled] = (int)i;
        comm->polled[n_polled++] = to_mpi(&reqs[i]);
    }
    *first_done = n;
    *n_pending = (size_t)n_polled;
    if (n_polled == 0)
        return CADRE_OK;
    for (int look = 0; look < CADRE__LOOKS && n_completed == 0; look++) {
        const int error = PMPI_Testsome(n_polled, comm->polled, &n_completed,
                                        comm->completed, comm->statuses);
        if (error != MPI_SUCCESS)
            return forget_failed(comm, reqs, n_polled, n_completed, error);
    }
    for (int i = 0; i < n_completed; i++) {
        const size_t index = (size_t)comm->polled_index[comm->completed[i]];
        complete(comm, &reqs[index], &comm->statuses[i]);
        if (index < *first_done)
            *first_done = index;
    }
    *n_pending -= (size_t)n_completed;
    return CADRE_OK;
}

typedef struct waiting {
    cadre_comm *comm;
    cadre_req *reqs;
    size_t n;
    bool any;
    size_t n_pending, first_done;
} waiting;

static cadre_status poll_waiting(void *context, bool *done)
{
    waiting *w = context;
    CADRE_TRY(poll_requests(w->comm, w->reqs, w->n, &w->n_pending, &w->first_done));
    *done = w->any ? w->first_done < w->n : w->n_pending == 0;
    return CADRE_OK;
}

/* The sentence of a timeout: whom we waited for. */
static cadre_status name_missing(const waiting *w)
{
    char list[256] = "";
    size_t used = 0, left_out = 0;
    for (size_t i = 0; i < w->n; i++) {
        const cadre_req *req = &w->reqs[i];
        if (!req->handle)
            continue;
        const char *verb = req->is_recv ? "a message from" : "a message to be taken by";
        char entry[128];
        if (req->peer == CADRE_ANY_RANK)
            snprintf(entry, sizeof entry, "%s any rank", verb);
        else
            snprintf(entry, sizeof entry, "%s rank %d on %s", verb, req->peer,
                     cadre_comm_host_of(w->comm, req->peer));
        const size_t length = strlen(entry);
        if (used + length + 3 > sizeof list) {
            left_out++;
            continue;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s",
                                 used ? ", " : "", entry);
    }
    if (left_out)
        return cadre_fail(CADRE_ERR_TIMEOUT,
                          "deadline passed, waiting for %s and %zu more", list, left_out);
    return cadre_fail(CADRE_ERR_TIMEOUT, "deadline passed, waiting for %s", list);
}

cadre_status cadre_wait(cadre_comm *comm, cadre_req *reqs, size_t n, int64_t deadline_ns)
{
    CADRE_TRY(cadre__comm_check(comm));
    waiting w = {.comm = comm, .reqs = reqs, .n = n};
    const cadre_status st = cadre__wait_loop(comm, poll_waiting, &w, true, deadline_ns);
    return st == CADRE_ERR_TIMEOUT ? name_missing(&w) : st;
}

cadre_status cadre_wait_any(cadre_comm *comm, cadre_req *reqs, size_t n,
                            int64_t deadline_ns, size_t *index)
{
    CADRE_TRY(cadre__comm_check(comm));
    size_t used = 0;
    for (size_t i = 0; i < n; i++)
        used += reqs[i].handle != NULL;
    if (used == 0)
        return cadre_fail(CADRE_ERR_ARG, "nothing to wait for: no request is under way");
    waiting w = {.comm = comm, .reqs = reqs, .n = n, .any = true};
    const cadre_status st = cadre__wait_loop(comm, poll_waiting, &w, true, deadline_ns);
    *index = w.first_done;
    return st == CADRE_ERR_TIMEOUT ? name_missing(&w) : st;
}

cadre_status cadre_test(cadre_comm *comm, cadre_req *req, int *done)
{
    size_t n_pending, first_done;
    CADRE_TRY(cadre__comm_check(comm));
    CADRE_TRY(poll_requests(comm, req, 1, &n_pending, &first_done));
    *done = n_pending == 0;
    return CADRE_OK;
}

cadre_status cadre__poll_req(cadre_comm *comm, cadre_req *req, bool *done)
{
    MPI_Status status;
    int flag = 0;

    *done = true;
    if (!req->handle)
        return CADRE_OK;
    MPI_Request handle = to_mpi(req);
    const int error = PMPI_Test(&handle, &flag, &status);
    if (error != MPI_SUCCESS) {
        if (handle == MPI_REQUEST_NULL)
            req->handle = NULL;
        return cadre__mpi_fail(error, "MPI_Test");
    }
    if (flag)
        complete(comm, req, &status);
    *done = flag != 0;
    return CADRE_OK;
}

void cadre_cancel(cadre_comm *comm, cadre_req *reqs, size_t n, size_t *leaked)
{
    size_t lost = 0;
    (void)comm;
    for (size_t i = 0; i < n; i++) {
        if (!reqs[i].handle)
            continue;
        MPI_Request handle = to_mpi(&reqs[i]);
        int done = 0;
        /* A receive that was matched already completes by itself if its sender lives; a
         * send cannot be taken back. Neither is waited for. */
        if (reqs[i].is_recv)
            PMPI_Cancel(&handle);
        PMPI_Test(&handle, &done, MPI_STATUS_IGNORE);
        if (!done) {
            PMPI_Request_free(&handle);
            lost++;
        }
        reqs[i].handle = NULL;
    }
    if (leaked)
        *leaked = lost;
}
