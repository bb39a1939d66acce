/* team.h - the threads of a rank, working in step.
 *
 * All threads run the same function; where they depend on each other they meet at a
 * barrier. One who waits spins for a moment, then sleeps, so that idle threads take no
 * core from others.
 */
#ifndef TF_TEAM_H
#define TF_TEAM_H

#include <cadre/status.h>
#include <pthread.h>
#include <stddef.h>

enum { TF_MAX_THREADS = 1024 };

typedef struct tf_team tf_team;

/* What the team does; thread 0 is the caller of tf_team_run(). */
typedef void tf_team_fn(void *context, int thread);

/* n_threads - 1 threads are started. The caller owns *out; on failure it is NULL. Local.
 * CADRE_ERR_RANGE  fewer than 1 or more than TF_MAX_THREADS
 * CADRE_ERR_NOMEM  no memory, or the system gives no more threads */
cadre_status tf_team_create(int n_threads, tf_team **out);
/* Ends and joins the threads. NULL is ignored. */
void tf_team_destroy(tf_team *team);
int tf_team_size(const tf_team *team);

/* Run fn(context, i) on every thread i and wait until all have returned. Called by the
 * thread that created the team, or always by the same other one. */
void tf_team_run(tf_team *team, tf_team_fn *fn, void *context);

/* Within such a function, called by every thread: none goes on before all have come. What
 * one wrote before, all see after. */
void tf_team_barrier(tf_team *team);

/* pthread_create() of a thread that leaves all signals to those that were there before.
 */
int tf_thread_start(void *(*main)(void *), void *context, pthread_t *thread);

/* CPUs that this process may run on; at least 1. */
int tf_team_cpus(void);

/* The thread's part [*first, *first + *n) of n_items in contiguous, nearly equal parts.
 */
void tf_team_part(size_t n_items, size_t n_threads, size_t thread, size_t *first,
                  size_t *n);

#endif
