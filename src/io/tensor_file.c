/* io/tensor_file.c - opening tensor files: a child parses, this process checks and
 * maps. */
#include "io/tensor_file.h"
#include "core/memory.h"
#include "core/settings.h"
#include "core/text.h"
#include "io/h5_support.h"
#include <cadre/clock.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REPORT_BYTES ((size_t)256 << 20) /* a report larger than this is not believed */
#define GRACE_SECONDS 5                  /* of wall time beyond the limit of CPU time */

typedef struct entry {
    cadre__tensor_kind kind;
    char *name;
    char *text; /* why it is refused, or the attribute's value */
    cadre_tensor tensor;
    bool decoded;
    uint64_t offset, bytes;
    const char **strings; /* [tensor.dims[0]], into the memory file */
} entry;

struct cadre_tensor_file {
    char *path;
    int file_fd, memory_fd;
    uint64_t file_bytes, memory_bytes;
    void *file_map, *memory_map; /* NULL while not mapped */
    entry *entries;
    size_t n_entries, capacity;
};

/* ---- The child ---- */

typedef struct child {
    pid_t pid;
    int report_fd;
    int64_t deadline_ns;
    cadre__tensor_limits limits;
} child;

static cadre_status start_child(const cadre_tensor_file *file, child *c)
{
    int ends[2];
    cadre__h5_quiet quiet;

    CADRE_TRY(cadre__setting_integer(CADRE__SETTING_H5_SECONDS, 1, 86400,
                                     &c->limits.cpu_seconds));
    CADRE_TRY(
        cadre__setting_integer(CADRE__SETTING_H5_MIB, 1, 1 << 24, &c->limits.memory_mib));
    c->limits.file_bytes = file->file_bytes;
    c->deadline_ns =
        cadre_deadline_in_ms((c->limits.cpu_seconds + GRACE_SECONDS) * INT64_C(1000));
    if (pipe2(ends, O_CLOEXEC) != 0)
        return cadre_fail(CADRE_ERR_IO, "%s: no pipe to its reader: %s", file->path,
                          strerror(errno));
    /* HDF5 asks MPI a few things when it starts, which is safe only before the fork. */
    cadre__h5_quiet_begin(&quiet);
    c->pid = fork();
    if (c->pid == 0)
        cadre__tensor_child(file->file_fd, ends[1], file->memory_fd, &c->limits);
    const int error = errno;
    cadre__h5_quiet_end(&quiet);
    close(ends[1]);
    c->report_fd = ends[0];
    if (c->pid < 0) {
        close(c->report_fd);
        return cadre_fail(CADRE_ERR_IO, "%s: no process to read it with: %s", file->path,
                          strerror(error));
    }
    return CADRE_OK;
}

/* Read the pipe to its end, or to the deadline; *late tells. */
static cadre_status receive(const cadre_tensor_file *file, const child *c,
                            cadre__text *report, bool *late)
{
    char chunk[65536];
    *late = false;
    for (;;) {
        const int64_t left_ms = (c->deadline_ns - cadre_clock_ns()) / CADRE_NS_PER_MS;
        struct pollfd fd = {.fd = c->report_fd, .events = POLLIN};
        if (left_ms <= 0) {
            *late = true;
            return CADRE_OK;
        }
        const int ready = poll(&fd, 1, left_ms > 1000 ? 1000 : (int)left_ms);
        if (ready < 0 && errno != EINTR)
            return cadre_fail(CADRE_ERR_IO, "%s: waiting for its reader: %s", file->path,
                              strerror(errno));
        if (ready <= 0)
            continue;
        const ssize_t n = read(c->report_fd, chunk, sizeof chunk);
        if (n == 0)
            return CADRE_OK;
        if (n < 0 && errno != EINTR)
            return cadre_fail(CADRE_ERR_IO, "%s: reading its reader's report: %s",
                              file->path, strerror(errno));
        if (n > 0)
            cadre__text_append(report, chunk, (size_t)n);
        if (report->size > REPORT_BYTES)
            return cadre_fail(CADRE_ERR_INPUT, "%s: it describes too many objects",
                              file->path);
    }
}

