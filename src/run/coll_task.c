/* run/coll_task.c - one collective with its data, its buffers, its check and its time. */
#include "run/coll_task.h"
#include "coll/explain.h"
#include "comm/internal.h"
#include "comm/native.h"
#include "core/memory.h"
#include <cadre/clock.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Up to so many bytes calls are timed in a row, since one is over before a clock has been
 * read; the data of so few are written in no time. */
#define ROW_BYTES 4096
#define ROW_NS (250 * CADRE_NS_PER_US)
#define ROW_LEAST 20
#define ROW_MOST 20000
#define ROWS 9
/* Longer ones one by one. */
#define SINGLE_NS (5 * CADRE_NS_PER_MS)
#define SINGLE_MOST 200
#define VERIFY_CALLS 3
#define WAIT_MS 120000
/* Ranks leave an allreduce of MPI's within so much of each other. */
#define LEAD_NS (2 * CADRE_NS_PER_US)
#define LATE_NS (2 * CADRE_NS_PER_MS)

/* ---- What it is ---- */

static bool reduces(cadre_collective c)
{
    return c == CADRE_ALLREDUCE || c == CADRE_REDUCE || c == CADRE_REDUCE_SCATTER ||
           c == CADRE_SCAN;
}

/* Whether args.count is of each rank's block. */
static bool splits(cadre_collective c)
{
    return c == CADRE_GATHER || c == CADRE_SCATTER || c == CADRE_ALLGATHER ||
           c == CADRE_ALLTOALL;
}

double cadre__coll_bus_factor(cadre_collective collective, int size)
{
    const double others = (double)(size - 1) / size;

    switch (collective) {
    case CADRE_ALLREDUCE:
        return 2 * others;
    case CADRE_REDUCE_SCATTER:
    case CADRE_ALLGATHER:
    case CADRE_ALLTOALL:
    case CADRE_GATHER:
    case CADRE_SCATTER:
        return others;
    case CADRE_BARRIER:
        return NAN;
    default:
        return 1;
    }
}

static void set_sizes(cadre__coll_task *task, size_t bytes)
{
    const cadre_collective c = task->args.collective;
    const size_t n = (size_t)task->size,
                 parts = splits(c) || c == CADRE_REDUCE_SCATTER ? n : 1;
    const size_t piece = parts * task->element_bytes;
    const size_t all = (bytes + piece - 1) / piece * parts;

    task->block = all / parts;
    task->bytes = all * task->element_bytes;
    task->args.count = splits(c) ? task->block : all;
    task->n_send = c == CADRE_ALLGATHER || c == CADRE_GATHER ? task->block : all;
    task->n_recv = c == CADRE_SCATTER || c == CADRE_REDUCE_SCATTER ? task->block : all;
}

static cadre_status make_tables(cadre__coll_task *task)
{
    const size_t bytes = cadre__coll_data_bytes(&task->data);

    task->pattern = cadre__alloc(bytes);
    task->expected = cadre__alloc(bytes);
    task->times = cadre__alloc_n(SINGLE_MOST, sizeof *task->times);
    if (!task->pattern || !task->expected || !task->times)
        return CADRE_ERR_NOMEM;
    cadre__coll_data_make(&task->data, task->rank, task->pattern);
    if (task->data.reduces)
        cadre__coll_data_reduce(&task->data,
                                task->args.collective == CADRE_SCAN ? task->rank
                                                                    : task->size - 1,
                                task->expected);
    return CADRE_OK;
}

static cadre_status agree(const cadre__coll_task *task, cadre_status st)
{
    return cadre_comm_agree(task->comm, st, cadre_deadline_in_ms(WAIT_MS));
}

cadre_status cadre__coll_task_init(cadre__coll_task *task, cadre_comm *comm,
                                   cadre_collective collective, cadre_dtype dtype,
                                   cadre_reduction reduction, size_t bytes)
{
    const bool alone = cadre_comm_n_nodes(comm) > 1 || cadre__comm_crowded(comm);

    *task = (cadre__coll_task){
        .comm = comm,
        .args = {.collective = collective, .dtype = dtype, .reduction = reduction},
        .element_bytes = cadre_dtype_bytes(dtype),
        .rank = cadre_comm_rank(comm),
        .size = cadre_comm_size(comm),
        .lead_ns = alone ? 0 : LEAD_NS + 250 * cadre_comm_size(comm),
        .data = {.dtype = dtype,
                 .reduction = reduction,
                 .reduces = reduces(collective),
                 .size = cadre_comm_size(comm)},
    };
    if (bytes > SIZE_MAX / 4)
        return cadre_fail(CADRE_ERR_RANGE, "%zu bytes: more than can be", bytes);
    set_sizes(task, collective == CADRE_BARRIER ? 0 : bytes);
    const cadre_status st = agree(task, make_tables(task));
    if (st != CADRE_OK)
        cadre__coll_task_fini(task);
    return st;
}

