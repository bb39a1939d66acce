/* gradient.c - what makes the network trainable: the gradient of the cross-entropy of a
 * micro-batch by backpropagation, and changing the weights.
 *
 * The loss is that of a softmax over the last layer's values, whether or not the network
 * shows its softmax when serving. A micro-batch is always computed as MICRO_ROWS rows;
 * rows that are not there are zero and their delta is zero, so they add nothing.
 */
#include "mlp.h"
#include <cadre/ops.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

cadre_status mlp_training_prepare(mlp *net)
{
    mlp_training *t = calloc(1, sizeof *t);

    if (!t)
        return cadre_fail(CADRE_ERR_NOMEM, "training an mlp");
    net->training = t;
    t->act[0] = mlp_floats(net, MLP_MICRO_ROWS * net->layers[0].n_in);
    t->delta = mlp_floats(net, MLP_MICRO_ROWS * net->max_width);
    t->below = mlp_floats(net, MLP_MICRO_ROWS * net->max_width);
    if (!t->act[0] || !t->delta || !t->below)
        return CADRE_ERR_NOMEM;
    for (size_t l = 0; l < net->n_layers; l++) {
        const size_t n = MLP_MICRO_ROWS * net->layers[l].n_out;
        t->pre[l] = mlp_floats(net, n);
        t->act[l + 1] = mlp_floats(net, n);
        if (!t->pre[l] || !t->act[l + 1])
            return CADRE_ERR_NOMEM;
    }
    return CADRE_OK;
}

void mlp_training_fini(mlp *net)
{
    mlp_training *t = net->training;

    if (!t)
        return;
    for (size_t l = 0; l < net->n_layers; l++) {
        free(t->pre[l]);
        free(t->act[l + 1]);
    }
    free(t->act[0]);
    free(t->delta);
    free(t->below);
    free(t);
}

/* act[1] to act[n_layers]; the last holds the values before the softmax. */
static void run_forward(mlp *net)
{
    const cadre_ops *ops = cadre_ops_get();
    mlp_training *t = net->training;

    for (size_t l = 0; l < net->n_layers; l++) {
        const mlp_layer *layer = &net->layers[l];
        float *pre = t->pre[l], *act = t->act[l + 1];
        cadre_gemm_f32(0, 1, MLP_MICRO_ROWS, layer->n_out, layer->n_in, 1.0f, t->act[l],
                       layer->n_in, layer->weight, layer->n_in, 0.0f, pre, layer->n_out);
        memcpy(act, pre, MLP_MICRO_ROWS * layer->n_out * sizeof *act);
        ops->bias_add_f32(pre, layer->bias, MLP_MICRO_ROWS, layer->n_out);
        if (l + 1 == net->n_layers)
            ops->bias_add_f32(act, layer->bias, MLP_MICRO_ROWS, layer->n_out);
        else if (net->activation == MLP_RELU)
            ops->bias_relu_f32(act, layer->bias, MLP_MICRO_ROWS, layer->n_out);
        else
            ops->bias_gelu_f32(act, layer->bias, MLP_MICRO_ROWS, layer->n_out);
    }
}

static size_t index_of_largest(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* delta = softmax(values) - one-hot(label) for each row, zero past n_rows; the summed
 * loss, -log of the label's probability, without underflow for a label that is very
 * unlikely. */
static double start_backward(mlp *net, const int32_t *labels, size_t n_rows)
{
    const size_t n_out = net->layers[net->n_layers - 1].n_out;
    mlp_training *t = net->training;
    const float *values = t->act[net->n_layers];
    double loss = 0;

    memcpy(t->delta, values, MLP_MICRO_ROWS * n_out * sizeof *values);
    cadre_ops_get()->softmax_f32(t->delta, MLP_MICRO_ROWS, n_out);
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = values + r * n_out;
        float *delta = t->delta + r * n_out;
        const size_t top = index_of_largest(row, n_out), label = (size_t)labels[r];
        loss += ((double)row[top] - (double)row[label]) - log((double)delta[top]);
        delta[label] -= 1.0f;
    }
    memset(t->delta + n_rows * n_out, 0,
           (MLP_MICRO_ROWS - n_rows) * n_out * sizeof(float));
    return loss;
}

