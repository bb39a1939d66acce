/* ops/avx512/avx512.c - the loops for CPUs with AVX-512 F, BW, DQ and VL, and what is
 * faster than them. What is written out here follows loops_tokens.h operation by
 * operation. */
#include "ops/avx512/avx512.h"
#include "ops/avx512/lanes.h"
#include "ops/levels.h"
#include "ops/loops.h"

/* Long sums go past the caches. A line is written as a whole, or memory is read first. */
#define SUM_STREAMED(suffix, type, letter)                                               \
    static void sum_##suffix##_512(void *out_, const void *a_, const void *b_, size_t n) \
    {                                                                                    \
        const type *a = a_, *b = b_;                                                     \
        type *out = out_;                                                                \
        const size_t to_line = -(uintptr_t)out % 64, step = 64 / sizeof(type);           \
        size_t i = to_line / sizeof(type);                                               \
        if (n < STREAM_BYTES / sizeof(type) || out == a || out == b ||                   \
            to_line % sizeof(type) != 0) {                                               \
            sum_##suffix(out, a, b, n);                                                  \
            return;                                                                      \
        }                                                                                \
        sum_##suffix(out, a, b, i);                                                      \
        for (; i + step <= n; i += step)                                                 \
            _mm512_stream_p##letter(                                                     \
                out + i, _mm512_add_p##letter(_mm512_loadu_p##letter(a + i),             \
                                              _mm512_loadu_p##letter(b + i)));           \
        _mm_sfence(); /* such stores are ordered with no others */                       \
        sum_##suffix(out + i, a + i, b + i, n - i);                                      \
    }

SUM_STREAMED(f32, float, s)
SUM_STREAMED(f64, double, d)

static size_t argmax_512(const float *x, size_t n)
{
    __m512 top = _mm512_set1_ps(-INFINITY);
    size_t i = 0;

    for (; i < n; i += 16) { /* of NaN and another number, the other */
        const __m512 v = _mm512_mask_loadu_ps(top, lanes_of(n - i), x + i);
        top = _mm512_max_ps(v, top);
    }
    top = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    for (i = 0; i < n; i += 16) {
        const __mmask16 lanes = lanes_of(n - i);
        const __mmask16 equal = _mm512_mask_cmp_ps_mask(
            lanes, _mm512_maskz_loadu_ps(lanes, x + i), top, _CMP_EQ_OQ);
        if (equal)
            return i + (size_t)__builtin_ctz(equal);
    }
    return 0;
}

/* ---- Rows of 8-bit integers ---- */

/* max |x|, with NaN more than infinity. */
static inline float largest_magnitude_32(__m512 a, __m512 b)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    const __m512i both =
        _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), magnitude),
                         _mm512_and_si512(_mm512_castps_si512(b), magnitude));
    return bits_float(_mm512_reduce_max_epu32(both));
}

/* The sums of 16 integers each, of 32. */
static inline void store_sums(__m256i q, int32_t *sums)
{
    /* Unsigned sums of eight each, of values 128 more than they are. */
    const __m256i high = _mm256_xor_si256(q, _mm256_set1_epi8(-128));
    const __m256i eights = _mm256_sad_epu8(high, _mm256_setzero_si256());
    const __m128i a = _mm256_castsi256_si128(eights);
    const __m128i b = _mm256_extracti128_si256(eights, 1);
    const __m128i pairs =
        _mm_add_epi64(_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b));
    const __m128i ints = _mm_sub_epi32(
        _mm256_cvtepi64_epi32(_mm256_castsi128_si256(pairs)), _mm_set1_epi32(16 * 128));
    _mm_storel_epi64((void *)sums, ints);
}

static void block_to_q8(const float *x, int8_t *q, float *scale, int32_t *sums,
                        float *offset)
{
    const __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    const float s = q8_scale(largest_magnitude_32(a, b));
    __m256i bytes = _mm256_setzero_si256();

    if (s > 0) {
        const __m512 inverse = _mm512_set1_ps(1.0f / s);
        const __m512i low = _mm512_cvtps_epi32(_mm512_mul_ps(a, inverse));
        const __m512i high = _mm512_cvtps_epi32(_mm512_mul_ps(b, inverse));
        bytes = _mm256_set_m128i(_mm512_cvtepi32_epi8(high), _mm512_cvtepi32_epi8(low));
    }
    _mm256_storeu_si256((void *)q, bytes);
    store_sums(bytes, sums);
    *scale = s;
    *offset = s * (float)(sums[0] + sums[1]);
}

