/* ops/avx512/matmul_int.c - products of the quantised types by vpdpbusd, as packed.h
 * says.
 *
 * An element of the product is one integer sum per block of 32 k (Q6_K: 16), which starts
 * from what the zero of the weights takes away, then one conversion and one or two fused
 * multiplications into the sum of floats. Weights are unpacked once for all rows of a
 * tile. */
#include "ops/avx512/avx512.h"
#include "ops/avx512/tile.h"
#include "ops/avx512/weights.h"

/* Blocks whose terms are prepared at a time. Few, so that this is done while products of
 * the blocks before are under way. */
enum { CHUNK = 16 };

/* What a tile needs of its rows beside the values, per row and block, brought together so
 * that one pointer reaches it all. */
typedef struct terms {
    _Alignas(64) float scale[TILE_ROWS][CHUNK];
    union {
        int32_t zero[TILE_ROWS][2 * CHUNK]; /* what sums of products start from */
        float offset[TILE_ROWS][CHUNK];
    };
} terms;

/* -sum << shift */
INLINE __m512i take_away(__m512i sum, unsigned shift)
{
    return _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sum, shift));
}

/* a[0] + a[1], a[2] + a[3], ..., b[0] + b[1], ... */
INLINE __m512i add_pairs(__m512i a, __m512i b)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);

    return _mm512_add_epi32(_mm512_permutex2var_epi32(a, even, b),
                            _mm512_permutex2var_epi32(a, odd, b));
}

enum terms_kind { ZERO_PER_32, ZERO_PER_16, OFFSET };

/* The terms of blocks [first, first + n), n <= CHUNK, of a tile's rows. */
INLINE void prepare_terms(const cadre__tile *t, size_t first, size_t n,
                          enum terms_kind kind, unsigned shift, int n_rows, terms *out)
{
    const __mmask16 blocks = lanes_of(n), low = lanes_of(2 * n),
                    high = lanes_of(n < 8 ? 0 : 2 * n - 16);

    for (size_t r = 0; r < (size_t)n_rows; r++) {
        const size_t at = r * t->row_blocks + first;
        const int32_t *sums = t->sums + 2 * at;
        _mm512_store_ps(out->scale[r], _mm512_maskz_loadu_ps(blocks, t->scales + at));
        if (kind == OFFSET) {
            _mm512_store_ps(out->offset[r],
                            _mm512_maskz_loadu_ps(blocks, t->offsets + at));
            continue;
        }
        const __m512i a = _mm512_maskz_loadu_epi32(low, sums);
        const __m512i b = _mm512_maskz_loadu_epi32(high, sums + 16);
        if (kind == ZERO_PER_32) {
            _mm512_store_si512(out->zero[r], take_away(add_pairs(a, b), shift));
        } else {
            _mm512_store_si512(out->zero[r], take_away(a, shift));
            _mm512_store_si512(out->zero[r] + CHUNK, take_away(b, shift));
        }
    }
}

/* As float_sums, float_pair of tile.h. */
typedef struct int_sums {
    __m512i of[2][TILE_ROWS];
} int_sums;

typedef struct int_pair {
    __m512i of[2];
} int_pair;

/* dp[r] += u . values of row r, four k at a time. */
INLINE void add_quad(int_sums *dp, int_pair u, const row_pointers *at, size_t k,
                     int n_rows, int n_panels)
{
    if (n_panels == 1)
        EACH_ROW(n_rows, dp->of[0][r] = _mm512_dpbusd_epi32(dp->of[0][r], u.of[0],
                                                            broadcast_row(at, r, k)));
    else
        EACH_ROW(n_rows, __m512i row = broadcast_row(at, r, k);
                 KEEP(row); /* or it is loaded for each product */
                 dp->of[0][r] = _mm512_dpbusd_epi32(dp->of[0][r], u.of[0], row);
                 dp->of[1][r] = _mm512_dpbusd_epi32(dp->of[1][r], u.of[1], row));
}

/* acc[r] = fma(float(dp[r]), scale x sx[r], acc[r]); sx of block b. */
INLINE void add_scaled(float_sums *acc, const int_sums *dp, float_pair scale,
                       const terms *x, size_t b, int n_rows, int n_panels)
{
    for (int p = 0; p < n_panels; p++)
        EACH_ROW(n_rows, acc->of[p][r] = _mm512_fmadd_ps(
                             _mm512_cvtepi32_ps(dp->of[p][r]),
                             _mm512_mul_ps(scale.of[p], _mm512_set1_ps(x->scale[r][b])),
                             acc->of[p][r]));
}

INLINE void start_from_zero(int_sums *dp, const terms *x, size_t at, int n_rows,
                            int n_panels)
{
    for (int p = 0; p < n_panels; p++)
        EACH_ROW(n_rows, dp->of[p][r] = _mm512_set1_epi32(x->zero[r][at]));
}

INLINE void start_from_nothing(int_sums *dp, int n_rows, int n_panels)
{
    for (int p = 0; p < n_panels; p++)
        EACH_ROW(n_rows, dp->of[p][r] = _mm512_setzero_si512());
}

