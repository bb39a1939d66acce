/* cli/cmd_run.c - cadre run: serve a job. */
#include "cli/args.h"
#include "cli/help.h"
#include "cli/session.h"
#include "core/settings.h"
#include "run/run.h"
#include <stdio.h>
#include <string.h>

typedef struct values {
    const char *output, *progress;
    bool overwrite, dry_run;
    cadre__list sets;
} values;

static const cadre__option options[] = {
    {"output", "DIR", "run directory; replaces output.dir of the job file",
     CADRE__OPTION_TEXT, offsetof(values, output), 0, 0},
    {"overwrite", NULL, "replace a finished run of the same job", CADRE__OPTION_FLAG,
     offsetof(values, overwrite), 0, 0},
    {"dry-run", NULL,
     "validate and print the worst-case cost, as cadre plan; compute nothing",
     CADRE__OPTION_FLAG, offsetof(values, dry_run), 0, 0},
    {"set", "path=value",
     "replace one value of the job file, as tiers.0.shards=3; repeatable",
     CADRE__OPTION_LIST, offsetof(values, sets), 0, 0},
    {"progress", "auto|plain|off",
     "a bar when standard error is a terminal and lines otherwise, always lines, or "
     "nothing "
     "(default: CADRE_PROGRESS, or auto)",
     CADRE__OPTION_CHOICE, offsetof(values, progress), 0, 0},
};

static bool progress_mode(const char *name, cadre__progress_mode *out)
{
    static const char *const names[] = {"auto", "plain", "off"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (cadre__progress_mode)i;
            return true;
        }
    }
    return false;
}

static int dry_run(const cadre__run_opts *opts)
{
    cadre__text out = {0};
    const int code = cadre__plan(opts, &out);
    const int printed = cadre__print(&out);
    return code ? code : printed;
}

static int run(const cadre__command *self, const cadre__call *call)
{
    values v = {.progress = cadre__setting_value(CADRE__SETTING_PROGRESS)};
    const char *operands[CADRE__MAX_OPERANDS];
    cadre__session session;
    int code;

    if (!cadre__args_ready(self, call, &v, operands, &code))
        return code;
    cadre__run_opts opts = {.job_path = operands[0],
                            .sets = v.sets.items,
                            .n_sets = v.sets.n,
                            .output = v.output,
                            .overwrite = v.overwrite,
                            .command = call->line};
    if (!progress_mode(v.progress, &opts.progress)) {
        if (call->speaks)
            fprintf(
                stderr,
                "cadre run: CADRE_PROGRESS: expected auto, plain or off, found \"%s\"\n",
                v.progress);
        return CADRE__EXIT_USAGE;
    }
    if (v.dry_run) {
        if (!call->speaks)
            cadre__fall_silent();
        return dry_run(&opts);
    }
    code = cadre__session_open(call, &session);
    if (code)
        return code;
    return cadre__session_close(&session,
                                cadre__run_job(session.world, session.topo, &opts));
}

const cadre__command cadre__cmd_run = {
    .name = "run",
    .summary = "serve the requests of a job within its budgets",
    .operands = "JOB.json",
    .description =
        "Validates the whole job, opens the models of its tiers on the worker ranks, and "
        "serves every request: admitted against its tenant's budget, routed to a tier, "
        "computed, settled. The run directory then holds results.jsonl, errors.jsonl, "
        "results.h5, ledger.jsonl, report.json, report.html, metrics.prom and run.json. "
        "A "
        "file has its final name only when it is complete.\n\n"
        "Rank 0 coordinates and needs hardly any time: use one rank more than cores. "
        "With one "
        "rank, it serves in its own process.",
    .examples =
        "mpirun -n 3 cadre run jobs/quickstart.json\n"
        "mpirun -n 9 cadre run job.json --output /scratch/run1 --set tiers.0.shards=6",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .uses_mpi = true,
    .run = run,
};
