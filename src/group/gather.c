/* group/gather.c - scatter-gather: ask shards, wait for as many as needed, put their
 * answers together. What is put together is always taken in order of shard, never of
 * arrival. */
#include "core/memory.h"
#include "group/groups.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What one shard was asked, and what it said. */
typedef struct asked {
    size_t shard;
    const cadre_request *requests;
    const size_t *places; /* [n] which requests of the query; NULL: all, in order */
    size_t n;
    cadre_batch *batch; /* what came; NULL: nothing did */
} asked;

typedef struct gathering {
    cadre_group *group;
    const cadre_query *query;
    size_t need;  /* shards that must succeed */
    asked *asked; /* [n_asked], in order of shard */
    size_t n_asked;
    cadre_request *requests; /* grouped by shard, for CONCAT */
    size_t *places;
    cadre__inbox inbox;
    struct gathered *out;
} gathering;

/* A result with what its pointers point to. */
typedef struct gathered {
    cadre_gathered pub;
    cadre_batch **batches;
    size_t n_batches;
    float *rows; /* for REDUCE */
} gathered;

void cadre_gathered_destroy(cadre_gathered *pub)
{
    gathered *out = (gathered *)pub;
    if (!out)
        return;
    for (size_t i = 0; i < out->n_batches; i++)
        cadre_batch_destroy(out->batches[i]);
    cadre__free(out->batches);
    cadre__free(out->rows);
    cadre__free(out->pub.shards);
    cadre__free(out->pub.answers);
    cadre__free(out->pub.top);
    cadre__free(out);
}

/* ---- The question ---- */

static cadre_status check_query(const cadre_group *group, const cadre_query *query)
{
    const bool numeric = query->aggregation == CADRE_AGGREGATE_REDUCE ||
                         query->aggregation == CADRE_AGGREGATE_TOP_K;

    if (!query->requests || query->n_requests == 0)
        return cadre_fail(CADRE_ERR_ARG, "scatter-gather of no requests");
    if ((unsigned)query->aggregation > CADRE_AGGREGATE_TOP_K)
        return cadre_fail(CADRE_ERR_ARG, "aggregation is %d, expected 0 to %d",
                          (int)query->aggregation, CADRE_AGGREGATE_TOP_K);
    if (query->timeout_ms < 0)
        return cadre_fail(CADRE_ERR_ARG, "timeout_ms is %lld, expected 0 or more",
                          (long long)query->timeout_ms);
    if (numeric && group->info.gives != CADRE_PAYLOAD_ROW)
        return cadre_fail(CADRE_ERR_ARG,
                          "aggregation %s needs rows of numbers, group %s gives text",
                          cadre_aggregation_name(query->aggregation), group->name);
    if (query->aggregation == CADRE_AGGREGATE_REDUCE &&
        ((unsigned)query->reduction > CADRE_PROD))
        return cadre_fail(CADRE_ERR_ARG,
                          "reduction is %s, expected sum, min, max or product",
                          cadre_reduction_name(query->reduction));
    if (query->aggregation == CADRE_AGGREGATE_TOP_K &&
        (query->k == 0 || query->k > group->info.n_out))
        return cadre_fail(CADRE_ERR_ARG, "k is %zu, group %s gives rows of %zu values",
                          query->k, group->name, group->info.n_out);
    if (query->aggregation == CADRE_AGGREGATE_FIRST && query->min_responses > 1)
        return cadre_fail(CADRE_ERR_ARG,
                          "min_responses is %zu, and the first response ends it",
                          query->min_responses);
    return CADRE_OK;
}

