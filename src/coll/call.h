/* coll/call.h - one operation under way, and what algorithms are written with.
 *
 * An algorithm is a row of the table in choice.c, and of one of two kinds.
 *
 * A program (`build`): plain code that runs once and, with the functions below, leaves
 * behind the steps of this rank: messages, waits, copies, reductions. program.c then runs
 * them in order; a step that cannot go on yet leaves the operation where it is, and the
 * next progress resumes it. So blocking, non-blocking and persistent operations are the
 * same code, and an algorithm has nothing to clean up.
 *
 * A direct one (`progress`): ranks of one node through memory that they share. It goes on
 * as far as it can, keeps its place in call->at and call->state, and never waits.
 */
#ifndef CADRE_COLL_CALL_H
#define CADRE_COLL_CALL_H

#include <cadre/coll.h>
#include <cadre/ops.h>
#include <stdbool.h>

struct cadre__native_call;

/* Messages of each direction that may be under way at once. Enough to keep the next ones
 * moving while one is reduced and while a rank sleeps; few, so that their buffers stay in
 * a second-level cache. Over 1 Gbit/s a ring reached 0.79 of what the link carries with
 * 4, 0.9 with 8, no more with 16. */
#define CADRE__COLL_WINDOW 8

/* The most that goes into one message; MPI counts bytes in an int. */
#define CADRE__COLL_MAX_MESSAGE ((size_t)1 << 30)

typedef struct cadre__coll_row cadre__coll_row;
typedef struct cadre__coll_state cadre__coll_state; /* of a comm; state.h */
typedef struct cadre__coll_costs cadre__coll_costs; /* cost.h */
typedef struct cadre__program cadre__program;       /* program.h */
typedef struct cadre__levels cadre__levels;         /* levels.h */

typedef struct cadre__coll_call cadre__coll_call;

struct cadre__coll_call {
    /* The call as checked: counts as in cadre_coll_args. */
    cadre_collective collective;
    cadre_comm *comm;
    cadre__coll_state *state_of_comm;
    int rank, size, root;
    const void *send; /* what the caller passed: may be CADRE_IN_PLACE */
    void *recv;       /* broadcast: its buffer */
    size_t count;     /* with counts: of all together */
    const size_t *counts, *recv_counts;
    size_t element_bytes, bytes; /* bytes = count x element_bytes */
    cadre_dtype dtype;
    cadre_reduction reduction;
    cadre_combine_fn *combine; /* an average's is that of the sum */
    bool reproducible;
    const cadre__coll_costs *costs;
    const cadre__levels *levels; /* NULL: not known, taken for one node */
    const cadre__coll_row *row;  /* NULL: there is nothing to do */

    /* Under way. */
    uint32_t number;     /* of the operation on its comm, from 1 */
    uint32_t signature;  /* of what must be equal on all ranks */
    int64_t deadline_ns; /* 0: the default, counted from when waiting starts */
    bool started, done;
    bool ordered, polled;   /* the row's, or for a program that of its children */
    cadre_status status;    /* of one that failed */
    cadre__coll_call *next; /* in the queue of its comm */

    /* Where the algorithm is, for the sentence of a failure. */
    int step, n_steps; /* step counts from 0; n_steps 0: not known */

    cadre__coll_call *check; /* what precedes it, see check.h; NULL: nothing */
    cadre__program *program; /* of a program */
    int at;                  /* of a direct algorithm, as it likes; 0 at the start */
    size_t state[6];

    /* Messages of a program under way; message `index` uses slot
     * index % CADRE__COLL_WINDOW. Undefined without a program. */
    cadre_req out[CADRE__COLL_WINDOW], in[CADRE__COLL_WINDOW];
    size_t in_bytes[CADRE__COLL_WINDOW];
};

struct cadre__coll_row {
    cadre_collective collective;
    const char *name, *summary;
    bool (*applies)(const cadre__coll_call *call); /* NULL: to every call */
    double (*cost_ns)(const cadre__coll_call *call);
    cadre_status (*build)(cadre__coll_call *call);                /* a program, */
    cadre_status (*progress)(cadre__coll_call *call, bool *done); /* or direct */
    bool ordered;      /* uses the comm's shared memory: such operations take turns */
    bool polled;       /* what it waits for rings no doorbell */
    bool reproducible; /* for reproducible sums, and for nothing else */
    /* Of a direct one, when its deadline has passed: CADRE_ERR_TIMEOUT, with a sentence
     * that names the ranks that did not come. */
    cadre_status (*timed_out)(const cadre__coll_call *call);
};

