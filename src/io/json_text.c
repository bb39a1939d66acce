/* io/json_text.c - writing JSON as text: the one escaper. */
#include "io/json_text.h"
#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Bytes of the UTF-8 sequence that starts at s, of at most n; 0 if it is not valid: too
 * short, longer than needed, a surrogate, or above U+10FFFF (RFC 3629). */
static size_t sequence_bytes(const unsigned char *s, size_t n)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t size = s[0] < 0x80             ? 1
                        : (s[0] & 0xe0) == 0xc0 ? 2
                        : (s[0] & 0xf0) == 0xe0 ? 3
                        : (s[0] & 0xf8) == 0xf0 ? 4
                                                : 0;
    if (size == 0 || size > n)
        return 0;
    if (size == 1)
        return 1;
    uint32_t code = s[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return size;
}

size_t cadre__utf8_valid_bytes(const char *bytes, size_t n)
{
    size_t i = 0, size;
    while (i < n && (size = sequence_bytes((const unsigned char *)bytes + i, n - i)))
        i += size;
    return i;
}

void cadre__text_utf8(cadre__text *text, const char *bytes, size_t n)
{
    size_t kept = 0; /* start of the valid stretch not yet appended */
    for (size_t i = 0; i < n;) {
        const size_t size = sequence_bytes((const unsigned char *)bytes + i, n - i);
        if (size == 0) {
            cadre__text_append(text, bytes + kept, i - kept);
            cadre__text_puts(text, REPLACEMENT);
            kept = i + 1;
        }
        i += size ? size : 1;
    }
    cadre__text_append(text, bytes + kept, n - kept);
}

static void append_escape(cadre__text *text, unsigned char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = c ? strchr(plain, c) : NULL;
    if (at) {
        const char escape[2] = {'\\', letters[at - plain]};
        cadre__text_append(text, escape, 2);
    } else
        cadre__text_printf(text, "\\u%04x", c);
}

void cadre__text_json_string(cadre__text *text, const char *bytes, size_t n)
{
    size_t kept = 0;
    cadre__text_append(text, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)bytes[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        /* What needs an escape is ASCII, so it never cuts a valid sequence. */
        cadre__text_utf8(text, bytes + kept, i - kept);
        append_escape(text, c);
        kept = i + 1;
    }
    cadre__text_utf8(text, bytes + kept, n - kept);
    cadre__text_append(text, "\"", 1);
}
