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

/* ---- Reductions ---- */

/* Values of every kind for one dtype: small, large, negative, zero, extreme. */
static void fill_values(cadre_dtype dtype, void *out, size_t n, uint64_t seed)
{
    const size_t bytes = cadre_dtype_bytes(dtype);

    for (size_t i = 0; i < n; i++) {
        const uint64_t r = i % 7 == 3 ? 0 : next(&seed);
        if (dtype == CADRE_F32)
            ((float *)out)[i] = i % 13 == 5 ? -0.0f : next_float(&seed, 1e3f);
        else if (dtype == CADRE_F64)
            ((double *)out)[i] = i % 13 == 5 ? INFINITY : (double)next_float(&seed, 7.0f);
        else /* integers, and 16-bit floating point of any bits */
            memcpy((char *)out + i * bytes, &r, bytes);
    }
}

static int is_half_nan(cadre_dtype dtype, uint16_t bits)
{
    const uint16_t infinity = dtype == CADRE_BF16 ? 0x7f80 : 0x7c00;
    return (dtype == CADRE_BF16 || dtype == CADRE_F16) && (bits & 0x7fff) > infinity;
}

/* All memory of both, but for which NaN it is. */
static int differ_in_values(cadre_dtype dtype, uint16_t *a, uint16_t *b, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *a; i++)
        if (is_half_nan(dtype, a[i]) && is_half_nan(dtype, b[i]))
            a[i] = b[i];
    return differ(a, b, bytes);
}

/* Where the result goes. */
enum { APART, OVER_A, OVER_B, N_PLACES };

typedef struct combine_case {
    cadre_dtype dtype;
    cadre_reduction reduction;
    size_t n, skip; /* skip: bytes to the first value */
    int place;
} combine_case;

enum { COMBINE_BYTES = (MAX + 8) * sizeof(int64_t) };

static void run_combine(const cadre_ops *ops, const combine_case *c, char *out)
{
    static int64_t a[MAX + 8], b[MAX + 8], apart[MAX + 8];
    char *at[] = {(char *)apart, (char *)a, (char *)b};

    fill_values(c->dtype, a, MAX, 1);
    fill_values(c->dtype, b, MAX, 2);
    memset(apart, 0x5a, sizeof apart);
    ops->combine[c->dtype][c->reduction](at[c->place] + c->skip, (char *)a + c->skip,
                                         (char *)b + c->skip, c->n);
    memcpy(out, at[c->place], COMBINE_BYTES);
}

static void check_combine(const cadre_ops *ref, const cadre_ops *level,
                          const combine_case *c)
{
    static uint16_t expected[COMBINE_BYTES / 2], found[COMBINE_BYTES / 2];

    run_combine(ref, c, (char *)expected);
    run_combine(level, c, (char *)found);
    if (differ_in_values(c->dtype, expected, found, COMBINE_BYTES))
        fail_msg("%s: %s of %s differs from ref at n = %zu, skip %zu, place %d",
                 level->level, cadre_reduction_name(c->reduction),
                 cadre_dtype_name(c->dtype), c->n, c->skip, c->place);
}

static void check_combine_of_level(const cadre_ops *ref, const cadre_ops *level,
                                   cadre_dtype d, cadre_reduction r)
{
    assert_int_equal(!ref->combine[d][r], !level->combine[d][r]);
    for (size_t k = 0; ref->combine[d][r] && k < N_COUNTS; k++)
        for (size_t offset = 0; offset < 2; offset++)
            for (int place = 0; place < N_PLACES; place++)
                check_combine(ref, level,
                              &(combine_case){.dtype = d,
                                              .reduction = r,
                                              .n = counts[k],
                                              .skip = offset * cadre_dtype_bytes(d),
                                              .place = place});
}

