/* run/dispatch.c - the serving phase on the coordinator.
 *
 * A request moves  input -> (waiting for its tenant's money) -> lane of its tier ->
 * flight -> record.  A lane is the queue of a tier, or of each of its shards where the
 * partition ties a request to one. A flight is a batch sent to a shard. Several flights
 * per shard are kept on the way, so that a worker finds its next batch waiting when it
 * ends one.
 *
 * Admission goes in input order per tenant and decides as if everything before had
 * settled (router/router.h), so who gets served does not depend on timing; only the order
 * of flights does.
 *
 * A kernel of the batch style gets large batches, a few at a time. One of the incremental
 * style, whose requests join and leave while it works, gets small ones, enough of them to
 * fill it and a few to follow, and the next goes to the shard with the least work left,
 * so that all shards end at about the same time.
 */
#include "run/dispatch.h"
#include "core/memory.h"
#include "group/copy.h"
#include "group/kernel_registry.h"
#include "run/fifo.h"
#include <stdio.h>
#include <string.h>

#define ADMIT_CHUNK 256 /* requests decided between two looks at what came back */
#define MAX_BATCH 4096
#define TICK_NS (100 * CADRE_NS_PER_MS)
#define BATCHES_IN_FLIGHT 3 /* per shard of a kernel of the batch style */

/* What is known of a request from its admission to its record. */
typedef struct slot {
    int tier, wanted_tier;
    bool downgraded;
    int attempts;
    uint64_t work; /* tokens at worst, in and out */
    int64_t queue_ns;
    char *decision;
} slot;

typedef struct flight {
    struct flight *next;
    uint64_t ticket;
    size_t tier, shard, n;
    uint64_t work; /* of all its requests */
    int64_t sent_ns, deadline_ns;
    cadre_request requests[]; /* [n]; the id is the request's index */
} flight;

typedef struct shard_state {
    size_t in_flight;
    uint64_t work; /* of what is in flight */
    bool suspect;  /* missed a deadline and has not answered since: is sent nothing */
} shard_state;

typedef struct tier_state {
    cadre_group *group;
    bool incremental;
    size_t batch, max_in_flight, n_shards, n_lanes;
    cadre__fifo *lanes;  /* [n_lanes]: one, or one per shard */
    cadre__fifo retries; /* sent one at a time, to find the one that breaks its batch */
    shard_state *shards;
} tier_state;

typedef struct dispatcher {
    const cadre__prepared *prepared;
    const cadre__job *job;
    cadre__router *router;
    cadre_groups *groups;
    cadre__rundir *dir;
    cadre__progress *progress;
    cadre__dispatch_stats *stats;
    int64_t start_ns, job_deadline_ns;
    bool expired;   /* the job's deadline has passed */
    size_t n, next; /* requests; the next one to be read */
    size_t settled, n_flights;
    slot *slots; /* [n] */
    cadre__demand *demands;
    cadre__fifo *waiting; /* [n_tenants] */
    bool *wake; /* [n_tenants]: money came back since the head was refused a place */
    tier_state *tiers;
    flight *flights;
} dispatcher;

static void count_tokens(cadre__tier_stats *tier, const cadre__record *record)
{
    const int64_t per_token = cadre__record_ns_per_token(record);
    cadre_hist_record(&tier->service, record->service_ns);
    tier->tokens_shared += record->tokens_shared;
    if (record->first_token_ns > 0)
        cadre_hist_record(&tier->first_token, record->first_token_ns);
    if (per_token > 0)
        cadre_hist_record(&tier->per_token, per_token);
}

static void count_record(dispatcher *d, const cadre__record *record)
{
    cadre__dispatch_stats *stats = d->stats;
    d->settled++;
    if (record->ok) {
        stats->completed++;
        stats->spent += record->cost;
        stats->downgraded += record->downgraded;
        cadre_hist_record(&stats->queue, record->queue_ns);
        cadre_hist_record(&stats->service, record->service_ns);
        count_tokens(&stats->tiers[record->tier], record);
    } else if (strcmp(record->error_code, "expired") == 0) {
        stats->expired++;
    } else if (record->tier < 0 && strcmp(record->error_code, "bad_request") != 0) {
        stats->refused++;
    } else {
        stats->failed++;
    }
}

