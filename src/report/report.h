/* report/report.h - the figures of a job or a benchmark, and how they are shown.
 *
 * report.json is the one source: the text table, the HTML page and metrics.prom are made
 * from the same structure, and `cadre report` reads it back.
 */
#ifndef CADRE_REPORT_REPORT_H
#define CADRE_REPORT_REPORT_H

#include "core/text.h"
#include "io/json.h"
#include <cadre/hist.h>
#include <cadre/money.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cadre__quantiles { /* ns */
    int64_t p50, p90, p95, p99, p999, max;
    double mean;
} cadre__quantiles;
void cadre__quantiles_of(const cadre_hist *hist, cadre__quantiles *out);

typedef struct cadre__report_tier {
    char *name, *kernel, *model_digest;
    size_t shards, ranks_per_shard;
    uint64_t requests, failed, downgraded_to; /* served here; of them; by fallback */
    uint64_t tokens_in, tokens_out;
    uint64_t tokens_shared; /* of tokens_in: found computed */
    cadre_money cost;
    int64_t compute_ns;       /* inside the kernel, all shards */
    cadre__quantiles service; /* from sending to answer */
    /* Of texts: to the first token, and for each later one; all 0 if there are none. */
    cadre__quantiles first_token, per_token;
    uint64_t labelled, correct; /* requests with a known class; answered rightly */
} cadre__report_tier;

typedef struct cadre__report_tenant {
    char *name, *state; /* state of the budget */
    bool limited;
    cadre_money budget, spent, refused_worth; /* worst-case cost of what was refused */
    uint64_t requests, completed, failed, refused, downgraded;
    uint64_t tokens_in, tokens_out;
} cadre__report_tenant;

typedef struct cadre__report_rank {
    int rank;
    char *host, *role; /* "coordinator", "worker", or both: "single" */
    char *cores;       /* "0", "0-3" */
    char *shards;      /* "small/0 large/1" */
    int64_t wall_ns;
    int64_t compute_ns, coordination_ns, idle_ns; /* they add up to wall_ns */
    int64_t n_batches, n_requests, bytes_in, bytes_out;
} cadre__report_rank;

typedef struct cadre__run_report {
    char *job, *digest, *output_dir, *started, *finished, *version, *host;
    int n_ranks, n_nodes;
    int exit_code;
    char *exit_reason; /* a sentence */
    uint64_t requests, completed, failed, refused, downgraded;
    int64_t wall_ns; /* of the serving phase, the base of requests/s */
    int64_t validate_ns, broadcast_ns, open_ns, barrier_ns, serve_ns, reduce_ns, write_ns;
    cadre_money cost;
    cadre__quantiles queue, service;
    size_t n_tiers, n_tenants, n_ranks_listed;
    cadre__report_tier *tiers;
    cadre__report_tenant *tenants;
    cadre__report_rank *ranks;
} cadre__run_report;

/* Free what is inside, all made with cadre__alloc() and cadre__strdup(). */
void cadre__run_report_fini(cadre__run_report *report);

/* ---- Benchmarks ---- */

typedef struct cadre__bench_row {
    char *name;           /* "2 shards" */
    size_t shards, batch; /* batch: rows per request */
    uint64_t requests;    /* per repetition */
    double kib_per_request;
    size_t repetitions;
    /* median over repetitions, and half the range in percent of it */
    double requests_per_s, wall_ms, spread_percent;
    double p50_ms, p95_ms, p99_ms;
    double compute_ms, coordination_ms, compute_percent, granularity;
    double efficiency_percent;
    double imbalance;  /* max / mean of the shards' compute */
    double karp_flatt; /* NAN in the first row */
    size_t nodes, cores;
    uint64_t errors;
} cadre__bench_row;

typedef struct cadre__bench_report {
    char *benchmark, *started, *command, *version, *host, *cpu, *blas, *mpi;
    int n_ranks;
    char *scaling;  /* "weak": each shard serves a request of the same size */
    char *verified; /* what was checked before timing */
    size_t n_rows;
    cadre__bench_row *rows;
    size_t n_notes;
    char **notes; /* definitions and caveats printed under the table */
} cadre__bench_report;
void cadre__bench_report_fini(cadre__bench_report *report);

/* Text generation: one row per workload. */
typedef struct cadre__infer_row {
    char *name; /* "128 + 64", "ragged", "prefill 512", "single 128 + 64" */
    size_t shards, ranks_per_shard;
    uint64_t requests, tokens_in, tokens_out, early; /* per repetition; early: answers
                                                        that ended before max_tokens */
    size_t repetitions;
    /* median over repetitions, and half the range in percent of it */
    double wall_ms, spread_percent;
    double tokens_per_s, generated_per_s; /* of wall time: all, and generated ones */
    double compute_percent;               /* time inside kernels of all shards' time */
    cadre__quantiles first_token, per_token, latency; /* over all repetitions */
} cadre__infer_row;