void cadre__coll_task_fini(cadre__coll_task *task)
{
    cadre__coll_buffers *shared = &task->buffers[1];

    cadre__free(task->buffers[0].send);
    cadre__free(task->buffers[0].recv);
    cadre_coll_free(task->comm, shared->send);
    cadre_coll_free(task->comm, shared->recv);
    cadre__free(task->pattern);
    cadre__free(task->expected);
    cadre__free(task->times);
    memset(task, 0, sizeof *task);
}

static cadre_status need_buffers(cadre__coll_task *task, bool shared)
{
    cadre__coll_buffers *b = &task->buffers[shared];
    const size_t send = task->n_send * task->element_bytes;
    const size_t recv = task->n_recv * task->element_bytes;
    cadre_status st = CADRE_OK;

    if (b->send && b->recv)
        return CADRE_OK;
    if (!shared) {
        b->send = cadre__alloc(send);
        b->recv = cadre__alloc(recv);
        st = b->send && b->recv ? CADRE_OK : CADRE_ERR_NOMEM;
    } else {
        st = cadre_coll_alloc(task->comm, send > 0 ? send : 1, &b->send);
        if (st == CADRE_OK)
            st = cadre_coll_alloc(task->comm, recv > 0 ? recv : 1, &b->recv);
    }
    return agree(task, st);
}

/* ---- One call ---- */

/* Where in the tables the data of a call begin. */
static size_t shift_of(size_t turn)
{
    return turn * 31;
}

static int root_of(const cadre__coll_task *task, size_t turn)
{
    return (int)(turn % (size_t)task->size);
}

static void write_data(const cadre__coll_task *task, const cadre__coll_buffers *b,
                       size_t turn)
{
    const cadre_collective c = task->args.collective;
    const bool is_root = root_of(task, turn) == task->rank;

    if (c == CADRE_BARRIER || ((c == CADRE_BROADCAST || c == CADRE_SCATTER) && !is_root))
        return;
    cadre__coll_data_write(&task->data, task->pattern, shift_of(turn), task->n_send,
                           c == CADRE_BROADCAST ? b->recv : b->send);
}

static cadre_coll_args args_of(const cadre__coll_task *task, const cadre__coll_buffers *b,
                               size_t turn)
{
    cadre_coll_args args = task->args;

    args.send = args.collective == CADRE_BROADCAST ? NULL : b->send;
    args.recv = b->recv;
    args.root = root_of(task, turn);
    return args;
}

static cadre__native_call native_of(const cadre_coll_args *args, size_t block)
{
    static const cadre__native_kind kinds[CADRE_N_COLLECTIVES] = {
#define X(id, name) [CADRE_##id] = CADRE__NATIVE_##id,
        CADRE_COLLECTIVE_LIST(X)
#undef X
    };

    return (cadre__native_call){
        .kind = kinds[args->collective],
        .send = args->send,
        .recv = args->recv,
        .count = (int)(args->collective == CADRE_REDUCE_SCATTER ? block : args->count),
        .dtype = args->dtype,
        .reduction = args->reduction,
        .root = args->root,
    };
}

static cadre_status call(const cadre__coll_task *task, const cadre__coll_contender *who,
                         const cadre__coll_buffers *b, size_t turn)
{
    const cadre_coll_args args = args_of(task, b, turn);

    if (who->is_mpi) {
        const cadre__native_call native = native_of(&args, task->block);
        return cadre__native_blocking(task->comm, &native);
    }
    const cadre_coll_opts opts = {.algorithm = who->algorithm,
                                  .reproducible = who->reproducible};
    return cadre_coll_call(task->comm, &args, &opts);
}

bool cadre__coll_task_mpi_has(const cadre__coll_task *task)
{
    const cadre_coll_args *args = &task->args;

    if (args->collective == CADRE_BARRIER)
        return true;
    return cadre__native_has(args->dtype) && args->count <= INT32_MAX &&
           (!task->data.reduces || cadre__native_reduces(args->dtype, args->reduction));
}

