/* Router: complexity classes, policies, fallback, exact budgets, the ledger, and that the
 * order in which answers come back changes no decision. */
#include "router/complexity.h"
#include "router/policy.h"
#include "router/router.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CENT (CADRE_MONEY_USD / 100)
#define N_TIERS 3

/* ---- A job: three tiers at 1, 2 and 5 cents per request, two tenants ---- */

typedef struct fixture {
    cadre__job job;
    cadre__job_tier tiers[N_TIERS];
    cadre__job_tenant tenants[2];
    double thresholds[2];
} fixture;

static char small[] = "small", medium[] = "medium", large[] = "large";
static char acme[] = "acme", free_rider[] = "free";
static char by_complexity[] = "complexity", by_fixed[] = "fixed",
            by_cheapest[] = "cheapest";

static void make_job(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->tiers[0] = (cadre__job_tier){.name = small, .price.per_request = CENT};
    f->tiers[1] = (cadre__job_tier){.name = medium, .price.per_request = 2 * CENT};
    f->tiers[2] = (cadre__job_tier){.name = large, .price.per_request = 5 * CENT};
    f->tenants[0] = (cadre__job_tenant){acme, true, 10 * CENT};
    f->tenants[1] = (cadre__job_tenant){free_rider, false, 0};
    f->thresholds[0] = 0.3;
    f->thresholds[1] = 0.7;
    f->job.n_tiers = N_TIERS;
    f->job.tiers = f->tiers;
    f->job.n_tenants = 2;
    f->job.tenants = f->tenants;
    f->job.router.policy = by_complexity;
    f->job.router.full_length = 100;
    f->job.router.n_thresholds = 2;
    f->job.router.thresholds = f->thresholds;
    f->job.router.fallback = true;
}

static cadre__item make_item(double complexity)
{
    return (cadre__item){.payload = CADRE_PAYLOAD_TEXT,
                         .data = "",
                         .tier = -1,
                         .complexity = complexity,
                         .max_cost = -1,
                         .label = -1};
}

static const cadre__demand possible[N_TIERS] = {
    {.possible = true}, {.possible = true}, {.possible = true}};

static void admit(cadre__router *router, size_t index, const cadre__item *item,
                  cadre__decision *out)
{
    assert_int_equal(cadre__router_admit(router, index, item, possible, out), CADRE_OK);
}

/* ---- Complexity ---- */

static void classes_of_complexity(void **state)
{
    static const struct {
        double complexity;
        int tier;
        const char *says;
    } cases[] = {
        {0, 0, "complexity 0 < 0.3: small"},
        {0.29, 0, "complexity 0.29 < 0.3: small"},
        {0.3, 1, "complexity 0.3 in [0.3, 0.7]: medium"},
        {0.7, 1, "complexity 0.7 in [0.3, 0.7]: medium"},
        {0.82, 2, "complexity 0.82 > 0.7: large"},
        {1, 2, "complexity 1 > 0.7: large"},
    };
    fixture f;
    cadre__router *router;
    cadre__decision d;

    (void)state;
    make_job(&f);
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cadre__item item = make_item(cases[i].complexity);
        item.tenant = 1;
        admit(router, i, &item, &d);
        assert_int_equal(d.verdict, CADRE__ADMIT);
        assert_int_equal(d.tier, cases[i].tier);
        assert_string_equal(d.sentence, cases[i].says);
        assert_true(d.complexity == cases[i].complexity);
    }
    cadre__router_destroy(router);
}