static void test_combine_levels_agree(void **state)
{
    const cadre_ops ref = ref_table();
    cadre_ops level;

    (void)state;
    for (size_t l = 1; table_of(l, &level); l++)
        for (int d = 0; d < CADRE_N_DTYPES; d++)
            for (int r = 0; r < CADRE_N_REDUCTIONS; r++)
                check_combine_of_level(&ref, &level, (cadre_dtype)d, (cadre_reduction)r);
}

/* What a reduction of a type that is `wide` when computed has to give, with the bits of a
 * wrapped sum. */
#define EXPECTED(wide, a, b, r)                                                          \
    ((r) == CADRE_SUM    ? (wide)((wide)(a) + (wide)(b))                                 \
     : (r) == CADRE_PROD ? (wide)((wide)(a) * (wide)(b))                                 \
     : (r) == CADRE_MIN  ? ((b) < (a) ? (wide)(b) : (wide)(a))                           \
     : (r) == CADRE_MAX  ? ((b) > (a) ? (wide)(b) : (wide)(a))                           \
     : (r) == CADRE_LAND ? (wide)((a) != 0 && (b) != 0)                                  \
                         : (wide)((a) != 0 || (b) != 0))

/* Every reduction that the type has, where the result stands apart and over each input;
 * bits are compared. */
