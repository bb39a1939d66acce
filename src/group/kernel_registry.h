/* group/kernel_registry.h - the kernels that are linked in. */
#ifndef CADRE_GROUP_KERNEL_REGISTRY_H
#define CADRE_GROUP_KERNEL_REGISTRY_H

#include <cadre/kernel.h>
#include <stdbool.h>

/* Defined beside the kernels; the last is NULL. */
extern const cadre_kernel *const cadre__builtin_kernels[];

/* Whether it serves by submit, step, collect, cancel. */
bool cadre__kernel_is_incremental(const cadre_kernel *kernel);

/* A kernel's table as it should be: CADRE_ERR_UNSUPPORTED says what is wrong. `where`
 * names it in the sentence. */
cadre_status cadre__kernel_check(const cadre_kernel *kernel, const char *where);

#endif
