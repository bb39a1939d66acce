/* tests/ops/test_matmul.c - products with packed matrices: the reference against plain
 * sums in double precision, every level against the reference, and any part of a product
 * against the whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "weights_case.h"

enum { MAX_ROWS = 40, PANEL = CADRE_PANEL };

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

static product product_new(cadre_wtype type, size_t n_out, size_t n_in)
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

static void product_free(product *p)
{
    free(p->file);
    free(p->packed);
    free(p->x);
    free(p->memory);
    free(p->y);
}

static void compute(const cadre_ops *ops, product *p)
{
    ops->matmul[p->w.type](&p->w, 0, cadre_matrix_panels(&p->w), &p->rows, 0, MAX_ROWS,
                           p->y, p->w.n_out, 0);
}

/* ---- The right numbers ---- */

static double row_value(const cadre_rows *x, size_t row, size_t k)
{
    const size_t at = row * x->stride + k;

    if (x->form == CADRE_FORM_F32)
        return (double)((const float *)x->values)[at];
    if (x->form == CADRE_FORM_Q8)
        return (double)x->scales[at / 32] * ((const int8_t *)x->values)[at];
    const uint32_t bits = (uint32_t)((const uint16_t *)x->values)[at] << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return (double)wide;
}

/* Each of at most n_in + 2 roundings is off by 2^-24 of what has been summed. */
static void check_right(const product *p, const char *level)
{
    const size_t n_in = p->w.n_in, n_out = p->w.n_out;
    float *w = aligned(n_in * sizeof *w, 0);

    for (size_t o = 0; o < n_out; o++) {
        cadre_dequantize(p->w.type, p->file + o * file_bytes(p->w.type, n_in), n_in, w);
        for (size_t r = 0; r < MAX_ROWS; r++) {
            double sum = 0, size = 0;
            for (size_t k = 0; k < n_in; k++) {
                const double term = (double)w[k] * row_value(&p->rows, r, k);
                sum += term;
                size += fabs(term);
            }
            /* a K type's minima make terms larger than their sum */
            const double bound = 4 * (double)(n_in + 2) * 0x1p-24 * size + 1e-30;
            const double got = (double)p->y[r * n_out + o];
            if (!(fabs(got - sum) <= bound))
                fail_msg("%s: %s of %zu: row %zu, output %zu is %g, not %g (+- %g)",
                         level, cadre_wtype_name(p->w.type), n_in, r, o, got, sum, bound);
        }
    }
    free(w);
}

static void test_products_are_right(void **state)
{
    cadre_ops ops;

    (void)state;
    for (size_t l = 0; table_of(l, &ops); l++)
        for (size_t t = 0; t < N_TYPES; t++)
            for (size_t n_in = 32; n_in <= 512; n_in *= 2) {
                if (n_in % cadre_wtype_block(all_types[t]) != 0)
                    continue;
                product p = product_new(all_types[t], 19, n_in);
                assert_int_equal(cadre_ops_init(ops.level), CADRE_OK);
                compute(&ops, &p);
                check_right(&p, ops.level);
                product_free(&p);
            }
}

/* ---- The same numbers, however they are divided ---- */

typedef struct part {
    size_t first_panel, n_panels, first_row, n_rows;
    int accumulate;
} part;

/* Compute a part over a background and compare all of the background with what is
 * expected, the whole product being in p->y. */
static void check_part(const cadre_ops *ops, const product *p, const part *t)
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

/* Every number of rows with all panels; some parts of the panels with some rows. */
static void check_parts(const cadre_ops *ops, const product *p)
{
    const size_t n_panels = cadre_matrix_panels(&p->w);

    for (size_t n = 1; n <= MAX_ROWS; n++) {
        const part t = {0, n_panels, n % (MAX_ROWS - n + 1), n, n % 3 == 0};
        check_part(ops, p, &t);
    }
    for (size_t first = 0; first < n_panels; first++)
        for (size_t n = 1; first + n <= n_panels; n++) {
            const part t = {first, n, first, 1 + 3 * n, first % 2 == 1};
            check_part(ops, p, &t);
        }
}

/* The bf16 product of a level rounds as that level's instructions do. */
static int same_as_ref(const cadre_ops *ops, cadre_wtype type)
{
    return type != CADRE_W_BF16 || strcmp(ops->level, "avx2") == 0 ||
           strcmp(ops->level, "ref") == 0;
}

static void check_levels(cadre_wtype type, size_t n_out, size_t n_in)
{
    const cadre_ops ref = ref_table();
    product p = product_new(type, n_out, n_in);
    cadre_ops ops;

    compute(&ref, &p);
    for (size_t l = 0; table_of(l, &ops); l++) {
        if (!same_as_ref(&ops, type))
            compute(&ops, &p);
        check_parts(&ops, &p);
    }
    product_free(&p);
}

static void test_levels_and_parts_agree(void **state)
{
    static const size_t outs[] = {1, 33, 64, 33, 100, 16},
                        ins[] = {32, 96, 256, 64, 768, 1};

    (void)state;
    for (size_t t = 0; t < N_TYPES; t++)
        for (size_t i = 0; i < sizeof ins / sizeof ins[0]; i++)
            if (ins[i] % cadre_wtype_block(all_types[t]) == 0)
                check_levels(all_types[t], outs[i], ins[i]);
}

/* The widest of a 1.1B model: its sums are long, and are cut into parts in caches. */
static void test_long_rows_agree(void **state)
{
    const cadre_ops ref = ref_table();
    cadre_ops ops;

    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        product p = product_new(all_types[t], 17, 5632);
        compute(&ref, &p);
        for (size_t l = 1; table_of(l, &ops); l++) {
            if (!same_as_ref(&ops, all_types[t]))
                compute(&ops, &p);
            for (size_t n = 1; n <= MAX_ROWS; n += 13) {
                const part some = {0, 2, MAX_ROWS - n, n, 0};
                check_part(&ops, &p, &some);
            }
        }
        product_free(&p);
    }
}

/* Make all integers of the weights the byte `fill` and all those of the rows +-127. */
static void set_integers(product *p, int fill)
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

/* Partial sums as large as they get: 16-bit ones must not saturate. */
static void test_largest_integers(void **state)
{
    static const int fills[] = {0x00, 0x80, 0x7f, 0xff};
    const part all = {0, 1, 0, MAX_ROWS, 0};
    cadre_ops ops;

    (void)state;
    for (size_t t = CADRE_W_Q8_0; t < N_TYPES; t++)
        for (size_t f = 0; f < sizeof fills / sizeof fills[0]; f++) {
            const cadre_ops ref = ref_table();
            product p = product_new(all_types[t], PANEL, 256);
            set_integers(&p, fills[f]);
            compute(&ref, &p);
            check_right(&p, "ref");
            for (size_t l = 1; table_of(l, &ops); l++)
                check_part(&ops, &p, &all);
            product_free(&p);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_are_right),
        cmocka_unit_test(test_levels_and_parts_agree),
        cmocka_unit_test(test_long_rows_agree),
        cmocka_unit_test(test_largest_integers),
    };
    return cmocka_run_group_tests_name("matmul", tests, NULL, NULL);
}
