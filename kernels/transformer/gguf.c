/* gguf.c - a GGUF file's header: read once, from front to back, with every length checked
 * against what is left of the file. */
#include "gguf.h"
#include "allocate.h"
#include "mapped.h"
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_ENTRIES = 1 << 16, /* keys; tensors. Real files have at most some thousands */
    MAX_KEY = 65535,
    DEFAULT_ALIGNMENT = 32,
    MIN_ALIGNMENT = 8,
    MAX_ALIGNMENT = 1 << 20,
    /* A key of one byte with a value of one byte; a tensor's name of one byte with one
     * dimension. */
    MIN_VALUE_BYTES = 8 + 1 + 4 + 1,
    MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8
};

struct tf_gguf {
    tf_mapped mapped; /* all zero if the bytes are borrowed */
    char *name;
    size_t n_values, n_tensors;
    tf_value *values;
    tf_tensor *tensors;
    const tf_value **values_by_key;
    const tf_tensor **tensors_by_name;
};

/* Where reading stands. */
typedef struct cursor {
    const char *file;
    const uint8_t *data;
    size_t at, bytes;
    const char *within; /* "key", "tensor": a part of the file that has a name; or NULL */
    tf_string name;
} cursor;

/* ---- Names ---- */

const char *tf_show(tf_string text, char shown[TF_SHOWN])
{
    const size_t n = text.bytes < TF_SHOWN - 1 ? text.bytes : TF_SHOWN - 1;

    for (size_t i = 0; i < n; i++)
        shown[i] = text.at[i] >= ' ' && text.at[i] <= '~' ? text.at[i] : '?';
    if (n < text.bytes)
        memcpy(shown + n - 3, "...", 3);
    shown[n] = '\0';
    return shown;
}

int tf_string_is(tf_string text, const char *other)
{
    return strlen(other) == text.bytes && memcmp(text.at, other, text.bytes) == 0;
}

