/* allocate.h - memory for what a file says it has. */
#ifndef TF_ALLOCATE_H
#define TF_ALLOCATE_H

#include <stddef.h>

/* n elements, at least one, zeroed, to be freed with free(). NULL if there is no memory,
 * with CADRE_ERR_NOMEM recorded, which names `what` it is for. */
void *tf_allocate(const char *what, size_t n, size_t element_bytes);

#endif
