/* io/json.c - documents by cJSON: parsing with positions, typed getters, --set. */
#include "io/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "io/file.h"
#include "io/json_numbers.h"
#include "io/json_scan.h"
#include "io/json_text.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value came from --set. cJSON uses the low 10 bits of a node's type and keeps the
 * rest. */
#define MARK_SET (1 << 16)

#define SET_PATH_PARTS 32
#define TRAIL_NODES (CADRE__JSON_DEPTH + SET_PATH_PARTS + 2)
#define WHOLE_MAX                                                                        \
    9007199254740991.0 /* 2^53 - 1: beyond it a double skips whole numbers */

struct cadre__json_doc {
    cJSON *root;
    char *origin;
    size_t first_line;
    char *text;
    size_t size;
    bool lean;                /* arrays of numbers are not in the tree */
    cadre__json_flaw no_text; /* of a lean document; its problem is NULL if all is text */
};

/* ---- Where a node stands ---- */

typedef struct trail {
    const cJSON *nodes[TRAIL_NODES]; /* root first */
    size_t indices[TRAIL_NODES];     /* of each among its siblings */
    size_t n;
} trail;

static bool find_node(const cJSON *node, const cJSON *wanted, size_t index, trail *out)
{
    if (out->n == TRAIL_NODES)
        return false;
    out->nodes[out->n] = node;
    out->indices[out->n++] = index;
    if (node == wanted)
        return true;
    size_t i = 0;
    for (const cJSON *child = node->child; child; child = child->next)
        if (find_node(child, wanted, i++, out))
            return true;
    out->n--;
    return false;
}

static void append_escaped(cadre__text *out, const char *text, size_t most)
{
    for (size_t i = 0; text[i]; i++) {
        if (i == most) {
            cadre__text_puts(out, "...");
            return;
        }
        cadre__text_append(out, (unsigned char)text[i] < 0x20 ? "?" : text + i, 1);
    }
}

/* "tiers[0].price" for errors, "tiers.0.price" as --set wants it. */
static void append_path(cadre__text *out, const trail *t, size_t n, bool dotted)
{
    for (size_t i = 1; i < n; i++) {
        if (cJSON_IsArray(t->nodes[i - 1])) {
            cadre__text_printf(out, dotted ? "%s%zu" : "%s[%zu]",
                               dotted && i > 1 ? "." : "", t->indices[i]);
            continue;
        }
        if (i > 1)
            cadre__text_puts(out, ".");
        append_escaped(out, t->nodes[i]->string, 60);
    }
}

/* How many nodes of the trail lead to the innermost one that --set put there; 0 if none
 * did. */
static size_t set_by(const trail *t)
{
    for (size_t n = t->n; n > 0; n--)
        if (t->nodes[n - 1]->type & MARK_SET)
            return n;
    return 0;
}

static size_t offset_of(const cadre__json_doc *doc, const trail *t)
{
    size_t offset = cadre__json_scan_root(doc->text, doc->size);
    for (size_t i = 1; i < t->n; i++)
        offset = cadre__json_scan_child(doc->text, doc->size, offset, t->indices[i]);
    return offset;
}

static size_t line_of(const cadre__json_doc *doc, size_t offset, size_t *column)
{
    size_t line;
    cadre__json_scan_place(doc->text, offset, &line, column);
    return doc->first_line + line - 1;
}

/* "jobs/a.json:12: tiers[0].shards: " */
static void append_place(cadre__text *out, const cadre__json_doc *doc, const cJSON *node)
{
    trail t = {.n = 0};
    cadre__text_puts(out, doc->origin);
    if (node && find_node(doc->root, node, 0, &t)) {
        const size_t n_set = set_by(&t);
        size_t column;
        if (n_set) {
            cadre__text_puts(out, " (--set ");
            append_path(out, &t, n_set, true);
            cadre__text_puts(out, ")");
        } else if (doc->first_line > 0) {
            cadre__text_printf(out, ":%zu", line_of(doc, offset_of(doc, &t), &column));
        }
        if (t.n > 1)
            cadre__text_puts(out, ": ");
        append_path(out, &t, t.n, false);
    }
    cadre__text_puts(out, ": ");
}

