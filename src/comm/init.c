/* comm/init.c - starting MPI, and finding out who is where. */
#include "comm/state.h"
#include "core/memory.h"
#include "core/settings.h"
#include <cadre/log.h>
#include <cadre/mpi.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* How long a waiting rank spins before it sleeps, when CADRE_SPIN_US does not say. With a
 * core for each rank a spin is cheaper than a sleep; without, it steals from those who
 * work. */
#define SPIN_ALONE_NS (50 * CADRE_NS_PER_US)
#define SPIN_CROWDED_NS 0
#define MAX_SPIN_US 1000000

/* Everybody's host name and node; nodes are numbered by their lowest rank. */
static cadre_status find_nodes(comm_root *root, MPI_Comm mpi, MPI_Comm node)
{
    char host[HOST_BYTES] = "";
    int leader = root->rank;

    gethostname(host, sizeof host - 1);
    PMPI_Bcast(&leader, 1, MPI_INT, 0, node);
    PMPI_Comm_size(node, &root->node_ranks);
    root->node_of = cadre__alloc_n((size_t)root->size, sizeof *root->node_of);
    root->hosts = cadre__alloc_n((size_t)root->size, sizeof *root->hosts);
    if (!root->node_of || !root->hosts)
        return CADRE_ERR_NOMEM;
    PMPI_Allgather(&leader, 1, MPI_INT, root->node_of, 1, MPI_INT, mpi);
    PMPI_Allgather(host, HOST_BYTES, MPI_CHAR, root->hosts, HOST_BYTES, MPI_CHAR, mpi);
    /* From the leader's rank to the node's number, in place: leaders come first. */
    for (int r = 0; r < root->size; r++)
        root->node_of[r] =
            root->node_of[r] == r ? root->n_nodes++ : root->node_of[root->node_of[r]];
    return CADRE_OK;
}

/* The CPUs that the ranks of this node may use, all together. */
static void count_cpus(comm_root *root, MPI_Comm node)
{
    cpu_set_t mine, all;
    CPU_ZERO(&mine);
    sched_getaffinity(0, sizeof mine, &mine);
    PMPI_Allreduce(&mine, &all, sizeof mine, MPI_BYTE, MPI_BOR, node);
    root->node_cpus = CPU_COUNT(&all);
    if (root->node_cpus < 1)
        root->node_cpus = 1;
}

static cadre_status choose_spin(comm_root *root)
{
    int64_t spin_us = 0;
    if (cadre__setting_value(CADRE__SETTING_SPIN_US)[0]) {
        CADRE_TRY(
            cadre__setting_integer(CADRE__SETTING_SPIN_US, 0, MAX_SPIN_US, &spin_us));
        root->spin_ns = spin_us * CADRE_NS_PER_US;
    } else {
        root->spin_ns =
            root->node_ranks > root->node_cpus ? SPIN_CROWDED_NS : SPIN_ALONE_NS;
    }
    return CADRE_OK;
}

/* One bell for each rank of the node; nobody rings a rank that is alone there. Where
 * shared memory is not to be had, everybody polls. */
static cadre_status hang_bells(comm_root *root, MPI_Comm node)
{
    static atomic_int serial;
    char name[64] = "";
    int ok, all_ok, node_rank, *members;
    cadre__bells *bells = &root->bells;

    PMPI_Comm_rank(node, &node_rank);
    PMPI_Comm_size(node, &bells->n);
    bells->mine = node_rank;
    bells->of_rank = cadre__alloc_n((size_t)root->size, sizeof *bells->of_rank);
    members = cadre__alloc_n((size_t)bells->n, sizeof *members);
    ok = bells->of_rank && members;
    if (node_rank == 0 && bells->n > 1) {
        snprintf(name, sizeof name, "/cadre-bells-%ld-%d", (long)getpid(), serial++);
        ok = ok && cadre__bells_map(name, 1, bells->n, &bells->all) == CADRE_OK;
    }
    PMPI_Bcast(name, sizeof name, MPI_CHAR, 0, node);
    if (node_rank != 0)
        ok = ok && cadre__bells_map(name, 0, bells->n, &bells->all) == CADRE_OK;
    PMPI_Allreduce(&ok, &all_ok, 1, MPI_INT, MPI_MIN, node);
    if (node_rank == 0 && bells->n > 1)
        cadre__bells_unlink(name);
    if (!bells->of_rank || !members) {
        cadre__free(members);
        return CADRE_ERR_NOMEM;
    }
    if (!all_ok) {
        cadre_log(CADRE_LOG_WARN, "comm", "no doorbells on this node, waiting polls: %s",
                  ok ? "another rank could not map them" : cadre_last_error());
        cadre__bells_unmap(bells->all, bells->n);
        bells->all = NULL;
    }
    for (int r = 0; r < root->size; r++)
        bells->of_rank[r] = -1;
    PMPI_Allgather(&root->rank, 1, MPI_INT, members, 1, MPI_INT, node);
    for (int i = 0; i < bells->n; i++)
        bells->of_rank[members[i]] = i;
    cadre__free(members);
    return CADRE_OK;
}

