/* main.c - the program cadre-model: looks into model files, makes them, and shows what
 * the transformer makes of them. */
#include "tool.h"
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const tool_command *const commands[] = {&tool_inspect, &tool_convert, &tool_random,
                                               &tool_tokenize, &tool_logits};
#define N_COMMANDS (sizeof commands / sizeof commands[0])
#define SUMMARY "look into model files, convert and make them"

/* ---- Help ---- */

/* "--output FILE" */
static void option_term(const tool_option *option, char term[64])
{
    snprintf(term, 64, "--%s%s%s", option->name, option->value ? " " : "",
             option->value ? option->value : "");
}

static void command_help(const tool_command *c)
{
    char term[64];

    printf("usage: cadre-model %s %s%s\n\n%s\n\noptions:\n", c->name, c->operands,
           c->n_options ? " [options]" : "", c->description);
    for (size_t i = 0; i < c->n_options; i++) {
        option_term(&c->options[i], term);
        printf("  %-20s  %s\n", term, c->options[i].help);
    }
    printf("  %-20s  %s\n", "--help", "print this text");
}

static void program_help(void)
{
    printf("usage: cadre-model COMMAND ...\n\n" SUMMARY "\n\ncommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  %-10s  %s\n", commands[i]->name, commands[i]->summary);
    printf("\ncadre-model COMMAND --help tells more.\n");
}

/* Text in roff: a line may not start with a dot or quote, and a backslash or a hyphen
 * that is typed as one wants a backslash. */
static void roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '-' || *text == '\\')
            putchar('\\');
        putchar(*text);
        if (*text == '\n' && (text[1] == '.' || text[1] == '\''))
            fputs("\\&", stdout);
    }
}

static void man_entry(const char *term, const char *text)
{
    printf(".TP\n.B ");
    roff(term);
    putchar('\n');
    roff(text);
    putchar('\n');
}

static void man_command(const tool_command *c)
{
    char term[64];

    printf(".SS \"");
    roff(c->name);
    printf(" %s\"\n", c->operands);
    roff(c->description);
    putchar('\n');
    for (size_t i = 0; i < c->n_options; i++) {
        option_term(&c->options[i], term);
        man_entry(term, c->options[i].help);
    }
}

static void man_page(void)
{
    printf(".TH CADRE\\-MODEL 1\n.SH NAME\ncadre\\-model \\- ");
    roff(SUMMARY);
    printf("\n.SH SYNOPSIS\n.B cadre\\-model\n.I COMMAND ...\n.SH COMMANDS\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        man_command(commands[i]);
    printf(".SH EXIT STATUS\n");
    man_entry("0", "done");
    man_entry("2", "wrong usage");
    man_entry("3", "bad input: a malformed or unsupported model or text");
    man_entry("6", "a resource failed: no memory, disk full, I/O error");
    printf(".SH SEE ALSO\n.BR cadre (1)\n");
}

/* ---- For the commands ---- */

int tool_flush(const tool_command *self)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return TOOL_OK;
    fprintf(stderr, "cadre-model %s: standard output: %s\n", self->name, strerror(errno));
    return TOOL_RESOURCE;
}

int tool_report(const tool_command *self, cadre_status st)
{
    if (st == CADRE_OK)
        return TOOL_OK;
    fprintf(stderr, "cadre-model %s: %s\n", self->name, cadre_last_error());
    switch (st) {
    case CADRE_ERR_ARG:
        return TOOL_USAGE;
    case CADRE_ERR_NOMEM:
    case CADRE_ERR_IO:
        return TOOL_RESOURCE;
    default:
        return TOOL_INPUT;
    }
}

static int usage(const tool_command *self, const char *what)
{
    fprintf(stderr, "cadre-model %s: %s\ntry: cadre-model %s --help\n", self->name, what,
            self->name);
    return TOOL_USAGE;
}

/* Small letters do for capitals. */
static int is_choice(const char *choice, size_t bytes, const char *given)
{
    for (size_t i = 0; i < bytes; i++)
        if (given[i] != choice[i] && toupper((unsigned char)given[i]) != choice[i])
            return 0;
    return given[bytes] == '\0';
}

