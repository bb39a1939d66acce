/* io/job.c - a job file from its text to a validated cadre__job. */
#include "io/job.h"
#include "core/memory.h"
#include "core/text.h"
#include "io/file.h"
#include "io/job_internal.h"
#include <stdlib.h>
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define JOB_FILE_BYTES ((size_t)64 << 20)
#define SCHEMA_VERSION 1
#define TIERS_MAX 1000
#define TENANTS_MAX 1000000
#define ATTEMPTS_MAX 100
#define DAY_MS INT64_C(86400000)
#define YEAR_S INT64_C(31536000)

/* ---- Helpers of all parts ---- */

cadre_status cadre__job_copy(const char *text, char **out)
{
    *out = cadre__strdup(text ? text : "");
    return *out ? CADRE_OK : CADRE_ERR_NOMEM;
}

cadre_status cadre__job_path(const char *folder, const char *path, char **out)
{
    *out = *path ? cadre__path_join(folder, path) : cadre__strdup("");
    return *out ? CADRE_OK : CADRE_ERR_NOMEM;
}

static bool is_name(const char *text)
{
    const size_t n = strlen(text);
    return n > 0 && n <= CADRE__NAME_BYTES && text[0] != '.' &&
           strspn(text,
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               n;
}

cadre_status cadre__job_name(const cadre__json_doc *doc, const cadre__json *object,
                             const char *key, char **out)
{
    char found[128];
    const char *name = NULL;
    CADRE_TRY(cadre__json_get_string(doc, object, key, true, &name));
    if (is_name(name))
        return cadre__job_copy(name, out);
    const cadre__json *node = cadre__json_member(object, key);
    return cadre__json_fail(
        doc, node,
        "expected a name of 1 to %d letters, digits, '.', '_' or '-', not "
        "beginning with '.', found %s",
        CADRE__NAME_BYTES, cadre__json_found(doc, node, found, sizeof found));
}

cadre_status cadre__job_choice(const cadre__json_doc *doc, const cadre__json *object,
                               const char *key, const char *const *known, size_t n,
                               char **out)
{
    const char *text = known[0];
    CADRE_TRY(cadre__json_get_string(doc, object, key, false, &text));
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, known[i]) == 0)
            return cadre__job_copy(text, out);
    cadre__text list = {0};
    for (size_t i = 0; i < n; i++)
        cadre__text_printf(&list, "%s\"%s\"",
                           i == 0       ? ""
                           : i == n - 1 ? " or "
                                        : ", ",
                           known[i]);
    const cadre_status st =
        cadre__json_fail(doc, cadre__json_member(object, key),
                         "expected %s, found \"%.60s\"", cadre__text_string(&list), text);
    cadre__text_fini(&list);
    return st;
}

cadre_status cadre__job_size(const cadre__json_doc *doc, const cadre__json *object,
                             const char *key, int64_t min, int64_t max, size_t *out)
{
    int64_t value = (int64_t)*out;
    CADRE_TRY(cadre__json_get_integer(doc, object, key, false, min, max, &value));
    *out = (size_t)value;
    return CADRE_OK;
}

/* ---- Arrays of named things ---- */

typedef struct named {
    const char *name;
    const cadre__json *node;
    size_t index;
} named;

