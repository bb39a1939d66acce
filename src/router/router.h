/* router/router.h - which tier serves a request, and whether its tenant can pay. No MPI,
 * no clock, no I/O: the same requests in the same order give the same decisions.
 *
 * Money. Worst-case cost is reserved before any compute; commit() turns a reservation
 * into a charge of the true cost (never more than reserved) and frees the rest; release()
 * frees all of it. spent + reserved never exceeds a budget.
 *
 * Order. Decisions must not depend on how fast workers answer, so they are made as if
 * every earlier request of the tenant had settled: a request that fits beside all
 * outstanding reservations is admitted at once; one that could fit when they settle for
 * less must WAIT (and with it all later ones of its tenant); one that can never fit is
 * refused at once.
 */
#ifndef CADRE_ROUTER_ROUTER_H
#define CADRE_ROUTER_ROUTER_H

#include "io/job.h"
#include "io/requests.h"

typedef struct cadre__router cadre__router;

/* The worst case of one request on one tier. */
typedef struct cadre__demand {
    bool possible; /* the tier's kernel can serve it */
    bool unfit;    /* if not: for what this one request says, not for its kind */
    uint32_t tokens_in, max_tokens_out;
    char why_not[256]; /* if not possible */
} cadre__demand;

typedef enum cadre__verdict { CADRE__ADMIT, CADRE__WAIT, CADRE__REFUSE } cadre__verdict;

typedef struct cadre__decision {
    cadre__verdict verdict;
    int tier;        /* admitted to, or waiting for; -1 if refused */
    int wanted_tier; /* what the policy wanted first; -1 if it found none */
    bool downgraded;
    double complexity; /* NAN if the policy did not need it */
    cadre_money reserved;
    /* "complexity 0.82 > 0.7: large; $0.05 is over what is left of the budget: medium".
     * Says nothing that depends on timing. */
    char sentence[512];
    const char *error_code; /* if refused: "budget_exceeded" or "bad_request" */
    /* If refused for money: scope, limit, spent and reserved (of the tenant, at this
     * moment), requested, cheapest option; else why no tier can serve it. */
    char error[768];
} cadre__decision;

/* Every change of money, as it happens. */
typedef struct cadre__ledger_event {
    uint64_t seq;     /* 1, 2, ... */
    const char *kind; /* "reserve", "commit", "release" */
    size_t request;   /* index */
    int tenant, tier;
    cadre_money amount;          /* reserved; charged; released */
    cadre_money spent, reserved; /* of the tenant, after the event */
} cadre__ledger_event;
typedef cadre_status cadre__ledger_sink(void *context, const cadre__ledger_event *event);

typedef struct cadre__account { /* of one tenant on one tier, or of a tenant in all */
    cadre_money spent, reserved;
    uint64_t admitted, completed, failed, refused, downgraded;
    uint64_t tokens_in, tokens_out;
} cadre__account;

/* job is borrowed and must outlive *out; the sink may be NULL. */
cadre_status cadre__router_create(const cadre__job *job, cadre__ledger_sink *sink,
                                  void *context, cadre__router **out);
void cadre__router_destroy(cadre__router *router);

/* Decide on request `index`. demands[n_tiers]. On CADRE__ADMIT the money is reserved. On
 * CADRE__WAIT ask again, with the same request, after something of its tenant has
 * settled; later requests of the tenant must not be offered before.
 * CADRE_ERR_ARG    a tenant or tier that is not in the job
 * CADRE_ERR_STATE  offered out of order, or was admitted before
 * Fails otherwise only if the sink does or memory runs out, and then nothing has changed.
 */
cadre_status cadre__router_admit(cadre__router *router, size_t index,
                                 const cadre__item *item, const cadre__demand *demands,
                                 cadre__decision *out);

/* Settle an admitted request, once. CADRE_ERR_STATE if it has no reservation,
 * CADRE_ERR_RANGE if cost is more than was reserved. */
cadre_status cadre__router_commit(cadre__router *router, size_t index, uint32_t tokens_in,
                                  uint32_t tokens_out);
cadre_status cadre__router_release(cadre__router *router, size_t index);

/* The charge of the last commit, and totals. tier -1: over all tiers. */
cadre_money cadre__router_last_charge(const cadre__router *router);
void cadre__router_account(const cadre__router *router, int tenant, int tier,
                           cadre__account *out);

/* Where the policy puts item, as if alone (no budget applied): the first tier from the
 * wanted one down that can serve it within its max_cost, and its worst-case cost; *tier
 * is -1 and *worst 0 if there is none. `cadre plan` adds this up.
 * CADRE_ERR_ARG  no such tier */
cadre_status cadre__router_want(const cadre__router *router, const cadre__item *item,
                                const cadre__demand *demands, int *tier,
                                double *complexity, cadre_money *worst);

/* "active" below 60 % of the budget, "warning" below 80 %, "throttled" below 100 %,
 * "exhausted", or "unlimited". */
const char *cadre__budget_state(const cadre__job_tenant *tenant, cadre_money spent);

#endif