cadre_status cadre__json_fail(const cadre__json_doc *doc, const cadre__json *node,
                              const char *fmt, ...)
{
    cadre__text place = {0};
    char sentence[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    append_place(&place, doc, node);
    const cadre_status st =
        cadre_fail(CADRE_ERR_INPUT, "%s%s", cadre__text_string(&place), sentence);
    cadre__text_fini(&place);
    return st;
}

/* A number as it was written, or nearly so if it came from --set. */
static void append_number(cadre__text *out, const cadre__json_doc *doc, const cJSON *node)
{
    trail t = {.n = 0};
    if (find_node(doc->root, node, 0, &t) && !set_by(&t)) {
        const size_t start = offset_of(doc, &t);
        const size_t end = cadre__json_scan_end(doc->text, doc->size, start);
        cadre__text_append(out, doc->text + start, end - start);
    } else {
        cadre__text_printf(out, "%.15g", node->valuedouble);
    }
}

const char *cadre__json_found(const cadre__json_doc *doc, const cadre__json *node,
                              char *buf, size_t size)
{
    cadre__text out = {0};
    if (cJSON_IsString(node)) {
        cadre__text_puts(&out, "\"");
        append_escaped(&out, node->valuestring, 60);
        cadre__text_puts(&out, "\"");
    } else if (cJSON_IsNumber(node)) {
        cadre__text_puts(&out, "the number ");
        append_number(&out, doc, node);
    } else if (cJSON_IsArray(node)) {
        cadre__text_printf(&out, "an array of %zu",
                           node->child ? cadre__json_length(node)
                                       : cadre__json_n_numbers(doc, node));
    } else if (cJSON_IsObject(node)) {
        cadre__text_puts(&out, "an object");
    } else if (cJSON_IsBool(node)) {
        cadre__text_puts(&out, cJSON_IsTrue(node) ? "true" : "false");
    } else {
        cadre__text_puts(&out, node ? "null" : "nothing");
    }
    snprintf(buf, size, "%s", cadre__text_string(&out));
    cadre__text_fini(&out);
    return buf;
}

/* ---- Parsing ---- */

static void append_found_byte(cadre__text *out, const char *text, size_t size,
                              size_t offset)
{
    size_t n = 0;
    cadre__text_puts(out, ", found ");
    if (offset >= size) {
        cadre__text_puts(out, "the end of the text");
        return;
    }
    while (n < 16 && offset + n < size &&
           ((text[offset + n] | 0x20) >= 'a' && (text[offset + n] | 0x20) <= 'z'))
        n++;
    const unsigned char byte = (unsigned char)text[offset];
    if (n > 0)
        cadre__text_printf(out, "'%.*s'", (int)n, text + offset);
    else if (byte == '\n' || byte == '\r')
        cadre__text_puts(out, "the end of the line");
    else if (byte > 0x20 && byte < 0x7F)
        cadre__text_printf(out, "'%c'", byte);
    else
        cadre__text_printf(out, "the byte 0x%02X", byte);
}

static cadre_status syntax_error(const cadre__json_doc *doc, const cadre__json_flaw *flaw)
{
    cadre__text found = {0};
    size_t column;
    const size_t line = line_of(doc, flaw->offset, &column);
    if (strncmp(flaw->problem, "expected", 8) == 0)
        append_found_byte(&found, doc->text, doc->size, flaw->offset);
    const cadre_status st =
        doc->first_line > 0
            ? cadre_fail(CADRE_ERR_INPUT, "%s:%zu:%zu: %s%s", doc->origin, line, column,
                         flaw->problem, cadre__text_string(&found))
            : cadre_fail(CADRE_ERR_INPUT, "%s: at character %zu: %s%s", doc->origin,
                         column, flaw->problem, cadre__text_string(&found));
    cadre__text_fini(&found);
    return st;
}

static int by_key(const void *a, const void *b)
{
    const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;
    return strcmp(x->string, y->string);
}

static cadre_status duplicate_error(const cadre__json_doc *doc, const cJSON *a,
                                    const cJSON *b)
{
    trail first = {.n = 0};
    size_t line = 0, column;
    /* The earlier of the two is the one from which the other can be reached. */
    const cJSON *later = a;
    while (later && later != b)
        later = later->next;
    const cJSON *earlier = later ? a : b;
    later = later ? b : a;
    if (find_node(doc->root, earlier, 0, &first) && !set_by(&first))
        line = line_of(doc, offset_of(doc, &first), &column);
    if (doc->first_line == 0)
        return cadre__json_fail(doc, later, "this key is there twice");
    return cadre__json_fail(doc, later,
                            "this key is there twice; the first is on line %zu", line);
}

/* Few keys are compared pairwise; many are sorted, or a hostile file would cost n^2. */
static cadre_status check_keys(const cadre__json_doc *doc, const cJSON *object)
{
    size_t n = 0;
    for (const cJSON *a = object->child; a; a = a->next)
        n++;
    if (n <= 16) {
        for (const cJSON *a = object->child; a; a = a->next)
            for (const cJSON *b = a->next; b; b = b->next)
                if (strcmp(a->string, b->string) == 0)
                    return duplicate_error(doc, a, b);
        return CADRE_OK;
    }
    const cJSON **sorted = cadre__alloc_n(n, sizeof *sorted);
    if (!sorted)
        return CADRE_ERR_NOMEM;
    n = 0;
    for (const cJSON *a = object->child; a; a = a->next)
        sorted[n++] = a;
    qsort(sorted, n, sizeof *sorted, by_key);
    cadre_status st = CADRE_OK;
    for (size_t i = 1; i < n && st == CADRE_OK; i++)
        if (strcmp(sorted[i - 1]->string, sorted[i]->string) == 0)
            st = duplicate_error(doc, sorted[i - 1], sorted[i]);
    cadre__free(sorted);
    return st;
}

/* What the grammar allows and we do not: a key twice, a number that is no finite
 * double. */
static cadre_status check_tree(const cadre__json_doc *doc, const cJSON *node)
{
    char found[128];
    if (cJSON_IsNumber(node) && !isfinite(node->valuedouble))
        return cadre__json_fail(doc, node, "%s is too large for any computer number",
                                cadre__json_found(doc, node, found, sizeof found));
    if (cJSON_IsObject(node))
        CADRE_TRY(check_keys(doc, node));
    for (const cJSON *child = node->child; child; child = child->next)
        CADRE_TRY(check_tree(doc, child));
    return CADRE_OK;
}

static cadre_status build_tree(cadre__json_doc *doc)
{
    const char *stopped_at = NULL;
    if (doc->lean) {
        char *rest = malloc(doc->size + 1);
        size_t n = rest ? cadre__json_numbers_cut(doc->text, doc->size, rest) : 0;
        if (doc->no_text.problem)
            n = cadre__json_scan_mark(rest, n);
        doc->root = rest ? cJSON_ParseWithLengthOpts(rest, n, &stopped_at, 0) : NULL;
        free(rest);
    } else {
        doc->root = cJSON_ParseWithLengthOpts(doc->text, doc->size, &stopped_at, 0);
    }
    return doc->root ? CADRE_OK
                     : cadre_fail(CADRE_ERR_NOMEM, "%s: out of memory for the JSON tree",
                                  doc->origin);
}

static cadre_status build(cadre__json_doc *doc)
{
    cadre__json_flaw flaw;
    const bool fine = doc->lean ? cadre__json_scan_tolerant(doc->text, doc->size, &flaw)
                                : cadre__json_scan(doc->text, doc->size, &flaw);
    if (!fine)
        return syntax_error(doc, &flaw);
    doc->no_text = flaw;
    CADRE_TRY(build_tree(doc));
    return check_tree(doc, doc->root);
}

static cadre_status parse(const char *origin, size_t first_line, const char *text,
                          size_t size, bool lean, cadre__json_doc **out)
{
    cadre_status st = CADRE_ERR_NOMEM;
    cadre__json_doc *doc = cadre__alloc(sizeof *doc);
    *out = NULL;
    if (!doc)
        return CADRE_ERR_NOMEM;
    doc->lean = lean;
    doc->first_line = first_line;
    doc->origin = cadre__strdup(origin);
    doc->size = size;
    doc->text = size < SIZE_MAX ? malloc(size + 1) : NULL;
    if (!doc->text)
        st = cadre_fail(CADRE_ERR_NOMEM, "%s: out of memory for %zu bytes", origin, size);
    if (!doc->origin || !doc->text)
        goto fail;
    if (size)
        memcpy(doc->text, text, size);
    doc->text[size] = '\0';
    CADRE_TRY_GOTO(st, build(doc), fail);
    *out = doc;
    return CADRE_OK;

fail:
    cadre__json_doc_destroy(doc);
    return st;
}

cadre_status cadre__json_parse(const char *origin, size_t first_line, const char *text,
                               size_t size, cadre__json_doc **out)
{
    return parse(origin, first_line, text, size, false, out);
}

cadre_status cadre__json_parse_lean(const char *origin, size_t first_line,
                                    const char *text, size_t size, cadre__json_doc **out)
{
    return parse(origin, first_line, text, size, true, out);
}

cadre_status cadre__json_parse_file(const char *path, size_t max_bytes,
                                    cadre__json_doc **out)
{
    char *text;
    size_t size;
    *out = NULL;
    CADRE_TRY(cadre__file_read(path, max_bytes, &text, &size));
    const cadre_status st = cadre__json_parse(path, 1, text, size, out);
    cadre__free(text);
    return st;
}

static bool all_utf8(const cJSON *node, const cJSON *besides)
{
    const char *texts[] = {node->string, cJSON_IsString(node) ? node->valuestring : NULL};
    if (node == besides)
        return true;
    for (size_t i = 0; i < 2; i++) {
        const size_t n = texts[i] ? strlen(texts[i]) : 0;
        if (n && cadre__utf8_valid_bytes(texts[i], n) != n)
            return false;
    }
    for (const cJSON *child = node->child; child; child = child->next)
        if (!all_utf8(child, besides))
            return false;
    return true;
}

bool cadre__json_is_text(const cadre__json_doc *doc, const cadre__json *node,
                         const cadre__json *besides)
{
    return !doc->no_text.problem || all_utf8(node, besides);
}

const char *cadre__json_text_problem(const cadre__json_doc *doc)
{
    return doc->no_text.problem;
}

cadre_status cadre__json_fail_text(const cadre__json_doc *doc)
{
    return syntax_error(doc, &doc->no_text);
}

void cadre__json_doc_destroy(cadre__json_doc *doc)
{
    if (!doc)
        return;
    cJSON_Delete(doc->root);
    cadre__free(doc->origin);
    free(doc->text);
    cadre__free(doc);
}

cadre__json *cadre__json_root(const cadre__json_doc *doc)
{
    return doc->root;
}

/* ---- Looking around ---- */

cadre__json *cadre__json_member(const cadre__json *object, const char *key)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

cadre__json *cadre__json_element(const cadre__json *array, size_t index)
{
    cJSON *node = cJSON_IsArray(array) ? array->child : NULL;
    while (node && index-- > 0)
        node = node->next;
    return node;
}

cadre__json *cadre__json_first(const cadre__json *container)
{
    return container ? container->child : NULL;
}

cadre__json *cadre__json_next(const cadre__json *node)
{
    return node->next;
}

size_t cadre__json_length(const cadre__json *container)
{
    size_t n = 0;
    for (const cJSON *child = container ? container->child : NULL; child;
         child = child->next)
        n++;
    return n;
}

const char *cadre__json_key(const cadre__json *node)
{
    return node->string;
}

bool cadre__json_is_object(const cadre__json *node)
{
    return cJSON_IsObject(node);
}

bool cadre__json_is_array(const cadre__json *node)
{
    return cJSON_IsArray(node);
}

bool cadre__json_is_string(const cadre__json *node)
{
    return cJSON_IsString(node);
}

bool cadre__json_is_number(const cadre__json *node)
{
    return cJSON_IsNumber(node);
}

bool cadre__json_is_null(const cadre__json *node)
{
    return cJSON_IsNull(node);
}

const char *cadre__json_string_or(const cadre__json *node, const char *fallback)
{
    return cJSON_IsString(node) ? node->valuestring : fallback;
}

double cadre__json_number_or(const cadre__json *node, double fallback)
{
    return cJSON_IsNumber(node) ? node->valuedouble : fallback;
}

bool cadre__json_bool_or(const cadre__json *node, bool fallback)
{
    return cJSON_IsBool(node) ? cJSON_IsTrue(node) : fallback;
}

static cadre_status unknown_key(const cadre__json_doc *doc, const cJSON *node,
                                const char *const *known, size_t n)
{
    const char *nearest = cadre__nearest(node->string, known, n);
    if (nearest)
        return cadre__json_fail(doc, node, "unknown key; did you mean \"%s\"?", nearest);
    cadre__text list = {0};
    for (size_t i = 0; i < n; i++)
        cadre__text_printf(&list, "%s%s", i ? ", " : "", known[i]);
    const cadre_status st = cadre__json_fail(doc, node, "unknown key; known are: %s",
                                             cadre__text_string(&list));
    cadre__text_fini(&list);
    return st;
}

cadre_status cadre__json_only_keys(const cadre__json_doc *doc, const cadre__json *object,
                                   const char *const *known, size_t n)
{
    char found[128];
    if (!cJSON_IsObject(object))
        return cadre__json_fail(doc, object, "expected an object, found %s",
                                cadre__json_found(doc, object, found, sizeof found));
    for (const cJSON *child = object->child; child; child = child->next) {
        size_t i = 0;
        while (i < n && strcmp(child->string, known[i]) != 0)
            i++;
        if (i == n)
            return unknown_key(doc, child, known, n);
    }
    return CADRE_OK;
}

/* ---- Typed members ---- */

static cadre_status mistyped(const cadre__json_doc *doc, const cJSON *node,
                             const char *expected)
{
    char found[128];
    return cadre__json_fail(doc, node, "expected %s, found %s", expected,
                            cadre__json_found(doc, node, found, sizeof found));
}

/* *node is NULL if the key is absent and may be. */
static cadre_status get(const cadre__json_doc *doc, const cJSON *object, const char *key,
                        bool required, const char *expected, const cJSON **node)
{
    if (!cJSON_IsObject(object))
        return mistyped(doc, object, "an object");
    *node = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!*node && required)
        return cadre__json_fail(doc, object, "\"%s\" is missing: expected %s", key,
                                expected);
    return CADRE_OK;
}

