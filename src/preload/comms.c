/* preload/comms.c - what is kept with each communicator of the program.
 *
 * It is an attribute, so that it goes when the communicator goes, however that is freed.
 * An attribute of MPI_COMM_SELF tells when MPI ends, before anything else does (MPI-3.1,
 * 8.7.1), in whatever language and by whichever name it is ended. */
#include "comm/internal.h"
#include "core/memory.h"
#include "preload/preload.h"
#include <cadre/log.h>
#include <cadre/mpi.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int keyval = MPI_KEYVAL_INVALID, end_keyval = MPI_KEYVAL_INVALID;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static user_comm *list;

/* The last communicator that this thread asked for. Whenever one is freed, its handle may
 * be given to another, and the generation moves on. */
static atomic_uint generation = 1;
static _Thread_local struct {
    MPI_Comm mpi;
    unsigned generation;
    user_comm *comm;
} last;

/* Free what cadre has, and leave the rest to MPI from now on. */
static void retire(user_comm *comm)
{
    if (comm->cadre) {
        cadre__preload_drain(comm);
        cadre_comm_destroy(comm->cadre);
    }
    comm->cadre = NULL;
    comm->usable = false;
}

static void forget(user_comm *comm)
{
    pthread_mutex_lock(&list_lock);
    *comm->link = comm->next;
    if (comm->next)
        comm->next->link = comm->link;
    pthread_mutex_unlock(&list_lock);
    pthread_mutex_destroy(&comm->lock);
    cadre__free(comm->staging[0]);
    cadre__free(comm->staging[1]);
    cadre__free(comm->counts);
    cadre__free(comm->turns);
    cadre__free(comm);
}

/* Called by MPI when the communicator is freed. */
static int on_free(MPI_Comm mpi, int key, void *value, void *extra)
{
    user_comm *comm = value;
    (void)mpi, (void)key, (void)extra;
    atomic_fetch_add(&generation, 1);
    retire(comm);
    forget(comm);
    return MPI_SUCCESS;
}

/* Called by MPI when it is about to end. */
static int on_end(MPI_Comm mpi, int key, void *value, void *extra)
{
    (void)mpi, (void)key, (void)value, (void)extra;
    cadre__preload_print();
    /* Freeing is collective: all ranks make these in the same order, unless threads do.
     */
    for (user_comm *comm = list; comm; comm = comm->next)
        retire(comm);
    return MPI_SUCCESS;
}

static void start(void)
{
    cadre__preload_types_start();
    cadre__preload_settings_start();
    cadre__preload_stats_start();
    if (PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_end, &end_keyval, NULL) !=
            MPI_SUCCESS ||
        PMPI_Comm_set_attr(MPI_COMM_SELF, end_keyval, NULL) != MPI_SUCCESS)
        return;
    PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_free, &keyval, NULL);
}

static user_comm *add(MPI_Comm mpi)
{
    int inter = 1;
    user_comm *comm = cadre__alloc(sizeof *comm);
    if (!comm)
        return NULL;
    comm->mpi = mpi;
    pthread_mutex_init(&comm->lock, NULL);
    PMPI_Comm_test_inter(mpi, &inter);
    PMPI_Comm_rank(mpi, &comm->rank);
    PMPI_Comm_size(mpi, &comm->size);
    comm->counts = cadre__alloc_n((size_t)comm->size, sizeof *comm->counts);
    if (cadre__preload_counting)
        comm->turns =
            cadre__alloc_n((size_t)N_FUNCTIONS * N_CLASSES, sizeof *comm->turns);
    comm->usable = !inter && comm->size > 1;
    pthread_mutex_lock(&list_lock);
    comm->link = &list;
    comm->next = list;
    if (list)
        list->link = &comm->next;
    list = comm;
    pthread_mutex_unlock(&list_lock);
    if (!comm->counts || (cadre__preload_counting && !comm->turns) ||
        PMPI_Comm_set_attr(mpi, keyval, comm) != MPI_SUCCESS) {
        forget(comm);
        return NULL;
    }
    return comm;
}

static user_comm *look_up(MPI_Comm mpi)
{
    int started = 0, ended = 0, found = 0;
    void *value = NULL;

    PMPI_Initialized(&started);
    PMPI_Finalized(&ended);
    if (!started || ended || mpi == MPI_COMM_NULL)
        return NULL;
    pthread_once(&once, start);
    if (keyval == MPI_KEYVAL_INVALID)
        return NULL;
    const unsigned now = atomic_load(&generation);
    if (PMPI_Comm_get_attr(mpi, keyval, &value, &found) != MPI_SUCCESS)
        return NULL;
    user_comm *comm = found ? value : add(mpi);
    if (comm) {
        last.mpi = mpi;
        last.generation = now;
        last.comm = comm;
    }
    return comm;
}

user_comm *cadre__preload_comm(MPI_Comm mpi)
{
    if (last.mpi == mpi &&
        last.generation == atomic_load_explicit(&generation, memory_order_acquire))
        return last.comm;
    return look_up(mpi);
}

bool cadre__preload_comm_ready(user_comm *comm)
{
    if (comm->cadre)
        return true;
    if (cadre_comm_from_mpi(comm->mpi, &comm->cadre) == CADRE_OK) {
        cadre__comm_beside_mpi(comm->cadre);
        /* The first call measures what the choice goes by. */
        if (cadre_barrier(comm->cadre, NULL) == CADRE_OK)
            return true;
        cadre_comm_destroy(comm->cadre);
        comm->cadre = NULL;
    }
    cadre_log(CADRE_LOG_WARN, "preload", "a communicator of %d ranks is left to MPI: %s",
              comm->size, cadre_last_error());
    comm->usable = false;
    return false;
}
