/* tests/preload/check.h - checks for unmodified MPI programs: these know nothing of
 * cadre. */
#ifndef CADRE_TESTS_PRELOAD_CHECK_H
#define CADRE_TESTS_PRELOAD_CHECK_H

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static int rank, size, n_failed;

/* Every 16th call goes to MPI when there are statistics, and the first ones always. */
#define ROUNDS 24

#define CHECK(condition, ...)                                                            \
    do {                                                                                 \
        if (!(condition) && n_failed++ < 5) {                                            \
            fprintf(stderr, "%s:%d: rank %d of %d: %s: ", __FILE__, __LINE__, rank,      \
                    size, #condition);                                                   \
            fprintf(stderr, __VA_ARGS__);                                                \
            fputc('\n', stderr);                                                         \
        }                                                                                \
    } while (0)

static inline void check_start(void)
{
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
}

/* The exit code: 0 if no rank noted a failure. */
static inline int check_finish(void)
{
    int all = 0;
    MPI_Reduce(&n_failed, &all, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0 && all == 0)
        printf("all well\n");
    MPI_Finalize();
    return n_failed != 0;
}

static inline void *memory(size_t bytes)
{
    void *at = malloc(bytes ? bytes : 1);
    if (!at)
        MPI_Abort(MPI_COMM_WORLD, 1);
    return at;
}

#endif
