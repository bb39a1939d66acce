/* comm/internal.h - what the folders on top of comm may use besides cadre/comm.h. */
#ifndef CADRE_COMM_INTERNAL_H
#define CADRE_COMM_INTERNAL_H

#include <cadre/comm.h>
#include <stdint.h>

/* Tags above CADRE_MAX_TAG, which users cannot take. */
#define CADRE__AGREE_TAG 32768
#define CADRE__CREATE_TAG 65536 /* + the caller's tag */
#define CADRE__COLL_TAG 131072  /* + step modulo CADRE__COLL_TAGS */
#define CADRE__COLL_TAGS 1024

/* A place where one layer above keeps something of its own with the comm (src/coll: its
 * workspace); destroy(*slot) runs before the comm goes. Local. */
void **cadre__comm_slot(cadre_comm *comm, void (*destroy)(void *));

/* The reason if the comm is broken, as CADRE_ERR_BROKEN; else CADRE_OK. Local. */
cadre_status cadre__comm_check(const cadre_comm *comm);

/* Nanoseconds this process has spent asleep, waiting for messages, since cadre_init().
 * Local. */
int64_t cadre__comm_slept_ns(void);

/* CPUs that the ranks of this node may use together. Local. */
int cadre__comm_node_cpus(const cadre_comm *comm);

/* "Open MPI v4.1.4, ...", without MPI having been started. Local. */
const char *cadre__mpi_library_version(void);

#endif
