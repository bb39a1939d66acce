/* preload/pending.c - non-blocking collectives, as generalized requests.
 *
 * MPI_Wait and its kin accept such requests as any other, but nothing makes them progress
 * in the standard. Open MPI calls whoever registers with its progress engine, whatever
 * MPI function the program waits in; so operations end even while it waits for a message.
 * Where that function is not found, non-blocking calls are passed on. */
#include "core/memory.h"
#include "preload/preload.h"
#include <cadre/log.h>
#include <dlfcn.h>

typedef struct pending {
    struct pending *next;
    turn turn;
    cadre_coll_plan *plan;
    MPI_Request request;
    MPI_Datatype own_type; /* kept until the data are unpacked; or MPI_DATATYPE_NULL */
    size_t *counts;
    int code; /* of MPI, for who waits */
} pending;

typedef int register_fn(int (*callback)(void));

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool can_start;
/* Held by the one thread that makes progress, so that MPI calls made by it, which come
 * back here, do nothing. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static pending *first;
static atomic_int n_pending;

static int query(void *extra, MPI_Status *status)
{
    const pending *p = extra;
    PMPI_Status_set_elements(status, MPI_BYTE, 0);
    PMPI_Status_set_cancelled(status, 0);
    status->MPI_SOURCE = MPI_UNDEFINED;
    status->MPI_TAG = MPI_UNDEFINED;
    return p->code;
}

static int release(void *extra)
{
    cadre__free(extra);
    return MPI_SUCCESS;
}

static int cancel(void *extra, int complete)
{
    (void)extra, (void)complete; /* collectives cannot be cancelled */
    return MPI_SUCCESS;
}

/* It has ended: the request's owner may free `p` as soon as it is told. */
static void finish(pending *p, cadre_status st)
{
    turn *t = &p->turn;

    if (st == CADRE_OK)
        p->code = t->moves ? cadre__preload_unstage(t) : MPI_SUCCESS;
    else
        p->code = cadre__preload_raise(t, MPI_ERR_OTHER);
    cadre__free(t->staging[0]);
    cadre__free(t->staging[1]);
    cadre__free(p->counts);
    if (p->own_type != MPI_DATATYPE_NULL)
        PMPI_Type_free(&p->own_type);
    if (cadre__preload_counting)
        cadre__preload_count(t, cadre_clock_ns() - t->start_ns);
    atomic_fetch_sub(&t->comm->n_pending, 1);
    atomic_fetch_sub(&n_pending, 1);
    PMPI_Grequest_complete(p->request);
}

/* One look at an operation; true: it has ended. A communicator in whose blocking call
 * somebody is, is left alone: that call makes the same progress. */
static bool look(pending *p)
{
    int done = 0;

    if (pthread_mutex_trylock(&p->turn.comm->lock) != 0)
        return false;
    const cadre_status st = cadre_coll_test(p->plan, &done);
    const bool ended = st != CADRE_OK || done;
    if (ended)
        cadre_coll_plan_free(p->plan);
    pthread_mutex_unlock(&p->turn.comm->lock);
    if (ended)
        finish(p, st);
    return ended;
}

/* Called by MPI wherever it waits; returns how many have ended. */
static int progress(void)
{
    int n_done = 0;

    if (atomic_load_explicit(&n_pending, memory_order_relaxed) == 0 ||
        pthread_mutex_trylock(&list_lock) != 0)
        return 0;
    for (pending **at = &first; *at;) {
        pending *p = *at, *next = p->next;
        if (look(p)) {
            *at = next;
            n_done++;
        } else {
            at = &p->next;
        }
    }
    pthread_mutex_unlock(&list_lock);
    return n_done;
}

static void hook(void)
{
    register_fn *enter;
    /* POSIX: a symbol's address may be taken for a function's. */
    *(void **)&enter = dlsym(RTLD_DEFAULT, "opal_progress_register");
    can_start = enter && enter(progress) == 0;
    if (!can_start)
        cadre_log(CADRE_LOG_INFO, "preload",
                  "non-blocking collectives are left to MPI: it is not Open MPI");
}

bool cadre__preload_can_start(void)
{
    pthread_once(&once, hook);
    return can_start;
}

/* What the caller may take back before the operation has ended. */
static int keep_arguments(pending *p)
{
    turn *t = &p->turn;
    side *s = &t->recv;

    if (t->args.counts) {
        p->counts = cadre__alloc_n((size_t)t->comm->size, sizeof *p->counts);
        if (!p->counts)
            return MPI_ERR_NO_MEM;
        for (int r = 0; r < t->comm->size; r++)
            p->counts[r] = t->args.counts[r];
        t->args.counts = p->counts;
    }
    if (!t->moves || s->dense)
        return MPI_SUCCESS;
    const int code = PMPI_Type_dup(s->type, &p->own_type);
    s->type = p->own_type;
    return code;
}

static int begin(pending *p)
{
    turn *t = &p->turn;
    user_comm *comm = t->comm;
    int code = keep_arguments(p);

    if (code == MPI_SUCCESS && t->moves)
        code = cadre__preload_stage(t, true);
    if (code != MPI_SUCCESS)
        return code;
    pthread_mutex_lock(&comm->lock);
    cadre_status st = cadre_coll_plan_make(comm->cadre, &t->args, NULL, &p->plan);
    if (st == CADRE_OK)
        st = cadre_coll_start(p->plan, cadre__preload_deadline());
    if (st != CADRE_OK)
        cadre_coll_plan_free(p->plan);
    pthread_mutex_unlock(&comm->lock);
    return st == CADRE_OK ? MPI_SUCCESS : MPI_ERR_OTHER;
}

static int refuse(pending *p, int code)
{
    cadre__free(p->turn.staging[0]);
    cadre__free(p->turn.staging[1]);
    cadre__free(p->counts);
    if (p->own_type != MPI_DATATYPE_NULL)
        PMPI_Type_free(&p->own_type);
    cadre__preload_raise(&p->turn, code);
    cadre__free(p);
    return code;
}

int cadre__preload_start(const turn *t, MPI_Request *request)
{
    pending *p = cadre__alloc(sizeof *p);

    if (!p)
        return cadre__preload_raise(t, MPI_ERR_NO_MEM);
    p->turn = *t;
    p->own_type = MPI_DATATYPE_NULL;
    const int code = begin(p);
    if (code != MPI_SUCCESS)
        return refuse(p, code);
    PMPI_Grequest_start(query, release, cancel, p, &p->request);
    *request = p->request;
    atomic_fetch_add(&t->comm->n_pending, 1);
    atomic_fetch_add(&n_pending, 1);
    /* At the end, so that what was started first ends first. A thread that makes progress
     * does not wait for anybody meanwhile, except in a plan's step: not for long. */
    pthread_mutex_lock(&list_lock);
    pending **end = &first;
    while (*end)
        end = &(*end)->next;
    *end = p;
    pthread_mutex_unlock(&list_lock);
    return MPI_SUCCESS;
}

void cadre__preload_drain(user_comm *comm)
{
    int flag;

    while (atomic_load(&comm->n_pending) > 0) {
        progress();
        /* MPI's own progress, for the messages that these operations wait for. */
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_SELF, &flag, MPI_STATUS_IGNORE);
    }
}
