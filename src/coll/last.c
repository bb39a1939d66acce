/* coll/last.c - what each rank last entered on a comm. */
#include "coll/last.h"
#include "coll/choice.h"
#include "coll/state.h"
#include "comm/internal.h"
#include <stdatomic.h>
#include <stdio.h>

/* An entry as it stands in shared memory. `state` is the number, shifted, and whether the
 * operation is under way; while the rest is written it is WRITING, and a reader looks at
 * it before and after. */
typedef struct note {
    _Atomic uint64_t state;
    cadre__last last;
} note;

#define WRITING UINT64_MAX

_Static_assert(sizeof(note) <= CADRE__NOTE_BYTES, "a note fits its place");

/* Rows are told apart by their distance from a fixed place: ranks run the same program,
 * but not at the same addresses. */
static const char fixed_place;

static int32_t distance_of(const cadre__coll_row *row)
{
    return (int32_t)((intptr_t)row - (intptr_t)&fixed_place);
}

cadre__last cadre__last_from(const cadre__coll_call *call)
{
    return (cadre__last){
        .number = call->number,
        .signature = call->signature,
        .row = distance_of(call->row),
        .root = call->root,
        .count = call->count,
        .dtype = (uint8_t)call->dtype,
        .reduction = (uint8_t)call->reduction,
        .under_way = 1,
    };
}

static note *note_of(const cadre_comm *comm, int node_rank)
{
    return (note *)(void *)cadre__comm_note(comm, node_rank);
}

void *cadre__last_note(const cadre_comm *comm)
{
    return note_of(comm, cadre_comm_node_rank(comm));
}

void cadre__last_enter(const cadre__coll_call *call)
{
    note *mine = call->state_of_comm->note;

    if (mine == NULL)
        return;
    atomic_store_explicit(&mine->state, WRITING, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    mine->last = cadre__last_from(call);
    atomic_store_explicit(&mine->state, (uint64_t)call->number << 1 | 1,
                          memory_order_release);
}

void cadre__last_leave(const cadre__coll_call *call)
{
    note *mine = call->state_of_comm->note;

    /* Operations may end in another order than they began. */
    if (mine != NULL && mine->last.number == call->number)
        atomic_store_explicit(&mine->state, (uint64_t)call->number << 1,
                              memory_order_release);
}

bool cadre__last_of(const cadre_comm *comm, int rank, cadre__last *out)
{
    const int node = cadre_comm_node_of(comm, rank);
    int node_rank = 0;

    if (node != cadre_comm_node_of(comm, cadre_comm_rank(comm)))
        return false;
    for (int r = 0; r < rank; r++)
        node_rank += cadre_comm_node_of(comm, r) == node;
    note *other = note_of(comm, node_rank);
    if (other == NULL)
        return false;
    const uint64_t state = atomic_load_explicit(&other->state, memory_order_acquire);
    *out = other->last;
    atomic_thread_fence(memory_order_acquire);
    if (state == WRITING ||
        atomic_load_explicit(&other->state, memory_order_relaxed) != state)
        return false;
    out->number = (uint32_t)(state >> 1);
    out->under_way = state & 1;
    return true;
}

/* NULL if it is none of this program's. */
static const cadre__coll_row *row_of(const cadre__last *last)
{
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++) {
        const cadre__coll_row *row;

        for (size_t i = 0; (row = cadre__coll_row_at((cadre_collective)c, i)) != NULL;
             i++) {
            if (distance_of(row) == last->row)
                return row;
        }
    }
    return NULL;
}

char *cadre__last_describe(const cadre__last *last, char *text, size_t size)
{
    const cadre__coll_row *row = row_of(last);
    char root[32] = "";

    if (row == NULL || last->dtype >= CADRE_N_DTYPES ||
        last->reduction >= CADRE_N_REDUCTIONS) {
        snprintf(text, size, "operation %u", last->number);
        return text;
    }
    const char *name = cadre__collective_name(row->collective);
    if (cadre__collective_has_root(row->collective))
        snprintf(root, sizeof root, ", root %d", last->root);
    if (row->collective == CADRE_BARRIER)
        snprintf(text, size, "operation %u, %s by %s", last->number, name, row->name);
    else
        snprintf(text, size, "operation %u, %s by %s of %llu %s%s%s%s", last->number,
                 name, row->name, (unsigned long long)last->count,
                 cadre_dtype_name((cadre_dtype)last->dtype),
                 cadre__collective_reduces(row->collective) ? ", " : "",
                 cadre__collective_reduces(row->collective)
                     ? cadre_reduction_name((cadre_reduction)last->reduction)
                     : "",
                 root);
    return text;
}
