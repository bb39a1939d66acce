/* run/word_list.c - lists and names in arguments. */
#include "run/word_list.h"
#include "core/text.h"
#include <string.h>

cadre_status cadre__words_read(const char *list, const char *option,
                               cadre__word_list *out)
{
    const char *at = list;

    out->n = 0;
    for (;;) {
        const size_t length = strcspn(at, ",");
        if (length == 0 || length >= sizeof out->words[0] || out->n == CADRE__MAX_WORDS)
            return cadre_fail(CADRE_ERR_ARG,
                              "%s: expected up to %d names with commas between, found "
                              "\"%.80s\"",
                              option, CADRE__MAX_WORDS, list);
        memcpy(out->words[out->n], at, length);
        out->words[out->n++][length] = '\0';
        if (at[length] == '\0')
            return CADRE_OK;
        at += length + 1;
    }
}

bool cadre__words_have(const cadre__word_list *list, const char *word)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->words[i], word) == 0)
            return true;
    return false;
}

/* One size, or a range of them; *at moves on. False if it is neither. */
static bool read_sizes(const char **at, size_t most, cadre__size_list *out)
{
    size_t first, last;

    if (!cadre__read_bytes(*at, at, &first))
        return false;
    last = first;
    if (**at == '-' && !cadre__read_bytes(*at + 1, at, &last))
        return false;
    if (first == 0 || last < first || last > most ||
        (out->n > 0 && first <= out->bytes[out->n - 1]))
        return false;
    for (size_t bytes = first; bytes <= last; bytes *= 4) {
        if (out->n == CADRE__MAX_SIZES)
            return false;
        out->bytes[out->n++] = bytes;
    }
    return true;
}

cadre_status cadre__sizes_read(const char *list, const char *option, size_t most,
                               cadre__size_list *out)
{
    const char *at = list;

    out->n = 0;
    while (read_sizes(&at, most, out)) {
        if (*at == '\0')
            return CADRE_OK;
        if (*at++ != ',')
            break;
    }
    return cadre_fail(CADRE_ERR_ARG,
                      "%s: expected ascending sizes of 1 to %zu bytes, as 4-64M (each 4 "
                      "times the one before) or 8,1k,1M, found \"%.80s\"",
                      option, most, list);
}

/* ---- Names ---- */

static cadre_status by_name(const char *what, const char *name, const char *const *names,
                            size_t n, int *out)
{
    cadre__text known = {0};
    size_t i = 0;

    for (; i < n && strcmp(names[i], name) != 0; i++)
        cadre__text_printf(&known, "%s%s", i > 0 ? ", " : "", names[i]);
    *out = (int)i;
    const cadre_status st =
        i < n ? CADRE_OK
              : cadre_fail(CADRE_ERR_ARG, "there is no %s \"%.40s\"; there are %s", what,
                           name, cadre__text_string(&known));
    cadre__text_fini(&known);
    return st;
}

static cadre_status collective_by_name(const char *name, cadre_collective *out)
{
    static const char *const names[] = {
#define X(id, text) text,
        CADRE_COLLECTIVE_LIST(X)
#undef X
    };
    int index;

    CADRE_TRY(by_name("collective", name, names, CADRE_N_COLLECTIVES, &index));
    *out = (cadre_collective)index;
    return CADRE_OK;
}

cadre_status cadre__collectives_read(const char *list, const char *option,
                                     bool out[CADRE_N_COLLECTIVES])
{
    const bool all = list == NULL || strcmp(list, "all") == 0;
    cadre__word_list names = {0};

    if (!all)
        CADRE_TRY(cadre__words_read(list, option, &names));
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++)
        out[c] = all;
    for (size_t i = 0; i < names.n; i++) {
        cadre_collective c;
        CADRE_TRY(collective_by_name(names.words[i], &c));
        out[c] = true;
    }
    return CADRE_OK;
}

cadre_status cadre__dtype_by_name(const char *name, cadre_dtype *out)
{
    static const char *const names[] = {
#define X(id, text, type) text,
        CADRE_DTYPE_LIST(X)
#undef X
    };
    int index;

    CADRE_TRY(by_name("type", name, names, CADRE_N_DTYPES, &index));
    *out = (cadre_dtype)index;
    return CADRE_OK;
}

cadre_status cadre__reduction_by_name(const char *name, cadre_reduction *out)
{
    static const char *const names[] = {
#define X(id, text) text,
        CADRE_REDUCTION_LIST(X)
#undef X
    };
    int index;

    CADRE_TRY(by_name("reduction", name, names, CADRE_N_REDUCTIONS, &index));
    *out = (cadre_reduction)index;
    return CADRE_OK;
}
