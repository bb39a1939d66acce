/* group/shard.c - opening, calling and closing a kernel on one rank. */
#include "group/shard.h"
#include "core/memory.h"
#include "group/copy.h"
#include "group/kernel_registry.h"
#include "group/mail.h"
#include <stdio.h>
#include <string.h>

cadre_status cadre__shard_agree(cadre__shard *shard, cadre_status st)
{
    if (!shard->comm)
        return st;
    return cadre_comm_agree(shard->comm, st,
                            cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS));
}

/* ---- Opening and closing ---- */

static cadre_status copy_spec(cadre__shard *shard, const cadre__shard_spec *spec,
                              int rank)
{
    const size_t n = spec->n_shards * spec->width;
    size_t place = 0;

    while (place < n && spec->ranks[place] != rank)
        place++;
    if (place == n)
        return cadre_fail(CADRE_ERR_INTERNAL, "group %s: rank %d is not in its own shard",
                          spec->name, rank);
    shard->group = spec->group;
    shard->n_shards = spec->n_shards;
    shard->width = spec->width;
    shard->index = place / spec->width;
    shard->position = place % spec->width;
    shard->group_name = cadre__strdup(spec->name);
    shard->ranks = cadre__alloc_n(spec->width, sizeof *shard->ranks);
    if (!shard->group_name || !shard->ranks)
        return CADRE_ERR_NOMEM;
    memcpy(shard->ranks, spec->ranks + shard->index * spec->width,
           spec->width * sizeof *shard->ranks);
    return CADRE_OK;
}

/* Open MPI's MPI_Comm_create_group() sends under the caller's tag, where a receive posted
 * for mail would catch it: we take tags that mail does not use. */
#define FIRST_TAG 16
_Static_assert(FIRST_TAG > CADRE__TAG_REPLY, "tags of mail and of communicators differ");

/* Ranks of a group call this at once; each is in one shard and one line of peers. */
static cadre_status make_comms(cadre__shard *shard, cadre_comm *comm,
                               const cadre__shard_spec *spec)
{
    const int tag =
        FIRST_TAG + (int)(spec->group % ((CADRE__TAG_PARTS - FIRST_TAG) / 2)) * 2;

    if (spec->width > 1)
        CADRE_TRY(
            cadre_comm_create(comm, shard->ranks, (int)spec->width, tag, &shard->comm));
    if (spec->n_shards == 1)
        return CADRE_OK;
    int *ranks = cadre__alloc_n(spec->n_shards, sizeof *ranks);
    if (!ranks)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < spec->n_shards; i++)
        ranks[i] = spec->ranks[i * spec->width + shard->position];
    const cadre_status st =
        cadre_comm_create(comm, ranks, (int)spec->n_shards, tag + 1, &shard->peers);
    cadre__free(ranks);
    return st;
}

static cadre_status describe(cadre__shard *shard)
{
    CADRE_TRY(shard->kernel->describe(shard->state, &shard->info));
    const cadre_kernel_info *info = &shard->info;
    if (info->takes > CADRE_PAYLOAD_TEXT || info->gives > CADRE_PAYLOAD_TEXT ||
        info->best_batch == 0)
        return cadre_fail(CADRE_ERR_KERNEL,
                          "kernel %s describes itself wrongly: takes %d, gives "
                          "%d, best batch %zu",
                          shard->kernel->name, (int)info->takes, (int)info->gives,
                          info->best_batch);
    return CADRE_OK;
}

/* Ranks of this node that hold shards, or may: all but the coordinator. */
static int node_workers(const cadre_comm *comm)
{
    const int n = cadre_comm_node_size(comm);
    const int coordinator_here =
        cadre_comm_node_of(comm, cadre_comm_rank(comm)) == cadre_comm_node_of(comm, 0);
    return n > 1 && coordinator_here ? n - 1 : n;
}