/* Wait for the child, and kill it when its time is over; *wait_status as of waitpid(), 0
 * if the program has told the system to drop the fate of its children. */
static void reap(const child *c, bool kill_now, int *wait_status)
{
    *wait_status = 0;
    if (kill_now)
        kill(c->pid, SIGKILL);
    for (;;) {
        const pid_t done = waitpid(c->pid, wait_status, kill_now ? 0 : WNOHANG);
        if (done == c->pid || (done < 0 && errno != EINTR))
            return;
        if (!kill_now && cadre_clock_ns() > c->deadline_ns) {
            kill_now = true;
            kill(c->pid, SIGKILL);
        }
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

static cadre_status judge(const cadre_tensor_file *file, const child *c, bool late,
                          int wait_status)
{
    const long long seconds = c->limits.cpu_seconds;
    const int number = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;

    if (late || number == SIGXCPU)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: reading it took more than %lld s of %s time: the file is "
                          "damaged, or %s (%lld) is too small",
                          file->path, late ? seconds + GRACE_SECONDS : seconds,
                          late ? "wall" : "CPU",
                          cadre__setting_name(CADRE__SETTING_H5_SECONDS), seconds);
    if (number == SIGKILL)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: its reader was killed (signal 9), perhaps because the machine "
            "is out of memory",
            file->path);
    if (number)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: reading it killed the reader (signal %d): the file is damaged",
            file->path, number);
    if (WEXITSTATUS(wait_status) != 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: reading it ended the reader (exit status %d): the file is "
                          "damaged",
                          file->path, WEXITSTATUS(wait_status));
    return CADRE_OK;
}

/* ---- Its report ---- */

/* Names and sentences come from the file: nothing in them may steer a terminal. */
static char *copy_text(const char *bytes, size_t n)
{
    char *copy = cadre__alloc(n + 1);
    for (size_t i = 0; copy && i < n; i++)
        copy[i] = (unsigned char)bytes[i] < ' ' || bytes[i] == 0x7f ? '?' : bytes[i];
    return copy;
}

static char *copy_bytes(const char *bytes, size_t n)
{
    char *copy = cadre__alloc(n + 1);
    return copy ? memcpy(copy, bytes, n) : NULL;
}

static cadre_status check_tensor(const cadre_tensor_file *file,
                                 const cadre__tensor_record *record, entry *e)
{
    const uint64_t limit = record->decoded ? file->memory_bytes : file->file_bytes;
    size_t n, element;
    uint64_t end;

    e->tensor.n_dims = (int)record->n_dims;
    e->tensor.dtype = (cadre_dtype)record->dtype;
    for (int i = 0; i < CADRE_MAX_DIMS; i++)
        e->tensor.dims[i] = (int)record->n_dims > i ? record->dims[i] : 0;
    if (record->n_dims > CADRE_MAX_DIMS || e->tensor.dtype > CADRE_I64 ||
        cadre_tensor_count(&e->tensor, &n) != CADRE_OK ||
        __builtin_add_overflow(record->offset, record->bytes, &end) || end > limit)
        goto wrong;
    element = cadre_dtype_bytes(e->tensor.dtype);
    if (e->kind == CADRE__TENSOR_DATA &&
        (record->bytes != n * element || record->offset % element != 0))
        goto wrong;
    if (e->kind == CADRE__TENSOR_STRINGS &&
        (!record->decoded || record->n_dims != 1 || record->bytes < n))
        goto wrong;
    e->decoded = record->decoded != 0;
    e->offset = record->offset;
    e->bytes = record->bytes;
    return CADRE_OK;

wrong:
    return cadre_fail(
        CADRE_ERR_INPUT,
        "%s: dataset '%s' reaches outside the file, or its description makes no "
        "sense: the file is damaged",
        file->path, e->name);
}

