/* io/tensor_child.c - the child process that parses an HDF5 file.
 *
 * HDF5 1.10 dies or hangs on some damaged files, so this runs in a process of its own,
 * with limits on time and memory, and reports through a pipe (io/tensor_file.h). It never
 * returns and never cleans up: the end of the process does.
 */
#include "core/settings.h"
#include "io/h5_support.h"
#include "io/tensor_file.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_DEPTH 16
#define MAX_OBJECTS 100000
#define MAX_ATTRIBUTE_VALUES 4096
#define WORK_BYTES ((uint64_t)64 << 20) /* for HDF5 itself, beside what it decodes */
#define MEMORY_ALIGN 4096 /* of decoded data, so that each can be mapped on its own */

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#ifndef ADDRESS_SANITIZER
#define ADDRESS_SANITIZER 0 /* with it, a limit on address space stops every program */
#endif

typedef struct reader {
    int report_fd, memory_fd;
    uint64_t file_bytes;
    uint64_t memory_used, memory_max;
    size_t n_objects;
    int depth;
    char name[CADRE__TENSOR_NAME_BYTES]; /* of the object at hand, from the root */
    size_t name_size;
} reader;

/* ---- Reporting ---- */

static void write_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        const ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            _exit(2);
        at += done;
        n -= (size_t)done;
    }
}

static void report(const reader *r, cadre__tensor_record *record, const char *name,
                   size_t name_size, const char *text, size_t text_size)
{
    record->name_bytes = (uint32_t)name_size;
    record->text_bytes = (uint32_t)text_size;
    write_all(r->report_fd, record, sizeof *record);
    write_all(r->report_fd, name, name_size);
    write_all(r->report_fd, text, text_size);
}

/* Say why the file cannot be read, and end. */
_Noreturn static void give_up(const reader *r, const char *fmt, ...) CADRE_PRINTF(2, 3);
static void give_up(const reader *r, const char *fmt, ...)
{
    char text[1024];
    cadre__tensor_record record = {.kind = CADRE__TENSOR_FAILED};
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    report(r, &record, "", 0, text, strlen(text));
    _exit(0);
}

/* Say why this dataset cannot be used, and go on. */
static void refuse(const reader *r, const char *fmt, ...) CADRE_PRINTF(2, 3);
static void refuse(const reader *r, const char *fmt, ...)
{
    char text[512];
    cadre__tensor_record record = {.kind = CADRE__TENSOR_REFUSED};
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    report(r, &record, r->name, r->name_size, text, strlen(text));
}

_Noreturn static void damaged(const reader *r, const char *what)
{
    char why[512];
    give_up(r, "%s '%s' cannot be read: %s", what, r->name_size ? r->name : "/",
            cadre__h5_reason(why, sizeof why));
}

/* ---- The memory file ---- */

static bool has_room(const reader *r, uint64_t bytes)
{
    uint64_t end;
    return !__builtin_add_overflow(r->memory_used, bytes, &end) && end <= r->memory_max;
}

/* Append `bytes` (not 0) to the memory file and map them; *offset is where they stand. */
static void *memory_add(reader *r, uint64_t bytes, uint64_t *offset)
{
    *offset = r->memory_used;
    r->memory_used += (bytes + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN;
    if (ftruncate(r->memory_fd, (off_t)r->memory_used) != 0)
        give_up(r, "no memory to decode '%s': %s", r->name, strerror(errno));
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory_fd,
                        (off_t)*offset);
    if (memory == MAP_FAILED)
        give_up(r, "no memory to decode '%s' (%llu bytes): %s", r->name,
                (unsigned long long)bytes, strerror(errno));
    return memory;
}

static void refuse_too_large(const reader *r, uint64_t bytes)
{
    refuse(r, "decoding it takes %llu bytes, more than %s allows for one file (%llu MiB)",
           (unsigned long long)bytes, cadre__setting_name(CADRE__SETTING_H5_MIB),
           (unsigned long long)(r->memory_max >> 20));
}

/* ---- Datasets ---- */

