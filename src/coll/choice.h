/* coll/choice.h - the table of algorithms, and the choice among them. */
#ifndef CADRE_COLL_CHOICE_H
#define CADRE_COLL_CHOICE_H

#include "coll/call.h"

typedef struct cadre__coll_row {
    cadre__collective collective;
    const char *name, *summary;
    bool (*applies)(const cadre__coll_call *call); /* NULL: to every call */
    double (*cost_ns)(const cadre__coll_call *call);
    cadre_status (*run)(cadre__coll_call *call);
} cadre__coll_row;

/* The index-th row of a collective; NULL past the last. */
const cadre__coll_row *cadre__coll_row_at(cadre__collective collective, size_t index);

/* The row of that name. CADRE_ERR_NOT_FOUND lists those that are. */
cadre_status cadre__coll_find(cadre__collective collective, const char *name,
                              const cadre__coll_row **out);

/* Read a setting as "allreduce:ring,broadcast:native" into out[CADRE__N_COLLECTIVES];
 * NULL for a collective it does not name.
 *
 * CADRE_ERR_INPUT      not of that form, or a collective twice
 * CADRE_ERR_NOT_FOUND  no such collective or algorithm; the sentence lists those that
 *                      are */
cadre_status cadre__coll_parse(const char *setting, const cadre__coll_row **out);

/* The row for a call: the named one, or that of CADRE_COLL, or the one with the least
 * predicted cost, the first of equals. The setting is read at the first call of the
 * process; if it is bad, every choice that depends on it fails.
 *
 * CADRE_ERR_UNSUPPORTED  the row that is named does not apply to this call */
cadre_status cadre__coll_choose(const cadre__coll_call *call, const char *name,
                                const cadre__coll_row **out);

#endif
