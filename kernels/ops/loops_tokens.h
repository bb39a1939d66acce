/* ops/loops_tokens.h - the ops of a transformer as plain loops; a part of loops.h. */
#ifndef CADRE_OPS_LOOPS_TOKENS_H
#define CADRE_OPS_LOOPS_TOKENS_H

#include "ops/attention.h"
#include <cadre/ops.h>
#include <float.h>
#include <math.h>

/* ---- Vectors ---- */

static void rmsnorm_f32(const float *x, const float *weight, float eps, size_t n,
                        float *y)
{
    float lane[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] += x[i + j] * x[i + j];
    for (size_t j = 0; i + j < n; j++)
        lane[j] += x[i + j] * x[i + j];
    const float scale = 1.0f / sqrtf(join_lanes(lane) / (float)n + eps);
    for (i = 0; i < n; i++)
        y[i] = x[i] * scale * weight[i];
}

static void silu_mul_f32(float *restrict gate, size_t gate_stride,
                         const float *restrict up, size_t up_stride, size_t rows,
                         size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        float *restrict g = gate + r * gate_stride;
        const float *restrict u = up + r * up_stride;
        for (size_t c = 0; c < cols; c++)
            g[c] = g[c] / (1.0f + exp_approx(-g[c])) * u[c];
    }
}

static void rotate_pairs(float *restrict x, size_t n, const float *restrict cosines,
                         const float *restrict sines)
{
    for (size_t i = 0; i < n; i++) {
        const float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cosines[i] - b * sines[i];
        x[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
}

static void rotate_halves(float *restrict x, float *restrict y, size_t n,
                          const float *restrict cosines, const float *restrict sines)
{
    for (size_t i = 0; i < n; i++) {
        const float a = x[i], b = y[i];
        x[i] = a * cosines[i] - b * sines[i];
        y[i] = a * sines[i] + b * cosines[i];
    }
}

static void rope_f32(float *x, size_t n_heads, size_t head_dim, size_t n_rot,
                     const float *cosines, const float *sines, int halves)
{
    for (size_t h = 0; h < n_heads; h++, x += head_dim) {
        if (halves)
            rotate_halves(x, x + n_rot / 2, n_rot / 2, cosines, sines);
        else
            rotate_pairs(x, n_rot / 2, cosines, sines);
    }
}

/* Where the first of n values equal to top is; 0 if none is, as with NaNs alone. */
static size_t first_equal(const float *x, size_t n, float top)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        int found = 0;
        for (size_t j = 0; j < LANES; j++)
            found |= x[i + j] == top;
        if (found)
            break;
    }
    for (; i < n; i++)
        if (x[i] == top)
            return i;
    return 0;
}

static size_t argmax_f32(const float *x, size_t n)
{
    float lane[LANES];
    size_t i = 0;

    for (size_t j = 0; j < LANES; j++)
        lane[j] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (size_t j = 0; i + j < n; j++)
        lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    return first_equal(x, n, row_max(lane, LANES));
}

static float exp_sum_f32(const float *x, size_t n, float max, float scale, float *y)
{
    return exp_sum(x, n, max, scale, y);
}

/* ---- 8-bit integers ---- */

/* max |x| of n values, where NaN counts as more than infinity. */
static inline float largest_magnitude(const float *x, size_t n)
{
    uint32_t top = 0;

    for (size_t i = 0; i < n; i++) {
        const uint32_t magnitude = float_bits(x[i]) & 0x7fffffffu;
        top = magnitude > top ? magnitude : top;
    }
    return bits_float(top);
}

/* The scale for values up to amax, such that its inverse is finite. */
static inline float q8_scale(float amax)
{
    return amax >= 0x1p-100f && amax < INFINITY ? amax / 127.0f : 0.0f;
}

/* n integers to nearest even, in -127 .. 127, for a scale that is not 0. */
static inline void q8_round(const float *restrict x, size_t n, float scale,
                            int8_t *restrict q)
{
    const float inverse = 1.0f / scale, shift = 12582912.0f; /* 1.5 * 2^23 */

    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)(float_bits(x[i] * inverse + shift) - float_bits(shift));
}

static inline int32_t q8_sum(const int8_t *q)
{
    int32_t sum = 0;

    for (size_t i = 0; i < 16; i++)
        sum += q[i];
    return sum;
}

/* ---- Rows ---- */

static void row_to_q8(const float *x, const cadre_rows *out, size_t row)
{
    const size_t n_blocks = out->stride / 32;

    for (size_t b = 0; b < n_blocks; b++) {
        const size_t at = row * n_blocks + b;
        int8_t *q = (int8_t *)out->values + 32 * at;
        float scale = 0;

        if (32 * b < out->n_in)
            scale = q8_scale(largest_magnitude(x + 32 * b, 32));
        if (scale > 0)
            q8_round(x + 32 * b, 32, scale, q);
        else
            memset(q, 0, 32);
        out->scales[at] = scale;
        out->sums[2 * at] = q8_sum(q);
        out->sums[2 * at + 1] = q8_sum(q + 16);
        out->offsets[at] = scale * (float)(out->sums[2 * at] + out->sums[2 * at + 1]);
    }
}

static void row_to_bf16(const float *restrict x, size_t n, size_t stride,
                        uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = f32_to_bf16(x[i]);
    memset(out + n, 0, (stride - n) * sizeof *out);
}

static void row_to_f32(const float *x, size_t n, size_t stride, float *out)
{
    memcpy(out, x, n * sizeof *out);
    memset(out + n, 0, (stride - n) * sizeof *out);
}

