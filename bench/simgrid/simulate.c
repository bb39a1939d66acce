/* bench/simgrid/simulate.c - every algorithm at every size on a simulated machine: its
 * time, verified results, and what the cost model says.
 *
 * Usage: smpirun ... simulate LATENCY_NS BYTE_NS MOST_BYTES MOST_TIMES
 *
 * Rank 0 prints one line of comma-separated values for each collective, size and
 * algorithm that applies: ranks, collective, algorithm, bytes, simulated_us,
 * predicted_us, chosen (1: the row that the choice takes), verified (0: a rank has wrong
 * data). Algorithms whose predicted time is more than MOST_TIMES that of the best are
 * left out. Where every rank has a block, that is 8 B or more. All ranks start at one
 * simulated instant; the time is that of the last to end.
 */
#include "coll/choice.h"
#include "coll/cost.h"
#include "coll/run.h"
#include "coll/state.h"
#include "core/memory.h"
#include "simulated.h"
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_BYTES 8
#define FACTOR 8
#define DEADLINE_MS 3600000

static cadre_comm *comm;
static int rank, size;
static double most_times;
static size_t *counts;
static float *data;

static void stop(const char *what)
{
    fprintf(stderr, "simulate: rank %d: %s: %s\n", rank, what, cadre_last_error());
    exit(1);
}

static const cadre_collective collectives[] = {CADRE_ALLREDUCE, CADRE_BROADCAST,
                                               CADRE_REDUCE_SCATTER, CADRE_ALLGATHER,
                                               CADRE_BARRIER};

static bool has_blocks(cadre_collective collective)
{
    return collective == CADRE_REDUCE_SCATTER || collective == CADRE_ALLGATHER;
}

/* Small whole numbers, so that sums are exact in any order. */
static float value(int of_rank, size_t i)
{
    return (float)((size_t)(of_rank % 8 + 1) * (i % 7 + 1));
}

static float sum_of_values(size_t i)
{
    float sum = 0;

    for (int r = 0; r < size; r++)
        sum += value(r, i);
    return sum;
}

/* counts[] cuts the vector as evenly as can be; returns where this rank's part begins. */
static size_t cut(size_t count)
{
    size_t first = 0;

    for (int r = 0; r < size; r++) {
        counts[r] = count / (size_t)size + ((size_t)r < count % (size_t)size);
        if (r < rank)
            first += counts[r];
    }
    return first;
}

static cadre_coll_args args_of(cadre_collective collective, size_t count)
{
    cadre_coll_args args = {.collective = collective,
                            .send = CADRE_IN_PLACE,
                            .recv = data,
                            .count = count,
                            .dtype = CADRE_F32,
                            .reduction = CADRE_SUM};

    if (has_blocks(collective))
        args.counts = counts;
    return args;
}

static void fill(cadre_collective collective, size_t count, size_t first)
{
    memset(data, 0, count * sizeof *data);
    if (collective == CADRE_BROADCAST && rank != 0)
        return;
    if (collective == CADRE_ALLGATHER)
        for (size_t i = first; i < first + counts[rank]; i++)
            data[i] = value(0, i);
    else
        for (size_t i = 0; i < count; i++)
            data[i] = value(rank, i);
}

static int verified(cadre_collective collective, size_t count, size_t first)
{
    const bool part = collective == CADRE_REDUCE_SCATTER;
    const bool sum = part || collective == CADRE_ALLREDUCE;
    const size_t n = part ? counts[rank] : collective == CADRE_BARRIER ? 0 : count;
    float sums[7];

    for (size_t i = 0; i < 7; i++)
        sums[i] = sum ? sum_of_values(i) : value(0, i);
    for (size_t i = 0; i < n; i++) {
        if (data[i] != sums[(part ? first + i : i) % 7])
            return 0;
    }
    return 1;
}