/* Fill in what is known of the request and hand the record over. */
static cadre_status put_record(dispatcher *d, size_t index, cadre__record *record)
{
    slot *s = &d->slots[index];
    record->index = index;
    record->tier = s->tier;
    record->wanted_tier = s->wanted_tier;
    record->downgraded = s->downgraded;
    record->attempts = s->attempts;
    record->queue_ns = s->queue_ns;
    record->decision = s->decision;
    s->decision = NULL;
    count_record(d, record);
    const cadre_status st = cadre__rundir_put(d->dir, record);
    cadre__record_fini(record);
    return st;
}

static cadre_status put_error(dispatcher *d, size_t index, const char *code,
                              const char *message)
{
    cadre__record record = {.error_code = code, .message = cadre__strdup(message)};
    return record.message ? put_record(d, index, &record) : CADRE_ERR_NOMEM;
}

/* An admitted request ends without an answer: its money goes back. */
static cadre_status fail_request(dispatcher *d, size_t index, const char *code,
                                 const char *message)
{
    CADRE_TRY(cadre__router_release(d->router, index));
    d->wake[d->prepared->requests->items[index].tenant] = true;
    return put_error(d, index, code, message);
}

/* ---- Admission ---- */

static cadre_status enqueue(dispatcher *d, size_t index)
{
    tier_state *tier = &d->tiers[d->slots[index].tier];
    const size_t lane = tier->n_lanes == 1 ? 0 : cadre_group_shard_of(tier->group, index);
    return cadre__fifo_push(&tier->lanes[lane], index);
}

static cadre_status refuse(dispatcher *d, size_t index, const cadre__decision *decision)
{
    const cadre__item *item = &d->prepared->requests->items[index];
    cadre_money worst = 0;
    int tier;
    double complexity;
    if (cadre__router_want(d->router, item, d->demands, &tier, &complexity, &worst) ==
            CADRE_OK &&
        cadre_money_add(d->stats->refused_worth[item->tenant], worst, &worst) == CADRE_OK)
        d->stats->refused_worth[item->tenant] = worst;
    return put_error(d, index, decision->error_code, decision->error);
}

/* Decide on one request; *waits if its tenant's money is bound by others. */
static cadre_status admit(dispatcher *d, size_t index, bool *waits)
{
    const cadre__item *item = &d->prepared->requests->items[index];
    slot *s = &d->slots[index];
    cadre__decision decision;

    *waits = false;
    cadre__prepared_demands(d->prepared, item, d->demands);
    CADRE_TRY(cadre__router_admit(d->router, index, item, d->demands, &decision));
    if (decision.verdict == CADRE__WAIT) {
        *waits = true;
        return CADRE_OK;
    }
    s->wanted_tier = decision.wanted_tier;
    s->tier = decision.verdict == CADRE__ADMIT ? decision.tier : -1;
    s->downgraded = decision.verdict == CADRE__ADMIT && decision.downgraded;
    if (s->tier >= 0)
        s->work =
            (uint64_t)d->demands[s->tier].tokens_in + d->demands[s->tier].max_tokens_out;
    s->decision = cadre__strdup(decision.sentence);
    if (!s->decision)
        return CADRE_ERR_NOMEM;
    return decision.verdict == CADRE__ADMIT ? enqueue(d, index)
                                            : refuse(d, index, &decision);
}

/* Offer the waiting requests of tenants that got money back. */
static cadre_status admit_waiting(dispatcher *d)
{
    for (size_t t = 0; t < d->job->n_tenants; t++) {
        bool waits = false;
        while (d->wake[t] && d->waiting[t].n > 0 && !waits) {
            CADRE_TRY(admit(d, cadre__fifo_front(&d->waiting[t]), &waits));
            if (!waits)
                cadre__fifo_pop(&d->waiting[t]);
        }
        d->wake[t] = false;
    }
    return CADRE_OK;
}

static cadre_status admit_some(dispatcher *d)
{
    CADRE_TRY(admit_waiting(d));
    for (size_t k = 0; k < ADMIT_CHUNK && d->next < d->n; k++, d->next++) {
        cadre__fifo *waiting = &d->waiting[d->prepared->requests->items[d->next].tenant];
        bool waits = waiting->n > 0;
        if (!waits)
            CADRE_TRY(admit(d, d->next, &waits));
        if (waits)
            CADRE_TRY(cadre__fifo_push(waiting, d->next));
    }
    return CADRE_OK;
}

/* ---- Sending ---- */

