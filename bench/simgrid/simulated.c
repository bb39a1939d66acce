/* bench/simgrid/simulated.c - a network card that sends one message after the other. */
#include "simulated.h"
#include <time.h>

#undef PMPI_Isend

double simulated_byte_ns;

int simulated_isend(const void *data, int bytes, MPI_Datatype type, int dest, int tag,
                    MPI_Comm comm, MPI_Request *request)
{
    static double free_at; /* seconds of simulated time */
    double now = PMPI_Wtime();

    if (free_at > now) {
        const double seconds = free_at - now;
        const struct timespec span = {.tv_sec = (time_t)seconds,
                                      .tv_nsec =
                                          (long)((seconds - (time_t)seconds) * 1e9)};
        nanosleep(&span, NULL);
        now = free_at;
    }
    free_at = now + bytes * simulated_byte_ns * 1e-9;
    return PMPI_Isend(data, bytes, type, dest, tag, comm, request);
}
