/* coll/program.h - the steps of one rank in one operation, and how they are run. */
#ifndef CADRE_COLL_PROGRAM_H
#define CADRE_COLL_PROGRAM_H

#include "coll/call.h"

/* Run call->row->build(), which leaves the steps in call->program. */
cadre_status cadre__program_build(cadre__coll_call *call);

/* Back to the first step; numbers the children. */
void cadre__program_begin(cadre__program *program);

/* Run steps until one cannot go on yet, or to the end. Never waits. */
cadre_status cadre__program_progress(cadre__coll_call *call, bool *done);

/* The child that the program is in; NULL: none. */
cadre__coll_call *cadre__program_child(const cadre__coll_call *call);

/* The sentence of a timeout: the ranks that the current step waits for, as ranks of
 * `top`, which is the comm of the caller of it all. Returns CADRE_ERR_TIMEOUT. */
cadre_status cadre__program_timed_out(const cadre__coll_call *call,
                                      const cadre_comm *top);

/* Give up what is under way, in children too. Memory that MPI may still use is never
 * freed. */
void cadre__program_cancel(cadre__coll_call *call);

/* Keep the program's memory for the next one of this comm; call->program becomes NULL. */
void cadre__program_release(cadre__coll_call *call);

/* Free a list of spare programs. */
void cadre__program_free_all(cadre__program *spare);

#endif
