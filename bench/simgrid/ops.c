/* bench/simgrid/ops.c - the portable reductions only, since computing takes no simulated
 * time. */
#include "ops/levels.h"

/* There are no models here. */
void cadre__ref_fill_matmul(cadre_ops *ops)
{
    (void)ops;
}

const cadre_ops *cadre_ops_get(void)
{
    static cadre_ops table;

    if (table.level == NULL)
        cadre__ops_fill_ref(&table);
    return &table;
}
