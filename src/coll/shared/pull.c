/* coll/shared/pull.c - what the streams of each collective are. */
#include "coll/shared/pull.h"

/* Whether first[] says where the blocks of this collective are. */
static bool has_blocks(cadre_collective collective)
{
    return collective == CADRE_GATHER || collective == CADRE_SCATTER ||
           collective == CADRE_ALLGATHER || collective == CADRE_ALLTOALL ||
           collective == CADRE_REDUCE_SCATTER;
}

static size_t block_count(const cadre__coll_call *call, int r)
{
    if (call->counts != NULL)
        return call->counts[r];
    return call->collective == CADRE_REDUCE_SCATTER
               ? cadre__chunk(call->count, call->size, r).count
               : call->count;
}

cadre_status cadre__pull_prepare(cadre__shared *shared, const cadre__coll_call *call)
{
    const bool in_place = call->send == CADRE_IN_PLACE;
    size_t *first = shared->op.first;

    shared->op.held = NULL;
    shared->op.input = in_place ? call->recv : call->send;
    shared->op.output = call->recv == CADRE_IN_PLACE ? NULL : call->recv;
    if (call->collective == CADRE_BROADCAST)
        shared->op.input = call->recv;
    if (!has_blocks(call->collective))
        return CADRE_OK;
    first[0] = 0;
    for (int r = 0; r < call->size; r++)
        first[r + 1] = first[r] + block_count(call, r) * call->element_bytes;
    if (!in_place)
        return CADRE_OK;
    if (call->collective == CADRE_ALLGATHER) {
        shared->op.input = shared->op.output + first[call->rank];
    } else if (call->collective == CADRE_ALLTOALL) {
        /* What arrives would replace what others have not taken yet. */
        char *copy = cadre__shared_scratch(shared, SCRATCH_KEPT, first[call->size]);
        if (copy == NULL)
            return CADRE_ERR_NOMEM;
        shared->op.input = memcpy(copy, call->recv, first[call->size]);
    } else if (call->collective == CADRE_REDUCE_SCATTER) {
        shared->op.held = cadre__shared_scratch(
            shared, SCRATCH_KEPT, first[call->rank + 1] - first[call->rank]);
        if (shared->op.held == NULL)
            return CADRE_ERR_NOMEM;
        shared->op.output = shared->op.held;
    }
    return CADRE_OK;
}

size_t cadre__pull_offered(const cadre__shared *shared, const cadre__coll_call *call,
                           int r)
{
    const size_t *first = shared->op.first;

    switch (call->collective) {
    case CADRE_ALLREDUCE:
        return call->bytes;
    case CADRE_SCAN:
        return r < call->size - 1 ? call->bytes : 0;
    case CADRE_REDUCE:
        return r != call->root ? call->bytes : 0;
    case CADRE_BROADCAST:
        return r == call->root ? call->bytes : 0;
    case CADRE_GATHER:
        return r != call->root ? first[r + 1] - first[r] : 0;
    case CADRE_ALLGATHER:
        return first[r + 1] - first[r];
    case CADRE_SCATTER:
        return r == call->root ? first[call->size] : 0;
    default:
        return first[call->size];
    }
}

size_t cadre__pull_most(const cadre__coll_call *call)
{
    size_t most = 0;

    if (call->collective == CADRE_GATHER || call->collective == CADRE_ALLGATHER) {
        for (int r = 0; call->counts != NULL && r < call->size; r++)
            most = call->counts[r] > most ? call->counts[r] : most;
        return call->counts != NULL ? most * call->element_bytes : call->bytes;
    }
    if (call->collective == CADRE_SCATTER || call->collective == CADRE_ALLTOALL)
        return call->counts != NULL ? call->bytes : call->bytes * (size_t)call->size;
    return call->bytes;
}

cadre__span cadre__pull_wanted(const cadre__shared *shared, const cadre__coll_call *call,
                               int r)
{
    const size_t *first = shared->op.first;
    const int me = call->rank;
    const cadre__span none = {0, 0}, vector = {0, call->bytes};

    switch (call->collective) {
    case CADRE_ALLREDUCE:
        return vector;
    case CADRE_SCAN:
        return r <= me ? vector : none;
    case CADRE_REDUCE:
        return me == call->root ? vector : none;
    case CADRE_BROADCAST:
        return me != call->root && r == call->root ? vector : none;
    case CADRE_GATHER:
        return me == call->root && r != me ? (cadre__span){0, first[r + 1] - first[r]}
                                           : none;
    case CADRE_ALLGATHER:
        return r != me ? (cadre__span){0, first[r + 1] - first[r]} : none;
    case CADRE_SCATTER:
        return me != call->root && r == call->root
                   ? (cadre__span){first[me], first[me + 1] - first[me]}
                   : none;
    case CADRE_ALLTOALL:
        return r != me ? (cadre__span){first[me], first[me + 1] - first[me]} : none;
    default:
        return (cadre__span){first[me], first[me + 1] - first[me]};
    }
}

cadre__span cadre__pull_sources(const cadre__coll_call *call)
{
    const bool root = call->rank == call->root;
    const cadre__span none = {0, 0}, all = {0, (size_t)call->size};

    switch (call->collective) {
    case CADRE_REDUCE:
    case CADRE_GATHER:
        return root ? all : none;
    case CADRE_BROADCAST:
    case CADRE_SCATTER:
        return root ? none : (cadre__span){(size_t)call->root, 1};
    case CADRE_SCAN:
        return (cadre__span){0, (size_t)call->rank};
    default:
        return all;
    }
}

bool cadre__pull_keeps_own(const cadre__coll_call *call)
{
    return call->collective == CADRE_REDUCE_SCATTER ||
           call->collective == CADRE_ALLTOALL || call->collective == CADRE_SCATTER;
}

char *cadre__pull_place(const cadre__shared *shared, const cadre__coll_call *call, int r)
{
    const bool blocks = call->collective == CADRE_GATHER ||
                        call->collective == CADRE_ALLGATHER ||
                        call->collective == CADRE_ALLTOALL;

    return shared->op.output + (blocks ? shared->op.first[r] : 0);
}

void cadre__pull_own(const cadre__shared *shared, const cadre__coll_call *call)
{
    const int me = call->rank;
    const size_t first = has_blocks(call->collective) ? shared->op.first[me] : 0;
    const size_t bytes =
        has_blocks(call->collective) ? shared->op.first[me + 1] - first : 0;
    const bool root = me == call->root;

    if (bytes == 0 || call->send == CADRE_IN_PLACE || call->recv == CADRE_IN_PLACE)
        return;
    if (call->collective == CADRE_ALLGATHER || (call->collective == CADRE_GATHER && root))
        memcpy(shared->op.output + first, shared->op.input, bytes);
    else if (call->collective == CADRE_ALLTOALL)
        memcpy(shared->op.output + first, shared->op.input + first, bytes);
    else if (call->collective == CADRE_SCATTER && root)
        memcpy(shared->op.output, shared->op.input + first, bytes);
}
