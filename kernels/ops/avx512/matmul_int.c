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

/* dp[r] += u . values of row r, four k at a time. */
INLINE void add_quad(__m512i *dp, __m512i u, const row_pointers *at, size_t k, int n_rows)
{
    EACH_ROW(n_rows, dp[r] = _mm512_dpbusd_epi32(dp[r], u, broadcast_row(at, r, k)));
}

/* acc[r] = fma(float(dp[r]), scale x sx[r], acc[r]); sx of block b. */
INLINE void add_scaled(__m512 *acc, const __m512i *dp, __m512 scale, const terms *x,
                       size_t b, int n_rows)
{
    EACH_ROW(n_rows, acc[r] = _mm512_fmadd_ps(
                         _mm512_cvtepi32_ps(dp[r]),
                         _mm512_mul_ps(scale, _mm512_set1_ps(x->scale[r][b])), acc[r]));
}

INLINE void start_from_zero(__m512i *dp, const terms *x, size_t at, int n_rows)
{
    EACH_ROW(n_rows, dp[r] = _mm512_set1_epi32(x->zero[r][at]));
}

INLINE void start_from_nothing(__m512i *dp, int n_rows)
{
    EACH_ROW(n_rows, dp[r] = _mm512_setzero_si512());
}

/* acc[r] = fma(-minimum, offset[r], acc[r]) */
INLINE void subtract_minimum(__m512 *acc, __m512 minimum, const terms *x, size_t b,
                             int n_rows)
{
    EACH_ROW(n_rows,
             acc[r] = _mm512_fnmadd_ps(minimum, _mm512_set1_ps(x->offset[r][b]), acc[r]));
}

/* ---- Tiles ---- */

typedef __m512i group_quad_fn(const uint8_t *group, size_t j);
typedef __m512i super_quad_fn(const uint8_t *super, size_t c, size_t j);

/* Q8_0 and Q4_0; the zero is 1 << shift. */
INLINE void groups_tile(const cadre__tile *t, group_quad_fn *quad, size_t group_bytes,
                        unsigned shift, int n_rows)
{
    terms x;
    __m512 acc[TILE_ROWS];
    __m512i dp[TILE_ROWS];
    row_pointers at = tile_pointers(t);
    look_ahead ahead = look_ahead_from(t, t->n_in / 64);
    const uint8_t *w = t->panel;
    const size_t n_blocks = t->n_in / 32;

    clear(acc, n_rows);
    for (size_t first = 0; first < n_blocks; first += CHUNK) {
        const size_t n = n_blocks - first < CHUNK ? n_blocks - first : CHUNK;
        prepare_terms(t, first, n, ZERO_PER_32, shift, n_rows, &x);
        for (size_t b = 0; b < n; b += 2, w += group_bytes) {
            UNROLL
            for (size_t i = 0; i < 2; i++) {
                HIDE(w);
                start_from_zero(dp, &x, b + i, n_rows);
                UNROLL
                for (size_t j = 0; j < 8; j++)
                    add_quad(dp, quad(w, 8 * i + j), &at, 32 * i + 4 * j, n_rows);
                add_scaled(acc, dp, load_f16(w + 32 * i), &x, b + i, n_rows);
            }
            advance(&at, 64);
            fetch_ahead(&ahead);
        }
    }
    store_tile(t, acc, n_rows);
}

/* The 64 k number c of a superblock of Q4_K or Q5_K, blocks b and b + 1 of the chunk. */
INLINE void add_super_group(const uint8_t *super, super_quad_fn *quad, size_t c,
                            const row_pointers *at, const terms *x, size_t b, __m512 *acc,
                            int n_rows)
{
    __m512i dp[TILE_ROWS];

    UNROLL
    for (size_t i = 0; i < 2; i++) {
        const size_t in = (2 * c + i) * CADRE_PANEL;
        HIDE(super);
        start_from_nothing(dp, n_rows);
        UNROLL
        for (size_t j = 0; j < 8; j++)
            add_quad(dp, quad(super, c, 8 * i + j), at, 32 * i + 4 * j, n_rows);
        const __m512 scale = _mm512_mul_ps(load_f16(super), load_u8(super + SCALES + in));
        const __m512 minimum =
            _mm512_mul_ps(load_f16(super + 32), load_u8(super + MINIMA + in));
        add_scaled(acc, dp, scale, x, b + i, n_rows);
        subtract_minimum(acc, minimum, x, b + i, n_rows);
    }
}

