/* tests/ops/test_attention.c - storing keys and values, and attention over them: the
 * reference against plain formulas, every level against the reference, and any division
 * of the tokens over calls against one call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops_case.h"

enum { N_PAGES = 5, N_POSITIONS = N_PAGES * CADRE_KV_PAGE };

/* The pages of a sequence lie in this order, with gaps. */
static const uint32_t pages[N_PAGES] = {3, 0, 7, 1, 6};
enum { N_BLOCKS = 8 };

/* A sequence of n_positions tokens over one KV head. */
typedef struct sequence {
    cadre_attention a;
    uint8_t *blocks;
    float *keys, *values, *q, *out; /* [N_POSITIONS][head_dim], q and out [..][width] */
    size_t width;                   /* of a row of q and out: heads and some more */
} sequence;

static size_t width_of(size_t group, size_t head_dim)
{
    return group * head_dim + 5;
}

static sequence sequence_new(const cadre_ops *ops, cadre_kv_type type, size_t head_dim,
                             size_t group, float range)
{
    const size_t stride = cadre_kv_block_bytes(type, head_dim) + 64;
    const size_t width = width_of(group, head_dim), n = N_POSITIONS * head_dim;
    sequence s = {.width = width};

    assert_int_equal(stride % 64, 0);
    s.blocks = aligned(N_BLOCKS * stride, 0);
    s.keys = aligned(n * sizeof(float), 0);
    s.values = aligned(n * sizeof(float), 0);
    s.q = aligned(N_POSITIONS * width * sizeof(float), 0);
    s.out = aligned(N_POSITIONS * width * sizeof(float), 0);
    fill_floats(s.keys, n, range, 1);
    fill_floats(s.values, n, 2.0f, 2);
    fill_floats(s.q, N_POSITIONS * width, 1.0f, 3);
    for (size_t p = 0; p < N_POSITIONS; p++)
        ops->kv_store(type, head_dim, s.blocks + pages[p / CADRE_KV_PAGE] * stride,
                      p % CADRE_KV_PAGE, s.keys + p * head_dim, s.values + p * head_dim);
    s.a = (cadre_attention){.type = type,
                            .head_dim = head_dim,
                            .group = group,
                            .blocks = s.blocks,
                            .page_stride = stride,
                            .pages = pages,
                            .scale = 1.0f / sqrtf((float)head_dim),
                            .q_stride = width,
                            .out_stride = width};
    return s;
}

static void sequence_free(sequence *s)
{
    free(s->blocks);
    free(s->keys);
    free(s->values);
    free(s->q);
    free(s->out);
}

/* Attention of tokens [first, first + n) into out, which is laid out as s->out; q may be
 * out itself. The scratch is what was promised and holds no numbers. */
static void attend(const cadre_ops *ops, const sequence *s, size_t first, size_t n,
                   const float *q, float *out)
{
    cadre_attention a = s->a;
    const size_t bytes = cadre_attention_scratch(a.group, a.head_dim, first + n);

    a.first_position = first;
    a.n_tokens = n;
    a.q = q + first * s->width;
    a.out = out + first * s->width;
    a.scratch = aligned(bytes, 0xff);
    ops->attention(&a);
    free(a.scratch);
}

/* ---- The right numbers ---- */

/* One output row of head h at position p, in double precision. */
static void plain(const sequence *s, size_t p, size_t h, double *out)
{
    const size_t head_dim = s->a.head_dim;
    const float *q = s->q + p * s->width + h * head_dim;
    double sum = 0;

    memset(out, 0, head_dim * sizeof *out);
    for (size_t i = 0; i <= p; i++) {
        double dot = 0;
        for (size_t d = 0; d < head_dim; d++)
            dot += (double)q[d] * s->keys[i * head_dim + d];
        const double weight = exp(dot * s->a.scale);
        sum += weight;
        for (size_t d = 0; d < head_dim; d++)
            out[d] += weight * s->values[i * head_dim + d];
    }
    for (size_t d = 0; d < head_dim; d++)
        out[d] /= sum;
}