static void complexity_from_the_request(void **state)
{
    const float row[3] = {0.25f, 0.5f, 4.0f};
    double weights[3] = {1, 0.5, 0}, value;
    cadre__item item = make_item(NAN);
    fixture f;
    char why[128];

    (void)state;
    make_job(&f);
    item.bytes = 50;
    assert_true(cadre__complexity_of(&f.job.router, &item, &value, why, sizeof why));
    assert_true(value == 0.5);
    item.bytes = 1000;
    assert_true(cadre__complexity_of(&f.job.router, &item, &value, why, sizeof why));
    assert_true(value == 1);

    item.payload = CADRE_PAYLOAD_ROW;
    item.data = row;
    item.bytes = sizeof row;
    assert_true(cadre__complexity_of(&f.job.router, &item, &value, why, sizeof why));
    assert_true(value == 0);
    f.job.router.source = CADRE__COMPLEXITY_FEATURE;
    f.job.router.feature = 2;
    assert_true(cadre__complexity_of(&f.job.router, &item, &value, why, sizeof why));
    assert_true(value == 1);
    f.job.router.feature = 3;
    assert_false(cadre__complexity_of(&f.job.router, &item, &value, why, sizeof why));
    assert_string_equal(why, "the router reads column 3, the row has 3 columns");

    f.job.router.source = CADRE__COMPLEXITY_LINEAR;
    f.job.router.weights = weights;
    f.job.router.bias = 0.125;
    f.job.router.n_weights = 3;
    assert_true(cadre__complexity_of(&f.job.router, &item, &value, why, sizeof why));
    assert_true(value == 0.625);
    f.job.router.n_weights = 2;
    assert_false(cadre__complexity_of(&f.job.router, &item, &value, why, sizeof why));
    assert_string_equal(why, "the router has 2 weights, the row has 3 columns");
}

static void two_tiers_have_one_threshold(void **state)
{
    double threshold = 0.5;
    const cadre__job_router router = {.n_thresholds = 1, .thresholds = &threshold};

    (void)state;
    assert_int_equal(cadre__complexity_class(&router, 2, 0.5), 0);
    assert_int_equal(cadre__complexity_class(&router, 2, 0.51), 1);
    assert_int_equal(cadre__complexity_class(&router, 1, 0.51), 0);
}

/* ---- Policies ---- */

static void policies_and_named_tiers(void **state)
{
    cadre__item item = make_item(0.9);
    fixture f;
    cadre__router *router;
    cadre__decision d;

    (void)state;
    make_job(&f);
    f.job.router.policy = by_fixed;
    f.job.router.fixed_tier = medium;
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    admit(router, 0, &item, &d);
    assert_int_equal(d.tier, 1);
    assert_true(isnan(d.complexity));
    assert_string_equal(d.sentence, "fixed: medium");

    f.job.router.policy = by_cheapest;
    f.tiers[0].price.per_request = 9 * CENT; /* the first is not always the cheapest */
    item.tenant = 1;
    admit(router, 1, &item, &d);
    assert_int_equal(d.tier, 1);
    assert_string_equal(d.sentence, "cheapest: medium");

    item.tier = 2;
    admit(router, 2, &item, &d);
    assert_int_equal(d.tier, 2);
    assert_false(d.downgraded);
    assert_string_equal(d.sentence, "asked for: large");
    cadre__router_destroy(router);
}

static void falls_back_only_for_auto(void **state)
{
    cadre__demand demands[N_TIERS] = {{.possible = true}, {.possible = true}, {0}};
    cadre__item item = make_item(0.9);
    fixture f;
    cadre__router *router;
    cadre__decision d;

    (void)state;
    make_job(&f);
    f.tiers[1].needs_gpu = true;
    strcpy(demands[2].why_not, "takes rows, this is a text");
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    assert_int_equal(cadre__router_admit(router, 0, &item, demands, &d), CADRE_OK);
    assert_int_equal(d.verdict, CADRE__ADMIT);
    assert_int_equal(d.tier, 0);
    assert_int_equal(d.wanted_tier, 2);
    assert_true(d.downgraded);
    assert_string_equal(
        d.sentence, "complexity 0.9 > 0.7: large; cannot serve it (takes rows, this is a "
                    "text): medium; needs a GPU and the request does not prefer one: "
                    "small");

    item.prefer_gpu = true;
    assert_int_equal(cadre__router_admit(router, 1, &item, demands, &d), CADRE_OK);
    assert_int_equal(d.tier, 1);

    item.tier = 2; /* named: no fallback */
    assert_int_equal(cadre__router_admit(router, 2, &item, demands, &d), CADRE_OK);
    assert_int_equal(d.verdict, CADRE__REFUSE);
    assert_string_equal(d.error_code, "bad_request");
    assert_int_equal(d.tier, -1);

    item.tier = -1;
    f.job.router.fallback = false;
    assert_int_equal(cadre__router_admit(router, 3, &item, demands, &d), CADRE_OK);
    assert_int_equal(d.verdict, CADRE__REFUSE);
    assert_string_equal(d.error_code, "bad_request");
    cadre__router_destroy(router);
}

