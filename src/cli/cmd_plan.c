/* cli/cmd_plan.c - cadre plan: what a job could cost, without running it. */
#include "cli/args.h"
#include "cli/help.h"
#include "run/run.h"

typedef struct values {
    cadre__list sets;
} values;

static const cadre__option options[] = {
    {"set", "path=value",
     "replace one value of the job file, as tiers.0.shards=3; repeatable",
     CADRE__OPTION_LIST, offsetof(values, sets), 0, 0},
};

static int run(const cadre__command *self, const cadre__call *call)
{
    values v = {0};
    const char *operands[CADRE__MAX_OPERANDS];
    cadre__text out = {0};
    int code;

    if (!cadre__args_ready(self, call, &v, operands, &code))
        return code;
    const cadre__run_opts opts = {.job_path = operands[0],
                                  .sets = v.sets.items,
                                  .n_sets = v.sets.n,
                                  .progress = CADRE__PROGRESS_OFF,
                                  .command = call->line};
    code = cadre__plan(&opts, &out);
    const int printed = cadre__print(&out);
    return code ? code : printed;
}

const cadre__command cadre__cmd_plan = {
    .name = "plan",
    .summary = "validate a job and print its worst-case cost",
    .operands = "JOB.json",
    .description =
        "Reads and validates the job, its requests and its models as cadre run "
        "does, and prints requests and worst-case cost per tenant and tier. "
        "Computes nothing, writes nothing, and starts no MPI.",
    .examples = "cadre plan jobs/quickstart.json\n"
                "cadre plan job.json --set tenants.0.budget=2.50",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};
