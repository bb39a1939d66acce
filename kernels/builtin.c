/* kernels/builtin.c - the shard kernels that are linked into libcadre. src/group finds
 * them through this table and knows none of them by name. */
#include <cadre/kernel.h>

extern const cadre_kernel cadre_kernel_mlp;
extern const cadre_kernel cadre_kernel_transformer;

extern const cadre_kernel *const cadre__builtin_kernels[];

const cadre_kernel *const cadre__builtin_kernels[] = {&cadre_kernel_mlp,
                                                      &cadre_kernel_transformer, NULL};
