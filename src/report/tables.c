/* report/tables.c - which figures stand in which table, with their units in the header.
 * Text and HTML show the same tables, so they cannot disagree. */
#include "report/tables.h"
#include "report/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_COLUMNS(names) (sizeof(names) / sizeof(names)[0])

static const char *text_or(const char *text, const char *otherwise)
{
    return text && *text ? text : otherwise;
}

char *cadre__show_duration(int64_t ns, char *buf)
{
    const double s = (double)ns / 1e9;

    if (s < 0.9995)
        snprintf(buf, 48,
                 s < 0.00995  ? "%.2f ms"
                 : s < 0.0995 ? "%.1f ms"
                              : "%.0f ms",
                 s * 1e3);
    else if (s < 119.5)
        snprintf(buf, 48, s < 9.9995 ? "%.3f s" : s < 99.995 ? "%.2f s" : "%.1f s", s);
    else if (s < 7200)
        snprintf(buf, 48, "%d min %02d s", (int)(s + 0.5) / 60, (int)(s + 0.5) % 60);
    else
        snprintf(buf, 48, "%lld h %02d min", (long long)(s + 30) / 3600,
                 (int)((long long)(s + 30) / 60 % 60));
    return buf;
}

double cadre__requests_per_s(const cadre__run_report *run)
{
    return run->wall_ns > 0 ? (double)run->completed * 1e9 / (double)run->wall_ns : 0;
}

static bool gave_texts(const cadre__report_tier *tier)
{
    return tier->first_token.max > 0;
}

static double per_second(uint64_t n, int64_t wall_ns)
{
    return wall_ns > 0 ? (double)n * 1e9 / (double)wall_ns : 0;
}

bool cadre__token_rate_of(const cadre__run_report *run, cadre__token_rate *rate)
{
    bool any = false;

    *rate = (cadre__token_rate){0};
    for (size_t i = 0; i < run->n_tiers; i++) {
        const cadre__report_tier *tier = &run->tiers[i];
        if (!gave_texts(tier))
            continue;
        any = true;
        rate->in += tier->tokens_in;
        rate->shared += tier->tokens_shared;
        rate->out += tier->tokens_out;
    }
    rate->total = per_second(rate->in + rate->out, run->wall_ns);
    rate->generated = per_second(rate->out, run->wall_ns);
    return any;
}

void cadre__time_sum_of(const cadre__run_report *run, cadre__time_sum *out)
{
    *out = (cadre__time_sum){0};
    for (size_t i = 0; i < run->n_ranks_listed; i++) {
        out->wall += run->ranks[i].wall_ns;
        out->compute += run->ranks[i].compute_ns;
        out->coordination += run->ranks[i].coordination_ns;
        out->idle += run->ranks[i].idle_ns;
    }
}

/* ---- Sentences ---- */

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

void cadre__say_headline(const cadre__run_report *run, cadre__text *out)
{
    char count[40], rate[40], wall[48];

    cadre__text_printf(
        out, "%s: %s request%s on %d rank%s (%d node%s) in %s, %s completed/s",
        text_or(run->job, "job"), cadre__show_count(run->requests, count),
        plural(run->requests), run->n_ranks, plural((uint64_t)run->n_ranks), run->n_nodes,
        plural((uint64_t)run->n_nodes), cadre__show_duration(run->wall_ns, wall),
        cadre__show_number(cadre__requests_per_s(run), rate));
}

void cadre__say_counts(const cadre__run_report *run, cadre__text *out)
{
    char completed[40], failed[40], refused[40], downgraded[40], cost[CADRE_MONEY_TEXT];

    cadre__text_printf(
        out, "%s completed, %s failed, %s refused, %s downgraded; total cost $%s",
        cadre__show_count(run->completed, completed),
        cadre__show_count(run->failed, failed), cadre__show_count(run->refused, refused),
        cadre__show_count(run->downgraded, downgraded),
        cadre_money_format(run->cost, cost));
}

