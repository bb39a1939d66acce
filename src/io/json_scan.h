/* io/json_scan.h - the strict grammar of JSON (RFC 8259) and positions in its text.
 *
 * cJSON is lenient (raw control characters, leading zeros, NUL by escape) and keeps no
 * positions. This scanner builds nothing: it accepts or refuses a text, and finds
 * where in an accepted text a node stands.
 */
#ifndef CADRE_IO_JSON_SCAN_H
#define CADRE_IO_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#define CADRE__JSON_DEPTH 64 /* containers inside each other, at most */

typedef struct cadre__json_flaw {
    size_t offset;       /* of the byte that is wrong; size: the text ends too early */
    const char *problem; /* static; behind "expected ..." comes what was found */
} cadre__json_flaw;

/* Is text[0..size) exactly one JSON value, in valid UTF-8, without NUL? If not, why. */
bool cadre__json_scan(const char *text, size_t size, cadre__json_flaw *flaw);
extern const char cadre__json_not_utf8[]; /* the problem of bytes that are not */

/* The same, but strings may hold what is no text: bytes that are no UTF-8, \u0000, halves
 * of surrogate pairs. *flaw is the first of that then, of a text that was accepted; its
 * problem is NULL if there is none. */
bool cadre__json_scan_tolerant(const char *text, size_t size, cadre__json_flaw *flaw);
/* Replace, in a text that was accepted so, each \u0000 and half of a pair by bytes that
 * are no UTF-8 (C0 80; what its three bytes would be), which parsers pass on where they
 * would stop at the escape. Returns the bytes that are left. */
size_t cadre__json_scan_mark(char *text, size_t size);

/* The following take a text that was accepted. Offset of its value; of the value of child
 * `index` (which must be there) of the container at offset; and behind the value at
 * offset. */
size_t cadre__json_scan_root(const char *text, size_t size);
size_t cadre__json_scan_child(const char *text, size_t size, size_t offset, size_t index);
size_t cadre__json_scan_end(const char *text, size_t size, size_t offset);

/* Line and column of an offset, both from 1; columns count characters. */
void cadre__json_scan_place(const char *text, size_t offset, size_t *line,
                            size_t *column);

#endif