cadre_status cadre__json_get_string(const cadre__json_doc *doc, const cadre__json *object,
                                    const char *key, bool required, const char **out)
{
    const cJSON *node = NULL;
    CADRE_TRY(get(doc, object, key, required, "a string", &node));
    if (!node)
        return CADRE_OK;
    if (!cJSON_IsString(node))
        return mistyped(doc, node, "a string");
    *out = node->valuestring;
    return CADRE_OK;
}

cadre_status cadre__json_get_integer(const cadre__json_doc *doc,
                                     const cadre__json *object, const char *key,
                                     bool required, int64_t min, int64_t max,
                                     int64_t *out)
{
    char expected[96];
    const cJSON *node = NULL;
    if (max >= (int64_t)WHOLE_MAX)
        snprintf(expected, sizeof expected,
                 "a whole number, at least %" PRId64 " and below 2^53", min);
    else
        snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64,
                 min, max);
    CADRE_TRY(get(doc, object, key, required, expected, &node));
    if (!node)
        return CADRE_OK;
    const double value = cadre__json_number_or(node, NAN);
    if (!(fabs(value) <= WHOLE_MAX) || value != floor(value) || (int64_t)value < min ||
        (int64_t)value > max)
        return mistyped(doc, node, expected);
    *out = (int64_t)value;
    return CADRE_OK;
}

