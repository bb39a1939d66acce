/* coll/run.c - operations under way: their queue, waiting for them, and their failure.
 *
 * Operations of one comm overlap, except that those which use the comm's shared memory
 * take turns, in the order of their start, which is the same on all ranks.
 */
#include "coll/run.h"
#include "coll/check.h"
#include "coll/inquest.h"
#include "coll/last.h"
#include "coll/program.h"
#include "coll/recorder.h"
#include "coll/state.h"
#include "comm/internal.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#else
#define PAUSE() ((void)0)
#endif

/* With a core for each rank: so many looks before the clock is read for the first time,
 * then looks for so long. Then cadre__wait_loop() spins a little more and sleeps. */
#define EAGER_LOOKS 200
#define LOOKS_PER_CLOCK 16
#define SPIN_NS (20 * CADRE_NS_PER_US)
/* Without: who spins takes the core from the rank that he waits for. */
#define CROWDED_LOOKS 3
#define YIELD_NS (100 * CADRE_NS_PER_US)

const char *cadre__collective_name(cadre_collective collective)
{
    static const char *const names[] = {
#define X(id, name) name,
        CADRE_COLLECTIVE_LIST(X)
#undef X
    };

    return names[collective];
}

void cadre__coll_begin(cadre__coll_call *call)
{
    call->number = ++call->state_of_comm->number;
    call->started = true;
    call->done = false;
    call->status = CADRE_OK;
    call->step = call->at = 0;
    memset(call->state, 0, sizeof call->state);
    if (call->program != NULL)
        cadre__program_begin(call->program);
    if (__builtin_expect(call->check != NULL, 0))
        cadre__coll_begin(call->check);
}

cadre_status cadre__coll_progress(cadre__coll_call *call, bool *done)
{
    if (__builtin_expect(call->check != NULL, 0)) {
        CADRE_TRY(cadre__check_progress(call, done));
        if (!*done)
            return CADRE_OK;
        *done = false;
    }
    return call->row->progress != NULL ? call->row->progress(call, done)
                                       : cadre__program_progress(call, done);
}

static void append(cadre__coll_call *call)
{
    cadre__coll_state *state = call->state_of_comm;

    call->next = NULL;
    *state->end = call;
    state->end = &call->next;
}

void cadre__coll_enqueue(cadre__coll_call *call)
{
    append(call);
    cadre__last_enter(call);
    cadre__record_start(call);
}

static void leave(cadre__coll_call *call)
{
    call->done = true;
    cadre__last_leave(call);
    cadre__record_end(call, CADRE_OK);
}

/* ---- Failure ---- */

/* Context from the innermost operation outward. */
static void add_context(const cadre__coll_call *call, cadre_status st)
{
    const char *name = cadre__collective_name(call->collective);
    const cadre__coll_call *child = cadre__program_child(call);

    if (child != NULL)
        add_context(child, st);
    if (call->n_steps > 0)
        cadre_context(st, "%s by %s, step %d of %d", name, call->row->name,
                      call->step + 1, call->n_steps);
    else
        cadre_context(st, "%s by %s", name, call->row->name);
}

static void break_comms(const cadre__coll_call *call, const char *reason)
{
    const cadre__coll_call *child = cadre__program_child(call);

    if (child != NULL)
        break_comms(child, reason);
    cadre_comm_break(call->comm, reason);
}

/* The other ranks may be anywhere in the operation: no later message on this comm can be
 * trusted, so everything that is under way ends here. */
static cadre_status fail(cadre__coll_call *call, cadre_status st)
{
    cadre__coll_state *state = call->state_of_comm;
    char reason[512];

    st = cadre__inquest(call, st);
    add_context(call, st);
    snprintf(reason, sizeof reason, "%s", cadre_last_error());
    break_comms(call, reason);
    for (cadre__coll_call *c = state->first; c != NULL; c = c->next) {
        cadre__program_cancel(c);
        if (c->check != NULL)
            cadre__program_cancel(c->check);
        c->done = true;
        c->status = c == call ? st : CADRE_ERR_BROKEN;
        cadre__record_end(c, c->status);
    }
    cadre__recorder_dump(reason);
    state->first = NULL;
    state->end = &state->first;
    return st;
}

static const cadre__coll_call *innermost(const cadre__coll_call *call)
{
    const cadre__coll_call *child = cadre__program_child(call);

    return child != NULL ? innermost(child) : call;
}

/* The operation whose end `call` waits for before it may start; NULL: none. */
static cadre__coll_call *ahead_of(const cadre__coll_call *call)
{
    for (cadre__coll_call *c = call->state_of_comm->first; c != call; c = c->next) {
        if (c->ordered && call->ordered)
            return c;
    }
    return NULL;
}

cadre_status cadre__coll_give_up(cadre__coll_call *call)
{
    cadre__coll_call *ahead = ahead_of(call);
    const cadre__coll_call *stuck = innermost(ahead != NULL ? ahead : call);
    cadre_status st;

    if (stuck->row->progress == NULL)
        st = cadre__program_timed_out(stuck, call->comm);
    else if (stuck->row->timed_out != NULL)
        st = stuck->row->timed_out(stuck);
    else
        st = cadre_fail(CADRE_ERR_TIMEOUT, "deadline passed");
    call->status = fail(ahead != NULL ? ahead : call, st);
    return call->status;
}

