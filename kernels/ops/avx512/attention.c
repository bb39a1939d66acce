/* ops/avx512/attention.c - the two products of attention (kv.h): up to eight rows times
 * 32 positions or components, or up to four rows times 64, whose sums stay in registers.
 */
#include "ops/attention.h"
#include "ops/avx512/avx512.h"
#include "ops/avx512/vector.h"
#include <math.h>

enum { ROWS = 8, VECTORS = 4, PAGE_VECTORS = CADRE_KV_PAGE / 16 };

typedef __m512 sums_of_rows[ROWS][VECTORS];

/* Vectors that so many rows are multiplied with at once: enough sums to hide the latency
 * of their additions, as many as there are registers for. */
INLINE int vectors_for(int n_rows)
{
    return n_rows <= 4 ? 4 : 2;
}

/* Sixteen stored components as f32, number `at` and following. */
INLINE __m512 load_components(cadre_kv_type type, const uint8_t *src, size_t at)
{
    if (type == CADRE_KV_F16)
        return _mm512_cvtph_ps(_mm256_load_si256((const void *)(src + 2 * at)));
    if (type == CADRE_KV_F32)
        return _mm512_load_ps(src + 4 * at);
    const __m128i bytes = _mm_load_si128((const void *)(src + at));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}

INLINE void clear_sums(sums_of_rows acc, int n_rows, int n_vectors)
{
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        UNROLL
        for (int v = 0; v < n_vectors; v++)
            acc[r][v] = _mm512_setzero_ps();
    }
}

/* acc[r][v] += factor[r][i] x vector v */
INLINE void add_vectors(const __m512 *vector, const float *const *factor, size_t i,
                        int n_rows, int n_vectors, sums_of_rows acc)
{
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        const __m512 f = _mm512_set1_ps(factor[r][i]);
        UNROLL
        for (int v = 0; v < n_vectors; v++)
            acc[r][v] = _mm512_fmadd_ps(f, vector[v], acc[r][v]);
    }
}

INLINE void store_sums(sums_of_rows acc, float *const *out, size_t at, int n_rows,
                       int n_vectors)
{
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        UNROLL
        for (int v = 0; v < n_vectors; v++)
            _mm512_storeu_ps(out[r] + at + 16 * v, acc[r][v]);
    }
}

/* Products of n_rows queries and the keys of n_pages pages. */
INLINE void score_pages(const attention_tile *t, cadre_kv_type type, size_t page,
                        int n_pages, const float *const *q, float *const *scores,
                        int n_rows)
{
    const int n_vectors = n_pages * PAGE_VECTORS;
    const uint8_t *keys[VECTORS / PAGE_VECTORS];
    sums_of_rows acc;

    UNROLL
    for (int i = 0; i < n_pages; i++)
        keys[i] = tile_page(t, page + (size_t)i);
    clear_sums(acc, n_rows, n_vectors);
    for (size_t d = 0; d < t->a->head_dim; d++) {
        __m512 vector[VECTORS];
        UNROLL
        for (int v = 0; v < n_vectors; v++)
            /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): n_pages are set. */
            vector[v] = load_components(type, keys[v / PAGE_VECTORS],
                                        d * CADRE_KV_PAGE + 16 * (v % PAGE_VECTORS));
        add_vectors(vector, q, d, n_rows, n_vectors, acc);
    }
    store_sums(acc, scores, page * CADRE_KV_PAGE, n_rows, n_vectors);
}

/* Products of rows [first, first + n_rows) and all keys. */
INLINE void score(const attention_tile *t, cadre_kv_type type, size_t first, int n_rows)
{
    const int at_once = vectors_for(n_rows) / PAGE_VECTORS;
    const float *q[ROWS];
    float *scores[ROWS];
    size_t page = 0;

    UNROLL
    for (int r = 0; r < n_rows; r++) {
        q[r] = tile_q(t, first + (size_t)r);
        scores[r] = tile_scores(t, first + (size_t)r);
    }
    for (; page + at_once <= t->n_pages; page += at_once)
        score_pages(t, type, page, at_once, q, scores, n_rows);
    if (page < t->n_pages)
        score_pages(t, type, page, 1, q, scores, n_rows);
}