static cadre_status add_entry(cadre_tensor_file *file, const cadre__tensor_record *record,
                              const char *name, const char *text)
{
    if (file->n_entries == file->capacity) {
        const size_t capacity = file->capacity ? 2 * file->capacity : 32;
        entry *entries = cadre__grow(file->entries, file->capacity * sizeof *entries,
                                     capacity * sizeof *entries);
        if (!entries)
            return CADRE_ERR_NOMEM;
        file->entries = entries;
        file->capacity = capacity;
    }
    entry *e = &file->entries[file->n_entries++];
    e->kind = record->kind;
    e->name = copy_text(name, record->name_bytes);
    e->text = e->kind == CADRE__TENSOR_ATTRIBUTE ? copy_bytes(text, record->text_bytes)
                                                 : copy_text(text, record->text_bytes);
    if (!e->name || !e->text)
        return CADRE_ERR_NOMEM;
    if (e->kind == CADRE__TENSOR_DATA || e->kind == CADRE__TENSOR_STRINGS)
        return check_tensor(file, record, e);
    return CADRE_OK;
}

/* One record at *at; moves *at behind it. */
static cadre_status take_record(cadre_tensor_file *file, const cadre__text *report,
                                size_t *at, bool *ended)
{
    cadre__tensor_record record;
    if (report->size - *at < sizeof record)
        return cadre_fail(CADRE_ERR_INPUT, "%s: its reader's report ends early",
                          file->path);
    memcpy(&record, report->data + *at, sizeof record);
    *at += sizeof record;
    const char *name = report->data + *at, *text = name + record.name_bytes;
    const size_t left = report->size - *at;
    if (record.name_bytes >= CADRE__TENSOR_NAME_BYTES || record.name_bytes > left ||
        record.text_bytes > CADRE__TENSOR_TEXT_BYTES ||
        record.text_bytes > left - record.name_bytes)
        return cadre_fail(CADRE_ERR_INPUT, "%s: its reader's report makes no sense",
                          file->path);
    *at += record.name_bytes + record.text_bytes;
    switch (record.kind) {
    case CADRE__TENSOR_DATA:
    case CADRE__TENSOR_STRINGS:
    case CADRE__TENSOR_REFUSED:
    case CADRE__TENSOR_ATTRIBUTE:
        return add_entry(file, &record, name, text);
    case CADRE__TENSOR_FAILED: {
        char *why = copy_text(text, record.text_bytes);
        const cadre_status st =
            cadre_fail(CADRE_ERR_INPUT, "%s: %s", file->path, why ? why : "");
        cadre__free(why);
        return st;
    }
    case CADRE__TENSOR_END:
        *ended = true;
        return CADRE_OK;
    default:
        return cadre_fail(CADRE_ERR_INPUT, "%s: its reader's report makes no sense",
                          file->path);
    }
}

static cadre_status take_report(cadre_tensor_file *file, const cadre__text *report)
{
    struct stat info;
    bool ended = false;
    size_t at = 0;

    if (fstat(file->memory_fd, &info) != 0)
        return cadre_fail(CADRE_ERR_IO, "%s: its decoded part: %s", file->path,
                          strerror(errno));
    file->memory_bytes = (uint64_t)info.st_size;
    while (!ended)
        CADRE_TRY(take_record(file, report, &at, &ended));
    return CADRE_OK;
}

static cadre_status read_by_child(cadre_tensor_file *file)
{
    child c = {0};
    cadre__text report = {0};
    int wait_status;
    bool late;

    CADRE_TRY(start_child(file, &c));
    cadre_status st = receive(file, &c, &report, &late);
    close(c.report_fd);
    reap(&c, late || st != CADRE_OK, &wait_status);
    if (st == CADRE_OK)
        st = judge(file, &c, late, wait_status);
    if (st == CADRE_OK)
        st = cadre__text_status(&report);
    if (st == CADRE_OK)
        st = take_report(file, &report);
    cadre__text_fini(&report);
    return st;
}

/* ---- Mapping ---- */

