/* gguf_write.c - a GGUF v3 file, written from front to back. */
#include "gguf_write.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ALIGNMENT = 32, BUFFER = 1 << 20 };

/* Growing bytes. */
typedef struct bytes {
    uint8_t *data;
    size_t n, capacity;
} bytes;

struct tf_writer {
    char *path, *partial;
    FILE *stream;
    uint64_t n_keys, n_tensors;
    bytes keys, tensors; /* the header's two parts */
    size_t *sizes;       /* [n_tensors] */
    size_t sizes_capacity;
    uint64_t next;            /* offset of the next tensor */
    int failed, header_there; /* no memory; the header has been written */
    size_t current, written;  /* tensor that data goes to, and how much it has */
};

/* ---- Memory ---- */

/* Room for n more bytes; NULL if there is none, which is remembered. */
static uint8_t *reserve(tf_writer *w, bytes *b, size_t n)
{
    if (b->n + n > b->capacity) {
        const size_t capacity = 2 * (b->n + n) + 256;
        uint8_t *data = realloc(b->data, capacity);
        if (!data) {
            w->failed = 1;
            return NULL;
        }
        b->data = data;
        b->capacity = capacity;
    }
    b->n += n;
    return b->data + b->n - n;
}

static void put(tf_writer *w, bytes *b, const void *data, size_t n)
{
    uint8_t *at = reserve(w, b, n);
    if (at && n > 0)
        memcpy(at, data, n);
}

static void put_u32(tf_writer *w, bytes *b, uint32_t value)
{
    put(w, b, &value, sizeof value);
}

static void put_u64(tf_writer *w, bytes *b, uint64_t value)
{
    put(w, b, &value, sizeof value);
}

static void put_string(tf_writer *w, bytes *b, tf_string text)
{
    put_u64(w, b, text.bytes);
    put(w, b, text.at, text.bytes);
}

static tf_string string_of(const char *text)
{
    return (tf_string){text, strlen(text)};
}

/* ---- Keys ---- */

static void put_key(tf_writer *w, const char *key, tf_value_type type)
{
    w->n_keys++;
    put_string(w, &w->keys, string_of(key));
    put_u32(w, &w->keys, (uint32_t)type);
}

void tf_write_string(tf_writer *w, const char *key, const char *text)
{
    put_key(w, key, TF_STRING);
    put_string(w, &w->keys, string_of(text));
}

void tf_write_integer(tf_writer *w, const char *key, uint32_t value)
{
    put_key(w, key, TF_UINT32);
    put_u32(w, &w->keys, value);
}

void tf_write_number(tf_writer *w, const char *key, float value)
{
    put_key(w, key, TF_FLOAT32);
    put(w, &w->keys, &value, sizeof value);
}

void tf_write_boolean(tf_writer *w, const char *key, int value)
{
    const uint8_t byte = value != 0;

    put_key(w, key, TF_BOOL);
    put(w, &w->keys, &byte, 1);
}

static void put_array_head(tf_writer *w, const char *key, tf_value_type type, size_t n)
{
    put_key(w, key, TF_ARRAY);
    put_u32(w, &w->keys, (uint32_t)type);
    put_u64(w, &w->keys, n);
}

void tf_write_strings(tf_writer *w, const char *key, const tf_string *values, size_t n)
{
    put_array_head(w, key, TF_STRING, n);
    for (size_t i = 0; i < n; i++)
        put_string(w, &w->keys, values[i]);
}

void tf_write_floats(tf_writer *w, const char *key, const float *values, size_t n)
{
    put_array_head(w, key, TF_FLOAT32, n);
    put(w, &w->keys, values, n * sizeof *values);
}

void tf_write_integers(tf_writer *w, const char *key, const int32_t *values, size_t n)
{
    put_array_head(w, key, TF_INT32, n);
    put(w, &w->keys, values, n * sizeof *values);
}

void tf_write_value(tf_writer *w, const tf_value *value)
{
    w->n_keys++;
    put_string(w, &w->keys, value->key);
    if (value->is_array) {
        put_u32(w, &w->keys, TF_ARRAY);
        put_u32(w, &w->keys, (uint32_t)value->type);
        put_u64(w, &w->keys, value->n);
    } else {
        put_u32(w, &w->keys, (uint32_t)value->type);
    }
    put(w, &w->keys, value->at, value->bytes);
}

/* ---- Tensors ---- */

static int remember_size(tf_writer *w, size_t size)
{
    if (w->n_tensors == w->sizes_capacity) {
        const size_t capacity = 2 * w->sizes_capacity + 64;
        size_t *sizes = realloc(w->sizes, capacity * sizeof *sizes);
        if (!sizes)
            return 0;
        w->sizes = sizes;
        w->sizes_capacity = capacity;
    }
    w->sizes[w->n_tensors++] = size;
    return 1;
}

void tf_write_tensor(tf_writer *w, tf_string name, cadre_wtype type, size_t n_in,
                     size_t n_out)
{
    const size_t row = n_in / cadre_wtype_block(type) * cadre_wtype_block_bytes(type);
    const size_t size = row * (n_out ? n_out : 1);

    put_string(w, &w->tensors, name);
    put_u32(w, &w->tensors, n_out ? 2 : 1);
    put_u64(w, &w->tensors, n_in);
    if (n_out)
        put_u64(w, &w->tensors, n_out);
    put_u32(w, &w->tensors, tf_tensor_type_number(type));
    put_u64(w, &w->tensors, w->next);
    w->next += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!remember_size(w, size))
        w->failed = 1;
}

