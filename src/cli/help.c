/* cli/help.c - help and man pages, both made from the commands' tables. */
#include "cli/help.h"
#include "core/settings.h"
#include "run/run.h"
#include <cadre/export.h>
#include <cadre/status.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 80
#define PROGRAM_SUMMARY "parallel inference and collectives over MPI"

static const char program_description[] =
    "cadre serves batches of requests with models that are spread over the ranks of an "
    "MPI "
    "job: rank 0 admits requests against budgets and routes them, the other ranks "
    "compute. "
    "It runs under mpirun or srun; without either it is one rank that does "
    "everything.\n\n"
    "Results go to standard output or to files, everything else to standard error.";

static const struct {
    int code;
    const char *meaning;
} exit_codes[] = {
    {CADRE__EXIT_OK, "all requests have a result"},
    {CADRE__EXIT_ERRORS, "finished, but some requests ended in an error record"},
    {CADRE__EXIT_USAGE, "wrong usage"},
    {CADRE__EXIT_INPUT,
     "bad input: job file, request file, model, dataset; nothing computed"},
    {CADRE__EXIT_BUDGET, "no request could be admitted: budget"},
    {CADRE__EXIT_DEADLINE, "stopped at a deadline with work left"},
    {CADRE__EXIT_RESOURCE, "a resource failed: disk full, I/O error, ranks lost"},
};
#define N_EXIT_CODES (sizeof exit_codes / sizeof exit_codes[0])

int cadre__print(cadre__text *text)
{
    int code = CADRE__EXIT_OK;
    if (cadre__text_status(text) != CADRE_OK) {
        fprintf(stderr, "cadre: %s\n", cadre_last_error());
        code = CADRE__EXIT_RESOURCE;
    } else if (fwrite(cadre__text_string(text), 1, text->size, stdout) != text->size ||
               fflush(stdout) != 0) {
        fprintf(stderr, "cadre: standard output: %s\n", strerror(errno));
        code = CADRE__EXIT_RESOURCE;
    }
    cadre__text_fini(text);
    return code;
}

/* ---- Plain text ---- */

/* Words of prose[0..n), wrapped, with `indent` blanks before every line but the first,
 * which starts at column `at`. */
static void wrap(cadre__text *out, const char *prose, size_t n, int at, int indent)
{
    int column = at;
    for (size_t i = 0; i < n;) {
        const size_t word = strcspn(prose + i, " \n");
        const size_t length = word < n - i ? word : n - i;
        if (column > indent && column + 1 + (int)length > WIDTH) {
            cadre__text_printf(out, "\n%*s", indent, "");
            column = indent;
        } else if (i > 0) {
            cadre__text_puts(out, " ");
            column++;
        }
        cadre__text_append(out, prose + i, length);
        column += (int)length;
        i += length;
        i += i < n ? 1 : 0;
    }
    cadre__text_puts(out, "\n");
}

/* Paragraphs, an empty line between them. */
static void paragraphs(cadre__text *out, const char *prose)
{
    for (const char *p = prose; *p;) {
        const char *end = strstr(p, "\n\n");
        const size_t n = end ? (size_t)(end - p) : strlen(p);
        wrap(out, p, n, 0, 0);
        cadre__text_puts(out, "\n");
        p += n + (end ? 2 : 0);
    }
}

/* "  TERM      explanation", the explanation wrapped in its column. */
static void term(cadre__text *out, const char *name, int width, const char *explanation)
{
    cadre__text_printf(out, "  %-*s  ", width, name);
    wrap(out, explanation, strlen(explanation), width + 4, width + 4);
}

/* "--output DIR" */
static const char *option_term(const cadre__option *option, char *buf, size_t size)
{
    snprintf(buf, size, "--%s%s%s", option->name, option->metavar ? " " : "",
             option->metavar ? option->metavar : "");
    return buf;
}

