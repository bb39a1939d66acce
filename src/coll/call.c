/* coll/call.c - messages of a collective call, its scratch memory, and its failure. */
#include "coll/call.h"
#include "comm/internal.h"
#include "core/memory.h"
#include <stdio.h>

typedef struct workspace {
    char *data;
    size_t bytes;
    bool leaked; /* MPI may use it for ever: never free it */
} workspace;

static void workspace_destroy(void *slot)
{
    workspace *space = slot;

    if (space == NULL)
        return;
    if (!space->leaked)
        cadre__free(space->data);
    cadre__free(space);
}

const char *cadre__collective_name(cadre__collective collective)
{
    static const char *const names[] = {
#define X(id, name) name,
        CADRE__COLLECTIVE_LIST(X)
#undef X
    };

    return names[collective];
}

cadre_status cadre__coll_workspace(cadre__coll_call *call, size_t bytes, char **out)
{
    void **slot = cadre__comm_slot(call->comm, workspace_destroy);

    *out = NULL;
    if (*slot == NULL && (*slot = cadre__alloc(sizeof(workspace))) == NULL)
        return CADRE_ERR_NOMEM;
    workspace *space = *slot;

    if (space->bytes < bytes) {
        /* Nothing in it is needed, so do not copy: give back first, to need less at
         * once. */
        cadre__free(space->data);
        space->bytes = 0;
        space->data = cadre__alloc(bytes);
        if (space->data == NULL)
            return cadre_fail(CADRE_ERR_NOMEM, "scratch memory of %zu bytes", bytes);
        space->bytes = bytes;
    }
    *out = space->data;
    return CADRE_OK;
}

const void *cadre__coll_input(const cadre__coll_call *call)
{
    return call->send == CADRE_IN_PLACE ? call->recv : call->send;
}

/* Messages of one pair never overtake, so it is harmless that tags come round again. */
static int tag_of(size_t index)
{
    return CADRE__COLL_TAG + (int)(index % CADRE__COLL_TAGS);
}

cadre_status cadre__coll_start_send(cadre__coll_call *call, size_t index, const void *buf,
                                    size_t bytes, int dest)
{
    cadre_req *req = &call->out[index % CADRE__COLL_WINDOW];

    if (req->handle != NULL)
        CADRE_TRY(cadre_wait(call->comm, req, 1, call->deadline_ns));
    return cadre_isend(call->comm, buf, bytes, dest, tag_of(index), req);
}

cadre_status cadre__coll_start_recv(cadre__coll_call *call, size_t index, void *buf,
                                    size_t bytes, int src)
{
    CADRE_TRY(cadre__coll_finish_recv(call, index));
    call->in_bytes[index % CADRE__COLL_WINDOW] = bytes;
    return cadre_irecv(call->comm, buf, bytes, src, tag_of(index),
                       &call->in[index % CADRE__COLL_WINDOW]);
}

cadre_status cadre__coll_finish_recv(cadre__coll_call *call, size_t index)
{
    const size_t slot = index % CADRE__COLL_WINDOW;
    cadre_req *req = &call->in[slot];

    if (req->handle == NULL)
        return CADRE_OK;
    CADRE_TRY(cadre_wait(call->comm, req, 1, call->deadline_ns));
    if (req->bytes != call->in_bytes[slot])
        return cadre_fail(
            CADRE_ERR_ARG,
            "rank %d sent %zu bytes where this rank expects %zu: their counts "
            "or types differ",
            req->peer, req->bytes, call->in_bytes[slot]);
    return CADRE_OK;
}

cadre_status cadre__coll_finish_recvs(cadre__coll_call *call)
{
    for (size_t slot = 0; slot < CADRE__COLL_WINDOW; slot++)
        CADRE_TRY(cadre__coll_finish_recv(call, slot));
    return CADRE_OK;
}

cadre_status cadre__coll_finish_sends(cadre__coll_call *call)
{
    return cadre_wait(call->comm, call->out, CADRE__COLL_WINDOW, call->deadline_ns);
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
    const size_t step = (size_t)call->step;
    size_t offset = 0;

    do { /* once for nothing at all: an empty message is a signal */
        const size_t n_in = piece_at(in_bytes, offset);
        const size_t n_out = piece_at(out_bytes, offset);

        if (src != CADRE__NOBODY && (n_in > 0 || offset == 0))
            CADRE_TRY(cadre__coll_start_recv(call, step, in ? (char *)in + offset : NULL,
                                             n_in, src));
        if (dest != CADRE__NOBODY && (n_out > 0 || offset == 0))
            CADRE_TRY(cadre__coll_start_send(
                call, step, out ? (const char *)out + offset : NULL, n_out, dest));
        CADRE_TRY(cadre__coll_finish_recv(call, step));
        CADRE_TRY(cadre__coll_finish_sends(call));
        offset += CADRE__COLL_MAX_MESSAGE;
    } while (offset < in_bytes || offset < out_bytes);
    return CADRE_OK;
}

/* Take back what can be; scratch memory that MPI may still use is never freed. */
static void cancel_all(cadre__coll_call *call)
{
    workspace *space = *cadre__comm_slot(call->comm, workspace_destroy);
    size_t leaked_in = 0, leaked_out = 0;

    cadre_cancel(call->comm, call->in, CADRE__COLL_WINDOW, &leaked_in);
    cadre_cancel(call->comm, call->out, CADRE__COLL_WINDOW, &leaked_out);
    if (space != NULL && leaked_in + leaked_out > 0)
        space->leaked = true;
}

cadre_status cadre__coll_run(cadre__coll_call *call, const char *algorithm,
                             cadre_status (*run)(cadre__coll_call *call))
{
    const char *name = cadre__collective_name(call->collective);
    char reason[512];

    call->algorithm = algorithm;
    cadre_status st = run(call);
    if (st == CADRE_OK)
        return CADRE_OK;
    if (call->n_steps > 0)
        cadre_context(st, "%s by %s, step %d of %d", name, algorithm, call->step + 1,
                      call->n_steps);
    else
        cadre_context(st, "%s by %s", name, algorithm);
    snprintf(reason, sizeof reason, "%s", cadre_last_error());
    cancel_all(call);
    /* The other ranks may be anywhere in the call: no later message can be trusted. */
    if (st != CADRE_ERR_BROKEN)
        cadre_comm_break(call->comm, reason);
    return st;
}
