/* report/report_html.c - a report as one HTML file: no script, no network, readable in
 * light and dark. The tables are those of the text; the charts show what is hard to see
 * in figures. */
#include "core/memory.h"
#include "report/html.h"
#include "report/table.h"
#include "report/tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#5c6672;--rule:#dfe3e8;"
    "--card:#f5f7f9;--a:#2f6fbf;--b:#d97a1c;--c:#c3cad3;--d1:#a9c8ee;--d2:#5b97dc;"
    "--d3:#245a9e}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e5e8eb;--soft:#98a2ae;"
    "--rule:#2c333a;--card:#1d2227;--a:#5d9df0;--b:#f0a04b;--c:#444d57;--d1:#2f5d94;"
    "--d2:#5d9df0;--d3:#b7d4fa}}\n"
    "body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;"
    "max-width:1400px;margin:2rem auto;padding:0 1.2rem}\n"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .5rem}\n"
    "p{margin:.3rem 0}.soft{color:var(--soft)}\n"
    ".cards{display:flex;flex-wrap:wrap;gap:.7rem;margin:1.2rem 0}\n"
    ".card{background:var(--card);border-radius:8px;padding:.6rem .9rem;flex:1 1 "
    "7.5rem}\n"
    ".card b{display:block;font-size:1.15rem;white-space:nowrap}\n"
    ".card span{color:var(--soft);font-size:.85rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.87rem;"
    "font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.25rem .5rem;text-align:left;white-space:nowrap}\n"
    "th{color:var(--soft);font-weight:600;border-bottom:1px solid var(--soft);"
    "vertical-align:bottom}\n"
    "td{border-bottom:1px solid var(--rule)}.n{text-align:right}td i{visibility:hidden}\n"
    "figure{margin:1rem 0;max-width:860px}figcaption{font-weight:600;font-size:.92rem}\n"
    "figure>svg{width:100%;height:auto}.pair{display:flex;flex-wrap:wrap;gap:1rem}\n"
    ".pair figure{flex:1 1 380px;max-width:520px}\n"
    "text{fill:var(--fg);font-size:13px}.tick,.note{fill:var(--soft);font-size:12px}\n"
    ".value{font-size:12px}.mid{text-anchor:middle}.end{text-anchor:end}\n"
    ".grid{stroke:var(--rule)}.a{fill:var(--a)}.b{fill:var(--b)}.c{fill:var(--c)}\n"
    ".d1{fill:var(--d1)}.d2{fill:var(--d2)}.d3{fill:var(--d3)}\n"
    ".path{fill:none;stroke-width:2.5;stroke-linejoin:round}.path.a{stroke:var(--a)}\n"
    ".path.c{stroke:var(--c);stroke-dasharray:6 5}\n"
    ".legend{color:var(--soft);font-size:.85rem}.legend span{margin-right:1.2rem}\n"
    ".legend svg{width:.75em;height:.75em;margin-right:.4em}\n"
    "li{margin:.2rem 0}code{font-size:.9em;overflow-wrap:anywhere}\n";

typedef void speaker(const cadre__run_report *run, cadre__text *out);

