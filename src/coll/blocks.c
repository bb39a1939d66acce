/* coll/blocks.c - blocks of equal and unequal length. */
#include "coll/blocks.h"

cadre_status cadre__blocks_make(cadre__coll_call *call, const size_t *counts,
                                cadre__blocks *out)
{
    void *memory;

    *out = (cadre__blocks){.count = call->count, .element_bytes = call->element_bytes};
    if (counts == NULL)
        return CADRE_OK;
    CADRE_TRY(cadre__coll_keep(call, ((size_t)call->size + 1) * sizeof(size_t), &memory));
    size_t *first = memory;
    for (int r = 0; r < call->size; r++)
        first[r + 1] = first[r] + counts[r];
    out->first = first;
    return CADRE_OK;
}

cadre_status cadre__blocks_make_chunks(cadre__coll_call *call, cadre__blocks *out)
{
    void *memory;

    if (call->counts != NULL)
        return cadre__blocks_make(call, call->counts, out);
    CADRE_TRY(cadre__coll_keep(call, ((size_t)call->size + 1) * sizeof(size_t), &memory));
    size_t *first = memory;
    for (int r = 0; r < call->size; r++)
        first[r + 1] = first[r] + cadre__chunk(call->count, call->size, r).count;
    *out = (cadre__blocks){.first = first, .element_bytes = call->element_bytes};
    return CADRE_OK;
}

size_t cadre__blocks_largest(const cadre__coll_call *call)
{
    size_t largest = 0;

    if (call->counts == NULL)
        return call->bytes;
    for (int r = 0; r < call->size; r++)
        largest = call->counts[r] > largest ? call->counts[r] : largest;
    return largest * call->element_bytes;
}

cadre_status cadre__blocks_place_own(cadre__coll_call *call, const cadre__blocks *b)
{
    const cadre__span own = cadre__block(b, call->rank);

    if (call->send == CADRE_IN_PLACE)
        return CADRE_OK;
    return cadre__coll_copy(call, (char *)call->recv + own.first, call->send, own.count);
}
