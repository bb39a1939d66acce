/* comm/native.h - the MPI library's own collectives, with our types and a deadline: its
 * non-blocking calls, progressed by our wait. Collective over comm. `send` may be
 * CADRE_IN_PLACE (for scatter: `recv`), with MPI's meaning. */
#ifndef CADRE_COMM_NATIVE_H
#define CADRE_COMM_NATIVE_H

#include <cadre/comm.h>
#include <cadre/dtype.h>

cadre_status cadre__native_allreduce(cadre_comm *comm, const void *send, void *recv,
                                     size_t count, cadre_dtype dtype,
                                     cadre_reduction reduction, int64_t deadline_ns);
cadre_status cadre__native_reduce(cadre_comm *comm, const void *send, void *recv,
                                  size_t count, cadre_dtype dtype,
                                  cadre_reduction reduction, int root,
                                  int64_t deadline_ns);
cadre_status cadre__native_broadcast(cadre_comm *comm, void *buf, size_t count,
                                     cadre_dtype dtype, int root, int64_t deadline_ns);
cadre_status cadre__native_barrier(cadre_comm *comm, int64_t deadline_ns);
cadre_status cadre__native_gather(cadre_comm *comm, const void *send, void *recv,
                                  size_t count, cadre_dtype dtype, int root,
                                  int64_t deadline_ns);
cadre_status cadre__native_scatter(cadre_comm *comm, const void *send, void *recv,
                                   size_t count, cadre_dtype dtype, int root,
                                   int64_t deadline_ns);
/* counts and places [size] are kept until the end of comm if the call fails. */
cadre_status cadre__native_allgather(cadre_comm *comm, const void *send, void *recv,
                                     const int *counts, const int *places,
                                     cadre_dtype dtype, int64_t deadline_ns);

#endif
