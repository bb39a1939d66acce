/* coll/state.c - what this folder keeps with each communicator. */
#include "coll/state.h"
#include "coll/choice.h"
#include "coll/cost.h"
#include "coll/last.h"
#include "coll/program.h"
#include "coll/recorder.h"
#include "comm/internal.h"
#include "core/memory.h"
#include "core/settings.h"

static void destroy(void *slot)
{
    cadre__coll_state *state = slot;

    if (state == NULL)
        return;
    if (state->destroy_shared != NULL)
        state->destroy_shared(state->shared);
    cadre__program_free_all(state->spare);
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++)
        cadre__free(state->orders[c]);
    cadre__free(state);
}

static cadre_status make(cadre_comm *comm, void **slot)
{
    int64_t check;

    CADRE_TRY(cadre__setting_integer(CADRE__SETTING_COLL_CHECK, 0, 1, &check));
    CADRE_TRY(cadre__recorder_open(comm));
    cadre__coll_state *state = cadre__alloc(sizeof *state);

    if (state == NULL)
        return CADRE_ERR_NOMEM;
    const cadre_status st = cadre__levels_of(comm, &state->levels);
    if (st != CADRE_OK) {
        cadre__free(state);
        return st;
    }
    state->costs = cadre__coll_costs_of(comm);
    state->crowded = cadre__comm_crowded(comm);
    state->note = cadre__last_note(comm);
    state->settled = !cadre__comm_is_root(comm) || cadre_comm_size(comm) == 1 ||
                     cadre__comm_heritage(comm) != NULL;
    state->check = check != 0;
    state->end = &state->first;
    *slot = state;
    return CADRE_OK;
}

cadre_status cadre__coll_state_of(cadre_comm *comm, cadre__coll_state **out)
{
    void **slot = cadre__comm_slot(comm, destroy);

    if (__builtin_expect(*slot == NULL, 0))
        CADRE_TRY(make(comm, slot));
    *out = *slot;
    return CADRE_OK;
}
