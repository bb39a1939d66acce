/* report/report.c - loading a report, choosing a format, and CSV, which is short
 * because it is one table of plain figures. */
#include "report/report.h"
#include "core/memory.h"
#include "io/file.h"
#include "report/report_json.h"
#include "report/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_REPORT_BYTES (64u << 20)

void cadre__quantiles_of(const cadre_hist *hist, cadre__quantiles *out)
{
    *out = (cadre__quantiles){
        .p50 = cadre_hist_quantile(hist, 0.5),
        .p90 = cadre_hist_quantile(hist, 0.9),
        .p95 = cadre_hist_quantile(hist, 0.95),
        .p99 = cadre_hist_quantile(hist, 0.99),
        .p999 = cadre_hist_quantile(hist, 0.999),
        .max = hist->max,
        .mean = cadre_hist_mean(hist),
    };
}

void cadre__report_fini(cadre__report *report)
{
    if (report->kind == CADRE__REPORT_RUN)
        cadre__run_report_fini(&report->run);
    else if (report->kind == CADRE__REPORT_BENCH)
        cadre__bench_report_fini(&report->bench);
    else if (report->kind == CADRE__REPORT_INFER)
        cadre__infer_report_fini(&report->infer);
    else if (report->kind == CADRE__REPORT_OPS)
        cadre__ops_report_fini(&report->ops);
    else
        cadre__collectives_report_fini(&report->collectives);
}

/* ---- Loading ---- */

/* Say why there is no report.json in folder. */
static cadre_status no_report(const char *folder)
{
    char *run = cadre__path_join(folder, "run.json");
    const bool started = run && cadre__file_exists(run);

    cadre__free(run);
    if (started)
        return cadre_fail(CADRE_ERR_NOT_FOUND,
                          "%s: this run is not finished: it has a run.json but no "
                          "report.json yet",
                          folder);
    return cadre_fail(CADRE_ERR_NOT_FOUND,
                      "%s: not a run directory: it has no report.json and no run.json",
                      folder);
}

static cadre_status load_file(const char *path, cadre__report *out)
{
    cadre__json_doc *doc = NULL;

    CADRE_TRY(cadre__json_parse_file(path, MAX_REPORT_BYTES, &doc));
    const cadre_status st = cadre__report_from_json(doc, out);
    cadre__json_doc_destroy(doc);
    if (st != CADRE_OK)
        cadre__report_fini(out);
    return st;
}

cadre_status cadre__report_load(const char *path, cadre__report *out)
{
    struct stat info;

    memset(out, 0, sizeof *out);
    if (stat(path, &info) != 0)
        return cadre_fail(CADRE_ERR_NOT_FOUND,
                          "%s: there is no such run directory or report file", path);
    if (!S_ISDIR(info.st_mode))
        return load_file(path, out);
    char *file = cadre__path_join(path, "report.json");
    if (!file)
        return CADRE_ERR_NOMEM;
    const cadre_status st =
        cadre__file_exists(file) ? load_file(file, out) : no_report(path);
    cadre__free(file);
    return st;
}

/* ---- CSV ---- */

/* RFC 4180: quoted when it must be. */
static void csv_text(cadre__text *out, const char *text)
{
    text = text ? text : "";
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        cadre__text_puts(out, text);
        return;
    }
    cadre__text_puts(out, "\"");
    for (; *text; text++) {
        if (*text == '"')
            cadre__text_puts(out, "\"");
        cadre__text_append(out, text, 1);
    }
    cadre__text_puts(out, "\"");
}

static void csv_number(cadre__text *out, double value)
{
    if (isfinite(value)) /* an empty field stands for what does not apply */
        cadre__text_printf(out, ",%.10g", value);
    else
        cadre__text_puts(out, ",");
}

