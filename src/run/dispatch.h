/* run/dispatch.h - the serving phase on the coordinator: admit, batch, send, settle. */
#ifndef CADRE_RUN_DISPATCH_H
#define CADRE_RUN_DISPATCH_H

#include "io/record.h"
#include "run/prepare.h"
#include "run/progress.h"
#include <cadre/group.h>
#include <cadre/hist.h>

typedef struct cadre__tier_stats {
    cadre_hist service; /* ns from sending to answer, of requests that succeeded */
    cadre_hist first_token, per_token; /* of texts: ns to the first, and for each other */
    uint64_t tokens_shared;
    int64_t compute_ns; /* inside the kernel, all batches that came back */
    uint64_t labelled, correct;
} cadre__tier_stats;

typedef struct cadre__dispatch_stats {
    uint64_t completed, failed, refused, expired; /* requests; they add up to all */
    uint64_t downgraded;
    cadre_money spent;
    cadre_hist queue, service;
    cadre__tier_stats *tiers;   /* [n_tiers], the caller's */
    cadre_money *refused_worth; /* [n_tenants], the caller's: worst cost of the refused */
} cadre__dispatch_stats;

/* Serve every request; groups[n_tiers] are the tiers' shard groups. Each request ends as
 * one record in dir. stats->tiers and ->refused_worth are zeroed memory of the caller.
 * Coordinator. Failures of kernels, workers and deadlines are records, not failures of
 * this call. */
cadre_status cadre__dispatch(const cadre__prepared *prepared, cadre__router *router,
                             cadre_groups *groups, cadre_group *const *tier_groups,
                             cadre__rundir *dir, cadre__progress *progress,
                             cadre__dispatch_stats *stats);

#endif
