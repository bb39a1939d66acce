/* tests/ops/test_amx.c - the products of the AMX level, on this CPU's tile registers or
 * on those of tile_registers.h: the bits of the reference, and of bf16 those that the
 * instruction's description gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>

#ifdef __x86_64__
#include "ops/levels.h"
#include "product_case.h"
#include "tile_registers.h"

/* What the level makes of the one below; 0 if this machine lacks the vector instructions
 * that go with tiles. */
static int amx_table(cadre_ops *out)
{
    int has_avx512 = 0;

    for (size_t i = 0; table_of(i, out); i++)
        has_avx512 |= strcmp(out->level, "avx512") == 0;
    cadre__ops_fill_amx(out);
    return has_avx512 && __builtin_cpu_supports("avx512vnni");
}

/* ---- bf16 as described ---- */

static float bf16_at(const uint8_t *src, size_t i)
{
    uint16_t b;

    memcpy(&b, src + 2 * i, 2);
    return bits_as_float((uint32_t)b << 16);
}

/* One element: the sum of the even and of the odd products of each 32 k. */
static float bf16_element(const product *p, size_t row, size_t output)
{
    const uint8_t *x = (const uint8_t *)p->rows.values + 2 * row * p->rows.stride;
    const uint8_t *w = p->file + 2 * output * p->w.n_in;
    float sum = 0;

    for (size_t first = 0; first < p->w.n_in; first += 32) {
        float chain[2] = {0, 0};
        for (size_t k = first; k < first + 32 && k < p->w.n_in; k++)
            chain[k % 2] =
                without_denormal(fmaf(bf16_at(x, k), bf16_at(w, k), chain[k % 2]));
        sum = without_denormal(sum + without_denormal(chain[0] + chain[1]));
    }
    return sum;
}

static void compute_expected(product *p)
{
    const cadre_ops ref = ref_table();

    if (p->w.type != CADRE_W_BF16) {
        compute(&ref, p);
        return;
    }
    for (size_t r = 0; r < MAX_ROWS; r++)
        for (size_t o = 0; o < p->w.n_out; o++)
            p->y[r * p->w.n_out + o] = bf16_element(p, r, o);
}

/* ---- Products ---- */

static cadre_ops amx;

static void test_parts_agree(void **state)
{
    static const size_t outs[] = {33, 33, 16, 1}, ins[] = {96, 256, 512, 1};

    (void)state;
    catch_tile_instructions();
    for (size_t t = CADRE_W_BF16; t < N_TYPES; t++)
        for (size_t i = 0; i < sizeof ins / sizeof ins[0]; i++) {
            if (ins[i] % cadre_wtype_block(all_types[t]) != 0)
                continue;
            product p = product_new(all_types[t], outs[i], ins[i]);
            compute_expected(&p);
            check_parts(&amx, &p);
            product_free(&p);
        }
}

/* Rows too long for all of them to stay in cache. */
static void test_long_rows_agree(void **state)
{
    const part all = {0, 2, 0, MAX_ROWS, 0};

    (void)state;
    catch_tile_instructions();
    for (size_t t = CADRE_W_BF16; t < N_TYPES; t++) {
        product p = product_new(all_types[t], 17, 5632);
        compute_expected(&p);
        check_part(&amx, &p, &all);
        product_free(&p);
    }
}

static int compute_in_thread(void *argument)
{
    compute(&amx, argument);
    return 0;
}

/* A thread gives its tile registers their shapes itself. */
static void test_fresh_threads_agree(void **state)
{
    (void)state;
    catch_tile_instructions();
    for (size_t t = CADRE_W_BF16; t < N_TYPES; t++) {
        product p = product_new(all_types[t], 40, 256);
        float *expected = p.y;
        thrd_t thread;

        compute_expected(&p);
        p.y = aligned(MAX_ROWS * 40 * sizeof *p.y, 0);
        assert_int_equal(thrd_create(&thread, compute_in_thread, &p), thrd_success);
        assert_int_equal(thrd_join(thread, NULL), thrd_success);
        assert_memory_equal(p.y, expected, MAX_ROWS * 40 * sizeof *p.y);
        free(expected);
        product_free(&p);
    }
}

/* The largest integers of either sign. */
static void test_largest_integers(void **state)
{
    static const int fills[] = {0x00, 0x80, 0x7f, 0xff};
    const part all = {0, 1, 0, MAX_ROWS, 0};

    (void)state;
    catch_tile_instructions();
    for (size_t t = CADRE_W_Q8_0; t < N_TYPES; t++)
        for (size_t f = 0; f < sizeof fills / sizeof fills[0]; f++) {
            product p = product_new(all_types[t], PANEL, 256);
            set_integers(&p, fills[f]);
            compute_expected(&p);
            check_part(&amx, &p, &all);
            product_free(&p);
        }
}

/* Whether this CPU has the level, so that nothing is emulated. */
static int is_native(void)
{
    const char *name;
    int usable = 0;

    for (size_t i = 0; (name = cadre_ops_level(i, &usable, NULL)); i++)
        if (strcmp(name, "amx") == 0)
            return usable;
    return 0;
}

/* One product per tile of rows and sum; then the registers are as they were. Nothing
 * happens without rows. */
static void test_tile_registers_are_used(void **state)
{
    const part none = {0, 1, 0, 0, 0}, all = {0, 1, 0, MAX_ROWS, 0};

    (void)state;
    catch_tile_instructions();
    if (is_native()) {
        print_message("[  INFO    ] tile registers are the CPU's\n");
        skip();
    }
    for (size_t t = CADRE_W_BF16; t < N_TYPES; t++) {
        const size_t k = all_types[t] == CADRE_W_Q6_K ? 16 : 32;
        product p = product_new(all_types[t], PANEL, 256);

        compute_expected(&p);
        tile_products = 0;
        check_part(&amx, &p, &none);
        assert_int_equal(tile_products, 0);
        check_part(&amx, &p, &all);
        assert_int_equal(tile_products, (MAX_ROWS + 15) / 16 * (256 / k));
        for (size_t i = 0; i < N_TILES; i++)
            assert_int_equal(tile_registers[i].rows, 0);
        product_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_agree),
        cmocka_unit_test(test_long_rows_agree),
        cmocka_unit_test(test_fresh_threads_agree),
        cmocka_unit_test(test_largest_integers),
        cmocka_unit_test(test_tile_registers_are_used),
    };

    if (!amx_table(&amx)) {
        puts("SKIP: the CPU lacks AVX-512 with VNNI, which goes with AMX");
        return 0;
    }
    return cmocka_run_group_tests_name("amx", tests, NULL, NULL);
}

#else

int main(void)
{
    puts("SKIP: not an x86-64 CPU");
    return 0;
}

#endif
