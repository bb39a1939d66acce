/* router/complexity.h - how hard a request is, and which class of tier that asks for. */
#ifndef CADRE_ROUTER_COMPLEXITY_H
#define CADRE_ROUTER_COMPLEXITY_H

#include "io/job.h"
#include "io/requests.h"

/* Complexity of item in [0, 1]: its own if it gives one, else as router->source says.
 * False, with a sentence in why, if the row does not have what the source reads. */
bool cadre__complexity_of(const cadre__job_router *router, const cadre__item *item,
                          double *out, char *why, size_t why_size);

/* The tier index for a complexity: 0 below the first threshold, the last above the last
 * one. */
int cadre__complexity_class(const cadre__job_router *router, size_t n_tiers,
                            double complexity);

/* Write "complexity 0.82 > 0.7" for the class it fell into. */
void cadre__complexity_say(const cadre__job_router *router, int class, double complexity,
                           char *buf, size_t size);

#endif