static int compare(tf_string a, tf_string b)
{
    const size_t n = a.bytes < b.bytes ? a.bytes : b.bytes;
    const int order = n ? memcmp(a.at, b.at, n) : 0;
    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

/* ---- Types ---- */

static const struct {
    const char *name;
    size_t bytes;
} value_types[TF_N_VALUE_TYPES] = {
    [TF_UINT8] = {"uint8", 1},     [TF_INT8] = {"int8", 1},
    [TF_UINT16] = {"uint16", 2},   [TF_INT16] = {"int16", 2},
    [TF_UINT32] = {"uint32", 4},   [TF_INT32] = {"int32", 4},
    [TF_FLOAT32] = {"float32", 4}, [TF_BOOL] = {"bool", 1},
    [TF_STRING] = {"string", 0},   [TF_ARRAY] = {"array", 0},
    [TF_UINT64] = {"uint64", 8},   [TF_INT64] = {"int64", 8},
    [TF_FLOAT64] = {"float64", 8},
};

const char *tf_value_type_name(tf_value_type type)
{
    return (unsigned)type < TF_N_VALUE_TYPES ? value_types[type].name : "?";
}

size_t tf_value_type_bytes(tf_value_type type)
{
    return (unsigned)type < TF_N_VALUE_TYPES ? value_types[type].bytes : 0;
}

/* Tensor types as ggml numbers them; `ours` is CADRE_N_WTYPES where we do not compute. */
static const struct tensor_type {
    uint32_t number;
    cadre_wtype ours;
    const char *name;
} tensor_types[] = {
    {0, CADRE_W_F32, "F32"},          {1, CADRE_W_F16, "F16"},
    {2, CADRE_W_Q4_0, "Q4_0"},        {3, CADRE_N_WTYPES, "Q4_1"},
    {6, CADRE_N_WTYPES, "Q5_0"},      {7, CADRE_N_WTYPES, "Q5_1"},
    {8, CADRE_W_Q8_0, "Q8_0"},        {9, CADRE_N_WTYPES, "Q8_1"},
    {10, CADRE_N_WTYPES, "Q2_K"},     {11, CADRE_N_WTYPES, "Q3_K"},
    {12, CADRE_W_Q4_K, "Q4_K"},       {13, CADRE_W_Q5_K, "Q5_K"},
    {14, CADRE_W_Q6_K, "Q6_K"},       {15, CADRE_N_WTYPES, "Q8_K"},
    {16, CADRE_N_WTYPES, "IQ2_XXS"},  {17, CADRE_N_WTYPES, "IQ2_XS"},
    {18, CADRE_N_WTYPES, "IQ3_XXS"},  {19, CADRE_N_WTYPES, "IQ1_S"},
    {20, CADRE_N_WTYPES, "IQ4_NL"},   {21, CADRE_N_WTYPES, "IQ3_S"},
    {22, CADRE_N_WTYPES, "IQ2_S"},    {23, CADRE_N_WTYPES, "IQ4_XS"},
    {24, CADRE_N_WTYPES, "I8"},       {25, CADRE_N_WTYPES, "I16"},
    {26, CADRE_N_WTYPES, "I32"},      {27, CADRE_N_WTYPES, "I64"},
    {28, CADRE_N_WTYPES, "F64"},      {29, CADRE_N_WTYPES, "IQ1_M"},
    {30, CADRE_W_BF16, "BF16"},       {31, CADRE_N_WTYPES, "Q4_0_4_4"},
    {32, CADRE_N_WTYPES, "Q4_0_4_8"}, {33, CADRE_N_WTYPES, "Q4_0_8_8"},
    {34, CADRE_N_WTYPES, "TQ1_0"},    {35, CADRE_N_WTYPES, "TQ2_0"},
    {39, CADRE_N_WTYPES, "MXFP4"},
};

static const struct tensor_type *tensor_type(uint32_t number)
{
    for (size_t i = 0; i < sizeof tensor_types / sizeof tensor_types[0]; i++)
        if (tensor_types[i].number == number)
            return &tensor_types[i];
    return NULL;
}

uint32_t tf_tensor_type_number(cadre_wtype type)
{
    size_t i = 0;

    while (tensor_types[i].ours != type)
        i++;
    return tensor_types[i].number;
}

/* ---- Reading ---- */

static size_t left(const cursor *c)
{
    return c->bytes - c->at;
}

static cadre_status fail_at(const cursor *c, size_t at, const char *fmt, ...)
    CADRE_PRINTF(3, 4);

/* FILE: offset 123: key "general.name": and the sentence. */
static cadre_status fail_at(const cursor *c, size_t at, const char *fmt, ...)
{
    char shown[TF_SHOWN], where[TF_SHOWN + 16] = "", sentence[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    if (c->within)
        snprintf(where, sizeof where, "%s \"%s\": ", c->within, tf_show(c->name, shown));
    return cadre_fail(CADRE_ERR_INPUT, "%s: offset %zu: %s%s", c->file, at, where,
                      sentence);
}

/* The next n bytes, which are `what`. */
static cadre_status take(cursor *c, uint64_t n, const char *what, const uint8_t **out)
{
    *out = c->data + c->at;
    if (n > left(c))
        return fail_at(c, c->at, "truncated: expected %" PRIu64 " bytes of %s, found %zu",
                       n, what, left(c));
    c->at += (size_t)n;
    return CADRE_OK;
}

static cadre_status take_u32(cursor *c, const char *what, uint32_t *out)
{
    const uint8_t *at = NULL;

    CADRE_TRY(take(c, sizeof *out, what, &at));
    memcpy(out, at, sizeof *out);
    return CADRE_OK;
}

static cadre_status take_u64(cursor *c, const char *what, uint64_t *out)
{
    const uint8_t *at = NULL;

    CADRE_TRY(take(c, sizeof *out, what, &at));
    memcpy(out, at, sizeof *out);
    return CADRE_OK;
}

static cadre_status take_string(cursor *c, const char *what, tf_string *out)
{
    const uint8_t *at = NULL;
    uint64_t n = 0;

    CADRE_TRY(take_u64(c, what, &n));
    CADRE_TRY(take(c, n, what, &at));
    *out = (tf_string){.at = (const char *)at, .bytes = (size_t)n};
    return CADRE_OK;
}

/* A name of 1 to max bytes. */
static cadre_status take_name(cursor *c, const char *what, size_t max, tf_string *out)
{
    const size_t start = c->at;

    CADRE_TRY(take_string(c, what, out));
    if (out->bytes == 0 || out->bytes > max)
        return fail_at(c, start, "expected %s of 1 to %zu bytes, found %zu", what, max,
                       out->bytes);
    return CADRE_OK;
}

/* ---- Keys and values ---- */

/* Step over n elements. */
static cadre_status take_elements(cursor *c, const tf_value *value)
{
    const size_t size = tf_value_type_bytes(value->type);
    const uint8_t *at = NULL;
    tf_string text;

    if (size > 0) {
        const uint64_t n = value->n;
        if (n > left(c) / size)
            return fail_at(c, c->at,
                           "truncated: an array of %" PRIu64
                           " %ss, and %zu bytes are left",
                           n, tf_value_type_name(value->type), left(c));
        return take(c, n * size, "a value", &at);
    }
    for (size_t i = 0; i < value->n; i++)
        CADRE_TRY(take_string(c, "a string", &text));
    return CADRE_OK;
}

static cadre_status take_type(cursor *c, const char *what, tf_value_type *out)
{
    const size_t start = c->at;
    uint32_t number = 0;

    CADRE_TRY(take_u32(c, what, &number));
    if (number >= TF_N_VALUE_TYPES)
        return fail_at(c, start, "expected %s from 0 to %d, found %" PRIu32, what,
                       TF_N_VALUE_TYPES - 1, number);
    *out = (tf_value_type)number;
    return CADRE_OK;
}

static cadre_status take_array_head(cursor *c, tf_value *value)
{
    uint64_t n = 0;

    CADRE_TRY(take_type(c, "an array's type", &value->type));
    if (value->type == TF_ARRAY)
        return fail_at(c, c->at, "expected an array of values, found an array of arrays");
    CADRE_TRY(take_u64(c, "an array's length", &n));
    /* Every element takes a byte at least, so more than are left is nonsense. */
    if (n > left(c))
        return fail_at(c, c->at,
                       "truncated: an array of %" PRIu64
                       " elements, and %zu bytes are left",
                       n, left(c));
    value->n = (size_t)n;
    return CADRE_OK;
}

static cadre_status check_booleans(const cursor *c, const tf_value *value)
{
    if (value->type == TF_BOOL)
        for (size_t i = 0; i < value->n; i++)
            if (value->at[i] > 1)
                return fail_at(c, (size_t)(value->at + i - c->data),
                               "expected a bool of 0 or 1, found %d", value->at[i]);
    return CADRE_OK;
}

static cadre_status take_value(cursor *c, tf_value *value)
{
    c->within = NULL;
    CADRE_TRY(take_name(c, "a key", MAX_KEY, &value->key));
    c->within = "key";
    c->name = value->key;
    CADRE_TRY(take_type(c, "a value's type", &value->type));
    value->is_array = value->type == TF_ARRAY;
    value->n = 1;
    if (value->is_array)
        CADRE_TRY(take_array_head(c, value));
    value->at = c->data + c->at;
    CADRE_TRY(take_elements(c, value));
    value->bytes = (size_t)(c->data + c->at - value->at);
    return check_booleans(c, value);
}

/* ---- Tensors ---- */

static cadre_status take_shape(cursor *c, const char *name, tf_tensor *t)
{
    uint32_t n_dims = 0;

    CADRE_TRY(take_u32(c, "a number of dimensions", &n_dims));
    if (n_dims < 1 || n_dims > 4)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: tensor \"%s\": expected 1 to 4 dimensions, found %" PRIu32,
                          c->file, name, n_dims);
    t->n_dims = (int)n_dims;
    for (int d = 0; d < 4; d++) {
        uint64_t dim = 1;
        if (d < t->n_dims)
            CADRE_TRY(take_u64(c, "a dimension", &dim));
        /* So that no product of dimensions with a type's bytes goes unnoticed. */
        if (dim < 1 || dim > INT64_MAX)
            return cadre_fail(CADRE_ERR_INPUT,
                              "%s: tensor \"%s\": expected dimensions of 1 or more, "
                              "found %" PRIu64,
                              c->file, name, dim);
        t->dims[d] = (size_t)dim;
    }
    return CADRE_OK;
}

static cadre_status take_tensor_type(cursor *c, const char *name, cadre_wtype *out)
{
    uint32_t number = 0;

    CADRE_TRY(take_u32(c, "a tensor's type", &number));
    const struct tensor_type *type = tensor_type(number);
    if (!type)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: tensor \"%s\": unknown type number %" PRIu32, c->file,
                          name, number);
    if (type->ours == CADRE_N_WTYPES)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: tensor \"%s\": type %s is not supported; those that are: "
                          "F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K",
                          c->file, name, type->name);
    *out = type->ours;
    return CADRE_OK;
}

