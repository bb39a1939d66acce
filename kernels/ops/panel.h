/* ops/panel.h - packed weights taken apart again, for what need not be fast. */
#ifndef CADRE_OPS_PANEL_H
#define CADRE_OPS_PANEL_H

#include "ops/packed.h"

/* 32 k of one output of a quantised type. */
typedef struct cadre__panel_block {
    uint8_t u[32];
    int zero;
    float scale[2]; /* of 16 k each; the same but for Q6_K */
    float minimum;  /* 0 but for Q4_K and Q5_K */
} cadre__panel_block;

/* Block b (32 k each) of output o of a packed panel. */
void cadre__panel_block_read(cadre_wtype type, const uint8_t *panel, size_t b, size_t o,
                             cadre__panel_block *out);

/* The weight of output o at k, of a panel of F32, F16 or BF16. */
float cadre__panel_weight(cadre_wtype type, const uint8_t *panel, size_t k, size_t o);

#endif
