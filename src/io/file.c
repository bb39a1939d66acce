/* io/file.c - whole files: reading with limits, writing by rename, digests. */
#include "io/file.h"
#include "core/memory.h"
#include "core/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zlib.h>

#define INFLATE_START_BYTES ((size_t)1 << 16)
#define INFLATE_STEP_BYTES ((size_t)1 << 30) /* zlib counts in 32 bits */
#define DIGEST_CHUNK_BYTES ((size_t)1 << 20)
#define STREAM_BYTES ((size_t)1 << 16)

/* ---- Reading ---- */

static cadre_status open_regular(const char *path, int *fd, struct stat *info)
{
    /* O_NONBLOCK: opening a pipe that nobody writes to must not wait for ever. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return cadre_fail(errno == ENOENT || errno == ENOTDIR ? CADRE_ERR_NOT_FOUND
                                                              : CADRE_ERR_IO,
                          "cannot open %s: %s", path, strerror(errno));
    if (fstat(*fd, info) == 0 && S_ISREG(info->st_mode))
        return CADRE_OK;
    close(*fd);
    return cadre_fail(CADRE_ERR_INPUT, "%s is %s, not a file", path,
                      S_ISDIR(info->st_mode) ? "a folder" : "a device or pipe");
}

/* Up to n bytes; *got is less only at the end of the file. */
static cadre_status read_bytes(int fd, const char *path, char *bytes, size_t n,
                               size_t *got)
{
    *got = 0;
    while (*got < n) {
        const ssize_t more = read(fd, bytes + *got, n - *got);
        if (more == 0)
            return CADRE_OK;
        if (more > 0)
            *got += (size_t)more;
        else if (errno != EINTR)
            return cadre_fail(CADRE_ERR_IO, "reading %s at byte %zu: %s", path, *got,
                              strerror(errno));
    }
    return CADRE_OK;
}

static cadre_status read_raw(const char *path, size_t max_bytes, char **out, size_t *size)
{
    struct stat info = {0};
    cadre_status st;
    int fd;

    *out = NULL;
    CADRE_TRY(open_regular(path, &fd, &info));
    const size_t expected = (size_t)info.st_size;
    if (expected > max_bytes) {
        close(fd);
        return cadre_fail(CADRE_ERR_INPUT, "%s has %zu bytes; at most %zu are read", path,
                          expected, max_bytes);
    }
    char *bytes = cadre__alloc(expected + 1);
    st = bytes ? read_bytes(fd, path, bytes, expected, size) : CADRE_ERR_NOMEM;
    close(fd);
    if (st != CADRE_OK) {
        cadre__free(bytes);
        return st;
    }
    bytes[*size] = '\0';
    *out = bytes;
    return CADRE_OK;
}

typedef struct inflation {
    const char *path;
    const char *in;
    size_t n_in, n_taken;
    char *out;
    size_t n_out, capacity, max_bytes;
} inflation;

/* Twice the room, up to the limit and one byte, by which it is noticed. */
static cadre_status more_room(inflation *f)
{
    if (f->n_out > f->max_bytes)
        return cadre_fail(CADRE_ERR_INPUT, "%s unpacks to more than %zu bytes", f->path,
                          f->max_bytes);
    size_t capacity = f->capacity ? f->capacity * 2 : INFLATE_START_BYTES;
    if (capacity > f->max_bytes + 1)
        capacity = f->max_bytes + 1;
    char *bigger = cadre__grow(f->out, f->n_out, capacity + 1);
    if (!bigger)
        return CADRE_ERR_NOMEM;
    f->out = bigger;
    f->capacity = capacity;
    return CADRE_OK;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One member of a gzip file; z is ready for it. */
static cadre_status inflate_member(z_stream *z, inflation *f)
{
    for (;;) {
        if (f->n_out == f->capacity)
            CADRE_TRY(more_room(f));
        const size_t in = least(f->n_in - f->n_taken, INFLATE_STEP_BYTES);
        const size_t out = least(f->capacity - f->n_out, INFLATE_STEP_BYTES);
        z->next_in = (Bytef *)(f->in + f->n_taken);
        z->avail_in = (uInt)in;
        z->next_out = (Bytef *)(f->out + f->n_out);
        z->avail_out = (uInt)out;
        const int result = inflate(z, Z_NO_FLUSH);
        f->n_taken += in - z->avail_in;
        f->n_out += out - z->avail_out;
        if (result == Z_STREAM_END)
            return CADRE_OK;
        if (result == Z_MEM_ERROR)
            return cadre_fail(CADRE_ERR_NOMEM, "%s: out of memory to unpack it", f->path);
        if (result == Z_BUF_ERROR ||
            (result == Z_OK && f->n_taken == f->n_in && z->avail_out))
            return cadre_fail(CADRE_ERR_INPUT,
                              "%s: the gzip data end too early, at byte %zu: the file is "
                              "truncated",
                              f->path, f->n_in);
        if (result != Z_OK)
            return cadre_fail(CADRE_ERR_INPUT, "%s: bad gzip data before byte %zu: %s",
                              f->path, f->n_taken, z->msg ? z->msg : "unknown format");
    }
}

static cadre_status inflate_all(inflation *f)
{
    z_stream z = {0};
    cadre_status st = CADRE_OK;
    if (inflateInit2(&z, 15 + 16) != Z_OK) /* 15: the largest window; 16: gzip */
        return cadre_fail(CADRE_ERR_NOMEM, "%s: out of memory to unpack it", f->path);
    do {
        st = inflate_member(&z, f);
        if (st == CADRE_OK)
            inflateReset(&z);
    } while (st == CADRE_OK && f->n_taken < f->n_in);
    inflateEnd(&z);
    if (st == CADRE_OK && f->n_out > f->max_bytes)
        st = more_room(f); /* says that it is too large */
    return st;
}

cadre_status cadre__file_read(const char *path, size_t max_bytes, char **out,
                              size_t *size)
{
    char *bytes;
    *out = NULL;
    *size = 0;
    if (max_bytes > SIZE_MAX / 4)
        max_bytes = SIZE_MAX / 4;
    CADRE_TRY(read_raw(path, max_bytes, &bytes, size));
    if (*size < 2 || memcmp(bytes, "\x1F\x8B", 2) != 0) {
        *out = bytes;
        return CADRE_OK;
    }
    inflation f = {.path = path, .in = bytes, .n_in = *size, .max_bytes = max_bytes};
    const cadre_status st = inflate_all(&f);
    cadre__free(bytes);
    if (st != CADRE_OK) {
        *size = 0;
        cadre__free(f.out);
        return st;
    }
    f.out[f.n_out] = '\0';
    *out = f.out;
    *size = f.n_out;
    return CADRE_OK;
}

bool cadre__file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* ---- Writing ---- */

static cadre_status sync_folder(const char *path)
{
    cadre_status st = CADRE_OK;
    char *folder = cadre__path_folder(path);
    if (!folder)
        return CADRE_ERR_NOMEM;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot sync a folder and say EINVAL: then the rename must do. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        st = cadre_fail(CADRE_ERR_IO, "syncing folder %s: %s", folder, strerror(errno));
    if (fd >= 0)
        close(fd);
    cadre__free(folder);
    return st;
}

static cadre_status write_bytes(int fd, const char *path, const char *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        const ssize_t more = write(fd, bytes + done, n - done);
        if (more > 0)
            done += (size_t)more;
        else if (more < 0 && errno != EINTR)
            return cadre_fail(CADRE_ERR_IO, "writing %s, %zu of %zu bytes done: %s", path,
                              done, n, strerror(errno));
    }
    if (fsync(fd) != 0)
        return cadre_fail(CADRE_ERR_IO, "syncing %s: %s", path, strerror(errno));
    return CADRE_OK;
}

/* A rename would put a file in the place of a device or of /dev/stdout. */
static cadre_status check_replaceable(const char *path)
{
    struct stat info;

    if (lstat(path, &info) != 0 || S_ISREG(info.st_mode))
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_IO,
                      "%s is there and is not a regular file: it is not replaced", path);
}

