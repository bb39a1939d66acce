/* group/engine.c - sending commands, and matching the replies that come.
 *
 * One receive per worker is always posted, so the coordinator sleeps on all of them at
 * once. A reply is matched to its flight by ticket; a ticket that nobody waits for is
 * dropped. */
#include "group/engine.h"
#include "core/memory.h"
#include "group/groups.h"
#include <cadre/log.h>
#include <stdio.h>
#include <string.h>

/* A worker has taken the whole command before it replies, so its sends end at once. */
#define SENDS_TIMEOUT_MS 1000

static bool is_alone(const cadre__engine *engine)
{
    return engine->groups->size == 1;
}

/* ---- Opening and closing ---- */

static cadre_status arm(cadre__engine *engine, int rank)
{
    cadre__peer *peer = &engine->peers[rank];
    CADRE_TRY(cadre_irecv(engine->groups->comm, peer->buffer, CADRE__WIRE_FIRST, rank,
                          CADRE__TAG_REPLY, &engine->receives[rank]));
    peer->stage = CADRE__STAGE_FIRST;
    peer->armed = true;
    return CADRE_OK;
}

cadre_status cadre__engine_open(cadre__engine *engine, cadre_groups *groups)
{
    const int size = groups->size;

    engine->groups = groups;
    /* Replies to a coordinator that closed early may still arrive after the next one has
     * opened: no ticket is ever used twice. */
    engine->last_ticket = (uint64_t)cadre_clock_ns();
    engine->peers = cadre__alloc_n((size_t)size, sizeof *engine->peers);
    engine->receives = cadre__alloc_n((size_t)size, sizeof *engine->receives);
    if (!engine->peers || !engine->receives)
        return CADRE_ERR_NOMEM;
    for (int rank = 1; rank < size; rank++) {
        engine->peers[rank].buffer = cadre__alloc(CADRE__WIRE_FIRST);
        if (!engine->peers[rank].buffer)
            return CADRE_ERR_NOMEM;
        CADRE_TRY(arm(engine, rank));
    }
    return CADRE_OK;
}

static void destroy_arrival(cadre__arrival *arrival)
{
    if (!arrival)
        return;
    cadre__free(arrival->logprobs);
    cadre__free(arrival);
}

void cadre__flight_destroy(cadre__flight *flight)
{
    if (!flight)
        return;
    if (flight->shared)
        cadre__arena_free(flight->arena, flight->shared);
    cadre__free(flight->out.memory);
    destroy_arrival(flight->arrival);
    cadre__free(flight);
}

static void free_flights(cadre__engine *engine, cadre__flight *flight)
{
    while (flight) {
        cadre__flight *next = flight->next;
        if (!is_alone(engine))
            cadre__outgoing_finish(&flight->out, engine->groups->comm, cadre_clock_ns());
        cadre__flight_destroy(flight);
        flight = next;
    }
}

void cadre__engine_close(cadre__engine *engine)
{
    if (!engine->peers || !engine->receives)
        goto done;
    cadre_cancel(engine->groups->comm, engine->receives, (size_t)engine->groups->size,
                 NULL);
    for (int rank = 0; rank < engine->groups->size; rank++) {
        cadre__peer *peer = &engine->peers[rank];
        free_flights(engine, peer->first);
        destroy_arrival(peer->arrival);
        cadre__free(peer->buffer);
    }
    free_flights(engine, engine->done.first);
done:
    cadre__free(engine->peers);
    cadre__free(engine->receives);
    *engine = (cadre__engine){0};
}

/* ---- Lines of flights ---- */

static void push(cadre__flight **first, cadre__flight **last, cadre__flight *flight)
{
    flight->next = NULL;
    if (*last)
        (*last)->next = flight;
    else
        *first = flight;
    *last = flight;
}

static void unlink_flight(cadre__flight **first, cadre__flight **last,
                          cadre__flight *flight)
{
    cadre__flight *before = NULL;
    for (cadre__flight **link = first; *link; link = &(*link)->next) {
        if (*link == flight) {
            *link = flight->next;
            if (*last == flight)
                *last = before;
            flight->next = NULL;
            return;
        }
        before = *link;
    }
}

