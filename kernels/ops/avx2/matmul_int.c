/* ops/avx2/matmul_int.c - products of the quantised types: packed.h.
 *
 * vpmaddubsw multiplies unsigned by signed bytes and adds two products in 16 bits, where
 * it saturates: |sum| <= 2 * 127 * max(u). So as many quads as fit are added in 16 bits,
 * then widened; Q8_0, for whose bytes not even one fits, goes as two nibbles, which is
 * faster than moving signs to the activations (on Zen 4 by 12 %).
 */
#include "ops/avx2/avx2.h"
#include "ops/packed.h"
#include <string.h>

/* A block of 32 k of a panel. */
typedef struct block {
    const uint8_t *quads;  /* or the vectors of nibbles */
    const uint8_t *upper;  /* Q5_K, Q6_K */
    const uint8_t *scales; /* f16 or bytes, of this block */
} block;

/* The head of a superblock of the K types: d and dmin of the 16 outputs. It is kept,
 * since going back to it for each block would spoil the order in which memory is read. */
typedef struct super_head {
    __m256 d[2], dmin[2];
} super_head;

/* Of 64 k. */
INLINE size_t group_bytes(cadre_wtype type)
{
    switch (type) {
    case CADRE_W_Q8_0:
        return CADRE__Q8_0_GROUP_BYTES;
    case CADRE_W_Q4_0:
        return CADRE__Q4_0_GROUP_BYTES;
    case CADRE_W_Q4_K:
        return CADRE__Q4_K_PART_BYTES;
    case CADRE_W_Q5_K:
        return CADRE__Q5_K_PART_BYTES;
    default:
        return CADRE__Q6_K_PART_BYTES;
    }
}

/* Block 2 * group + i, where i is a constant. */
INLINE block block_at(cadre_wtype type, const uint8_t *panel, size_t group, size_t i)
{
    block b = {0};

    if (type == CADRE_W_Q8_0 || type == CADRE_W_Q4_0) {
        const uint8_t *at = panel + group * group_bytes(type);
        b.scales = at + 32 * i;
        b.quads = at + 64 + (type == CADRE_W_Q8_0 ? 512 * i : 0);
        return b;
    }
    const size_t part_bytes = group_bytes(type);
    const uint8_t *part =
        panel + (group / 4 + 1) * CADRE__HEAD_BYTES + group * part_bytes;
    b.scales = part + (type == CADRE_W_Q6_K ? 2 : 1) * i * CADRE_PANEL;
    b.quads = part + (type == CADRE_W_Q4_K   ? CADRE__Q4_K_NIBBLES
                      : type == CADRE_W_Q5_K ? CADRE__Q5_K_NIBBLES
                                             : CADRE__Q6_K_NIBBLES);
    b.upper = part + CADRE__PART_UPPER;
    return b;
}

/* The head before part `group`, the first of its superblock. */
INLINE void read_head(cadre_wtype type, const uint8_t *panel, size_t group,
                      super_head *out)
{
    const uint8_t *head = block_at(type, panel, group, 0).scales - CADRE__HEAD_BYTES;

    UNROLL
    for (int h = 0; h < 2; h++) {
        out->d[h] = load_f16(head + 16 * h);
        out->dmin[h] = load_f16(head + 32 + 16 * h);
    }
}

INLINE __m256i load(const uint8_t *src)
{
    return _mm256_load_si256((const void *)src);
}

/* u of quad j of eight outputs; i is the block's parity. */
INLINE __m256i load_u(cadre_wtype type, const block *b, size_t i, size_t j, size_t h)
{
    const __m256i nibble = _mm256_set1_epi8(15), two = _mm256_set1_epi8(0x30);
    const __m256i packed = load(b->quads + 64 * j + 32 * h);

    const __m256i low =
        _mm256_and_si256(i ? _mm256_srli_epi16(packed, 4) : packed, nibble);
    if (type == CADRE_W_Q5_K) {
        const __m256i bit = _mm256_set1_epi8((char)(1 << j));
        const __m256i fifth = _mm256_and_si256(load(b->upper + 64 * i + 32 * h), bit);
        const __m256i set = _mm256_cmpeq_epi8(fifth, bit);
        return _mm256_or_si256(low, _mm256_and_si256(set, _mm256_set1_epi8(16)));
    }
    if (type == CADRE_W_Q6_K) {
        const size_t quad = 8 * i + j;
        const __m256i bits = load(b->upper + quad % 4 * 64 + 32 * h);
        const __m256i at4 = quad / 4 == 0   ? _mm256_slli_epi16(bits, 4)
                            : quad / 4 == 1 ? _mm256_slli_epi16(bits, 2)
                            : quad / 4 == 2 ? bits
                                            : _mm256_srli_epi16(bits, 2);
        return _mm256_or_si256(low, _mm256_and_si256(at4, two));
    }
    return low;
}

