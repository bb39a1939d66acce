/* mapped.h - a whole file as read-only memory. */
#ifndef TF_MAPPED_H
#define TF_MAPPED_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

/* What changes when a file's bytes do. */
typedef struct tf_file_id {
    uint64_t bytes, inode;
    int64_t modified_ns, changed_ns; /* times of the last change of data, of anything */
} tf_file_id;

/* Local. CADRE_ERR_NOT_FOUND, CADRE_ERR_IO */
cadre_status tf_file_identify(const char *path, tf_file_id *out);

typedef struct tf_mapped {
    const void *data; /* NULL: not mapped */
    size_t bytes;
    tf_file_id id; /* when it was mapped */
} tf_mapped;

/* Map path, which processes of a node then share. *out is all zero on failure. Local.
 * CADRE_ERR_NOT_FOUND  no such file
 * CADRE_ERR_INPUT      no regular file, or empty
 * CADRE_ERR_IO         cannot be read: says why */
cadre_status tf_map(const char *path, tf_mapped *out);
/* Give back the memory that pages take which were read; they are read again when they are
 * used. This and the next do nothing to one that is all zero. */
void tf_rest(const tf_mapped *mapped);
void tf_unmap(tf_mapped *mapped);

#endif