static cadre_status map(const char *path, int fd, uint64_t bytes, void **out)
{
    void *address = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED)
        return cadre_fail(CADRE_ERR_NOMEM, "%s: %llu bytes cannot be mapped: %s", path,
                          (unsigned long long)bytes, strerror(errno));
    *out = address;
    return CADRE_OK;
}

/* Point at each string of the block; the child's block must hold exactly dims[0] of
 * them. */
static cadre_status index_strings(const cadre_tensor_file *file, entry *e)
{
    const size_t n = e->tensor.dims[0];
    const char *at = e->tensor.data, *end = at ? at + e->bytes : at;

    e->strings = cadre__alloc_n(n, sizeof *e->strings);
    if (!e->strings)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *nul = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;
        if (!nul)
            return cadre_fail(CADRE_ERR_INPUT,
                              "%s: dataset '%s' holds fewer strings than %zu", file->path,
                              e->name, n);
        e->strings[i] = at;
        at = nul + 1;
    }
    return CADRE_OK;
}

static cadre_status map_entries(cadre_tensor_file *file)
{
    for (size_t i = 0; i < file->n_entries; i++) {
        entry *e = &file->entries[i];
        if (e->kind != CADRE__TENSOR_DATA && e->kind != CADRE__TENSOR_STRINGS)
            continue;
        if (e->bytes > 0) {
            void **base = e->decoded ? &file->memory_map : &file->file_map;
            if (!*base)
                CADRE_TRY(map(file->path, e->decoded ? file->memory_fd : file->file_fd,
                              e->decoded ? file->memory_bytes : file->file_bytes, base));
            e->tensor.data = (char *)*base + e->offset;
        }
        if (e->kind == CADRE__TENSOR_STRINGS)
            CADRE_TRY(index_strings(file, e));
    }
    return CADRE_OK;
}

static cadre_status open_descriptors(cadre_tensor_file *file)
{
    struct stat info;
    /* Not blocking: a named pipe would otherwise wait for its writer. */
    file->file_fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->file_fd < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? cadre_fail(CADRE_ERR_NOT_FOUND, "%s: no such file", file->path)
                   : cadre_fail(CADRE_ERR_INPUT, "%s: cannot be opened: %s", file->path,
                                strerror(errno));
    if (fstat(file->file_fd, &info) != 0 || !S_ISREG(info.st_mode))
        return cadre_fail(CADRE_ERR_INPUT, "%s: not a regular file", file->path);
    if (info.st_size == 0)
        return cadre_fail(CADRE_ERR_INPUT, "%s: the file is empty", file->path);
    file->file_bytes = (uint64_t)info.st_size;
    file->memory_fd = memfd_create("cadre-tensors", MFD_CLOEXEC);
    if (file->memory_fd < 0)
        return cadre_fail(CADRE_ERR_IO, "%s: no memory file: %s", file->path,
                          strerror(errno));
    return CADRE_OK;
}

static void close_descriptors(cadre_tensor_file *file)
{
    if (file->file_fd >= 0)
        close(file->file_fd);
    if (file->memory_fd >= 0)
        close(file->memory_fd);
    file->file_fd = file->memory_fd = -1;
}

cadre_status cadre_tensor_file_open(const char *path, cadre_tensor_file **out)
{
    cadre_status st;

    *out = NULL;
    if (!path)
        return cadre_fail(CADRE_ERR_ARG, "no path of a tensor file");
    cadre_tensor_file *file = cadre__alloc(sizeof *file);
    if (!file)
        return CADRE_ERR_NOMEM;
    file->file_fd = file->memory_fd = -1;
    file->path = cadre__strdup(path);
    st = file->path ? CADRE_OK : CADRE_ERR_NOMEM;
    if (st != CADRE_OK)
        goto fail;
    CADRE_TRY_GOTO(st, open_descriptors(file), fail);
    CADRE_TRY_GOTO(st, read_by_child(file), fail);
    CADRE_TRY_GOTO(st, map_entries(file), fail);
    close_descriptors(file); /* mappings stay */
    *out = file;
    return CADRE_OK;

fail:
    cadre_tensor_file_close(file);
    return st;
}