static cadre__flight *find(const cadre__peer *peer, uint64_t ticket)
{
    cadre__flight *flight = peer->first;
    while (flight && flight->head.ticket != ticket)
        flight = flight->next;
    return flight;
}

/* ---- Sending ---- */

/* Put a batch's data where a worker of this node can read it in place, if it has to be
 * packed, and if there is room. */
static void share_data(cadre__engine *engine, cadre__flight *flight,
                       cadre__letter *letter, bool keep)
{
    cadre_groups *groups = engine->groups;
    const cadre__wire_source *source = letter->source;
    cadre__wire_head layout = letter->head;
    int64_t offset;

    (void)cadre__wire_layout(&layout);
    if (letter->head.kind != CADRE__WIRE_BATCH || is_alone(engine) ||
        layout.flags & CADRE__WIRE_DATA_INLINE || layout.data_bytes == 0 ||
        cadre_comm_node_of(groups->comm, flight->rank) !=
            cadre_comm_node_of(groups->comm, 0))
        return;
    if (source->whole &&
        cadre__arena_holds(&groups->arena, source->whole, source->bytes, &offset)) {
        letter->data = source->whole;
    } else if (!source->whole || keep) {
        flight->arena = &groups->arena;
        flight->shared = cadre__arena_alloc(flight->arena, source->bytes);
        if (!flight->shared)
            return;
        cadre__wire_copy(source, flight->shared);
        letter->data = flight->shared;
        cadre__arena_holds(&groups->arena, flight->shared, source->bytes, &offset);
    } else {
        return;
    }
    letter->head.flags |= CADRE__WIRE_DATA_SHARED;
    letter->head.args[0] = offset;
}

cadre_status cadre__engine_send(cadre__engine *engine, const cadre__address *to,
                                cadre__letter *letter, cadre__inbox *inbox,
                                uint64_t *ticket)
{
    cadre__peer *peer = &engine->peers[to->rank];
    cadre_status st;

    cadre__flight *flight = cadre__alloc(sizeof *flight);
    if (!flight)
        return CADRE_ERR_NOMEM;
    letter->head.ticket = ++engine->last_ticket;
    flight->inbox = inbox;
    flight->group = to->group;
    flight->shard = to->shard;
    flight->rank = to->rank;
    flight->sent_ns = cadre_clock_ns();
    const bool keep = !is_alone(engine) && peer->n_unanswered > 0;
    share_data(engine, flight, letter, keep);
    CADRE_TRY_GOTO(st, cadre__outgoing_write(&flight->out, letter, keep), fail);
    flight->head = letter->head;
    if (!is_alone(engine))
        CADRE_TRY_GOTO(st,
                       cadre__outgoing_post(&flight->out, engine->groups->comm, to->rank,
                                            CADRE__TAG_COMMAND, &flight->head),
                       fail);
    push(&peer->first, &peer->last, flight);
    peer->n_unanswered++;
    inbox->n_under_way++;
    if (flight->head.kind == CADRE__WIRE_BATCH)
        flight->group->in_flight[flight->shard]++;
    engine->groups->account.bytes_out += cadre__wire_size(&flight->head);
    if (ticket)
        *ticket = flight->head.ticket;
    return CADRE_OK;

fail:
    free_flights(engine, flight);
    return cadre_context(st, "command to rank %d", to->rank);
}

cadre_status cadre__engine_tell(cadre__engine *engine, int rank, cadre__letter *letter,
                                int64_t deadline_ns)
{
    cadre__outgoing out;

    if (is_alone(engine))
        return cadre__worker_handle(engine->groups->worker, letter,
                                    CADRE__FROM_COORDINATOR);
    CADRE_TRY(cadre__outgoing_write(&out, letter, true));
    const cadre_status st = cadre__outgoing_post(&out, engine->groups->comm, rank,
                                                 CADRE__TAG_COMMAND, &letter->head);
    const cadre_status sent =
        cadre__outgoing_finish(&out, engine->groups->comm, deadline_ns);
    return st == CADRE_OK ? sent : st;
}

/* ---- Landing ---- */

