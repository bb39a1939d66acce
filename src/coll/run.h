/* coll/run.h - operations from their start to their end. */
#ifndef CADRE_COLL_RUN_H
#define CADRE_COLL_RUN_H

#include "coll/call.h"

/* Check args and choose a row: *call is filled, with row NULL if there is nothing to do.
 * Everything that one rank can see to be wrong is refused here. Local. */
cadre_status cadre__coll_prepare(cadre__coll_call *call, cadre_comm *comm,
                                 const cadre_coll_args *args,
                                 const cadre_coll_opts *opts);

/* Number a prepared (and built) call and its children, from the beginning. Local. */
void cadre__coll_begin(cadre__coll_call *call);

/* Go on as far as possible without waiting. Local. */
cadre_status cadre__coll_progress(cadre__coll_call *call, bool *done);

/* Put a call in the queue of its comm. Local. */
void cadre__coll_enqueue(cadre__coll_call *call);

/* Progress all operations of the comm once. After a failure the comm is broken and
 * nothing is under way any more. Local. */
cadre_status cadre__coll_advance(cadre__coll_state *state);

/* A prepared (and built) call from its start to its end: what finish() says. One by
 * shared memory with nothing else under way, which ends soon, is never in the queue. */
cadre_status cadre__coll_run(cadre__coll_call *call);

/* Until `call`, which is in the queue, has ended. On failure the comm is broken. */
cadre_status cadre__coll_finish(cadre__coll_call *call);

/* What finish() says once a call is no longer in the queue. */
cadre_status cadre__coll_outcome(const cadre__coll_call *call);

/* Fail because the call's deadline has passed. */
cadre_status cadre__coll_give_up(cadre__coll_call *call);

/* Fail because nobody will wait for the call. */
void cadre__coll_abandon(cadre__coll_call *call);

/* Whether the call's deadline has passed. Local. */
bool cadre__coll_late(cadre__coll_call *call);

#endif
