/* preload/preload.h - one call of an MPI collective on its way to cadre or to MPI.
 *
 * An overridden function describes its call as a `turn`; choose.c decides who does it.
 * That decision must be the same on all ranks of the communicator, so it rests only on
 * what MPI makes equal on all of them: operation, reduction, bytes, root, and how many
 * calls the communicator has seen. Types may differ between ranks where data are only
 * moved (10 ints here, a vector of 10 ints there); so such calls travel as bytes, and
 * types with gaps are packed on the rank that has them.
 */
#ifndef CADRE_PRELOAD_PRELOAD_H
#define CADRE_PRELOAD_PRELOAD_H

#include <cadre/coll.h>
#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The overridden functions. The non-blocking ones are in the same order. */
#define PRELOAD_FUNCTION_LIST(X)                                                         \
    X(ALLREDUCE, "Allreduce")                                                            \
    X(REDUCE, "Reduce")                                                                  \
    X(REDUCE_SCATTER, "Reduce_scatter")                                                  \
    X(REDUCE_SCATTER_BLOCK, "Reduce_scatter_block")                                      \
    X(BCAST, "Bcast")                                                                    \
    X(BARRIER, "Barrier")                                                                \
    X(ALLGATHER, "Allgather")                                                            \
    X(ALLGATHERV, "Allgatherv")                                                          \
    X(ALLTOALL, "Alltoall")                                                              \
    X(IALLREDUCE, "Iallreduce")                                                          \
    X(IREDUCE, "Ireduce")                                                                \
    X(IREDUCE_SCATTER, "Ireduce_scatter")                                                \
    X(IREDUCE_SCATTER_BLOCK, "Ireduce_scatter_block")                                    \
    X(IBCAST, "Ibcast")                                                                  \
    X(IBARRIER, "Ibarrier")                                                              \
    X(IALLGATHER, "Iallgather")                                                          \
    X(IALLGATHERV, "Iallgatherv")                                                        \
    X(IALLTOALL, "Ialltoall")

typedef enum function {
#define X(id, name) FN_##id,
    PRELOAD_FUNCTION_LIST(X)
#undef X
        N_FUNCTIONS
} function;

/* What becomes of a call: taken, or why it was passed on. */
#define PRELOAD_FATE_LIST(X)                                                             \
    X(TAKEN, "done by cadre")                                                            \
    X(TYPE, "a type or operation of the program's own, or one that cadre has not")       \
    X(EMPTY, "no data")                                                                  \
    X(COMM, "one rank, an inter-communicator, or no memory for cadre's")                 \
    X(EARLY, "among the first calls on its communicator")                                \
    X(FASTER, "the MPI library is predicted to be faster")                               \
    X(SAMPLED, "given to the MPI library to compare times")                              \
    X(SIZE, "more than 2 GiB")                                                           \
    X(CHECK, "arguments that the MPI library may have something to say about")

typedef enum fate {
#define X(id, text) FATE_##id,
    PRELOAD_FATE_LIST(X)
#undef X
        N_FATES
} fate;

/* A choice made before: the same arguments get the same again. */
#define N_CHOICES 32
typedef struct choice {
    uint64_t kind; /* collective, type, reduction and root; 0: unused */
    size_t count;
    bool native;
} choice;

/* A communicator of the program: kept as an attribute of it. */
typedef struct user_comm {
    struct user_comm *next, **link; /* in the list of all */
    MPI_Comm mpi;
    int rank, size;
    bool usable;       /* more than one rank, no inter-communicator */
    uint64_t calls;    /* that cadre could have done */
    cadre_comm *cadre; /* NULL until `calls` is large enough */
    size_t *counts;    /* [size], of the call under way */
    void *staging[2];  /* grown as needed */
    size_t staged_bytes[2];
    uint32_t *turns;      /* [N_FUNCTIONS x N_CLASSES] calls seen, for sampling */
    atomic_int n_pending; /* non-blocking operations under way */
    pthread_mutex_t lock; /* of `cadre`, held while non-blocking operations progress */
    choice choices[N_CHOICES];
} user_comm;

/* One side of data movement: `count` items of `type` at buf. */
typedef struct side {
    const void *buf; /* MPI_IN_PLACE: no such side */
    int count;
    MPI_Datatype type;
    size_t item_bytes;
    MPI_Aint extent;
    bool dense; /* the bytes of its items lie in order, without gaps */
} side;

typedef struct turn {
    function function;
    fate fate;
    MPI_Comm mpi;
    user_comm *comm;
    cadre_coll_args
        args;         /* counts are those of all ranks, buffers those of the program */
    size_t bytes;     /* of the vector, or of all blocks */
    int64_t start_ns; /* with statistics */
    /* Data movement only: args.send and args.recv are made from these by stage(). */
    bool moves;
    side send, recv;
    const int *recv_counts, *places; /* allgatherv, in items */
    void *staging[2];                /* packed input, packed output; NULL: not needed */
} turn;

/* ---- types.c: what MPI's handles mean to cadre ---- */

void cadre__preload_types_start(void);
/* Whether cadre combines items of this type by this operation; *items: values of dtype in
 * each (2 for complex numbers). */
bool cadre__preload_reduction(MPI_Datatype type, MPI_Op op, cadre_dtype *dtype,
                              cadre_reduction *reduction, size_t *items);
/* Fill in what is known from side->type. False: it is no type. */
bool cadre__preload_layout(side *s);

/* ---- comms.c: the communicators of the program ---- */

/* What is kept of it, made at first sight. NULL: MPI is not running, or no memory, or
 * MPI_COMM_NULL. Local. */
user_comm *cadre__preload_comm(MPI_Comm mpi);
/* Whether comm->cadre is there; it is made if not. Collective over comm. */
bool cadre__preload_comm_ready(user_comm *comm);

/* ---- choose.c, settings included ---- */

/* Decide; t->fate says what. In a blocking call a communicator may be made for it. */
bool cadre__preload_takes(turn *t, bool blocking);
/* Do it, and wait until it is done. The result is MPI's code. */
int cadre__preload_run(turn *t);
/* For what MPI has done: notes it, and hands `error` back. */
int cadre__preload_passed(turn *t, int error);
/* The sentence to stderr and the communicator's error handler; returns MPI's code. */
int cadre__preload_raise(const turn *t, int code);
int64_t cadre__preload_deadline(void);
void cadre__preload_settings_start(void);

/* ---- stage.c: packing where types have gaps ---- */

/* Make args.send and args.recv. `keep`: in memory of the turn's own, for after the call
 * (then unstage() or drop() frees it); else in the communicator's. Returns MPI's code. */
int cadre__preload_stage(turn *t, bool keep);
/* Unpack what came. Returns MPI's code. */
int cadre__preload_unstage(turn *t);

/* ---- pending.c: non-blocking operations ---- */

/* Whether they can be taken: MPI must call us to make progress. */
bool cadre__preload_can_start(void);
int cadre__preload_start(const turn *t, MPI_Request *request);
/* Wait for all of this communicator; NULL: of any. */
void cadre__preload_drain(user_comm *comm);

/* ---- stats.c ---- */

#define N_CLASSES 48
extern bool cadre__preload_counting;
void cadre__preload_stats_start(void);
/* floor(log2(bytes)) + 1, 0 for 0. */
int cadre__preload_class(size_t bytes);
void cadre__preload_count(const turn *t, int64_t ns);
void cadre__preload_print(void);

const char *cadre__preload_name(function f);

#endif
