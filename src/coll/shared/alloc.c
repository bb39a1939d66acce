/* coll/shared/alloc.c - buffers that ranks of a node read in each other's memory. */
#include "comm/internal.h"
#include <cadre/coll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cadre_status take_ordinary(size_t bytes, void **out)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (bytes > SIZE_MAX - page)
        return cadre_fail(CADRE_ERR_NOMEM, "out of memory: %zu bytes wanted", bytes);
    bytes = bytes == 0 ? page : (bytes + page - 1) / page * page;
    *out = aligned_alloc(page, bytes);
    if (*out == NULL)
        return cadre_fail(CADRE_ERR_NOMEM, "out of memory: %zu bytes wanted", bytes);
    memset(*out, 0, bytes);
    return CADRE_OK;
}

cadre_status cadre_coll_alloc(cadre_comm *comm, size_t bytes, void **out)
{
    if (out == NULL)
        return cadre_fail(CADRE_ERR_ARG, "there is no place for the memory's address");
    *out = NULL;
    if (comm == NULL)
        return cadre_fail(CADRE_ERR_ARG, "memory without a communicator");
    if (cadre__comm_heap_take(comm, bytes, out) == CADRE_OK)
        return CADRE_OK;
    return take_ordinary(bytes, out);
}

void cadre_coll_free(cadre_comm *comm, void *memory)
{
    if (memory != NULL && !(comm != NULL && cadre__comm_heap_give(comm, memory)))
        free(memory);
}
