/* preload/stats.c - what was taken, what was passed on and why, and what that saved.
 *
 * What is saved is measured: of each function and size class every 16th call that cadre
 * would take goes to the MPI library instead, and is timed as the others are. Medians are
 * compared: a rank that lost its core for a moment says nothing about either. */
#include "core/memory.h"
#include "core/settings.h"
#include "preload/preload.h"
#include <cadre/hist.h>
#include <stdio.h>

/* Times of a function and size class; made when there is the first. */
typedef struct times {
    cadre_hist *taken, *sampled;
} times;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static times all[N_FUNCTIONS][N_CLASSES];
static uint64_t fates[N_FUNCTIONS][N_FATES], bytes_taken[N_FUNCTIONS];
bool cadre__preload_counting;

void cadre__preload_stats_start(void)
{
    int64_t on = 0;
    cadre__preload_counting =
        cadre__setting_integer(CADRE__SETTING_MPI_STATS, 0, 1, &on) == CADRE_OK && on;
}

const char *cadre__preload_name(function f)
{
    static const char *const names[N_FUNCTIONS] = {
#define X(id, name) name,
        PRELOAD_FUNCTION_LIST(X)
#undef X
    };
    return names[f];
}

int cadre__preload_class(size_t bytes)
{
    const int class = bytes ? 64 - __builtin_clzll(bytes) : 0;
    return class < N_CLASSES ? class : N_CLASSES - 1;
}

static void record(cadre_hist **hist, int64_t ns)
{
    if (!*hist && (*hist = cadre__alloc(sizeof **hist)) != NULL)
        cadre_hist_init(*hist);
    if (*hist)
        cadre_hist_record(*hist, ns);
}

void cadre__preload_count(const turn *t, int64_t ns)
{
    times *to = &all[t->function][cadre__preload_class(t->bytes)];

    pthread_mutex_lock(&lock);
    fates[t->function][t->fate]++;
    if (t->fate == FATE_TAKEN) {
        bytes_taken[t->function] += t->bytes;
        record(&to->taken, ns);
    } else if (t->fate == FATE_SAMPLED) {
        record(&to->sampled, ns);
    }
    pthread_mutex_unlock(&lock);
}

typedef struct sums {
    uint64_t calls, taken, bytes;
    double seconds, saved;
    int64_t compared; /* calls in classes of which MPI did some */
} sums;

static void sum_classes(function f, sums *s)
{
    for (int c = 0; c < N_CLASSES; c++) {
        const cadre_hist *taken = all[f][c].taken, *sampled = all[f][c].sampled;
        if (!taken)
            continue;
        s->seconds += (double)taken->sum / 1e9;
        if (!sampled)
            continue;
        s->saved += (double)taken->count *
                    (double)(cadre_hist_quantile(sampled, 0.5) -
                             cadre_hist_quantile(taken, 0.5)) /
                    1e9;
        s->compared += taken->count;
    }
}

static void print_reasons(function f)
{
    static const char *const texts[N_FATES] = {
#define X(id, text) text,
        PRELOAD_FATE_LIST(X)
#undef X
    };
    for (int i = FATE_TAKEN + 1; i < N_FATES; i++) {
        if (fates[f][i])
            fprintf(stderr, "    %llu passed on: %s\n", (unsigned long long)fates[f][i],
                    texts[i]);
    }
}

static void print_function(function f)
{
    sums s = {.taken = fates[f][FATE_TAKEN], .bytes = bytes_taken[f]};
    char saved[64] = "not measured";

    for (int i = 0; i < N_FATES; i++)
        s.calls += fates[f][i];
    if (s.calls == 0)
        return;
    sum_classes(f, &s);
    if (s.compared)
        snprintf(saved, sizeof saved, "%.6f s (of %.0f %% of the calls)", s.saved,
                 100.0 * (double)s.compared / (double)s.taken);
    fprintf(stderr, "  MPI_%-21s %10llu %10llu %14llu %12.6f  %s\n",
            cadre__preload_name(f), (unsigned long long)s.calls,
            (unsigned long long)s.taken, (unsigned long long)s.bytes, s.seconds,
            s.taken ? saved : "-");
    print_reasons(f);
}

void cadre__preload_print(void)
{
    int rank = -1, size = 0;

    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    PMPI_Comm_size(MPI_COMM_WORLD, &size);
    if (!cadre__preload_counting || rank != 0)
        return;
    fprintf(stderr, "cadre: MPI collectives of rank 0 of %d\n", size);
    fprintf(stderr, "  %-25s %10s %10s %14s %12s  %s\n", "function", "calls", "taken",
            "bytes taken", "time taken s", "saved against the MPI library");
    for (int f = 0; f < N_FUNCTIONS; f++)
        print_function((function)f);
    fflush(stderr);
}
