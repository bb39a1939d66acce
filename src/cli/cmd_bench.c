/* cli/cmd_bench.c - cadre bench: measure, one benchmark per name. */
#include "cli/args.h"
#include "cli/session.h"
#include "core/text.h"
#include "run/run.h"
#include <stdio.h>
#include <string.h>

static const cadre__option options[] = {
    {"output", "DIR", "folder for report.json and report.html (default: runs/bench-NAME)",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, output), 0, 0},
    {"format", "text|json|csv", "form of the table on standard output (default: text)",
     CADRE__OPTION_CHOICE, offsetof(cadre__bench_opts, format), 0, 0},
    {"repetitions", "N",
     "repetitions of each row (default: shards 5, infer 3, ops 7, collectives 9)",
     CADRE__OPTION_COUNT, offsetof(cadre__bench_opts, repetitions), 1, 1000},
    {"requests", "N",
     "shards: scatter-gathers in each repetition (default: 160); infer: texts in each "
     "repetition (default: 256; with --prefill 8, with --single 4)",
     CADRE__OPTION_COUNT, offsetof(cadre__bench_opts, requests), 1, 1000000},
    {"kib", "N", "shards: KiB per request and shard, in rows of 4 KiB (default: 256)",
     CADRE__OPTION_COUNT, offsetof(cadre__bench_opts, kib), 4, 1048576},
    {"max-shards", "N",
     "shards: last row, never above the number of workers (default: 16)",
     CADRE__OPTION_COUNT, offsetof(cadre__bench_opts, max_shards), 1, 65536},
    {"model", "FILE", "infer: the model", CADRE__OPTION_TEXT,
     offsetof(cadre__bench_opts, model), 0, 0},
    {"tokenizer", "FILE", "infer: the vocabulary, if the model has none",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, tokenizer), 0, 0},
    {"kernel", "NAME",
     "infer: a built-in kernel or a shared object (default: transformer)",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, kernel), 0, 0},
    {"options", "JSON", "infer: options of the kernel, as a tier's in a job file",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, options), 0, 0},
    {"shards", "N",
     "infer: shards (default: as many as there are workers for; with --single 1)",
     CADRE__OPTION_COUNT, offsetof(cadre__bench_opts, shards), 1, 65536},
    {"ranks-per-shard", "N", "infer: ranks that split a model (default: 1)",
     CADRE__OPTION_COUNT, offsetof(cadre__bench_opts, ranks_per_shard), 1, 65536},
    {"prompt-tokens", "N", "infer: tokens of each prompt (default: 128)",
     CADRE__OPTION_COUNT, offsetof(cadre__bench_opts, prompt_tokens), 1, 1000000},
    {"max-tokens", "N", "infer: tokens to generate for each prompt (default: 64)",
     CADRE__OPTION_COUNT, offsetof(cadre__bench_opts, max_tokens), 1, 1000000},
    {"ragged", NULL, "infer: prompts of 16 to 512 tokens and answers of 8 to 128",
     CADRE__OPTION_FLAG, offsetof(cadre__bench_opts, ragged), 0, 0},
    {"prefill", "N", "infer: prompts of N tokens, one token generated",
     CADRE__OPTION_COUNT, offsetof(cadre__bench_opts, prefill), 1, 1000000},
    {"single", NULL, "infer: one request at a time", CADRE__OPTION_FLAG,
     offsetof(cadre__bench_opts, single), 0, 0},
    {"type", "F32|F16|BF16|Q8_0|Q4_0|Q4_K|Q5_K|Q6_K",
     "ops: only products with weights of this type (default: all ops)",
     CADRE__OPTION_CHOICE, offsetof(cadre__bench_opts, type), 0, 0},
    {"rows", "LIST", "ops: rows that a matrix multiplies, as in 1,64 (default: 1,4,8,64)",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, rows), 0, 0},
    {"n-out", "N", "ops: outputs of a matrix (default: 2048)", CADRE__OPTION_COUNT,
     offsetof(cadre__bench_opts, n_out), 1, 65536},
    {"n-in", "N", "ops: weights of an output (default: 2048)", CADRE__OPTION_COUNT,
     offsetof(cadre__bench_opts, n_in), 1, 65536},
    {"collective", "LIST", "collectives: which, as in allreduce,broadcast (default: all)",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, collective), 0, 0},
    {"sizes", "LIST",
     "collectives: bytes, as in 8,1k,1M, or 4-64M: each 4 times the one before "
     "(default: 4-64M)",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, sizes), 0, 0},
    {"algorithms", "LIST",
     "collectives: names, or all; chosen: what is chosen (default: chosen)",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, algorithms), 0, 0},
    {"buffers", "malloc|shared|both",
     "collectives: ordinary memory, or what the ranks of a node can read directly "
     "(default: malloc)",
     CADRE__OPTION_CHOICE, offsetof(cadre__bench_opts, buffers), 0, 0},
    {"dtype", "NAME", "collectives: type of the elements (default: f32)",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, dtype), 0, 0},
    {"reduction", "NAME", "collectives: what reductions do (default: sum)",
     CADRE__OPTION_TEXT, offsetof(cadre__bench_opts, reduction), 0, 0},
};

