/* coll/explain.h - why an algorithm is chosen, for `cadre coll explain` and benchmarks.
 * Layers above may include this. */
#ifndef CADRE_COLL_EXPLAIN_H
#define CADRE_COLL_EXPLAIN_H

#include "coll/call.h"

typedef struct cadre__coll_candidate {
    const char *name, *summary;
    bool applies;        /* it can do this call */
    bool chosen;         /* it does, if nobody names another */
    double predicted_ns; /* for the size class of the call, which the choice goes by */
} cadre__coll_candidate;

#define CADRE__MAX_CANDIDATES 32

typedef struct cadre__coll_explanation {
    cadre__coll_candidate candidates[CADRE__MAX_CANDIDATES]; /* in the table's order */
    size_t n;
    size_t class_bytes; /* the size that predictions are for */
    char why[160];      /* a clause: "least predicted time of 3 candidates" */
} cadre__coll_explanation;

/* What would happen to this call. The costs are those of the comm by now. Local.
 * What cadre_coll_call() returns for bad arguments. */
cadre_status cadre__coll_explain(cadre_comm *comm, const cadre_coll_args *args,
                                 const cadre_coll_opts *opts,
                                 cadre__coll_explanation *out);

/* The name of the algorithm that would do this call, from what is equal on all ranks:
 * its buffers are not looked at. NULL: the call is refused, with a sentence. Local. */
const char *cadre__coll_would_run(cadre_comm *comm, const cadre_coll_args *args);

/* Where the costs of comm come from: "built in", a file, ...; borrowed until comm is
 * destroyed. Local. */
const char *cadre__coll_costs_origin(const cadre_comm *comm);

#endif
