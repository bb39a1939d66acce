/* group/worker.c - serving: take a command, carry it out, reply.
 *
 * Commands are carried out strictly in the order in which they come. Incremental kernels
 * take their steps between commands. A shard of several ranks gets its batches through
 * its leader, who passes them on and tells the others when to step, so all its ranks do
 * the same things in the same order. */
#include "group/worker.h"
#include "core/memory.h"
#include "group/groups.h"
#include "group/kernel_registry.h"
#include <cadre/coll.h>
#include <cadre/log.h>
#include <string.h>

typedef struct reply_under_way {
    struct reply_under_way *next;
    cadre__outgoing out;
} reply_under_way;

struct cadre__worker {
    cadre_groups *groups;
    cadre__reply_fn *reply;
    void *context;
    cadre__shard *shards;
    bool stopped;
    int exit_code;

    /* Two buffers per channel: one is read while the next message comes. */
    cadre_req receives[CADRE__N_CHANNELS];
    uint8_t *buffers[CADRE__N_CHANNELS][2];
    int current[CADRE__N_CHANNELS];
    bool armed[CADRE__N_CHANNELS];

    cadre__buffer table, data; /* parts that came apart */
    cadre__buffer requests, stops, answers, packed;
    cadre__outgoing *forwards; /* to the other ranks of a shard */
    size_t n_forwards;
    reply_under_way *replies;
};

#define PARTS_TIMEOUT_MS CADRE_DEFAULT_TIMEOUT_MS

cadre_status cadre__worker_create(cadre_groups *groups, cadre__reply_fn *reply,
                                  void *context, cadre__worker **out)
{
    *out = NULL;
    cadre__worker *worker = cadre__alloc(sizeof *worker);
    if (!worker)
        return CADRE_ERR_NOMEM;
    worker->groups = groups;
    worker->reply = reply;
    worker->context = context ? context : worker;
    worker->forwards = cadre__alloc_n((size_t)groups->size, sizeof *worker->forwards);
    bool complete = worker->forwards != NULL;
    for (int i = 0; i < CADRE__N_CHANNELS; i++) {
        for (int k = 0; k < 2; k++) {
            worker->buffers[i][k] = cadre__alloc(CADRE__WIRE_FIRST);
            complete = complete && worker->buffers[i][k];
        }
    }
    if (!complete) {
        cadre__worker_destroy(worker);
        return CADRE_ERR_NOMEM;
    }
    *out = worker;
    return CADRE_OK;
}

void cadre__worker_destroy(cadre__worker *worker)
{
    if (!worker)
        return;
    cadre_cancel(worker->groups->comm, worker->receives, CADRE__N_CHANNELS, NULL);
    for (reply_under_way *reply = worker->replies, *next; reply; reply = next) {
        next = reply->next;
        cadre__outgoing_finish(&reply->out, worker->groups->comm, cadre_clock_ns());
        cadre__free(reply);
    }
    for (cadre__shard *shard = worker->shards, *next; shard; shard = next) {
        next = shard->next;
        cadre__shard_close(shard);
    }
    for (int i = 0; i < CADRE__N_CHANNELS; i++) {
        cadre__free(worker->buffers[i][0]);
        cadre__free(worker->buffers[i][1]);
    }
    cadre__buffer_fini(&worker->table);
    cadre__buffer_fini(&worker->data);
    cadre__buffer_fini(&worker->requests);
    cadre__buffer_fini(&worker->stops);
    cadre__buffer_fini(&worker->answers);
    cadre__buffer_fini(&worker->packed);
    cadre__free(worker->forwards);
    cadre__free(worker);
}

/* ---- Receiving ---- */

static cadre_status arm(cadre__worker *worker, int channel)
{
    static const int tags[] = {CADRE__TAG_COMMAND, CADRE__TAG_FORWARD};

    worker->current[channel] ^= 1;
    CADRE_TRY(cadre_irecv(
        worker->groups->comm, worker->buffers[channel][worker->current[channel]],
        CADRE__WIRE_FIRST, channel == CADRE__FROM_COORDINATOR ? 0 : CADRE_ANY_RANK,
        tags[channel], &worker->receives[channel]));
    worker->armed[channel] = true;
    return CADRE_OK;
}

