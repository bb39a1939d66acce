/* hello.c - the smallest program on libcadre: open a model on the workers, ask, print. */
#include <cadre/cadre.h>
#include <stdio.h>

/* Coordinator: 4 rows scattered over 2 shards of the model, their answers gathered. */
static cadre_status ask(cadre_groups *groups, const char *model)
{
    const cadre_group_opts opts = {
        .name = "hello", .kernel = "mlp", .model = model, .shards = 2};
    static const float rows[4][16] = {{0.1f}, {0.4f}, {0.6f}, {0.9f}};
    cadre_request requests[4];
    cadre_gathered *all = NULL;
    cadre_group *group;

    CADRE_TRY(cadre_group_create(groups, &opts, &group));
    for (size_t i = 0; i < 4; i++)
        requests[i] = (cadre_request){.id = i, .data = rows[i], .bytes = sizeof rows[i]};
    const cadre_query query = {.requests = requests, .n_requests = 4};
    cadre_status st = cadre_group_scatter_gather(group, &query, &all);
    for (size_t i = 0; st == CADRE_OK && i < all->n_answers; i++)
        printf("row %zu: first output %.6f\n", i,
               ((const float *)all->answers[i].data)[0]);
    for (size_t i = 0; st == CADRE_OK && i < all->queried; i++)
        printf("shard %zu on rank %d: %.3f ms\n", all->shards[i].shard,
               all->shards[i].rank, (double)all->shards[i].latency_ns / 1e6);
    cadre_gathered_destroy(all);
    return st;
}

int main(int argc, char **argv)
{
    cadre_comm *world = NULL;
    cadre_groups *groups = NULL;
    int code = 0;

    cadre_status st = cadre_init(&world);
    if (st == CADRE_OK)
        st = cadre_groups_open(world, &groups);
    if (st == CADRE_OK && cadre_comm_rank(world) != 0)
        st = cadre_groups_serve(groups, &code);
    else if (st == CADRE_OK)
        st = ask(groups, argc > 1 ? argv[1] : "jobs/models/small.h5");
    if (st != CADRE_OK)
        fprintf(stderr, "hello: %s\n", cadre_last_error());
    code = st == CADRE_OK ? code : 1;
    cadre_groups_close(groups, code);
    cadre_finalize(world);
    return code;
}
