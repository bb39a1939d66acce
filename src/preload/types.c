/* preload/types.c - MPI's handles of types and operations, and what they mean here. */
#include "preload/preload.h"

#define NO_DTYPE CADRE_N_DTYPES

typedef enum type_class { INTEGER, FORTRAN_INTEGER, REAL, COMPLEX, OPAQUE } type_class;

typedef struct known_type {
    MPI_Datatype type;
    type_class class;
    cadre_dtype dtype; /* of a complex number: of its halves; NO_DTYPE: not combined */
    size_t bytes;
} known_type;

/* Open addressing by the handle's address; less than half full. */
#define N_SLOTS 256
static known_type slots[N_SLOTS];

static known_type *slot_of(MPI_Datatype type)
{
    /* Handles are addresses of objects; the upper 8 bits of the product are well mixed
     * (multiplicative hashing, Knuth 1973). */
    size_t at = (size_t)((uint64_t)(uintptr_t)type * UINT64_C(0x9E3779B97F4A7C15) >> 56);
    while (slots[at].type && slots[at].type != type)
        at = (at + 1) % N_SLOTS;
    return &slots[at];
}

static cadre_dtype dtype_of(type_class class, bool is_signed, size_t bytes)
{
    if (class == REAL || class == COMPLEX) {
        const size_t half = class == COMPLEX ? bytes / 2 : bytes;
        return half == 4 ? CADRE_F32 : half == 8 ? CADRE_F64 : NO_DTYPE;
    }
    if (class == OPAQUE)
        return NO_DTYPE;
    switch (bytes) {
    case 1:
        return is_signed ? CADRE_I8 : CADRE_U8;
    case 2:
        return is_signed ? CADRE_I16 : CADRE_U16;
    case 4:
        return is_signed ? CADRE_I32 : CADRE_U32;
    case 8:
        return is_signed ? CADRE_I64 : CADRE_U64;
    default:
        return NO_DTYPE;
    }
}

static void know(const MPI_Datatype *types, size_t n, type_class class, bool is_signed)
{
    for (size_t i = 0; i < n; i++) {
        int bytes = 0;
        /* Types of Fortran have no size where MPI was built without it. */
        if (types[i] == MPI_DATATYPE_NULL ||
            PMPI_Type_size(types[i], &bytes) != MPI_SUCCESS || bytes <= 0)
            continue;
        known_type *slot = slot_of(types[i]);
        if (!slot->type)
            *slot =
                (known_type){types[i], class, dtype_of(class, is_signed, (size_t)bytes),
                             (size_t)bytes};
    }
}

#define KNOW(class, is_signed, ...)                                                      \
    do {                                                                                 \
        const MPI_Datatype list_[] = {__VA_ARGS__};                                      \
        know(list_, sizeof list_ / sizeof list_[0], class, is_signed);                   \
    } while (0)

void cadre__preload_types_start(void)
{
    KNOW(INTEGER, true, MPI_SIGNED_CHAR, MPI_SHORT, MPI_INT, MPI_LONG, MPI_LONG_LONG,
         MPI_INT8_T, MPI_INT16_T, MPI_INT32_T, MPI_INT64_T, MPI_AINT, MPI_OFFSET,
         MPI_COUNT);
    KNOW(INTEGER, false, MPI_UNSIGNED_CHAR, MPI_UNSIGNED_SHORT, MPI_UNSIGNED,
         MPI_UNSIGNED_LONG, MPI_UNSIGNED_LONG_LONG, MPI_UINT8_T, MPI_UINT16_T,
         MPI_UINT32_T, MPI_UINT64_T);
    KNOW(FORTRAN_INTEGER, true, MPI_INTEGER, MPI_INTEGER1, MPI_INTEGER2, MPI_INTEGER4,
         MPI_INTEGER8);
    KNOW(REAL, true, MPI_FLOAT, MPI_DOUBLE, MPI_REAL, MPI_DOUBLE_PRECISION, MPI_REAL4,
         MPI_REAL8);
    KNOW(COMPLEX, true, MPI_C_FLOAT_COMPLEX, MPI_C_DOUBLE_COMPLEX, MPI_COMPLEX,
         MPI_DOUBLE_COMPLEX, MPI_COMPLEX8, MPI_COMPLEX16, MPI_CXX_FLOAT_COMPLEX,
         MPI_CXX_DOUBLE_COMPLEX);
    KNOW(OPAQUE, false, MPI_BYTE, MPI_CHAR, MPI_PACKED, MPI_WCHAR, MPI_CHARACTER,
         MPI_LOGICAL, MPI_C_BOOL, MPI_CXX_BOOL, MPI_LONG_DOUBLE);
}

