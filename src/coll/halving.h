/* coll/halving.h - recursive halving and doubling: the two halves of Rabenseifner's
 * algorithm.
 *
 * It runs among the pow2_floor(size) places of schedule.h; the ranks that stand aside
 * hand over their input first. Each place answers for one piece of the vector. */
#ifndef CADRE_COLL_HALVING_H
#define CADRE_COLL_HALVING_H

#include "coll/call.h"
#include "coll/schedule.h"

typedef struct cadre__halving {
    cadre__coll_call *call;
    int power, place;    /* place -1: stands aside */
    const size_t *first; /* [power + 1], where the pieces begin, in elements */
    const char *sum;     /* this rank's input at first, then data */
    char *data;          /* where sums grow, for the whole vector; may be the input */
    char *landing;       /* cadre__halving_landing() bytes */
} cadre__halving;

/* first[power + 1] NULL: equal pieces. data and landing are set later. */
cadre_status cadre__halving_init(cadre__halving *h, cadre__coll_call *call,
                                 const size_t *first);

size_t cadre__halving_landing(const cadre__halving *h);

/* Steps 0 .. log2(power): afterwards each place has its piece of the reduction, if so
 * the average, in data. Partners put the operand of the lower place first. */
cadre_status cadre__halving_reduce(cadre__halving *h);

/* Steps from log2(power) + 1: afterwards all places have all pieces in data. */
cadre_status cadre__halving_gather(cadre__halving *h);

#endif
