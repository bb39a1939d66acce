/* cadre/matrix.h - weight matrices, packed once so that every instruction set multiplies
 * them as they lie.
 *
 * A model file holds a matrix row by row, each row (n_in weights that make one output) as
 * a chain of blocks. Packed, 16 rows make a panel, in which the weights that are used
 * together lie together; kernels/ops/packed.h describes the bytes. There is one packed
 * form per weight type for all levels of ops, so one copy in shared memory or in a file
 * serves every process. Nothing is rounded: a packed matrix holds exactly the numbers of
 * the file.
 *
 * The activations that a matrix multiplies are first brought into the form that its type
 * needs (cadre_rows): f32; bf16, rounded to nearest even; or 8-bit integers with one f32
 * scale per 32 values. A value's rounding depends on its own block only.
 *
 * Every element of a product is one chain of operations in the order of n_in, whatever
 * else is computed at the same time. So it does not depend on the number of rows, on how
 * panels and rows are divided over calls, threads and ranks, or (for integer types, F32
 * and F16) on the level.
 */
#ifndef CADRE_MATRIX_H
#define CADRE_MATRIX_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

#define CADRE_PANEL 16 /* outputs of a panel */

/* Weight types, by their GGUF names. */
typedef enum cadre_wtype {
    CADRE_W_F32,
    CADRE_W_F16,
    CADRE_W_BF16,
    CADRE_W_Q8_0, /* 32 weights: f16 scale, int8 */
    CADRE_W_Q4_0, /* 32 weights: f16 scale, 4 bits less 8 */
    CADRE_W_Q4_K, /* 256 weights: 8 x 32, 6-bit scales and minima, 4 bits */
    CADRE_W_Q5_K, /* the same with 5 bits */
    CADRE_W_Q6_K, /* 256 weights: 16 x 16, 8-bit scales, 6 bits less 32 */
    CADRE_N_WTYPES
} cadre_wtype;

/* Forms of activations. */
typedef enum cadre_form {
    CADRE_FORM_F32,  /* for F32 and F16 weights */
    CADRE_FORM_BF16, /* for BF16 */
    CADRE_FORM_Q8,   /* for the quantised types */
    CADRE_N_FORMS
} cadre_form;

/* "Q4_K"; NULL if out of range. Local. */
CADRE_API const char *cadre_wtype_name(cadre_wtype type);
/* Weights and bytes of one block in a file. Local. */
CADRE_API size_t cadre_wtype_block(cadre_wtype type);
CADRE_API size_t cadre_wtype_block_bytes(cadre_wtype type);
CADRE_API cadre_form cadre_wtype_form(cadre_wtype type);

/* n weights of a file (a multiple of the block) to f32, exactly. Local. */
CADRE_API void cadre_dequantize(cadre_wtype type, const void *src, size_t n, float *out);

/* The reverse, for F32, F16, BF16, Q8_0 and Q4_0, rounding to nearest as ggml's reference
 * does. Local.
 * CADRE_ERR_UNSUPPORTED  another type */
CADRE_API cadre_status cadre_quantize(cadre_wtype type, const float *src, size_t n,
                                      void *out);

/* A packed matrix: n_out rows of n_in weights. data is borrowed, aligned to 64 bytes. */
typedef struct cadre_matrix {
    cadre_wtype type;
    size_t n_out, n_in;
    const void *data;
} cadre_matrix;

static inline size_t cadre_matrix_panels(const cadre_matrix *w)
{
    return (w->n_out + CADRE_PANEL - 1) / CADRE_PANEL;
}

/* Bytes of one packed panel, a multiple of 64; a matrix has its panels one behind the
 * other. 0 if n_in is 0, no multiple of the type's block, or the bytes overflow. Local.
 */
CADRE_API size_t cadre_panel_bytes(cadre_wtype type, size_t n_in);

/* Pack panels [first, first + n) of a matrix that lies row by row at src (of the whole
 * matrix, any alignment) to their place in dst (of the whole packed matrix). Rows that
 * pad the last panel are zero. Local. */
CADRE_API void cadre_pack(cadre_wtype type, size_t n_out, size_t n_in, const void *src,
                          size_t first, size_t n, void *dst);

/* Row `row` of a packed matrix as f32[n_in], exactly: an embedding. Local. */
CADRE_API void cadre_matrix_row(const cadre_matrix *w, size_t row, float *out);

/* Activations in one form. Memory is the caller's. */
typedef struct cadre_rows {
    cadre_form form;
    size_t n_in;
    size_t stride;  /* values from row to row: n_in rounded up to 64 */
    void *values;   /* f32, bf16 (uint16_t) or int8 [n_rows][stride]; 0 past n_in */
    float *scales;  /* Q8: [n_rows][stride / 32] */
    int32_t *sums;  /* Q8: [n_rows][stride / 16]: sums of 16 values each */
    float *offsets; /* Q8: [n_rows][stride / 32]: scale x sum of the block's 32 values */
} cadre_rows;

/* Bytes that n_rows rows need (a multiple of 64), and rows laid out in such memory, which
 * is aligned to 64. Local. */
CADRE_API size_t cadre_rows_bytes(cadre_form form, size_t n_rows, size_t n_in);
CADRE_API void cadre_rows_init(cadre_rows *rows, cadre_form form, size_t n_rows,
                               size_t n_in, void *memory);

/* ---- Keys and values of attention ---- */

#define CADRE_KV_PAGE 32 /* positions of a page */

typedef enum cadre_kv_type {
    CADRE_KV_F16,
    CADRE_KV_INT8, /* one f32 scale per position and head for keys, one for values */
    CADRE_KV_F32,
    CADRE_N_KV_TYPES
} cadre_kv_type;

/* "f16", "int8", "f32"; NULL for what is no type. Local. */
CADRE_API const char *cadre_kv_type_name(cadre_kv_type type);

/* Bytes (a multiple of 64) of the keys and values of one KV head at the positions of one
 * page; aligned to 64. All bytes zero is a valid, empty block. Local. */
CADRE_API size_t cadre_kv_block_bytes(cadre_kv_type type, size_t head_dim);

/* Attention of consecutive tokens of one sequence over one KV head. Query token i stands
 * at position first_position + i and sees positions 0 to there; their keys and values
 * have been stored. Softmax of scale x (q . k), weighted sum of v, in f32. */
typedef struct cadre_attention {
    cadre_kv_type type;
    size_t head_dim;       /* 1 to 256 */
    size_t group;          /* query heads that share the KV head */
    const uint8_t *blocks; /* block of page p: blocks + pages[p] * page_stride */
    size_t page_stride;
    const uint32_t *pages;
    size_t first_position, n_tokens;
    float scale;
    const float *q; /* token i, head h of the group: q + i * q_stride + h * head_dim */
    size_t q_stride;
    float *out; /* laid out likewise with out_stride; may be q itself */
    size_t out_stride;
    void *scratch; /* cadre_attention_scratch() bytes, aligned to 64 */
} cadre_attention;

/* Scratch that any call needs whose tokens all stand below n_positions. Local. */
CADRE_API size_t cadre_attention_scratch(size_t group, size_t head_dim,
                                         size_t n_positions);

#endif
