/* coll/plan.c - operations that are made once and started many times, and the blocking
 * call, which is one of them on the stack. */
#include "coll/check.h"
#include "coll/cost_set.h"
#include "coll/program.h"
#include "coll/run.h"
#include "coll/state.h"
#include "comm/internal.h"
#include "core/memory.h"

struct cadre_coll_plan {
    cadre__coll_call call;
};

/* What a call says after all of its comm were progressed, and one, maybe another, failed.
 */
static cadre_status status_of(const cadre__coll_call *call, cadre_status st)
{
    return st == CADRE_OK || call->status == st ? st : cadre__coll_outcome(call);
}

/* What a call with something to do needs before it begins. */
static cadre_status build(cadre__coll_call *call)
{
    if (call->row->build != NULL)
        CADRE_TRY(cadre__program_build(call));
    const cadre_status st = cadre__check_make(call);
    if (st != CADRE_OK)
        cadre__program_release(call);
    return st;
}

static void release(cadre__coll_call *call)
{
    cadre__check_free(call);
    if (call->program != NULL)
        cadre__program_release(call);
}

cadre_status cadre_coll_call(cadre_comm *comm, const cadre_coll_args *args,
                             const cadre_coll_opts *opts)
{
    cadre__coll_call call;

    CADRE_TRY(cadre__coll_prepare(&call, comm, args, opts));
    if (call.row == NULL)
        return CADRE_OK;
    if (__builtin_expect(!call.state_of_comm->settled, 0) &&
        (opts == NULL || opts->algorithm == NULL)) {
        CADRE_TRY(cadre__coll_learn(comm, call.deadline_ns));
        CADRE_TRY(cadre__coll_prepare(&call, comm, args, opts));
    }
    CADRE_TRY(build(&call));
    const cadre_status st = cadre__coll_run(&call);
    release(&call);
    return st;
}

cadre_status cadre_coll_plan_make(cadre_comm *comm, const cadre_coll_args *args,
                                  const cadre_coll_opts *opts, cadre_coll_plan **out)
{
    cadre_coll_plan *plan = cadre__alloc(sizeof *plan);

    *out = NULL;
    if (plan == NULL)
        return CADRE_ERR_NOMEM;
    cadre_status st = cadre__coll_prepare(&plan->call, comm, args, opts);
    if (st == CADRE_OK && plan->call.row != NULL)
        st = build(&plan->call);
    if (st != CADRE_OK) {
        cadre__free(plan);
        return st;
    }
    plan->call.done = true;
    *out = plan;
    return CADRE_OK;
}

cadre_status cadre_coll_start(cadre_coll_plan *plan, int64_t deadline_ns)
{
    if (plan == NULL)
        return cadre_fail(CADRE_ERR_ARG, "there is no plan to start");
    cadre__coll_call *call = &plan->call;
    CADRE_TRY(cadre__comm_check(call->comm));
    if (!call->done)
        return cadre_fail(CADRE_ERR_ARG,
                          "%s: the plan's last operation has not ended; wait for it",
                          cadre__collective_name(call->collective));
    if (call->row == NULL)
        return CADRE_OK;
    call->deadline_ns = deadline_ns;
    cadre__coll_begin(call);
    cadre__coll_enqueue(call);
    return status_of(call, cadre__coll_advance(call->state_of_comm));
}

cadre_status cadre_coll_test(cadre_coll_plan *plan, int *done)
{
    if (plan == NULL || done == NULL)
        return cadre_fail(CADRE_ERR_ARG, "there is no plan to test");
    cadre__coll_call *call = &plan->call;

    *done = 1;
    if (call->done)
        return cadre__coll_outcome(call);
    CADRE_TRY(status_of(call, cadre__coll_advance(call->state_of_comm)));
    *done = call->done;
    if (!call->done && cadre__coll_late(call)) {
        *done = 1;
        return cadre__coll_give_up(call);
    }
    return CADRE_OK;
}

cadre_status cadre_coll_wait(cadre_coll_plan *plan)
{
    if (plan == NULL)
        return cadre_fail(CADRE_ERR_ARG, "there is no plan to wait for");
    return plan->call.done ? cadre__coll_outcome(&plan->call)
                           : cadre__coll_finish(&plan->call);
}

void cadre_coll_plan_free(cadre_coll_plan *plan)
{
    if (plan == NULL)
        return;
    /* Nobody can wait for it any more: the other ranks must not wait for us. */
    if (!plan->call.done)
        cadre__coll_abandon(&plan->call);
    release(&plan->call);
    cadre__free(plan);
}
