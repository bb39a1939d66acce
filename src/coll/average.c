/* coll/average.c - the last step of an average: the sum divided by the number of ranks.
 *
 * Division, not multiplication by an inverse, so that exact averages come out exact.
 * Integers truncate toward zero, as in C; bf16 and f16 are divided as f32 and rounded
 * once, to nearest even.
 */
#include "coll/call.h"
#include "ops/half.h"

#define DIVIDE(id, type)                                                                 \
    case CADRE_##id: {                                                                   \
        type *x = data;                                                                  \
        for (size_t i = 0; i < n; i++)                                                   \
            x[i] = (type)(x[i] / (type)by);                                              \
        return;                                                                          \
    }

#define DIVIDE_INT(id, type, wide)                                                       \
    case CADRE_##id: {                                                                   \
        type *x = data;                                                                  \
        for (size_t i = 0; i < n; i++)                                                   \
            x[i] = (type)((wide)x[i] / (wide)by);                                        \
        return;                                                                          \
    }

#define DIVIDE_HALF(id, to_f32, from_f32)                                                \
    case CADRE_##id: {                                                                   \
        uint16_t *x = data;                                                              \
        for (size_t i = 0; i < n; i++)                                                   \
            x[i] = from_f32(to_f32(x[i]) / (float)by);                                   \
        return;                                                                          \
    }

void cadre__divide(cadre_dtype dtype, void *data, size_t n, int by)
{
    switch (dtype) {
        DIVIDE(F32, float)
        DIVIDE(F64, double)
        DIVIDE_HALF(BF16, bf16_to_f32, f32_to_bf16)
        DIVIDE_HALF(F16, f16_to_f32, f32_to_f16)
        DIVIDE_INT(I8, int8_t, int64_t)
        DIVIDE_INT(I16, int16_t, int64_t)
        DIVIDE_INT(I32, int32_t, int64_t)
        DIVIDE_INT(I64, int64_t, int64_t)
        DIVIDE_INT(U8, uint8_t, uint64_t)
        DIVIDE_INT(U16, uint16_t, uint64_t)
        DIVIDE_INT(U32, uint32_t, uint64_t)
        DIVIDE_INT(U64, uint64_t, uint64_t)
    case CADRE_N_DTYPES:
        return;
    }
}
