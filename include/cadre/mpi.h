/* cadre/mpi.h - for programs that have an MPI communicator of their own. Not part of
 * cadre.h: it includes <mpi.h>. */
#ifndef CADRE_MPI_H
#define CADRE_MPI_H

#include <cadre/comm.h>
#include <mpi.h>

/* A private copy of mpi_comm, which stays the caller's and untouched. Doorbells reach the
 * ranks of mpi_comm only. The caller owns *out; on failure it is NULL.
 * Collective over mpi_comm, an intra-communicator. */
CADRE_API cadre_status cadre_comm_from_mpi(MPI_Comm mpi_comm, cadre_comm **out);

#endif
