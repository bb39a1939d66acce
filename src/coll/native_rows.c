/* coll/native_rows.c - the MPI library's own collectives as rows of the table.
 *
 * They are the reference that ours are tested against, and the way out where ours should
 * be wrong. What happens inside is the library's business, so its cost is measured
 * (cost.h).
 */
#include "coll/algorithms.h"
#include "coll/schedule.h"
#include "comm/native.h"
#include <limits.h>

static const cadre__native_kind kinds[CADRE_N_COLLECTIVES] = {
#define X(id, name) [CADRE_##id] = CADRE__NATIVE_##id,
    CADRE_COLLECTIVE_LIST(X)
#undef X
};

bool cadre__native_applies(const cadre__coll_call *call)
{
    if (call->collective == CADRE_BARRIER)
        return true;
    if (!cadre__native_has(call->dtype) || call->count > INT_MAX) /* MPI counts in int */
        return false;
    for (int r = 0; call->recv_counts != NULL && r < call->size; r++) {
        if (call->recv_counts[r] > (size_t)INT_MAX / (size_t)call->size)
            return false;
    }
    return call->combine == NULL || cadre__native_reduces(call->dtype, call->reduction);
}

/* Lengths and places as ints; places of all ranks but the last fit, as the sum does. */
static cadre_status to_ints(cadre__coll_call *call, const size_t *counts,
                            cadre__native_blocks *out)
{
    const size_t n = (size_t)call->size;
    void *memory;

    CADRE_TRY(cadre__coll_keep(call, 2 * n * sizeof(int), &memory));
    int *lengths = memory, *places = lengths + n;
    for (size_t r = 0, place = 0; r < n; place += counts[r++]) {
        lengths[r] = (int)counts[r];
        places[r] = (int)place;
    }
    *out = (cadre__native_blocks){lengths, places};
    return CADRE_OK;
}

/* MPI's reduce_scatter wants to be told the chunks of a vector, too. */
static cadre_status chunk_counts(cadre__coll_call *call, const size_t **out)
{
    void *memory;

    *out = call->counts;
    if (call->counts != NULL || call->collective != CADRE_REDUCE_SCATTER)
        return CADRE_OK;
    CADRE_TRY(cadre__coll_keep(call, (size_t)call->size * sizeof(size_t), &memory));
    size_t *counts = memory;
    for (int r = 0; r < call->size; r++)
        counts[r] = cadre__chunk(call->count, call->size, r).count;
    *out = counts;
    return CADRE_OK;
}

/* Open MPI 4.1 loses count of its messages where in place a rank has none to send or
 * receive: so the blocks to send are copied. */
static cadre_status send_copies(cadre__coll_call *call, cadre__native_call *what)
{
    char *copy;

    if (call->send != CADRE_IN_PLACE || call->recv_counts == NULL)
        return CADRE_OK;
    CADRE_TRY(cadre__coll_workspace(call, call->bytes, &copy));
    what->send = copy;
    return cadre__coll_copy(call, copy, call->recv, call->bytes);
}

cadre_status cadre__native(cadre__coll_call *call)
{
    const size_t *counts;
    void *memory;

    CADRE_TRY(cadre__coll_keep(call, sizeof(cadre__native_call), &memory));
    cadre__native_call *what = memory;
    *what = (cadre__native_call){
        .kind = kinds[call->collective],
        .send = call->send,
        .recv = call->recv,
        .count = (int)call->count,
        .dtype = call->dtype,
        .reduction = call->reduction,
        .root = call->root,
    };
    CADRE_TRY(chunk_counts(call, &counts));
    if (counts != NULL)
        CADRE_TRY(to_ints(call, counts, &what->blocks));
    if (call->recv_counts != NULL)
        CADRE_TRY(to_ints(call, call->recv_counts, &what->from));
    CADRE_TRY(send_copies(call, what));
    return cadre__coll_native(call, what);
}
