/* cli/session.h - what every command that uses ranks does before and after its work. */
#ifndef CADRE_CLI_SESSION_H
#define CADRE_CLI_SESSION_H

#include "cli/command.h"
#include <cadre/comm.h>
#include <cadre/topo.h>

typedef struct cadre__session {
    cadre_comm *world;
    cadre_topo *topo;
    const char *bound_by; /* "launcher", "cadre", "nobody" */
} cadre__session;

/* Start MPI, read this node, bind, choose the instruction set common to all ranks, warn
 * about ranks whose matrix products may round differently. Returns 0, or the exit code
 * after a message on rank 0; then the session is closed. Collective over all ranks. */
int cadre__session_open(const cadre__call *call, cadre__session *session);

/* Agree on the highest exit code of all ranks, stop MPI, return it. Ends the job at once
 * if the ranks can no longer agree. Collective. */
int cadre__session_close(cadre__session *session, int exit_code);

#endif
