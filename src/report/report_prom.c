/* report/report_prom.c - a run report in the Prometheus text format, in base units
 * (seconds, USD). The file is of one finished job, so most figures are gauges by nature;
 * those that only count are named _total as their consumers expect. */
#include "report/report.h"
#include "report/tables.h"

#include <inttypes.h>
#include <string.h>

static void family(cadre__text *out, const char *name, const char *type, const char *help)
{
    cadre__text_printf(out, "# HELP cadre_%s %s\n# TYPE cadre_%s %s\n", name, help, name,
                       type);
}

/* name="value", escaped. */
static void label(cadre__text *out, const char *name, const char *value)
{
    cadre__text_printf(out, "%s=\"", name);
    for (const char *c = value ? value : ""; *c; c++) {
        if (*c == '\n')
            cadre__text_puts(out, "\\n");
        else if (*c == '"' || *c == '\\')
            cadre__text_printf(out, "\\%c", *c);
        else
            cadre__text_append(out, c, 1);
    }
    cadre__text_puts(out, "\"");
}

static void open_series(cadre__text *out, const char *name, const char *key,
                        const char *value)
{
    cadre__text_printf(out, "cadre_%s{", name);
    label(out, key, value);
}

static void with(cadre__text *out, const char *key, const char *value)
{
    cadre__text_puts(out, ",");
    label(out, key, value);
}

static void end_count(cadre__text *out, uint64_t value)
{
    cadre__text_printf(out, "} %" PRIu64 "\n", value);
}

/* Nanoseconds as seconds, exactly. */
static void end_seconds(cadre__text *out, int64_t ns)
{
    const uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

    cadre__text_printf(out, "} %s%" PRIu64 ".%09" PRIu64 "\n", ns < 0 ? "-" : "",
                       size / 1000000000u, size % 1000000000u);
}

static void end_money(cadre__text *out, cadre_money amount)
{
    char buf[CADRE_MONEY_TEXT];

    cadre__text_printf(out, "} %s\n", cadre_money_format(amount, buf));
}

static void of_the_job(const cadre__run_report *run, cadre__text *out)
{
    const struct {
        const char *name;
        int64_t ns;
    } phases[] = {{"validate", run->validate_ns}, {"broadcast", run->broadcast_ns},
                  {"open", run->open_ns},         {"barrier", run->barrier_ns},
                  {"serve", run->serve_ns},       {"reduce", run->reduce_ns},
                  {"write", run->write_ns}};
    const struct {
        const char *name;
        uint64_t n;
    } outcomes[] = {{"completed", run->completed},
                    {"failed", run->failed},
                    {"refused", run->refused}};

    family(out, "job_info", "gauge", "The job that these figures are of; always 1.");
    open_series(out, "job_info", "job", run->job);
    with(out, "digest", run->digest);
    with(out, "version", run->version);
    with(out, "host", run->host);
    with(out, "started", run->started);
    end_count(out, 1);
    family(out, "job_exit_code", "gauge", "Exit code of the job.");
    open_series(out, "job_exit_code", "job", run->job);
    cadre__text_printf(out, "} %d\n", run->exit_code);
    family(out, "job_wall_seconds", "gauge", "Wall time of the serving phase.");
    open_series(out, "job_wall_seconds", "job", run->job);
    end_seconds(out, run->wall_ns);
    family(out, "job_cost_usd", "gauge", "Total cost of the job.");
    open_series(out, "job_cost_usd", "job", run->job);
    end_money(out, run->cost);
    family(out, "job_requests_total", "counter", "Requests by how they ended.");
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        open_series(out, "job_requests_total", "outcome", outcomes[i].name);
        end_count(out, outcomes[i].n);
    }
    family(out, "job_phase_seconds", "gauge", "Wall time of each phase of the job.");
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        open_series(out, "job_phase_seconds", "phase", phases[i].name);
        end_seconds(out, phases[i].ns);
    }
}

static void of_tiers(const cadre__run_report *run, cadre__text *out)
{
    static const struct {
        const char *name, *help;
        size_t at;
    } counts[] = {
        {"requests_total", "Requests served by a tier.",
         offsetof(cadre__report_tier, requests)},
        {"requests_failed_total", "Requests that a tier failed to answer.",
         offsetof(cadre__report_tier, failed)},
        {"requests_downgraded_total", "Requests that came to a tier by fallback.",
         offsetof(cadre__report_tier, downgraded_to)},
        {"tokens_in_total", "Tokens of the requests served by a tier.",
         offsetof(cadre__report_tier, tokens_in)},
        {"tokens_out_total", "Tokens of the answers given by a tier.",
         offsetof(cadre__report_tier, tokens_out)},
        {"tokens_shared_total", "Tokens of requests that a tier found computed.",
         offsetof(cadre__report_tier, tokens_shared)},
    };

    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        family(out, counts[k].name, "counter", counts[k].help);
        for (size_t i = 0; i < run->n_tiers; i++) {
            const char *tier = (const char *)&run->tiers[i];
            open_series(out, counts[k].name, "tier", run->tiers[i].name);
            end_count(out, *(const uint64_t *)(const void *)(tier + counts[k].at));
        }
    }
    family(out, "cost_usd_total", "counter", "Cost of the requests served by a tier.");
    for (size_t i = 0; i < run->n_tiers; i++) {
        open_series(out, "cost_usd_total", "tier", run->tiers[i].name);
        end_money(out, run->tiers[i].cost);
    }
    family(out, "compute_seconds_total", "counter", "Time inside kernels, all shards.");
    for (size_t i = 0; i < run->n_tiers; i++) {
        open_series(out, "compute_seconds_total", "tier", run->tiers[i].name);
        end_seconds(out, run->tiers[i].compute_ns);
    }
}