static hid_t native_type(cadre_dtype dtype)
{
    switch (dtype) {
    case CADRE_F32:
        return H5T_NATIVE_FLOAT;
    case CADRE_F64:
        return H5T_NATIVE_DOUBLE;
    case CADRE_I32:
        return H5T_NATIVE_INT32;
    default:
        return H5T_NATIVE_INT64;
    }
}

/* The type that holds every value of an HDF5 type; false, with its name, if none does. */
static bool choose_dtype(hid_t type, cadre_dtype *dtype, char *name, size_t size)
{
    H5T_class_t class = H5Tget_class(type);
    hid_t integer = type;
    if (class == H5T_ENUM) { /* as h5py stores booleans */
        integer = H5Tget_super(type);
        class = H5Tget_class(integer);
    }
    const size_t bytes = H5Tget_size(integer);
    if (class == H5T_FLOAT && bytes <= 8) {
        *dtype = bytes <= 4 ? CADRE_F32 : CADRE_F64;
        return true;
    }
    if (class == H5T_INTEGER && bytes <= 8) {
        const bool is_signed = H5Tget_sign(integer) == H5T_SGN_2;
        *dtype = bytes <= (is_signed ? 4 : 2) ? CADRE_I32 : CADRE_I64;
        if (is_signed || bytes <= 4)
            return true;
    }
    if (class == H5T_FLOAT)
        snprintf(name, size, "floating-point numbers of %zu bytes", bytes);
    else if (class == H5T_INTEGER)
        snprintf(name, size, "%s integers of %zu bytes",
                 H5Tget_sign(integer) == H5T_SGN_2 ? "signed" : "unsigned", bytes);
    else
        snprintf(name, size, "%s",
                 class == H5T_COMPOUND ? "compound values"
                 : class == H5T_VLEN   ? "sequences of variable length"
                                       : "values that are neither numbers nor strings");
    return false;
}

/* Whether the bytes in the file are what a program of ours would have in memory. */
static bool is_mappable(const reader *r, hid_t dataset, hid_t type, hid_t layout,
                        cadre_dtype dtype, cadre__tensor_record *record)
{
    uint64_t end;
    if (record->bytes == 0 || H5Tequal(type, native_type(dtype)) <= 0 ||
        H5Pget_layout(layout) != H5D_CONTIGUOUS || H5Pget_nfilters(layout) != 0)
        return false;
    const haddr_t offset = H5Dget_offset(dataset);
    if (offset == HADDR_UNDEF || H5Dget_storage_size(dataset) != record->bytes ||
        offset % cadre_dtype_bytes(dtype) != 0 ||
        __builtin_add_overflow(offset, record->bytes, &end) || end > r->file_bytes)
        return false;
    record->offset = offset;
    return true;
}

static void read_numbers(reader *r, hid_t dataset, hid_t type, hid_t layout,
                         cadre__tensor_record *record)
{
    cadre_dtype dtype;
    char what[96];
    if (!choose_dtype(type, &dtype, what, sizeof what)) {
        refuse(r, "it holds %s; f32, f64, i32, i64 and smaller types can be used", what);
        return;
    }
    record->kind = CADRE__TENSOR_DATA;
    record->dtype = dtype;
    record->bytes = cadre_dtype_bytes(dtype);
    for (uint32_t i = 0; i < record->n_dims; i++)
        if (__builtin_mul_overflow(record->bytes, record->dims[i], &record->bytes))
            give_up(r, "dataset '%s' has dimensions whose product overflows", r->name);
    if (!is_mappable(r, dataset, type, layout, dtype, record)) {
        if (!has_room(r, record->bytes)) {
            refuse_too_large(r, record->bytes);
            return;
        }
        record->decoded = 1;
        if (record->bytes) {
            void *memory = memory_add(r, record->bytes, &record->offset);
            if (H5Dread(dataset, native_type(dtype), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                        memory) < 0)
                damaged(r, "dataset");
            munmap(memory, record->bytes);
        }
    }
    report(r, record, r->name, r->name_size, "", 0);
}