/* Keys and values have been rounded to f16 (11 bits), int8 or not at all, and the largest
 * is 2. */
static void check_right(cadre_kv_type type, size_t head_dim, size_t group)
{
    const cadre_ops ref = ref_table();
    sequence s = sequence_new(&ref, type, head_dim, group, 2.0f);
    static const double bounds[CADRE_N_KV_TYPES] = {
        [CADRE_KV_F16] = 0.004, [CADRE_KV_INT8] = 0.06, [CADRE_KV_F32] = 4e-6};
    const double bound = bounds[type];
    double want[256];

    attend(&ref, &s, 0, N_POSITIONS, s.q, s.out);
    for (size_t p = 0; p < N_POSITIONS; p += 7)
        for (size_t h = 0; h < group; h++) {
            plain(&s, p, h, want);
            for (size_t d = 0; d < head_dim; d++) {
                const double got = (double)s.out[p * s.width + h * head_dim + d];
                if (!(fabs(got - want[d]) <= bound))
                    fail_msg("head of %zu: position %zu, head %zu, %zu is %g, not %g",
                             head_dim, p, h, d, got, want[d]);
            }
        }
    sequence_free(&s);
}

static void test_attention_is_right(void **state)
{
    (void)state;
    for (int type = 0; type < CADRE_N_KV_TYPES; type++) {
        check_right((cadre_kv_type)type, 64, 3);
        check_right((cadre_kv_type)type, 20, 1);
        check_right((cadre_kv_type)type, 256, 2);
    }
}

/* With keys and values that f16 holds exactly only the arithmetic is left. */
static void test_attention_is_precise(void **state)
{
    const cadre_ops ref = ref_table();
    sequence s = sequence_new(&ref, CADRE_KV_F16, 64, 2, 2.0f);
    double want[64];

    (void)state;
    for (size_t i = 0; i < (size_t)N_POSITIONS * 64; i++) {
        s.keys[i] = (float)(int)(s.keys[i] * 256) / 256;
        s.values[i] = (float)(int)(s.values[i] * 256) / 256;
    }
    for (size_t p = 0; p < N_POSITIONS; p++)
        ref.kv_store(CADRE_KV_F16, 64,
                     s.blocks + pages[p / CADRE_KV_PAGE] * s.a.page_stride,
                     p % CADRE_KV_PAGE, s.keys + p * 64, s.values + p * 64);
    attend(&ref, &s, 0, N_POSITIONS, s.q, s.out);
    for (size_t p = 0; p < N_POSITIONS; p++)
        for (size_t h = 0; h < 2; h++) {
            plain(&s, p, h, want);
            for (size_t d = 0; d < 64; d++)
                assert_true(fabs(s.out[p * s.width + h * 64 + d] - want[d]) < 2e-6);
        }
    sequence_free(&s);
}

/* ---- The same numbers ---- */

static void compare(const cadre_ops *ops, const sequence *s, const float *want,
                    const float *got, size_t first, size_t n, const char *what)
{
    for (size_t p = first; p < first + n; p++)
        for (size_t i = 0; i < s->width; i++) {
            const float x = got[p * s->width + i], y = want[p * s->width + i];
            if (bits_of(x) != bits_of(y))
                fail_msg(
                    "%s: %s, head of %zu, group %zu, tokens %zu + %zu: position %zu, %zu "
                    "is %.9g, not %.9g",
                    ops->level, what, s->a.head_dim, s->a.group, first, n, p, i,
                    (double)x, (double)y);
        }
}

