/* coll/halving.c - recursive halving and doubling. */
#include "coll/halving.h"

cadre_status cadre__halving_init(cadre__halving *h, cadre__coll_call *call,
                                 const size_t *first)
{
    const int power = cadre__pow2_floor(call->size);
    void *memory;

    *h = (cadre__halving){
        .call = call,
        .power = power,
        .place = cadre__doubling_place(call->rank, call->size),
        .first = first,
        .sum = cadre__coll_input(call),
    };
    if (first != NULL)
        return CADRE_OK;
    CADRE_TRY(cadre__coll_keep(call, ((size_t)power + 1) * sizeof(size_t), &memory));
    size_t *equal = memory;
    for (int p = 0; p < power; p++)
        equal[p + 1] = equal[p] + cadre__chunk(call->count, power, p).count;
    h->first = equal;
    return CADRE_OK;
}

size_t cadre__halving_landing(const cadre__halving *h)
{
    const size_t middle = h->first[h->power / 2], count = h->call->count;

    if (h->power < h->call->size)
        return h->call->bytes; /* the input of one that stands aside */
    return (middle > count - middle ? middle : count - middle) * h->call->element_bytes;
}

/* Pieces from .. to-1, in bytes. */
static cadre__span pieces(const cadre__halving *h, int from, int to)
{
    return (cadre__span){h->first[from] * h->call->element_bytes,
                         (h->first[to] - h->first[from]) * h->call->element_bytes};
}

/* What has come is in landing; afterwards all of the sum is in data. */
static cadre_status combine(cadre__halving *h, cadre__span kept, bool other_first)
{
    const char *mine = h->sum + kept.first;

    return cadre__coll_combine(
        h->call, h->data + kept.first, other_first ? h->landing : mine,
        other_first ? mine : h->landing, kept.count / h->call->element_bytes);
}

static cadre_status fold_in(cadre__halving *h)
{
    cadre__coll_call *call = h->call;

    if (h->place < 0)
        return cadre__coll_exchange(call, h->sum, call->bytes, call->rank + 1, NULL, 0,
                                    CADRE__NOBODY);
    if (h->place >= call->size - h->power)
        return CADRE_OK;
    CADRE_TRY(cadre__coll_exchange(call, NULL, 0, CADRE__NOBODY, h->landing, call->bytes,
                                   call->rank - 1));
    CADRE_TRY(combine(h, (cadre__span){0, call->bytes}, true));
    h->sum = h->data;
    return CADRE_OK;
}

cadre_status cadre__halving_reduce(cadre__halving *h)
{
    cadre__coll_call *call = h->call;
    int from = 0, to = h->power;

    call->step = 0;
    CADRE_TRY(fold_in(h));
    for (int distance = h->power / 2; distance > 0 && h->place >= 0; distance /= 2) {
        const int partner = cadre__doubling_rank(h->place ^ distance, call->size);
        const int middle = from + distance;
        const bool upper = (h->place & distance) != 0;
        const cadre__span low = pieces(h, from, middle), high = pieces(h, middle, to);
        const cadre__span kept = upper ? high : low, given = upper ? low : high;

        call->step++;
        CADRE_TRY(cadre__coll_exchange(call, h->sum + given.first, given.count, partner,
                                       h->landing, kept.count, partner));
        CADRE_TRY(combine(h, kept, upper));
        h->sum = h->data;
        from = upper ? middle : from;
        to = upper ? to : middle;
    }
    if (h->place < 0)
        return CADRE_OK;
    const cadre__span whole = pieces(h, h->place, h->place + 1);
    return cadre__coll_average(call, h->data + whole.first,
                               whole.count / call->element_bytes);
}

cadre_status cadre__halving_gather(cadre__halving *h)
{
    cadre__coll_call *call = h->call;

    call->step = cadre__log2_ceil(h->power);
    for (int distance = 1; distance < h->power && h->place >= 0; distance *= 2) {
        const int partner = cadre__doubling_rank(h->place ^ distance, call->size);
        const int from = h->place & -distance, other = from ^ distance;
        const cadre__span mine = pieces(h, from, from + distance);
        const cadre__span theirs = pieces(h, other, other + distance);

        call->step++;
        CADRE_TRY(cadre__coll_exchange(call, h->data + mine.first, mine.count, partner,
                                       h->data + theirs.first, theirs.count, partner));
    }
    return CADRE_OK;
}
