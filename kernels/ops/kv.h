/* ops/kv.h - the bytes of a block of keys and values (cadre/matrix.h), and how attention
 * uses them. Every level of ops follows this to the bit.
 *
 * A block holds CADRE_KV_PAGE positions of one KV head. Keys are transposed, so that one
 * vector holds a component of many positions; values lie position by position, padded
 * with zeros to a multiple of 16 components:
 *
 *   F16   f16 key[head_dim][32], f16 value[32][padded]
 *   INT8  int8 key[head_dim][32] (then zeros to a multiple of 64 bytes),
 *         int8 value[32][padded], f32 key_scale[32], f32 value_scale[32]
 *   F32   f32 key[head_dim][32], f32 value[32][padded]
 *
 * What is stored is always finite: values are limited to f16's range, infinities of F32
 * to f32's, and a NaN is stored as 0. So weights of zero hide what lies beyond a query's
 * position.
 * INT8: a key's scale is max |x| / 127 and its integers are rounded as in the Q8 form
 * of rows (packed.h), over the whole head; likewise a value's.
 *
 * One query row q at position P, for d in order of head_dim and p in order of positions:
 *
 *   acc[p] = +0, for each d: acc[p] = fma(q[d], key[d][p], acc[p])
 *   s[p]   = acc[p] x scale                     (INT8: acc[p] x (key_scale[p] x scale))
 *   top    = the largest of s[0 .. P]
 *   e[p]   = exp_approx(s[p] - top), and 0 beyond P
 *   sum    = e summed as row_sum() does: 16 lanes by p mod 16, joined in a tree; any
 *            number of zeros may follow, but there are always 16 lanes
 *   out[d] = +0, for each p: out[d] = fma(e[p], value[p][d], out[d])
 *            (INT8: fma(e[p] x value_scale[p], float(value[p][d]), out[d]))
 *   y[d]   = out[d] x (1 / sum) + 0
 *
 * The last addition takes the sign from a zero, so that the number of hidden positions
 * that take part does not show.
 */
#ifndef CADRE_OPS_KV_H
#define CADRE_OPS_KV_H

#include <cadre/matrix.h>

enum {
    /* Query rows (token, head) that share a pass over keys and values. */
    CADRE__ATTENTION_ROWS = 32,
    CADRE__MAX_HEAD_DIM = 256
};

/* Where the parts of a block begin, in bytes. */
typedef struct cadre__kv_layout {
    size_t padded; /* components of a value: head_dim rounded up to 16 */
    size_t values, key_scales, value_scales, bytes;
} cadre__kv_layout;

/* Whether a type has scales of keys and values. */
static inline int cadre__kv_scaled(cadre_kv_type type)
{
    return type == CADRE_KV_INT8;
}

static inline cadre__kv_layout cadre__kv_layout_of(cadre_kv_type type, size_t head_dim)
{
    static const size_t component_bytes[CADRE_N_KV_TYPES] = {
        [CADRE_KV_F16] = 2, [CADRE_KV_INT8] = 1, [CADRE_KV_F32] = 4};
    const size_t component = component_bytes[type];
    const size_t scales = cadre__kv_scaled(type) ? CADRE_KV_PAGE * sizeof(float) : 0;
    cadre__kv_layout at;

    at.padded = (head_dim + 15) / 16 * 16;
    at.values = (head_dim * CADRE_KV_PAGE * component + 63) / 64 * 64;
    at.key_scales = at.values + CADRE_KV_PAGE * at.padded * component;
    at.value_scales = at.key_scales + scales;
    at.bytes = at.value_scales + scales;
    return at;
}

/* A call's scratch: f32 score[CADRE__ATTENTION_ROWS][positions rounded up to a page],
 * then f32 sum[CADRE__ATTENTION_ROWS][padded head_dim]. */
static inline size_t cadre__attention_positions(size_t n_positions)
{
    return (n_positions + CADRE_KV_PAGE - 1) / CADRE_KV_PAGE * CADRE_KV_PAGE;
}

#endif
