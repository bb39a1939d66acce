/* ops/packed.h - the bytes of a packed panel (cadre/matrix.h), and how each type is
 * multiplied. Every level of ops follows this to the bit.
 *
 * A panel holds 16 outputs (o) of n_in weights (k). All vectors of 16 are in order of o.
 * n_in is padded with zero weights (zero scales, or zeros) to a multiple of 64.
 *
 * F32   for each k: f32[16].
 * F16   for each k: f16[16].
 * BF16  for each pair of k: bf16[16][2], k even first.
 *
 * The quantised types store unsigned bytes or bits u; a weight is scale x (u - zero), or
 * scale x u - minimum. Products of u and the activations' int8 are summed over four k at
 * a time per output, as vpdpbusd and tdpbusd do: a "quad" is u8[16][4], 64 bytes, with
 * k = 4j .. 4j+3 of output o at [o][0..3].
 *
 * Q8_0  per 64 k: f16 scales[2][16] (one vector per 32 k), then 16 quads; zero 128.
 * Q4_0  per 64 k: f16 scales[2][16], then 8 vectors of 64 bytes: the low nibbles of
 *       vector j are quad j of the first 32 k, the high nibbles quad j of the second;
 *       zero 8.
 *
 * The K types per 256 k: a head of f16 d[16] and f16 dmin[16], then four parts of 64 k.
 * So a panel is read from its first byte to its last, which is what the CPU's prefetchers
 * see through.
 *
 * Q4_K  a part: u8 scale[2][16], u8 minimum[2][16] (one vector per 32 k), then 8 vectors
 *       as in Q4_0. The weight's scale is d x scale, its minimum dmin x minimum, both
 *       exact in f32.
 * Q5_K  the same, with 2 vectors of 64 bytes before those of Q4_0: bit s of vector i is
 *       the fifth bit of quad 8i + s.
 * Q6_K  dmin is zero. A part: int8 scale[4][16] (one vector per 16 k), 4 vectors of 64
 *       bytes with the upper two bits: bits 2s, 2s + 1 of vector i are those of quad
 *       4s + i; then the low four as in Q4_0; zero 32. The scale is d x scale, exact in
 *       f32.
 *
 * One element of a product, with x in Q8 form (scale sx[b], int8 q, per block b of 32 k):
 *
 *   Q8_0, Q4_0   for each b: dp = sum(u q) - zero sum(q), an integer;
 *                            acc = fma(float(dp), scale[b] x sx[b], acc)
 *   Q6_K         for each 16 k, h of block b: the same with zero 32 and its own scale,
 *                            acc = fma(float(dp), scale[h] x sx[b], acc)
 *   Q4_K, Q5_K   for each b: acc = fma(float(sum(u q)), scale[b] x sx[b], acc);
 *                            acc = fma(-minimum[b], offset[b], acc)
 *                with offset[b] = sx[b] x float(sum(q)) from the rows
 *   F32, F16     for each k: acc = fma(x[k], w[k], acc)
 *   BF16         for each pair of k: acc = fma(x[k+1], w[k+1], acc), then
 *                acc = fma(x[k], w[k], acc), bf16 widened to f32: the order of vdpbf16ps,
 *                which besides takes and gives denormals as zero
 *
 * acc starts at +0, every product scale x sx is rounded to f32 once, and y is acc, or
 * with `accumulate` y + acc.
 *
 * Q8 form of 32 values x: amax = max |x|, sx = amax / 127, q = round to nearest even of
 * x * (1 / sx), which is within +-127; sx and q are 0 if amax is not finite, or so small
 * (below 2^-100) that 1 / sx might not be.
 */
#ifndef CADRE_OPS_PACKED_H
#define CADRE_OPS_PACKED_H

#include <cadre/matrix.h>

enum {
    CADRE__GROUP = 64,       /* k of a group of Q8_0, Q4_0 */
    CADRE__SUPERBLOCK = 256, /* k of a superblock of the K types */
    CADRE__QUAD_BYTES = 64,

    CADRE__Q8_0_GROUP_BYTES = 64 + 1024,
    CADRE__Q4_0_GROUP_BYTES = 64 + 512,

    CADRE__HEAD_BYTES = 64, /* of a superblock; its parts follow */
    CADRE__Q4_K_PART_BYTES = 64 + 512,
    CADRE__Q5_K_PART_BYTES = CADRE__Q4_K_PART_BYTES + 128,
    CADRE__Q6_K_PART_BYTES = 64 + 512 + 256,
    CADRE__Q4_K_BYTES = CADRE__HEAD_BYTES + 4 * CADRE__Q4_K_PART_BYTES,
    CADRE__Q5_K_BYTES = CADRE__HEAD_BYTES + 4 * CADRE__Q5_K_PART_BYTES,
    CADRE__Q6_K_BYTES = CADRE__HEAD_BYTES + 4 * CADRE__Q6_K_PART_BYTES,

    /* Where these lie in a part, which begins with the scales. */
    CADRE__PART_MINIMA = 2 * CADRE_PANEL,
    CADRE__PART_UPPER = 64, /* Q5_K, Q6_K */
    CADRE__Q4_K_NIBBLES = 64,
    CADRE__Q5_K_NIBBLES = CADRE__PART_UPPER + 128,
    CADRE__Q6_K_NIBBLES = CADRE__PART_UPPER + 256,
};

#endif