/* Memory for what head announces: answers, table and data behind the batch. */
static cadre_status make_arrival(const cadre__wire_head *head, cadre__arrival **out)
{
    const size_t n =
        head->n <= head->table_bytes / sizeof(cadre__wire_answer) ? head->n : 0;
    const size_t answers_at = (sizeof(cadre__arrival) + 63) / 64 * 64;
    const size_t table_at = answers_at + (n * sizeof(cadre_answer) + 63) / 64 * 64;
    const size_t data_at = table_at + (head->table_bytes + 63) / 64 * 64;

    cadre__arrival *arrival = cadre__alloc(data_at + head->data_bytes);
    if (!arrival)
        return CADRE_ERR_NOMEM;
    arrival->head = *head;
    arrival->batch.answers = (cadre_answer *)((uint8_t *)arrival + answers_at);
    arrival->table = (uint8_t *)arrival + table_at;
    arrival->data = (uint8_t *)arrival + data_at;
    *out = arrival;
    return CADRE_OK;
}

static cadre_status fail_batch(cadre_batch *batch, cadre_status st)
{
    batch->status = st;
    batch->n_answers = 0;
    snprintf(batch->message, sizeof batch->message, "%s", cadre_last_error());
    return st;
}

/* Table and data to answers, with memory of their own for log-probabilities, if any. */
static cadre_status unpack_answers(cadre__arrival *arrival)
{
    const cadre__wire_head *head = &arrival->head;
    size_t n_logprobs, n_tokens;
    cadre_token *tokens = NULL;

    CADRE_TRY(cadre__wire_count_tokens(head, arrival->table, &n_logprobs, &n_tokens));
    if (n_logprobs) {
        arrival->logprobs = cadre__alloc(n_logprobs * sizeof *arrival->logprobs +
                                         n_tokens * sizeof *tokens);
        if (!arrival->logprobs)
            return CADRE_ERR_NOMEM;
        tokens = (cadre_token *)(arrival->logprobs + n_logprobs);
    }
    return cadre__wire_unpack_answers(head, arrival->table, arrival->data,
                                      arrival->batch.answers, arrival->logprobs, tokens);
}

/* Make the batch out of what came; a reply that does not fit its batch fails it. */
static void read_arrival(const cadre__flight *flight, cadre__arrival *arrival)
{
    const cadre__wire_head *head = &arrival->head;
    cadre_batch *batch = &arrival->batch;

    batch->ticket = flight->head.ticket;
    batch->group = flight->group;
    batch->shard = flight->shard;
    batch->rank = flight->rank;
    batch->latency_ns = cadre_clock_ns() - flight->sent_ns;
    batch->compute_ns = head->args[CADRE__REPLY_COMPUTE_NS];
    batch->cpu_ns = head->args[CADRE__REPLY_CPU_NS];
    batch->status = (cadre_status)head->args[CADRE__REPLY_STATUS];
    if (batch->status != CADRE_OK) {
        const size_t room = sizeof batch->message - 1;
        memcpy(batch->message, arrival->data,
               head->data_bytes < room ? head->data_bytes : room);
        return;
    }
    if (flight->head.kind != CADRE__WIRE_BATCH)
        return;
    if (head->n != flight->head.n) {
        fail_batch(batch, cadre_fail(CADRE_ERR_INTERNAL,
                                     "rank %d gave %u answers to %u requests",
                                     flight->rank, head->n, flight->head.n));
        return;
    }
    const cadre_status st = unpack_answers(arrival);
    if (st != CADRE_OK) {
        fail_batch(batch, st);
        return;
    }
    batch->n_answers = head->n;
}

/* The reply of a flight has come: take it out of its line and hand it to who waits. */
static cadre_status land(cadre__engine *engine, cadre__flight *flight,
                         cadre__arrival *arrival)
{
    cadre__peer *peer = &engine->peers[flight->rank];

    unlink_flight(&peer->first, &peer->last, flight);
    peer->n_unanswered--;
    flight->arrival = arrival;
    read_arrival(flight, arrival);
    engine->groups->account.bytes_in += cadre__wire_size(&arrival->head);
    cadre_status st = CADRE_OK;
    if (!is_alone(engine))
        st = cadre__outgoing_finish(&flight->out, engine->groups->comm,
                                    cadre_deadline_in_ms(SENDS_TIMEOUT_MS));
    if (!flight->inbox) {
        engine->n_late++;
        cadre__flight_destroy(flight);
        return st;
    }
    if (flight->head.kind == CADRE__WIRE_BATCH)
        flight->group->in_flight[flight->shard]--;
    flight->inbox->n_under_way--;
    push(&flight->inbox->first, &flight->inbox->last, flight);
    return st;
}