/* p50, p95 and p99 in ms; empty fields if nothing was measured. */
static void csv_three(cadre__text *out, const cadre__quantiles *q)
{
    const int64_t values[] = {q->p50, q->p95, q->p99};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        csv_number(out, q->max > 0 ? (double)values[i] / 1e6 : NAN);
}

static void csv_run(const cadre__run_report *run, cadre__text *out)
{
    char cost[CADRE_MONEY_TEXT];

    cadre__text_puts(out,
                     "tier,kernel,shards,ranks_per_shard,requests,failed,downgraded_to,"
                     "tokens_in,tokens_out,cost_usd,compute_ms,p50_ms,p90_ms,p95_ms,"
                     "p99_ms,max_ms,labelled,correct,tokens_shared,ttft_p50_ms,"
                     "ttft_p95_ms,ttft_p99_ms,tpot_p50_ms,tpot_p95_ms,tpot_p99_ms\n");
    for (size_t i = 0; i < run->n_tiers; i++) {
        const cadre__report_tier *t = &run->tiers[i];
        csv_text(out, t->name);
        cadre__text_puts(out, ",");
        csv_text(out, t->kernel);
        cadre__text_printf(out, ",%zu,%zu,%" PRIu64 ",%" PRIu64 ",%" PRIu64, t->shards,
                           t->ranks_per_shard, t->requests, t->failed, t->downgraded_to);
        cadre__text_printf(out, ",%" PRIu64 ",%" PRIu64 ",%s", t->tokens_in,
                           t->tokens_out, cadre_money_format(t->cost, cost));
        const int64_t times[] = {t->compute_ns,  t->service.p50, t->service.p90,
                                 t->service.p95, t->service.p99, t->service.max};
        for (size_t k = 0; k < sizeof times / sizeof times[0]; k++)
            csv_number(out, (double)times[k] / 1e6);
        cadre__text_printf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, t->labelled,
                           t->correct, t->tokens_shared);
        csv_three(out, &t->first_token);
        csv_three(out, &t->per_token);
        cadre__text_puts(out, "\n");
    }
}

static void csv_bench(const cadre__bench_report *bench, cadre__text *out)
{
    cadre__text_puts(out, "name,shards,batch_rows,requests,kib_per_request,repetitions,"
                          "requests_per_s,wall_ms,spread_percent,p50_ms,p95_ms,p99_ms,"
                          "compute_ms,coordination_ms,compute_percent,granularity,"
                          "efficiency_percent,imbalance,karp_flatt,nodes,cores,errors\n");
    for (size_t i = 0; i < bench->n_rows; i++) {
        const cadre__bench_row *r = &bench->rows[i];
        csv_text(out, r->name);
        cadre__text_printf(out, ",%zu,%zu,%" PRIu64, r->shards, r->batch, r->requests);
        csv_number(out, r->kib_per_request);
        cadre__text_printf(out, ",%zu", r->repetitions);
        const double numbers[] = {
            r->requests_per_s,  r->wall_ms,     r->spread_percent,     r->p50_ms,
            r->p95_ms,          r->p99_ms,      r->compute_ms,         r->coordination_ms,
            r->compute_percent, r->granularity, r->efficiency_percent, r->imbalance,
            r->karp_flatt};
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
            csv_number(out, numbers[k]);
        cadre__text_printf(out, ",%zu,%zu,%" PRIu64 "\n", r->nodes, r->cores, r->errors);
    }
}

