/* coll/shared/shared.h - collectives of ranks that share memory, for the rest of coll. */
#ifndef CADRE_COLL_SHARED_SHARED_H
#define CADRE_COLL_SHARED_SHARED_H

#include "coll/call.h"

/* Whether the ranks of the call's comm share memory, and the collective has such a form
 * for this call. */
bool cadre__shared_applies(const cadre__coll_call *call);
/* And may read each other's memory. */
bool cadre__shared_read_applies(const cadre__coll_call *call);

/* The rows "shm", "shm_slices" and "shm_read"; see the files. */
cadre_status cadre__shared_barrier(cadre__coll_call *call, bool *done);
cadre_status cadre__shared_reduce_all(cadre__coll_call *call, bool *done);
cadre_status cadre__shared_pull(cadre__coll_call *call, bool *done);
cadre_status cadre__shared_pull_read(cadre__coll_call *call, bool *done);
cadre_status cadre__shared_slices(cadre__coll_call *call, bool *done);
cadre_status cadre__shared_slices_read(cadre__coll_call *call, bool *done);

double cadre__shared_barrier_cost(const cadre__coll_call *call);
double cadre__shared_pull_cost(const cadre__coll_call *call);
double cadre__shared_pull_read_cost(const cadre__coll_call *call);
double cadre__shared_slices_cost(const cadre__coll_call *call);
double cadre__shared_slices_read_cost(const cadre__coll_call *call);

/* The deadline of a direct operation has passed: CADRE_ERR_TIMEOUT naming the ranks that
 * did not come, or CADRE_ERR_ARG if one came with another call. */
cadre_status cadre__shared_timed_out(const cadre__coll_call *call);

#endif