/* A receive that was posted and has completed has no handle any more. */
static bool arrived(const cadre__worker *worker, int channel)
{
    return worker->armed[channel] && !worker->receives[channel].handle;
}

/* The channel on which a message has come. A deadline of 0 means to look once: -1 if
 * there is none. */
static cadre_status await(cadre__worker *worker, int64_t deadline_ns, int *channel)
{
    cadre_comm *comm = worker->groups->comm;
    size_t index;

    for (;;) {
        for (int i = 0; i < CADRE__N_CHANNELS; i++) {
            if (!worker->armed[i])
                CADRE_TRY(arm(worker, i));
            if (arrived(worker, i)) {
                *channel = i;
                return CADRE_OK;
            }
        }
        if (deadline_ns == 0) {
            for (int i = 0; i < CADRE__N_CHANNELS; i++) {
                int done;
                CADRE_TRY(cadre_test(comm, &worker->receives[i], &done));
                if (done) {
                    *channel = i;
                    return CADRE_OK;
                }
            }
            *channel = -1;
            return CADRE_OK;
        }
        const int64_t begun = cadre_clock_ns();
        const cadre_status st = cadre_wait_any(comm, worker->receives, CADRE__N_CHANNELS,
                                               deadline_ns, &index);
        worker->groups->account.idle_ns += cadre_clock_ns() - begun;
        CADRE_TRY(st);
    }
}

/* ---- Replying ---- */

/* Drop replies that have gone out; with `borrowing` wait for those that still read memory
 * of kernels or of this worker. */
static cadre_status reap_replies(cadre__worker *worker, bool borrowing)
{
    cadre_comm *comm = worker->groups->comm;
    reply_under_way **link = &worker->replies;

    while (*link) {
        reply_under_way *reply = *link;
        const bool wait = borrowing && reply->out.borrows;
        if (!wait && !cadre__outgoing_done(&reply->out, comm)) {
            link = &reply->next;
            continue;
        }
        *link = reply->next;
        const cadre_status st = cadre__outgoing_finish(&reply->out, comm, INT64_MAX);
        cadre__free(reply);
        CADRE_TRY(st);
    }
    return CADRE_OK;
}

#define COPIED_REPLY_BYTES (1 << 20)

cadre_status cadre__worker_reply_by_mail(void *context, cadre__letter *letter, bool keep)
{
    cadre__worker *worker = context;
    cadre_comm *comm = worker->groups->comm;
    int done = 0;

    /* Copying is cheaper than waiting for a busy coordinator before the next batch,
     * except for long answers with nothing else to do. */
    keep = keep || letter->head.data_bytes <= COPIED_REPLY_BYTES;
    if (!keep && worker->armed[CADRE__FROM_COORDINATOR])
        CADRE_TRY(cadre_test(comm, &worker->receives[CADRE__FROM_COORDINATOR], &done));
    reply_under_way *reply = cadre__alloc(sizeof *reply);
    if (!reply)
        return CADRE_ERR_NOMEM;
    cadre_status st = cadre__outgoing_write(&reply->out, letter, keep || done);
    if (st == CADRE_OK)
        st = cadre__outgoing_post(&reply->out, comm, 0, CADRE__TAG_REPLY, &letter->head);
    if (st != CADRE_OK) {
        cadre__outgoing_finish(&reply->out, comm, cadre_clock_ns());
        cadre__free(reply);
        return st;
    }
    worker->groups->account.bytes_out += cadre__wire_size(&letter->head);
    reply->next = worker->replies;
    worker->replies = reply;
    return CADRE_OK;
}

/* Reply to head: the status, with the last sentence if it is a failure. */
static cadre_status reply_status(cadre__worker *worker, const cadre__wire_head *head,
                                 cadre_status st)
{
    const char *sentence = st == CADRE_OK ? "" : cadre_last_error();
    cadre__letter reply = {.head = {.kind = CADRE__WIRE_REPLY,
                                    .group = head->group,
                                    .ticket = head->ticket,
                                    .data_bytes = strlen(sentence),
                                    .args = {[CADRE__REPLY_STATUS] = st}},
                           .data = (const uint8_t *)sentence};
    return worker->reply(worker->context, &reply, true);
}

