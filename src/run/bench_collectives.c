/* run/bench_collectives.c - `cadre bench collectives`: each collective by our algorithms
 * and by the MPI library's own blocking call, in turns.
 *
 * All ranks run the same loops; the first keeps the report. */
#include "coll/explain.h"
#include "comm/internal.h"
#include "core/memory.h"
#include "run/bench_output.h"
#include "run/coll_task.h"
#include "run/run.h"
#include "run/word_list.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT "runs/bench-collectives"
#define REPETITIONS 9
#define SIZES "4-64M"
#define MOST_BYTES ((size_t)1 << 30)
#define WAIT_MS 60000

enum { MOST_CONTENDERS = 2 * CADRE__MAX_CANDIDATES + 1 };

typedef struct bench {
    cadre_comm *world;
    const cadre__bench_opts *opts;
    size_t repetitions;
    bool collectives[CADRE_N_COLLECTIVES], ordinary, shared, all;
    cadre__word_list algorithms; /* empty: what is chosen */
    cadre__size_list sizes;
    cadre_dtype dtype;
    cadre_reduction reduction;
    /* Of the collective and size at hand; [0] is MPI's if it has one. */
    size_t n_contenders, capacity; /* capacity: of the report's rows */
    cadre__coll_contender contenders[MOST_CONTENDERS];
    bool chosen[MOST_CONTENDERS];
    double *samples; /* [n_contenders][repetitions], us */
    cadre__collectives_report report;
} bench;

/* ---- What was asked ---- */

/* Each name must be one of some collective that was asked for. */
static cadre_status check_algorithms(const bench *b)
{
    for (size_t i = 0; i < b->algorithms.n; i++) {
        const char *word = b->algorithms.words[i], *name;
        bool known = strcmp(word, "chosen") == 0;
        for (int c = 0; c < CADRE_N_COLLECTIVES; c++)
            for (size_t k = 0; b->collectives[c] && !known; k++) {
                name = cadre_coll_algorithm(cadre__collective_name((cadre_collective)c),
                                            k, NULL);
                if (!name)
                    break;
                known = strcmp(name, word) == 0;
            }
        if (!known)
            return cadre_fail(CADRE_ERR_ARG,
                              "--algorithms: no collective that is measured has an "
                              "algorithm \"%s\"; cadre coll explain lists them",
                              word);
    }
    return CADRE_OK;
}

static cadre_status complete(bench *b)
{
    const cadre__bench_opts *o = b->opts;
    const char *buffers = o->buffers ? o->buffers : "malloc";
    const char *algorithms = o->algorithms ? o->algorithms : "chosen";

    b->repetitions = o->repetitions ? o->repetitions : REPETITIONS;
    b->ordinary = strcmp(buffers, "shared") != 0;
    b->shared = strcmp(buffers, "malloc") != 0;
    b->all = strcmp(algorithms, "all") == 0;
    CADRE_TRY(cadre__dtype_by_name(o->dtype ? o->dtype : "f32", &b->dtype));
    CADRE_TRY(
        cadre__reduction_by_name(o->reduction ? o->reduction : "sum", &b->reduction));
    CADRE_TRY(cadre__collectives_read(o->collective, "--collective", b->collectives));
    CADRE_TRY(
        cadre__sizes_read(o->sizes ? o->sizes : SIZES, "--sizes", MOST_BYTES, &b->sizes));
    if (b->all)
        return CADRE_OK;
    CADRE_TRY(cadre__words_read(algorithms, "--algorithms", &b->algorithms));
    return check_algorithms(b);
}

/* ---- Who takes part ---- */

/* Those of our algorithms that were asked for and can do this call, or, with
 * `reproducible`, do it reproducibly, which is never chosen unless it is asked for. */
