/* coll/cost.h - the numbers behind the choice of an algorithm, all in one place.
 *
 * The model is Hockney's (1994), with a term for reductions: a message of m bytes costs
 * alpha + m beta, reducing m bytes costs m gamma. It orders algorithms; it does not
 * promise times.
 */
#ifndef CADRE_COLL_COST_H
#define CADRE_COLL_COST_H

#include "coll/call.h"

/* The costs between ranks of one node, or across nodes. */
const cadre__coll_costs *cadre__coll_costs_of(bool one_node);

#endif
