/* cli/cmd_coll.c - cadre coll: what the collectives choose, and why. */
#include "cli/args.h"
#include "cli/session.h"
#include "run/run.h"
#include <stdio.h>
#include <string.h>

typedef struct values {
    cadre__explain_opts explain;
    bool no_measure;
} values;

#define AT(member) offsetof(values, explain.member), 0, 0

static const cadre__option options[] = {
    {"collective", "LIST", "which, as in allreduce,broadcast (default: all)",
     CADRE__OPTION_TEXT, AT(collective)},
    {"sizes", "LIST",
     "bytes, as in 8,1k,1M, or 8-16M: each 4 times the one before (default: 8-16M)",
     CADRE__OPTION_TEXT, AT(sizes)},
    {"dtype", "NAME", "type of the elements (default: f32)", CADRE__OPTION_TEXT,
     AT(dtype)},
    {"reduction", "NAME", "what reductions do (default: sum)", CADRE__OPTION_TEXT,
     AT(reduction)},
    {"buffers", "malloc|shared",
     "ordinary memory, or what the ranks of a node can read directly (default: malloc)",
     CADRE__OPTION_CHOICE, AT(buffers)},
    {"format", "text|json", "form of the output (default: text)", CADRE__OPTION_CHOICE,
     AT(format)},
    {"no-measure", NULL, "only predict", CADRE__OPTION_FLAG, offsetof(values, no_measure),
     0, 0},
};

static int run(const cadre__command *self, const cadre__call *call)
{
    values v = {
        .explain = {
            .dtype = "f32", .reduction = "sum", .buffers = "malloc", .format = "text"}};
    const char *operands[CADRE__MAX_OPERANDS];
    cadre__session session;
    int code;

    if (!cadre__args_ready(self, call, &v, operands, &code))
        return code;
    if (strcmp(operands[0], "explain") != 0) {
        if (call->speaks)
            fprintf(stderr, "cadre coll: expected \"explain\", found \"%s\"\n",
                    operands[0]);
        return CADRE__EXIT_USAGE;
    }
    v.explain.measure = !v.no_measure;
    code = cadre__session_open(call, &session);
    if (code)
        return code;
    return cadre__session_close(&session,
                                cadre__coll_explain_job(session.world, &v.explain));
}

const cadre__command cadre__cmd_coll = {
    .name = "coll",
    .summary = "explain which algorithms collectives choose, predicted and measured",
    .operands = "explain",
    .description =
        "For each collective and size: the algorithms that can do it on these ranks, "
        "what "
        "each is predicted to take, what it takes when it is measured now, and which is "
        "chosen, and why. Where a prediction orders wrongly by more than 10 %, it is "
        "marked.\n\n"
        "Predictions come from latencies, bandwidths and times of the algorithms that "
        "are measured once per machine and number of ranks and kept in "
        "$XDG_CACHE_HOME/cadre or ~/.cache/cadre. CADRE_COLL_COSTS names another file, "
        "or "
        "is \"off\" (built-in numbers) or \"measure\" (in each job anew).\n\n"
        "CADRE_COLL names algorithms for a program: "
        "COLLECTIVE:ALGORITHM,... for all sizes, or COLLECTIVE:FROM-TO:ALGORITHM for "
        "FROM "
        "<= bytes < TO, as in allreduce:0-4k:recursive_doubling,allreduce:4k-:ring. "
        "Sizes that are not named, and calls that the named one cannot do, are by "
        "choice.",
    .examples = "mpirun -n 4 cadre coll explain --collective allreduce\n"
                "mpirun -n 4 cadre coll explain --sizes 1k,1M --no-measure\n"
                "CADRE_COLL=allreduce:ring mpirun -n 4 cadre coll explain --sizes 8",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .uses_mpi = true,
    .run = run,
};