static int store_choice(const tool_command *self, const tool_option *option,
                        const char **place)
{
    char what[160];

    *place = optarg;
    for (const char *choice = option->value; *choice;) {
        const size_t bytes = strcspn(choice, "|");
        if (is_choice(choice, bytes, optarg))
            return TOOL_OK;
        choice += bytes + (choice[bytes] == '|');
    }
    snprintf(what, sizeof what, "--%s: expected %s, found \"%.40s\"", option->name,
             option->value, optarg);
    return usage(self, what);
}

static int store_integer(const tool_command *self, const tool_option *option,
                         int64_t *place)
{
    char what[160], *end;

    errno = 0;
    const long long n = strtoll(optarg, &end, 10);
    if (end == optarg || *end || errno || n < option->min || n > option->max) {
        snprintf(what, sizeof what,
                 "--%s: expected a whole number from %lld to %lld, found \"%.40s\"",
                 option->name, (long long)option->min, (long long)option->max, optarg);
        return usage(self, what);
    }
    *place = n;
    return TOOL_OK;
}

/* Store an option's value, or say what is wrong with it. */
static int store(const tool_command *self, const tool_option *option, void *values)
{
    void *place = (char *)values + option->offset;

    switch (option->kind) {
    case TOOL_FLAG:
        *(int *)place = 1;
        break;
    case TOOL_TEXT:
        *(const char **)place = optarg;
        break;
    case TOOL_CHOICE:
        return store_choice(self, option, place);
    case TOOL_INTEGER:
        return store_integer(self, option, place);
    }
    return TOOL_OK;
}

static int take_operands(const tool_command *self, int n, char **given,
                         const char **operands)
{
    char what[120];

    if (n < self->min_operands || n > self->max_operands) {
        snprintf(what, sizeof what, "expected %s, found %d operand%s", self->operands, n,
                 n == 1 ? "" : "s");
        return usage(self, what);
    }
    for (int i = 0; i < TOOL_MAX_OPERANDS; i++)
        operands[i] = i < n ? given[i] : NULL;
    return TOOL_OK;
}

int tool_parse(const tool_command *self, int argc, char **argv, void *values,
               const char **operands, int *code)
{
    enum { HELP = 1000 };
    struct option known[TOOL_MAX_OPTIONS + 2] = {{0}};
    int which;

    for (size_t i = 0; i < self->n_options; i++)
        known[i] = (struct option){self->options[i].name,
                                   self->options[i].kind == TOOL_FLAG ? no_argument
                                                                      : required_argument,
                                   NULL, (int)i};
    known[self->n_options] = (struct option){"help", no_argument, NULL, HELP};

    *code = TOOL_OK;
    opterr = 0;
    while (*code == TOOL_OK && (which = getopt_long(argc, argv, ":", known, NULL)) >= 0) {
        if (which == HELP) {
            command_help(self);
            *code = tool_flush(self);
            return 0;
        }
        if (which == ':' || which == '?') {
            char what[160];
            snprintf(what, sizeof what, "%s %.100s",
                     which == ':' ? "a value is missing after" : "unknown option",
                     argv[optind - 1]);
            *code = usage(self, what);
        } else {
            *code = store(self, &self->options[which], values);
        }
    }
    if (*code == TOOL_OK)
        *code = take_operands(self, argc - optind, argv + optind, operands);
    return *code == TOOL_OK;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";

    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i]->run(commands[i], argc - 1, argv + 1);
    if (strcmp(name, "--help") != 0 && strcmp(name, "--man") != 0) {
        fprintf(stderr,
                "cadre-model: unknown command \"%.40s\"\ntry: cadre-model --help\n",
                name);
        return TOOL_USAGE;
    }
    if (strcmp(name, "--man") == 0)
        man_page();
    else
        program_help();
    return fflush(stdout) == 0 ? TOOL_OK : TOOL_RESOURCE;
}
