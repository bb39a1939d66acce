/* tests/unit/test_sampler.c - choosing tokens, against a plain sampler that sorts all. */
#include "cmocka_all.h"
#include "transformer/sampler.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 3000 };

/* The next number of a fixed sequence, 0 to 2^31 - 1. */
static uint64_t draw_state = 1;

static int draw(void)
{
    draw_state =
        draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)(draw_state >> 33);
}

static tf_sampler *make(size_t n)
{
    tf_sampler *sampler;
    assert_int_equal(tf_sampler_create(n, &sampler), CADRE_OK);
    return sampler;
}

static const cadre_sampling greedy = {.max_tokens = 1, .top_p = 1, .logprobs = -1};

static cadre_sampling at(float temperature)
{
    cadre_sampling sampling = greedy;
    sampling.temperature = temperature;
    sampling.seed = 7;
    return sampling;
}

/* The answers that the authors of Philox publish. */
static void philox_is_right(void **state)
{
    static const uint32_t cases[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
         0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    uint32_t out[4];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        tf_philox(cases[i], cases[i] + 4, out);
        assert_memory_equal(out, cases[i] + 6, sizeof out);
    }
}

static void random_numbers_are_uniform(void **state)
{
    double sum = 0, squares = 0;
    const int n = 100000;

    (void)state;
    for (int i = 0; i < n; i++) {
        const double u = tf_random(42, (uint32_t)i);
        assert_true(u >= 0 && u < 1);
        sum += u;
        squares += u * u;
    }
    assert_true(fabs(sum / n - 0.5) < 0.005);
    assert_true(fabs(squares / n - 1.0 / 3) < 0.005);
    assert_true(tf_random(42, 1) != tf_random(43, 1));
    assert_true(tf_random(1, 1) != tf_random(UINT64_C(1) << 32 | 1, 1));
}

static void greedy_takes_the_first_of_the_largest(void **state)
{
    float logits[MOST] = {0};
    tf_sampler *sampler = make(MOST);
    cadre_sampling one = at(1);

    (void)state;
    assert_int_equal(tf_sampler_choose(sampler, logits, &greedy, 0), 0);
    logits[17] = logits[2000] = 3;
    assert_int_equal(tf_sampler_choose(sampler, logits, &greedy, 5), 17);
    one.top_k = 1;
    assert_int_equal(tf_sampler_choose(sampler, logits, &one, 5), 17);
    tf_sampler_destroy(sampler);
}

/* ---- The plain sampler ---- */

static const float *sorted_by;

static int by_likelihood(const void *a_, const void *b_)
{
    const int32_t a = *(const int32_t *)a_, b = *(const int32_t *)b_;
    if (sorted_by[a] != sorted_by[b])
        return sorted_by[a] > sorted_by[b] ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* The tokens that may be drawn, likeliest first, with weights; how many. */
static size_t plain_cut(const float *logits, size_t n, const cadre_sampling *s,
                        int32_t *ids, double *weights)
{
    double total = 0, sum = 0;
    size_t kept = s->top_k && s->top_k < n ? s->top_k : n, i = 0;

    for (size_t k = 0; k < n; k++)
        ids[k] = (int32_t)k;
    sorted_by = logits;
    qsort(ids, n, sizeof *ids, by_likelihood);
    for (size_t k = 0; k < n; k++)
        weights[k] = exp(((double)logits[ids[k]] - (double)logits[ids[0]]) /
                         (double)s->temperature);
    for (size_t k = 0; k < kept; k++)
        total += weights[k];
    for (; i < kept && (i == 0 || s->top_p >= 1 || sum < (double)s->top_p * total); i++)
        sum += weights[i];
    kept = i;
    for (i = 1; i < kept && weights[i] >= (double)s->min_p; i++)
        ;
    return i;
}

static void compare(const float *logits, size_t n, const cadre_sampling *s)
{
    static int32_t ids[MOST];
    static double weights[MOST];
    static size_t drawn[MOST];
    tf_sampler *sampler = make(n);
    const size_t kept = plain_cut(logits, n, s, ids, weights), n_draws = 1500;
    double total = 0, chi = 0;
    size_t n_cells = 0;

    memset(drawn, 0, sizeof drawn);
    for (size_t i = 0; i < kept; i++)
        total += weights[i];
    for (size_t d = 0; d < n_draws; d++) {
        const int32_t id = tf_sampler_choose(sampler, logits, s, (uint32_t)d);
        assert_in_range(id, 0, n - 1);
        drawn[id]++;
        /* The same again: nothing is remembered. */
        if (d % 100 == 0)
            assert_int_equal(tf_sampler_choose(sampler, logits, s, (uint32_t)d), id);
    }
    /* Nothing that was cut is drawn, and the rest as often as it should be. */
    size_t inside = 0;
    for (size_t i = 0; i < kept; i++) {
        const double expected = weights[i] / total * (double)n_draws;
        inside += drawn[ids[i]];
        if (expected < 5)
            continue;
        const double off = (double)drawn[ids[i]] - expected;
        chi += off * off / expected;
        n_cells++;
    }
    assert_int_equal(inside, n_draws);
    assert_true(chi < (double)n_cells + 6 * sqrt(2 * (double)n_cells + 1));
    tf_sampler_destroy(sampler);
}

static void draws_as_the_plain_sampler(void **state)
{
    static float logits[MOST];
    static const size_t sizes[] = {1, 2, 31, 512, 513, MOST};
    static const struct {
        float temperature, top_p, min_p;
        uint32_t top_k;
    } cases[] = {
        {1, 1, 0, 0},          {0.7f, 1, 0, 0},    {1, 0.9f, 0, 0},
        {1.5f, 0.5f, 0, 0},    {1, 1, 0.05f, 0},   {1, 1, 0, 40},
        {0.8f, 0.95f, 0, 40},  {1, 0.9f, 0.1f, 5}, {4, 0.99f, 0.01f, 1000},
        {0.1f, 0.999f, 0, 20}, {1, 0, 0, 0},       {1, 1e-6f, 0, 0},
        {100, 0.7f, 0, 0},     {1, 1, 1, 0},       {0.01f, 1, 0, 300},
    };

    (void)state;
    draw_state = 11;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            logits[k] = (float)(draw() % 2000) / 150.0f - 5;
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            cadre_sampling s = at(cases[c].temperature);
            s.top_p = cases[c].top_p;
            s.min_p = cases[c].min_p;
            s.top_k = cases[c].top_k;
            compare(logits, sizes[i], &s);
        }
    }
}

