/* ops/ref/ref.c - the portable level: what the compiler makes of the loops for any x86-64
 * or other CPU. */
#include "ops/levels.h"
#include "ops/loops.h"

void cadre__ops_fill_ref(cadre_ops *ops)
{
    fill(ops);
    cadre__ref_fill_matmul(ops);
    ops->level = "ref";
}
