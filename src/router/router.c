/* router/router.c - one request's decision: the policy's wish, then down the tiers until
 * one can serve it and can be paid.
 *
 * Why the order of answers does not matter: of a tenant's money, `spent` can only grow
 * and ends anywhere in [spent, spent + reserved] once all earlier requests have settled.
 * A tier that fits beside all reservations fits then too; one over what is left beside
 * `spent` alone never will. In between nobody knows yet, so the request waits. That holds
 * for each tier on the way down: falling back past a tier that may still fit would make
 * the choice depend on how fast workers are. */
#include "router/router.h"
#include "core/memory.h"
#include "router/budget.h"
#include "router/policy.h"

#include <math.h>
#include <string.h>

struct cadre__router {
    const cadre__job *job;
    cadre__budget *budget;
    size_t *waiting; /* per tenant: index + 1 of the request that waits, or 0 */
};

/* What was found out on the way down. */
typedef struct walk {
    cadre__bar bar;        /* of the last tier looked at */
    int tier;              /* the last tier looked at */
    cadre_money worst;     /* its worst-case cost */
    int asked;             /* first tier that could serve, or -1 */
    cadre_money requested; /* its worst-case cost */
    bool over_budget;      /* some tier was too dear for the budget */
    cadre__line why;       /* the decision's sentence so far */
} walk;

cadre_status cadre__router_create(const cadre__job *job, cadre__ledger_sink *sink,
                                  void *context, cadre__router **out)
{
    cadre__router *router = cadre__alloc(sizeof *router);
    cadre_status st = CADRE_ERR_NOMEM;

    *out = NULL;
    if (!router)
        return st;
    router->job = job;
    router->waiting = cadre__alloc_n(job->n_tenants, sizeof *router->waiting);
    if (router->waiting)
        st = cadre__budget_create(job, sink, context, &router->budget);
    if (st != CADRE_OK) {
        cadre__router_destroy(router);
        return st;
    }
    *out = router;
    return CADRE_OK;
}

void cadre__router_destroy(cadre__router *router)
{
    if (!router)
        return;
    cadre__budget_destroy(router->budget);
    cadre__free(router->waiting);
    cadre__free(router);
}

static void say_bar(cadre__line *why, cadre__bar bar, const cadre__demand *demand,
                    const cadre__item *item, cadre_money worst)
{
    char cost[CADRE_MONEY_TEXT], limit[CADRE_MONEY_TEXT];

    cadre_money_format(worst, cost);
    switch (bar) {
    case CADRE__BAR_KERNEL:
        cadre__line_say(why, "; cannot serve it (%s)", demand->why_not);
        break;
    case CADRE__BAR_GPU:
        cadre__line_say(why, "; needs a GPU and the request does not prefer one");
        break;
    case CADRE__BAR_MAX_COST:
        cadre__line_say(why, "; $%s is over its max_cost_usd $%s", cost,
                        cadre_money_format(item->max_cost, limit));
        break;
    case CADRE__BAR_BUDGET:
        cadre__line_say(why, "; $%s is over what is left of the budget", cost);
        break;
    case CADRE__BAR_NONE:
        break;
    }
}

/* Go down from the wanted tier to the first one not barred. True if there is one; then
 * *later tells whether it has to wait for other requests of the tenant to settle. */
static bool walk_down(const cadre__router *router, const cadre__item *item,
                      const cadre__demand *demands, const cadre__wish *wish,
                      const cadre__budget *budget, walk *w, bool *later)
{
    *later = false;
    for (w->tier = wish->tier; w->tier >= 0; w->tier--) {
        const cadre__demand *demand = &demands[w->tier];
        cadre__fit fit = CADRE__FIT_NOW;

        cadre__line_say(&w->why, ": %s", router->job->tiers[w->tier].name);
        w->bar = cadre__policy_bar(router->job, item, demand, w->tier, &w->worst);
        if (w->bar == CADRE__BAR_NONE && budget)
            fit = cadre__budget_fit(budget, item->tenant, w->worst);
        if (fit == CADRE__FIT_NEVER) {
            w->bar = CADRE__BAR_BUDGET;
            w->over_budget = true;
        }
        if (w->asked < 0 && w->bar != CADRE__BAR_KERNEL && w->bar != CADRE__BAR_GPU) {
            w->asked = w->tier;
            w->requested = w->worst;
        }
        *later = fit == CADRE__FIT_LATER;
        if (w->bar == CADRE__BAR_NONE)
            return true;
        say_bar(&w->why, w->bar, demand, item, w->worst);
        if (!wish->may_fall)
            break;
    }
    return false;
}