/* What is wrong with a request itself is told as it is, and is no matter of money. */
static void unfit_requests_fail_with_the_reason(void **state)
{
    cadre__item item = make_item(0.9);
    fixture f;
    cadre__router *router;
    cadre__decision d;
    cadre__account sum;

    (void)state;
    make_job(&f);
    cadre__demand unfit[N_TIERS];
    for (size_t t = 0; t < N_TIERS; t++) {
        unfit[t] = (cadre__demand){.unfit = true};
        snprintf(unfit[t].why_not, sizeof unfit[t].why_not, "%zu tokens, 64 at most", t);
    }
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    assert_int_equal(cadre__router_admit(router, 0, &item, unfit, &d), CADRE_OK);
    assert_int_equal(d.verdict, CADRE__REFUSE);
    assert_string_equal(d.error_code, "bad_request");
    assert_non_null(strstr(d.error, "small; cannot serve it (0 tokens, 64 at most)"));
    cadre__demand alike[N_TIERS] = {unfit[0], unfit[0], unfit[0]};
    assert_int_equal(cadre__router_admit(router, 3, &item, alike, &d), CADRE_OK);
    assert_string_equal(d.error, "no tier can serve it: 0 tokens, 64 at most");
    item.tier = 1;
    assert_int_equal(cadre__router_admit(router, 1, &item, unfit, &d), CADRE_OK);
    assert_string_equal(d.error, "tier medium: 1 tokens, 64 at most");
    item.flaw = (char[]){"prompt: not valid UTF-8"};
    assert_int_equal(cadre__router_admit(router, 2, &item, unfit, &d), CADRE_OK);
    assert_string_equal(d.error, "prompt: not valid UTF-8");
    cadre__router_account(router, 0, -1, &sum);
    assert_true(sum.failed == 4 && sum.refused == 0 && sum.spent == 0 &&
                sum.reserved == 0);
    cadre__router_destroy(router);
}

static void max_cost_of_a_request(void **state)
{
    cadre__item item = make_item(0.9);
    fixture f;
    cadre__router *router;
    cadre__decision d;

    (void)state;
    make_job(&f);
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    item.max_cost = 2 * CENT;
    admit(router, 0, &item, &d);
    assert_int_equal(d.tier, 1);
    assert_string_equal(d.sentence, "complexity 0.9 > 0.7: large; $0.05 is over its "
                                    "max_cost_usd $0.02: medium");
    item.max_cost = CENT - 1;
    admit(router, 1, &item, &d);
    assert_int_equal(d.verdict, CADRE__REFUSE);
    assert_string_equal(d.error_code, "budget_exceeded");
    assert_string_equal(
        d.error, "max_cost_usd of the request: limit $0.0099999999999, spent $0.00, "
                 "reserved $0.00, requested $0.05 (large), cheapest option $0.01 "
                 "(small)");
    cadre__router_destroy(router);
}

static void want_knows_no_budget(void **state)
{
    cadre__item item = make_item(0.9);
    fixture f;
    cadre__router *router;
    double complexity;
    cadre_money worst;
    int tier;

    (void)state;
    make_job(&f);
    f.tenants[0].budget = 0;
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    assert_int_equal(
        cadre__router_want(router, &item, possible, &tier, &complexity, &worst),
        CADRE_OK);
    assert_int_equal(tier, 2);
    assert_true(complexity == 0.9);
    assert_int_equal(worst, 5 * CENT);
    item.max_cost = 0;
    assert_int_equal(
        cadre__router_want(router, &item, possible, &tier, &complexity, &worst),
        CADRE_OK);
    assert_int_equal(tier, -1);
    assert_int_equal(worst, 0);
    cadre__router_destroy(router);
}

/* ---- Budgets ---- */

