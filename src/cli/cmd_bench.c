/* cli/cmd_bench.c - cadre bench: measure, one benchmark per name. */
#include "cli/args.h"
#include "cli/session.h"
#include "core/text.h"
#include "run/run.h"
#include <stdio.h>
#include <string.h>

typedef struct values {
    size_t requests, kib, repetitions, max_shards;
    const char *output, *format;
} values;

static const cadre__option options[] = {
    {"requests", "N", "scatter-gathers in each repetition (default: 160)",
     CADRE__OPTION_COUNT, offsetof(values, requests), 1, 1000000},
    {"kib", "N", "KiB per request and shard, in rows of 4 KiB (default: 256)",
     CADRE__OPTION_COUNT, offsetof(values, kib), 4, 1048576},
    {"repetitions", "N", "repetitions of each row after a warm-up (default: 5)",
     CADRE__OPTION_COUNT, offsetof(values, repetitions), 1, 1000},
    {"max-shards", "N", "last row, never above the number of workers (default: 16)",
     CADRE__OPTION_COUNT, offsetof(values, max_shards), 1, 65536},
    {"output", "DIR",
     "folder for report.json and report.html (default: runs/bench-shards)",
     CADRE__OPTION_TEXT, offsetof(values, output), 0, 0},
    {"format", "text|json|csv", "form of the table on standard output (default: text)",
     CADRE__OPTION_CHOICE, offsetof(values, format), 0, 0},
};

static const struct {
    const char *name;
    int (*run)(cadre_comm *world, cadre_topo *topo, const cadre__bench_opts *opts);
} benchmarks[] = {
    {"shards", cadre__bench_shards},
};
#define N_BENCHMARKS (sizeof benchmarks / sizeof benchmarks[0])

static int unknown_benchmark(const cadre__call *call, const char *name)
{
    const char *names[N_BENCHMARKS];
    for (size_t i = 0; i < N_BENCHMARKS; i++)
        names[i] = benchmarks[i].name;
    const char *near = cadre__nearest(name, names, N_BENCHMARKS);
    if (call->speaks)
        fprintf(stderr, "cadre bench: unknown benchmark \"%s\"; %s%s\n", name,
                near ? "did you mean " : "there is: ", near ? near : names[0]);
    return CADRE__EXIT_USAGE;
}

static int run(const cadre__command *self, const cadre__call *call)
{
    values v = {.requests = 160,
                .kib = 256,
                .repetitions = 5,
                .max_shards = 16,
                .output = "runs/bench-shards",
                .format = "text"};
    const char *operands[CADRE__MAX_OPERANDS];
    cadre__session session;
    size_t i = 0;
    int code;

    if (!cadre__args_ready(self, call, &v, operands, &code))
        return code;
    while (i < N_BENCHMARKS && strcmp(benchmarks[i].name, operands[0]) != 0)
        i++;
    if (i == N_BENCHMARKS)
        return unknown_benchmark(call, operands[0]);
    const cadre__bench_opts opts = {.requests = v.requests,
                                    .kib = v.kib,
                                    .repetitions = v.repetitions,
                                    .max_shards = v.max_shards,
                                    .output = v.output,
                                    .format = v.format,
                                    .command = call->line};
    code = cadre__session_open(call, &session);
    if (code)
        return code;
    return cadre__session_close(&session,
                                benchmarks[i].run(session.world, session.topo, &opts));
}

const cadre__command cadre__cmd_bench = {
    .name = "bench",
    .summary = "measure: shards (scatter-gather over 1, 2, 4, ... shards)",
    .operands = "NAME",
    .description =
        "shards: one row for each number of shards that the ranks allow. Each row sends "
        "the "
        "same number of scatter-gathers of the same size per shard, with real matrix "
        "work in "
        "the kernel, and tells requests/s, latencies, compute and coordination time and "
        "efficiency. Answers are verified before anything is timed. bench/README.md "
        "defines "
        "each column.",
    .examples = "mpirun -n 3 cadre bench shards\n"
                "mpirun -n 17 cadre bench shards --output bench-shards --format csv",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .uses_mpi = true,
    .run = run,
};
