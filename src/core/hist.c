/* core/hist.c - log-linear histogram (G. Tene, HdrHistogram, 2012). */
#include <cadre/hist.h>
#include <string.h>

#define SUB_BITS 8
#define SUB (1 << SUB_BITS)

_Static_assert(CADRE_HIST_BUCKETS == (63 - SUB_BITS + 1) * SUB,
               "one block of SUB per power of two");

/* Values below 2 * SUB have a bucket each; above, the top SUB_BITS + 1 bits tell. */
static size_t bucket_of(int64_t value)
{
    if (value < 2 * SUB)
        return (size_t)value;
    const int top = 63 - __builtin_clzll((unsigned long long)value);
    const int shift = top - SUB_BITS;
    return (size_t)shift * SUB + (size_t)(value >> shift);
}

/* The largest value that falls into a bucket. */
static int64_t highest_in(size_t bucket)
{
    if (bucket < 2 * SUB)
        return (int64_t)bucket;
    const int shift = (int)(bucket / SUB) - 1;
    const uint64_t base = (uint64_t)(bucket - (size_t)shift * SUB) << shift;
    return (int64_t)(base + ((UINT64_C(1) << shift) - 1));
}

static int64_t saturating_add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

void cadre_hist_init(cadre_hist *hist)
{
    memset(hist, 0, sizeof *hist);
    hist->min = INT64_MAX;
}

void cadre_hist_record(cadre_hist *hist, int64_t value)
{
    if (value < 0)
        value = 0;
    hist->count++;
    hist->sum = saturating_add(hist->sum, value);
    if (value < hist->min)
        hist->min = value;
    if (value > hist->max)
        hist->max = value;
    hist->buckets[bucket_of(value)]++;
}

void cadre_hist_merge(cadre_hist *into, const cadre_hist *from)
{
    into->count += from->count;
    into->sum = saturating_add(into->sum, from->sum);
    if (from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    for (size_t i = 0; i < CADRE_HIST_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

int64_t cadre_hist_quantile(const cadre_hist *hist, double q)
{
    if (hist->count == 0)
        return 0;
    double exact = q * (double)hist->count;
    int64_t wanted = (int64_t)exact;
    if ((double)wanted < exact)
        wanted++;
    if (wanted < 1)
        wanted = 1;
    if (wanted > hist->count)
        wanted = hist->count;

    int64_t seen = 0;
    for (size_t i = 0; i < CADRE_HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen >= wanted) {
            const int64_t value = highest_in(i);
            return value < hist->max ? value : hist->max;
        }
    }
    return hist->max;
}

double cadre_hist_mean(const cadre_hist *hist)
{
    return hist->count ? (double)hist->sum / (double)hist->count : 0.0;
}
