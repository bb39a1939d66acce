/* io/job_input.c - where requests or training rows come from: "input" and "data"
 * objects. */
#include "core/memory.h"
#include "io/job_internal.h"
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define NUMBER_MAX 1e300
#define ROWS_MAX INT64_C(4294967295)
#define WHOLE_MAX                                                                        \
    INT64_C(9007199254740991) /* 2^53 - 1, as far as JSON numbers are exact */
#define COLUMN_MAX INT64_C(1000000000)
#define LABEL_COLUMN_NONE (-2)

/* Each kind of input: how its path ends, and the keys that it knows. */
static const struct {
    const char *endings[2];
    const char *keys[6];
    size_t n_keys;
} kinds[] = {
    {{".jsonl", ".jsonl.gz"}, {"path", "fields", "request"}, 3},
    {{".h5", ".hdf5"}, {"path", "rows", "first_row", "dataset", "scale", "tenants"}, 6},
    {{".csv", ".csv.gz"},
     {"path", "rows", "first_row", "label_column", "scale", "tenants"},
     6},
    {{NULL, NULL}, {"generator", "seed", "rows", "first_row", "tenants"}, 5},
};
enum { KIND_JSONL, KIND_HDF5, KIND_CSV, KIND_GENERATOR };

static bool ends_in(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

/* The kind that a path's ending tells; KIND_GENERATOR if none does. */
static size_t kind_of(const char *path)
{
    for (size_t kind = 0; kind < KIND_GENERATOR; kind++)
        for (size_t i = 0; i < N_OF(kinds[kind].endings); i++)
            if (ends_in(path, kinds[kind].endings[i]))
                return kind;
    return KIND_GENERATOR;
}

bool cadre__job_input_is_jsonl(const cadre__job_input *input)
{
    return kind_of(input->path) == KIND_JSONL;
}

static cadre_status parse_kind(const cadre__json_doc *doc, const cadre__json *node,
                               const char **path, size_t *kind)
{
    static const char *const all[] = {"path",      "generator", "seed",         "rows",
                                      "first_row", "dataset",   "label_column", "scale",
                                      "tenants",   "fields",    "request"};
    CADRE_TRY(cadre__json_only_keys(doc, node, all, N_OF(all)));
    CADRE_TRY(cadre__json_get_string(doc, node, "path", false, path));
    const bool generated = cadre__json_member(node, "generator") != NULL;
    if (cadre__json_member(node, "path") && generated)
        return cadre__json_fail(doc, node,
                                "expected \"path\" or \"generator\", found both");
    if (!**path && !generated)
        return cadre__json_fail(doc, node,
                                "expected a \"path\" or a \"generator\", found neither");
    *kind = kind_of(*path);
    if (!generated && *kind == KIND_GENERATOR)
        return cadre__json_fail(
            doc, cadre__json_member(node, "path"),
            "expected a path that ends in .jsonl, .jsonl.gz, .h5, .hdf5, .csv "
            "or .csv.gz, found \"%.200s\"",
            *path);
    for (const cadre__json *key = cadre__json_first(node); key;
         key = cadre__json_next(key)) {
        size_t i = 0;
        while (i < kinds[*kind].n_keys &&
               strcmp(cadre__json_key(key), kinds[*kind].keys[i]) != 0)
            i++;
        if (i == kinds[*kind].n_keys)
            return cadre__json_fail(doc, key, "this key means nothing for %s",
                                    generated             ? "a generator"
                                    : *kind == KIND_JSONL ? "a .jsonl file"
                                    : *kind == KIND_HDF5  ? "an HDF5 file"
                                                          : "a .csv file");
    }
    return CADRE_OK;
}

/* "tenants" says how rows that name no tenant get one. */
static cadre_status parse_tenants(const cadre__json_doc *doc, const cadre__json *node,
                                  bool *in_turn)
{
    static const char *const ways[] = {"in_turn"};
    char *way = NULL;
    *in_turn = cadre__json_member(node, "tenants") != NULL;
    if (!*in_turn)
        return CADRE_OK;
    CADRE_TRY(cadre__job_choice(doc, node, "tenants", ways, N_OF(ways), &way));
    cadre__free(way);
    return CADRE_OK;
}

/* "fields" says which members of a line are id and prompt; "request" what to ask. */
static cadre_status parse_fields(const cadre__json_doc *doc, const cadre__json *node,
                                 cadre__job_input *out)
{
    static const char *const names[] = {"id", "prompt"};
    static const char *const asked[] = {"model", "max_tokens", "temperature",
                                        "top_p", "top_k",      "min_p",
                                        "seed",  "stop",       "logprobs"};
    const cadre__json *fields = cadre__json_member(node, "fields");
    const cadre__json *request = cadre__json_member(node, "request");

    if (!fields && request)
        return cadre__json_fail(doc, request, "expected \"fields\" beside it");
    if (!fields)
        return CADRE_OK;
    CADRE_TRY(cadre__json_only_keys(doc, fields, names, N_OF(names)));
    CADRE_TRY(cadre__json_get_string(doc, fields, "id", true, &out->id_field));
    CADRE_TRY(cadre__json_get_string(doc, fields, "prompt", true, &out->prompt_field));
    if (request)
        CADRE_TRY(cadre__json_only_keys(doc, request, asked, N_OF(asked)));
    out->request = request;
    return CADRE_OK;
}

cadre_status cadre__job_parse_input(const cadre__json_doc *doc, const cadre__json *node,
                                    const char *folder, cadre__job_input *out)
{
    static const char *const generators[] = {"graded"};
    const char *path = "", *dataset = "x";
    int64_t seed = 0, rows = 0, first_row = 0;
    size_t kind = KIND_GENERATOR;

    *out = (cadre__job_input){.label_column = LABEL_COLUMN_NONE, .scale = 1};
    CADRE_TRY(parse_kind(doc, node, &path, &kind));
    const bool generated = kind == KIND_GENERATOR;
    if (generated)
        CADRE_TRY(cadre__job_choice(doc, node, "generator", generators, N_OF(generators),
                                    &out->generator));
    else
        CADRE_TRY(cadre__job_copy("", &out->generator));
    CADRE_TRY(cadre__json_get_string(doc, node, "dataset", false, &dataset));
    if (!*dataset)
        return cadre__json_fail(doc, cadre__json_member(node, "dataset"),
                                "expected the name of a dataset, found \"\"");
    CADRE_TRY(cadre__json_get_integer(doc, node, "seed", false, 0, WHOLE_MAX, &seed));
    CADRE_TRY(cadre__json_get_integer(doc, node, "rows", generated, generated, ROWS_MAX,
                                      &rows));
    CADRE_TRY(
        cadre__json_get_integer(doc, node, "first_row", false, 0, WHOLE_MAX, &first_row));
    CADRE_TRY(cadre__json_get_integer(doc, node, "label_column", false, LABEL_COLUMN_NONE,
                                      COLUMN_MAX, &out->label_column));
    CADRE_TRY(cadre__json_get_number(doc, node, "scale", false, -NUMBER_MAX, NUMBER_MAX,
                                     &out->scale));
    CADRE_TRY(parse_tenants(doc, node, &out->tenants_in_turn));
    CADRE_TRY(parse_fields(doc, node, out));
    out->seed = (uint64_t)seed;
    out->rows = (uint64_t)rows;
    out->first_row = (uint64_t)first_row;
    CADRE_TRY(cadre__job_path(folder, path, &out->path));
    return cadre__job_copy(dataset, &out->dataset);
}

void cadre__job_input_fini(cadre__job_input *input)
{
    cadre__free(input->path);
    cadre__free(input->generator);
    cadre__free(input->dataset);
    memset(input, 0, sizeof *input);
}
