/* router/policy.h - which tiers a request may get, in which order. Knows nothing of
 * budgets. */
#ifndef CADRE_ROUTER_POLICY_H
#define CADRE_ROUTER_POLICY_H

#include "router/router.h"

/* What a tier would cost a request at worst, or why it cannot be had. */
typedef enum cadre__bar {
    CADRE__BAR_NONE,
    CADRE__BAR_KERNEL,   /* the tier cannot serve it */
    CADRE__BAR_GPU,      /* the tier needs a GPU, the request does not prefer one */
    CADRE__BAR_MAX_COST, /* over the request's own max_cost_usd */
    CADRE__BAR_BUDGET    /* never fits what is left of the tenant's budget */
} cadre__bar;

/* The wish of one request. */
typedef struct cadre__wish {
    int tier;          /* wanted; -1 if none can be named */
    bool may_fall;     /* to lower indices */
    double complexity; /* NAN if not needed */
    char because[160]; /* "complexity 0.82 > 0.7", or why there is no tier */
} cadre__wish;

/* Apply the job's policy, or the tier that the request names. */
void cadre__policy_wish(const cadre__job *job, const cadre__item *item,
                        const cadre__demand *demands, cadre__wish *out);

/* Worst-case cost of item on one tier and what bars it from there, budgets aside. *worst
 * is 0 when the tier cannot serve it or needs a GPU. */
cadre__bar cadre__policy_bar(const cadre__job *job, const cadre__item *item,
                             const cadre__demand *demand, int tier, cadre_money *worst);

/* A buffer filled piece by piece; what does not fit is cut at a whole UTF-8 character. */
typedef struct cadre__line {
    char *buf;
    size_t size, used; /* size > 0 */
} cadre__line;
void cadre__line_say(cadre__line *line, const char *fmt, ...) CADRE_PRINTF(2, 3);

#endif