/* Set t->bytes. */
static cadre_status measure(const cursor *c, const char *name, tf_tensor *t)
{
    const size_t block = cadre_wtype_block(t->type);

    if (t->dims[0] % block != 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: tensor \"%s\": expected rows of a multiple of %zu values, "
                          "as %s has blocks of so many, found %zu",
                          c->file, name, block, cadre_wtype_name(t->type), t->dims[0]);
    size_t bytes = t->dims[0] / block;
    int overflow =
        __builtin_mul_overflow(bytes, cadre_wtype_block_bytes(t->type), &bytes);
    for (int d = 1; d < 4; d++)
        overflow |= __builtin_mul_overflow(bytes, t->dims[d], &bytes);
    if (overflow || bytes > c->bytes)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: tensor \"%s\": [%zu, %zu, %zu, %zu] values of %s are more "
                          "than the file's %zu bytes",
                          c->file, name, t->dims[0], t->dims[1], t->dims[2], t->dims[3],
                          cadre_wtype_name(t->type), c->bytes);
    t->bytes = bytes;
    return CADRE_OK;
}

/* One tensor but for its data. *next is where the one before ends: tensors lie one behind
 * the other, each at a multiple of the alignment. */
static cadre_status take_tensor(cursor *c, size_t alignment, uint64_t *next, tf_tensor *t)
{
    char name[TF_SHOWN];
    uint64_t offset = 0;

    c->within = NULL;
    CADRE_TRY(take_name(c, "a tensor's name", TF_GGUF_MAX_NAME, &t->name));
    c->within = "tensor";
    c->name = t->name;
    tf_show(t->name, name);
    CADRE_TRY(take_shape(c, name, t));
    CADRE_TRY(take_tensor_type(c, name, &t->type));
    CADRE_TRY(measure(c, name, t));
    CADRE_TRY(take_u64(c, "a tensor's offset", &offset));
    if (offset != *next)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: tensor \"%s\": expected its data at %" PRIu64
                          ", behind the tensor before it, found %" PRIu64,
                          c->file, name, *next, offset);
    /* At most 2^16 tensors, none larger than the file: no overflow. */
    *next = (offset + t->bytes + alignment - 1) / alignment * alignment;
    return CADRE_OK;
}