static void open_page(const char *title, cadre__text *out)
{
    cadre__text_puts(
        out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    cadre__html_escape(out, title);
    cadre__text_printf(out, "</title>\n<style>\n%s</style></head>\n<body>\n", style);
}

static void close_page(cadre__text *out)
{
    cadre__text_puts(out, "</body></html>\n");
}

/* One sentence of the text report as a paragraph. */
static cadre_status paragraph(speaker *speak, const cadre__run_report *run,
                              const char *class, cadre__text *out)
{
    cadre__text line = {0};

    speak(run, &line);
    cadre__text_printf(out, "<p class=\"%s\">", class);
    cadre__html_escape(out, cadre__text_string(&line));
    cadre__text_puts(out, "</p>\n");
    const cadre_status st = cadre__text_status(&line);
    cadre__text_fini(&line);
    return st;
}

static cadre_status section(const char *title, cadre__table *table, cadre__text *out)
{
    cadre__text_printf(out, "<h2>%s</h2>\n", title);
    return cadre__table_html(table, out);
}

static void card(cadre__text *out, const char *value, const char *name)
{
    cadre__text_printf(out, "<div class=\"card\"><b>%s</b><span>%s</span></div>\n", value,
                       name);
}

/* The six figures that are asked for first. Values are numbers of ours: nothing to
 * escape. */
static void cards(const cadre__run_report *run, cadre__text *out)
{
    char buf[64], small[48];
    cadre__time_sum sum;
    cadre__token_rate rate;

    cadre__time_sum_of(run, &sum);
    cadre__text_puts(out, "<div class=\"cards\">\n");
    card(out, cadre__show_count(run->completed, buf), "requests completed");
    card(out, cadre__show_number(cadre__requests_per_s(run), buf), "completed/s");
    if (cadre__token_rate_of(run, &rate))
        card(out, cadre__show_number(rate.total, buf), "tokens/s, in and out");
    card(out, cadre__show_duration(run->wall_ns, buf), "serving, wall time");
    card(out, cadre__show_duration(run->service.p99, buf), "p99, sending to answer");

    cadre_money_format(run->cost, small);
    snprintf(buf, sizeof buf, "$%s", small);
    card(out, buf, "total cost");
    if (sum.wall > 0) {
        snprintf(buf, sizeof buf, "%.1f %%",
                 100 * (double)sum.compute / (double)sum.wall);
        card(out, buf, "of all ranks' time is compute");
    }
    cadre__text_puts(out, "</div>\n");
}

/* ---- Charts of a run ---- */

static cadre_status ranks_chart(const cadre__run_report *run, cadre__text *out)
{
    cadre__bar_row *rows = cadre__alloc_n(run->n_ranks_listed, sizeof *rows);
    char(*labels)[64] = cadre__alloc_n(run->n_ranks_listed, sizeof *labels);

    for (size_t i = 0; rows && labels && i < run->n_ranks_listed; i++) {
        const cadre__report_rank *r = &run->ranks[i];
        snprintf(labels[i], sizeof labels[i], "rank %d", r->rank);
        rows[i] =
            (cadre__bar_row){labels[i],
                             {(double)r->compute_ns / 1e9,
                              (double)r->coordination_ns / 1e9, (double)r->idle_ns / 1e9},
                             ""};
        if (r->wall_ns > 0)
            snprintf(rows[i].note, sizeof rows[i].note, "%.1f %% compute",
                     100 * (double)r->compute_ns / (double)r->wall_ns);
    }
    if (rows && labels)
        cadre__svg_bars(&(cadre__bar_chart){"Where each rank's time went",
                                            "s",
                                            {"compute", "coordination", "idle"},
                                            {"a", "b", "c"},
                                            false,
                                            run->n_ranks_listed,
                                            rows},
                        out);
    const cadre_status st = rows && labels ? CADRE_OK : CADRE_ERR_NOMEM;
    cadre__free(rows);
    cadre__free(labels);
    return st;
}

static cadre_status tenants_chart(const cadre__run_report *run, cadre__text *out)
{
    cadre__bar_row *rows = cadre__alloc_n(run->n_tenants, sizeof *rows);
    char spent[CADRE_MONEY_TEXT], budget[CADRE_MONEY_TEXT];

    if (!rows)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < run->n_tenants; i++) {
        const cadre__report_tenant *t = &run->tenants[i];
        cadre_money_format(t->spent, spent);
        rows[i].label = t->name;
        if (!t->limited) {
            snprintf(rows[i].note, sizeof rows[i].note, "$%s, no limit", spent);
            continue;
        }
        rows[i].parts[0] =
            t->budget > 0 ? 100 * (double)t->spent / (double)t->budget : 100;
        rows[i].parts[1] = 100 - rows[i].parts[0];
        snprintf(rows[i].note, sizeof rows[i].note, "$%s of $%s", spent,
                 cadre_money_format(t->budget, budget));
    }
    cadre__svg_bars(&(cadre__bar_chart){"Spend against budget",
                                        "% of budget",
                                        {"spent", "remaining"},
                                        {"a", "c"},
                                        false,
                                        run->n_tenants,
                                        rows},
                    out);
    cadre__free(rows);
    return CADRE_OK;
}