/* acc[r] = fma(-minimum, offset[r], acc[r]) */
INLINE void subtract_minimum(float_sums *acc, float_pair minimum, const terms *x,
                             size_t b, int n_rows, int n_panels)
{
    for (int p = 0; p < n_panels; p++)
        EACH_ROW(n_rows, acc->of[p][r] = _mm512_fnmadd_ps(minimum.of[p],
                                                          _mm512_set1_ps(x->offset[r][b]),
                                                          acc->of[p][r]));
}

/* ---- Tiles ---- */

/* Quad j of 64 k. */
typedef __m512i quad_fn(const uint8_t *w, size_t j);

/* Q8_0 and Q4_0; the zero is 1 << shift. */
INLINE void groups_tile(const cadre__tile *t, quad_fn *quad, size_t group_bytes,
                        unsigned shift, int n_rows, int n_panels)
{
    terms x;
    float_sums acc;
    int_sums dp;
    row_pointers at = tile_pointers(t);
    look_ahead ahead = look_ahead_from(t, t->n_in / 64);
    const uint8_t *w = t->panel;
    const size_t n_blocks = t->n_in / 32;

    clear_sums(&acc, n_rows, n_panels);
    for (size_t first = 0; first < n_blocks; first += CHUNK) {
        const size_t n = n_blocks - first < CHUNK ? n_blocks - first : CHUNK;
        prepare_terms(t, first, n, ZERO_PER_32, shift, n_rows, &x);
        for (size_t b = 0; b < n; b += 2, w += group_bytes) {
            const uint8_t *v = n_panels == 2 ? w + t->panel_bytes : w;
            UNROLL
            for (size_t i = 0; i < 2; i++) {
                HIDE(w);
                HIDE(v);
                start_from_zero(&dp, &x, b + i, n_rows, n_panels);
                UNROLL
                for (size_t j = 0; j < 8; j++) {
                    const int_pair u = {{quad(w, 8 * i + j), quad(v, 8 * i + j)}};
                    add_quad(&dp, u, &at, 32 * i + 4 * j, n_rows, n_panels);
                }
                const float_pair scale = {{load_f16(w + 32 * i), load_f16(v + 32 * i)}};
                add_scaled(&acc, &dp, scale, &x, b + i, n_rows, n_panels);
            }
            advance(&at, 64);
            fetch_ahead(&ahead);
        }
    }
    store_panels(t, &acc, n_rows, n_panels);
}

/* Where a tile of K types is in its panel: the part, which lies `second` bytes on in the
 * next panel, and what stands at the head of the superblock. This is kept, since going
 * back to it for each part would spoil the order in which memory is read. */
typedef struct super_at {
    const uint8_t *part;
    size_t second;
    float_pair d, dmin;
} super_at;

/* To the first part of a superblock. */
INLINE void read_head(super_at *w)
{
    const uint8_t *first = w->part, *second = first + w->second;

    w->d = (float_pair){{load_f16(first), load_f16(second)}};
    w->dmin = (float_pair){{load_f16(first + 32), load_f16(second + 32)}};
    w->part += CADRE__HEAD_BYTES;
}

/* The part of panel p, 0 or 1; the compiler shall not keep an address of its own for
 * each. */
INLINE const uint8_t *part_of(const super_at *w, int p)
{
    const uint8_t *part = w->part + (p ? w->second : 0);
    HIDE(part);
    return part;
}

/* With so few rows there are registers for a whole part. It is read once, first vector to
 * last, before anything is computed: memory then gives all it can. */
enum { ONCE_ROWS = 2, PART_VECTORS = CADRE__Q6_K_PART_BYTES / 64 };
typedef struct part_vectors {
    __m512i of[PART_VECTORS];
} part_vectors;

INLINE const uint8_t *read_once(const super_at *w, size_t part_bytes, part_vectors *out)
{
    UNROLL
    for (size_t i = 0; i < part_bytes / sizeof *out->of; i++) {
        out->of[i] = _mm512_load_si512(w->part + i * sizeof *out->of);
        KEEP(out->of[i]);
    }
    return (const uint8_t *)out->of;
}

typedef void part_fn(const super_at *w, const uint8_t *once, quad_fn *quad,
                     const row_pointers *at, const terms *x, size_t b, float_sums *acc,
                     int n_rows, int n_panels);

/* A scale or minimum of a superblock of Q4_K or Q5_K: that of the head times a byte of
 * the part. */
INLINE float_pair super_scale(const super_at *w, float_pair of_head, size_t at)
{
    const uint8_t *scale = w->part + at;
    return (float_pair){{_mm512_mul_ps(of_head.of[0], load_u8(scale)),
                         _mm512_mul_ps(of_head.of[1], load_u8(scale + w->second))}};
}

/* A part of Q4_K or Q5_K, blocks b and b + 1 of the chunk; `once` is its copy in
 * registers, or NULL. */
