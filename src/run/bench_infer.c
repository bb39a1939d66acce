/* run/bench_infer.c - `cadre bench infer`: tokens per second of text generation.
 *
 * All requests of a repetition are there at its start, as in an offline job; enough of
 * them are on their way to fill each shard, and the next goes to the shard with the
 * fewest tokens left. A few requests are computed alone before anything is timed; every
 * repetition must give the same bytes for these and, from the first one on, for all. */
#include "comm/internal.h"
#include "core/memory.h"
#include "run/bench_output.h"
#include "run/infer_load.h"
#include "run/run.h"
#include <cadre/coll.h>
#include <cadre/group.h>
#include <cadre/hist.h>
#include <cadre/ops.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is not given. */
#define KERNEL "transformer"
#define REQUESTS 256
#define REQUESTS_PREFILL 8
#define REQUESTS_SINGLE 4
#define REPETITIONS 3
#define PROMPT_TOKENS 128
#define MAX_TOKENS 64
#define OUTPUT "runs/bench-infer"

#define N_ALONE 4
#define OPEN_TIMEOUT_MS (600 * 1000)
#define ANSWER_TIMEOUT_MS (600 * 1000)
#define CLOSE_TIMEOUT_MS 60000

/* What a request was answered the first time. */
typedef struct expected {
    char *text; /* NULL: not answered yet */
    size_t bytes;
    uint32_t tokens_out;
} expected;

typedef struct shard_load {
    size_t in_flight;
    uint64_t work; /* tokens of what is in flight */
} shard_load;

/* What one pass over all requests took. */
typedef struct sample {
    int64_t wall_ns, compute_ns;
} sample;

typedef struct bench {
    cadre_comm *world;
    cadre_groups *groups;
    cadre__bench_opts opts; /* complete */
    int64_t *pids;          /* [comm size] */
    const cadre_kernel *kernel;
    cadre_group *group;
    cadre__infer_load load;
    expected *expected; /* [load.n] */
    shard_load *shards; /* [opts.shards] */
    sample *samples;    /* [opts.repetitions] */
    cadre_hist first_token, per_token, latency;
    cadre__infer_report report;
} bench;

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

/* ---- Serving ---- */

/* An answer must be what it was before. */
static cadre_status compare(bench *b, const cadre_answer *answer)
{
    expected *e = &b->expected[answer->id];

    if (answer->status != CADRE_OK)
        return cadre_fail(answer->status, "request %" PRIu64 ": %s", answer->id,
                          answer->message ? answer->message
                                          : cadre_status_text(answer->status));
    if (!e->text) {
        e->text = cadre__alloc(answer->bytes);
        if (!e->text)
            return CADRE_ERR_NOMEM;
        if (answer->bytes)
            memcpy(e->text, answer->data, answer->bytes);
        e->bytes = answer->bytes;
        e->tokens_out = answer->tokens_out;
        return CADRE_OK;
    }
    if (answer->tokens_in == b->load.tokens_in[answer->id] &&
        answer->tokens_out == e->tokens_out && answer->bytes == e->bytes &&
        (e->bytes == 0 || memcmp(answer->data, e->text, e->bytes) == 0))
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_INTERNAL,
                      "request %" PRIu64 " has another answer in a batch than before: "
                      "%zu bytes of %u tokens instead of %zu of %u",
                      answer->id, answer->bytes, answer->tokens_out, e->bytes,
                      e->tokens_out);
}

static void note_times(bench *b, const cadre_batch *batch)
{
    const cadre_answer *answer = &batch->answers[0];
    const int64_t rest = answer->last_token_ns - answer->first_token_ns;

    cadre_hist_record(&b->latency, batch->latency_ns);
    if (answer->first_token_ns > 0)
        cadre_hist_record(&b->first_token, answer->first_token_ns);
    if (answer->first_token_ns > 0 && answer->tokens_out > 1)
        cadre_hist_record(&b->per_token, rest / (answer->tokens_out - 1));
}

static uint64_t work_of(const bench *b, size_t i)
{
    return (uint64_t)b->load.tokens_in[i] + b->load.requests[i].sampling.max_tokens;
}

