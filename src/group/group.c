/* group/group.c - the life of groups: open, create, look up, delete, close. */
#include "core/memory.h"
#include "group/groups.h"
#include "group/kernel_registry.h"
#include "group/partition.h"
#include "group/placement.h"
#include <stdio.h>
#include <string.h>

#define CREATE_TIMEOUT_MS 60000
#define CLEAN_UP_TIMEOUT_MS 5000

/* ---- Opening and closing ---- */

static cadre_status copy_comm(cadre_comm *comm, int tag, cadre_comm **out)
{
    const int size = cadre_comm_size(comm);
    int *ranks = cadre__alloc_n((size_t)size, sizeof *ranks);
    if (!ranks)
        return CADRE_ERR_NOMEM;
    for (int i = 0; i < size; i++)
        ranks[i] = i;
    const cadre_status st = cadre_comm_create(comm, ranks, size, tag, out);
    cadre__free(ranks);
    return st;
}

cadre_status cadre_groups_open(cadre_comm *comm, cadre_groups **out)
{
    cadre_status st;

    *out = NULL;
    cadre_groups *groups = cadre__alloc(sizeof *groups);
    if (!groups)
        return CADRE_ERR_NOMEM;
    groups->arena.fd = -1;
    groups->rank = cadre_comm_rank(comm);
    groups->size = cadre_comm_size(comm);
    groups->account.opened_ns = cadre_clock_ns();
    CADRE_TRY_GOTO(st, copy_comm(comm, CADRE_MAX_TAG, &groups->comm), fail);
    CADRE_TRY_GOTO(st, copy_comm(comm, CADRE_MAX_TAG - 1, &groups->meet), fail);
    CADRE_TRY_GOTO(st, cadre__arena_open(groups->meet, &groups->arena), fail);
    if (groups->rank == 0)
        st = cadre__engine_open(&groups->engine, groups);
    if (st == CADRE_OK && groups->rank != 0)
        st = cadre__worker_create(groups, cadre__worker_reply_by_mail, NULL,
                                  &groups->worker);
    else if (st == CADRE_OK && groups->size == 1)
        st = cadre__worker_create(groups, cadre__engine_reply, &groups->engine,
                                  &groups->worker);
    CADRE_TRY_GOTO(st,
                   cadre_comm_agree(groups->meet, st,
                                    cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS)),
                   fail);
    *out = groups;
    return CADRE_OK;

fail:
    if (groups->engine.groups)
        cadre__engine_close(&groups->engine);
    cadre__worker_destroy(groups->worker);
    cadre__arena_close(&groups->arena);
    cadre_comm_destroy(groups->comm);
    cadre_comm_destroy(groups->meet);
    cadre__free(groups);
    return st;
}

static void free_group(cadre_group *group)
{
    cadre__free(group->name);
    cadre__free(group->ranks);
    cadre__free(group->in_flight);
    cadre__free(group);
}

/* Whether this rank follows the leader of a shard, who will tell it what comes. */
static bool follows(const cadre_groups *groups, int rank)
{
    for (const cadre_group *group = groups->first; group; group = group->next) {
        for (size_t i = 0; i < group->n_shards * group->width; i++) {
            if (group->ranks[i] == rank && i % group->width != 0)
                return true;
        }
    }
    return false;
}

static void send_home(cadre_groups *groups, int exit_code)
{
    cadre__engine_abandon(&groups->engine, &groups->engine.done, 0);
    for (int rank = 1; rank < groups->size; rank++) {
        cadre__letter letter = {.head = {.kind = CADRE__WIRE_STOP, .args = {exit_code}}};
        if (!follows(groups, rank))
            cadre__engine_tell(&groups->engine, rank, &letter,
                               cadre_deadline_in_ms(CLEAN_UP_TIMEOUT_MS));
    }
}

void cadre_groups_close(cadre_groups *groups, int exit_code)
{
    if (!groups)
        return;
    if (groups->rank == 0) {
        send_home(groups, exit_code);
        cadre__engine_close(&groups->engine);
    }
    for (cadre_group *group = groups->first, *next; group; group = next) {
        next = group->next;
        free_group(group);
    }
    cadre__worker_destroy(groups->worker);
    cadre__arena_close(&groups->arena);
    cadre_comm_destroy(groups->comm);
    cadre_comm_destroy(groups->meet);
    cadre__free(groups);
}

