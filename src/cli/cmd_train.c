/* cli/cmd_train.c - cadre train: data-parallel training. */
#include "cli/args.h"
#include "cli/session.h"
#include "run/run.h"

typedef struct values {
    const char *output;
    bool quiet;
    cadre__list sets;
} values;

static const cadre__option options[] = {
    {"set", "path=value", "replace one value of the job file, as epochs=3; repeatable",
     CADRE__OPTION_LIST, offsetof(values, sets), 0, 0},
    {"output", "FILE",
     "file of the trained weights; replaces output.model of the job file",
     CADRE__OPTION_TEXT, offsetof(values, output), 0, 0},
    {"quiet", NULL, "no line per epoch", CADRE__OPTION_FLAG, offsetof(values, quiet), 0,
     0},
};

static int run(const cadre__command *self, const cadre__call *call)
{
    values v = {0};
    const char *operands[CADRE__MAX_OPERANDS];
    cadre__session session;
    int code;

    if (!cadre__args_ready(self, call, &v, operands, &code))
        return code;
    const cadre__train_opts opts = {.job_path = operands[0],
                                    .sets = v.sets.items,
                                    .n_sets = v.sets.n,
                                    .output = v.output,
                                    .quiet = v.quiet};
    code = cadre__session_open(call, &session);
    if (code)
        return code;
    return cadre__session_close(&session,
                                cadre__train(session.world, session.topo, &opts));
}

const cadre__command cadre__cmd_train = {
    .name = "train",
    .summary = "train a model, data-parallel over all ranks",
    .operands = "JOB.json",
    .description = "Every rank, the coordinator too, computes the gradients of its part "
                   "of each batch; "
                   "a ring AllReduce sums them. The sums are exact, so for a given batch "
                   "size the weights "
                   "are the same to the last bit for any number of ranks.",
    .examples = "mpirun -n 2 cadre train jobs/train-small.json --output small.h5",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .uses_mpi = true,
    .run = run,
};
