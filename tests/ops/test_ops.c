/* tests/ops/test_ops.c - every op at every level of this machine gives the bits of "ref",
 * which agrees with the mathematical library; and levels are chosen as asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops_case.h"

enum { MAX = 1024, ROWS = 3 };

static const size_t counts[] = {0, 1, 2, 4, 15, 16, 17, 31, 33, 100, 1000};
enum { N_COUNTS = sizeof counts / sizeof counts[0] };

/* Bits are what counts, also where values compare equal. */
static int differ(const void *a, const void *b, size_t bytes)
{
    return memcmp(a, b, bytes) != 0;
}

/* Values of every kind for one dtype: small, large, negative, zero, extreme. */
static void fill_values(cadre_dtype dtype, void *out, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t r = next(&seed);
        switch (dtype) {
        case CADRE_F32:
            ((float *)out)[i] = i % 13 == 5 ? -0.0f : next_float(&seed, 1e3f);
            break;
        case CADRE_F64:
            ((double *)out)[i] = i % 13 == 5 ? INFINITY : (double)next_float(&seed, 7.0f);
            break;
        case CADRE_I32:
            ((int32_t *)out)[i] = i % 7 == 3 ? 0 : (int32_t)(uint32_t)r;
            break;
        default:
            ((int64_t *)out)[i] = i % 7 == 3 ? 0 : (int64_t)r;
        }
    }
}

static void check_combine(const cadre_ops *ref, const cadre_ops *level, cadre_dtype dtype,
                          cadre_reduction reduction, size_t n, size_t offset)
{
    static int64_t x[MAX + 8], a[MAX + 8], b[MAX + 8];
    const size_t bytes = cadre_dtype_bytes(dtype), skip = offset * bytes;

    fill_values(dtype, x, MAX, 1);
    fill_values(dtype, a, MAX, 2);
    memcpy(b, a, sizeof a);
    ref->combine[dtype][reduction]((char *)a + skip, (char *)x + skip, n);
    level->combine[dtype][reduction]((char *)b + skip, (char *)x + skip, n);
    if (differ(a, b, sizeof a))
        fail_msg("%s: %s of %s differs from ref at n = %zu, offset %zu", level->level,
                 cadre_reduction_name(reduction), cadre_dtype_name(dtype), n, offset);
}

static void test_combine_levels_agree(void **state)
{
    const cadre_ops ref = ref_table();
    cadre_ops level;

    (void)state;
    for (size_t l = 1; table_of(l, &level); l++)
        for (int d = 0; d < CADRE_N_DTYPES; d++)
            for (int r = 0; r < CADRE_N_REDUCTIONS; r++) {
                assert_int_equal(!ref.combine[d][r], !level.combine[d][r]);
                for (size_t c = 0; ref.combine[d][r] && c < N_COUNTS; c++)
                    for (size_t offset = 0; offset < 2; offset++)
                        check_combine(&ref, &level, (cadre_dtype)d, (cadre_reduction)r,
                                      counts[c], offset);
            }
}

static void test_combine_is_right(void **state)
{
    const cadre_ops ref = ref_table();
    int32_t a[4] = {INT32_MAX, -3, 0, 5}, x[4] = {1, 2, 0, 0};
    int64_t b[3] = {INT64_MAX, 0, 7}, y[3] = {2, 0, 0};
    float f[3] = {1.5f, -2.0f, 0.0f}, g[3] = {0.5f, 3.0f, -1.0f};

    (void)state;
    ref.combine[CADRE_I32][CADRE_SUM](a, x, 4);
    assert_int_equal(a[0], INT32_MIN); /* integers wrap */
    assert_int_equal(a[1], -1);
    ref.combine[CADRE_I32][CADRE_LAND](a, x, 4);
    assert_int_equal(a[0], 1);
    assert_int_equal(a[3], 0);
    ref.combine[CADRE_I64][CADRE_PROD](b, y, 3);
    assert_true(b[0] == -2 && b[2] == 0);
    ref.combine[CADRE_I64][CADRE_LOR](b, y, 3);
    assert_true(b[0] == 1 && b[1] == 0 && b[2] == 0);
    ref.combine[CADRE_F32][CADRE_MAX](f, g, 3);
    assert_true(f[0] == 1.5f && f[1] == 3.0f && f[2] == 0.0f);
    ref.combine[CADRE_F32][CADRE_MIN](f, g, 3);
    assert_true(f[0] == 0.5f && f[1] == 3.0f && f[2] == -1.0f);
    assert_null(ref.combine[CADRE_F64][CADRE_LAND]);
    assert_null(ref.combine[CADRE_F32][CADRE_LOR]);
}

