/* report/tables.h - the tables and sentences that text and HTML have in common. */
#ifndef CADRE_REPORT_TABLES_H
#define CADRE_REPORT_TABLES_H

#include "report/report.h"

/* Each is the caller's, to print (which destroys it); NULL when out of memory. */
cadre__table *cadre__phases_table(const cadre__run_report *run);
cadre__table *cadre__tiers_table(const cadre__run_report *run);
cadre__table *cadre__tenants_table(const cadre__run_report *run);
cadre__table *cadre__ranks_table(const cadre__run_report *run);
cadre__table *cadre__latency_table(const cadre__run_report *run);
/* Tiers that gave texts; only for a run that has some (cadre__token_rate_of). */
cadre__table *cadre__texts_table(const cadre__run_report *run);
cadre__table *cadre__infer_table(const cadre__infer_report *infer);
cadre__table *cadre__ops_table(const cadre__ops_report *ops);
cadre__table *cadre__collectives_table(const cadre__collectives_report *report);
cadre__table *cadre__bench_table(const cadre__bench_report *bench);

/* "12.3 ms", "1.234 s", "2 min 3 s", in buf of at least 48 bytes. */
char *cadre__show_duration(int64_t ns, char *buf);

/* Completed requests per second of the serving phase; 0 if it took no time. */
double cadre__requests_per_s(const cadre__run_report *run);

/* Tokens of the tiers that gave texts; per second of the serving phase: in and out, and
 * generated ones alone. False if no tier did. */
typedef struct cadre__token_rate {
    uint64_t in, shared, out;
    double total, generated;
} cadre__token_rate;
bool cadre__token_rate_of(const cadre__run_report *run, cadre__token_rate *rate);

/* The serving phases of all ranks, added up. */
typedef struct cadre__time_sum {
    int64_t wall, compute, coordination, idle; /* ns */
} cadre__time_sum;
void cadre__time_sum_of(const cadre__run_report *run, cadre__time_sum *out);

/* One line each, without newline. */
void cadre__say_headline(const cadre__run_report *run, cadre__text *out);
void cadre__say_counts(const cadre__run_report *run, cadre__text *out);
/* Nothing if there are no texts. */
void cadre__say_tokens(const cadre__run_report *run, cadre__text *out);
void cadre__say_origin(const cadre__run_report *run, cadre__text *out);
void cadre__say_time_sum(const cadre__run_report *run, cadre__text *out);
void cadre__say_exit(const cadre__run_report *run, cadre__text *out);
void cadre__say_bench(const cadre__bench_report *bench, cadre__text *out);
void cadre__say_bench_origin(const cadre__bench_report *bench, cadre__text *out);
void cadre__say_infer(const cadre__infer_report *infer, cadre__text *out);
void cadre__say_infer_origin(const cadre__infer_report *infer, cadre__text *out);
void cadre__say_infer_memory(const cadre__infer_report *infer, cadre__text *out);
void cadre__say_ops(const cadre__ops_report *ops, cadre__text *out);
void cadre__say_ops_peaks(const cadre__ops_report *ops, cadre__text *out);
void cadre__say_collectives(const cadre__collectives_report *report, cadre__text *out);
void cadre__say_collectives_origin(const cadre__collectives_report *report,
                                   cadre__text *out);

#endif
