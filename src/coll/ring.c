/* coll/ring.c - one walk round the ring, pipelined by segments.
 *
 * Messages are numbered step by step and, within a step, segment by segment. Number q can
 * be sent once number q - n_segments has been received (and reduced): it is the same
 * segment, one rank further. Receives are kept posted ahead, so the next segments travel
 * while one is reduced.
 */
#include "coll/ring.h"
#include "coll/schedule.h"
#include <string.h>

typedef struct walk {
    cadre__ring *ring;
    int position; /* see cadre__ring_chunk() */
    bool reduce;
    int left, right;
    size_t n_messages;
} walk;

void cadre__ring_init(cadre__ring *ring, cadre__coll_call *call, const void *own,
                      void *data)
{
    ring->call = call;
    ring->own = own;
    ring->data = data;
    ring->landing = NULL;
    ring->segment = CADRE__RING_SEGMENT / call->element_bytes;
    ring->n_segments = cadre__n_segments(call->count, call->size, ring->segment);
}

static bool in_place(const cadre__ring *ring)
{
    return ring->own == ring->data;
}

size_t cadre__ring_landing_bytes(const cadre__ring *ring)
{
    return in_place(ring) ? CADRE__COLL_WINDOW * CADRE__RING_SEGMENT : 0;
}

/* Elements of message q if it is sent (ahead = 0) or received (ahead = 1). */
static cadre__span span_of(const walk *w, size_t q, int ahead)
{
    const cadre__coll_call *call = w->ring->call;
    const int step = (int)(q / w->ring->n_segments);
    const int chunk = cadre__ring_chunk(w->position, step + ahead, call->size);

    return cadre__segment(cadre__chunk(call->count, call->size, chunk), w->ring->segment,
                          q % w->ring->n_segments);
}

static char *landing_of(const walk *w, size_t q, cadre__span span)
{
    const cadre__ring *ring = w->ring;

    if (w->reduce && in_place(ring))
        return ring->landing + q % CADRE__COLL_WINDOW * CADRE__RING_SEGMENT;
    return ring->data + span.first * ring->call->element_bytes;
}

static cadre_status post_receive(const walk *w, size_t q)
{
    cadre__coll_call *call = w->ring->call;
    const cadre__span span = span_of(w, q, 1);

    if (span.count == 0)
        return CADRE_OK;
    return cadre__coll_start_recv(call, q, landing_of(w, q, span),
                                  span.count * call->element_bytes, w->left);
}

static cadre_status post_send(const walk *w, size_t q)
{
    const cadre__ring *ring = w->ring;
    cadre__coll_call *call = ring->call;
    const cadre__span span = span_of(w, q, 0);
    /* The first chunk of a reduction starts as this rank's own input. */
    const char *from = w->reduce && q < ring->n_segments ? ring->own : ring->data;

    if (span.count == 0)
        return CADRE_OK;
    return cadre__coll_start_send(call, q, from + span.first * call->element_bytes,
                                  span.count * call->element_bytes, w->right);
}

static cadre_status take(const walk *w, size_t q)
{
    const cadre__ring *ring = w->ring;
    cadre__coll_call *call = ring->call;
    const cadre__span span = span_of(w, q, 1);
    const size_t offset = span.first * call->element_bytes;

    CADRE_TRY(cadre__coll_finish_recv(call, q));
    if (!w->reduce || span.count == 0)
        return CADRE_OK;
    char *sum = landing_of(w, q, span);
    /* What came stands first also in place, so that both ways give the same bits. */
    call->combine(sum, ring->own + offset, span.count);
    if (in_place(ring))
        memcpy(ring->data + offset, sum, span.count * call->element_bytes);
    return CADRE_OK;
}

static cadre_status go_round(const walk *w)
{
    cadre__coll_call *call = w->ring->call;
    const size_t n_segments = w->ring->n_segments;
    const int first_step = call->step;
    size_t posted = 0, sent = 0;

    for (size_t q = 0; q < w->n_messages; q++) {
        call->step = first_step + (int)(q / n_segments);
        while (posted < w->n_messages && posted < q + CADRE__COLL_WINDOW)
            CADRE_TRY(post_receive(w, posted++));
        while (sent < w->n_messages && sent < q + CADRE__COLL_WINDOW &&
               sent < q + n_segments)
            CADRE_TRY(post_send(w, sent++));
        CADRE_TRY(take(w, q));
    }
    /* Nothing sent here may be overwritten by the next walk before it has gone. */
    return cadre__coll_finish_sends(call);
}

static cadre_status walk_round(cadre__ring *ring, int position, bool reduce)
{
    cadre__coll_call *call = ring->call;
    const walk w = {
        .ring = ring,
        .position = position,
        .reduce = reduce,
        .left = cadre__ring_neighbour(call->rank, -1, call->size),
        .right = cadre__ring_neighbour(call->rank, 1, call->size),
        .n_messages = (size_t)(call->size - 1) * ring->n_segments,
    };

    return go_round(&w);
}

cadre_status cadre__ring_reduce_scatter(cadre__ring *ring)
{
    cadre__coll_call *call = ring->call;

    call->step = 0;
    if (call->size == 1 && !in_place(ring))
        memcpy(ring->data, ring->own, call->bytes);
    return walk_round(ring, call->rank, true);
}

cadre_status cadre__ring_allgather(cadre__ring *ring)
{
    ring->call->step = ring->call->size - 1;
    return walk_round(ring, ring->call->rank + 1, false);
}
