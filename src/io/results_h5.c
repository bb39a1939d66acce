/* io/results_h5.c - results.h5: the results as columns that describe themselves. */
#include "core/memory.h"
#include "io/h5_support.h"
#include "io/json_text.h"
#include "io/results.h"
#include <math.h>
#include <string.h>

#define COMPRESS_FROM_ROWS 1000
#define DEFLATE_LEVEL 4
#define CHUNK_BYTES ((size_t)1 << 18)

typedef struct source {
    const cadre__job *job;
    const cadre__requests *requests;
    const cadre__record *records;
    size_t n;
} source;

/* ---- Columns of numbers ---- */

typedef int64_t number_of(const source *s, size_t i);

static int64_t status_of(const source *s, size_t i)
{
    return s->records[i].ok;
}

static int64_t cost_of(const source *s, size_t i)
{
    return s->records[i].cost;
}

static int64_t tokens_in_of(const source *s, size_t i)
{
    return s->records[i].tokens_in;
}

static int64_t tokens_out_of(const source *s, size_t i)
{
    return s->records[i].tokens_out;
}

static int64_t attempts_of(const source *s, size_t i)
{
    return s->records[i].attempts;
}

static int64_t downgraded_of(const source *s, size_t i)
{
    return s->records[i].downgraded;
}

static int64_t queue_of(const source *s, size_t i)
{
    return s->records[i].queue_ns;
}

static int64_t service_of(const source *s, size_t i)
{
    return s->records[i].service_ns;
}

static int64_t shared_of(const source *s, size_t i)
{
    return s->records[i].tokens_shared;
}

static int64_t first_token_of(const source *s, size_t i)
{
    return s->records[i].first_token_ns;
}

static int64_t per_token_of(const source *s, size_t i)
{
    return cadre__record_ns_per_token(&s->records[i]);
}

static int64_t label_of(const source *s, size_t i)
{
    return s->requests->items[i].label;
}

static const struct {
    const char *name;
    bool wide; /* i64, else i32 */
    number_of *get;
    const char *units, *long_name;
    bool of_texts; /* left out when no answer is a text */
} numbers[] = {
    {"status", false, status_of, "1", "1: answered, 0: ended in an error", false},
    {"cost", true, cost_of, "1e-13 USD", "what the tenant was charged", false},
    {"tokens_in", true, tokens_in_of, "tokens", "tokens of the request", false},
    {"tokens_out", true, tokens_out_of, "tokens", "tokens of the answer", false},
    {"attempts", false, attempts_of, "1", "how often the request was sent to a shard",
     false},
    {"downgraded", false, downgraded_of, "1",
     "1: served by another tier than wanted first", false},
    {"queue_ns", true, queue_of, "ns", "time from the start of the job to sending",
     false},
    {"service_ns", true, service_of, "ns", "time from sending to the answer", false},
    {"label", false, label_of, "1", "the right class, -1 if not known", false},
    {"tokens_shared", false, shared_of, "tokens",
     "tokens of the request that were found computed", true},
    {"ttft_ns", true, first_token_of, "ns",
     "time from reaching the shard to the first token", true},
    {"tpot_ns", true, per_token_of, "ns", "mean time of each later token", true},
};

/* ---- Columns of strings ---- */

typedef const char *string_of(const source *s, size_t i, size_t *bytes);

static const char *measured(const char *string, size_t *bytes)
{
    *bytes = string ? strlen(string) : 0;
    return string ? string : "";
}

static const char *custom_id_of(const source *s, size_t i, size_t *bytes)
{
    return measured(s->requests->items[i].custom_id, bytes);
}

static const char *tenant_of(const source *s, size_t i, size_t *bytes)
{
    const int tenant = s->requests->items[i].tenant;
    const bool known = tenant >= 0 && (size_t)tenant < s->job->n_tenants;
    return measured(known ? s->job->tenants[tenant].name : NULL, bytes);
}

static const char *tier_of(const source *s, size_t i, size_t *bytes)
{
    const int tier = s->records[i].tier;
    const bool known = tier >= 0 && (size_t)tier < s->job->n_tiers;
    return measured(known ? s->job->tiers[tier].name : NULL, bytes);
}

static const char *error_code_of(const source *s, size_t i, size_t *bytes)
{
    return measured(s->records[i].ok ? NULL : s->records[i].error_code, bytes);
}

static const char *decision_of(const source *s, size_t i, size_t *bytes)
{
    return measured(s->records[i].decision, bytes);
}

static bool is_text(const cadre__record *record)
{
    return record->ok && record->gives == CADRE_PAYLOAD_TEXT && record->data;
}

static bool is_row(const cadre__record *record)
{
    return record->ok && record->gives == CADRE_PAYLOAD_ROW && record->data;
}

static const char *text_of(const source *s, size_t i, size_t *bytes)
{
    const cadre__record *record = &s->records[i];
    *bytes = is_text(record) ? record->bytes : 0;
    return *bytes ? record->data : "";
}