/* The quantiles of one kind of time of every tier. */
static void summary(const cadre__run_report *run, const char *name, const char *help,
                    size_t at, cadre__text *out)
{
    family(out, name, "summary", help);
    for (size_t i = 0; i < run->n_tiers; i++) {
        const cadre__report_tier *t = &run->tiers[i];
        const cadre__quantiles *q =
            (const cadre__quantiles *)(const void *)((const char *)t + at);
        const struct {
            const char *quantile;
            int64_t ns;
        } quantiles[] = {{"0.5", q->p50},
                         {"0.9", q->p90},
                         {"0.95", q->p95},
                         {"0.99", q->p99},
                         {"0.999", q->p999}};
        for (size_t k = 0; k < sizeof quantiles / sizeof quantiles[0]; k++) {
            open_series(out, name, "tier", t->name);
            with(out, "quantile", quantiles[k].quantile);
            end_seconds(out, quantiles[k].ns);
        }
    }
}

static void of_latency(const cadre__run_report *run, cadre__text *out)
{
    cadre__token_rate rate;

    summary(run, "service_seconds", "Time from sending a request to its answer.",
            offsetof(cadre__report_tier, service), out);
    for (size_t i = 0; i < run->n_tiers; i++) {
        const cadre__report_tier *t = &run->tiers[i];
        open_series(out, "service_seconds_sum", "tier", t->name);
        cadre__text_printf(out, "} %.9g\n", t->service.mean * (double)t->requests / 1e9);
        open_series(out, "service_seconds_count", "tier", t->name);
        end_count(out, t->requests);
    }
    if (!cadre__token_rate_of(run, &rate))
        return;
    summary(run, "time_to_first_token_seconds",
            "Time from a text request's reaching its shard to the first token.",
            offsetof(cadre__report_tier, first_token), out);
    summary(run, "time_per_output_token_seconds",
            "Mean time of each token of a text after the first.",
            offsetof(cadre__report_tier, per_token), out);
}

static void of_tenants(const cadre__run_report *run, cadre__text *out)
{
    family(out, "tenant_requests_total", "counter",
           "Requests of a tenant by how they ended.");
    for (size_t i = 0; i < run->n_tenants; i++) {
        const cadre__report_tenant *t = &run->tenants[i];
        const struct {
            const char *name;
            uint64_t n;
        } outcomes[] = {
            {"completed", t->completed}, {"failed", t->failed}, {"refused", t->refused}};
        for (size_t k = 0; k < sizeof outcomes / sizeof outcomes[0]; k++) {
            open_series(out, "tenant_requests_total", "tenant", t->name);
            with(out, "outcome", outcomes[k].name);
            end_count(out, outcomes[k].n);
        }
    }
    family(out, "tenant_spent_usd", "gauge", "What a tenant has spent.");
    for (size_t i = 0; i < run->n_tenants; i++) {
        open_series(out, "tenant_spent_usd", "tenant", run->tenants[i].name);
        end_money(out, run->tenants[i].spent);
    }
    family(out, "tenant_budget_usd", "gauge",
           "Budget of a tenant; absent without a limit.");
    for (size_t i = 0; i < run->n_tenants; i++) {
        if (!run->tenants[i].limited)
            continue;
        open_series(out, "tenant_budget_usd", "tenant", run->tenants[i].name);
        end_money(out, run->tenants[i].budget);
    }
}

static void of_ranks(const cadre__run_report *run, cadre__text *out)
{
    family(out, "rank_seconds_total", "counter",
           "Time of a rank by what it did; the three add up to the wall time.");
    for (size_t i = 0; i < run->n_ranks_listed; i++) {
        const cadre__report_rank *r = &run->ranks[i];
        const struct {
            const char *name;
            int64_t ns;
        } parts[] = {{"compute", r->compute_ns},
                     {"coordination", r->coordination_ns},
                     {"idle", r->idle_ns}};
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            cadre__text_printf(out, "cadre_rank_seconds_total{rank=\"%d\"", r->rank);
            with(out, "activity", parts[k].name);
            end_seconds(out, parts[k].ns);
        }
    }
}

cadre_status cadre__report_prometheus(const cadre__report *report, cadre__text *out)
{
    if (report->kind != CADRE__REPORT_RUN)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "the Prometheus format is for runs, this is a benchmark");
    of_the_job(&report->run, out);
    of_tiers(&report->run, out);
    of_latency(&report->run, out);
    of_tenants(&report->run, out);
    of_ranks(&report->run, out);
    return cadre__text_status(out);
}
