/* group/shard_coll.c - collectives among the shards of a group, started by the
 * coordinator.
 *
 * Broadcast goes from the coordinator to each shard, not down a tree: so a shard that
 * hangs holds up none of the others, and min_acks means something. The others run among
 * the shards by src/coll. Their ranks wait for each other, so the coordinator first waits
 * until what is in flight on them has come back: otherwise two shards of several ranks
 * could stand in each other's way. */
#include "core/memory.h"
#include "group/groups.h"
#include <string.h>

/* Shards that give up say why; their sentences need a moment to arrive. */
#define GRACE_NS (500 * CADRE_NS_PER_MS)

static int64_t deadline_of(int64_t timeout_ms)
{
    return cadre_deadline_in_ms(timeout_ms ? timeout_ms : CADRE_DEFAULT_TIMEOUT_MS);
}

static cadre_status check_call(const cadre_group *group, const char *name,
                               int64_t timeout_ms)
{
    if (group->state != CADRE_GROUP_ACTIVE)
        return cadre_fail(CADRE_ERR_STATE, "group %s is %s, not active", group->name,
                          cadre_group_state_name(group->state));
    if (!name || !name[0])
        return cadre_fail(CADRE_ERR_ARG, "group %s: tensor without a name", group->name);
    if (timeout_ms < 0)
        return cadre_fail(CADRE_ERR_ARG,
                          "group %s: timeout_ms is %lld, expected 0 or more", group->name,
                          (long long)timeout_ms);
    return CADRE_OK;
}

/* ---- Broadcast ---- */

/* Send the tensor to the leader of each shard. */
static cadre_status send_tensor(cadre_group *group, const char *name,
                                const cadre_tensor *value, size_t bytes,
                                cadre__inbox *inbox)
{
    cadre__engine *engine = &group->groups->engine;
    const size_t table_bytes = cadre__wire_tensor_bytes(name);
    cadre_status st = CADRE_OK;

    uint8_t *table = cadre__alloc(table_bytes);
    if (!table)
        return CADRE_ERR_NOMEM;
    cadre__wire_pack_tensor(value, name, table);
    cadre__letter letter = {.head = {.kind = CADRE__WIRE_TENSOR,
                                     .group = group->number,
                                     .table_bytes = table_bytes,
                                     .data_bytes = bytes},
                            .table = table,
                            .data = value->data};
    for (size_t shard = 0; st == CADRE_OK && shard < group->n_shards; shard++) {
        const cadre__address to = {
            .rank = cadre_group_rank_of(group, shard), .group = group, .shard = shard};
        st = cadre__engine_send(engine, &to, &letter, inbox, NULL);
    }
    cadre__free(table);
    return st;
}

/* Wait until enough shards have said yes, or cannot any more. */
static cadre_status count_acks(cadre_group *group, cadre__inbox *inbox, size_t need,
                               int64_t deadline_ns, size_t *acks)
{
    cadre__engine *engine = &group->groups->engine;
    const size_t n = group->n_shards;
    size_t failed = 0;

    while (*acks < need) {
        cadre__flight *flight;
        cadre_status st = cadre__engine_next(engine, inbox, deadline_ns, &flight);
        if (st == CADRE_ERR_TIMEOUT)
            return cadre_fail(st, "%zu of %zu shards have it, %zu were needed: %s", *acks,
                              n, need, cadre_last_error());
        CADRE_TRY(st);
        const cadre_batch *batch = &flight->arrival->batch;
        st = batch->status;
        *acks += st == CADRE_OK;
        failed += st != CADRE_OK;
        if (n - failed < need)
            (void)cadre_fail(st, "shard %zu (rank %d): %s", flight->shard, flight->rank,
                             batch->message);
        cadre__flight_destroy(flight);
        if (n - failed < need)
            return st;
    }
    return CADRE_OK;
}

cadre_status cadre_group_broadcast(cadre_group *group, const char *name,
                                   const cadre_tensor *value, size_t min_acks,
                                   int64_t timeout_ms, size_t *acks)
{
    const int64_t deadline = deadline_of(timeout_ms);
    cadre__inbox inbox = {0};
    size_t count, n_acks = 0;

    if (acks)
        *acks = 0;
    CADRE_TRY(check_call(group, name, timeout_ms));
    CADRE_TRY(cadre_tensor_count(value, &count));
    const size_t bytes = count * cadre_dtype_bytes(value->dtype);
    if (bytes > CADRE__WIRE_MAX || (bytes && !value->data))
        return cadre_fail(CADRE_ERR_ARG, "tensor %s has %zu bytes%s: expected up to %d",
                          name, bytes, value->data ? "" : " and no data",
                          CADRE__WIRE_MAX);
    if (min_acks > group->n_shards)
        return cadre_fail(CADRE_ERR_ARG, "min_acks is %zu, group %s has %zu shards",
                          min_acks, group->name, group->n_shards);
    cadre_status st = send_tensor(group, name, value, bytes, &inbox);
    if (st == CADRE_OK)
        st = count_acks(group, &inbox, min_acks ? min_acks : group->n_shards, deadline,
                        &n_acks);
    cadre__engine_abandon(&group->groups->engine, &inbox, 0);
    if (acks)
        *acks = n_acks;
    return cadre_context(st, "broadcast of %s in group %s", name, group->name);
}