/* A memory type for strings of the file's type; `bytes` with the NUL, or H5T_VARIABLE. */
static hid_t string_type(hid_t type, size_t bytes)
{
    const hid_t memory_type = H5Tcopy(H5T_C_S1);
    H5Tset_size(memory_type, bytes);
    H5Tset_cset(memory_type, H5Tget_cset(type));
    return memory_type;
}

/* All strings of a dataset. They stand in `memory`, or, if that is NULL, in HDF5's. */
typedef struct string_list {
    char **at; /* [n] */
    size_t n;
    char *memory;
} string_list;

static void load_strings(reader *r, hid_t dataset, hid_t type, string_list *list)
{
    const bool variable = H5Tis_variable_str(type) > 0;
    const size_t n = list->n, bytes = variable ? 0 : H5Tget_size(type) + 1;
    list->at = calloc(n ? n : 1, sizeof *list->at);
    list->memory = variable ? NULL : calloc(n ? n : 1, bytes);
    if (!list->at || (!variable && !list->memory))
        give_up(r, "no memory for the strings of '%s'", r->name);
    if (n && H5Dread(dataset, string_type(type, variable ? H5T_VARIABLE : bytes), H5S_ALL,
                     H5S_ALL, H5P_DEFAULT,
                     variable ? (void *)list->at : (void *)list->memory) < 0)
        damaged(r, "dataset");
    for (size_t i = 0; !variable && i < n; i++) {
        list->at[i] = list->memory + i * bytes;
        list->at[i][bytes - 1] = '\0';
    }
}

/* Not left to the end of the process: the next dataset may need the room. */
static void free_strings(hid_t dataset, hid_t type, string_list *list)
{
    if (!list->memory && list->n)
        H5Dvlen_reclaim(string_type(type, H5T_VARIABLE), H5Dget_space(dataset),
                        H5P_DEFAULT, list->at);
    free(list->memory);
    free(list->at);
}

static void read_strings(reader *r, hid_t dataset, hid_t type,
                         cadre__tensor_record *record)
{
    if (record->n_dims != 1) {
        refuse(r, "it holds strings in %u dimensions; 1 can be used", record->n_dims);
        return;
    }
    uint64_t bytes = 0;
    const bool variable = H5Tis_variable_str(type) > 0;
    if (__builtin_mul_overflow(record->dims[0], variable ? 16 : H5Tget_size(type) + 1,
                               &bytes) ||
        !has_room(r, bytes)) {
        refuse_too_large(r, bytes);
        return;
    }
    string_list list = {.n = record->dims[0]};
    load_strings(r, dataset, type, &list);
    record->kind = CADRE__TENSOR_STRINGS;
    record->decoded = 1;
    record->bytes = 0;
    for (size_t i = 0; i < list.n; i++)
        record->bytes += (list.at[i] ? strlen(list.at[i]) : 0) + 1;
    if (!has_room(r, record->bytes)) {
        refuse_too_large(r, record->bytes);
    } else {
        if (record->bytes) {
            char *to = memory_add(r, record->bytes, &record->offset);
            for (size_t i = 0; i < list.n; i++)
                to = stpcpy(to, list.at[i] ? list.at[i] : "") + 1;
        }
        report(r, record, r->name, r->name_size, "", 0);
    }
    free_strings(dataset, type, &list);
}

static void read_dataset(reader *r, hid_t dataset)
{
    cadre__tensor_record record = {0};
    hsize_t dims[H5S_MAX_RANK];
    const hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    const hid_t layout = H5Dget_create_plist(dataset);
    const int n_dims = H5Sget_simple_extent_ndims(space);

    if (type < 0 || space < 0 || layout < 0 || n_dims < 0)
        damaged(r, "dataset");
    if (H5Sget_simple_extent_type(space) == H5S_NULL)
        refuse(r, "it holds nothing, not even a shape");
    else if (n_dims > CADRE_MAX_DIMS)
        refuse(r, "it has %d dimensions; at most %d can be used", n_dims, CADRE_MAX_DIMS);
    else if (H5Pget_external_count(layout) != 0 || H5Pget_layout(layout) == H5D_VIRTUAL)
        refuse(r, "its values stand in other files");
    else {
        H5Sget_simple_extent_dims(space, dims, NULL);
        record.n_dims = (uint32_t)n_dims;
        for (int i = 0; i < n_dims; i++)
            record.dims[i] = dims[i];
        if (H5Tget_class(type) == H5T_STRING)
            read_strings(r, dataset, type, &record);
        else
            read_numbers(r, dataset, type, layout, &record);
    }
    H5Pclose(layout);
    H5Sclose(space);
    H5Tclose(type);
}

