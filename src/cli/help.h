/* cli/help.h - what the program says about itself. */
#ifndef CADRE_CLI_HELP_H
#define CADRE_CLI_HELP_H

#include "cli/command.h"
#include "core/text.h"

/* Help on one command, or on the program if command is NULL, to standard output. Returns
 * the exit code. */
int cadre__help_print(const cadre__command *command);

/* The same texts as a man page in roff. */
int cadre__help_print_man(const cadre__command *command);

/* Write text to standard output whole. Returns the exit code: 0, or 6 with a message if
 * it cannot be written or is incomplete for lack of memory. Frees text. */
int cadre__print(cadre__text *text);

#endif
