/* io/dataset.c - rows of numbers with labels, from HDF5 or CSV, every value checked. */
#include "io/dataset.h"
#include "core/memory.h"
#include "io/file.h"
#include "io/tensor_file.h"
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CSV_MAX_BYTES ((size_t)4 << 30)

void cadre__dataset_destroy(cadre__dataset *dataset)
{
    if (!dataset)
        return;
    cadre__free(dataset->x);
    cadre__free(dataset->labels);
    cadre__free(dataset->complexity);
    cadre__free(dataset->tenants);
    cadre__free(dataset->tiers);
    cadre__free(dataset);
}

static cadre__dataset *new_dataset(size_t n_rows, size_t n_cols)
{
    cadre__dataset *dataset = cadre__alloc(sizeof *dataset);
    size_t n;
    if (!dataset)
        return NULL;
    dataset->n_rows = n_rows;
    dataset->n_cols = n_cols;
    if (__builtin_mul_overflow(n_rows, n_cols, &n))
        n = SIZE_MAX; /* refused by the allocator, with its sentence */
    dataset->x = cadre__alloc_n(n, sizeof *dataset->x);
    if (dataset->x)
        return dataset;
    cadre__dataset_destroy(dataset);
    return NULL;
}

/* The rows of the slice that input wants out of `available`. */
static cadre_status choose_rows(const cadre__job_input *input, size_t available,
                                size_t *first, size_t *n_rows)
{
    uint64_t end = available;
    if (available == 0)
        return cadre_fail(CADRE_ERR_INPUT, "%s: it has no rows", input->path);
    if (input->rows > 0 && __builtin_add_overflow(input->first_row, input->rows, &end))
        end = UINT64_MAX;
    if (input->first_row >= available || end > available)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: rows %llu to %llu are wanted (counted from 0), but it has only "
            "%zu",
            input->path, (unsigned long long)input->first_row,
            (unsigned long long)(end > available ? end - 1 : input->first_row),
            available);
    *first = input->first_row;
    *n_rows = end - input->first_row;
    return CADRE_OK;
}

/* ---- HDF5 ---- */

static double element(const cadre_tensor *tensor, size_t i)
{
    switch (tensor->dtype) {
    case CADRE_F32:
        return ((const float *)tensor->data)[i];
    case CADRE_F64:
        return ((const double *)tensor->data)[i];
    case CADRE_I32:
        return ((const int32_t *)tensor->data)[i];
    default:
        return (double)((const int64_t *)tensor->data)[i];
    }
}

static cadre_status h5_rows(const cadre__job_input *input, const cadre_tensor *tensor,
                            const char *name, size_t first, cadre__dataset *out)
{
    const double scale = input->scale;
    const size_t n = out->n_rows * out->n_cols, from = first * out->n_cols;
    for (size_t i = 0; i < n; i++) {
        const double value = element(tensor, from + i);
        out->x[i] = (float)(value * scale);
        if (!isfinite(out->x[i]))
            return cadre_fail(
                CADRE_ERR_INPUT,
                "%s: dataset '%s', row %zu, column %zu (counted from 0): found "
                "%g%s, expected a finite f32",
                input->path, name, first + i / out->n_cols, i % out->n_cols, value,
                scale == 1 ? "" : " before scaling");
    }
    return CADRE_OK;
}

/* An optional dataset with one value per row; *out has no data if there is none. */
static cadre_status h5_column(const cadre__job_input *input,
                              const cadre_tensor_file *file, const char *name,
                              size_t available, cadre_tensor *out)
{
    memset(out, 0, sizeof *out);
    if (!cadre__tensor_file_has(file, name))
        return CADRE_OK;
    CADRE_TRY(cadre_tensor_file_get(file, name, out, NULL));
    if (out->n_dims != 1 || out->dims[0] != available)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: dataset '%s' must have one dimension with a value for each of "
            "the %zu rows, found %d dimension%s and %zu",
            input->path, name, available, out->n_dims, out->n_dims == 1 ? "" : "s",
            out->n_dims ? out->dims[0] : 1);
    return CADRE_OK;
}

