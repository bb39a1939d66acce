/* run/train_job.c - see train_job.h. */
#include "run/train_job.h"
#include "core/memory.h"
#include "core/text.h"
#include "io/json.h"
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_JOB_BYTES ((size_t)16 << 20)
#define MAX_COUNT INT64_C(1000000000)

static cadre_status keep(const char *text, char **out)
{
    *out = cadre__strdup(text);
    return *out ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status keep_path(const char *folder, const char *path, char **out)
{
    *out = path[0] ? cadre__path_join(folder, path) : cadre__strdup("");
    return *out ? CADRE_OK : CADRE_ERR_NOMEM;
}

/* ---- "optimizer" ---- */

static cadre_status parse_kind(const cadre__json_doc *doc, const cadre__json *node,
                               cadre__optimizer_spec *spec)
{
    static const char *const adam_keys[] = {
        "name", "learning_rate", "schedule", "weight_decay", "beta1", "beta2", "epsilon"};
    static const char *const sgd_keys[] = {"name", "learning_rate", "schedule",
                                           "weight_decay", "momentum"};
    const char *name = "adam";

    CADRE_TRY(cadre__json_get_string(doc, node, "name", true, &name));
    if (strcmp(name, "adam") == 0) {
        spec->kind = CADRE__ADAM;
        spec->learning_rate = 0.001;
        return cadre__json_only_keys(doc, node, adam_keys, N_OF(adam_keys));
    }
    if (strcmp(name, "sgd") == 0) {
        spec->kind = CADRE__SGD;
        spec->learning_rate = 0.01;
        return cadre__json_only_keys(doc, node, sgd_keys, N_OF(sgd_keys));
    }
    return cadre__json_fail(doc, cadre__json_member(node, "name"),
                            "expected \"adam\" or \"sgd\", found \"%.40s\"", name);
}

static cadre_status parse_schedule(const cadre__json_doc *doc, const cadre__json *node,
                                   cadre__optimizer_spec *spec)
{
    const char *schedule = "constant";

    CADRE_TRY(cadre__json_get_string(doc, node, "schedule", false, &schedule));
    spec->cosine = strcmp(schedule, "cosine") == 0;
    if (!spec->cosine && strcmp(schedule, "constant") != 0)
        return cadre__json_fail(doc, cadre__json_member(node, "schedule"),
                                "expected \"constant\" or \"cosine\", found \"%.40s\"",
                                schedule);
    return CADRE_OK;
}

static cadre_status parse_optimizer(const cadre__json_doc *doc, const cadre__json *root,
                                    cadre__optimizer_spec *spec)
{
    const cadre__json *node = cadre__json_member(root, "optimizer");

    *spec = (cadre__optimizer_spec){.kind = CADRE__ADAM,
                                    .learning_rate = 0.001,
                                    .beta1 = 0.9,
                                    .beta2 = 0.999,
                                    .epsilon = 1e-8};
    if (!node)
        return CADRE_OK;
    if (!cadre__json_is_object(node))
        return cadre__json_fail(doc, node, "expected an object");
    CADRE_TRY(parse_kind(doc, node, spec));
    CADRE_TRY(parse_schedule(doc, node, spec));
    const struct {
        const char *key;
        double min, max;
        double *out;
    } numbers[] = {
        {"learning_rate", 1e-12, 1e6, &spec->learning_rate},
        {"momentum", 0, 0.9999, &spec->momentum},
        {"beta1", 0, 0.9999, &spec->beta1},
        {"beta2", 0, 0.999999, &spec->beta2},
        {"epsilon", 1e-30, 1, &spec->epsilon},
        {"weight_decay", 0, 1e3, &spec->weight_decay},
    };
    for (size_t i = 0; i < N_OF(numbers); i++)
        CADRE_TRY(cadre__json_get_number(doc, node, numbers[i].key, false, numbers[i].min,
                                         numbers[i].max, numbers[i].out));
    return CADRE_OK;
}

/* ---- The rest ---- */

static cadre_status parse_input(const cadre__json_doc *doc, const cadre__json *root,
                                const char *key, const char *folder,
                                cadre__job_input *out)
{
    const cadre__json *node = cadre__json_member(root, key);

    if (!cadre__json_is_object(node))
        return cadre__json_fail(doc, node ? node : root,
                                "expected an object%s%s%s with \"path\" or \"generator\"",
                                node ? "" : " \"", node ? "" : key, node ? "" : "\"");
    return cadre__job_parse_input(doc, node, folder, out);
}

static cadre_status parse_counts(const cadre__json_doc *doc, const cadre__json *root,
                                 cadre__train_job *job)
{
    int64_t version = 0, epochs = 0, batch = 0, seed = 1;

    CADRE_TRY(cadre__json_get_integer(doc, root, "schema_version", true, 1, 1, &version));
    CADRE_TRY(cadre__json_get_integer(doc, root, "epochs", true, 1, 1000000, &epochs));
    CADRE_TRY(cadre__json_get_integer(doc, root, "batch", true, 1, MAX_COUNT, &batch));
    CADRE_TRY(
        cadre__json_get_integer(doc, root, "seed", false, 0, INT64_C(1) << 53, &seed));
    CADRE_TRY(cadre__json_get_number(doc, root, "noise", false, 0, 1e6, &job->noise));
    job->epochs = (size_t)epochs;
    job->batch = (size_t)batch;
    job->seed = (uint64_t)seed;
    return CADRE_OK;
}

static cadre_status parse_options(const cadre__json_doc *doc, const cadre__json *root,
                                  cadre__train_job *job)
{
    const cadre__json *node = cadre__json_member(root, "options");

    if (!node)
        return keep("{}", &job->options);
    if (!cadre__json_is_object(node))
        return cadre__json_fail(doc, node, "expected an object");
    job->options = cadre__json_print(node, false);
    return job->options ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status parse_output(const cadre__json_doc *doc, const cadre__json *root,
                                 const char *folder, const char *instead, char **out)
{
    static const char *const keys[] = {"model"};
    const cadre__json *node = cadre__json_member(root, "output");
    const char *path = "";

    if (node && !cadre__json_is_object(node))
        return cadre__json_fail(doc, node, "expected an object");
    if (node) {
        CADRE_TRY(cadre__json_only_keys(doc, node, keys, N_OF(keys)));
        CADRE_TRY(cadre__json_get_string(doc, node, "model", true, &path));
    }
    if (instead)
        return keep(instead, out);
    if (!path[0])
        return cadre__json_fail(doc, node ? node : root,
                                "expected \"output\": {\"model\": PATH}, or --output");
    return keep_path(folder, path, out);
}

static cadre_status parse(const cadre__json_doc *doc, const char *folder,
                          const cadre__train_opts *opts, cadre__train_job *job)
{
    static const char *const keys[] = {
        "schema_version", "name",  "kernel", "model",     "options", "data", "test",
        "epochs",         "batch", "seed",   "optimizer", "output",  "noise"};
    const cadre__json *root = cadre__json_root(doc);
    const char *name = "training", *kernel = "", *model = "";

    if (!cadre__json_is_object(root))
        return cadre__json_fail(doc, root, "expected an object");
    CADRE_TRY(cadre__json_only_keys(doc, root, keys, N_OF(keys)));
    CADRE_TRY(parse_counts(doc, root, job));
    CADRE_TRY(cadre__json_get_string(doc, root, "name", false, &name));
    CADRE_TRY(cadre__json_get_string(doc, root, "kernel", true, &kernel));
    CADRE_TRY(cadre__json_get_string(doc, root, "model", false, &model));
    CADRE_TRY(keep(name, &job->name));
    /* A kernel is a built-in name, or a path, which has a slash. */
    CADRE_TRY(strchr(kernel, '/') ? keep_path(folder, kernel, &job->kernel)
                                  : keep(kernel, &job->kernel));
    CADRE_TRY(keep_path(folder, model, &job->model));
    CADRE_TRY(parse_options(doc, root, job));
    CADRE_TRY(parse_input(doc, root, "data", folder, &job->data));
    job->has_test = cadre__json_member(root, "test") != NULL;
    if (job->has_test)
        CADRE_TRY(parse_input(doc, root, "test", folder, &job->test));
    CADRE_TRY(parse_optimizer(doc, root, &job->optimizer));
    return parse_output(doc, root, folder, opts->output, &job->output);
}

/* "path=value" */
static cadre_status apply_set(cadre__json_doc *doc, const char *set)
{
    const char *equals = strchr(set, '=');
    char path[256];

    if (!equals || equals == set || (size_t)(equals - set) >= sizeof path)
        return cadre_fail(CADRE_ERR_INPUT, "--set: expected path=value, found \"%.100s\"",
                          set);
    memcpy(path, set, (size_t)(equals - set));
    path[equals - set] = '\0';
    return cadre_context(cadre__json_set_path(doc, path, equals + 1), "--set %s", path);
}

cadre_status cadre__train_job_load(const cadre__train_opts *opts, cadre__train_job **out)
{
    cadre__json_doc *doc = NULL;
    cadre__train_job *job = NULL;
    char *folder = NULL;
    cadre_status st;

    *out = NULL;
    CADRE_TRY_GOTO(st, cadre__json_parse_file(opts->job_path, MAX_JOB_BYTES, &doc), done);
    for (size_t i = 0; i < opts->n_sets; i++)
        CADRE_TRY_GOTO(st, apply_set(doc, opts->sets[i]), done);
    job = cadre__alloc(sizeof *job);
    folder = cadre__path_folder(opts->job_path);
    CADRE_TRY_GOTO(st, job && folder ? CADRE_OK : CADRE_ERR_NOMEM, done);
    CADRE_TRY_GOTO(st, parse(doc, folder, opts, job), done);
    *out = job;
    job = NULL;
done:
    cadre__train_job_destroy(job);
    cadre__free(folder);
    cadre__json_doc_destroy(doc);
    return st;
}

void cadre__train_job_destroy(cadre__train_job *job)
{
    if (!job)
        return;
    cadre__free(job->name);
    cadre__free(job->kernel);
    cadre__free(job->model);
    cadre__free(job->options);
    cadre__job_input_fini(&job->data);
    cadre__job_input_fini(&job->test);
    cadre__free(job->output);
    cadre__free(job);
}
