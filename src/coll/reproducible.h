/* coll/reproducible.h - sums whose bits depend on their terms alone. */
#ifndef CADRE_COLL_REPRODUCIBLE_H
#define CADRE_COLL_REPRODUCIBLE_H

#include "coll/call.h"

/* The most terms of one sum, beyond which the integers could overflow. */
#define CADRE__MOST_TERMS ((size_t)1 << 20)

/* The row "reproducible" of allreduce. */
bool cadre__allreduce_reproducible_applies(const cadre__coll_call *call);
double cadre__allreduce_reproducible_cost(const cadre__coll_call *call);
cadre_status cadre__allreduce_reproducible(cadre__coll_call *call);

#endif
