/* run/progress.h - how far a job is, on stderr: a bar on a terminal, plain lines
 * otherwise. */
#ifndef CADRE_RUN_PROGRESS_H
#define CADRE_RUN_PROGRESS_H

#include "run/run.h"
#include <cadre/money.h>
#include <stdint.h>

typedef struct cadre__progress {
    cadre__progress_mode mode; /* OFF, PLAIN, or AUTO for a bar */
    int64_t start_ns, next_ns;
    uint64_t total;
} cadre__progress;

/* AUTO becomes a bar if stderr is a terminal, else PLAIN. */
void cadre__progress_start(cadre__progress *progress, cadre__progress_mode mode,
                           uint64_t total);

/* Show the state if it is time to. */
void cadre__progress_show(cadre__progress *progress, uint64_t done, uint64_t errors,
                          cadre_money spent);

/* Clear the bar, or show the last plain line. */
void cadre__progress_end(cadre__progress *progress, uint64_t done, uint64_t errors,
                         cadre_money spent);

#endif