static int by_name(const void *a, const void *b)
{
    const named *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* No two of the n objects in array may have the same "name". */
static cadre_status check_names(const cadre__json_doc *doc, const cadre__json *array,
                                size_t n)
{
    cadre_status st = CADRE_OK;
    size_t i = 0;
    named *all = cadre__alloc_n(n, sizeof *all);
    if (!all)
        return CADRE_ERR_NOMEM;
    for (const cadre__json *node = cadre__json_first(array); node;
         node = cadre__json_next(node), i++) {
        const cadre__json *name = cadre__json_member(node, "name");
        all[i] = (named){cadre__json_string_or(name, ""), name, i};
    }
    qsort(all, n, sizeof *all, by_name);
    for (i = 1; i < n && st == CADRE_OK; i++)
        if (strcmp(all[i - 1].name, all[i].name) == 0)
            st = cadre__json_fail(doc, all[i].node,
                                  "\"%s\" is the name of %s[%zu] already", all[i].name,
                                  cadre__json_key(array), all[i - 1].index);
    cadre__free(all);
    return st;
}

/* The length of an array that must have 1 to max elements. */
static cadre_status array_length(const cadre__json_doc *doc, const cadre__json *array,
                                 const char *what, size_t max, size_t *n)
{
    char found[128];
    *n = cadre__json_length(array);
    if (cadre__json_is_array(array) && *n >= 1 && *n <= max)
        return CADRE_OK;
    return cadre__json_fail(doc, array, "expected an array of 1 to %zu %s, found %s", max,
                            what, cadre__json_found(doc, array, found, sizeof found));
}

static cadre_status parse_tiers(const cadre__json_doc *doc, cadre__job *job)
{
    const cadre__json *array = cadre__json_member(cadre__json_root(doc), "tiers");
    size_t n;
    if (!array)
        return cadre__json_fail(doc, cadre__json_root(doc),
                                "\"tiers\" is missing: expected an array of tiers");
    CADRE_TRY(array_length(doc, array, "tiers", TIERS_MAX, &n));
    job->tiers = cadre__alloc_n(n, sizeof job->tiers[0]);
    if (!job->tiers)
        return CADRE_ERR_NOMEM;
    for (const cadre__json *node = cadre__json_first(array); node;
         node = cadre__json_next(node))
        CADRE_TRY(
            cadre__job_parse_tier(doc, node, job->folder, &job->tiers[job->n_tiers++]));
    return check_names(doc, array, n);
}

static cadre_status parse_tenant(const cadre__json_doc *doc, const cadre__json *node,
                                 cadre__job_tenant *out)
{
    static const char *const keys[] = {"name", "budget"};
    CADRE_TRY(cadre__json_only_keys(doc, node, keys, N_OF(keys)));
    CADRE_TRY(cadre__job_name(doc, node, "name", &out->name));
    out->limited = cadre__json_member(node, "budget") != NULL;
    return cadre__json_get_money(doc, node, "budget", false, 0, &out->budget);
}

static cadre_status parse_tenants(const cadre__json_doc *doc, cadre__job *job)
{
    const cadre__json *array = cadre__json_member(cadre__json_root(doc), "tenants");
    size_t n = 1;
    if (array)
        CADRE_TRY(array_length(doc, array, "tenants", TENANTS_MAX, &n));
    job->tenants = cadre__alloc_n(n, sizeof job->tenants[0]);
    if (!job->tenants)
        return CADRE_ERR_NOMEM;
    if (!array) {
        job->n_tenants = 1;
        return cadre__job_copy("default", &job->tenants[0].name);
    }
    for (const cadre__json *node = cadre__json_first(array); node;
         node = cadre__json_next(node))
        CADRE_TRY(parse_tenant(doc, node, &job->tenants[job->n_tenants++]));
    return check_names(doc, array, n);
}

/* ---- The rest of the file ---- */

static cadre_status parse_limits(const cadre__json_doc *doc, cadre__job_limits *out)
{
    static const char *const keys[] = {"request_timeout_ms", "max_attempts",
                                       "job_deadline_s",     "broadcast_timeout_ms",
                                       "barrier_timeout_ms", "reduce_timeout_ms"};
    const cadre__json *node = cadre__json_member(cadre__json_root(doc), "limits");
    *out = (cadre__job_limits){.request_timeout_ms = 60000,
                               .max_attempts = 3,
                               .job_deadline_s = 0,
                               .broadcast_timeout_ms = 30000,
                               .barrier_timeout_ms = 60000,
                               .reduce_timeout_ms = 30000};
    if (!node)
        return CADRE_OK;
    CADRE_TRY(cadre__json_only_keys(doc, node, keys, N_OF(keys)));
    const struct {
        int64_t *value, min, max;
    } limits[] = {
        {&out->request_timeout_ms, 1, DAY_MS}, {&out->max_attempts, 1, ATTEMPTS_MAX},
        {&out->job_deadline_s, 0, YEAR_S},     {&out->broadcast_timeout_ms, 1, DAY_MS},
        {&out->barrier_timeout_ms, 1, DAY_MS}, {&out->reduce_timeout_ms, 1, DAY_MS}};
    for (size_t i = 0; i < N_OF(limits); i++)
        CADRE_TRY(cadre__json_get_integer(doc, node, keys[i], false, limits[i].min,
                                          limits[i].max, limits[i].value));
    return CADRE_OK;
}

static cadre_status parse_output(const cadre__json_doc *doc, cadre__job *job)
{
    static const char *const keys[] = {"dir"};
    const cadre__json *node = cadre__json_member(cadre__json_root(doc), "output");
    const char *dir = NULL;
    if (!node)
        return CADRE_OK;
    CADRE_TRY(cadre__json_only_keys(doc, node, keys, N_OF(keys)));
    CADRE_TRY(cadre__json_get_string(doc, node, "dir", true, &dir));
    if (!*dir)
        return cadre__json_fail(doc, cadre__json_member(node, "dir"),
                                "expected the path of a folder, found \"\"");
    return cadre__job_path(job->folder, dir, &job->output_dir);
}

/* Two jobs are the same if all but the place of their output is. */
static cadre_status digest(cadre__job *job)
{
    cadre__json *root = cadre__json_copy(cadre__json_root(job->doc));
    cadre__json_remove(root, "output");
    char *text = cadre__json_print(root, false);
    cadre__json_destroy(root);
    if (!text)
        return CADRE_ERR_NOMEM;
    cadre__bytes_digest(text, strlen(text), job->digest);
    cadre__free(text);
    return CADRE_OK;
}

static cadre_status parse(cadre__job *job)
{
    static const char *const keys[] = {"schema_version", "name",    "input",  "output",
                                       "tiers",          "tenants", "router", "limits"};
    const cadre__json_doc *doc = job->doc;
    const cadre__json *root = cadre__json_root(doc);
    int64_t version = 0;

    CADRE_TRY(cadre__json_only_keys(doc, root, keys, N_OF(keys)));
    CADRE_TRY(cadre__json_get_integer(doc, root, "schema_version", true, SCHEMA_VERSION,
                                      SCHEMA_VERSION, &version));
    CADRE_TRY(cadre__job_name(doc, root, "name", &job->name));
    const cadre__json *input = cadre__json_member(root, "input");
    if (!input)
        return cadre__json_fail(
            doc, root,
            "\"input\" is missing: expected an object with \"path\" or "
            "\"generator\"");
    CADRE_TRY(cadre__job_parse_input(doc, input, job->folder, &job->input));
    CADRE_TRY(parse_output(doc, job));
    CADRE_TRY(parse_tiers(doc, job));
    CADRE_TRY(parse_tenants(doc, job));
    CADRE_TRY(cadre__job_parse_router(doc, cadre__json_member(root, "router"), job));
    CADRE_TRY(parse_limits(doc, &job->limits));
    return digest(job);
}

cadre_status cadre__job_from_doc(const char *path, cadre__json_doc *doc, cadre__job **out)
{
    cadre_status st;
    cadre__job *job = cadre__alloc(sizeof *job);
    *out = NULL;
    if (!job) {
        cadre__json_doc_destroy(doc);
        return CADRE_ERR_NOMEM;
    }
    job->doc = doc;
    CADRE_TRY_GOTO(st, cadre__job_copy(path, &job->path), fail);
    job->folder = cadre__path_folder(path);
    st = job->folder ? parse(job) : CADRE_ERR_NOMEM;
    if (st != CADRE_OK)
        goto fail;
    *out = job;
    return CADRE_OK;

fail:
    cadre__job_destroy(job);
    return st;
}

static cadre_status apply_set(cadre__json_doc *doc, const char *set)
{
    const char *equals = strchr(set, '=');
    if (!equals || equals == set)
        return cadre_fail(CADRE_ERR_INPUT, "--set %.200s: expected path=value", set);
    char *path = cadre__strdup(set);
    if (!path)
        return CADRE_ERR_NOMEM;
    path[equals - set] = '\0';
    const cadre_status st = cadre__json_set_path(doc, path, equals + 1);
    cadre__free(path);
    return st;
}

cadre_status cadre__job_load(const char *path, const char *const *sets, size_t n_sets,
                             cadre__job **out)
{
    cadre__json_doc *doc;
    *out = NULL;
    CADRE_TRY(cadre__json_parse_file(path, JOB_FILE_BYTES, &doc));
    for (size_t i = 0; i < n_sets; i++) {
        const cadre_status st = apply_set(doc, sets[i]);
        if (st != CADRE_OK) {
            cadre__json_doc_destroy(doc);
            return st;
        }
    }
    return cadre__job_from_doc(path, doc, out);
}

void cadre__job_destroy(cadre__job *job)
{
    if (!job)
        return;
    for (size_t i = 0; i < job->n_tiers; i++)
        cadre__job_tier_fini(&job->tiers[i]);
    for (size_t i = 0; i < job->n_tenants; i++)
        cadre__free(job->tenants[i].name);
    cadre__free(job->tiers);
    cadre__free(job->tenants);
    cadre__free(job->router.policy);
    cadre__free(job->router.fixed_tier);
    cadre__free(job->router.weights);
    cadre__free(job->router.thresholds);
    cadre__job_input_fini(&job->input);
    cadre__free(job->path);
    cadre__free(job->folder);
    cadre__free(job->name);
    cadre__free(job->output_dir);
    cadre__json_doc_destroy(job->doc);
    cadre__free(job);
}

int cadre__job_tier_index(const cadre__job *job, const char *name)
{
    for (size_t i = 0; i < job->n_tiers; i++)
        if (strcmp(job->tiers[i].name, name) == 0)
            return (int)i;
    return -1;
}
