/* ops/pack.c - rows of a file to packed panels (packed.h), and back. */
#include "ops/blocks.h"
#include "ops/half.h"
#include "ops/panel.h"

enum { PANEL = CADRE_PANEL };

/* Bytes for so many k of a panel, which n_in is padded to a multiple of. */
static const struct {
    size_t k, bytes;
} groups[CADRE_N_WTYPES] = {
    [CADRE_W_F32] = {64, 64 * PANEL * 4},
    [CADRE_W_F16] = {64, 64 * PANEL * 2},
    [CADRE_W_BF16] = {64, 64 * PANEL * 2},
    [CADRE_W_Q8_0] = {CADRE__GROUP, CADRE__Q8_0_GROUP_BYTES},
    [CADRE_W_Q4_0] = {CADRE__GROUP, CADRE__Q4_0_GROUP_BYTES},
    [CADRE_W_Q4_K] = {CADRE__SUPERBLOCK, CADRE__Q4_K_BYTES},
    [CADRE_W_Q5_K] = {CADRE__SUPERBLOCK, CADRE__Q5_K_BYTES},
    [CADRE_W_Q6_K] = {CADRE__SUPERBLOCK, CADRE__Q6_K_BYTES},
};

/* Where a part's nibbles begin. */
static size_t nibbles_at(cadre_wtype type)
{
    return type == CADRE_W_Q4_K   ? CADRE__Q4_K_NIBBLES
           : type == CADRE_W_Q5_K ? CADRE__Q5_K_NIBBLES
                                  : CADRE__Q6_K_NIBBLES;
}

/* Part c of a packed superblock. */
static size_t part_at(cadre_wtype type, size_t c)
{
    return CADRE__HEAD_BYTES + c * ((groups[type].bytes - CADRE__HEAD_BYTES) / 4);
}

size_t cadre_panel_bytes(cadre_wtype type, size_t n_in)
{
    if (n_in == 0 || n_in % cadre_wtype_block(type) != 0)
        return 0;
    const size_t n_groups = n_in / groups[type].k + (n_in % groups[type].k != 0);
    return n_groups > SIZE_MAX / groups[type].bytes ? 0 : n_groups * groups[type].bytes;
}

static uint32_t load4(const uint8_t *src)
{
    uint32_t four;
    memcpy(&four, src, 4);
    return four;
}

static void store4(uint8_t *dst, uint32_t four)
{
    memcpy(dst, &four, 4);
}

static void store_u16(uint8_t *dst, size_t index, uint16_t value)
{
    memcpy(dst + 2 * index, &value, 2);
}

static uint16_t load_u16(const uint8_t *src, size_t index)
{
    uint16_t value;
    memcpy(&value, src + 2 * index, 2);
    return value;
}

/* ---- To panels: output o of one panel, from its row ---- */

static void pack_f32(const uint8_t *row, size_t n_in, size_t o, uint8_t *panel)
{
    for (size_t k = 0; k < n_in; k++)
        memcpy(panel + (k * PANEL + o) * 4, row + 4 * k, 4);
}

static void pack_f16(const uint8_t *row, size_t n_in, size_t o, uint8_t *panel)
{
    for (size_t k = 0; k < n_in; k++)
        memcpy(panel + (k * PANEL + o) * 2, row + 2 * k, 2);
}

static void pack_bf16(const uint8_t *row, size_t n_in, size_t o, uint8_t *panel)
{
    for (size_t k = 0; k < n_in; k++)
        memcpy(panel + ((k / 2 * PANEL + o) * 2 + k % 2) * 2, row + 2 * k, 2);
}

static void pack_q8_0(const uint8_t *row, size_t n_in, size_t o, uint8_t *panel)
{
    cadre__block block;

    for (size_t b = 0; b < n_in / 32; b++) {
        uint8_t *group = panel + b / 2 * CADRE__Q8_0_GROUP_BYTES;
        uint8_t *quads = group + 64 + b % 2 * 8 * CADRE__QUAD_BYTES;

        cadre__block_read(CADRE_W_Q8_0, row + 34 * b, &block);
        store_u16(group, b % 2 * PANEL + o, block.d);
        for (size_t j = 0; j < 8; j++)
            memcpy(quads + j * CADRE__QUAD_BYTES + 4 * o, block.u + 4 * j, 4);
    }
}

/* Two blocks of 32 k as low and high nibbles of 8 vectors. */
static void pack_nibbles(const uint8_t *low, const uint8_t *high, size_t o,
                         uint8_t *vectors)
{
    for (size_t j = 0; j < 8; j++)
        store4(vectors + j * CADRE__QUAD_BYTES + 4 * o,
               (load4(low + 4 * j) & 0x0f0f0f0fu) | (load4(high + 4 * j) & 0x0f0f0f0fu)
                                                        << 4);
}

