/* coll/recorder.h - the flight recorder: the last operations of this process.
 *
 * CADRE_COLL_TRACE=N keeps the last N operations of all comms together in a ring. It is
 * written to stderr, or appended to CADRE_COLL_TRACE_FILE.RANK, when an operation fails
 * and on SIGUSR1, SIGTERM, SIGABRT and SIGSEGV, one line of key=value pairs for each. The
 * handlers then do what the program's own would have done; without one, SIGUSR1 only
 * writes.
 *
 * Without the setting an operation costs two loads and two branches more.
 */
#ifndef CADRE_COLL_RECORDER_H
#define CADRE_COLL_RECORDER_H

#include "coll/call.h"

/* Read the settings at the first call of the process, and if they say so take memory and
 * install the handlers. comm tells this process's rank. Local.
 * CADRE_ERR_INPUT  CADRE_COLL_TRACE is no number */
cadre_status cadre__recorder_open(const cadre_comm *comm);

/* Whether operations are recorded. */
extern bool cadre__recording;

void cadre__recorder_enter(const cadre__coll_call *call);
void cadre__recorder_leave(const cadre__coll_call *call, cadre_status st);

/* Write all that is kept; `why` is part of the first line. Safe in a signal handler. */
void cadre__recorder_dump(const char *why);

/* An operation starts; it ends, well or not. call stays where it is in between. */
static inline void cadre__record_start(const cadre__coll_call *call)
{
    if (__builtin_expect(cadre__recording, 0))
        cadre__recorder_enter(call);
}

static inline void cadre__record_end(const cadre__coll_call *call, cadre_status st)
{
    if (__builtin_expect(cadre__recording, 0))
        cadre__recorder_leave(call, st);
}

#endif
