/* io/requests.c - all requests of a job: lines of JSON, or rows of a dataset. */
#include "io/requests.h"
#include "core/memory.h"
#include "core/text.h"
#include "io/file.h"
#include "io/request_body.h"
#include "io/request_line.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FILE_BYTES ((size_t)4 << 30)
#define LINE_BYTES ((size_t)64 << 20)
#define LINE_BYTES_MIN 16 /* no request is shorter; bounds memory for hostile files */
#define ROW_ID_BYTES 32

/* Reading one JSONL file. */
typedef struct reader {
    const cadre__job *job;
    const char *path;
    cadre__requests *out;
    cadre__name_table ids, tenants; /* id: line where it was used */
    cadre__chat_buffers chat;
    cadre__strange_keys strange;
    size_t line;
    size_t n_rows, n_cols, rows_capacity; /* of out->rows, in rows */
    size_t first_row_line;
} reader;

static cadre_status index_tenants(const cadre__job *job, cadre__name_table *out)
{
    CADRE_TRY(cadre__name_table_init(out, job->n_tenants));
    for (size_t i = 0; i < job->n_tenants; i++) {
        size_t value = i;
        (void)cadre__name_table_add(out, job->tenants[i].name, &value);
    }
    return CADRE_OK;
}

/* ---- Rows in JSONL ---- */

static cadre_status reserve_row(reader *r)
{
    const size_t row_bytes = r->n_cols * sizeof(float);
    if (r->n_rows < r->rows_capacity)
        return CADRE_OK;
    size_t capacity = r->rows_capacity ? r->rows_capacity * 2 : 1;
    /* Rows are small or few: begin with about 64 KiB. */
    while (r->rows_capacity == 0 && capacity * row_bytes < 65536)
        capacity *= 2;
    float *bigger =
        cadre__grow(r->out->rows, r->n_rows * row_bytes, capacity * row_bytes);
    if (!bigger)
        return CADRE_ERR_NOMEM;
    r->out->rows = bigger;
    r->rows_capacity = capacity;
    return CADRE_OK;
}

/* An array that is no row is empty, or has an element that is no number. */
static cadre_status refuse_row(const cadre__json_doc *doc, const cadre__json *row)
{
    char found[128];
    const cadre__json *node = cadre__json_first(row);
    while (node && cadre__json_is_number(node))
        node = cadre__json_next(node);
    const char *expected = node ? "a number" : "an array of numbers";
    node = node ? node : row;
    return cadre__json_fail(doc, node, "expected %s, found %s", expected,
                            cadre__json_found(doc, node, found, sizeof found));
}

static cadre_status add_row(reader *r, const cadre__json_doc *doc, const cadre__json *row)
{
    const size_t n = cadre__json_n_numbers(doc, row);
    if (n == 0)
        return refuse_row(doc, row);
    if (r->n_rows == 0) {
        r->n_cols = n;
        r->first_row_line = r->line;
    }
    if (n != r->n_cols)
        return cadre__json_fail(doc, row,
                                "expected a row of %zu numbers as on line %zu, found %zu",
                                r->n_cols, r->first_row_line, n);
    CADRE_TRY(reserve_row(r));
    CADRE_TRY(cadre__json_read_floats(doc, row, n, r->out->rows + r->n_rows * n));
    r->n_rows++;
    return CADRE_OK;
}

/* The rows have moved while they grew: point at them when all are there. */
static void place_rows(reader *r)
{
    const float *row = r->out->rows;
    for (size_t i = 0; i < r->out->n; i++) {
        cadre__item *item = &r->out->items[i];
        if (item->payload != CADRE_PAYLOAD_ROW)
            continue;
        item->data = row;
        item->bytes = r->n_cols * sizeof(float);
        row += r->n_cols;
    }
}

/* ---- Lines ---- */

/* Id and text are kept where their line stood, which is parsed and no longer needed. JSON
 * needs two quotes for each string, so there is room for their NULs. */
