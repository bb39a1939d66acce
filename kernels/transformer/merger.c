/* merger.c - joining neighbours by rank, with a binary heap of proposals. */
#include "merger.h"
#include <stdlib.h>

cadre_status tf_merger_reset(tf_merger *merger, size_t n)
{
    merger->n_symbols = merger->n_heap = 0;
    if (n > merger->capacity) {
        const size_t capacity = n + n / 2 + 64;
        tf_symbol *symbols = realloc(merger->symbols, capacity * sizeof *symbols);
        if (symbols)
            merger->symbols = symbols;
        /* n - 1 to begin with; a join takes one out and puts at most two in. */
        tf_proposal *heap = realloc(merger->heap, 2 * capacity * sizeof *heap);
        if (heap)
            merger->heap = heap;
        if (!symbols || !heap)
            return cadre_fail(CADRE_ERR_NOMEM, "no memory to tokenize %zu characters", n);
        merger->capacity = capacity;
    }
    return CADRE_OK;
}

void tf_merger_fini(tf_merger *merger)
{
    free(merger->symbols);
    free(merger->heap);
    *merger = (tf_merger){0};
}

void tf_merger_add(tf_merger *merger, uint32_t at, uint32_t bytes, int32_t id)
{
    const int32_t index = (int32_t)merger->n_symbols++;
    merger->symbols[index] = (tf_symbol){at, bytes, id, index - 1, -1};
    if (index > 0)
        merger->symbols[index - 1].next = index;
}

static void push(tf_merger *merger, tf_proposal proposal)
{
    tf_proposal *heap = merger->heap;
    size_t i = merger->n_heap++;
    while (i > 0 && heap[(i - 1) / 2].order > proposal.order) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = proposal;
}

static tf_proposal pop(tf_merger *merger)
{
    tf_proposal *heap = merger->heap;
    const tf_proposal best = heap[0], last = heap[--merger->n_heap];
    const size_t n = merger->n_heap;
    size_t i = 0;
    for (size_t child = 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && heap[child + 1].order < heap[child].order)
            child++;
        if (heap[child].order >= last.order)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return best;
}

/* Propose to join the symbol at index to the one behind it. */
static void propose(tf_merger *merger, int32_t index, tf_may_join *may_join,
                    const void *context)
{
    tf_proposal proposal;
    uint32_t rank;
    if (index < 0 || merger->symbols[index].next < 0)
        return;
    const tf_symbol *left = &merger->symbols[index];
    const tf_symbol *right = &merger->symbols[left->next];
    if (!may_join(context, left, right, &proposal.id, &rank))
        return;
    proposal.order = (uint64_t)rank << 32 | (uint32_t)index;
    proposal.bytes = left->bytes + right->bytes;
    push(merger, proposal);
}

void tf_merger_run(tf_merger *merger, tf_may_join *may_join, const void *context)
{
    tf_symbol *symbols = merger->symbols;
    for (size_t i = 0; i + 1 < merger->n_symbols; i++)
        propose(merger, (int32_t)i, may_join, context);
    while (merger->n_heap > 0) {
        const tf_proposal best = pop(merger);
        const int32_t index = (int32_t)(uint32_t)best.order;
        tf_symbol *left = &symbols[index];
        if (left->bytes == 0 || left->next < 0)
            continue;
        tf_symbol *right = &symbols[left->next];
        if (left->bytes + right->bytes != best.bytes)
            continue;
        left->bytes = best.bytes;
        left->id = best.id;
        left->next = right->next;
        right->bytes = 0;
        if (left->next >= 0)
            symbols[left->next].prev = index;
        propose(merger, left->prev, may_join, context);
        propose(merger, index, may_join, context);
    }
}
