/* io/json_scan.c - a recursive-descent check of JSON text, bounded in depth. */
#include "io/json_scan.h"
#include <string.h>

/* cJSON copies a number into 64 bytes. */
#define NUMBER_BYTES 63

typedef struct cursor {
    const unsigned char *p, *end;
    const char *problem; /* NULL while all is well; p then stands at the flaw */
    bool tolerant;       /* strings may hold what is no text */
    const unsigned char *tolerated; /* the first of that, or NULL */
    const char *tolerated_problem;
} cursor;

const char cadre__json_not_utf8[] = "these bytes are not valid UTF-8";

static bool refuse(cursor *c, const char *problem)
{
    c->problem = problem;
    return false;
}

/* Something that is no text begins at start: go on behind it, or refuse it. */
static bool tolerate(cursor *c, const unsigned char *start, const char *problem)
{
    if (!c->tolerant)
        return refuse(c, problem);
    if (!c->tolerated) {
        c->tolerated = start;
        c->tolerated_problem = problem;
    }
    return true;
}

static void skip_blanks(cursor *c)
{
    while (c->p < c->end &&
           (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
        c->p++;
}

static bool at(const cursor *c, unsigned char byte)
{
    return c->p < c->end && *c->p == byte;
}

static bool at_digit(const cursor *c)
{
    return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

/* Bytes of the UTF-8 sequence at p (RFC 3629, section 4); 0 if it is none. */
static size_t utf8_bytes(const unsigned char *p, const unsigned char *end)
{
    const size_t left = (size_t)(end - p);
    const unsigned char lead = p[0];
    unsigned char low = 0x80, high = 0xBF; /* what the second byte may be */
    size_t n;

    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        n = 2;
    else if (lead >= 0xE0 && lead <= 0xEF)
        n = 3;
    else if (lead >= 0xF0 && lead <= 0xF4)
        n = 4;
    else
        return 0;
    if (lead == 0xE0)
        low = 0xA0; /* overlong below */
    else if (lead == 0xED)
        high = 0x9F; /* surrogates above */
    else if (lead == 0xF0)
        low = 0x90; /* overlong below */
    else if (lead == 0xF4)
        high = 0x8F; /* beyond U+10FFFF above */
    if (left < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

static bool scan_hex4(cursor *c, unsigned *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, c->p++) {
        if (c->p >= c->end)
            return refuse(c, "expected four hexadecimal digits after \\u");
        const unsigned char lower = *c->p | 0x20;
        if (*c->p >= '0' && *c->p <= '9')
            *value = *value * 16 + (unsigned)(*c->p - '0');
        else if (lower >= 'a' && lower <= 'f')
            *value = *value * 16 + (unsigned)(lower - 'a') + 10;
        else
            return refuse(c, "expected four hexadecimal digits after \\u");
    }
    return true;
}

static bool is_first_half(unsigned unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_second_half(unsigned unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* c stands behind "\u". */
static bool scan_unicode_escape(cursor *c)
{
    const unsigned char *start = c->p - 2;
    unsigned unit, second = 0;
    if (!scan_hex4(c, &unit))
        return false;
    if (unit == 0)
        return tolerate(c, start, "a string must not hold the NUL character (\\u0000)");
    if (is_second_half(unit))
        return tolerate(c, start, "the second half of a surrogate pair stands alone");
    if (!is_first_half(unit))
        return true;
    const unsigned char *behind = c->p;
    if (c->end - c->p >= 2 && c->p[0] == '\\' && c->p[1] == 'u') {
        c->p += 2;
        if (!scan_hex4(c, &second))
            return false;
    }
    if (is_second_half(second))
        return true;
    if (c->tolerant)
        c->p = behind; /* the second escape is a character of its own */
    return tolerate(c, start, "the first half of a surrogate pair stands alone");
}

static bool scan_escape(cursor *c)
{
    c->p++;
    if (c->p < c->end && *c->p && strchr("\"\\/bfnrt", *c->p)) {
        c->p++;
        return true;
    }
    if (!at(c, 'u'))
        return refuse(c, "expected one of \" \\ / b f n r t u after a backslash");
    c->p++;
    return scan_unicode_escape(c);
}

static bool scan_string(cursor *c)
{
    c->p++;
    for (;;) {
        while (c->p < c->end && *c->p >= 0x20 && *c->p < 0x80 && *c->p != '"' &&
               *c->p != '\\')
            c->p++;
        if (c->p >= c->end)
            return refuse(c, "expected '\"' at the end of a string");
        if (*c->p == '"') {
            c->p++;
            return true;
        }
        if (*c->p == '\\') {
            if (!scan_escape(c))
                return false;
        } else if (*c->p == '\n') {
            return refuse(
                c, "a string must end on its line: expected '\"', or \\n for a new line");
        } else if (*c->p < 0x20) {
            return refuse(
                c, "a control character inside a string must be written as an escape");
        } else {
            const size_t n = utf8_bytes(c->p, c->end);
            if (n == 0 && !tolerate(c, c->p, cadre__json_not_utf8))
                return false;
            c->p += n ? n : 1;
        }
    }
}

static bool scan_digits(cursor *c)
{
    if (!at_digit(c))
        return refuse(c, "expected a digit");
    while (at_digit(c))
        c->p++;
    return true;
}

static bool scan_number(cursor *c)
{
    const unsigned char *start = c->p;
    if (at(c, '-'))
        c->p++;
    if (at(c, '0')) {
        c->p++;
        if (at_digit(c))
            return refuse(c, "a number must not begin with a superfluous 0");
    } else if (!scan_digits(c)) {
        return false;
    }
    if (at(c, '.')) {
        c->p++;
        if (!scan_digits(c))
            return false;
    }
    if (at(c, 'e') || at(c, 'E')) {
        c->p++;
        if (at(c, '+') || at(c, '-'))
            c->p++;
        if (!scan_digits(c))
            return false;
    }
    if (c->p - start > NUMBER_BYTES) {
        c->p = start;
        return refuse(c, "a number may have 63 characters at most");
    }
    return true;
}

static bool scan_word(cursor *c, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
        return refuse(c, "expected a value");
    c->p += n;
    return true;
}

static bool scan_value(cursor *c, int depth);

static bool scan_object(cursor *c, int depth)
{
    c->p++;
    skip_blanks(c);
    if (at(c, '}')) {
        c->p++;
        return true;
    }
    for (;;) {
        if (!at(c, '"'))
            return refuse(c, "expected a key in quotes");
        if (!scan_string(c))
            return false;
        skip_blanks(c);
        if (!at(c, ':'))
            return refuse(c, "expected ':' after a key");
        c->p++;
        if (!scan_value(c, depth))
            return false;
        if (at(c, '}')) {
            c->p++;
            return true;
        }
        if (!at(c, ','))
            return refuse(c, "expected ',' or '}' after a member");
        c->p++;
        skip_blanks(c);
    }
}

static bool scan_array(cursor *c, int depth)
{
    c->p++;
    skip_blanks(c);
    if (at(c, ']')) {
        c->p++;
        return true;
    }
    for (;;) {
        if (!scan_value(c, depth))
            return false;
        if (at(c, ']')) {
            c->p++;
            return true;
        }
        if (!at(c, ','))
            return refuse(c, "expected ',' or ']' after an element");
        c->p++;
    }
}

/* A value with the blanks around it. */
static bool scan_value(cursor *c, int depth)
{
    bool fine;
    skip_blanks(c);
    if (c->p >= c->end)
        return refuse(c, "expected a value");
    const unsigned char first = *c->p;
    if ((first == '{' || first == '[') && depth == CADRE__JSON_DEPTH)
        return refuse(c, "values are nested deeper than 64 levels");
    if (first == '{')
        fine = scan_object(c, depth + 1);
    else if (first == '[')
        fine = scan_array(c, depth + 1);
    else if (first == '"')
        fine = scan_string(c);
    else if (first == '-' || at_digit(c))
        fine = scan_number(c);
    else
        fine = scan_word(c, first == 't' ? "true" : first == 'f' ? "false" : "null");
    if (fine)
        skip_blanks(c);
    return fine;
}

/* Editors on some systems begin a file with a byte order mark; cJSON skips it too. */
static size_t mark_bytes(const char *text, size_t size)
{
    return size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

/* Tolerant, since what was accepted need not be judged again. */
static cursor cursor_at(const char *text, size_t size, size_t offset)
{
    const unsigned char *bytes = (const unsigned char *)text;
    return (cursor){.p = bytes + offset, .end = bytes + size, .tolerant = true};
}

static bool scan(cursor *c, const char *text, cadre__json_flaw *flaw)
{
    if (scan_value(c, 0) && c->p < c->end)
        refuse(c, "expected nothing more after the value");
    flaw->offset = (size_t)(c->p - (const unsigned char *)text);
    flaw->problem = c->problem;
    return c->problem == NULL;
}

bool cadre__json_scan(const char *text, size_t size, cadre__json_flaw *flaw)
{
    cursor c = cursor_at(text, size, mark_bytes(text, size));
    c.tolerant = false;
    return scan(&c, text, flaw);
}

bool cadre__json_scan_tolerant(const char *text, size_t size, cadre__json_flaw *flaw)
{
    cursor c = cursor_at(text, size, mark_bytes(text, size));
    if (!scan(&c, text, flaw))
        return false;
    if (c.tolerated)
        *flaw = (cadre__json_flaw){
            .offset = (size_t)(c.tolerated - (const unsigned char *)text),
            .problem = c.tolerated_problem};
    return true;
}

/* The unit of the escape \uXXXX at text, of at most size bytes; 0x10000 if there is
 * none. */
static unsigned unit_at(const char *text, size_t size)
{
    cursor c = cursor_at(text, size, 2);
    unsigned unit;
    if (size < 6 || text[0] != '\\' || text[1] != 'u' || !scan_hex4(&c, &unit))
        return 0x10000;
    return unit;
}

/* The unit as UTF-8 would write it if it were a character: one that is not short enough,
 * or one that is none. Returns the bytes written. */
static size_t write_no_character(unsigned unit, char *out)
{
    if (unit == 0) {
        memcpy(out, "\xC0\x80", 2);
        return 2;
    }
    out[0] = (char)(0xE0 | unit >> 12);
    out[1] = (char)(0x80 | (unit >> 6 & 0x3F));
    out[2] = (char)(0x80 | (unit & 0x3F));
    return 3;
}

size_t cadre__json_scan_mark(char *text, size_t size)
{
    size_t used = 0, n;
    for (size_t i = 0; i < size; i += n) {
        const unsigned unit = unit_at(text + i, size - i);
        n = text[i] == '\\' ? (unit < 0x10000 ? 6 : 2) : 1;
        if (is_first_half(unit) && is_second_half(unit_at(text + i + 6, size - i - 6))) {
            n = 12;
        } else if (unit == 0 || is_first_half(unit) || is_second_half(unit)) {
            used += write_no_character(unit, text + used);
            continue;
        }
        memmove(text + used, text + i, n);
        used += n;
    }
    return used;
}

size_t cadre__json_scan_root(const char *text, size_t size)
{
    cursor c = cursor_at(text, size, mark_bytes(text, size));
    skip_blanks(&c);
    return (size_t)((const char *)c.p - text);
}

size_t cadre__json_scan_end(const char *text, size_t size, size_t offset)
{
    cursor c = cursor_at(text, size, offset);
    (void)scan_value(&c, 0);
    while (c.p > (const unsigned char *)text + offset &&
           (c.p[-1] == ' ' || c.p[-1] == '\t' || c.p[-1] == '\n' || c.p[-1] == '\r'))
        c.p--;
    return (size_t)((const char *)c.p - text);
}

size_t cadre__json_scan_child(const char *text, size_t size, size_t offset, size_t index)
{
    cursor c = cursor_at(text, size, offset);
    const bool object = at(&c, '{');
    for (size_t i = 0;; i++) {
        c.p++; /* '{' or '[' the first time, ',' later */
        skip_blanks(&c);
        if (object) {
            (void)scan_string(&c);
            skip_blanks(&c);
            c.p++;
            skip_blanks(&c);
        }
        if (i == index)
            return (size_t)((const char *)c.p - text);
        (void)scan_value(&c, 0);
    }
}

void cadre__json_scan_place(const char *text, size_t offset, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text[i] & 0xC0) != 0x80) {
            ++*column;
        }
    }
}
