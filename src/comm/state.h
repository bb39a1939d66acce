/* comm/state.h - the insides of a communicator, for this folder only. */
#ifndef CADRE_COMM_STATE_H
#define CADRE_COMM_STATE_H

#include "comm/bell.h"
#include "comm/internal.h"
#include "comm/segment.h"
#include <mpi.h>
#include <stdbool.h>

#define HOST_BYTES 64

/* What a communicator made from MPI shares with those made from it: who is where, and the
 * doorbells of this node. Ranks here are ranks of that first communicator. */
typedef struct comm_root {
    int references;
    int rank, size, n_nodes;
    int *node_of;              /* [size] */
    char (*hosts)[HOST_BYTES]; /* [size] */
    int node_cpus;             /* CPUs that the ranks of this node may use together */
    int node_ranks;            /* ranks on this node */
    cadre__bells bells;
    cadre__node_memory memory;
    void *bequest; /* freed with it; see cadre__comm_bequeath() */
    int64_t spin_ns;
    bool beside_mpi; /* see cadre__comm_beside_mpi() */
} comm_root;

struct cadre_comm {
    MPI_Comm mpi;
    comm_root *root;
    int rank, size, n_nodes, node_rank, node_size;
    int most_on_a_node; /* of its ranks */
    int *root_rank;     /* [size] */
    char *area;         /* node_size x area_bytes, shared; NULL: none */
    size_t area_bytes;
    cadre_comm *node, *cross; /* see internal.h; owned */
    const void *heritage;     /* see cadre__comm_bequeath(); NULL: none */
    bool is_root;             /* made from a communicator of MPI's */
    bool owns_mpi;            /* cadre_init() started MPI for it */
    bool broken;
    char reason[512];
    void *slot;
    void (*slot_destroy)(void *);
    /* Workspace of the wait loop, grown as needed. */
    size_t n_polled;
    MPI_Request *polled;
    int *polled_index, *completed;
    MPI_Status *statuses;
};

/* CADRE_ERR_MPI with the library's own text. */
cadre_status cadre__mpi_fail(int mpi_error, const char *call);

/* Ring the bell of a rank of comm, if it is on this node. */
void cadre__ring(cadre_comm *comm, int rank);

/* Make a comm over mpi (taken over on success) with this root (one reference is taken);
 * root_ranks[size] tells the root's rank of each of its ranks, NULL: the same. */
cadre_status cadre__comm_make(MPI_Comm mpi, comm_root *root, const int *root_ranks,
                              cadre_comm **out);
void cadre__root_release(comm_root *root);

#endif