void cadre__coll_abandon(cadre__coll_call *call)
{
    (void)fail(call, cadre_fail(CADRE_ERR_STATE, "its plan was freed while it was under "
                                                 "way"));
}

/* ---- Progress ---- */

cadre_status cadre__coll_advance(cadre__coll_state *state)
{
    bool turn_taken = false;

    for (cadre__coll_call **at = &state->first; *at != NULL;) {
        cadre__coll_call *call = *at;
        bool done = false;

        if (!(call->ordered && turn_taken)) {
            const cadre_status st = cadre__coll_progress(call, &done);

            if (__builtin_expect(st != CADRE_OK, 0))
                return fail(call, st);
        }
        if (!done) {
            turn_taken |= call->ordered;
            at = &call->next;
            continue;
        }
        leave(call);
        if ((*at = call->next) == NULL)
            state->end = at;
    }
    return CADRE_OK;
}

cadre_status cadre__coll_outcome(const cadre__coll_call *call)
{
    if (call->status == CADRE_OK)
        return CADRE_OK;
    (void)cadre__comm_check(call->comm); /* for the sentence */
    return call->status;
}

/* ---- Waiting ---- */

static int64_t deadline_of(cadre__coll_call *call)
{
    if (call->deadline_ns == 0)
        call->deadline_ns = cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS);
    return call->deadline_ns;
}

bool cadre__coll_late(cadre__coll_call *call)
{
    return cadre_clock_ns() >= deadline_of(call);
}

static cadre_status look(cadre__coll_call *call, int looks)
{
    for (int i = 0; i < looks && !call->done; i++) {
        CADRE_TRY(cadre__coll_advance(call->state_of_comm));
        if (!call->done)
            PAUSE();
    }
    return CADRE_OK;
}

/* Look for a while, at the cost of the core. */
static cadre_status spin(cadre__coll_call *call)
{
    const bool crowded = call->state_of_comm->crowded;
    const int64_t start = cadre_clock_ns(), longest = crowded ? YIELD_NS : SPIN_NS;
    const int64_t until =
        start + longest < deadline_of(call) ? start + longest : deadline_of(call);

    while (!call->done && cadre_clock_ns() < until) {
        if (crowded)
            sched_yield();
        CADRE_TRY(look(call, crowded ? 1 : LOOKS_PER_CLOCK));
    }
    return CADRE_OK;
}

static cadre_status poll(void *context, bool *done)
{
    cadre__coll_call *call = context;

    for (int i = 0; i < CADRE__LOOKS && !call->done; i++)
        CADRE_TRY(cadre__coll_advance(call->state_of_comm));
    *done = call->done;
    if (call->done)
        return CADRE_OK;
    const cadre_status st = cadre__inquest_look(call);
    return st == CADRE_OK ? st : fail(call, st);
}

/* Whether all that is under way rings the bell when it can go on. */
static bool rings(const cadre__coll_state *state)
{
    for (const cadre__coll_call *c = state->first; c != NULL; c = c->next) {
        if (c->polled)
            return false;
    }
    return true;
}

static cadre_status sleep_until_done(cadre__coll_call *call)
{
    const cadre_status st = cadre__wait_loop(
        call->comm, poll, call, rings(call->state_of_comm), deadline_of(call));

    return st == CADRE_ERR_TIMEOUT && !call->done ? cadre__coll_give_up(call) : st;
}

cadre_status cadre__coll_finish(cadre__coll_call *call)
{
    cadre_status st =
        look(call, call->state_of_comm->crowded ? CROWDED_LOOKS : EAGER_LOOKS);

    if (st == CADRE_OK && !call->done)
        st = spin(call);
    if (st == CADRE_OK && !call->done)
        st = sleep_until_done(call);
    /* What failed may have been another operation. */
    return st == CADRE_OK || call->status == st ? st : cadre__coll_outcome(call);
}

cadre_status cadre__coll_run(cadre__coll_call *call)
{
    cadre__coll_state *state = call->state_of_comm;
    const int looks = state->crowded ? CROWDED_LOOKS : EAGER_LOOKS;
    cadre_status st = CADRE_OK;
    bool done = false;

    cadre__coll_begin(call);
    if (call->row->progress == NULL || call->check != NULL || state->first != NULL) {
        cadre__coll_enqueue(call);
        return cadre__coll_finish(call);
    }
    cadre__last_enter(call);
    cadre__record_start(call);
    for (int i = 0; i < looks; i++) {
        st = call->row->progress(call, &done);
        if (st != CADRE_OK || done)
            break;
        PAUSE();
    }
    if (__builtin_expect(done && st == CADRE_OK, 1)) {
        leave(call);
        return CADRE_OK;
    }
    append(call);
    return st == CADRE_OK ? cadre__coll_finish(call) : fail(call, st);
}
