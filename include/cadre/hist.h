/* cadre/hist.h - latency histogram with bounded relative error.
 *
 * Values are non-negative integers (nanoseconds everywhere in cadre). Buckets are
 * log-linear: 2^8 equal steps in each power of two, so a reported quantile is within
 * 1/256 (0.4 %) of the true one, over the whole range of int64. Method: G. Tene's
 * HdrHistogram (2012). Recording is a few instructions and never allocates, and
 * histograms of several ranks add up bucket by bucket.
 */
#ifndef CADRE_HIST_H
#define CADRE_HIST_H

#include <cadre/export.h>
#include <stddef.h>
#include <stdint.h>

#define CADRE_HIST_BUCKETS 14336 /* 512 exact values, then 54 powers of two x 256 */

typedef struct cadre_hist {
    int64_t count; /* values recorded */
    int64_t min;   /* exact; INT64_MAX when empty */
    int64_t max;   /* exact; 0 when empty */
    int64_t sum;   /* saturates */
    int64_t buckets[CADRE_HIST_BUCKETS];
} cadre_hist;

/* Make an empty histogram of caller storage. Local. */
CADRE_API void cadre_hist_init(cadre_hist *hist);

/* Record one value; a negative one counts as 0. Local. */
CADRE_API void cadre_hist_record(cadre_hist *hist, int64_t value);

/* Add all that `from` recorded to `into`. Local. */
CADRE_API void cadre_hist_merge(cadre_hist *into, const cadre_hist *from);

/* The value at quantile q in [0, 1]: the highest value equivalent to the smallest one
 * that is >= q of all, never above max; 0 when empty. Local. */
CADRE_API int64_t cadre_hist_quantile(const cadre_hist *hist, double q);

/* Arithmetic mean; 0 when empty. Local. */
CADRE_API double cadre_hist_mean(const cadre_hist *hist);

#endif
