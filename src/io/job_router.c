/* io/job_router.c - the "router" of a job file: policy, complexity, thresholds. */
#include "core/memory.h"
#include "io/job_internal.h"
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define FULL_LENGTH_DEFAULT 4096
#define BYTES_MAX ((int64_t)1 << 40)
#define FEATURE_MAX ((int64_t)1 << 31)
#define NUMBER_MAX 1e300

static cadre_status expected_numbers(const cadre__json_doc *doc, const cadre__json *node,
                                     const char *expected)
{
    char found[128];
    return cadre__json_fail(doc, node, "expected %s, found %s", expected,
                            cadre__json_found(doc, node, found, sizeof found));
}

/* out[n] from an array that has n elements. */
static cadre_status parse_numbers(const cadre__json_doc *doc, const cadre__json *array,
                                  size_t n, double **out)
{
    size_t i = 0;
    *out = cadre__alloc_n(n, sizeof **out);
    if (!*out)
        return CADRE_ERR_NOMEM;
    for (const cadre__json *node = cadre__json_first(array); node;
         node = cadre__json_next(node)) {
        if (!cadre__json_is_number(node))
            return expected_numbers(doc, node, "a number");
        (*out)[i++] = cadre__json_number_or(node, 0);
    }
    return CADRE_OK;
}

static cadre_status parse_weights(const cadre__json_doc *doc,
                                  const cadre__json *complexity, cadre__job_router *out)
{
    const cadre__json *weights = cadre__json_member(complexity, "weights");
    if (!weights)
        return cadre__json_fail(
            doc, complexity,
            "\"weights\" is missing: source \"linear\" needs a number for "
            "each column");
    if (!cadre__json_is_array(weights) || !cadre__json_first(weights))
        return expected_numbers(doc, weights, "an array of numbers, one for each column");
    out->n_weights = cadre__json_length(weights);
    return parse_numbers(doc, weights, out->n_weights, &out->weights);
}

static cadre_status parse_complexity(const cadre__json_doc *doc, const cadre__json *node,
                                     cadre__job_router *out)
{
    static const char *const sources[] = {"length", "feature", "linear"};
    /* Which keys each source has; "source" itself is first. */
    static const char *const keys[3][3] = {
        {"source", "full_length"}, {"source", "feature"}, {"source", "weights", "bias"}};
    static const size_t n_keys[3] = {2, 2, 3};
    int64_t feature = 0;
    char *source = NULL;

    if (!node)
        return CADRE_OK;
    CADRE_TRY(cadre__job_choice(doc, node, "source", sources, N_OF(sources), &source));
    while (strcmp(source, sources[out->source]) != 0)
        out->source++;
    cadre__free(source);
    CADRE_TRY(cadre__json_only_keys(doc, node, keys[out->source], n_keys[out->source]));
    CADRE_TRY(cadre__job_size(doc, node, "full_length", 1, BYTES_MAX, &out->full_length));
    CADRE_TRY(cadre__json_get_integer(doc, node, "feature",
                                      out->source == CADRE__COMPLEXITY_FEATURE, 0,
                                      FEATURE_MAX, &feature));
    out->feature = (size_t)feature;
    if (out->source == CADRE__COMPLEXITY_LINEAR)
        CADRE_TRY(parse_weights(doc, node, out));
    return cadre__json_get_number(doc, node, "bias", false, -NUMBER_MAX, NUMBER_MAX,
                                  &out->bias);
}

static cadre_status check_thresholds(const cadre__json_doc *doc, const cadre__json *array,
                                     const double *thresholds)
{
    double above = 0;
    size_t i = 0;
    for (const cadre__json *node = cadre__json_first(array); node;
         node = cadre__json_next(node), i++) {
        if (!(thresholds[i] > above && thresholds[i] < 1))
            return expected_numbers(
                doc, node, "thresholds that rise, each greater than 0 and less than 1");
        above = thresholds[i];
    }
    return CADRE_OK;
}

/* Without any in the file: 0.3 and 0.7 for three tiers, else equal steps. */
static cadre_status default_thresholds(cadre__job_router *out)
{
    const size_t n = out->n_thresholds;
    out->thresholds = cadre__alloc_n(n, sizeof out->thresholds[0]);
    if (!out->thresholds)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        out->thresholds[i] = (double)(i + 1) / (double)(n + 1);
    if (n == 2) {
        out->thresholds[0] = 0.3;
        out->thresholds[1] = 0.7;
    }
    return CADRE_OK;
}

static cadre_status parse_thresholds(const cadre__json_doc *doc,
                                     const cadre__json *router, size_t n_tiers,
                                     cadre__job_router *out)
{
    char found[128];
    const cadre__json *array = cadre__json_member(router, "thresholds");
    out->n_thresholds = n_tiers - 1;
    if (!array)
        return default_thresholds(out);
    if (!cadre__json_is_array(array) || cadre__json_length(array) != out->n_thresholds)
        return cadre__json_fail(
            doc, array, "expected an array of %zu (one less than tiers), found %s",
            out->n_thresholds, cadre__json_found(doc, array, found, sizeof found));
    CADRE_TRY(parse_numbers(doc, array, out->n_thresholds, &out->thresholds));
    return check_thresholds(doc, array, out->thresholds);
}

static cadre_status parse_fixed_tier(const cadre__json_doc *doc,
                                     const cadre__json *router, cadre__job *job)
{
    const bool fixed = strcmp(job->router.policy, "fixed") == 0;
    const char *tier = "";
    CADRE_TRY(cadre__json_get_string(doc, router, "tier", fixed, &tier));
    if (*tier && cadre__job_tier_index(job, tier) < 0)
        return cadre__json_fail(doc, cadre__json_member(router, "tier"),
                                "expected the name of a tier, found \"%.60s\"", tier);
    return cadre__job_copy(tier, &job->router.fixed_tier);
}

cadre_status cadre__job_parse_router(const cadre__json_doc *doc, const cadre__json *node,
                                     cadre__job *job)
{
    static const char *const keys[] = {"policy", "tier", "complexity", "thresholds",
                                       "fallback"};
    static const char *const policies[] = {"complexity", "fixed", "cheapest"};
    cadre__job_router *out = &job->router;

    out->full_length = FULL_LENGTH_DEFAULT;
    out->fallback = true;
    if (!node) {
        out->n_thresholds = job->n_tiers - 1;
        CADRE_TRY(cadre__job_copy("complexity", &out->policy));
        CADRE_TRY(cadre__job_copy("", &out->fixed_tier));
        return default_thresholds(out);
    }
    CADRE_TRY(cadre__json_only_keys(doc, node, keys, N_OF(keys)));
    CADRE_TRY(
        cadre__job_choice(doc, node, "policy", policies, N_OF(policies), &out->policy));
    CADRE_TRY(parse_fixed_tier(doc, node, job));
    CADRE_TRY(parse_complexity(doc, cadre__json_member(node, "complexity"), out));
    CADRE_TRY(parse_thresholds(doc, node, job->n_tiers, out));
    return cadre__json_get_bool(doc, node, "fallback", false, &out->fallback);
}
