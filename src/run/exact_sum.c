/* run/exact_sum.c - see exact_sum.h. */
#include "run/exact_sum.h"
#include <math.h>
#include <string.h>

#define UNITS ((double)(INT64_C(1) << CADRE__EXACT_BITS))

bool cadre__exact_add(int64_t *sum, const float *x, size_t n)
{
    /* Adding 1.5 * 2^52 rounds a double of up to 2^51 in size to an integer, to nearest
     * with ties to even, and leaves it in the low bits: a conversion that every vector
     * unit has. */
    const double shift = 6755399441055744.0;
    int64_t shift_bits;
    int bad = 0;

    memcpy(&shift_bits, &shift, sizeof shift_bits);
    for (size_t i = 0; i < n; i++) {
        const double shifted = (double)x[i] * UNITS + shift;
        int64_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        sum[i] = (int64_t)((uint64_t)sum[i] + (uint64_t)bits - (uint64_t)shift_bits);
        bad |= !(fabsf(x[i]) <= CADRE__EXACT_LIMIT); /* a NaN too */
    }
    return !bad;
}

double cadre__exact_value(int64_t sum)
{
    return (double)sum / UNITS; /* a power of two: exact */
}
