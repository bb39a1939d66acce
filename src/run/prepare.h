/* run/prepare.h - a job made ready on one rank: parsed, its requests read, its kernels
 * described, and every request known to be of a kind that some tier serves. Local, no
 * MPI: `cadre plan` needs no more than this. */
#ifndef CADRE_RUN_PREPARE_H
#define CADRE_RUN_PREPARE_H

#include "io/job.h"
#include "io/requests.h"
#include "router/router.h"
#include "run/run.h"
#include <cadre/kernel.h>

typedef struct cadre__prepared_tier {
    const cadre_kernel *kernel;
    void *state; /* opened to describe only */
    cadre_kernel_info info;
    char model_digest[33]; /* "" if the tier names no model */
} cadre__prepared_tier;

typedef struct cadre__prepared {
    cadre__job *job;
    cadre__requests *requests;
    cadre__prepared_tier *tiers; /* [job->n_tiers] */
} cadre__prepared;

/* n_workers bounds the shards of a tier; 0: not known, not checked. *out is freed by the
 * caller, on failure too. */
cadre_status cadre__prepare(const cadre__run_opts *opts, size_t n_workers,
                            cadre__prepared *out);
void cadre__prepared_fini(cadre__prepared *prepared);

/* The worst case of an item on each tier, demands[n_tiers]. */
void cadre__prepared_demands(const cadre__prepared *prepared, const cadre__item *item,
                             cadre__demand *demands);

/* The request as the kernels see it. */
cadre_request cadre__prepared_request(const cadre__prepared *prepared, size_t index);

#endif
