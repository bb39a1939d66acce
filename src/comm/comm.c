/* comm/comm.c - communicators: who is in them and where, how they are made, broken and
 * freed. */
#include "comm/state.h"
#include "core/memory.h"
#include <stdio.h>
#include <string.h>

cadre_status cadre__mpi_fail(int mpi_error, const char *call)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    MPI_Error_string(mpi_error, text, &n);
    return cadre_fail(CADRE_ERR_MPI, "%s: %s", call, text);
}

void cadre__ring(cadre_comm *comm, int rank)
{
    const comm_root *root = comm->root;
    if (!root->bells.all || rank < 0)
        return;
    const int index = root->bells.of_rank[comm->root_rank[rank]];
    if (index >= 0 && index != root->bells.mine)
        cadre__bell_ring(&root->bells, index);
}

void cadre__root_release(comm_root *root)
{
    if (!root || --root->references > 0)
        return;
    cadre__bells_unmap(root->bells.all, root->bells.n);
    cadre__free(root->bells.of_rank);
    cadre__free(root->node_of);
    cadre__free(root->hosts);
    cadre__free(root);
}

/* Count the nodes that comm touches and this rank's place on its own. */
static cadre_status place(cadre_comm *comm)
{
    const comm_root *root = comm->root;
    bool *seen = cadre__alloc_n((size_t)root->n_nodes, sizeof *seen);
    if (!seen)
        return CADRE_ERR_NOMEM;
    const int mine = root->node_of[root->rank];
    for (int r = 0; r < comm->size; r++) {
        const int node = root->node_of[comm->root_rank[r]];
        comm->n_nodes += !seen[node];
        seen[node] = true;
        comm->node_size += node == mine;
        comm->node_rank += node == mine && r < comm->rank;
    }
    cadre__free(seen);
    return CADRE_OK;
}

cadre_status cadre__comm_make(MPI_Comm mpi, comm_root *root, const int *root_ranks,
                              cadre_comm **out)
{
    *out = NULL;
    cadre_comm *comm = cadre__alloc(sizeof *comm);
    if (!comm)
        return CADRE_ERR_NOMEM;
    comm->mpi = MPI_COMM_NULL;
    comm->root = root;
    root->references++;
    MPI_Comm_rank(mpi, &comm->rank);
    MPI_Comm_size(mpi, &comm->size);
    cadre_status st = CADRE_ERR_NOMEM;
    comm->root_rank = cadre__alloc_n((size_t)comm->size, sizeof *comm->root_rank);
    if (!comm->root_rank)
        goto fail;
    for (int r = 0; r < comm->size; r++)
        comm->root_rank[r] = root_ranks ? root_ranks[r] : r;
    CADRE_TRY_GOTO(st, place(comm), fail);
    MPI_Comm_set_errhandler(mpi, MPI_ERRORS_RETURN);
    comm->mpi = mpi;
    *out = comm;
    return CADRE_OK;

fail:
    cadre_comm_destroy(comm);
    return st;
}

static cadre_status check_list(const cadre_comm *parent, const int *ranks, int n_ranks,
                               int tag)
{
    int mine = 0;
    if (n_ranks < 1 || n_ranks > parent->size)
        return cadre_fail(CADRE_ERR_ARG, "communicator of %d ranks out of %d", n_ranks,
                          parent->size);
    if (tag < 0 || tag > CADRE_MAX_TAG)
        return cadre_fail(CADRE_ERR_ARG, "tag %d: expected 0 to %d", tag, CADRE_MAX_TAG);
    for (int i = 0; i < n_ranks; i++) {
        if (ranks[i] < 0 || ranks[i] >= parent->size)
            return cadre_fail(CADRE_ERR_ARG,
                              "rank %d: this communicator has ranks 0 to %d", ranks[i],
                              parent->size - 1);
        for (int j = 0; j < i; j++) {
            if (ranks[j] == ranks[i])
                return cadre_fail(CADRE_ERR_ARG, "rank %d is in the list twice",
                                  ranks[i]);
        }
        mine += ranks[i] == parent->rank;
    }
    return mine ? CADRE_OK
                : cadre_fail(CADRE_ERR_ARG,
                             "rank %d makes a communicator without being in it",
                             parent->rank);
}

/* MPI_Comm_create_group() waits without a deadline, so we only call it when all are
 * here. */
