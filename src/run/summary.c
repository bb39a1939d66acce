/* run/summary.c - the report of a job from its parts. */
#include "run/summary.h"
#include "comm/internal.h"
#include "core/memory.h"
#include "core/text.h"
#include <cadre/coll.h>
#include <cadre/ops.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(cadre__place) % sizeof(int32_t) == 0, "a place travels as i32");

cadre_status cadre__gather_places(cadre_comm *comm, const cadre_topo *topo,
                                  cadre__place *places)
{
    cadre__place mine = {0};
    const char *host = cadre_comm_host_of(comm, cadre_comm_rank(comm));
    memcpy(mine.host, host, strnlen(host, sizeof mine.host - 1));
    cadre_topo_cpuset(topo, mine.cores, sizeof mine.cores);
    return cadre_gather(comm, &mine, places, sizeof mine / sizeof(int32_t), CADRE_I32, 0,
                        NULL);
}

/* "small/0 large/1": the shards that a rank holds. The caller frees it. */
static char *shards_of_rank(cadre_groups *groups, int rank)
{
    cadre__text text = {0};
    cadre_group *group;
    for (size_t g = 0; (group = cadre_group_at(groups, g)); g++) {
        for (size_t s = 0; s < cadre_group_n_shards(group); s++) {
            for (size_t i = 0; i < cadre_group_ranks_per_shard(group); i++)
                if (rank == cadre_group_rank_at(group, s, i))
                    cadre__text_printf(&text, "%s%s/%zu", text.size ? " " : "",
                                       cadre_group_name(group), s);
        }
    }
    char *shards = cadre__strdup(cadre__text_string(&text));
    cadre__text_fini(&text);
    return shards;
}