/* ---- Groups ---- */

static herr_t visit(hid_t group, const char *name, const H5L_info_t *info, void *context);

static void walk(reader *r, hid_t group)
{
    if (++r->depth > MAX_DEPTH)
        give_up(r, "groups are nested more than %d deep", MAX_DEPTH);
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, visit, r) < 0)
        damaged(r, "group");
    r->depth--;
}

static herr_t visit(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    reader *r = context;
    const size_t kept = r->name_size;

    /* Soft and external links could lead anywhere; what they lead to has its own name. */
    if (info->type != H5L_TYPE_HARD)
        return 0;
    if (++r->n_objects > MAX_OBJECTS)
        give_up(r, "it holds more than %d objects, or groups that contain themselves",
                MAX_OBJECTS);
    const int added =
        snprintf(r->name + kept, sizeof r->name - kept, "%s%s", kept ? "/" : "", name);
    if (added < 0 || (size_t)added >= sizeof r->name - kept)
        give_up(r, "the name '%s' is longer than %zu bytes", r->name, sizeof r->name - 1);
    r->name_size += (size_t)added;

    const hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0)
        damaged(r, "object");
    if (H5Iget_type(object) == H5I_GROUP)
        walk(r, object);
    else if (H5Iget_type(object) == H5I_DATASET)
        read_dataset(r, object);
    H5Oclose(object);
    r->name_size = kept;
    r->name[kept] = '\0';
    return 0;
}

/* ---- Attributes of the root group ---- */

static void report_attribute(const reader *r, const char *name, const char *value)
{
    cadre__tensor_record record = {.kind = CADRE__TENSOR_ATTRIBUTE};
    const size_t name_size = strlen(name), size = strlen(value);
    if (name_size < CADRE__TENSOR_NAME_BYTES && size <= CADRE__TENSOR_TEXT_BYTES)
        report(r, &record, name, name_size, value, size);
}

static void read_string_attribute(const reader *r, hid_t attribute, hid_t type,
                                  const char *name)
{
    const size_t bytes = H5Tget_size(type);
    char *value = NULL;
    if (H5Tis_variable_str(type) > 0) {
        if (H5Aread(attribute, string_type(type, H5T_VARIABLE), &value) < 0)
            give_up(r, "attribute '%s' cannot be read", name);
    } else if (bytes <= CADRE__TENSOR_TEXT_BYTES) {
        value = calloc(1, bytes + 1);
        if (!value || H5Aread(attribute, string_type(type, bytes + 1), value) < 0)
            give_up(r, "attribute '%s' cannot be read", name);
        value[bytes] = '\0';
    }
    report_attribute(r, name, value ? value : "");
}

/* One number, or several separated by commas. */
static void read_number_attribute(const reader *r, hid_t attribute, hid_t type,
                                  const char *name, size_t n)
{
    const bool is_integer = H5Tget_class(type) == H5T_INTEGER;
    const bool is_unsigned = is_integer && H5Tget_sign(type) == H5T_SGN_NONE;
    union {
        double number;
        long long integer;
        unsigned long long natural;
    } *values = calloc(n, sizeof *values);
    char *text = calloc(n, 32);
    size_t used = 0;

    if (!values || !text ||
        H5Aread(attribute,
                is_unsigned  ? H5T_NATIVE_ULLONG
                : is_integer ? H5T_NATIVE_LLONG
                             : H5T_NATIVE_DOUBLE,
                values) < 0)
        give_up(r, "attribute '%s' cannot be read", name);
    for (size_t i = 0; i < n; i++) {
        char *at = text + used;
        if (i)
            *at++ = ',', used++;
        used += (size_t)(is_unsigned  ? snprintf(at, 31, "%llu", values[i].natural)
                         : is_integer ? snprintf(at, 31, "%lld", values[i].integer)
                                      : snprintf(at, 31, "%.17g", values[i].number));
    }
    report_attribute(r, name, text);
    free(values);
    free(text);
}

