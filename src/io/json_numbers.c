/* io/json_numbers.c - arrays of numbers without a tree. */
#include "io/json_numbers.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes of the array of numbers that begins at text; 0 if something else is in it or
 * nothing. */
static size_t number_array_bytes(const char *text, size_t size)
{
    bool any = false;
    for (size_t i = 1; i < size; i++) {
        if (text[i] == ']')
            return any ? i + 1 : 0;
        if (is_digit(text[i]))
            any = true;
        else if (!text[i] || !strchr("+-.eE, \t\r\n", text[i]))
            return 0;
    }
    return 0;
}

static size_t string_bytes(const char *text, size_t size)
{
    size_t i = 1;
    while (i < size && text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    return i < size ? i + 1 : size;
}

size_t cadre__json_numbers_cut(const char *text, size_t size, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < size;) {
        size_t n = 1;
        if (text[i] == '"')
            n = string_bytes(text + i, size - i);
        else if (text[i] == '[' && (n = number_array_bytes(text + i, size - i)) > 0) {
            memcpy(out + used, "[]", 2);
            used += 2;
            i += n;
            continue;
        }
        n = n ? n : 1;
        memcpy(out + used, text + i, n);
        used += n;
        i += n;
    }
    return used;
}

size_t cadre__json_numbers_count(const char *text, size_t size)
{
    size_t n = 0;
    bool any = false;
    for (size_t i = 1; i < size && text[i] != ']'; i++) {
        any |= is_digit(text[i]);
        n += text[i] == ',';
    }
    return any ? n + 1 : 0;
}

/* A decimal of at most 2^53 times or over at most 10^22 is one correctly rounded
 * operation on exact doubles (Clinger, How to Read Floating Point Numbers Accurately,
 * 1990); all others are strtod's. */
static double read_number(const char *text, const char **end)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *p = text + (*text == '-');
    uint64_t digits = 0;
    int n_digits = 0, exponent = 0;
    for (; is_digit(*p); p++, n_digits++)
        digits = digits * 10 + (uint64_t)(*p - '0');
    if (*p == '.')
        for (p++; is_digit(*p); p++, n_digits++, exponent--)
            digits = digits * 10 + (uint64_t)(*p - '0');
    if (n_digits > 19 || digits > UINT64_C(1) << 53 || exponent < -22 || *p == 'e' ||
        *p == 'E') {
        char *stopped;
        const double value = strtod(text, &stopped);
        *end = stopped;
        return value;
    }
    *end = p;
    const double value = (double)digits / powers[-exponent];
    return *text == '-' ? -value : value;
}

size_t cadre__json_numbers_read(const char *text, size_t n, float *out)
{
    const char *p = text;
    for (size_t i = 0; i < n; i++) {
        while (!is_digit(*p) && *p != '-')
            p++;
        const double value = read_number(p, &p);
        if (!(fabs(value) <= FLT_MAX))
            return i;
        out[i] = (float)value;
    }
    return n;
}