/* Reply with some bytes. */
static cadre_status reply_data(cadre__worker *worker, const cadre__wire_head *head,
                               const void *data, size_t bytes)
{
    cadre__letter reply = {.head = {.kind = CADRE__WIRE_REPLY,
                                    .group = head->group,
                                    .ticket = head->ticket,
                                    .data_bytes = bytes},
                           .data = data};
    return worker->reply(worker->context, &reply, true);
}

static cadre_status reply_answers(cadre__worker *worker, uint32_t group, uint64_t ticket,
                                  const cadre_answer *answers, size_t n,
                                  int64_t compute_ns, int64_t cpu_ns, bool keep)
{
    cadre__wire_source source;
    size_t table_bytes;
    const cadre__wire_head to = {.group = group, .ticket = ticket};

    cadre_status st = cadre__wire_source_answers(answers, n, &source);
    if (st == CADRE_OK)
        st = cadre__wire_measure_answers(answers, n, &table_bytes);
    if (st == CADRE_OK)
        st = cadre__buffer_reserve(&worker->packed, table_bytes);
    if (st != CADRE_OK)
        return reply_status(worker, &to, st);
    cadre__wire_pack_answers(answers, n, worker->packed.data, table_bytes);
    cadre__letter reply = {.head = {.kind = CADRE__WIRE_REPLY,
                                    .group = group,
                                    .n = (uint32_t)n,
                                    .ticket = ticket,
                                    .table_bytes = table_bytes,
                                    .data_bytes = source.bytes,
                                    .args = {[CADRE__REPLY_COMPUTE_NS] = compute_ns,
                                             [CADRE__REPLY_CPU_NS] = cpu_ns}},
                           .table = worker->packed.data,
                           .source = &source};
    return worker->reply(worker->context, &reply, keep);
}

/* ---- Shards of several ranks ---- */

static cadre__shard *find_shard(const cadre__worker *worker, uint32_t group)
{
    cadre__shard *shard = worker->shards;
    while (shard && shard->group != group)
        shard = shard->next;
    return shard;
}

static bool leads_others(const cadre__shard *shard)
{
    return shard && shard->width > 1 && shard->position == 0;
}

/* Start passing a letter on to the other ranks of a shard. */
static cadre_status forward(cadre__worker *worker, const cadre__shard *shard,
                            cadre__letter *letter)
{
    for (size_t i = 1; i < shard->width; i++) {
        cadre__outgoing *out = &worker->forwards[worker->n_forwards];
        CADRE_TRY(cadre__outgoing_write(out, letter, false));
        worker->n_forwards++;
        CADRE_TRY(cadre__outgoing_post(out, worker->groups->comm, shard->ranks[i],
                                       CADRE__TAG_FORWARD, &letter->head));
        worker->groups->account.bytes_out += cadre__wire_size(&letter->head);
    }
    return CADRE_OK;
}

/* Wait until what was passed on has been taken. */
static cadre_status finish_forwards(cadre__worker *worker)
{
    cadre_status st = CADRE_OK;
    const int64_t deadline = cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS);

    for (size_t i = 0; i < worker->n_forwards; i++) {
        const cadre_status one =
            cadre__outgoing_finish(&worker->forwards[i], worker->groups->comm, deadline);
        st = st == CADRE_OK ? one : st;
    }
    worker->n_forwards = 0;
    return st;
}

/* ---- Commands ---- */