/* A new file beside path. Process and attempt are in its name, so that two writers of
 * one path do not meet in it. */
static cadre_status create_beside(const char *path, cadre__text *name, int *fd)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        cadre__text_clear(name);
        cadre__text_printf(name, "%s.%ld-%d.partial", path, (long)getpid(), attempt);
        CADRE_TRY(cadre__text_status(name));
        *fd =
            open(cadre__text_string(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*fd >= 0)
            return CADRE_OK;
        if (errno != EEXIST)
            break;
    }
    return cadre_fail(CADRE_ERR_IO, "cannot create %s: %s", cadre__text_string(name),
                      strerror(errno));
}

cadre_status cadre__file_write(const char *path, const void *bytes, size_t size)
{
    cadre__text name = {0};
    cadre_status st;
    int fd;

    CADRE_TRY(check_replaceable(path));
    CADRE_TRY_GOTO(st, create_beside(path, &name, &fd), done);
    st = write_bytes(fd, path, bytes, size);
    if (close(fd) != 0 && st == CADRE_OK)
        st = cadre_fail(CADRE_ERR_IO, "closing %s: %s", path, strerror(errno));
    if (st == CADRE_OK && rename(cadre__text_string(&name), path) != 0)
        st = cadre_fail(CADRE_ERR_IO, "renaming to %s: %s", path, strerror(errno));
    if (st == CADRE_OK)
        st = sync_folder(path);
    else
        unlink(cadre__text_string(&name));
done:
    cadre__text_fini(&name);
    return st;
}

