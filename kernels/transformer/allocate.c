/* allocate.c - memory for what a file says it has. */
#include "allocate.h"
#include <cadre/status.h>
#include <stdlib.h>

void *tf_allocate(const char *what, size_t n, size_t element_bytes)
{
    void *memory = calloc(n ? n : 1, element_bytes);

    if (!memory)
        cadre_fail(CADRE_ERR_NOMEM, "%s: no memory for %zu x %zu bytes", what, n,
                   element_bytes);
    return memory;
}
