/* io/rundir.c - the run directory: opened by one job at a time, growing while it runs,
 * complete at its end (ARCHITECTURE.md, "Requests and results"). */
#include "core/memory.h"
#include "io/record.h"
#include "io/results.h"
#include <cadre/clock.h>
#include <cadre/log.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_FILE "run.json"
#define LOCK_FILE "run.json.lock"
#define RUN_FILE_MAX_BYTES ((size_t)256 << 20)
#define FLUSH_NS CADRE_NS_PER_S

struct cadre__rundir {
    char *path;
    const cadre__job *job;
    const cadre__requests *requests;
    cadre__json *run_info;
    char started[32], host[256];
    char finished[32]; /* "" until the records are complete */
    int lock_fd;
    char *lock_path; /* set while the lock is ours */
    bool made;       /* the folder was not there before */
    cadre__record *records;
    bool *present;
    size_t n_present, n_written; /* of the records; all below n_written are on file */
    cadre__growing results, errors, ledger;
    cadre__text line;
    int64_t flushed_ns;
};

void cadre__record_fini(cadre__record *record)
{
    cadre__free(record->message);
    cadre__free(record->decision);
    cadre__free(record->data);
    cadre__free(record->logprobs);
    memset(record, 0, sizeof *record);
}

int64_t cadre__record_ns_per_token(const cadre__record *record)
{
    return record->first_token_ns > 0 && record->tokens_out > 1
               ? (record->last_token_ns - record->first_token_ns) /
                     (record->tokens_out - 1)
               : 0;
}

/* ---- The lock ---- */

/* "node7 1234\n", by whoever holds the lock. */
static void read_holder(int fd, char *holder, size_t size)
{
    const ssize_t n = pread(fd, holder, size - 1, 0);
    holder[n > 0 ? n : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
}

static cadre_status try_lock(cadre__rundir *dir, const char *path, bool *stale)
{
    char holder[300];
    struct stat held, named;

    *stale = false;
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (dir->lock_fd < 0)
        return cadre_fail(cadre__path_fault(errno), "%s is not writable: %s", dir->path,
                          strerror(errno));
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            cadre_log(CADRE_LOG_WARN, "io",
                      "%s cannot be locked (%s): see to it that no other job writes it",
                      dir->path, strerror(errno));
            return CADRE_OK;
        }
        read_holder(dir->lock_fd, holder, sizeof holder);
        return cadre_fail(CADRE_ERR_EXISTS,
                          "%s is being written by another process (host and pid: %s)",
                          dir->path, holder[0] ? holder : "not known");
    }
    /* The former holder may have removed the file between our open and our lock. */
    *stale = fstat(dir->lock_fd, &held) != 0 || stat(path, &named) != 0 ||
             held.st_ino != named.st_ino || held.st_dev != named.st_dev;
    return CADRE_OK;
}

static cadre_status lock(cadre__rundir *dir)
{
    bool stale = true;
    char *path = cadre__path_join(dir->path, LOCK_FILE);
    cadre_status st = path ? CADRE_OK : CADRE_ERR_NOMEM;
    while (st == CADRE_OK && stale) {
        if (dir->lock_fd >= 0)
            close(dir->lock_fd);
        st = try_lock(dir, path, &stale);
    }
    if (st != CADRE_OK) {
        cadre__free(path);
        return st;
    }
    dir->lock_path = path;
    char holder[300];
    snprintf(holder, sizeof holder, "%s %ld\n", dir->host, (long)getpid());
    const size_t size = strlen(holder);
    if (ftruncate(dir->lock_fd, 0) != 0 ||
        pwrite(dir->lock_fd, holder, size, 0) != (ssize_t)size)
        return cadre_fail(CADRE_ERR_IO, "writing %s: %s", path, strerror(errno));
    return CADRE_OK;
}

static void unlock(cadre__rundir *dir)
{
    if (dir->lock_path)
        unlink(dir->lock_path);
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    cadre__free(dir->lock_path);
    dir->lock_path = NULL;
    dir->lock_fd = -1;
}

/* ---- What stands there already ---- */