static cadre_status h5_labels(const cadre__job_input *input,
                              const cadre_tensor_file *file, size_t available,
                              size_t first, cadre__dataset *out)
{
    cadre_tensor column;
    CADRE_TRY(h5_column(input, file, "label", available, &column));
    if (!column.data)
        return CADRE_OK;
    if (column.dtype != CADRE_I32 && column.dtype != CADRE_I64)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: dataset 'label' holds %s, expected i32 or i64",
                          input->path, cadre_dtype_name(column.dtype));
    out->labels = cadre__alloc_n(out->n_rows, sizeof *out->labels);
    if (!out->labels)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < out->n_rows; i++) {
        const int64_t label = column.dtype == CADRE_I32
                                  ? ((const int32_t *)column.data)[first + i]
                                  : ((const int64_t *)column.data)[first + i];
        if (label < -1 || label > INT32_MAX)
            return cadre_fail(
                CADRE_ERR_INPUT,
                "%s: dataset 'label', row %zu: found %lld, expected a class from "
                "0, or -1 for an unknown one",
                input->path, first + i, (long long)label);
        out->labels[i] = (int32_t)label;
    }
    return CADRE_OK;
}

static cadre_status h5_complexity(const cadre__job_input *input,
                                  const cadre_tensor_file *file, size_t available,
                                  size_t first, cadre__dataset *out)
{
    cadre_tensor column;
    CADRE_TRY(h5_column(input, file, "complexity", available, &column));
    if (!column.data)
        return CADRE_OK;
    out->complexity = cadre__alloc_n(out->n_rows, sizeof *out->complexity);
    if (!out->complexity)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < out->n_rows; i++) {
        out->complexity[i] = element(&column, first + i);
        if (!(out->complexity[i] >= 0 && out->complexity[i] <= 1))
            return cadre_fail(
                CADRE_ERR_INPUT,
                "%s: dataset 'complexity', row %zu: found %g, expected a number "
                "from 0 to 1",
                input->path, first + i, out->complexity[i]);
    }
    return CADRE_OK;
}

/* Names per row, in one block: the pointers, then the strings. */
static cadre_status h5_names(const cadre__job_input *input, const cadre_tensor_file *file,
                             const char *name, size_t available, size_t first,
                             size_t n_rows, char ***out)
{
    const char *const *strings;
    size_t n, bytes = 0;
    if (!cadre__tensor_file_has(file, name))
        return CADRE_OK;
    CADRE_TRY(cadre__tensor_file_strings(file, name, &strings, &n));
    if (n != available)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: dataset '%s' must have a string for each of the %zu rows, found "
            "%zu",
            input->path, name, available, n);
    for (size_t i = 0; i < n_rows; i++)
        bytes += strlen(strings[first + i]) + 1;
    char **names = cadre__alloc(n_rows * sizeof *names + bytes);
    if (!names)
        return CADRE_ERR_NOMEM;
    char *at = (char *)(names + n_rows);
    for (size_t i = 0; i < n_rows; i++) {
        names[i] = at;
        at = stpcpy(at, strings[first + i]) + 1;
    }
    *out = names;
    return CADRE_OK;
}

static cadre_status load_h5_file(const cadre__job_input *input,
                                 const cadre_tensor_file *file, cadre__dataset **out)
{
    const char *name = input->dataset && input->dataset[0] ? input->dataset : "x";
    cadre_tensor tensor;
    size_t first = 0, n_rows = 0;

    CADRE_TRY(cadre_tensor_file_get(file, name, &tensor, NULL));
    if (tensor.n_dims != 2 || tensor.dims[1] == 0)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: dataset '%s' has %d dimension%s, expected rows and columns", input->path,
            name, tensor.n_dims,
            tensor.n_dims == 1   ? ""
            : tensor.n_dims == 2 ? "s but no columns"
                                 : "s");
    const size_t available = tensor.dims[0];
    CADRE_TRY(choose_rows(input, available, &first, &n_rows));
    cadre__dataset *dataset = *out = new_dataset(n_rows, tensor.dims[1]);
    if (!dataset)
        return CADRE_ERR_NOMEM;
    CADRE_TRY(h5_rows(input, &tensor, name, first, dataset));
    CADRE_TRY(h5_labels(input, file, available, first, dataset));
    CADRE_TRY(h5_complexity(input, file, available, first, dataset));
    CADRE_TRY(
        h5_names(input, file, "tenant", available, first, n_rows, &dataset->tenants));
    return h5_names(input, file, "tier", available, first, n_rows, &dataset->tiers);
}

