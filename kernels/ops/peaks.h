/* ops/peaks.h - what the multipliers of this CPU can do at most: loops that benchmarks
 * (src/run) time, to say how far from that a product is. */
#ifndef CADRE_OPS_PEAKS_H
#define CADRE_OPS_PEAKS_H

#include <cadre/matrix.h>

typedef struct cadre__peak {
    const char *name; /* of the instruction, "vpdpbusd zmm" */
    double ops;       /* multiplications and additions of one turn */
    void (*loop)(size_t n_turns);
} cadre__peak;

/* The instruction that multiplies activations of this form at a level; NULL if there is
 * no such level or the CPU has none. */
const cadre__peak *cadre__ops_peak(const char *level, cadre_form form);

#endif