static void waits_while_it_may_still_fit(void **state)
{
    cadre__item item = make_item(0.9);
    fixture f;
    cadre__router *router;
    cadre__decision d;
    cadre__account sum;

    (void)state;
    make_job(&f); /* acme has 10 cents, a large costs 5 */
    f.tiers[2].price = (cadre__price){.output_per_1k = 5 * CENT};
    const cadre__demand demands[N_TIERS] = {{true, false, 0, 1000, ""},
                                            {true, false, 0, 1000, ""},
                                            {true, false, 0, 1000, ""}};
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cadre__router_admit(router, i, &item, demands, &d), CADRE_OK);
        assert_int_equal(d.verdict, CADRE__ADMIT);
    }
    /* All is reserved: large might fit later, so it waits and does not fall back. */
    assert_int_equal(cadre__router_admit(router, 2, &item, demands, &d), CADRE_OK);
    assert_int_equal(d.verdict, CADRE__WAIT);
    assert_int_equal(d.tier, 2);
    assert_int_equal(cadre__router_admit(router, 3, &item, demands, &d), CADRE_ERR_STATE);

    assert_int_equal(cadre__router_commit(router, 0, 0, 400),
                     CADRE_OK); /* 2 of 5 cents */
    assert_int_equal(cadre__router_last_charge(router), 2 * CENT);
    assert_int_equal(cadre__router_admit(router, 2, &item, demands, &d), CADRE_OK);
    assert_int_equal(d.verdict, CADRE__WAIT);
    assert_int_equal(cadre__router_commit(router, 1, 0, 1000), CADRE_OK);
    /* 7 spent, 3 left: large never fits, medium does. */
    assert_int_equal(cadre__router_admit(router, 2, &item, demands, &d), CADRE_OK);
    assert_int_equal(d.verdict, CADRE__ADMIT);
    assert_int_equal(d.tier, 1);
    assert_true(d.downgraded);
    assert_string_equal(d.sentence,
                        "complexity 0.9 > 0.7: large; $0.05 is over what is left "
                        "of the budget: medium");
    assert_int_equal(cadre__router_release(router, 2), CADRE_OK);
    cadre__router_account(router, 0, -1, &sum);
    assert_int_equal(sum.spent, 7 * CENT);
    assert_int_equal(sum.reserved, 0);
    assert_int_equal(sum.admitted, 3);
    assert_int_equal(sum.completed, 2);
    assert_int_equal(sum.failed, 1);
    assert_int_equal(sum.downgraded, 1);
    assert_int_equal(sum.tokens_out, 1400);
    cadre__router_account(router, 0, 1, &sum);
    assert_int_equal(sum.failed, 1);
    assert_int_equal(sum.spent, 0);
    cadre__router_destroy(router);
}

static void never_fits_is_refused_at_once(void **state)
{
    cadre__item item = make_item(0);
    fixture f;
    cadre__router *router;
    cadre__decision d;

    (void)state;
    make_job(&f);
    item.tier = 2;
    f.tenants[0].budget = 7 * CENT;
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    admit(router, 0, &item, &d);
    assert_int_equal(cadre__router_commit(router, 0, 0, 0), CADRE_OK);
    admit(router, 1, &item, &d);
    assert_int_equal(d.verdict, CADRE__REFUSE);
    assert_string_equal(d.error_code, "budget_exceeded");
    assert_string_equal(d.error,
                        "budget of tenant acme: limit $0.07, spent $0.05, reserved "
                        "$0.00, requested $0.05 (large), cheapest option $0.01 "
                        "(small)");
    assert_string_equal(d.sentence, "asked for: large; $0.05 is over what is left of the "
                                    "budget: refused");
    cadre__router_destroy(router);
}