cadre_status cadre__shard_open(cadre_comm *comm, cadre__time_account *account,
                               const cadre__shard_spec *spec, cadre__shard **out)
{
    cadre_status st;

    *out = NULL;
    cadre__shard *shard = cadre__alloc(sizeof *shard);
    if (!shard)
        return CADRE_ERR_NOMEM;
    shard->account = account;
    CADRE_TRY_GOTO(st, copy_spec(shard, spec, cadre_comm_rank(comm)), fail);
    CADRE_TRY_GOTO(st, make_comms(shard, comm, spec), fail);

    /* open() is collective over the shard: enter it together or not at all. */
    const cadre_kernel_args args = {.model = spec->model,
                                    .tokenizer = spec->tokenizer,
                                    .options = spec->options,
                                    .shard = shard->comm,
                                    .node_workers = node_workers(comm)};
    const cadre_status found = cadre_kernel_find(spec->kernel, &shard->kernel);
    CADRE_TRY_GOTO(st, cadre__shard_agree(shard, found), fail);
    st = shard->kernel->open(&args, &shard->state);
    if (st == CADRE_OK)
        st = describe(shard);
    CADRE_TRY_GOTO(st, cadre__shard_agree(shard, st), fail);
    *out = shard;
    return CADRE_OK;

fail:
    cadre__shard_close(shard);
    return st;
}

void cadre__shard_close(cadre__shard *shard)
{
    if (!shard)
        return;
    if (shard->state)
        shard->kernel->close(shard->state);
    for (cadre__work *work = shard->first, *next; work; work = next) {
        next = work->next;
        cadre__work_destroy(work);
    }
    for (cadre__work *work = shard->finished_first, *next; work; work = next) {
        next = work->next;
        cadre__work_destroy(work);
    }
    cadre_comm_destroy(shard->comm);
    cadre_comm_destroy(shard->peers);
    cadre__free(shard->group_name);
    cadre__free(shard->ranks);
    cadre__free(shard);
}

bool cadre__shard_is_incremental(const cadre__shard *shard)
{
    return cadre__kernel_is_incremental(shard->kernel);
}

cadre_status cadre__shard_tensor(cadre__shard *shard, const char *name,
                                 const cadre_tensor *expected, cadre_tensor *view)
{
    const cadre_kernel *kernel = shard->kernel;
    bool same = true;

    if (!kernel->tensor)
        return cadre_fail(CADRE_ERR_NOT_FOUND, "kernel %s shows no tensors",
                          kernel->name);
    CADRE_TRY(kernel->tensor(shard->state, name, view));
    if (!expected)
        return CADRE_OK;
    for (int i = 0; i < expected->n_dims; i++)
        same = same && view->dims[i] == expected->dims[i];
    if (view->dtype != expected->dtype || view->n_dims != expected->n_dims || !same)
        return cadre_fail(
            CADRE_ERR_ARG,
            "tensor \"%s\" of kernel %s is %s with %d dimensions, the first of %zu; "
            "what was given is %s with %d, the first of %zu",
            name, kernel->name, cadre_dtype_name(view->dtype), view->n_dims,
            view->n_dims ? view->dims[0] : 1, cadre_dtype_name(expected->dtype),
            expected->n_dims, expected->n_dims ? expected->dims[0] : 1);
    return CADRE_OK;
}

/* ---- Batch style ---- */

typedef struct stopwatch {
    int64_t wall_ns, cpu_ns;
} stopwatch;

static stopwatch start(void)
{
    return (stopwatch){.wall_ns = cadre_clock_ns(), .cpu_ns = cadre_cpu_ns()};
}

/* What the kernel took since start. */
static stopwatch stop(cadre__shard *shard, stopwatch begun)
{
    const stopwatch took = {.wall_ns = cadre_clock_ns() - begun.wall_ns,
                            .cpu_ns = cadre_cpu_ns() - begun.cpu_ns};
    shard->account->compute_ns += took.wall_ns;
    return took;
}

static cadre_status check_requests(const cadre__shard *shard,
                                   const cadre_request *requests, size_t n)
{
    const size_t row = shard->info.n_in * sizeof(float);

    if (shard->info.takes != CADRE_PAYLOAD_ROW)
        return CADRE_OK;
    for (size_t i = 0; i < n; i++) {
        if (requests[i].bytes != row)
            return cadre_fail(CADRE_ERR_ARG,
                              "request %llu has %zu bytes, kernel %s takes rows of %zu",
                              (unsigned long long)requests[i].id, requests[i].bytes,
                              shard->kernel->name, row);
    }
    return CADRE_OK;
}

