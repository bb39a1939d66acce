/* comm/agree.c - the worst status of all ranks, on every rank, with its sentence.
 *
 * A binomial tree: verdicts go up to rank 0, the worst of them comes down again. A rank
 * that misses a child says so in its own verdict, so all who came hear the same sentence.
 * Those lower in the tree give up first, so that their word can still arrive above. */
#include "comm/state.h"
#include <stdio.h>

#define GRACE_NS (100 * CADRE_NS_PER_MS) /* per level on the way up */
#define GRACE_DOWN_NS (2 * CADRE_NS_PER_S)

typedef struct verdict {
    int32_t status, rank;
    int32_t lost; /* 1: a rank did not come */
    char host[HOST_BYTES];
    char sentence[1024];
} verdict;

/* Lower statuses are worse; among equals the lower rank speaks. */
static void worsen(verdict *mine, const verdict *other)
{
    if (other->status < mine->status ||
        (other->status == mine->status && other->rank < mine->rank)) {
        const int32_t lost = mine->lost | other->lost;
        *mine = *other;
        mine->lost = lost;
    }
}

static void miss(cadre_comm *comm, verdict *mine, int child)
{
    verdict lost = {.status = CADRE_ERR_TIMEOUT, .rank = 0, .lost = 1};
    snprintf(lost.sentence, sizeof lost.sentence, "rank %d on %s did not come", child,
             cadre_comm_host_of(comm, child));
    worsen(mine, &lost);
    mine->lost = 1;
}

static cadre_status gather_up(cadre_comm *comm, verdict *mine, int64_t deadline_ns)
{
    for (int bit = 1, level = 0; bit < comm->size; bit <<= 1, level++) {
        const int64_t until = deadline_ns + level * GRACE_NS;
        if (comm->rank & bit)
            return cadre_send(comm, mine, sizeof *mine, comm->rank - bit,
                              CADRE__AGREE_TAG, until);
        const int child = comm->rank + bit;
        if (child >= comm->size)
            continue;
        verdict other;
        size_t got = 0;
        const cadre_status st =
            cadre_recv(comm, &other, sizeof other, child, CADRE__AGREE_TAG, until, &got);
        if (st == CADRE_ERR_TIMEOUT || (st == CADRE_OK && got != sizeof other))
            miss(comm, mine, child);
        else if (st != CADRE_OK)
            return st;
        else
            worsen(mine, &other);
    }
    return CADRE_OK;
}

static cadre_status pass_down(cadre_comm *comm, verdict *mine, int64_t deadline_ns)
{
    int bit = 1;
    while (bit < comm->size && !(comm->rank & bit))
        bit <<= 1;
    if (comm->rank != 0)
        CADRE_TRY(cadre_recv(comm, mine, sizeof *mine, comm->rank - bit,
                             CADRE__AGREE_TAG + 1, deadline_ns, NULL));
    for (bit >>= 1; bit > 0; bit >>= 1) {
        if (comm->rank + bit >= comm->size)
            continue;
        /* A child that never came must not keep the others waiting. */
        cadre_req req;
        CADRE_TRY(cadre_isend(comm, mine, sizeof *mine, comm->rank + bit,
                              CADRE__AGREE_TAG + 1, &req));
        const cadre_status st = cadre_wait(
            comm, &req, 1, mine->lost ? cadre_clock_ns() + GRACE_NS : deadline_ns);
        cadre_cancel(comm, &req, 1, NULL);
        if (!mine->lost)
            CADRE_TRY(st);
    }
    return CADRE_OK;
}

cadre_status cadre_comm_agree(cadre_comm *comm, cadre_status st, int64_t deadline_ns)
{
    CADRE_TRY(cadre__comm_check(comm));
    verdict mine = {.status = st, .rank = comm->rank};
    if (st != CADRE_OK)
        snprintf(mine.sentence, sizeof mine.sentence, "%s", cadre_last_error());
    snprintf(mine.host, sizeof mine.host, "%s", cadre_comm_host_of(comm, comm->rank));

    const int64_t down_deadline = deadline_ns > INT64_MAX - 2 * GRACE_DOWN_NS
                                      ? INT64_MAX
                                      : deadline_ns + GRACE_DOWN_NS;
    const int64_t up_deadline =
        deadline_ns > INT64_MAX - GRACE_DOWN_NS ? INT64_MAX - GRACE_DOWN_NS : deadline_ns;
    cadre_status moved = gather_up(comm, &mine, up_deadline);
    if (moved == CADRE_OK)
        moved = pass_down(comm, &mine, down_deadline);
    if (moved != CADRE_OK) {
        cadre_comm_break(comm, cadre_last_error());
        return cadre_context(moved, "agreeing on a status");
    }
    if (mine.lost)
        cadre_comm_break(comm, mine.sentence);
    if (mine.status == CADRE_OK)
        return CADRE_OK;
    /* Rank 0 speaks for the job, so its sentences need no address. */
    if (mine.rank == 0)
        return cadre_fail(mine.status, "%s", mine.sentence);
    return cadre_fail(mine.status, "rank %d on %s: %s", mine.rank, mine.host,
                      mine.sentence);
}