static cadre_status tiers_chart(const cadre__run_report *run, cadre__text *out)
{
    cadre__bar_row *rows = cadre__alloc_n(run->n_tiers, sizeof *rows);
    char p50[48], p99[48];

    if (!rows)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < run->n_tiers; i++) {
        const cadre__quantiles *q = &run->tiers[i].service;
        rows[i] = (cadre__bar_row){
            run->tiers[i].name,
            {(double)q->p50 / 1e6, (double)q->p95 / 1e6, (double)q->p99 / 1e6},
            ""};
        snprintf(rows[i].note, sizeof rows[i].note, "p50 %s, p99 %s",
                 cadre__show_duration(q->p50, p50), cadre__show_duration(q->p99, p99));
    }
    cadre__svg_bars(&(cadre__bar_chart){"Latency from sending to answer",
                                        "ms",
                                        {"p50", "p95", "p99"},
                                        {"d1", "d2", "d3"},
                                        true,
                                        run->n_tiers,
                                        rows},
                    out);
    cadre__free(rows);
    return CADRE_OK;
}

static cadre_status run_html(const cadre__run_report *run, cadre__text *out)
{
    cadre__token_rate rate;
    const bool has_texts = cadre__token_rate_of(run, &rate);

    open_page(run->job ? run->job : "cadre", out);
    cadre__text_puts(out, "<h1>");
    cadre__html_escape(out, run->job ? run->job : "cadre");
    cadre__text_puts(out, "</h1>\n");
    CADRE_TRY(paragraph(cadre__say_headline, run, "", out));
    CADRE_TRY(paragraph(cadre__say_counts, run, "", out));
    if (has_texts)
        CADRE_TRY(paragraph(cadre__say_tokens, run, "", out));
    CADRE_TRY(paragraph(cadre__say_exit, run, "", out));
    CADRE_TRY(paragraph(cadre__say_origin, run, "soft", out));
    cards(run, out);
    if (run->n_tiers) {
        CADRE_TRY(section("Tiers", cadre__tiers_table(run), out));
        CADRE_TRY(tiers_chart(run, out));
    }
    if (has_texts) {
        CADRE_TRY(section("Texts", cadre__texts_table(run), out));
        cadre__text_puts(
            out, "<p class=\"soft\">TTFT: from reaching the shard to the first token. "
                 "TPOT: mean of each later one. Whole: from sending to the answer. "
                 "Shared: prompt tokens found computed.</p>\n");
    }
    if (run->n_tenants) {
        CADRE_TRY(section("Tenants", cadre__tenants_table(run), out));
        CADRE_TRY(tenants_chart(run, out));
    }
    if (run->n_ranks_listed) {
        CADRE_TRY(section("Ranks", cadre__ranks_table(run), out));
        CADRE_TRY(paragraph(cadre__say_time_sum, run, "soft", out));
        CADRE_TRY(ranks_chart(run, out));
    }
    CADRE_TRY(section("Latency", cadre__latency_table(run), out));
    CADRE_TRY(section("Phases", cadre__phases_table(run), out));
    close_page(out);
    return cadre__text_status(out);
}

/* ---- A benchmark ---- */

/* Throughput beside what the first row would give if it scaled by shards, and
 * efficiency. */
static cadre_status bench_charts(const cadre__bench_report *bench, cadre__text *out)
{
    const size_t n = bench->n_rows;
    double *values = cadre__alloc_n(4 * n, sizeof *values);

    if (!values)
        return CADRE_ERR_NOMEM;
    double *x = values, *rate = x + n, *ideal = rate + n, *efficiency = ideal + n;
    for (size_t i = 0; i < n; i++) {
        const cadre__bench_row *row = &bench->rows[i];
        x[i] = row->shards ? (double)row->shards : 1;
        rate[i] = row->requests_per_s;
        efficiency[i] = row->efficiency_percent;
        ideal[i] = efficiency[i] > 0 ? 100 * rate[i] / efficiency[i] : NAN;
    }
    cadre__text_puts(out, "<div class=\"pair\">\n");
    cadre__svg_lines(&(cadre__line_chart){"Throughput, requests/s",
                                          "shards",
                                          {"measured", "at 100 % efficiency"},
                                          {"a", "c"},
                                          n,
                                          x,
                                          {rate, ideal}},
                     out);
    cadre__svg_lines(&(cadre__line_chart){"Efficiency, %",
                                          "shards",
                                          {"efficiency", NULL},
                                          {"a", NULL},
                                          n,
                                          x,
                                          {efficiency, NULL}},
                     out);
    cadre__text_puts(out, "</div>\n");
    cadre__free(values);
    return CADRE_OK;
}

