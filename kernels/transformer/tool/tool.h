/* tool.h - a command of the program cadre-model: one table entry each, in a file of its
 * own. Help, man page and parser all read the entry.
 */
#ifndef TF_TOOL_H
#define TF_TOOL_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

enum { TOOL_OK = 0, TOOL_USAGE = 2, TOOL_INPUT = 3, TOOL_RESOURCE = 6 }; /* exit codes */

typedef enum tool_kind {
    TOOL_FLAG,   /* no value; int, set to 1 */
    TOOL_TEXT,   /* const char * */
    TOOL_CHOICE, /* const char *: one of "a|b|c", which `value` is; small letters do for
                    capitals */
    TOOL_INTEGER /* int64_t in [min, max] */
} tool_kind;

typedef struct tool_option {
    const char *name;  /* without the dashes */
    const char *value; /* what stands for the value in help; NULL for a flag */
    const char *help;
    tool_kind kind;
    size_t offset; /* of the value in the command's struct */
    int64_t min, max;
} tool_option;

#define TOOL_MAX_OPERANDS 2
#define TOOL_MAX_OPTIONS 20

typedef struct tool_command {
    const char *name;
    const char *summary;     /* one line, no full stop */
    const char *operands;    /* "IN OUT.gguf" */
    const char *description; /* one paragraph */
    int min_operands, max_operands;
    const tool_option *options;
    size_t n_options;
    /* argv[0] is the command's name. Returns the exit code. */
    int (*run)(const struct tool_command *self, int argc, char **argv);
} tool_command;

extern const tool_command tool_inspect, tool_convert, tool_random, tool_tokenize,
    tool_logits;

/* Parse the command's arguments into the struct `values`, which holds the defaults, and
 * operands[TOOL_MAX_OPERANDS], NULL where not given. Nonzero: go on; otherwise help or an
 * error has been printed, and *code is the exit code. */
int tool_parse(const tool_command *self, int argc, char **argv, void *values,
               const char **operands, int *code);

/* Print why `self` failed with st, and return the exit code that says it. CADRE_OK gives
 * TOOL_OK and prints nothing. */
int tool_report(const tool_command *self, cadre_status st);

/* Flush standard output: TOOL_OK, or TOOL_RESOURCE with a message. */
int tool_flush(const tool_command *self);

#endif
