/* run/prepare.c - validate everything before anything is computed. */
#include "run/prepare.h"
#include "core/memory.h"
#include "io/file.h"
#include "router/complexity.h"
#include <cadre/group.h>
#include <stdio.h>
#include <string.h>

/* The node of tiers[index].key in the job file, for an error that points there; that of
 * the tier if key is NULL or absent. */
static const cadre__json *tier_node(const cadre__job *job, size_t index, const char *key)
{
    const cadre__json *tiers = cadre__json_member(cadre__json_root(job->doc), "tiers");
    const cadre__json *tier = cadre__json_element(tiers, index);
    const cadre__json *member = key ? cadre__json_member(tier, key) : NULL;
    return member ? member : tier;
}

static cadre_status check_shards(const cadre__job *job, size_t n_workers)
{
    for (size_t i = 0; i < job->n_tiers; i++) {
        const cadre__job_tier *tier = &job->tiers[i];
        const size_t room = n_workers / tier->ranks_per_shard;
        if (tier->shards > room)
            return cadre__json_fail(
                job->doc, tier_node(job, i, "shards"),
                "expected at most %zu shard%s, found %zu: %zu rank%s "
                "per shard, and this run has "
                "%zu worker rank%s (mpirun -n %zu would do)",
                room, room == 1 ? "" : "s", tier->shards, tier->ranks_per_shard,
                tier->ranks_per_shard > 1 ? "s" : "", n_workers, n_workers > 1 ? "s" : "",
                tier->shards * tier->ranks_per_shard + 1);
    }
    return CADRE_OK;
}

static cadre_status open_kernel(const cadre__job *job, size_t index,
                                cadre__prepared_tier *out)
{
    const cadre__job_tier *tier = &job->tiers[index];
    const cadre_kernel_args args = {.model = tier->model,
                                    .tokenizer = tier->tokenizer,
                                    .options = tier->options,
                                    .describe_only = 1};

    if (cadre_kernel_find(tier->kernel, &out->kernel) != CADRE_OK)
        return cadre__json_fail(job->doc, tier_node(job, index, "kernel"), "%s",
                                cadre_last_error());
    if (tier->model[0] && cadre_file_digest(tier->model, out->model_digest) != CADRE_OK)
        return cadre__json_fail(job->doc, tier_node(job, index, "model"), "%s",
                                cadre_last_error());
    if (out->kernel->open(&args, &out->state) != CADRE_OK) {
        /* Of its model, its vocabulary or its options: the sentence says so. */
        out->state = NULL;
        return cadre__json_fail(job->doc, tier_node(job, index, NULL), "%s",
                                cadre_last_error());
    }
    if (out->kernel->describe(out->state, &out->info) != CADRE_OK)
        return cadre__json_fail(job->doc, tier_node(job, index, "kernel"), "%s",
                                cadre_last_error());
    return CADRE_OK;
}

/* Whether a kernel's refusal is about what the request says. */
static bool is_about_request(cadre_status st)
{
    return st == CADRE_ERR_INPUT || st == CADRE_ERR_RANGE || st == CADRE_ERR_UNSUPPORTED;
}

/* What one tier's kernel would take for the item; says why not where it cannot. */
static cadre__demand demand_of(const cadre__prepared_tier *tier, const cadre__item *item,
                               const cadre_request *request)
{
    cadre__demand demand = {.possible = false};
    cadre_estimate estimate = {.tokens_in = 1, .max_tokens_out = 1};

    if (item->payload != tier->info.takes) {
        snprintf(demand.why_not, sizeof demand.why_not, "it takes %s",
                 tier->info.takes == CADRE_PAYLOAD_ROW ? "rows of numbers" : "text");
        return demand;
    }
    if (item->payload == CADRE_PAYLOAD_ROW &&
        item->bytes != tier->info.n_in * sizeof(float)) {
        snprintf(demand.why_not, sizeof demand.why_not,
                 "it takes rows of %zu values, this one has %zu", tier->info.n_in,
                 item->bytes / sizeof(float));
        return demand;
    }
    if (item->flaw) {
        demand.unfit = true;
        snprintf(demand.why_not, sizeof demand.why_not, "%.*s",
                 (int)sizeof demand.why_not - 1, item->flaw);
        return demand;
    }
    if (tier->kernel->estimate) {
        const cadre_status st = tier->kernel->estimate(tier->state, request, &estimate);
        if (st != CADRE_OK) {
            demand.unfit = is_about_request(st);
            snprintf(demand.why_not, sizeof demand.why_not, "%.*s",
                     (int)sizeof demand.why_not - 1, cadre_last_error());
            return demand;
        }
    } else if (item->payload == CADRE_PAYLOAD_TEXT) {
        snprintf(demand.why_not, sizeof demand.why_not,
                 "its kernel cannot estimate texts");
        return demand;
    }
    demand.possible = true;
    demand.tokens_in = estimate.tokens_in;
    demand.max_tokens_out = estimate.max_tokens_out;
    return demand;
}

