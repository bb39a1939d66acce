/* run/bench_shards.c - `cadre bench shards`: what scatter-gather costs beside the compute
 * it carries, for 1, 2, 4, ... shards.
 *
 * Every shard serves the mlp kernel with one hidden layer and the same random weights. A
 * scatter-gather sends each shard `kib` KiB of rows of its own and collects the answers
 * (weak scaling). Answers of every shard are compared, bit by bit, with the same rows
 * served here before anything is timed. */
#include "comm/internal.h"
#include "core/memory.h"
#include "run/bench_output.h"
#include "run/bench_row.h"
#include "run/run.h"
#include <cadre/group.h>
#include <cadre/ops.h>
#include <stdio.h>
#include <string.h>

#define N_IN 1024
#define N_HIDDEN 1024
#define N_OUT 64
#define ROW_BYTES (N_IN * sizeof(float))
#define OPTIONS                                                                          \
    "{\"layers\":[1024,1024,64],\"activation\":\"relu\",\"output\":\"none\",\"seed\":1}"
#define WARM_UP 20
/* What is not given. */
#define REQUESTS 160
#define KIB 256
#define REPETITIONS 5
#define MAX_SHARDS 16
#define OUTPUT "runs/bench-shards"
#define TIMEOUT_MS 60000

typedef struct bench {
    cadre_comm *world;
    cadre_groups *groups;
    const cadre__bench_opts *opts;
    size_t n_cores, max_shards, rows_per_shard;
    float *x;                /* [max_shards * rows_per_shard][N_IN] */
    float *expected;         /* [max_shards * rows_per_shard][N_OUT] */
    cadre_request *requests; /* [max_shards * rows_per_shard] */
    int64_t *cpu_ns;         /* [max_shards], of one scatter-gather */
    int64_t *total_ns;       /* [max_shards], of a row */
    cadre__bench_sample *samples;
    cadre_hist latency;
    cadre__bench_report report;
} bench;

/* Numbers in [-1, 1) that depend on the index only (Weyl sequence, Knuth's
 * multiplier). */
static float input_at(size_t i)
{
    return (float)(int32_t)((uint32_t)i * 2654435769u) / 2147483648.0f;
}

static cadre_status make_input(bench *b)
{
    const size_t n = b->max_shards * b->rows_per_shard;
    b->x = cadre_groups_alloc(b->groups, n * ROW_BYTES);
    b->expected = cadre__alloc_n(n, N_OUT * sizeof(float));
    b->requests = cadre__alloc_n(n, sizeof *b->requests);
    b->cpu_ns = cadre__alloc_n(b->max_shards, sizeof *b->cpu_ns);
    b->total_ns = cadre__alloc_n(b->max_shards, sizeof *b->total_ns);
    b->samples = cadre__alloc_n(b->opts->repetitions, sizeof *b->samples);
    if (!b->x || !b->expected || !b->requests || !b->cpu_ns || !b->total_ns ||
        !b->samples)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < n * N_IN; i++)
        b->x[i] = input_at(i);
    for (size_t i = 0; i < n; i++)
        b->requests[i] =
            (cadre_request){.id = i, .data = b->x + i * N_IN, .bytes = ROW_BYTES};
    return CADRE_OK;
}

/* The answers, by a kernel of our own in this process. */
static cadre_status compute_expected(bench *b)
{
    const cadre_kernel *kernel;
    const cadre_kernel_args args = {.model = "", .tokenizer = "", .options = OPTIONS};
    const size_t n = b->max_shards * b->rows_per_shard;
    void *state;

    CADRE_TRY(cadre_kernel_find("mlp", &kernel));
    CADRE_TRY(kernel->open(&args, &state));
    cadre_status st = CADRE_OK;
    for (size_t i = 0; i < n && st == CADRE_OK; i++) {
        cadre_answer answer;
        st = kernel->serve(state, &b->requests[i], 1, &answer);
        if (st == CADRE_OK)
            memcpy(b->expected + i * N_OUT, answer.data, N_OUT * sizeof(float));
    }
    kernel->close(state);
    return st;
}

static cadre_status scatter_gather(bench *b, cadre_group *group, size_t n_requests,
                                   cadre_gathered **out)
{
    const cadre_query query = {.requests = b->requests,
                               .n_requests = n_requests,
                               .aggregation = CADRE_AGGREGATE_CONCAT,
                               .timeout_ms = TIMEOUT_MS};
    return cadre_group_scatter_gather(group, &query, out);
}