/* Sort the requests by the shards of their keys, keeping their order in each. */
static cadre_status divide(gathering *g)
{
    const cadre_query *query = g->query;
    const size_t n = query->n_requests, n_shards = g->group->n_shards;
    cadre_status st = CADRE_ERR_NOMEM;

    size_t *shard_of = cadre__alloc_n(n, sizeof *shard_of);
    size_t *ends = cadre__alloc_n(n_shards + 1, sizeof *ends);
    g->requests = cadre__alloc_n(n, sizeof *g->requests);
    g->places = cadre__alloc_n(n, sizeof *g->places);
    if (!shard_of || !ends || !g->requests || !g->places)
        goto done;
    for (size_t i = 0; i < n; i++) {
        shard_of[i] = cadre_group_shard_of(g->group, query->requests[i].id);
        ends[shard_of[i] + 1]++;
    }
    for (size_t shard = 0; shard < n_shards; shard++) {
        if (ends[shard + 1] > 0)
            g->asked[g->n_asked++] = (asked){.shard = shard,
                                             .requests = g->requests + ends[shard],
                                             .places = g->places + ends[shard],
                                             .n = ends[shard + 1]};
        ends[shard + 1] += ends[shard];
    }
    for (size_t i = 0; i < n; i++) {
        const size_t to = ends[shard_of[i]]++;
        g->requests[to] = query->requests[i];
        g->places[to] = i;
    }
    st = CADRE_OK;
done:
    cadre__free(shard_of);
    cadre__free(ends);
    return st;
}

static cadre_status prepare(gathering *g)
{
    const cadre_query *query = g->query;
    const size_t n_shards = g->group->n_shards;

    g->asked = cadre__alloc_n(n_shards, sizeof *g->asked);
    if (!g->asked)
        return CADRE_ERR_NOMEM;
    if (query->aggregation == CADRE_AGGREGATE_CONCAT) {
        CADRE_TRY(divide(g));
    } else {
        for (size_t shard = 0; shard < n_shards; shard++)
            g->asked[shard] = (asked){
                .shard = shard, .requests = query->requests, .n = query->n_requests};
        g->n_asked = n_shards;
    }
    if (query->min_responses > g->n_asked)
        return cadre_fail(CADRE_ERR_ARG,
                          "min_responses is %zu, only %zu shards are asked",
                          query->min_responses, g->n_asked);
    g->need = query->min_responses ? query->min_responses : g->n_asked;
    if (query->aggregation == CADRE_AGGREGATE_FIRST)
        g->need = 1;

    gathered *out = g->out = cadre__alloc(sizeof *out);
    if (!out)
        return CADRE_ERR_NOMEM;
    out->pub.queried = g->n_asked;
    out->pub.shards = cadre__alloc_n(g->n_asked, sizeof *out->pub.shards);
    out->batches = cadre__alloc_n(g->n_asked, sizeof(cadre_batch *));
    if (!out->pub.shards || !out->batches)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < g->n_asked; i++) {
        out->pub.shards[i].shard = g->asked[i].shard;
        out->pub.shards[i].rank = cadre_group_rank_of(g->group, g->asked[i].shard);
    }
    return CADRE_OK;
}

/* ---- Asking and waiting ---- */

static void note_failure(gathering *g, size_t i, const char *sentence)
{
    cadre_shard_report *report = &g->out->pub.shards[i];
    snprintf(report->error, sizeof report->error, "%s", sentence);
    g->out->pub.failed++;
}

/* A shard that cannot be sent to has failed; only if nothing at all was sent is that the
 * caller's error. */
static cadre_status scatter(gathering *g)
{
    for (size_t i = 0; i < g->n_asked; i++) {
        const asked *a = &g->asked[i];
        const cadre_status st =
            cadre__submit(g->group, a->shard, a->requests, a->n, &g->inbox, NULL);
        if (st != CADRE_OK && i == 0)
            return st;
        if (st != CADRE_OK)
            note_failure(g, i, cadre_last_error());
    }
    return CADRE_OK;
}

