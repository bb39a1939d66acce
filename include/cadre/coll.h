/* cadre/coll.h - collectives on tensors, with deadlines.
 *
 * Every operation is collective over the comm: all ranks start the same ones, in the same
 * order, with equal counts, types, roots and algorithms. Each has a deadline; a rank on
 * which it passes gets CADRE_ERR_TIMEOUT with a sentence that names the algorithm, its
 * step, the ranks it waited for, their hosts and what each last entered, and the comm is
 * broken from then on, instead of hanging or mixing up messages later. After such a
 * failure MPI may still read or write the buffers of the call: keep them until the
 * program ends. What they hold is undefined.
 *
 * Buffers hold `count` elements and must not overlap, except that CADRE_IN_PLACE as the
 * send buffer means that the input stands in the receive buffer already (for reduce and
 * gather at the root only, as in MPI; for scatter, as the root's receive buffer, that its
 * part stays where it is).
 *
 * Algorithms are chosen by size, ranks and measured costs, or named in the options, or
 * for the whole program in CADRE_COLL (see `cadre coll explain --help`; equal on all
 * ranks; a bad name is an error at the first call); the MPI library's own call is always
 * one of them, "native". All ranks get the same bits from an allreduce. Floating-point
 * sums depend on algorithm, count, root and number of ranks only, never on timing; those
 * of "native" on what the MPI library does. Except for a barrier, a call with count 0
 * returns at once and synchronizes nobody.
 */
#ifndef CADRE_COLL_H
#define CADRE_COLL_H

#include <cadre/comm.h>
#include <cadre/dtype.h>

#define CADRE_COLLECTIVE_LIST(X)                                                         \
    X(ALLREDUCE, "allreduce")                                                            \
    X(REDUCE, "reduce")                                                                  \
    X(REDUCE_SCATTER, "reduce_scatter")                                                  \
    X(BROADCAST, "broadcast")                                                            \
    X(BARRIER, "barrier")                                                                \
    X(GATHER, "gather")                                                                  \
    X(SCATTER, "scatter")                                                                \
    X(ALLGATHER, "allgather")                                                            \
    X(ALLTOALL, "alltoall")                                                              \
    X(SCAN, "scan")

typedef enum cadre_collective {
#define X(id, name) CADRE_##id,
    CADRE_COLLECTIVE_LIST(X)
#undef X
        CADRE_N_COLLECTIVES
} cadre_collective;

/* All zero (or a NULL pointer to it) means: default deadline, algorithm by choice. */
typedef struct cadre_coll_opts {
    int64_t deadline_ns;   /* instant; 0: CADRE_DEFAULT_TIMEOUT_MS from now */
    const char *algorithm; /* NULL: by choice */
    int reproducible;      /* 1: an allreduce's sum or average of f32 or f64 has the same
                              bits for any number, order and placement of ranks */
} cadre_coll_opts;

/* What an operation is, apart from who takes part. */
typedef struct cadre_coll_args {
    cadre_collective collective;
    const void *send;
    void *recv; /* broadcast: the buffer */
    /* Elements of the vector; of gather, scatter, allgather, alltoall: of each rank's
     * block, if `counts` is NULL. A reduce_scatter without counts cuts the vector evenly:
     * the first `count % size` blocks are longer by one. */
    size_t count;
    /* [size], equal on all ranks, kept until the operation has ended: elements of each
     * rank's block (gather, scatter, allgather, reduce_scatter), blocks in rank order
     * without gaps. alltoall: what this rank sends to each, with recv_counts[size]: what
     * comes from each. */
    const size_t *counts, *recv_counts;
    cadre_dtype dtype;
    cadre_reduction reduction;
    int root;
} cadre_coll_args;

/* Errors of all of them, besides those of messages. Arguments are checked on each rank
 * before anything is sent.
 *
 * CADRE_ERR_ARG          NULL with count > 0, bad root, dtype or reduction, buffers that
 *                        overlap, a logical reduction of a floating-point type (as in
 *                        MPI); or, during the call, that another rank passed another
 *                        count or type
 * CADRE_ERR_RANGE        the size of the buffers overflows
 * CADRE_ERR_NOT_FOUND    no such algorithm; the sentence lists those that are
 * CADRE_ERR_UNSUPPORTED  the named algorithm cannot do this ("native": 2^31 elements)
 * CADRE_ERR_INPUT        CADRE_COLL is malformed
 * CADRE_ERR_BROKEN       a call failed before */
CADRE_API cadre_status cadre_coll_call(cadre_comm *comm, const cadre_coll_args *args,
                                       const cadre_coll_opts *opts);

/* ---- The same, started now and waited for later, once or many times ---- */

typedef struct cadre_coll_plan cadre_coll_plan;

/* Check, choose and take what memory it needs, for any number of operations on the same
 * buffers. args is copied, what it points to is not. The caller owns *out; on failure it
 * is NULL. Local (so a plan may wait for nobody); plans of a comm are made in the same
 * order on all ranks. */
CADRE_API cadre_status cadre_coll_plan_make(cadre_comm *comm, const cadre_coll_args *args,
                                            const cadre_coll_opts *opts,
                                            cadre_coll_plan **out);

/* Begin one operation; deadline_ns 0: the default. Its buffers are untouched by the
 * caller until it has ended. Several may be under way on a comm. Local.
 * CADRE_ERR_ARG  the plan's last operation has not ended */
CADRE_API cadre_status cadre_coll_start(cadre_coll_plan *plan, int64_t deadline_ns);

/* Go on as far as possible without waiting; *done says whether it has ended. Operations
 * progress in calls of cadre on their comm, and in no others. Local. */