static cadre_status keep_strings(reader *r, const cadre__request_line *line, char *place,
                                 size_t size, cadre__item *item)
{
    const size_t n_id = strlen(line->custom_id) + 1;
    const size_t n_text = line->text ? strlen(line->text) + 1 : 0;
    if (n_id + n_text > size)
        return cadre_fail(CADRE_ERR_INTERNAL, "%s:%zu: no room for id and text", r->path,
                          r->line);
    item->custom_id = memcpy(place, line->custom_id, n_id);
    if (line->text) {
        item->data = memcpy(place + n_id, line->text, n_text);
        item->bytes = n_text - 1;
    }
    return CADRE_OK;
}

/* Messages and stop strings, in one piece of memory of the item's own. */
static cadre_status keep_extra(const cadre__request_line *line, cadre__item *item)
{
    const size_t message_bytes = line->item.n_messages * sizeof(cadre_message);
    const size_t pointer_bytes = line->item.n_stops * sizeof(char *);
    size_t bytes = message_bytes + pointer_bytes;

    if (bytes == 0)
        return CADRE_OK;
    for (uint32_t i = 0; i < line->item.n_stops; i++)
        bytes += strlen(line->stops[i]) + 1;
    uint8_t *memory = item->extra = cadre__alloc(bytes);
    if (!memory)
        return CADRE_ERR_NOMEM;
    if (message_bytes)
        item->messages = memcpy(memory, line->item.messages, message_bytes);
    const char **stops = (const char **)(void *)(memory + message_bytes);
    char *text = (char *)(memory + message_bytes + pointer_bytes);
    for (uint32_t i = 0; i < line->item.n_stops; i++) {
        const size_t n = strlen(line->stops[i]) + 1;
        stops[i] = memcpy(text, line->stops[i], n);
        text += n;
    }
    item->stops = stops;
    return CADRE_OK;
}

static cadre_status add_item(reader *r, const cadre__json_doc *doc,
                             const cadre__request_line *line, char *text, size_t size)
{
    cadre__item *item = &r->out->items[r->out->n++];
    *item = line->item; /* the flaw is its own now */
    item->messages = NULL;
    item->stops = NULL;
    item->line = r->line;
    if (line->row)
        CADRE_TRY(add_row(r, doc, line->row));
    CADRE_TRY(keep_strings(r, line, text, size, item));
    CADRE_TRY(keep_extra(line, item));
    size_t used_on = r->line;
    (void)cadre__name_table_add(&r->ids, item->custom_id, &used_on);
    return CADRE_OK;
}

static cadre_status add_line(reader *r, const cadre__json_doc *doc, char *text,
                             size_t size)
{
    cadre__request_line line;
    size_t used_on;
    cadre_status st =
        cadre__request_line_parse(r->job, &r->tenants, doc, &r->chat, &line);
    if (st == CADRE_OK && cadre__name_table_find(&r->ids, line.custom_id, &used_on))
        st =
            cadre__json_fail(doc, line.id_node, "\"%.60s\" is the id of line %zu already",
                             line.custom_id, used_on);
    if (st != CADRE_OK) {
        cadre__free(line.item.flaw);
        return st;
    }
    if (line.openai)
        cadre__strange_keys_tell(&r->strange, doc);
    return add_item(r, doc, &line, text, size);
}

static cadre_status read_line(reader *r, char *text, size_t size)
{
    cadre__json_doc *doc;
    if (size > LINE_BYTES)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s:%zu: the line has %zu bytes; at most %zu are read", r->path,
                          r->line, size, LINE_BYTES);
    CADRE_TRY(cadre__json_parse_lean(r->path, r->line, text, size, &doc));
    const cadre_status st = add_line(r, doc, text, size);
    cadre__json_doc_destroy(doc);
    return st;
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n')
            return false;
    return true;
}

