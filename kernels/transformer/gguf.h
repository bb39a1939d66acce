/* gguf.h - GGUF files, mapped; every byte is checked before it is used.
 *
 * Format: github.com/ggml-org/ggml, docs/gguf.md, versions 2 and 3 (which differ in
 * nothing but that 3 may be big-endian, and those files are refused).
 */
#ifndef TF_GGUF_H
#define TF_GGUF_H

#include <cadre/matrix.h>
#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tf_gguf tf_gguf;

enum {
    TF_GGUF_MAX_NAME = 64, /* bytes of a tensor's name */
    TF_SHOWN = 80
};

/* A string of the file: not NUL-terminated, any bytes. */
typedef struct tf_string {
    const char *at;
    size_t bytes;
} tf_string;

/* The string for people: what is not printable ASCII as '?', cut if it is long. */
const char *tf_show(tf_string text, char shown[TF_SHOWN]);
/* Whether the string is this one. */
int tf_string_is(tf_string text, const char *other);

/* A tensor as the file describes it. dims[0] is the row length (n_in), dims[1] the number
 * of rows; missing dims are 1. */
typedef struct tf_tensor {
    tf_string name;
    int n_dims;
    size_t dims[4];
    cadre_wtype type;
    const void *data;
    size_t bytes;
} tf_tensor;

/* Types of values, as the format numbers them. */
typedef enum tf_value_type {
    TF_UINT8,
    TF_INT8,
    TF_UINT16,
    TF_INT16,
    TF_UINT32,
    TF_INT32,
    TF_FLOAT32,
    TF_BOOL,
    TF_STRING,
    TF_ARRAY,
    TF_UINT64,
    TF_INT64,
    TF_FLOAT64,
    TF_N_VALUE_TYPES
} tf_value_type;

/* A key and its value, which lies at `at` as the file has it, at any alignment: a string
 * is its length as u64, then its bytes. */
typedef struct tf_value {
    tf_string key;
    tf_value_type type; /* of the value, or of the elements of an array */
    int is_array;
    size_t n; /* elements; 1 if it is no array */
    const uint8_t *at;
    size_t bytes;
} tf_value;

/* Map and check path: magic, version, counts, every key and value, every tensor's name,
 * shape, type and place. The caller owns *out; on failure it is NULL. Local.
 * CADRE_ERR_NOT_FOUND    no such file
 * CADRE_ERR_INPUT        names file, offset or key or tensor, what was found and
 *                        expected: truncated, another version, a key or tensor twice, an
 *                        unknown value type, data outside the file, too large
 * CADRE_ERR_UNSUPPORTED  a tensor type that we do not compute, by name */
cadre_status tf_gguf_open(const char *path, tf_gguf **out);
/* The same from memory, which is borrowed until close; `name` is for messages. */
cadre_status tf_gguf_open_memory(const char *name, const void *data, size_t bytes,
                                 tf_gguf **out);
void tf_gguf_close(tf_gguf *file);
const char *tf_gguf_name(const tf_gguf *file);

/* Values by key. Each leaves *out as it was if the key is absent and required is 0.
 * Integers of any width and sign are accepted where they fit.
 * CADRE_ERR_INPUT  absent though required, of another type, or out of range */
cadre_status tf_gguf_integer(const tf_gguf *file, const char *key, int required,
                             int64_t min, int64_t max, int64_t *out);
cadre_status tf_gguf_number(const tf_gguf *file, const char *key, int required,
                            double min, double max, double *out);
cadre_status tf_gguf_boolean(const tf_gguf *file, const char *key, int required,
                             int *out);
cadre_status tf_gguf_string(const tf_gguf *file, const char *key, int required,
                            tf_string *out);
/* Arrays. Absent: *n = 0. Strings and numbers are copied to memory the caller frees. */
cadre_status tf_gguf_strings(const tf_gguf *file, const char *key, int required,
                             tf_string **out, size_t *n);
cadre_status tf_gguf_floats(const tf_gguf *file, const char *key, int required,
                            float **out, size_t *n);
cadre_status tf_gguf_integers(const tf_gguf *file, const char *key, int required,
                              int64_t min, int64_t max, int32_t **out, size_t *n);

size_t tf_gguf_n_values(const tf_gguf *file);
/* In the order of the file. */
const tf_value *tf_gguf_value_at(const tf_gguf *file, size_t index);
/* NULL if there is none of that name. */
const tf_value *tf_gguf_value(const tf_gguf *file, const char *key);
/* "uint32"; "?" if out of range. */
const char *tf_value_type_name(tf_value_type type);
/* Bytes of one value; 0 for strings and arrays. */
size_t tf_value_type_bytes(tf_value_type type);
/* One number or boolean of this type that lies at `at`. */
double tf_value_as_double(tf_value_type type, const uint8_t *at);
/* The string that lies at `at`, which has been checked. */
tf_string tf_value_as_string(const uint8_t *at);

/* The number that a file has for a type. */
uint32_t tf_tensor_type_number(cadre_wtype type);
size_t tf_gguf_n_tensors(const tf_gguf *file);
/* In the order of the file. */
const tf_tensor *tf_gguf_tensor_at(const tf_gguf *file, size_t index);
/* NULL if there is none of that name. */
const tf_tensor *tf_gguf_tensor(const tf_gguf *file, const char *name);

#endif
