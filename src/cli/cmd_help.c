/* cli/cmd_help.c - cadre help: help on a command, or its man page. */
#include "cli/args.h"
#include "cli/help.h"
#include "run/run.h"
#include <stdio.h>

typedef struct values {
    bool man;
} values;

static const cadre__option options[] = {
    {"man", NULL, "print a man page in roff", CADRE__OPTION_FLAG, offsetof(values, man),
     0, 0},
};

static int run(const cadre__command *self, const cadre__call *call)
{
    values v = {0};
    const char *operands[CADRE__MAX_OPERANDS];
    const cadre__command *topic = NULL;
    int code;

    if (!cadre__args_ready(self, call, &v, operands, &code))
        return code;
    if (operands[0]) {
        topic = cadre__command_find(operands[0]);
        if (!topic) {
            const char *near = cadre__command_nearest(operands[0]);
            fprintf(stderr, "cadre help: unknown command \"%s\"%s%s%s\n", operands[0],
                    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
            return CADRE__EXIT_USAGE;
        }
    }
    return v.man ? cadre__help_print_man(topic) : cadre__help_print(topic);
}

const cadre__command cadre__cmd_help = {
    .name = "help",
    .summary = "print help on a command, or its man page",
    .operands = "[COMMAND]",
    .description =
        "The same as cadre COMMAND --help, or, without a command, cadre --help.",
    .examples = "cadre help run\ncadre help --man run | man -l -",
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};
