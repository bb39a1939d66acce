/* team.c - threads that meet at a barrier: a counter of those who came, and a generation
 * that the last one raises, which is also the futex that sleepers wait on. */
#include "team.h"
#include <cadre/clock.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Longer than the gaps within a step, shorter than what would be missed by others. */
#define SPIN_NS (100 * CADRE_NS_PER_US)
enum { LOOKS = 64 }; /* between looks at the clock */

typedef struct worker {
    tf_team *team;
    int index;
    pthread_t thread;
} worker;

/* Two cache lines for each, because neighbours are fetched in pairs. */
struct tf_team {
    _Alignas(128) _Atomic uint32_t arrived;
    _Alignas(128) _Atomic uint32_t generation;
    _Alignas(128) _Atomic uint32_t sleepers;
    _Alignas(128) _Atomic uint32_t n;
    int64_t spin_ns;
    tf_team_fn *fn; /* NULL: go home */
    void *context;
    worker *workers; /* [n - 1] */
};

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static int has_passed(const tf_team *team, uint32_t seen)
{
    return atomic_load_explicit(&team->generation, memory_order_acquire) != seen;
}

static int spin(const tf_team *team, uint32_t seen)
{
    if (team->spin_ns == 0)
        return has_passed(team, seen);
    const int64_t end = cadre_clock_ns() + team->spin_ns;
    do {
        for (int look = 0; look < LOOKS; look++) {
            if (has_passed(team, seen))
                return 1;
            pause_briefly();
        }
    } while (cadre_clock_ns() < end);
    return 0;
}

static void wait_for_others(tf_team *team, uint32_t seen)
{
    if (spin(team, seen))
        return;
    atomic_fetch_add(&team->sleepers, 1);
    while (!has_passed(team, seen))
        syscall(SYS_futex, &team->generation, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&team->sleepers, 1);
}

void tf_team_barrier(tf_team *team)
{
    const uint32_t seen = atomic_load_explicit(&team->generation, memory_order_relaxed);

    if (team->n == 1)
        return;
    /* n is read after, as it may have been lowered: see dismiss(). */
    const uint32_t place = atomic_fetch_add(&team->arrived, 1) + 1;
    if (place < team->n) {
        wait_for_others(team, seen);
        return;
    }
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    /* Both sides write first and read second, so either a sleeper sees the new generation
     * or we see the sleeper. */
    atomic_fetch_add(&team->generation, 1);
    if (atomic_load(&team->sleepers))
        syscall(SYS_futex, &team->generation, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL,
                0);
}

static void *worker_main(void *context)
{
    const worker *self = context;
    tf_team *team = self->team;

    for (;;) {
        tf_team_barrier(team);
        if (!team->fn)
            return NULL;
        team->fn(team->context, self->index);
        tf_team_barrier(team);
    }
}

void tf_team_run(tf_team *team, tf_team_fn *fn, void *context)
{
    team->fn = fn;
    team->context = context;
    tf_team_barrier(team);
    fn(context, 0);
    tf_team_barrier(team);
}

/* Those that were started wait at the first barrier: let them through to the exit. */
static void dismiss(tf_team *team, uint32_t n_started)
{
    team->n = n_started + 1;
    team->fn = NULL;
    tf_team_barrier(team);
    for (uint32_t i = 0; i < n_started; i++)
        pthread_join(team->workers[i].thread, NULL);
    free(team->workers);
    free(team);
}

static int start_workers(tf_team *team, int n_threads, int *n_started)
{
    int error = 0;

    for (*n_started = 0; !error && *n_started < n_threads - 1;) {
        worker *one = &team->workers[*n_started];
        *one = (worker){.team = team, .index = *n_started + 1};
        error = tf_thread_start(worker_main, one, &one->thread);
        *n_started += !error;
    }
    return error;
}

cadre_status tf_team_create(int n_threads, tf_team **out)
{
    *out = NULL;
    if (n_threads < 1 || n_threads > TF_MAX_THREADS)
        return cadre_fail(CADRE_ERR_RANGE, "expected 1 to %d threads, found %d",
                          TF_MAX_THREADS, n_threads);
    tf_team *team = aligned_alloc(_Alignof(tf_team), sizeof *team);
    worker *workers = calloc((size_t)n_threads, sizeof *workers);
    if (!team || !workers) {
        free(team);
        free(workers);
        return cadre_fail(CADRE_ERR_NOMEM, "out of memory for %d threads", n_threads);
    }
    memset(team, 0, sizeof *team);
    team->n = (uint32_t)n_threads;
    team->workers = workers;
    /* Where threads outnumber CPUs, one who spins holds up the one he waits for. */
    team->spin_ns = n_threads <= tf_team_cpus() ? SPIN_NS : 0;
    int n_started;
    const int error = start_workers(team, n_threads, &n_started);
    if (error) {
        dismiss(team, (uint32_t)n_started);
        return cadre_fail(CADRE_ERR_NOMEM, "cannot start thread %d of %d: %s",
                          n_started + 2, n_threads, strerror(error));
    }
    *out = team;
    return CADRE_OK;
}

void tf_team_destroy(tf_team *team)
{
    if (team)
        dismiss(team, team->n - 1);
}

int tf_team_size(const tf_team *team)
{
    return (int)team->n;
}

int tf_thread_start(void *(*main)(void *), void *context, pthread_t *thread)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(thread, NULL, main, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

int tf_team_cpus(void)
{
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0)
        return CPU_COUNT(&allowed);
    const long n = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than cpu_set_t holds */
    return n > 0 ? (int)n : 1;
}

void tf_team_part(size_t n_items, size_t n_threads, size_t thread, size_t *first,
                  size_t *n)
{
    const size_t each = n_items / n_threads, more = n_items % n_threads;

    *first = thread * each + (thread < more ? thread : more);
    *n = each + (thread < more);
}
