/* A kernel that misbehaves when told, for tests. A row is {mode, rank, value, 0}; what
 * the mode says happens on that rank of the job only (on all if it is negative); the
 * others, and mode 0, answer {rank, value, 2 x value, -value}. Tensors: "weights", 5 f32
 * that are all the rank at first; "counts", 3 i64. Options may say that opening fails on
 * a rank:
 * {"fail_on": 2}. */
#include <cadre/clock.h>
#include <cadre/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MODE_WELL,
    MODE_FAIL_BATCH,   /* serve() fails */
    MODE_SPIN,         /* take `value` milliseconds */
    MODE_FAIL_REQUEST, /* this request alone fails */
    MODE_SHORT,        /* an answer of the wrong size */
    MODE_OTHER,        /* value + 1 instead of value */
    MODE_RANK,         /* {rank, rank, ...} of whichever serves */
};

#define N 4
#define MAX_BATCH 70000

typedef struct moody {
    int rank;
    float weights[5];
    int64_t counts[3];
    float rows[MAX_BATCH][N];
} moody;

static int rank_of_job(void)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    return rank ? (int)strtol(rank, NULL, 10) : 0;
}

static cadre_status open_moody(const cadre_kernel_args *args, void **state)
{
    const char *fail_on = strstr(args->options, "\"fail_on\":");
    moody *m = calloc(1, sizeof *m);
    if (!m)
        return cadre_fail(CADRE_ERR_NOMEM, "no memory");
    m->rank = rank_of_job();
    if (fail_on && strtol(fail_on + strlen("\"fail_on\":"), NULL, 10) == m->rank) {
        free(m);
        return cadre_fail(CADRE_ERR_INPUT, "told not to open");
    }
    for (int i = 0; i < 5; i++)
        m->weights[i] = (float)m->rank;
    for (int i = 0; i < 3; i++)
        m->counts[i] = m->rank + i;
    *state = m;
    return CADRE_OK;
}

static cadre_status describe_moody(const void *state, cadre_kernel_info *info)
{
    (void)state;
    *info = (cadre_kernel_info){.takes = CADRE_PAYLOAD_ROW,
                                .gives = CADRE_PAYLOAD_ROW,
                                .n_in = N,
                                .n_out = N,
                                .private_bytes = sizeof(moody),
                                .best_batch = 8};
    return CADRE_OK;
}

static void spin(double ms)
{
    const int64_t until = cadre_clock_ns() + (int64_t)(ms * 1e6);
    while (cadre_clock_ns() < until)
        ;
}

static cadre_status answer_one(moody *m, const cadre_request *request, float *out,
                               cadre_answer *answer)
{
    const float *row = request->data;
    const int meant = row[1] < 0 || (int)row[1] == m->rank;
    const int mode = meant ? (int)row[0] : MODE_WELL;
    const float value = row[2] + (mode == MODE_OTHER ? 1 : 0);

    *answer = (cadre_answer){.id = request->id,
                             .data = out,
                             .bytes = N * sizeof *out,
                             .tokens_in = 1,
                             .tokens_out = 1,
                             .finish_reason = "stop"};
    out[0] = mode == MODE_RANK ? (float)m->rank : 0;
    out[1] = value;
    out[2] = 2 * value;
    out[3] = -value;
    if (mode == MODE_FAIL_BATCH)
        return cadre_fail(CADRE_ERR_INPUT, "told to fail on rank %d", m->rank);
    if (mode == MODE_SPIN)
        spin((double)value);
    if (mode == MODE_SHORT)
        answer->bytes = 4;
    if (mode == MODE_FAIL_REQUEST)
        *answer = (cadre_answer){.id = request->id,
                                 .status = CADRE_ERR_INPUT,
                                 .message = "told to refuse this"};
    return CADRE_OK;
}

static cadre_status serve_moody(void *state, const cadre_request *requests, size_t n,
                                cadre_answer *answers)
{
    moody *m = state;
    if (n > MAX_BATCH)
        return cadre_fail(CADRE_ERR_ARG, "%zu rows at once, %d is the most", n,
                          MAX_BATCH);
    for (size_t i = 0; i < n; i++)
        CADRE_TRY(answer_one(m, &requests[i], m->rows[i], &answers[i]));
    return CADRE_OK;
}

static cadre_status tensor_moody(void *state, const char *name, cadre_tensor *view)
{
    moody *m = state;
    if (strcmp(name, "weights") == 0)
        *view = (cadre_tensor){
            .dtype = CADRE_F32, .n_dims = 1, .dims = {5}, .data = m->weights};
    else if (strcmp(name, "counts") == 0)
        *view = (cadre_tensor){
            .dtype = CADRE_I64, .n_dims = 1, .dims = {3}, .data = m->counts};
    else
        return cadre_fail(CADRE_ERR_NOT_FOUND, "no tensor \"%s\"", name);
    return CADRE_OK;
}

static const cadre_kernel kernel = {.abi = CADRE_KERNEL_ABI,
                                    .name = "moody",
                                    .summary = "misbehaves when told",
                                    .open = open_moody,
                                    .close = free,
                                    .describe = describe_moody,
                                    .serve = serve_moody,
                                    .tensor = tensor_moody};

CADRE_API cadre_kernel_entry_fn cadre_kernel_entry;

const cadre_kernel *cadre_kernel_entry(void)
{
    return &kernel;
}