static const struct {
    const char *name;
    string_of *get;
    const char *long_name;
} strings[] = {
    {"custom_id", custom_id_of, "the request's own name"},
    {"tenant", tenant_of, "who pays"},
    {"tier", tier_of, "the tier that served it, empty if none did"},
    {"error_code", error_code_of, "why there is no answer, empty if there is one"},
    {"decision", decision_of, "how the router came to the tier"},
};

/* ---- Writing ---- */

static cadre_status failed(const char *name)
{
    char why[512];
    return cadre_fail(CADRE_ERR_IO, "dataset '%s' cannot be written: %s", name,
                      cadre__h5_reason(why, sizeof why));
}

/* A dataset [n] or [n, width], with its attributes; compressed if that pays. */
static hid_t make_dataset(hid_t file, const char *name, hid_t type, size_t n,
                          size_t width, const char *units, const char *long_name)
{
    const hsize_t dims[2] = {n, width};
    const int n_dims = width ? 2 : 1;
    const hid_t space = H5Screate_simple(n_dims, dims, NULL);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    hid_t dataset = H5I_INVALID_HID;

    bool ok = H5Pset_obj_track_times(creation, false) >= 0;
    /* Strings stand apart from their dataset, where no filter reaches them. */
    if (ok && n > COMPRESS_FROM_ROWS && H5Tget_class(type) != H5T_STRING &&
        H5Zfilter_avail(H5Z_FILTER_DEFLATE) > 0) {
        const size_t row_bytes = H5Tget_size(type) * (width ? width : 1);
        const size_t rows = row_bytes < CHUNK_BYTES ? CHUNK_BYTES / row_bytes : 1;
        const hsize_t chunk[2] = {rows < n ? rows : n, width};
        ok = H5Pset_chunk(creation, n_dims, chunk) >= 0 &&
             H5Pset_shuffle(creation) >= 0 &&
             H5Pset_deflate(creation, DEFLATE_LEVEL) >= 0;
    }
    if (ok)
        dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Pclose(creation);
    H5Sclose(space);
    if (dataset >= 0 && (cadre__h5_put_attribute(dataset, "units", units) < 0 ||
                         cadre__h5_put_attribute(dataset, "long_name", long_name) < 0)) {
        H5Dclose(dataset);
        dataset = H5I_INVALID_HID;
    }
    return dataset;
}

static cadre_status put_numbers(hid_t file, const source *s, size_t column)
{
    const bool wide = numbers[column].wide;
    const char *name = numbers[column].name;
    int64_t *values = cadre__alloc_n(s->n, sizeof *values);
    if (!values)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < s->n; i++)
        values[i] = numbers[column].get(s, i);
    const hid_t dataset =
        make_dataset(file, name, wide ? H5T_STD_I64LE : H5T_STD_I32LE, s->n, 0,
                     numbers[column].units, numbers[column].long_name);
    const bool ok =
        dataset >= 0 && (s->n == 0 || H5Dwrite(dataset, H5T_NATIVE_INT64, H5S_ALL,
                                               H5S_ALL, H5P_DEFAULT, values) >= 0);
    const cadre_status st = ok ? CADRE_OK : failed(name);
    if (dataset >= 0)
        H5Dclose(dataset);
    cadre__free(values);
    return st;
}

/* All strings of a column one behind the other, each with its NUL, as valid UTF-8. A NUL
 * inside of a text would end it early for HDF5 and is kept out. */
static cadre_status gather_strings(const source *s, string_of *get, cadre__text *all,
                                   const char **pointers)
{
    for (size_t i = 0; i < s->n; i++) {
        size_t bytes;
        const char *string = get(s, i, &bytes);
        for (const char *nul; (nul = memchr(string, '\0', bytes));) {
            cadre__text_utf8(all, string, (size_t)(nul - string));
            cadre__text_puts(all, "\xEF\xBF\xBD");
            bytes -= (size_t)(nul - string) + 1;
            string = nul + 1;
        }
        cadre__text_utf8(all, string, bytes);
        cadre__text_append(all, "", 1);
    }
    CADRE_TRY(cadre__text_status(all));
    const char *at = cadre__text_string(all);
    for (size_t i = 0; i < s->n; i++, at += strlen(at) + 1)
        pointers[i] = at;
    return CADRE_OK;
}

static cadre_status put_strings(hid_t file, const source *s, const char *name,
                                string_of *get, const char *long_name)
{
    cadre__text all = {0};
    const char **pointers = cadre__alloc_n(s->n, sizeof *pointers);
    cadre_status st = pointers ? gather_strings(s, get, &all, pointers) : CADRE_ERR_NOMEM;
    if (st == CADRE_OK) {
        const hid_t type = H5Tcopy(H5T_C_S1);
        hid_t dataset = H5I_INVALID_HID;
        if (H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
            dataset = make_dataset(file, name, type, s->n, 0, "none", long_name);
        if (dataset < 0 || (s->n > 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL,
                                                 H5P_DEFAULT, pointers) < 0))
            st = failed(name);
        if (dataset >= 0)
            H5Dclose(dataset);
        H5Tclose(type);
    }
    cadre__text_fini(&all);
    cadre__free(pointers);
    return st;
}