/* ---- The file ---- */

static cadre_status io_failed(const tf_writer *w, const char *what)
{
    return cadre_fail(CADRE_ERR_IO, "%s: %s: %s", w->path, what, strerror(errno));
}

static cadre_status no_memory(const tf_writer *w)
{
    return cadre_fail(CADRE_ERR_NOMEM, "%s: no memory to write it", w->path);
}

/* A rename would put a file in the place of a device, such as /dev/null. */
static cadre_status check_place(const char *path)
{
    struct stat info;

    if (lstat(path, &info) != 0 || S_ISREG(info.st_mode))
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_INPUT,
                      "%s is there and is not a regular file: it is not replaced", path);
}

static cadre_status open_partial(tf_writer *w, const char *path)
{
    CADRE_TRY(check_place(path));
    w->path = strdup(path);
    if (!w->path || asprintf(&w->partial, "%s.partial", path) < 0) {
        w->partial = NULL;
        return cadre_fail(CADRE_ERR_NOMEM, "%s: no memory to write it", path);
    }
    w->stream = fopen(w->partial, "wbe");
    if (!w->stream)
        return io_failed(w, "cannot be written");
    setvbuf(w->stream, NULL, _IOFBF, BUFFER);
    return CADRE_OK;
}

cadre_status tf_writer_create(const char *path, tf_writer **out)
{
    tf_writer *w = calloc(1, sizeof *w);

    *out = NULL;
    if (!w)
        return cadre_fail(CADRE_ERR_NOMEM, "%s: no memory to write it", path);
    const cadre_status st = open_partial(w, path);
    if (st != CADRE_OK)
        tf_writer_discard(w);
    else
        *out = w;
    return st;
}

static cadre_status emit(tf_writer *w, const void *data, size_t n)
{
    if (n > 0 && fwrite(data, 1, n, w->stream) != n)
        return io_failed(w, "writing failed");
    return CADRE_OK;
}

/* Zeros from offset `at` to the next multiple of the alignment. */
static cadre_status pad(tf_writer *w, size_t at)
{
    static const uint8_t zeros[ALIGNMENT];

    return emit(w, zeros, (ALIGNMENT - at % ALIGNMENT) % ALIGNMENT);
}

/* Before hours of writing fill the disk. */
static cadre_status check_room(const tf_writer *w)
{
    struct statvfs room;

    if (fstatvfs(fileno(w->stream), &room) != 0)
        return io_failed(w, "its disk cannot be looked at");
    const uint64_t there = (uint64_t)room.f_bavail * room.f_frsize;
    if (there >= w->next)
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_IO, "%s: no room: %.1f MiB needed, %.1f MiB available",
                      w->path, (double)w->next / 1048576, (double)there / 1048576);
}

static cadre_status emit_header(tf_writer *w)
{
    bytes head = {0};

    CADRE_TRY(check_room(w));
    put(w, &head, "GGUF", 4);
    put_u32(w, &head, 3);
    put_u64(w, &head, w->n_tensors);
    put_u64(w, &head, w->n_keys);
    cadre_status st = w->failed ? no_memory(w) : emit(w, head.data, head.n);
    if (st == CADRE_OK)
        st = emit(w, w->keys.data, w->keys.n);
    if (st == CADRE_OK)
        st = emit(w, w->tensors.data, w->tensors.n);
    if (st == CADRE_OK)
        st = pad(w, head.n + w->keys.n + w->tensors.n);
    free(head.data);
    w->header_there = 1;
    return st;
}

cadre_status tf_write_data(tf_writer *w, const void *data, size_t n)
{
    const uint8_t *at = data;

    if (!w->header_there)
        CADRE_TRY(emit_header(w));
    while (n > 0) {
        if (w->current == w->n_tensors)
            return cadre_fail(CADRE_ERR_STATE, "%s: %zu bytes more than the tensors have",
                              w->path, n);
        const size_t size = w->sizes[w->current], room = size - w->written;
        const size_t part = n < room ? n : room;
        CADRE_TRY(emit(w, at, part));
        at += part;
        n -= part;
        w->written += part;
        if (w->written == size) {
            CADRE_TRY(pad(w, size));
            w->current++;
            w->written = 0;
        }
    }
    return CADRE_OK;
}

/* So that the new name outlives a crash. A file system that has no such thing is fine. */
static void sync_folder(const char *path)
{
    char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (slash)
        slash[slash == folder] = '\0';
    const int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(folder);
}

static cadre_status complete(tf_writer *w)
{
    if (!w->header_there)
        CADRE_TRY(emit_header(w));
    if (w->current != w->n_tensors)
        return cadre_fail(CADRE_ERR_STATE, "%s: data of tensor %zu is missing", w->path,
                          w->current);
    if (fflush(w->stream) != 0 || fsync(fileno(w->stream)) != 0)
        return io_failed(w, "writing failed");
    if (rename(w->partial, w->path) != 0)
        return io_failed(w, "cannot be given its name");
    free(w->partial);
    w->partial = NULL;
    sync_folder(w->path);
    return CADRE_OK;
}

cadre_status tf_writer_finish(tf_writer *w)
{
    const cadre_status st = complete(w);

    tf_writer_discard(w);
    return st;
}

void tf_writer_discard(tf_writer *w)
{
    if (!w)
        return;
    if (w->stream)
        fclose(w->stream);
    if (w->stream && w->partial)
        unlink(w->partial);
    free(w->keys.data);
    free(w->tensors.data);
    free(w->sizes);
    free(w->path);
    free(w->partial);
    free(w);
}