void cadre__say_tokens(const cadre__run_report *run, cadre__text *out)
{
    char in[40], shared[40], made[40], total[40], generated[40];
    cadre__token_rate rate;

    if (!cadre__token_rate_of(run, &rate))
        return;
    cadre__text_printf(
        out, "%s tokens in (%s of them shared), %s out: %s tokens/s, %s generated/s",
        cadre__show_count(rate.in, in), cadre__show_count(rate.shared, shared),
        cadre__show_count(rate.out, made), cadre__show_number(rate.total, total),
        cadre__show_number(rate.generated, generated));
}

void cadre__say_origin(const cadre__run_report *run, cadre__text *out)
{
    cadre__text_printf(out, "%s to %s, cadre %s on %s", text_or(run->started, "?"),
                       text_or(run->finished, "?"), text_or(run->version, "?"),
                       text_or(run->host, "?"));
    if (run->output_dir && *run->output_dir)
        cadre__text_printf(out, ", results in %s", run->output_dir);
}

void cadre__say_time_sum(const cadre__run_report *run, cadre__text *out)
{
    const int64_t n = (int64_t)run->n_ranks_listed;
    cadre__time_sum sum;

    cadre__time_sum_of(run, &sum);
    if (n == 0 || sum.wall == 0) /* not known when a rank could not tell */
        return;
    const int64_t parts = sum.compute + sum.coordination + sum.idle;
    cadre__text_printf(
        out,
        "compute + coordination + idle = ranks x wall: %.3f + %.3f + %.3f = "
        "%.3f s = %lld x %.3f s",
        (double)sum.compute / 1e9, (double)sum.coordination / 1e9, (double)sum.idle / 1e9,
        (double)parts / 1e9, (long long)n, (double)sum.wall / 1e9 / (double)n);
    if (parts != sum.wall)
        cadre__text_printf(out, " (%.3f ms are not accounted for)",
                           (double)(sum.wall - parts) / 1e6);
}

void cadre__say_exit(const cadre__run_report *run, cadre__text *out)
{
    cadre__text_printf(out, "exit %d: %s", run->exit_code,
                       text_or(run->exit_reason, "-"));
}

void cadre__say_bench(const cadre__bench_report *bench, cadre__text *out)
{
    cadre__text_printf(out, "benchmark %s on %d rank%s", text_or(bench->benchmark, "?"),
                       bench->n_ranks, plural((uint64_t)bench->n_ranks));
}

void cadre__say_bench_origin(const cadre__bench_report *bench, cadre__text *out)
{
    cadre__text_printf(out, "%s, cadre %s on %s: %s; %s; %s",
                       text_or(bench->started, "?"), text_or(bench->version, "?"),
                       text_or(bench->host, "?"), text_or(bench->cpu, "cpu ?"),
                       text_or(bench->blas, "BLAS ?"), text_or(bench->mpi, "MPI ?"));
}

void cadre__say_infer(const cadre__infer_report *infer, cadre__text *out)
{
    cadre__text_printf(out, "benchmark infer on %d rank%s: kernel %s, model %s",
                       infer->n_ranks, plural((uint64_t)infer->n_ranks),
                       text_or(infer->kernel, "?"), text_or(infer->model, "none"));
    if (infer->options && *infer->options)
        cadre__text_printf(out, ", options %s", infer->options);
}

void cadre__say_infer_origin(const cadre__infer_report *infer, cadre__text *out)
{
    cadre__text_printf(out, "%s, cadre %s on %s: %s; ops %s; %s",
                       text_or(infer->started, "?"), text_or(infer->version, "?"),
                       text_or(infer->host, "?"), text_or(infer->cpu, "cpu ?"),
                       text_or(infer->ops, "?"), text_or(infer->mpi, "MPI ?"));
}

void cadre__say_ops(const cadre__ops_report *ops, cadre__text *out)
{
    cadre__text_printf(out, "benchmark ops, %s, cadre %s on %s: %s",
                       text_or(ops->started, "?"), text_or(ops->version, "?"),
                       text_or(ops->host, "?"), text_or(ops->cpu, "cpu ?"));
}