cadre_status cadre__json_get_number(const cadre__json_doc *doc, const cadre__json *object,
                                    const char *key, bool required, double min,
                                    double max, double *out)
{
    char expected[96] = "a number";
    const cJSON *node = NULL;
    if (min > -1e300 && max < 1e300)
        snprintf(expected, sizeof expected, "a number from %g to %g", min, max);
    else if (min > -1e300)
        snprintf(expected, sizeof expected, "a number of at least %g", min);
    CADRE_TRY(get(doc, object, key, required, expected, &node));
    if (!node)
        return CADRE_OK;
    const double value = cadre__json_number_or(node, NAN);
    if (!(value >= min && value <= max))
        return mistyped(doc, node, expected);
    *out = value;
    return CADRE_OK;
}

cadre_status cadre__json_get_bool(const cadre__json_doc *doc, const cadre__json *object,
                                  const char *key, bool required, bool *out)
{
    const cJSON *node = NULL;
    CADRE_TRY(get(doc, object, key, required, "true or false", &node));
    if (!node)
        return CADRE_OK;
    if (!cJSON_IsBool(node))
        return mistyped(doc, node, "true or false");
    *out = cJSON_IsTrue(node);
    return CADRE_OK;
}

cadre_status cadre__json_get_money(const cadre__json_doc *doc, const cadre__json *object,
                                   const char *key, bool required, cadre_money min,
                                   cadre_money *out)
{
    static const char expected[] =
        "an amount in USD as a decimal string such as \"0.10\"";
    char least[CADRE_MONEY_TEXT];
    cadre_money amount = 0;
    const cJSON *node = NULL;
    CADRE_TRY(get(doc, object, key, required, expected, &node));
    if (!node)
        return CADRE_OK;
    if (cJSON_IsNumber(node)) {
        cadre__text number = {0};
        append_number(&number, doc, node);
        const char *text = cadre__text_string(&number);
        const cadre_status st = cadre__json_fail(
            doc, node, "expected %s, found the number %s: write \"%s\", in quotes",
            expected, text, text);
        cadre__text_fini(&number);
        return st;
    }
    if (!cJSON_IsString(node))
        return mistyped(doc, node, expected);
    if (cadre_money_parse(node->valuestring, &amount) != CADRE_OK)
        return cadre__json_fail(doc, node, "%s", cadre_last_error());
    if (amount < min)
        return cadre__json_fail(doc, node,
                                "expected an amount of at least %s USD, found \"%s\"",
                                cadre_money_format(min, least), node->valuestring);
    *out = amount;
    return CADRE_OK;
}