static cadre_status send_batch(dispatcher *d, size_t t, size_t shard, cadre__fifo *from,
                               size_t n)
{
    tier_state *tier = &d->tiers[t];
    flight *f = cadre__alloc(sizeof *f + n * sizeof f->requests[0]);
    if (!f)
        return CADRE_ERR_NOMEM;
    f->tier = t;
    f->shard = shard;
    f->n = n;
    f->sent_ns = cadre_clock_ns();
    f->deadline_ns = cadre_deadline_in_ms(d->job->limits.request_timeout_ms);
    for (size_t i = 0; i < n; i++) {
        const size_t index = cadre__fifo_pop(from);
        slot *s = &d->slots[index];
        f->requests[i] = cadre__prepared_request(d->prepared, index);
        f->work += s->work;
        if (s->attempts++ == 0)
            s->queue_ns = f->sent_ns - d->start_ns;
    }
    const cadre_status st =
        cadre_group_submit(tier->group, shard, f->requests, n, &f->ticket);
    if (st != CADRE_OK) {
        cadre__free(f);
        return st;
    }
    f->next = d->flights;
    d->flights = f;
    d->n_flights++;
    tier->shards[shard].in_flight++;
    tier->shards[shard].work += f->work;
    return CADRE_OK;
}

static bool may_take(const tier_state *tier, size_t shard)
{
    return shard < tier->n_shards && !tier->shards[shard].suspect &&
           tier->shards[shard].in_flight < tier->max_in_flight;
}

/* Whether shard a has less to do than b. Of an incremental kernel's shard the work left
 * tells; else the flights, since the next should find its worker waiting. */
static bool has_less(const tier_state *tier, size_t a, size_t b)
{
    return tier->incremental ? tier->shards[a].work < tier->shards[b].work
                             : tier->shards[a].in_flight < tier->shards[b].in_flight;
}

/* The shard with the least to do that may take one more flight; n_shards if there is
 * none. */
static size_t free_shard(const tier_state *tier)
{
    size_t best = tier->n_shards;
    for (size_t s = 0; s < tier->n_shards; s++) {
        if (may_take(tier, s) && (best == tier->n_shards || has_less(tier, s, best)))
            best = s;
    }
    return best;
}

static cadre_status dispatch_lane(dispatcher *d, size_t t, size_t lane)
{
    tier_state *tier = &d->tiers[t];
    cadre__fifo *queue = &tier->lanes[lane];
    while (queue->n > 0) {
        const size_t shard = tier->n_lanes == 1 ? free_shard(tier) : lane;
        if (!may_take(tier, shard))
            return CADRE_OK;
        /* A partial batch only when nothing could fill it, or the shard would idle. */
        if (queue->n < tier->batch && d->next < d->n && tier->shards[shard].in_flight > 0)
            return CADRE_OK;
        CADRE_TRY(send_batch(d, t, shard, queue,
                             queue->n < tier->batch ? queue->n : tier->batch));
    }
    return CADRE_OK;
}

static cadre_status dispatch_all(dispatcher *d)
{
    for (size_t t = 0; t < d->job->n_tiers; t++) {
        tier_state *tier = &d->tiers[t];
        for (size_t shard;
             tier->retries.n > 0 && (shard = free_shard(tier)) < tier->n_shards;)
            CADRE_TRY(send_batch(d, t, shard, &tier->retries, 1));
        for (size_t lane = 0; lane < tier->n_lanes; lane++)
            CADRE_TRY(dispatch_lane(d, t, lane));
    }
    return CADRE_OK;
}

/* ---- Settling ---- */

static bool answered_rightly(const cadre__item *item, const cadre_answer *answer)
{
    const float *values = answer->data;
    size_t best = 0;
    for (size_t i = 1; i < answer->bytes / sizeof *values; i++) {
        if (values[i] > values[best])
            best = i;
    }
    return (int64_t)best == item->label;
}