static cadre_status submit(bench *b, size_t i, size_t shard)
{
    uint64_t ticket;
    CADRE_TRY(cadre_group_submit(b->group, shard, &b->load.requests[i], 1, &ticket));
    b->shards[shard].in_flight++;
    b->shards[shard].work += work_of(b, i);
    return CADRE_OK;
}

/* Wait for one answer; into *total unless NULL. */
static cadre_status receive(bench *b, sample *total)
{
    cadre_batch *batch;

    CADRE_TRY(
        cadre_groups_next(b->groups, cadre_deadline_in_ms(ANSWER_TIMEOUT_MS), &batch));
    cadre_status st = batch->status;
    if (st != CADRE_OK) {
        st = cadre_fail(st, "shard %zu: %s", batch->shard, batch->message);
    } else {
        b->shards[batch->shard].in_flight--;
        b->shards[batch->shard].work -= work_of(b, batch->answers[0].id);
        st = compare(b, &batch->answers[0]);
        if (total) {
            total->compute_ns += batch->compute_ns;
            note_times(b, batch);
        }
    }
    cadre_batch_destroy(batch);
    return st;
}

/* The shard with the fewest tokens left that takes one more; opts.shards: none does. */
static size_t free_shard(const bench *b, size_t limit)
{
    size_t best = b->opts.shards;
    for (size_t s = 0; s < b->opts.shards; s++) {
        if (b->shards[s].in_flight < limit &&
            (best == b->opts.shards || b->shards[s].work < b->shards[best].work))
            best = s;
    }
    return best;
}

/* As the dispatcher of a job does it: a full kernel, and some to join. */
static size_t in_flight_limit(const bench *b)
{
    const size_t best = cadre_group_kernel_info(b->group)->best_batch;
    return b->opts.single ? 1 : best + best / 4 + 2;
}

static cadre_status serve_all(bench *b, sample *total)
{
    const size_t n = b->load.n, limit = in_flight_limit(b);
    const int64_t start = cadre_clock_ns();

    for (size_t next = 0, done = 0; done < n;) {
        const size_t shard = next < n ? free_shard(b, limit) : b->opts.shards;
        if (shard < b->opts.shards) {
            CADRE_TRY(submit(b, next++, shard));
            continue;
        }
        CADRE_TRY(receive(b, total));
        done++;
    }
    total->wall_ns = cadre_clock_ns() - start;
    return CADRE_OK;
}

/* Some requests spread over all, one at a time, on one shard after the other. */
static cadre_status serve_alone(bench *b)
{
    const size_t n = b->load.n < N_ALONE ? b->load.n : N_ALONE;
    for (size_t k = 0; k < n; k++) {
        CADRE_TRY(
            submit(b, n > 1 ? k * (b->load.n - 1) / (n - 1) : 0, k % b->opts.shards));
        CADRE_TRY(receive(b, NULL));
    }
    return CADRE_OK;
}

/* ---- Opening, memory ---- */

static cadre_status open_group(bench *b, double *took_ms)
{
    const cadre_group_opts opts = {.name = "bench",
                                   .kernel = b->opts.kernel,
                                   .model = b->opts.model,
                                   .tokenizer = b->opts.tokenizer,
                                   .options = b->opts.options,
                                   .shards = b->opts.shards,
                                   .ranks_per_shard = b->opts.ranks_per_shard,
                                   .partition = CADRE_PARTITION_ROUND_ROBIN,
                                   .timeout_ms = OPEN_TIMEOUT_MS};
    const int64_t start = cadre_clock_ns();
    CADRE_TRY(cadre_group_create(b->groups, &opts, &b->group));
    *took_ms = ms(cadre_clock_ns() - start);
    return CADRE_OK;
}

/* Add what a line such as "Pss_File:   78 kB" says if it is of this key. */
static void add_kib(const char *line, const char *key, uint64_t *bytes)
{
    const size_t n = strlen(key);
    if (strncmp(line, key, n) == 0)
        *bytes += 1024 * (uint64_t)strtoull(line + n, NULL, 10);
}

/* Add the proportional set size of a process, where a page counts in parts for those who
 * share it, and of that what is files and shared memory. Nothing if it is not known. */