/* ---- Used by build(): each leaves a step behind. CADRE_ERR_NOMEM only. ---- */

/* bytes of scratch memory of this operation, undefined contents; once per build. */
cadre_status cadre__coll_workspace(cadre__coll_call *call, size_t bytes, char **out);

/* bytes of zeroed memory that lives as long as the program, for lists and contexts. */
cadre_status cadre__coll_keep(cadre__coll_call *call, size_t bytes, void **out);

/* The caller's input, wherever in_place put it (allreduce, scan, and reduce at any rank).
 */
const void *cadre__coll_input(const cadre__coll_call *call);

/* Start message `index` of at most CADRE__COLL_MAX_MESSAGE bytes, after finishing the one
 * that had its slot. Sender and receiver of a message pass equal indexes, and messages
 * between two ranks are started in the same order on both. 0 bytes is a message too. buf
 * must stay as it is until the message has finished. */
cadre_status cadre__coll_start_send(cadre__coll_call *call, size_t index, const void *buf,
                                    size_t bytes, int dest);
cadre_status cadre__coll_start_recv(cadre__coll_call *call, size_t index, void *buf,
                                    size_t bytes, int src);

/* Wait for message `index`, or for all of one direction; what was not started is done.
 * At run time CADRE_ERR_ARG if a message came with another size: the ranks' counts or
 * types differ. */
cadre_status cadre__coll_finish_recv(cadre__coll_call *call, size_t index);
cadre_status cadre__coll_finish_recvs(cadre__coll_call *call);
cadre_status cadre__coll_finish_sends(cadre__coll_call *call);

/* Send to dest while receiving from src, any size, and wait for both; CADRE__NOBODY
 * leaves one direction out. Sender and receiver are at the same call->step. */
#define CADRE__NOBODY (-1)
cadre_status cadre__coll_exchange(cadre__coll_call *call, const void *out,
                                  size_t out_bytes, int dest, void *in, size_t in_bytes,
                                  int src);

/* out = a (reduction) b, count elements; out may be exactly a or b. */
cadre_status cadre__coll_combine(cadre__coll_call *call, void *out, const void *a,
                                 const void *b, size_t count);
/* memmove(); nothing if dest is src. */
cadre_status cadre__coll_copy(cadre__coll_call *call, void *dest, const void *src,
                              size_t bytes);
/* If the reduction is an average: data = data / ranks, count elements, where data is the
 * sum; integers truncate toward zero. */
cadre_status cadre__coll_average(cadre__coll_call *call, void *data, size_t count);
/* fn(context): work on this rank alone. context is memory of cadre__coll_keep(). */
cadre_status cadre__coll_apply(cadre__coll_call *call, void (*fn)(void *context),
                               void *context);
/* An operation of the MPI library's. what: memory of cadre__coll_keep(). */
cadre_status cadre__coll_native(cadre__coll_call *call,
                                const struct cadre__native_call *what);
/* Another collective, on this comm or one made for it, from its start to its end. What
 * args points to is kept as long as the program. algorithm NULL: by choice. */
cadre_status cadre__coll_child(cadre__coll_call *call, cadre_comm *comm,
                               const cadre_coll_args *args, const char *algorithm);

/* data = data / by for n elements, as averages are made. */
void cadre__divide(cadre_dtype dtype, void *data, size_t n, int by);

const char *cadre__collective_name(cadre_collective collective);

static inline bool cadre__collective_reduces(cadre_collective collective)
{
    return collective == CADRE_ALLREDUCE || collective == CADRE_REDUCE ||
           collective == CADRE_REDUCE_SCATTER || collective == CADRE_SCAN;
}

static inline bool cadre__collective_has_root(cadre_collective collective)
{
    return collective == CADRE_REDUCE || collective == CADRE_BROADCAST ||
           collective == CADRE_GATHER || collective == CADRE_SCATTER;
}

#endif
