/* preload/fortran.c - the same functions as Fortran calls them.
 *
 * Open MPI's Fortran bindings call the PMPI_ functions of C, past ours; so they are
 * overridden too: by the names that compilers give to mpi_x, and that of module mpi_f08
 * (a name with _f08_, whose handles are integers in structures, whose buffers are
 * addresses, and whose ierror may be absent). Handles are converted as MPI-3.1, 17.2.4,
 * has it; MPI_IN_PLACE and MPI_BOTTOM are places in Open MPI's common blocks. */
#include "preload/preload.h"

_Static_assert(_Generic((MPI_Fint)0, int : 1, default : 0),
               "Fortran's counts are those of C");

/* Where the program has no Fortran, these do not exist. */
extern int mpi_fortran_in_place_ __attribute__((weak));
extern int mpi_fortran_bottom_ __attribute__((weak));

static void *place(void *buf)
{
    if (buf && buf == (void *)&mpi_fortran_in_place_)
        return MPI_IN_PLACE;
    if (buf && buf == (void *)&mpi_fortran_bottom_)
        return MPI_BOTTOM;
    return buf;
}

static void result(MPI_Fint *ierror, int code)
{
    if (ierror)
        *ierror = code;
}

#define TOGETHER(...) __VA_ARGS__
#define ALIAS(lower) __attribute__((alias("mpi_" #lower "_")))

/* mpi_x_, declared, and its other names. */
#define NAMES(lower, UPPER, ...)                                                         \
    void mpi_##lower##_(__VA_ARGS__);                                                    \
    void mpi_##lower(__VA_ARGS__) ALIAS(lower);                                          \
    void mpi_##lower##__(__VA_ARGS__) ALIAS(lower);                                      \
    void mpi_##lower##_f08_(__VA_ARGS__) ALIAS(lower);                                   \
    void MPI_##UPPER(__VA_ARGS__) ALIAS(lower);

#define DEFINE(X, lower, UPPER, parameters, arguments)                                   \
    NAMES(lower, UPPER, parameters, MPI_Fint *comm, MPI_Fint *ierror)                    \
    void mpi_##lower##_(parameters, MPI_Fint *comm, MPI_Fint *ierror)                    \
    {                                                                                    \
        result(ierror, MPI_##X(arguments, PMPI_Comm_f2c(*comm)));                        \
    }

/* The same for a non-blocking one, which gives a request. */
#define DEFINE_I(X, lower, UPPER, parameters, arguments)                                 \
    NAMES(lower, UPPER, parameters, MPI_Fint *comm, MPI_Fint *request, MPI_Fint *ierror) \
    void mpi_##lower##_(parameters, MPI_Fint *comm, MPI_Fint *request, MPI_Fint *ierror) \
    {                                                                                    \
        MPI_Request c = MPI_REQUEST_NULL;                                                \
        const int code = MPI_##X(arguments, PMPI_Comm_f2c(*comm), &c);                   \
        if (code == MPI_SUCCESS)                                                         \
            *request = PMPI_Request_c2f(c);                                              \
        result(ierror, code);                                                            \
    }

#define BOTH(X, lower, UPPER, Ix, ilower, IUPPER, parameters, arguments)                 \
    DEFINE(X, lower, UPPER, TOGETHER(parameters), TOGETHER(arguments))                   \
    DEFINE_I(Ix, ilower, IUPPER, TOGETHER(parameters), TOGETHER(arguments))

#define REDUCED char *send, char *recv, MPI_Fint *count, MPI_Fint *type, MPI_Fint *op
#define AS_REDUCED                                                                       \
    place(send), place(recv), *count, PMPI_Type_f2c(*type), PMPI_Op_f2c(*op)
#define SENT char *send, MPI_Fint *send_count, MPI_Fint *send_type, char *recv
#define AS_SENT place(send), *send_count, PMPI_Type_f2c(*send_type), place(recv)

BOTH(Allreduce, allreduce, ALLREDUCE, Iallreduce, iallreduce, IALLREDUCE,
     TOGETHER(REDUCED), TOGETHER(AS_REDUCED))

BOTH(Reduce, reduce, REDUCE, Ireduce, ireduce, IREDUCE, TOGETHER(REDUCED, MPI_Fint *root),
     TOGETHER(AS_REDUCED, *root))

BOTH(Reduce_scatter, reduce_scatter, REDUCE_SCATTER, Ireduce_scatter, ireduce_scatter,
     IREDUCE_SCATTER, TOGETHER(REDUCED), /* count: the first of one for each rank */
     TOGETHER(place(send), place(recv), count, PMPI_Type_f2c(*type), PMPI_Op_f2c(*op)))

BOTH(Reduce_scatter_block, reduce_scatter_block, REDUCE_SCATTER_BLOCK,
     Ireduce_scatter_block, ireduce_scatter_block, IREDUCE_SCATTER_BLOCK,
     TOGETHER(REDUCED), TOGETHER(AS_REDUCED))

BOTH(Bcast, bcast, BCAST, Ibcast, ibcast, IBCAST,
     TOGETHER(char *buf, MPI_Fint *count, MPI_Fint *type, MPI_Fint *root),
     TOGETHER(place(buf), *count, PMPI_Type_f2c(*type), *root))

BOTH(Allgather, allgather, ALLGATHER, Iallgather, iallgather, IALLGATHER,
     TOGETHER(SENT, MPI_Fint *recv_count, MPI_Fint *recv_type),
     TOGETHER(AS_SENT, *recv_count, PMPI_Type_f2c(*recv_type)))

BOTH(Allgatherv, allgatherv, ALLGATHERV, Iallgatherv, iallgatherv, IALLGATHERV,
     TOGETHER(SENT, MPI_Fint *counts, MPI_Fint *places, MPI_Fint *recv_type),
     TOGETHER(AS_SENT, counts, places, PMPI_Type_f2c(*recv_type)))

BOTH(Alltoall, alltoall, ALLTOALL, Ialltoall, ialltoall, IALLTOALL,
     TOGETHER(SENT, MPI_Fint *recv_count, MPI_Fint *recv_type),
     TOGETHER(AS_SENT, *recv_count, PMPI_Type_f2c(*recv_type)))

NAMES(barrier, BARRIER, MPI_Fint *comm, MPI_Fint *ierror)
void mpi_barrier_(MPI_Fint *comm, MPI_Fint *ierror)
{
    result(ierror, MPI_Barrier(PMPI_Comm_f2c(*comm)));
}

NAMES(ibarrier, IBARRIER, MPI_Fint *comm, MPI_Fint *request, MPI_Fint *ierror)
void mpi_ibarrier_(MPI_Fint *comm, MPI_Fint *request, MPI_Fint *ierror)
{
    MPI_Request c = MPI_REQUEST_NULL;
    const int code = MPI_Ibarrier(PMPI_Comm_f2c(*comm), &c);
    if (code == MPI_SUCCESS)
        *request = PMPI_Request_c2f(c);
    result(ierror, code);
}
