/* ops/avx512/weights.h - the parts of packed panels of the quantised types (packed.h) in
 * registers: quads as unsigned bytes, scales as f32. */
#ifndef CADRE_OPS_AVX512_WEIGHTS_H
#define CADRE_OPS_AVX512_WEIGHTS_H

#include "ops/avx512/tile.h"

INLINE __m512 load_f16(const uint8_t *src)
{
    return _mm512_cvtph_ps(_mm256_load_si256((const void *)src));
}

INLINE __m512 load_u8(const uint8_t *src)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128((const void *)src)));
}

INLINE __m512 load_s8(const uint8_t *src)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128((const void *)src)));
}

/* Quad j (0 to 15) of the 64 k whose 8 vectors of nibbles stand at src. */
INLINE __m512i nibble_quad(const uint8_t *src, size_t j)
{
    const __m512i both = _mm512_load_si512(src + j % 8 * CADRE__QUAD_BYTES);
    return _mm512_and_si512(j < 8 ? both : _mm512_srli_epi32(both, 4),
                            _mm512_set1_epi8(15));
}

INLINE __m512i q8_0_quad(const uint8_t *group, size_t j)
{
    return _mm512_load_si512(group + 64 + j * CADRE__QUAD_BYTES);
}

INLINE __m512i q4_0_quad(const uint8_t *group, size_t j)
{
    return nibble_quad(group + 64, j);
}

/* Quad j (0 to 15) of a part of a superblock. */
INLINE __m512i q4_k_quad(const uint8_t *w, size_t j)
{
    return nibble_quad(w + CADRE__Q4_K_NIBBLES, j);
}

INLINE __m512i q5_k_quad(const uint8_t *w, size_t j)
{
    const __m512i bits =
        _mm512_load_si512(w + CADRE__PART_UPPER + j / 8 * CADRE__QUAD_BYTES);
    const unsigned s = (unsigned)(j % 8);
    const __m512i moved =
        s < 4 ? _mm512_slli_epi32(bits, 4 - s) : _mm512_srli_epi32(bits, s - 4);
    return _mm512_or_si512(nibble_quad(w + CADRE__Q5_K_NIBBLES, j),
                           _mm512_and_si512(moved, _mm512_set1_epi8(16)));
}

INLINE __m512i q6_k_quad(const uint8_t *w, size_t j)
{
    const __m512i bits =
        _mm512_load_si512(w + CADRE__PART_UPPER + j % 4 * CADRE__QUAD_BYTES);
    const __m512i moved = j < 4    ? _mm512_slli_epi32(bits, 4)
                          : j < 8  ? _mm512_slli_epi32(bits, 2)
                          : j < 12 ? bits
                                   : _mm512_srli_epi32(bits, 2);
    return _mm512_or_si512(nibble_quad(w + CADRE__Q6_K_NIBBLES, j),
                           _mm512_and_si512(moved, _mm512_set1_epi8(48)));
}

#endif
