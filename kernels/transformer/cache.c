/* cache.c - finding, making and removing derived files. */
#include "cache.h"
#include "checksum.h"
#include "team.h"
#include <cadre/clock.h>
#include <cadre/io.h>
#include <cadre/log.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; the C library names it later */
#endif

#define MAGIC "cadretfw"
#define MEMORY_FOLDER "/dev/shm"
#define HUGE_PAGE ((size_t)2 << 20)
enum { VERSION = 2, DIGEST_SIZE = 40, BOOT_SIZE = 40, MAKER_SIZE = 96 };

/* A maker that writes less than this per second is taken to hang. */
#define SLOWEST_BYTES_PER_S UINT64_C(20000000)
#define LEAST_WAIT_NS (60 * CADRE_NS_PER_S)
#define NAP_NS (2 * CADRE_NS_PER_MS)
/* What was verified longer ago is verified again: bits turn on disks, too. */
#define VERIFIED_FOR_S (24 * 3600)
/* Memory that was written less than this ago may be between two locks. */
#define LEFT_BEHIND_NS CADRE_NS_PER_S

/* When and in which life of which machine a content was seen to have its checksums. The
 * file's time of change is set to that very second, so that any later change shows. */
typedef struct verification {
    char boot[BOOT_SIZE];
    int64_t at_s; /* since 1970 */
} verification;

typedef struct header {
    char magic[8]; /* zero until the file is complete */
    uint32_t version;
    uint32_t synced; /* 1: has reached the disk */
    uint64_t bytes, layout;
    tf_file_id model;
    char digest[DIGEST_SIZE]; /* of the model's bytes */
    char boot[BOOT_SIZE];     /* of the machine that made it */
    char maker[MAKER_SIZE];   /* "process 123 on node7" */
    uint64_t sums;            /* checksum of the checksums behind the content */
    verification verified;
} header;
_Static_assert(sizeof(header) <= TF_CACHE_HEADER, "the header fits its place");

struct tf_cached {
    tf_cache_place place;
    int fd;
    char *path;
    void *mapping;
    size_t mapped_bytes;
    int found;
    int is_syncing;
    int64_t made_at_s;
    pthread_t syncer;
};

/* One tf_cache_open(). */
typedef struct search {
    const tf_cache_request *request;
    tf_cache_place place;
    char digest[DIGEST_SIZE]; /* "" until it was needed */
    char boot[BOOT_SIZE];
    char *path, *partial;
    int64_t deadline_ns;
    verification now;
    ino_t damaged;     /* a file whose content is not what was written; 0: none */
    tf_cached *cached; /* what is being opened */
} search;

static cadre_status fail_io(const char *what, const char *path)
{
    return cadre_fail(CADRE_ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

/* ---- The model ---- */

static cadre_status need_digest(search *s)
{
    return s->digest[0] ? CADRE_OK : cadre_file_digest(s->request->model, s->digest);
}

static cadre_status model_is_unchanged(const search *s)
{
    tf_file_id now;

    CADRE_TRY(tf_file_identify(s->request->model, &now));
    if (memcmp(&now, &s->request->model_id, sizeof now) == 0)
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_INPUT, "%s changed while it was read", s->request->model);
}

/* "" if the system does not tell, which then equals nothing. */
static void read_boot(char boot[BOOT_SIZE])
{
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd >= 0) {
        n = read(fd, boot, BOOT_SIZE - 1);
        close(fd);
    }
    boot[n > 0 ? n : 0] = '\0';
}

/* ---- Names ---- */

static cadre_status name_files(search *s)
{
    const char *model = s->request->model;
    int n = -1, m = -1;

    if (s->place == TF_SHARED_MEMORY) {
        CADRE_TRY(need_digest(s));
        n = asprintf(&s->path, MEMORY_FOLDER "/cadre-%ld-%s", (long)geteuid(), s->digest);
    } else {
        n = asprintf(&s->path, "%s.cadre", model);
    }
    if (n >= 0)
        m = asprintf(&s->partial, "%s.partial", s->path);
    if (n < 0)
        s->path = NULL;
    if (m < 0)
        s->partial = NULL;
    return m < 0 ? cadre_fail(CADRE_ERR_NOMEM, "out of memory for the name of a cache")
                 : CADRE_OK;
}

