/* tests/ops/test_token_ops.c - what a transformer needs beside products and attention,
 * against the mathematical library and by hand. test_ops.c shows that levels agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "ops_case.h"

static void test_rmsnorm(void **state)
{
    const cadre_ops ops = ref_table();
    float x[100], weight[100], y[100];

    (void)state;
    fill_floats(x, 100, 3.0f, 1);
    fill_floats(weight, 100, 2.0f, 2);
    for (size_t n = 1; n <= 100; n++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)x[i] * x[i];
        ops.rmsnorm_f32(x, weight, 1e-5f, n, y);
        for (size_t i = 0; i < n; i++) {
            const double want = x[i] / sqrt(sum / (double)n + 1e-5) * weight[i];
            assert_true(fabs(y[i] - want) <= 1e-6 * fabs(want));
        }
    }
}

static void test_silu_mul(void **state)
{
    const cadre_ops ops = ref_table();
    float gate[2][5] = {{-100, -1, 0, 2.5f, 9}, {1, -0.25f, 30, -30, 9}};
    const float up[2][4] = {{2, 3, 4, -5}, {-1, 7, 0.5f, 1}};

    (void)state;
    for (size_t r = 0; r < 2; r++)
        for (size_t c = 0; c < 4; c++) {
            const double x = gate[r][c], want = x / (1 + exp(-x)) * up[r][c];
            float y = gate[r][c];
            ops.silu_mul_f32(&y, 1, &up[r][c], 1, 1, 1);
            assert_true(fabs(y - want) <= 1e-6 * fabs(want) + 1e-40);
        }
    ops.silu_mul_f32(gate[0], 5, up[0], 4, 2, 4);
    assert_true(gate[0][4] == 9 && gate[1][4] == 9); /* past the columns */
    assert_true(gate[1][0] == -1.0f / (1.0f + expf(-1.0f)));
}