static cadre_status add_some(bench *b, const cadre_coll_args *args, bool reproducible,
                             bool shared)
{
    const cadre_coll_opts opts = {.reproducible = reproducible};
    cadre__coll_explanation all;

    CADRE_TRY(cadre__coll_explain(b->world, args, &opts, &all));
    for (size_t i = 0; i < all.n; i++) {
        const cadre__coll_candidate *c = &all.candidates[i];
        const bool chosen = c->chosen && !reproducible;

        if (!c->applies || !(b->all || cadre__words_have(&b->algorithms, c->name) ||
                             (chosen && cadre__words_have(&b->algorithms, "chosen"))))
            continue;
        b->chosen[b->n_contenders] = chosen;
        b->contenders[b->n_contenders++] = (cadre__coll_contender){
            .algorithm = c->name, .shared = shared, .reproducible = reproducible};
    }
    return CADRE_OK;
}

static bool has_reproducible(const bench *b, const cadre_coll_args *args)
{
    return args->collective == CADRE_ALLREDUCE &&
           (b->dtype == CADRE_F32 || b->dtype == CADRE_F64) &&
           (b->reduction == CADRE_SUM || b->reduction == CADRE_AVG);
}

static cadre_status add_ours(bench *b, cadre__coll_task *task, bool shared)
{
    cadre__coll_contender who = {.shared = shared};
    cadre_coll_args args;

    CADRE_TRY(cadre__coll_task_args(task, &who, &args));
    CADRE_TRY(add_some(b, &args, false, shared));
    return has_reproducible(b, &args) ? add_some(b, &args, true, shared) : CADRE_OK;
}

static cadre_status find_contenders(bench *b, cadre__coll_task *task)
{
    b->n_contenders = 0;
    if (cadre__coll_task_mpi_has(task))
        b->contenders[b->n_contenders++] = (cadre__coll_contender){.is_mpi = true};
    if (b->ordinary || task->args.collective == CADRE_BARRIER)
        CADRE_TRY(add_ours(b, task, false));
    if (!b->shared || task->args.collective == CADRE_BARRIER)
        return CADRE_OK;
    return add_ours(b, task, true);
}

/* ---- Measuring ---- */