/* Whether path still names the file that fd is. */
static int is_named(const char *path, int fd)
{
    struct stat by_path, by_fd;

    return stat(path, &by_path) == 0 && fstat(fd, &by_fd) == 0 &&
           by_path.st_ino == by_fd.st_ino && by_path.st_dev == by_fd.st_dev;
}

/* ---- Locks ---- */

static cadre_status fail_waiting(const search *s, int fd)
{
    header seen = {0};

    if (pread(fd, &seen, sizeof seen, 0) < (ssize_t)offsetof(header, maker) + 1)
        seen.maker[0] = '\0';
    seen.maker[MAKER_SIZE - 1] = '\0';
    return cadre_fail(CADRE_ERR_TIMEOUT, "%s: %s has been making it for too long",
                      s->partial, seen.maker[0] ? seen.maker : "another process");
}

/* Lock fd, which is, or was when it was opened, the file at path. *locked is 0 if path
 * has ceased to name it: then a lock is worth nothing, and may never come. */
static cadre_status lock(const search *s, int fd, const char *path, int how, int *locked)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};

    *locked = 0;
    while (is_named(path, fd)) {
        if (flock(fd, how | LOCK_NB) == 0) {
            *locked = is_named(path, fd);
            return CADRE_OK;
        }
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail_io("lock", path);
        if (cadre_clock_ns() > s->deadline_ns)
            return fail_waiting(s, fd);
        nanosleep(&nap, NULL);
    }
    return CADRE_OK;
}

/* ---- Mapping ---- */

/* From huge pages weights stream a quarter to a half as fast again, so everything is
 * mapped where they fit. Shared memory is collapsed to them by its maker (Linux 6.1); a
 * file lies in them where the file system can (Linux 6.16 for ext4), because it was
 * written or is read in pieces of that size. Else all works with small ones. */