/* Let every tensor point to its data, which starts behind the header. */
static cadre_status place_tensors(tf_gguf *file, const cursor *c, size_t alignment)
{
    size_t at = (c->at + alignment - 1) / alignment * alignment;
    char name[TF_SHOWN];

    for (size_t i = 0; i < file->n_tensors; i++) {
        tf_tensor *t = &file->tensors[i];
        if (at > c->bytes || t->bytes > c->bytes - at)
            return cadre_fail(CADRE_ERR_INPUT,
                              "%s: tensor \"%s\": its data, %zu bytes at offset %zu, go "
                              "beyond the end of the file at %zu",
                              c->file, tf_show(t->name, name), t->bytes, at, c->bytes);
        t->data = c->data + at;
        at = (at + t->bytes + alignment - 1) / alignment * alignment;
    }
    return CADRE_OK;
}

/* ---- The whole header ---- */

static cadre_status take_magic(cursor *c)
{
    const uint8_t *magic = NULL;
    uint32_t version = 0;

    CADRE_TRY(take(c, 4, "magic", &magic));
    if (memcmp(magic, "GGUF", 4) != 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected a GGUF file, found bytes %02x %02x %02x %02x at "
                          "its start",
                          c->file, magic[0], magic[1], magic[2], magic[3]);
    CADRE_TRY(take_u32(c, "version", &version));
    if (version != 0 && (version & 0xffff) == 0)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: expected a little-endian GGUF file, found a big-endian one", c->file);
    if (version != 2 && version != 3)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected GGUF version 2 or 3, found %" PRIu32, c->file,
                          version);
    return CADRE_OK;
}