static cadre_status read_lines(reader *r, char *text, size_t size)
{
    char *const end = text + size;
    for (char *p = text; p < end;) {
        char *newline = memchr(p, '\n', (size_t)(end - p));
        char *line_end = newline ? newline : end;
        r->line++;
        if (is_blank(p, (size_t)(line_end - p))) {
            if (is_blank(p, (size_t)(end - p)))
                break;
            return cadre_fail(CADRE_ERR_INPUT,
                              "%s:%zu: expected a request, found an empty line", r->path,
                              r->line);
        }
        CADRE_TRY(read_line(r, p, (size_t)(line_end - p)));
        p = line_end + 1;
    }
    if (r->out->n == 0)
        return cadre_fail(CADRE_ERR_INPUT, "%s: expected requests, found an empty file",
                          r->path);
    return CADRE_OK;
}

static size_t count_lines(const char *text, size_t size)
{
    size_t n = 1;
    for (const char *p = text; (p = memchr(p, '\n', size - (size_t)(p - text))); p++)
        n++;
    return n;
}

static cadre_status load_jsonl(const cadre__job *job, cadre__requests *out)
{
    reader r = {.job = job, .path = job->input.path, .out = out};
    size_t size;
    cadre_status st;

    CADRE_TRY(cadre__file_read(r.path, FILE_BYTES, &out->storage, &size));
    cadre__bytes_digest(out->storage, size, out->digest);
    size_t capacity = count_lines(out->storage, size);
    if (capacity > size / LINE_BYTES_MIN + 1)
        capacity = size / LINE_BYTES_MIN + 1;
    out->items = cadre__alloc_n(capacity, sizeof out->items[0]);
    if (!out->items)
        return CADRE_ERR_NOMEM;
    CADRE_TRY_GOTO(st, index_tenants(job, &r.tenants), done);
    CADRE_TRY_GOTO(st, cadre__name_table_init(&r.ids, capacity), done);
    CADRE_TRY_GOTO(st, read_lines(&r, out->storage, size), done);
    place_rows(&r);
done:
    cadre__name_table_fini(&r.ids);
    cadre__name_table_fini(&r.tenants);
    cadre__chat_buffers_fini(&r.chat);
    cadre__strange_keys_fini(&r.strange);
    return st;
}

/* ---- Datasets ---- */

/* CADRE_ERR_INPUT: "data.h5: row 3 (counted from 0): " and the sentence, which is used
 * up. */
static cadre_status fail_at_row(const cadre__job *job, size_t row, cadre_status st,
                                cadre__text *sentence)
{
    if (st == CADRE_OK)
        st = cadre_fail(CADRE_ERR_INPUT, "%s: row %zu (counted from 0): %s",
                        job->input.path, (size_t)job->input.first_row + row,
                        cadre__text_string(sentence));
    cadre__text_fini(sentence);
    return st;
}

static cadre_status row_tenant(const cadre__job *job, const cadre__name_table *tenants,
                               const cadre__dataset *dataset, size_t row, int *out)
{
    const char *name = dataset->tenants ? dataset->tenants[row] : NULL;
    cadre__text sentence = {0};
    size_t index;
    if (!name) {
        *out = job->input.tenants_in_turn ? (int)(row % job->n_tenants) : 0;
        return CADRE_OK;
    }
    if (cadre__name_table_find(tenants, name, &index)) {
        *out = (int)index;
        return CADRE_OK;
    }
    return fail_at_row(job, row, cadre__request_unknown_tenant(job, name, &sentence),
                       &sentence);
}

static cadre_status row_tier(const cadre__job *job, const cadre__dataset *dataset,
                             size_t row, int *out)
{
    const char *name = dataset->tiers ? dataset->tiers[row] : "auto";
    cadre__text sentence = {0};
    *out = cadre__job_tier_index(job, name);
    if (*out >= 0 || strcmp(name, "auto") == 0 || *name == '\0')
        return CADRE_OK;
    return fail_at_row(job, row, cadre__request_unknown_tier(job, name, &sentence),
                       &sentence);
}

