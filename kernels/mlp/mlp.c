/* mlp.c - the kernel "mlp": a dense network of any depth. Its table, life and serving. */
#include "mlp.h"
#include <cadre/ops.h>
#include <cadre/options.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one core gets done on blocks of 32 rows, roughly, for estimates of cost. */
#define FLOPS_PER_NS 40.0

enum { ALIGN = 64 };

size_t mlp_bytes_of(size_t n)
{
    return (n * sizeof(float) + ALIGN - 1) / ALIGN * ALIGN;
}

float *mlp_floats(mlp *net, size_t n)
{
    if (n > (SIZE_MAX - ALIGN) / sizeof(float)) {
        cadre_fail(CADRE_ERR_NOMEM, "mlp: %zu values", n);
        return NULL;
    }
    const size_t bytes = mlp_bytes_of(n);
    float *p = aligned_alloc(ALIGN, bytes);
    if (!p) {
        cadre_fail(CADRE_ERR_NOMEM, "mlp: %zu bytes", bytes);
        return NULL;
    }
    memset(p, 0, bytes);
    net->private_bytes += bytes;
    return p;
}

static void mlp_close(void *state)
{
    mlp *net = state;

    if (!net)
        return;
    mlp_training_fini(net);
    mlp_forward_fini(net);
    cadre_tensor_file_close(net->file);
    free(net->params);
    free(net);
}

/* The options that belong to serving; those that make a fresh network are for when there
 * is no model to take them from. */
static cadre_status read_options(const cadre_kernel_args *args, int64_t *block_rows)
{
    static const char *const known[] = {"block_rows", "layers", "activation", "output",
                                        "seed"};
    const int fresh = args->model[0] == '\0';

    CADRE_TRY(cadre_context(cadre_options_check(args->options, known, fresh ? 5 : 1),
                            "mlp%s", fresh ? "" : " with a model"));
    return cadre_option_integer(args->options, "block_rows", 1, 1024, block_rows);
}

static cadre_status open_parts(mlp *net, const cadre_kernel_args *args)
{
    int64_t block_rows = 32;

    if (args->shard && cadre_comm_size(args->shard) > 1)
        return cadre_fail(
            CADRE_ERR_UNSUPPORTED,
            "mlp: expected 1 rank per shard, found %d: it does not split a model",
            cadre_comm_size(args->shard));
    CADRE_TRY(read_options(args, &block_rows));
    if (args->model[0] == '\0')
        CADRE_TRY(mlp_weights_fresh(net, args->options));
    else
        CADRE_TRY(mlp_weights_load(net, args->model, args->trainable));
    if (args->describe_only)
        return CADRE_OK;
    if (args->trainable)
        CADRE_TRY(mlp_training_prepare(net));
    return mlp_forward_prepare(net, (size_t)block_rows);
}

static cadre_status mlp_open(const cadre_kernel_args *args, void **state)
{
    mlp *net = calloc(1, sizeof *net);

    *state = NULL;
    if (!net)
        return cadre_fail(CADRE_ERR_NOMEM, "mlp");
    const cadre_status st = open_parts(net, args);
    if (st != CADRE_OK) {
        mlp_close(net);
        return st;
    }
    *state = net;
    return CADRE_OK;
}

static double flops(const mlp *net)
{
    return 2.0 * (double)net->n_params;
}

static cadre_status mlp_describe(const void *state, cadre_kernel_info *info)
{
    const mlp *net = state;
    const uint64_t weights_bytes = net->n_params * sizeof(float);

    *info = (cadre_kernel_info){
        .takes = CADRE_PAYLOAD_ROW,
        .gives = CADRE_PAYLOAD_ROW,
        .n_in = net->layers[0].n_in,
        .n_out = net->layers[net->n_layers - 1].n_out,
        .weights_bytes = weights_bytes,
        /* Weights of our own count as weights, not twice. */
        .private_bytes =
            net->private_bytes - (net->params ? mlp_bytes_of(net->n_params) : 0),
        .best_batch = MLP_BEST_BATCH,
        .flops_per_request = flops(net),
    };
    return CADRE_OK;
}