/* Name the tier that would cost item least, whether or not it may have it. */
static void say_cheapest(const cadre__router *router, const cadre__item *item,
                         const cadre__demand *demands, cadre__line *line)
{
    char text[CADRE_MONEY_TEXT];
    cadre_money worst, least = 0;
    int best = -1;

    for (size_t t = 0; t < router->job->n_tiers; t++) {
        const cadre__bar bar =
            cadre__policy_bar(router->job, item, &demands[t], (int)t, &worst);
        if (bar == CADRE__BAR_KERNEL || bar == CADRE__BAR_GPU)
            continue;
        if (best < 0 || worst < least) {
            best = (int)t;
            least = worst;
        }
    }
    if (best >= 0)
        cadre__line_say(line, ", cheapest option $%s (%s)",
                        cadre_money_format(least, text), router->job->tiers[best].name);
}

/* Whether all tiers cannot serve a request, for one and the same reason. */
static bool all_say_the_same(const cadre__router *router, const cadre__demand *demands)
{
    for (size_t t = 0; t < router->job->n_tiers; t++)
        if (demands[t].possible || strcmp(demands[t].why_not, demands[0].why_not) != 0)
            return false;
    return true;
}

/* Why no tier can serve item: what is wrong with it, or what the one tier says that it
 * may have, or what all of them say. */
static void say_unfit(const cadre__router *router, const cadre__item *item,
                      const cadre__demand *demands, const cadre__wish *wish,
                      const char *sentence, cadre__line *line)
{
    const int only = wish->tier >= 0 ? wish->tier : 0;

    if (item->flaw)
        cadre__line_say(line, "%s", item->flaw);
    else if (!demands[only].possible && (only == 0 || !wish->may_fall))
        cadre__line_say(line, "tier %s: %s", router->job->tiers[only].name,
                        demands[only].why_not);
    else if (all_say_the_same(router, demands))
        cadre__line_say(line, "no tier can serve it: %s", demands[0].why_not);
    else
        cadre__line_say(line, "no tier for it: %s", sentence);
}

/* Fill in why there is no tier for item. */
static void refuse(const cadre__router *router, const cadre__item *item,
                   const cadre__demand *demands, const cadre__wish *wish, walk *w,
                   cadre__decision *out)
{
    const cadre__job_tenant *tenant = &router->job->tenants[item->tenant];
    cadre__line line = {out->error, sizeof out->error, 0};
    char limit[CADRE_MONEY_TEXT], spent[CADRE_MONEY_TEXT], reserved[CADRE_MONEY_TEXT],
        requested[CADRE_MONEY_TEXT];
    cadre__account sum = {0};
    cadre_money most = item->max_cost;

    out->verdict = CADRE__REFUSE;
    out->tier = -1;
    cadre__line_say(&w->why, ": refused");
    if (w->asked < 0) {
        out->error_code = "bad_request";
        say_unfit(router, item, demands, wish, out->sentence, &line);
        return;
    }
    out->error_code = "budget_exceeded";
    if (w->over_budget) {
        cadre__budget_account(router->budget, item->tenant, -1, &sum);
        most = cadre__budget_limit(router->budget, item->tenant);
        cadre__line_say(&line, "budget of tenant %s", tenant->name);
    } else {
        cadre__line_say(&line, "max_cost_usd of the request");
    }
    cadre__line_say(&line, ": limit $%s, spent $%s, reserved $%s, requested $%s (%s)",
                    cadre_money_format(most, limit), cadre_money_format(sum.spent, spent),
                    cadre_money_format(sum.reserved, reserved),
                    cadre_money_format(w->requested, requested),
                    router->job->tiers[w->asked].name);
    say_cheapest(router, item, demands, &line);
}