/* Quads whose products may be added in 16 bits. */
INLINE size_t quads_in_16_bits(cadre_wtype type)
{
    return type == CADRE_W_Q6_K ? 2 : type == CADRE_W_Q5_K ? 4 : 8;
}

/* Sums of pairs of 16-bit integers, added to dp. */
INLINE __m256i add_pairs(__m256i dp, __m256i words)
{
    return _mm256_add_epi32(dp, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}

/* Where the integers of the rows stand: two pointers and a distance reach six rows by the
 * addressing modes of the CPU. What the compiler knows of them is hidden from it, or it
 * would keep six pointers, for which there are no registers. */
typedef struct row_values {
    const uint8_t *three[2]; /* rows 0 and 3 */
    size_t row_bytes;
} row_values;

INLINE row_values values_at(const cadre__tile *t, size_t byte)
{
    row_values x = {{t->values + byte, t->values + 3 * t->row_bytes + byte},
                    t->row_bytes};

    __asm__("" : "+r"(x.three[0]), "+r"(x.three[1]), "+r"(x.row_bytes));
    return x;
}

INLINE __m256i load_four(const row_values *x, int r, size_t j)
{
    const uint8_t *at = x->three[r / 3] + (size_t)(r % 3) * x->row_bytes + 4 * j;
    int32_t four;

    memcpy(&four, at, sizeof four);
    return _mm256_set1_epi32(four);
}

/* dp[r] = sums of u q over 8 quads of eight outputs, by nibbles of u. */
INLINE void dot_bytes(const block *b, size_t h, const row_values *x, int n_rows,
                      __m256i *dp)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low[TILE_ROWS], high[TILE_ROWS];

    UNROLL
    for (size_t j = 0; j < 8; j++) {
        const __m256i u = load(b->quads + 64 * j + 32 * h);
        const __m256i u0 = _mm256_and_si256(u, nibble);
        const __m256i u1 = _mm256_and_si256(_mm256_srli_epi16(u, 4), nibble);
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            const __m256i q = load_four(x, r, j);
            const __m256i p0 = _mm256_maddubs_epi16(u0, q),
                          p1 = _mm256_maddubs_epi16(u1, q);
            low[r] = j == 0 ? p0 : _mm256_add_epi16(low[r], p0);
            high[r] = j == 0 ? p1 : _mm256_add_epi16(high[r], p1);
            KEEP_ORDER(low[r]);
            KEEP_ORDER(high[r]);
        }
    }
    UNROLL
    for (int r = 0; r < n_rows; r++)
        dp[r] = add_pairs(_mm256_madd_epi16(high[r], _mm256_set1_epi16(16)), low[r]);
}

/* dp[r] = sums of u q over quads [first, first + n). */
INLINE void dot_bits(cadre_wtype type, const block *b, size_t i, size_t h, size_t first,
                     size_t n, const row_values *x, int n_rows, __m256i *dp)
{
    const size_t run = quads_in_16_bits(type);
    __m256i words[TILE_ROWS];

    for (int r = 0; r < n_rows; r++)
        dp[r] = _mm256_setzero_si256();
    UNROLL
    for (size_t j = 0; j < n; j++) {
        const __m256i u = load_u(type, b, i, first + j, h);
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            const __m256i two = _mm256_maddubs_epi16(u, load_four(x, r, first + j));
            words[r] = j % run == 0 ? two : _mm256_add_epi16(words[r], two);
            KEEP_ORDER(words[r]);
            if (j % run == run - 1)
                dp[r] = add_pairs(dp[r], words[r]);
        }
    }
}

/* Eight bytes as floats. */
INLINE __m256 bytes_to_floats(const uint8_t *src, int is_signed)
{
    const __m128i bytes = _mm_loadl_epi64((const void *)src);
    return _mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(bytes)
                                        : _mm256_cvtepu8_epi32(bytes));
}

/* Scales of eight outputs; of half a block of Q6_K. */
INLINE __m256 load_scales(cadre_wtype type, const super_head *head, const block *b,
                          size_t half, size_t h)
{
    if (type == CADRE_W_Q8_0 || type == CADRE_W_Q4_0)
        return load_f16(b->scales + 16 * h);
    return _mm256_mul_ps(
        head->d[h], bytes_to_floats(b->scales + 16 * half + 8 * h, type == CADRE_W_Q6_K));
}

