/* io/options.c - what kernels read from their tier's "options" (cadre/options.h). */
#include "io/json.h"
#include <cadre/options.h>
#include <string.h>

/* Parse options; *node is the member, NULL if it is absent. The caller destroys *doc. */
static cadre_status open_options(const char *options, const char *key,
                                 cadre__json_doc **doc, const cadre__json **node)
{
    char found[128];
    CADRE_TRY(cadre__json_parse("options", 0, options, strlen(options), doc));
    const cadre__json *root = cadre__json_root(*doc);
    if (cadre__json_is_object(root)) {
        *node = key ? cadre__json_member(root, key) : NULL;
        return CADRE_OK;
    }
    const cadre_status st =
        cadre__json_fail(*doc, root, "expected an object, found %s",
                         cadre__json_found(*doc, root, found, sizeof found));
    cadre__json_doc_destroy(*doc);
    return st;
}

cadre_status cadre_options_check(const char *options, const char *const *known, size_t n)
{
    cadre__json_doc *doc = NULL;
    const cadre__json *node = NULL;
    CADRE_TRY(open_options(options, NULL, &doc, &node));
    const cadre_status st = cadre__json_only_keys(doc, cadre__json_root(doc), known, n);
    cadre__json_doc_destroy(doc);
    return st;
}

cadre_status cadre_option_integer(const char *options, const char *key, int64_t min,
                                  int64_t max, int64_t *out)
{
    cadre__json_doc *doc = NULL;
    const cadre__json *node = NULL;
    CADRE_TRY(open_options(options, key, &doc, &node));
    const cadre_status st =
        cadre__json_get_integer(doc, cadre__json_root(doc), key, false, min, max, out);
    cadre__json_doc_destroy(doc);
    return st;
}

cadre_status cadre_option_number(const char *options, const char *key, double min,
                                 double max, double *out)
{
    cadre__json_doc *doc = NULL;
    const cadre__json *node = NULL;
    CADRE_TRY(open_options(options, key, &doc, &node));
    const cadre_status st =
        cadre__json_get_number(doc, cadre__json_root(doc), key, false, min, max, out);
    cadre__json_doc_destroy(doc);
    return st;
}

cadre_status cadre_option_boolean(const char *options, const char *key, int *out)
{
    cadre__json_doc *doc = NULL;
    const cadre__json *node = NULL;
    bool value = *out != 0;
    CADRE_TRY(open_options(options, key, &doc, &node));
    const cadre_status st =
        cadre__json_get_bool(doc, cadre__json_root(doc), key, false, &value);
    cadre__json_doc_destroy(doc);
    if (st == CADRE_OK && node)
        *out = value;
    return st;
}

static cadre_status copy_string(const cadre__json_doc *doc, const cadre__json *node,
                                const char *key, char *buf, size_t size)
{
    const char *text = NULL;
    if (!node)
        return CADRE_OK;
    CADRE_TRY(cadre__json_get_string(doc, cadre__json_root(doc), key, true, &text));
    const size_t n = strlen(text) + 1;
    if (n > size)
        return cadre_fail(
            CADRE_ERR_RANGE,
            "options: %s: expected a string of fewer than %zu bytes, found %zu", key,
            size, n - 1);
    memcpy(buf, text, n);
    return CADRE_OK;
}

cadre_status cadre_option_string(const char *options, const char *key, char *buf,
                                 size_t size)
{
    cadre__json_doc *doc = NULL;
    const cadre__json *node = NULL;
    CADRE_TRY(open_options(options, key, &doc, &node));
    const cadre_status st = copy_string(doc, node, key, buf, size);
    cadre__json_doc_destroy(doc);
    return st;
}

static bool is_whole(double value, int64_t min, int64_t max)
{
    /* Beyond 2^53 a double skips whole numbers. */
    return value > -9007199254740992.0 && value < 9007199254740992.0 &&
           value == (double)(int64_t)value && (int64_t)value >= min &&
           (int64_t)value <= max;
}

/* Nothing is written to out or n before all is known to be right. */
static cadre_status copy_integers(const cadre__json_doc *doc, const cadre__json *array,
                                  int64_t min, int64_t max, int64_t *out, size_t max_n,
                                  size_t *n)
{
    char found[128];
    size_t i = 0;
    if (!array)
        return CADRE_OK;
    if (!cadre__json_is_array(array))
        return cadre__json_fail(doc, array,
                                "expected an array of whole numbers, found %s",
                                cadre__json_found(doc, array, found, sizeof found));
    for (const cadre__json *node = cadre__json_first(array); node;
         node = cadre__json_next(node))
        if (!is_whole(cadre__json_number_or(node, 1e300), min, max))
            return cadre__json_fail(doc, node,
                                    "expected a whole number from %lld to %lld, found %s",
                                    (long long)min, (long long)max,
                                    cadre__json_found(doc, node, found, sizeof found));
    if (cadre__json_length(array) > max_n)
        return cadre_fail(CADRE_ERR_RANGE,
                          "options: %s: expected at most %zu numbers, found %zu",
                          cadre__json_key(array), max_n, cadre__json_length(array));
    for (const cadre__json *node = cadre__json_first(array); node;
         node = cadre__json_next(node))
        out[i++] = (int64_t)cadre__json_number_or(node, 0);
    *n = i;
    return CADRE_OK;
}

cadre_status cadre_option_integers(const char *options, const char *key, int64_t min,
                                   int64_t max, int64_t *out, size_t max_n, size_t *n)
{
    cadre__json_doc *doc = NULL;
    const cadre__json *node = NULL;
    CADRE_TRY(open_options(options, key, &doc, &node));
    const cadre_status st = copy_integers(doc, node, min, max, out, max_n, n);
    cadre__json_doc_destroy(doc);
    return st;
}
