/* run/optimizer.h - from a batch's gradient to a change of the parameters.
 *
 * All arithmetic is elementwise f32 in a written order, without fused multiply-add and
 * with no function but the square root, which IEEE 754 rounds correctly: every rank, and
 * every machine, computes the same bits from the same sums.
 */
#ifndef CADRE_RUN_OPTIMIZER_H
#define CADRE_RUN_OPTIMIZER_H

#include <cadre/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cadre__optimizer_kind { CADRE__SGD, CADRE__ADAM } cadre__optimizer_kind;

typedef struct cadre__optimizer_spec {
    cadre__optimizer_kind kind;
    double learning_rate;         /* default 0.001 for adam, 0.01 for sgd */
    double momentum;              /* of sgd; default 0 */
    double beta1, beta2, epsilon; /* of adam; defaults 0.9, 0.999, 1e-8 */
    double weight_decay;          /* decoupled (Loshchilov and Hutter 2019); default 0 */
    bool cosine; /* learning rate falls to 0 as half a cosine wave; else constant */
} cadre__optimizer_spec;

typedef struct cadre__optimizer cadre__optimizer;

/* For n parameters and n_steps steps in all. The caller owns *out. */
cadre_status cadre__optimizer_create(const cadre__optimizer_spec *spec, size_t n,
                                     size_t n_steps, cadre__optimizer **out);
void cadre__optimizer_destroy(cadre__optimizer *optimizer);

/* One step: delta[n] = the change of params[n], for a loss whose gradient is the mean
 * over n_rows of the exact sums[n]. params may be NULL if weight_decay is 0. */
void cadre__optimizer_step(cadre__optimizer *optimizer, const int64_t *sums,
                           size_t n_rows, const float *params, float *delta);

/* The learning rate of step `step` (0, 1, ...). */
double cadre__optimizer_rate(const cadre__optimizer_spec *spec, size_t step,
                             size_t n_steps);

#endif
