/* coll/allreduce_recursive_doubling.c - allreduce in log2(p) exchanges of everything.
 *
 * In step k partners whose places differ in bit k exchange all they have and both reduce
 * it: the fewest latencies, but the whole vector travels each time, so it is for short
 * ones.
 *
 *     cost = log2(p) (alpha + m beta + m gamma)
 *
 * and two more messages where p is no power of two: then the first ranks pair up, one of
 * each pair stands aside and gets the result at the end. R. Thakur, R. Rabenseifner,
 * W. Gropp: Optimization of collective communication operations in MPICH, Int. J. High
 * Perform. Comput. Appl. 19 (2005).
 *
 * Partners both put the operand of the lower place first, so all ranks get equal bits
 * even where an operation is not quite commutative (which NaN survives, the sign of
 * zero).
 */
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include "coll/schedule.h"

double cadre__allreduce_recursive_doubling_cost(const cadre__coll_call *call)
{
    const cadre__coll_costs *c = call->costs;
    const double bytes = (double)call->bytes;
    const int power = cadre__pow2_floor(call->size);
    const double exchange = c->latency_ns +
                            bytes * c->byte_ns * cadre__levels_sharing(call) +
                            bytes * c->reduce_ns;
    const double fold =
        power == call->size ? 0 : exchange + c->latency_ns + bytes * c->byte_ns;

    return cadre__log2_ceil(power) * exchange + fold;
}

/* This rank's sum so far, which is its input until something was added, and what comes.
 */
typedef struct vectors {
    const char *sum;
    char *other;
} vectors;

static cadre_status combine(cadre__coll_call *call, vectors *v, bool other_first)
{
    const char *a = other_first ? v->other : v->sum, *b = other_first ? v->sum : v->other;

    v->sum = call->recv;
    return cadre__coll_combine(call, call->recv, a, b, call->count);
}

static cadre_status fold_in(cadre__coll_call *call, vectors *v, int place)
{
    const int aside = call->size - cadre__pow2_floor(call->size);

    call->step = 0;
    if (place < 0)
        return cadre__coll_exchange(call, v->sum, call->bytes, call->rank + 1, NULL, 0,
                                    CADRE__NOBODY);
    if (place >= aside)
        return CADRE_OK;
    CADRE_TRY(cadre__coll_exchange(call, NULL, 0, CADRE__NOBODY, v->other, call->bytes,
                                   call->rank - 1));
    return combine(call, v, true);
}

static cadre_status fold_out(cadre__coll_call *call, int place)
{
    const int aside = call->size - cadre__pow2_floor(call->size);

    call->step = call->n_steps - 1;
    if (place < 0)
        return cadre__coll_exchange(call, NULL, 0, CADRE__NOBODY, call->recv, call->bytes,
                                    call->rank + 1);
    if (place >= aside)
        return CADRE_OK;
    return cadre__coll_exchange(call, call->recv, call->bytes, call->rank - 1, NULL, 0,
                                CADRE__NOBODY);
}

cadre_status cadre__allreduce_recursive_doubling(cadre__coll_call *call)
{
    const int power = cadre__pow2_floor(call->size);
    const int place = cadre__doubling_place(call->rank, call->size);
    vectors v = {.sum = cadre__coll_input(call)};

    call->n_steps = cadre__log2_ceil(power) + 2; /* fold in, exchanges, fold out */
    if (call->size == 1)
        return cadre__coll_copy(call, call->recv, v.sum, call->bytes);
    CADRE_TRY(cadre__coll_workspace(call, call->bytes, &v.other));
    if (power < call->size)
        CADRE_TRY(fold_in(call, &v, place));
    for (int bit = 1; bit < power && place >= 0; bit *= 2) {
        const int partner = cadre__doubling_rank(place ^ bit, call->size);

        call->step = 1 + cadre__log2_ceil(bit);
        CADRE_TRY(cadre__coll_exchange(call, v.sum, call->bytes, partner, v.other,
                                       call->bytes, partner));
        CADRE_TRY(combine(call, &v, (place & bit) != 0));
    }
    if (place >= 0)
        CADRE_TRY(cadre__coll_average(call, call->recv, call->count));
    return power < call->size ? fold_out(call, place) : CADRE_OK;
}
