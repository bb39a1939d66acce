/* run/run.h - one job from its file to its run directory, and the other things a program
 * run does with all ranks. Every function returns the exit code of ARCHITECTURE.md, the
 * same on every rank, and has said on stderr (from rank 0) why if it is not 0. */
#ifndef CADRE_RUN_RUN_H
#define CADRE_RUN_RUN_H

#include "core/text.h"
#include <cadre/comm.h>
#include <cadre/topo.h>
#include <stdbool.h>
#include <stddef.h>

#define CADRE__EXIT_OK 0       /* all requests have a result */
#define CADRE__EXIT_ERRORS 1   /* finished, some requests ended in an error record */
#define CADRE__EXIT_USAGE 2    /* wrong usage */
#define CADRE__EXIT_INPUT 3    /* bad input, nothing was computed */
#define CADRE__EXIT_BUDGET 4   /* no request could be admitted */
#define CADRE__EXIT_DEADLINE 5 /* stopped at a deadline with work left */
#define CADRE__EXIT_RESOURCE 6 /* a resource failed */

typedef enum cadre__progress_mode {
    CADRE__PROGRESS_AUTO,
    CADRE__PROGRESS_PLAIN,
    CADRE__PROGRESS_OFF
} cadre__progress_mode;

typedef struct cadre__run_opts {
    const char *job_path;
    const char *const *sets; /* "path=value" of each --set */
    size_t n_sets;
    const char *output; /* --output, or NULL */
    bool overwrite;     /* --overwrite: a finished run of the same job is replaced */
    cadre__progress_mode progress;
    const char *command; /* the command line, for run.json */
} cadre__run_opts;

/* `cadre run`. Collective over world. */
int cadre__run_job(cadre_comm *world, cadre_topo *topo, const cadre__run_opts *opts);

/* `cadre plan`, `cadre run --dry-run`: validate, then worst-case cost and requests per
 * tenant and tier, appended to *out as text. Local, no MPI. */
int cadre__plan(const cadre__run_opts *opts, cadre__text *out);

typedef struct cadre__train_opts {
    const char *job_path;
    const char *const *sets;
    size_t n_sets;
    const char *output; /* replaces the job's "output", or NULL */
    bool quiet;         /* no line per epoch */
} cadre__train_opts;

/* `cadre train`. Collective over world. */
int cadre__train(cadre_comm *world, cadre_topo *topo, const cadre__train_opts *opts);

/* 0 and NULL stand for what was not given: each benchmark has defaults of its own. */
typedef struct cadre__bench_opts {
    const char *output; /* folder for report.json and report.html */
    const char *format; /* to stdout: "text", "json", "csv" */
    const char *command;
    size_t requests; /* shards: scatter-gathers per repetition and row; infer: texts */
    size_t repetitions;
    /* shards */
    size_t kib;        /* per request and shard */
    size_t max_shards; /* never more than there are workers */
    /* infer */
    const char *kernel, *model, *tokenizer, *options;
    size_t shards, ranks_per_shard;
    size_t prompt_tokens, max_tokens;
    size_t prefill; /* tokens of prompts that are only read; 0: not that */
    bool ragged, single;
    /* ops */
    const char *type, *rows; /* NULL: all types; "1,8,64" */
    size_t n_out, n_in;
    /* collectives; NULL: all, 4-64M, chosen, malloc, f32, sum */
    const char *collective, *sizes, *algorithms, *buffers, *dtype, *reduction;
} cadre__bench_opts;

/* `cadre bench shards`. Collective over world; rank 0 writes to stdout. */
int cadre__bench_shards(cadre_comm *world, cadre_topo *topo,
                        const cadre__bench_opts *opts);

/* `cadre bench infer`: text generation by a kernel in shard groups. The same. */
int cadre__bench_infer(cadre_comm *world, cadre_topo *topo,
                       const cadre__bench_opts *opts);

/* `cadre bench ops`: compute primitives of every level, on rank 0 alone. The same. */
int cadre__bench_ops(cadre_comm *world, cadre_topo *topo, const cadre__bench_opts *opts);

/* `cadre bench collectives`: ours and the MPI library's, in turns. The same. */
int cadre__bench_collectives(cadre_comm *world, cadre_topo *topo,
                             const cadre__bench_opts *opts);

typedef struct cadre__explain_opts {
    const char *collective, *sizes; /* NULL: all, 8-16M */
    const char *dtype, *reduction, *buffers, *format;
    bool measure; /* also time the candidates */
} cadre__explain_opts;

/* `cadre coll explain`. Collective over world; rank 0 writes to stdout. */
int cadre__coll_explain_job(cadre_comm *world, const cadre__explain_opts *opts);

#endif