/* ---- Ops on f32 ---- */

/* Input for all of them: y[n], x[n] from `offset` floats into aligned memory. */
typedef struct buffers {
    float y[ROWS * MAX + 8], x[ROWS * MAX + 8];
} buffers;

static void fill_buffers(buffers *b)
{
    uint64_t seed = 3;

    for (size_t i = 0; i < sizeof b->y / sizeof b->y[0]; i++) {
        b->y[i] = next_float(&seed, i % 5 == 0 ? 100.0f : 4.0f);
        b->x[i] = i % 11 == 7 ? 0.0f : next_float(&seed, 4.0f);
    }
}

/* Pairs and halves, whole heads and parts of them. */
static void rotate_both(const cadre_ops *ops, float *y, const float *x, size_t n)
{
    ops->rope_f32(y, ROWS, n, n / 4 * 2, x, x + MAX, 0);
    ops->rope_f32(y, ROWS - 1, n, n / 2 * 2, x, x + MAX, 1);
}

/* Rows of every form, folded into y. */
static void rows_of_all_forms(const cadre_ops *ops, float *y, const float *x, size_t n)
{
    for (int form = 0; form < CADRE_N_FORMS; form++) {
        const size_t n_in = form == CADRE_FORM_Q8 ? n / 32 * 32 : n;
        const size_t bytes = cadre_rows_bytes((cadre_form)form, ROWS + 1, n_in);
        unsigned char *memory = aligned(bytes, 0), *out = (unsigned char *)y;
        cadre_rows rows;

        cadre_rows_init(&rows, (cadre_form)form, ROWS + 1, n_in, memory);
        ops->to_rows(x, n, ROWS, &rows, 1);
        for (size_t i = 0; i < bytes; i++)
            out[i % (MAX * sizeof(float))] ^= (unsigned char)(memory[i] + i / MAX);
        free(memory);
    }
}

/* Run the op called `name` on b. */
static int run_op(const cadre_ops *ops, const char *name, buffers *b, size_t n,
                  size_t offset)
{
    float *y = b->y + offset;
    const float *x = b->x + offset;

    if (strcmp(name, "bias_relu_f32") == 0)
        ops->bias_relu_f32(y, x, ROWS, n);
    else if (strcmp(name, "bias_gelu_f32") == 0)
        ops->bias_gelu_f32(y, x, ROWS, n);
    else if (strcmp(name, "bias_add_f32") == 0)
        ops->bias_add_f32(y, x, ROWS, n);
    else if (strcmp(name, "softmax_f32") == 0)
        ops->softmax_f32(y, ROWS, n);
    else if (strcmp(name, "relu_backward_f32") == 0)
        ops->relu_backward_f32(y, x, n);
    else if (strcmp(name, "gelu_backward_f32") == 0)
        ops->gelu_backward_f32(y, x, n);
    else if (strcmp(name, "axpy_f32") == 0)
        ops->axpy_f32(y, 0.37f, x, n);
    else if (strcmp(name, "all_finite_f32") == 0)
        return ops->all_finite_f32(y, n);
    else if (strcmp(name, "rmsnorm_f32") == 0)
        ops->rmsnorm_f32(x, x + MAX, 1e-5f, n, y);
    else if (strcmp(name, "silu_mul_f32") == 0)
        ops->silu_mul_f32(y, n + 2, x, n + 1, ROWS - 1, n);
    else if (strcmp(name, "rope_f32") == 0)
        rotate_both(ops, y, x, n);
    else if (strcmp(name, "argmax_f32") == 0)
        return n > 0 ? (int)ops->argmax_f32(y, n) : 0;
    else if (strcmp(name, "exp_sum_f32") == 0)
        return (int)bits_of(ops->exp_sum_f32(x, n, 3.0f, 0.7f, y)) ^
               (int)bits_of(ops->exp_sum_f32(x, n, 2.0f, 1.1f, NULL));
    else if (strcmp(name, "to_rows") == 0)
        rows_of_all_forms(ops, y, x, n);
    else if (strcmp(name, "kv_store") == 0 || strcmp(name, "attention") == 0)
        return 0; /* test_attention.c */
    else
        fail_msg("op %s has no test: add it to run_op()", name);
    return 0;
}