/* ---- Files that grow ---- */

cadre_status cadre__growing_open(const char *path, cadre__growing *out)
{
    cadre__text partial = {0};
    memset(out, 0, sizeof *out);
    cadre__text_printf(&partial, "%s.partial", path);
    out->path = cadre__strdup(path);
    out->partial = cadre__strdup(cadre__text_string(&partial));
    cadre__text_fini(&partial);
    if (!out->path || !out->partial) {
        cadre__growing_discard(out);
        return CADRE_ERR_NOMEM;
    }
    out->stream = fopen(out->partial, "we");
    if (!out->stream) {
        const cadre_status st = cadre_fail(CADRE_ERR_IO, "cannot create %s: %s",
                                           out->partial, strerror(errno));
        cadre__growing_discard(out);
        return st;
    }
    setvbuf(out->stream, NULL, _IOFBF, STREAM_BYTES);
    return CADRE_OK;
}

cadre_status cadre__growing_append(cadre__growing *file, const char *bytes, size_t n)
{
    if (fwrite(bytes, 1, n, file->stream) != n)
        return cadre_fail(CADRE_ERR_IO, "writing %s: %s", file->partial, strerror(errno));
    return CADRE_OK;
}

cadre_status cadre__growing_flush(cadre__growing *file)
{
    if (fflush(file->stream) != 0)
        return cadre_fail(CADRE_ERR_IO, "writing %s: %s", file->partial, strerror(errno));
    return CADRE_OK;
}

cadre_status cadre__growing_complete(cadre__growing *file)
{
    cadre_status st = cadre__growing_flush(file);
    /* An append that failed earlier must not be forgotten because a later one worked. */
    if (st == CADRE_OK && ferror(file->stream))
        st = cadre_fail(CADRE_ERR_IO, "an earlier write to %s failed", file->partial);
    if (st == CADRE_OK && fsync(fileno(file->stream)) != 0)
        st = cadre_fail(CADRE_ERR_IO, "syncing %s: %s", file->partial, strerror(errno));
    if (fclose(file->stream) != 0 && st == CADRE_OK)
        st = cadre_fail(CADRE_ERR_IO, "closing %s: %s", file->partial, strerror(errno));
    file->stream = NULL;
    if (st == CADRE_OK && rename(file->partial, file->path) != 0)
        st = cadre_fail(CADRE_ERR_IO, "renaming %s to %s: %s", file->partial, file->path,
                        strerror(errno));
    if (st == CADRE_OK)
        st = sync_folder(file->path);
    cadre__growing_discard(file);
    return st;
}

