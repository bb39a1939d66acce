/* coll/check.h - CADRE_COLL_CHECK=1: before each collective the ranks compare what they
 * call.
 *
 * Without it ranks that call different things may get wrong data, since a root, a type of
 * equal size or an order leaves no trace in messages. */
#ifndef CADRE_COLL_CHECK_H
#define CADRE_COLL_CHECK_H

#include "coll/call.h"

/* Give a call that is about to be made the comparison that precedes it, in call->check,
 * if the setting says so. Local. CADRE_ERR_NOMEM */
cadre_status cadre__check_make(cadre__coll_call *call);
void cadre__check_free(cadre__coll_call *call);

/* Go on with call->check; *done when it has ended.
 * CADRE_ERR_ARG  the ranks' calls differ */
cadre_status cadre__check_progress(cadre__coll_call *call, bool *done);

#endif
