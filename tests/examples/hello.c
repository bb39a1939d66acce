/* hello.c - 4 rows over 2 shards of a model: mpirun -n 3 hello jobs/models/small.h5 */
#include <cadre/cadre.h>
#include <stdio.h>

static cadre_status ask(cadre_groups *groups, const char *model)
{
    static const float rows[4][16] = {{0.1f}, {0.4f}, {0.6f}, {0.9f}};
    cadre_group_opts opts = {
        .name = "hello", .kernel = "mlp", .model = model, .shards = 2};
    cadre_request requests[4];
    cadre_group *group;
    cadre_gathered *all;

    for (size_t i = 0; i < 4; i++)
        requests[i] = (cadre_request){.id = i, .data = rows[i], .bytes = sizeof rows[i]};
    CADRE_TRY(cadre_group_create(groups, &opts, &group));
    cadre_query query = {.requests = requests, .n_requests = 4};
    CADRE_TRY(cadre_group_scatter_gather(group, &query, &all));
    for (size_t i = 0; i < all->n_answers; i++)
        printf("row %zu: first output %.6f\n", i, *(const float *)all->answers[i].data);
    for (size_t i = 0; i < all->queried; i++)
        printf("shard %zu on rank %d: %.3f ms\n", i, all->shards[i].rank,
               (double)all->shards[i].latency_ns / 1e6);
    cadre_gathered_destroy(all);
    return CADRE_OK;
}

int main(int argc, char **argv)
{
    cadre_comm *world;
    cadre_groups *groups;
    int code = 0;

    if (cadre_init(&world) != CADRE_OK || cadre_groups_open(world, &groups) != CADRE_OK)
        return 1;
    cadre_status st = cadre_comm_rank(world) == 0 ? ask(groups, argv[argc - 1])
                                                  : cadre_groups_serve(groups, &code);
    if (st != CADRE_OK)
        fprintf(stderr, "hello: %s\n", cadre_last_error());
    cadre_groups_close(groups, st == CADRE_OK ? 0 : 1);
    cadre_finalize(world);
    return st == CADRE_OK ? code : 1;
}