static cadre_status verify(bench *b, cadre_group *group, size_t n_requests)
{
    cadre_gathered *gathered;
    cadre_status st = scatter_gather(b, group, n_requests, &gathered);
    for (size_t i = 0; i < n_requests && st == CADRE_OK; i++) {
        const cadre_answer *answer = &gathered->answers[i];
        if (answer->status != CADRE_OK || answer->id != i ||
            answer->bytes != N_OUT * sizeof(float) ||
            memcmp(answer->data, b->expected + i * N_OUT, answer->bytes) != 0)
            st = cadre_fail(CADRE_ERR_INTERNAL,
                            "the answer to row %zu differs from the same row served here",
                            i);
    }
    cadre_gathered_destroy(gathered);
    return st;
}

static cadre_status measure_one(bench *b, cadre_group *group, cadre__bench_row *row,
                                cadre__bench_sample *sample)
{
    cadre_gathered *gathered;
    const int64_t start = cadre_clock_ns();
    const cadre_status st =
        scatter_gather(b, group, row->shards * b->rows_per_shard, &gathered);
    const int64_t wall = cadre_clock_ns() - start;

    if (st == CADRE_OK) {
        for (size_t s = 0; s < row->shards; s++) {
            b->cpu_ns[s] = gathered->shards[s].cpu_ns;
            b->total_ns[s] += gathered->shards[s].cpu_ns;
        }
        sample->wall_ns += wall;
        sample->compute_ns += cadre__critical_compute(b->cpu_ns, row->shards, b->n_cores);
        cadre_hist_record(&b->latency, wall);
        row->errors += gathered->failed + gathered->late;
    }
    cadre_gathered_destroy(gathered);
    return st;
}

static cadre_status measure(bench *b, cadre_group *group, cadre__bench_row *row)
{
    cadre__bench_sample warm_up = {0};

    for (size_t i = 0; i < WARM_UP; i++)
        CADRE_TRY(measure_one(b, group, row, &warm_up));
    cadre_hist_init(&b->latency);
    memset(b->total_ns, 0, b->max_shards * sizeof *b->total_ns);
    for (size_t r = 0; r < b->opts->repetitions; r++) {
        b->samples[r] = (cadre__bench_sample){0};
        for (size_t i = 0; i < b->opts->requests; i++)
            CADRE_TRY(measure_one(b, group, row, &b->samples[r]));
    }
    row->requests = row->shards * b->opts->requests;
    cadre__bench_row_finish(row, b->samples, b->opts->repetitions, &b->latency,
                            b->total_ns);
    return CADRE_OK;
}

/* Nodes that hold shards of the group. */
static size_t count_nodes(bench *b, const cadre_group *group)
{
    size_t n = 0;
    for (size_t s = 0; s < cadre_group_n_shards(group); s++) {
        const int node = cadre_comm_node_of(b->world, cadre_group_rank_of(group, s));
        size_t t = 0;
        while (t < s &&
               cadre_comm_node_of(b->world, cadre_group_rank_of(group, t)) != node)
            t++;
        n += t == s;
    }
    return n;
}

static cadre_status run_row(bench *b, size_t shards, cadre__bench_row *row)
{
    char name[32];
    cadre_group *group;
    snprintf(name, sizeof name, "%zu shard%s", shards, shards > 1 ? "s" : "");
    *row = (cadre__bench_row){.name = cadre__strdup(name),
                              .shards = shards,
                              .batch = b->rows_per_shard,
                              .kib_per_request =
                                  (double)(b->rows_per_shard * ROW_BYTES) / 1024};
    if (!row->name)
        return CADRE_ERR_NOMEM;
    const cadre_group_opts opts = {.name = "bench",
                                   .kernel = "mlp",
                                   .options = OPTIONS,
                                   .shards = shards,
                                   .partition = CADRE_PARTITION_RANGE,
                                   .n_keys = shards * b->rows_per_shard};
    CADRE_TRY(cadre_group_create(b->groups, &opts, &group));
    row->nodes = count_nodes(b, group);
    row->cores = b->n_cores;
    cadre_status st = verify(b, group, shards * b->rows_per_shard);
    if (st == CADRE_OK)
        st = measure(b, group, row);
    const cadre_status deleted = cadre_group_delete(group, TIMEOUT_MS);
    return st == CADRE_OK ? deleted : st;
}

static const char *const notes[] = {
    "requests: one per shard and scatter-gather. Warm-up is excluded; figures are of the "
    "median "
    "repetition; spread is half the range of wall times over the repetitions.",
    "compute: CPU time inside kernels on the critical path: of each scatter-gather the "
    "longest "
    "shard, or all shards' time divided by the cores if that is longer.",
    "coordination: the rest of the wall time. granularity: compute / coordination.",
    "efficiency: requests/s over those of the first row times shards (weak scaling). "
    "With more "
    "shards than cores it cannot exceed cores / shards.",
    "imbalance: largest over mean compute of a shard. Karp-Flatt: experimentally "
    "determined "
    "serial fraction.",
};

