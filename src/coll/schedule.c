/* coll/schedule.c - chunks, rings, trees and hypercubes, as arithmetic. */
#include "coll/schedule.h"

cadre__span cadre__chunk(size_t count, int n_chunks, int chunk)
{
    const size_t n = (size_t)n_chunks, i = (size_t)chunk;
    const size_t base = count / n, longer = count % n;
    cadre__span span;

    span.first = i * base + (i < longer ? i : longer);
    span.count = base + (i < longer);
    return span;
}

size_t cadre__n_segments(size_t count, int n_chunks, size_t segment_count)
{
    const size_t largest = cadre__chunk(count, n_chunks, 0).count;

    return largest == 0 ? 1 : (largest - 1) / segment_count + 1;
}

cadre__span cadre__segment(cadre__span span, size_t segment_count, size_t index)
{
    cadre__span segment = {span.first + span.count, 0};

    /* Divide rather than multiply: index * segment_count could wrap. */
    if (span.count == 0 || index > (span.count - 1) / segment_count)
        return segment;
    const size_t skip = index * segment_count;
    segment.first = span.first + skip;
    segment.count = span.count - skip < segment_count ? span.count - skip : segment_count;
    return segment;
}

int cadre__ring_neighbour(int rank, int distance, int size)
{
    const int shift = distance % size; /* in (-size, size) */
    const int forward = shift < 0 ? shift + size : shift;

    return rank < size - forward ? rank + forward : rank - (size - forward);
}

int cadre__ring_chunk(int position, int step, int size)
{
    return cadre__ring_neighbour(position % size, -(step % size), size);
}

int cadre__log2_ceil(int size)
{
    int k = 0;

    while (k < 31 && ((unsigned)1 << k) < (unsigned)size)
        k++;
    return k;
}

int cadre__pow2_floor(int size)
{
    int power = 1;

    while (power <= size / 2)
        power *= 2;
    return power;
}

int cadre__tree_place(int rank, int root, int size)
{
    return cadre__ring_neighbour(rank, -root, size);
}

int cadre__tree_rank(int place, int root, int size)
{
    return cadre__ring_neighbour(place, root, size);
}

int cadre__tree_reach(int place, int size)
{
    return place == 0 ? 1 << cadre__log2_ceil(size) : place & -place;
}

int cadre__tree_subtree(int place, int size)
{
    const int reach = cadre__tree_reach(place, size);

    return reach < size - place ? reach : size - place;
}

int cadre__doubling_place(int rank, int size)
{
    const int aside = size - cadre__pow2_floor(size);

    if (rank >= 2 * aside)
        return rank - aside;
    return rank % 2 == 0 ? -1 : rank / 2;
}

int cadre__doubling_rank(int place, int size)
{
    const int aside = size - cadre__pow2_floor(size);

    return place < aside ? 2 * place + 1 : place + aside;
}