/* Q4_K. */
INLINE void q4_k(const cadre__tile *t, int n_rows)
{
    terms x;
    __m512 acc[TILE_ROWS];
    row_pointers at = tile_pointers(t);
    look_ahead ahead = look_ahead_from(t, t->n_in / 64);
    const uint8_t *w = t->panel;
    const size_t n_blocks = t->n_in / 32;

    clear(acc, n_rows);
    for (size_t first = 0; first < n_blocks; first += CHUNK) {
        const size_t n = n_blocks - first < CHUNK ? n_blocks - first : CHUNK;
        prepare_terms(t, first, n, OFFSET, 0, n_rows, &x);
        for (size_t b = 0; b < n; b += 2, advance(&at, 64)) {
            add_super_group(w + b / 8 * CADRE__Q4_K_BYTES, q4_k_quad, b % 8 / 2, &at, &x,
                            b, acc, n_rows);
            fetch_ahead(&ahead);
        }
        w += n / 8 * CADRE__Q4_K_BYTES;
    }
    store_tile(t, acc, n_rows);
}

/* Q5_K; unrolled, since shifts by constants are quicker. */
INLINE void q5_k(const cadre__tile *t, int n_rows)
{
    terms x;
    __m512 acc[TILE_ROWS];
    row_pointers at = tile_pointers(t);
    look_ahead ahead = look_ahead_from(t, t->n_in / 64);
    const uint8_t *w = t->panel;
    const size_t n_blocks = t->n_in / 32;

    clear(acc, n_rows);
    for (size_t first = 0; first < n_blocks; first += CHUNK) {
        const size_t n = n_blocks - first < CHUNK ? n_blocks - first : CHUNK;
        prepare_terms(t, first, n, OFFSET, 0, n_rows, &x);
        for (size_t b = 0; b < n; b += 8, w += CADRE__Q5_K_BYTES) {
            UNROLL
            for (size_t c = 0; c < 4; c++) {
                add_super_group(w, q5_k_quad, c, &at, &x, b + 2 * c, acc, n_rows);
                advance(&at, 64);
                fetch_ahead(&ahead);
            }
        }
    }
    store_tile(t, acc, n_rows);
}

INLINE void q6_k(const cadre__tile *t, int n_rows)
{
    terms x;
    __m512 acc[TILE_ROWS];
    __m512i dp[TILE_ROWS];
    row_pointers at = tile_pointers(t);
    look_ahead ahead = look_ahead_from(t, t->n_in / 64);
    const uint8_t *w = t->panel;
    const size_t n_blocks = t->n_in / 32;

    clear(acc, n_rows);
    for (size_t first = 0; first < n_blocks; first += CHUNK) {
        const size_t n = n_blocks - first < CHUNK ? n_blocks - first : CHUNK;
        prepare_terms(t, first, n, ZERO_PER_16, 5, n_rows, &x);
        for (size_t b = 0; b < n; b += 2, advance(&at, 64)) {
            const uint8_t *super = w + b / 8 * CADRE__Q6_K_BYTES;
            fetch_ahead(&ahead);
            UNROLL
            for (size_t h = 0; h < 4; h++) {
                const uint8_t *scales = super + SCALES + (b % 8 * 2 + h) * CADRE_PANEL;
                HIDE(super);
                start_from_zero(dp, &x, 2 * b + h, n_rows);
                UNROLL
                for (size_t j = 0; j < 4; j++)
                    add_quad(dp, q6_k_quad(super, b % 8 / 2, 4 * h + j), &at,
                             16 * h + 4 * j, n_rows);
                add_scaled(acc, dp, _mm512_mul_ps(load_f16(super), load_s8(scales)), &x,
                           b + h / 2, n_rows);
            }
        }
        w += n / 8 * CADRE__Q6_K_BYTES;
    }
    store_tile(t, acc, n_rows);
}

INLINE void q8_0(const cadre__tile *t, int n_rows)
{
    groups_tile(t, q8_0_quad, CADRE__Q8_0_GROUP_BYTES, 7, n_rows);
}

INLINE void q4_0(const cadre__tile *t, int n_rows)
{
    groups_tile(t, q4_0_quad, CADRE__Q4_0_GROUP_BYTES, 3, n_rows);
}

MATMUL(q8_0)
MATMUL(q4_0)
MATMUL(q4_k)
MATMUL(q5_k)
MATMUL(q6_k)
