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
    PMPI_Error_string(mpi_error, text, &n);
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
    cadre__node_memory_close(&root->memory);
    cadre__free(root->bequest);
    cadre__free(root->bells.of_rank);
    cadre__free(root->node_of);
    cadre__free(root->hosts);
    cadre__free(root);
}

/* Count the nodes that comm touches and this rank's place on its own. */
static cadre_status place(cadre_comm *comm)
{
    const comm_root *root = comm->root;
    int *ranks_on = cadre__alloc_n((size_t)root->n_nodes, sizeof *ranks_on);
    if (!ranks_on)
        return CADRE_ERR_NOMEM;
    const int mine = root->node_of[root->rank];
    for (int r = 0; r < comm->size; r++) {
        const int node = root->node_of[comm->root_rank[r]];
        comm->n_nodes += ranks_on[node]++ == 0;
        if (ranks_on[node] > comm->most_on_a_node)
            comm->most_on_a_node = ranks_on[node];
        comm->node_size += node == mine;
        comm->node_rank += node == mine && r < comm->rank;
    }
    cadre__free(ranks_on);
    return CADRE_OK;
}

/* One of comm's sub-communicators: its ranks of this colour. Collective over comm. */
static cadre_status make_part(cadre_comm *comm, int colour, cadre_comm **out)
{
    MPI_Comm mpi = MPI_COMM_NULL;
    int size;

    const int error = PMPI_Comm_split(comm->mpi, colour, comm->rank, &mpi);
    if (error != MPI_SUCCESS)
        return cadre__mpi_fail(error, "MPI_Comm_split");
    PMPI_Comm_size(mpi, &size);
    int *root_ranks = cadre__alloc_n((size_t)size, sizeof *root_ranks);
    cadre_status st = CADRE_ERR_NOMEM;
    if (root_ranks) {
        PMPI_Allgather(&comm->root->rank, 1, MPI_INT, root_ranks, 1, MPI_INT, mpi);
        st = cadre__comm_make(mpi, comm->root, root_ranks, out);
    }
    cadre__free(root_ranks);
    if (st != CADRE_OK)
        PMPI_Comm_free(&mpi);
    return st;
}

/* With 2 MiB of data for each rank, as long as that is 16 MiB for all of them; and what
 * two ranks swap. */
static size_t area_bytes_for(int size)
{
    const size_t page = 4096, more = ((size_t)2 << 20) - ((size_t)512 << 10);
    const size_t least = (size_t)512 << 10, share = ((size_t)16 << 20) / (size_t)size;

    if (share <= least)
        return CADRE__LEAST_AREA_BYTES;
    return CADRE__LEAST_AREA_BYTES + (size == 2 ? CADRE__SWAP_BYTES : 0) +
           (share - least < more ? (share - least) / page * page : more);
}