static cadre_status open_shard(cadre__worker *worker, const cadre__letter *letter)
{
    const cadre__wire_head *head = &letter->head;
    const char *strings[5];
    const size_t width = (size_t)head->args[0];
    cadre__shard *shard;

    if (head->args[0] < 1 || head->n == 0 || head->n % width != 0 ||
        head->table_bytes != (uint64_t)head->n * sizeof(int))
        return cadre_fail(
            CADRE_ERR_INPUT, "group of %u ranks, %lld per shard, in %llu bytes", head->n,
            (long long)head->args[0], (unsigned long long)head->table_bytes);
    CADRE_TRY(cadre__wire_unpack_strings(letter->data, head->data_bytes, strings, 5));
    if (find_shard(worker, head->group))
        return cadre_fail(CADRE_ERR_INPUT, "group %u is open here already", head->group);
    const cadre__shard_spec spec = {.group = head->group,
                                    .ranks = (const int *)letter->table,
                                    .n_shards = head->n / width,
                                    .width = width,
                                    .name = strings[0],
                                    .kernel = strings[1],
                                    .model = strings[2],
                                    .tokenizer = strings[3],
                                    .options = strings[4]};
    CADRE_TRY(
        cadre__shard_open(worker->groups->comm, &worker->groups->account, &spec, &shard));
    shard->next = worker->shards;
    worker->shards = shard;
    return CADRE_OK;
}

static cadre_status handle_create(cadre__worker *worker, const cadre__letter *letter)
{
    const cadre_status st = open_shard(worker, letter);
    if (st != CADRE_OK)
        return reply_status(worker, &letter->head, st);
    const cadre__shard *shard = worker->shards;
    return reply_data(worker, &letter->head, &shard->info, sizeof shard->info);
}

static cadre_status handle_delete(cadre__worker *worker, const cadre__letter *letter)
{
    for (cadre__shard **link = &worker->shards; *link; link = &(*link)->next) {
        cadre__shard *shard = *link;
        if (shard->group != letter->head.group)
            continue;
        *link = shard->next;
        cadre__shard_close(shard);
        break;
    }
    return reply_status(worker, &letter->head, CADRE_OK);
}

/* Send off the batches that an incremental shard has finished. */
static cadre_status harvest(cadre__worker *worker, cadre__shard *shard)
{
    cadre__work *work;
    cadre_status st = CADRE_OK;

    while (st == CADRE_OK && (work = cadre__shard_take(shard))) {
        const cadre__wire_head to = {.group = shard->group, .ticket = work->ticket};
        if (shard->position == 0 && work->status != CADRE_OK)
            st = reply_status(worker, &to, cadre_fail(work->status, "%s", work->message));
        else if (shard->position == 0)
            st = reply_answers(worker, shard->group, work->ticket, work->answers, work->n,
                               work->compute_ns, work->cpu_ns, true);
        cadre__work_destroy(work);
    }
    return st;
}

static cadre_status unpack_batch(cadre__worker *worker, const cadre__letter *letter)
{
    const size_t n = letter->head.n;
    size_t n_stops;

    CADRE_TRY(cadre__wire_count_stops(&letter->head, letter->table, &n_stops));
    CADRE_TRY(cadre__buffer_reserve(&worker->requests, n * sizeof(cadre_request)));
    CADRE_TRY(cadre__buffer_reserve(&worker->stops, n_stops * sizeof(char *)));
    CADRE_TRY(cadre__buffer_reserve(&worker->answers, n * sizeof(cadre_answer)));
    return cadre__wire_unpack_requests(&letter->head, letter->table, letter->data,
                                       (cadre_request *)worker->requests.data,
                                       (const char **)(void *)worker->stops.data);
}

static cadre_status handle_batch(cadre__worker *worker, const cadre__letter *letter,
                                 cadre__shard *shard)
{
    const cadre__wire_head *head = &letter->head;
    int64_t compute_ns = 0, cpu_ns = 0;

    cadre_status st = unpack_batch(worker, letter);
    const cadre_request *requests = (const cadre_request *)worker->requests.data;
    cadre_answer *answers = (cadre_answer *)worker->answers.data;
    if (st == CADRE_OK && cadre__shard_is_incremental(shard)) {
        st = cadre__shard_enqueue(shard, head->ticket, requests, head->n);
        if (st == CADRE_OK)
            return CADRE_OK;
    } else if (st == CADRE_OK) {
        st = cadre__shard_serve(shard, requests, head->n, answers, &compute_ns, &cpu_ns);
    }
    if (shard->position != 0)
        return CADRE_OK;
    if (st != CADRE_OK)
        return reply_status(worker, head, st);
    return reply_answers(worker, head->group, head->ticket, answers, head->n, compute_ns,
                         cpu_ns, false);
}

