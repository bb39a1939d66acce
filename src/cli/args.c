/* cli/args.c - the parser behind every command. Unknown options are errors that name the
 * nearest known one: a mistyped option that is passed over costs a night on a cluster. */
#include "cli/args.h"
#include "cli/help.h"
#include "core/text.h"
#include "run/run.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 24

static const cadre__option *find_option(const cadre__command *command, const char *name,
                                        size_t length)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const char *known = command->options[i].name;
        if (strlen(known) == length && strncmp(known, name, length) == 0)
            return &command->options[i];
    }
    return NULL;
}

static cadre_status unknown_option(const cadre__command *command, const char *argument)
{
    const char *names[MAX_OPTIONS];
    char name[64];
    size_t n = 0;

    const char *bare = argument + strspn(argument, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(bare, "="), bare);
    while (n < command->n_options && n < MAX_OPTIONS) {
        names[n] = command->options[n].name;
        n++;
    }
    const char *near = cadre__nearest(name, names, n);
    return cadre_fail(CADRE_ERR_ARG, "unknown option %s%s%s%s", argument,
                      near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static cadre_status parse_count(const cadre__option *option, const char *text,
                                size_t *out)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
        value < option->min || value > option->max)
        return cadre_fail(CADRE_ERR_ARG,
                          "--%s: expected a whole number from %zu to %zu, found \"%s\"",
                          option->name, option->min, option->max, text);
    *out = (size_t)value;
    return CADRE_OK;
}

static cadre_status parse_choice(const cadre__option *option, const char *text,
                                 const char **out)
{
    for (const char *p = option->metavar; *p;) {
        const size_t n = strcspn(p, "|");
        if (strlen(text) == n && strncmp(text, p, n) == 0) {
            *out = text;
            return CADRE_OK;
        }
        p += n + (p[n] == '|');
    }
    return cadre_fail(CADRE_ERR_ARG, "--%s: expected %s, found \"%s\"", option->name,
                      option->metavar, text);
}

static cadre_status store(const cadre__option *option, const char *text, void *values)
{
    void *place = (char *)values + option->offset;
    cadre__list *list;

    switch (option->kind) {
    case CADRE__OPTION_FLAG:
        *(bool *)place = true;
        return CADRE_OK;
    case CADRE__OPTION_TEXT:
        if (text[0] == '\0')
            return cadre_fail(CADRE_ERR_ARG, "--%s: expected %s, found nothing",
                              option->name, option->metavar);
        *(const char **)place = text;
        return CADRE_OK;
    case CADRE__OPTION_CHOICE:
        return parse_choice(option, text, place);
    case CADRE__OPTION_COUNT:
        return parse_count(option, text, place);
    case CADRE__OPTION_LIST:
        list = place;
        if (list->n == CADRE__LIST_MAX)
            return cadre_fail(CADRE_ERR_ARG, "--%s: given more than %d times",
                              option->name, CADRE__LIST_MAX);
        list->items[list->n++] = text;
        return CADRE_OK;
    }
    return cadre_fail(CADRE_ERR_INTERNAL, "--%s: unknown kind of option", option->name);
}

/* The option at argv[*i]; moves *i to its last argument. */
static cadre_status take_option(const cadre__command *command, const cadre__call *call,
                                int *i, void *values)
{
    const char *argument = call->argv[*i];
    const size_t length = strcspn(argument + 2, "=");
    const bool attached = argument[2 + length] == '=';
    const cadre__option *option = find_option(command, argument + 2, length);

    if (strncmp(argument, "--", 2) != 0 || !option)
        return unknown_option(command, argument);
    if (option->kind == CADRE__OPTION_FLAG) {
        if (attached)
            return cadre_fail(CADRE_ERR_ARG, "--%s takes no value, found \"%s\"",
                              option->name, argument);
        return store(option, NULL, values);
    }
    if (attached)
        return store(option, argument + 2 + length + 1, values);
    if (*i + 1 >= call->argc)
        return cadre_fail(CADRE_ERR_ARG, "--%s: expected %s, found nothing", option->name,
                          option->metavar);
    return store(option, call->argv[++*i], values);
}

static cadre_status check_operands(const cadre__command *command, size_t n,
                                   const char *last)
{
    if (n < command->min_operands)
        return cadre_fail(CADRE_ERR_ARG, "expected %s, found nothing", command->operands);
    if (n > command->max_operands)
        return cadre_fail(CADRE_ERR_ARG, "expected %s, found one more argument: \"%s\"",
                          command->operands[0] ? command->operands : "options only",
                          last);
    return CADRE_OK;
}

typedef enum parse_result {
    PARSED,      /* go on */
    PARSE_HELP,  /* --help was there: print it and leave with 0 */
    PARSE_FAILED /* cadre_last_error() says why: leave with 2 */
} parse_result;

static parse_result parse(const cadre__command *command, const cadre__call *call,
                          void *values, const char **operands)
{
    size_t n = 0;
    bool only_operands = false;
    const char *last = "";

    for (size_t k = 0; k < CADRE__MAX_OPERANDS; k++)
        operands[k] = NULL;
    for (int i = 0; i < call->argc; i++) {
        const char *argument = call->argv[i];
        if (!only_operands && strcmp(argument, "--") == 0) {
            only_operands = true;
        } else if (!only_operands &&
                   (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)) {
            return PARSE_HELP;
        } else if (!only_operands && argument[0] == '-' && argument[1] != '\0') {
            if (take_option(command, call, &i, values) != CADRE_OK)
                return PARSE_FAILED;
        } else {
            if (n < CADRE__MAX_OPERANDS)
                operands[n] = argument;
            n++;
            last = argument;
        }
    }
    return check_operands(command, n, last) == CADRE_OK ? PARSED : PARSE_FAILED;
}

bool cadre__args_ready(const cadre__command *command, const cadre__call *call,
                       void *values, const char **operands, int *exit_code)
{
    switch (parse(command, call, values, operands)) {
    case PARSED:
        return true;
    case PARSE_HELP:
        *exit_code = call->speaks ? cadre__help_print(command) : CADRE__EXIT_OK;
        return false;
    case PARSE_FAILED:
        break;
    }
    if (call->speaks)
        fprintf(stderr, "cadre %s: %s\ntry: cadre %s --help\n", command->name,
                cadre_last_error(), command->name);
    *exit_code = CADRE__EXIT_USAGE;
    return false;
}