/* All ranks go on at the same simulated instant, which is returned. */
static double meet(void)
{
    double latest, now = MPI_Wtime();

    MPI_Allreduce(&now, &latest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    latest += 0.01;
    const double left = latest - MPI_Wtime();
    const struct timespec span = {.tv_nsec = (long)(left * 1e9)};
    nanosleep(&span, NULL);
    return MPI_Wtime();
}

/* Seconds; *ok says whether all ranks have what they should. */
static double simulate(const cadre_coll_args *args, const char *algorithm, int *ok)
{
    const cadre_coll_opts opts = {.algorithm = algorithm,
                                  .deadline_ns = cadre_deadline_in_ms(DEADLINE_MS)};
    const size_t count = args->collective == CADRE_BARRIER ? 0 : args->count;
    const size_t first = cut(count);
    double begun, ended, all_begun, all_ended;
    int mine;

    fill(args->collective, count, first);
    begun = meet();
    if (cadre_coll_call(comm, args, &opts) != CADRE_OK)
        stop(algorithm);
    ended = MPI_Wtime();
    mine = verified(args->collective, count, first);
    MPI_Allreduce(&begun, &all_begun, 1, MPI_DOUBLE, MPI_MIN, MPI_COMM_WORLD);
    MPI_Allreduce(&ended, &all_ended, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    MPI_Allreduce(&mine, ok, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    return all_ended - all_begun;
}

/* What the simulator's own library does is no concern of the model. */
static bool is_candidate(const cadre__coll_row *row, const cadre__coll_call *call)
{
    return strcmp(row->name, "native") != 0 && cadre__coll_applies(row, call);
}

static void measure(cadre_collective collective, size_t bytes)
{
    const cadre_coll_args args = args_of(collective, bytes / sizeof *data);
    const char *name = cadre__collective_name(collective);
    const cadre__coll_row *row;
    cadre__coll_call call;

    cut(args.count);
    if (cadre__coll_prepare(&call, comm, &args, NULL) != CADRE_OK)
        stop(name);
    const cadre__coll_row *chosen = call.row;
    for (size_t i = 0; (row = cadre__coll_row_at(collective, i)) != NULL; i++) {
        int ok;

        if (!is_candidate(row, &call) ||
            row->cost_ns(&call) > most_times * chosen->cost_ns(&call))
            continue;
        const double seconds = simulate(&args, row->name, &ok);
        if (rank == 0)
            printf("%d,%s,%s,%zu,%.3f,%.3f,%d,%d\n", size, name, row->name, bytes,
                   seconds * 1e6, row->cost_ns(&call) / 1e3, row == chosen, ok);
    }
    fflush(stdout);
}

/* The model's numbers are those of the platform. */
static void set_costs(cadre__coll_costs *costs, char **argv)
{
    cadre__coll_state *state;

    if (cadre__coll_state_of(comm, &state) != CADRE_OK)
        stop("state");
    *costs = *state->costs;
    costs->latency_ns = strtod(argv[1], NULL);
    costs->byte_ns = strtod(argv[2], NULL);
    costs->reduce_ns = 0;
    costs->copy_ns = 0;
    costs->curve_ranks = 0;
    state->costs = costs;
}

int main(int argc, char **argv)
{
    static cadre__coll_costs costs;

    if (argc != 5) {
        fprintf(stderr, "usage: simulate LATENCY_NS BYTE_NS MOST_BYTES MOST_TIMES\n");
        return 2;
    }
    const size_t most = strtoull(argv[3], NULL, 10);
    most_times = strtod(argv[4], NULL);
    if (cadre_init(&comm) != CADRE_OK)
        stop("start");
    rank = cadre_comm_rank(comm);
    size = cadre_comm_size(comm);
    counts = cadre__alloc_n((size_t)size, sizeof *counts);
    data = cadre__alloc(most);
    if (counts == NULL || data == NULL)
        stop("memory");
    set_costs(&costs, argv);
    simulated_byte_ns = costs.byte_ns;
    for (size_t c = 0; c < sizeof collectives / sizeof *collectives; c++) {
        const size_t blocks = has_blocks(collectives[c]) ? (size_t)size : 1;

        if (collectives[c] == CADRE_BARRIER)
            measure(CADRE_BARRIER, 0);
        for (size_t bytes = FIRST_BYTES * blocks;
             collectives[c] != CADRE_BARRIER && bytes <= most; bytes *= FACTOR)
            measure(collectives[c], bytes);
    }
    cadre_finalize(comm);
    return 0;
}
