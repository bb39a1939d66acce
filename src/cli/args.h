/* cli/args.h - the arguments of a command, parsed as its table of options says. */
#ifndef CADRE_CLI_ARGS_H
#define CADRE_CLI_ARGS_H

#include "cli/command.h"
#include <stdbool.h>

/* Parse call's arguments into the struct `values`, which holds the defaults, and
 * operands[CADRE__MAX_OPERANDS], NULL where not given. Options are --name VALUE or
 * --name=VALUE; "--" ends them. Help is printed and errors are told: true to go on,
 * otherwise *exit_code is set. */
bool cadre__args_ready(const cadre__command *command, const cadre__call *call,
                       void *values, const char **operands, int *exit_code);

#endif