/* A folder with files but without run.json is somebody else's. */
static cadre_status check_folder(const char *path)
{
    DIR *folder = opendir(path);
    cadre_status st = CADRE_OK;
    bool is_run = false;
    char stranger[256] = "";

    if (!folder)
        return cadre_fail(cadre__path_fault(errno), "%s cannot be read: %s", path,
                          strerror(errno));
    for (const struct dirent *entry; (entry = readdir(folder));) {
        const char *name = entry->d_name;
        if (strcmp(name, RUN_FILE) == 0)
            is_run = true;
        else if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
                 strncmp(name, RUN_FILE ".", sizeof RUN_FILE) != 0)
            snprintf(stranger, sizeof stranger, "%.250s", name);
    }
    if (!is_run && stranger[0])
        st = cadre_fail(CADRE_ERR_EXISTS,
                        "%s holds files but no run (%s, no " RUN_FILE
                        "): choose an empty output directory",
                        path, stranger);
    closedir(folder);
    return st;
}

/* Whether the run in the directory may be replaced by this job. */
static cadre_status check_former(const cadre__rundir *dir, const char *run_path,
                                 bool overwrite)
{
    cadre__json_doc *doc;
    const cadre_status read = cadre__json_parse_file(run_path, RUN_FILE_MAX_BYTES, &doc);
    if (read == CADRE_ERR_NOT_FOUND)
        return CADRE_OK;
    if (read == CADRE_ERR_INPUT)
        return cadre_fail(CADRE_ERR_EXISTS,
                          "%s is damaged (%s): choose another directory", run_path,
                          cadre_last_error());
    CADRE_TRY(read);
    const cadre__json *root = cadre__json_root(doc);
    const char *digest =
        cadre__json_string_or(cadre__json_member(root, "job_digest"), "");
    const char *status = cadre__json_string_or(cadre__json_member(root, "status"), "");
    cadre_status st = CADRE_OK;
    if (strcmp(digest, dir->job->digest) != 0)
        st = cadre_fail(
            CADRE_ERR_EXISTS,
            "%s holds another job (digest %s, this one has %s): choose another "
            "output directory",
            dir->path, digest[0] ? digest : "missing", dir->job->digest);
    else if (strcmp(status, "completed") == 0 && !overwrite)
        st = cadre_fail(CADRE_ERR_EXISTS,
                        "%s holds this job, completed: say --overwrite to run it again",
                        dir->path);
    cadre__json_doc_destroy(doc);
    return st;
}

/* No file of a former run may be taken for one of this run. */
static cadre_status remove_former(const cadre__rundir *dir)
{
    static const char *const names[] = {"results.h5",   "results.jsonl", "errors.jsonl",
                                        "ledger.jsonl", "report.json",   "report.html",
                                        "metrics.prom"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = cadre__path_join(dir->path, names[i]);
        if (!path)
            return CADRE_ERR_NOMEM;
        const int failed = unlink(path) != 0 && errno != ENOENT;
        const cadre_status st = failed
                                    ? cadre_fail(CADRE_ERR_IO, "%s cannot be removed: %s",
                                                 path, strerror(errno))
                                    : CADRE_OK;
        cadre__free(path);
        CADRE_TRY(st);
    }
    return CADRE_OK;
}

/* ---- run.json ---- */

static cadre_status write_run_json(const cadre__rundir *dir, const char *status,
                                   const char *finished)
{
    cadre__json *root = cadre__json_new_object();
    char *path = cadre__path_join(dir->path, RUN_FILE);
    cadre_status st;

    cadre__json_add_integer(root, "schema_version", 1);
    cadre__json_add_string(root, "status", status);
    cadre__json_add_string(root, "job_digest", dir->job->digest);
    if (finished)
        cadre__json_add_string(root, "finished", finished);
    cadre__json_add(root, "job", cadre__json_copy(cadre__json_root(dir->job->doc)));
    for (const cadre__json *member = cadre__json_first(dir->run_info); member;
         member = cadre__json_next(member))
        cadre__json_add(root, cadre__json_key(member), cadre__json_copy(member));
    char *text = root ? cadre__json_print(root, true) : NULL;
    st = text && path ? cadre__file_write(path, text, strlen(text))
                      : cadre_fail(CADRE_ERR_NOMEM, "out of memory for " RUN_FILE);
    cadre__free(text);
    cadre__free(path);
    cadre__json_destroy(root);
    return st;
}

