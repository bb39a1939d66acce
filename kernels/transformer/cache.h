/* cache.h - a file derived from a model, made once, found and mapped by everybody else.
 *
 * It lies beside the model as MODEL.cadre, and stays; or in the node's shared memory, as
 * /dev/shm/cadre-UID-DIGEST, and the last one who closes it removes it. What processes
 * that were killed left there is removed by the next one who opens anything. Whoever
 * finds none makes it, under a lock on NAME.partial, and renames it when it is complete;
 * the others wait.
 *
 * A file is used if its header has the format, length and layout that are expected, and
 * the model is the one it was made from: size, inode and times of change are those
 * recorded, or else the digest of the model's bytes is. A file that may not have reached
 * the disk before the machine stopped is not used: until it has been written out, the
 * header names the boot of the machine that made it. Behind its content a file has
 * checksums. Who opens it compares them if nobody has since the machine started, if the
 * last time is a day ago, or if the file was written to since; a damaged one is made
 * anew. Comparing takes a tenth of a second per GB. What changes while the file is mapped
 * is not noticed.
 */
#ifndef TF_CACHE_H
#define TF_CACHE_H

#include "mapped.h"

/* Behind the header, at a multiple of this, lies the content. */
enum { TF_CACHE_HEADER = 4096 };

typedef enum tf_cache_place { TF_BESIDE_MODEL, TF_SHARED_MEMORY } tf_cache_place;

/* Write the content to fd from offset TF_CACHE_HEADER on. */
typedef cadre_status tf_cache_fill_fn(void *context, int fd);

typedef struct tf_cache_request {
    const char *model;   /* path */
    tf_file_id model_id; /* when it was opened */
    uint64_t bytes;      /* of the content */
    uint64_t layout;     /* a number that changes when the layout does */
    tf_cache_fill_fn *fill;
    void *context;
} tf_cache_request;

typedef struct tf_cached tf_cached;

/* Find or make the file. The caller owns *out; on failure it is NULL. Local, though
 * processes of a node wait for one that makes it.
 * CADRE_ERR_NOT_FOUND  no model at that path
 * CADRE_ERR_NOMEM      no room in shared memory: says how much is needed and there
 * CADRE_ERR_IO         the file cannot be written or read; no room on the disk
 * CADRE_ERR_INPUT      the model changed while it was read
 * CADRE_ERR_TIMEOUT    another process takes too long; names it
 * or what fill returned */
cadre_status tf_cache_open(const tf_cache_request *request, tf_cache_place place,
                           tf_cached **out);
void tf_cache_close(tf_cached *cached);

/* The content, mapped read-only, aligned to a page; and whether it was there already. */
const void *tf_cache_content(const tf_cached *cached);
int tf_cache_was_found(const tf_cached *cached);

#endif
