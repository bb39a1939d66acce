/* coll/choice.h - the table of algorithms, and the choice among them. */
#ifndef CADRE_COLL_CHOICE_H
#define CADRE_COLL_CHOICE_H

#include "coll/call.h"

/* The index-th row of a collective; NULL past the last. */
const cadre__coll_row *cadre__coll_row_at(cadre_collective collective, size_t index);

/* The row of that name. CADRE_ERR_NOT_FOUND lists those that are. */
cadre_status cadre__coll_find(cadre_collective collective, const char *name,
                              const cadre__coll_row **out);

/* Whether a row can do this call. */
bool cadre__coll_applies(const cadre__coll_row *row, const cadre__coll_call *call);

/* The bytes that a call is chosen by: of the vector, or of the mean block. Equal on all
 * ranks of a call. */
size_t cadre__coll_size(const cadre__coll_call *call);

/* The class of a call: rows are ordered by cost once for each. All calls of which ranks
 * pass equal arguments have equal classes. 0 is no bytes; else 1 + the least k with
 * 2^k >= cadre__coll_size(). */
#define CADRE__COLL_CLASSES 66
int cadre__coll_class(const cadre__coll_call *call);

/* The predicted cost of a row for calls of a class; `call` says all but its size. */
double cadre__coll_class_cost(const cadre__coll_row *row, const cadre__coll_call *call,
                              int class);

/* The row for a call: the named one, or that of CADRE_COLL if it applies, or of those
 * that apply the one with the least predicted cost for calls of this class, the first of
 * equals. The setting is read at the first call of the process; if it is bad, every
 * choice that depends on it fails. With call->state_of_comm costs are asked for once per
 * class.
 *
 * CADRE_ERR_UNSUPPORTED  the row that is named does not apply to this call */
cadre_status cadre__coll_choose(const cadre__coll_call *call, const char *name,
                                const cadre__coll_row **out);

#endif
