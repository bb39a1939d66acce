/* A kernel that splits its model over the ranks of a shard: a row's sum, of which each
 * rank adds up its part before all-reducing over args->shard. Whole numbers, so that the
 * sum does not depend on how many ranks there are. */
#include <cadre/coll.h>
#include <cadre/kernel.h>
#include <stdlib.h>

#define N_IN 64
#define MAX_BATCH 4096

typedef struct halves {
    cadre_comm *shard;
    float sums[MAX_BATCH];
} halves;

static cadre_status open_halves(const cadre_kernel_args *args, void **state)
{
    halves *h = calloc(1, sizeof *h);
    if (!h)
        return cadre_fail(CADRE_ERR_NOMEM, "no memory for %d sums", MAX_BATCH);
    h->shard = args->shard;
    *state = h;
    return CADRE_OK;
}

static cadre_status describe_halves(const void *state, cadre_kernel_info *info)
{
    (void)state;
    *info = (cadre_kernel_info){.takes = CADRE_PAYLOAD_ROW,
                                .gives = CADRE_PAYLOAD_ROW,
                                .n_in = N_IN,
                                .n_out = 1,
                                .private_bytes = sizeof(halves),
                                .best_batch = 32};
    return CADRE_OK;
}

static cadre_status serve_halves(void *state, const cadre_request *requests, size_t n,
                                 cadre_answer *answers)
{
    halves *h = state;
    const size_t size = h->shard ? (size_t)cadre_comm_size(h->shard) : 1;
    const size_t rank = h->shard ? (size_t)cadre_comm_rank(h->shard) : 0;

    if (n > MAX_BATCH)
        return cadre_fail(CADRE_ERR_ARG, "%zu rows at once, %d is the most", n,
                          MAX_BATCH);
    for (size_t i = 0; i < n; i++) {
        const float *row = requests[i].data;
        h->sums[i] = 0;
        for (size_t k = N_IN * rank / size; k < N_IN * (rank + 1) / size; k++)
            h->sums[i] += row[k];
    }
    if (h->shard)
        CADRE_TRY(cadre_allreduce(h->shard, CADRE_IN_PLACE, h->sums, n, CADRE_F32,
                                  CADRE_SUM, NULL));
    for (size_t i = 0; i < n; i++)
        answers[i] = (cadre_answer){.id = requests[i].id,
                                    .data = &h->sums[i],
                                    .bytes = sizeof(float),
                                    .tokens_in = 1,
                                    .tokens_out = 1,
                                    .finish_reason = "stop"};
    return CADRE_OK;
}

static const cadre_kernel kernel = {.abi = CADRE_KERNEL_ABI,
                                    .name = "halves",
                                    .summary =
                                        "adds up rows, split over the ranks of a shard",
                                    .open = open_halves,
                                    .close = free,
                                    .describe = describe_halves,
                                    .serve = serve_halves};

CADRE_API cadre_kernel_entry_fn cadre_kernel_entry;

const cadre_kernel *cadre_kernel_entry(void)
{
    return &kernel;
}
