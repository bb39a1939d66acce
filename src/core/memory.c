/* core/memory.c - aligned, zeroed allocation. */
#include "core/memory.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *cadre__alloc(size_t bytes)
{
    if (bytes > SIZE_MAX - CADRE__ALIGN)
        goto fail;
    const size_t whole = (bytes + CADRE__ALIGN - 1) / CADRE__ALIGN * CADRE__ALIGN;
    void *ptr = aligned_alloc(CADRE__ALIGN, whole ? whole : CADRE__ALIGN);
    if (!ptr)
        goto fail;
    return memset(ptr, 0, whole ? whole : CADRE__ALIGN);

fail:
    (void)cadre_fail(CADRE_ERR_NOMEM, "out of memory: %zu bytes wanted", bytes);
    return NULL;
}

void *cadre__alloc_n(size_t n, size_t element_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, element_bytes, &bytes)) {
        (void)cadre_fail(CADRE_ERR_NOMEM, "out of memory: %zu x %zu bytes wanted", n,
                         element_bytes);
        return NULL;
    }
    return cadre__alloc(bytes);
}

void *cadre__grow(void *ptr, size_t old_bytes, size_t bytes)
{
    void *bigger = cadre__alloc(bytes);
    if (!bigger)
        return NULL;
    if (ptr)
        memcpy(bigger, ptr, old_bytes < bytes ? old_bytes : bytes);
    free(ptr);
    return bigger;
}

char *cadre__strdup(const char *text)
{
    if (!text)
        return NULL;
    const size_t size = strlen(text) + 1;
    char *copy = cadre__alloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

void cadre__free(void *ptr)
{
    free(ptr);
}