/* A number of entries, which take min_bytes each at least. */
static cadre_status take_count(cursor *c, const char *what, size_t min_bytes, size_t *out)
{
    const size_t start = c->at;
    uint64_t n = 0;

    CADRE_TRY(take_u64(c, what, &n));
    if (n > MAX_ENTRIES || n > left(c) / min_bytes)
        return fail_at(c, start,
                       "%" PRIu64 " as %s, and %zu bytes are left, room for %zu at most "
                       "(and no more than %d are taken)",
                       n, what, left(c), left(c) / min_bytes, MAX_ENTRIES);
    *out = (size_t)n;
    return CADRE_OK;
}

static int by_key(const void *a, const void *b)
{
    return compare((*(const tf_value *const *)a)->key,
                   (*(const tf_value *const *)b)->key);
}

static int by_name(const void *a, const void *b)
{
    return compare((*(const tf_tensor *const *)a)->name,
                   (*(const tf_tensor *const *)b)->name);
}

static cadre_status sort_values(tf_gguf *file)
{
    char shown[TF_SHOWN];

    file->values_by_key =
        tf_allocate(file->name, file->n_values, sizeof *file->values_by_key);
    if (!file->values_by_key)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < file->n_values; i++)
        file->values_by_key[i] = &file->values[i];
    qsort(file->values_by_key, file->n_values, sizeof *file->values_by_key, by_key);
    for (size_t i = 1; i < file->n_values; i++)
        if (by_key(&file->values_by_key[i - 1], &file->values_by_key[i]) == 0)
            return cadre_fail(CADRE_ERR_INPUT, "%s: key \"%s\" is there twice",
                              file->name, tf_show(file->values_by_key[i]->key, shown));
    return CADRE_OK;
}

static cadre_status sort_tensors(tf_gguf *file)
{
    char shown[TF_SHOWN];

    file->tensors_by_name =
        tf_allocate(file->name, file->n_tensors, sizeof *file->tensors_by_name);
    if (!file->tensors_by_name)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < file->n_tensors; i++)
        file->tensors_by_name[i] = &file->tensors[i];
    qsort(file->tensors_by_name, file->n_tensors, sizeof *file->tensors_by_name, by_name);
    for (size_t i = 1; i < file->n_tensors; i++)
        if (by_name(&file->tensors_by_name[i - 1], &file->tensors_by_name[i]) == 0)
            return cadre_fail(CADRE_ERR_INPUT, "%s: tensor \"%s\" is there twice",
                              file->name, tf_show(file->tensors_by_name[i]->name, shown));
    return CADRE_OK;
}

static cadre_status read_alignment(const tf_gguf *file, size_t *out)
{
    int64_t alignment = DEFAULT_ALIGNMENT;

    CADRE_TRY(tf_gguf_integer(file, "general.alignment", 0, MIN_ALIGNMENT, MAX_ALIGNMENT,
                              &alignment));
    if (alignment & (alignment - 1))
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: key \"general.alignment\": expected a power of two, found "
                          "%" PRId64,
                          file->name, alignment);
    *out = (size_t)alignment;
    return CADRE_OK;
}