static void add_pss(int64_t pid, uint64_t *all, uint64_t *mapped)
{
    char path[64], line[256];

    snprintf(path, sizeof path, "/proc/%" PRId64 "/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        add_kib(line, "Pss:", all);
        add_kib(line, "Pss_File:", mapped);
        add_kib(line, "Pss_Shmem:", mapped);
    }
    if (file)
        fclose(file);
}

static void add_pss_of_shards(bench *b)
{
    const size_t width = cadre_group_ranks_per_shard(b->group);
    for (size_t i = 0; i < b->opts.shards * width; i++) {
        const int rank = cadre_group_rank_at(b->group, i / width, i % width);
        if (cadre_comm_node_of(b->world, rank) == cadre_comm_node_of(b->world, 0))
            add_pss(b->pids[rank], &b->report.pss_bytes, &b->report.pss_mapped_bytes);
    }
}

static uint64_t file_bytes(const char *path)
{
    struct stat info;
    return path && stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

/* ---- The row ---- */

static int by_wall(const void *x, const void *y)
{
    const int64_t a = ((const sample *)x)->wall_ns, b = ((const sample *)y)->wall_ns;
    return (a > b) - (a < b);
}

static char *name_of(const cadre__bench_opts *opts)
{
    char name[96];
    if (opts->prefill)
        snprintf(name, sizeof name, "prefill %zu", opts->prefill);
    else if (opts->ragged)
        snprintf(name, sizeof name, "ragged 16-512 + 8-128");
    else
        snprintf(name, sizeof name, "%s%zu + %zu", opts->single ? "single " : "",
                 opts->prompt_tokens, opts->max_tokens);
    return cadre__strdup(name);
}

static void fill_row(bench *b, cadre__infer_row *row)
{
    const size_t n = b->opts.repetitions;

    for (size_t i = 0; i < b->load.n; i++) {
        row->tokens_in += b->load.tokens_in[i];
        row->tokens_out += b->expected[i].tokens_out;
        row->early += b->expected[i].tokens_out < b->load.requests[i].sampling.max_tokens;
    }
    qsort(b->samples, n, sizeof b->samples[0], by_wall);
    const sample *median = &b->samples[n / 2];
    const int64_t range = b->samples[n - 1].wall_ns - b->samples[0].wall_ns;
    const double seconds = (double)median->wall_ns / 1e9;
    row->shards = b->opts.shards;
    row->ranks_per_shard = b->opts.ranks_per_shard;
    row->requests = b->load.n;
    row->repetitions = n;
    row->wall_ms = ms(median->wall_ns);
    row->spread_percent = 50.0 * (double)range / (double)median->wall_ns;
    row->tokens_per_s = (double)(row->tokens_in + row->tokens_out) / seconds;
    row->generated_per_s = (double)row->tokens_out / seconds;
    row->compute_percent = 100.0 * (double)median->compute_ns /
                           ((double)median->wall_ns * (double)b->opts.shards);
    cadre__quantiles_of(&b->first_token, &row->first_token);
    cadre__quantiles_of(&b->per_token, &row->per_token);
    cadre__quantiles_of(&b->latency, &row->latency);
}

/* Opened anew, so that a kernel that remembers prompts (shared prefixes) has to compute
 * them all. */
static cadre_status repeat(bench *b, size_t r)
{
    double took_ms;

    CADRE_TRY(cadre_group_delete(b->group, CLOSE_TIMEOUT_MS));
    CADRE_TRY(open_group(b, &took_ms));
    CADRE_TRY(serve_all(b, &b->samples[r]));
    fprintf(stderr, "cadre: bench infer: repetition %zu of %zu: %.3f s\n", r + 1,
            b->opts.repetitions, (double)b->samples[r].wall_ns / 1e9);
    return CADRE_OK;
}

static cadre_status measure(bench *b)
{
    cadre__infer_report *report = &b->report;

    CADRE_TRY(open_group(b, &report->open_ms));
    CADRE_TRY(cadre_group_delete(b->group, CLOSE_TIMEOUT_MS));
    CADRE_TRY(open_group(b, &report->open_again_ms));
    report->weights_bytes = cadre_group_kernel_info(b->group)->weights_bytes;
    CADRE_TRY(cadre_context(serve_alone(b), "requests alone"));
    cadre_hist_init(&b->first_token);
    cadre_hist_init(&b->per_token);
    cadre_hist_init(&b->latency);
    for (size_t r = 0; r < b->opts.repetitions; r++)
        CADRE_TRY(cadre_context(repeat(b, r), "repetition %zu", r + 1));
    add_pss_of_shards(b);
    fill_row(b, &report->rows[0]);
    return CADRE_OK;
}

/* ---- Around it ---- */

static const char *const notes[] = {
    "tokens/s: prompt and generated tokens per second of wall time, from the first "
    "request "
    "sent to the last answer; generated/s: generated ones alone. Of the median "
    "repetition; "
    "spread is half the range of wall times over the repetitions.",
    "TTFT: from a request's reaching its shard to its first token, waiting for a place "
    "included; TPOT: mean time of each later token; whole: from sending to the answer. "
    "Over "
    "all repetitions.",
    "compute: time inside the kernel, of all shards' time.",
};

static cadre_status describe(bench *b, const cadre_topo *topo)
{
    cadre__infer_report *report = &b->report;
    char started[32];
    *report = (cadre__infer_report){
        .started = cadre__strdup(cadre_clock_utc(started)),
        .command = cadre__strdup(b->opts.command),
        .version = cadre__strdup(cadre_version()),
        .host = cadre__strdup(cadre_comm_host_of(b->world, 0)),
        .cpu = cadre__strdup(cadre_topo_get_facts(topo)->cpu_model),
        .ops = cadre__strdup(cadre_ops_get()->level),
        .mpi = cadre__strdup(cadre__mpi_library_version()),
        .n_ranks = cadre_comm_size(b->world),
        .kernel = cadre__strdup(b->kernel->name),
        .model = cadre__strdup(b->opts.model),
        .options = cadre__strdup(b->opts.options),
        .verified = cadre__strdup("requests computed alone have the same bytes in the "
                                  "batch; all repetitions have the same answers"),
        .model_bytes = file_bytes(b->opts.model),
        .n_notes = sizeof notes / sizeof notes[0]};
    report->notes = cadre__bench_notes(notes, report->n_notes);
    report->rows = cadre__alloc(sizeof *report->rows);
    if (!report->notes || !report->rows)
        return CADRE_ERR_NOMEM;
    report->n_rows = 1;
    report->rows[0].name = name_of(&b->opts);
    return CADRE_OK;
}

static void complete_opts(bench *b, const cadre__bench_opts *given)
{
    cadre__bench_opts *o = &b->opts;
    *o = *given;
    o->kernel = o->kernel ? o->kernel : KERNEL;
    o->output = o->output ? o->output : OUTPUT;
    o->repetitions = o->repetitions ? o->repetitions : REPETITIONS;
    o->prompt_tokens = o->prompt_tokens ? o->prompt_tokens : PROMPT_TOKENS;
    o->max_tokens = o->max_tokens ? o->max_tokens : MAX_TOKENS;
    o->ranks_per_shard = o->ranks_per_shard ? o->ranks_per_shard : 1;
    if (!o->requests)
        o->requests = o->prefill  ? REQUESTS_PREFILL
                      : o->single ? REQUESTS_SINGLE
                                  : REQUESTS;
    if (!o->shards) {
        const size_t room = cadre_groups_n_workers(b->groups) / o->ranks_per_shard;
        o->shards = o->single || room == 0 ? 1 : room;
    }
}

static cadre__infer_shape shape_of(const cadre__bench_opts *opts)
{
    if (opts->ragged)
        return (cadre__infer_shape){16, 512, 8, 128};
    if (opts->prefill)
        return (cadre__infer_shape){opts->prefill, opts->prefill, 1, 1};
    return (cadre__infer_shape){opts->prompt_tokens, opts->prompt_tokens,
                                opts->max_tokens, opts->max_tokens};
}

/* The requests, counted by a kernel of our own in this process. */
static cadre_status make_load(bench *b)
{
    const cadre__bench_opts *opts = &b->opts;
    const cadre_kernel_args args = {.model = opts->model ? opts->model : "",
                                    .tokenizer = opts->tokenizer ? opts->tokenizer : "",
                                    .options = opts->options ? opts->options : "{}",
                                    .describe_only = 1};
    const cadre__infer_shape shape = shape_of(opts);
    void *state;

    CADRE_TRY(cadre_kernel_find(opts->kernel, &b->kernel));
    CADRE_TRY(b->kernel->open(&args, &state));
    const cadre_status st =
        cadre__infer_load_make(b->kernel, state, &shape, opts->requests, &b->load);
    b->kernel->close(state);
    return st;
}

/* All that can be wrong with what was asked. */
static cadre_status prepare(bench *b, const cadre_topo *topo)
{
    CADRE_TRY(cadre__bench_check_output(b->opts.output));
    CADRE_TRY(make_load(b));
    b->expected = cadre__alloc_n(b->load.n, sizeof *b->expected);
    b->shards = cadre__alloc_n(b->opts.shards, sizeof *b->shards);
    b->samples = cadre__alloc_n(b->opts.repetitions, sizeof *b->samples);
    if (!b->expected || !b->shards || !b->samples)
        return CADRE_ERR_NOMEM;
    return describe(b, topo);
}

static int coordinate(bench *b, const cadre_topo *topo)
{
    cadre_status st = prepare(b, topo);
    int exit_code = cadre__bench_exit_code(st);
    if (st == CADRE_OK) {
        st = measure(b);
        /* A group that cannot be opened is a matter of model and arguments. */
        exit_code = st == CADRE_OK ? CADRE__EXIT_OK
                    : b->group     ? CADRE__EXIT_RESOURCE
                                   : cadre__bench_exit_code(st);
    }
    if (st == CADRE_OK) {
        const cadre__report report = {.kind = CADRE__REPORT_INFER, .infer = b->report};
        st = cadre__bench_publish(&report, b->opts.format, b->opts.output);
        exit_code = st == CADRE_OK ? CADRE__EXIT_OK : CADRE__EXIT_RESOURCE;
    }
    if (st != CADRE_OK)
        fprintf(stderr, "cadre: bench infer: %s\n", cadre_last_error());
    return exit_code;
}

static void free_bench(bench *b)
{
    for (size_t i = 0; b->expected && i < b->load.n; i++)
        cadre__free(b->expected[i].text);
    cadre__free(b->expected);
    cadre__free(b->shards);
    cadre__free(b->samples);
    cadre__free(b->pids);
    cadre__infer_load_fini(&b->load);
    cadre__infer_report_fini(&b->report);
    cadre__free(b);
}

/* Everybody's process id at rank 0, which looks at their memory. */
static cadre_status gather_pids(bench *b)
{
    const int64_t mine = getpid();
    b->pids = cadre__alloc_n((size_t)cadre_comm_size(b->world), sizeof *b->pids);
    if (!b->pids)
        return CADRE_ERR_NOMEM;
    return cadre_gather(b->world, &mine, b->pids, 1, CADRE_I64, 0, NULL);
}

int cadre__bench_infer(cadre_comm *world, cadre_topo *topo, const cadre__bench_opts *opts)
{
    int exit_code = CADRE__EXIT_RESOURCE;
    bench *b = cadre__alloc(sizeof *b); /* histograms are large for the stack */
    if (!b)
        return exit_code;
    b->world = world;
    cadre_status st = gather_pids(b);
    if (st == CADRE_OK)
        st = cadre_groups_open(world, &b->groups);
    if (st == CADRE_OK && cadre_comm_rank(world) == 0) {
        complete_opts(b, opts);
        exit_code = coordinate(b, topo);
    } else if (st == CADRE_OK) {
        if (cadre_groups_serve(b->groups, &exit_code) != CADRE_OK)
            exit_code = CADRE__EXIT_RESOURCE;
    } else if (cadre_comm_rank(world) == 0) {
        fprintf(stderr, "cadre: bench infer: %s\n", cadre_last_error());
    }
    cadre_groups_close(b->groups, exit_code);
    free_bench(b);
    return exit_code;
}