static cadre_status handle_cancel(cadre__worker *worker, const cadre__letter *letter,
                                  cadre__shard *shard)
{
    cadre__shard_cancel(shard, (uint64_t)letter->head.args[0]);
    return harvest(worker, shard);
}

static cadre_status find_tensor(const cadre__letter *letter, cadre__shard *shard,
                                cadre_tensor *view, size_t *count)
{
    cadre_tensor shape;
    const char *name;
    CADRE_TRY(cadre__wire_unpack_tensor(&letter->head, letter->table, &shape, &name));
    CADRE_TRY(cadre__shard_tensor(shard, name, &shape, view));
    return cadre_tensor_count(view, count);
}

static cadre_status handle_tensor(cadre__worker *worker, const cadre__letter *letter,
                                  cadre__shard *shard)
{
    cadre_tensor view;
    size_t count = 0;

    cadre_status st = find_tensor(letter, shard, &view, &count);
    const size_t bytes = st == CADRE_OK ? count * cadre_dtype_bytes(view.dtype) : 0;
    if (st == CADRE_OK && bytes != letter->head.data_bytes)
        st = cadre_fail(CADRE_ERR_INPUT, "tensor of %zu bytes came with %llu", bytes,
                        (unsigned long long)letter->head.data_bytes);
    if (st == CADRE_OK && bytes)
        memcpy(view.data, letter->data, bytes);
    st = cadre__shard_agree(shard, st);
    return shard->position == 0 ? reply_status(worker, &letter->head, st) : CADRE_OK;
}

/* Deadlines are instants of one node's clock, so what is left until then travels
 * instead. */
static cadre_coll_opts until(int64_t timeout_ns)
{
    return (cadre_coll_opts){.deadline_ns =
                                 cadre_clock_ns() + (timeout_ns > 0 ? timeout_ns : 1)};
}

/* All shards give id and round; the highest of each, and of their negatives, tell whether
 * they are equal. Nobody leaves before all have come, so this is the barrier, too. */
static cadre_status handle_barrier(cadre__worker *worker, const cadre__letter *letter,
                                   cadre__shard *shard)
{
    const int64_t *args = letter->head.args;
    int64_t mine[4] = {args[0], ~args[0], args[1], ~args[1]}, all[4];
    const cadre_coll_opts opts = until(args[2]);
    cadre_status st = CADRE_OK;

    memcpy(all, mine, sizeof all);
    if (shard->peers)
        st = cadre_allreduce(shard->peers, mine, all, 4, CADRE_I64, CADRE_MAX, &opts);
    if (st == CADRE_OK && memcmp(mine, all, sizeof all) != 0)
        st = cadre_fail(CADRE_ERR_STATE, "shards stand at different barriers");
    cadre_context(st, "barrier %llu, round %llu, of group %s",
                  (unsigned long long)args[0], (unsigned long long)args[1],
                  shard->group_name);
    return reply_status(worker, &letter->head, st);
}

static cadre_status handle_reduce(cadre__worker *worker, const cadre__letter *letter,
                                  cadre__shard *shard)
{
    const cadre__wire_head *head = &letter->head;
    const cadre_reduction reduction = (cadre_reduction)head->args[0];
    const cadre_coll_opts opts = until(head->args[1]);
    cadre_tensor view;
    size_t count = 0;

    cadre_status st = find_tensor(letter, shard, &view, &count);
    const size_t bytes = st == CADRE_OK ? count * cadre_dtype_bytes(view.dtype) : 0;
    if (st == CADRE_OK)
        st = cadre__buffer_reserve(&worker->packed, bytes);
    if (st == CADRE_OK && shard->peers)
        st = cadre_reduce(shard->peers, view.data, worker->packed.data, count, view.dtype,
                          reduction, 0, &opts);
    else if (st == CADRE_OK && bytes)
        memcpy(worker->packed.data, view.data, bytes);
    if (st != CADRE_OK || shard->index != 0)
        return reply_status(worker, head, st);
    return reply_data(worker, head, worker->packed.data, bytes);
}

