/* core/status.c - status codes and the thread's last error. */
#include <cadre/status.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SENTENCE_BYTES 2048

static _Thread_local char sentence[SENTENCE_BYTES];
static _Thread_local char where[128];

const char *cadre_version(void)
{
    return CADRE_VERSION;
}

const char *cadre_status_name(cadre_status st)
{
    switch (st) {
#define X(name, value, text)                                                             \
    case CADRE_##name:                                                                   \
        return #name;
        CADRE_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

const char *cadre_status_text(cadre_status st)
{
    switch (st) {
#define X(name, value, text)                                                             \
    case CADRE_##name:                                                                   \
        return text;
        CADRE_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

const char *cadre_last_error(void)
{
    return sentence;
}

const char *cadre_last_error_where(void)
{
    return where;
}

cadre_status cadre_fail_at(const char *file, int line, cadre_status code, const char *fmt,
                           ...)
{
    /* Formatted aside first: an argument may be the last sentence itself. */
    char text[SENTENCE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    memcpy(sentence, text, sizeof sentence);
    snprintf(where, sizeof where, "%s:%d", file, line);
    return code;
}

cadre_status cadre_context(cadre_status st, const char *fmt, ...)
{
    if (st == CADRE_OK)
        return st;
    char text[SENTENCE_BYTES];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0)
        return st;
    /* A sentence that grows too long loses its end. */
    size_t used = (size_t)n < sizeof text - 3 ? (size_t)n : sizeof text - 3;
    text[used++] = ':';
    text[used++] = ' ';
    const size_t kept = strnlen(sentence, sizeof text - 1 - used);
    memcpy(text + used, sentence, kept);
    text[used + kept] = '\0';
    memcpy(sentence, text, sizeof sentence);
    return st;
}
