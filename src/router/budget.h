/* router/budget.h - the accounts of tenants, the reservations of requests, and the ledger
 * of every change of either. */
#ifndef CADRE_ROUTER_BUDGET_H
#define CADRE_ROUTER_BUDGET_H

#include "router/router.h"

typedef struct cadre__budget cadre__budget;

/* Whether an amount can be paid, given what of the tenant is not settled yet. */
typedef enum cadre__fit {
    CADRE__FIT_NOW,   /* beside all reservations, whatever they settle for */
    CADRE__FIT_LATER, /* perhaps, when they settle for less */
    CADRE__FIT_NEVER
} cadre__fit;

cadre_status cadre__budget_create(const cadre__job *job, cadre__ledger_sink *sink,
                                  void *context, cadre__budget **out);
void cadre__budget_destroy(cadre__budget *budget);

cadre__fit cadre__budget_fit(const cadre__budget *budget, int tenant, cadre_money amount);

/* CADRE_ERR_STATE if index has, or had, a reservation. The ledger hears of an event
 * before it is in force: if the sink fails, nothing has changed. */
cadre_status cadre__budget_check_new(const cadre__budget *budget, size_t index);
cadre_status cadre__budget_reserve(cadre__budget *budget, size_t index, int tenant,
                                   int tier, cadre_money amount, bool downgraded);
/* Count a request that is not admitted: as failed if it is unfit for any tier, else as
 * refused. tier may be -1. */
void cadre__budget_refuse(cadre__budget *budget, int tenant, int tier, bool unfit);
cadre_status cadre__budget_commit(cadre__budget *budget, size_t index, uint32_t tokens_in,
                                  uint32_t tokens_out);
cadre_status cadre__budget_release(cadre__budget *budget, size_t index);

cadre_money cadre__budget_last_charge(const cadre__budget *budget);
/* What the tenant may spend in all; CADRE_MONEY_MAX without a limit. */
cadre_money cadre__budget_limit(const cadre__budget *budget, int tenant);
void cadre__budget_account(const cadre__budget *budget, int tenant, int tier,
                           cadre__account *out);

#endif