static cadre_status mlp_estimate(const void *state, const cadre_request *request,
                                 cadre_estimate *out)
{
    const mlp *net = state;

    if (request->bytes != net->layers[0].n_in * sizeof(float))
        return cadre_fail(CADRE_ERR_INPUT,
                          "expected a row of %zu values, found %zu bytes",
                          net->layers[0].n_in, request->bytes);
    *out = (cadre_estimate){
        .tokens_in = 1, .max_tokens_out = 1, .cost_ns = flops(net) / FLOPS_PER_NS};
    return CADRE_OK;
}

/* Why a request cannot be served, or NULL. */
static const char *fault_of(const mlp *net, const cadre_request *request)
{
    const size_t n_in = net->layers[0].n_in;

    if (request->bytes != n_in * sizeof(float))
        return "the row has not as many values as the model takes";
    if (!cadre_ops_get()->all_finite_f32(request->data, n_in))
        return "the row holds a NaN or infinity";
    return NULL;
}

/* Rows of requests[0..n) into net->ping; zeros for what is missing or faulty. */
static void gather_block(mlp *net, const cadre_request *requests, size_t n,
                         cadre_answer *answers)
{
    const size_t n_in = net->layers[0].n_in;

    for (size_t r = 0; r < net->rows; r++) {
        float *row = net->ping + r * n_in;
        if (r < n && !(answers[r].message = fault_of(net, &requests[r])))
            memcpy(row, requests[r].data, n_in * sizeof *row);
        else
            memset(row, 0, n_in * sizeof *row);
    }
}

static cadre_status mlp_serve(void *state, const cadre_request *requests, size_t n,
                              cadre_answer *answers)
{
    mlp *net = state;
    const size_t n_out = net->layers[net->n_layers - 1].n_out;

    if (net->rows == 0)
        return cadre_fail(CADRE_ERR_STATE, "this mlp was opened for describing only");
    /* Allocates only for a batch larger than any before and than the best one. */
    CADRE_TRY(mlp_answers_reserve(net, n));
    for (size_t first = 0; first < n; first += net->rows) {
        const size_t count = n - first < net->rows ? n - first : net->rows;
        gather_block(net, requests + first, count, answers + first);
        mlp_forward(net, net->answers + first * n_out);
    }
    for (size_t i = 0; i < n; i++) {
        const char *fault = answers[i].message;
        answers[i] = (cadre_answer){
            .id = requests[i].id,
            .status = fault ? CADRE_ERR_INPUT : CADRE_OK,
            .message = fault,
            .data = fault ? NULL : net->answers + i * n_out,
            .bytes = fault ? 0 : n_out * sizeof(float),
            .tokens_in = 1,
            .tokens_out = fault ? 0 : 1,
            .finish_reason = "stop",
        };
    }
    return CADRE_OK;
}

static cadre_status mlp_tensor(void *state, const char *name, cadre_tensor *view)
{
    mlp *net = state;

    if (strcmp(name, "parameters") != 0)
        return cadre_fail(CADRE_ERR_NOT_FOUND,
                          "mlp: no tensor \"%s\", there is \"parameters\"", name);
    if (!net->training)
        return cadre_fail(CADRE_ERR_STATE,
                          "mlp: the parameters are shared and read-only: not opened as "
                          "trainable");
    *view = (cadre_tensor){CADRE_F32, 1, {net->n_params}, net->params};
    return CADRE_OK;
}

extern const cadre_kernel cadre_kernel_mlp;

const cadre_kernel cadre_kernel_mlp = {
    .abi = CADRE_KERNEL_ABI,
    .name = "mlp",
    .summary = "dense network: relu or gelu between layers, softmax or none at the end",
    .open = mlp_open,
    .close = mlp_close,
    .describe = mlp_describe,
    .estimate = mlp_estimate,
    .serve = mlp_serve,
    .tensor = mlp_tensor,
    .training = &mlp_training_functions,
};
