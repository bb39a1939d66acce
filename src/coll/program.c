/* coll/program.c - programs: an algorithm's plain code emits steps; they run in order.
 *
 * A step that waits for a message is looked at again at the next progress, so the same
 * steps serve blocking calls, operations in the background, and plans that run many
 * times. What each step costs besides its work is a switch and a few loads.
 */
#include "coll/program.h"
#include "coll/run.h"
#include "coll/state.h"
#include "comm/internal.h"
#include "comm/native.h"
#include "core/memory.h"
#include <stdio.h>
#include <string.h>

typedef enum step_kind {
    STEP_SEND,
    STEP_RECV,
    STEP_FINISH_RECV,
    STEP_FINISH_SENDS,
    STEP_COPY,
    STEP_COMBINE,
    STEP_DIVIDE,
    STEP_APPLY,
    STEP_CHILD,
    STEP_NATIVE,
} step_kind;

typedef struct step {
    uint8_t kind, slot;
    int32_t peer;
    int32_t step;  /* the algorithm's, for sentences */
    size_t length; /* bytes, of a reduction elements */
    void *out;
    union {
        const void *a;
        void (*fn)(void *context);
    };
    const void *b;
} step;

/* Memory that lives as long as the program's steps. */
typedef struct chunk {
    struct chunk *next;
    size_t bytes, used;
    _Alignas(CADRE__ALIGN) char data[];
} chunk;

struct cadre__program {
    step *steps;
    size_t n_steps, room, at;
    char *workspace;
    size_t workspace_bytes;
    chunk *kept;
    cadre__coll_call *children, **last_child;
    bool leaked; /* MPI may use its memory for ever */
    cadre__program *next;
};

#define FIRST_ROOM 64
#define CHUNK_BYTES 4032

/* ---- Memory ---- */

static void free_program(cadre__program *program)
{
    for (chunk *c = program->kept; c != NULL;) {
        chunk *next = c->next;

        cadre__free(c);
        c = next;
    }
    cadre__free(program->workspace);
    cadre__free(program->steps);
    cadre__free(program);
}

void cadre__program_free_all(cadre__program *spare)
{
    while (spare != NULL) {
        cadre__program *next = spare->next;

        free_program(spare);
        spare = next;
    }
}

static cadre_status take(cadre__coll_state *state, cadre__program **out)
{
    cadre__program *program = state->spare;

    if (program != NULL)
        state->spare = program->next;
    else if ((program = cadre__alloc(sizeof *program)) == NULL)
        return CADRE_ERR_NOMEM;
    program->n_steps = program->at = 0;
    program->children = NULL;
    program->last_child = &program->children;
    program->next = NULL;
    for (chunk *c = program->kept; c != NULL; c = c->next)
        c->used = 0;
    *out = program;
    return CADRE_OK;
}

void cadre__program_release(cadre__coll_call *call)
{
    cadre__program *program = call->program;

    if (program == NULL)
        return;
    call->program = NULL;
    for (cadre__coll_call *child = program->children; child != NULL; child = child->next)
        cadre__program_release(child);
    if (program->leaked)
        return;
    program->next = call->state_of_comm->spare;
    call->state_of_comm->spare = program;
}

cadre_status cadre__coll_keep(cadre__coll_call *call, size_t bytes, void **out)
{
    cadre__program *program = call->program;
    chunk *c = program->kept;

    *out = NULL;
    if (bytes > SIZE_MAX / 2)
        return cadre_fail(CADRE_ERR_NOMEM, "a list of %zu bytes", bytes);
    const size_t whole = (bytes + CADRE__ALIGN - 1) / CADRE__ALIGN * CADRE__ALIGN;
    while (c != NULL && c->bytes - c->used < whole)
        c = c->next;
    if (c == NULL) {
        const size_t room = whole > CHUNK_BYTES ? whole : CHUNK_BYTES;

        c = cadre__alloc(sizeof *c + room);
        if (c == NULL)
            return CADRE_ERR_NOMEM;
        c->bytes = room;
        c->next = program->kept;
        program->kept = c;
    }
    *out = memset(c->data + c->used, 0, whole);
    c->used += whole;
    return CADRE_OK;
}

cadre_status cadre__coll_workspace(cadre__coll_call *call, size_t bytes, char **out)
{
    cadre__program *program = call->program;

    *out = NULL;
    if (program->workspace == NULL || program->workspace_bytes < bytes) {
        /* Nothing in it is needed, so do not copy: give back first, to need less at
         * once. */
        cadre__free(program->workspace);
        program->workspace_bytes = 0;
        program->workspace = cadre__alloc(bytes);
        if (program->workspace == NULL)
            return cadre_fail(CADRE_ERR_NOMEM, "scratch memory of %zu bytes", bytes);
        program->workspace_bytes = bytes;
    }
    *out = program->workspace;
    return CADRE_OK;
}

