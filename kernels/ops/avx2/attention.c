/* ops/avx2/attention.c - the two products of attention (kv.h): three rows at a time, with
 * 32 positions or components, whose sums stay in registers. */
#include "ops/attention.h"
#include "ops/avx2/avx2.h"

enum { ROWS = 3, VECTORS = 4 };

/* Eight stored components as f32, number `at` and following. */
INLINE __m256 load_eight(cadre_kv_type type, const uint8_t *src, size_t at)
{
    if (type == CADRE_KV_F16)
        return _mm256_cvtph_ps(_mm_load_si128((const void *)(src + 2 * at)));
    if (type == CADRE_KV_F32)
        return _mm256_load_ps((const float *)(const void *)(src + 4 * at));
    const __m128i bytes = _mm_loadl_epi64((const void *)(src + at));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

INLINE void clear(__m256 acc[ROWS][VECTORS])
{
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            acc[r][v] = _mm256_setzero_ps();
    }
}

/* acc[r][v] += factor[r] x vector v */
INLINE void add_products(cadre_kv_type type, const uint8_t *src, size_t at,
                         const float *const *factor, size_t i, int n_rows, int n_vectors,
                         __m256 acc[ROWS][VECTORS])
{
    __m256 f[ROWS];

    UNROLL
    for (int r = 0; r < n_rows; r++)
        f[r] = _mm256_broadcast_ss(factor[r] + i);
    UNROLL
    for (int v = 0; v < n_vectors; v++) {
        const __m256 wide = load_eight(type, src, at + 8 * (size_t)v);
        UNROLL
        for (int r = 0; r < n_rows; r++)
            acc[r][v] = _mm256_fmadd_ps(f[r], wide, acc[r][v]);
    }
}

INLINE void store(__m256 acc[ROWS][VECTORS], float *const *out, size_t at, int n_rows,
                  int n_vectors)
{
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        UNROLL
        for (int v = 0; v < n_vectors; v++)
            _mm256_storeu_ps(out[r] + at + 8 * (size_t)v, acc[r][v]);
    }
}

/* Scores of rows [first, first + n_rows), of the plain product. */
INLINE void score(const attention_tile *t, cadre_kv_type type, size_t first, int n_rows)
{
    const float *q[ROWS];
    float *scores[ROWS];
    __m256 acc[ROWS][VECTORS];

    for (int r = 0; r < n_rows; r++) {
        q[r] = tile_q(t, first + (size_t)r);
        scores[r] = tile_scores(t, first + (size_t)r);
    }
    for (size_t page = 0; page < t->n_pages; page++) {
        const uint8_t *keys = tile_page(t, page);
        clear(acc);
        for (size_t d = 0; d < t->a->head_dim; d++)
            add_products(type, keys, d * CADRE_KV_PAGE, q, d, n_rows, VECTORS, acc);
        store(acc, scores, page * CADRE_KV_PAGE, n_rows, VECTORS);
    }
}

/* Sums of n_vectors x 8 components, from number `at` on, over all positions. */
INLINE void sum_values(const attention_tile *t, cadre_kv_type type, size_t first,
                       int n_rows, size_t at, int n_vectors)
{
    const float *weights[ROWS];
    float *sums[ROWS];
    __m256 acc[ROWS][VECTORS];

    for (int r = 0; r < n_rows; r++) {
        weights[r] = tile_scores(t, first + (size_t)r);
        sums[r] = tile_sums(t, first + (size_t)r);
    }
    clear(acc);
    for (size_t page = 0; page < t->n_pages; page++) {
        const uint8_t *values = tile_page(t, page) + t->at.values;
        for (size_t p = 0; p < CADRE_KV_PAGE; p++)
            add_products(type, values, p * t->at.padded + at, weights,
                         page * CADRE_KV_PAGE + p, n_rows, n_vectors, acc);
    }
    store(acc, sums, at, n_rows, n_vectors);
}

INLINE void weighted_sum(const attention_tile *t, cadre_kv_type type, size_t first,
                         int n_rows)
{
    size_t at = 0;

    for (; at + 32 <= t->at.padded; at += 32)
        sum_values(t, type, first, n_rows, at, 4);
    if (at < t->at.padded)
        sum_values(t, type, first, n_rows, at, 2);
}

typedef void rows_fn(const attention_tile *t, size_t first);

#define ROWS_FUNCTION(fn, type, name, n)                                                 \
    static void fn##_##name##_##n(const attention_tile *t, size_t first)                 \
    {                                                                                    \
        fn(t, type, first, n);                                                           \
    }
#define ROWS_FUNCTIONS(fn, type, name)                                                   \
    ROWS_FUNCTION(fn, type, name, 1)                                                     \
    ROWS_FUNCTION(fn, type, name, 2)                                                     \
    ROWS_FUNCTION(fn, type, name, 3)                                                     \
    static rows_fn *const fn##_##name[ROWS] = {fn##_##name##_1, fn##_##name##_2,         \
                                               fn##_##name##_3};

ROWS_FUNCTIONS(score, CADRE_KV_F16, f16)
ROWS_FUNCTIONS(score, CADRE_KV_INT8, int8)
ROWS_FUNCTIONS(score, CADRE_KV_F32, f32)
ROWS_FUNCTIONS(weighted_sum, CADRE_KV_F16, f16)
ROWS_FUNCTIONS(weighted_sum, CADRE_KV_INT8, int8)
ROWS_FUNCTIONS(weighted_sum, CADRE_KV_F32, f32)

static rows_fn *const *const score_fns[CADRE_N_KV_TYPES] = {
    [CADRE_KV_F16] = score_f16, [CADRE_KV_INT8] = score_int8, [CADRE_KV_F32] = score_f32};
static rows_fn *const *const weighted_sum_fns[CADRE_N_KV_TYPES] = {
    [CADRE_KV_F16] = weighted_sum_f16,
    [CADRE_KV_INT8] = weighted_sum_int8,
    [CADRE_KV_F32] = weighted_sum_f32};

static void all_rows(const attention_tile *t, rows_fn *const *by_rows)
{
    for (size_t first = 0; first < t->n_rows; first += ROWS)
        by_rows[(t->n_rows - first < ROWS ? t->n_rows - first : ROWS) - 1](t, first);
}

static void attend(const attention_tile *t)
{
    all_rows(t, score_fns[t->a->type]);
    tile_weigh(t);
    all_rows(t, weighted_sum_fns[t->a->type]);
    tile_finish(t);
}

void cadre__avx2_attention(const cadre_attention *a)
{
    attention_tiles(a, attend);
}