/* Rows [first, first + n_rows) of the answers, padded with NaN. */
static bool put_block(hid_t dataset, const source *s, size_t first, size_t n_rows,
                      size_t width, float *block)
{
    for (size_t i = 0; i < n_rows * width; i++)
        block[i] = NAN;
    for (size_t i = 0; i < n_rows; i++)
        if (is_row(&s->records[first + i]))
            memcpy(block + i * width, s->records[first + i].data,
                   s->records[first + i].bytes / sizeof(float) * sizeof(float));
    const hsize_t start[2] = {first, 0}, count[2] = {n_rows, width};
    const hid_t in_file = H5Dget_space(dataset),
                in_memory = H5Screate_simple(2, count, NULL);
    const bool ok =
        H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
        H5Dwrite(dataset, H5T_NATIVE_FLOAT, in_memory, in_file, H5P_DEFAULT, block) >= 0;
    H5Sclose(in_memory);
    H5Sclose(in_file);
    return ok;
}

static cadre_status put_rows(hid_t file, const source *s, size_t width)
{
    const size_t row_bytes = width * sizeof(float);
    const size_t rows =
        row_bytes < CHUNK_BYTES ? CHUNK_BYTES / row_bytes : 1; /* one chunk */
    float *block = cadre__alloc_n(rows, row_bytes);
    if (!block)
        return CADRE_ERR_NOMEM;
    const hid_t dataset = make_dataset(file, "answer", H5T_IEEE_F32LE, s->n, width, "1",
                                       "the answer's numbers, NaN where there are none");
    bool ok = dataset >= 0;
    for (size_t first = 0; ok && first < s->n; first += rows)
        ok = put_block(dataset, s, first, s->n - first < rows ? s->n - first : rows,
                       width, block);
    const cadre_status st = ok ? CADRE_OK : failed("answer");
    if (dataset >= 0)
        H5Dclose(dataset);
    cadre__free(block);
    return st;
}

/* Rows as "answer"; text too, unless some tiers give rows and some text. */
static cadre_status put_answers(hid_t file, const source *s)
{
    size_t width = 0;
    bool text = false;
    for (size_t i = 0; i < s->n; i++) {
        const cadre__record *record = &s->records[i];
        text = text || is_text(record);
        if (is_row(record) && record->bytes / sizeof(float) > width)
            width = record->bytes / sizeof(float);
    }
    if (width)
        CADRE_TRY(put_rows(file, s, width));
    if (text)
        CADRE_TRY(put_strings(file, s, width ? "answer_text" : "answer", text_of,
                              "the answer's text, empty where there is none"));
    return CADRE_OK;
}

static cadre_status put_facts(hid_t file, const cadre__job *job,
                              const cadre__run_facts *facts)
{
    char *job_text = cadre__json_print(cadre__json_root(job->doc), false);
    cadre__text title = {0};
    cadre__text_printf(&title, "Results of the job %s", job->name);
    const struct {
        const char *name, *value;
    } attributes[] = {
        {"schema_version", "1"},     {"title", cadre__text_string(&title)},
        {"job", job_text},           {"job_digest", job->digest},
        {"host", facts->host},       {"command", facts->command},
        {"started", facts->started}, {"finished", facts->finished},
        {"version", facts->version},
    };
    const hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    bool ok = root >= 0 && job_text && cadre__text_status(&title) == CADRE_OK;
    for (size_t i = 0; ok && i < sizeof attributes / sizeof attributes[0]; i++)
        ok = cadre__h5_put_attribute(root, attributes[i].name, attributes[i].value) >= 0;
    const cadre_status st = ok ? CADRE_OK : failed("/");
    if (root >= 0)
        H5Gclose(root);
    cadre__text_fini(&title);
    cadre__free(job_text);
    return st;
}

static cadre_status put_all(hid_t file, const source *s, const cadre__run_facts *facts)
{
    bool texts = false;
    for (size_t i = 0; i < s->n && !texts; i++)
        texts = is_text(&s->records[i]);
    CADRE_TRY(put_facts(file, s->job, facts));
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        CADRE_TRY(
            put_strings(file, s, strings[i].name, strings[i].get, strings[i].long_name));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (texts || !numbers[i].of_texts)
            CADRE_TRY(put_numbers(file, s, i));
    return put_answers(file, s);
}

cadre_status cadre__results_h5_write(const char *path, const cadre__job *job,
                                     const cadre__requests *requests,
                                     const cadre__record *records,
                                     const cadre__run_facts *facts)
{
    const source s = {job, requests, records, requests->n};
    cadre__h5_file file;
    CADRE_TRY(cadre__h5_create(path, &file));
    return cadre__h5_finish(&file,
                            cadre_context(put_all(file.id, &s, facts), "%s", path));
}
