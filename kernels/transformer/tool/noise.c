/* noise.c - random numbers for weights. */
#include "noise.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QUANTILES = 1 << 16 };

/* splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t next(tf_noise *noise)
{
    uint64_t z = noise->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The x >= start below which a normal number lies with this probability, by Newton's
 * method; the distribution is concave there, so it climbs to the root. */
static double quantile(double probability, double start)
{
    const double root_two_pi = 2.5066282746310002, root_half = 0.70710678118654752;
    double x = start;

    for (int i = 0; i < 8; i++) {
        const double below = 0.5 * erfc(-x * root_half);
        x += (probability - below) * root_two_pi * exp(0.5 * x * x);
    }
    return x;
}

cadre_status tf_noise_init(tf_noise *noise, uint64_t seed)
{
    double x = 0;

    noise->state = seed;
    noise->quantiles = malloc(QUANTILES * sizeof *noise->quantiles);
    if (!noise->quantiles)
        return cadre_fail(CADRE_ERR_NOMEM, "no memory for random numbers");
    for (int i = QUANTILES / 2; i < QUANTILES; i++) {
        x = quantile((i + 0.5) / QUANTILES, x);
        noise->quantiles[i] = (float)x;
        noise->quantiles[QUANTILES - 1 - i] = -(float)x;
    }
    return CADRE_OK;
}

void tf_noise_fini(tf_noise *noise)
{
    free(noise->quantiles);
    noise->quantiles = NULL;
}

void tf_noise_normal(tf_noise *noise, float mean, float deviation, size_t n, float *out)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0)
            bits = next(noise);
        out[i] = mean + deviation * noise->quantiles[bits & (QUANTILES - 1)];
        bits >>= 16;
    }
}

static void fill(tf_noise *noise, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
        const uint64_t bits = next(noise);
        memcpy(out + i, &bits, n - i < sizeof bits ? n - i : sizeof bits);
    }
}

/* Eight scales and minima of 6 bits in 12 bytes, as Q4_K and Q5_K have them. */
static void pack_scales(const uint8_t scale[8], const uint8_t minimum[8], uint8_t out[12])
{
    for (int j = 0; j < 4; j++) {
        out[j] = (uint8_t)(scale[j] | (scale[j + 4] >> 4) << 6);
        out[j + 4] = (uint8_t)(minimum[j] | (minimum[j + 4] >> 4) << 6);
        out[j + 8] = (uint8_t)((scale[j + 4] & 15) | (minimum[j + 4] & 15) << 4);
    }
}

/* Scales from `least` to least + 3 in place of random bytes, and minima that are half of
 * what quants of 0 to `largest` reach with them. */
static void tame_scales(uint8_t packed[12], int least, int largest)
{
    uint8_t scale[8], minimum[8];

    for (int j = 0; j < 8; j++) {
        scale[j] = (uint8_t)(least + (packed[j] & 3));
        minimum[j] = (uint8_t)(scale[j] * largest / 2);
    }
    pack_scales(scale, minimum, packed);
}

/* Where a block of a K type has what cannot be random. */
static const struct {
    size_t d_at, dmin_at, scales_at; /* dmin_at of Q6_K is d_at once more */
    float spread;                    /* deviation of weights at d = 1 */
} layouts[CADRE_N_WTYPES] = {
    [CADRE_W_Q4_K] = {0, 2, 4, 5.5f * 4.61f},
    [CADRE_W_Q5_K] = {0, 2, 4, 2.7f * 9.23f},
    [CADRE_W_Q6_K] = {208, 208, 192, 23.5f * 18.5f},
};

void tf_noise_blocks(tf_noise *noise, cadre_wtype type, float deviation, size_t n,
                     void *out)
{
    const size_t bytes = cadre_wtype_block_bytes(type);
    const float d = deviation / layouts[type].spread;
    uint16_t half = 0;

    (void)cadre_quantize(CADRE_W_F16, &d, 1, &half);
    for (size_t b = 0; b < n / cadre_wtype_block(type); b++) {
        uint8_t *block = (uint8_t *)out + b * bytes;
        uint8_t *scales = block + layouts[type].scales_at;
        fill(noise, block, bytes);
        memcpy(block + layouts[type].d_at, &half, sizeof half);
        memcpy(block + layouts[type].dmin_at, &half, sizeof half);
        if (type == CADRE_W_Q6_K)
            for (int i = 0; i < 16; i++) /* 16 to 31, of either sign */
                scales[i] =
                    (uint8_t)((16 | (scales[i] & 15)) ^ (scales[i] & 128 ? 255 : 0));
        else
            tame_scales(scales, type == CADRE_W_Q4_K ? 4 : 1,
                        type == CADRE_W_Q4_K ? 15 : 31);
    }
}
