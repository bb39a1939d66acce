/* cadre/coll.h - collectives on tensors, with deadlines.
 *
 * Every call is collective over the comm: all ranks make the same calls, in the same
 * order, with equal counts, types, roots and algorithms. Each has a deadline; a rank on
 * which it passes gets CADRE_ERR_TIMEOUT with a sentence that names the algorithm, its
 * step and the ranks it waited for, and the comm is broken from then on, instead of
 * hanging or mixing up messages later. After such a failure MPI may still read or write
 * the buffers of the call: keep them until the program ends. What they hold is undefined.
 *
 * Buffers hold `count` elements and must not overlap, except that CADRE_IN_PLACE as the
 * send buffer means that the input stands in the receive buffer already (for reduce and
 * gather at the root only, as in MPI; for scatter, as the root's receive buffer, that its
 * part stays where it is).
 *
 * Algorithms are chosen by size and ranks, or named in the options, or for the whole
 * program in CADRE_COLL=allreduce:ring,broadcast:native (equal on all ranks; a bad name
 * is an error at the first call); the MPI library's own call is always one of them,
 * "native". All ranks get the same bits from an allreduce. Floating-point sums depend on
 * algorithm, count, root and number of ranks only, never on timing; those of "native" on
 * what the MPI library does. Except for a barrier, a call with count 0 returns at once
 * and synchronizes nobody.
 */
#ifndef CADRE_COLL_H
#define CADRE_COLL_H

#include <cadre/comm.h>
#include <cadre/dtype.h>

/* All zero (or a NULL pointer to it) means: default deadline, algorithm by choice. */
typedef struct cadre_coll_opts {
    int64_t deadline_ns;   /* instant; 0: CADRE_DEFAULT_TIMEOUT_MS from now */
    const char *algorithm; /* NULL: by choice */
} cadre_coll_opts;

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

/* The index-th algorithm of a collective ("allreduce", "reduce", "broadcast", "barrier",
 * "gather", "scatter", "allgather"), in the order of the table; NULL past the last.
 * *summary (may be NULL) is one line on it. Local. */
CADRE_API const char *cadre_coll_algorithm(const char *collective, size_t index,
                                           const char **summary);

#endif