static void pack_q4_0(const uint8_t *row, size_t n_in, size_t o, uint8_t *panel)
{
    cadre__block block[2];

    for (size_t b = 0; b < n_in / 32; b += 2) {
        uint8_t *group = panel + b / 2 * CADRE__Q4_0_GROUP_BYTES;

        memset(&block[1], 0, sizeof block[1]);
        for (size_t i = 0; i < 2 && b + i < n_in / 32; i++) {
            cadre__block_read(CADRE_W_Q4_0, row + 18 * (b + i), &block[i]);
            store_u16(group, i * PANEL + o, block[i].d);
        }
        pack_nibbles(block[0].u, block[1].u, o, group + 64);
    }
}

/* The fifth bits of 64 k. */
static void pack_fifth_bits(const uint8_t *u, size_t o, uint8_t *vectors)
{
    for (size_t i = 0; i < 2; i++) {
        uint32_t bits = 0;
        for (size_t s = 0; s < 8; s++)
            bits |= (load4(u + 4 * (8 * i + s)) >> 4 & 0x01010101u) << s;
        store4(vectors + i * CADRE__QUAD_BYTES + 4 * o, bits);
    }
}

/* The upper two of six bits of 64 k. */
static void pack_upper_bits(const uint8_t *u, size_t o, uint8_t *vectors)
{
    for (size_t i = 0; i < 4; i++) {
        uint32_t bits = 0;
        for (size_t s = 0; s < 4; s++)
            bits |= (load4(u + 4 * (4 * s + i)) >> 4 & 0x03030303u) << 2 * s;
        store4(vectors + i * CADRE__QUAD_BYTES + 4 * o, bits);
    }
}

/* Part c of a superblock. */
static void pack_part(cadre_wtype type, const cadre__block *block, size_t c, size_t o,
                      uint8_t *part)
{
    const uint8_t *u = block->u + 64 * c;

    if (type == CADRE_W_Q6_K) {
        for (size_t h = 0; h < 4; h++)
            part[h * PANEL + o] = block->scale[4 * c + h];
    } else {
        for (size_t i = 0; i < 2; i++) {
            part[i * PANEL + o] = block->scale[2 * c + i];
            part[CADRE__PART_MINIMA + i * PANEL + o] = block->minimum[2 * c + i];
        }
    }
    pack_nibbles(u, u + 32, o, part + nibbles_at(type));
    if (type == CADRE_W_Q5_K)
        pack_fifth_bits(u, o, part + CADRE__PART_UPPER);
    else if (type == CADRE_W_Q6_K)
        pack_upper_bits(u, o, part + CADRE__PART_UPPER);
}

static void pack_superblock(cadre_wtype type, const cadre__block *block, size_t o,
                            uint8_t *out)
{
    store_u16(out, o, block->d);
    if (type != CADRE_W_Q6_K)
        store_u16(out, PANEL + o, block->dmin);
    for (size_t c = 0; c < 4; c++)
        pack_part(type, block, c, o, out + part_at(type, c));
}

static void pack_superblocks(cadre_wtype type, const uint8_t *row, size_t n_in, size_t o,
                             uint8_t *panel)
{
    cadre__block block;

    for (size_t s = 0; s < n_in / CADRE__SUPERBLOCK; s++) {
        cadre__block_read(type, row + s * cadre_wtype_block_bytes(type), &block);
        pack_superblock(type, &block, o, panel + s * groups[type].bytes);
    }
}

static void pack_row(cadre_wtype type, const uint8_t *row, size_t n_in, size_t o,
                     uint8_t *panel)
{
    switch (type) {
    case CADRE_W_F32:
        pack_f32(row, n_in, o, panel);
        break;
    case CADRE_W_F16:
        pack_f16(row, n_in, o, panel);
        break;
    case CADRE_W_BF16:
        pack_bf16(row, n_in, o, panel);
        break;
    case CADRE_W_Q8_0:
        pack_q8_0(row, n_in, o, panel);
        break;
    case CADRE_W_Q4_0:
        pack_q4_0(row, n_in, o, panel);
        break;
    default:
        pack_superblocks(type, row, n_in, o, panel);
    }
}

void cadre_pack(cadre_wtype type, size_t n_out, size_t n_in, const void *src,
                size_t first, size_t n, void *dst)
{
    const size_t row_bytes =
        n_in / cadre_wtype_block(type) * cadre_wtype_block_bytes(type);
    const size_t panel_bytes = cadre_panel_bytes(type, n_in);

    for (size_t p = first; p < first + n; p++) {
        uint8_t *panel = (uint8_t *)dst + p * panel_bytes;
        memset(panel, 0, panel_bytes); /* what pads rows and k stays so */
        for (size_t o = 0; o < PANEL && p * PANEL + o < n_out; o++)
            pack_row(type, (const uint8_t *)src + (p * PANEL + o) * row_bytes, n_in, o,
                     panel);
    }
}

/* ---- From panels: output o of one panel ---- */

static float load_f16(const uint8_t *src, size_t index)
{
    return f16_to_f32(load_u16(src, index));
}

