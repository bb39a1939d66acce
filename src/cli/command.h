/* cli/command.h - a command of the program `cadre`: one table entry each, in a file of
 * its own.
 *
 * Everything that can be said about a command stands in its entry, so --help, the man
 * pages and the parser cannot disagree.
 */
#ifndef CADRE_CLI_COMMAND_H
#define CADRE_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

typedef enum cadre__option_kind {
    CADRE__OPTION_FLAG,   /* no value; bool */
    CADRE__OPTION_TEXT,   /* const char * */
    CADRE__OPTION_CHOICE, /* const char *, one of metavar's words, as in "text|json" */
    CADRE__OPTION_COUNT,  /* size_t in [min, max] */
    CADRE__OPTION_LIST    /* cadre__list; may be repeated */
} cadre__option_kind;

typedef struct cadre__option {
    const char *name;    /* without the dashes */
    const char *metavar; /* what stands for the value in help; NULL for a flag */
    const char *help;
    cadre__option_kind kind;
    size_t offset; /* of the value in the command's struct */
    size_t min, max;
} cadre__option;

/* The values of a repeated option; borrowed from argv. */
#define CADRE__LIST_MAX 64
typedef struct cadre__list {
    const char *items[CADRE__LIST_MAX];
    size_t n;
} cadre__list;

/* How the program was called. */
typedef struct cadre__call {
    int argc; /* what follows the command's name */
    char **argv;
    const char *line; /* the whole command line, for records */
    bool launched;    /* by mpirun or srun */
    bool speaks;      /* the launcher's rank 0, or not launched: this process prints */
} cadre__call;

#define CADRE__MAX_OPERANDS 2

typedef struct cadre__command {
    const char *name;
    const char *summary;     /* one line, no full stop */
    const char *operands;    /* "JOB.json", "[TOPIC]" or "" */
    const char *description; /* paragraphs, separated by an empty line */
    const char *examples;    /* lines to type; may be NULL */
    size_t min_operands, max_operands;
    const cadre__option *options;
    size_t n_options;
    bool uses_mpi; /* started with mpirun for more than one rank */
    int (*run)(const struct cadre__command *self, const cadre__call *call);
} cadre__command;

extern const cadre__command cadre__cmd_run, cadre__cmd_plan, cadre__cmd_report,
    cadre__cmd_train, cadre__cmd_bench, cadre__cmd_coll, cadre__cmd_topo, cadre__cmd_env,
    cadre__cmd_info, cadre__cmd_help;

/* The index-th command in the order of help; NULL past the last. */
const cadre__command *cadre__command_at(size_t index);
/* NULL if there is none of this name. */
const cadre__command *cadre__command_find(const char *name);
/* The nearest name to a wrong one, or NULL. */
const char *cadre__command_nearest(const char *name);

/* Send standard output and error of this process to /dev/null: work without MPI that was
 * started on many ranks is done by all of them for the exit code, and heard once. */
void cadre__fall_silent(void);

#endif