static cadre_status take_samples(bench *b, cadre__coll_task *task)
{
    const size_t n = b->n_contenders;
    double warm_up;

    for (size_t i = 0; i < n; i++) {
        CADRE_TRY(cadre__coll_task_verify(task, &b->contenders[i]));
        CADRE_TRY(cadre__coll_task_time(task, &b->contenders[i], &warm_up));
    }
    /* Each begins a repetition as often as the others. */
    for (size_t r = 0; r < b->repetitions; r++)
        for (size_t i = 0; i < n; i++) {
            const size_t who = (i + r) % n;
            CADRE_TRY(cadre__coll_task_time(task, &b->contenders[who],
                                            &b->samples[who * b->repetitions + r]));
        }
    return CADRE_OK;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static cadre_status more_rows(bench *b)
{
    const size_t needed = b->report.n_rows + b->n_contenders;
    const size_t bytes = sizeof *b->report.rows;

    if (needed <= b->capacity)
        return CADRE_OK;
    cadre__collectives_row *rows =
        cadre__grow(b->report.rows, b->capacity * bytes, 2 * needed * bytes);
    if (!rows)
        return CADRE_ERR_NOMEM;
    b->report.rows = rows;
    b->capacity = 2 * needed;
    return CADRE_OK;
}

static cadre_status add_rows(bench *b, const cadre__coll_task *task)
{
    const size_t n = b->repetitions;
    const cadre_collective c = task->args.collective;
    const bool has_mpi = b->n_contenders > 0 && b->contenders[0].is_mpi;
    double mpi_us = NAN, mpi_best_us = NAN;

    CADRE_TRY(more_rows(b));
    for (size_t i = 0; i < b->n_contenders; i++) {
        const cadre__coll_contender *who = &b->contenders[i];
        double *samples = b->samples + i * n;
        qsort(samples, n, sizeof *samples, by_value);
        const double us = samples[n / 2];
        const double gb = task->bytes > 0 ? (double)task->bytes / us / 1e3 : NAN;
        if (i == 0 && has_mpi) {
            mpi_us = us;
            mpi_best_us = samples[0];
        }
        b->report.rows[b->report.n_rows++] = (cadre__collectives_row){
            .collective = cadre__strdup(cadre__collective_name(c)),
            .algorithm = cadre__strdup(who->is_mpi ? "MPI" : who->algorithm),
            .buffers = cadre__strdup(who->shared ? "shared" : "malloc"),
            .bytes = task->bytes,
            .is_native = who->is_mpi,
            .chosen = !who->is_mpi && b->chosen[i],
            .repetitions = n,
            .time_us = us,
            .spread_percent = 50 * (samples[n - 1] - samples[0]) / us,
            .algorithm_gb_per_s = gb,
            .bus_gb_per_s = gb * cadre__coll_bus_factor(c, task->size),
            .speedup = mpi_us / us,
            .best_us = samples[0],
            .best_speedup = mpi_best_us / samples[0],
        };
    }
    return CADRE_OK;
}

static cadre_status measure(bench *b, cadre_collective collective, size_t bytes)
{
    cadre__coll_task task;

    CADRE_TRY(cadre__coll_task_init(&task, b->world, collective, b->dtype, b->reduction,
                                    bytes));
    cadre_status st = find_contenders(b, &task);
    if (st == CADRE_OK) {
        b->samples =
            cadre__alloc_n(b->n_contenders * b->repetitions + 1, sizeof *b->samples);
        st = cadre_comm_agree(b->world, b->samples ? CADRE_OK : CADRE_ERR_NOMEM,
                              cadre_deadline_in_ms(WAIT_MS));
    }
    if (st == CADRE_OK)
        st = take_samples(b, &task);
    if (st == CADRE_OK && cadre_comm_rank(b->world) == 0)
        st = add_rows(b, &task);
    cadre__free(b->samples);
    b->samples = NULL;
    cadre__coll_task_fini(&task);
    return st;
}

static cadre_status measure_all(bench *b)
{
    /* The costs of a machine are measured at the first call by choice: not in one that
     * is timed. */
    CADRE_TRY(cadre_barrier(b->world, NULL));
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++) {
        if (!b->collectives[c])
            continue;
        const char *name = cadre__collective_name((cadre_collective)c);
        const size_t n = c == CADRE_BARRIER ? 1 : b->sizes.n;
        if (cadre_comm_rank(b->world) == 0)
            fprintf(stderr, "cadre: bench collectives: %s ...\n", name);
        for (size_t i = 0; i < n; i++)
            CADRE_TRY(cadre_context(measure(b, (cadre_collective)c, b->sizes.bytes[i]),
                                    "%s", name));
    }
    return CADRE_OK;
}

/* ---- The report ---- */

static const char *const notes[] = {
    "us: time of one call, the longest of all ranks, median of the repetitions; spread "
    "is half the range over the repetitions, in percent of it. best: the fastest "
    "repetition, which others on the machine disturbed least. MPI: the MPI library's "
    "blocking call; the contenders take turns within each repetition.",
    "The send buffer is written anew before each call, outside what is timed. Up to 4 "
    "KiB (but for scan) calls are timed in a row, less the time that writing takes; "
    "longer ones one by one, from a common start. Roots move on by one rank with each "
    "call.",
    "bytes: of the vector; of gather, scatter, allgather and alltoall of all blocks "
    "together. alg GB/s: bytes over time; bus GB/s: times what must pass each link, "
    "2(n-1)/n of allreduce, 1 of broadcast, reduce and scan, (n-1)/n of the others.",
    "*: what is chosen. Buffers: malloc, or shared, of cadre_coll_alloc().",
};

extern char **environ;

