/* run/coll_data.c - patterns of small integers in every type. */
#include "run/coll_data.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Mixes position and rank (the finalizer of MurmurHash3, Appleby 2011). */
static uint32_t mix(uint32_t position, uint32_t rank)
{
    uint32_t h = position * 2654435769u + rank * 2246822519u + 1;

    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

static bool is_unsigned(cadre_dtype dtype)
{
    return dtype == CADRE_U8 || dtype == CADRE_U16 || dtype == CADRE_U32 ||
           dtype == CADRE_U64;
}

/* For an average: a part common to all ranks, and parts that add up to nothing. */
static int averaged_value(const cadre__coll_data *data, uint32_t position, int rank)
{
    const int common = 3 + (int)(mix(position, 0) % 4);
    const int part = (int)(mix(position, 1 + (uint32_t)rank / 2) % 4);

    if (rank % 2 == 1)
        return common - part;
    return rank + 1 < data->size ? common + part : common;
}

static int value(const cadre__coll_data *data, uint32_t position, int rank)
{
    const uint32_t all = mix(position, UINT32_MAX);
    const bool singled_out = (int)(all % (uint32_t)data->size) == rank;
    const int low = is_unsigned(data->dtype) ? 0 : -2;

    if (!data->reduces)
        return (int)(mix(position, (uint32_t)rank) % 128);
    switch (data->reduction) {
    case CADRE_PROD: /* one rank has 2 or 3, so the product is small */
        return singled_out ? 2 + (int)(all >> 31) : 1;
    case CADRE_LAND:
        return !(singled_out && all >> 31);
    case CADRE_LOR:
        return singled_out && all >> 31;
    case CADRE_AVG:
        return averaged_value(data, position, rank);
    default: /* sums of up to 64 ranks fit the 8 bits of a bf16 */
        return low + (int)(mix(position, (uint32_t)rank) % 5);
    }
}

static int64_t combine(cadre_reduction reduction, int64_t a, int64_t b)
{
    switch (reduction) {
    case CADRE_MIN:
        return a < b ? a : b;
    case CADRE_MAX:
        return a > b ? a : b;
    case CADRE_PROD:
        return a * b;
    case CADRE_LAND:
        return a && b;
    case CADRE_LOR:
        return a || b;
    default:
        return a + b;
    }
}

/* An integer below 2^11 as binary16. */
static uint16_t as_f16(int64_t v)
{
    const uint32_t size = (uint32_t)llabs(v);

    if (size == 0)
        return 0;
    const uint32_t exponent = 31 - (uint32_t)__builtin_clz(size);
    const uint32_t fraction = (size << (10 - exponent)) & 0x3ff;
    return (uint16_t)((v < 0) << 15 | (exponent + 15) << 10 | fraction);
}

static uint16_t as_bf16(int64_t v)
{
    const float f = (float)v;
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static void put(cadre_dtype dtype, int64_t v, char *at)
{
    const float f32 = (float)v;
    const double f64 = (double)v;
    const uint16_t half = dtype == CADRE_F16 ? as_f16(v) : as_bf16(v);

    switch (dtype) {
    case CADRE_F32:
        memcpy(at, &f32, sizeof f32);
        break;
    case CADRE_F64:
        memcpy(at, &f64, sizeof f64);
        break;
    case CADRE_F16:
    case CADRE_BF16:
        memcpy(at, &half, sizeof half);
        break;
    default: /* integers: the low bytes, which wrap as their sums do */
        for (size_t i = 0; i < cadre_dtype_bytes(dtype); i++)
            at[i] = (char)((uint64_t)v >> 8 * i);
        break;
    }
}

size_t cadre__coll_data_bytes(const cadre__coll_data *data)
{
    return 2 * CADRE__COLL_PERIOD * cadre_dtype_bytes(data->dtype);
}

static void repeat(const cadre__coll_data *data, char *table)
{
    const size_t bytes = cadre__coll_data_bytes(data) / 2;

    memcpy(table + bytes, table, bytes);
}

void cadre__coll_data_make(const cadre__coll_data *data, int rank, char *table)
{
    const size_t bytes = cadre_dtype_bytes(data->dtype);

    for (uint32_t i = 0; i < CADRE__COLL_PERIOD; i++)
        put(data->dtype, value(data, i, rank), table + i * bytes);
    repeat(data, table);
}

void cadre__coll_data_reduce(const cadre__coll_data *data, int last, char *table)
{
    const size_t bytes = cadre_dtype_bytes(data->dtype);

    for (uint32_t i = 0; i < CADRE__COLL_PERIOD; i++) {
        int64_t v = value(data, i, 0);
        for (int r = 1; r <= last; r++)
            v = combine(data->reduction, v, value(data, i, r));
        if (data->reduction == CADRE_AVG)
            v /= data->size;
        put(data->dtype, v, table + i * bytes);
    }
    repeat(data, table);
}

void cadre__coll_data_write(const cadre__coll_data *data, const char *table, size_t first,
                            size_t n, char *out)
{
    const size_t bytes = cadre_dtype_bytes(data->dtype);
    const char *from = table + first % CADRE__COLL_PERIOD * bytes;

    for (; n > CADRE__COLL_PERIOD; n -= CADRE__COLL_PERIOD) {
        memcpy(out, from, CADRE__COLL_PERIOD * bytes);
        out += CADRE__COLL_PERIOD * bytes;
    }
    memcpy(out, from, n * bytes);
}

size_t cadre__coll_data_compare(const cadre__coll_data *data, const char *table,
                                size_t first, size_t n, const char *got)
{
    const size_t bytes = cadre_dtype_bytes(data->dtype);
    const char *from = table + first % CADRE__COLL_PERIOD * bytes;

    for (size_t at = 0; at < n; at += CADRE__COLL_PERIOD) {
        const size_t here = n - at < CADRE__COLL_PERIOD ? n - at : CADRE__COLL_PERIOD;
        if (memcmp(got + at * bytes, from, here * bytes) == 0)
            continue;
        size_t i = 0;
        while (memcmp(got + (at + i) * bytes, from + i * bytes, bytes) == 0)
            i++;
        return at + i;
    }
    return n;
}
