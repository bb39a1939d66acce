/* io/json_text.h - writing JSON as text, where trees of nodes would be too slow. */
#ifndef CADRE_IO_JSON_TEXT_H
#define CADRE_IO_JSON_TEXT_H

#include "core/text.h"

/* How many of bytes[0..n) come before the first that is not valid UTF-8; n if all are. */
size_t cadre__utf8_valid_bytes(const char *bytes, size_t n);

/* Append bytes[0..n) as UTF-8: each byte that is not part of a valid sequence becomes
 * U+FFFD. */
void cadre__text_utf8(cadre__text *text, const char *bytes, size_t n);

/* The same as a JSON string, with its quotes. */
void cadre__text_json_string(cadre__text *text, const char *bytes, size_t n);

#endif