static void test_rope(void **state)
{
    const cadre_ops ops = ref_table();
    const float c[2] = {0.5f, 0.0f}, s[2] = {0.25f, 1.0f};
    float pairs[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, halves[10];

    (void)state;
    memcpy(halves, pairs, sizeof pairs);
    ops.rope_f32(pairs, 2, 5, 4, c, s, 0);
    ops.rope_f32(halves, 2, 5, 4, c, s, 1);
    const float want_pairs[10] = {0, 1.25f, -4, 3, 5, 1.25f, 5, -9, 8, 10};
    const float want_halves[10] = {-0.25f, -4, 1.75f, 2, 5, 1, -9, 5.5f, 7, 10};
    assert_memory_equal(pairs, want_pairs, sizeof pairs);
    assert_memory_equal(halves, want_halves, sizeof halves);
}

static void test_argmax(void **state)
{
    cadre_ops ops;
    float x[50];

    (void)state;
    for (size_t l = 0; table_of(l, &ops); l++)
        for (size_t n = 1; n <= 50; n++) {
            for (size_t i = 0; i < n; i++)
                x[i] = NAN;
            assert_int_equal(ops.argmax_f32(x, n), 0);
            x[n - 1] = -INFINITY;
            assert_int_equal(ops.argmax_f32(x, n), n - 1);
            x[n / 2] = -3.0f;
            assert_int_equal(ops.argmax_f32(x, n), n / 2);
            x[n - 1] = -3.0f; /* the lowest of equals */
            assert_int_equal(ops.argmax_f32(x, n), n / 2);
            x[n / 3] = INFINITY;
            assert_int_equal(ops.argmax_f32(x, n), n / 3);
        }
}

static void test_exp_sum(void **state)
{
    const cadre_ops ops = ref_table();
    float x[200], y[200];

    (void)state;
    fill_floats(x, 200, 10.0f, 4);
    x[7] = -INFINITY;
    for (size_t n = 1; n <= 200; n += 11) {
        double sum = 0;
        const float got = ops.exp_sum_f32(x, n, 10.0f, 0.5f, y);
        for (size_t i = 0; i < n; i++) {
            const double want = exp(((double)x[i] - 10.0) * 0.5);
            assert_true(fabs(y[i] - want) <= 2e-6 * want);
            sum += want;
        }
        assert_true(fabs(got - sum) <= 2e-6 * sum);
        assert_true(ops.exp_sum_f32(x, n, 10.0f, 0.5f, NULL) == got);
    }
    assert_true(ops.exp_sum_f32(x, 200, 10.0f, 0.5f, x) > 0); /* in place */
    assert_true(x[7] == 0.0f);
    assert_memory_equal(x, y, 190 * sizeof *x);
}

/* ---- Rows ---- */

enum { WIDTH = 96, STRIDE = 128 };

/* One row of a form, in memory that was not zero before. */
static cadre_rows row_of(const cadre_ops *ops, cadre_form form, const float *x,
                         void **memory)
{
    cadre_rows rows;

    *memory = aligned(cadre_rows_bytes(form, 3, WIDTH), 0x55);
    cadre_rows_init(&rows, form, 3, WIDTH, *memory);
    assert_int_equal(rows.stride, STRIDE);
    ops->to_rows(x, WIDTH, 1, &rows, 2);
    return rows;
}

static void test_rows_f32(void **state)
{
    const cadre_ops ops = ref_table();
    float x[WIDTH];
    void *memory;

    (void)state;
    fill_floats(x, WIDTH, 1.0f, 5);
    const cadre_rows rows = row_of(&ops, CADRE_FORM_F32, x, &memory);
    const float *row = (const float *)rows.values + (size_t)2 * STRIDE;
    assert_memory_equal(row, x, sizeof x);
    for (size_t i = WIDTH; i < STRIDE; i++)
        assert_true(row[i] == 0);
    free(memory);
}

static void test_rows_bf16(void **state)
{
    const cadre_ops ops = ref_table();
    /* f32 bits and what they round to: ties go to even. */
    static const struct {
        uint32_t f32;
        uint16_t bf16;
    } cases[] = {{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81},
                 {0x3f818000, 0x3f82}, {0xbf818000, 0xbf82}, {0x7f7fffff, 0x7f80},
                 {0xff800000, 0xff80}, {0x7f800001, 0x7fc0}, {0x00008000, 0x0000},
                 {0x00018000, 0x0002}, {0x80000000, 0x8000}};
    float x[WIDTH] = {0};
    void *memory;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        memcpy(x + i, &cases[i].f32, 4);
    const cadre_rows rows = row_of(&ops, CADRE_FORM_BF16, x, &memory);
    const uint16_t *row = (const uint16_t *)rows.values + (size_t)2 * STRIDE;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(row[i], cases[i].bf16);
    for (size_t i = WIDTH; i < STRIDE; i++)
        assert_int_equal(row[i], 0);
    free(memory);
}

static void test_rows_q8(void **state)
{
    const cadre_ops ops = ref_table();
    float x[WIDTH];
    void *memory;

    (void)state;
    fill_floats(x, WIDTH, 0.3f, 6);
    x[1] = -127.0f; /* the first block's scale is 1: ties can be seen */
    x[2] = 0.5f, x[3] = 1.5f, x[4] = -2.5f, x[5] = 126.5f;
    x[40] = NAN; /* the second block counts as zero */
    const cadre_rows rows = row_of(&ops, CADRE_FORM_Q8, x, &memory);
    const int8_t *q = (const int8_t *)rows.values + (size_t)2 * STRIDE;
    const size_t b = (size_t)2 * STRIDE / 32;

    assert_true(rows.scales[b] == 1.0f && rows.scales[b + 1] == 0 &&
                rows.scales[b + 3] == 0);
    assert_true(q[1] == -127 && q[2] == 0 && q[3] == 2 && q[4] == -2 && q[5] == 126);
    for (size_t i = 0; i < STRIDE; i++) {
        const float scale = rows.scales[b + i / 32];
        if (i / 32 % 2 == 1)
            assert_int_equal(q[i], 0);
        else
            assert_true(fabsf((float)q[i] * scale - x[i]) <= 0.500001f * scale);
    }
    for (size_t i = 0; i < STRIDE / 16; i++) {
        int sum = 0;
        for (size_t k = 0; k < 16; k++)
            sum += q[16 * i + k];
        assert_int_equal(rows.sums[2 * b + i], sum);
    }
    for (size_t i = 0; i < STRIDE / 32; i++)
        assert_true(rows.offsets[b + i] ==
                    rows.scales[b + i] *
                        (float)(rows.sums[2 * (b + i)] + rows.sums[2 * (b + i) + 1]));
    free(memory);
}

static void test_rows_q8_extremes(void **state)
{
    const cadre_ops ops = ref_table();
    float x[WIDTH];
    void *memory;

    (void)state;
    for (size_t i = 0; i < WIDTH; i++)
        x[i] = i < 32 ? 3.4e38f : i < 64 ? 1e-40f : -0.0f;
    x[64] = INFINITY;
    const cadre_rows rows = row_of(&ops, CADRE_FORM_Q8, x, &memory);
    const int8_t *q = (const int8_t *)rows.values + (size_t)2 * STRIDE;

    for (size_t i = 0; i < WIDTH; i++)
        assert_int_equal(q[i], i < 32 ? 127 : 0);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rmsnorm),
        cmocka_unit_test(test_silu_mul),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_argmax),
        cmocka_unit_test(test_exp_sum),
        cmocka_unit_test(test_rows_f32),
        cmocka_unit_test(test_rows_bf16),
        cmocka_unit_test(test_rows_q8),
        cmocka_unit_test(test_rows_q8_extremes),
    };
    return cmocka_run_group_tests_name("token ops", tests, NULL, NULL);
}