static void settles_once_and_never_above_the_reservation(void **state)
{
    cadre__item item = make_item(0);
    fixture f;
    cadre__router *router;
    cadre__decision d;
    cadre__account sum;

    (void)state;
    make_job(&f);
    f.tiers[0].price = (cadre__price){.input_per_1k = 1000};
    const cadre__demand demands[N_TIERS] = {{.possible = true, .tokens_in = 10}};
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    assert_int_equal(cadre__router_commit(router, 0, 0, 0), CADRE_ERR_STATE);
    assert_int_equal(cadre__router_release(router, 1000000), CADRE_ERR_STATE);
    assert_int_equal(cadre__router_admit(router, 0, &item, demands, &d), CADRE_OK);
    assert_int_equal(d.reserved, 10);
    assert_int_equal(cadre__router_admit(router, 0, &item, demands, &d), CADRE_ERR_STATE);
    assert_int_equal(cadre__router_commit(router, 0, 11, 0), CADRE_ERR_RANGE);
    cadre__router_account(router, 0, -1, &sum);
    assert_int_equal(sum.reserved, 10);
    assert_int_equal(cadre__router_commit(router, 0, 9, 0), CADRE_OK);
    assert_int_equal(cadre__router_commit(router, 0, 9, 0), CADRE_ERR_STATE);
    assert_int_equal(cadre__router_release(router, 0), CADRE_ERR_STATE);
    assert_int_equal(cadre__router_admit(router, 0, &item, demands, &d), CADRE_ERR_STATE);
    cadre__router_account(router, 0, -1, &sum);
    assert_int_equal(sum.spent, 9);
    assert_int_equal(sum.reserved, 0);
    cadre__router_destroy(router);
}

static cadre_status full_disk(void *context, const cadre__ledger_event *event)
{
    (void)context;
    (void)event;
    return cadre_fail(CADRE_ERR_IO, "the disk is full");
}

static void a_failing_ledger_changes_nothing(void **state)
{
    cadre__item item = make_item(0);
    fixture f;
    cadre__router *router;
    cadre__decision d;
    cadre__account sum;

    (void)state;
    make_job(&f);
    assert_int_equal(cadre__router_create(&f.job, full_disk, NULL, &router), CADRE_OK);
    assert_int_equal(cadre__router_admit(router, 0, &item, possible, &d), CADRE_ERR_IO);
    cadre__router_account(router, 0, -1, &sum);
    assert_int_equal(sum.reserved, 0);
    assert_int_equal(sum.admitted, 0);
    cadre__router_destroy(router);
}

static void states_of_a_budget(void **state)
{
    cadre__job_tenant t = {acme, true, 1000};

    (void)state;
    assert_string_equal(cadre__budget_state(&t, 599), "active");
    assert_string_equal(cadre__budget_state(&t, 600), "warning");
    assert_string_equal(cadre__budget_state(&t, 799), "warning");
    assert_string_equal(cadre__budget_state(&t, 800), "throttled");
    assert_string_equal(cadre__budget_state(&t, 999), "throttled");
    assert_string_equal(cadre__budget_state(&t, 1000), "exhausted");
    t.budget = 7; /* 60 % of it is 4.2 */
    assert_string_equal(cadre__budget_state(&t, 4), "active");
    assert_string_equal(cadre__budget_state(&t, 5), "warning");
    t.budget = CADRE_MONEY_MAX;
    assert_string_equal(cadre__budget_state(&t, CADRE_MONEY_MAX - 1), "throttled");
    t.budget = 0;
    assert_string_equal(cadre__budget_state(&t, 0), "exhausted");
    t.limited = false;
    assert_string_equal(cadre__budget_state(&t, 5), "unlimited");
}

static void a_cut_sentence_stays_utf8(void **state)
{
    char buf[8];
    cadre__line line = {buf, sizeof buf, 0};

    (void)state;
    cadre__line_say(&line, "12345\xC3\xA9\xC3\xA9"); /* 9 bytes: room for 7 */
    assert_string_equal(buf, "12345");
    cadre__line_say(&line, "more");
    assert_string_equal(buf, "12345");
}

/* A named thousand of ten cents each against five dollars: fifty pass, whatever the
 * order. */
static void fifty_of_a_thousand(void **state)
{
    cadre__item item = make_item(0);
    size_t passed = 0, refused = 0, outstanding = 0;
    fixture f;
    cadre__router *router;
    cadre__decision d;
    cadre__account sum;

    (void)state;
    make_job(&f);
    f.tiers[0].price.per_request = 10 * CENT;
    f.tenants[0].budget = 500 * CENT;
    assert_int_equal(cadre__router_create(&f.job, NULL, NULL, &router), CADRE_OK);
    for (size_t i = 0; i < 1000;) {
        admit(router, i, &item, &d);
        if (d.verdict == CADRE__WAIT) {
            assert_true(outstanding > 0);
            assert_int_equal(cadre__router_commit(router, passed - outstanding, 1, 1),
                             CADRE_OK);
            outstanding--;
            continue;
        }
        passed += d.verdict == CADRE__ADMIT;
        outstanding += d.verdict == CADRE__ADMIT;
        refused += d.verdict == CADRE__REFUSE;
        i++;
    }
    assert_int_equal(passed, 50);
    assert_int_equal(refused, 950);
    cadre__router_account(router, 0, -1, &sum);
    assert_int_equal(sum.spent, 500 * CENT);
    cadre__router_destroy(router);
}

