/* router/complexity.c - how hard a request is, from what the job file says to look at.
 * Plain double arithmetic in a fixed order, so every run classes a request alike. */
#include "router/complexity.h"

#include <math.h>
#include <stdio.h>

static double clip(double value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

static double by_length(const cadre__job_router *router, const cadre__item *item)
{
    if (item->payload != CADRE_PAYLOAD_TEXT || router->full_length == 0)
        return 0;
    return clip((double)item->bytes / (double)router->full_length);
}

static bool by_feature(const cadre__job_router *router, const cadre__item *item,
                       double *out, char *why, size_t why_size)
{
    const float *row = item->data;
    const size_t n = item->bytes / sizeof *row;

    if (router->feature >= n) {
        snprintf(why, why_size, "the router reads column %zu, the row has %zu columns",
                 router->feature, n);
        return false;
    }
    *out = row[router->feature];
    return true;
}

static bool by_weights(const cadre__job_router *router, const cadre__item *item,
                       double *out, char *why, size_t why_size)
{
    const float *row = item->data;
    const size_t n = item->bytes / sizeof *row;
    double sum = router->bias;

    if (router->n_weights != n) {
        snprintf(why, why_size, "the router has %zu weights, the row has %zu columns",
                 router->n_weights, n);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        sum += router->weights[i] * (double)row[i];
    *out = sum;
    return true;
}

bool cadre__complexity_of(const cadre__job_router *router, const cadre__item *item,
                          double *out, char *why, size_t why_size)
{
    double value = 0;
    bool found = true;

    if (!isnan(item->complexity))
        value = item->complexity;
    else if (item->payload == CADRE_PAYLOAD_TEXT ||
             router->source == CADRE__COMPLEXITY_LENGTH) /* a text has no columns */
        value = by_length(router, item);
    else if (router->source == CADRE__COMPLEXITY_FEATURE)
        found = by_feature(router, item, &value, why, why_size);
    else
        found = by_weights(router, item, &value, why, why_size);
    if (found && isnan(value)) {
        snprintf(why, why_size, "its complexity is not a number");
        found = false;
    }
    *out = found ? clip(value) : NAN;
    return found;
}

/* Of thresholds 0.3 and 0.7: below 0.3 is class 0, above 0.7 is class 2, both themselves
 * are class 1. So only the last threshold must be passed, the others reached. */
int cadre__complexity_class(const cadre__job_router *router, size_t n_tiers,
                            double complexity)
{
    size_t class = 0;

    while (class < router->n_thresholds && class + 1 < n_tiers) {
        const bool last = class + 1 == router->n_thresholds;
        const double threshold = router->thresholds[class];
        if (last ? complexity <= threshold : complexity < threshold)
            break;
        class ++;
    }
    return (int)class;
}

void cadre__complexity_say(const cadre__job_router *router, int class, double complexity,
                           char *buf, size_t size)
{
    const size_t n = router->n_thresholds, c = (size_t) class;
    const double *t = router->thresholds;

    if (n == 0)
        snprintf(buf, size, "complexity %g", complexity);
    else if (c == n)
        snprintf(buf, size, "complexity %g > %g", complexity, t[n - 1]);
    else if (c == 0)
        snprintf(buf, size, "complexity %g %s %g", complexity, n == 1 ? "<=" : "<", t[0]);
    else
        snprintf(buf, size, "complexity %g in [%g, %g%s", complexity, t[c - 1], t[c],
                 c + 1 == n ? "]" : ")");
}