static void to_rows(const float *x, size_t x_stride, size_t n_rows, cadre_rows *out,
                    size_t first)
{
    for (size_t r = first; r < first + n_rows; r++, x += x_stride) {
        if (out->form == CADRE_FORM_Q8)
            row_to_q8(x, out, r);
        else if (out->form == CADRE_FORM_BF16)
            row_to_bf16(x, out->n_in, out->stride,
                        (uint16_t *)out->values + r * out->stride);
        else
            row_to_f32(x, out->n_in, out->stride, (float *)out->values + r * out->stride);
    }
}

/* ---- Attention (kv.h) ---- */

static const float f16_most = 65504.0f;

/* What is stored of x: finite, and from -most to most. */
static inline float kv_limit(float x, float most)
{
    const float high = x > most ? most : x;
    const float limited = high < -most ? -most : high;
    return x == x ? limited : 0.0f;
}

/* head_dim components to every step-th f16 of out. */
static void store_f16(const float *x, size_t head_dim, uint16_t *out, size_t step)
{
    for (size_t d = 0; d < head_dim; d++)
        out[d * step] = f32_to_f16(kv_limit(x[d], f16_most));
}

static void store_f32(const float *x, size_t head_dim, float *out, size_t step)
{
    for (size_t d = 0; d < head_dim; d++)
        out[d * step] = kv_limit(x[d], FLT_MAX);
}

/* The same as integers, with their scale. */
static void store_int8(const float *x, size_t head_dim, int8_t *out, size_t step,
                       float *scale)
{
    float limited[CADRE__MAX_HEAD_DIM];
    int8_t q[CADRE__MAX_HEAD_DIM] = {0};

    for (size_t d = 0; d < head_dim; d++)
        limited[d] = kv_limit(x[d], f16_most);
    *scale = q8_scale(largest_magnitude(limited, head_dim));
    if (*scale > 0)
        q8_round(limited, head_dim, *scale, q);
    for (size_t d = 0; d < head_dim; d++)
        out[d * step] = q[d];
}

static void kv_store(cadre_kv_type type, size_t head_dim, void *block, size_t slot,
                     const float *key, const float *value)
{
    const cadre__kv_layout at = cadre__kv_layout_of(type, head_dim);
    char *bytes = block;

    if (type == CADRE_KV_F16) {
        uint16_t *keys = block, *values = (uint16_t *)(void *)(bytes + at.values);
        store_f16(key, head_dim, keys + slot, CADRE_KV_PAGE);
        store_f16(value, head_dim, values + slot * at.padded, 1);
    } else if (type == CADRE_KV_F32) {
        float *keys = block, *values = (float *)(void *)(bytes + at.values);
        store_f32(key, head_dim, keys + slot, CADRE_KV_PAGE);
        store_f32(value, head_dim, values + slot * at.padded, 1);
    } else {
        int8_t *keys = block, *values = (int8_t *)(bytes + at.values);
        float *key_scales = (float *)(void *)(bytes + at.key_scales);
        float *value_scales = (float *)(void *)(bytes + at.value_scales);
        store_int8(key, head_dim, keys + slot, CADRE_KV_PAGE, key_scales + slot);
        store_int8(value, head_dim, values + slot * at.padded, 1, value_scales + slot);
    }
}

/* n stored components as f32. */
static void widen(cadre_kv_type type, const uint8_t *src, size_t n, float *restrict out)
{
    const uint16_t *halves = (const uint16_t *)(const void *)src;
    const int8_t *integers = (const int8_t *)src;

    if (type == CADRE_KV_F16)
        for (size_t i = 0; i < n; i++)
            out[i] = f16_to_f32(halves[i]);
    else if (type == CADRE_KV_F32)
        memcpy(out, src, n * sizeof *out);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = (float)integers[i];
}

/* Sums of q and the keys of a page, which are given, for one row. */
static void score_row(const attention_tile *t, size_t r, size_t page, const float *keys)
{
    const float *q = tile_q(t, r);
    float acc[CADRE_KV_PAGE] = {0};

    for (size_t d = 0; d < t->a->head_dim; d++)
        for (size_t p = 0; p < CADRE_KV_PAGE; p++)
            acc[p] = fmaf(q[d], keys[d * CADRE_KV_PAGE + p], acc[p]);
    memcpy(tile_scores(t, r) + page * CADRE_KV_PAGE, acc, sizeof acc);
}

/* Add the values of a page, which are given, to the sums of one row. */
static void add_values(const attention_tile *t, size_t r, size_t page,
                       const float *restrict values)
{
    const float *weights = tile_scores(t, r) + page * CADRE_KV_PAGE;
    const size_t padded = t->at.padded;
    float *restrict sums = tile_sums(t, r);

    for (size_t p = 0; p < CADRE_KV_PAGE; p++)
        for (size_t d = 0; d < padded; d++)
            sums[d] = fmaf(weights[p], values[p * padded + d], sums[d]);
}

static void attend(const attention_tile *t)
{
    const cadre_kv_type type = t->a->type;
    const size_t head_dim = t->a->head_dim, padded = t->at.padded;
    float wide[CADRE_KV_PAGE * CADRE__MAX_HEAD_DIM];

    for (size_t page = 0; page < t->n_pages; page++) {
        widen(type, tile_page(t, page), head_dim * CADRE_KV_PAGE, wide);
        for (size_t r = 0; r < t->n_rows; r++)
            score_row(t, r, page, wide);
    }
    tile_weigh(t);
    memset(tile_sums(t, 0), 0, t->n_rows * padded * sizeof(float));
    for (size_t page = 0; page < t->n_pages; page++) {
        widen(type, tile_page(t, page) + t->at.values, padded * CADRE_KV_PAGE, wide);
        for (size_t r = 0; r < t->n_rows; r++)
            add_values(t, r, page, wide);
    }
    tile_finish(t);
}

static void attention(const cadre_attention *a)
{
    attention_tiles(a, attend);
}

#endif