/* ---- Arrays that a lean document left in its text ---- */

size_t cadre__json_n_numbers(const cadre__json_doc *doc, const cadre__json *array)
{
    trail t = {.n = 0};
    if (!doc->lean || !cJSON_IsArray(array) || array->child ||
        !find_node(doc->root, array, 0, &t))
        return 0;
    const size_t offset = offset_of(doc, &t);
    return cadre__json_numbers_count(doc->text + offset, doc->size - offset);
}

cadre_status cadre__json_read_floats(const cadre__json_doc *doc, const cadre__json *array,
                                     size_t n, float *out)
{
    trail t = {.n = 0};
    if (!find_node(doc->root, array, 0, &t))
        return cadre_fail(CADRE_ERR_INTERNAL, "%s: an array of another document",
                          doc->origin);
    const size_t bad = cadre__json_numbers_read(doc->text + offset_of(doc, &t), n, out);
    if (bad == n)
        return CADRE_OK;
    return cadre__json_fail(
        doc, array,
        "expected numbers that fit 32-bit floating point, found a larger one "
        "at index %zu",
        bad);
}

/* ---- --set ---- */

/* The value of --set as a node; `replaced` is what it will replace, or NULL. */
static cadre_status set_value(const char *path, const char *value, const cJSON *replaced,
                              cJSON **out)
{
    cadre__json_doc *doc;
    if (cadre__json_parse(path, 1, value, strlen(value), &doc) == CADRE_OK) {
        if (!(cJSON_IsString(replaced) && cJSON_IsNumber(doc->root))) {
            *out = doc->root;
            doc->root = NULL;
            cadre__json_doc_destroy(doc);
            return CADRE_OK;
        }
        cadre__json_doc_destroy(doc);
    } else if (value[0] == '{' || value[0] == '[' || value[0] == '"') {
        /* This was meant as JSON: the syntax error helps more than a string would. */
        cadre_context(CADRE_ERR_INPUT, "--set");
        return CADRE_ERR_INPUT;
    }
    *out = cJSON_CreateString(value);
    return *out ? CADRE_OK : cadre_fail(CADRE_ERR_NOMEM, "--set %s: out of memory", path);
}