/* ---- Opening ---- */

static cadre_status open_growing(const cadre__rundir *dir, const char *name,
                                 cadre__growing *out)
{
    char *path = cadre__path_join(dir->path, name);
    if (!path)
        return CADRE_ERR_NOMEM;
    const cadre_status st = cadre__growing_open(path, out);
    cadre__free(path);
    return st;
}

static cadre_status prepare(cadre__rundir *dir, bool overwrite)
{
    struct stat info;
    dir->made = stat(dir->path, &info) != 0;
    CADRE_TRY(cadre__make_folders(dir->path));
    CADRE_TRY(check_folder(dir->path));
    CADRE_TRY(lock(dir));
    char *run_path = cadre__path_join(dir->path, RUN_FILE);
    if (!run_path)
        return CADRE_ERR_NOMEM;
    const cadre_status st = check_former(dir, run_path, overwrite);
    cadre__free(run_path);
    CADRE_TRY(st);
    CADRE_TRY(write_run_json(dir, "in_progress", NULL));
    CADRE_TRY(remove_former(dir));
    CADRE_TRY(open_growing(dir, "results.jsonl", &dir->results));
    CADRE_TRY(open_growing(dir, "errors.jsonl", &dir->errors));
    return open_growing(dir, "ledger.jsonl", &dir->ledger);
}

cadre_status cadre__rundir_open(const char *path, const cadre__job *job,
                                const cadre__requests *requests,
                                const cadre__json *run_info, bool overwrite,
                                cadre__rundir **out)
{
    cadre_status st = CADRE_OK;

    *out = NULL;
    cadre__rundir *dir = cadre__alloc(sizeof *dir);
    if (!dir)
        return CADRE_ERR_NOMEM;
    dir->lock_fd = -1;
    dir->job = job;
    dir->requests = requests;
    dir->path = cadre__strdup(path);
    dir->records = cadre__alloc_n(requests->n, sizeof *dir->records);
    dir->present = cadre__alloc_n(requests->n, sizeof *dir->present);
    dir->run_info = run_info ? cadre__json_copy(run_info) : NULL;
    if (!dir->path || !dir->records || !dir->present || (run_info && !dir->run_info))
        st = cadre_fail(CADRE_ERR_NOMEM, "out of memory for %zu records", requests->n);
    if (st != CADRE_OK)
        goto fail;
    cadre_clock_utc(dir->started);
    if (gethostname(dir->host, sizeof dir->host - 1) != 0)
        snprintf(dir->host, sizeof dir->host, "unknown");
    CADRE_TRY_GOTO(st, prepare(dir, overwrite), fail);
    dir->flushed_ns = cadre_clock_ns();
    *out = dir;
    return CADRE_OK;

fail:
    cadre__rundir_destroy(dir);
    return st;
}

void cadre__rundir_destroy(cadre__rundir *dir)
{
    if (!dir)
        return;
    cadre__growing_discard(&dir->results);
    cadre__growing_discard(&dir->errors);
    cadre__growing_discard(&dir->ledger);
    unlock(dir);
    if (dir->records)
        for (size_t i = 0; i < dir->requests->n; i++)
            cadre__record_fini(&dir->records[i]);
    cadre__free(dir->records);
    cadre__free(dir->present);
    cadre__text_fini(&dir->line);
    cadre__json_destroy(dir->run_info);
    cadre__free(dir->path);
    cadre__free(dir);
}

void cadre__rundir_withdraw(cadre__rundir *dir)
{
    if (!dir)
        return;
    cadre__growing *const files[] = {&dir->results, &dir->errors, &dir->ledger};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i]->partial)
            unlink(files[i]->partial);
    }
    char *run_path = cadre__path_join(dir->path, RUN_FILE);
    if (run_path)
        unlink(run_path);
    cadre__free(run_path);
    char *made = dir->made ? cadre__strdup(dir->path) : NULL;
    cadre__rundir_destroy(dir);
    if (made)
        rmdir(made);
    cadre__free(made);
}

/* ---- While it runs ---- */