/* ---- Any order of answers gives the decisions of the sequential run ---- */

#define N_REQUESTS 60

typedef struct fate { /* how a request will end, wherever it is served */
    bool fails;
    uint32_t percent; /* of its worst-case tokens */
} fate;

typedef struct story {
    fixture f;
    cadre__item items[N_REQUESTS];
    cadre__demand demands[N_REQUESTS][N_TIERS];
    fate fates[N_REQUESTS];
} story;

typedef struct outcome {
    cadre__verdict verdict;
    int tier;
    cadre_money charge;
} outcome;

static uint64_t random_next(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (*seed >> 11) % below;
}

static void make_story(story *s, uint64_t *seed)
{
    memset(s, 0, sizeof *s);
    make_job(&s->f);
    s->f.job.router.policy = random_next(seed, 3) ? by_complexity : by_cheapest;
    s->f.job.router.fallback = random_next(seed, 4) != 0;
    s->f.tenants[0].budget = (cadre_money)random_next(seed, 60000);
    s->f.tenants[1].limited = random_next(seed, 3) != 0;
    s->f.tenants[1].budget = (cadre_money)random_next(seed, 60000);
    for (int t = 0; t < N_TIERS; t++) {
        s->f.tiers[t].price = (cadre__price){
            .input_per_1k = (cadre_money)random_next(seed, 5) * 1000 * (t + 1),
            .output_per_1k = (cadre_money)random_next(seed, 9) * 1000,
            .per_request = (cadre_money)random_next(seed, 100)};
        s->f.tiers[t].needs_gpu = random_next(seed, 5) == 0;
    }
    for (size_t i = 0; i < N_REQUESTS; i++) {
        s->items[i] = make_item((double)random_next(seed, 1001) / 1000);
        s->items[i].tenant = (int)random_next(seed, 2);
        s->items[i].tier = random_next(seed, 4) ? -1 : (int)random_next(seed, N_TIERS);
        s->items[i].prefer_gpu = random_next(seed, 2) != 0;
        s->items[i].max_cost =
            random_next(seed, 4) ? -1 : (cadre_money)random_next(seed, 2000);
        for (int t = 0; t < N_TIERS; t++)
            s->demands[i][t] =
                (cadre__demand){.possible = random_next(seed, 8) != 0,
                                .tokens_in = (uint32_t)random_next(seed, 300),
                                .max_tokens_out = (uint32_t)random_next(seed, 400)};
        s->fates[i].fails = random_next(seed, 10) == 0;
        s->fates[i].percent = (uint32_t)random_next(seed, 101);
    }
}

/* What settles for a request on a tier: tokens, and with them the cost. */
static uint32_t tokens_out(const story *s, size_t i, int tier)
{
    return s->demands[i][tier].max_tokens_out * s->fates[i].percent / 100;
}

static cadre_money cost(const story *s, int tier, uint32_t in, uint32_t out)
{
    const cadre__price *p = &s->f.tiers[tier].price;

    return p->input_per_1k / 1000 * in + p->output_per_1k / 1000 * out + p->per_request;
}

