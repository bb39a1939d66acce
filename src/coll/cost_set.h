/* coll/cost_set.h - all costs of a job, as they are measured, kept and inherited. */
#ifndef CADRE_COLL_COST_SET_H
#define CADRE_COLL_COST_SET_H

#include "coll/cost.h"

typedef struct cadre__coll_cost_set {
    cadre__coll_costs inside; /* for comms in one node */
    cadre__coll_costs across; /* for comms over several */
    bool busy;                /* built in, as others disturbed when it was measured */
    char origin[192];         /* "built in", "measured in this job", the file */
} cadre__coll_cost_set;

/* What is assumed where nothing was measured. crowded: ranks share cores. Local. */
const cadre__coll_cost_set *cadre__coll_built_in_costs(bool crowded);

/* The set that comm has; borrowed until it is destroyed. Local. */
const cadre__coll_cost_set *cadre__coll_cost_set_of(const cadre_comm *comm);

/* Measure on a comm that was made from MPI's: some 0.8 s. What cannot be measured here is
 * built in; unless `in_any_case`, so is everything, and out->busy is set, if others on
 * the machine disturb. All ranks get the same, and pass the same. Collective over comm.
 * Errors are those of collectives. */
cadre_status cadre__coll_measure(cadre_comm *comm, int64_t deadline_ns, bool in_any_case,
                                 cadre__coll_cost_set *out);

/* A file of costs, text: a first line, a line "key KEY" that says for what machine, MPI
 * library and ranks they are ("key *": for all), then a line for each cost. Those of a
 * busy machine are out of date after BUSY_SECONDS. Local.
 *
 * CADRE_ERR_NOT_FOUND  no such file
 * CADRE_ERR_INPUT      it is not such a file, incomplete, absurd, of another key, or out
 *                      of date
 * CADRE_ERR_IO         it cannot be read or written */
cadre_status cadre__coll_costs_read(const char *path, const char *key,
                                    cadre__coll_cost_set *out);
/* Whole, by a temporary name beside it; folders on the way are made. */
cadre_status cadre__coll_costs_write(const char *path, const char *key,
                                     const cadre__coll_cost_set *set);
/* Whether costs_write() would succeed, as far as one can tell; makes the folders. */
cadre_status cadre__coll_costs_writable(const char *path);

/* Give comm, made from MPI's, the costs of this machine: from the file, or measured and
 * kept, as CADRE_COLL_COSTS says. Failing to read or write the file is no error. Later
 * comms made from it inherit them. Collective over comm: its first blocking call by
 * choice calls this. If less than LEARN_NS are left on some rank, nothing is measured. */
cadre_status cadre__coll_learn(cadre_comm *comm, int64_t deadline_ns);

#endif