/* acc[r][h] = fma(float(dp[r] - zero), scale x sx[r], acc[r][h]), where at is the block's
 * number in a row. */
INLINE void add_scaled(cadre_wtype type, const cadre__tile *t, size_t at, size_t half,
                       size_t h, __m256 scale, const __m256i *dp, int n_rows,
                       panel_sums *acc)
{
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        const size_t block_number = (size_t)r * t->row_blocks + at;
        const int32_t *sums = t->sums + 2 * block_number;
        __m256i sum = dp[r];
        if (type == CADRE_W_Q8_0 || type == CADRE_W_Q4_0) {
            const int32_t zero = type == CADRE_W_Q8_0 ? 128 : 8;
            sum = _mm256_sub_epi32(sum, _mm256_set1_epi32(zero * (sums[0] + sums[1])));
        }
        if (type == CADRE_W_Q6_K)
            sum = _mm256_sub_epi32(sum,
                                   _mm256_slli_epi32(_mm256_set1_epi32(sums[half]), 5));
        const __m256 product =
            _mm256_mul_ps(scale, _mm256_broadcast_ss(t->scales + block_number));
        acc[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), product, acc[r][h]);
    }
}

/* acc[r][h] = fma(-minimum, offset[r], acc[r][h]) */
INLINE void subtract_minima(const cadre__tile *t, const super_head *head, const block *b,
                            size_t at, size_t h, int n_rows, panel_sums *acc)
{
    const __m256 minimum = _mm256_mul_ps(
        head->dmin[h], bytes_to_floats(b->scales + CADRE__PART_MINIMA + 8 * h, 0));
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        const float *offset = t->offsets + (size_t)r * t->row_blocks + at;
        acc[r][h] = _mm256_fnmadd_ps(minimum, _mm256_broadcast_ss(offset), acc[r][h]);
    }
}

/* One block of 32 k, whose number in a row is at, for eight outputs. */
INLINE void add_block(cadre_wtype type, const cadre__tile *t, const super_head *head,
                      const block *b, size_t i, size_t at, size_t h, int n_rows,
                      panel_sums *acc)
{
    const row_values x = values_at(t, 32 * at);
    __m256i dp[TILE_ROWS];

    if (type == CADRE_W_Q6_K) {
        for (size_t half = 0; half < 2; half++) {
            dot_bits(type, b, i, h, 4 * half, 4, &x, n_rows, dp);
            add_scaled(type, t, at, half, h, load_scales(type, head, b, half, h), dp,
                       n_rows, acc);
        }
        return;
    }
    if (type == CADRE_W_Q8_0)
        dot_bytes(b, h, &x, n_rows, dp);
    else
        dot_bits(type, b, i, h, 0, 8, &x, n_rows, dp);
    add_scaled(type, t, at, 0, h, load_scales(type, head, b, 0, h), dp, n_rows, acc);
    if (type == CADRE_W_Q4_K || type == CADRE_W_Q5_K)
        subtract_minima(t, head, b, at, h, n_rows, acc);
}

INLINE void int_tile(const cadre__tile *t, cadre_wtype type, int n_rows)
{
    panel_sums acc[TILE_ROWS];
    super_head head;

    for (int r = 0; r < n_rows; r++)
        acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    for (size_t group = 0; group < t->n_in / CADRE__GROUP; group++) {
        if (type != CADRE_W_Q8_0 && type != CADRE_W_Q4_0 && group % 4 == 0)
            read_head(type, t->panel, group, &head);
        UNROLL
        for (size_t i = 0; i < 2; i++) {
            const block b = block_at(type, t->panel, group, i);
            for (size_t h = 0; h < 2; h++) /* unrolled it would want too many registers */
                add_block(type, t, &head, &b, i, 2 * group + i, h, n_rows, acc);
        }
    }
    store_tile(t, acc, n_rows);
}

MATMUL(int_tile, CADRE_W_Q8_0, q8_0, TILE_ROWS)
MATMUL(int_tile, CADRE_W_Q4_0, q4_0, TILE_ROWS)
MATMUL(int_tile, CADRE_W_Q4_K, q4_k, TILE_ROWS)
MATMUL(int_tile, CADRE_W_Q5_K, q5_k, TILE_ROWS)
MATMUL(int_tile, CADRE_W_Q6_K, q6_k, TILE_ROWS)