cadre_request cadre__prepared_request(const cadre__prepared *prepared, size_t index)
{
    const cadre__item *item = &prepared->requests->items[index];
    return (cadre_request){.id = index,
                           .data = item->data,
                           .bytes = item->bytes,
                           .sampling = item->sampling,
                           .messages = item->messages,
                           .n_messages = item->n_messages,
                           .n_stops = item->n_stops,
                           .stops = item->stops};
}

void cadre__prepared_demands(const cadre__prepared *prepared, const cadre__item *item,
                             cadre__demand *demands)
{
    const cadre_request request =
        cadre__prepared_request(prepared, (size_t)(item - prepared->requests->items));
    for (size_t t = 0; t < prepared->job->n_tiers; t++)
        demands[t] = demand_of(&prepared->tiers[t], item, &request);
}

/* A router that cannot read the rows: a column they have not, weights of other length. */
static cadre_status check_routing(const cadre__job *job, const cadre__item *item,
                                  const char *origin)
{
    char why[256];
    double complexity;

    if (item->tier >= 0 || strcmp(job->router.policy, "complexity") != 0 ||
        cadre__complexity_of(&job->router, item, &complexity, why, sizeof why))
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_INPUT, "%s:%zu: request \"%s\" cannot be routed: %s",
                      origin, item->line, item->custom_id, why);
}

/* A request of a kind that no tier can serve is bad input, found before anything is
 * computed. One that is unfit for what it says ends as an error record later. */
static cadre_status check_requests(const cadre__prepared *prepared)
{
    const cadre__job *job = prepared->job;
    const cadre__requests *requests = prepared->requests;
    const char *origin = job->input.path[0] ? job->input.path : job->input.generator;
    cadre__demand *demands = cadre__alloc_n(job->n_tiers, sizeof *demands);
    cadre_status st = demands ? CADRE_OK : CADRE_ERR_NOMEM;

    for (size_t i = 0; i < requests->n && st == CADRE_OK; i++) {
        const cadre__item *item = &requests->items[i];
        cadre__prepared_demands(prepared, item, demands);
        size_t first = item->tier >= 0 ? (size_t)item->tier : 0;
        size_t end = item->tier >= 0 ? first + 1 : job->n_tiers, t = first;
        while (t < end && !demands[t].possible && !demands[t].unfit)
            t++;
        if (t == end)
            st = cadre_fail(
                CADRE_ERR_INPUT, "%s:%zu: request \"%s\": tier %s cannot serve it: %s%s",
                origin, item->line, item->custom_id, job->tiers[first].name,
                demands[first].why_not, end - first > 1 ? "; nor can any other" : "");
        else
            st = check_routing(job, item, origin);
    }
    cadre__free(demands);
    return st;
}

cadre_status cadre__prepare(const cadre__run_opts *opts, size_t n_workers,
                            cadre__prepared *out)
{
    memset(out, 0, sizeof *out);
    CADRE_TRY(cadre__job_load(opts->job_path, opts->sets, opts->n_sets, &out->job));
    if (n_workers > 0)
        CADRE_TRY(check_shards(out->job, n_workers));
    out->tiers = cadre__alloc_n(out->job->n_tiers, sizeof *out->tiers);
    if (!out->tiers)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < out->job->n_tiers; i++)
        CADRE_TRY(open_kernel(out->job, i, &out->tiers[i]));
    CADRE_TRY(cadre__requests_load(out->job, &out->requests));
    return check_requests(out);
}

void cadre__prepared_fini(cadre__prepared *prepared)
{
    for (size_t i = 0; prepared->tiers && i < prepared->job->n_tiers; i++) {
        if (prepared->tiers[i].state)
            prepared->tiers[i].kernel->close(prepared->tiers[i].state);
    }
    cadre__free(prepared->tiers);
    cadre__requests_destroy(prepared->requests);
    cadre__job_destroy(prepared->job);
    memset(prepared, 0, sizeof *prepared);
}
