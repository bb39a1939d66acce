/* utf8.h - characters of UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing
 * beyond U+10FFFF.
 */
#ifndef TF_UTF8_H
#define TF_UTF8_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at text[bytes] (1 to 4), and its code point in *code unless that
 * is NULL. 0: these bytes are none, or the first part of one that is cut off. Local. */
size_t tf_utf8_decode(const char *text, size_t bytes, uint32_t *code);

/* How many bytes at the start of text are whole characters: `bytes` if it is valid.
 * Local. */
size_t tf_utf8_valid(const char *text, size_t bytes);

/* How many bytes of text do not belong to a character that is cut off at its end, and may
 * be given out before more comes. Bytes that no further byte can make valid count, too,
 * since waiting does not help them. Local. */
size_t tf_utf8_complete(const char *text, size_t bytes);

/* What tf_utf8_append_valid() can need at most: every byte may become U+FFFD. */
#define TF_UTF8_GROWTH 3

/* Copy text to out, each longest part of a character that is not whole as one U+FFFD
 * (Unicode 15, section 3.9, the practice that W3C follows). out has room for
 * TF_UTF8_GROWTH * bytes; returns the bytes written. Local. */
size_t tf_utf8_append_valid(char *out, const char *text, size_t bytes);

#endif