/* What a caller must not get wrong, because decisions would silently depend on timing. */
static cadre_status check_order(const cadre__router *router, size_t index,
                                const cadre__item *item)
{
    const cadre__job *job = router->job;

    if (item->tenant < 0 || (size_t)item->tenant >= job->n_tenants ||
        item->tier >= (int)job->n_tiers)
        return cadre_fail(CADRE_ERR_ARG,
                          "request %zu names tenant %d of %zu and tier %d of %zu", index,
                          item->tenant, job->n_tenants, item->tier, job->n_tiers);
    const size_t waiting = router->waiting[item->tenant];
    if (waiting && waiting - 1 != index)
        return cadre_fail(
            CADRE_ERR_STATE,
            "request %zu of tenant %s was offered before request %zu, which "
            "waits",
            index, job->tenants[item->tenant].name, waiting - 1);
    return cadre__budget_check_new(router->budget, index);
}

cadre_status cadre__router_admit(cadre__router *router, size_t index,
                                 const cadre__item *item, const cadre__demand *demands,
                                 cadre__decision *out)
{
    walk w = {.asked = -1, .why = {out->sentence, sizeof out->sentence, 0}};
    cadre__wish wish;
    bool later;

    *out = (cadre__decision){.tier = -1, .wanted_tier = -1, .complexity = NAN};
    CADRE_TRY(check_order(router, index, item));
    cadre__policy_wish(router->job, item, demands, &wish);
    out->wanted_tier = wish.tier;
    out->complexity = wish.complexity;
    cadre__line_say(&w.why, "%s", wish.because);
    if (!walk_down(router, item, demands, &wish, router->budget, &w, &later)) {
        refuse(router, item, demands, &wish, &w, out);
        router->waiting[item->tenant] = 0;
        cadre__budget_refuse(router->budget, item->tenant, wish.tier, w.asked < 0);
        return CADRE_OK;
    }
    out->tier = w.tier;
    out->downgraded = w.tier != wish.tier;
    if (later) {
        out->verdict = CADRE__WAIT;
        router->waiting[item->tenant] = index + 1;
        return CADRE_OK;
    }
    CADRE_TRY(cadre__budget_reserve(router->budget, index, item->tenant, w.tier, w.worst,
                                    out->downgraded));
    router->waiting[item->tenant] = 0;
    out->verdict = CADRE__ADMIT;
    out->reserved = w.worst;
    return CADRE_OK;
}

cadre_status cadre__router_commit(cadre__router *router, size_t index, uint32_t tokens_in,
                                  uint32_t tokens_out)
{
    return cadre__budget_commit(router->budget, index, tokens_in, tokens_out);
}

cadre_status cadre__router_release(cadre__router *router, size_t index)
{
    return cadre__budget_release(router->budget, index);
}

cadre_money cadre__router_last_charge(const cadre__router *router)
{
    return cadre__budget_last_charge(router->budget);
}

void cadre__router_account(const cadre__router *router, int tenant, int tier,
                           cadre__account *out)
{
    cadre__budget_account(router->budget, tenant, tier, out);
}

cadre_status cadre__router_want(const cadre__router *router, const cadre__item *item,
                                const cadre__demand *demands, int *tier,
                                double *complexity, cadre_money *worst)
{
    char sentence[512];
    walk w = {.asked = -1, .why = {sentence, sizeof sentence, 0}};
    cadre__wish wish;
    bool later;

    if (item->tier >= (int)router->job->n_tiers)
        return cadre_fail(CADRE_ERR_ARG, "there is no tier %d, only %zu", item->tier,
                          router->job->n_tiers);
    cadre__policy_wish(router->job, item, demands, &wish);
    const bool found = walk_down(router, item, demands, &wish, NULL, &w, &later);
    *tier = found ? w.tier : -1;
    *complexity = wish.complexity;
    *worst = found ? w.worst : 0;
    return CADRE_OK;
}
