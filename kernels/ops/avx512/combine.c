/* ops/avx512/combine.c - f16 with the machine's conversions, and copies past the caches.
 */
#include "ops/avx512/avx512.h"
#include "ops/avx512/lanes.h"
#include <stdint.h>
#include <string.h>

/* NaNs as combine.h says: vminps and vmaxps give the second operand where either is one.
 */
#define COMBINE_F16(name, operation)                                                     \
    INLINE __m256i name##_16(__m256i a_, __m256i b_)                                     \
    {                                                                                    \
        const __m512 a = _mm512_cvtph_ps(a_), b = _mm512_cvtph_ps(b_);                   \
        return _mm512_cvtps_ph(operation, _MM_FROUND_TO_NEAREST_INT);                    \
    }                                                                                    \
    void cadre__avx512_##name##_f16(void *out_, const void *a_, const void *b_,          \
                                    size_t n)                                            \
    {                                                                                    \
        const uint16_t *a = a_, *b = b_;                                                 \
        uint16_t *out = out_;                                                            \
        for (; n >= 16; n -= 16, a += 16, b += 16, out += 16)                            \
            _mm256_storeu_si256((void *)out,                                             \
                                name##_16(_mm256_loadu_si256((const void *)a),           \
                                          _mm256_loadu_si256((const void *)b)));         \
        const __mmask16 rest = lanes_of(n);                                              \
        _mm256_mask_storeu_epi16(out, rest,                                              \
                                 name##_16(_mm256_maskz_loadu_epi16(rest, a),            \
                                           _mm256_maskz_loadu_epi16(rest, b)));          \
    }

COMBINE_F16(sum, _mm512_add_ps(a, b))
COMBINE_F16(prod, _mm512_mul_ps(a, b))
COMBINE_F16(min, _mm512_min_ps(b, a))
COMBINE_F16(max, _mm512_max_ps(b, a))

void cadre__avx512_copy_stream(void *dst_, const void *src_, size_t bytes)
{
    const char *src = src_;
    char *dst = dst_;
    const size_t to_line = -(uintptr_t)dst % 64, head = to_line < bytes ? to_line : bytes;

    memcpy(dst, src, head);
    dst += head, src += head, bytes -= head;
    for (; bytes >= 64; bytes -= 64, dst += 64, src += 64)
        _mm512_stream_si512((void *)dst, _mm512_loadu_si512(src));
    memcpy(dst, src, bytes);
    _mm_sfence(); /* such stores are ordered with no others */
}
