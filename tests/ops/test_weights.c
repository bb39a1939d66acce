/* tests/ops/test_weights.c - weight types as files hold them, and packed. Blocks are
 * taken apart by the formulas of GGUF's formats, weight by weight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "weights_case.h"

/* ---- f16 ---- */

static float f16(unsigned bits)
{
    const uint8_t bytes[2] = {(uint8_t)bits, (uint8_t)(bits >> 8)};
    float x;

    cadre_dequantize(CADRE_W_F16, bytes, 1, &x);
    return x;
}

static unsigned to_f16(float x)
{
    uint8_t bytes[2];

    assert_int_equal(cadre_quantize(CADRE_W_F16, &x, 1, bytes), CADRE_OK);
    return bytes[0] | (unsigned)bytes[1] << 8;
}

static void test_f16_values(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x10000; h++) {
        const int exponent = (int)(h >> 10 & 31), mantissa = (int)(h & 1023);
        const double sign = h & 0x8000 ? -1 : 1;
        const float x = f16(h);
        if (exponent == 31) {
            assert_true(mantissa ? isnan(x) : isinf(x) && (x > 0) == (sign > 0));
            continue;
        }
        const double want =
            exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
        assert_true((double)x == sign * want && !signbit(x) == (sign > 0));
        assert_int_equal(to_f16(x), h);
    }
}

static void test_f16_rounds_to_even(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7bff; h++) { /* between each two neighbours */
        const float low = f16(h), high = f16(h + 1), middle = (low + high) / 2;
        assert_int_equal(to_f16(middle), h & 1 ? h + 1 : h);
        assert_int_equal(to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(to_f16(-nextafterf(middle, INFINITY)), 0x8000 | (h + 1));
    }
    assert_int_equal(to_f16(65519.99f), 0x7bff);
    assert_int_equal(to_f16(65520.0f), 0x7c00);
    assert_int_equal(to_f16(-1e30f), 0xfc00);
    assert_int_equal(to_f16(INFINITY), 0x7c00);
    assert_true(isnan(f16(to_f16(NAN))));
}

/* ---- Blocks ---- */

static void test_names_and_sizes(void **state)
{
    static const struct {
        const char *name;
        size_t block, bytes;
        cadre_form form;
    } want[CADRE_N_WTYPES] = {
        {"F32", 1, 4, CADRE_FORM_F32},     {"F16", 1, 2, CADRE_FORM_F32},
        {"BF16", 1, 2, CADRE_FORM_BF16},   {"Q8_0", 32, 34, CADRE_FORM_Q8},
        {"Q4_0", 32, 18, CADRE_FORM_Q8},   {"Q4_K", 256, 144, CADRE_FORM_Q8},
        {"Q5_K", 256, 176, CADRE_FORM_Q8}, {"Q6_K", 256, 210, CADRE_FORM_Q8},
    };

    (void)state;
    for (int t = 0; t < CADRE_N_WTYPES; t++) {
        assert_string_equal(cadre_wtype_name((cadre_wtype)t), want[t].name);
        assert_int_equal(cadre_wtype_block((cadre_wtype)t), want[t].block);
        assert_int_equal(cadre_wtype_block_bytes((cadre_wtype)t), want[t].bytes);
        assert_int_equal(cadre_wtype_form((cadre_wtype)t), want[t].form);
    }
    assert_null(cadre_wtype_name(CADRE_N_WTYPES));
    assert_null(cadre_wtype_name((cadre_wtype)-1));
}

/* Bit field of n bits of a byte from bit `at`. */
static int bits(uint8_t byte, size_t at, size_t n)
{
    return byte >> at & ((1 << n) - 1);
}

/* Scale (which = 0) or minimum (1) of sub-block j in the 12 bytes of Q4_K and Q5_K. */
static int six_bits(const uint8_t *s, size_t j, size_t which)
{
    if (j < 4)
        return bits(s[j + 4 * which], 0, 6);
    return bits(s[j + 4], 4 * which, 4) + 16 * bits(s[j - 4 + 4 * which], 6, 2);
}

static double half_at(const uint8_t *at)
{
    return (double)f16(at[0] | (unsigned)at[1] << 8);
}