/* Besides those of all benchmarks: output, format, repetitions. */
static const struct {
    const char *name;
    int (*run)(cadre_comm *world, cadre_topo *topo, const cadre__bench_opts *opts);
    const char *options; /* that it takes, each between blanks */
} benchmarks[] = {
    {"shards", cadre__bench_shards, " requests kib max-shards "},
    {"infer", cadre__bench_infer,
     " requests model tokenizer kernel options shards ranks-per-shard prompt-tokens "
     "max-tokens ragged prefill single "},
    {"ops", cadre__bench_ops, " type rows n-out n-in "},
    {"collectives", cadre__bench_collectives,
     " collective sizes algorithms buffers dtype reduction "},
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

/* The first option that was given and means nothing to this benchmark; NULL: none. */
static const char *stray_option(const cadre__call *call, size_t benchmark)
{
    for (int i = 0; i < call->argc; i++) {
        const char *argument = call->argv[i];
        const size_t length = strncmp(argument, "--", 2) ? 0 : strcspn(argument + 2, "=");
        char word[64];
        if (length == 0 || length + 3 > sizeof word)
            continue;
        snprintf(word, sizeof word, " %.*s ", (int)length, argument + 2);
        if (!strstr(" output format repetitions ", word) &&
            !strstr(benchmarks[benchmark].options, word))
            return argument;
    }
    return NULL;
}

/* Options of infer that cannot be together; NULL: all is well. */
static const char *contradiction(const cadre__bench_opts *v)
{
    if ((v->prefill > 0) + v->ragged + v->single > 1)
        return "choose one of --prefill, --ragged and --single";
    if ((v->prefill || v->ragged) && (v->prompt_tokens || v->max_tokens))
        return "--prefill and --ragged say how long texts are: leave out --prompt-tokens "
               "and --max-tokens";
    return NULL;
}

static int usage_error(const cadre__call *call, const char *benchmark, const char *what,
                       const char *option)
{
    if (call->speaks)
        fprintf(stderr, "cadre bench %s: %s%s\ntry: cadre bench --help\n", benchmark,
                what, option);
    return CADRE__EXIT_USAGE;
}

static int run(const cadre__command *self, const cadre__call *call)
{
    cadre__bench_opts v = {.format = "text", .command = call->line};
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
    const char *stray = stray_option(call, i);
    if (stray)
        return usage_error(call, operands[0], "not an option of this benchmark: ", stray);
    if (contradiction(&v))
        return usage_error(call, operands[0], contradiction(&v), "");
    if (benchmarks[i].run == cadre__bench_infer && !v.model && !v.kernel)
        return usage_error(call, operands[0],
                           "expected --model FILE, a GGUF file or a llama2.c checkpoint, "
                           "found nothing",
                           "");
    code = cadre__session_open(call, &session);
    if (code)
        return code;
    return cadre__session_close(&session,
                                benchmarks[i].run(session.world, session.topo, &v));
}

const cadre__command cadre__cmd_bench = {
    .name = "bench",
    .summary =
        "measure: shards (scatter-gather), infer (text generation), ops (compute), "
        "collectives",
    .operands = "NAME",
    .description =
        "shards: one row for each number of shards that the ranks allow. Each row sends "
        "the "
        "same number of scatter-gathers of the same size per shard, with real matrix "
        "work in "
        "the kernel, and tells requests/s, latencies, compute and coordination time and "
        "efficiency. Answers are verified before anything is timed. bench/README.md "
        "defines "
        "each column.\n\n"
        "infer: a batch of texts, made so that the kernel counts exactly the wanted "
        "tokens, "
        "over shards of a model. Tells tokens/s (prompts and generated ones), time to "
        "the "
        "first token and for each later one, what opening took the first and the second "
        "time, and memory. Some texts are computed alone first; every repetition must "
        "give "
        "the same bytes for them and for all others as the first.\n\n"
        "ops: matrix products, attention and other primitives, for each instruction set "
        "of this "
        "machine: GOP/s and GB/s, and how many percent that is of what one thread can do "
        "at "
        "most, measured in the same run. Every level's results are compared with the "
        "reference "
        "before anything is timed. Rank 0 computes; mpirun is not needed.\n\n"
        "collectives: each collective and size by our algorithms and by the MPI "
        "library's "
        "own blocking call, in turns: time, bandwidth, and how many times as fast as "
        "MPI. "
        "Results are verified on every rank before and after anything is timed. The MPI "
        "library's own settings (OMPI_MCA_*) hold, and are in the report.",
    .examples = "mpirun -n 3 cadre bench shards\n"
                "mpirun -n 17 cadre bench shards --output bench-shards --format csv\n"
                "mpirun -n 3 cadre bench infer --model model.gguf\n"
                "mpirun -n 3 cadre bench infer --model model.gguf --ranks-per-shard 2 "
                "--single\n"
                "cadre bench ops --type Q8_0 --rows 1,64,256\n"
                "mpirun -n 2 cadre bench collectives --collective allreduce --buffers "
                "both\n"
                "mpirun -n 8 cadre bench collectives --sizes 64k,1M --algorithms all",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .uses_mpi = true,
    .run = run,
};