static cadre_status fill_tier(const cadre__summary_input *in, size_t t,
                              cadre__report_tier *out)
{
    const cadre__job *job = in->prepared->job;
    const cadre__tier_stats *stats = &in->stats->tiers[t];

    out->name = cadre__strdup(job->tiers[t].name);
    out->kernel = cadre__strdup(job->tiers[t].kernel);
    out->model_digest = cadre__strdup(in->prepared->tiers[t].model_digest);
    out->shards = job->tiers[t].shards;
    out->ranks_per_shard = job->tiers[t].ranks_per_shard;
    for (size_t tenant = 0; tenant < job->n_tenants; tenant++) {
        cadre__account account;
        cadre__router_account(in->router, (int)tenant, (int)t, &account);
        out->requests += account.completed;
        out->failed += account.failed;
        out->downgraded_to += account.downgraded;
        out->tokens_in += account.tokens_in;
        out->tokens_out += account.tokens_out;
        CADRE_TRY(cadre_money_add(out->cost, account.spent, &out->cost));
    }
    out->compute_ns = stats->compute_ns;
    out->labelled = stats->labelled;
    out->correct = stats->correct;
    cadre__quantiles_of(&stats->service, &out->service);
    cadre__quantiles_of(&stats->first_token, &out->first_token);
    cadre__quantiles_of(&stats->per_token, &out->per_token);
    out->tokens_shared = stats->tokens_shared;
    return out->name && out->kernel && out->model_digest ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status fill_tenant(const cadre__summary_input *in, size_t t,
                                cadre__report_tenant *out)
{
    const cadre__job_tenant *tenant = &in->prepared->job->tenants[t];
    cadre__account account;

    cadre__router_account(in->router, (int)t, -1, &account);
    out->name = cadre__strdup(tenant->name);
    out->state = cadre__strdup(cadre__budget_state(tenant, account.spent));
    out->limited = tenant->limited;
    out->budget = tenant->budget;
    out->spent = account.spent;
    out->refused_worth = in->stats->refused_worth[t];
    out->completed = account.completed;
    out->failed = account.failed;
    out->refused = account.refused;
    out->downgraded = account.downgraded;
    out->tokens_in = account.tokens_in;
    out->tokens_out = account.tokens_out;
    for (size_t i = 0; i < in->prepared->requests->n; i++)
        out->requests += in->prepared->requests->items[i].tenant == (int)t;
    return out->name && out->state ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status fill_rank(const cadre__summary_input *in, int rank,
                              cadre__report_rank *out)
{
    const cadre_rank_time *time = &in->times[rank];
    const int size = cadre_comm_size(in->comm);

    out->rank = rank;
    out->host = cadre__strdup(in->places[rank].host);
    out->cores = cadre__strdup(in->places[rank].cores);
    out->role = cadre__strdup(size == 1   ? "single"
                              : rank == 0 ? "coordinator"
                                          : "worker");
    out->shards = shards_of_rank(in->groups, rank);
    out->wall_ns = time->wall_ns;
    out->compute_ns = time->compute_ns;
    out->coordination_ns = time->coordination_ns;
    out->idle_ns = time->idle_ns;
    out->n_batches = time->n_batches;
    out->n_requests = time->n_requests;
    out->bytes_in = time->bytes_in;
    out->bytes_out = time->bytes_out;
    return out->host && out->cores && out->role && out->shards ? CADRE_OK
                                                               : CADRE_ERR_NOMEM;
}

static cadre_status fill_head(const cadre__summary_input *in, cadre__run_report *out)
{
    const cadre__phases *phases = in->phases;
    const cadre__dispatch_stats *stats = in->stats;
    char now[32];

    out->job = cadre__strdup(in->prepared->job->name);
    out->digest = cadre__strdup(in->prepared->job->digest);
    out->output_dir = cadre__strdup(in->output_dir);
    out->started = cadre__strdup(in->started);
    out->finished = cadre__strdup(cadre_clock_utc(now));
    out->version = cadre__strdup(cadre_version());
    out->host = cadre__strdup(cadre_comm_host_of(in->comm, 0));
    out->exit_reason = cadre__strdup(in->exit_reason);
    out->n_ranks = cadre_comm_size(in->comm);
    out->n_nodes = cadre_comm_n_nodes(in->comm);
    out->exit_code = in->exit_code;
    out->requests = in->prepared->requests->n;
    out->completed = stats->completed;
    out->failed = stats->failed + stats->expired;
    out->refused = stats->refused;
    out->downgraded = stats->downgraded;
    out->cost = stats->spent;
    out->wall_ns = phases->serve;
    out->validate_ns = phases->validate;
    out->broadcast_ns = phases->broadcast;
    out->open_ns = phases->open;
    out->barrier_ns = phases->barrier;
    out->serve_ns = phases->serve;
    out->reduce_ns = phases->reduce;
    out->write_ns = phases->write;
    cadre__quantiles_of(&stats->queue, &out->queue);
    cadre__quantiles_of(&stats->service, &out->service);
    return out->job && out->digest && out->output_dir && out->started && out->finished &&
                   out->version && out->host && out->exit_reason
               ? CADRE_OK
               : CADRE_ERR_NOMEM;
}

cadre_status cadre__summarize(const cadre__summary_input *in, cadre__run_report *out)
{
    const cadre__job *job = in->prepared->job;
    const size_t size = (size_t)cadre_comm_size(in->comm);

    memset(out, 0, sizeof *out);
    CADRE_TRY(fill_head(in, out));
    out->tiers = cadre__alloc_n(job->n_tiers, sizeof *out->tiers);
    out->tenants = cadre__alloc_n(job->n_tenants, sizeof *out->tenants);
    out->ranks = cadre__alloc_n(size, sizeof *out->ranks);
    if (!out->tiers || !out->tenants || !out->ranks)
        return CADRE_ERR_NOMEM;
    out->n_tiers = job->n_tiers;
    out->n_tenants = job->n_tenants;
    out->n_ranks_listed = size;
    for (size_t t = 0; t < job->n_tiers; t++)
        CADRE_TRY(fill_tier(in, t, &out->tiers[t]));
    for (size_t t = 0; t < job->n_tenants; t++)
        CADRE_TRY(fill_tenant(in, t, &out->tenants[t]));
    for (size_t r = 0; r < size; r++)
        CADRE_TRY(fill_rank(in, (int)r, &out->ranks[r]));
    return CADRE_OK;
}

static cadre__json *topology(const cadre_topo *topo)
{
    const cadre_topo_facts *facts = cadre_topo_get_facts(topo);
    cadre__json *node = cadre__json_new_object();
    cadre__json_add_string(node, "cpu", facts->cpu_model);
    cadre__json_add_integer(node, "packages", (int64_t)facts->n_packages);
    cadre__json_add_integer(node, "numa_nodes", (int64_t)facts->n_numa);
    cadre__json_add_integer(node, "cores", (int64_t)facts->n_cores);
    cadre__json_add_integer(node, "usable_cores", (int64_t)facts->node_cores);
    cadre__json_add_integer(node, "memory_bytes", (int64_t)facts->memory_bytes);
    return node;
}

static cadre__json *placement(cadre_comm *comm, const cadre__place *places)
{
    cadre__json *list = cadre__json_new_array();
    for (int r = 0; r < cadre_comm_size(comm); r++) {
        cadre__json *rank = cadre__json_new_object();
        cadre__json_add_integer(rank, "rank", r);
        cadre__json_add_string(rank, "host", places[r].host);
        cadre__json_add_string(rank, "cores", places[r].cores);
        cadre__json_add(list, NULL, rank);
    }
    return list;
}

static cadre__json *models(const cadre__prepared *prepared)
{
    cadre__json *list = cadre__json_new_array();
    for (size_t t = 0; t < prepared->job->n_tiers; t++) {
        const cadre__prepared_tier *tier = &prepared->tiers[t];
        cadre__json *model = cadre__json_new_object();
        cadre__json_add_string(model, "tier", prepared->job->tiers[t].name);
        cadre__json_add_string(model, "kernel", tier->kernel->name);
        cadre__json_add_string(model, "path", prepared->job->tiers[t].model);
        cadre__json_add_string(model, "xxh128", tier->model_digest);
        cadre__json_add_integer(model, "weights_bytes",
                                (int64_t)tier->info.weights_bytes);
        cadre__json_add(list, NULL, model);
    }
    return list;
}

cadre__json *cadre__run_info(const cadre__prepared *prepared, cadre_comm *comm,
                             const cadre_topo *topo, const cadre__place *places,
                             const char *command, const char *started)
{
    cadre__json *info = cadre__json_new_object();
    cadre__json *versions = cadre__json_new_object();
    cadre__json_add_string(info, "started", started);
    cadre__json_add_string(info, "host", cadre_comm_host_of(comm, 0));
    cadre__json_add_string(info, "command", command);
    cadre__json_add_string(info, "version", cadre_version());
    char *job_file =
        realpath(prepared->job->path, NULL); /* its paths are relative to it */
    cadre__json_add_string(info, "job_file", job_file ? job_file : prepared->job->path);
    free(job_file);
    cadre__json_add_string(info, "input_xxh128", prepared->requests->digest);
    cadre__json_add_string(versions, "mpi", cadre__mpi_library_version());
    cadre__json_add_string(versions, "blas", cadre_blas_version());
    cadre__json_add_string(versions, "blas_core", cadre_blas_core());
    cadre__json_add_string(versions, "ops", cadre_ops_get()->level);
    cadre__json_add(info, "versions", versions);
    cadre__json_add(info, "topology", topology(topo));
    cadre__json_add(info, "placement", placement(comm, places));
    cadre__json_add(info, "models", models(prepared));
    return info;
}
