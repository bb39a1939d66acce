/* ops/avx2/combine.c - f16 with the conversions of F16C, and copies past the caches. */
#include "ops/avx2/avx2.h"
#include <string.h>

/* Of the 8 values at each place, NaNs as combine.h says: vminps and vmaxps give the
 * second operand where either is one. */
#define COMBINE_F16(name, operation)                                                     \
    INLINE __m128i name##_8(__m128i a_, __m128i b_)                                      \
    {                                                                                    \
        const __m256 a = _mm256_cvtph_ps(a_), b = _mm256_cvtph_ps(b_);                   \
        return _mm256_cvtps_ph(operation, _MM_FROUND_TO_NEAREST_INT);                    \
    }                                                                                    \
    void cadre__avx2_##name##_f16(void *out_, const void *a_, const void *b_, size_t n)  \
    {                                                                                    \
        const uint16_t *a = a_, *b = b_;                                                 \
        uint16_t *out = out_;                                                            \
        for (; n >= 8; n -= 8, a += 8, b += 8, out += 8)                                 \
            _mm_storeu_si128((void *)out, name##_8(_mm_loadu_si128((const void *)a),     \
                                                   _mm_loadu_si128((const void *)b)));   \
        __m128i last_a = _mm_setzero_si128(), last_b = last_a;                           \
        memcpy(&last_a, a, n * sizeof *a);                                               \
        memcpy(&last_b, b, n * sizeof *b);                                               \
        last_a = name##_8(last_a, last_b);                                               \
        memcpy(out, &last_a, n * sizeof *out);                                           \
    }

COMBINE_F16(sum, _mm256_add_ps(a, b))
COMBINE_F16(prod, _mm256_mul_ps(a, b))
COMBINE_F16(min, _mm256_min_ps(b, a))
COMBINE_F16(max, _mm256_max_ps(b, a))

void cadre__avx2_copy_stream(void *dst_, const void *src_, size_t bytes)
{
    const char *src = src_;
    char *dst = dst_;
    const size_t to_line = -(uintptr_t)dst % 64, head = to_line < bytes ? to_line : bytes;

    memcpy(dst, src, head);
    dst += head, src += head, bytes -= head;
    for (; bytes >= 64; bytes -= 64, dst += 64, src += 64) {
        const __m256i low = _mm256_loadu_si256((const void *)src);
        const __m256i high = _mm256_loadu_si256((const void *)(src + 32));
        _mm256_stream_si256((void *)dst, low);
        _mm256_stream_si256((void *)(dst + 32), high);
    }
    memcpy(dst, src, bytes);
    _mm_sfence(); /* such stores are ordered with no others */
}
