/* ops/rows.c - where activations, and blocks of keys and values, lie in memory. */
#include "ops/kv.h"
#include <stdbool.h>

/* Where the parts of rows begin, in bytes. */
typedef struct layout {
    size_t stride, scales, sums, offsets, bytes;
} layout;

static size_t round_up(size_t n)
{
    return (n + 63) / 64 * 64;
}

static layout layout_of(cadre_form form, size_t n_rows, size_t n_in)
{
    static const size_t value_bytes[CADRE_N_FORMS] = {
        [CADRE_FORM_F32] = 4, [CADRE_FORM_BF16] = 2, [CADRE_FORM_Q8] = 1};
    const bool q8 = form == CADRE_FORM_Q8;
    layout at;

    at.stride = round_up(n_in);
    const size_t scale_bytes = q8 ? round_up(n_rows * (at.stride / 32) * 4) : 0;
    const size_t sum_bytes = q8 ? n_rows * (at.stride / 16) * 4 : 0;
    at.scales = n_rows * at.stride * value_bytes[form];
    at.sums = at.scales + scale_bytes;
    at.offsets = at.sums + round_up(sum_bytes);
    at.bytes = at.offsets + scale_bytes;
    return at;
}

size_t cadre_rows_bytes(cadre_form form, size_t n_rows, size_t n_in)
{
    return layout_of(form, n_rows, n_in).bytes;
}

void cadre_rows_init(cadre_rows *rows, cadre_form form, size_t n_rows, size_t n_in,
                     void *memory)
{
    const layout at = layout_of(form, n_rows, n_in);
    char *bytes = memory;

    *rows =
        (cadre_rows){.form = form, .n_in = n_in, .stride = at.stride, .values = memory};
    if (form == CADRE_FORM_Q8) {
        rows->scales = (float *)(void *)(bytes + at.scales);
        rows->sums = (int32_t *)(void *)(bytes + at.sums);
        rows->offsets = (float *)(void *)(bytes + at.offsets);
    }
}

const char *cadre_kv_type_name(cadre_kv_type type)
{
    static const char *const names[CADRE_N_KV_TYPES] = {
        [CADRE_KV_F16] = "f16", [CADRE_KV_INT8] = "int8", [CADRE_KV_F32] = "f32"};

    return (unsigned)type < CADRE_N_KV_TYPES ? names[type] : NULL;
}

size_t cadre_kv_block_bytes(cadre_kv_type type, size_t head_dim)
{
    return round_up(cadre__kv_layout_of(type, head_dim).bytes);
}

size_t cadre_attention_scratch(size_t group, size_t head_dim, size_t n_positions)
{
    (void)group; /* rows are taken in tiles of fixed size, whichever heads they are of */
    const size_t row =
        cadre__attention_positions(n_positions) + (head_dim + 15) / 16 * 16;
    return round_up(CADRE__ATTENTION_ROWS * row * sizeof(float));
}
