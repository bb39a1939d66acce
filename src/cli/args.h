/* cli/args.h - the arguments of a command, parsed as its table of options says. */
#ifndef CADRE_CLI_ARGS_H
#define CADRE_CLI_ARGS_H

#include "cli/command.h"
#include <cadre/status.h>

typedef enum cadre__parse_result {
    CADRE__PARSED,      /* go on */
    CADRE__PARSE_HELP,  /* --help was there: print it and leave with 0 */
    CADRE__PARSE_FAILED /* cadre_last_error() says why: leave with 2 */
} cadre__parse_result;

/* Parse call's arguments into the struct `values`, which holds the defaults, and
 * operands[CADRE__MAX_OPERANDS], NULL where not given. Options are --name VALUE or
 * --name=VALUE;
 * "--" ends them. */
cadre__parse_result cadre__args_parse(const cadre__command *command,
                                      const cadre__call *call, void *values,
                                      const char **operands);

/* Parse, and deal with help and errors: true to go on, otherwise *exit_code is set. */
bool cadre__args_ready(const cadre__command *command, const cadre__call *call,
                       void *values, const char **operands, int *exit_code);

#endif