static void *place_for_huge_pages(size_t bytes)
{
    char *place =
        mmap(NULL, bytes + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
        return NULL;
    const size_t before = -(uintptr_t)place % HUGE_PAGE;
    if (before > 0)
        munmap(place, before);
    munmap(place + before + bytes, HUGE_PAGE - before);
    return place + before;
}

static cadre_status map(search *s, int fd)
{
    tf_cached *cached = s->cached;
    /* Whole pages, so that what lies behind can be given back. */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = (cached->mapped_bytes + page - 1) / page * page;
    void *place = place_for_huge_pages(bytes);

    cached->mapping = mmap(place, cached->mapped_bytes, PROT_READ,
                           MAP_SHARED | (place ? MAP_FIXED : 0), fd, 0);
    if (cached->mapping == MAP_FAILED) {
        cached->mapping = NULL;
        if (place)
            munmap(place, bytes);
        return fail_io("map", s->path);
    }
    /* A file is then also read from the disk in huge pages, where it is not in memory. */
    if (madvise(cached->mapping, cached->mapped_bytes, MADV_HUGEPAGE) != 0)
        madvise(cached->mapping, cached->mapped_bytes, MADV_WILLNEED);
    return CADRE_OK;
}

static void unmap(tf_cached *cached)
{
    if (cached->mapping)
        munmap(cached->mapping, cached->mapped_bytes);
    cached->mapping = NULL;
}

/* ---- Checksums ---- */

/* A file on a disk has one for each block, behind its content; memory needs none. */
static size_t sums_bytes(const search *s)
{
    return s->place == TF_BESIDE_MODEL
               ? tf_sum_count(s->request->bytes) * sizeof(uint64_t)
               : 0;
}

static uint64_t file_bytes(const search *s)
{
    return TF_CACHE_HEADER + s->request->bytes + sums_bytes(s);
}

/* Those of the content that is mapped, to be freed by the caller. */
static cadre_status sum_content(const search *s, uint64_t **out)
{
    uint64_t *sums = malloc(sums_bytes(s) + 1);

    *out = NULL;
    if (!sums)
        return cadre_fail(CADRE_ERR_NOMEM, "%s: out of memory for checksums", s->path);
    const cadre_status st =
        tf_sum_blocks(tf_cache_content(s->cached), s->request->bytes, sums);
    if (st == CADRE_OK)
        *out = sums;
    else
        free(sums);
    return st;
}

/* Whether the content that is mapped has the checksums that were written with it. */
static cadre_status verify(search *s, const header *h, int *fits)
{
    const uint8_t *behind =
        (const uint8_t *)tf_cache_content(s->cached) + s->request->bytes;
    const size_t n = tf_sum_count(s->request->bytes);
    uint64_t *sums;

    CADRE_TRY(sum_content(s, &sums));
    *fits = memcmp(sums, behind, n * sizeof *sums) == 0 &&
            cadre_bytes_checksum(sums, n * sizeof *sums) == h->sums;
    free(sums);
    if (!*fits)
        cadre_log(CADRE_LOG_WARN, "transformer",
                  "%s: not what was written: damaged on the disk; it is made anew",
                  s->path);
    return CADRE_OK;
}

/* ---- What others left ---- */

/* "cadre-0-" and a digest, perhaps with ".partial". */
static int is_memory_name(const char *name)
{
    char ours[32];
    const int n = snprintf(ours, sizeof ours, "cadre-%ld-", (long)geteuid());

    if (strncmp(name, ours, (size_t)n) != 0)
        return 0;
    const size_t digits = strspn(name + n, "0123456789abcdef");
    const char *tail = name + n + digits;
    return digits == 32 && (*tail == '\0' || strcmp(tail, ".partial") == 0);
}

/* Whether nobody uses the file, and it was not made this moment: its maker changes one
 * lock for another, and has none between. */
static int is_left_behind(int fd)
{
    struct timespec now;
    struct stat info;

    clock_gettime(CLOCK_REALTIME, &now);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid())
        return 0;
    const int64_t age_ns = (now.tv_sec - info.st_mtim.tv_sec) * CADRE_NS_PER_S +
                           (now.tv_nsec - info.st_mtim.tv_nsec);
    return age_ns > LEFT_BEHIND_NS && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Processes that are killed remove nothing, and memory would stay taken until the next
 * job with the same model. What we have found ourselves is locked. */
static void remove_left_behind(void)
{
    DIR *folder = opendir(MEMORY_FOLDER);
    const struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        if (!is_memory_name(entry->d_name))
            continue;
        const int fd = openat(dirfd(folder), entry->d_name,
                              O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0)
            continue;
        if (is_left_behind(fd))
            unlinkat(dirfd(folder), entry->d_name, 0);
        close(fd);
    }
    if (folder)
        closedir(folder);
}

/* ---- Finding ---- */

/* A file of weights is believed if it is ours, the system's, or of the model's owner. */
static int is_trusted(const search *s, const struct stat *info)
{
    struct stat model;

    if (info->st_uid == geteuid())
        return 1;
    if (s->place == TF_SHARED_MEMORY)
        return 0;
    return info->st_uid == 0 ||
           (stat(s->request->model, &model) == 0 && info->st_uid == model.st_uid);
}

static int has_format(const search *s, const header *h)
{
    return memcmp(h->magic, MAGIC, sizeof h->magic) == 0 && h->version == VERSION &&
           h->bytes == s->request->bytes && h->layout == s->request->layout &&
           h->digest[DIGEST_SIZE - 1] == '\0' && h->boot[BOOT_SIZE - 1] == '\0' &&
           (h->synced || (s->boot[0] && strcmp(h->boot, s->boot) == 0));
}

