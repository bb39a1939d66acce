/* run/bench_row.h - from measured times to a row of the benchmark table. Pure arithmetic;
 * the definitions are those of bench/README.md. */
#ifndef CADRE_RUN_BENCH_ROW_H
#define CADRE_RUN_BENCH_ROW_H

#include "report/report.h"
#include <cadre/hist.h>

/* One repetition of a row: sums over its scatter-gathers, ns. */
typedef struct cadre__bench_sample {
    int64_t wall_ns;
    int64_t compute_ns; /* on the critical path */
} cadre__bench_sample;

/* Compute on the critical path of one scatter-gather: no schedule of the shards' CPU
 * times on n_cores can be shorter than the longest of them, nor than their mean load of a
 * core. */
int64_t cadre__critical_compute(const int64_t *cpu_ns, size_t n_shards, size_t n_cores);

/* Fill in what follows from the samples (sorted in place by wall time; the median speaks)
 * and the latencies. shards, kib_per_request, batch, cores, nodes and requests are set
 * already. */
void cadre__bench_row_finish(cadre__bench_row *row, cadre__bench_sample *samples,
                             size_t n_samples, const cadre_hist *latency,
                             const int64_t *shard_compute_ns);

/* Efficiency and Karp-Flatt of all rows against the first. */
void cadre__bench_rows_compare(cadre__bench_row *rows, size_t n_rows);

#endif
