/* gguf_values.c - a GGUF file's values, as the type and in the range that is wanted. */
#include "allocate.h"
#include "gguf.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- One number as it lies in the file ---- */

#define AS(type)                                                                         \
    type v;                                                                              \
    memcpy(&v, at, sizeof v)

double tf_value_as_double(tf_value_type type, const uint8_t *at)
{
    switch (type) {
    case TF_FLOAT32: {
        AS(float);
        return (double)v;
    }
    case TF_FLOAT64: {
        AS(double);
        return v;
    }
    case TF_UINT64: {
        AS(uint64_t);
        return (double)v;
    }
    case TF_INT64: {
        AS(int64_t);
        return (double)v;
    }
    case TF_UINT32: {
        AS(uint32_t);
        return v;
    }
    case TF_INT32: {
        AS(int32_t);
        return v;
    }
    case TF_UINT16: {
        AS(uint16_t);
        return v;
    }
    case TF_INT16: {
        AS(int16_t);
        return v;
    }
    case TF_INT8: {
        AS(int8_t);
        return v;
    }
    default: /* TF_UINT8, TF_BOOL */
        return *at;
    }
}

/* A whole number of at most 64 bits; one beyond int64_t is given as INT64_MAX, which no
 * range here reaches. */
static int64_t as_integer(tf_value_type type, const uint8_t *at)
{
    if (type == TF_INT64) {
        AS(int64_t);
        return v;
    }
    if (type == TF_UINT64) {
        AS(uint64_t);
        return v > INT64_MAX ? INT64_MAX : (int64_t)v;
    }
    return (int64_t)tf_value_as_double(type, at); /* exact: 32 bits at most */
}

#undef AS

tf_string tf_value_as_string(const uint8_t *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof n);
    return (tf_string){.at = (const char *)at + sizeof n, .bytes = (size_t)n};
}

/* ---- Kinds of types ---- */

typedef enum kind { INTEGER, NUMBER, BOOLEAN, STRING } kind;

static const char *const kind_names[] = {"an integer", "a number", "a bool", "a string"};
static const char *const array_names[] = {"integers", "numbers", "bools", "strings"};

static int is_kind(tf_value_type type, kind wanted)
{
    switch (type) {
    case TF_STRING:
        return wanted == STRING;
    case TF_BOOL:
        return wanted == BOOLEAN;
    case TF_FLOAT32:
    case TF_FLOAT64:
        return wanted == NUMBER;
    default:
        return wanted == INTEGER || wanted == NUMBER;
    }
}

/* The value of this key in *out; NULL if it is absent and need not be there. */
static cadre_status find(const tf_gguf *file, const char *key, int required, kind wanted,
                         int array, const tf_value **out)
{
    const tf_value *value = tf_gguf_value(file, key);

    *out = value;
    if (!value && required)
        return cadre_fail(CADRE_ERR_INPUT, "%s: key \"%s\" is missing",
                          tf_gguf_name(file), key);
    if (!value)
        return CADRE_OK;
    if (value->is_array != array || !is_kind(value->type, wanted))
        return cadre_fail(CADRE_ERR_INPUT, "%s: key \"%s\": expected %s%s, found %s%s",
                          tf_gguf_name(file), key, array ? "an array of " : "",
                          array ? array_names[wanted] : kind_names[wanted],
                          value->is_array ? "an array of " : "",
                          tf_value_type_name(value->type));
    return CADRE_OK;
}

static cadre_status check_integer(const tf_gguf *file, const char *key, int64_t min,
                                  int64_t max, int64_t found)
{
    if (found < min || found > max)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: key \"%s\": expected a whole number from %" PRId64
                          " to %" PRId64 ", found %" PRId64,
                          tf_gguf_name(file), key, min, max, found);
    return CADRE_OK;
}

/* ---- Single values ---- */