/* What in the environment may change the times. */
static char *settings(void)
{
    static const char *const prefixes[] = {"OMPI_MCA_coll", "OMPI_MCA_btl",
                                           "OMPI_MCA_pml", "CADRE_COLL", "CADRE_SPIN"};
    cadre__text text = {0};

    for (char **entry = environ; *entry; entry++)
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            if (strncmp(*entry, prefixes[i], strlen(prefixes[i])) == 0)
                cadre__text_printf(&text, "%s%s", text.size ? " " : "", *entry);
    char *copy = cadre__strdup(cadre__text_string(&text));
    cadre__text_fini(&text);
    return copy;
}

static cadre_status describe(bench *b, const cadre_topo *topo)
{
    char started[32];

    b->report = (cadre__collectives_report){
        .started = cadre__strdup(cadre_clock_utc(started)),
        .command = cadre__strdup(b->opts->command),
        .version = cadre__strdup(cadre_version()),
        .host = cadre__strdup(cadre_comm_host_of(b->world, 0)),
        .cpu = cadre__strdup(cadre_topo_get_facts(topo)->cpu_model),
        .mpi = cadre__strdup(cadre__mpi_library_version()),
        .settings = settings(),
        .n_ranks = cadre_comm_size(b->world),
        .n_nodes = cadre_comm_n_nodes(b->world),
        .n_cpus = cadre__comm_node_cpus(b->world),
        .dtype = cadre__strdup(cadre_dtype_name(b->dtype)),
        .reduction = cadre__strdup(cadre_reduction_name(b->reduction)),
        .verified = cadre__strdup("each contender's results on every rank, exactly, in "
                                  "calls before the timing and after each repetition"),
        .n_notes = sizeof notes / sizeof notes[0],
        .notes = cadre__bench_notes(notes, sizeof notes / sizeof notes[0])};
    return b->report.notes ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status publish(bench *b)
{
    const cadre__report report = {.kind = CADRE__REPORT_COLLECTIVES,
                                  .collectives = b->report};

    return cadre__bench_publish(&report, b->opts->format,
                                b->opts->output ? b->opts->output : OUTPUT);
}

/* Rank 0 looks whether it can write, and all know. */
static cadre_status check_output(bench *b)
{
    cadre_status st = CADRE_OK;

    if (cadre_comm_rank(b->world) == 0)
        st = cadre__bench_check_output(b->opts->output ? b->opts->output : OUTPUT);
    return cadre_comm_agree(b->world, st, cadre_deadline_in_ms(WAIT_MS));
}

static cadre_status run_all(bench *b, const cadre_topo *topo, int *exit_code)
{
    const bool is_first = cadre_comm_rank(b->world) == 0;

    *exit_code = CADRE__EXIT_USAGE;
    CADRE_TRY(complete(b)); /* all ranks alike */
    const cadre_status st = check_output(b);
    *exit_code = cadre__bench_exit_code(st);
    CADRE_TRY(st);
    *exit_code = CADRE__EXIT_RESOURCE;
    if (is_first)
        CADRE_TRY(describe(b, topo));
    CADRE_TRY(measure_all(b));
    if (is_first)
        CADRE_TRY(publish(b));
    *exit_code = CADRE__EXIT_OK;
    return CADRE_OK;
}

int cadre__bench_collectives(cadre_comm *world, cadre_topo *topo,
                             const cadre__bench_opts *opts)
{
    int exit_code = CADRE__EXIT_RESOURCE;
    bench *b = cadre__alloc(sizeof *b);

    if (!b)
        return exit_code;
    b->world = world;
    b->opts = opts;
    if (run_all(b, topo, &exit_code) != CADRE_OK && cadre_comm_rank(world) == 0)
        fprintf(stderr, "cadre: bench collectives: %s\n", cadre_last_error());
    cadre__collectives_report_fini(&b->report);
    cadre__free(b);
    return exit_code;
}
