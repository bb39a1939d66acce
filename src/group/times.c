/* group/times.c - where the time of all ranks went. */
#include "core/memory.h"
#include "group/account.h"
#include "group/groups.h"
#include <cadre/coll.h>
#include <string.h>

_Static_assert(sizeof(cadre_rank_time) == 8 * sizeof(int64_t), "travels as 8 numbers");

void cadre__account_read(const cadre__time_account *account, cadre_rank_time *out)
{
    const int64_t wall = cadre_clock_ns() - account->opened_ns;
    *out = (cadre_rank_time){.wall_ns = wall,
                             .compute_ns = account->compute_ns,
                             .idle_ns = account->idle_ns,
                             .coordination_ns =
                                 wall - account->compute_ns - account->idle_ns,
                             .n_batches = account->n_batches,
                             .n_requests = account->n_requests,
                             .bytes_in = account->bytes_in,
                             .bytes_out = account->bytes_out};
}

/* Tell all workers to come, and wait for those at work. */
static cadre_status call_workers(cadre_groups *groups, int64_t deadline_ns,
                                 cadre__inbox *inbox)
{
    cadre_status st = CADRE_OK;
    for (int rank = 1; st == CADRE_OK && rank < groups->size; rank++)
        st = cadre__engine_drain(&groups->engine, &rank, 1, deadline_ns);
    for (int rank = 1; st == CADRE_OK && rank < groups->size; rank++) {
        const cadre__address to = {.rank = rank};
        cadre__letter letter = {.head = {.kind = CADRE__WIRE_TIMES,
                                         .args = {deadline_ns - cadre_clock_ns()}}};
        st = cadre__engine_send(&groups->engine, &to, &letter, inbox, NULL);
    }
    return st;
}

cadre_status cadre_groups_times(cadre_groups *groups, int64_t timeout_ms,
                                cadre_rank_time *times)
{
    cadre__engine *engine = &groups->engine;
    const int64_t deadline =
        cadre_deadline_in_ms(timeout_ms ? timeout_ms : CADRE_DEFAULT_TIMEOUT_MS);
    const cadre_coll_opts opts = {.deadline_ns = deadline};
    cadre__inbox inbox = {0};
    cadre_rank_time mine;

    if (groups->rank != 0)
        return cadre_fail(CADRE_ERR_STATE, "times are gathered on rank 0");
    cadre_status st = call_workers(groups, deadline, &inbox);
    cadre__account_read(&groups->account, &mine);
    if (st == CADRE_OK && groups->size > 1)
        st = cadre_gather(groups->meet, &mine, times, sizeof mine / sizeof(int64_t),
                          CADRE_I64, 0, &opts);
    if (st != CADRE_OK) {
        cadre__engine_abandon(engine, &inbox, 0);
        return cadre_context(st, "gathering times");
    }
    st = cadre__engine_collect(engine, &inbox, deadline, NULL, NULL);
    times[0] = mine;
    return cadre_context(st, "gathering times");
}