#define CHECK_TYPE(id, type, wide)                                                       \
    static void check_##id(const cadre_ops *ops)                                         \
    {                                                                                    \
        static type a[MAX], b[MAX], out[MAX];                                            \
        for (int r = 0; r < CADRE_N_REDUCTIONS; r++) {                                   \
            if (!ops->combine[CADRE_##id][r])                                            \
                continue;                                                                \
            fill_values(CADRE_##id, a, MAX, 5);                                          \
            fill_values(CADRE_##id, b, MAX, 6);                                          \
            ops->combine[CADRE_##id][r](out, a, b, MAX);                                 \
            for (int i = 0; i < MAX; i++) {                                              \
                const type want = (type)EXPECTED(wide, a[i], b[i], r);                   \
                if (memcmp(&want, &out[i], sizeof want) != 0)                            \
                    fail_msg("%s: %s of %s is wrong at %d", ops->level,                  \
                             cadre_reduction_name((cadre_reduction)r),                   \
                             cadre_dtype_name(CADRE_##id), i);                           \
            }                                                                            \
        }                                                                                \
    }

CHECK_TYPE(F32, float, float)
CHECK_TYPE(F64, double, double)
CHECK_TYPE(I8, int8_t, uint64_t)
CHECK_TYPE(I16, int16_t, uint64_t)
CHECK_TYPE(I32, int32_t, uint64_t)
CHECK_TYPE(I64, int64_t, uint64_t)
CHECK_TYPE(U8, uint8_t, uint64_t)
CHECK_TYPE(U16, uint16_t, uint64_t)
CHECK_TYPE(U32, uint32_t, uint64_t)
CHECK_TYPE(U64, uint64_t, uint64_t)

static void check_plain_types(const cadre_ops *ops)
{
    static void (*const check[])(const cadre_ops *) = {
        check_F32, check_F64, check_I8,  check_I16, check_I32,
        check_I64, check_U8,  check_U16, check_U32, check_U64};

    for (size_t i = 0; i < sizeof check / sizeof check[0]; i++)
        check[i](ops);
}

static void test_combine_is_right(void **state)
{
    cadre_ops ops;

    (void)state;
    for (size_t l = 0; table_of(l, &ops); l++) {
        check_plain_types(&ops);
        for (int d = 0; d < CADRE_N_DTYPES; d++) {
            const int is_float =
                d == CADRE_F32 || d == CADRE_F64 || d == CADRE_BF16 || d == CADRE_F16;
            assert_non_null(ops.combine[d][CADRE_SUM]);
            assert_non_null(ops.combine[d][CADRE_MIN]);
            assert_non_null(ops.combine[d][CADRE_MAX]);
            assert_non_null(ops.combine[d][CADRE_PROD]);
            assert_int_equal(!ops.combine[d][CADRE_LAND], is_float);
            assert_int_equal(!ops.combine[d][CADRE_LOR], is_float);
            assert_null(ops.combine[d][CADRE_AVG]);
        }
    }
}

/* Sums of so many bytes take another way, as long as they stand apart. */
static void test_long_sums(void **state)
{
    enum { N = (1 << 21) + 37 };
    double *a = aligned((size_t)(N + 8) * 8, 0), *b = aligned((size_t)(N + 8) * 8, 0);
    double *out = aligned((size_t)(N + 8) * 8, 0x5a);
    float *a32 = (float *)(void *)a, *b32 = (float *)(void *)b;
    float *out32 = (float *)(void *)out;
    cadre_ops ops;

    (void)state;
    for (size_t l = 0; table_of(l, &ops); l++)
        for (size_t at = 0; at < 4; at += 3) {
            for (size_t i = 0; i < N; i++)
                a[i] = (double)i, b[i] = 0.5;
            out[at + N] = -1;
            ops.combine[CADRE_F64][CADRE_SUM](out + at, a, b, N);
            for (size_t i = 0; i < N; i++)
                assert_true(out[at + i] == (double)i + 0.5);
            assert_true(out[at + N] == -1);
            for (size_t i = 0; i < N; i++)
                a32[i] = (float)i, b32[i] = 0.25f;
            out32[at + N] = -1;
            ops.combine[CADRE_F32][CADRE_SUM](out32 + at, a32, b32, N);
            for (size_t i = 0; i < N; i++)
                assert_true(out32[at + i] == (float)i + 0.25f);
            assert_true(out32[at + N] == -1);
        }
    free(a);
    free(b);
    free(out);
}

static void test_combine_of_nan(void **state)
{
    const float a[4] = {NAN, 1.0f, NAN, 1.0f}, b[4] = {2.0f, NAN, 2.0f, NAN};
    float least[4], most[4];
    cadre_ops ops;

    (void)state;
    for (size_t l = 0; table_of(l, &ops); l++) {
        ops.combine[CADRE_F32][CADRE_MIN](least, a, b, 4);
        ops.combine[CADRE_F32][CADRE_MAX](most, a, b, 4);
        for (int i = 0; i < 4; i++)
            assert_true(i % 2 ? least[i] == 1.0f && most[i] == 1.0f
                              : isnan(least[i]) && isnan(most[i]));
    }
}

/* ---- 16-bit floating point, as the formats are defined ---- */

typedef struct half_format {
    cadre_dtype dtype;
    int digits, least_exponent; /* of normal numbers, as ilogb() counts */
} half_format;

static const half_format f16_format = {CADRE_F16, 11, -14};
static const half_format bf16_format = {CADRE_BF16, 8, -126};

static double half_value(const half_format *f, uint16_t bits)
{
    const int fraction_bits = f->digits - 1;
    const int biased = (bits & 0x7fff) >> fraction_bits,
              all_ones = 0x7fff >> fraction_bits;
    const int fraction = bits & ((1 << fraction_bits) - 1);
    const int exponent = (biased ? biased : 1) - 1 + f->least_exponent - fraction_bits;
    const double magnitude =
        biased == all_ones
            ? (fraction ? (double)NAN : (double)INFINITY)
            : ldexp(fraction + (biased ? 1 << fraction_bits : 0), exponent);
    return bits >> 15 ? -magnitude : magnitude;
}

/* The nearest number of the format, of two the even one. */
static double half_rounded(const half_format *f, double x)
{
    const double beyond = ldexp(1, 2 - f->least_exponent); /* exponents are symmetric */
    if (x == 0 || !isfinite(x))
        return x;
    const int exponent = ilogb(x) > f->least_exponent ? ilogb(x) : f->least_exponent;
    const double unit = ldexp(1, exponent - f->digits + 1);
    const double rounded = nearbyint(x / unit) * unit;
    return fabs(rounded) >= beyond ? copysign((double)INFINITY, x) : rounded;
}

static void check_half(const cadre_ops *ops, const half_format *f, int r, uint16_t a_bits,
                       uint16_t b_bits, uint16_t bits)
{
    const float a = (float)half_value(f, a_bits), b = (float)half_value(f, b_bits);
    const float exact = EXPECTED(float, a, b, r);
    const double want = half_rounded(f, (double)exact), got = half_value(f, bits);
    const int quiet = bits >> (f->digits - 2) & 1;

    if (isnan(want) ? isnan(got) && quiet
                    : want == got && !signbit(want) == !signbit(got))
        return;
    fail_msg("%s: %s of %s %04x and %04x is %04x, expected %g", ops->level,
             cadre_reduction_name((cadre_reduction)r), cadre_dtype_name(f->dtype), a_bits,
             b_bits, bits, want);
}

/* All values with some others: neighbours in size and values of every kind. */
static void check_halves(const cadre_ops *ops, const half_format *f, int reduction)
{
    enum { ALL = 65536 };
    static uint16_t a[ALL], b[ALL], out[ALL];
    static const uint16_t distances[] = {0, 0x8000, 0x8001, 0x155, 0x8c13};
    uint64_t seed = 9;

    for (size_t turn = 0; turn < 7; turn++) {
        for (int i = 0; i < ALL; i++) {
            a[i] = (uint16_t)i;
            b[i] = (uint16_t)(turn < 5 ? (uint64_t)i + distances[turn] : next(&seed));
        }
        ops->combine[f->dtype][reduction](out, a, b, ALL);
        for (int i = 0; i < ALL; i++)
            check_half(ops, f, reduction, a[i], b[i], out[i]);
    }
}

static void test_halves_are_right(void **state)
{
    cadre_ops ops;

    (void)state;
    for (size_t l = 0; table_of(l, &ops); l++)
        for (int r = CADRE_SUM; r <= CADRE_PROD; r++) {
            check_halves(&ops, &f16_format, r);
            check_halves(&ops, &bf16_format, r);
        }
}

static void test_copy_stream(void **state)
{
    static unsigned char src[MAX], dst[MAX];
    cadre_ops ops;

    (void)state;
    for (size_t i = 0; i < MAX; i++)
        src[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t l = 0; table_of(l, &ops); l++)
        for (size_t from = 0; from < 66; from += 13)
            for (size_t to = 0; to < 66; to++)
                for (size_t bytes = 0; bytes < 300; bytes = bytes * 2 + 1) {
                    memset(dst, 0xee, sizeof dst);
                    ops.copy_stream(dst + to, src + from, bytes);
                    for (size_t i = 0; i < 400; i++)
                        assert_int_equal(dst[i], i >= to && i < to + bytes
                                                     ? src[i - to + from]
                                                     : 0xee);
                }
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
    else if (strcmp(name, "kv_store") == 0 || strcmp(name, "attention") == 0 ||
             strncmp(name, "exponents_", 10) == 0 || strncmp(name, "fixed_", 6) == 0)
        return 0; /* test_attention.c, test_exact.c */
    else if (strcmp(name, "copy_stream") == 0)
        ops->copy_stream(y, x, n * sizeof *y);
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
        cmocka_unit_test(test_long_sums),
        cmocka_unit_test(test_combine_of_nan),
        cmocka_unit_test(test_halves_are_right),
        cmocka_unit_test(test_copy_stream),
        cmocka_unit_test(test_ops_levels_agree),
        cmocka_unit_test(test_softmax_is_right),
        cmocka_unit_test(test_gelu_is_right),
        cmocka_unit_test(test_rows_and_vectors),
        cmocka_unit_test(test_all_finite),
        cmocka_unit_test(test_levels_are_chosen),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