/* Byte i (of 32) of output o in 8 vectors of quads. */
static uint8_t quad_byte(const uint8_t *vectors, size_t o, size_t i)
{
    return vectors[i / 4 * CADRE__QUAD_BYTES + 4 * o + i % 4];
}

static void read_nibbles(const uint8_t *vectors, size_t b, size_t o, uint8_t *u)
{
    for (size_t i = 0; i < 32; i++)
        u[i] = quad_byte(vectors, o, i) >> 4 * (b % 2) & 15;
}

static void read_q8_0(const uint8_t *panel, size_t b, size_t o, cadre__panel_block *out)
{
    const uint8_t *group = panel + b / 2 * CADRE__Q8_0_GROUP_BYTES;

    for (size_t i = 0; i < 32; i++)
        out->u[i] = quad_byte(group + 64 + b % 2 * 8 * CADRE__QUAD_BYTES, o, i);
    out->zero = 128;
    out->scale[0] = out->scale[1] = load_f16(group, b % 2 * PANEL + o);
}

static void read_q4_0(const uint8_t *panel, size_t b, size_t o, cadre__panel_block *out)
{
    const uint8_t *group = panel + b / 2 * CADRE__Q4_0_GROUP_BYTES;

    read_nibbles(group + 64, b, o, out->u);
    out->zero = 8;
    out->scale[0] = out->scale[1] = load_f16(group, b % 2 * PANEL + o);
}

static void add_fifth_bits(const uint8_t *vectors, size_t b, size_t o, uint8_t *u)
{
    const uint8_t *bits = vectors + b * CADRE__QUAD_BYTES + 4 * o;

    for (size_t i = 0; i < 32; i++)
        u[i] |= (uint8_t)((bits[i % 4] >> i / 4 & 1) << 4);
}

static void add_upper_bits(const uint8_t *vectors, size_t b, size_t o, uint8_t *u)
{
    for (size_t i = 0; i < 32; i++) {
        const size_t quad = 8 * b + i / 4;
        const uint8_t bits = quad_byte(vectors, o, quad % 4 * 4 + i % 4);
        u[i] |= (uint8_t)((bits >> quad / 4 * 2 & 3) << 4);
    }
}

static void read_superblock(cadre_wtype type, const uint8_t *panel, size_t b, size_t o,
                            cadre__panel_block *out)
{
    const uint8_t *super = panel + b / 8 * groups[type].bytes;
    const uint8_t *part = super + part_at(type, b % 8 / 2), *scale = part + o;
    const float d = load_f16(super, o);
    const size_t i = b % 2;

    read_nibbles(part + nibbles_at(type), i, o, out->u);
    if (type == CADRE_W_Q6_K) {
        add_upper_bits(part + CADRE__PART_UPPER, i, o, out->u);
        out->zero = 32;
        for (size_t h = 0; h < 2; h++)
            out->scale[h] = d * (float)(int8_t)scale[(2 * i + h) * PANEL];
        return;
    }
    if (type == CADRE_W_Q5_K)
        add_fifth_bits(part + CADRE__PART_UPPER, i, o, out->u);
    out->scale[0] = out->scale[1] = d * (float)scale[i * PANEL];
    out->minimum =
        load_f16(super, PANEL + o) * (float)scale[CADRE__PART_MINIMA + i * PANEL];
}

void cadre__panel_block_read(cadre_wtype type, const uint8_t *panel, size_t b, size_t o,
                             cadre__panel_block *out)
{
    out->zero = 0;
    out->minimum = 0;
    if (type == CADRE_W_Q8_0)
        read_q8_0(panel, b, o, out);
    else if (type == CADRE_W_Q4_0)
        read_q4_0(panel, b, o, out);
    else
        read_superblock(type, panel, b, o, out);
}

float cadre__panel_weight(cadre_wtype type, const uint8_t *panel, size_t k, size_t o)
{
    float weight;

    if (type == CADRE_W_F16)
        return load_f16(panel, k * PANEL + o);
    if (type == CADRE_W_BF16)
        return bf16_to_f32(load_u16(panel, (k / 2 * PANEL + o) * 2 + k % 2));
    memcpy(&weight, panel + 4 * (k * PANEL + o), 4);
    return weight;
}

void cadre_matrix_row(const cadre_matrix *w, size_t row, float *out)
{
    const uint8_t *panel =
        (const uint8_t *)w->data + row / PANEL * cadre_panel_bytes(w->type, w->n_in);
    const size_t o = row % PANEL;
    cadre__panel_block block;

    if (!cadre__is_quantised(w->type)) {
        for (size_t k = 0; k < w->n_in; k++)
            out[k] = cadre__panel_weight(w->type, panel, k, o);
        return;
    }
    for (size_t k = 0; k < w->n_in; k++) {
        if (k % 32 == 0)
            cadre__panel_block_read(w->type, panel, k / 32, o, &block);
        out[k] = block.scale[k % 32 / 16] * (float)(block.u[k % 32] - block.zero) -
                 block.minimum;
    }
}
