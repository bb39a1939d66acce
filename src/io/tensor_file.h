/* io/tensor_file.h - inside of tensor files: what the reading child reports to its
 * parent.
 *
 * The child parses the file and may be led astray by it; the parent believes nothing that
 * it has not checked against the sizes it knows itself.
 */
#ifndef CADRE_IO_TENSOR_FILE_H
#define CADRE_IO_TENSOR_FILE_H

#include <cadre/io.h>
#include <stdint.h>

typedef enum cadre__tensor_kind {
    CADRE__TENSOR_DATA = 1,  /* a dataset of numbers */
    CADRE__TENSOR_STRINGS,   /* a 1-d one: dims[0] strings, each with its NUL */
    CADRE__TENSOR_REFUSED,   /* a dataset that cannot be used; the text says why */
    CADRE__TENSOR_ATTRIBUTE, /* of the root group; the text is its value */
    CADRE__TENSOR_FAILED,    /* the file cannot be read; the text says why */
    CADRE__TENSOR_END        /* all is reported */
} cadre__tensor_kind;

/* One record of the pipe; name and text follow it, without NUL. */
typedef struct cadre__tensor_record {
    uint32_t kind, dtype, n_dims;
    uint32_t decoded; /* 1: the bytes stand in the memory file */
    uint32_t name_bytes, text_bytes;
    uint64_t dims[CADRE_MAX_DIMS];
    uint64_t offset, bytes; /* in the file or in the memory file */
} cadre__tensor_record;

typedef struct cadre__tensor_limits {
    uint64_t file_bytes;
    int64_t cpu_seconds;
    int64_t memory_mib;
} cadre__tensor_limits;

#define CADRE__TENSOR_NAME_BYTES 1024       /* longest name of a dataset, with its NUL */
#define CADRE__TENSOR_TEXT_BYTES (1u << 20) /* longest value of an attribute */

/* The whole life of the child after fork(): read the file, report, end. */
_Noreturn void cadre__tensor_child(int file_fd, int report_fd, int memory_fd,
                                   const cadre__tensor_limits *limits);

/* Whether the file holds a dataset of that name, usable or not. */
int cadre__tensor_file_has(const cadre_tensor_file *file, const char *name);

/* The strings of a 1-d string dataset, borrowed until close.
 * CADRE_ERR_NOT_FOUND, CADRE_ERR_INPUT (it holds no strings) */
cadre_status cadre__tensor_file_strings(const cadre_tensor_file *file, const char *name,
                                        const char *const **strings, size_t *n);

#endif