static cadre_status settle_answer(dispatcher *d, const flight *f, size_t index,
                                  const cadre_answer *answer, int64_t service_ns)
{
    const cadre__item *item = &d->prepared->requests->items[index];
    const cadre__prepared_tier *tier = &d->prepared->tiers[f->tier];

    if (answer->status != CADRE_OK)
        return fail_request(d, index, "kernel_error",
                            answer->message ? answer->message
                                            : cadre_status_text(answer->status));
    if (cadre__router_commit(d->router, index, answer->tokens_in, answer->tokens_out) !=
        CADRE_OK)
        return fail_request(d, index, "kernel_error", cadre_last_error());
    d->wake[item->tenant] = true;

    cadre__record record = {.ok = true,
                            .cost = cadre__router_last_charge(d->router),
                            .tokens_in = answer->tokens_in,
                            .tokens_out = answer->tokens_out,
                            .tokens_shared = answer->tokens_shared,
                            .service_ns = service_ns,
                            .first_token_ns = answer->first_token_ns,
                            .last_token_ns = answer->last_token_ns,
                            .gives = tier->info.gives,
                            .bytes = answer->bytes};
    /* A record may wait long for earlier ones, and the batch goes now: copy all of it. */
    const char *reason = answer->finish_reason ? answer->finish_reason : "";
    const size_t reason_bytes = strlen(reason) + 1;
    char *data = cadre__alloc(answer->bytes + 1 + reason_bytes);
    record.logprobs = cadre__logprobs_copy(answer->logprobs);
    if (!data || (answer->logprobs && !record.logprobs)) {
        cadre__free(data);
        cadre__record_fini(&record);
        return CADRE_ERR_NOMEM;
    }
    if (answer->bytes)
        memcpy(data, answer->data, answer->bytes);
    record.data = data;
    if (answer->finish_reason)
        record.finish_reason = memcpy(data + answer->bytes + 1, reason, reason_bytes);
    if (item->label >= 0 && tier->info.gives == CADRE_PAYLOAD_ROW) {
        d->stats->tiers[f->tier].labelled++;
        d->stats->tiers[f->tier].correct += answered_rightly(item, answer);
    }
    return put_record(d, index, &record);
}

/* Try again, or give up after the last attempt. */
static cadre_status retry(dispatcher *d, const flight *f, const char *code,
                          const char *message)
{
    for (size_t i = 0; i < f->n; i++) {
        const size_t index = f->requests[i].id;
        if (d->slots[index].attempts < d->job->limits.max_attempts && !d->expired)
            CADRE_TRY(cadre__fifo_push(&d->tiers[f->tier].retries, index));
        else
            CADRE_TRY(fail_request(d, index, code, message));
    }
    return CADRE_OK;
}

static flight *take_flight(dispatcher *d, uint64_t ticket)
{
    for (flight **link = &d->flights; *link; link = &(*link)->next) {
        flight *f = *link;
        if (f->ticket == ticket) {
            *link = f->next;
            d->n_flights--;
            d->tiers[f->tier].shards[f->shard].in_flight--;
            d->tiers[f->tier].shards[f->shard].work -= f->work;
            return f;
        }
    }
    return NULL;
}

static cadre_status settle_batch(dispatcher *d, const cadre_batch *batch)
{
    cadre_status st = CADRE_OK;
    flight *f = take_flight(d, batch->ticket);
    if (!f)
        return cadre_fail(CADRE_ERR_INTERNAL, "batch %llu came back but was never sent",
                          (unsigned long long)batch->ticket);
    d->tiers[f->tier].shards[f->shard].suspect = false;
    d->stats->tiers[f->tier].compute_ns += batch->compute_ns;
    if (batch->status != CADRE_OK) {
        st = retry(d, f, "kernel_error", batch->message);
    } else {
        for (size_t i = 0; i < f->n && st == CADRE_OK; i++)
            st = settle_answer(d, f, f->requests[i].id, &batch->answers[i],
                               batch->latency_ns);
    }
    cadre__free(f);
    return st;
}

/* Flights past their deadline: their shard is a suspect, their requests go elsewhere. */
static cadre_status check_flights(dispatcher *d, int64_t now)
{
    for (flight *f = d->flights, *next; f; f = next) {
        next = f->next;
        if (now < f->deadline_ns)
            continue;
        char message[160];
        snprintf(message, sizeof message,
                 "shard %zu of tier %s (rank %d) did not answer within %lld ms", f->shard,
                 d->job->tiers[f->tier].name,
                 cadre_group_rank_of(d->tiers[f->tier].group, f->shard),
                 (long long)d->job->limits.request_timeout_ms);
        cadre_groups_abandon(d->groups, f->ticket);
        take_flight(d, f->ticket);
        d->tiers[f->tier].shards[f->shard].suspect = true;
        const cadre_status st = retry(d, f, "timeout", message);
        cadre__free(f);
        CADRE_TRY(st);
    }
    return CADRE_OK;
}

static cadre_status fail_queue(dispatcher *d, cadre__fifo *queue, const char *code,
                               const char *message)
{
    while (queue->n > 0)
        CADRE_TRY(fail_request(d, cadre__fifo_pop(queue), code, message));
    return CADRE_OK;
}

