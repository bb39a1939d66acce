/* io/json.h - JSON by cJSON, with what it lacks: positions in error messages, duplicate
 * keys refused, typed getters that say what was found and what was expected.
 *
 * A cadre__json_doc is a parsed file or string. Nodes are borrowed from it. Errors read
 *     jobs/a.json:12: tiers[0].price.input_per_1k: expected a decimal string >= 0, found
 * -1
 */
#ifndef CADRE_IO_JSON_H
#define CADRE_IO_JSON_H

#include "core/text.h"
#include <cadre/money.h>
#include <cadre/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cadre__json_doc cadre__json_doc;
typedef struct cJSON cadre__json; /* a node; only io sees inside */

/* Parse text[0..size). `origin` names it in errors; first_line is the line number of its
 * first line (1 for a file; a JSONL reader passes the line it is at; 0 for a text that
 * has no lines that anybody would know, which errors then do not name). The caller owns
 * *out.
 * CADRE_ERR_INPUT  origin:line:column: what was wrong; also for a duplicate key, a NUL
 *                  byte, invalid UTF-8, nesting deeper than 64, text after the value */
cadre_status cadre__json_parse(const char *origin, size_t first_line, const char *text,
                               size_t size, cadre__json_doc **out);
/* The same, but arrays of nothing but numbers are empty in the tree, for long rows:
 * cadre__json_n_numbers and cadre__json_read_floats read them. And strings may hold what
 * is no text, which stands in the tree as bytes that are no UTF-8: ask
 * cadre__json_is_text before using one. */
cadre_status cadre__json_parse_lean(const char *origin, size_t first_line,
                                    const char *text, size_t size, cadre__json_doc **out);
/* cadre__json_parse for a file of at most max_bytes. CADRE_ERR_NOT_FOUND,
 * CADRE_ERR_IO. */
cadre_status cadre__json_parse_file(const char *path, size_t max_bytes,
                                    cadre__json_doc **out);
/* Whether all keys and strings of node and what it holds are text (valid UTF-8, no NUL,
 * no half of a surrogate pair), those of `besides` (NULL: nothing) not looked at; what is
 * wrong with the first of the document that is none (NULL: nothing, or one of
 * json_scan.h's sentences); and to fail there. */
bool cadre__json_is_text(const cadre__json_doc *doc, const cadre__json *node,
                         const cadre__json *besides);
const char *cadre__json_text_problem(const cadre__json_doc *doc);
cadre_status cadre__json_fail_text(const cadre__json_doc *doc);
void cadre__json_doc_destroy(cadre__json_doc *doc);
cadre__json *cadre__json_root(const cadre__json_doc *doc);

/* Fail with CADRE_ERR_INPUT at this node: "origin:line: path: " and the sentence. A node
 * that came from cadre__json_set_path has "origin (--set path)" instead of a line. */
cadre_status cadre__json_fail(const cadre__json_doc *doc, const cadre__json *node,
                              const char *fmt, ...) CADRE_PRINTF(3, 4);

/* "the number 5.0", "an array of 3": what stands at a node, for sentences; into buf,
 * which is returned. */
const char *cadre__json_found(const cadre__json_doc *doc, const cadre__json *node,
                              char *buf, size_t size);

/* Every key of object must be in known[0..n); otherwise CADRE_ERR_INPUT with the
 * nearest. */
cadre_status cadre__json_only_keys(const cadre__json_doc *doc, const cadre__json *object,
                                   const char *const *known, size_t n);

/* Children; NULL if there is none. */
cadre__json *cadre__json_member(const cadre__json *object, const char *key);
cadre__json *cadre__json_element(const cadre__json *array,
                                 size_t index); /* walks: use next in loops */