static cadre_status load_h5(const cadre__job_input *input, cadre__dataset **out)
{
    cadre_tensor_file *file;
    CADRE_TRY(cadre_tensor_file_open(input->path, &file));
    cadre_status st = load_h5_file(input, file, out);
    if (st == CADRE_ERR_NOT_FOUND) /* of a dataset: the file itself is there */
        st = CADRE_ERR_INPUT;
    cadre_tensor_file_close(file);
    return st;
}

/* ---- CSV ---- */

typedef struct csv_line {
    const char *text;
    size_t size, number; /* without its end; counted from 1 */
} csv_line;

typedef struct csv {
    const char *path;
    const char *text, *end;
    csv_line *lines; /* those with something on them, without the header */
    size_t n_lines, capacity;
    size_t n_fields; /* of the first line */
} csv;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The field [*text, *text + *size) without blanks around it. */
static void trim(const char **text, size_t *size)
{
    while (*size && is_blank(**text))
        (*text)++, (*size)--;
    while (*size && is_blank((*text)[*size - 1]))
        (*size)--;
}

/* A whole field as a number, NaN and infinity included. */
static bool parse_number(const char *text, size_t size, double *out)
{
    char copy[64], *end;
    if (size == 0 || size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *out = strtod(copy, &end);
    return end == copy + size;
}

/* The field at *at, up to the next comma; *at moves behind it, or is NULL after the
 * last. */
static void next_field(const csv_line *line, const char **at, const char **text,
                       size_t *size)
{
    const char *end = line->text + line->size;
    const char *comma = memchr(*at, ',', (size_t)(end - *at));
    *text = *at;
    *size = (size_t)((comma ? comma : end) - *at);
    *at = comma ? comma + 1 : NULL;
    trim(text, size);
}

static size_t count_fields(const csv_line *line)
{
    size_t n = 1;
    for (const char *at = line->text, *end = at + line->size;
         (at = memchr(at, ',', (size_t)(end - at))); at++)
        n++;
    return n;
}

static bool is_header(const csv_line *line)
{
    const char *text;
    size_t size;
    double value;
    for (const char *at = line->text; at;) {
        next_field(line, &at, &text, &size);
        if (!parse_number(text, size, &value))
            return true;
    }
    return false;
}

static cadre_status add_line(csv *file, const csv_line *line)
{
    if (file->n_lines == file->capacity) {
        const size_t capacity = file->capacity ? 2 * file->capacity : 1024;
        csv_line *lines = cadre__grow(file->lines, file->capacity * sizeof *lines,
                                      capacity * sizeof *lines);
        if (!lines)
            return CADRE_ERR_NOMEM;
        file->lines = lines;
        file->capacity = capacity;
    }
    file->lines[file->n_lines++] = *line;
    return CADRE_OK;
}

static cadre_status split_lines(csv *file)
{
    const char *at = file->text;
    for (size_t number = 1; at < file->end; number++) {
        const char *end = memchr(at, '\n', (size_t)(file->end - at));
        csv_line line = {at, (size_t)((end ? end : file->end) - at), number};
        at = end ? end + 1 : file->end;
        trim(&line.text, &line.size);
        if (line.size == 0)
            continue;
        if (file->n_fields == 0) {
            file->n_fields = count_fields(&line);
            if (is_header(&line))
                continue;
        }
        CADRE_TRY(add_line(file, &line));
    }
    if (file->n_lines == 0)
        return cadre_fail(CADRE_ERR_INPUT, "%s: it has no rows", file->path);
    return CADRE_OK;
}

/* The one line as a row, its label apart; label_at is n_fields if there is none. */
static cadre_status parse_row(const csv *file, const cadre__job_input *input,
                              const csv_line *line, size_t label_at, float *x,
                              int32_t *label)
{
    const double scale = input->scale;
    const char *text, *at = line->text;
    size_t size;
    double value;

    for (size_t column = 0; column < file->n_fields; column++) {
        next_field(line, &at, &text, &size);
        if (!parse_number(text, size, &value))
            return cadre_fail(
                CADRE_ERR_INPUT, "%s:%zu: column %zu: found \"%.*s\", expected a number",
                file->path, line->number, column + 1, size > 40 ? 40 : (int)size, text);
        if (column == label_at) {
            if (!(value >= 0 && value <= INT32_MAX && value == floor(value)))
                return cadre_fail(
                    CADRE_ERR_INPUT,
                    "%s:%zu: column %zu: found %g, expected a class: a whole "
                    "number from 0",
                    file->path, line->number, column + 1, value);
            *label = (int32_t)value;
            continue;
        }
        *x = (float)(value * scale);
        if (!isfinite(*x++))
            return cadre_fail(
                CADRE_ERR_INPUT, "%s:%zu: column %zu: found %.*s, expected a finite f32",
                file->path, line->number, column + 1, size > 40 ? 40 : (int)size, text);
    }
    return CADRE_OK;
}

static cadre_status find_label(const csv *file, const cadre__job_input *input,
                               size_t *label_at)
{
    *label_at = file->n_fields;
    if (input->label_column == -1)
        *label_at = file->n_fields - 1;
    else if (input->label_column >= 0)
        *label_at = (size_t)input->label_column;
    if (input->label_column >= 0 && *label_at >= file->n_fields)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: column %lld is to be the label (counted from 0), but there are "
            "only %zu columns",
            file->path, (long long)input->label_column, file->n_fields);
    if (file->n_fields == 1 && *label_at == 0)
        return cadre_fail(CADRE_ERR_INPUT, "%s: its only column is the label",
                          file->path);
    return CADRE_OK;
}