static void test_ops_levels_agree(void **state)
{
    static const char *const names[] = {
#define X(name, ret, args) #name,
        CADRE_OPS_LIST(X)
#undef X
    };
    static buffers a, b;
    const cadre_ops ref = ref_table();
    cadre_ops level;

    (void)state;
    for (size_t l = 1; table_of(l, &level); l++)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            for (size_t c = 0; c < N_COUNTS; c++)
                for (size_t offset = 0; offset < 4; offset++) {
                    fill_buffers(&a);
                    fill_buffers(&b);
                    const int ra = run_op(&ref, names[i], &a, counts[c], offset);
                    const int rb = run_op(&level, names[i], &b, counts[c], offset);
                    if (ra != rb || differ(&a, &b, sizeof a))
                        fail_msg("%s: %s differs from ref at n = %zu, offset %zu",
                                 level.level, names[i], counts[c], offset);
                }
}

/* ---- Against the mathematical library ---- */

static double ulps(float got, double want)
{
    const float f = (float)want;
    const float next_up = nextafterf(fabsf(f), INFINITY);

    if (isinf(next_up))
        return got == f ? 0 : 1e9;
    return fabs((double)got - want) / ((double)next_up - fabs((double)f));
}

/* exp is seen through the softmax of a row (0, x), x <= 0; a row's sum is then 1 +
 * e^x. */
static void test_softmax_is_right(void **state)
{
    const cadre_ops ops = ref_table();
    double worst = 0;

    (void)state;
    for (int i = 0; i < 11340; i++) {
        const double x = i * -0.00917;
        float row[2] = {0.0f, (float)x};
        ops.softmax_f32(row, 1, 2);
        const double e = exp((double)(float)x);
        worst = fmax(worst, ulps(row[1], e / (1 + e)));
        worst = fmax(worst, ulps(row[0], 1 / (1 + e)));
    }
    if (worst > 2.5)
        fail_msg("softmax is off by %.2f ulp", worst);

    float row[3] = {1000.0f, 1000.0f, -INFINITY};
    ops.softmax_f32(row, 1, 3);
    assert_true(row[0] == 0.5f && row[1] == 0.5f && row[2] == 0.0f);
    float bad[3] = {0.0f, NAN, 1.0f};
    ops.softmax_f32(bad, 1, 3);
    assert_true(isnan(bad[0]) && isnan(bad[1]) && isnan(bad[2]));
}