cadre_status cadre__engine_reply(void *context, cadre__letter *reply, bool keep)
{
    cadre__engine *engine = context;
    cadre__flight *flight = find(&engine->peers[0], reply->head.ticket);
    cadre__arrival *arrival;

    (void)keep; /* it is copied in any case */
    if (!flight)
        return CADRE_OK;
    (void)cadre__wire_layout(&reply->head);
    CADRE_TRY(make_arrival(&reply->head, &arrival));
    if (reply->head.table_bytes)
        memcpy(arrival->table, reply->table, reply->head.table_bytes);
    if (reply->source)
        cadre__wire_copy(reply->source, arrival->data);
    else if (reply->head.data_bytes)
        memcpy(arrival->data, reply->data, reply->head.data_bytes);
    return land(engine, flight, arrival);
}

/* ---- Taking messages as they come ---- */

/* Receive the next part that did not fit, or finish the message. */
static cadre_status next_part(cadre__engine *engine, int rank)
{
    cadre__peer *peer = &engine->peers[rank];
    cadre__arrival *arrival = peer->arrival;
    const cadre__wire_head *head = &arrival->head;
    const bool table_apart =
        !(head->flags & CADRE__WIRE_TABLE_INLINE) && head->table_bytes;
    const bool data_apart = !(head->flags & CADRE__WIRE_DATA_INLINE) && head->data_bytes;
    const int tag = CADRE__PARTS_TAG(head->ticket);
    cadre_req *req = &engine->receives[rank];

    if (peer->stage == CADRE__STAGE_FIRST && table_apart) {
        peer->stage = CADRE__STAGE_TABLE;
        peer->armed = true;
        return cadre_irecv(engine->groups->comm, arrival->table, head->table_bytes, rank,
                           tag, req);
    }
    if (peer->stage != CADRE__STAGE_DATA && data_apart) {
        peer->stage = CADRE__STAGE_DATA;
        peer->armed = true;
        return cadre_irecv(engine->groups->comm, arrival->data, head->data_bytes, rank,
                           tag, req);
    }
    peer->arrival = NULL;
    CADRE_TRY(arm(engine, rank));
    cadre__flight *flight = find(peer, head->ticket);
    if (flight)
        return land(engine, flight, arrival);
    cadre_log(CADRE_LOG_WARN, "group",
              "rank %d replied to ticket %llu, which it does not have", rank,
              (unsigned long long)head->ticket);
    destroy_arrival(arrival);
    return CADRE_OK;
}

/* A receive from this rank has completed. */
static cadre_status take(cadre__engine *engine, int rank)
{
    cadre__peer *peer = &engine->peers[rank];
    cadre__wire_head head;

    peer->armed = false;
    if (peer->stage != CADRE__STAGE_FIRST)
        return next_part(engine, rank);
    cadre_status st =
        cadre__wire_check(peer->buffer, engine->receives[rank].bytes, &head);
    if (st == CADRE_OK && head.kind != CADRE__WIRE_REPLY)
        st = cadre_fail(CADRE_ERR_INPUT, "command %u came where replies are read",
                        head.kind);
    if (st != CADRE_OK) {
        cadre_log(CADRE_LOG_WARN, "group", "message from rank %d dropped: %s", rank,
                  cadre_last_error());
        return arm(engine, rank);
    }
    CADRE_TRY(make_arrival(&head, &peer->arrival));
    const uint8_t *table = cadre__wire_table(peer->buffer, &head);
    const uint8_t *data = cadre__wire_data(peer->buffer, &head);
    if (table && head.table_bytes)
        memcpy(peer->arrival->table, table, head.table_bytes);
    if (data && head.data_bytes)
        memcpy(peer->arrival->data, data, head.data_bytes);
    return next_part(engine, rank);
}

/* The oldest command that the worker in this process has not begun. */
static cadre__flight *not_begun(cadre__engine *engine)
{
    cadre__flight *flight = engine->peers[0].first;
    while (flight && flight->begun)
        flight = flight->next;
    return flight;
}