cadre_status tf_gguf_integer(const tf_gguf *file, const char *key, int required,
                             int64_t min, int64_t max, int64_t *out)
{
    const tf_value *value;

    CADRE_TRY(find(file, key, required, INTEGER, 0, &value));
    if (!value)
        return CADRE_OK;
    const int64_t found = as_integer(value->type, value->at);
    CADRE_TRY(check_integer(file, key, min, max, found));
    *out = found;
    return CADRE_OK;
}

cadre_status tf_gguf_number(const tf_gguf *file, const char *key, int required,
                            double min, double max, double *out)
{
    const tf_value *value;

    CADRE_TRY(find(file, key, required, NUMBER, 0, &value));
    if (!value)
        return CADRE_OK;
    const double found = tf_value_as_double(value->type, value->at);
    if (!(found >= min && found <= max)) /* a NaN is neither */
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: key \"%s\": expected a number from %g to %g, found %g",
                          tf_gguf_name(file), key, min, max, found);
    *out = found;
    return CADRE_OK;
}

cadre_status tf_gguf_boolean(const tf_gguf *file, const char *key, int required, int *out)
{
    const tf_value *value;

    CADRE_TRY(find(file, key, required, BOOLEAN, 0, &value));
    if (value)
        *out = *value->at;
    return CADRE_OK;
}

cadre_status tf_gguf_string(const tf_gguf *file, const char *key, int required,
                            tf_string *out)
{
    const tf_value *value;

    CADRE_TRY(find(file, key, required, STRING, 0, &value));
    if (value)
        *out = tf_value_as_string(value->at);
    return CADRE_OK;
}

/* ---- Arrays ---- */

cadre_status tf_gguf_strings(const tf_gguf *file, const char *key, int required,
                             tf_string **out, size_t *n)
{
    const tf_value *value;

    *out = NULL;
    *n = 0;
    CADRE_TRY(find(file, key, required, STRING, 1, &value));
    if (!value)
        return CADRE_OK;
    *out = tf_allocate(tf_gguf_name(file), value->n, sizeof **out);
    if (!*out)
        return CADRE_ERR_NOMEM;
    const uint8_t *at = value->at;
    for (size_t i = 0; i < value->n; i++) {
        (*out)[i] = tf_value_as_string(at);
        at = (const uint8_t *)(*out)[i].at + (*out)[i].bytes;
    }
    *n = value->n;
    return CADRE_OK;
}

cadre_status tf_gguf_floats(const tf_gguf *file, const char *key, int required,
                            float **out, size_t *n)
{
    const tf_value *value;

    *out = NULL;
    *n = 0;
    CADRE_TRY(find(file, key, required, NUMBER, 1, &value));
    if (!value)
        return CADRE_OK;
    *out = tf_allocate(tf_gguf_name(file), value->n, sizeof **out);
    if (!*out)
        return CADRE_ERR_NOMEM;
    const size_t size = tf_value_type_bytes(value->type);
    for (size_t i = 0; i < value->n; i++)
        (*out)[i] = (float)tf_value_as_double(value->type, value->at + i * size);
    *n = value->n;
    return CADRE_OK;
}

cadre_status tf_gguf_integers(const tf_gguf *file, const char *key, int required,
                              int64_t min, int64_t max, int32_t **out, size_t *n)
{
    const tf_value *value;

    *out = NULL;
    *n = 0;
    CADRE_TRY(find(file, key, required, INTEGER, 1, &value));
    if (!value)
        return CADRE_OK;
    *out = tf_allocate(tf_gguf_name(file), value->n, sizeof **out);
    if (!*out)
        return CADRE_ERR_NOMEM;
    const size_t size = tf_value_type_bytes(value->type);
    for (size_t i = 0; i < value->n; i++) {
        const int64_t found = as_integer(value->type, value->at + i * size);
        const cadre_status st = check_integer(file, key, min, max, found);
        if (st != CADRE_OK) {
            free(*out);
            *out = NULL;
            return st;
        }
        (*out)[i] = (int32_t)found;
    }
    *n = value->n;
    return CADRE_OK;
}