static bool known_op(MPI_Op op, cadre_reduction *reduction)
{
    const struct {
        MPI_Op op;
        cadre_reduction reduction;
    } ops[] = {{MPI_SUM, CADRE_SUM},   {MPI_MAX, CADRE_MAX},   {MPI_MIN, CADRE_MIN},
               {MPI_PROD, CADRE_PROD}, {MPI_LAND, CADRE_LAND}, {MPI_LOR, CADRE_LOR}};

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (ops[i].op == op) {
            *reduction = ops[i].reduction;
            return true;
        }
    }
    return false;
}

bool cadre__preload_reduction(MPI_Datatype type, MPI_Op op, cadre_dtype *dtype,
                              cadre_reduction *reduction, size_t *items)
{
    const known_type *known = slot_of(type);

    if (!type || known->type != type || known->dtype == NO_DTYPE ||
        !known_op(op, reduction))
        return false;
    *dtype = known->dtype;
    *items = known->class == COMPLEX ? 2 : 1;
    switch (*reduction) {
    case CADRE_SUM:
        return true;
    case CADRE_LAND:
    case CADRE_LOR: /* what MPI does not define is its own to report */
        return known->class == INTEGER;
    default:
        return known->class != COMPLEX;
    }
}

/* Whether type is any number of one known type, one after the other. */
static bool is_dense(MPI_Datatype type)
{
    bool own = false, dense = false;

    for (;;) {
        int n_ints, n_places, n_types, combiner, length;
        MPI_Aint place;
        MPI_Datatype inner = MPI_DATATYPE_NULL;
        if (slot_of(type)->type == type) {
            dense = true;
            break;
        }
        PMPI_Type_get_envelope(type, &n_ints, &n_places, &n_types, &combiner);
        if ((combiner != MPI_COMBINER_CONTIGUOUS && combiner != MPI_COMBINER_DUP) ||
            n_ints > 1 || n_places > 0 || n_types != 1 ||
            PMPI_Type_get_contents(type, n_ints, 0, 1, &length, &place, &inner) !=
                MPI_SUCCESS)
            break;
        if (own)
            PMPI_Type_free(&type);
        type = inner;
        PMPI_Type_get_envelope(type, &n_ints, &n_places, &n_types, &combiner);
        own = combiner != MPI_COMBINER_NAMED;
    }
    if (own)
        PMPI_Type_free(&type);
    return dense;
}

bool cadre__preload_layout(side *s)
{
    const known_type *known = slot_of(s->type);
    int bytes;
    MPI_Aint low;

    if (!s->type || s->type == MPI_DATATYPE_NULL || s->count < 0)
        return false;
    if (known->type == s->type) {
        s->item_bytes = known->bytes;
        s->extent = (MPI_Aint)known->bytes;
        s->dense = true;
        return true;
    }
    if (PMPI_Type_size(s->type, &bytes) != MPI_SUCCESS || bytes < 0 ||
        PMPI_Type_get_extent(s->type, &low, &s->extent) != MPI_SUCCESS)
        return false;
    s->item_bytes = (size_t)bytes;
    s->dense = is_dense(s->type);
    return true;
}