/* Requests that only suspects could serve would wait for ever. */
static cadre_status fail_stranded(dispatcher *d)
{
    for (size_t t = 0; t < d->job->n_tiers; t++) {
        tier_state *tier = &d->tiers[t];
        size_t n_suspects = 0;
        char message[128];
        snprintf(message, sizeof message, "no shard of tier %s answers any more",
                 d->job->tiers[t].name);
        for (size_t s = 0; s < tier->n_shards; s++) {
            n_suspects += tier->shards[s].suspect;
            if (tier->shards[s].suspect && tier->n_lanes > 1)
                CADRE_TRY(fail_queue(d, &tier->lanes[s], "timeout", message));
        }
        if (n_suspects < tier->n_shards)
            continue;
        CADRE_TRY(fail_queue(d, &tier->retries, "timeout", message));
        for (size_t lane = 0; lane < tier->n_lanes; lane++)
            CADRE_TRY(fail_queue(d, &tier->lanes[lane], "timeout", message));
    }
    return CADRE_OK;
}

/* The job's deadline: what is not on its way ends as expired; what is may still come. */
static cadre_status expire(dispatcher *d)
{
    static const char message[] =
        "the job's deadline passed before this request was sent";
    d->expired = true;
    for (size_t t = 0; t < d->job->n_tiers; t++) {
        tier_state *tier = &d->tiers[t];
        CADRE_TRY(fail_queue(d, &tier->retries, "expired", message));
        for (size_t lane = 0; lane < tier->n_lanes; lane++)
            CADRE_TRY(fail_queue(d, &tier->lanes[lane], "expired", message));
    }
    for (size_t t = 0; t < d->job->n_tenants; t++) {
        while (d->waiting[t].n > 0)
            CADRE_TRY(put_error(d, cadre__fifo_pop(&d->waiting[t]), "expired", message));
    }
    for (; d->next < d->n; d->next++)
        CADRE_TRY(put_error(d, d->next, "expired", message));
    return CADRE_OK;
}

/* ---- The loop ---- */

static int64_t next_event(const dispatcher *d, int64_t now)
{
    int64_t until = now + TICK_NS;
    for (const flight *f = d->flights; f; f = f->next) {
        if (f->deadline_ns < until)
            until = f->deadline_ns;
    }
    /* There is more to admit: only look whether something has come. */
    return d->next < d->n ? now : until;
}

static cadre_status receive(dispatcher *d)
{
    cadre_batch *batch = NULL;
    if (d->n_flights == 0)
        return CADRE_OK;
    cadre_status st =
        cadre_groups_next(d->groups, next_event(d, cadre_clock_ns()), &batch);
    if (st == CADRE_OK) {
        st = settle_batch(d, batch);
        cadre_batch_destroy(batch);
    }
    return st == CADRE_ERR_TIMEOUT ? CADRE_OK : st;
}

static cadre_status step(dispatcher *d)
{
    CADRE_TRY(admit_some(d));
    CADRE_TRY(dispatch_all(d));
    CADRE_TRY(receive(d));
    const int64_t now = cadre_clock_ns();
    CADRE_TRY(check_flights(d, now));
    CADRE_TRY(fail_stranded(d));
    if (!d->expired && now >= d->job_deadline_ns)
        CADRE_TRY(expire(d));
    cadre__progress_show(d->progress, d->settled, d->settled - d->stats->completed,
                         d->stats->spent);
    return CADRE_OK;
}

/* How many requests go into a batch, and how many batches to a shard at a time. */
static void choose_batches(const cadre__job_tier *asked, size_t best, tier_state *tier)
{
    best = best ? best : 1;
    tier->batch = asked->batch ? asked->batch : tier->incremental ? 1 : best;
    if (tier->batch > MAX_BATCH)
        tier->batch = MAX_BATCH;
    tier->max_in_flight = asked->in_flight;
    if (tier->max_in_flight == 0 &&
        tier->incremental) /* a full kernel and some to join */
        tier->max_in_flight = (best + best / 4 + 1) / tier->batch + 1;
    else if (tier->max_in_flight == 0)
        tier->max_in_flight = BATCHES_IN_FLIGHT;
}