static void named_paragraph(const char *name, const char *text, cadre__text *out)
{
    cadre__text_printf(out, "<p>%s: ", name);
    cadre__html_escape(out, text);
    cadre__text_puts(out, "</p>\n");
}

static void bench_head(const cadre__bench_report *bench, cadre__text *out)
{
    cadre__text line = {0};

    cadre__say_bench(bench, &line);
    open_page(cadre__text_string(&line), out);
    cadre__text_puts(out, "<h1>");
    cadre__html_escape(out, cadre__text_string(&line));
    cadre__text_puts(out, "</h1>\n<p class=\"soft\">");
    cadre__text_clear(&line);
    cadre__say_bench_origin(bench, &line);
    cadre__html_escape(out, cadre__text_string(&line));
    cadre__text_puts(out, "</p>\n");
    if (bench->scaling && *bench->scaling)
        named_paragraph("Scaling", bench->scaling, out);
    if (bench->verified && *bench->verified)
        named_paragraph("Verified", bench->verified, out);
    if (bench->command && *bench->command) {
        cadre__text_puts(out, "<p class=\"soft\"><code>");
        cadre__html_escape(out, bench->command);
        cadre__text_puts(out, "</code></p>\n");
    }
    out->failed |= line.failed;
    cadre__text_fini(&line);
}

static void notes_list(char *const *notes, size_t n, cadre__text *out)
{
    if (n == 0)
        return;
    cadre__text_puts(out, "<h2>Notes</h2>\n<ul>\n");
    for (size_t i = 0; i < n; i++) {
        cadre__text_puts(out, "<li>");
        cadre__html_escape(out, notes[i]);
        cadre__text_puts(out, "</li>\n");
    }
    cadre__text_puts(out, "</ul>\n");
}

static cadre_status bench_html(const cadre__bench_report *bench, cadre__text *out)
{
    bench_head(bench, out);
    if (bench->n_rows)
        CADRE_TRY(bench_charts(bench, out));
    CADRE_TRY(section("Figures", cadre__bench_table(bench), out));
    notes_list(bench->notes, bench->n_notes, out);
    close_page(out);
    return cadre__text_status(out);
}

/* A sentence of the text report about this benchmark. */
static void infer_line(void (*say)(const cadre__infer_report *, cadre__text *),
                       const cadre__infer_report *infer, cadre__text *out)
{
    cadre__text line = {0};
    say(infer, &line);
    cadre__html_escape(out, cadre__text_string(&line));
    out->failed |= line.failed;
    cadre__text_fini(&line);
}

static cadre_status infer_html(const cadre__infer_report *infer, cadre__text *out)
{
    open_page("benchmark infer", out);
    cadre__text_puts(out, "<h1>");
    infer_line(cadre__say_infer, infer, out);
    cadre__text_puts(out, "</h1>\n<p class=\"soft\">");
    infer_line(cadre__say_infer_origin, infer, out);
    cadre__text_puts(out, "</p>\n<p>");
    infer_line(cadre__say_infer_memory, infer, out);
    cadre__text_puts(out, "</p>\n");
    if (infer->verified && *infer->verified)
        named_paragraph("Verified", infer->verified, out);
    CADRE_TRY(section("Figures", cadre__infer_table(infer), out));
    notes_list(infer->notes, infer->n_notes, out);
    close_page(out);
    return cadre__text_status(out);
}

static cadre_status ops_html(const cadre__ops_report *ops, cadre__text *out)
{
    cadre__text line = {0};

    open_page("benchmark ops", out);
    cadre__text_puts(out, "<h1>");
    cadre__say_ops(ops, &line);
    cadre__html_escape(out, cadre__text_string(&line));
    cadre__text_puts(out, "</h1>\n<p>");
    cadre__text_clear(&line);
    cadre__say_ops_peaks(ops, &line);
    cadre__html_escape(out, cadre__text_string(&line));
    cadre__text_puts(out, "</p>\n");
    out->failed |= line.failed;
    cadre__text_fini(&line);
    if (ops->verified && *ops->verified)
        named_paragraph("Verified", ops->verified, out);
    CADRE_TRY(section("Figures", cadre__ops_table(ops), out));
    notes_list(ops->notes, ops->n_notes, out);
    close_page(out);
    return cadre__text_status(out);
}