static void csv_infer(const cadre__infer_report *infer, cadre__text *out)
{
    cadre__text_puts(out,
                     "name,shards,ranks_per_shard,requests,tokens_in,tokens_out,"
                     "ended_early,repetitions,wall_ms,spread_percent,tokens_per_s,"
                     "generated_per_s,compute_percent,ttft_p50_ms,ttft_p95_ms,"
                     "ttft_p99_ms,tpot_p50_ms,tpot_p95_ms,tpot_p99_ms,latency_p50_ms,"
                     "latency_p95_ms,latency_p99_ms\n");
    for (size_t i = 0; i < infer->n_rows; i++) {
        const cadre__infer_row *r = &infer->rows[i];
        csv_text(out, r->name);
        cadre__text_printf(out, ",%zu,%zu,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
                           r->shards, r->ranks_per_shard, r->requests, r->tokens_in,
                           r->tokens_out, r->early);
        cadre__text_printf(out, ",%zu", r->repetitions);
        const double numbers[] = {r->wall_ms, r->spread_percent, r->tokens_per_s,
                                  r->generated_per_s, r->compute_percent};
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
            csv_number(out, numbers[k]);
        csv_three(out, &r->first_token);
        csv_three(out, &r->per_token);
        csv_three(out, &r->latency);
        cadre__text_puts(out, "\n");
    }
}

static void csv_ops(const cadre__ops_report *ops, cadre__text *out)
{
    cadre__text_puts(out, "op,shape,rows,level,repetitions,time_us,spread_percent,"
                          "gops_per_s,peak_percent,gb_per_s,read_percent\n");
    for (size_t i = 0; i < ops->n_rows; i++) {
        const cadre__ops_row *r = &ops->rows[i];
        csv_text(out, r->op);
        cadre__text_puts(out, ",");
        csv_text(out, r->shape);
        cadre__text_printf(out, ",%zu,", r->rows);
        csv_text(out, r->level);
        cadre__text_printf(out, ",%zu", r->repetitions);
        const double numbers[] = {r->time_us,      r->spread_percent, r->gops_per_s,
                                  r->peak_percent, r->gb_per_s,       r->read_percent};
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
            csv_number(out, numbers[k]);
        cadre__text_puts(out, "\n");
    }
}

static void csv_collectives(const cadre__collectives_report *report, cadre__text *out)
{
    cadre__text_puts(out, "collective,bytes,algorithm,buffers,chosen,repetitions,time_us,"
                          "spread_percent,best_us,algorithm_gb_per_s,bus_gb_per_s,"
                          "speedup,best_speedup\n");
    for (size_t i = 0; i < report->n_rows; i++) {
        const cadre__collectives_row *r = &report->rows[i];
        csv_text(out, r->collective);
        cadre__text_printf(out, ",%" PRIu64 ",", r->bytes);
        csv_text(out, r->algorithm);
        cadre__text_puts(out, ",");
        csv_text(out, r->buffers);
        cadre__text_printf(out, ",%d,%zu", r->chosen, r->repetitions);
        const double numbers[] = {
            r->time_us,      r->spread_percent, r->best_us,     r->algorithm_gb_per_s,
            r->bus_gb_per_s, r->speedup,        r->best_speedup};
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
            csv_number(out, numbers[k]);
        cadre__text_puts(out, "\n");
    }
}

cadre_status cadre__report_csv(const cadre__report *report, cadre__text *out)
{
    if (report->kind == CADRE__REPORT_RUN)
        csv_run(&report->run, out);
    else if (report->kind == CADRE__REPORT_BENCH)
        csv_bench(&report->bench, out);
    else if (report->kind == CADRE__REPORT_INFER)
        csv_infer(&report->infer, out);
    else if (report->kind == CADRE__REPORT_OPS)
        csv_ops(&report->ops, out);
    else
        csv_collectives(&report->collectives, out);
    return cadre__text_status(out);
}

/* ---- By name ---- */

cadre_status cadre__report_format(const cadre__report *report, const char *format,
                                  cadre__text *out)
{
    static const struct {
        const char *name;
        cadre_status (*write)(const cadre__report *report, cadre__text *out);
    } formats[] = {
        {"text", cadre__report_text},
        {"json", cadre__report_json},
        {"csv", cadre__report_csv},
        {"html", cadre__report_html},
    };

    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(format, formats[i].name) == 0)
            return formats[i].write(report, out);
    return cadre_fail(CADRE_ERR_ARG,
                      "unknown report format \"%s\": text, json, csv or html", format);
}
