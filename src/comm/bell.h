/* comm/bell.h - doorbells: one futex per rank of a node, in shared memory, so that a rank
 * that has nothing to do sleeps until a message comes, without polling.
 *
 * A rank reads its bell, looks for messages, and if there are none sleeps only if the
 * bell still has the value read: a ring in between is never missed. */
#ifndef CADRE_COMM_BELL_H
#define CADRE_COMM_BELL_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bell bell;

typedef struct cadre__bells {
    bell *all; /* [n], one per rank of the node; NULL: none, everybody polls */
    int n;
    int *of_rank; /* [root size] index into all; -1: on another node */
    int mine;
} cadre__bells;

/* Create (exclusively) or open the segment of this name with n bells; *all is NULL on
 * failure. Local. */
cadre_status cadre__bells_map(const char *name, int create, int n, bell **all);
void cadre__bells_unlink(const char *name);
void cadre__bells_unmap(bell *all, int n);

uint32_t cadre__bell_read(const cadre__bells *bells);
/* Sleep until the bell no longer reads `seen`, or for so long. */
void cadre__bell_sleep(const cadre__bells *bells, uint32_t seen, int64_t ns);
/* Between these two this rank counts as asleep: who wakes only sleepers rings for it. So
 * announce, look, then sleep: what comes after the look is not missed. */
void cadre__bell_announce(const cadre__bells *bells);
void cadre__bell_retract(const cadre__bells *bells);
/* Ring only if it is asleep; after settle(), which all writes come before. */
void cadre__bells_settle(void);
void cadre__bell_wake(const cadre__bells *bells, int index);
void cadre__bell_ring(const cadre__bells *bells, int index);

#endif