static double true_gelu(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static void test_gelu_is_right(void **state)
{
    const cadre_ops ops = ref_table();
    double worst = 0, worst_slope = 0;
    const float zero = 0.0f;

    (void)state;
    for (int i = -1640; i < 1640; i++) {
        const double x = i * 0.00731, at = (double)(float)x, h = 1e-5;
        float y = (float)x, slope = 1.0f;
        ops.bias_gelu_f32(&y, &zero, 1, 1);
        const float pre = (float)x;
        ops.gelu_backward_f32(&slope, &pre, 1);
        worst = fmax(worst, fabs((double)y - true_gelu(at)) / fmax(1, fabs(at)));
        worst_slope =
            fmax(worst_slope,
                 fabs((double)slope - (true_gelu(at + h) - true_gelu(at - h)) / (2 * h)));
    }
    if (worst > 3e-7 || worst_slope > 1e-6)
        fail_msg("gelu is off by %g, its slope by %g", worst, worst_slope);
}

static void test_rows_and_vectors(void **state)
{
    const cadre_ops ops = ref_table();
    float y[6] = {1, -5, 2, -1, 0, 3}, grad[3] = {1, 2, 3};
    const float bias[3] = {1, 2, -4}, pre[3] = {-1, 0, 2};

    (void)state;
    ops.bias_relu_f32(y, bias, 2, 3);
    assert_true(y[0] == 2 && y[1] == 0 && y[2] == 0);
    assert_true(y[3] == 0 && y[4] == 2 && y[5] == 0);
    ops.bias_add_f32(y, bias, 2, 3);
    assert_true(y[0] == 3 && y[1] == 2 && y[5] == -4);
    ops.relu_backward_f32(grad, pre, 3);
    assert_true(grad[0] == 0 && grad[1] == 0 && grad[2] == 3);
    ops.axpy_f32(y, 2.0f, bias, 3);
    assert_true(y[0] == 5 && y[1] == 6 && y[2] == -12);
}

static void test_all_finite(void **state)
{
    cadre_ops ops;
    float x[40] = {0};

    (void)state;
    for (size_t l = 0; table_of(l, &ops); l++)
        for (size_t at = 0; at < 40; at++) {
            assert_true(ops.all_finite_f32(x, 40));
            x[at] = at % 3 == 0 ? NAN : (at % 3 == 1 ? INFINITY : -INFINITY);
            assert_false(ops.all_finite_f32(x, 40));
            assert_true(ops.all_finite_f32(x, at));
            x[at] = 3.4e38f;
        }
}

/* ---- Choice of a level ---- */

static void test_levels_are_chosen(void **state)
{
    const char *why = NULL, *name, *best = NULL;
    int usable = 0;

    (void)state;
    for (size_t i = 0; (name = cadre_ops_level(i, &usable, &why)); i++) {
        assert_true(why && why[0]);
        if (usable)
            best = name;
        assert_int_equal(cadre_ops_init(name), usable ? CADRE_OK : CADRE_ERR_INPUT);
    }
    assert_string_equal(cadre_ops_level(0, &usable, NULL), "ref");
    assert_true(usable);

    unsetenv("CADRE_ISA");
    assert_int_equal(cadre_ops_init(NULL), CADRE_OK);
    assert_string_equal(cadre_ops_get()->level, best);
    setenv("CADRE_ISA", "ref", 1);
    assert_int_equal(cadre_ops_init(NULL), CADRE_OK);
    assert_string_equal(cadre_ops_get()->level, "ref");
    setenv("CADRE_ISA", "avx3", 1);
    assert_int_equal(cadre_ops_init(NULL), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "CADRE_ISA"));
    assert_non_null(strstr(cadre_last_error(), "avx3"));
    assert_string_equal(cadre_ops_get()->level, "ref"); /* as it was */
    unsetenv("CADRE_ISA");
    setenv("CADRE_BLAS_THREADS", "many", 1);
    assert_int_equal(cadre_ops_init(NULL), CADRE_ERR_INPUT);
    unsetenv("CADRE_BLAS_THREADS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_combine_levels_agree),
        cmocka_unit_test(test_combine_is_right),
        cmocka_unit_test(test_ops_levels_agree),
        cmocka_unit_test(test_softmax_is_right),
        cmocka_unit_test(test_gelu_is_right),
        cmocka_unit_test(test_rows_and_vectors),
        cmocka_unit_test(test_all_finite),
        cmocka_unit_test(test_levels_are_chosen),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
