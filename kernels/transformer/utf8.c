/* utf8.c - checking and repairing UTF-8. */
#include "utf8.h"
#include <string.h>

/* Bytes of a character by its first byte, and what its second may be; 0: no first byte.
 */
static size_t lead_bytes(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead == 0xE0)
        *low = 0xA0; /* overlong below */
    else if (lead == 0xED)
        *high = 0x9F; /* surrogates above */
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    if (lead == 0xF0)
        *low = 0x90; /* overlong below */
    else if (lead == 0xF4)
        *high = 0x8F; /* beyond U+10FFFF above */
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

/* How many bytes at text can be the start of a character, at most a whole one; *whole
 * says how many it would have. */
static size_t good_bytes(const char *text, size_t bytes, size_t *whole)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned char low, high;
    size_t n = 1;
    *whole = lead_bytes(p[0], &low, &high);
    if (*whole == 0)
        return 0;
    if (n < *whole && n < bytes && p[1] >= low && p[1] <= high)
        for (n = 2; n < *whole && n < bytes && (p[n] & 0xC0) == 0x80;)
            n++;
    return n;
}

size_t tf_utf8_decode(const char *text, size_t bytes, uint32_t *code)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t whole;
    if (bytes == 0 || good_bytes(text, bytes, &whole) != whole || whole == 0)
        return 0;
    if (code) {
        uint32_t value = whole == 1 ? p[0] : p[0] & (0xFFu >> (whole + 1));
        for (size_t i = 1; i < whole; i++)
            value = value << 6 | (p[i] & 0x3Fu);
        *code = value;
    }
    return whole;
}

size_t tf_utf8_valid(const char *text, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        const size_t n = (unsigned char)text[at] < 0x80
                             ? 1
                             : tf_utf8_decode(text + at, bytes - at, NULL);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

size_t tf_utf8_complete(const char *text, size_t bytes)
{
    /* A character that is cut off begins in the last three bytes. */
    for (size_t back = 1; back <= 3 && back <= bytes; back++) {
        const char *start = text + bytes - back;
        size_t whole;
        if (((unsigned char)*start & 0xC0) == 0x80)
            continue;
        return good_bytes(start, back, &whole) == back && whole > back ? bytes - back
                                                                       : bytes;
    }
    return bytes;
}

size_t tf_utf8_append_valid(char *out, const char *text, size_t bytes)
{
    size_t written = 0;
    for (size_t at = 0; at < bytes;) {
        size_t whole;
        const size_t good = good_bytes(text + at, bytes - at, &whole);
        if (good == whole && whole > 0) {
            memcpy(out + written, text + at, good);
            written += good;
        } else {
            memcpy(out + written, "\xEF\xBF\xBD", 3);
            written += 3;
        }
        at += good ? good : 1;
    }
    return written;
}
