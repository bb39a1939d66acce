/* router/budget.c - money in and out of accounts. Every change passes through post(),
 * which tells the ledger first, so that ledger and accounts cannot drift apart. */
#include "router/budget.h"
#include "core/memory.h"

typedef enum state { UNSEEN, HELD, SETTLED } state;

typedef struct reservation { /* of one request */
    state state;
    int tenant, tier;
    cadre_money amount;
} reservation;

struct cadre__budget {
    const cadre__job *job;
    cadre__ledger_sink *sink; /* may be NULL */
    void *context;
    uint64_t seq;
    cadre_money last_charge;
    cadre__account *accounts;  /* [n_tenants][n_tiers + 1], the last: the tenant's sum */
    size_t n_reservations;     /* length of the table, grown by doubling */
    reservation *reservations; /* by request index */
};

static cadre__account *account_of(const cadre__budget *budget, int tenant, int tier)
{
    const size_t n = budget->job->n_tiers;

    return &budget->accounts[(size_t)tenant * (n + 1) + (tier < 0 ? n : (size_t)tier)];
}

cadre_status cadre__budget_create(const cadre__job *job, cadre__ledger_sink *sink,
                                  void *context, cadre__budget **out)
{
    cadre__budget *budget = cadre__alloc(sizeof *budget);

    *out = NULL;
    if (!budget)
        return CADRE_ERR_NOMEM;
    budget->job = job;
    budget->sink = sink;
    budget->context = context;
    budget->accounts =
        cadre__alloc_n(job->n_tenants * (job->n_tiers + 1), sizeof *budget->accounts);
    if (!budget->accounts) {
        cadre__budget_destroy(budget);
        return CADRE_ERR_NOMEM;
    }
    *out = budget;
    return CADRE_OK;
}

void cadre__budget_destroy(cadre__budget *budget)
{
    if (!budget)
        return;
    cadre__free(budget->reservations);
    cadre__free(budget->accounts);
    cadre__free(budget);
}

cadre_money cadre__budget_limit(const cadre__budget *budget, int tenant)
{
    const cadre__job_tenant *t = &budget->job->tenants[tenant];

    return t->limited ? t->budget : CADRE_MONEY_MAX;
}

/* spent + reserved <= limit always, so neither difference can overflow. */
cadre__fit cadre__budget_fit(const cadre__budget *budget, int tenant, cadre_money amount)
{
    const cadre__account *sum = account_of(budget, tenant, -1);
    const cadre_money left = cadre__budget_limit(budget, tenant) - sum->spent;

    if (amount <= left - sum->reserved)
        return CADRE__FIT_NOW;
    return amount <= left ? CADRE__FIT_LATER : CADRE__FIT_NEVER;
}

/* One event: charge more spent, hold more reserved (or less, when negative). */
static cadre_status post(cadre__budget *budget, const char *kind, size_t index,
                         const reservation *r, cadre_money amount, cadre_money charge,
                         cadre_money hold)
{
    cadre__account *sum = account_of(budget, r->tenant, -1);
    cadre__account *tier = account_of(budget, r->tenant, r->tier);
    const cadre__ledger_event event = {
        .seq = budget->seq + 1,
        .kind = kind,
        .request = index,
        .tenant = r->tenant,
        .tier = r->tier,
        .amount = amount,
        .spent = sum->spent + charge,
        .reserved = sum->reserved + hold,
    };

    if (budget->sink)
        CADRE_TRY(budget->sink(budget->context, &event));
    budget->seq = event.seq;
    sum->spent = event.spent;
    sum->reserved = event.reserved;
    tier->spent += charge;
    tier->reserved += hold;
    return CADRE_OK;
}

/* Make room for request `index` in the table. */
static cadre_status reach(cadre__budget *budget, size_t index)
{
    const size_t size = sizeof *budget->reservations;
    size_t n = budget->n_reservations ? budget->n_reservations : 256;

    if (index < budget->n_reservations)
        return CADRE_OK;
    if (index >= SIZE_MAX / 2 / size)
        return cadre_fail(CADRE_ERR_NOMEM, "no table can hold a request number %zu",
                          index);
    while (n <= index)
        n *= 2;
    reservation *grown =
        cadre__grow(budget->reservations, budget->n_reservations * size, n * size);
    if (!grown)
        return CADRE_ERR_NOMEM;
    budget->reservations = grown;
    budget->n_reservations = n;
    return CADRE_OK;
}

