/* coll/cost_file.c - measured costs in a file.
 *
 * Text, since it is read by people too, and since this folder knows no JSON. */
#include "coll/choice.h"
#include "coll/cost_set.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIRST_LINE "cadre costs of collectives 1"
#define BUSY_LINE "built in, on a busy machine"
#define BUSY_SECONDS 600
#define MOST_LINES 400
#define LINE_BYTES 1024
#define MOST_NS 1e12 /* no cost is so large */

static const struct {
    const char *name;
    size_t at;
} fields[] = {
#define F(member)                                                                        \
    {                                                                                    \
#member, offsetof(cadre__coll_costs, member)                                     \
    }
    F(latency_ns),      F(byte_ns),      F(reduce_ns), F(native_ns),
    F(node_latency_ns), F(node_byte_ns), F(sync_ns),   F(copy_ns),
#undef F
};
#define N_FIELDS (sizeof fields / sizeof fields[0])

typedef struct level {
    const char *name;
    cadre__coll_costs *costs;
} level;

static double *field_of(const level *l, size_t i)
{
    return (double *)(void *)((char *)l->costs + fields[i].at);
}

/* ---- Reading ---- */

/* A positive number, or "-" for none; *at moves on. */
static bool read_cost(char **at, bool may_lack, double *out)
{
    char *word = strtok_r(NULL, " \n", at), *end;

    if (word == NULL)
        return false;
    if (may_lack && strcmp(word, "-") == 0) {
        *out = NAN;
        return true;
    }
    *out = strtod(word, &end);
    return *end == '\0' && *out > 0 && *out < MOST_NS;
}

/* "allreduce ring 1000 2000 - - -" */
static bool read_curve(char **at, level *l)
{
    const char *collective = strtok_r(NULL, " \n", at), *name = strtok_r(NULL, " \n", at);
    const cadre__coll_row *row = NULL;
    size_t index = 0;
    int c = 0;

    while (collective != NULL && c < CADRE_N_COLLECTIVES &&
           strcmp(collective, cadre__collective_name((cadre_collective)c)) != 0)
        c++;
    if (name == NULL || c == CADRE_N_COLLECTIVES)
        return false;
    while ((row = cadre__coll_row_at((cadre_collective)c, index)) != NULL &&
           strcmp(row->name, name) != 0)
        index++;
    if (row == NULL || index >= CADRE__CURVE_ROWS)
        return false;
    for (int i = 0; i < CADRE__N_CURVE; i++)
        if (!read_cost(at, true, &l->costs->curve_ns[c][index][i]))
            return false;
    return true;
}

/* "inside latency_ns 1000"; counts fields. */
static bool read_line(char *line, level levels[2], size_t *n_fields)
{
    char *at;
    const char *where = strtok_r(line, " \n", &at), *what = strtok_r(NULL, " \n", &at);
    double ranks;

    if (where == NULL || what == NULL)
        return false;
    level *l = strcmp(where, levels[0].name) == 0   ? &levels[0]
               : strcmp(where, levels[1].name) == 0 ? &levels[1]
                                                    : NULL;
    if (l == NULL)
        return false;
    if (strcmp(what, "curve") == 0)
        return read_curve(&at, l);
    if (strcmp(what, "curve_ranks") == 0) {
        if (!read_cost(&at, false, &ranks) || ranks > 1e9)
            return false;
        l->costs->curve_ranks = (int)ranks;
        return true;
    }
    for (size_t i = 0; i < N_FIELDS; i++)
        if (strcmp(what, fields[i].name) == 0) {
            (*n_fields)++;
            return read_cost(&at, false, field_of(l, i));
        }
    return false;
}

static bool for_this_key(const char *line, const char *key)
{
    const size_t n = strcspn(line, "\n");

    return strncmp(line, "key ", 4) == 0 &&
           ((n == 5 && line[4] == '*') ||
            (n - 4 == strlen(key) && memcmp(line + 4, key, n - 4) == 0));
}

static cadre_status read_stream(FILE *file, const char *path, const char *key,
                                int64_t age_s, cadre__coll_cost_set *out)
{
    level levels[2] = {{"inside", &out->inside}, {"across", &out->across}};
    char line[LINE_BYTES];
    size_t n_fields = 0, n = 2;

    memset(out, 0, sizeof *out);
    cadre__coll_clear_curves(&out->inside);
    cadre__coll_clear_curves(&out->across);
    if (fgets(line, sizeof line, file) == NULL || strcmp(line, FIRST_LINE "\n") != 0)
        return cadre_fail(CADRE_ERR_INPUT, "%s: expected \"" FIRST_LINE "\" first", path);
    if (fgets(line, sizeof line, file) == NULL || !for_this_key(line, key))
        return cadre_fail(CADRE_ERR_INPUT, "%s: not of this machine, MPI and ranks",
                          path);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strcmp(line, BUSY_LINE "\n") == 0) {
            out->busy = true;
            continue;
        }
        if (++n > MOST_LINES || strchr(line, '\n') == NULL ||
            !read_line(line, levels, &n_fields))
            return cadre_fail(CADRE_ERR_INPUT, "%s, line %zu: no cost as expected", path,
                              n);
    }
    if (n_fields != 2 * N_FIELDS)
        return cadre_fail(CADRE_ERR_INPUT, "%s: %zu costs instead of %zu", path, n_fields,
                          2 * N_FIELDS);
    if (out->busy && (age_s < 0 || age_s > BUSY_SECONDS))
        return cadre_fail(CADRE_ERR_INPUT, "%s is out of date", path);
    snprintf(out->origin, sizeof out->origin, "%.180s", path);
    return CADRE_OK;
}

