/* run/bench_row.c - derived figures of a benchmark row. */
#include "run/bench_row.h"
#include <math.h>
#include <stdlib.h>

int64_t cadre__critical_compute(const int64_t *cpu_ns, size_t n_shards, size_t n_cores)
{
    int64_t longest = 0, sum = 0;
    for (size_t s = 0; s < n_shards; s++) {
        longest = cpu_ns[s] > longest ? cpu_ns[s] : longest;
        sum += cpu_ns[s];
    }
    const int64_t share = sum / (int64_t)(n_cores ? n_cores : 1);
    return share > longest ? share : longest;
}

static int by_wall(const void *a, const void *b)
{
    const int64_t x = ((const cadre__bench_sample *)a)->wall_ns;
    const int64_t y = ((const cadre__bench_sample *)b)->wall_ns;
    return (x > y) - (x < y);
}

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

void cadre__bench_row_finish(cadre__bench_row *row, cadre__bench_sample *samples,
                             size_t n_samples, const cadre_hist *latency,
                             const int64_t *shard_compute_ns)
{
    qsort(samples, n_samples, sizeof samples[0], by_wall);
    const cadre__bench_sample *median = &samples[n_samples / 2];
    const int64_t range = samples[n_samples - 1].wall_ns - samples[0].wall_ns;
    int64_t largest = 0, sum = 0;

    row->repetitions = n_samples;
    row->wall_ms = ms(median->wall_ns);
    row->spread_percent = 50.0 * (double)range / (double)median->wall_ns;
    row->compute_ms = ms(median->compute_ns);
    row->coordination_ms = ms(median->wall_ns - median->compute_ns);
    row->compute_percent = 100.0 * (double)median->compute_ns / (double)median->wall_ns;
    row->granularity =
        row->coordination_ms > 0 ? row->compute_ms / row->coordination_ms : NAN;
    row->requests_per_s = (double)row->requests * 1e9 / (double)median->wall_ns;
    row->p50_ms = ms(cadre_hist_quantile(latency, 0.50));
    row->p95_ms = ms(cadre_hist_quantile(latency, 0.95));
    row->p99_ms = ms(cadre_hist_quantile(latency, 0.99));
    for (size_t s = 0; s < row->shards; s++) {
        largest = shard_compute_ns[s] > largest ? shard_compute_ns[s] : largest;
        sum += shard_compute_ns[s];
    }
    row->imbalance = sum > 0 ? (double)largest * (double)row->shards / (double)sum : NAN;
}

void cadre__bench_rows_compare(cadre__bench_row *rows, size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++) {
        const double speedup = rows[i].requests_per_s / rows[0].requests_per_s;
        const double p = (double)rows[i].shards / (double)rows[0].shards;
        rows[i].efficiency_percent = 100.0 * speedup / p;
        /* A. H. Karp and H. P. Flatt, Measuring parallel processor performance, 1990. */
        rows[i].karp_flatt = p > 1 ? (1.0 / speedup - 1.0 / p) / (1.0 - 1.0 / p) : NAN;
    }
}