size_t cadre_groups_n_workers(const cadre_groups *groups)
{
    return groups->size == 1 ? 1 : (size_t)groups->size - 1;
}

/* ---- Creating ---- */

static cadre_status check_opts(cadre_groups *groups, const cadre_group_opts *opts)
{
    const size_t width = opts->ranks_per_shard ? opts->ranks_per_shard : 1;
    const size_t n_workers = cadre_groups_n_workers(groups);
    size_t n_ranks;

    if (groups->rank != 0)
        return cadre_fail(CADRE_ERR_STATE,
                          "groups are created on rank 0, this is rank %d", groups->rank);
    if (!opts->name || !opts->name[0])
        return cadre_fail(CADRE_ERR_ARG, "group without a name");
    if (cadre_group_get(groups, opts->name))
        return cadre_fail(CADRE_ERR_EXISTS, "there is a group %s already", opts->name);
    if (opts->shards == 0)
        return cadre_fail(CADRE_ERR_ARG, "group %s: shards is 0, expected 1 to %zu",
                          opts->name, n_workers / width);
    if (__builtin_mul_overflow(opts->shards, width, &n_ranks) || n_ranks > n_workers)
        return cadre_fail(
            CADRE_ERR_TOPO,
            "group %s: %zu shards of %zu ranks need more than the %zu workers there "
            "are",
            opts->name, opts->shards, width, n_workers);
    if ((unsigned)opts->partition > CADRE_PARTITION_ROUND_ROBIN)
        return cadre_fail(CADRE_ERR_ARG, "group %s: partition is %d, expected 0 to %d",
                          opts->name, (int)opts->partition, CADRE_PARTITION_ROUND_ROBIN);
    if (opts->partition == CADRE_PARTITION_RANGE && opts->n_keys == 0)
        return cadre_fail(CADRE_ERR_ARG,
                          "group %s: n_keys is 0, a range partition needs it",
                          opts->name);
    if ((unsigned)opts->placement > CADRE_PLACEMENT_PACK)
        return cadre_fail(CADRE_ERR_ARG, "group %s: placement is %d, expected 0 to %d",
                          opts->name, (int)opts->placement, CADRE_PLACEMENT_PACK);
    if (opts->timeout_ms < 0)
        return cadre_fail(CADRE_ERR_ARG,
                          "group %s: timeout_ms is %lld, expected 0 or more", opts->name,
                          (long long)opts->timeout_ms);
    return CADRE_OK;
}

static cadre_status new_group(cadre_groups *groups, const cadre_group_opts *opts,
                              cadre_group **out)
{
    *out = NULL;
    cadre_group *group = cadre__alloc(sizeof *group);
    if (!group)
        return CADRE_ERR_NOMEM;
    group->groups = groups;
    group->number = ++groups->last_number;
    group->state = CADRE_GROUP_CREATING;
    group->n_shards = opts->shards;
    group->width = opts->ranks_per_shard ? opts->ranks_per_shard : 1;
    group->partition = opts->partition;
    group->n_keys = opts->n_keys;
    group->name = cadre__strdup(opts->name);
    group->ranks = cadre__alloc_n(group->n_shards * group->width, sizeof *group->ranks);
    group->in_flight = cadre__alloc_n(group->n_shards, sizeof *group->in_flight);
    if (!group->name || !group->ranks || !group->in_flight) {
        free_group(group);
        return CADRE_ERR_NOMEM;
    }
    *out = group;
    return CADRE_OK;
}

/* What the ranks of a group have to carry for it: memory stands for work here, since a
 * larger model has more of both. */
static uint64_t weight_of(const cadre_group *group)
{
    return 1 + (group->info.weights_bytes + group->info.private_bytes) / group->width;
}

static void add_load(const cadre_group *group, cadre__site *sites, int first_rank)
{
    for (size_t i = 0; i < group->n_shards * group->width; i++) {
        cadre__site *site = &sites[group->ranks[i] - first_rank];
        site->load += weight_of(group);
        if (group->width > 1) {
            site->leader = group->ranks[i / group->width * group->width];
            site->gang_ranks = (int)group->width;
        }
    }
}