static cadre_status describe(bench *b, const cadre_topo *topo)
{
    cadre__bench_report *report = &b->report;
    char started[32];
    report->benchmark = cadre__strdup("shards");
    report->started = cadre__strdup(cadre_clock_utc(started));
    report->command = cadre__strdup(b->opts->command);
    report->version = cadre__strdup(cadre_version());
    report->host = cadre__strdup(cadre_comm_host_of(b->world, 0));
    report->cpu = cadre__strdup(cadre_topo_get_facts(topo)->cpu_model);
    report->blas = cadre__strdup(cadre_blas_version());
    report->mpi = cadre__strdup(cadre__mpi_library_version());
    report->n_ranks = cadre_comm_size(b->world);
    report->scaling =
        cadre__strdup("weak: every shard serves a request of the same size");
    report->verified =
        cadre__strdup("each shard's answers equal, bit by bit, the same rows "
                      "served on the coordinator");
    report->n_notes = sizeof notes / sizeof notes[0];
    report->notes = cadre__bench_notes(notes, report->n_notes);
    report->rows = cadre__alloc_n(8 * sizeof b->max_shards, sizeof *report->rows);
    return report->notes && report->rows ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status run_rows(bench *b, const cadre_topo *topo)
{
    CADRE_TRY(describe(b, topo));
    CADRE_TRY(make_input(b));
    CADRE_TRY(compute_expected(b));
    for (size_t shards = 1; shards <= b->max_shards; shards *= 2) {
        fprintf(stderr, "cadre: bench shards: %zu shard%s ...\n", shards,
                shards > 1 ? "s" : "");
        CADRE_TRY(cadre_context(run_row(b, shards, &b->report.rows[b->report.n_rows++]),
                                "%zu shards", shards));
    }
    cadre__bench_rows_compare(b->report.rows, b->report.n_rows);
    return CADRE_OK;
}

/* The cores that the shards can use: those of every node. */
static size_t count_cores(cadre_comm *world)
{
    return (size_t)cadre__comm_node_cpus(world) * (size_t)cadre_comm_n_nodes(world);
}

static void free_bench(bench *b)
{
    cadre__free(b->expected);
    cadre__free(b->requests);
    cadre__free(b->cpu_ns);
    cadre__free(b->total_ns);
    cadre__free(b->samples);
    cadre__bench_report_fini(&b->report);
}

static cadre_status coordinate(bench *b, const cadre_topo *topo)
{
    b->n_cores = count_cores(b->world);
    b->max_shards = cadre_groups_n_workers(b->groups);
    if (b->max_shards > b->opts->max_shards)
        b->max_shards = b->opts->max_shards;
    b->rows_per_shard = b->opts->kib * 1024 / ROW_BYTES;
    CADRE_TRY(run_rows(b, topo));
    const cadre__report report = {.kind = CADRE__REPORT_BENCH, .bench = b->report};
    return cadre__bench_publish(&report, b->opts->format, b->opts->output);
}

int cadre__bench_shards(cadre_comm *world, cadre_topo *topo,
                        const cadre__bench_opts *opts)
{
    int exit_code = CADRE__EXIT_OK;
    bench *b = cadre__alloc(sizeof *b); /* a histogram is large for the stack */
    if (!b)
        return CADRE__EXIT_RESOURCE;
    cadre__bench_opts complete = *opts;
    complete.requests = opts->requests ? opts->requests : REQUESTS;
    complete.kib = opts->kib ? opts->kib : KIB;
    complete.repetitions = opts->repetitions ? opts->repetitions : REPETITIONS;
    complete.max_shards = opts->max_shards ? opts->max_shards : MAX_SHARDS;
    complete.output = opts->output ? opts->output : OUTPUT;
    b->world = world;
    b->opts = &complete;
    cadre_status st = cadre_groups_open(world, &b->groups);
    if (st == CADRE_OK && cadre_comm_rank(world) == 0) {
        st = cadre__bench_check_output(b->opts->output);
        exit_code = cadre__bench_exit_code(st);
        if (st == CADRE_OK && (st = coordinate(b, topo)) != CADRE_OK)
            exit_code = CADRE__EXIT_RESOURCE;
        if (st != CADRE_OK)
            fprintf(stderr, "cadre: bench shards: %s\n", cadre_last_error());
    } else if (st == CADRE_OK) {
        if (cadre_groups_serve(b->groups, &exit_code) != CADRE_OK)
            exit_code = CADRE__EXIT_RESOURCE;
    } else {
        exit_code = CADRE__EXIT_RESOURCE;
    }
    if (b->x)
        cadre_groups_free(b->groups, b->x);
    cadre_groups_close(b->groups, exit_code);
    free_bench(b);
    cadre__free(b);
    return exit_code;
}