static herr_t visit_attribute(hid_t root, const char *name, const H5A_info_t *info,
                              void *context)
{
    reader *r = context;
    (void)info;
    if (++r->n_objects > MAX_OBJECTS)
        give_up(r, "it holds more than %d attributes", MAX_OBJECTS);
    const hid_t attribute = H5Aopen(root, name, H5P_DEFAULT);
    const hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    if (attribute < 0 || type < 0 || space < 0)
        give_up(r, "attribute '%s' cannot be read", name);
    const hssize_t n = H5Sget_simple_extent_npoints(space);
    const H5T_class_t class = H5Tget_class(type);

    if (class == H5T_STRING && n == 1)
        read_string_attribute(r, attribute, type, name);
    else if ((class == H5T_INTEGER || class == H5T_FLOAT) && n >= 1 &&
             n <= MAX_ATTRIBUTE_VALUES)
        read_number_attribute(r, attribute, type, name, (size_t)n);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attribute);
    return 0;
}

/* ---- The process ---- */

/* MPI and sanitizers install handlers that must not run here. */
static void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static uint64_t address_space_in_use(void)
{
    unsigned long long pages = 0;
    char line[128];
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm) {
        if (fgets(line, sizeof line, statm))
            pages = strtoull(line, NULL, 10);
        fclose(statm);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void set_limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return;
    /* A limit that stands already may be lower, and a hard one cannot be raised. */
    if (limit.rlim_max < hard)
        hard = limit.rlim_max;
    limit.rlim_cur = soft < hard ? soft : hard;
    limit.rlim_max = hard;
    setrlimit(resource, &limit);
}

static void confine(const cadre__tensor_limits *limits)
{
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing >= 0) {
        dup2(nothing, STDOUT_FILENO);
        dup2(nothing, STDERR_FILENO);
    }
    set_limit(RLIMIT_CORE, 0, 0);
    set_limit(RLIMIT_CPU, (uint64_t)limits->cpu_seconds,
              (uint64_t)limits->cpu_seconds + 1);
    if (!ADDRESS_SANITIZER) {
        const uint64_t bytes = address_space_in_use() + WORK_BYTES + limits->file_bytes +
                               ((uint64_t)limits->memory_mib << 20);
        set_limit(RLIMIT_AS, bytes, bytes);
    }
}

/* Read-only, without locks: many ranks open the same file. */
static hid_t open_file(const reader *r, int file_fd)
{
    char path[64], why[512];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file_fd);
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1);
    H5PLset_loading_state(0); /* no file makes us load a plugin */
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, false, true);
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (file < 0)
        give_up(r, "it is not a readable HDF5 file: %s",
                cadre__h5_reason(why, sizeof why));
    return file;
}

void cadre__tensor_child(int file_fd, int report_fd, int memory_fd,
                         const cadre__tensor_limits *limits)
{
    reader r = {.report_fd = report_fd,
                .memory_fd = memory_fd,
                .file_bytes = limits->file_bytes,
                .memory_max = (uint64_t)limits->memory_mib << 20};
    cadre__h5_quiet quiet;

    confine(limits);
    cadre__h5_quiet_begin(&quiet);
    const hid_t file = open_file(&r, file_fd);
    const hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    if (root < 0)
        give_up(&r, "its root group cannot be read");
    if (H5Aiterate2(root, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_attribute, &r) < 0)
        give_up(&r, "the attributes of its root group cannot be read");
    walk(&r, root);
    report(&r, &(cadre__tensor_record){.kind = CADRE__TENSOR_END}, "", 0, "", 0);
    _exit(0);
}