static cadre_status place(cadre_group *group, cadre_placement placement)
{
    const cadre_groups *groups = group->groups;
    const size_t n = cadre_groups_n_workers(groups);
    const int first_rank = groups->size == 1 ? 0 : 1;

    cadre__site *sites = cadre__alloc_n(n, sizeof *sites);
    if (!sites)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const int rank = first_rank + (int)i;
        sites[i] = (cadre__site){
            .rank = rank, .node = cadre_comm_node_of(groups->comm, rank), .leader = -1};
    }
    for (const cadre_group *other = groups->first; other; other = other->next)
        add_load(other, sites, first_rank);
    const cadre_status st =
        cadre__place(sites, n, group->n_shards, group->width, placement, group->ranks);
    cadre__free(sites);
    return cadre_context(st, "group %s", group->name);
}

/* All ranks must describe the same kernel; the first shard's word counts. */
typedef struct descriptions {
    cadre_group *group;
    bool seen;
} descriptions;

static cadre_status note_description(void *context, const cadre__flight *flight)
{
    descriptions *d = context;
    cadre_kernel_info info, *ours = &d->group->info;

    if (flight->arrival->head.data_bytes != sizeof info)
        return cadre_fail(CADRE_ERR_INTERNAL, "a kernel's description has %llu bytes",
                          (unsigned long long)flight->arrival->head.data_bytes);
    memcpy(&info, flight->arrival->data, sizeof info);
    if (d->seen && (info.takes != ours->takes || info.gives != ours->gives ||
                    info.n_in != ours->n_in || info.n_out != ours->n_out))
        return cadre_fail(
            CADRE_ERR_KERNEL,
            "its kernel takes %zu and gives %zu values, on other ranks %zu and %zu",
            info.n_in, info.n_out, ours->n_in, ours->n_out);
    if (!d->seen || flight->rank == d->group->ranks[0])
        *ours = info;
    d->seen = true;
    return CADRE_OK;
}

/* Send a letter to all ranks of a group and wait for their replies. */
static cadre_status ask_all(cadre_group *group, cadre__letter *letter,
                            int64_t deadline_ns, cadre__visit_fn *visit, void *context)
{
    cadre__engine *engine = &group->groups->engine;
    cadre__inbox inbox = {0};

    for (size_t i = 0; i < group->n_shards * group->width; i++) {
        const cadre__address to = {.rank = group->ranks[i]};
        const cadre_status st = cadre__engine_send(engine, &to, letter, &inbox, NULL);
        if (st != CADRE_OK) {
            cadre__engine_abandon(engine, &inbox, 0);
            return st;
        }
    }
    return cadre__engine_collect(engine, &inbox, deadline_ns, visit, context);
}

static cadre_status open_shards(cadre_group *group, const cadre_group_opts *opts,
                                int64_t deadline_ns)
{
    const size_t n = group->n_shards * group->width;
    const char *strings[] = {group->name, opts->kernel, opts->model ? opts->model : "",
                             opts->tokenizer ? opts->tokenizer : "",
                             opts->options ? opts->options : "{}"};
    const size_t bytes = cadre__wire_strings_bytes(strings, 5);
    descriptions d = {.group = group};

    uint8_t *data = cadre__alloc(bytes);
    if (!data)
        return CADRE_ERR_NOMEM;
    cadre__wire_pack_strings(strings, 5, data);
    cadre__letter letter = {.head = {.kind = CADRE__WIRE_CREATE,
                                     .group = group->number,
                                     .n = (uint32_t)n,
                                     .table_bytes = n * sizeof *group->ranks,
                                     .data_bytes = bytes,
                                     .args = {(int64_t)group->width}},
                            .table = (const uint8_t *)group->ranks,
                            .data = data};
    const cadre_status st = ask_all(group, &letter, deadline_ns, note_description, &d);
    cadre__free(data);
    return cadre_context(st, "opening group %s", group->name);
}

static cadre_status close_shards(cadre_group *group, int64_t deadline_ns)
{
    cadre__letter letter = {.head = {.kind = CADRE__WIRE_DELETE, .group = group->number}};
    return ask_all(group, &letter, deadline_ns, NULL, NULL);
}

