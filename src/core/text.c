/* core/text.c - a string that grows, and small helpers on names and paths. */
#include "core/text.h"
#include "core/memory.h"
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool reserve(cadre__text *text, size_t more)
{
    size_t needed;
    if (text->failed)
        return false;
    if (__builtin_add_overflow(text->size, more + 1, &needed)) {
        text->failed = true;
        return false;
    }
    if (needed <= text->capacity)
        return true;
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity < needed)
        capacity += capacity / 2 + 1;
    char *data = cadre__grow(text->data, text->size, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void cadre__text_append(cadre__text *text, const char *bytes, size_t n)
{
    if (!reserve(text, n))
        return;
    if (n)
        memcpy(text->data + text->size, bytes, n);
    text->size += n;
    text->data[text->size] = '\0';
}

void cadre__text_puts(cadre__text *text, const char *string)
{
    cadre__text_append(text, string, strlen(string));
}

void cadre__text_printf(cadre__text *text, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    /* Mostly there is room already, and formatting once is enough. */
    size_t room = text->capacity - text->size;
    int n = vsnprintf(room ? text->data + text->size : NULL, room, fmt, args);
    va_end(args);
    if (n < 0) {
        text->failed = true;
    } else if ((size_t)n < room && !text->failed) {
        text->size += (size_t)n;
    } else if (reserve(text, (size_t)n)) {
        vsnprintf(text->data + text->size, (size_t)n + 1, fmt, again);
        text->size += (size_t)n;
    }
    va_end(again);
}

cadre_status cadre__text_status(const cadre__text *text)
{
    return text->failed ? cadre_fail(CADRE_ERR_NOMEM,
                                     "out of memory for a text of %zu bytes", text->size)
                        : CADRE_OK;
}

const char *cadre__text_string(const cadre__text *text)
{
    return text->data ? text->data : "";
}

void cadre__text_clear(cadre__text *text)
{
    text->size = 0;
    text->failed = false;
    if (text->data)
        text->data[0] = '\0';
}

void cadre__text_fini(cadre__text *text)
{
    cadre__free(text->data);
    memset(text, 0, sizeof *text);
}

/* Levenshtein distance (1966) of strings of fewer than NAME_MAX_BYTES, in one row. */
#define NAME_MAX_BYTES 64
static size_t edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t row[NAME_MAX_BYTES + 1];
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            const size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            const size_t remove = row[j] + 1, insert = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = replace < remove ? replace : remove;
            if (insert < row[j])
                row[j] = insert;
        }
    }
    return row[n_b];
}

const char *cadre__nearest(const char *name, const char *const *candidates, size_t n)
{
    const size_t length = strlen(name);
    const char *best = NULL;
    size_t best_distance = 1 + length / 3 + 1;

    if (length >= NAME_MAX_BYTES)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const size_t other = strlen(candidates[i]);
        if (other >= NAME_MAX_BYTES)
            continue;
        const size_t distance = edit_distance(name, length, candidates[i], other);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidates[i];
        }
    }
    return best;
}

/* Length of folder without its last component if that is a real folder, so that "../" may
 * take it back; SIZE_MAX if not: behind a symbolic link ".." leads elsewhere. */
static size_t parent_length(const char *folder, size_t n)
{
    char path[PATH_MAX];
    struct stat info;
    size_t start = n;

    if (n == 0 || n >= sizeof path)
        return SIZE_MAX;
    while (start > 0 && folder[start - 1] != '/')
        start--;
    memcpy(path, folder, n);
    path[n] = '\0';
    if (strcmp(path + start, "..") == 0 || strcmp(path + start, ".") == 0 ||
        lstat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return SIZE_MAX;
    return start > 1 ? start - 1 : start;
}

char *cadre__path_join(const char *folder, const char *path)
{
    size_t n = strlen(folder), parent;

    if (path[0] == '/' || strcmp(folder, ".") == 0)
        return cadre__strdup(path);
    while (strncmp(path, "../", 3) == 0 &&
           (parent = parent_length(folder, n)) != SIZE_MAX) {
        path += 3;
        n = parent;
    }
    const size_t size = n + strlen(path) + 2;
    char *joined = cadre__alloc(size);
    if (joined)
        snprintf(joined, size, "%.*s%s%s", (int)n, folder,
                 n == 0 || folder[n - 1] == '/' ? "" : "/", path);
    return joined;
}

char *cadre__path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return cadre__strdup(".");
    if (slash == path)
        return cadre__strdup("/");
    char *folder = cadre__alloc((size_t)(slash - path) + 1);
    return folder ? memcpy(folder, path, (size_t)(slash - path)) : NULL;
}

bool cadre__read_bytes(const char *text, const char **end, size_t *out)
{
    static const char units[] = "kKmMgG";
    size_t value = 0;

    *end = text;
    for (; **end >= '0' && **end <= '9'; (*end)++) {
        if (__builtin_mul_overflow(value, (size_t)10, &value) ||
            __builtin_add_overflow(value, (size_t)(**end - '0'), &value))
            return false;
    }
    if (*end == text)
        return false;
    const char *unit = **end ? strchr(units, **end) : NULL;
    if (unit) {
        const int shift = 10 * (1 + (int)(unit - units) / 2);
        if (value > SIZE_MAX >> shift)
            return false;
        value <<= shift;
        (*end)++;
    }
    *out = value;
    return true;
}