static cadre_status meet(cadre_comm *parent, const int *ranks, int n_ranks, int tag)
{
    const int64_t deadline = cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS);
    const int meet_tag = CADRE__CREATE_TAG + tag;
    char token = 0;

    if (parent->rank != ranks[0]) {
        CADRE_TRY(cadre_send(parent, &token, 1, ranks[0], meet_tag, deadline));
        return cadre_recv(parent, &token, 1, ranks[0], meet_tag, deadline, NULL);
    }
    for (int i = 1; i < n_ranks; i++)
        CADRE_TRY(cadre_recv(parent, &token, 1, ranks[i], meet_tag, deadline, NULL));
    for (int i = 1; i < n_ranks; i++)
        CADRE_TRY(cadre_send(parent, &token, 1, ranks[i], meet_tag, deadline));
    return CADRE_OK;
}

cadre_status cadre_comm_create(cadre_comm *parent, const int *ranks, int n_ranks, int tag,
                               cadre_comm **out)
{
    MPI_Group all, some;
    MPI_Comm mpi = MPI_COMM_NULL;

    *out = NULL;
    CADRE_TRY(cadre__comm_check(parent));
    CADRE_TRY(check_list(parent, ranks, n_ranks, tag));
    CADRE_TRY(cadre_context(meet(parent, ranks, n_ranks, tag),
                            "making a communicator of %d ranks", n_ranks));
    MPI_Comm_group(parent->mpi, &all);
    MPI_Group_incl(all, n_ranks, ranks, &some);
    /* Open MPI sends messages of its own under the tag given here: not one of a user's.
     */
    const int error =
        MPI_Comm_create_group(parent->mpi, some, CADRE__CREATE_TAG + tag, &mpi);
    MPI_Group_free(&some);
    MPI_Group_free(&all);
    if (error != MPI_SUCCESS)
        return cadre__mpi_fail(error, "MPI_Comm_create_group");
    int *root_ranks = cadre__alloc_n((size_t)n_ranks, sizeof *root_ranks);
    for (int i = 0; root_ranks && i < n_ranks; i++)
        root_ranks[i] = parent->root_rank[ranks[i]];
    const cadre_status st = root_ranks
                                ? cadre__comm_make(mpi, parent->root, root_ranks, out)
                                : CADRE_ERR_NOMEM;
    cadre__free(root_ranks);
    if (st != CADRE_OK)
        MPI_Comm_free(&mpi);
    return st;
}

void cadre_comm_destroy(cadre_comm *comm)
{
    if (!comm)
        return;
    if (comm->slot_destroy)
        comm->slot_destroy(comm->slot);
    /* A broken one may have messages under way; its context must not be given out
     * again. */
    if (comm->mpi != MPI_COMM_NULL && !comm->broken)
        MPI_Comm_free(&comm->mpi);
    cadre__root_release(comm->root);
    cadre__free(comm->root_rank);
    cadre__free(comm->polled);
    cadre__free(comm->polled_index);
    cadre__free(comm->completed);
    cadre__free(comm->statuses);
    cadre__free(comm);
}

void cadre_comm_break(cadre_comm *comm, const char *reason)
{
    if (comm->broken)
        return;
    comm->broken = true;
    snprintf(comm->reason, sizeof comm->reason, "%s", reason);
}

cadre_status cadre__comm_check(const cadre_comm *comm)
{
    if (comm->broken)
        return cadre_fail(CADRE_ERR_BROKEN, "this communicator failed before: %s",
                          comm->reason);
    return CADRE_OK;
}

void **cadre__comm_slot(cadre_comm *comm, void (*destroy)(void *))
{
    comm->slot_destroy = destroy;
    return &comm->slot;
}

int cadre_comm_rank(const cadre_comm *comm)
{
    return comm->rank;
}

int cadre_comm_size(const cadre_comm *comm)
{
    return comm->size;
}

int cadre_comm_n_nodes(const cadre_comm *comm)
{
    return comm->n_nodes;
}

int cadre_comm_node_of(const cadre_comm *comm, int rank)
{
    return comm->root->node_of[comm->root_rank[rank]];
}

const char *cadre_comm_host_of(const cadre_comm *comm, int rank)
{
    return comm->root->hosts[comm->root_rank[rank]];
}

int cadre_comm_world_rank_of(const cadre_comm *comm, int rank)
{
    return comm->root_rank[rank];
}

int cadre_comm_node_size(const cadre_comm *comm)
{
    return comm->node_size;
}

int cadre_comm_node_rank(const cadre_comm *comm)
{
    return comm->node_rank;
}

int cadre__comm_node_cpus(const cadre_comm *comm)
{
    return comm->root->node_cpus;
}