/* Gradients of all layers, from the last to the first, into grad. */
static void run_backward(mlp *net, float *grad)
{
    const cadre_ops *ops = cadre_ops_get();
    mlp_training *t = net->training;

    for (size_t l = net->n_layers; l-- > 0;) {
        const mlp_layer *layer = &net->layers[l];
        float *weight = grad + (layer->weight - net->params);
        float *bias = grad + (layer->bias - net->params);

        cadre_gemm_f32(1, 0, layer->n_out, layer->n_in, MLP_MICRO_ROWS, 1.0f, t->delta,
                       layer->n_out, t->act[l], layer->n_in, 0.0f, weight, layer->n_in);
        memset(bias, 0, layer->n_out * sizeof *bias);
        for (size_t r = 0; r < MLP_MICRO_ROWS; r++)
            ops->axpy_f32(bias, 1.0f, t->delta + r * layer->n_out, layer->n_out);
        if (l == 0)
            break;

        cadre_gemm_f32(0, 0, MLP_MICRO_ROWS, layer->n_in, layer->n_out, 1.0f, t->delta,
                       layer->n_out, layer->weight, layer->n_in, 0.0f, t->below,
                       layer->n_in);
        if (net->activation == MLP_RELU)
            ops->relu_backward_f32(t->below, t->pre[l - 1], MLP_MICRO_ROWS * layer->n_in);
        else
            ops->gelu_backward_f32(t->below, t->pre[l - 1], MLP_MICRO_ROWS * layer->n_in);
        float *swap = t->delta;
        t->delta = t->below;
        t->below = swap;
    }
}

static cadre_status need_training(const mlp *net)
{
    if (!net->training)
        return cadre_fail(CADRE_ERR_STATE, "this mlp was not opened as trainable");
    return CADRE_OK;
}

static size_t n_params(const void *state)
{
    const mlp *net = state;
    return net->n_params;
}

static size_t micro_rows(const void *state)
{
    (void)state;
    return MLP_MICRO_ROWS;
}

static cadre_status gradient(void *state, const float *x, const int32_t *labels,
                             size_t n_rows, float *grad, double *loss)
{
    mlp *net = state;
    const size_t n_in = net->layers[0].n_in, n_out = net->layers[net->n_layers - 1].n_out;

    CADRE_TRY(need_training(net));
    if (n_rows < 1 || n_rows > MLP_MICRO_ROWS)
        return cadre_fail(CADRE_ERR_ARG, "a micro-batch of %zu rows, expected 1 to %d",
                          n_rows, MLP_MICRO_ROWS);
    for (size_t r = 0; r < n_rows; r++)
        if (labels[r] < 0 || (size_t)labels[r] >= n_out)
            return cadre_fail(CADRE_ERR_INPUT,
                              "row %zu: expected a label from 0 to %zu, found %d", r,
                              n_out - 1, (int)labels[r]);
    memcpy(net->training->act[0], x, n_rows * n_in * sizeof *x);
    memset(net->training->act[0] + n_rows * n_in, 0,
           (MLP_MICRO_ROWS - n_rows) * n_in * sizeof *x);
    run_forward(net);
    *loss = start_backward(net, labels, n_rows);
    run_backward(net, grad);
    return CADRE_OK;
}

static cadre_status apply(void *state, const float *delta)
{
    mlp *net = state;

    CADRE_TRY(need_training(net));
    cadre_ops_get()->axpy_f32(net->params, 1.0f, delta, net->n_params);
    return CADRE_OK;
}

static cadre_status save(const void *state, const char *path)
{
    return mlp_weights_save(state, path);
}

const cadre_kernel_training mlp_training_functions = {
    .n_params = n_params,
    .micro_rows = micro_rows,
    .gradient = gradient,
    .apply = apply,
    .save = save,
};