/* Whether somebody has verified the content since the machine started, less than a day
 * ago, and nobody has changed the file since. */
static int is_verified(const search *s, const header *h, const struct stat *info)
{
    const verification *v = &h->verified;

    return v->boot[BOOT_SIZE - 1] == '\0' && s->boot[0] &&
           strcmp(v->boot, s->boot) == 0 && info->st_mtim.tv_sec == v->at_s &&
           info->st_mtim.tv_nsec == 0 && s->now.at_s >= v->at_s &&
           s->now.at_s - v->at_s < VERIFIED_FOR_S;
}

static int set_time(int fd, int64_t seconds)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = (time_t)seconds}};
    return futimens(fd, times);
}

/* Spare the next one the digest of the model, which has the same bytes but was copied or
 * touched, and verifying: where we may write. */
static void note(const search *s)
{
    const int fd = open(s->path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (pwrite(fd, &s->request->model_id, sizeof(tf_file_id), offsetof(header, model)) <
            0 ||
        pwrite(fd, &s->now, sizeof s->now, offsetof(header, verified)) < 0 ||
        set_time(fd, s->now.at_s) != 0)
        cadre_log(CADRE_LOG_DEBUG, "transformer", "%s: nothing noted: %s", s->path,
                  strerror(errno));
    close(fd);
}

/* The content of a file whose header fits. */
static cadre_status check_content(search *s, int fd, const header *h, int *fits)
{
    CADRE_TRY(map(s, fd));
    const cadre_status st = verify(s, h, fits);
    if (!*fits || st != CADRE_OK)
        unmap(s->cached);
    return st;
}

static cadre_status check(search *s, int fd, int *fits)
{
    struct stat info;
    header h;

    *fits = 0;
    if (fstat(fd, &info) != 0)
        return fail_io("look at", s->path);
    if (!S_ISREG(info.st_mode) || !is_trusted(s, &info) || info.st_ino == s->damaged ||
        (uint64_t)info.st_size != file_bytes(s) ||
        pread(fd, &h, sizeof h, 0) != sizeof h || !has_format(s, &h))
        return CADRE_OK;
    const int is_known = memcmp(&h.model, &s->request->model_id, sizeof h.model) == 0;
    if (!is_known) {
        CADRE_TRY(need_digest(s));
        if (strcmp(h.digest, s->digest) != 0)
            return CADRE_OK;
        CADRE_TRY(model_is_unchanged(s));
    }
    *fits = 1;
    if (s->place == TF_SHARED_MEMORY)
        return CADRE_OK;
    const int verified = is_verified(s, &h, &info);
    if (!verified)
        CADRE_TRY(check_content(s, fd, &h, fits));
    if (!*fits)
        s->damaged = info.st_ino;
    else if (!verified || !is_known)
        note(s);
    return CADRE_OK;
}

/* *out is the file if it is there and fits, locked if it is in shared memory; else -1. */
static cadre_status find(search *s, int *out)
{
    *out = -1;
    for (;;) {
        cadre_status st = CADRE_OK;
        int is_there = 1, fits = 0;
        const int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return CADRE_OK; /* whatever hinders us shows when we make it */
        if (s->place == TF_SHARED_MEMORY)
            st = lock(s, fd, s->path, LOCK_SH, &is_there);
        if (st == CADRE_OK && is_there)
            st = check(s, fd, &fits);
        if (st == CADRE_OK && fits)
            *out = fd;
        else
            close(fd);
        if (is_there || st != CADRE_OK)
            return st;
    }
}

/* ---- Making ---- */

static cadre_status check_room(const search *s, int fd)
{
    const uint64_t needed = file_bytes(s);
    const int memory = s->place == TF_SHARED_MEMORY;
    struct statvfs room;

    if (fstatvfs(fd, &room) != 0)
        return fail_io("look at the room for", s->path);
    const uint64_t there = (uint64_t)room.f_bavail * room.f_frsize;
    if (there >= needed)
        return CADRE_OK;
    return cadre_fail(memory ? CADRE_ERR_NOMEM : CADRE_ERR_IO,
                      "%s: no room for the packed weights of %s: %.1f MiB needed, %.1f "
                      "MiB available",
                      s->path, s->request->model, (double)needed / 1048576,
                      (double)there / 1048576);
}

static cadre_status write_header(const search *s, int fd, const header *h)
{
    if (pwrite(fd, h, sizeof *h, 0) != (ssize_t)sizeof *h)
        return fail_io("write", s->partial);
    return CADRE_OK;
}

static cadre_status write_sums(const search *s, int fd, uint64_t *sum_of_sums)
{
    const size_t n = sums_bytes(s);
    uint64_t *sums;

    if (n == 0)
        return CADRE_OK;
    CADRE_TRY(sum_content(s, &sums));
    *sum_of_sums = cadre_bytes_checksum(sums, n);
    const ssize_t done =
        pwrite(fd, sums, n, (off_t)(TF_CACHE_HEADER + s->request->bytes));
    free(sums);
    return done == (ssize_t)n ? CADRE_OK : fail_io("write", s->partial);
}

static cadre_status write_all(search *s, int fd)
{
    header h = {.version = VERSION,
                .bytes = s->request->bytes,
                .layout = s->request->layout,
                .model = s->request->model_id,
                .verified = s->now};
    char host[64] = "";

    CADRE_TRY(need_digest(s));
    CADRE_TRY(check_room(s, fd));
    if (ftruncate(fd, 0) != 0) /* what another left behind */
        return fail_io("empty", s->partial);
    gethostname(host, sizeof host - 1);
    snprintf(h.maker, sizeof h.maker, "process %ld on %s", (long)getpid(), host);
    memcpy(h.digest, s->digest, sizeof h.digest);
    memcpy(h.boot, s->boot, sizeof h.boot);
    CADRE_TRY(write_header(s, fd, &h));
    CADRE_TRY(s->request->fill(s->request->context, fd));
    CADRE_TRY(model_is_unchanged(s));
    if (ftruncate(fd, (off_t)file_bytes(s)) != 0)
        return fail_io("complete", s->partial);
    CADRE_TRY(map(s, fd));
    CADRE_TRY(write_sums(s, fd, &h.sums));
    memcpy(h.magic, MAGIC, sizeof h.magic);
    CADRE_TRY(write_header(s, fd, &h));
    if (s->place == TF_BESIDE_MODEL && set_time(fd, h.verified.at_s) != 0)
        return fail_io("set the time of", s->partial);
    if (rename(s->partial, s->path) != 0)
        return fail_io("rename to its final name", s->partial);
    return CADRE_OK;
}

static cadre_status make(search *s, int fd)
{
    const cadre_status st = write_all(s, fd);

    if (st != CADRE_OK)
        unlink(s->partial);
    return st;
}

/* The right to make the file: *out is NAME.partial, locked; -1 if that was renamed while
 * we waited, and there may be something to find. */
static cadre_status open_partial(const search *s, int *out)
{
    const mode_t mode = s->place == TF_SHARED_MEMORY ? 0600 : 0644;

    *out = -1;
    const int fd = open(s->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return fail_io("write", s->partial);
    int locked;
    const cadre_status st = lock(s, fd, s->partial, LOCK_EX, &locked);
    if (st == CADRE_OK && locked)
        *out = fd;
    else
        close(fd);
    return st;
}

/* *found is 1 and *fd the file that was there; or 0, and *fd the one that we made. */
static cadre_status find_or_make(search *s, int *fd, int *found)
{
    cadre_status st;
    int made = -1;

    for (*found = 1; made < 0;) {
        CADRE_TRY(find(s, fd));
        remove_left_behind();
        if (*fd >= 0)
            return CADRE_OK;
        CADRE_TRY(open_partial(s, &made));
    }
    /* It may have appeared before we had the lock. */
    st = find(s, fd);
    if (st != CADRE_OK || *fd >= 0) {
        unlink(s->partial);
        close(made);
        return st;
    }
    *found = 0;
    st = make(s, made);
    /* Nobody else can have locked it yet, so this does not wait. */
    if (st == CADRE_OK && flock(made, s->place == TF_SHARED_MEMORY ? LOCK_SH : LOCK_UN))
        st = fail_io("share", s->path);
    if (st == CADRE_OK)
        *fd = made;
    else
        close(made);
    return st;
}

/* ---- Using ---- */

static void *sync_main(void *context)
{
    const tf_cached *cached = context;
    const uint32_t synced = 1;

    if (fdatasync(cached->fd) != 0 ||
        pwrite(cached->fd, &synced, sizeof synced, offsetof(header, synced)) < 0 ||
        set_time(cached->fd, cached->made_at_s) != 0)
        cadre_log(CADRE_LOG_INFO, "transformer",
                  "%s: not written out (%s): made again after a restart", cached->path,
                  strerror(errno));
    return NULL;
}

static cadre_status open_with(search *s, tf_cached *cached)
{
    read_boot(s->boot);
    memcpy(s->now.boot, s->boot, sizeof s->boot);
    s->now.at_s = (int64_t)time(NULL);
    cached->made_at_s = s->now.at_s;
    CADRE_TRY(name_files(s));
    CADRE_TRY(find_or_make(s, &cached->fd, &cached->found));
    if (!cached->mapping)
        CADRE_TRY(map(s, cached->fd));
    cached->path = s->path;
    s->path = NULL;
    if (s->place == TF_SHARED_MEMORY && !cached->found)
        madvise(cached->mapping, cached->mapped_bytes, MADV_COLLAPSE);
    if (s->place == TF_BESIDE_MODEL && !cached->found)
        cached->is_syncing = !tf_thread_start(sync_main, cached, &cached->syncer);
    return CADRE_OK;
}

cadre_status tf_cache_open(const tf_cache_request *request, tf_cache_place place,
                           tf_cached **out)
{
    const int64_t wait_ns =
        (int64_t)(request->bytes / SLOWEST_BYTES_PER_S) * CADRE_NS_PER_S + LEAST_WAIT_NS;
    search s = {.request = request,
                .place = place,
                .deadline_ns = cadre_deadline_in_ms(wait_ns / CADRE_NS_PER_MS)};

    *out = NULL;
    tf_cached *cached = malloc(sizeof *cached);
    if (!cached)
        return cadre_fail(CADRE_ERR_NOMEM, "out of memory for a cache");
    *cached = (tf_cached){.place = place, .fd = -1};
    s.cached = cached;
    cached->mapped_bytes = (size_t)file_bytes(&s);
    const cadre_status st = open_with(&s, cached);
    free(s.path);
    free(s.partial);
    if (st != CADRE_OK) {
        tf_cache_close(cached);
        return st;
    }
    *out = cached;
    return CADRE_OK;
}

void tf_cache_close(tf_cached *cached)
{
    if (!cached)
        return;
    unmap(cached);
    if (cached->is_syncing)
        pthread_join(cached->syncer, NULL);
    if (cached->fd >= 0) {
        /* Who gets the lock for himself alone is the last. */
        if (cached->place == TF_SHARED_MEMORY &&
            flock(cached->fd, LOCK_EX | LOCK_NB) == 0 &&
            is_named(cached->path, cached->fd))
            unlink(cached->path);
        close(cached->fd);
    }
    free(cached->path);
    free(cached);
}

const void *tf_cache_content(const tf_cached *cached)
{
    return (const uint8_t *)cached->mapping + TF_CACHE_HEADER;
}

int tf_cache_was_found(const tf_cached *cached)
{
    return cached->found;
}
