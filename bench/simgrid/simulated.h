/* bench/simgrid/simulated.h - included before every source that is built for the
 * simulator, in place of changes to the sources.
 *
 * Simulated time stands still while a rank computes, so a rank that asks again and again
 * whether a message has come would never see it come, or, with the guess of a time per
 * question that the simulator can add, see it late. A question that has only one useful
 * answer therefore waits for it: programs of collectives look at the one message that
 * they cannot go on without.
 *
 * The simulator divides a link among all messages that are under way on it, so that those
 * of a window all arrive late and a pipeline fills as slowly as with segments four times
 * as long. Network cards send one message after the other, and so does simulated_isend().
 */
#ifndef CADRE_BENCH_SIMULATED_H
#define CADRE_BENCH_SIMULATED_H

#include <mpi.h>

/* Nanoseconds per byte of the card. */
extern double simulated_byte_ns;

/* MPI_Isend() of bytes, after the card has sent what this rank gave it before. */
int simulated_isend(const void *data, int bytes, MPI_Datatype type, int dest, int tag,
                    MPI_Comm comm, MPI_Request *request);

#define PMPI_Isend simulated_isend
#define PMPI_Test(request, flag, status) (*(flag) = 1, PMPI_Wait(request, status))
#define PMPI_Testsome(n, requests, completed, indices, statuses)                         \
    PMPI_Waitsome(n, requests, completed, indices, statuses)

#endif