/* Whether a kernel gave what it said it gives. */
static cadre_status check_answer(const cadre__shard *shard, const cadre_answer *answer)
{
    const size_t row = shard->info.n_out * sizeof(float);

    if (answer->status != CADRE_OK)
        return CADRE_OK;
    if (shard->info.gives == CADRE_PAYLOAD_ROW && answer->bytes != row)
        return cadre_fail(
            CADRE_ERR_KERNEL,
            "kernel %s answered request %llu with %zu bytes, it gives rows of %zu",
            shard->kernel->name, (unsigned long long)answer->id, answer->bytes, row);
    if (!answer->data && answer->bytes)
        return cadre_fail(CADRE_ERR_KERNEL,
                          "kernel %s answered request %llu with no data",
                          shard->kernel->name, (unsigned long long)answer->id);
    if (answer->logprobs && answer->logprobs->n_top > CADRE_MAX_TOP_LOGPROBS)
        return cadre_fail(CADRE_ERR_KERNEL,
                          "kernel %s answered request %llu with %u alternatives per "
                          "token, %d are the most",
                          shard->kernel->name, (unsigned long long)answer->id,
                          answer->logprobs->n_top, CADRE_MAX_TOP_LOGPROBS);
    return CADRE_OK;
}

cadre_status cadre__shard_serve(cadre__shard *shard, const cadre_request *requests,
                                size_t n, cadre_answer *answers, int64_t *compute_ns,
                                int64_t *cpu_ns)
{
    *compute_ns = *cpu_ns = 0;
    /* The same verdict on every rank of the shard, which all have the same requests. */
    CADRE_TRY(check_requests(shard, requests, n));
    memset(answers, 0, n * sizeof *answers);
    const stopwatch begun = start();
    cadre_status st = shard->kernel->serve(shard->state, requests, n, answers);
    const stopwatch took = stop(shard, begun);
    *compute_ns = took.wall_ns;
    *cpu_ns = took.cpu_ns;
    for (size_t i = 0; st == CADRE_OK && i < n; i++) {
        answers[i].id = requests[i].id;
        st = check_answer(shard, &answers[i]);
    }
    shard->account->n_batches++;
    shard->account->n_requests += (int64_t)n;
    return cadre__shard_agree(shard, st);
}

/* ---- Incremental style ---- */

#define COLLECT_AT_ONCE 32

enum { WAITING, INSIDE, ANSWERED };

void cadre__work_destroy(cadre__work *work)
{
    if (!work)
        return;
    for (size_t i = 0; work->answers && i < work->n; i++) {
        cadre__free((void *)work->answers[i].data);
        cadre__free((void *)work->answers[i].logprobs);
    }
    cadre__free(work->waited_ns);
    cadre__free(work->answers);
    cadre__free(work->requests);
    cadre__free(work->payload);
    cadre__free(work->states);
    cadre__free(work);
}

cadre_status cadre__shard_enqueue(cadre__shard *shard, uint64_t ticket,
                                  const cadre_request *requests, size_t n)
{
    cadre_status st = CADRE_ERR_NOMEM;

    CADRE_TRY(check_requests(shard, requests, n));
    cadre__work *work = cadre__alloc(sizeof *work);
    if (!work)
        return CADRE_ERR_NOMEM;
    work->ticket = ticket;
    work->n = n;
    work->enqueued_ns = cadre_clock_ns();
    work->requests = cadre__alloc_n(n, sizeof *work->requests);
    work->waited_ns = cadre__alloc_n(n, sizeof *work->waited_ns);
    work->answers = cadre__alloc_n(n, sizeof *work->answers);
    work->states = cadre__alloc(n);
    if (work->requests && work->waited_ns && work->answers && work->states)
        st = cadre__requests_copy(requests, n, work->requests, &work->payload);
    if (st != CADRE_OK) {
        cadre__work_destroy(work);
        return st;
    }
    if (shard->last)
        shard->last->next = work;
    else
        shard->first = work;
    shard->last = work;
    shard->account->n_batches++;
    shard->account->n_requests += (int64_t)n;
    return CADRE_OK;
}

