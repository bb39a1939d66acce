/* mlp.h - the state of an opened network, shared by the kernel's files.
 *
 * Layer l maps n_in values to n_out: y = activation(W x + b), W stored [n_out][n_in] row
 * by row. Between layers stands relu or gelu; after the last, softmax or nothing.
 */
#ifndef CADRE_MLP_H
#define CADRE_MLP_H

#include <cadre/io.h>
#include <cadre/kernel.h>
#include <stdint.h>

enum {
    MLP_MAX_LAYERS = 64,
    MLP_MAX_WIDTH = 1 << 20, /* values in a layer */
    MLP_MICRO_ROWS = 32,     /* rows of one call of gradient() */
    MLP_BEST_BATCH = 256
};

#define MLP_MAX_PARAMS ((size_t)1 << 28) /* 1 GiB */

typedef enum mlp_activation { MLP_RELU, MLP_GELU } mlp_activation;
typedef enum mlp_output { MLP_NONE, MLP_SOFTMAX } mlp_output;

typedef struct mlp_layer {
    size_t n_in, n_out;
    const float *weight; /* [n_out][n_in] */
    const float *bias;   /* [n_out] */
} mlp_layer;

/* Where values of one micro-batch are kept between forward and backward. */
typedef struct mlp_training {
    float *pre[MLP_MAX_LAYERS];     /* [MICRO_ROWS][n_out], before the activation */
    float *act[MLP_MAX_LAYERS + 1]; /* [MICRO_ROWS][n]; act[0] is the input */
    float *delta, *below;           /* [MICRO_ROWS][max_width] */
} mlp_training;

typedef struct mlp {
    size_t n_layers;
    mlp_layer layers[MLP_MAX_LAYERS];
    mlp_activation activation;
    mlp_output output;
    size_t n_params, max_width;

    cadre_tensor_file *file; /* the mapping that the layers point into, or NULL */
    float *params;           /* or our own copy: weight, bias of layer 0, 1, ... */

    size_t rows;        /* of one matrix product when serving; see forward.c */
    float *product;     /* [max_width][rows] */
    float *ping, *pong; /* [rows][max_width] */
    float *answers;     /* [answers_rows][n_out], answers_rows a multiple of rows */
    size_t answers_rows;

    mlp_training *training; /* NULL unless trainable */
    uint64_t private_bytes;
} mlp;

/* ---- weights.c ---- */

/* Fill in the network from a weights file, mapped, or copied if `copy`. */
cadre_status mlp_weights_load(mlp *net, const char *path, int copy);
/* Fill it in with fresh weights as the options say. */
cadre_status mlp_weights_fresh(mlp *net, const char *options);
/* Write it to path, whole or not at all. */
cadre_status mlp_weights_save(const mlp *net, const char *path);

/* ---- forward.c ---- */

/* Set net->rows, at most max_rows, and take the memory for serving. */
cadre_status mlp_forward_prepare(mlp *net, size_t max_rows);
void mlp_forward_fini(mlp *net);
/* y[rows][n_out] = network(net->ping[rows][n_in]); changes ping and pong. */
void mlp_forward(mlp *net, float *y);
/* Make room for the answers to n requests. */
cadre_status mlp_answers_reserve(mlp *net, size_t n);

/* ---- gradient.c ---- */

cadre_status mlp_training_prepare(mlp *net);
void mlp_training_fini(mlp *net);
extern const cadre_kernel_training mlp_training_functions;

/* ---- mlp.c ---- */

/* n >= 1 floats, aligned to 64 bytes and zeroed, counted in net->private_bytes; NULL with
 * the failure recorded. Freed with free(). */
float *mlp_floats(mlp *net, size_t n);
/* The bytes that this takes. */
size_t mlp_bytes_of(size_t n);

#endif