void cadre_tensor_file_close(cadre_tensor_file *file)
{
    if (!file)
        return;
    close_descriptors(file);
    if (file->file_map)
        munmap(file->file_map, file->file_bytes);
    if (file->memory_map)
        munmap(file->memory_map, file->memory_bytes);
    for (size_t i = 0; i < file->n_entries; i++) {
        cadre__free(file->entries[i].name);
        cadre__free(file->entries[i].text);
        cadre__free(file->entries[i].strings);
    }
    cadre__free(file->entries);
    cadre__free(file->path);
    cadre__free(file);
}

/* ---- Looking things up ---- */

static const entry *find(const cadre_tensor_file *file, const char *name)
{
    for (size_t i = 0; i < file->n_entries; i++)
        if (file->entries[i].kind != CADRE__TENSOR_ATTRIBUTE &&
            strcmp(file->entries[i].name, name) == 0)
            return &file->entries[i];
    return NULL;
}

static cadre_status no_dataset(const cadre_tensor_file *file, const char *name)
{
    cadre__text names = {0};
    size_t n = 0;
    for (size_t i = 0; i < file->n_entries; i++)
        if (file->entries[i].kind != CADRE__TENSOR_ATTRIBUTE && ++n <= 20) {
            cadre__text_puts(&names, n > 1 ? ", " : "");
            cadre__text_puts(&names, file->entries[i].name);
        }
    if (n > 20)
        cadre__text_printf(&names, " and %zu more", n - 20);
    const cadre_status st =
        cadre_fail(CADRE_ERR_NOT_FOUND, "%s: no dataset '%s'; it has %s", file->path,
                   name, n ? cadre__text_string(&names) : "none at all");
    cadre__text_fini(&names);
    return st;
}

cadre_status cadre_tensor_file_get(const cadre_tensor_file *file, const char *name,
                                   cadre_tensor *view, int *mapped)
{
    const entry *e = find(file, name);
    if (!e)
        return no_dataset(file, name);
    if (e->kind == CADRE__TENSOR_REFUSED)
        return cadre_fail(CADRE_ERR_INPUT, "%s: dataset '%s' cannot be used: %s",
                          file->path, name, e->text);
    if (e->kind == CADRE__TENSOR_STRINGS)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: dataset '%s' holds strings, expected numbers", file->path,
                          name);
    *view = e->tensor;
    if (mapped)
        *mapped = !e->decoded && e->bytes > 0;
    return CADRE_OK;
}

int cadre__tensor_file_has(const cadre_tensor_file *file, const char *name)
{
    return find(file, name) != NULL;
}

cadre_status cadre__tensor_file_strings(const cadre_tensor_file *file, const char *name,
                                        const char *const **strings, size_t *n)
{
    const entry *e = find(file, name);
    if (!e)
        return no_dataset(file, name);
    if (e->kind == CADRE__TENSOR_REFUSED)
        return cadre_fail(CADRE_ERR_INPUT, "%s: dataset '%s' cannot be used: %s",
                          file->path, name, e->text);
    if (e->kind != CADRE__TENSOR_STRINGS)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: dataset '%s' holds numbers, expected strings", file->path,
                          name);
    *strings = e->strings;
    *n = e->tensor.dims[0];
    return CADRE_OK;
}

const char *cadre_tensor_file_name(const cadre_tensor_file *file, size_t index)
{
    for (size_t i = 0; i < file->n_entries; i++)
        if (file->entries[i].kind == CADRE__TENSOR_DATA && index-- == 0)
            return file->entries[i].name;
    return NULL;
}

const char *cadre_tensor_file_attribute(const cadre_tensor_file *file, const char *name)
{
    for (size_t i = 0; i < file->n_entries; i++)
        if (file->entries[i].kind == CADRE__TENSOR_ATTRIBUTE &&
            strcmp(file->entries[i].name, name) == 0)
            return file->entries[i].text;
    return NULL;
}