/* Points of one collective and kind of buffers: the best of ours against MPI. */
static size_t speedups(const cadre__collectives_report *report, const char *collective,
                       const char *buffers, double *bytes, double *speedup)
{
    size_t n = 0;

    for (size_t i = 0; i < report->n_rows; i++) {
        const cadre__collectives_row *r = &report->rows[i];
        if (r->is_native || !r->collective || strcmp(r->collective, collective) != 0 ||
            !r->buffers || strcmp(r->buffers, buffers) != 0 || !(r->speedup > 0) ||
            r->bytes == 0)
            continue;
        if (n == 0 || bytes[n - 1] != (double)r->bytes) {
            bytes[n] = (double)r->bytes;
            speedup[n++] = r->speedup;
        }
        speedup[n - 1] = fmax(speedup[n - 1], r->speedup);
    }
    return n;
}

static cadre_status speedup_charts(const cadre__collectives_report *report,
                                   cadre__text *out)
{
    static const char *const buffers[] = {"malloc", "shared"};
    double *values = cadre__alloc_n(2 * report->n_rows, sizeof *values);

    if (!values)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < report->n_rows; i++) {
        const char *name = report->rows[i].collective;
        if (!name || (i > 0 && report->rows[i - 1].collective &&
                      strcmp(name, report->rows[i - 1].collective) == 0))
            continue;
        cadre__text_puts(out, "<div class=\"pair\">\n");
        for (size_t b = 0; b < sizeof buffers / sizeof buffers[0]; b++) {
            double *bytes = values, *speedup = values + report->n_rows;
            const size_t n = speedups(report, name, buffers[b], bytes, speedup);
            char title[96];
            snprintf(title, sizeof title, "%.40s, %s buffers: times as fast as MPI", name,
                     buffers[b]);
            if (n > 1)
                cadre__svg_lines(&(cadre__line_chart){title,
                                                      "bytes",
                                                      {"fastest of ours", NULL},
                                                      {"a", NULL},
                                                      n,
                                                      bytes,
                                                      {speedup, NULL}},
                                 out);
        }
        cadre__text_puts(out, "</div>\n");
    }
    cadre__free(values);
    return CADRE_OK;
}

static cadre_status collectives_html(const cadre__collectives_report *report,
                                     cadre__text *out)
{
    cadre__text line = {0};

    open_page("benchmark collectives", out);
    cadre__text_puts(out, "<h1>");
    cadre__say_collectives(report, &line);
    cadre__html_escape(out, cadre__text_string(&line));
    cadre__text_puts(out, "</h1>\n<p class=\"soft\">");
    cadre__text_clear(&line);
    cadre__say_collectives_origin(report, &line);
    cadre__html_escape(out, cadre__text_string(&line));
    cadre__text_puts(out, "</p>\n");
    out->failed |= line.failed;
    cadre__text_fini(&line);
    if (report->verified && *report->verified)
        named_paragraph("Verified", report->verified, out);
    CADRE_TRY(speedup_charts(report, out));
    CADRE_TRY(section("Figures", cadre__collectives_table(report), out));
    notes_list(report->notes, report->n_notes, out);
    close_page(out);
    return cadre__text_status(out);
}

cadre_status cadre__report_html(const cadre__report *report, cadre__text *out)
{
    switch (report->kind) {
    case CADRE__REPORT_RUN:
        return run_html(&report->run, out);
    case CADRE__REPORT_BENCH:
        return bench_html(&report->bench, out);
    case CADRE__REPORT_INFER:
        return infer_html(&report->infer, out);
    case CADRE__REPORT_OPS:
        return ops_html(&report->ops, out);
    case CADRE__REPORT_COLLECTIVES:
        break;
    }
    return collectives_html(&report->collectives, out);
}