cadre_status cadre_group_create(cadre_groups *groups, const cadre_group_opts *opts,
                                cadre_group **out)
{
    const cadre_kernel *kernel;
    cadre_group *group;
    cadre_status st;

    *out = NULL;
    CADRE_TRY(check_opts(groups, opts));
    CADRE_TRY(
        cadre_context(cadre_kernel_find(opts->kernel, &kernel), "group %s", opts->name));
    const int64_t deadline =
        cadre_deadline_in_ms(opts->timeout_ms ? opts->timeout_ms : CREATE_TIMEOUT_MS);
    CADRE_TRY(new_group(groups, opts, &group));
    group->incremental = cadre__kernel_is_incremental(kernel);
    CADRE_TRY_GOTO(st, place(group, opts->placement), fail);
    /* Its ranks meet to make communicators, so none may be at work for another shard. */
    CADRE_TRY_GOTO(st,
                   cadre__engine_drain(&groups->engine, group->ranks,
                                       group->n_shards * group->width, deadline),
                   fail);
    st = open_shards(group, opts, deadline);
    if (st != CADRE_OK) {
        char sentence[512];
        snprintf(sentence, sizeof sentence, "%s", cadre_last_error());
        close_shards(group, cadre_deadline_in_ms(CLEAN_UP_TIMEOUT_MS));
        st = cadre_fail(st, "%s", sentence);
        goto fail;
    }
    group->state = CADRE_GROUP_ACTIVE;
    cadre_group **end = &groups->first;
    while (*end)
        end = &(*end)->next;
    *end = group;
    *out = group;
    return CADRE_OK;

fail:
    free_group(group);
    return st;
}

cadre_status cadre_group_delete(cadre_group *group, int64_t timeout_ms)
{
    cadre_groups *groups = group->groups;
    cadre__engine *engine = &groups->engine;
    const int64_t deadline =
        cadre_deadline_in_ms(timeout_ms ? timeout_ms : CADRE_DEFAULT_TIMEOUT_MS);

    group->state = CADRE_GROUP_DRAINING;
    cadre_status st = cadre__engine_drain(engine, group->ranks,
                                          group->n_shards * group->width, deadline);
    if (st == CADRE_OK)
        st = close_shards(group, deadline);
    if (st != CADRE_OK)
        return cadre_context(st, "deleting group %s", group->name);
    group->state = CADRE_GROUP_STOPPED;
    /* Batches that nobody has fetched yet outlive their group. */
    for (cadre__flight *flight = engine->done.first; flight; flight = flight->next) {
        if (flight->group == group)
            flight->arrival->batch.group = NULL;
    }
    for (cadre_group **link = &groups->first; *link; link = &(*link)->next) {
        if (*link == group) {
            *link = group->next;
            break;
        }
    }
    free_group(group);
    return CADRE_OK;
}

/* ---- Looking ---- */

cadre_group *cadre_group_get(cadre_groups *groups, const char *name)
{
    cadre_group *group = groups->first;
    while (group && strcmp(group->name, name) != 0)
        group = group->next;
    return group;
}

cadre_group *cadre_group_at(cadre_groups *groups, size_t index)
{
    cadre_group *group = groups->first;
    while (group && index-- > 0)
        group = group->next;
    return group;
}

const char *cadre_group_name(const cadre_group *group)
{
    return group->name;
}

cadre_group_state cadre_group_get_state(const cadre_group *group)
{
    return group->state;
}

size_t cadre_group_n_shards(const cadre_group *group)
{
    return group->n_shards;
}

int cadre_group_rank_of(const cadre_group *group, size_t shard)
{
    return group->ranks[shard * group->width];
}

int cadre_group_rank_at(const cadre_group *group, size_t shard, size_t position)
{
    return group->ranks[shard * group->width + position];
}

size_t cadre_group_ranks_per_shard(const cadre_group *group)
{
    return group->width;
}

const cadre_kernel_info *cadre_group_kernel_info(const cadre_group *group)
{
    return &group->info;
}

size_t cadre_group_in_flight(const cadre_group *group, size_t shard)
{
    return shard < group->n_shards ? group->in_flight[shard] : 0;
}

size_t cadre_group_shard_of(cadre_group *group, uint64_t key)
{
    switch (group->partition) {
    case CADRE_PARTITION_RANGE:
        return cadre__partition_range(key, group->n_keys, group->n_shards);
    case CADRE_PARTITION_ROUND_ROBIN: {
        const size_t shard = group->turn;
        group->turn = (group->turn + 1) % group->n_shards;
        return shard;
    }
    case CADRE_PARTITION_HASH:
        break;
    }
    return cadre__partition_hash(key, group->n_shards);
}