cadre_status cadre__coll_task_args(cadre__coll_task *task,
                                   const cadre__coll_contender *who, cadre_coll_args *out)
{
    CADRE_TRY(need_buffers(task, who->shared));
    *out = args_of(task, &task->buffers[who->shared], task->turn);
    return CADRE_OK;
}

/* ---- Is it right? ---- */

/* The first wrong element of what came with call `turn`; n_recv: none. */
static size_t first_wrong(cadre__coll_task *task, const char *got, size_t turn)
{
    const cadre_collective c = task->args.collective;
    const cadre__coll_data *data = &task->data;
    const size_t block = task->block, shift = shift_of(turn), n = task->n_recv;
    const size_t mine = (size_t)task->rank * block, bytes = task->element_bytes;
    const int root = root_of(task, turn);
    const bool spread = c == CADRE_GATHER || c == CADRE_ALLGATHER || c == CADRE_ALLTOALL;

    if ((c == CADRE_REDUCE || c == CADRE_GATHER) && root != task->rank)
        return n;
    if (data->reduces)
        return cadre__coll_data_compare(
            data, task->expected, shift + (c == CADRE_REDUCE_SCATTER ? mine : 0), n, got);
    if (!spread) {
        cadre__coll_data_make(data, root, task->expected);
        return cadre__coll_data_compare(data, task->expected,
                                        shift + (c == CADRE_SCATTER ? mine : 0), n, got);
    }
    for (int r = 0; r < task->size; r++) {
        const size_t place = (size_t)r * block;
        cadre__coll_data_make(data, r, task->expected);
        const size_t wrong = cadre__coll_data_compare(
            data, task->expected, shift + (c == CADRE_ALLTOALL ? mine : 0), block,
            got + place * bytes);
        if (wrong < block)
            return place + wrong;
    }
    return n;
}

static cadre_status check(cadre__coll_task *task, const cadre__coll_contender *who,
                          size_t turn)
{
    size_t wrong = task->n_recv;

    if (task->args.collective != CADRE_BARRIER)
        wrong = first_wrong(task, task->buffers[who->shared].recv, turn);
    if (wrong == task->n_recv)
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_INTERNAL,
                      "element %zu of %zu is wrong after a %s of %zu bytes by %s, %s "
                      "buffers, root %d",
                      wrong, task->n_recv, cadre__collective_name(task->args.collective),
                      task->bytes,
                      who->is_mpi      ? "the MPI library"
                      : who->algorithm ? who->algorithm
                                       : "choice",
                      who->shared ? "shared" : "ordinary", root_of(task, turn));
}

/* Nobody may leave a barrier before the last has come, here one who sleeps first. */
static cadre_status check_barrier(cadre__coll_task *task,
                                  const cadre__coll_contender *who)
{
    const struct timespec nap = {.tv_nsec = LATE_NS};
    int64_t mine[2], all[2]; /* entered, minus left */

    if (root_of(task, task->turn) == task->rank)
        nanosleep(&nap, NULL);
    mine[0] = cadre_clock_ns();
    CADRE_TRY(call(task, who, &task->buffers[who->shared], task->turn++));
    mine[1] = -cadre_clock_ns();
    const cadre__native_call most = {.kind = CADRE__NATIVE_ALLREDUCE,
                                     .send = mine,
                                     .recv = all,
                                     .count = 2,
                                     .dtype = CADRE_I64,
                                     .reduction = CADRE_MAX};
    CADRE_TRY(cadre__native_blocking(task->comm, &most));
    if (cadre_comm_n_nodes(task->comm) > 1 || all[0] <= -all[1])
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_INTERNAL,
                      "a rank left a barrier %lld ns before the last one had entered",
                      (long long)(all[0] + all[1]));
}

cadre_status cadre__coll_task_verify(cadre__coll_task *task, cadre__coll_contender *who)
{
    const cadre__coll_buffers *b = &task->buffers[who->shared];
    cadre_status st = CADRE_OK;

    CADRE_TRY(need_buffers(task, who->shared));
    for (int i = 0; i < VERIFY_CALLS && st == CADRE_OK; i++) {
        if (task->args.collective == CADRE_BARRIER) {
            st = check_barrier(task, who);
            continue;
        }
        memset(b->recv, 0x5a, task->n_recv * task->element_bytes);
        write_data(task, b, task->turn);
        st = call(task, who, b, task->turn);
        if (st == CADRE_OK)
            st = check(task, who, task->turn);
        task->turn++;
    }
    return agree(task, st);
}

/* ---- How long does it take? ---- */