/* The child that one part of a path names; NULL in *out where an object has none yet. */
static cadre_status step(const char *path, const char *part, const cJSON *parent,
                         cJSON **out)
{
    if (cJSON_IsObject(parent)) {
        *out = cJSON_GetObjectItemCaseSensitive(parent, part);
        return CADRE_OK;
    }
    if (!cJSON_IsArray(parent))
        return cadre_fail(
            CADRE_ERR_INPUT,
            "--set %s: there is nothing below \"%s\": what is above it is neither "
            "object nor array",
            path, part);
    const size_t length = cadre__json_length(parent);
    char *end;
    const unsigned long index = strtoul(part, &end, 10);
    if (part[0] < '0' || part[0] > '9' || *end != '\0' || index >= length)
        return cadre_fail(CADRE_ERR_INPUT,
                          "--set %s: expected an index below %zu, found \"%s\"", path,
                          length, part);
    *out = cadre__json_element(parent, index);
    return CADRE_OK;
}

/* Put node in the place of old, or add it to the object; takes node over. */
static cadre_status put(cJSON *parent, const char *key, cJSON *old, cJSON *node)
{
    bool done;
    node->type |= MARK_SET;
    if (!old) {
        done = cJSON_AddItemToObject(parent, key, node);
    } else {
        /* cJSON compares no keys here, and the key must move along. */
        node->string = old->string;
        old->string = NULL;
        done = cJSON_ReplaceItemViaPointer(parent, old, node);
    }
    if (done)
        return CADRE_OK;
    cJSON_Delete(node);
    return cadre_fail(CADRE_ERR_NOMEM, "--set: out of memory for \"%s\"", key);
}

