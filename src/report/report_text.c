/* report/report_text.c - the summary for a terminal or a log: what happened, where the
 * time and the money went. */
#include "report/tables.h"

/* Names come from job files and may be loaded from any report: no escape sequences of
 * theirs reach a terminal. */
static void disarm(cadre__text *out, size_t from)
{
    for (size_t i = from; out->data && i < out->size; i++) {
        const unsigned char c = (unsigned char)out->data[i];
        if ((c < ' ' && c != '\n') || c == 127)
            out->data[i] = '?';
    }
}

static cadre_status section(const char *title, cadre__table *table, cadre__text *out)
{
    cadre__text_printf(out, "\n%s\n", title);
    return cadre__table_print(table, out);
}

static const char texts_title[] =
    "Texts (TTFT: from reaching the shard to the first token; TPOT: mean of each later "
    "one;\nwhole: from sending to the answer; shared: prompt tokens found computed)";

static cadre_status run_text(const cadre__run_report *run, cadre__text *out)
{
    cadre__token_rate rate;
    const bool has_texts = cadre__token_rate_of(run, &rate);

    cadre__say_headline(run, out);
    cadre__text_puts(out, "\n  ");
    cadre__say_counts(run, out);
    cadre__text_puts(out, "\n  ");
    if (has_texts) {
        cadre__say_tokens(run, out);
        cadre__text_puts(out, "\n  ");
    }
    cadre__say_origin(run, out);
    cadre__text_puts(out, "\n");
    CADRE_TRY(section("Phases", cadre__phases_table(run), out));
    CADRE_TRY(section("Latency", cadre__latency_table(run), out));
    if (run->n_tiers)
        CADRE_TRY(section("Tiers (latency from sending to answer)",
                          cadre__tiers_table(run), out));
    if (has_texts)
        CADRE_TRY(section(texts_title, cadre__texts_table(run), out));
    if (run->n_tenants)
        CADRE_TRY(section("Tenants", cadre__tenants_table(run), out));
    if (run->n_ranks_listed) {
        CADRE_TRY(
            section("Ranks (share of the serving phase)", cadre__ranks_table(run), out));
        cadre__text_puts(out, "  ");
        cadre__say_time_sum(run, out);
        cadre__text_puts(out, "\n");
    }
    cadre__text_puts(out, "\n");
    cadre__say_exit(run, out);
    cadre__text_puts(out, "\n");
    return cadre__text_status(out);
}

static cadre_status bench_text(const cadre__bench_report *bench, cadre__text *out)
{
    cadre__say_bench(bench, out);
    if (bench->scaling && *bench->scaling)
        cadre__text_printf(out, "; %s", bench->scaling);
    cadre__text_puts(out, "\n  ");
    cadre__say_bench_origin(bench, out);
    if (bench->verified && *bench->verified)
        cadre__text_printf(out, "\n  verified: %s", bench->verified);
    cadre__text_puts(out, "\n\n");
    CADRE_TRY(cadre__table_print(cadre__bench_table(bench), out));
    for (size_t i = 0; i < bench->n_notes; i++)
        cadre__text_printf(out, "%s- %s\n", i ? "" : "\n",
                           bench->notes[i] ? bench->notes[i] : "");
    return cadre__text_status(out);
}

static cadre_status infer_text(const cadre__infer_report *infer, cadre__text *out)
{
    cadre__say_infer(infer, out);
    cadre__text_puts(out, "\n  ");
    cadre__say_infer_origin(infer, out);
    cadre__text_puts(out, "\n  ");
    cadre__say_infer_memory(infer, out);
    if (infer->verified && *infer->verified)
        cadre__text_printf(out, "\n  verified: %s", infer->verified);
    cadre__text_puts(out, "\n\n");
    CADRE_TRY(cadre__table_print(cadre__infer_table(infer), out));
    for (size_t i = 0; i < infer->n_notes; i++)
        cadre__text_printf(out, "%s- %s\n", i ? "" : "\n",
                           infer->notes[i] ? infer->notes[i] : "");
    return cadre__text_status(out);
}

static cadre_status ops_text(const cadre__ops_report *ops, cadre__text *out)
{
    cadre__say_ops(ops, out);
    cadre__text_puts(out, "\n  ");
    cadre__say_ops_peaks(ops, out);
    if (ops->verified && *ops->verified)
        cadre__text_printf(out, "\n  verified: %s", ops->verified);
    cadre__text_puts(out, "\n\n");
    CADRE_TRY(cadre__table_print(cadre__ops_table(ops), out));
    for (size_t i = 0; i < ops->n_notes; i++)
        cadre__text_printf(out, "%s- %s\n", i ? "" : "\n",
                           ops->notes[i] ? ops->notes[i] : "");
    return cadre__text_status(out);
}

static cadre_status collectives_text(const cadre__collectives_report *report,
                                     cadre__text *out)
{
    cadre__say_collectives(report, out);
    cadre__text_puts(out, "\n  ");
    cadre__say_collectives_origin(report, out);
    if (report->verified && *report->verified)
        cadre__text_printf(out, "\n  verified: %s", report->verified);
    cadre__text_puts(out, "\n\n");
    CADRE_TRY(cadre__table_print(cadre__collectives_table(report), out));
    for (size_t i = 0; i < report->n_notes; i++)
        cadre__text_printf(out, "%s- %s\n", i ? "" : "\n",
                           report->notes[i] ? report->notes[i] : "");
    return cadre__text_status(out);
}

cadre_status cadre__report_text(const cadre__report *report, cadre__text *out)
{
    const size_t from = out->size;
    const cadre_status st =
        report->kind == CADRE__REPORT_RUN     ? run_text(&report->run, out)
        : report->kind == CADRE__REPORT_BENCH ? bench_text(&report->bench, out)
        : report->kind == CADRE__REPORT_INFER ? infer_text(&report->infer, out)
        : report->kind == CADRE__REPORT_OPS   ? ops_text(&report->ops, out)
                                            : collectives_text(&report->collectives, out);

    disarm(out, from);
    return st;
}