bool cadre__shard_busy(const cadre__shard *shard)
{
    return shard->first != NULL;
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *put_text(uint8_t **at, const char *text)
{
    const size_t bytes = text_bytes(text);
    const char *copy = bytes ? memcpy(*at, text, bytes) : NULL;
    *at += bytes;
    return copy;
}

/* Keep a copy of an answer: data, then texts, in one piece of memory that `data` owns,
 * and its log-probabilities in another. */
static void keep_answer(cadre__work *work, size_t i, const cadre_answer *answer)
{
    const size_t bytes = answer->status == CADRE_OK ? answer->bytes : 0;
    uint8_t *memory = cadre__alloc(bytes + text_bytes(answer->message) +
                                   text_bytes(answer->finish_reason));
    cadre_answer *kept = &work->answers[i];

    work->n_inside -= work->states[i] == INSIDE;
    work->states[i] = ANSWERED;
    work->n_answered++;
    cadre_logprobs *logprobs = cadre__logprobs_copy(answer->logprobs);
    if (!memory || (answer->logprobs && !logprobs)) {
        cadre__free(memory);
        cadre__free(logprobs);
        *kept = (cadre_answer){.id = work->requests[i].id, .status = CADRE_ERR_NOMEM};
        return;
    }
    uint8_t *texts = memory + bytes;
    *kept = *answer;
    kept->id = work->requests[i].id;
    kept->bytes = bytes;
    kept->data = memory;
    if (bytes)
        memcpy(memory, answer->data, bytes);
    kept->message = put_text(&texts, answer->message);
    kept->finish_reason = put_text(&texts, answer->finish_reason);
    kept->logprobs = logprobs;
    if (kept->first_token_ns > 0) {
        kept->first_token_ns += work->waited_ns[i];
        kept->last_token_ns += work->waited_ns[i];
    }
}

static void fail_request(cadre__work *work, size_t i, cadre_status st)
{
    const cadre_answer answer = {.status = st, .message = cadre_last_error()};
    keep_answer(work, i, &answer);
}

static size_t count_inside(const cadre__shard *shard)
{
    size_t n = 0;
    for (const cadre__work *work = shard->first; work; work = work->next)
        n += work->n_inside;
    return n;
}

/* Give requests to the kernel until it has no room, oldest batch first. */
static void offer(cadre__shard *shard)
{
    for (cadre__work *work = shard->first; work; work = work->next) {
        for (size_t i = 0; i < work->n && work->status == CADRE_OK; i++) {
            if (work->states[i] != WAITING)
                continue;
            const stopwatch begun = start();
            cadre_status st = shard->kernel->submit(shard->state, &work->requests[i]);
            const stopwatch took = stop(shard, begun);
            work->compute_ns += took.wall_ns;
            work->cpu_ns += took.cpu_ns;
            if (st == CADRE_OK) {
                work->states[i] = INSIDE;
                work->n_inside++;
                work->waited_ns[i] = begun.wall_ns - work->enqueued_ns;
                continue;
            }
            if (st == CADRE_ERR_STATE && count_inside(shard) > 0)
                return;
            if (st == CADRE_ERR_STATE)
                st =
                    cadre_fail(CADRE_ERR_KERNEL,
                               "kernel %s has no room for a request although it has none",
                               shard->kernel->name);
            fail_request(work, i, st);
        }
    }
}

/* Who waits for the answer with this id: the oldest batch that has it inside. */
static bool find_inside(cadre__shard *shard, uint64_t id, cadre__work **work,
                        size_t *index)
{
    for (*work = shard->first; *work; *work = (*work)->next) {
        for (size_t i = 0; i < (*work)->n; i++) {
            if ((*work)->states[i] == INSIDE && (*work)->requests[i].id == id) {
                *index = i;
                return true;
            }
        }
    }
    return false;
}

static size_t collect(cadre__shard *shard)
{
    cadre_answer answers[COLLECT_AT_ONCE];
    size_t total = 0;

    for (;;) {
        const stopwatch begun = start();
        const size_t n = shard->kernel->collect(shard->state, answers, COLLECT_AT_ONCE);
        stop(shard, begun);
        for (size_t k = 0; k < n; k++) {
            cadre__work *work;
            size_t i;
            if (!find_inside(shard, answers[k].id, &work, &i))
                continue; /* cancelled at the last moment */
            const cadre_status st = check_answer(shard, &answers[k]);
            if (st == CADRE_OK)
                keep_answer(work, i, &answers[k]);
            else
                fail_request(work, i, st);
        }
        total += n;
        if (n < COLLECT_AT_ONCE)
            return total;
    }
}

/* Fail a batch as a whole, with the last sentence, and take its requests out of the
 * kernel. */
static void give_up(cadre__shard *shard, cadre__work *work, cadre_status st)
{
    work->status = st;
    snprintf(work->message, sizeof work->message, "%s", cadre_last_error());
    for (size_t i = 0; i < work->n; i++) {
        if (work->states[i] == INSIDE)
            shard->kernel->cancel(shard->state, work->requests[i].id);
        work->states[i] = ANSWERED;
    }
    work->n_inside = 0;
}

/* Divide what a step took among the batches that had requests inside. */
static void share_out(cadre__shard *shard, stopwatch took)
{
    const size_t all = count_inside(shard);
    for (cadre__work *work = shard->first; work && all; work = work->next) {
        const double share = (double)work->n_inside / (double)all;
        work->compute_ns += (int64_t)((double)took.wall_ns * share);
        work->cpu_ns += (int64_t)((double)took.cpu_ns * share);
    }
}

/* Move the finished out of the line. */
static void sort_out(cadre__shard *shard)
{
    cadre__work **link = &shard->first;

    shard->last = NULL;
    while (*link) {
        cadre__work *work = *link;
        if (work->status == CADRE_OK && work->n_answered < work->n) {
            shard->last = work;
            link = &work->next;
            continue;
        }
        *link = work->next;
        work->next = NULL;
        if (shard->finished_last)
            shard->finished_last->next = work;
        else
            shard->finished_first = work;
        shard->finished_last = work;
    }
}

void cadre__shard_step(cadre__shard *shard)
{
    size_t n_active = 0, n_collected = 0;

    offer(shard);
    if (count_inside(shard) == 0) {
        sort_out(shard); /* all were refused */
        return;
    }
    const stopwatch begun = start();
    cadre_status st = shard->kernel->step(shard->state, &n_active);
    share_out(shard, stop(shard, begun));
    st = cadre__shard_agree(shard, st);
    if (st == CADRE_OK)
        n_collected = collect(shard);
    /* Nothing left inside and nothing given back: these requests would wait for ever. */
    if (st == CADRE_OK && n_active == 0 && n_collected == 0 && count_inside(shard) > 0)
        st = cadre_fail(CADRE_ERR_KERNEL, "kernel %s has lost %zu requests",
                        shard->kernel->name, count_inside(shard));
    for (cadre__work *work = shard->first; st != CADRE_OK && work; work = work->next) {
        if (work->n_inside > 0)
            give_up(shard, work, st);
    }
    sort_out(shard);
}

void cadre__shard_cancel(cadre__shard *shard, uint64_t ticket)
{
    for (cadre__work *work = shard->first; work; work = work->next) {
        if (work->ticket == ticket)
            give_up(shard, work,
                    cadre_fail(CADRE_ERR_TIMEOUT, "abandoned by the coordinator"));
    }
    sort_out(shard);
}

cadre__work *cadre__shard_take(cadre__shard *shard)
{
    cadre__work *work = shard->finished_first;
    if (!work)
        return NULL;
    shard->finished_first = work->next;
    if (!shard->finished_first)
        shard->finished_last = NULL;
    work->next = NULL;
    return work;
}