cadre__json *cadre__json_first(const cadre__json *container);
cadre__json *cadre__json_next(const cadre__json *node);
size_t cadre__json_length(const cadre__json *container);
const char *cadre__json_key(const cadre__json *node);
bool cadre__json_is_object(const cadre__json *node);
bool cadre__json_is_array(const cadre__json *node);
bool cadre__json_is_string(const cadre__json *node);
bool cadre__json_is_number(const cadre__json *node);
bool cadre__json_is_null(const cadre__json *node); /* of a node that is there */
const char *cadre__json_string_or(const cadre__json *node, const char *fallback);
double cadre__json_number_or(const cadre__json *node, double fallback);
bool cadre__json_bool_or(const cadre__json *node, bool fallback);

/* Typed members: out keeps its value (the default) when key is absent and not required.
 * CADRE_ERR_INPUT  absent but required, another type, or out of range. Strings are
 * borrowed. */
cadre_status cadre__json_get_string(const cadre__json_doc *doc, const cadre__json *object,
                                    const char *key, bool required, const char **out);
cadre_status cadre__json_get_integer(const cadre__json_doc *doc,
                                     const cadre__json *object, const char *key,
                                     bool required, int64_t min, int64_t max,
                                     int64_t *out);
cadre_status cadre__json_get_number(const cadre__json_doc *doc, const cadre__json *object,
                                    const char *key, bool required, double min,
                                    double max, double *out);
cadre_status cadre__json_get_bool(const cadre__json_doc *doc, const cadre__json *object,
                                  const char *key, bool required, bool *out);
/* A decimal string (or, exactly convertible, a JSON number is refused: money is a
 * string). */
cadre_status cadre__json_get_money(const cadre__json_doc *doc, const cadre__json *object,
                                   const char *key, bool required, cadre_money min,
                                   cadre_money *out);

/* How many numbers an array of a lean document has, and all n of them. 0 for an array
 * that is empty or has anything else in it.
 * CADRE_ERR_INPUT  one of them does not fit 32-bit floating point */
size_t cadre__json_n_numbers(const cadre__json_doc *doc, const cadre__json *array);
cadre_status cadre__json_read_floats(const cadre__json_doc *doc, const cadre__json *array,
                                     size_t n, float *out);

/* Replace or add the value at a path such as "tiers.0.shards" by `value`: JSON if it
 * parses as such, else a string; where a string is replaced, a number stays the text it
 * is (tenants.0.budget=5.0 needs no quotes). Objects on the way are made where absent.
 * CADRE_ERR_INPUT if the path leads through a scalar or past an array. */
cadre_status cadre__json_set_path(cadre__json_doc *doc, const char *path,
                                  const char *value);

/* Building. A node created here and not added anywhere is destroyed with
 * cadre__json_destroy. Adding to an object takes ownership; a failed addition (no memory)
 * destroys the child; the final cadre__json_print returns NULL if any allocation had
 * failed on the way down. */
cadre__json *cadre__json_new_object(void);
cadre__json *cadre__json_new_array(void);
void cadre__json_add(cadre__json *parent, const char *key,
                     cadre__json *child); /* key NULL: array */
void cadre__json_add_string(cadre__json *parent, const char *key,
                            const char *value); /* NULL: null */
void cadre__json_add_number(cadre__json *parent, const char *key, double value);
void cadre__json_add_integer(cadre__json *parent, const char *key,
                             int64_t value); /* exact */
void cadre__json_add_bool(cadre__json *parent, const char *key, bool value);
void cadre__json_add_money(cadre__json *parent, const char *key,
                           cadre_money value); /* decimal string */
void cadre__json_remove(cadre__json *object,
                        const char *key); /* and destroy; absent: nothing */
void cadre__json_destroy(cadre__json *node);
cadre__json *cadre__json_copy(const cadre__json *node);

/* Text with a final newline if pretty, on one line if not. The caller frees it with
 * cadre__free(); NULL when out of memory. */
char *cadre__json_print(const cadre__json *node, bool pretty);

/* Append a tree, pretty, to *out, and destroy it. CADRE_ERR_NOMEM */
cadre_status cadre__json_append(cadre__json *root, cadre__text *out);

#endif
