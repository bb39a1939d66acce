/* run/train_job.h - the job file of `cadre train`, parsed and validated. */
#ifndef CADRE_RUN_TRAIN_JOB_H
#define CADRE_RUN_TRAIN_JOB_H

#include "io/job.h"
#include "run/optimizer.h"
#include "run/run.h"

typedef struct cadre__train_job {
    char *name, *kernel;
    char *model;   /* to continue from; "" for a fresh one made from options */
    char *options; /* JSON text of "options", "{}" if absent */
    cadre__job_input data, test;
    bool has_test;
    size_t epochs, batch; /* batch: rows of one step, over all ranks */
    uint64_t seed;        /* of the order of rows and of the noise */
    double noise; /* added to each value, anew in each epoch: uniform in +-noise */
    cadre__optimizer_spec optimizer;
    char *output; /* where the model goes */
} cadre__train_job;

/* Parse opts->job_path with opts->sets; opts->output, relative to the working folder,
 * replaces output.model. Paths in the file are relative to it. Nothing else is opened.
 * The caller owns *out. Local. CADRE_ERR_NOT_FOUND, CADRE_ERR_IO, CADRE_ERR_INPUT: file,
 * line, path, expected, found */
cadre_status cadre__train_job_load(const cadre__train_opts *opts, cadre__train_job **out);
void cadre__train_job_destroy(cadre__train_job *job);

#endif