cadre_status cadre__budget_check_new(const cadre__budget *budget, size_t index)
{
    if (index >= budget->n_reservations || budget->reservations[index].state == UNSEEN)
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_STATE, "request %zu is %s already", index,
                      budget->reservations[index].state == HELD ? "admitted" : "settled");
}

cadre_status cadre__budget_reserve(cadre__budget *budget, size_t index, int tenant,
                                   int tier, cadre_money amount, bool downgraded)
{
    const reservation r = {
        .state = HELD, .tenant = tenant, .tier = tier, .amount = amount};

    CADRE_TRY(cadre__budget_check_new(budget, index));
    CADRE_TRY(reach(budget, index));
    CADRE_TRY(post(budget, "reserve", index, &r, amount, 0, amount));
    budget->reservations[index] = r;
    account_of(budget, tenant, -1)->admitted++;
    account_of(budget, tenant, tier)->admitted++;
    account_of(budget, tenant, -1)->downgraded += downgraded;
    account_of(budget, tenant, tier)->downgraded += downgraded;
    return CADRE_OK;
}

void cadre__budget_refuse(cadre__budget *budget, int tenant, int tier, bool unfit)
{
    for (int both = 0; both < (tier >= 0 ? 2 : 1); both++) {
        cadre__account *a = account_of(budget, tenant, both ? tier : -1);
        a->failed += unfit;
        a->refused += !unfit;
    }
}

static cadre_status held(cadre__budget *budget, size_t index, reservation **out)
{
    if (index >= budget->n_reservations || budget->reservations[index].state == UNSEEN)
        return cadre_fail(CADRE_ERR_STATE, "request %zu was never admitted", index);
    if (budget->reservations[index].state == SETTLED)
        return cadre_fail(CADRE_ERR_STATE, "request %zu is settled already", index);
    *out = &budget->reservations[index];
    return CADRE_OK;
}

cadre_status cadre__budget_commit(cadre__budget *budget, size_t index, uint32_t tokens_in,
                                  uint32_t tokens_out)
{
    char cost_text[CADRE_MONEY_TEXT], held_text[CADRE_MONEY_TEXT];
    reservation *r = NULL;
    cadre_money cost;

    CADRE_TRY(held(budget, index, &r));
    CADRE_TRY(cadre__price_cost(&budget->job->tiers[r->tier].price, tokens_in, tokens_out,
                                &cost));
    if (cost > r->amount)
        return cadre_fail(
            CADRE_ERR_RANGE,
            "request %zu cost $%s (%u tokens in, %u out) on tier %s, only $%s "
            "were reserved",
            index, cadre_money_format(cost, cost_text), tokens_in, tokens_out,
            budget->job->tiers[r->tier].name, cadre_money_format(r->amount, held_text));
    CADRE_TRY(post(budget, "commit", index, r, cost, cost, -r->amount));
    r->state = SETTLED;
    budget->last_charge = cost;
    for (int both = 0; both < 2; both++) {
        cadre__account *a = account_of(budget, r->tenant, both ? r->tier : -1);
        a->completed++;
        a->tokens_in += tokens_in;
        a->tokens_out += tokens_out;
    }
    return CADRE_OK;
}

cadre_status cadre__budget_release(cadre__budget *budget, size_t index)
{
    reservation *r = NULL;

    CADRE_TRY(held(budget, index, &r));
    CADRE_TRY(post(budget, "release", index, r, r->amount, 0, -r->amount));
    r->state = SETTLED;
    account_of(budget, r->tenant, -1)->failed++;
    account_of(budget, r->tenant, r->tier)->failed++;
    return CADRE_OK;
}

cadre_money cadre__budget_last_charge(const cadre__budget *budget)
{
    return budget->last_charge;
}

void cadre__budget_account(const cadre__budget *budget, int tenant, int tier,
                           cadre__account *out)
{
    *out = *account_of(budget, tenant, tier);
}

/* Exact: 60 % of b is reached when spent >= ceil(b * 60 / 100), taken apart against
 * overflow. */
static bool reached(cadre_money spent, cadre_money budget, int percent)
{
    const cadre_money hundredth = budget / 100, rest = budget % 100;

    return spent >= hundredth * percent + (rest * percent + 99) / 100;
}

const char *cadre__budget_state(const cadre__job_tenant *tenant, cadre_money spent)
{
    if (!tenant->limited)
        return "unlimited";
    if (reached(spent, tenant->budget, 100))
        return "exhausted";
    if (reached(spent, tenant->budget, 80))
        return "throttled";
    return reached(spent, tenant->budget, 60) ? "warning" : "active";
}