/* Sums of n_vectors x 16 components, from number `at` on, over all positions. */
INLINE void sum_values(const attention_tile *t, cadre_kv_type type,
                       const float *const *weights, float *const *sums, int n_rows,
                       size_t at, int n_vectors)
{
    sums_of_rows acc;

    clear_sums(acc, n_rows, n_vectors);
    for (size_t page = 0; page < t->n_pages; page++) {
        const uint8_t *values = tile_page(t, page) + t->at.values;
        for (size_t p = 0; p < CADRE_KV_PAGE; p++) {
            __m512 vector[VECTORS];
            UNROLL
            for (int v = 0; v < n_vectors; v++)
                vector[v] = load_components(type, values, p * t->at.padded + at + 16 * v);
            add_vectors(vector, weights, page * CADRE_KV_PAGE + p, n_rows, n_vectors,
                        acc);
        }
    }
    store_sums(acc, sums, at, n_rows, n_vectors);
}

INLINE void weighted_sum(const attention_tile *t, cadre_kv_type type, size_t first,
                         int n_rows)
{
    const size_t step = 16 * (size_t)vectors_for(n_rows);
    const float *weights[ROWS];
    float *sums[ROWS];
    size_t at = 0;

    UNROLL
    for (int r = 0; r < n_rows; r++) {
        weights[r] = tile_scores(t, first + (size_t)r);
        sums[r] = tile_sums(t, first + (size_t)r);
    }
    for (; at + step <= t->at.padded; at += step)
        sum_values(t, type, weights, sums, n_rows, at, vectors_for(n_rows));
    for (; at < t->at.padded; at += 16)
        sum_values(t, type, weights, sums, n_rows, at, 1);
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
    ROWS_FUNCTION(fn, type, name, 4)                                                     \
    ROWS_FUNCTION(fn, type, name, 5)                                                     \
    ROWS_FUNCTION(fn, type, name, 6)                                                     \
    ROWS_FUNCTION(fn, type, name, 7)                                                     \
    ROWS_FUNCTION(fn, type, name, 8)                                                     \
    static rows_fn *const fn##_##name[ROWS] = {                                          \
        fn##_##name##_1, fn##_##name##_2, fn##_##name##_3, fn##_##name##_4,              \
        fn##_##name##_5, fn##_##name##_6, fn##_##name##_7, fn##_##name##_8};

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

/* What a score is multiplied with. */
INLINE __m512 score_factor(const attention_tile *t, size_t p)
{
    const __m512 scale = _mm512_set1_ps(t->a->scale);

    if (!cadre__kv_scaled(t->a->type))
        return scale;
    const uint8_t *scales = tile_page(t, p / CADRE_KV_PAGE) + t->at.key_scales;
    return _mm512_mul_ps(
        _mm512_load_ps((const float *)(const void *)scales + p % CADRE_KV_PAGE), scale);
}

/* What a weight is multiplied with before the sum of values. */
INLINE __m512 value_scales(const attention_tile *t, size_t p)
{
    const uint8_t *scales = tile_page(t, p / CADRE_KV_PAGE) + t->at.value_scales;
    return _mm512_load_ps((const float *)(const void *)scales + p % CADRE_KV_PAGE);
}

/* As weigh_row() of attention.h. */
static void weigh(const attention_tile *t, size_t r)
{
    const size_t n = tile_position(t, r) + 1, n_all = t->n_pages * CADRE_KV_PAGE;
    float *x = tile_scores(t, r);
    __m512 top = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    size_t p = 0;

    for (; p < n; p += 16) {
        const __m512 score = _mm512_mul_ps(_mm512_loadu_ps(x + p), score_factor(t, p));
        top = _mm512_mask_max_ps(top, lanes_of(n - p), score, top);
        _mm512_storeu_ps(x + p, score);
    }
    top = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    for (p = 0; p < n; p += 16) {
        const __m512 e = _mm512_maskz_mov_ps(
            lanes_of(n - p), exp_vector(_mm512_sub_ps(_mm512_loadu_ps(x + p), top)));
        sum = _mm512_add_ps(sum, e);
        _mm512_storeu_ps(x + p, cadre__kv_scaled(t->a->type)
                                    ? _mm512_mul_ps(e, value_scales(t, p))
                                    : e);
    }
    memset(x + p, 0, (n_all - p) * sizeof *x);
    t->inverse[r] = 1.0f / sum_lanes(sum);
}

static void attend(const attention_tile *t)
{
    all_rows(t, score_fns[t->a->type]);
    for (size_t r = 0; r < t->n_rows; r++)
        weigh(t, r);
    all_rows(t, weighted_sum_fns[t->a->type]);
    tile_finish(t);
}

void cadre__avx512_attention(const cadre_attention *a)
{
    attention_tiles(a, attend);
}
