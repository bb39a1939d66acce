/* ops/quant.c - weight types as files hold them: names, sizes, to f32 and back. */
#include "ops/blocks.h"
#include "ops/half.h"
#include <math.h>

static const struct {
    const char *name;
    size_t block, bytes;
    cadre_form form;
} types[CADRE_N_WTYPES] = {
    [CADRE_W_F32] = {"F32", 1, 4, CADRE_FORM_F32},
    [CADRE_W_F16] = {"F16", 1, 2, CADRE_FORM_F32},
    [CADRE_W_BF16] = {"BF16", 1, 2, CADRE_FORM_BF16},
    [CADRE_W_Q8_0] = {"Q8_0", 32, 34, CADRE_FORM_Q8},
    [CADRE_W_Q4_0] = {"Q4_0", 32, 18, CADRE_FORM_Q8},
    [CADRE_W_Q4_K] = {"Q4_K", 256, 144, CADRE_FORM_Q8},
    [CADRE_W_Q5_K] = {"Q5_K", 256, 176, CADRE_FORM_Q8},
    [CADRE_W_Q6_K] = {"Q6_K", 256, 210, CADRE_FORM_Q8},
};

const char *cadre_wtype_name(cadre_wtype type)
{
    return (unsigned)type < CADRE_N_WTYPES ? types[type].name : NULL;
}

size_t cadre_wtype_block(cadre_wtype type)
{
    return types[type].block;
}

size_t cadre_wtype_block_bytes(cadre_wtype type)
{
    return types[type].bytes;
}

cadre_form cadre_wtype_form(cadre_wtype type)
{
    return types[type].form;
}

/* ---- Blocks of a file, taken apart ---- */

static uint16_t read_u16(const uint8_t *src)
{
    return (uint16_t)(src[0] | src[1] << 8);
}

static void read_q8_0(const uint8_t *src, cadre__block *out)
{
    out->d = read_u16(src);
    for (size_t i = 0; i < 32; i++)
        out->u[i] = src[2 + i] ^ 0x80;
}

static void read_q4_0(const uint8_t *src, cadre__block *out)
{
    out->d = read_u16(src);
    for (size_t i = 0; i < 16; i++) {
        out->u[i] = src[2 + i] & 15;
        out->u[16 + i] = src[2 + i] >> 4;
    }
}

/* The 6-bit scales and minima of Q4_K and Q5_K. */
static void read_scales(const uint8_t *src, cadre__block *out)
{
    for (size_t j = 0; j < 4; j++) {
        const uint8_t scale = src[j], minimum = src[4 + j], low = src[8 + j];
        out->scale[j] = scale & 63;
        out->minimum[j] = minimum & 63;
        out->scale[4 + j] = (uint8_t)((low & 15) | scale >> 6 << 4);
        out->minimum[4 + j] = (uint8_t)(low >> 4 | minimum >> 6 << 4);
    }
}

/* Nibbles of 256 weights: of each 64 the first 32 are the low ones. */
static void read_nibbles(const uint8_t *src, uint8_t *u)
{
    for (size_t c = 0; c < 4; c++)
        for (size_t i = 0; i < 32; i++) {
            u[64 * c + i] = src[32 * c + i] & 15;
            u[64 * c + 32 + i] = src[32 * c + i] >> 4;
        }
}

static void read_q4_k(const uint8_t *src, cadre__block *out)
{
    out->d = read_u16(src);
    out->dmin = read_u16(src + 2);
    read_scales(src + 4, out);
    read_nibbles(src + 16, out->u);
}

static void read_q5_k(const uint8_t *src, cadre__block *out)
{
    const uint8_t *fifth = src + 16;

    out->d = read_u16(src);
    out->dmin = read_u16(src + 2);
    read_scales(src + 4, out);
    read_nibbles(src + 48, out->u);
    for (size_t b = 0; b < 8; b++)
        for (size_t i = 0; i < 32; i++)
            out->u[32 * b + i] |= (uint8_t)((fifth[i] >> b & 1) << 4);
}

static void read_q6_k(const uint8_t *src, cadre__block *out)
{
    for (size_t half = 0; half < 2; half++) {
        const uint8_t *low = src + 64 * half, *upper = src + 128 + 32 * half;
        uint8_t *u = out->u + 128 * half;

        for (size_t i = 0; i < 64; i++) {
            u[i] = low[i] & 15;
            u[64 + i] = low[i] >> 4;
        }
        for (size_t s = 0; s < 4; s++)
            for (size_t i = 0; i < 32; i++)
                u[32 * s + i] |= (uint8_t)((upper[i] >> 2 * s & 3) << 4);
    }
    for (size_t h = 0; h < 16; h++)
        out->scale[h] = src[192 + h];
    out->d = read_u16(src + 208);
}