/* Weight i of a block. */
static double weight(cadre_wtype type, const uint8_t *b, size_t i)
{
    const size_t j = i / 32, c = i / 64;

    switch (type) {
    case CADRE_W_Q8_0:
        return half_at(b) * (int8_t)b[2 + i];
    case CADRE_W_Q4_0:
        return half_at(b) * (bits(b[2 + i % 16], i / 16 * 4, 4) - 8);
    case CADRE_W_Q4_K:
        return half_at(b) * six_bits(b + 4, j, 0) *
                   bits(b[16 + 32 * c + i % 32], j % 2 * 4, 4) -
               half_at(b + 2) * six_bits(b + 4, j, 1);
    case CADRE_W_Q5_K:
        return half_at(b) * six_bits(b + 4, j, 0) *
                   (bits(b[48 + 32 * c + i % 32], j % 2 * 4, 4) +
                    16 * bits(b[16 + i % 32], j, 1)) -
               half_at(b + 2) * six_bits(b + 4, j, 1);
    default: /* Q6_K */
        return half_at(b + 208) * (int8_t)b[192 + i / 16] *
               (bits(b[i / 128 * 64 + i % 64], i / 64 % 2 * 4, 4) +
                16 * bits(b[128 + i / 128 * 32 + i % 32], i / 32 % 4 * 2, 2) - 32);
    }
}

static void test_dequantize(void **state)
{
    enum { N = 1024 };
    uint8_t file[N * 2];
    float got[N];

    (void)state;
    for (size_t t = CADRE_W_Q8_0; t < N_TYPES; t++) {
        const cadre_wtype type = all_types[t];
        const size_t block = cadre_wtype_block(type);
        random_weights(type, N, t, file);
        cadre_dequantize(type, file, N, got);
        for (size_t i = 0; i < N; i++) {
            const uint8_t *b = file + i / block * cadre_wtype_block_bytes(type);
            const double want = weight(type, b, i % block);
            if ((double)got[i] != (double)(float)want)
                fail_msg("%s: weight %zu is %g, not %g", cadre_wtype_name(type), i,
                         (double)got[i], want);
        }
    }
}

static void test_dequantize_by_hand(void **state)
{
    uint8_t q8[34] = {0x00, 0x38}, q4[18] = {0x00, 0xc0},
            bf[4] = {0x80, 0x3f, 0x49, 0xc0};
    float x[32];

    (void)state;
    q8[2] = 0x80, q8[3] = 0xff, q8[33] = 127; /* -128, -1, 127 by 0.5 */
    cadre_dequantize(CADRE_W_Q8_0, q8, 32, x);
    assert_true(x[0] == -64 && x[1] == -0.5f && x[2] == 0 && x[31] == 63.5f);
    q4[2] = 0x0f, q4[17] = 0x93; /* by -2 */
    cadre_dequantize(CADRE_W_Q4_0, q4, 32, x);
    assert_true(x[0] == -14 && x[16] == 16 && x[15] == 10 && x[31] == -2);
    cadre_dequantize(CADRE_W_BF16, bf, 2, x);
    assert_true(x[0] == 1 && x[1] == -3.140625f);
}

/* ---- To blocks ---- */

static void test_quantize_by_hand(void **state)
{
    float x[32] = {0};
    uint8_t q8[34], q4[18];

    (void)state;
    x[0] = -254, x[1] = 3, x[2] = -5, x[31] = 127.5f; /* scale 2; ties go away from 0 */
    assert_int_equal(cadre_quantize(CADRE_W_Q8_0, x, 32, q8), CADRE_OK);
    assert_int_equal(q8[0] | q8[1] << 8, 0x4000);
    assert_int_equal((int8_t)q8[2], -127);
    assert_int_equal((int8_t)q8[3], 2);
    assert_int_equal((int8_t)q8[4], -3);
    assert_int_equal((int8_t)q8[33], 64);
    assert_int_equal(cadre_quantize(CADRE_W_Q4_0, x, 32, q4), CADRE_OK);
    assert_int_equal(q4[0] | q4[1] << 8, to_f16(254 / 8.0f));
    assert_int_equal(q4[2], 0x80);  /* weight 0: -8 + 8; weight 16: 0 + 8 */
    assert_int_equal(q4[17], 0xc8); /* weight 31: 4.02 + 8 */
    x[31] = 300; /* the other sign: the scale is negative, and 7 the most on its side */
    assert_int_equal(cadre_quantize(CADRE_W_Q4_0, x, 32, q4), CADRE_OK);
    assert_int_equal(q4[0] | q4[1] << 8, to_f16(-300 / 8.0f));
    assert_int_equal(q4[17], 0x08);
    assert_int_equal(q4[2], 0x8f); /* 6.77 + 8.5 */
}