static cadre_status handle_all_reduce(cadre__worker *worker, const cadre__letter *letter,
                                      cadre__shard *shard)
{
    const cadre__wire_head *head = &letter->head;
    cadre_coll_opts opts = until(head->args[1]);
    cadre_tensor view;
    const char *name;
    size_t count;

    opts.algorithm = "ring"; /* what the call promises */
    cadre_status st =
        cadre__wire_unpack_strings(letter->data, head->data_bytes, &name, 1);
    if (st == CADRE_OK)
        st = cadre__shard_tensor(shard, name, NULL, &view);
    if (st == CADRE_OK)
        st = cadre_tensor_count(&view, &count);
    if (st == CADRE_OK && shard->peers)
        st = cadre_allreduce(shard->peers, CADRE_IN_PLACE, view.data, count, view.dtype,
                             (cadre_reduction)head->args[0], &opts);
    return reply_status(worker, head, st);
}

static cadre_status handle_times(cadre__worker *worker, const cadre__letter *letter)
{
    cadre_groups *groups = worker->groups;
    const cadre_coll_opts opts = until(letter->head.args[0]);
    cadre_rank_time mine;
    cadre_status st = CADRE_OK;

    cadre__account_read(&groups->account, &mine);
    if (groups->rank != 0)
        st = cadre_gather(groups->meet, &mine, NULL, sizeof mine / sizeof(int64_t),
                          CADRE_I64, 0, &opts);
    return reply_status(worker, &letter->head, st);
}

static cadre_status handle_stop(cadre__worker *worker, cadre__letter *letter)
{
    worker->stopped = true;
    worker->exit_code = (int)letter->head.args[0];
    /* Shards of several ranks that meet in this rank are one gang: tell it once. */
    for (cadre__shard *shard = worker->shards; shard; shard = shard->next) {
        if (leads_others(shard)) {
            CADRE_TRY(forward(worker, shard, letter));
            return finish_forwards(worker);
        }
    }
    return CADRE_OK;
}

/* Commands for one shard. */
static cadre_status handle_for_shard(cadre__worker *worker, cadre__letter *letter,
                                     cadre__shard *shard)
{
    switch (letter->head.kind) {
    case CADRE__WIRE_BATCH:
        return handle_batch(worker, letter, shard);
    case CADRE__WIRE_CANCEL:
        return handle_cancel(worker, letter, shard);
    case CADRE__WIRE_TENSOR:
        return handle_tensor(worker, letter, shard);
    case CADRE__WIRE_BARRIER:
        return handle_barrier(worker, letter, shard);
    case CADRE__WIRE_REDUCE:
        return handle_reduce(worker, letter, shard);
    case CADRE__WIRE_ALL_REDUCE:
        return handle_all_reduce(worker, letter, shard);
    case CADRE__WIRE_STEP:
        cadre__shard_step(shard);
        return harvest(worker, shard);
    default:
        return reply_status(
            worker, &letter->head,
            cadre_fail(CADRE_ERR_INPUT, "no command has kind %u", letter->head.kind));
    }
}

static bool goes_to_all_ranks(unsigned kind)
{
    return kind == CADRE__WIRE_BATCH || kind == CADRE__WIRE_CANCEL ||
           kind == CADRE__WIRE_TENSOR;
}

