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

#include "ops/avx512/avx512.h"
#include "product_case.h"

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

/* An instruction for bf16 rounds in its own way. */
static int same_as_ref(const cadre_ops *ops, cadre_wtype type)
{
#ifdef __x86_64__
    if (ops->matmul[type] == cadre__avx512_matmul_bf16_widened)
        return 1;
#endif
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

#ifdef __x86_64__
/* What CPUs without vdpbf16ps use, also where there is one. */
static void test_widened_bf16_agrees(void **state)
{
    static const size_t ins[] = {1, 64, 256, 320, 1024, 5632};
    const cadre_ops ref = ref_table();
    cadre_ops ops;

    (void)state;
    for (size_t l = 1; table_of(l, &ops); l++) {
        if (strcmp(ops.level, "avx512") != 0)
            continue;
        ops.matmul[CADRE_W_BF16] = cadre__avx512_matmul_bf16_widened;
        for (size_t i = 0; i < sizeof ins / sizeof ins[0]; i++) {
            product p = product_new(CADRE_W_BF16, 33, ins[i]);
            compute(&ref, &p);
            check_parts(&ops, &p);
            product_free(&p);
        }
    }
}
#endif

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
#ifdef __x86_64__
        cmocka_unit_test(test_widened_bf16_agrees),
#endif
        cmocka_unit_test(test_largest_integers),
    };
    return cmocka_run_group_tests_name("matmul", tests, NULL, NULL);
}
