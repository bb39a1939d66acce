/* group/kernel_registry.c - kernels by name: those linked in, and those in shared
 * objects. */
#include "group/kernel_registry.h"
#include "core/memory.h"
#include "core/text.h"
#include <cadre/group.h>
#include <dlfcn.h>
#include <string.h>

bool cadre__kernel_is_incremental(const cadre_kernel *kernel)
{
    return kernel->step != NULL;
}

cadre_status cadre__kernel_check(const cadre_kernel *kernel, const char *where)
{
    if (!kernel)
        return cadre_fail(CADRE_ERR_UNSUPPORTED, "%s: %s() returned NULL", where,
                          CADRE_KERNEL_ENTRY);
    if (kernel->abi != CADRE_KERNEL_ABI)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "%s: made for kernel interface %u, this is interface %d", where,
                          kernel->abi, CADRE_KERNEL_ABI);
    if (!kernel->name || !kernel->summary || !kernel->open || !kernel->close ||
        !kernel->describe)
        return cadre_fail(
            CADRE_ERR_UNSUPPORTED,
            "%s: a kernel needs name, summary, open(), close() and describe()", where);
    const int n_incremental = (kernel->submit != NULL) + (kernel->step != NULL) +
                              (kernel->collect != NULL) + (kernel->cancel != NULL);
    if (kernel->serve ? n_incremental != 0 : n_incremental != 4)
        return cadre_fail(
            CADRE_ERR_UNSUPPORTED,
            "%s: kernel %s needs either serve(), or all of submit(), step(), "
            "collect() and cancel()",
            where, kernel->name);
    return CADRE_OK;
}

static cadre_status load(const char *path, const cadre_kernel **out)
{
    /* Without a slash dlopen() would search the system's folders. */
    char *here = strchr(path, '/') ? cadre__strdup(path) : cadre__path_join("./", path);
    if (!here)
        return CADRE_ERR_NOMEM;
    void *object = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    cadre__free(here);
    if (!object)
        return cadre_fail(CADRE_ERR_NOT_FOUND, "kernel %s: %s", path, dlerror());

    void *symbol = dlsym(object, CADRE_KERNEL_ENTRY);
    cadre_kernel_entry_fn *entry;
    _Static_assert(sizeof entry == sizeof symbol,
                   "POSIX: a function's address fits void *");
    memcpy(&entry, &symbol, sizeof entry);
    cadre_status st = CADRE_OK;
    if (!symbol)
        st = cadre_fail(CADRE_ERR_UNSUPPORTED, "%s: exports no %s()", path,
                        CADRE_KERNEL_ENTRY);
    const cadre_kernel *kernel = symbol ? entry() : NULL;
    if (st == CADRE_OK)
        st = cadre__kernel_check(kernel, path);
    if (st != CADRE_OK) {
        dlclose(object);
        return st;
    }
    *out = kernel; /* the object stays loaded: instances may live anywhere */
    return CADRE_OK;
}

cadre_status cadre_kernel_find(const char *name, const cadre_kernel **out)
{
    *out = NULL;
    if (!name || !name[0])
        return cadre_fail(CADRE_ERR_ARG, "kernel: no name given");
    const size_t length = strlen(name);
    if (strchr(name, '/') || (length > 3 && strcmp(name + length - 3, ".so") == 0))
        return load(name, out);

    cadre__text list = {0};
    for (size_t i = 0; cadre__builtin_kernels[i]; i++) {
        const cadre_kernel *kernel = cadre__builtin_kernels[i];
        if (strcmp(kernel->name, name) == 0) {
            cadre__text_fini(&list);
            CADRE_TRY(cadre__kernel_check(kernel, "built in"));
            *out = kernel;
            return CADRE_OK;
        }
        cadre__text_printf(&list, "%s%s", i ? ", " : "", kernel->name);
    }
    const cadre_status st = cadre_fail(CADRE_ERR_NOT_FOUND,
                                       "no kernel \"%s\": built in are %s; a kernel of "
                                       "your own is named by its path, with a '/'",
                                       name, cadre__text_string(&list));
    cadre__text_fini(&list);
    return st;
}
