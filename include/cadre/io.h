/* cadre/io.h - tensor files, and digests of files.
 *
 * A tensor file is HDF5: named datasets of f32, f64, i32 or i64 with up to CADRE_MAX_DIMS
 * dimensions, and attributes of the root group (strings and numbers). Files come from
 * outside, so the process that opens one never parses it: a short-lived child with limits
 * on time and memory does, and reports names, shapes and offsets. What is stored
 * contiguously and in this machine's byte order is then mapped read-only, so ranks of one
 * node share one copy; the rest (compressed, chunked, converted) is decoded by the child
 * into memory. Smaller types are widened (f16 to f32; u8, i8, u16, i16, booleans to i32;
 * u32 to i64). Datasets in groups are named "a/b"; soft and external links are not
 * followed.
 */
#ifndef CADRE_IO_H
#define CADRE_IO_H

#include <cadre/dtype.h>
#include <cadre/status.h>

typedef struct cadre_tensor_file cadre_tensor_file;

/* Open path. The caller owns *out; on failure it is NULL. Local.
 * CADRE_ERR_NOT_FOUND  no such file
 * CADRE_ERR_INPUT      not HDF5, truncated, or the child died or ran out of its limits */
CADRE_API cadre_status cadre_tensor_file_open(const char *path, cadre_tensor_file **out);

/* Unmap everything; views become invalid. NULL is ignored. Local. */
CADRE_API void cadre_tensor_file_close(cadre_tensor_file *file);

/* A read-only view of a dataset, valid until close. *mapped (may be NULL) is 1 if it is
 * shared with the other processes of the node. Local.
 * CADRE_ERR_NOT_FOUND  no dataset of that name; the sentence lists those the file has
 * CADRE_ERR_INPUT      it holds something else: strings, u64, more dimensions */
CADRE_API cadre_status cadre_tensor_file_get(const cadre_tensor_file *file,
                                             const char *name, cadre_tensor *view,
                                             int *mapped);

/* The index-th dataset's name; NULL past the last. Local. */
CADRE_API const char *cadre_tensor_file_name(const cadre_tensor_file *file, size_t index);

/* A root attribute as text (numbers printed with %.17g); NULL if there is none. Borrowed
 * until close. Local. */
CADRE_API const char *cadre_tensor_file_attribute(const cadre_tensor_file *file,
                                                  const char *name);

typedef struct cadre_named_tensor {
    const char *name;
    cadre_tensor tensor;
} cadre_named_tensor;

typedef struct cadre_attribute {
    const char *name, *value;
} cadre_attribute;

/* Write a tensor file, contiguous and aligned to 64 bytes so that it can be mapped: under
 * a temporary name, fsynced, then renamed to path. The bytes depend on the arguments
 * only. Local.
 * CADRE_ERR_ARG  a tensor of another type, without a usable name, or without data
 * CADRE_ERR_IO   names path and what failed; nothing is left at path */
CADRE_API cadre_status cadre_tensor_file_write(const char *path,
                                               const cadre_named_tensor *tensors,
                                               size_t n_tensors,
                                               const cadre_attribute *attributes,
                                               size_t n_attributes);

/* XXH3 128-bit digest of the bytes of the file at path as 32 hex digits (what `xxh128sum`
 * prints), into hex[33]. Local.
 * CADRE_ERR_NOT_FOUND, CADRE_ERR_IO, CADRE_ERR_INPUT (no regular file) */
CADRE_API cadre_status cadre_file_digest(const char *path, char *hex);

/* XXH3 64-bit checksum of bytes in memory. Local. */
CADRE_API uint64_t cadre_bytes_checksum(const void *bytes, size_t n);

#endif
