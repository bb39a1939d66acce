/* run/fifo.h - a queue of request indices that grows. */
#ifndef CADRE_RUN_FIFO_H
#define CADRE_RUN_FIFO_H

#include <cadre/status.h>
#include <stddef.h>

typedef struct cadre__fifo {
    size_t *items;
    size_t head, n, capacity;
} cadre__fifo;

cadre_status cadre__fifo_push(cadre__fifo *fifo, size_t index);
size_t cadre__fifo_front(const cadre__fifo *fifo); /* n > 0 */
size_t cadre__fifo_pop(cadre__fifo *fifo);         /* n > 0 */
void cadre__fifo_fini(cadre__fifo *fifo);

#endif
