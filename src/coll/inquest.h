/* coll/inquest.h - after a failure: who is missing, and what each rank last entered.
 *
 * A rank that gives up tells others what it knows of all ranks, and they tell on: each
 * rank writes to those 1, 2, 4, ... places away in both directions, again when it has
 * learnt something (A. Demers et al., Epidemic algorithms for replicated database
 * maintenance, PODC 1987). So news need log2(p) hops and pass round dead ranks. A rank
 * that waits in an operation of the same comm hears of it and gives up too. Of a rank
 * that does not answer, its neighbours on the node tell what it last entered and whether
 * its process lives.
 */
#ifndef CADRE_COLL_INQUEST_H
#define CADRE_COLL_INQUEST_H

#include "coll/call.h"

/* Whether there is a reason to wait no longer: it looks at most every 50 ms, so this
 * belongs where a rank has waited for long. CADRE_OK, or
 *
 * CADRE_ERR_TIMEOUT  another rank of the comm has given up
 * CADRE_ERR_ARG      a rank of this node is in another call */
cadre_status cadre__inquest_look(const cadre__coll_call *call);

/* `call` fails with st, and a sentence that says what this rank saw. Tell the others and
 * hear what they know, for at most 1.7 s. Returns st, or what is nearer the cause, with a
 * sentence that names the missing ranks, their hosts and what each last entered, or the
 * ranks that called something else (CADRE_ERR_ARG). The comm must not be broken yet. */
cadre_status cadre__inquest(const cadre__coll_call *call, cadre_status st);

#endif