/* About once a second, so that others can follow what happens. */
static cadre_status flush_at_times(cadre__rundir *dir)
{
    const int64_t now = cadre_clock_ns();
    if (now - dir->flushed_ns < FLUSH_NS)
        return CADRE_OK;
    dir->flushed_ns = now;
    CADRE_TRY(cadre__growing_flush(&dir->results));
    CADRE_TRY(cadre__growing_flush(&dir->errors));
    return cadre__growing_flush(&dir->ledger);
}

static cadre_status write_line(cadre__rundir *dir, size_t index)
{
    cadre__record *record = &dir->records[index];
    cadre__text_clear(&dir->line);
    cadre__result_line(&dir->line, dir->job, &dir->requests->items[index], record);
    CADRE_TRY(cadre__text_status(&dir->line));
    cadre__free(record->logprobs); /* often much longer than the answer */
    record->logprobs = NULL;
    return cadre__growing_append(record->ok ? &dir->results : &dir->errors,
                                 cadre__text_string(&dir->line), dir->line.size);
}

cadre_status cadre__rundir_put(cadre__rundir *dir, cadre__record *record)
{
    const size_t index = record->index;
    if (index >= dir->requests->n || dir->present[index]) {
        cadre__record_fini(record);
        return cadre_fail(CADRE_ERR_INTERNAL,
                          index >= dir->requests->n
                              ? "a record of request %zu, but there are %zu"
                              : "a second record of request %zu (of %zu)",
                          index, dir->requests->n);
    }
    dir->records[index] = *record;
    dir->present[index] = true;
    dir->n_present++;
    memset(record, 0, sizeof *record);
    for (; dir->n_written < dir->requests->n && dir->present[dir->n_written];
         dir->n_written++)
        CADRE_TRY(write_line(dir, dir->n_written));
    return flush_at_times(dir);
}

cadre_status cadre__rundir_ledger(cadre__rundir *dir, const char *line)
{
    CADRE_TRY(cadre__growing_append(&dir->ledger, line, strlen(line)));
    CADRE_TRY(cadre__growing_append(&dir->ledger, "\n", 1));
    return flush_at_times(dir);
}

const cadre__record *cadre__rundir_record(const cadre__rundir *dir, size_t index)
{
    return index < dir->requests->n && dir->present[index] ? &dir->records[index] : NULL;
}

/* ---- Its end ---- */

static const char *fact(const cadre__rundir *dir, const char *key, const char *fallback)
{
    return cadre__json_string_or(
        dir->run_info ? cadre__json_member(dir->run_info, key) : NULL, fallback);
}

static cadre_status write_h5(const cadre__rundir *dir, const char *finished)
{
    const cadre__run_facts facts = {.host = fact(dir, "host", dir->host),
                                    .command = fact(dir, "command", ""),
                                    .started = fact(dir, "started", dir->started),
                                    .finished = finished,
                                    .version = fact(dir, "version", cadre_version())};
    char *path = cadre__path_join(dir->path, "results.h5");
    if (!path)
        return CADRE_ERR_NOMEM;
    const cadre_status st =
        cadre__results_h5_write(path, dir->job, dir->requests, dir->records, &facts);
    cadre__free(path);
    return st;
}

cadre_status cadre__rundir_finish_records(cadre__rundir *dir)
{
    if (dir->n_present < dir->requests->n)
        return cadre_fail(CADRE_ERR_STATE, "%s: only %zu of %zu requests have a record",
                          dir->path, dir->n_present, dir->requests->n);
    cadre_clock_utc(dir->finished);
    CADRE_TRY(write_h5(dir, dir->finished));
    CADRE_TRY(cadre__growing_complete(&dir->results));
    CADRE_TRY(cadre__growing_complete(&dir->errors));
    return cadre__growing_complete(&dir->ledger);
}

cadre_status cadre__rundir_complete(cadre__rundir *dir, const cadre__named_text *files,
                                    size_t n_files)
{
    if (!dir->finished[0])
        CADRE_TRY(cadre__rundir_finish_records(dir));
    for (size_t i = 0; i < n_files; i++) {
        char *path = cadre__path_join(dir->path, files[i].name);
        if (!path)
            return CADRE_ERR_NOMEM;
        const cadre_status st =
            cadre__file_write(path, files[i].text, strlen(files[i].text));
        cadre__free(path);
        CADRE_TRY(st);
    }
    return write_run_json(dir, "completed", dir->finished);
}
