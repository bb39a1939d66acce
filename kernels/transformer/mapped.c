/* mapped.c - a whole file as read-only memory. */
#include "mapped.h"
#include <cadre/clock.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static tf_file_id id_of(const struct stat *info)
{
    return (tf_file_id){.bytes = (uint64_t)info->st_size,
                        .inode = info->st_ino,
                        .modified_ns = info->st_mtim.tv_sec * CADRE_NS_PER_S +
                                       (int64_t)info->st_mtim.tv_nsec,
                        .changed_ns = info->st_ctim.tv_sec * CADRE_NS_PER_S +
                                      (int64_t)info->st_ctim.tv_nsec};
}

static cadre_status fail_open(const char *path)
{
    const cadre_status code =
        errno == ENOENT || errno == ENOTDIR ? CADRE_ERR_NOT_FOUND : CADRE_ERR_IO;
    return cadre_fail(code, "%s: %s", path, strerror(errno));
}

cadre_status tf_file_identify(const char *path, tf_file_id *out)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return fail_open(path);
    *out = id_of(&info);
    return CADRE_OK;
}

static cadre_status map(const char *path, int fd, tf_mapped *out)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return cadre_fail(CADRE_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cadre_fail(CADRE_ERR_INPUT, "%s: expected a regular file", path);
    if (info.st_size <= 0)
        return cadre_fail(CADRE_ERR_INPUT, "%s: the file is empty", path);

    const size_t bytes = (size_t)info.st_size;
    void *data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return cadre_fail(CADRE_ERR_IO, "%s: cannot be mapped: %s", path,
                          strerror(errno));
    *out = (tf_mapped){.data = data, .bytes = bytes, .id = id_of(&info)};
    return CADRE_OK;
}

cadre_status tf_map(const char *path, tf_mapped *out)
{
    *out = (tf_mapped){0};
    /* A FIFO must not hold us up; it is refused once open. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_open(path);
    const cadre_status st = map(path, fd, out);
    close(fd);
    return st;
}

void tf_rest(const tf_mapped *mapped)
{
    if (mapped->data)
        madvise((void *)mapped->data, mapped->bytes, MADV_DONTNEED);
}

void tf_unmap(tf_mapped *mapped)
{
    if (mapped->data)
        munmap((void *)mapped->data, mapped->bytes);
    *mapped = (tf_mapped){0};
}