cadre_status cadre__worker_handle(cadre__worker *worker, cadre__letter *letter,
                                  cadre__channel channel)
{
    const cadre__wire_head *head = &letter->head;

    CADRE_TRY(reap_replies(worker, true));
    switch (head->kind) {
    case CADRE__WIRE_CREATE:
        return handle_create(worker, letter);
    case CADRE__WIRE_DELETE:
        return handle_delete(worker, letter);
    case CADRE__WIRE_TIMES:
        return handle_times(worker, letter);
    case CADRE__WIRE_STOP:
        return handle_stop(worker, letter);
    default:
        break;
    }
    cadre__shard *shard = find_shard(worker, head->group);
    if (!shard) {
        if (head->kind == CADRE__WIRE_CANCEL || channel == CADRE__FROM_LEADER)
            return CADRE_OK; /* for a group that is gone */
        return reply_status(worker, head,
                            cadre_fail(CADRE_ERR_NOT_FOUND,
                                       "group %u is not open on this rank", head->group));
    }
    const bool pass_on = goes_to_all_ranks(head->kind) && leads_others(shard);
    if (pass_on)
        CADRE_TRY(forward(worker, shard, letter));
    CADRE_TRY(handle_for_shard(worker, letter, shard));
    return pass_on ? finish_forwards(worker) : CADRE_OK;
}

/* Whether a shard led from here has unfinished work. */
static bool is_busy(const cadre__worker *worker)
{
    for (const cadre__shard *shard = worker->shards; shard; shard = shard->next) {
        if (shard->position == 0 && cadre__shard_busy(shard))
            return true;
    }
    return false;
}

cadre_status cadre__worker_step(cadre__worker *worker)
{
    for (cadre__shard *shard = worker->shards; shard; shard = shard->next) {
        if (shard->position != 0 || !cadre__shard_busy(shard))
            continue;
        cadre__letter letter = {
            .head = {.kind = CADRE__WIRE_STEP, .group = shard->group}};
        const bool pass_on = leads_others(shard);
        if (pass_on)
            CADRE_TRY(forward(worker, shard, &letter));
        cadre__shard_step(shard);
        CADRE_TRY(harvest(worker, shard));
        if (pass_on)
            CADRE_TRY(finish_forwards(worker));
    }
    return reap_replies(worker, false);
}

/* Take the message of a channel apart and carry it out. A message that makes no sense is
 * logged and dropped: whoever sent it will notice that no reply comes. */
static cadre_status receive(cadre__worker *worker, int channel)
{
    cadre_groups *groups = worker->groups;
    const cadre_req *req = &worker->receives[channel];
    const uint8_t *first = worker->buffers[channel][worker->current[channel]];
    const int from = req->peer;
    cadre__letter letter = {0};

    worker->armed[channel] = false;
    cadre_status st = cadre__wire_check(first, req->bytes, &letter.head);
    CADRE_TRY(arm(worker, channel));
    if (st != CADRE_OK) {
        cadre_log(CADRE_LOG_WARN, "group", "message from rank %d dropped: %s", from,
                  cadre_last_error());
        return CADRE_OK;
    }
    st = cadre__letter_fetch(&letter, first, groups->comm, from, &groups->arena,
                             &worker->table, &worker->data,
                             cadre_deadline_in_ms(PARTS_TIMEOUT_MS));
    if (st != CADRE_OK) {
        cadre_context(st, "command %u from rank %d", letter.head.kind, from);
        /* Parts have a tag of their own, so the next command is none the worse for it. */
        return channel == CADRE__FROM_COORDINATOR ? reply_status(worker, &letter.head, st)
                                                  : CADRE_OK;
    }
    groups->account.bytes_in += cadre__wire_size(&letter.head);
    return cadre__worker_handle(worker, &letter, (cadre__channel)channel);
}

cadre_status cadre_groups_serve(cadre_groups *groups, int *exit_code)
{
    cadre__worker *worker = groups->worker;
    int channel = -1;

    if (groups->rank == 0)
        return cadre_fail(CADRE_ERR_STATE,
                          "rank 0 coordinates; only the other ranks serve");
    while (!worker->stopped) {
        const bool busy = is_busy(worker);
        CADRE_TRY(cadre_context(await(worker, busy ? 0 : INT64_MAX, &channel),
                                "waiting for the coordinator"));
        if (channel >= 0)
            CADRE_TRY(receive(worker, channel));
        else
            CADRE_TRY(cadre__worker_step(worker));
    }
    if (exit_code)
        *exit_code = worker->exit_code;
    return CADRE_OK;
}
