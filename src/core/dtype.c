/* core/dtype.c - element types and reductions by name, sizes of tensors. */
#include <cadre/dtype.h>

size_t cadre_dtype_bytes(cadre_dtype dtype)
{
    switch (dtype) {
#define X(id, name, type)                                                                \
    case CADRE_##id:                                                                     \
        return sizeof(type);
        CADRE_DTYPE_LIST(X)
#undef X
    default:
        return 0;
    }
}

const char *cadre_dtype_name(cadre_dtype dtype)
{
    switch (dtype) {
#define X(id, name, type)                                                                \
    case CADRE_##id:                                                                     \
        return name;
        CADRE_DTYPE_LIST(X)
#undef X
    default:
        return "unknown";
    }
}

const char *cadre_reduction_name(cadre_reduction reduction)
{
    switch (reduction) {
#define X(id, name)                                                                      \
    case CADRE_##id:                                                                     \
        return name;
        CADRE_REDUCTION_LIST(X)
#undef X
    default:
        return "unknown";
    }
}

cadre_status cadre_tensor_count(const cadre_tensor *tensor, size_t *out)
{
    const size_t element = cadre_dtype_bytes(tensor->dtype);
    size_t count = 1, bytes;

    if (element == 0)
        return cadre_fail(CADRE_ERR_RANGE, "tensor of unknown element type %d",
                          (int)tensor->dtype);
    if (tensor->n_dims < 0 || tensor->n_dims > CADRE_MAX_DIMS)
        return cadre_fail(CADRE_ERR_RANGE,
                          "tensor with %d dimensions; 0 to %d are possible",
                          tensor->n_dims, CADRE_MAX_DIMS);
    for (int i = 0; i < tensor->n_dims; i++) {
        if (__builtin_mul_overflow(count, tensor->dims[i], &count))
            return cadre_fail(CADRE_ERR_RANGE, "tensor too large: its elements overflow");
    }
    if (__builtin_mul_overflow(count, element, &bytes))
        return cadre_fail(CADRE_ERR_RANGE, "tensor too large: %zu elements of %zu bytes",
                          count, element);
    *out = count;
    return CADRE_OK;
}