/* What its ranks share on each node. Collective over comm. */
static cadre_status share(cadre_comm *comm)
{
    if (comm->size == 1)
        return CADRE_OK;
    comm->area_bytes = CADRE__NOTE_BYTES;
    if (comm->n_nodes == 1) {
        comm->area_bytes += area_bytes_for(comm->size);
        cadre__segment_share(comm->mpi, comm->area_bytes, true, NULL, &comm->area);
        return CADRE_OK;
    }
    if (comm->most_on_a_node == 1)
        return CADRE_OK;
    CADRE_TRY(make_part(comm, comm->root->node_of[comm->root->rank], &comm->node));
    CADRE_TRY(make_part(comm, comm->node_rank, &comm->cross));
    cadre__segment_share(comm->node->mpi, comm->area_bytes, true, NULL, &comm->area);
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
    comm->is_root = root_ranks == NULL;
    root->references++;
    PMPI_Comm_rank(mpi, &comm->rank);
    PMPI_Comm_size(mpi, &comm->size);
    PMPI_Comm_set_errhandler(mpi, MPI_ERRORS_RETURN);
    cadre_status st = CADRE_ERR_NOMEM;
    comm->root_rank = cadre__alloc_n((size_t)comm->size, sizeof *comm->root_rank);
    if (!comm->root_rank)
        goto fail;
    for (int r = 0; r < comm->size; r++)
        comm->root_rank[r] = root_ranks ? root_ranks[r] : r;
    CADRE_TRY_GOTO(st, place(comm), fail);
    comm->mpi = mpi;
    CADRE_TRY_GOTO(st, share(comm), fail);
    *out = comm;
    return CADRE_OK;

fail:
    comm->mpi = MPI_COMM_NULL; /* still the caller's */
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

static void inherit(cadre_comm *comm, const void *heritage)
{
    comm->heritage = heritage;
    if (comm->node)
        inherit(comm->node, heritage);
    if (comm->cross)
        inherit(comm->cross, heritage);
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
    PMPI_Comm_group(parent->mpi, &all);
    PMPI_Group_incl(all, n_ranks, ranks, &some);
    /* Open MPI sends messages of its own under the tag given here: not one of a user's.
     */
    const int error =
        PMPI_Comm_create_group(parent->mpi, some, CADRE__CREATE_TAG + tag, &mpi);
    PMPI_Group_free(&some);
    PMPI_Group_free(&all);
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
        PMPI_Comm_free(&mpi);
    else
        inherit(*out, parent->heritage);
    return st;
}

void cadre_comm_destroy(cadre_comm *comm)
{
    if (!comm)
        return;
    if (comm->slot_destroy)
        comm->slot_destroy(comm->slot);
    for (int i = 0; i < 2; i++) {
        cadre_comm *part = i == 0 ? comm->node : comm->cross;
        if (part && comm->broken)
            cadre_comm_break(part, comm->reason);
        cadre_comm_destroy(part);
    }
    cadre__segment_unmap(comm->area, comm->area_bytes * (size_t)comm->node_size);
    /* A broken one may have messages under way; its context must not be given out
     * again. */
    if (comm->mpi != MPI_COMM_NULL && !comm->broken)
        PMPI_Comm_free(&comm->mpi);
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

bool cadre__comm_is_root(const cadre_comm *comm)
{
    return comm->is_root;
}

void cadre__comm_bequeath(cadre_comm *comm, void *memory)
{
    comm->root->bequest = memory;
    inherit(comm, memory);
}

const void *cadre__comm_heritage(const cadre_comm *comm)
{
    return comm->heritage;
}

bool cadre__comm_crowded(const cadre_comm *comm)
{
    return comm->root->node_ranks > comm->root->node_cpus;
}

char *cadre__comm_area(const cadre_comm *comm, int node_rank)
{
    return comm->area && comm->n_nodes == 1
               ? comm->area + comm->area_bytes * (size_t)node_rank
               : NULL;
}

size_t cadre__comm_area_bytes(const cadre_comm *comm)
{
    return comm->area && comm->n_nodes == 1 ? comm->area_bytes - CADRE__NOTE_BYTES : 0;
}

char *cadre__comm_note(const cadre_comm *comm, int node_rank)
{
    return comm->area ? comm->area + comm->area_bytes * (size_t)(node_rank + 1) -
                            CADRE__NOTE_BYTES
                      : NULL;
}

cadre_comm *cadre__comm_node(const cadre_comm *comm)
{
    return comm->node;
}

cadre_comm *cadre__comm_cross(const cadre_comm *comm)
{
    return comm->cross;
}

cadre_status cadre__comm_heap_take(cadre_comm *comm, size_t bytes, void **out)
{
    return cadre__node_memory_take(&comm->root->memory, bytes, out);
}

bool cadre__comm_heap_give(cadre_comm *comm, void *memory)
{
    return cadre__node_memory_give(&comm->root->memory, memory);
}

char *cadre__comm_heap(const cadre_comm *comm, int rank)
{
    const comm_root *root = comm->root;
    const int index = root->bells.of_rank[comm->root_rank[rank]];

    return root->memory.heaps && index >= 0
               ? root->memory.heaps + root->memory.heap_bytes * (size_t)index
               : NULL;
}

size_t cadre__comm_heap_bytes(const cadre_comm *comm)
{
    return comm->root->memory.heap_bytes;
}

bool cadre__comm_can_read(const cadre_comm *comm)
{
    return comm->root->memory.can_read;
}

int cadre__comm_pid(const cadre_comm *comm, int rank)
{
    return comm->root->memory.pids[comm->root->bells.of_rank[comm->root_rank[rank]]];
}

void cadre__comm_wake_others(const cadre_comm *comm)
{
    const cadre__bells *bells = &comm->root->bells;

    if (!bells->all)
        return;
    cadre__bells_settle();
    for (int r = 0; r < comm->size; r++) {
        if (r != comm->rank)
            cadre__bell_wake(bells, bells->of_rank[comm->root_rank[r]]);
    }
}
