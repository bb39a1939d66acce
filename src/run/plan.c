/* run/plan.c - `cadre plan`: what a job could cost at worst, before it is queued. */
#include "core/memory.h"
#include "report/report.h"
#include "run/prepare.h"
#include "run/run.h"
#include <stdio.h>

/* Requests of one tenant that the policy wants on one tier, with no budget applied. */
typedef struct cell {
    uint64_t requests, tokens_in, max_tokens_out;
    cadre_money worst;
} cell;

typedef struct plan {
    cadre__prepared prepared;
    cadre__router *router;
    cadre__demand *demands; /* [n_tiers] */
    cell *cells;            /* [n_tenants][n_tiers] */
    uint64_t n_barred;      /* requests that no tier may take, whatever the budget */
} plan;

static cadre_status add_request(plan *p, size_t index)
{
    const cadre__item *item = &p->prepared.requests->items[index];
    cadre_money worst;
    double complexity;
    int tier;

    cadre__prepared_demands(&p->prepared, item, p->demands);
    CADRE_TRY(
        cadre__router_want(p->router, item, p->demands, &tier, &complexity, &worst));
    if (tier < 0) {
        p->n_barred++;
        return CADRE_OK;
    }
    cell *c = &p->cells[(size_t)item->tenant * p->prepared.job->n_tiers + (size_t)tier];
    c->requests++;
    c->tokens_in += p->demands[tier].tokens_in;
    c->max_tokens_out += p->demands[tier].max_tokens_out;
    return cadre_money_add(c->worst, worst, &c->worst);
}

static cadre_status make(plan *p, const cadre__run_opts *opts)
{
    CADRE_TRY(cadre__prepare(opts, 0, &p->prepared));
    const cadre__job *job = p->prepared.job;
    CADRE_TRY(cadre__router_create(job, NULL, NULL, &p->router));
    p->demands = cadre__alloc_n(job->n_tiers, sizeof *p->demands);
    p->cells = cadre__alloc_n(job->n_tiers * job->n_tenants, sizeof *p->cells);
    if (!p->demands || !p->cells)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < p->prepared.requests->n; i++)
        CADRE_TRY(add_request(p, i));
    return CADRE_OK;
}

static cadre_status print_cells(const plan *p, cadre__text *out)
{
    const cadre__job *job = p->prepared.job;
    char money[CADRE_MONEY_TEXT];
    cadre__table *table = cadre__table_new(6);
    static const char *const head[] = {"tenant",    "wanted tier",    "requests",
                                       "tokens in", "max tokens out", "worst cost USD"};
    for (size_t c = 0; c < 6; c++)
        cadre__table_cell(table, "%s", head[c]);
    for (size_t i = 0; i < job->n_tenants * job->n_tiers; i++) {
        const cell *c = &p->cells[i];
        if (c->requests == 0)
            continue;
        cadre__table_cell(table, "%s", job->tenants[i / job->n_tiers].name);
        cadre__table_cell(table, "%s", job->tiers[i % job->n_tiers].name);
        cadre__table_cell(table, "%llu", (unsigned long long)c->requests);
        cadre__table_cell(table, "%llu", (unsigned long long)c->tokens_in);
        cadre__table_cell(table, "%llu", (unsigned long long)c->max_tokens_out);
        cadre__table_cell(table, "%s", cadre_money_format(c->worst, money));
    }
    return cadre__table_print(table, out);
}

static cadre_status print_tenant(const plan *p, size_t tenant, cadre__table *table,
                                 cadre_money *total)
{
    const cadre__job *job = p->prepared.job;
    const cadre__job_tenant *t = &job->tenants[tenant];
    char budget[CADRE_MONEY_TEXT], money[CADRE_MONEY_TEXT];
    char verdict[CADRE_MONEY_TEXT + 64] = "no limit";
    cadre_money worst = 0, over;

    for (size_t i = 0; i < job->n_tiers; i++)
        CADRE_TRY(
            cadre_money_add(worst, p->cells[tenant * job->n_tiers + i].worst, &worst));
    CADRE_TRY(cadre_money_add(*total, worst, total));
    if (t->limited && worst <= t->budget)
        snprintf(verdict, sizeof verdict, "fits");
    else if (t->limited && cadre_money_sub(worst, t->budget, &over) == CADRE_OK)
        snprintf(verdict, sizeof verdict, "%s USD over: requests will be %s",
                 cadre_money_format(over, money),
                 job->router.fallback && job->n_tiers > 1 ? "downgraded or refused"
                                                          : "refused");
    cadre__table_cell(table, "%s", t->name);
    cadre__table_cell(table, "%s",
                      t->limited ? cadre_money_format(t->budget, budget) : "none");
    cadre__table_cell(table, "%s", cadre_money_format(worst, money));
    cadre__table_cell(table, "%s", verdict);
    return CADRE_OK;
}

static cadre_status print_tenants(const plan *p, cadre__text *out, cadre_money *total)
{
    cadre_status st = CADRE_OK;
    cadre__table *table = cadre__table_new(4);
    static const char *const head[] = {"tenant", "budget USD", "worst cost USD",
                                       "verdict"};
    for (size_t c = 0; c < 4; c++)
        cadre__table_cell(table, "%s", head[c]);
    for (size_t t = 0; t < p->prepared.job->n_tenants && st == CADRE_OK; t++)
        st = print_tenant(p, t, table, total);
    const cadre_status printed = cadre__table_print(table, out);
    return st == CADRE_OK ? printed : st;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static cadre_status print(const plan *p, cadre__text *out)
{
    const cadre__job *job = p->prepared.job;
    char money[CADRE_MONEY_TEXT];
    cadre_money total = 0;
    const size_t n = p->prepared.requests->n;
    size_t ranks = 1;

    for (size_t t = 0; t < job->n_tiers; t++) {
        const size_t needed = job->tiers[t].shards * job->tiers[t].ranks_per_shard;
        if (needed > 1 && needed + 1 > ranks) /* one rank serves in its own process */
            ranks = needed + 1;
    }
    cadre__text_printf(
        out,
        "plan of job %s: %zu request%s, %zu tier%s, %zu tenant%s; needs at least "
        "%zu rank%s\n\n",
        job->name, n, plural(n), job->n_tiers, plural(job->n_tiers), job->n_tenants,
        plural(job->n_tenants), ranks, plural(ranks));
    CADRE_TRY(print_cells(p, out));
    if (p->n_barred > 0)
        cadre__text_printf(
            out, "\n%llu request%s will be refused: no tier may take %s at any budget\n",
            (unsigned long long)p->n_barred, plural(p->n_barred),
            p->n_barred == 1 ? "it" : "them");
    cadre__text_puts(out, "\n");
    CADRE_TRY(print_tenants(p, out, &total));
    cadre__text_printf(out, "\nworst case in all: %s USD\n",
                       cadre_money_format(total, money));
    return cadre__text_status(out);
}

int cadre__plan(const cadre__run_opts *opts, cadre__text *out)
{
    plan p = {0};
    cadre_status st = make(&p, opts);
    if (st == CADRE_OK)
        st = print(&p, out);
    if (st != CADRE_OK)
        fprintf(stderr, "cadre: %s\n", cadre_last_error());
    cadre__free(p.cells);
    cadre__free(p.demands);
    cadre__router_destroy(p.router);
    cadre__prepared_fini(&p.prepared);
    if (st == CADRE_OK)
        return CADRE__EXIT_OK;
    return st == CADRE_ERR_NOMEM ? CADRE__EXIT_RESOURCE : CADRE__EXIT_INPUT;
}
