/* router/policy.c - the policies: fixed, cheapest, complexity; and what bars a request
 * from a tier whatever the budget. A request that names its tier has made the choice
 * itself. */
#include "router/policy.h"
#include "router/complexity.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cadre__line_say(cadre__line *line, const char *fmt, ...)
{
    const size_t left = line->size - line->used;
    va_list args;

    if (left <= 1)
        return;
    va_start(args, fmt);
    const int n = vsnprintf(line->buf + line->used, left, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n < left) {
        line->used += (size_t)n;
        return;
    }
    /* Cut: step back over the bytes of a character that may have lost its end. */
    size_t end = line->size - 1;
    while (end > 0 && ((unsigned char)line->buf[end - 1] & 0xC0) == 0x80)
        end--;
    if (end > 0 && (unsigned char)line->buf[end - 1] >= 0xC0)
        end--;
    line->buf[end] = '\0';
    line->used = end;
    line->size = end + 1; /* full: nothing may follow the cut */
}

cadre__bar cadre__policy_bar(const cadre__job *job, const cadre__item *item,
                             const cadre__demand *demand, int tier, cadre_money *worst)
{
    const cadre__job_tier *t = &job->tiers[tier];

    *worst = 0;
    if (!demand->possible)
        return CADRE__BAR_KERNEL;
    if (t->needs_gpu && !item->prefer_gpu)
        return CADRE__BAR_GPU;
    /* A cost beyond all money is beyond any budget too. */
    if (cadre__price_cost(&t->price, demand->tokens_in, demand->max_tokens_out, worst) !=
        CADRE_OK)
        *worst = CADRE_MONEY_MAX;
    if (item->max_cost >= 0 && *worst > item->max_cost)
        return CADRE__BAR_MAX_COST;
    return CADRE__BAR_NONE;
}

static void wish_fixed(const cadre__job *job, cadre__wish *out)
{
    out->tier = cadre__job_tier_index(job, job->router.fixed_tier);
    snprintf(out->because, sizeof out->because, "%s",
             out->tier >= 0 ? "fixed" : "the fixed tier is not in the job");
}

static void wish_cheapest(const cadre__job *job, const cadre__item *item,
                          const cadre__demand *demands, cadre__wish *out)
{
    cadre_money least = 0, worst;

    out->tier = -1;
    for (size_t t = 0; t < job->n_tiers; t++) {
        const cadre__bar bar = cadre__policy_bar(job, item, &demands[t], (int)t, &worst);
        if (bar == CADRE__BAR_KERNEL || bar == CADRE__BAR_GPU)
            continue;
        if (out->tier < 0 || worst < least) {
            out->tier = (int)t;
            least = worst;
        }
    }
    snprintf(out->because, sizeof out->because, "%s",
             out->tier >= 0 ? "cheapest" : "no tier can serve it");
}

static void wish_complexity(const cadre__job *job, const cadre__item *item,
                            cadre__wish *out)
{
    out->tier = -1;
    if (!cadre__complexity_of(&job->router, item, &out->complexity, out->because,
                              sizeof out->because))
        return;
    out->tier = cadre__complexity_class(&job->router, job->n_tiers, out->complexity);
    cadre__complexity_say(&job->router, out->tier, out->complexity, out->because,
                          sizeof out->because);
}

void cadre__policy_wish(const cadre__job *job, const cadre__item *item,
                        const cadre__demand *demands, cadre__wish *out)
{
    *out = (cadre__wish){.complexity = NAN, .may_fall = job->router.fallback};
    if (item->tier >= 0) {
        out->tier = item->tier;
        out->may_fall = false;
        snprintf(out->because, sizeof out->because, "asked for");
    } else if (strcmp(job->router.policy, "fixed") == 0) {
        wish_fixed(job, out);
    } else if (strcmp(job->router.policy, "cheapest") == 0) {
        wish_cheapest(job, item, demands, out);
    } else {
        wish_complexity(job, item, out);
    }
}