void cadre__block_read(cadre_wtype type, const uint8_t *src, cadre__block *out)
{
    switch (type) {
    case CADRE_W_Q8_0:
        read_q8_0(src, out);
        break;
    case CADRE_W_Q4_0:
        read_q4_0(src, out);
        break;
    case CADRE_W_Q4_K:
        read_q4_k(src, out);
        break;
    case CADRE_W_Q5_K:
        read_q5_k(src, out);
        break;
    default:
        read_q6_k(src, out);
    }
}

/* ---- To f32 ---- */

static void dequantize_block(cadre_wtype type, const uint8_t *src, float *out)
{
    cadre__block block;

    cadre__block_read(type, src, &block);
    const float d = f16_to_f32(block.d);
    if (!cadre__is_superblock(type)) {
        const int zero = type == CADRE_W_Q8_0 ? 128 : 8;
        for (size_t i = 0; i < 32; i++)
            out[i] = d * (float)(block.u[i] - zero);
    } else if (type == CADRE_W_Q6_K) {
        for (size_t i = 0; i < 256; i++)
            out[i] = d * (float)(int8_t)block.scale[i / 16] * (float)(block.u[i] - 32);
    } else {
        const float dmin = f16_to_f32(block.dmin);
        for (size_t i = 0; i < 256; i++) {
            const size_t part = i / 32;
            out[i] = d * (float)block.scale[part] * (float)block.u[i] -
                     dmin * (float)block.minimum[part];
        }
    }
}

void cadre_dequantize(cadre_wtype type, const void *src, size_t n, float *out)
{
    const uint8_t *bytes = src;

    switch (type) {
    case CADRE_W_F32:
        memcpy(out, src, n * sizeof *out);
        break;
    case CADRE_W_F16:
        for (size_t i = 0; i < n; i++)
            out[i] = f16_to_f32(read_u16(bytes + 2 * i));
        break;
    case CADRE_W_BF16:
        for (size_t i = 0; i < n; i++)
            out[i] = bf16_to_f32(read_u16(bytes + 2 * i));
        break;
    default:
        for (size_t i = 0; i < n; i += types[type].block, bytes += types[type].bytes)
            dequantize_block(type, bytes, out + i);
    }
}

/* ---- From f32 ---- */

static void write_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
}

/* 1 / d, and 0 where d is so small that it is 0 as f16 too. */
static float inverse_of(float d)
{
    return fabsf(d) > 0x1p-100f ? 1.0f / d : 0.0f;
}

static void quantize_q8_0(const float *x, uint8_t *out)
{
    float amax = 0;

    for (size_t i = 0; i < 32; i++)
        amax = fmaxf(amax, fabsf(x[i]));
    const float d = amax / 127.0f, inverse = inverse_of(d);
    write_u16(out, f32_to_f16(d));
    for (size_t i = 0; i < 32; i++)
        out[2 + i] =
            (uint8_t)(int8_t)fmaxf(-127.0f, fminf(127.0f, roundf(x[i] * inverse)));
}

/* The value of largest magnitude becomes -8, so that its sign decides the scale's. */
static void quantize_q4_0(const float *x, uint8_t *out)
{
    float extreme = 0;
    int u[32];

    for (size_t i = 0; i < 32; i++)
        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    const float d = extreme / -8.0f, inverse = inverse_of(d);
    write_u16(out, f32_to_f16(d));
    for (size_t i = 0; i < 32; i++)
        u[i] = (int)fminf(15.0f, x[i] * inverse + 8.5f);
    for (size_t i = 0; i < 16; i++)
        out[2 + i] = (uint8_t)(u[i] | u[16 + i] << 4);
}

cadre_status cadre_quantize(cadre_wtype type, const float *src, size_t n, void *out)
{
    uint8_t *bytes = out;

    switch (type) {
    case CADRE_W_F32:
        memcpy(out, src, n * sizeof *src);
        return CADRE_OK;
    case CADRE_W_F16:
        for (size_t i = 0; i < n; i++)
            write_u16(bytes + 2 * i, f32_to_f16(src[i]));
        return CADRE_OK;
    case CADRE_W_BF16:
        for (size_t i = 0; i < n; i++)
            write_u16(bytes + 2 * i, f32_to_bf16(src[i]));
        return CADRE_OK;
    case CADRE_W_Q8_0:
        for (size_t i = 0; i < n; i += 32)
            quantize_q8_0(src + i, bytes + i / 32 * types[type].bytes);
        return CADRE_OK;
    case CADRE_W_Q4_0:
        for (size_t i = 0; i < n; i += 32)
            quantize_q4_0(src + i, bytes + i / 32 * types[type].bytes);
        return CADRE_OK;
    default:
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "cannot quantise to %s, expected F32, F16, BF16, Q8_0 or Q4_0",
                          cadre_wtype_name(type) ? cadre_wtype_name(type) : "this type");
    }
}
