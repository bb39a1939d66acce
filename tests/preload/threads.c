/* tests/preload/threads.c - MPI_THREAD_MULTIPLE: each thread has communicators of its
 * own, makes and frees them, and calls collectives, blocking and not, at its own pace. */
#include "check.h"
#include <pthread.h>

#define N_THREADS 4

typedef struct worker {
    pthread_t thread;
    MPI_Comm comm;
    int index, n_wrong;
} worker;

static void rounds(worker *w, MPI_Comm comm, int n_rounds)
{
    enum { MOST = 3000 };
    static _Thread_local double in[MOST], out[MOST];

    for (int round = 0; round < n_rounds; round++) {
        const int n = round % 5 ? 10 * w->index + 1 : MOST;
        MPI_Request request;
        int word = rank == 0 ? round : -1;

        for (int i = 0; i < n; i++)
            in[i] = rank + i;
        MPI_Iallreduce(in, out, n, MPI_DOUBLE, MPI_SUM, comm, &request);
        MPI_Bcast(&word, 1, MPI_INT, 0, comm);
        w->n_wrong += word != round;
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        for (int i = 0; i < n; i++)
            w->n_wrong += out[i] != size * (size - 1) / 2.0 + size * (double)i;
        MPI_Barrier(comm);
    }
}

static void *work(void *context)
{
    worker *w = context;
    MPI_Comm copy;

    rounds(w, w->comm, 60);
    MPI_Comm_dup(w->comm, &copy);
    rounds(w, copy, 20);
    MPI_Comm_free(&copy);
    return NULL;
}

int main(int argc, char **argv)
{
    worker workers[N_THREADS] = {0};
    int level;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    check_start();
    if (level == MPI_THREAD_MULTIPLE) {
        for (int i = 0; i < N_THREADS; i++) {
            workers[i].index = i;
            MPI_Comm_dup(MPI_COMM_WORLD, &workers[i].comm);
        }
        for (int i = 0; i < N_THREADS; i++)
            pthread_create(&workers[i].thread, NULL, work, &workers[i]);
        for (int i = 0; i < N_THREADS; i++) {
            pthread_join(workers[i].thread, NULL);
            CHECK(workers[i].n_wrong == 0, "thread %d: %d wrong", i, workers[i].n_wrong);
            MPI_Comm_free(&workers[i].comm);
        }
    }
    return check_finish();
}