static void note(gathering *g, cadre__flight *flight)
{
    cadre_gathered *pub = &g->out->pub;
    cadre_batch *batch = &flight->arrival->batch;
    size_t i = 0;

    while (g->asked[i].shard != flight->shard)
        i++;
    cadre_shard_report *report = &pub->shards[i];
    report->latency_ns = batch->latency_ns;
    report->compute_ns = batch->compute_ns;
    report->cpu_ns = batch->cpu_ns;
    g->out->batches[g->out->n_batches++] = batch;
    g->asked[i].batch = batch;
    flight->arrival = NULL;
    cadre__flight_destroy(flight);
    if (batch->status != CADRE_OK) {
        note_failure(
            g, i, batch->message[0] ? batch->message : cadre_status_text(batch->status));
        return;
    }
    report->success = 1;
    pub->responded++;
    pub->mean_latency_ns += batch->latency_ns; /* the sum, until all are in */
    if (batch->latency_ns > pub->max_latency_ns)
        pub->max_latency_ns = batch->latency_ns;
}

static cadre_status wait_for_answers(gathering *g)
{
    cadre__engine *engine = &g->group->groups->engine;
    cadre_gathered *pub = &g->out->pub;
    const int64_t timeout_ms =
        g->query->timeout_ms ? g->query->timeout_ms : CADRE_DEFAULT_TIMEOUT_MS;
    const int64_t deadline = cadre_deadline_in_ms(timeout_ms);
    cadre_status st = CADRE_OK;

    while (pub->responded < g->need && pub->queried - pub->failed >= g->need) {
        cadre__flight *flight;
        st = cadre__engine_next(engine, &g->inbox, deadline, &flight);
        if (st != CADRE_OK)
            break;
        note(g, flight);
    }
    /* What lies there already counts; what does not is late. */
    while (g->inbox.first) {
        cadre__flight *flight;
        if (cadre__engine_next(engine, &g->inbox, deadline, &flight) == CADRE_OK)
            note(g, flight);
    }
    cadre__engine_abandon(engine, &g->inbox, 0);
    pub->late = pub->queried - pub->responded - pub->failed;
    if (pub->responded)
        pub->mean_latency_ns /= (int64_t)pub->responded;
    return st == CADRE_ERR_TIMEOUT ? CADRE_OK : st;
}

/* Whether enough shards succeeded, in a sentence. */
static cadre_status judge(const gathering *g)
{
    const cadre_gathered *pub = &g->out->pub;

    if (pub->responded >= g->need)
        return CADRE_OK;
    for (size_t i = 0; i < pub->queried; i++) {
        const cadre_shard_report *report = &pub->shards[i];
        if (pub->queried - pub->failed < g->need && report->error[0])
            return cadre_fail(
                CADRE_ERR_KERNEL,
                "group %s: %zu of %zu shards failed, %zu are needed; shard %zu (rank "
                "%d): %s",
                g->group->name, pub->failed, pub->queried, g->need, report->shard,
                report->rank, report->error);
        if (pub->queried - pub->failed >= g->need && !report->success &&
            !report->error[0])
            return cadre_fail(
                CADRE_ERR_TIMEOUT,
                "group %s: %zu of %zu shards answered in time, %zu are needed; "
                "shard %zu (rank %d) is late",
                g->group->name, pub->responded, pub->queried, g->need, report->shard,
                report->rank);
    }
    return cadre_fail(CADRE_ERR_INTERNAL, "group %s: counts of shards do not add up",
                      g->group->name);
}

/* ---- Putting together ---- */

/* The answer to a request that no shard has answered: why not. */
static cadre_answer missing(const gathering *g, size_t i, uint64_t id)
{
    const char *error = g->out->pub.shards[i].error;
    const cadre_batch *batch = g->asked[i].batch;
    if (!error[0])
        return (cadre_answer){
            .id = id, .status = CADRE_ERR_TIMEOUT, .message = "no answer in time"};
    return (cadre_answer){
        .id = id, .status = batch ? batch->status : CADRE_ERR_KERNEL, .message = error};
}

static bool responded(const gathering *g, size_t i)
{
    return g->out->pub.shards[i].success != 0;
}

