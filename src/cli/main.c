/* cli/main.c - the program `cadre`: finds the command and runs it. */
#include "cli/command.h"
#include "cli/help.h"
#include "core/settings.h"
#include "core/text.h"
#include "run/run.h"
#include <cadre/export.h>
#include <cadre/log.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const cadre__command *const commands[] = {
    &cadre__cmd_run,   &cadre__cmd_plan, &cadre__cmd_report, &cadre__cmd_train,
    &cadre__cmd_bench, &cadre__cmd_coll, &cadre__cmd_topo,   &cadre__cmd_env,
    &cadre__cmd_info,  &cadre__cmd_help,
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

const cadre__command *cadre__command_at(size_t index)
{
    return index < N_COMMANDS ? commands[index] : NULL;
}

const cadre__command *cadre__command_find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

const char *cadre__command_nearest(const char *name)
{
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i]->name;
    return cadre__nearest(name, names, N_COMMANDS);
}

/* This process's rank as its launcher tells it; NULL if nobody launched it. MPI has not
 * started yet when usage errors are found. */
static const char *launcher_rank(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *rank = getenv(names[i]);
        if (rank && rank[0])
            return rank;
    }
    return NULL;
}

/* Slurm sets its variable for programs without MPI too, and in batch scripts. */
static bool is_first(const char *rank)
{
    if (!rank)
        rank = getenv("SLURM_PROCID");
    return !rank || strcmp(rank, "0") == 0;
}

void cadre__fall_silent(void)
{
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0)
        return;
    fflush(NULL);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    close(null);
}

static const char *join_arguments(int argc, char **argv, cadre__text *line)
{
    for (int i = 0; i < argc; i++)
        cadre__text_printf(line, "%s%s", i ? " " : "", argv[i]);
    return cadre__text_string(line);
}

static int usage_error(const char *what, const char *name, const char *near)
{
    fprintf(stderr, "cadre: %s \"%s\"%s%s%s\ntry: cadre --help\n", what, name,
            near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return CADRE__EXIT_USAGE;
}

/* What stands before a command: --help, --version, a mistake. */
static int program_option(const char *argument)
{
    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
        return cadre__help_print(NULL);
    if (strcmp(argument, "--version") == 0 || strcmp(argument, "-V") == 0) {
        cadre__text out = {0};
        cadre__text_printf(&out, "cadre %s\n", cadre_version());
        return cadre__print(&out);
    }
    if (argument[0] == '-')
        return usage_error("unknown option", argument, NULL);
    return usage_error("unknown command", argument, cadre__command_nearest(argument));
}

static int run_command(const cadre__command *command, cadre__call *call)
{
    if (cadre_log_filter(cadre__setting_value(CADRE__SETTING_LOG)) != CADRE_OK) {
        fprintf(stderr, "cadre: CADRE_LOG: %s\n", cadre_last_error());
        return CADRE__EXIT_USAGE;
    }
    if (!command->uses_mpi)
        cadre__settings_warn_unknown();
    return command->run(command, call);
}

/* mpirun ends the job as soon as one rank fails: let the one that speaks finish first.
 * Once MPI runs, ranks leave together anyway. */
static void wait_for_speaker(const cadre__command *command, const cadre__call *call,
                             int code)
{
    const bool before_mpi = !command || !command->uses_mpi || code == CADRE__EXIT_USAGE;
    const struct timespec moment = {.tv_nsec = 500000000};
    if (code && call->launched && !call->speaks && before_mpi)
        nanosleep(&moment, NULL);
}

int main(int argc, char **argv)
{
    const cadre__command *command = argc > 1 ? cadre__command_find(argv[1]) : NULL;
    cadre__text line = {0};
    const char *rank = launcher_rank();
    cadre__call call = {.argc = argc - 2,
                        .argv = argv + 2,
                        .launched = rank != NULL,
                        .speaks = is_first(rank)};
    int code;

    call.line = join_arguments(argc, argv, &line);
    if (!call.speaks && (!command || !command->uses_mpi))
        cadre__fall_silent();
    if (command)
        code = run_command(command, &call);
    else if (argc > 1)
        code = program_option(argv[1]);
    else
        code = cadre__help_print(NULL);
    cadre__text_fini(&line);
    wait_for_speaker(command, &call, code);
    return code;
}