static void check_same(cadre_kv_type type, size_t head_dim, size_t group)
{
    static const size_t firsts[] = {0, 1, 31, 32, 33, 63, 64, 100, 101, 127, 128, 159};
    enum { N = sizeof firsts / sizeof firsts[0] };
    const cadre_ops ref = ref_table();
    sequence s = sequence_new(&ref, type, head_dim, group, 9.0f);
    const size_t n = N_POSITIONS * s.width;
    float *got = aligned(n * sizeof *got, 0), *want = s.out;
    cadre_ops ops;

    attend(&ref, &s, 0, N_POSITIONS, s.q, want);
    for (size_t l = 0; table_of(l, &ops); l++) {
        memset(got, 0, n * sizeof *got);
        attend(&ops, &s, 0, N_POSITIONS, s.q, got);
        compare(&ops, &s, want, got, 0, N_POSITIONS, "whole");
        memset(got, 0, n * sizeof *got);
        for (size_t i = 0; i < N; i++) { /* a part, and one token */
            const size_t end = i + 1 < N ? firsts[i + 1] : N_POSITIONS;
            attend(&ops, &s, firsts[i], end - firsts[i], s.q, got);
            compare(&ops, &s, want, got, firsts[i], end - firsts[i], "part");
            attend(&ops, &s, firsts[i], 1, s.q, got);
            compare(&ops, &s, want, got, firsts[i], 1, "one");
        }
        memcpy(got, s.q, n * sizeof *got); /* in place: what is no head stays */
        attend(&ops, &s, 0, N_POSITIONS, got, got);
        for (size_t p = 0; p < N_POSITIONS; p++)
            for (size_t i = group * head_dim; i < s.width; i++) {
                assert_true(got[p * s.width + i] == s.q[p * s.width + i]);
                got[p * s.width + i] = 0;
            }
        compare(&ops, &s, want, got, 0, N_POSITIONS, "in place");
    }
    free(got);
    sequence_free(&s);
}

static void test_levels_and_parts_agree(void **state)
{
    static const size_t dims[] = {1, 8, 48, 64, 100}, groups[] = {71, 5, 3, 8, 1};

    (void)state;
    for (int type = 0; type < CADRE_N_KV_TYPES; type++)
        for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++)
            check_same((cadre_kv_type)type, dims[i], groups[i]);
    check_same(CADRE_KV_F16, 128, 2);
    check_same(CADRE_KV_INT8, 256, 1);
    check_same(CADRE_KV_F32, 256, 2);
}

/* What stands at later positions, of pages used before, does not show. */
static void test_later_positions_are_hidden(void **state)
{
    cadre_ops ops;

    (void)state;
    for (size_t l = 0; table_of(l, &ops); l++)
        for (int t = 0; t < CADRE_N_KV_TYPES; t++) {
            sequence s = sequence_new(&ops, (cadre_kv_type)t, 64, 4, 2.0f);
            float *got = aligned(N_POSITIONS * s.width * sizeof *got, 0);
            const float large[64] = {9e9f, -9e9f, NAN, INFINITY};
            attend(&ops, &s, 0, 75, s.q, s.out);
            for (size_t p = 75; p < N_POSITIONS; p++)
                ops.kv_store((cadre_kv_type)t, 64,
                             s.blocks + pages[p / CADRE_KV_PAGE] * s.a.page_stride,
                             p % CADRE_KV_PAGE, large, large);
            attend(&ops, &s, 0, 75, s.q, got);
            compare(&ops, &s, s.out, got, 0, 75, "hidden");
            attend(&ops, &s, 75, 1, s.q, got);
            for (size_t i = 0; i < 4 * (size_t)64; i++)
                assert_true(isfinite(got[75 * s.width + i]));
            free(got);
            sequence_free(&s);
        }
}

/* ---- Storing ---- */