static cadre_status pump_alone(cadre__engine *engine)
{
    cadre__worker *worker = engine->groups->worker;
    cadre__flight *flight = not_begun(engine);

    if (!flight)
        return cadre__worker_step(worker);
    flight->begun = true;
    cadre__letter letter = {
        .head = flight->head, .table = flight->out.table, .data = flight->out.data};
    return cadre__worker_handle(worker, &letter, CADRE__FROM_COORDINATOR);
}

/* Make some progress: one event, or the deadline. */
static cadre_status pump(cadre__engine *engine, int64_t deadline_ns)
{
    cadre_groups *groups = engine->groups;
    const int size = groups->size;
    size_t index;

    if (is_alone(engine))
        return pump_alone(engine);
    for (;;) {
        /* Several may have completed in one look; a posted receive without handle has. */
        for (int rank = 1; rank < size; rank++) {
            if (engine->peers[rank].armed && !engine->receives[rank].handle)
                return take(engine, rank);
        }
        const int64_t begun = cadre_clock_ns();
        const cadre_status st = cadre_wait_any(groups->comm, engine->receives,
                                               (size_t)size, deadline_ns, &index);
        groups->account.idle_ns += cadre_clock_ns() - begun;
        CADRE_TRY(st);
    }
}

cadre_status cadre__engine_next(cadre__engine *engine, cadre__inbox *inbox,
                                int64_t deadline_ns, cadre__flight **out)
{
    *out = NULL;
    while (!inbox->first) {
        if (inbox->n_under_way == 0)
            return cadre_fail(CADRE_ERR_NOT_FOUND, "no batch is in flight");
        CADRE_TRY(pump(engine, deadline_ns));
        if (!inbox->first && cadre_clock_ns() >= deadline_ns && is_alone(engine))
            return cadre_fail(CADRE_ERR_TIMEOUT,
                              "deadline passed, kernels are still at work");
    }
    cadre__flight *flight = inbox->first;
    unlink_flight(&inbox->first, &inbox->last, flight);
    *out = flight;
    return CADRE_OK;
}

/* Whether a flight keeps this rank busy. */
static bool concerns(const cadre__flight *flight, int rank)
{
    if (flight->rank == rank)
        return true;
    if (!flight->group)
        return false;
    const size_t width = flight->group->width;
    for (size_t i = 0; i < width; i++) {
        if (flight->group->ranks[flight->shard * width + i] == rank)
            return true;
    }
    return false;
}

static const cadre__flight *find_busy(const cadre__engine *engine, const int *ranks,
                                      size_t n)
{
    for (int peer = 0; peer < engine->groups->size; peer++) {
        for (const cadre__flight *f = engine->peers[peer].first; f; f = f->next) {
            for (size_t i = 0; i < n; i++) {
                if (concerns(f, ranks[i]))
                    return f;
            }
        }
    }
    return NULL;
}

cadre_status cadre__engine_drain(cadre__engine *engine, const int *ranks, size_t n,
                                 int64_t deadline_ns)
{
    const cadre__flight *busy;

    while ((busy = find_busy(engine, ranks, n))) {
        const int rank = busy->rank;
        cadre_status st = pump(engine, deadline_ns);
        if (st == CADRE_OK && is_alone(engine) && cadre_clock_ns() >= deadline_ns)
            st = CADRE_ERR_TIMEOUT;
        if (st == CADRE_ERR_TIMEOUT && (busy = find_busy(engine, ranks, n)))
            return cadre_fail(
                CADRE_ERR_TIMEOUT, "deadline passed, rank %d on %s is still busy%s%s",
                rank, cadre_comm_host_of(engine->groups->comm, rank),
                busy->group ? " for group " : "", busy->group ? busy->group->name : "");
        if (st != CADRE_OK && st != CADRE_ERR_TIMEOUT)
            return st;
    }
    return CADRE_OK;
}

/* ---- Abandoning ---- */

/* Nobody waits for this flight any more. It stays in its line until its reply comes, but
 * must read nothing of the caller's from now on. */