/* The ranks of this node, and how many they are; CADRE_FAKE_NODES cuts them up. */
static cadre_status split_nodes(comm_root *root, MPI_Comm mpi, MPI_Comm *node,
                                int *n_ranks)
{
    MPI_Comm whole = MPI_COMM_NULL;
    int64_t some = 0;
    int place;

    CADRE_TRY(cadre__setting_integer(CADRE__SETTING_FAKE_NODES, 0, INT_MAX, &some));
    int error = PMPI_Comm_split_type(mpi, MPI_COMM_TYPE_SHARED, root->rank, MPI_INFO_NULL,
                                     &whole);
    if (error != MPI_SUCCESS)
        return cadre__mpi_fail(error, "MPI_Comm_split_type");
    *node = whole;
    PMPI_Comm_size(whole, n_ranks);
    if (some == 0)
        return CADRE_OK;
    PMPI_Comm_rank(whole, &place);
    error = PMPI_Comm_split(whole, place / (int)some, place, node);
    PMPI_Comm_free(&whole);
    return error == MPI_SUCCESS ? CADRE_OK : cadre__mpi_fail(error, "MPI_Comm_split");
}

static cadre_status explore(comm_root *root, MPI_Comm mpi)
{
    MPI_Comm node = MPI_COMM_NULL;
    int n_ranks = 0;

    PMPI_Comm_rank(mpi, &root->rank);
    PMPI_Comm_size(mpi, &root->size);
    CADRE_TRY(split_nodes(root, mpi, &node, &n_ranks));
    cadre_status st = find_nodes(root, mpi, node);
    if (st == CADRE_OK) {
        count_cpus(root, node);
        root->node_ranks = n_ranks; /* also those that pretend to be elsewhere */
        st = hang_bells(root, node);
    }
    if (st == CADRE_OK)
        st = cadre__node_memory_open(&root->memory, node);
    PMPI_Comm_free(&node);
    return st == CADRE_OK ? choose_spin(root) : st;
}

/* Not MPI_Comm_dup(), which calls what the program has attached to its communicator. */
static int copy_comm(MPI_Comm mpi, MPI_Comm *out)
{
    MPI_Group all;
    int error = PMPI_Comm_group(mpi, &all);
    if (error != MPI_SUCCESS)
        return error;
    error = PMPI_Comm_create(mpi, all, out);
    PMPI_Group_free(&all);
    return error;
}

cadre_status cadre_comm_from_mpi(MPI_Comm mpi_comm, cadre_comm **out)
{
    MPI_Comm mpi = MPI_COMM_NULL;
    cadre_status st = CADRE_ERR_NOMEM;

    *out = NULL;
    comm_root *root = cadre__alloc(sizeof *root);
    if (!root)
        return st;
    root->references = 1;
    const int error = copy_comm(mpi_comm, &mpi);
    if (error != MPI_SUCCESS)
        st = cadre__mpi_fail(error, "MPI_Comm_create");
    else
        st = explore(root, mpi);
    if (st == CADRE_OK)
        st = cadre__comm_make(mpi, root, NULL, out);
    if (st != CADRE_OK && mpi != MPI_COMM_NULL)
        PMPI_Comm_free(&mpi);
    cadre__root_release(root);
    if (st != CADRE_OK)
        return st;
    return cadre_comm_agree(*out, st, cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS));
}

cadre_status cadre_init(cadre_comm **world)
{
    int started = 0, provided;

    *world = NULL;
    CADRE_TRY(cadre_log_filter(cadre__setting_value(CADRE__SETTING_LOG)));
    PMPI_Initialized(&started);
    if (!started) {
        const int error = PMPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
        if (error != MPI_SUCCESS)
            return cadre_fail(CADRE_ERR_MPI, "MPI_Init_thread failed with code %d",
                              error);
        /* Naps of 50 us should take that, not 100. */
        prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
    }
    cadre_status st = cadre_comm_from_mpi(MPI_COMM_WORLD, world);
    if (st != CADRE_OK) {
        if (!started)
            PMPI_Finalize();
        return st;
    }
    (*world)->owns_mpi = !started;
    cadre_log_set_rank((*world)->rank);
    if ((*world)->rank == 0)
        cadre__settings_warn_unknown();
    return CADRE_OK;
}

void cadre_finalize(cadre_comm *world)
{
    if (!world)
        return;
    const bool finalize = world->owns_mpi;
    cadre_comm_destroy(world);
    if (finalize)
        PMPI_Finalize();
}

void cadre_abort(int exit_code)
{
    int started = 0, ended = 0;
    PMPI_Initialized(&started);
    PMPI_Finalized(&ended);
    if (started && !ended)
        PMPI_Abort(MPI_COMM_WORLD, exit_code);
    _exit(exit_code);
}

const char *cadre__mpi_library_version(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int n = 0;
    PMPI_Get_library_version(text, &n);
    return text;
}
