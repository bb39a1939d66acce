/* run/ops_task.h - an op on inputs of a given size, ready to be run by any level: what
 * `cadre bench ops` verifies and times. */
#ifndef CADRE_RUN_OPS_TASK_H
#define CADRE_RUN_OPS_TASK_H

#include <cadre/ops.h>
#include <stdbool.h>

typedef struct cadre__ops_task {
    char op[24], shape[48];
    size_t rows;
    double operations, bytes; /* of a run of all parts; 0: they say nothing here */
    cadre_form form;          /* operations are multiplications and additions of it */
    bool same_bits;           /* at all levels; else about the same numbers */
    size_t n_parts;           /* a run can be cut so that slow levels do less */
    void (*run)(struct cadre__ops_task *task, const cadre_ops *ops, size_t n_parts);
    float *out; /* what a run computes */
    size_t n_out;

    /* For the functions in ops_task.c. */
    void *memory[6];
    cadre_matrix *copies; /* the same matrix, so often that no cache holds all */
    size_t n_copies, next;
    cadre_rows x;
    size_t n;
    cadre_attention attention;
} cadre__ops_task;

/* Weights n_out x n_in of a type times `rows` rows; every run reads another copy of the
 * weights. The caller frees *task, on failure too; so with the others.
 * CADRE_ERR_NOMEM */
cadre_status cadre__ops_task_matmul(cadre_wtype type, size_t n_out, size_t n_in,
                                    size_t rows, cadre__ops_task *task);

/* The index-th of the other ops, with a size that models of 1 G weights have.
 * CADRE_ERR_NOT_FOUND  past the last */
cadre_status cadre__ops_task_other(size_t index, cadre__ops_task *task);

void cadre__ops_task_fini(cadre__ops_task *task);

#endif