void cadre__growing_discard(cadre__growing *file)
{
    if (!file)
        return;
    if (file->stream)
        fclose(file->stream);
    cadre__free(file->path);
    cadre__free(file->partial);
    memset(file, 0, sizeof *file);
}

/* ---- Folders ---- */

cadre_status cadre__path_fault(int why)
{
    static const int limits[] = {EIO, ENOSPC, EDQUOT, ENOMEM, EMFILE, ENFILE, EMLINK};

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (why == limits[i])
            return CADRE_ERR_IO;
    return CADRE_ERR_INPUT;
}

static cadre_status make_folder(const char *path)
{
    struct stat info;
    if (mkdir(path, 0777) == 0)
        return CADRE_OK;
    const int why = errno;
    /* Besides EEXIST, a read-only parent answers so for folders that are there. */
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode))
            return CADRE_OK;
        return cadre_fail(CADRE_ERR_INPUT, "cannot make folder %s: a file has that name",
                          path);
    }
    return cadre_fail(cadre__path_fault(why), "cannot make folder %s: %s", path,
                      strerror(why));
}

cadre_status cadre__make_folders(const char *path)
{
    cadre_status st = CADRE_OK;
    char *part = cadre__strdup(path);
    if (!part)
        return CADRE_ERR_NOMEM;
    for (char *slash = strchr(part + (*part == '/'), '/'); slash && st == CADRE_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        st = make_folder(part);
        *slash = '/';
    }
    if (st == CADRE_OK)
        st = make_folder(part);
    cadre__free(part);
    return st;
}

static cadre_status try_folder(const char *path)
{
    char *probe = cadre__path_join(path, ".cadre-XXXXXX");
    if (!probe)
        return CADRE_ERR_NOMEM;
    const int fd = mkstemp(probe);
    const int why = errno;
    if (fd >= 0) {
        close(fd);
        unlink(probe);
    }
    cadre__free(probe);
    return fd >= 0 ? CADRE_OK
                   : cadre_fail(cadre__path_fault(why), "%s: cannot write there: %s",
                                path, strerror(why));
}

cadre_status cadre__make_output_folder(const char *path)
{
    CADRE_TRY(cadre__make_folders(path));
    return try_folder(path);
}

/* ---- Digests ---- */

static void print_digest(XXH128_hash_t hash, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    for (size_t i = 0; i < sizeof canonical.digest; i++) {
        hex[2 * i] = digits[canonical.digest[i] >> 4];
        hex[2 * i + 1] = digits[canonical.digest[i] & 15];
    }
    hex[2 * sizeof canonical.digest] = '\0';
}

static cadre_status digest_stream(int fd, const char *path, XXH3_state_t *state,
                                  char *chunk)
{
    size_t got;
    XXH3_128bits_reset(state);
    do {
        CADRE_TRY(read_bytes(fd, path, chunk, DIGEST_CHUNK_BYTES, &got));
        XXH3_128bits_update(state, chunk, got);
    } while (got == DIGEST_CHUNK_BYTES);
    return CADRE_OK;
}

cadre_status cadre_file_digest(const char *path, char *hex)
{
    struct stat info = {0};
    int fd;
    CADRE_TRY(open_regular(path, &fd, &info));
    char *chunk = cadre__alloc(DIGEST_CHUNK_BYTES);
    XXH3_state_t *state = XXH3_createState();
    cadre_status st = CADRE_OK;
    if (!chunk || !state)
        st = cadre_fail(CADRE_ERR_NOMEM, "out of memory for the digest of %s", path);
    if (st == CADRE_OK)
        st = digest_stream(fd, path, state, chunk);
    if (st == CADRE_OK)
        print_digest(XXH3_128bits_digest(state), hex);
    XXH3_freeState(state);
    cadre__free(chunk);
    close(fd);
    return st;
}

void cadre__bytes_digest(const void *bytes, size_t n, char *hex)
{
    print_digest(XXH3_128bits(bytes, n), hex);
}

uint64_t cadre_bytes_checksum(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}