static void concat(gathering *g)
{
    for (size_t i = 0; i < g->n_asked; i++) {
        const asked *a = &g->asked[i];
        for (size_t k = 0; k < a->n; k++)
            g->out->pub.answers[a->places[k]] =
                responded(g, i) ? a->batch->answers[k] : missing(g, i, a->requests[k].id);
    }
}

/* An answer of shard i to the k-th request that went well. */
static const cadre_answer *good(const gathering *g, size_t i, size_t k)
{
    if (!responded(g, i))
        return NULL;
    const cadre_answer *answer = &g->asked[i].batch->answers[k];
    return answer->status == CADRE_OK ? answer : NULL;
}

/* The failure to report for the k-th request when no answer to it is good: that of the
 * lowest shard that responded, else that of the lowest shard. */
static cadre_answer bad(const gathering *g, size_t k)
{
    for (size_t i = 0; i < g->n_asked; i++) {
        if (responded(g, i))
            return g->asked[i].batch->answers[k];
    }
    for (size_t i = 0; i < g->n_asked; i++) {
        if (g->out->pub.shards[i].error[0])
            return missing(g, i, g->query->requests[k].id);
    }
    return missing(g, 0, g->query->requests[k].id);
}

static cadre_answer first_answer(const gathering *g, size_t k)
{
    for (size_t i = 0; i < g->n_asked; i++) {
        if (responded(g, i))
            return g->asked[i].batch->answers[k];
    }
    return bad(g, k);
}

