/* io/dataset.h - rows of numbers with labels, from HDF5, CSV or a generator. */
#ifndef CADRE_IO_DATASET_H
#define CADRE_IO_DATASET_H

#include "io/job.h"
#include <cadre/status.h>
#include <stdint.h>

typedef struct cadre__dataset {
    size_t n_rows, n_cols;
    float *x;           /* [n_rows][n_cols], all finite */
    int32_t *labels;    /* [n_rows]; NULL if there are none */
    double *complexity; /* [n_rows] in [0, 1]; NULL if not given */
    char **tenants; /* [n_rows] names; NULL if not given (HDF5 string dataset "tenant") */
    char **tiers;   /* the same, "tier" */
} cadre__dataset;

/* Read what input describes (not .jsonl). HDF5: dataset input->dataset [n, d] f32 or f64;
 * optional "label" i32/i64 [n], "complexity" f32/f64 [n], "tenant" and "tier" strings
 * [n]. CADRE_ERR_INPUT names file, dataset or line, row, column, what was found: NaN and
 * infinite values are refused, as are wrong shapes. The caller owns *out. Local. */
cadre_status cadre__dataset_load(const cadre__job_input *input, cadre__dataset **out);
void cadre__dataset_destroy(cadre__dataset *dataset);

#define CADRE__GRADED_COLUMNS 16
#define CADRE__GRADED_CLASSES 4

/* The generator "graded": rows [first_row, first_row + n_rows) of the infinite sequence
 * of this seed; row i depends on seed and i only, and on no floating-point library
 * function. Column 0 is the difficulty in [0, 1]; easy rows (< 0.3) a small network gets
 * right, hard ones (> 0.7) need a large one. See jobs/README.md for the task. */
cadre_status cadre__dataset_graded(uint64_t seed, uint64_t first_row, size_t n_rows,
                                   cadre__dataset **out);

#endif