static cadre_status parse_csv(csv *file, const cadre__job_input *input,
                              cadre__dataset **out)
{
    size_t first = 0, n_rows = 0, label_at = 0;

    CADRE_TRY(split_lines(file));
    CADRE_TRY(choose_rows(input, file->n_lines, &first, &n_rows));
    CADRE_TRY(find_label(file, input, &label_at));
    /* Before memory is taken for rows times columns, every line must really have them. */
    for (size_t i = first; i < first + n_rows; i++) {
        const size_t n = count_fields(&file->lines[i]);
        if (n != file->n_fields)
            return cadre_fail(CADRE_ERR_INPUT, "%s:%zu: found %zu columns, expected %zu",
                              file->path, file->lines[i].number, n, file->n_fields);
    }
    const bool labelled = label_at < file->n_fields;
    cadre__dataset *dataset = *out = new_dataset(n_rows, file->n_fields - labelled);
    if (!dataset)
        return CADRE_ERR_NOMEM;
    if (labelled && !(dataset->labels = cadre__alloc_n(n_rows, sizeof *dataset->labels)))
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < n_rows; i++)
        CADRE_TRY(parse_row(file, input, &file->lines[first + i], label_at,
                            dataset->x + i * dataset->n_cols,
                            labelled ? &dataset->labels[i] : NULL));
    return CADRE_OK;
}

static cadre_status load_csv(const cadre__job_input *input, cadre__dataset **out)
{
    csv file = {.path = input->path};
    char *text;
    size_t size;
    CADRE_TRY(cadre__file_read(input->path, CSV_MAX_BYTES, &text, &size));
    file.text = text;
    file.end = text + size;
    const cadre_status st = parse_csv(&file, input, out);
    cadre__free(file.lines);
    cadre__free(text);
    return st;
}

/* ---- Which ---- */

static bool ends_with(const char *path, const char *ending)
{
    const size_t size = strlen(path), n = strlen(ending);
    return size > n && strcmp(path + size - n, ending) == 0;
}

cadre_status cadre__dataset_load(const cadre__job_input *input, cadre__dataset **out)
{
    const char *path = input->path ? input->path : "";
    cadre_status st;

    *out = NULL;
    if (input->generator && input->generator[0]) {
        if (strcmp(input->generator, "graded") != 0)
            return cadre_fail(CADRE_ERR_INPUT,
                              "no generator \"%s\"; the only one is \"graded\"",
                              input->generator);
        if (input->rows == 0)
            return cadre_fail(CADRE_ERR_INPUT,
                              "generator \"graded\" needs \"rows\", at least 1");
        return cadre__dataset_graded(input->seed, input->first_row, input->rows, out);
    }
    if (ends_with(path, ".h5") || ends_with(path, ".hdf5"))
        st = load_h5(input, out);
    else if (ends_with(path, ".csv") || ends_with(path, ".csv.gz"))
        st = load_csv(input, out);
    else
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: not a dataset: its name must end in .h5, .hdf5, .csv or .csv.gz", path);
    if (st != CADRE_OK) {
        cadre__dataset_destroy(*out);
        *out = NULL;
    }
    return st;
}
