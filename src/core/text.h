/* core/text.h - a string that grows, and small helpers on names and paths. */
#ifndef CADRE_CORE_TEXT_H
#define CADRE_CORE_TEXT_H

#include <cadre/status.h>
#include <stdbool.h>
#include <stddef.h>

/* Caller storage, all zero when empty. Running out of memory is remembered, further
 * appends do nothing, and cadre__text_status() tells. */
typedef struct cadre__text {
    char *data; /* NUL-terminated; NULL when empty and nothing was ever appended */
    size_t size, capacity;
    bool failed;
} cadre__text;

void cadre__text_append(cadre__text *text, const char *bytes, size_t n);
void cadre__text_puts(cadre__text *text, const char *string);
void cadre__text_printf(cadre__text *text, const char *fmt, ...) CADRE_PRINTF(2, 3);
cadre_status cadre__text_status(const cadre__text *text);
/* The string, "" when empty; borrowed until the next append. */
const char *cadre__text_string(const cadre__text *text);
void cadre__text_clear(cadre__text *text); /* keep the memory */
void cadre__text_fini(cadre__text *text);

/* The candidate nearest to name by edit distance, or NULL if none is similar enough to be
 * worth suggesting (distance at most 1 + a third of the name's length). */
const char *cadre__nearest(const char *name, const char *const *candidates, size_t n);

/* Read "4096", "4k", "64M" or "1G" (powers of 1024) from the beginning of text; *end is
 * what follows. False if there is no such number, or it does not fit. */
bool cadre__read_bytes(const char *text, const char **end, size_t *out);

/* Join folder and path unless path is absolute, taking back folders for leading "../"
 * where that leads to the same place; the caller frees the result. NULL when out of
 * memory. */
char *cadre__path_join(const char *folder, const char *path);

/* The folder part of path ("." if none); the caller frees the result. */
char *cadre__path_folder(const char *path);

#endif
