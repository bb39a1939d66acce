/* cadre/dtype.h - element types, reduction operations, and views of tensors. */
#ifndef CADRE_DTYPE_H
#define CADRE_DTYPE_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

#define CADRE_DTYPE_LIST(X)                                                              \
    X(F32, "f32", float)                                                                 \
    X(F64, "f64", double)                                                                \
    X(I32, "i32", int32_t)                                                               \
    X(I64, "i64", int64_t)                                                               \
    X(BF16, "bf16", uint16_t)                                                            \
    X(F16, "f16", uint16_t)                                                              \
    X(I8, "i8", int8_t)                                                                  \
    X(I16, "i16", int16_t)                                                               \
    X(U8, "u8", uint8_t)                                                                 \
    X(U16, "u16", uint16_t)                                                              \
    X(U32, "u32", uint32_t)                                                              \
    X(U64, "u64", uint64_t)

/* bf16: the upper half of an f32; f16: IEEE 754 binary16. Either travels as its bits. */

typedef enum cadre_dtype {
#define X(id, name, type) CADRE_##id,
    CADRE_DTYPE_LIST(X)
#undef X
        CADRE_N_DTYPES
} cadre_dtype;

#define CADRE_REDUCTION_LIST(X)                                                          \
    X(SUM, "sum")                                                                        \
    X(MIN, "min")                                                                        \
    X(MAX, "max")                                                                        \
    X(PROD, "product")                                                                   \
    X(LAND, "logical_and")                                                               \
    X(LOR, "logical_or")                                                                 \
    X(AVG, "average") /* of collectives: the sum, divided by the number of ranks */

typedef enum cadre_reduction {
#define X(id, name) CADRE_##id,
    CADRE_REDUCTION_LIST(X)
#undef X
        CADRE_N_REDUCTIONS
} cadre_reduction;

/* Bytes of one element; 0 for a value that is no dtype. Local. */
CADRE_API size_t cadre_dtype_bytes(cadre_dtype dtype);

/* "f32"; "unknown" for a value that is no dtype. Local. */
CADRE_API const char *cadre_dtype_name(cadre_dtype dtype);

/* "sum"; "unknown" for a value that is no reduction. Local. */
CADRE_API const char *cadre_reduction_name(cadre_reduction reduction);

#define CADRE_MAX_DIMS 4

/* A view of a dense, row-major tensor; it owns nothing. */
typedef struct cadre_tensor {
    cadre_dtype dtype;
    int n_dims;                  /* 0 (a scalar) to CADRE_MAX_DIMS */
    size_t dims[CADRE_MAX_DIMS]; /* outermost first */
    void *data;                  /* product(dims) elements; may be NULL when that is 0 */
} cadre_tensor;

/* Number of elements: the product of dims (1 for a scalar). Local.
 * CADRE_ERR_RANGE  a bad dtype or n_dims, or the size in bytes does not fit size_t */
CADRE_API cadre_status cadre_tensor_count(const cadre_tensor *tensor, size_t *out);

#endif