CADRE_API cadre_status cadre_coll_test(cadre_coll_plan *plan, int *done);

/* Until it has ended, or its deadline passes. A plan that is not under way is done. */
CADRE_API cadre_status cadre_coll_wait(cadre_coll_plan *plan);

/* Free a plan that is not under way, or whose comm is broken; before its comm is
 * destroyed. NULL is ignored. Local. */
CADRE_API void cadre_coll_plan_free(cadre_coll_plan *plan);

/* ---- Buffers that the ranks of a node read in each other's memory ---- */

/* bytes of zeroed memory, aligned to a page, which collectives of this comm and of those
 * made from it use without copying. Where memory cannot be shared, or the node's shared
 * memory is full, it is ordinary. The caller owns *out. Local.
 * CADRE_ERR_NOMEM  no memory */
CADRE_API cadre_status cadre_coll_alloc(cadre_comm *comm, size_t bytes, void **out);

/* Give back memory of cadre_coll_alloc(), before the comm is destroyed. NULL is ignored.
 * Local. */
CADRE_API void cadre_coll_free(cadre_comm *comm, void *memory);

/* ---- One function for each ---- */

/* recv[i] = reduction over ranks of send[i], on every rank. */
CADRE_API cadre_status cadre_allreduce(cadre_comm *comm, const void *send, void *recv,
                                       size_t count, cadre_dtype dtype,
                                       cadre_reduction reduction,
                                       const cadre_coll_opts *opts);

/* The same, on root only; recv is ignored elsewhere. */
CADRE_API cadre_status cadre_reduce(cadre_comm *comm, const void *send, void *recv,
                                    size_t count, cadre_dtype dtype,
                                    cadre_reduction reduction, int root,
                                    const cadre_coll_opts *opts);

/* The same, cut into blocks: rank r gets the counts[r] elements that follow those of
 * lower ranks. In place: the input, all blocks of it, stands in recv, and the result
 * replaces its beginning. */
CADRE_API cadre_status cadre_reduce_scatter(cadre_comm *comm, const void *send,
                                            void *recv, const size_t *counts,
                                            cadre_dtype dtype, cadre_reduction reduction,
                                            const cadre_coll_opts *opts);

/* recv[i] = reduction over this rank and lower ones of send[i]. */
CADRE_API cadre_status cadre_scan(cadre_comm *comm, const void *send, void *recv,
                                  size_t count, cadre_dtype dtype,
                                  cadre_reduction reduction, const cadre_coll_opts *opts);

/* recv[i] = the sum (or average) over all pieces of all ranks of piece[i], on every rank,
 * with the same bits however the pieces lie on ranks: for data that are cut into a fixed
 * number of pieces, served by any number of ranks. n_pieces and their order may differ
 * between ranks; 0 is possible. f32 or f64, CADRE_SUM or CADRE_AVG, up to 2^20 pieces in
 * all, each of count elements and apart from recv. The error is below n M 2^-43 (f64:
 * 2^-85) for n pieces of magnitude M or less, and half an ulp of the result; an average
 * is then divided, and rounded again. opts.algorithm names that of allreduce which is
 * used inside; no algorithm changes the result. Blocking; with opts.reproducible an
 * allreduce gives the bits that this does for one piece of each rank.
 *
 * CADRE_ERR_RANGE  more pieces in all, on every rank; or sizes overflow
 * CADRE_ERR_ARG    another type or reduction, buffers NULL or overlapping, or the average
 *                  of no pieces at all */
CADRE_API cadre_status cadre_allreduce_pieces(cadre_comm *comm, const void *const *pieces,
                                              size_t n_pieces, void *recv, size_t count,
                                              cadre_dtype dtype,
                                              cadre_reduction reduction,
                                              const cadre_coll_opts *opts);

/* buf of root to buf of every rank. */
CADRE_API cadre_status cadre_broadcast(cadre_comm *comm, void *buf, size_t count,
                                       cadre_dtype dtype, int root,
                                       const cadre_coll_opts *opts);

/* No rank leaves before all have entered. */
CADRE_API cadre_status cadre_barrier(cadre_comm *comm, const cadre_coll_opts *opts);

/* count elements of each rank, in rank order, into recv of root, count x size in all. */
CADRE_API cadre_status cadre_gather(cadre_comm *comm, const void *send, void *recv,
                                    size_t count, cadre_dtype dtype, int root,
                                    const cadre_coll_opts *opts);

/* The reverse: send of root holds count x size elements. */
CADRE_API cadre_status cadre_scatter(cadre_comm *comm, const void *send, void *recv,
                                     size_t count, cadre_dtype dtype, int root,
                                     const cadre_coll_opts *opts);

/* counts[r] elements of each rank r, in rank order without gaps, into recv of every rank.
 * All ranks pass the same counts[size]; some may be 0. With CADRE_IN_PLACE the caller's
 * part stands in recv already. */
CADRE_API cadre_status cadre_allgather(cadre_comm *comm, const void *send, void *recv,
                                       const size_t *counts, cadre_dtype dtype,
                                       const cadre_coll_opts *opts);

/* Block r of send, count elements, to rank r, where it is block `rank` of recv. With
 * CADRE_IN_PLACE the blocks to send stand in recv. */
CADRE_API cadre_status cadre_alltoall(cadre_comm *comm, const void *send, void *recv,
                                      size_t count, cadre_dtype dtype,
                                      const cadre_coll_opts *opts);

/* The index-th algorithm of a collective ("allreduce", "reduce", ...), in the order of
 * the table; NULL past the last. *summary (may be NULL) is one line on it. Local. */
CADRE_API const char *cadre_coll_algorithm(const char *collective, size_t index,
                                           const char **summary);

#endif