static cadre_status parse(tf_gguf *file, cursor *c)
{
    size_t n_tensors = 0, n_values = 0, alignment = DEFAULT_ALIGNMENT;
    uint64_t next = 0;

    CADRE_TRY(take_magic(c));
    CADRE_TRY(take_count(c, "number of tensors", MIN_TENSOR_BYTES, &n_tensors));
    CADRE_TRY(take_count(c, "number of keys", MIN_VALUE_BYTES, &n_values));

    file->values = tf_allocate(file->name, n_values, sizeof *file->values);
    if (!file->values)
        return CADRE_ERR_NOMEM;
    for (; file->n_values < n_values; file->n_values++)
        CADRE_TRY(take_value(c, &file->values[file->n_values]));
    CADRE_TRY(sort_values(file));
    CADRE_TRY(read_alignment(file, &alignment));

    file->tensors = tf_allocate(file->name, n_tensors, sizeof *file->tensors);
    if (!file->tensors)
        return CADRE_ERR_NOMEM;
    for (; file->n_tensors < n_tensors; file->n_tensors++)
        CADRE_TRY(take_tensor(c, alignment, &next, &file->tensors[file->n_tensors]));
    CADRE_TRY(sort_tensors(file));
    return place_tensors(file, c, alignment);
}

cadre_status tf_gguf_open_memory(const char *name, const void *data, size_t bytes,
                                 tf_gguf **out)
{
    cursor c = {.file = name, .data = data, .bytes = bytes};
    tf_gguf *file = tf_allocate(name, 1, sizeof *file);

    *out = NULL;
    if (!file)
        return CADRE_ERR_NOMEM;
    file->name = strdup(name);
    const cadre_status st = file->name
                                ? parse(file, &c)
                                : cadre_fail(CADRE_ERR_NOMEM, "no memory for a name");
    if (st != CADRE_OK)
        tf_gguf_close(file);
    else
        *out = file;
    return st;
}

cadre_status tf_gguf_open(const char *path, tf_gguf **out)
{
    tf_mapped mapped;

    *out = NULL;
    CADRE_TRY(tf_map(path, &mapped));
    const cadre_status st = tf_gguf_open_memory(path, mapped.data, mapped.bytes, out);
    if (st != CADRE_OK)
        tf_unmap(&mapped);
    else
        (*out)->mapped = mapped;
    return st;
}

void tf_gguf_close(tf_gguf *file)
{
    if (!file)
        return;
    free(file->values_by_key);
    free(file->tensors_by_name);
    free(file->values);
    free(file->tensors);
    free(file->name);
    tf_unmap(&file->mapped);
    free(file);
}

/* ---- What is there ---- */

const char *tf_gguf_name(const tf_gguf *file)
{
    return file->name;
}

size_t tf_gguf_n_values(const tf_gguf *file)
{
    return file->n_values;
}

const tf_value *tf_gguf_value_at(const tf_gguf *file, size_t index)
{
    return index < file->n_values ? &file->values[index] : NULL;
}

const tf_value *tf_gguf_value(const tf_gguf *file, const char *key)
{
    const tf_value wanted = {.key = {key, strlen(key)}}, *at = &wanted;
    const tf_value **found = bsearch(&at, file->values_by_key, file->n_values,
                                     sizeof *file->values_by_key, by_key);
    return found ? *found : NULL;
}

size_t tf_gguf_n_tensors(const tf_gguf *file)
{
    return file->n_tensors;
}

const tf_tensor *tf_gguf_tensor_at(const tf_gguf *file, size_t index)
{
    return index < file->n_tensors ? &file->tensors[index] : NULL;
}

const tf_tensor *tf_gguf_tensor(const tf_gguf *file, const char *name)
{
    const tf_tensor wanted = {.name = {name, strlen(name)}}, *at = &wanted;
    const tf_tensor **found = bsearch(&at, file->tensors_by_name, file->n_tensors,
                                      sizeof *file->tensors_by_name, by_name);
    return found ? *found : NULL;
}