static void test_store_levels_agree(void **state)
{
    const cadre_ops ref = ref_table();
    cadre_ops ops;

    (void)state;
    for (size_t l = 1; table_of(l, &ops); l++)
        for (int t = 0; t < CADRE_N_KV_TYPES; t++)
            for (size_t head_dim = 1; head_dim <= 256; head_dim += 51) {
                const size_t bytes = cadre_kv_block_bytes((cadre_kv_type)t, head_dim);
                uint8_t *a = aligned(bytes, 0), *b = aligned(bytes, 0);
                for (size_t slot = 0; slot < CADRE_KV_PAGE; slot++) {
                    float x[512];
                    fill_floats(x, 512, slot % 5 ? 3.0f : 1e-6f, slot);
                    x[slot] = slot % 2 ? 1e30f : NAN;
                    ref.kv_store((cadre_kv_type)t, head_dim, a, slot, x, x + head_dim);
                    ops.kv_store((cadre_kv_type)t, head_dim, b, slot, x, x + head_dim);
                }
                assert_memory_equal(a, b, bytes);
                free(a);
                free(b);
            }
}

static void test_store_by_hand(void **state)
{
    const cadre_ops ref = ref_table();
    const float key[3] = {1.0f, -254.0f, 3.0f}, value[3] = {1e9f, -0.5f, NAN};
    uint16_t f16[3 * 32 + 32 * 16];
    uint8_t int8[128 + 32 * 16 + 256];
    float scale;

    (void)state;
    assert_int_equal(cadre_kv_block_bytes(CADRE_KV_F16, 3), 192 + 1024);
    assert_int_equal(cadre_kv_block_bytes(CADRE_KV_INT8, 3), sizeof int8);
    memset(f16, 0, sizeof f16);
    ref.kv_store(CADRE_KV_F16, 3, f16, 30, key, value);
    assert_true(f16[30] == 0x3c00 && f16[62] == 0xdbf0 && f16[94] == 0x4200);
    const uint16_t *values = f16 + 96 + 30 * 16;
    assert_true(values[0] == 0x7bff && values[1] == 0xb800 && values[2] == 0);

    memset(int8, 0, sizeof int8);
    ref.kv_store(CADRE_KV_INT8, 3, int8, 30, key, value);
    assert_true(int8[30] == 0 && int8[62] == (uint8_t)-127 && int8[94] == 2);
    assert_int_equal(int8[128 + 30 * 16], 127);
    memcpy(&scale, int8 + 128 + 512 + 30 * 4, 4);
    assert_true(scale == 2.0f);
    memcpy(&scale, int8 + 128 + 512 + 128 + 30 * 4, 4);
    assert_true(scale == 65504.0f / 127.0f);
}

static void test_store_f32_by_hand(void **state)
{
    const cadre_ops ref = ref_table();
    const float key[3] = {1.1f, -INFINITY, 70000.0f}, value[3] = {INFINITY, -1e30f, NAN};
    float block[3 * 32 + 32 * 16] = {0};

    (void)state;
    assert_int_equal(cadre_kv_block_bytes(CADRE_KV_F32, 3), sizeof block);
    ref.kv_store(CADRE_KV_F32, 3, block, 30, key, value);
    assert_true(block[30] == 1.1f && block[62] == -FLT_MAX && block[94] == 70000.0f);
    const float *values = block + 96 + 30 * 16;
    assert_true(values[0] == FLT_MAX && values[1] == -1e30f && values[2] == 0);
}

static void test_types_have_names(void **state)
{
    (void)state;
    assert_string_equal(cadre_kv_type_name(CADRE_KV_F16), "f16");
    assert_string_equal(cadre_kv_type_name(CADRE_KV_INT8), "int8");
    assert_string_equal(cadre_kv_type_name(CADRE_KV_F32), "f32");
    assert_null(cadre_kv_type_name(CADRE_N_KV_TYPES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention_is_right),
        cmocka_unit_test(test_attention_is_precise),
        cmocka_unit_test(test_levels_and_parts_agree),
        cmocka_unit_test(test_later_positions_are_hidden),
        cmocka_unit_test(test_store_levels_agree),
        cmocka_unit_test(test_store_by_hand),
        cmocka_unit_test(test_store_f32_by_hand),
        cmocka_unit_test(test_types_have_names),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
