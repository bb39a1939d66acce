/* run/coll_task.h - a collective of one size, to verify and to time.
 *
 * Every call has data of its own (coll_data.h): the send buffer is written anew before
 * each, since one that nobody has touched lies in the caches of those who read it last.
 * The root of a rooted collective moves on by one rank, so that no rank runs ahead.
 *
 * All functions are collective over the comm, and tell every rank the same.
 */
#ifndef CADRE_RUN_COLL_TASK_H
#define CADRE_RUN_COLL_TASK_H

#include "run/coll_data.h"
#include <cadre/coll.h>
#include <stdbool.h>

/* Who does it. */
typedef struct cadre__coll_contender {
    bool is_mpi; /* the MPI library's own blocking call, as a program makes it */
    const char *algorithm; /* of ours; NULL: by choice */
    bool shared;           /* buffers of cadre_coll_alloc() */
    bool reproducible;     /* sums that have the same bits for any ranks */
    double call_us;        /* what a call took at best; 0: not known */
} cadre__coll_contender;

typedef struct cadre__coll_buffers {
    void *send, *recv; /* NULL until they are needed */
} cadre__coll_buffers;

typedef struct cadre__coll_task {
    cadre_comm *comm;
    cadre_coll_args args; /* but for buffers and root */
    size_t bytes;         /* of the vector: the longest that a rank sends or gets */
    size_t element_bytes, block; /* block: elements of each rank's, or of the vector */
    size_t n_send, n_recv;       /* elements in the buffers */
    int rank, size;
    size_t turn; /* of the next call */
    cadre__coll_data data;
    char *pattern;  /* table of what this rank sends */
    char *expected; /* of a reduction: what comes out here; else workspace */
    cadre__coll_buffers buffers[2]; /* ordinary, shared */
    double writing_ns[2];           /* of the data of a call; ordinary, shared */
    double *times;                  /* of calls, us */
    int64_t lead_ns; /* from an agreed moment to the common start; 0: there is none */
} cadre__coll_task;

/* bytes: of the whole vector, or of all ranks' blocks together; rounded up to a multiple
 * of what is needed, as task->bytes tells. On failure nothing is to be freed.
 * CADRE_ERR_NOMEM, CADRE_ERR_ARG, CADRE_ERR_RANGE */
cadre_status cadre__coll_task_init(cadre__coll_task *task, cadre_comm *comm,
                                   cadre_collective collective, cadre_dtype dtype,
                                   cadre_reduction reduction, size_t bytes);
void cadre__coll_task_fini(cadre__coll_task *task);

/* Whether MPI has a call for this. Local. */
bool cadre__coll_task_mpi_has(const cadre__coll_task *task);

/* The arguments of the next call by this contender: its buffers, the next root. */
cadre_status cadre__coll_task_args(cadre__coll_task *task,
                                   const cadre__coll_contender *who,
                                   cadre_coll_args *out);

/* A few calls, each compared with what must come out.
 * CADRE_ERR_INTERNAL  the result is wrong: which element, on which rank
 * and what the call itself returns */
cadre_status cadre__coll_task_verify(cadre__coll_task *task, cadre__coll_contender *who);

/* The time of one call, us, the longest of all ranks; then the last result is compared.
 * Up to 4 KiB: in rows of calls, less the time that writing the data takes. Longer ones
 * alone, from a common start. The median of some. */
cadre_status cadre__coll_task_time(cadre__coll_task *task, cadre__coll_contender *who,
                                   double *us);

/* What travels over each rank's link at least, per byte of the vector: bus bandwidth is
 * this times algorithm bandwidth (as nccl-tests derives it). NAN: barrier. */
double cadre__coll_bus_factor(cadre_collective collective, int size);

#endif
