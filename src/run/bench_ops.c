/* run/bench_ops.c - `cadre bench ops`: how far from what the machine can do the compute
 * primitives are, one row per op, size and level.
 *
 * Rank 0 computes, in one thread. Each level's result is compared with that of "ref"
 * before it is timed. Times are CPU time, so that what else runs on the machine disturbs
 * less. */
#include "core/memory.h"
#include "ops/peaks.h"
#include "run/bench_output.h"
#include "run/ops_task.h"
#include "run/run.h"
#include <cadre/coll.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT "runs/bench-ops"
#define REPETITIONS 7
#define N_OUT 2048
#define N_IN 2048
#define ROWS "1,4,8,64"
#define TURN_NS (5 * CADRE_NS_PER_MS)   /* a repetition lasts at least so long */
#define PARTS_NS (20 * CADRE_NS_PER_MS) /* a run of a slow level at most, about */
#define READ_BYTES ((size_t)256 << 20)
#define WAIT_MS (24 * 3600 * INT64_C(1000))

enum { MAX_LEVELS = 8, MAX_ROWS_LISTED = 16, MAX_ROWS = 4096, CHECKED_PARTS = 2 };

typedef struct bench {
    cadre__bench_opts opts; /* complete */
    size_t rows[MAX_ROWS_LISTED], n_rows;
    cadre_ops levels[MAX_LEVELS];
    size_t n_levels, capacity; /* capacity: of the report's rows */
    int64_t *samples;          /* [opts.repetitions] */
    cadre__ops_report report;
} bench;

/* ---- What was asked ---- */

static cadre_status parse_rows(bench *b, const char *list)
{
    for (const char *at = list; b->n_rows < MAX_ROWS_LISTED; at++) {
        char *end;
        const unsigned long n = strtoul(at, &end, 10);
        if (*at < '0' || *at > '9' || n < 1 || n > MAX_ROWS || (*end && *end != ','))
            break;
        b->rows[b->n_rows++] = n;
        if (!*end)
            return CADRE_OK;
        at = end;
    }
    return cadre_fail(CADRE_ERR_ARG,
                      "--rows: expected up to %d numbers from 1 to %d with commas "
                      "between, found \"%s\"",
                      MAX_ROWS_LISTED, MAX_ROWS, list);
}

/* Whether products of this type were asked for. */
static bool wanted(const bench *b, cadre_wtype type)
{
    return !b->opts.type || strcmp(b->opts.type, cadre_wtype_name(type)) == 0;
}

static cadre_status complete(bench *b, const cadre__bench_opts *given)
{
    b->opts = *given;
    b->opts.repetitions = given->repetitions ? given->repetitions : REPETITIONS;
    b->opts.n_out = given->n_out ? given->n_out : N_OUT;
    b->opts.n_in = given->n_in ? given->n_in : N_IN;
    b->opts.output = given->output ? given->output : OUTPUT;
    for (int type = 0; type < CADRE_N_WTYPES; type++)
        if (wanted(b, (cadre_wtype)type) &&
            cadre_panel_bytes((cadre_wtype)type, b->opts.n_in) == 0)
            return cadre_fail(
                CADRE_ERR_ARG,
                "--n-in: expected a multiple of %zu, the block of %s, found "
                "%zu",
                cadre_wtype_block((cadre_wtype)type), cadre_wtype_name((cadre_wtype)type),
                b->opts.n_in);
    return parse_rows(b, given->rows ? given->rows : ROWS);
}

/* The tables of all levels of this machine; the one in force stays so. */
static cadre_status find_levels(bench *b)
{
    const char *in_force = cadre_ops_get()->level, *name;
    int usable;

    for (size_t i = 0; (name = cadre_ops_level(i, &usable, NULL)) && i < MAX_LEVELS; i++)
        if (usable) {
            CADRE_TRY(cadre_ops_init(name));
            b->levels[b->n_levels++] = *cadre_ops_get();
        }
    return cadre_ops_init(in_force);
}

/* ---- What the machine can do ---- */

