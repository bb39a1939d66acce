/* cadre/comm.h - ranks that can reach each other, and messages with deadlines.
 *
 * A cadre_comm is a private copy of an MPI communicator: nothing that the caller does on
 * his own communicator can be mistaken for our messages. Everything here that waits has a
 * deadline, an instant of cadre_clock_ns(), and when it passes the sentence names the
 * ranks that did not come.
 *
 * Waiting is cheap. A rank that waits spins for a moment, then sleeps until a rank of the
 * same node rings its doorbell (a futex in shared memory, rung with each message), or,
 * when some peers are on other nodes, polls at short intervals. So an idle rank takes no
 * core from a working one, oversubscribed or not.
 *
 * A comm is used by one thread at a time.
 */
#ifndef CADRE_COMM_H
#define CADRE_COMM_H

#include <cadre/clock.h>
#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cadre_comm cadre_comm;

#define CADRE_ANY_RANK (-1)
#define CADRE_MAX_TAG 32767 /* user tags are 0 to this */

/* In place of a collective's send buffer: the input stands in the receive buffer
 * already. */
#define CADRE_IN_PLACE ((void *)-1)

/* Start MPI unless the program has done so, and make *world of all its ranks. The ranks
 * on each node must share memory. The caller owns *world; on failure it is NULL.
 * Collective over MPI_COMM_WORLD. A program started without mpirun gets one rank.
 * CADRE_ERR_MPI  MPI cannot start */
CADRE_API cadre_status cadre_init(cadre_comm **world);

/* Destroy world, and finalize MPI if cadre_init() started it. NULL is ignored.
 * Collective over world. */
CADRE_API void cadre_finalize(cadre_comm *world);

/* End all ranks of the job at once with this exit code, for when they can no longer
 * agree. Local; does not return. */
CADRE_API void cadre_abort(int exit_code) CADRE_NORETURN;

CADRE_API int cadre_comm_rank(const cadre_comm *comm);
CADRE_API int cadre_comm_size(const cadre_comm *comm);

/* Where ranks are. Nodes are numbered 0 .. n_nodes-1 in order of their lowest world rank.
 * Local. */
CADRE_API int cadre_comm_n_nodes(const cadre_comm *comm);
CADRE_API int cadre_comm_node_of(const cadre_comm *comm, int rank);
CADRE_API const char *cadre_comm_host_of(const cadre_comm *comm, int rank);
CADRE_API int cadre_comm_world_rank_of(const cadre_comm *comm, int rank);

/* The ranks of comm on this rank's node: how many, and this rank's place among them.
 * Local. */
CADRE_API int cadre_comm_node_size(const cadre_comm *comm);
CADRE_API int cadre_comm_node_rank(const cadre_comm *comm);

/* A communicator of ranks[0..n_ranks) of parent, in that order; the caller is one of
 * them. Collective over those ranks only, which all pass the same list; the other ranks
 * of parent need not know. `tag` (0 .. CADRE_MAX_TAG) tells simultaneous calls apart. The
 * caller owns *out; on failure it is NULL.
 * CADRE_ERR_ARG  a rank out of range or twice, or the caller is missing from the list */
CADRE_API cadre_status cadre_comm_create(cadre_comm *parent, const int *ranks,
                                         int n_ranks, int tag, cadre_comm **out);

/* Free the communicator. NULL is ignored. Local (it waits for nobody). */
CADRE_API void cadre_comm_destroy(cadre_comm *comm);

/* Agree on the worst status: each rank gives its own, every rank returns the numerically
 * lowest, and where that is a failure the sentence of the lowest rank that had it ("rank
 * 3 on node7: ..."). Collective over comm.
 * CADRE_ERR_TIMEOUT  some rank did not come; the comm is broken from now on */
CADRE_API cadre_status cadre_comm_agree(cadre_comm *comm, cadre_status st,
                                        int64_t deadline_ns);

/* ---- Messages. Between two ranks and one tag they arrive in the order sent. ---- */

/* One message under way: caller storage, all zero when not in use. */
typedef struct cadre_req {
    void *handle; /* private */
    int peer;     /* the rank at the other end; after completion the actual one */
    int is_recv;
    size_t bytes; /* after completion of a receive: what came */
} cadre_req;

/* Start a message of up to 2 GiB - 1 bytes. buf must stay untouched until the request has
 * completed. Local.
 * CADRE_ERR_ARG     rank, tag or size out of range
 * CADRE_ERR_BROKEN  the comm failed before
 * CADRE_ERR_MPI     MPI refused */
CADRE_API cadre_status cadre_isend(cadre_comm *comm, const void *buf, size_t bytes,
                                   int dest, int tag, cadre_req *req);
/* The message may be shorter than `bytes`, not longer. src may be CADRE_ANY_RANK. */
CADRE_API cadre_status cadre_irecv(cadre_comm *comm, void *buf, size_t bytes, int src,
                                   int tag, cadre_req *req);

/* Whether req has completed, without waiting; an unused req has. Local. */
CADRE_API cadre_status cadre_test(cadre_comm *comm, cadre_req *req, int *done);

/* Wait until all n, or any one of them, have completed; unused ones are passed over.
 * wait_any gives the index of the completed one (the lowest if several are), and
 * CADRE_ERR_ARG if all are unused. Local.
 * CADRE_ERR_TIMEOUT  names the ranks; what did complete stays completed, the rest stays
 *                    under way: wait again, or cadre_cancel() */
CADRE_API cadre_status cadre_wait(cadre_comm *comm, cadre_req *reqs, size_t n,
                                  int64_t deadline_ns);
CADRE_API cadre_status cadre_wait_any(cadre_comm *comm, cadre_req *reqs, size_t n,
                                      int64_t deadline_ns, size_t *index);

/* Give up requests that will not complete. A receive is withdrawn and its buffer is free.
 * A send may still be read by MPI: *leaked (may be NULL) counts those, whose buffers must
 * never be reused or freed. Local. */
CADRE_API void cadre_cancel(cadre_comm *comm, cadre_req *reqs, size_t n, size_t *leaked);

/* Send or receive one message and wait for it. *got (may be NULL) is the size received.
 * Local. On CADRE_ERR_TIMEOUT a send may leave buf in use for ever; see cadre_cancel().
 */
CADRE_API cadre_status cadre_send(cadre_comm *comm, const void *buf, size_t bytes,
                                  int dest, int tag, int64_t deadline_ns);
CADRE_API cadre_status cadre_recv(cadre_comm *comm, void *buf, size_t bytes, int src,
                                  int tag, int64_t deadline_ns, size_t *got);

/* Wait for a message with this tag and tell its sender and size, leaving it to be
 * received. Local. */
CADRE_API cadre_status cadre_probe(cadre_comm *comm, int src, int tag,
                                   int64_t deadline_ns, int *from, size_t *bytes);

/* Mark comm broken: every later call on it returns CADRE_ERR_BROKEN with this reason.
 * Local. */
CADRE_API void cadre_comm_break(cadre_comm *comm, const char *reason);

#endif
