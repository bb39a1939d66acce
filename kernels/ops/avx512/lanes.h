/* ops/avx512/lanes.h - what all files of this level use. */
#ifndef CADRE_OPS_AVX512_LANES_H
#define CADRE_OPS_AVX512_LANES_H

#include <immintrin.h>
#include <stddef.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef CADRE_SANITIZED
#define UNROLL /* see CMakeLists.txt of ops */
#elif defined __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* The first n of 16 lanes. */
INLINE __mmask16 lanes_of(size_t n)
{
    return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffffu);
}

#endif
