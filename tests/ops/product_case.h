/* tests/ops/product_case.h - products with packed matrices of random weights, and the
 * comparison of any part of one with the whole. Included after cmocka.h. */
#ifndef CADRE_TESTS_PRODUCT_CASE_H
#define CADRE_TESTS_PRODUCT_CASE_H

#include "weights_case.h"
#include <string.h>

enum { MAX_ROWS = 72, PANEL = CADRE_PANEL };

/* A matrix, rows to multiply it with, and the product. */
typedef struct product {
    cadre_matrix w;
    uint8_t *file;
    void *packed;
    float *x;
    cadre_rows rows;
    void *memory;
    float *y; /* [MAX_ROWS][n_out] */
} product;

static inline product product_new(cadre_wtype type, size_t n_out, size_t n_in)
{
    const cadre_ops ref = ref_table();
    const size_t n_panels = (n_out + PANEL - 1) / PANEL;
    const cadre_form form = cadre_wtype_form(type);
    product p;

    p.file = aligned(file_bytes(type, n_in) * n_out, 0);
    random_weights(type, n_out * n_in, n_out + n_in, p.file);
    p.packed = aligned(n_panels * cadre_panel_bytes(type, n_in), 0);
    cadre_pack(type, n_out, n_in, p.file, 0, n_panels, p.packed);
    p.w = (cadre_matrix){type, n_out, n_in, p.packed};

    p.x = aligned(MAX_ROWS * n_in * sizeof *p.x, 0);
    fill_floats(p.x, MAX_ROWS * n_in, 1.0f, n_in);
    for (size_t i = 0; i < 32 && i < n_in; i++)
        p.x[2 * n_in + i] = 0; /* a block whose scale is 0 */
    p.memory = aligned(cadre_rows_bytes(form, MAX_ROWS, n_in), 0x55);
    cadre_rows_init(&p.rows, form, MAX_ROWS, n_in, p.memory);
    ref.to_rows(p.x, n_in, MAX_ROWS, &p.rows, 0);
    p.y = aligned(MAX_ROWS * n_out * sizeof *p.y, 0);
    return p;
}

static inline void product_free(product *p)
{
    free(p->file);
    free(p->packed);
    free(p->x);
    free(p->memory);
    free(p->y);
}

static inline void compute(const cadre_ops *ops, product *p)
{
    ops->matmul[p->w.type](&p->w, 0, cadre_matrix_panels(&p->w), &p->rows, 0, MAX_ROWS,
                           p->y, p->w.n_out, 0);
}

/* Make all integers of the weights the byte `fill` and all those of the rows +-127. */
static inline void set_integers(product *p, int fill)
{
    const cadre_wtype type = p->w.type;
    const size_t n_in = p->w.n_in, bytes = file_bytes(type, n_in) * p->w.n_out;
    uint64_t seed = 5;

    memset(p->file, fill, bytes);
    for (size_t i = 0; i < bytes; i += cadre_wtype_block_bytes(type))
        set_scales(type, p->file + i, &seed);
    cadre_pack(type, p->w.n_out, n_in, p->file, 0, cadre_matrix_panels(&p->w), p->packed);
    for (size_t i = 0; i < MAX_ROWS * n_in; i++)
        p->x[i] = i / n_in % 2 ? 1.0f : -1.0f;
    cadre_ops_get()->to_rows(p->x, n_in, MAX_ROWS, &p->rows, 0);
}

typedef struct part {
    size_t first_panel, n_panels, first_row, n_rows;
    int accumulate;
} part;

/* Compute a part over a background and compare all of the background with what is
 * expected, the whole product being in p->y. */
static inline void check_part(const cadre_ops *ops, const product *p, const part *t)
{
    const size_t n_out = p->w.n_out, stride = PANEL * t->n_panels + 3;
    const size_t n = stride * (t->n_rows + 1);
    float *y = aligned(n * sizeof *y, 0), *want = aligned(n * sizeof *want, 0);

    fill_floats(y, n, 2.0f, 8);
    memcpy(want, y, n * sizeof *y);
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t i = 0; i < PANEL * t->n_panels; i++) {
            const size_t o = PANEL * t->first_panel + i;
            if (o >= n_out)
                break;
            const float sum = p->y[(t->first_row + r) * n_out + o];
            want[r * stride + i] = t->accumulate ? want[r * stride + i] + sum : sum;
        }
    ops->matmul[p->w.type](&p->w, t->first_panel, t->n_panels, &p->rows, t->first_row,
                           t->n_rows, y, stride, t->accumulate);
    for (size_t i = 0; i < n; i++)
        if (bits_of(y[i]) != bits_of(want[i]))
            fail_msg("%s: %s %zu x %zu, panels %zu + %zu, rows %zu + %zu%s: row %zu, "
                     "output %zu is %.9g, not %.9g",
                     ops->level, cadre_wtype_name(p->w.type), n_out, p->w.n_in,
                     t->first_panel, t->n_panels, t->first_row, t->n_rows,
                     t->accumulate ? ", added" : "", i / stride, i % stride, (double)y[i],
                     (double)want[i]);
    free(y);
    free(want);
}

/* Every small number of rows with all panels; some parts of the panels with some rows. */
static inline void check_parts(const cadre_ops *ops, const product *p)
{
    const size_t n_panels = cadre_matrix_panels(&p->w);

    for (size_t n = 1; n <= MAX_ROWS; n += n < 40 ? 1 : 16) {
        const part t = {0, n_panels, n % (MAX_ROWS - n + 1), n, n % 3 == 0};
        check_part(ops, p, &t);
    }
    for (size_t first = 0; first < n_panels; first++)
        for (size_t n = 1; first + n <= n_panels; n++) {
            const part t = {first, n, first, 1 + 3 * n, first % 2 == 1};
            check_part(ops, p, &t);
        }
}

#endif
