/* preload/choose.c - who does a call: cadre or the MPI library. */
#include "coll/explain.h"
#include "core/settings.h"
#include "preload/preload.h"
#include <cadre/log.h>
#include <string.h>

/* With statistics, one call in so many of a function and size class is given to MPI. */
#define SAMPLE_EVERY 16
#define SAMPLE_AT 5

static int64_t timeout_s, after;

static int64_t setting(cadre__setting which, int64_t max)
{
    int64_t value = 0;
    if (cadre__setting_integer(which, 0, max, &value) == CADRE_OK)
        return value;
    cadre_log(CADRE_LOG_ERROR, "preload", "%s; taken as 0", cadre_last_error());
    return 0;
}

void cadre__preload_settings_start(void)
{
    int rank = -1;
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    cadre_log_set_rank(rank);
    if (cadre_log_filter(cadre__setting_value(CADRE__SETTING_LOG)) != CADRE_OK)
        cadre_log(CADRE_LOG_ERROR, "preload", "%s", cadre_last_error());
    timeout_s = setting(CADRE__SETTING_MPI_TIMEOUT_S, INT32_MAX);
    after = setting(CADRE__SETTING_MPI_AFTER, INT32_MAX);
    if (rank == 0)
        cadre__settings_warn_unknown();
}

int64_t cadre__preload_deadline(void)
{
    return timeout_s ? cadre_clock_ns() + timeout_s * CADRE_NS_PER_S : INT64_MAX;
}

/* Whether this call, by its number, is one that MPI gets for comparison. */
static bool sampled(const turn *t)
{
    if (!cadre__preload_counting || t->function >= FN_IALLREDUCE)
        return false;
    uint32_t *n = &t->comm->turns[(size_t)t->function * N_CLASSES +
                                  (size_t)cadre__preload_class(t->bytes)];
    return (*n)++ % SAMPLE_EVERY == SAMPLE_AT;
}

/* Whether cadre would hand it to the MPI library anyway, or cannot do it. */
static bool ask(const turn *t)
{
    const char *name = cadre__coll_would_run(t->comm->cadre, &t->args);
    if (name)
        return strcmp(name, "native") == 0;
    cadre_log(CADRE_LOG_WARN, "preload", "MPI_%s is left to MPI: %s",
              cadre__preload_name(t->function), cadre_last_error());
    return true;
}

/* The same, from memory: a choice costs as much as a short barrier. */
static bool native_is_best(const turn *t)
{
    const cadre_coll_args *args = &t->args;
    const uint64_t kind =
        1 + ((uint64_t)args->collective | (uint64_t)args->dtype << 8 |
             (uint64_t)args->reduction << 16 | (uint64_t)(uint32_t)args->root << 24);

    if (args->counts)
        return ask(t);
    /* Multiplicative hashing (Knuth 1973): the upper 5 bits of 64. */
    const uint64_t mixed = (kind ^ (uint64_t)args->count << 20) * 0x9E3779B97F4A7C15u;
    choice *known = &t->comm->choices[mixed >> 59];
    if (known->kind != kind || known->count != args->count)
        *known = (choice){kind, args->count, ask(t)};
    return known->native;
}

static fate decide(const turn *t, bool blocking)
{
    user_comm *comm = t->comm;

    if (!comm->usable)
        return FATE_COMM;
    if (t->args.root < 0 || t->args.root >= comm->size)
        return FATE_CHECK;
    if (t->bytes == 0 && t->args.collective != CADRE_BARRIER)
        return FATE_EMPTY;
    if (t->moves && t->bytes > INT32_MAX)
        return FATE_SIZE;
    /* Non-blocking calls cannot make a communicator: that waits for other ranks. */
    if (!blocking && !comm->cadre)
        return FATE_EARLY;
    if (blocking && comm->calls++ < (uint64_t)after)
        return FATE_EARLY;
    if (!cadre__preload_comm_ready(comm))
        return FATE_COMM;
    if (native_is_best(t))
        return FATE_FASTER;
    return sampled(t) ? FATE_SAMPLED : FATE_TAKEN;
}

bool cadre__preload_takes(turn *t, bool blocking)
{
    if (t->fate == FATE_TAKEN) /* nothing against it so far */
        t->fate = decide(t, blocking);
    if (t->fate == FATE_TAKEN && !blocking && !cadre__preload_can_start())
        t->fate = FATE_COMM;
    if (cadre__preload_counting)
        t->start_ns = cadre_clock_ns();
    return t->fate == FATE_TAKEN;
}

int cadre__preload_raise(const turn *t, int code)
{
    cadre_log(CADRE_LOG_ERROR, "preload", "MPI_%s: %s", cadre__preload_name(t->function),
              cadre_last_error());
    PMPI_Comm_call_errhandler(t->mpi, code);
    return code;
}

int cadre__preload_run(turn *t)
{
    user_comm *comm = t->comm;
    const cadre_coll_opts opts = {.deadline_ns = cadre__preload_deadline()};
    /* Non-blocking operations of this communicator progress beside this one, in other
     * threads or, from within MPI's progress, in this one. */
    const bool shared = atomic_load_explicit(&comm->n_pending, memory_order_acquire) > 0;

    int code = t->moves ? cadre__preload_stage(t, false) : MPI_SUCCESS;
    if (code != MPI_SUCCESS)
        return cadre__preload_raise(t, code);
    if (shared)
        pthread_mutex_lock(&comm->lock);
    const cadre_status st = cadre_coll_call(comm->cadre, &t->args, &opts);
    if (shared)
        pthread_mutex_unlock(&comm->lock);
    if (st != CADRE_OK)
        return cadre__preload_raise(t, MPI_ERR_OTHER);
    if (t->moves)
        code = cadre__preload_unstage(t);
    if (cadre__preload_counting)
        cadre__preload_count(t, cadre_clock_ns() - t->start_ns);
    return code;
}

int cadre__preload_passed(turn *t, int error)
{
    if (cadre__preload_counting)
        cadre__preload_count(t, cadre_clock_ns() - t->start_ns);
    return error;
}