/* Logits that are no numbers must not lead outside the vocabulary. */
static void broken_logits_are_survived(void **state)
{
    float logits[600];
    tf_sampler *sampler = make(600);
    tf_candidate chosen, top[3];

    (void)state;
    for (size_t kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < 600; i++)
            logits[i] = kind == 1 ? NAN : kind == 2 ? -INFINITY : (float)i / 100;
        logits[300] = kind == 0 ? INFINITY : logits[300];
        logits[301] = kind == 3 ? NAN : logits[301];
        for (int c = 0; c < 4; c++) {
            cadre_sampling s = at(c == 3 ? 1e-40f : 1);
            s.top_p = c == 1 ? 0.9f : 1;
            s.min_p = c == 2 ? 0.1f : 0;
            s.top_k = c == 1 ? 50 : 0;
            assert_in_range(tf_sampler_choose(sampler, logits, &s, 3), 0, 599);
        }
        tf_sampler_logprobs(sampler, logits, 300, 3, &chosen, top);
        assert_true(isfinite(chosen.logprob) && isfinite(top[2].logprob));
    }
    tf_sampler_destroy(sampler);
}

static void logprobs_are_right(void **state)
{
    float logits[MOST];
    tf_sampler *sampler = make(MOST);
    tf_candidate chosen, top[20];
    double total = 0;

    (void)state;
    draw_state = 5;
    for (size_t i = 0; i < MOST; i++) {
        logits[i] = i == 3 ? -INFINITY : (float)(draw() % 1000) / 50;
        total += exp((double)logits[i]);
    }
    tf_sampler_logprobs(sampler, logits, 1234, 20, &chosen, top);
    assert_int_equal(chosen.id, 1234);
    assert_true(fabs((double)chosen.logprob - ((double)logits[1234] - log(total))) <
                1e-4);
    for (size_t i = 0; i < 20; i++) {
        assert_true(fabs((double)top[i].logprob -
                         ((double)logits[top[i].id] - log(total))) < 1e-4);
        if (i > 0)
            assert_true(logits[top[i].id] < logits[top[i - 1].id] ||
                        (logits[top[i].id] == logits[top[i - 1].id] &&
                         top[i].id > top[i - 1].id));
    }
    size_t better = 0;
    for (size_t i = 0; i < MOST; i++)
        better += logits[i] > logits[top[19].id];
    assert_true(better <= 19);
    tf_sampler_logprobs(sampler, logits, 3, 0, &chosen, top);
    assert_true(chosen.logprob == TF_NO_LOGPROB);
    tf_sampler_destroy(sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_is_right),
        cmocka_unit_test(random_numbers_are_uniform),
        cmocka_unit_test(greedy_takes_the_first_of_the_largest),
        cmocka_unit_test(draws_as_the_plain_sampler),
        cmocka_unit_test(broken_logits_are_survived),
        cmocka_unit_test(logprobs_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