static void test_quantize_is_close(void **state)
{
    enum { N = 256 };
    static const double steps[CADRE_N_WTYPES] = {[CADRE_W_F16] = 0x1p-11,
                                                 [CADRE_W_BF16] = 0x1p-8,
                                                 [CADRE_W_Q8_0] = 0.0045,
                                                 [CADRE_W_Q4_0] = 0.13};
    float x[N], back[N];
    uint8_t file[N * 4];

    (void)state;
    fill_floats(x, N, 0.8f, 9);
    for (int t = CADRE_W_F32; t <= CADRE_W_Q4_0; t++) {
        assert_int_equal(cadre_quantize((cadre_wtype)t, x, N, file), CADRE_OK);
        cadre_dequantize((cadre_wtype)t, file, N, back);
        for (size_t i = 0; i < N; i++)
            assert_true(fabs((double)back[i] - x[i]) <= steps[t]);
    }
    assert_int_equal(cadre_quantize(CADRE_W_Q4_K, x, N, file), CADRE_ERR_UNSUPPORTED);
    assert_non_null(strstr(cadre_last_error(), "Q4_K"));
}

/* Nothing sensible comes out, but nothing undefined happens. */
static void test_quantize_extremes(void **state)
{
    const float values[] = {NAN, INFINITY, -INFINITY, 1e-42f, 3.4e38f, -0.0f};
    float x[32];
    uint8_t file[34];

    (void)state;
    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
        for (size_t n = 1; n <= 32; n += 31) {
            fill_floats(x, 32, 1.0f, v);
            for (size_t i = 0; i < n; i++)
                x[i] = values[v];
            assert_int_equal(cadre_quantize(CADRE_W_Q8_0, x, 32, file), CADRE_OK);
            assert_int_equal(cadre_quantize(CADRE_W_Q4_0, x, 32, file), CADRE_OK);
        }
    memset(x, 0, sizeof x);
    assert_int_equal(cadre_quantize(CADRE_W_Q4_0, x, 32, file), CADRE_OK);
    cadre_dequantize(CADRE_W_Q4_0, file, 32, x);
    for (size_t i = 0; i < 32; i++)
        assert_true(x[i] == 0);
}

/* ---- Panels ---- */

static void check_packed(cadre_wtype type, size_t n_out, size_t n_in)
{
    const size_t row_bytes = file_bytes(type, n_in);
    const size_t bytes = (n_out + 15) / 16 * cadre_panel_bytes(type, n_in);
    uint8_t *file = aligned(row_bytes * n_out + 1, 0), *src = file + 1;
    uint8_t *packed = aligned(bytes, 0xaa), *parts = aligned(bytes, 0x55);
    float *want = aligned(n_in * sizeof *want, 0), *got = aligned(n_in * sizeof *got, 0);

    assert_int_equal(cadre_panel_bytes(type, n_in) % 64, 0);
    random_weights(type, n_out * n_in, n_in, src);
    cadre_pack(type, n_out, n_in, src, 0, (n_out + 15) / 16, packed);
    for (size_t p = (n_out + 15) / 16; p-- > 0;)
        cadre_pack(type, n_out, n_in, src, p, 1, parts);
    assert_memory_equal(packed, parts, bytes);

    const cadre_matrix w = {type, n_out, n_in, packed};
    for (size_t row = 0; row < n_out; row++) {
        cadre_dequantize(type, src + row * row_bytes, n_in, want);
        cadre_matrix_row(&w, row, got);
        for (size_t k = 0; k < n_in; k++)
            if (bits_of(want[k]) != bits_of(got[k]))
                fail_msg("%s %zu x %zu: weight %zu of row %zu is %g, not %g",
                         cadre_wtype_name(type), n_out, n_in, k, row, (double)got[k],
                         (double)want[k]);
    }
    free(file);
    free(packed);
    free(parts);
    free(want);
    free(got);
}

static void test_rows_come_back(void **state)
{
    static const size_t outs[] = {1, 15, 16, 17, 40},
                        ins[] = {1, 31, 32, 64, 96, 256, 768};

    (void)state;
    for (size_t t = 0; t < N_TYPES; t++)
        for (size_t o = 0; o < 5; o++)
            for (size_t i = 0; i < 7; i++)
                if (ins[i] % cadre_wtype_block(all_types[t]) == 0)
                    check_packed(all_types[t], outs[o], ins[i]);
}

