/* forward.c - the network applied to blocks of rows, so that a row's answer is its own.
 *
 * A BLAS may round a row's product differently in a batch of another size, or in another
 * place of the same batch. So rows are served in blocks of one fixed size, the last
 * filled up with zeros: then only the place within the block is left. Whether that
 * matters depends on the CPU: OpenBLAS cuts the matrices into tiles, and tiles of unlike
 * width may sum in unlike order. README.md tells what was found; here each size of block
 * is tried, on this CPU and these layers, when the network is opened, and the largest
 * that treats all places alike is taken.
 *
 * The product is formed as P[n_out][rows] = W X^T, since tiles are uniform more often
 * along the dimension that OpenBLAS calls M, and faster, and is then transposed.
 */
#include "mlp.h"
#include <cadre/ops.h>
#include <stdlib.h>
#include <string.h>

static void product(const mlp_layer *layer, size_t rows, const float *x, float *p)
{
    cadre_gemm_f32(0, 1, layer->n_out, rows, layer->n_in, 1.0f, layer->weight,
                   layer->n_in, x, layer->n_in, 0.0f, p, rows);
}

/* y[rows][n] = transpose of p[n][rows] */
static void transpose(const float *p, size_t n, size_t rows, float *y)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < n; c++)
            y[r * n + c] = p[c * rows + r];
}

/* y[rows][n_out] = activation(x W^T + b) of layer l. */
static void apply_layer(mlp *net, size_t l, const float *x, float *y)
{
    const mlp_layer *layer = &net->layers[l];
    const cadre_ops *ops = cadre_ops_get();

    product(layer, net->rows, x, net->product);
    transpose(net->product, layer->n_out, net->rows, y);
    if (l + 1 == net->n_layers)
        ops->bias_add_f32(y, layer->bias, net->rows, layer->n_out);
    else if (net->activation == MLP_RELU)
        ops->bias_relu_f32(y, layer->bias, net->rows, layer->n_out);
    else
        ops->bias_gelu_f32(y, layer->bias, net->rows, layer->n_out);
}

void mlp_forward(mlp *net, float *y)
{
    float *from = net->ping, *to = net->pong;

    for (size_t l = 0; l < net->n_layers; l++) {
        apply_layer(net, l, from, l + 1 == net->n_layers ? y : to);
        float *swap = from;
        from = to;
        to = swap;
    }
    if (net->output == MLP_SOFTMAX)
        cadre_ops_get()->softmax_f32(y, net->rows, net->layers[net->n_layers - 1].n_out);
}

/* ---- The size of a block ---- */

static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Give all rows of a block the same values: equal arithmetic must give equal bits. Values
 * of full precision and unlike size make any difference in the order of a sum show. */
static int places_alike(const mlp *net, const mlp_layer *layer, size_t rows)
{
    uint32_t state = 1;

    for (int trial = 0; trial < 4; trial++) {
        for (size_t c = 0; c < layer->n_in; c++) {
            state = state * 1664525u + 1013904223u;
            const float value = (float)(state >> 8) * 0x1p-23f - 1.0f;
            for (size_t r = 0; r < rows; r++)
                net->ping[r * layer->n_in + c] = value;
        }
        product(layer, rows, net->ping, net->product);
        for (size_t o = 0; o < layer->n_out; o++)
            for (size_t r = 1; r < rows; r++)
                if (bits_of(net->product[o * rows]) !=
                    bits_of(net->product[o * rows + r]))
                    return 0;
    }
    return 1;
}

/* The largest block that suits all layers. One row alone always does. */
static size_t choose_rows(const mlp *net, size_t max_rows)
{
    for (size_t rows = max_rows; rows > 1; rows /= 2) {
        size_t l = 0;
        while (l < net->n_layers && places_alike(net, &net->layers[l], rows))
            l++;
        if (l == net->n_layers)
            return rows;
    }
    return 1;
}

cadre_status mlp_forward_prepare(mlp *net, size_t max_rows)
{
    const size_t block = net->max_width * max_rows;

    net->product = mlp_floats(net, block);
    net->ping = net->product ? mlp_floats(net, block) : NULL;
    net->pong = net->ping ? mlp_floats(net, block) : NULL;
    if (!net->pong)
        return CADRE_ERR_NOMEM;
    net->rows = choose_rows(net, max_rows);
    return mlp_answers_reserve(net, MLP_BEST_BATCH);
}

cadre_status mlp_answers_reserve(mlp *net, size_t n)
{
    const size_t n_out = net->layers[net->n_layers - 1].n_out;
    const size_t blocks = n / net->rows + (n % net->rows != 0);

    if (n <= net->answers_rows)
        return CADRE_OK;
    if (blocks > SIZE_MAX / sizeof(float) / net->rows / n_out)
        return cadre_fail(CADRE_ERR_RANGE, "mlp: a batch of %zu rows is too large", n);
    float *larger = mlp_floats(net, blocks * net->rows * n_out);
    if (!larger)
        return CADRE_ERR_NOMEM;
    net->private_bytes -= mlp_bytes_of(net->answers_rows * n_out);
    free(net->answers);
    net->answers = larger;
    net->answers_rows = blocks * net->rows;
    return CADRE_OK;
}

void mlp_forward_fini(mlp *net)
{
    free(net->product);
    free(net->ping);
    free(net->pong);
    free(net->answers);
}
