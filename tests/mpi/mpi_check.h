/* tests/mpi/mpi_check.h - plain checks that run on every rank.
 *
 * CHECK() notes a failure and goes on, so that ranks stay in step; FINISH agrees on the
 * number of failures and ends the program. */
#ifndef CADRE_TESTS_MPI_CHECK_H
#define CADRE_TESTS_MPI_CHECK_H

#include <cadre/comm.h>
#include <stdio.h>
#include <string.h>

static int check_failures;

#define CHECK(condition, ...)                                                            \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            check_failures++;                                                            \
            fprintf(stderr, "%s:%d: rank %d: failed: %s: ", __FILE__, __LINE__,          \
                    check_rank, #condition);                                             \
            fprintf(stderr, __VA_ARGS__);                                                \
            fprintf(stderr, " (last error: %s)\n", cadre_last_error());                  \
        }                                                                                \
    } while (0)

static int check_rank;

static inline cadre_comm *check_start(void)
{
    cadre_comm *world;
    if (cadre_init(&world) != CADRE_OK) {
        fprintf(stderr, "cadre_init: %s\n", cadre_last_error());
        cadre_abort(1);
    }
    check_rank = cadre_comm_rank(world);
    return world;
}

/* The exit code, equal on all ranks: 0 if no rank noted a failure. */
static inline int check_finish(cadre_comm *world)
{
    cadre_status st = check_failures ? cadre_fail(CADRE_ERR_INTERNAL, "%d checks failed",
                                                  check_failures)
                                     : CADRE_OK;
    st = cadre_comm_agree(world, st, cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS));
    if (st != CADRE_OK && check_rank == 0)
        fprintf(stderr, "%s\n", cadre_last_error());
    cadre_finalize(world);
    return st == CADRE_OK ? 0 : 1;
}

#endif