/* ---- Building ---- */

const void *cadre__coll_input(const cadre__coll_call *call)
{
    return call->send == CADRE_IN_PLACE ? call->recv : call->send;
}

static cadre_status emit(cadre__coll_call *call, step s)
{
    cadre__program *program = call->program;

    if (program->n_steps == program->room) {
        const size_t room = program->room > 0 ? 2 * program->room : FIRST_ROOM;
        step *steps = cadre__grow(program->steps, program->room * sizeof *steps,
                                  room * sizeof *steps);

        if (steps == NULL)
            return CADRE_ERR_NOMEM;
        program->steps = steps;
        program->room = room;
    }
    s.step = call->step;
    program->steps[program->n_steps++] = s;
    return CADRE_OK;
}

cadre_status cadre__program_build(cadre__coll_call *call)
{
    CADRE_TRY(take(call->state_of_comm, &call->program));
    memset(call->out, 0, sizeof call->out);
    memset(call->in, 0, sizeof call->in);
    call->step = 0;
    const cadre_status st = call->row->build(call);
    call->step = 0;
    if (st != CADRE_OK)
        cadre__program_release(call);
    return st;
}

cadre_status cadre__coll_start_send(cadre__coll_call *call, size_t index, const void *buf,
                                    size_t bytes, int dest)
{
    return emit(call, (step){.kind = STEP_SEND,
                             .slot = (uint8_t)(index % CADRE__COLL_WINDOW),
                             .peer = dest,
                             .length = bytes,
                             .a = buf});
}

cadre_status cadre__coll_start_recv(cadre__coll_call *call, size_t index, void *buf,
                                    size_t bytes, int src)
{
    return emit(call, (step){.kind = STEP_RECV,
                             .slot = (uint8_t)(index % CADRE__COLL_WINDOW),
                             .peer = src,
                             .length = bytes,
                             .out = buf});
}

cadre_status cadre__coll_finish_recv(cadre__coll_call *call, size_t index)
{
    return emit(call, (step){.kind = STEP_FINISH_RECV,
                             .slot = (uint8_t)(index % CADRE__COLL_WINDOW)});
}

cadre_status cadre__coll_finish_recvs(cadre__coll_call *call)
{
    for (size_t slot = 0; slot < CADRE__COLL_WINDOW; slot++)
        CADRE_TRY(cadre__coll_finish_recv(call, slot));
    return CADRE_OK;
}

cadre_status cadre__coll_finish_sends(cadre__coll_call *call)
{
    return emit(call, (step){.kind = STEP_FINISH_SENDS});
}

static size_t piece_at(size_t bytes, size_t offset)
{
    if (offset >= bytes)
        return 0;
    return bytes - offset < CADRE__COLL_MAX_MESSAGE ? bytes - offset
                                                    : CADRE__COLL_MAX_MESSAGE;
}

cadre_status cadre__coll_exchange(cadre__coll_call *call, const void *out,
                                  size_t out_bytes, int dest, void *in, size_t in_bytes,
                                  int src)
{
    const size_t index = (size_t)call->step;
    size_t offset = 0;

    do { /* once for nothing at all: an empty message is a signal */
        const size_t n_in = piece_at(in_bytes, offset);
        const size_t n_out = piece_at(out_bytes, offset);

        if (src != CADRE__NOBODY && (n_in > 0 || offset == 0))
            CADRE_TRY(cadre__coll_start_recv(call, index, in ? (char *)in + offset : NULL,
                                             n_in, src));
        if (dest != CADRE__NOBODY && (n_out > 0 || offset == 0))
            CADRE_TRY(cadre__coll_start_send(
                call, index, out ? (const char *)out + offset : NULL, n_out, dest));
        if (src != CADRE__NOBODY)
            CADRE_TRY(cadre__coll_finish_recv(call, index));
        if (dest != CADRE__NOBODY)
            CADRE_TRY(cadre__coll_finish_sends(call));
        offset += CADRE__COLL_MAX_MESSAGE;
    } while (offset < in_bytes || offset < out_bytes);
    return CADRE_OK;
}

cadre_status cadre__coll_combine(cadre__coll_call *call, void *out, const void *a,
                                 const void *b, size_t count)
{
    if (count == 0)
        return CADRE_OK;
    return emit(
        call, (step){.kind = STEP_COMBINE, .length = count, .out = out, .a = a, .b = b});
}

cadre_status cadre__coll_copy(cadre__coll_call *call, void *dest, const void *src,
                              size_t bytes)
{
    if (bytes == 0 || dest == src)
        return CADRE_OK;
    return emit(call, (step){.kind = STEP_COPY, .length = bytes, .out = dest, .a = src});
}