/* The sequential run in so many words, without the router. */
static void oracle(const story *s, outcome *outcomes)
{
    cadre_money spent[2] = {0, 0};

    for (size_t i = 0; i < N_REQUESTS; i++) {
        const cadre__item *item = &s->items[i];
        const cadre__job_tenant *tenant = &s->f.tenants[item->tenant];
        const bool cheapest = s->f.job.router.policy == by_cheapest;
        int wanted = item->complexity > 0.7 ? 2 : item->complexity < 0.3 ? 0 : 1;
        cadre_money worst[N_TIERS];
        bool able[N_TIERS];

        for (int t = 0; t < N_TIERS; t++) {
            const cadre__demand *d = &s->demands[i][t];
            able[t] = d->possible && (!s->f.tiers[t].needs_gpu || item->prefer_gpu);
            worst[t] = cost(s, t, d->tokens_in, d->max_tokens_out);
        }
        if (cheapest) {
            wanted = -1;
            for (int t = 0; t < N_TIERS; t++)
                if (able[t] && (wanted < 0 || worst[t] < worst[wanted]))
                    wanted = t;
        }
        if (item->tier >= 0)
            wanted = item->tier;
        const bool falls = item->tier < 0 && s->f.job.router.fallback;
        outcomes[i] = (outcome){CADRE__REFUSE, -1, 0};
        for (int t = wanted; t >= 0 && (t == wanted || falls); t--) {
            if (!able[t] || (item->max_cost >= 0 && worst[t] > item->max_cost) ||
                (tenant->limited && worst[t] > tenant->budget - spent[item->tenant]))
                continue;
            outcomes[i] = (outcome){CADRE__ADMIT, t, 0};
            if (!s->fates[i].fails)
                outcomes[i].charge =
                    cost(s, t, s->demands[i][t].tokens_in, tokens_out(s, i, t));
            spent[item->tenant] += outcomes[i].charge;
            break;
        }
    }
}

typedef struct ledger { /* re-adds every event on its own */
    const story *story;
    uint64_t seq;
    cadre_money spent[2], reserved[2], held[N_REQUESTS];
} ledger;

static cadre_status audit(void *context, const cadre__ledger_event *e)
{
    ledger *l = context;
    const cadre__job_tenant *tenant = &l->story->f.tenants[e->tenant];

    assert_int_equal(e->seq, ++l->seq);
    if (strcmp(e->kind, "reserve") == 0) {
        assert_int_equal(l->held[e->request], 0);
        l->held[e->request] = e->amount;
        l->reserved[e->tenant] += e->amount;
    } else {
        if (strcmp(e->kind, "commit") == 0)
            l->spent[e->tenant] += e->amount;
        else
            assert_string_equal(e->kind, "release");
        assert_true(e->amount <= l->held[e->request]);
        l->reserved[e->tenant] -= l->held[e->request];
        l->held[e->request] = 0;
    }
    assert_int_equal(e->spent, l->spent[e->tenant]);
    assert_int_equal(e->reserved, l->reserved[e->tenant]);
    if (tenant->limited)
        assert_true(e->spent + e->reserved <= tenant->budget);
    return CADRE_OK;
}

typedef struct play { /* a run with answers in random order */
    const story *story;
    cadre__router *router;
    outcome *outcomes;
    size_t flying[N_REQUESTS], n_flying;
    size_t next[2];  /* per tenant: its next request */
    bool waiting[2]; /* that one waits */
    size_t n_waits;
} play;

static size_t next_of(const story *s, size_t from, int tenant)
{
    while (from < N_REQUESTS && s->items[from].tenant != tenant)
        from++;
    return from;
}

static void offer(play *p, int tenant)
{
    const size_t i = p->next[tenant];
    cadre__decision d;

    assert_int_equal(
        cadre__router_admit(p->router, i, &p->story->items[i], p->story->demands[i], &d),
        CADRE_OK);
    p->waiting[tenant] = d.verdict == CADRE__WAIT;
    if (d.verdict == CADRE__WAIT) {
        p->n_waits++;
        assert_true(p->story->f.tenants[tenant].limited);
        return;
    }
    p->outcomes[i] = (outcome){d.verdict, d.tier, 0};
    if (d.verdict == CADRE__ADMIT)
        p->flying[p->n_flying++] = i;
    p->next[tenant] = next_of(p->story, i + 1, tenant);
}

static void settle(play *p, uint64_t *seed)
{
    const size_t at = random_next(seed, p->n_flying), i = p->flying[at];
    const int tier = p->outcomes[i].tier;

    p->flying[at] = p->flying[--p->n_flying];
    p->waiting[p->story->items[i].tenant] = false;
    if (p->story->fates[i].fails) {
        assert_int_equal(cadre__router_release(p->router, i), CADRE_OK);
        return;
    }
    assert_int_equal(cadre__router_commit(p->router, i,
                                          p->story->demands[i][tier].tokens_in,
                                          tokens_out(p->story, i, tier)),
                     CADRE_OK);
    p->outcomes[i].charge = cadre__router_last_charge(p->router);
}

