/* coll/call.h - one collective call under way, and the messages that algorithms send.
 *
 * An algorithm sees a checked call and talks through the few functions below: they number
 * messages, keep the deadline, check sizes, and leave what is unfinished where the caller
 * of the algorithm can cancel it. So an algorithm returns at its first failure and has
 * nothing to clean up.
 */
#ifndef CADRE_COLL_CALL_H
#define CADRE_COLL_CALL_H

#include <cadre/coll.h>
#include <cadre/ops.h>
#include <stdbool.h>

#define CADRE__COLLECTIVE_LIST(X)                                                        \
    X(ALLREDUCE, "allreduce")                                                            \
    X(REDUCE, "reduce")                                                                  \
    X(BROADCAST, "broadcast")                                                            \
    X(BARRIER, "barrier")                                                                \
    X(GATHER, "gather")                                                                  \
    X(SCATTER, "scatter")                                                                \
    X(ALLGATHER, "allgather")

typedef enum cadre__collective {
#define X(id, name) CADRE__##id,
    CADRE__COLLECTIVE_LIST(X)
#undef X
        CADRE__N_COLLECTIVES
} cadre__collective;

/* Messages of each direction that may be under way at once. Enough to keep the next ones
 * moving while one is reduced; few, so that their buffers stay in a second-level cache.
 */
#define CADRE__COLL_WINDOW 4

/* The most that goes into one message; MPI counts bytes in an int. */
#define CADRE__COLL_MAX_MESSAGE ((size_t)1 << 30)

/* What a message and a reduction cost; see cost.h. */
typedef struct cadre__coll_costs {
    double latency_ns; /* alpha: one message, however small */
    double byte_ns;    /* beta: each byte moved */
    double reduce_ns;  /* gamma: each byte reduced */
    double native_ns;  /* extra for entering the MPI library's own collective */
} cadre__coll_costs;

typedef struct cadre__coll_call {
    /* The call as checked: for gather and scatter count is that of one rank, for
     * allgather of all together, and counts[size] says whose. */
    cadre__collective collective;
    cadre_comm *comm;
    int rank, size, root;
    const void *send; /* what the caller passed: may be CADRE_IN_PLACE */
    void *recv;       /* broadcast: its buffer */
    size_t count;
    const size_t *counts;
    size_t element_bytes, bytes; /* bytes = count x element_bytes */
    cadre_dtype dtype;
    cadre_reduction reduction;
    cadre_combine_fn *combine;
    int64_t deadline_ns;
    const cadre__coll_costs *costs;

    /* Where the algorithm is, for the sentence of a failure. */
    const char *algorithm;
    int step, n_steps; /* step counts from 0; n_steps 0: not known */

    /* Messages under way; message `index` uses slot index % CADRE__COLL_WINDOW. */
    cadre_req out[CADRE__COLL_WINDOW], in[CADRE__COLL_WINDOW];
    size_t in_bytes[CADRE__COLL_WINDOW];
} cadre__coll_call;

/* bytes of scratch memory, kept with the comm and shared by its calls: a second request
 * within one call may move it. Contents are undefined. */
cadre_status cadre__coll_workspace(cadre__coll_call *call, size_t bytes, char **out);

/* The caller's input, wherever in_place put it (allreduce, and reduce at any rank). */
const void *cadre__coll_input(const cadre__coll_call *call);

/* Start message `index` of at most CADRE__COLL_MAX_MESSAGE bytes, after finishing the one
 * that had its slot. Sender and receiver of a message pass equal indexes. 0 bytes is a
 * message too. buf must stay as it is until the message has finished. */
cadre_status cadre__coll_start_send(cadre__coll_call *call, size_t index, const void *buf,
                                    size_t bytes, int dest);
cadre_status cadre__coll_start_recv(cadre__coll_call *call, size_t index, void *buf,
                                    size_t bytes, int src);

/* Wait for message `index`, or for all of one direction; what was not started is done.
 * CADRE_ERR_ARG  a message came with another size: the ranks' counts or types differ */
cadre_status cadre__coll_finish_recv(cadre__coll_call *call, size_t index);
cadre_status cadre__coll_finish_recvs(cadre__coll_call *call);
cadre_status cadre__coll_finish_sends(cadre__coll_call *call);

/* Send to dest while receiving from src, any size, and wait for both; CADRE__NOBODY
 * leaves one direction out. Sender and receiver are at the same call->step. */
#define CADRE__NOBODY (-1)
cadre_status cadre__coll_exchange(cadre__coll_call *call, const void *out,
                                  size_t out_bytes, int dest, void *in, size_t in_bytes,
                                  int src);

/* Run an algorithm on the call. On failure: puts collective, algorithm and step in front
 * of the sentence, cancels what is under way, and breaks the comm. */
cadre_status cadre__coll_run(cadre__coll_call *call, const char *algorithm,
                             cadre_status (*run)(cadre__coll_call *call));

const char *cadre__collective_name(cadre__collective collective);

#endif