void cadre__say_ops_peaks(const cadre__ops_report *ops, cadre__text *out)
{
    char number[40];

    cadre__text_printf(out, "one thread at most: reads %s GB/s",
                       cadre__show_number(ops->read_gb_per_s, number));
    for (size_t i = 0; i < ops->n_peaks; i++) {
        const cadre__ops_peak_row *peak = &ops->peaks[i];
        size_t k = 0;
        while (k < i && strcmp(text_or(ops->peaks[k].instruction, ""),
                               text_or(peak->instruction, "")) != 0)
            k++;
        if (k == i)
            cadre__text_printf(out, ", %s %s GOP/s", text_or(peak->instruction, "?"),
                               cadre__show_number(peak->gops_per_s, number));
    }
}

void cadre__say_collectives(const cadre__collectives_report *report, cadre__text *out)
{
    cadre__text_printf(out,
                       "benchmark collectives on %d rank%s, %d node%s, %d CPU%s on the "
                       "first: %s, %s",
                       report->n_ranks, plural((uint64_t)report->n_ranks),
                       report->n_nodes, plural((uint64_t)report->n_nodes), report->n_cpus,
                       plural((uint64_t)report->n_cpus), text_or(report->dtype, "?"),
                       text_or(report->reduction, "?"));
}

void cadre__say_collectives_origin(const cadre__collectives_report *report,
                                   cadre__text *out)
{
    cadre__text_printf(out, "%s, cadre %s on %s: %s; %s; %s",
                       text_or(report->started, "?"), text_or(report->version, "?"),
                       text_or(report->host, "?"), text_or(report->cpu, "cpu ?"),
                       text_or(report->mpi, "MPI ?"),
                       text_or(report->settings, "no settings"));
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

void cadre__say_infer_memory(const cadre__infer_report *infer, cadre__text *out)
{
    cadre__text_printf(
        out,
        "opened in %.0f ms, again in %.0f ms; model file %.0f MiB, weights "
        "%.0f MiB on the node",
        infer->open_ms, infer->open_again_ms, mib(infer->model_bytes),
        mib(infer->weights_bytes));
    if (infer->pss_bytes)
        cadre__text_printf(out,
                           ", all shards' processes %.0f MiB (PSS), of which %.0f are "
                           "files and shared memory",
                           mib(infer->pss_bytes), mib(infer->pss_mapped_bytes));
}

/* ---- Tables of a run ---- */

cadre__table *cadre__phases_table(const cadre__run_report *run)
{
    static const char *const header[] = {"phase", "time ms", "share %", "what happens"};
    const struct {
        const char *name, *what;
        int64_t ns;
    } phases[] = {
        {"validate", "job, requests and models are checked", run->validate_ns},
        {"broadcast", "every rank gets the configuration", run->broadcast_ns},
        {"barrier", "all ranks are there", run->barrier_ns},
        {"open", "weights are mapped, kernels warmed", run->open_ns},
        {"serve", "requests are admitted, scattered, answered", run->serve_ns},
        {"reduce", "metrics of all ranks are gathered", run->reduce_ns},
        {"write", "the run directory is completed", run->write_ns},
    };
    cadre__table *table = cadre__table_new(N_COLUMNS(header));
    int64_t sum = 0;

    cadre__table_header(table, header);
    for (size_t i = 0; i < N_COLUMNS(phases); i++)
        sum += phases[i].ns;
    for (size_t i = 0; i < N_COLUMNS(phases); i++) {
        cadre__table_text(table, phases[i].name);
        cadre__table_ms(table, phases[i].ns);
        cadre__table_percent(table, (double)phases[i].ns, (double)sum);
        cadre__table_text(table, phases[i].what);
    }
    return table;
}

cadre__table *cadre__tiers_table(const cadre__run_report *run)
{
    static const char *const header[] = {
        "tier",    "kernel",       "shards",     "requests",    "share\n%",
        "failed",  "by\nfallback", "tokens\nin", "tokens\nout", "cost\nUSD",
        "p50\nms", "p95\nms",      "p99\nms",    "accuracy\n%"};
    bool labelled = false;

    for (size_t i = 0; i < run->n_tiers; i++)
        labelled |= run->tiers[i].labelled > 0;
    /* Accuracy comes last, so that it can be left out. */
    cadre__table *table = cadre__table_new(N_COLUMNS(header) - !labelled);
    cadre__table_header(table, header);
    for (size_t i = 0; i < run->n_tiers; i++) {
        const cadre__report_tier *t = &run->tiers[i];
        cadre__table_text(table, t->name);
        cadre__table_text(table, t->kernel);
        if (t->ranks_per_shard > 1)
            cadre__table_cell(table, "%zu x %zu ranks", t->shards, t->ranks_per_shard);
        else
            cadre__table_count(table, t->shards);
        cadre__table_count(table, t->requests);
        cadre__table_percent(table, (double)t->requests, (double)run->requests);
        cadre__table_count(table, t->failed);
        cadre__table_count(table, t->downgraded_to);
        cadre__table_count(table, t->tokens_in);
        cadre__table_count(table, t->tokens_out);
        cadre__table_money(table, t->cost);
        cadre__table_ms(table, t->service.p50);
        cadre__table_ms(table, t->service.p95);
        cadre__table_ms(table, t->service.p99);
        if (labelled)
            cadre__table_percent(table, (double)t->correct, (double)t->labelled);
    }
    return table;
}

static void three_cells(cadre__table *table, const cadre__quantiles *q)
{
    const int64_t values[] = {q->p50, q->p95, q->p99};
    for (size_t i = 0; i < N_COLUMNS(values); i++)
        if (q->max > 0)
            cadre__table_ms(table, values[i]);
        else
            cadre__table_text(table, NULL);
}

cadre__table *cadre__texts_table(const cadre__run_report *run)
{
    static const char *const header[] = {
        "tier",          "tokens\nin",    "shared\nin",   "tokens\nout",
        "tokens/s",      "generated/s",   "TTFT\np50 ms", "TTFT\np95 ms",
        "TTFT\np99 ms",  "TPOT\np50 ms",  "TPOT\np95 ms", "TPOT\np99 ms",
        "whole\np50 ms", "whole\np95 ms", "whole\np99 ms"};
    cadre__table *table = cadre__table_new(N_COLUMNS(header));

    cadre__table_header(table, header);
    for (size_t i = 0; i < run->n_tiers; i++) {
        const cadre__report_tier *t = &run->tiers[i];
        if (!gave_texts(t))
            continue;
        cadre__table_text(table, t->name);
        cadre__table_count(table, t->tokens_in);
        cadre__table_count(table, t->tokens_shared);
        cadre__table_count(table, t->tokens_out);
        cadre__table_number(table,
                            per_second(t->tokens_in + t->tokens_out, run->wall_ns));
        cadre__table_number(table, per_second(t->tokens_out, run->wall_ns));
        three_cells(table, &t->first_token);
        three_cells(table, &t->per_token);
        three_cells(table, &t->service);
    }
    return table;
}

cadre__table *cadre__tenants_table(const cadre__run_report *run)
{
    static const char *const header[] = {
        "tenant",   "state",     "budget\nUSD", "spent\nUSD", "remaining\nUSD",
        "requests", "completed", "failed",      "refused",    "downgraded"};
    cadre__table *table = cadre__table_new(N_COLUMNS(header));

    cadre__table_header(table, header);
    for (size_t i = 0; i < run->n_tenants; i++) {
        const cadre__report_tenant *t = &run->tenants[i];
        cadre__table_text(table, t->name);
        cadre__table_text(table, t->state);
        if (t->limited)
            cadre__table_money(table, t->budget);
        else
            cadre__table_text(table, NULL);
        cadre__table_money(table, t->spent);
        if (t->limited)
            cadre__table_money(table, t->budget - t->spent);
        else
            cadre__table_text(table, NULL);
        cadre__table_count(table, t->requests);
        cadre__table_count(table, t->completed);
        cadre__table_count(table, t->failed);
        cadre__table_count(table, t->refused);
        cadre__table_count(table, t->downgraded);
    }
    return table;
}

cadre__table *cadre__ranks_table(const cadre__run_report *run)
{
    static const char *const header[] = {
        "rank",    "role",     "host",       "cores",           "shards",
        "batches", "requests", "compute\n%", "coordination\n%", "idle\n%"};
    cadre__table *table = cadre__table_new(N_COLUMNS(header));

    cadre__table_header(table, header);
    for (size_t i = 0; i < run->n_ranks_listed; i++) {
        const cadre__report_rank *r = &run->ranks[i];
        const double wall = (double)r->wall_ns;
        cadre__table_cell(table, "%d", r->rank);
        cadre__table_text(table, r->role);
        cadre__table_text(table, r->host);
        cadre__table_text(table, r->cores);
        cadre__table_text(table, r->shards);
        cadre__table_count(table, (uint64_t)r->n_batches);
        cadre__table_count(table, (uint64_t)r->n_requests);
        cadre__table_percent(table, (double)r->compute_ns, wall);
        cadre__table_percent(table, (double)r->coordination_ns, wall);
        cadre__table_percent(table, (double)r->idle_ns, wall);
    }
    return table;
}

static void latency_row(cadre__table *table, const char *name, const cadre__quantiles *q)
{
    cadre__table_text(table, name);
    cadre__table_ms(table, q->p50);
    cadre__table_ms(table, q->p90);
    cadre__table_ms(table, q->p95);
    cadre__table_ms(table, q->p99);
    cadre__table_ms(table, q->p999);
    cadre__table_ms(table, q->max);
    cadre__table_number(table, q->mean / 1e6);
}

cadre__table *cadre__latency_table(const cadre__run_report *run)
{
    static const char *const header[] = {"latency", "p50 ms",   "p90 ms", "p95 ms",
                                         "p99 ms",  "p99.9 ms", "max ms", "mean ms"};
    cadre__table *table = cadre__table_new(N_COLUMNS(header));

    cadre__table_header(table, header);
    latency_row(table, "queue (start to sending)", &run->queue);
    latency_row(table, "service (sending to answer)", &run->service);
    return table;
}

/* ---- The tables of benchmarks ---- */

static void infer_row(cadre__table *table, const cadre__infer_row *r)
{
    cadre__table_text(table, r->name);
    if (r->ranks_per_shard > 1)
        cadre__table_cell(table, "%zu x %zu ranks", r->shards, r->ranks_per_shard);
    else
        cadre__table_count(table, r->shards);
    cadre__table_count(table, r->requests);
    cadre__table_count(table, r->tokens_in);
    cadre__table_count(table, r->tokens_out);
    cadre__table_number(table, r->wall_ms);
    cadre__table_number(table, r->spread_percent);
    cadre__table_number(table, r->tokens_per_s);
    cadre__table_number(table, r->generated_per_s);
    cadre__table_percent(table, r->compute_percent, 100);
    three_cells(table, &r->first_token);
    three_cells(table, &r->per_token);
    three_cells(table, &r->latency);
}

cadre__table *cadre__infer_table(const cadre__infer_report *infer)
{
    static const char *const header[] = {
        "prompt + generated", "shards",        "requests",     "tokens\nin",
        "tokens\nout",        "wall\nms",      "spread\n+- %", "tokens/s",
        "generated/s",        "compute\n%",    "TTFT\np50 ms", "TTFT\np95 ms",
        "TTFT\np99 ms",       "TPOT\np50 ms",  "TPOT\np95 ms", "TPOT\np99 ms",
        "whole\np50 ms",      "whole\np95 ms", "whole\np99 ms"};
    cadre__table *table = cadre__table_new(N_COLUMNS(header));

    cadre__table_header(table, header);
    for (size_t i = 0; i < infer->n_rows; i++)
        infer_row(table, &infer->rows[i]);
    return table;
}

cadre__table *cadre__ops_table(const cadre__ops_report *ops)
{
    static const char *const header[] = {"op",   "shape",        "rows",  "level",
                                         "us",   "spread\n+- %", "GOP/s", "% of\npeak",
                                         "GB/s", "% of\nread"};
    cadre__table *table = cadre__table_new(N_COLUMNS(header));

    cadre__table_header(table, header);
    for (size_t i = 0; i < ops->n_rows; i++) {
        const cadre__ops_row *r = &ops->rows[i];
        cadre__table_text(table, r->op);
        cadre__table_text(table, r->shape);
        cadre__table_count(table, r->rows);
        cadre__table_text(table, r->level);
        cadre__table_number(table, r->time_us);
        cadre__table_number(table, r->spread_percent);
        cadre__table_number(table, r->gops_per_s);
        cadre__table_percent(table, r->peak_percent, 100);
        cadre__table_number(table, r->gb_per_s);
        cadre__table_percent(table, r->read_percent, 100);
    }
    return table;
}

cadre__table *cadre__collectives_table(const cadre__collectives_report *report)
{
    static const char *const header[] = {
        "collective",   "bytes",    "algorithm", "buffers",   "us",
        "spread\n+- %", "best\nus", "alg\nGB/s", "bus\nGB/s", "x as fast\nas MPI",
        "best of\nboth"};
    cadre__table *table = cadre__table_new(N_COLUMNS(header));

    cadre__table_header(table, header);
    for (size_t i = 0; i < report->n_rows; i++) {
        const cadre__collectives_row *r = &report->rows[i];
        cadre__table_text(table, r->collective);
        cadre__table_count(table, r->bytes);
        cadre__table_cell(table, "%s%s", text_or(r->algorithm, "?"),
                          r->chosen ? " *" : "");
        cadre__table_text(table, r->buffers);
        cadre__table_number(table, r->time_us);
        cadre__table_number(table, r->spread_percent);
        cadre__table_number(table, r->best_us);
        cadre__table_number(table, r->algorithm_gb_per_s);
        cadre__table_number(table, r->bus_gb_per_s);
        cadre__table_number(table, r->is_native ? NAN : r->speedup);
        cadre__table_number(table, r->is_native ? NAN : r->best_speedup);
    }
    return table;
}

static void bench_row(cadre__table *table, const cadre__bench_row *r)
{
    cadre__table_count(table, r->shards);
    cadre__table_count(table, r->batch);
    cadre__table_count(table, r->requests);
    cadre__table_number(table, r->kib_per_request);
    cadre__table_number(table, r->requests_per_s);
    cadre__table_number(table, r->wall_ms);
    cadre__table_number(table, r->spread_percent);
    cadre__table_number(table, r->p50_ms);
    cadre__table_number(table, r->p95_ms);
    cadre__table_number(table, r->p99_ms);
    cadre__table_number(table, r->compute_ms);
    cadre__table_number(table, r->coordination_ms);
    cadre__table_percent(table, r->compute_percent, 100);
    cadre__table_number(table, r->granularity);
    cadre__table_percent(table, r->efficiency_percent, 100);
    cadre__table_number(table, r->imbalance);
    cadre__table_number(table, r->karp_flatt);
    cadre__table_count(table, r->nodes);
    cadre__table_count(table, r->cores);
    cadre__table_count(table, r->errors);
}

cadre__table *cadre__bench_table(const cadre__bench_report *bench)
{
    static const char *const header[] = {"shards",
                                         "batch\nrows",
                                         "total\nrequests",
                                         "KiB per\nrequest",
                                         "requests/s",
                                         "wall\nms",
                                         "spread\n+- %",
                                         "p50\nms",
                                         "p95\nms",
                                         "p99\nms",
                                         "compute\nms",
                                         "coordination\nms",
                                         "compute\n%",
                                         "granularity\nratio",
                                         "efficiency\n%",
                                         "imbalance\nmax/mean",
                                         "Karp-Flatt\nfraction",
                                         "nodes",
                                         "cores",
                                         "errors"};
    cadre__table *table = cadre__table_new(N_COLUMNS(header));

    cadre__table_header(table, header);
    for (size_t i = 0; i < bench->n_rows; i++)
        bench_row(table, &bench->rows[i]);
    return table;
}
