/* run/exact_sum.h - sums of floats that do not depend on the order of their terms.
 *
 * Each term is rounded to a whole number of 2^-CADRE__EXACT_BITS, and integers are added:
 * addition of integers is associative, so any cut over ranks, and any algorithm of
 * AllReduce, gives the same sum. This is the long accumulator of Kulisch and Miranker
 * (The arithmetic of the digital computer: a new approach, SIAM Review 28, 1986),
 * shortened to 64 bits by knowing the range, as Le Grand, Goetz and Walker did for forces
 * (SPFP: speed without compromise, Computer Physics Communications 184, 2013). Demmel and
 * Nguyen (Fast reproducible floating-point summation, ARITH 2013) tell of ways that need
 * no known range, at several times the cost and without plain integer messages.
 *
 * Range. A term may be up to 2^11 = 2048 in size, and a sum may have up to 2^12 - 1
 * terms: it stays below 2^63 units of 2^-40. A gradient above 2048 for 32 rows means that
 * training has diverged. Resolution. Terms of 2^-17 and more keep all 24 bits of a float;
 * below, the error is at most 2^-41, some 5e-13, far below what the mean over a batch can
 * resolve in f32.
 */
#ifndef CADRE_RUN_EXACT_SUM_H
#define CADRE_RUN_EXACT_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CADRE__EXACT_BITS 40
#define CADRE__EXACT_LIMIT 2048.0f
#define CADRE__EXACT_MAX_TERMS 4095

/* sum[i] += x[i]. False if a term is out of range or NaN; the sums are then
 * meaningless. */
bool cadre__exact_add(int64_t *sum, const float *x, size_t n);

/* The sum as a double, correctly rounded. */
double cadre__exact_value(int64_t sum);

#endif