cadre_status cadre__coll_average(cadre__coll_call *call, void *data, size_t count)
{
    if (call->reduction != CADRE_AVG || count == 0 || call->size == 1)
        return CADRE_OK;
    return emit(call, (step){.kind = STEP_DIVIDE, .length = count, .out = data});
}

cadre_status cadre__coll_apply(cadre__coll_call *call, void (*fn)(void *context),
                               void *context)
{
    return emit(call, (step){.kind = STEP_APPLY, .out = context, .fn = fn});
}

cadre_status cadre__coll_native(cadre__coll_call *call, const cadre__native_call *what)
{
    call->polled = true;
    return emit(call, (step){.kind = STEP_NATIVE, .a = what});
}

cadre_status cadre__coll_child(cadre__coll_call *call, cadre_comm *comm,
                               const cadre_coll_args *args, const char *algorithm)
{
    const cadre_coll_opts opts = {.algorithm = algorithm};
    void *memory;

    CADRE_TRY(cadre__coll_keep(call, sizeof(cadre__coll_call), &memory));
    cadre__coll_call *child = memory;
    CADRE_TRY(cadre__coll_prepare(child, comm, args, &opts));
    if (child->row == NULL)
        return CADRE_OK;
    if (child->row->build != NULL)
        CADRE_TRY(cadre__program_build(child));
    *call->program->last_child = child;
    call->program->last_child = &child->next;
    call->ordered |= child->ordered;
    call->polled |= child->polled;
    return emit(call, (step){.kind = STEP_CHILD, .out = child});
}

/* ---- Running ---- */

void cadre__program_begin(cadre__program *program)
{
    program->at = 0;
    for (cadre__coll_call *child = program->children; child != NULL; child = child->next)
        cadre__coll_begin(child);
}

/* Operations of a comm may overlap, so each has tags of its own. It is harmless that they
 * come round again: messages of one pair and tag never overtake. The call and the size
 * are in the tag too, so that messages of calls that differ, or of another size than
 * expected, are not taken at all: Open MPI 4.1 writes a long message that it fetches from
 * the sender's memory past the end of a receive buffer that is too short. */
static int tag_of(const cadre__coll_call *call, size_t bytes)
{
    const uint64_t mix = ((uint64_t)call->signature << 32 ^ bytes) * 0x9e3779b97f4a7c15u;

    return CADRE__COLL_TAG +
           (int)(call->number % CADRE__COLL_NUMBERS) * CADRE__COLL_KINDS +
           (int)(mix >> 40) % CADRE__COLL_KINDS;
}

static cadre_status finish_recv(cadre__coll_call *call, size_t slot, bool *done)
{
    cadre_req *req = &call->in[slot];

    if (req->handle == NULL)
        return CADRE_OK;
    CADRE_TRY(cadre__poll_req(call->comm, req, done));
    if (*done && req->bytes != call->in_bytes[slot])
        return cadre_fail(
            CADRE_ERR_ARG,
            "rank %d sent %zu bytes where this rank expects %zu: their counts "
            "or types differ",
            req->peer, req->bytes, call->in_bytes[slot]);
    return CADRE_OK;
}

static cadre_status finish_sends(cadre__coll_call *call, bool *done)
{
    for (size_t slot = 0; slot < CADRE__COLL_WINDOW && *done; slot++) {
        if (call->out[slot].handle != NULL)
            CADRE_TRY(cadre__poll_req(call->comm, &call->out[slot], done));
    }
    return CADRE_OK;
}

static cadre_status run_send(cadre__coll_call *call, const step *s, bool *done)
{
    cadre_req *req = &call->out[s->slot];

    if (req->handle != NULL)
        CADRE_TRY(cadre__poll_req(call->comm, req, done));
    if (!*done)
        return CADRE_OK;
    return cadre_isend(call->comm, s->a, s->length, s->peer, tag_of(call, s->length),
                       req);
}

static cadre_status run_recv(cadre__coll_call *call, const step *s, bool *done)
{
    CADRE_TRY(finish_recv(call, s->slot, done));
    if (!*done)
        return CADRE_OK;
    call->in_bytes[s->slot] = s->length;
    return cadre_irecv(call->comm, s->out, s->length, s->peer, tag_of(call, s->length),
                       &call->in[s->slot]);
}

/* The request of the MPI library's operation stands in the first slot for sends. */
static cadre_status run_native(cadre__coll_call *call, const step *s, bool *done)
{
    if (call->at == 0)
        CADRE_TRY(cadre__native_start(call->comm, s->a, &call->out[0]));
    call->at = 1;
    CADRE_TRY(cadre__poll_req(call->comm, &call->out[0], done));
    if (*done)
        call->at = 0;
    return CADRE_OK;
}