static bool same(const cadre_answer *a, const cadre_answer *b)
{
    return a->bytes == b->bytes &&
           (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
}

static cadre_answer majority(const gathering *g, size_t k)
{
    const cadre_answer *best = NULL;
    size_t best_votes = 0;

    for (size_t i = 0; i < g->n_asked; i++) {
        const cadre_answer *candidate = good(g, i, k);
        size_t votes = 0;
        for (size_t j = 0; candidate && j < g->n_asked; j++) {
            const cadre_answer *other = good(g, j, k);
            votes += other && same(candidate, other);
        }
        if (votes > best_votes) {
            best = candidate;
            best_votes = votes;
        }
    }
    return best ? *best : bad(g, k);
}

static void combine(float *row, const float *other, size_t n, cadre_reduction reduction)
{
    for (size_t i = 0; i < n; i++) {
        switch (reduction) {
        case CADRE_SUM:
            row[i] += other[i];
            break;
        case CADRE_PROD:
            row[i] *= other[i];
            break;
        case CADRE_MIN:
            row[i] = other[i] < row[i] ? other[i] : row[i];
            break;
        default: /* CADRE_MAX: the query was checked */
            row[i] = other[i] > row[i] ? other[i] : row[i];
            break;
        }
    }
}

/* The rows of all shards that responded, combined; a request that one of them failed
 * fails. */
static cadre_answer reduce(const gathering *g, size_t k)
{
    const size_t n = g->group->info.n_out;
    float *row = g->out->rows + k * n;
    cadre_answer result = {0};
    bool begun = false;

    for (size_t i = 0; i < g->n_asked; i++) {
        if (!responded(g, i))
            continue;
        const cadre_answer *answer = good(g, i, k);
        if (!answer)
            return g->asked[i].batch->answers[k];
        if (begun) {
            combine(row, answer->data, n, g->query->reduction);
            continue;
        }
        begun = true;
        result = *answer;
        if (n)
            memcpy(row, answer->data, n * sizeof *row);
        result.data = row;
    }
    return begun ? result : bad(g, k);
}

/* The k largest values of all rows, by insertion: k is small. Not-a-number is never
 * large. */
static void top_k(const gathering *g, size_t request, cadre_top_value *top)
{
    const size_t k = g->query->k, n = g->group->info.n_out;
    size_t filled = 0;

    for (size_t i = 0; i < k; i++)
        top[i] =
            (cadre_top_value){.shard = SIZE_MAX, .index = SIZE_MAX, .value = -INFINITY};
    for (size_t i = 0; i < g->n_asked; i++) {
        const cadre_answer *answer = good(g, i, request);
        const float *row = answer ? answer->data : NULL;
        for (size_t index = 0; row && index < n; index++) {
            if (isnan(row[index]) || (filled == k && row[index] <= top[k - 1].value))
                continue;
            size_t at = filled < k ? filled++ : k - 1;
            for (; at > 0 && top[at - 1].value < row[index]; at--)
                top[at] = top[at - 1];
            top[at] = (cadre_top_value){
                .shard = g->asked[i].shard, .index = index, .value = row[index]};
        }
    }
}

static cadre_status aggregate(gathering *g)
{
    const cadre_query *query = g->query;
    const size_t n = query->n_requests;
    cadre_gathered *pub = &g->out->pub;

    if (query->aggregation == CADRE_AGGREGATE_TOP_K) {
        size_t n_top;
        if (__builtin_mul_overflow(n, query->k, &n_top))
            return cadre_fail(CADRE_ERR_ARG, "top %zu of %zu requests: too many",
                              query->k, n);
        pub->top = cadre__alloc_n(n_top, sizeof *pub->top);
        for (size_t i = 0; pub->top && i < n; i++)
            top_k(g, i, pub->top + i * query->k);
        return pub->top ? CADRE_OK : CADRE_ERR_NOMEM;
    }
    pub->answers = cadre__alloc_n(n, sizeof *pub->answers);
    if (!pub->answers)
        return CADRE_ERR_NOMEM;
    pub->n_answers = n;
    if (query->aggregation == CADRE_AGGREGATE_REDUCE) {
        g->out->rows = cadre__alloc_n(n, g->group->info.n_out * sizeof(float));
        if (!g->out->rows)
            return CADRE_ERR_NOMEM;
    }
    if (query->aggregation == CADRE_AGGREGATE_CONCAT) {
        concat(g);
        return CADRE_OK;
    }
    for (size_t i = 0; i < n; i++)
        pub->answers[i] = query->aggregation == CADRE_AGGREGATE_REDUCE ? reduce(g, i)
                          : query->aggregation == CADRE_AGGREGATE_MAJORITY
                              ? majority(g, i)
                              : first_answer(g, i);
    return CADRE_OK;
}

cadre_status cadre_group_scatter_gather(cadre_group *group, const cadre_query *query,
                                        cadre_gathered **out)
{
    gathering g = {.group = group, .query = query};
    cadre_status st;

    *out = NULL;
    CADRE_TRY(check_query(group, query));
    CADRE_TRY_GOTO(st, prepare(&g), fail);
    CADRE_TRY_GOTO(st, scatter(&g), fail);
    CADRE_TRY_GOTO(st, wait_for_answers(&g), fail);
    CADRE_TRY_GOTO(st, aggregate(&g), fail);
    st = judge(&g);
    *out = &g.out->pub;
    g.out = NULL;
fail:
    cadre__free(g.asked);
    cadre__free(g.requests);
    cadre__free(g.places);
    cadre_gathered_destroy(g.out ? &g.out->pub : NULL);
    return st;
}

cadre_status cadre_group_send(cadre_group *group, uint64_t key,
                              const cadre_request *request, int64_t timeout_ms,
                              cadre_batch **out)
{
    cadre__engine *engine = &group->groups->engine;
    cadre__inbox inbox = {0};
    cadre__flight *flight;

    *out = NULL;
    const int64_t deadline =
        cadre_deadline_in_ms(timeout_ms ? timeout_ms : CADRE_DEFAULT_TIMEOUT_MS);
    CADRE_TRY(
        cadre__submit(group, cadre_group_shard_of(group, key), request, 1, &inbox, NULL));
    const cadre_status st = cadre__engine_next(engine, &inbox, deadline, &flight);
    cadre__engine_abandon(engine, &inbox, 0);
    CADRE_TRY(st);
    *out = &flight->arrival->batch;
    flight->arrival = NULL;
    cadre__flight_destroy(flight);
    return CADRE_OK;
}