static void usage_line(cadre__text *out, const char *before,
                       const cadre__command *command)
{
    cadre__text_printf(out, "%scadre %s%s%s%s\n", before, command->name,
                       command->operands[0] ? " " : "", command->operands,
                       command->n_options ? " [options]" : "");
}

/* Each line of the examples, indented. */
static void example_lines(cadre__text *out, const char *examples)
{
    for (const char *p = examples; *p;) {
        const size_t n = strcspn(p, "\n");
        cadre__text_printf(out, "  %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

static void command_help(cadre__text *out, const cadre__command *command)
{
    char name[80];
    int width = (int)strlen("--help");

    usage_line(out, "usage: ", command);
    if (command->uses_mpi)
        usage_line(out, "       mpirun -n N ", command);
    cadre__text_puts(out, "\n");
    paragraphs(out, command->description);
    for (size_t i = 0; i < command->n_options; i++) {
        const int n = (int)strlen(option_term(&command->options[i], name, sizeof name));
        width = n > width ? n : width;
    }
    cadre__text_puts(out, "options:\n");
    for (size_t i = 0; i < command->n_options; i++)
        term(out, option_term(&command->options[i], name, sizeof name), width,
             command->options[i].help);
    term(out, "--help", width, "print this text");
    if (command->examples) {
        cadre__text_puts(out, "\nexamples:\n");
        example_lines(out, command->examples);
    }
}

static void program_help(cadre__text *out)
{
    char code[8];

    cadre__text_puts(out, "cadre " CADRE_VERSION " - " PROGRAM_SUMMARY "\n\n"
                          "usage: cadre COMMAND [arguments]\n"
                          "       mpirun -n N cadre COMMAND [arguments]\n"
                          "       cadre COMMAND --help\n"
                          "       cadre --version\n\n");
    paragraphs(out, program_description);
    cadre__text_puts(out, "commands (* runs on all ranks of mpirun):\n");
    for (size_t i = 0; cadre__command_at(i); i++) {
        const cadre__command *command = cadre__command_at(i);
        char name[32];
        snprintf(name, sizeof name, "%s%s", command->name, command->uses_mpi ? " *" : "");
        term(out, name, 8, command->summary);
    }
    cadre__text_puts(out, "\nexit codes:\n");
    for (size_t i = 0; i < N_EXIT_CODES; i++) {
        snprintf(code, sizeof code, "%d", exit_codes[i].code);
        term(out, code, 2, exit_codes[i].meaning);
    }
    cadre__text_puts(out, "\nEnvironment variables CADRE_* are listed by: cadre env\n");
}

int cadre__help_print(const cadre__command *command)
{
    cadre__text out = {0};
    if (command)
        command_help(&out, command);
    else
        program_help(&out);
    return cadre__print(&out);
}

/* ---- roff ---- */

/* Text with what roff would take as its own escaped; a line must not begin with a dot. */
static void roff(cadre__text *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const bool at_start = i == 0 || text[i - 1] == '\n';
        if (at_start && (text[i] == '.' || text[i] == '\''))
            cadre__text_puts(out, "\\&");
        if (text[i] == '\\')
            cadre__text_puts(out, "\\e");
        else if (text[i] == '-')
            cadre__text_puts(out, "\\-");
        else
            cadre__text_append(out, text + i, 1);
    }
}

static void roff_string(cadre__text *out, const char *text)
{
    roff(out, text, strlen(text));
}

static void roff_section(cadre__text *out, const char *title)
{
    cadre__text_printf(out, ".SH %s\n", title);
}

static void roff_paragraphs(cadre__text *out, const char *prose)
{
    for (const char *p = prose; *p;) {
        const char *end = strstr(p, "\n\n");
        const size_t n = end ? (size_t)(end - p) : strlen(p);
        cadre__text_puts(out, ".PP\n");
        roff(out, p, n);
        cadre__text_puts(out, "\n");
        p += n + (end ? 2 : 0);
    }
}

static void roff_term(cadre__text *out, const char *name, const char *explanation)
{
    cadre__text_puts(out, ".TP\n.B ");
    roff_string(out, name);
    cadre__text_puts(out, "\n");
    roff_string(out, explanation);
    cadre__text_puts(out, "\n");
}

static void roff_literal(cadre__text *out, const char *lines)
{
    cadre__text_puts(out, ".nf\n");
    roff_string(out, lines);
    cadre__text_puts(out, "\n.fi\n");
}

static void roff_head(cadre__text *out, const cadre__command *command)
{
    cadre__text_printf(out,
                       ".TH \"CADRE%s%s\" 1 \"\" \"cadre " CADRE_VERSION
                       "\" \"User Commands\"\n.SH NAME\ncadre%s%s \\- ",
                       command ? "-" : "", command ? command->name : "",
                       command ? "\\-" : "", command ? command->name : "");
    roff_string(out, command ? command->summary : PROGRAM_SUMMARY);
    cadre__text_puts(out, "\n");
    roff_section(out, "SYNOPSIS");
}

static void roff_exit_codes(cadre__text *out)
{
    char code[8];
    roff_section(out, "EXIT STATUS");
    for (size_t i = 0; i < N_EXIT_CODES; i++) {
        snprintf(code, sizeof code, "%d", exit_codes[i].code);
        roff_term(out, code, exit_codes[i].meaning);
    }
}

static void command_man(cadre__text *out, const cadre__command *command)
{
    cadre__text usage = {0};
    char name[80];

    roff_head(out, command);
    if (command->uses_mpi)
        usage_line(&usage, "mpirun -n N ", command);
    usage_line(&usage, "", command);
    if (usage.failed)
        out->failed = true;
    roff_literal(out, cadre__text_string(&usage));
    cadre__text_fini(&usage);
    roff_section(out, "DESCRIPTION");
    roff_paragraphs(out, command->description);
    roff_section(out, "OPTIONS");
    for (size_t i = 0; i < command->n_options; i++)
        roff_term(out, option_term(&command->options[i], name, sizeof name),
                  command->options[i].help);
    roff_term(out, "--help", "print a summary of this page");
    if (command->examples) {
        roff_section(out, "EXAMPLES");
        roff_literal(out, command->examples);
    }
    roff_exit_codes(out);
    roff_section(out, "SEE ALSO");
    cadre__text_puts(out, ".BR cadre (1)\n");
}

static void program_man(cadre__text *out)
{
    roff_head(out, NULL);
    roff_literal(out, "cadre COMMAND [arguments]\nmpirun -n N cadre COMMAND [arguments]\n"
                      "cadre COMMAND --help\ncadre --version");
    roff_section(out, "DESCRIPTION");
    roff_paragraphs(out, program_description);
    roff_section(out, "COMMANDS");
    for (size_t i = 0; cadre__command_at(i); i++)
        roff_term(out, cadre__command_at(i)->name, cadre__command_at(i)->summary);
    roff_section(out, "ENVIRONMENT");
    for (int s = 0; s < CADRE__N_SETTINGS; s++) {
        char text[256];
        const char *fallback = cadre__setting_default((cadre__setting)s);
        snprintf(text, sizeof text, "%s%s%s%s", cadre__setting_help((cadre__setting)s),
                 fallback[0] ? " (default: " : "", fallback, fallback[0] ? ")" : "");
        roff_term(out, cadre__setting_name((cadre__setting)s), text);
    }
    roff_exit_codes(out);
    roff_section(out, "SEE ALSO");
    cadre__text_puts(out, ".BR mpirun (1)");
    for (size_t i = 0; cadre__command_at(i); i++)
        cadre__text_printf(out, ",\n.BR cadre\\-%s (1)", cadre__command_at(i)->name);
    cadre__text_puts(out, "\n");
}

int cadre__help_print_man(const cadre__command *command)
{
    cadre__text out = {0};
    if (command)
        command_man(&out, command);
    else
        program_man(&out);
    return cadre__print(&out);
}