static cadre_status make_items(const cadre__job *job, const cadre__name_table *tenants,
                               cadre__requests *out)
{
    const cadre__dataset *d = out->dataset;
    out->items = cadre__alloc_n(d->n_rows, sizeof out->items[0]);
    out->storage = cadre__alloc_n(d->n_rows, ROW_ID_BYTES);
    if (!out->items || !out->storage)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < d->n_rows; i++) {
        char *id = out->storage + i * ROW_ID_BYTES;
        snprintf(id, ROW_ID_BYTES, "row-%06zu", i + 1);
        out->items[i] = (cadre__item){
            .custom_id = id,
            .line = (size_t)job->input.first_row + i + 1,
            .url = CADRE__URL_EMBEDDINGS,
            .payload = CADRE_PAYLOAD_ROW,
            .data = d->x + i * d->n_cols,
            .bytes = d->n_cols * sizeof(float),
            .sampling = {.max_tokens = 16, .top_p = 1, .logprobs = -1},
            .complexity = d->complexity ? d->complexity[i] : NAN,
            .max_cost = -1,
            .label = d->labels ? d->labels[i] : -1,
        };
        CADRE_TRY(row_tenant(job, tenants, d, i, &out->items[i].tenant));
        CADRE_TRY(row_tier(job, d, i, &out->items[i].tier));
        out->n++;
    }
    return CADRE_OK;
}

static cadre_status dataset_digest(const cadre__job_input *input, char *hex)
{
    char text[128];
    if (*input->path)
        return cadre_file_digest(input->path, hex);
    const int n = snprintf(text, sizeof text, "%.40s %" PRIu64 " %" PRIu64 " %" PRIu64,
                           input->generator, input->seed, input->first_row, input->rows);
    cadre__bytes_digest(text, (size_t)n, hex);
    return CADRE_OK;
}

static cadre_status load_dataset(const cadre__job *job, cadre__requests *out)
{
    cadre__name_table tenants = {0};
    const cadre__job_input *input = &job->input;
    const char *name = *input->path ? input->path : input->generator;

    CADRE_TRY(cadre__dataset_load(input, &out->dataset));
    if (out->dataset->n_rows == 0)
        return cadre_fail(CADRE_ERR_INPUT, "%s: expected rows, found none", name);
    if (out->dataset->tenants && input->tenants_in_turn)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: its rows name their tenants, so \"tenants\": \"in_turn\" cannot be",
            name);
    if (!out->dataset->tenants && !input->tenants_in_turn && job->n_tenants > 1)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: no row names its tenant, and the job has %zu; expected a dataset "
            "\"tenant\" of strings, \"tenants\": \"in_turn\" in the job's input, or "
            "a job with one tenant",
            name, job->n_tenants);
    CADRE_TRY(dataset_digest(input, out->digest));
    cadre_status st = index_tenants(job, &tenants);
    if (st == CADRE_OK)
        st = make_items(job, &tenants, out);
    cadre__name_table_fini(&tenants);
    return st;
}

cadre_status cadre__requests_load(const cadre__job *job, cadre__requests **out)
{
    cadre__requests *requests = cadre__alloc(sizeof *requests);
    *out = NULL;
    if (!requests)
        return CADRE_ERR_NOMEM;
    const cadre_status st = cadre__job_input_is_jsonl(&job->input)
                                ? load_jsonl(job, requests)
                                : load_dataset(job, requests);
    if (st != CADRE_OK) {
        cadre__requests_destroy(requests);
        return st;
    }
    *out = requests;
    return CADRE_OK;
}

void cadre__requests_destroy(cadre__requests *requests)
{
    if (!requests)
        return;
    cadre__dataset_destroy(requests->dataset);
    for (size_t i = 0; i < requests->n; i++) {
        cadre__free(requests->items[i].extra);
        cadre__free(requests->items[i].flaw);
    }
    cadre__free(requests->items);
    cadre__free(requests->rows);
    cadre__free(requests->storage);
    cadre__free(requests);
}
