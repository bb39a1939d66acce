/* ops/avx512/vector.h - exp and sums of vectors, operation by operation as elementary.h
 * has them. */
#ifndef CADRE_OPS_AVX512_VECTOR_H
#define CADRE_OPS_AVX512_VECTOR_H

#include "ops/avx512/lanes.h"

/* Lane 0 of row_sum()'s tree. */
INLINE float sum_lanes(__m512 v)
{
    const __m256 eight =
        _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four =
        _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* 2^n for n in -126 .. 127. */
INLINE __m512 power_of_two_lanes(__m512i n)
{
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}

/* exp_approx() of each lane. */
INLINE __m512 exp_vector(__m512 x)
{
    const __m512 shift = _mm512_set1_ps(12582912.0f);
    const __m512 low = _mm512_max_ps(x, _mm512_set1_ps(-105.0f));
    const __m512 t = _mm512_min_ps(low, _mm512_set1_ps(90.0f));
    const __m512 shifted =
        _mm512_add_ps(_mm512_mul_ps(t, _mm512_set1_ps(1.44269504f)), shift);
    const __m512 n = _mm512_sub_ps(shifted, shift);
    const __m512 r =
        _mm512_sub_ps(_mm512_sub_ps(t, _mm512_mul_ps(n, _mm512_set1_ps(0.693359375f))),
                      _mm512_mul_ps(n, _mm512_set1_ps(-2.12194440e-4f)));
    static const float factors[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f,
                                    1.6666665459e-1f, 5.0000001201e-1f};
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);

    UNROLL
    for (int i = 0; i < 5; i++)
        p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(factors[i]));
    p = _mm512_add_ps(_mm512_mul_ps(p, _mm512_mul_ps(r, r)), r);
    p = _mm512_add_ps(p, _mm512_set1_ps(1.0f));

    const __m512i whole =
        _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_castps_si512(shift));
    const __m512i half = _mm512_srai_epi32(
        _mm512_add_epi32(whole, _mm512_srli_epi32(whole, 31)), 1); /* towards 0 */
    const __m512 result =
        _mm512_mul_ps(_mm512_mul_ps(p, power_of_two_lanes(half)),
                      power_of_two_lanes(_mm512_sub_epi32(whole, half)));
    return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, x, _CMP_EQ_OQ), result);
}

#endif
