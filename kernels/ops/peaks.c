/* ops/peaks.c - loops of one multiplying instruction. */
#include "ops/peaks.h"
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 12")
#endif

/* Sums that are independent of each other: more than the latency of any instruction here
 * needs at two per cycle. */
enum { SUMS = 12 };

/* n turns of sum = step for each of SUMS sums. The empty assembly keeps the compiler from
 * seeing that they are all the same and of no use. */
#define PEAK(name, features, vector, zero, step)                                         \
    __attribute__((target(features))) static void name(size_t n)                         \
    {                                                                                    \
        vector a = zero, b = zero, sums[SUMS];                                           \
        __asm__("" : "+v"(a));                                                           \
        __asm__("" : "+v"(b));                                                           \
        UNROLL                                                                           \
        for (size_t i = 0; i < SUMS; i++) {                                              \
            sums[i] = zero;                                                              \
            __asm__("" : "+v"(sums[i]));                                                 \
        }                                                                                \
        for (; n > 0; n--) {                                                             \
            UNROLL                                                                       \
            for (size_t i = 0; i < SUMS; i++) {                                          \
                const vector sum = sums[i];                                              \
                sums[i] = step;                                                          \
            }                                                                            \
        }                                                                                \
        UNROLL                                                                           \
        for (size_t i = 0; i < SUMS; i++)                                                \
            __asm__ volatile("" : : "v"(sums[i]));                                       \
    }

PEAK(fma_ymm, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_fmadd_ps(a, b, sum))
PEAK(maddubs_ymm, "avx2", __m256i, _mm256_setzero_si256(), _mm256_maddubs_epi16(a, sum))
PEAK(fma_zmm, "avx512f", __m512, _mm512_setzero_ps(), _mm512_fmadd_ps(a, b, sum))
PEAK(dpbusd_zmm, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(),
     _mm512_dpbusd_epi32(sum, a, b))
PEAK(dpbf16_zmm, "avx512f,avx512bf16", __m512, _mm512_setzero_ps(),
     _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b))

static const cadre__peak fma_256 = {"vfmadd ymm", 2.0 * 8 * SUMS, fma_ymm},
                         maddubs_256 = {"vpmaddubsw ymm", 2.0 * 32 * SUMS, maddubs_ymm},
                         fma_512 = {"vfmadd zmm", 2.0 * 16 * SUMS, fma_zmm},
                         dpbusd_512 = {"vpdpbusd zmm", 2.0 * 64 * SUMS, dpbusd_zmm},
                         dpbf16_512 = {"vdpbf16ps zmm", 2.0 * 32 * SUMS, dpbf16_zmm};

static const cadre__peak *peak_256(cadre_form form)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return NULL;
    return form == CADRE_FORM_Q8 ? &maddubs_256 : &fma_256;
}

static const cadre__peak *peak_512(cadre_form form)
{
    if (form == CADRE_FORM_Q8)
        return __builtin_cpu_supports("avx512vnni") ? &dpbusd_512 : &maddubs_256;
    if (form == CADRE_FORM_BF16 && __builtin_cpu_supports("avx512bf16"))
        return &dpbf16_512;
    return __builtin_cpu_supports("avx512f") ? &fma_512 : NULL;
}

const cadre__peak *cadre__ops_peak(const char *level, cadre_form form)
{
    if (strcmp(level, "avx2") == 0)
        return peak_256(form);
    /* Tiles of AMX would have to be configured first: there is no loop for them. */
    if (strcmp(level, "avx512") == 0 ||
        (strcmp(level, "amx") == 0 && form == CADRE_FORM_F32))
        return peak_512(form);
    return NULL;
}

#else

const cadre__peak *cadre__ops_peak(const char *level, cadre_form form)
{
    (void)level;
    (void)form;
    return NULL;
}

#endif
