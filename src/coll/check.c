/* coll/check.c - ranks compare what they call, by dissemination.
 *
 *     cost = ceil(log2(p)) alpha
 *
 * The least and the greatest of all calls, by signature, and who made them, are known
 * everywhere after the rounds of a dissemination barrier (D. Hensgen, R. Finkel, U.
 * Manber: Two algorithms for barrier synchronization, Int. J. Parallel Program. 17,
 * 1988): minimum and maximum bear that what has been counted comes again. All ranks
 * called the same if the two are equal.
 */
#include "coll/check.h"
#include "coll/last.h"
#include "coll/program.h"
#include "coll/run.h"
#include "coll/schedule.h"
#include "coll/state.h"
#include "core/memory.h"

typedef struct view {
    cadre__last least, greatest;
    int32_t least_rank, greatest_rank;
} view;

typedef struct comparison {
    const cadre__coll_call *call; /* that is compared */
    view known, heard;
} comparison;

static int order(const cadre__last *a, const cadre__last *b)
{
    if (a->signature != b->signature)
        return a->signature < b->signature ? -1 : 1;
    return a->row == b->row ? 0 : a->row < b->row ? -1 : 1;
}

static void begin(void *context)
{
    comparison *c = context;

    c->known.least = c->known.greatest = cadre__last_from(c->call);
    c->known.least_rank = c->known.greatest_rank = c->call->rank;
}

/* Of equals the lower rank is kept, so that all ranks name the same ones. */
static void merge(void *context)
{
    comparison *c = context;
    const int below = order(&c->heard.least, &c->known.least);
    const int above = order(&c->heard.greatest, &c->known.greatest);

    if (below < 0 || (below == 0 && c->heard.least_rank < c->known.least_rank)) {
        c->known.least = c->heard.least;
        c->known.least_rank = c->heard.least_rank;
    }
    if (above > 0 || (above == 0 && c->heard.greatest_rank < c->known.greatest_rank)) {
        c->known.greatest = c->heard.greatest;
        c->known.greatest_rank = c->heard.greatest_rank;
    }
}

/* Of a comparison `send` is the call, and `recv` will be what is known of all. */
static cadre_status build(cadre__coll_call *check)
{
    void *memory;

    CADRE_TRY(cadre__coll_keep(check, sizeof(comparison), &memory));
    comparison *c = check->recv = memory;
    c->call = check->send;
    check->n_steps = cadre__log2_ceil(check->size);
    CADRE_TRY(cadre__coll_apply(check, begin, c));
    for (check->step = 0; check->step < check->n_steps; check->step++) {
        const int distance = 1 << check->step;

        CADRE_TRY(cadre__coll_exchange(
            check, &c->known, sizeof c->known,
            cadre__ring_neighbour(check->rank, distance, check->size), &c->heard,
            sizeof c->heard, cadre__ring_neighbour(check->rank, -distance, check->size)));
        CADRE_TRY(cadre__coll_apply(check, merge, c));
    }
    return CADRE_OK;
}

/* The comparison is an operation like any other, but in no table. */
static const cadre__coll_row row = {
    .name = "check", .summary = "ranks compare what they call", .build = build};

cadre_status cadre__check_make(cadre__coll_call *call)
{
    if (!call->state_of_comm->check || call->size == 1)
        return CADRE_OK;
    cadre__coll_call *check = cadre__alloc(sizeof *check);
    if (check == NULL)
        return CADRE_ERR_NOMEM;
    check->collective = call->collective;
    check->comm = call->comm;
    check->state_of_comm = call->state_of_comm;
    check->rank = call->rank;
    check->size = call->size;
    check->send = call;
    check->row = &row;
    const cadre_status st = cadre__program_build(check);
    if (st == CADRE_OK)
        call->check = check;
    else
        cadre__free(check);
    return st;
}

void cadre__check_free(cadre__coll_call *call)
{
    if (call->check == NULL)
        return;
    cadre__program_release(call->check);
    cadre__free(call->check);
    call->check = NULL;
}

cadre_status cadre__check_progress(cadre__coll_call *call, bool *done)
{
    const comparison *c = call->check->recv;
    char least[160], greatest[160];

    *done = call->check->done;
    if (*done)
        return CADRE_OK;
    CADRE_TRY(cadre__coll_progress(call->check, done));
    call->check->done = *done;
    if (!*done || order(&c->known.least, &c->known.greatest) == 0)
        return CADRE_OK;
    return cadre_fail(
        CADRE_ERR_ARG,
        "the ranks' calls differ: rank %d on %s called %s, but rank %d on %s %s",
        c->known.least_rank, cadre_comm_host_of(call->comm, c->known.least_rank),
        cadre__last_describe(&c->known.least, least, sizeof least),
        c->known.greatest_rank, cadre_comm_host_of(call->comm, c->known.greatest_rank),
        cadre__last_describe(&c->known.greatest, greatest, sizeof greatest));
}
