/* io/job.h - a job file, parsed and validated, with paths resolved. */
#ifndef CADRE_IO_JOB_H
#define CADRE_IO_JOB_H

#include "io/json.h"
#include <cadre/money.h>
#include <cadre/status.h>
#include <stdbool.h>
#include <stdint.h>

/* Prices are kept so that the cost of any request is a whole number of 1e-13 USD: per 1k
 * tokens at most 10 digits of fraction, or the job file is refused. */
typedef struct cadre__price {
    cadre_money input_per_1k, output_per_1k, per_request; /* all >= 0 */
} cadre__price;

/* tokens_in * input_per_1k / 1000 + tokens_out * output_per_1k / 1000 + per_request,
 * exactly. CADRE_ERR_RANGE on overflow. */
cadre_status cadre__price_cost(const cadre__price *price, uint64_t tokens_in,
                               uint64_t tokens_out, cadre_money *out);

typedef struct cadre__label {
    char *key, *value;
} cadre__label;

typedef struct cadre__job_tier {
    char *name, *kernel;     /* kernel: built-in name or path */
    char *model, *tokenizer; /* "" if absent */
    char *options;           /* JSON text of "options", "{}" if absent */
    size_t shards;           /* >= 1; default 1 */
    size_t ranks_per_shard;  /* >= 1; default 1 */
    char *partition;         /* default "round_robin" */
    char *placement;         /* default "spread" */
    size_t batch;            /* requests per batch; 0: the kernel's best */
    size_t in_flight;        /* batches per shard; 0: by the kernel's style */
    cadre__price price;
    bool needs_gpu; /* requests must say prefer_gpu to get this tier */
    size_t n_labels;
    cadre__label *labels;
} cadre__job_tier;

typedef struct cadre__job_tenant {
    char *name;
    bool limited; /* false: no "budget" key, which means no limit; said in the summary */
    cadre_money budget; /* >= 0 */
} cadre__job_tenant;

/* How a request's complexity in [0, 1] is found when it does not say it itself. */
typedef enum cadre__complexity_source {
    CADRE__COMPLEXITY_LENGTH,  /* text: bytes / full_length, at most 1; rows: 0 */
    CADRE__COMPLEXITY_FEATURE, /* rows: the value in column `feature`, clipped */
    CADRE__COMPLEXITY_LINEAR   /* rows: weights . row + bias, clipped */
} cadre__complexity_source;

typedef struct cadre__job_router {
    char *policy;     /* "complexity" (default), "fixed", "cheapest" */
    char *fixed_tier; /* for "fixed": a tier's name */
    cadre__complexity_source source;
    size_t feature;
    size_t full_length; /* default 4096 */
    size_t n_weights;
    double *weights, bias;
    size_t n_thresholds; /* tiers - 1, rising in (0, 1); default 0.3, 0.7 for 3 tiers */
    double *thresholds;
    bool fallback; /* default true */
} cadre__job_router;

typedef struct cadre__job_limits {
    int64_t request_timeout_ms;   /* default 60000 */
    int64_t max_attempts;         /* default 3 */
    int64_t job_deadline_s;       /* 0: none */
    int64_t broadcast_timeout_ms; /* phases; defaults 30000, 60000 (open and barrier),
                                     30000 */
    int64_t barrier_timeout_ms;
    int64_t reduce_timeout_ms;
} cadre__job_limits;

/* Where requests (or training rows) come from: exactly one of path and generator. */
typedef struct cadre__job_input {
    char *path; /* .jsonl, .h5/.hdf5, .csv (each also .gz except HDF5); "" if generated */
    char *generator;          /* "graded" or "" */
    uint64_t seed;            /* of the generator */
    uint64_t first_row, rows; /* which rows; of a dataset 0 rows means all */
    char *dataset;            /* HDF5: default "x" */
    int64_t label_column;     /* CSV: -1 the last, -2 none (default) */
    double scale;             /* rows are multiplied by it; default 1 */
    bool tenants_in_turn;     /* row i is paid by tenant i modulo their number */
    /* JSONL of other makers: which of its fields are id and prompt, and what all requests
     * ask for, as in OpenAI's body. NULL: lines in our forms; nothing. Of the job's
     * document. */
    const char *id_field, *prompt_field;
    const struct cJSON *request;
} cadre__job_input;

typedef struct cadre__job {
    char *path, *folder; /* of the job file */
    char *name;
    cadre__json_doc *doc; /* as resolved: with --set applied */
    char digest[33];      /* of the resolved job, without output */
    cadre__job_input input;
    char *output_dir; /* may be NULL: then runs/<name> beside the job file */
    size_t n_tiers;
    cadre__job_tier *tiers; /* as in the file: cheapest and smallest first */
    size_t n_tenants;
    cadre__job_tenant *tenants; /* without any in the file: one, "default", unlimited */
    cadre__job_router router;
    cadre__job_limits limits;
} cadre__job;

/* Parse and validate a job file; sets[0..n_sets) are "path=value" of --set. Nothing is
 * opened besides the job file. The caller owns *out. Local.
 * CADRE_ERR_NOT_FOUND, CADRE_ERR_IO, CADRE_ERR_INPUT: file, line, path, expected, found
 */
cadre_status cadre__job_load(const char *path, const char *const *sets, size_t n_sets,
                             cadre__job **out);

/* The same for a document that is parsed already; path says where it would lie. Takes doc
 * over, also on failure. */
cadre_status cadre__job_from_doc(const char *path, cadre__json_doc *doc,
                                 cadre__job **out);
void cadre__job_destroy(cadre__job *job);

#define CADRE__NAME_BYTES 64 /* longest name of a job, tier or tenant */

/* Index of a tier by name; -1 if there is none. */
int cadre__job_tier_index(const cadre__job *job, const char *name);

/* Parse an "input" or "data" object (shared by run and train jobs). Keys that mean
 * nothing for this kind of input are refused. *out needs cadre__job_input_fini() in any
 * case. */
cadre_status cadre__job_parse_input(const cadre__json_doc *doc, const cadre__json *node,
                                    const char *folder, cadre__job_input *out);
void cadre__job_input_fini(cadre__job_input *input);

/* Does path end in .jsonl or .jsonl.gz? */
bool cadre__job_input_is_jsonl(const cadre__job_input *input);

#endif