static void to_rows_512(const float *x, size_t x_stride, size_t n_rows, cadre_rows *out,
                        size_t first)
{
    const size_t n_blocks = out->stride / 32;

    if (out->form != CADRE_FORM_Q8) {
        to_rows(x, x_stride, n_rows, out, first);
        return;
    }
    for (size_t r = first; r < first + n_rows; r++, x += x_stride)
        for (size_t b = 0; b < n_blocks; b++) {
            static const float zeros[32];
            const size_t at = r * n_blocks + b;
            block_to_q8(32 * b < out->n_in ? x + 32 * b : zeros,
                        (int8_t *)out->values + 32 * at, out->scales + at,
                        out->sums + 2 * at, out->offsets + at);
        }
}

/* ---- Keys and values ---- */

/* n components as f16, as store_f16() makes them, and zeros up to a multiple of 16. */
static inline void to_f16(const float *x, size_t n, uint16_t *out)
{
    const __m512 most = _mm512_set1_ps(65504.0f), least = _mm512_set1_ps(-65504.0f);

    for (size_t d = 0; d < n; d += 16) {
        const __m512 v = _mm512_maskz_loadu_ps(lanes_of(n - d), x + d);
        const __m512 limited =
            _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_EQ_OQ),
                                _mm512_max_ps(_mm512_min_ps(v, most), least));
        _mm256_storeu_si256((void *)(out + d),
                            _mm512_cvtps_ph(limited, _MM_FROUND_TO_NEAREST_INT));
    }
}

static void kv_store_512(cadre_kv_type type, size_t head_dim, void *block, size_t slot,
                         const float *key, const float *value)
{
    const cadre__kv_layout at = cadre__kv_layout_of(type, head_dim);
    uint16_t *keys = (uint16_t *)block + slot, halves[CADRE__MAX_HEAD_DIM];
    uint16_t *values = (uint16_t *)(void *)((char *)block + at.values);

    if (type != CADRE_KV_F16) {
        kv_store(type, head_dim, block, slot, key, value);
        return;
    }
    to_f16(key, head_dim, halves);
    for (size_t d = 0; d < head_dim; d++)
        keys[d * CADRE_KV_PAGE] = halves[d];
    to_f16(value, head_dim, values + slot * at.padded);
}

void cadre__ops_fill_avx512(cadre_ops *ops)
{
    fill(ops);
    ops->combine[CADRE_F32][CADRE_SUM] = sum_f32_512;
    ops->combine[CADRE_F64][CADRE_SUM] = sum_f64_512;
    ops->combine[CADRE_F16][CADRE_SUM] = cadre__avx512_sum_f16;
    ops->combine[CADRE_F16][CADRE_PROD] = cadre__avx512_prod_f16;
    ops->combine[CADRE_F16][CADRE_MIN] = cadre__avx512_min_f16;
    ops->combine[CADRE_F16][CADRE_MAX] = cadre__avx512_max_f16;
    ops->copy_stream = cadre__avx512_copy_stream;
    ops->argmax_f32 = argmax_512;
    ops->to_rows = to_rows_512;
    ops->kv_store = kv_store_512;
    ops->attention = cadre__avx512_attention;
    ops->matmul[CADRE_W_F32] = cadre__avx512_matmul_f32;
    ops->matmul[CADRE_W_F16] = cadre__avx512_matmul_f16;
    ops->matmul[CADRE_W_BF16] = __builtin_cpu_supports("avx512bf16")
                                    ? cadre__avx512_matmul_bf16
                                    : cadre__avx512_matmul_bf16_widened;
    if (__builtin_cpu_supports("avx512vnni")) {
        ops->matmul[CADRE_W_Q8_0] = cadre__avx512_matmul_q8_0;
        ops->matmul[CADRE_W_Q4_0] = cadre__avx512_matmul_q4_0;
        ops->matmul[CADRE_W_Q4_K] = cadre__avx512_matmul_q4_k;
        ops->matmul[CADRE_W_Q5_K] = cadre__avx512_matmul_q5_k;
        ops->matmul[CADRE_W_Q6_K] = cadre__avx512_matmul_q6_k;
    }
    ops->level = "avx512";
}