/* values[n] become the maxima over ranks; n may be 0. By the MPI library, so that it
 * does not depend on what is measured. */
static cadre_status largest(const cadre__coll_task *task, double *values, size_t n)
{
    const cadre__native_call most = {.kind = CADRE__NATIVE_ALLREDUCE,
                                     .send = CADRE_IN_PLACE,
                                     .recv = values,
                                     .count = (int)n,
                                     .dtype = CADRE_F64,
                                     .reduction = CADRE_MAX};
    return cadre__native_blocking(task->comm, &most);
}

/* Leave together: on one node with a core for each rank, at an instant of the clock that
 * they have in common; else from a barrier. */
static cadre_status line_up(const cadre__coll_task *task)
{
    double instant = (double)cadre_clock_ns();

    CADRE_TRY(largest(task, &instant, 1));
    while (task->lead_ns > 0 && (double)cadre_clock_ns() < instant + task->lead_ns)
        ;
    return CADRE_OK;
}

/* A row of n calls, ns; calls false: only the data are written. */
static cadre_status time_row(cadre__coll_task *task, const cadre__coll_contender *who,
                             size_t n, bool calls, double *ns)
{
    const cadre__coll_buffers *b = &task->buffers[who->shared];

    CADRE_TRY(line_up(task));
    const int64_t start = cadre_clock_ns();
    for (size_t i = 0; i < n; i++) {
        write_data(task, b, task->turn + i);
        if (calls)
            CADRE_TRY(call(task, who, b, task->turn + i));
    }
    *ns = (double)(cadre_clock_ns() - start);
    task->turn += n;
    return CADRE_OK;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median of task->times[n], each the longest of all ranks. */
static cadre_status median_of_largest(cadre__coll_task *task, size_t n, double *us)
{
    CADRE_TRY(largest(task, task->times, n));
    qsort(task->times, n, sizeof *task->times, by_value);
    *us = task->times[n / 2];
    return CADRE_OK;
}

/* What writing the data of a call takes on this rank is the least ever seen of it: one
 * that was disturbed would make a call shorter than it is. */
static cadre_status time_rows_of_calls(cadre__coll_task *task,
                                       const cadre__coll_contender *who, size_t n,
                                       double *us)
{
    double *least = &task->writing_ns[who->shared], writing;

    for (int i = 0; i < ROWS; i++) {
        CADRE_TRY(time_row(task, who, n, false, &writing));
        CADRE_TRY(time_row(task, who, n, true, &task->times[i]));
        if (*least == 0 || writing / (double)n < *least)
            *least = writing / (double)n;
    }
    for (int i = 0; i < ROWS; i++)
        task->times[i] = fmax(task->times[i] / (double)n - *least, 1) / 1000;
    return median_of_largest(task, ROWS, us);
}

static cadre_status time_single_calls(cadre__coll_task *task,
                                      const cadre__coll_contender *who, size_t n,
                                      double *us)
{
    const cadre__coll_buffers *b = &task->buffers[who->shared];

    for (size_t i = 0; i < n; i++) {
        write_data(task, b, task->turn);
        CADRE_TRY(line_up(task));
        const int64_t start = cadre_clock_ns();
        CADRE_TRY(call(task, who, b, task->turn));
        task->times[i] = (double)(cadre_clock_ns() - start) / 1000;
        task->turn++;
    }
    return median_of_largest(task, n, us);
}

/* So many calls that they take about that long; what one takes is equal on all ranks. */
static size_t calls_for(double call_us, int64_t ns, size_t least, size_t most)
{
    const double n = call_us > 0 ? (double)ns / 1000 / call_us : 0;

    return n < (double)least ? least : n > (double)most ? most : (size_t)n;
}

cadre_status cadre__coll_task_time(cadre__coll_task *task, cadre__coll_contender *who,
                                   double *us)
{
    const bool row = task->bytes <= ROW_BYTES && task->args.collective != CADRE_SCAN;

    CADRE_TRY(need_buffers(task, who->shared));
    const size_t n = row ? calls_for(who->call_us, ROW_NS, ROW_LEAST, ROW_MOST)
                         : calls_for(who->call_us, SINGLE_NS, 1, SINGLE_MOST);
    cadre_status st =
        row ? time_rows_of_calls(task, who, n, us) : time_single_calls(task, who, n, us);
    if (st == CADRE_OK) {
        if (who->call_us == 0 || *us < who->call_us)
            who->call_us = *us;
        st = check(task, who, task->turn - 1);
    }
    return agree(task, st);
}
