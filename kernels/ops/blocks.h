/* ops/blocks.h - the blocks of quantised weights as GGUF files hold them, taken apart.
 *
 * All numbers are little-endian. A weight is d x (u - zero), or with scales and minima of
 * sub-blocks d x scale x (u - zero) or d x scale x u - dmin x minimum:
 *
 *   Q8_0   34 bytes, 32 weights: f16 d, int8[32] (here u = q + 128)
 *   Q4_0   18 bytes, 32 weights: f16 d, u8[16]: byte i has weight i in its low nibble,
 *          weight i + 16 in its high one; zero 8
 *   Q4_K  144 bytes, 256 weights: f16 d, f16 dmin, u8[12] scales and minima, u8[128]: for
 *          each 64 weights 32 bytes, low nibbles the first 32 weights, high ones the rest
 *   Q5_K  176 bytes: as Q4_K, with u8[32] before the nibbles: bit b of byte i is the
 *          fifth bit of weight i of the block of 32 number b
 *   Q6_K  210 bytes: u8[128], u8[64], int8 scale[16] (one per 16 weights), f16 d; per 128
 *          weights 64 bytes of nibbles (low: weights 0 to 63, high: 64 to 127) and 32
 *          bytes whose bits 2s, 2s + 1 are the upper two of weights 32s + i; zero 32
 *
 * The 12 bytes of Q4_K and Q5_K hold eight 6-bit scales and eight 6-bit minima: of
 * sub-blocks 0 to 3 in the low six bits of bytes j and j + 4; of sub-block j = 4 to 7 the
 * low four bits in the nibbles of byte j + 4 (scale low, minimum high), the upper two in
 * the top bits of bytes j - 4 (scale) and j (minimum).
 */
#ifndef CADRE_OPS_BLOCKS_H
#define CADRE_OPS_BLOCKS_H

#include <cadre/matrix.h>

enum { CADRE__MAX_BLOCK = 256 };

/* One block of a file. */
typedef struct cadre__block {
    uint8_t u[CADRE__MAX_BLOCK];
    uint16_t d, dmin;   /* f16; dmin of Q4_K, Q5_K */
    uint8_t scale[16];  /* 8 of Q4_K, Q5_K; 16 of Q6_K, signed */
    uint8_t minimum[8]; /* Q4_K, Q5_K */
} cadre__block;

/* Take one block of a quantised type apart. Fields that the type has not are left. */
void cadre__block_read(cadre_wtype type, const uint8_t *src, cadre__block *out);

/* Whether the type is one of the quantised ones, and whether one of 256 weights. */
static inline int cadre__is_quantised(cadre_wtype type)
{
    return type >= CADRE_W_Q8_0;
}

static inline int cadre__is_superblock(cadre_wtype type)
{
    return type >= CADRE_W_Q4_K;
}

#endif
