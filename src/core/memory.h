/* core/memory.h - allocation, aligned to 64 bytes so that vector code may rely on it. */
#ifndef CADRE_CORE_MEMORY_H
#define CADRE_CORE_MEMORY_H

#include <cadre/status.h>
#include <stddef.h>

#define CADRE__ALIGN 64

/* bytes of memory, zeroed; never NULL for 0 bytes. NULL when there is none left, with the
 * failure recorded as CADRE_ERR_NOMEM. Freed with cadre__free(). */
void *cadre__alloc(size_t bytes);

/* The same for n elements, refusing a product that overflows. */
void *cadre__alloc_n(size_t n, size_t element_bytes);

/* Grow memory of cadre__alloc() from old_bytes to bytes; the new part is zeroed. On
 * failure NULL, and ptr stays valid. */
void *cadre__grow(void *ptr, size_t old_bytes, size_t bytes);

/* A copy of a string; NULL for NULL or when there is no memory. */
char *cadre__strdup(const char *text);

/* NULL is ignored. */
void cadre__free(void *ptr);

#endif
