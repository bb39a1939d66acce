/* tests/unit/test_optimizer.c - SGD and Adam against the formulas of their papers in
 * double, and the schedule against the library's cosine. */
#include "cmocka_all.h"
#include "run/exact_sum.h"
#include "run/optimizer.h"
#include <math.h>

enum { N = 5, STEPS = 20, ROWS = 4 };

static double gradient(size_t i, size_t step)
{
    return ldexp((double)((i * 7 + step * 13) % 11) - 5.0, (int)i - 3);
}

/* Run all steps; x[i] is where parameter i ends, from 1. */
static void run(const cadre__optimizer_spec *spec, double x[N])
{
    cadre__optimizer *o;
    float params[N], delta[N];
    int64_t sums[N];

    assert_int_equal(cadre__optimizer_create(spec, N, STEPS, &o), CADRE_OK);
    for (size_t i = 0; i < N; i++)
        params[i] = 1.0f;
    for (size_t s = 0; s < STEPS; s++) {
        for (size_t i = 0; i < N; i++)
            sums[i] = (int64_t)ldexp(gradient(i, s) * ROWS, CADRE__EXACT_BITS);
        cadre__optimizer_step(o, sums, ROWS, params, delta);
        for (size_t i = 0; i < N; i++)
            params[i] += delta[i];
    }
    for (size_t i = 0; i < N; i++)
        x[i] = (double)params[i];
    cadre__optimizer_destroy(o);
}

static double rate_at(const cadre__optimizer_spec *spec, size_t step)
{
    const double wave = (1 + cos(acos(-1) * (double)step / STEPS)) / 2;
    return spec->learning_rate * (spec->cosine ? wave : 1);
}

static void test_sgd(void **state)
{
    const cadre__optimizer_spec spec = {
        .kind = CADRE__SGD, .learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.1};
    double x[N];

    (void)state;
    run(&spec, x);
    for (size_t i = 0; i < N; i++) {
        double want = 1, velocity = 0;
        for (size_t s = 0; s < STEPS; s++) {
            velocity = 0.9 * velocity + gradient(i, s);
            want -= 0.05 * velocity + 0.05 * 0.1 * want;
        }
        assert_true(fabs(x[i] - want) < 1e-5 * (1 + fabs(want)));
    }
}

static void test_adam_with_cosine(void **state)
{
    const cadre__optimizer_spec spec = {.kind = CADRE__ADAM,
                                        .learning_rate = 0.01,
                                        .beta1 = 0.9,
                                        .beta2 = 0.99,
                                        .epsilon = 1e-8,
                                        .weight_decay = 0.05,
                                        .cosine = true};
    double x[N];

    (void)state;
    run(&spec, x);
    for (size_t i = 0; i < N; i++) {
        double want = 1, m = 0, v = 0;
        for (size_t s = 0; s < STEPS; s++) {
            const double g = gradient(i, s), rate = rate_at(&spec, s);
            m = 0.9 * m + 0.1 * g;
            v = 0.99 * v + 0.01 * g * g;
            const double mean = m / (1 - pow(0.9, (double)s + 1));
            const double square = v / (1 - pow(0.99, (double)s + 1));
            want -= rate * mean / (sqrt(square) + 1e-8) + rate * 0.05 * want;
        }
        assert_true(fabs(x[i] - want) < 1e-5);
    }
}

static void test_schedule(void **state)
{
    cadre__optimizer_spec spec = {.learning_rate = 3, .cosine = true};

    (void)state;
    for (size_t s = 0; s <= STEPS; s++)
        assert_true(fabs(cadre__optimizer_rate(&spec, s, STEPS) - rate_at(&spec, s)) <
                    1e-14);
    spec.cosine = false;
    assert_true(cadre__optimizer_rate(&spec, 7, STEPS) == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_adam_with_cosine),
        cmocka_unit_test(test_schedule),
    };
    return cmocka_run_group_tests_name("optimizer", tests, NULL, NULL);
}
