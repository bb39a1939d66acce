/* tests/ops/weights_case.h - random weights of any type, as a file would hold them. */
#ifndef CADRE_TESTS_WEIGHTS_CASE_H
#define CADRE_TESTS_WEIGHTS_CASE_H

#include "ops_case.h"

static const cadre_wtype all_types[] = {CADRE_W_F32,  CADRE_W_F16,  CADRE_W_BF16,
                                        CADRE_W_Q8_0, CADRE_W_Q4_0, CADRE_W_Q4_K,
                                        CADRE_W_Q5_K, CADRE_W_Q6_K};
enum { N_TYPES = sizeof all_types / sizeof all_types[0] };

static inline size_t file_bytes(cadre_wtype type, size_t n)
{
    return n / cadre_wtype_block(type) * cadre_wtype_block_bytes(type);
}

/* Where in a block its f16 scales are: any bits may stand elsewhere. */
static inline void set_scales(cadre_wtype type, uint8_t *block, uint64_t *seed)
{
    const size_t at = type == CADRE_W_Q6_K ? 208 : 0;
    const size_t n = type == CADRE_W_Q4_K || type == CADRE_W_Q5_K ? 2 : 1;

    for (size_t i = 0; i < n; i++) {
        /* normal numbers of either sign from 2^-9 to 2^-5, some 0 or subnormal */
        const uint16_t h = (uint16_t)(0x1800u + next(seed) % 0x1000u);
        const uint64_t kind = next(seed) % 16;
        const uint16_t d = kind == 0 ? 0 : kind == 1 ? h & 0x3ff : h;
        const uint16_t sign = next(seed) % 4 == 0 ? 0x8000 : 0;
        block[at + 2 * i] = (uint8_t)d;
        block[at + 2 * i + 1] = (uint8_t)((d | sign) >> 8);
    }
}

/* n weights at out, which need not be aligned. */
static inline void random_weights(cadre_wtype type, size_t n, uint64_t seed, uint8_t *out)
{
    const size_t bytes = cadre_wtype_block_bytes(type);

    if (cadre_wtype_block(type) == 1) {
        for (size_t i = 0; i < n; i++) {
            const float x = next_float(&seed, 0.1f);
            assert_int_equal(cadre_quantize(type, &x, 1, out + i * bytes), CADRE_OK);
        }
        return;
    }
    for (size_t i = 0; i < file_bytes(type, n); i++)
        out[i] = (uint8_t)next(&seed);
    for (size_t i = 0; i < file_bytes(type, n); i += bytes)
        set_scales(type, out + i, &seed);
}

#endif
