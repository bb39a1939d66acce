/* run/fifo.c - ring buffer of request indices. */
#include "run/fifo.h"
#include "core/memory.h"

cadre_status cadre__fifo_push(cadre__fifo *fifo, size_t index)
{
    if (fifo->n == fifo->capacity) {
        const size_t capacity = fifo->capacity ? 2 * fifo->capacity : 64;
        size_t *items = cadre__alloc_n(capacity, sizeof *items);
        if (!items)
            return CADRE_ERR_NOMEM;
        for (size_t i = 0; i < fifo->n; i++)
            items[i] = fifo->items[(fifo->head + i) % fifo->capacity];
        cadre__free(fifo->items);
        fifo->items = items;
        fifo->capacity = capacity;
        fifo->head = 0;
    }
    fifo->items[(fifo->head + fifo->n++) % fifo->capacity] = index;
    return CADRE_OK;
}

size_t cadre__fifo_front(const cadre__fifo *fifo)
{
    return fifo->items[fifo->head];
}

size_t cadre__fifo_pop(cadre__fifo *fifo)
{
    const size_t index = fifo->items[fifo->head];
    fifo->head = (fifo->head + 1) % fifo->capacity;
    fifo->n--;
    return index;
}

void cadre__fifo_fini(cadre__fifo *fifo)
{
    cadre__free(fifo->items);
    *fifo = (cadre__fifo){0};
}