static cadre_status start_tier(dispatcher *d, size_t t, cadre_group *group)
{
    const cadre__job_tier *asked = &d->job->tiers[t];
    const cadre__prepared_tier *prepared = &d->prepared->tiers[t];
    tier_state *tier = &d->tiers[t];

    tier->group = group;
    tier->n_shards = cadre_group_n_shards(group);
    tier->incremental = cadre__kernel_is_incremental(prepared->kernel);
    choose_batches(asked, prepared->info.best_batch, tier);
    tier->n_lanes = strcmp(asked->partition, "round_robin") == 0 ? 1 : tier->n_shards;
    tier->lanes = cadre__alloc_n(tier->n_lanes, sizeof *tier->lanes);
    tier->shards = cadre__alloc_n(tier->n_shards, sizeof *tier->shards);
    return tier->lanes && tier->shards ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status start(dispatcher *d, cadre_group *const *tier_groups)
{
    d->slots = cadre__alloc_n(d->n, sizeof *d->slots);
    d->demands = cadre__alloc_n(d->job->n_tiers, sizeof *d->demands);
    d->waiting = cadre__alloc_n(d->job->n_tenants, sizeof *d->waiting);
    d->wake = cadre__alloc_n(d->job->n_tenants, sizeof *d->wake);
    d->tiers = cadre__alloc_n(d->job->n_tiers, sizeof *d->tiers);
    if (!d->slots || !d->demands || !d->waiting || !d->wake || !d->tiers)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < d->n; i++)
        d->slots[i].tier = d->slots[i].wanted_tier = -1;
    for (size_t t = 0; t < d->job->n_tiers; t++)
        CADRE_TRY(start_tier(d, t, tier_groups[t]));
    cadre_hist_init(&d->stats->queue);
    cadre_hist_init(&d->stats->service);
    for (size_t t = 0; t < d->job->n_tiers; t++) {
        cadre_hist_init(&d->stats->tiers[t].service);
        cadre_hist_init(&d->stats->tiers[t].first_token);
        cadre_hist_init(&d->stats->tiers[t].per_token);
    }
    return CADRE_OK;
}

static void stop(dispatcher *d)
{
    for (flight *f = d->flights, *next; f; f = next) {
        next = f->next;
        cadre_groups_abandon(d->groups, f->ticket);
        cadre__free(f);
    }
    for (size_t t = 0; d->tiers && t < d->job->n_tiers; t++) {
        for (size_t lane = 0; d->tiers[t].lanes && lane < d->tiers[t].n_lanes; lane++)
            cadre__fifo_fini(&d->tiers[t].lanes[lane]);
        cadre__fifo_fini(&d->tiers[t].retries);
        cadre__free(d->tiers[t].lanes);
        cadre__free(d->tiers[t].shards);
    }
    for (size_t t = 0; d->waiting && t < d->job->n_tenants; t++)
        cadre__fifo_fini(&d->waiting[t]);
    for (size_t i = 0; d->slots && i < d->n; i++)
        cadre__free(d->slots[i].decision);
    cadre__free(d->slots);
    cadre__free(d->demands);
    cadre__free(d->waiting);
    cadre__free(d->wake);
    cadre__free(d->tiers);
}

cadre_status cadre__dispatch(const cadre__prepared *prepared, cadre__router *router,
                             cadre_groups *groups, cadre_group *const *tier_groups,
                             cadre__rundir *dir, cadre__progress *progress,
                             cadre__dispatch_stats *stats)
{
    dispatcher d = {.prepared = prepared,
                    .job = prepared->job,
                    .router = router,
                    .groups = groups,
                    .dir = dir,
                    .progress = progress,
                    .stats = stats,
                    .n = prepared->requests->n,
                    .start_ns = cadre_clock_ns()};
    const int64_t deadline_s = prepared->job->limits.job_deadline_s;
    d.job_deadline_ns =
        deadline_s > 0 ? cadre_deadline_in_ms(1000 * deadline_s) : INT64_MAX;

    cadre_status st = start(&d, tier_groups);
    while (st == CADRE_OK && d.settled < d.n) {
        const size_t before = d.settled;
        st = step(&d);
        if (st == CADRE_OK && d.settled == before && d.n_flights == 0 && d.next == d.n) {
            /* Nothing under way can bring anything forward: look once more, then it is a
             * bug. */
            st = step(&d);
            if (st == CADRE_OK && d.settled == before && d.n_flights == 0)
                st = cadre_fail(CADRE_ERR_INTERNAL,
                                "%zu requests are stuck with nothing in flight",
                                d.n - d.settled);
        }
    }
    stop(&d);
    return st;
}