/* Best of some, in operations (or bytes) per ns. */
static double peak_of(const cadre__peak *peak)
{
    const size_t n_turns = 100000;
    double best = 0;

    for (int i = 0; i < 20; i++) {
        const int64_t start = cadre_cpu_ns();
        peak->loop(n_turns);
        const double rate =
            peak->ops * (double)n_turns / (double)(cadre_cpu_ns() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

static cadre_status measure_peaks(bench *b)
{
    cadre__ops_report *report = &b->report;

    report->peaks = cadre__alloc_n(MAX_LEVELS * CADRE_N_FORMS, sizeof *report->peaks);
    if (!report->peaks)
        return CADRE_ERR_NOMEM;
    for (size_t l = 0; l < b->n_levels; l++)
        for (int form = 0; form < CADRE_N_FORMS; form++) {
            const cadre__peak *peak =
                cadre__ops_peak(b->levels[l].level, (cadre_form)form);
            if (!peak)
                continue;
            report->peaks[report->n_peaks++] =
                (cadre__ops_peak_row){.level = cadre__strdup(b->levels[l].level),
                                      .form = form,
                                      .instruction = cadre__strdup(peak->name),
                                      .gops_per_s = peak_of(peak)};
        }
    return CADRE_OK;
}

/* GB/s of one thread that reads memory from end to end, and nothing else. */
static cadre_status measure_reading(bench *b)
{
    enum { LANES = 8 };
    const size_t n = READ_BYTES / sizeof(uint64_t);
    uint64_t *words = cadre__alloc(READ_BYTES);
    uint64_t sums[LANES] = {0};
    volatile uint64_t keep;

    if (!words)
        return CADRE_ERR_NOMEM;
    memset(words, 1, READ_BYTES);
    for (int i = 0; i < 5; i++) {
        const int64_t start = cadre_cpu_ns();
        for (size_t k = 0; k < n; k += LANES)
            for (size_t j = 0; j < LANES; j++)
                sums[j] += words[k + j];
        const double rate = (double)READ_BYTES / (double)(cadre_cpu_ns() - start);
        if (rate > b->report.read_gb_per_s)
            b->report.read_gb_per_s = rate;
    }
    keep = sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^ sums[7];
    (void)keep;
    cadre__free(words);
    return CADRE_OK;
}

static double peak_for(const bench *b, const char *level, cadre_form form)
{
    for (size_t i = 0; i < b->report.n_peaks; i++)
        if (strcmp(b->report.peaks[i].level, level) == 0 &&
            b->report.peaks[i].form == (int)form)
            return b->report.peaks[i].gops_per_s;
    return NAN;
}

/* ---- Verify, then time ---- */

static size_t checked_parts(const cadre__ops_task *task)
{
    return task->n_parts < CHECKED_PARTS ? task->n_parts : CHECKED_PARTS;
}

/* The same bits, or for rounding of a level's own, within 2^-9 of the largest. */
static cadre_status compare(const cadre__ops_task *task, const float *expected,
                            const char *level)
{
    float largest = 0, apart = 0;

    if (memcmp(task->out, expected, task->n_out * sizeof *expected) == 0)
        return CADRE_OK;
    for (size_t i = 0; i < task->n_out; i++) {
        largest = fmaxf(largest, fabsf(expected[i]));
        apart = fmaxf(apart, fabsf(expected[i] - task->out[i]));
    }
    if (!task->same_bits && apart <= largest / 512)
        return CADRE_OK;
    return cadre_fail(
        CADRE_ERR_INTERNAL,
        "%s, %s, %zu rows: level %s differs from ref by up to %g, where the "
        "largest is %g",
        task->op, task->shape, task->rows, level, (double)apart, (double)largest);
}

static cadre_status verify(const bench *b, cadre__ops_task *task)
{
    const size_t parts = checked_parts(task);
    float *expected = cadre__alloc_n(task->n_out, sizeof *expected);
    cadre_status st = expected ? CADRE_OK : CADRE_ERR_NOMEM;

    if (st == CADRE_OK) {
        task->run(task, &b->levels[0], parts);
        memcpy(expected, task->out, task->n_out * sizeof *expected);
    }
    for (size_t l = 1; l < b->n_levels && st == CADRE_OK; l++) {
        memset(task->out, 0, task->n_out * sizeof *task->out);
        task->run(task, &b->levels[l], parts);
        st = compare(task, expected, b->levels[l].level);
    }
    cadre__free(expected);
    return st;
}

static int64_t time_turns(cadre__ops_task *task, const cadre_ops *ops, size_t parts,
                          size_t turns)
{
    const int64_t start = cadre_cpu_ns();
    for (size_t i = 0; i < turns; i++)
        task->run(task, ops, parts);
    const int64_t time = cadre_cpu_ns() - start;
    return time > 0 ? time : 1;
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(bench *b, cadre__ops_task *task, const cadre_ops *ops)
{
    const size_t n = b->opts.repetitions;
    const int64_t part_ns = time_turns(task, ops, 1, 1);
    const size_t most = (size_t)(PARTS_NS / part_ns) + 1;
    const size_t parts = task->n_parts < most ? task->n_parts : most;
    const size_t turns = (size_t)(TURN_NS / time_turns(task, ops, parts, 1)) + 1;
    const double share = (double)parts / (double)task->n_parts;

    for (size_t i = 0; i < n; i++)
        b->samples[i] = time_turns(task, ops, parts, turns);
    qsort(b->samples, n, sizeof *b->samples, by_value);
    const int64_t median = b->samples[n / 2];
    const double ns = (double)median / (double)turns / share;
    const double gops = task->operations > 0 ? task->operations / ns : NAN;
    const double gb = task->bytes > 0 ? task->bytes / ns : NAN;

    b->report.rows[b->report.n_rows++] = (cadre__ops_row){
        .op = cadre__strdup(task->op),
        .shape = cadre__strdup(task->shape),
        .level = cadre__strdup(ops->level),
        .rows = task->rows,
        .repetitions = n,
        .time_us = ns / 1000,
        .spread_percent = 50.0 * (double)(b->samples[n - 1] - b->samples[0]) / median,
        .gops_per_s = gops,
        .peak_percent = 100 * gops / peak_for(b, ops->level, task->form),
        .gb_per_s = gb,
        .read_percent = 100 * gb / b->report.read_gb_per_s};
}

static cadre_status run_task(bench *b, cadre__ops_task *task)
{
    const size_t needed = b->report.n_rows + b->n_levels;

    if (needed > b->capacity) {
        const size_t capacity = 2 * needed, size = sizeof *b->report.rows;
        cadre__ops_row *rows =
            cadre__grow(b->report.rows, b->capacity * size, capacity * size);
        if (!rows)
            return CADRE_ERR_NOMEM;
        b->report.rows = rows;
        b->capacity = capacity;
    }
    CADRE_TRY(verify(b, task));
    for (size_t l = 0; l < b->n_levels; l++)
        measure(b, task, &b->levels[l]);
    return CADRE_OK;
}

static cadre_status run_matmuls(bench *b, cadre_wtype type)
{
    fprintf(stderr, "cadre: bench ops: matmul %s ...\n", cadre_wtype_name(type));
    for (size_t i = 0; i < b->n_rows; i++) {
        cadre__ops_task task;
        cadre_status st =
            cadre__ops_task_matmul(type, b->opts.n_out, b->opts.n_in, b->rows[i], &task);
        if (st == CADRE_OK)
            st = run_task(b, &task);
        cadre__ops_task_fini(&task);
        CADRE_TRY(st);
    }
    return CADRE_OK;
}

static cadre_status run_others(bench *b)
{
    fprintf(stderr, "cadre: bench ops: the other ops ...\n");
    for (size_t i = 0;; i++) {
        cadre__ops_task task;
        cadre_status st = cadre__ops_task_other(i, &task);
        const bool past = st == CADRE_ERR_NOT_FOUND;
        if (st == CADRE_OK)
            st = run_task(b, &task);
        cadre__ops_task_fini(&task);
        if (past)
            return CADRE_OK;
        CADRE_TRY(st);
    }
}

/* ---- The report ---- */

static const char *const notes[] = {
    "one thread; CPU time of the median repetition; spread is half the range over the "
    "repetitions, in percent of it.",
    "GOP/s: multiplications and additions; % of peak: of the instruction that the level "
    "multiplies with, as measured above on registers alone.",
    "GB/s: weights or vectors that must be read and written; % of read: of one thread "
    "that "
    "only reads memory. What lies in caches may exceed it; weights of products do not.",
    "silu_mul and rope include a copy of what they overwrite. Slow levels compute a part "
    "of "
    "a product, and the time is that of the whole at this speed.",
};

static cadre_status describe(bench *b, cadre_comm *world, const cadre_topo *topo)
{
    char started[32];

    b->report = (cadre__ops_report){
        .started = cadre__strdup(cadre_clock_utc(started)),
        .command = cadre__strdup(b->opts.command),
        .version = cadre__strdup(cadre_version()),
        .host = cadre__strdup(cadre_comm_host_of(world, 0)),
        .cpu = cadre__strdup(cadre_topo_get_facts(topo)->cpu_model),
        .verified =
            cadre__strdup("every level has the bits of ref, in matmul BF16 numbers "
                          "within 2^-9 of the largest"),
        .n_notes = sizeof notes / sizeof notes[0],
        .notes = cadre__bench_notes(notes, sizeof notes / sizeof notes[0])};
    b->samples = cadre__alloc_n(b->opts.repetitions, sizeof *b->samples);
    return b->report.notes && b->samples ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status run_all(bench *b)
{
    CADRE_TRY(find_levels(b));
    CADRE_TRY(measure_peaks(b));
    CADRE_TRY(measure_reading(b));
    for (int type = 0; type < CADRE_N_WTYPES; type++)
        if (wanted(b, (cadre_wtype)type))
            CADRE_TRY(run_matmuls(b, (cadre_wtype)type));
    if (!b->opts.type)
        CADRE_TRY(run_others(b));
    const cadre__report report = {.kind = CADRE__REPORT_OPS, .ops = b->report};
    return cadre__bench_publish(&report, b->opts.format, b->opts.output);
}

static int compute(bench *b, cadre_comm *world, const cadre_topo *topo,
                   const cadre__bench_opts *opts)
{
    int exit_code = CADRE__EXIT_USAGE;
    cadre_status st = complete(b, opts);

    if (st == CADRE_OK) {
        st = cadre__bench_check_output(b->opts.output);
        exit_code = cadre__bench_exit_code(st);
    }
    if (st == CADRE_OK) {
        exit_code = CADRE__EXIT_RESOURCE;
        st = describe(b, world, topo);
    }
    if (st == CADRE_OK)
        st = run_all(b);
    if (st != CADRE_OK)
        fprintf(stderr, "cadre: bench ops: %s\n", cadre_last_error());
    cadre__free(b->samples);
    cadre__ops_report_fini(&b->report);
    return st == CADRE_OK ? CADRE__EXIT_OK : exit_code;
}

int cadre__bench_ops(cadre_comm *world, cadre_topo *topo, const cadre__bench_opts *opts)
{
    const cadre_coll_opts patient = {.deadline_ns = cadre_deadline_in_ms(WAIT_MS)};
    int exit_code = CADRE__EXIT_OK;

    if (cadre_comm_rank(world) == 0) {
        bench *b = cadre__alloc(sizeof *b);
        exit_code = b ? compute(b, world, topo, opts) : CADRE__EXIT_RESOURCE;
        cadre__free(b);
    }
    /* The others sleep meanwhile. */
    if (cadre_barrier(world, &patient) != CADRE_OK && exit_code == CADRE__EXIT_OK)
        exit_code = CADRE__EXIT_RESOURCE;
    return exit_code;
}
