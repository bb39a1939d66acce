/* io/file.h - whole files, written so that they are complete or absent. */
#ifndef CADRE_IO_FILE_H
#define CADRE_IO_FILE_H

#include <cadre/io.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Read path, at most max_bytes, plain or gzip'ed (told by content); NUL-terminated for
 * convenience. The caller frees *out with cadre__free().
 * CADRE_ERR_NOT_FOUND, CADRE_ERR_IO, CADRE_ERR_INPUT (no regular file, larger than
 * max_bytes, bad gzip data) */
cadre_status cadre__file_read(const char *path, size_t max_bytes, char **out,
                              size_t *size);

/* Write bytes to path whole: temporary name beside it, fsync, rename, fsync of the
 * folder. What is there and is no regular file (a device, a link) is not replaced.
 * CADRE_ERR_IO  names path and what failed; path is as it was */
cadre_status cadre__file_write(const char *path, const void *bytes, size_t size);

/* A file that grows under path + ".partial" and gets its name when complete. */
typedef struct cadre__growing {
    FILE *stream;
    char *path, *partial;
} cadre__growing;

cadre_status cadre__growing_open(const char *path, cadre__growing *out);
cadre_status cadre__growing_append(cadre__growing *file, const char *bytes, size_t n);
cadre_status
cadre__growing_flush(cadre__growing *file); /* to where other processes read */
/* flush, fsync, rename, fsync of the folder; closes in any case. */
cadre_status cadre__growing_complete(cadre__growing *file);
void cadre__growing_discard(
    cadre__growing *file); /* close and leave the partial file; NULL-safe, idempotent */

/* Whose fault it is that a place cannot be made or written, by errno: CADRE_ERR_INPUT if
 * the path names a wrong one (no such folder, a file in the way, not permitted),
 * CADRE_ERR_IO if storage or this process are at their limits. */
cadre_status cadre__path_fault(int why);

/* mkdir -p. Statuses of cadre__path_fault(); the sentence names the folder and why. */
cadre_status cadre__make_folders(const char *path);

/* The same, and whether files can be made there: found by making one, since root may
 * "write" anywhere. */
cadre_status cadre__make_output_folder(const char *path);
bool cadre__file_exists(const char *path);

/* As cadre_file_digest() of bytes in memory. */
void cadre__bytes_digest(const void *bytes, size_t n, char *hex);

#endif
