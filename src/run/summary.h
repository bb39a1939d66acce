/* run/summary.h - the report of a job, put together from what its parts counted, and what
 * run.json says about where it ran. */
#ifndef CADRE_RUN_SUMMARY_H
#define CADRE_RUN_SUMMARY_H

#include "report/report.h"
#include "run/dispatch.h"

#define CADRE__PLACE_HOST 64
#define CADRE__PLACE_CORES 64

/* Where one rank runs. */
typedef struct cadre__place {
    char host[CADRE__PLACE_HOST], cores[CADRE__PLACE_CORES];
} cadre__place;

/* Everybody's place, at rank 0: places[comm size] there, ignored elsewhere. Collective
 * over comm. */
cadre_status cadre__gather_places(cadre_comm *comm, const cadre_topo *topo,
                                  cadre__place *places);

/* Durations of the phases of a job, ns. */
typedef struct cadre__phases {
    int64_t validate, broadcast, open, barrier, serve, reduce, write;
} cadre__phases;

typedef struct cadre__summary_input {
    const cadre__prepared *prepared;
    const cadre__router *router;
    const cadre__dispatch_stats *stats;
    cadre_comm *comm;
    cadre_groups *groups;
    const cadre__place *places;   /* [comm size] */
    const cadre_rank_time *times; /* [comm size] */
    const cadre__phases *phases;
    const char *output_dir, *started;
    int exit_code;
    const char *exit_reason;
} cadre__summary_input;

/* Fill in *out, to be freed with cadre__run_report_fini(), on failure too.
 * Coordinator. */
cadre_status cadre__summarize(const cadre__summary_input *in, cadre__run_report *out);

/* Versions, topology, placement, model digests, command: what run.json adds to the job.
 * NULL when out of memory. */
cadre__json *cadre__run_info(const cadre__prepared *prepared, cadre_comm *comm,
                             const cadre_topo *topo, const cadre__place *places,
                             const char *command, const char *started);

#endif