/* patience of 8: how often an answer is taken rather than a request offered. */
static size_t play_out(const story *s, uint64_t *seed, uint64_t patience,
                       outcome *outcomes)
{
    play p = {.story = s, .outcomes = outcomes};
    ledger l = {.story = s};

    assert_int_equal(cadre__router_create(&s->f.job, audit, &l, &p.router), CADRE_OK);
    p.next[0] = next_of(s, 0, 0);
    p.next[1] = next_of(s, 0, 1);
    for (;;) {
        const int tenant = (int)random_next(seed, 2);
        const bool can_offer[2] = {p.next[0] < N_REQUESTS && !p.waiting[0],
                                   p.next[1] < N_REQUESTS && !p.waiting[1]};

        if (p.n_flying &&
            (random_next(seed, 8) < patience || !(can_offer[0] || can_offer[1])))
            settle(&p, seed);
        else if (can_offer[tenant])
            offer(&p, tenant);
        else if (can_offer[!tenant])
            offer(&p, !tenant);
        else
            break;
    }
    assert_int_equal(p.next[0], N_REQUESTS); /* nobody waits for ever */
    assert_int_equal(p.next[1], N_REQUESTS);
    for (int tenant = 0; tenant < 2; tenant++)
        assert_int_equal(l.reserved[tenant], 0);
    cadre__router_destroy(p.router);
    return p.n_waits;
}

static void order_of_answers_changes_nothing(void **state)
{
    static story s;
    uint64_t seed = 88172645463325252u;
    size_t n_waits = 0, n_downgraded = 0, n_refused = 0;

    (void)state;
    for (int round = 0; round < 400; round++) {
        outcome expected[N_REQUESTS], got[N_REQUESTS];
        make_story(&s, &seed);
        oracle(&s, expected);
        for (uint64_t patience = 0; patience < 8; patience += 2) {
            n_waits += play_out(&s, &seed, patience, got);
            for (size_t i = 0; i < N_REQUESTS; i++)
                if (got[i].verdict != expected[i].verdict ||
                    got[i].tier != expected[i].tier ||
                    got[i].charge != expected[i].charge)
                    fail_msg(
                        "round %d, patience %d, request %zu: verdict %d tier %d charge "
                        "%lld, expected %d %d %lld",
                        round, (int)patience, i, got[i].verdict, got[i].tier,
                        (long long)got[i].charge, expected[i].verdict, expected[i].tier,
                        (long long)expected[i].charge);
        }
        for (size_t i = 0; i < N_REQUESTS; i++) {
            n_refused += expected[i].verdict == CADRE__REFUSE;
            n_downgraded += expected[i].verdict == CADRE__ADMIT && s.items[i].tier < 0 &&
                            expected[i].tier == 0 && s.items[i].complexity > 0.7;
        }
    }
    /* The stories must contain what the property is about. */
    assert_true(n_waits > 1000);
    assert_true(n_downgraded > 100);
    assert_true(n_refused > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_of_complexity),
        cmocka_unit_test(complexity_from_the_request),
        cmocka_unit_test(two_tiers_have_one_threshold),
        cmocka_unit_test(policies_and_named_tiers),
        cmocka_unit_test(falls_back_only_for_auto),
        cmocka_unit_test(unfit_requests_fail_with_the_reason),
        cmocka_unit_test(max_cost_of_a_request),
        cmocka_unit_test(want_knows_no_budget),
        cmocka_unit_test(waits_while_it_may_still_fit),
        cmocka_unit_test(never_fits_is_refused_at_once),
        cmocka_unit_test(settles_once_and_never_above_the_reservation),
        cmocka_unit_test(a_failing_ledger_changes_nothing),
        cmocka_unit_test(states_of_a_budget),
        cmocka_unit_test(a_cut_sentence_stays_utf8),
        cmocka_unit_test(fifty_of_a_thousand),
        cmocka_unit_test(order_of_answers_changes_nothing),
    };

    return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