/* *done is true before, and afterwards whether the step is behind us. */
static cadre_status run_step(cadre__coll_call *call, const step *s, bool *done)
{
    switch ((step_kind)s->kind) {
    case STEP_SEND:
        return run_send(call, s, done);
    case STEP_RECV:
        return run_recv(call, s, done);
    case STEP_FINISH_RECV:
        return finish_recv(call, s->slot, done);
    case STEP_FINISH_SENDS:
        return finish_sends(call, done);
    case STEP_COPY:
        memmove(s->out, s->a, s->length);
        return CADRE_OK;
    case STEP_COMBINE:
        call->combine(s->out, s->a, s->b, s->length);
        return CADRE_OK;
    case STEP_DIVIDE:
        cadre__divide(call->dtype, s->out, s->length, call->size);
        return CADRE_OK;
    case STEP_APPLY:
        s->fn(s->out);
        return CADRE_OK;
    case STEP_CHILD:
        *done = false;
        return cadre__coll_progress(s->out, done);
    case STEP_NATIVE:
        return run_native(call, s, done);
    }
    return CADRE_OK;
}

cadre_status cadre__program_progress(cadre__coll_call *call, bool *done)
{
    cadre__program *program = call->program;

    *done = false;
    while (program->at < program->n_steps) {
        const step *s = &program->steps[program->at];
        bool passed = true;

        call->step = s->step;
        CADRE_TRY(run_step(call, s, &passed));
        if (!passed)
            return CADRE_OK;
        program->at++;
    }
    *done = true;
    return CADRE_OK;
}

/* ---- Failing ---- */

static const step *current(const cadre__coll_call *call)
{
    const cadre__program *program = call->program;

    return program != NULL && program->at < program->n_steps
               ? &program->steps[program->at]
               : NULL;
}

cadre__coll_call *cadre__program_child(const cadre__coll_call *call)
{
    if (call->check != NULL && !call->check->done)
        return call->check;
    const step *s = current(call);

    return s != NULL && s->kind == STEP_CHILD ? s->out : NULL;
}

static int rank_in(const cadre_comm *top, const cadre_comm *comm, int rank)
{
    const int world = cadre_comm_world_rank_of(comm, rank);
    int r = 0;

    while (top != comm && r < cadre_comm_size(top) &&
           cadre_comm_world_rank_of(top, r) != world)
        r++;
    return top == comm ? rank : r;
}

static void name_peer(const cadre__coll_call *call, const cadre_comm *top,
                      const cadre_req *req, char *list, size_t size)
{
    const size_t used = strlen(list);

    if (req->handle == NULL)
        return;
    snprintf(list + used, size - used, "%s%s rank %d on %s", used > 0 ? ", " : "",
             req->is_recv ? "a message from" : "a message to be taken by",
             rank_in(top, call->comm, req->peer),
             cadre_comm_host_of(call->comm, req->peer));
}

cadre_status cadre__program_timed_out(const cadre__coll_call *call, const cadre_comm *top)
{
    const step *s = current(call);
    char list[384] = "";

    if (s == NULL)
        return cadre_fail(CADRE_ERR_TIMEOUT, "deadline passed");
    if (s->kind == STEP_NATIVE)
        return cadre_fail(CADRE_ERR_TIMEOUT,
                          "deadline passed in the MPI library, which does not tell which "
                          "ranks are missing");
    if (s->kind == STEP_RECV || s->kind == STEP_FINISH_RECV)
        name_peer(call, top, &call->in[s->slot], list, sizeof list);
    else if (s->kind == STEP_SEND)
        name_peer(call, top, &call->out[s->slot], list, sizeof list);
    for (size_t slot = 0; slot < CADRE__COLL_WINDOW && s->kind == STEP_FINISH_SENDS;
         slot++)
        name_peer(call, top, &call->out[slot], list, sizeof list);
    return cadre_fail(CADRE_ERR_TIMEOUT, "deadline passed, waiting for %s", list);
}

void cadre__program_cancel(cadre__coll_call *call)
{
    cadre__program *program = call->program;
    size_t leaked_in = 0, leaked_out = 0;

    if (program == NULL)
        return;
    for (cadre__coll_call *child = program->children; child != NULL;
         child = child->next) {
        cadre__program_cancel(child);
        /* A child's messages may stand in our scratch memory. */
        if (child->program != NULL && child->program->leaked)
            program->leaked = true;
    }
    if (call->at != 0) { /* the MPI library's own operation: it cannot be withdrawn */
        call->out[0].handle = NULL;
        program->leaked = true;
    }
    cadre_cancel(call->comm, call->in, CADRE__COLL_WINDOW, &leaked_in);
    cadre_cancel(call->comm, call->out, CADRE__COLL_WINDOW, &leaked_out);
    if (leaked_in + leaked_out > 0)
        program->leaked = true;
}