INLINE void add_part(const super_at *w, const uint8_t *once, quad_fn *quad,
                     const row_pointers *at, const terms *x, size_t b, float_sums *acc,
                     int n_rows, int n_panels)
{
    int_sums dp;

    UNROLL
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *first = once ? once : part_of(w, 0);
        const uint8_t *second = once ? once : part_of(w, n_panels == 2);
        const size_t in = i * CADRE_PANEL;
        start_from_nothing(&dp, n_rows, n_panels);
        UNROLL
        for (size_t j = 0; j < 8; j++) {
            const int_pair u = {{quad(first, 8 * i + j), quad(second, 8 * i + j)}};
            add_quad(&dp, u, at, 32 * i + 4 * j, n_rows, n_panels);
        }
        add_scaled(acc, &dp, super_scale(w, w->d, in), x, b + i, n_rows, n_panels);
        subtract_minimum(acc, super_scale(w, w->dmin, CADRE__PART_MINIMA + in), x, b + i,
                         n_rows, n_panels);
    }
}

/* The scale of 16 k number h of a part of Q6_K. */
INLINE float_pair sixteen_scale(const super_at *w, size_t h)
{
    const uint8_t *scale = w->part + h * CADRE_PANEL;
    return (float_pair){{_mm512_mul_ps(w->d.of[0], load_s8(scale)),
                         _mm512_mul_ps(w->d.of[1], load_s8(scale + w->second))}};
}

INLINE void add_part_of_sixteens(const super_at *w, const uint8_t *once, quad_fn *quad,
                                 const row_pointers *at, const terms *x, size_t b,
                                 float_sums *acc, int n_rows, int n_panels)
{
    int_sums dp;

    UNROLL
    for (size_t h = 0; h < 4; h++) {
        const uint8_t *first = once ? once : part_of(w, 0);
        const uint8_t *second = once ? once : part_of(w, n_panels == 2);
        start_from_zero(&dp, x, 2 * b + h, n_rows, n_panels);
        UNROLL
        for (size_t j = 0; j < 4; j++) {
            const int_pair u = {{quad(first, 4 * h + j), quad(second, 4 * h + j)}};
            add_quad(&dp, u, at, 16 * h + 4 * j, n_rows, n_panels);
        }
        add_scaled(acc, &dp, sixteen_scale(w, h), x, b + h / 2, n_rows, n_panels);
    }
}

/* The K types. */
INLINE void supers_tile(const cadre__tile *t, part_fn *add, quad_fn *quad,
                        size_t part_bytes, enum terms_kind kind, int n_rows, int n_panels)
{
    terms x;
    float_sums acc;
    part_vectors part;
    row_pointers at = tile_pointers(t);
    look_ahead ahead = look_ahead_from(t, t->n_in / 64);
    super_at w = {.part = t->panel, .second = n_panels == 2 ? t->panel_bytes : 0};
    const size_t n_blocks = t->n_in / 32;
    const int once = n_rows <= ONCE_ROWS && n_panels == 1;

    clear_sums(&acc, n_rows, n_panels);
    for (size_t first = 0; first < n_blocks; first += CHUNK) {
        const size_t n = n_blocks - first < CHUNK ? n_blocks - first : CHUNK;
        prepare_terms(t, first, n, kind, 5, n_rows, &x);
        for (size_t b = 0; b < n; b += 2) {
            if (b % 8 == 0)
                read_head(&w);
            add(&w, once ? read_once(&w, part_bytes, &part) : NULL, quad, &at, &x, b,
                &acc, n_rows, n_panels);
            w.part += part_bytes;
            advance(&at, 64);
            fetch_ahead(&ahead);
        }
    }
    store_panels(t, &acc, n_rows, n_panels);
}

INLINE void q4_k(const cadre__tile *t, int n_rows, int n_panels)
{
    supers_tile(t, add_part, q4_k_quad, CADRE__Q4_K_PART_BYTES, OFFSET, n_rows, n_panels);
}

INLINE void q5_k(const cadre__tile *t, int n_rows, int n_panels)
{
    supers_tile(t, add_part, q5_k_quad, CADRE__Q5_K_PART_BYTES, OFFSET, n_rows, n_panels);
}

INLINE void q6_k(const cadre__tile *t, int n_rows, int n_panels)
{
    supers_tile(t, add_part_of_sixteens, q6_k_quad, CADRE__Q6_K_PART_BYTES, ZERO_PER_16,
                n_rows, n_panels);
}

INLINE void q8_0(const cadre__tile *t, int n_rows, int n_panels)
{
    groups_tile(t, q8_0_quad, CADRE__Q8_0_GROUP_BYTES, 7, n_rows, n_panels);
}

INLINE void q4_0(const cadre__tile *t, int n_rows, int n_panels)
{
    groups_tile(t, q4_0_quad, CADRE__Q4_0_GROUP_BYTES, 3, n_rows, n_panels);
}

MATMUL_PAIRS(q8_0)
MATMUL_PAIRS(q4_0)
MATMUL_PAIRS(q4_k)
MATMUL_PAIRS(q5_k)
MATMUL_PAIRS(q6_k)