static void abandon(cadre__engine *engine, cadre__flight *flight)
{
    cadre__peer *peer = &engine->peers[flight->rank];
    const bool batch = flight->head.kind == CADRE__WIRE_BATCH;

    flight->inbox->n_under_way--;
    flight->inbox = NULL;
    if (batch)
        flight->group->in_flight[flight->shard]--;
    if (is_alone(engine) && !flight->begun) {
        unlink_flight(&peer->first, &peer->last, flight);
        peer->n_unanswered--;
        engine->n_late++;
        cadre__flight_destroy(flight);
        return;
    }
    /* It was sent to an idle worker, which takes it at once unless it is stopped or
     * lost. */
    if (!is_alone(engine) && flight->out.borrows &&
        cadre_wait(engine->groups->comm, flight->out.sends, 3,
                   cadre_deadline_in_ms(SENDS_TIMEOUT_MS)) != CADRE_OK)
        cadre_log(CADRE_LOG_WARN, "group",
                  "rank %d has not taken a batch that was abandoned", flight->rank);
    if (!batch || !flight->group->incremental)
        return;
    cadre__letter letter = {.head = {.kind = CADRE__WIRE_CANCEL,
                                     .group = flight->group->number,
                                     .args = {(int64_t)flight->head.ticket}}};
    if (cadre__engine_tell(engine, flight->rank, &letter,
                           cadre_deadline_in_ms(SENDS_TIMEOUT_MS)) != CADRE_OK)
        cadre_log(CADRE_LOG_WARN, "group", "cancelling a batch: %s", cadre_last_error());
}

/* A flight of this inbox that is under way; ticket 0: any. */
static cadre__flight *find_under_way(cadre__engine *engine, const cadre__inbox *inbox,
                                     uint64_t ticket)
{
    for (int rank = 0; rank < engine->groups->size; rank++) {
        for (cadre__flight *f = engine->peers[rank].first; f; f = f->next) {
            if (f->inbox == inbox && (ticket == 0 || f->head.ticket == ticket))
                return f;
        }
    }
    return NULL;
}

void cadre__engine_abandon(cadre__engine *engine, cadre__inbox *inbox, uint64_t ticket)
{
    cadre__flight *flight;

    while (inbox->n_under_way > 0 && (flight = find_under_way(engine, inbox, ticket)))
        abandon(engine, flight);
    for (cadre__flight *next = inbox->first; next;) {
        flight = next;
        next = flight->next;
        if (ticket != 0 && flight->head.ticket != ticket)
            continue;
        unlink_flight(&inbox->first, &inbox->last, flight);
        engine->n_late++;
        cadre__flight_destroy(flight);
    }
}

/* ---- Calls that several ranks answer ---- */

static cadre_status name_missing(cadre__engine *engine, const cadre__inbox *inbox)
{
    char list[256] = "";
    size_t used = 0;

    for (int rank = 0; rank < engine->groups->size; rank++) {
        for (const cadre__flight *f = engine->peers[rank].first; f; f = f->next) {
            if (f->inbox != inbox || used + 80 > sizeof list)
                continue;
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%d on %.40s",
                                     used ? ", " : "", rank,
                                     cadre_comm_host_of(engine->groups->comm, rank));
        }
    }
    return cadre_fail(CADRE_ERR_TIMEOUT, "deadline passed, no reply from rank %s", list);
}

cadre_status cadre__engine_collect(cadre__engine *engine, cadre__inbox *inbox,
                                   int64_t deadline_ns, cadre__visit_fn *visit,
                                   void *context)
{
    char sentence[400] = "";
    cadre_status worst = CADRE_OK, st = CADRE_OK;

    while (inbox->n_under_way > 0 || inbox->first) {
        cadre__flight *flight;
        st = cadre__engine_next(engine, inbox, deadline_ns, &flight);
        if (st != CADRE_OK)
            break;
        const cadre_batch *batch = &flight->arrival->batch;
        cadre_status one = batch->status;
        if (one != CADRE_OK)
            (void)cadre_fail(one, "%s", batch->message);
        else if (visit)
            one = visit(context, flight);
        if (one < worst) {
            worst = one;
            snprintf(sentence, sizeof sentence, "rank %d on %s: %.300s", flight->rank,
                     cadre_comm_host_of(engine->groups->comm, flight->rank),
                     cadre_last_error());
        }
        cadre__flight_destroy(flight);
    }
    if (st == CADRE_ERR_TIMEOUT)
        st = name_missing(engine, inbox);
    cadre__engine_abandon(engine, inbox, 0);
    return worst != CADRE_OK ? cadre_fail(worst, "%s", sentence) : st;
}