typedef struct cadre__infer_report {
    char *started, *command, *version, *host, *cpu, *ops, *mpi;
    int n_ranks;
    char *kernel, *model, *options;
    char *verified;                      /* what was checked before timing */
    double open_ms, open_again_ms;       /* all shards, first and second time */
    uint64_t model_bytes, weights_bytes; /* of the file; on a node, as the kernel says */
    /* Of the shards' processes on rank 0's node, all together, and of that what is files
     * and shared memory, as weights are; 0 if not known. */
    uint64_t pss_bytes, pss_mapped_bytes;
    size_t n_rows;
    cadre__infer_row *rows;
    size_t n_notes;
    char **notes;
} cadre__infer_report;
void cadre__infer_report_fini(cadre__infer_report *report);

/* Compute primitives: one row per op, size and level. */
typedef struct cadre__ops_row {
    char *op, *shape, *level; /* "matmul Q8_0", "2048 x 2048", "avx512" */
    size_t rows, repetitions;
    double time_us, spread_percent; /* median, and half the range in percent of it */
    /* Multiplications and additions, bytes that must pass, and each in percent of what
     * the machine can do at most; NAN where it says nothing. */
    double gops_per_s, peak_percent, gb_per_s, read_percent;
} cadre__ops_row;

/* An instruction at its fastest. */
typedef struct cadre__ops_peak_row {
    char *level, *instruction;
    int form; /* of the activations that it multiplies */
    double gops_per_s;
} cadre__ops_peak_row;

typedef struct cadre__ops_report {
    char *started, *command, *version, *host, *cpu;
    char *verified; /* what was checked before timing */
    double read_gb_per_s;
    size_t n_peaks;
    cadre__ops_peak_row *peaks;
    size_t n_rows;
    cadre__ops_row *rows;
    size_t n_notes;
    char **notes;
} cadre__ops_report;
void cadre__ops_report_fini(cadre__ops_report *report);

/* Collectives: one row per collective, size, algorithm and kind of buffers. */
typedef struct cadre__collectives_row {
    char *collective, *algorithm, *buffers; /* "allreduce", "ring", "malloc" */
    uint64_t bytes;                         /* of the vector */
    bool is_native;                         /* the MPI library's own blocking call */
    bool chosen;                            /* of ours: what is chosen */
    size_t repetitions;
    double time_us, spread_percent; /* median, and half the range in percent of it */
    double best_us;                 /* of the fastest repetition */
    double algorithm_gb_per_s, bus_gb_per_s; /* NAN for a barrier */
    /* Time of the MPI library's own call over this, median and best; NAN: it has none */
    double speedup, best_speedup;
} cadre__collectives_row;

typedef struct cadre__collectives_report {
    char *started, *command, *version, *host, *cpu, *mpi;
    char *settings; /* of the MPI library and of CADRE_COLL in the environment */
    int n_ranks, n_nodes, n_cpus; /* n_cpus: of rank 0's node */
    char *dtype, *reduction;
    char *verified; /* what was checked before and after timing */
    size_t n_rows;
    cadre__collectives_row *rows;
    size_t n_notes;
    char **notes;
} cadre__collectives_report;
void cadre__collectives_report_fini(cadre__collectives_report *report);

/* ---- To and from ---- */

typedef enum cadre__report_kind {
    CADRE__REPORT_RUN,
    CADRE__REPORT_BENCH,
    CADRE__REPORT_INFER,
    CADRE__REPORT_OPS,
    CADRE__REPORT_COLLECTIVES
} cadre__report_kind;

typedef struct cadre__report {
    cadre__report_kind kind;
    union {
        cadre__run_report run;
        cadre__bench_report bench;
        cadre__infer_report infer;
        cadre__ops_report ops;
        cadre__collectives_report collectives;
    };
} cadre__report;
void cadre__report_fini(cadre__report *report);

/* Read report.json of a run directory, or a report file itself.
 * CADRE_ERR_NOT_FOUND  neither; for a run not finished the sentence says so
 * CADRE_ERR_INPUT      not a report of ours */
cadre_status cadre__report_load(const char *path, cadre__report *out);

/* Appended to *out. json: pretty, with "schema_version" and units in the keys' names.
 * csv: one table (tiers, or benchmark rows). html: one self-contained file with inline
 * SVG. */
cadre_status cadre__report_json(const cadre__report *report, cadre__text *out);
cadre_status cadre__report_text(const cadre__report *report, cadre__text *out);
cadre_status cadre__report_csv(const cadre__report *report, cadre__text *out);
cadre_status cadre__report_html(const cadre__report *report, cadre__text *out);
/* Prometheus text format, of a run report only. */
cadre_status cadre__report_prometheus(const cadre__report *report, cadre__text *out);

/* "format" by name: "text", "json", "csv", "html". CADRE_ERR_ARG lists them. */
cadre_status cadre__report_format(const cadre__report *report, const char *format,
                                  cadre__text *out);

/* Lay out a table: cells are strings, the first row is the header; numbers are
 * right-aligned. */
typedef struct cadre__table cadre__table;
cadre__table *cadre__table_new(size_t n_columns);
void cadre__table_cell(cadre__table *table, const char *fmt, ...) CADRE_PRINTF(2, 3);
cadre_status cadre__table_print(cadre__table *table,
                                cadre__text *out); /* and destroys it */

#endif