static cadre_status set_parts(cJSON *root, const char *path, char *const *parts, size_t n,
                              const char *value)
{
    cJSON *parent = root, *child = NULL, *node = NULL;
    for (size_t i = 0;; i++) {
        CADRE_TRY(step(path, parts[i], parent, &child));
        if (i == n - 1)
            break;
        if (!child) {
            node = cJSON_CreateObject();
            if (!node)
                return cadre_fail(CADRE_ERR_NOMEM, "--set %s: out of memory", path);
            CADRE_TRY(put(parent, parts[i], NULL, node));
            child = node;
        }
        parent = child;
    }
    CADRE_TRY(set_value(path, value, child, &node));
    return put(parent, parts[n - 1], child, node);
}

cadre_status cadre__json_set_path(cadre__json_doc *doc, const char *path,
                                  const char *value)
{
    char *parts[SET_PATH_PARTS];
    size_t n = 0;
    cadre_status st = CADRE_OK;
    char *copy = cadre__strdup(path);
    if (!copy)
        return CADRE_ERR_NOMEM;
    for (char *p = copy; p;) {
        char *dot = strchr(p, '.');
        if (dot)
            *dot++ = '\0';
        if (*p == '\0' || n == SET_PATH_PARTS) {
            st = cadre_fail(
                CADRE_ERR_INPUT,
                "--set %.200s: expected a path such as tiers.0.shards, of at most %d "
                "names with single dots between",
                path, SET_PATH_PARTS);
            break;
        }
        parts[n++] = p;
        p = dot;
    }
    if (st == CADRE_OK)
        st = set_parts(doc->root, path, parts, n, value);
    cadre__free(copy);
    return st;
}