/* ---- The public calls ---- */

static cadre_status check_batch(const cadre_group *group, size_t shard,
                                const cadre_request *requests, size_t n)
{
    const size_t row = group->info.n_in * sizeof(float);

    if (group->state != CADRE_GROUP_ACTIVE)
        return cadre_fail(CADRE_ERR_STATE, "group %s is %s, not active", group->name,
                          cadre_group_state_name(group->state));
    if (shard >= group->n_shards)
        return cadre_fail(CADRE_ERR_ARG, "shard %zu: group %s has shards 0 to %zu", shard,
                          group->name, group->n_shards - 1);
    if (!requests || n == 0)
        return cadre_fail(CADRE_ERR_ARG, "batch of no requests for group %s",
                          group->name);
    for (size_t i = 0; group->info.takes == CADRE_PAYLOAD_ROW && i < n; i++) {
        if (requests[i].bytes != row)
            return cadre_fail(
                CADRE_ERR_ARG,
                "request %llu has %zu bytes, group %s takes rows of %zu bytes",
                (unsigned long long)requests[i].id, requests[i].bytes, group->name, row);
    }
    return CADRE_OK;
}

cadre_status cadre__submit(cadre_group *group, size_t shard,
                           const cadre_request *requests, size_t n, cadre__inbox *inbox,
                           uint64_t *ticket)
{
    cadre__engine *engine = &group->groups->engine;
    cadre__wire_source source;
    size_t table_bytes;

    CADRE_TRY(check_batch(group, shard, requests, n));
    CADRE_TRY(cadre__wire_source_requests(requests, n, &source));
    CADRE_TRY(cadre__wire_measure_requests(requests, n, &table_bytes));
    uint8_t *table = cadre__alloc(table_bytes);
    if (!table)
        return CADRE_ERR_NOMEM;
    cadre__wire_pack_requests(requests, n, table, table_bytes);
    cadre__letter letter = {.head = {.kind = CADRE__WIRE_BATCH,
                                     .group = group->number,
                                     .n = (uint32_t)n,
                                     .table_bytes = table_bytes,
                                     .data_bytes = source.bytes},
                            .table = table,
                            .source = &source};
    const cadre__address to = {
        .rank = cadre_group_rank_of(group, shard), .group = group, .shard = shard};
    const cadre_status st = cadre__engine_send(engine, &to, &letter, inbox, ticket);
    cadre__free(table);
    return st;
}

cadre_status cadre_group_submit(cadre_group *group, size_t shard,
                                const cadre_request *requests, size_t n, uint64_t *ticket)
{
    return cadre__submit(group, shard, requests, n, &group->groups->engine.done, ticket);
}

cadre_status cadre_groups_next(cadre_groups *groups, int64_t deadline_ns,
                               cadre_batch **out)
{
    cadre__flight *flight;

    *out = NULL;
    if (groups->rank != 0)
        return cadre_fail(CADRE_ERR_STATE, "only rank 0 has batches in flight");
    CADRE_TRY(
        cadre__engine_next(&groups->engine, &groups->engine.done, deadline_ns, &flight));
    *out = &flight->arrival->batch;
    flight->arrival = NULL;
    cadre__flight_destroy(flight);
    return CADRE_OK;
}

void cadre_batch_destroy(cadre_batch *batch)
{
    destroy_arrival((cadre__arrival *)batch); /* which begins with its batch */
}

void cadre_groups_abandon(cadre_groups *groups, uint64_t ticket)
{
    if (groups->rank == 0 && ticket != 0)
        cadre__engine_abandon(&groups->engine, &groups->engine.done, ticket);
}

void *cadre_groups_alloc(cadre_groups *groups, size_t bytes)
{
    void *ptr = groups->rank == 0 ? cadre__arena_alloc(&groups->arena, bytes) : NULL;
    return ptr ? ptr : cadre__alloc(bytes);
}

void cadre_groups_free(cadre_groups *groups, void *ptr)
{
    int64_t offset;
    if (cadre__arena_holds(&groups->arena, ptr, 0, &offset))
        cadre__arena_free(&groups->arena, ptr);
    else
        cadre__free(ptr);
}

int64_t cadre_groups_n_late(const cadre_groups *groups)
{
    return groups->engine.n_late;
}