cadre_status cadre__coll_costs_read(const char *path, const char *key,
                                    cadre__coll_cost_set *out)
{
    /* A pipe without a writer must not keep us. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;

    if (fd < 0)
        return cadre_fail(errno == ENOENT ? CADRE_ERR_NOT_FOUND : CADRE_ERR_IO, "%s: %s",
                          path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return cadre_fail(CADRE_ERR_INPUT, "%s is no file of costs", path);
    }
    FILE *file = fdopen(fd, "r");
    if (file == NULL) {
        close(fd);
        return cadre_fail(CADRE_ERR_IO, "%s: %s", path, strerror(errno));
    }
    const cadre_status st =
        read_stream(file, path, key, (int64_t)(time(NULL) - info.st_mtime), out);
    fclose(file);
    return st;
}

/* ---- Writing ---- */

static void write_curve(FILE *file, const level *l, cadre_collective c, size_t index)
{
    const double *curve = l->costs->curve_ns[c][index];
    const cadre__coll_row *row = cadre__coll_row_at(c, index);

    if (row == NULL || isnan(curve[0]))
        return;
    fprintf(file, "%s curve %s %s", l->name, cadre__collective_name(c), row->name);
    for (int i = 0; i < CADRE__N_CURVE; i++)
        if (isnan(curve[i]))
            fputs(" -", file);
        else
            fprintf(file, " %.6g", curve[i]);
    fputs("\n", file);
}

static void write_level(FILE *file, const level *l)
{
    for (size_t i = 0; i < N_FIELDS; i++)
        fprintf(file, "%s %s %.6g\n", l->name, fields[i].name, *field_of(l, i));
    if (l->costs->curve_ranks == 0)
        return;
    fprintf(file, "%s curve_ranks %d\n", l->name, l->costs->curve_ranks);
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++)
        for (size_t r = 0; r < CADRE__CURVE_ROWS; r++)
            write_curve(file, l, (cadre_collective)c, r);
}

/* mkdir -p for what stands before the last slash. */
static void make_folders(const char *path)
{
    char folder[1024];

    for (const char *slash = strchr(path + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        const size_t n = (size_t)(slash - path);
        if (n >= sizeof folder)
            return;
        memcpy(folder, path, n);
        folder[n] = '\0';
        mkdir(folder, 0755); /* if it fails, so will the file */
    }
}

static cadre_status open_temporary(const char *path, char *name, size_t size, int *fd)
{
    if ((size_t)snprintf(name, size, "%s.%ld", path, (long)getpid()) >= size)
        return cadre_fail(CADRE_ERR_IO, "%s: the name is too long", path);
    make_folders(path);
    *fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return *fd >= 0 ? CADRE_OK
                    : cadre_fail(CADRE_ERR_IO, "%s: %s", name, strerror(errno));
}

cadre_status cadre__coll_costs_writable(const char *path)
{
    char name[1100];
    int fd = -1;

    CADRE_TRY(open_temporary(path, name, sizeof name, &fd));
    close(fd);
    unlink(name);
    return CADRE_OK;
}

cadre_status cadre__coll_costs_write(const char *path, const char *key,
                                     const cadre__coll_cost_set *set)
{
    cadre__coll_cost_set copy = *set;
    const level levels[2] = {{"inside", &copy.inside}, {"across", &copy.across}};
    char name[1100];
    int fd = -1;

    CADRE_TRY(open_temporary(path, name, sizeof name, &fd));
    FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        close(fd);
        unlink(name);
        return cadre_fail(CADRE_ERR_IO, "%s: %s", name, strerror(errno));
    }
    fprintf(file, FIRST_LINE "\nkey %s\n", key);
    if (set->busy)
        fputs(BUSY_LINE "\n", file);
    write_level(file, &levels[0]);
    write_level(file, &levels[1]);
    const bool failed = ferror(file) != 0;
    if ((fclose(file) != 0) | failed || rename(name, path) != 0) {
        unlink(name);
        return cadre_fail(CADRE_ERR_IO, "%s: it could not be written", path);
    }
    return CADRE_OK;
}