/* ---- Among the shards ---- */

typedef struct result {
    const cadre_tensor *out; /* NULL: none is wanted */
    size_t bytes;
    int root;
} result;

static cadre_status take_result(void *context, const cadre__flight *flight)
{
    const result *r = context;
    if (!r->out || flight->rank != r->root)
        return CADRE_OK;
    if (flight->arrival->head.data_bytes != r->bytes)
        return cadre_fail(CADRE_ERR_INTERNAL, "result of %llu bytes, expected %zu",
                          (unsigned long long)flight->arrival->head.data_bytes, r->bytes);
    if (r->bytes)
        memcpy(r->out->data, flight->arrival->data, r->bytes);
    return CADRE_OK;
}

/* Send a letter whose args[place] is the time left to every stride-th rank of the group,
 * and wait for all of them. */
static cadre_status meet(cadre_group *group, cadre__letter *letter, size_t place,
                         size_t stride, int64_t deadline_ns, result *r)
{
    cadre__engine *engine = &group->groups->engine;
    const size_t n = group->n_shards * group->width;
    cadre__inbox inbox = {0};

    cadre_status st = cadre__engine_drain(engine, group->ranks, n, deadline_ns);
    for (size_t i = 0; st == CADRE_OK && i < n; i += stride) {
        const cadre__address to = {.rank = group->ranks[i]};
        letter->head.args[place] = deadline_ns - cadre_clock_ns();
        st = cadre__engine_send(engine, &to, letter, &inbox, NULL);
    }
    if (st != CADRE_OK) {
        cadre__engine_abandon(engine, &inbox, 0);
        return st;
    }
    const int64_t last =
        deadline_ns < INT64_MAX - GRACE_NS ? deadline_ns + GRACE_NS : INT64_MAX;
    return cadre__engine_collect(engine, &inbox, last, take_result, r);
}

cadre_status cadre_group_barrier(cadre_group *group, uint64_t id, uint64_t round,
                                 int64_t timeout_ms)
{
    result none = {0};

    CADRE_TRY(check_call(group, "-", timeout_ms));
    cadre__letter letter = {.head = {.kind = CADRE__WIRE_BARRIER,
                                     .group = group->number,
                                     .args = {(int64_t)id, (int64_t)round}}};
    return cadre_context(
        meet(group, &letter, 2, group->width, deadline_of(timeout_ms), &none),
        "barrier %llu, round %llu, of group %s", (unsigned long long)id,
        (unsigned long long)round, group->name);
}

cadre_status cadre_group_reduce(cadre_group *group, const char *name,
                                cadre_reduction reduction, const cadre_tensor *out,
                                int64_t timeout_ms)
{
    size_t count;

    CADRE_TRY(check_call(group, name, timeout_ms));
    CADRE_TRY(cadre_tensor_count(out, &count));
    result r = {.out = out,
                .bytes = count * cadre_dtype_bytes(out->dtype),
                .root = cadre_group_rank_of(group, 0)};
    if (r.bytes > CADRE__WIRE_MAX || (r.bytes && !out->data))
        return cadre_fail(CADRE_ERR_ARG, "tensor %s has %zu bytes%s: expected up to %d",
                          name, r.bytes, out->data ? "" : " and no data",
                          CADRE__WIRE_MAX);
    const size_t table_bytes = cadre__wire_tensor_bytes(name);
    uint8_t *table = cadre__alloc(table_bytes);
    if (!table)
        return CADRE_ERR_NOMEM;
    cadre__wire_pack_tensor(out, name, table);
    cadre__letter letter = {.head = {.kind = CADRE__WIRE_REDUCE,
                                     .group = group->number,
                                     .table_bytes = table_bytes,
                                     .args = {reduction}},
                            .table = table};
    const cadre_status st =
        meet(group, &letter, 1, group->width, deadline_of(timeout_ms), &r);
    cadre__free(table);
    return cadre_context(st, "reduce of %s in group %s", name, group->name);
}

cadre_status cadre_group_all_reduce(cadre_group *group, const char *name,
                                    cadre_reduction reduction, int64_t timeout_ms)
{
    result none = {0};

    CADRE_TRY(check_call(group, name, timeout_ms));
    cadre__letter letter = {.head = {.kind = CADRE__WIRE_ALL_REDUCE,
                                     .group = group->number,
                                     .data_bytes = strlen(name) + 1,
                                     .args = {reduction}},
                            .data = (const uint8_t *)name};
    /* Where a shard is several ranks, their parts of the tensor are reduced side by
     * side. */
    return cadre_context(meet(group, &letter, 1, 1, deadline_of(timeout_ms), &none),
                         "all-reduce of %s in group %s", name, group->name);
}
