/* group/engine.h - the coordinator's table of what is in flight.
 *
 * Each command sent is a flight until its reply has come. Whoever sends it names an
 * inbox, where the flight lands. Who does not want to wait any longer abandons it: it has
 * no inbox then, and its reply, which is still counted, is dropped when it comes. */
#ifndef CADRE_GROUP_ENGINE_H
#define CADRE_GROUP_ENGINE_H

#include "group/mail.h"
#include <cadre/group.h>
#include <stdbool.h>

/* What came back. The batch comes first, so that the caller's cadre_batch is all of
 * it. */
typedef struct cadre__arrival {
    cadre_batch batch;
    cadre__wire_head head;
    uint8_t *table, *data;    /* in the same piece of memory */
    cadre_logprobs *logprobs; /* of the answers, with their tokens; owned; may be NULL */
} cadre__arrival;

typedef struct cadre__flight {
    struct cadre__flight *next; /* in its peer's line, or in an inbox */
    struct cadre__inbox *inbox; /* NULL: abandoned */
    cadre__wire_head head;
    cadre_group *group; /* of a batch or tensor, else NULL */
    size_t shard;
    int rank;
    int64_t sent_ns;
    cadre__outgoing out;
    cadre__arena *arena;
    void *shared; /* its data in the arena, freed with it; NULL: none or the caller's */
    bool begun;   /* on a comm of one rank: the worker has it */
    cadre__arrival *arrival;
} cadre__flight;

typedef struct cadre__inbox {
    cadre__flight *first, *last;
    size_t n_under_way; /* flights that will land here */
} cadre__inbox;

/* What the coordinator knows of a rank. */
typedef struct cadre__peer {
    cadre__flight *first, *last; /* unanswered, oldest first */
    size_t n_unanswered;
    enum { CADRE__STAGE_FIRST, CADRE__STAGE_TABLE, CADRE__STAGE_DATA } stage;
    uint8_t *buffer;         /* first part of a message */
    cadre__arrival *arrival; /* the message whose other parts are on their way */
    bool armed;              /* its receive is posted */
} cadre__peer;

typedef struct cadre__engine {
    cadre_groups *groups;
    cadre__peer *peers;  /* [size], by rank */
    cadre_req *receives; /* [size], by rank */
    cadre__inbox done;   /* batches of cadre_group_submit() */
    uint64_t last_ticket;
    int64_t n_late;
} cadre__engine;

/* Where a command goes. */
typedef struct cadre__address {
    int rank;
    cadre_group *group; /* for batches and tensors, which belong to a shard; else NULL */
    size_t shard;
} cadre__address;

cadre_status cadre__engine_open(cadre__engine *engine, cadre_groups *groups);
void cadre__engine_close(cadre__engine *engine);

/* Send a command; *ticket (may be NULL) names it. The head's ticket is filled in. Table
 * and data are as in cadre__letter; data in one piece is read from where it lies if the
 * worker is idle, and copied otherwise, since it may then take long. */
cadre_status cadre__engine_send(cadre__engine *engine, const cadre__address *to,
                                cadre__letter *letter, cadre__inbox *inbox,
                                uint64_t *ticket);

/* Send a command that has no reply. */
cadre_status cadre__engine_tell(cadre__engine *engine, int rank, cadre__letter *letter,
                                int64_t deadline_ns);

/* The next flight to land in inbox; the caller owns it.
 * CADRE_ERR_TIMEOUT    none did by the deadline
 * CADRE_ERR_NOT_FOUND  none is under way */
cadre_status cadre__engine_next(cadre__engine *engine, cadre__inbox *inbox,
                                int64_t deadline_ns, cadre__flight **out);

/* Wait until nothing that concerns one of these ranks is under way.
 * CADRE_ERR_TIMEOUT  names one that is busy */
cadre_status cadre__engine_drain(cadre__engine *engine, const int *ranks, size_t n,
                                 int64_t deadline_ns);

/* Forget one flight (0: all) of an inbox, wherever it is. */
void cadre__engine_abandon(cadre__engine *engine, cadre__inbox *inbox, uint64_t ticket);

void cadre__flight_destroy(cadre__flight *flight);

/* Wait for all flights of inbox and look at each that succeeded (visit may be NULL).
 * Those that have not come by the deadline are abandoned.
 * CADRE_ERR_TIMEOUT  names their ranks
 * otherwise          the worst status, with its rank and sentence */
typedef cadre_status cadre__visit_fn(void *context, const cadre__flight *flight);
cadre_status cadre__engine_collect(cadre__engine *engine, cadre__inbox *inbox,
                                   int64_t deadline_ns, cadre__visit_fn *visit,
                                   void *context);

/* Send a batch to a shard: cadre_group_submit() into any inbox. */
cadre_status cadre__submit(cadre_group *group, size_t shard,
                           const cadre_request *requests, size_t n, cadre__inbox *inbox,
                           uint64_t *ticket);

/* The reply function of a worker in the coordinator's own process. */
cadre_status cadre__engine_reply(void *context, cadre__letter *reply, bool keep);

#endif