static void test_panel_bytes(void **state)
{
    (void)state;
    assert_int_equal(cadre_panel_bytes(CADRE_W_F32, 1), 64 * 64);
    assert_int_equal(cadre_panel_bytes(CADRE_W_BF16, 65), 2 * 64 * 32);
    assert_int_equal(cadre_panel_bytes(CADRE_W_Q8_0, 32), 1088);
    assert_int_equal(cadre_panel_bytes(CADRE_W_Q4_0, 96), 2 * 576);
    assert_int_equal(cadre_panel_bytes(CADRE_W_Q4_K, 512), 2 * 2368);
    assert_int_equal(cadre_panel_bytes(CADRE_W_Q5_K, 256), 2880);
    assert_int_equal(cadre_panel_bytes(CADRE_W_Q6_K, 256), 3392);
    for (size_t t = 0; t < N_TYPES; t++) {
        assert_int_equal(cadre_panel_bytes(all_types[t], 0), 0);
        assert_int_equal(cadre_panel_bytes(all_types[t], SIZE_MAX - 255), 0);
    }
    assert_int_equal(cadre_panel_bytes(CADRE_W_Q8_0, 33), 0);
    assert_int_equal(cadre_panel_bytes(CADRE_W_Q6_K, 128), 0);
    assert_int_equal(cadre_panel_bytes(CADRE_W_F32, SIZE_MAX), 0);
}

/* The places of a few weights, written down from packed.h. */
static void test_bytes_of_a_panel(void **state)
{
    uint8_t q6[16 * 210] = {0}, q5[16 * 176] = {0};
    uint8_t panel[3392];

    (void)state;
    uint8_t *row = q6 + 5 * 210; /* output 5 */
    row[128 + 32 + 9] = 2 << 4;  /* upper bits of weight 128 + 64 + 9 */
    row[64 + 9] = 7 << 4;        /* its lower ones */
    row[192 + 12] = 0x9c;        /* its scale */
    row[208] = 0x34, row[209] = 0x12;
    cadre_pack(CADRE_W_Q6_K, 16, 256, q6, 0, 1, panel);
    /* part 3, k 9 of its first half: quad 2, byte 1, bits 0 and 1 of vector 2 */
    const uint8_t *part = panel + 64 + 3 * 832;
    assert_int_equal(part[320 + 2 * 64 + 5 * 4 + 1], 7);
    assert_int_equal(part[64 + 2 * 64 + 5 * 4 + 1], 2);
    assert_int_equal(part[5], 0x9c);
    assert_int_equal(panel[2 * 5] | panel[2 * 5 + 1] << 8, 0x1234);

    row = q5 + 3 * 176;
    row[16 + 30] = 1 << 5;          /* fifth bit of weight 5 * 32 + 30 */
    row[48 + 2 * 32 + 30] = 9 << 4; /* its lower ones */
    row[4 + 8 + 1] = 0x6b, row[4 + 1] = 0x80, row[4 + 5] = 0x40; /* sub-block 5 */
    cadre_pack(CADRE_W_Q5_K, 16, 256, q5, 0, 1, panel);
    /* part 2, k 30 of its second half: quad 15, byte 2, bit 7 of vector 1 */
    part = panel + 64 + 2 * 704;
    assert_int_equal(part[192 + 7 * 64 + 3 * 4 + 2], 9 << 4);
    assert_int_equal(part[64 + 64 + 3 * 4 + 2], 1 << 7);
    assert_int_equal(part[16 + 3], 0x2b);
    assert_int_equal(part[32 + 16 + 3], 0x16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f16_values),
        cmocka_unit_test(test_f16_rounds_to_even),
        cmocka_unit_test(test_names_and_sizes),
        cmocka_unit_test(test_dequantize),
        cmocka_unit_test(test_dequantize_by_hand),
        cmocka_unit_test(test_quantize_by_hand),
        cmocka_unit_test(test_quantize_is_close),
        cmocka_unit_test(test_quantize_extremes),
        cmocka_unit_test(test_rows_come_back),
        cmocka_unit_test(test_panel_bytes),
        cmocka_unit_test(test_bytes_of_a_panel),
    };
    return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
