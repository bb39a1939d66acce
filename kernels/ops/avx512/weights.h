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

/* Where the parts of a superblock begin; packed.h. */
enum {
    SCALES = 64,
    MINIMA = SCALES + 8 * CADRE_PANEL,
    NIBBLES = 64 + 256,
    NIBBLES_BYTES = 8 * CADRE__QUAD_BYTES, /* of 64 k */
    UPPER = NIBBLES + 4 * NIBBLES_BYTES
};

/* Quad j (0 to 15) of the 64 k number c (0 to 3) of a superblock. */
INLINE __m512i q4_k_quad(const uint8_t *super, size_t c, size_t j)
{
    return nibble_quad(super + NIBBLES + c * NIBBLES_BYTES, j);
}

INLINE __m512i q5_k_quad(const uint8_t *super, size_t c, size_t j)
{
    const __m512i bits = _mm512_load_si512(super + UPPER + j % 8 * CADRE__QUAD_BYTES);
    const unsigned b = (unsigned)(2 * c + j / 8);
    const __m512i moved =
        b < 4 ? _mm512_slli_epi32(bits, 4 - b) : _mm512_srli_epi32(bits, b - 4);
    return _mm512_or_si512(q4_k_quad(super, c, j),
                           _mm512_and_si512(moved, _mm512_set1_epi8(16)));
}

INLINE __m512i q6_k_quad(const uint8_t *super, size_t c, size_t j)
{
    const __m512i bits =
        _mm512_load_si512(super + UPPER + (4 * c + j % 4) * CADRE__QUAD_BYTES);
    const __m512i moved = j < 4    ? _mm512_slli_epi32(bits, 4)
                          : j < 8  ? _mm512_slli_epi32(bits, 2)
                          : j < 12 ? bits
                                   : _mm512_srli_epi32(bits, 2);
    return _mm512_or_si512(q4_k_quad(super, c, j),
                           _mm512_and_si512(moved, _mm512_set1_epi8(48)));
}

#endif
