/* coll/ring.c - walks round rings, pipelined by segments.
 *
 * Messages are numbered step by step and, within a step, segment by segment. Number q can
 * be sent once number q - n_segments has been received (and reduced): it is the same
 * segment, one rank further. Receives are kept posted ahead, so the next segments travel
 * while one is reduced. Two rings in opposite directions take turns, message by message,
 * on every rank alike.
 */
#include "coll/ring.h"
#include "coll/cost.h"
#include "coll/levels.h"
#include "coll/schedule.h"

typedef struct walk {
    cadre__ring *ring;
    int position; /* see cadre__ring_chunk() */
    bool reduce;
} walk;

void cadre__ring_init(cadre__ring *ring, cadre__coll_call *call, const void *own,
                      void *data, const size_t *first)
{
    size_t largest = cadre__chunk(call->count, call->size, 0).count;

    for (int r = 0; first != NULL && r < call->size; r++)
        largest = r == 0 || first[r + 1] - first[r] > largest ? first[r + 1] - first[r]
                                                              : largest;
    *ring = (cadre__ring){
        .call = call,
        .own = own,
        .data = data,
        .first = first,
        .span = {0, call->count},
        .n_lanes = 1,
        .segment = CADRE__RING_SEGMENT / call->element_bytes,
    };
    ring->n_segments = cadre__n_segments(largest, 1, ring->segment);
}

double cadre__ring_cost(const cadre__coll_call *call, double bytes, bool reduce)
{
    const cadre__coll_costs *c = call->costs;
    const double chunk = bytes / call->size, most = (double)CADRE__RING_SEGMENT;
    const double segments = chunk > most ? chunk / most : 1;

    return (call->size - 1) * ((1 + (segments - 1) / CADRE__COLL_WINDOW) * c->latency_ns +
                               chunk * c->byte_ns * cadre__levels_ring_sharing(call) +
                               (reduce ? chunk / segments * c->reduce_ns : 0));
}

static bool in_place(const cadre__ring *ring)
{
    return ring->own == ring->data;
}

static size_t window(const cadre__ring *ring)
{
    return CADRE__COLL_WINDOW / (size_t)ring->n_lanes;
}

size_t cadre__ring_landing_bytes(const cadre__ring *ring)
{
    return in_place(ring) ? window(ring) * CADRE__RING_SEGMENT : 0;
}

/* The number of this rank, counted in the direction of the ring. */
static int virtual_rank(const cadre__ring *ring)
{
    const cadre__coll_call *call = ring->call;

    return ring->backward ? (call->size - call->rank) % call->size : call->rank;
}

static int neighbour(const cadre__ring *ring, int distance)
{
    return cadre__ring_neighbour(ring->call->rank, ring->backward ? -distance : distance,
                                 ring->call->size);
}

/* What this rank has whole after a reduction: chunk r + 1, in its direction, or r. */
static int whole_chunk(const cadre__ring *ring, bool own)
{
    return cadre__ring_neighbour(virtual_rank(ring), own ? 0 : 1, ring->call->size);
}

static cadre__span chunk_of(const cadre__ring *ring, int chunk)
{
    if (ring->first != NULL)
        return (cadre__span){ring->first[chunk],
                             ring->first[chunk + 1] - ring->first[chunk]};
    cadre__span span = cadre__chunk(ring->span.count, ring->call->size, chunk);
    span.first += ring->span.first;
    return span;
}

/* Elements of message q if it is sent (ahead = 0) or received (ahead = 1). */
static cadre__span span_of(const walk *w, size_t q, int ahead)
{
    const int step = (int)(q / w->ring->n_segments);
    const int chunk = cadre__ring_chunk(w->position, step + ahead, w->ring->call->size);

    return cadre__segment(chunk_of(w->ring, chunk), w->ring->segment,
                          q % w->ring->n_segments);
}

static char *landing_of(const walk *w, size_t q, cadre__span span)
{
    const cadre__ring *ring = w->ring;

    if (w->reduce && in_place(ring))
        return ring->landing + q % window(ring) * CADRE__RING_SEGMENT;
    return ring->data + span.first * ring->call->element_bytes;
}

static size_t index_of(const walk *w, size_t q)
{
    return q * (size_t)w->ring->n_lanes + (size_t)w->ring->lane;
}

static cadre_status post_receive(const walk *w, size_t q)
{
    cadre__coll_call *call = w->ring->call;
    const cadre__span span = span_of(w, q, 1);

    if (span.count == 0)
        return CADRE_OK;
    return cadre__coll_start_recv(call, index_of(w, q), landing_of(w, q, span),
                                  span.count * call->element_bytes,
                                  neighbour(w->ring, -1));
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
    return cadre__coll_start_send(call, index_of(w, q),
                                  from + span.first * call->element_bytes,
                                  span.count * call->element_bytes, neighbour(ring, 1));
}

static cadre_status take(const walk *w, size_t q)
{
    const cadre__ring *ring = w->ring;
    cadre__coll_call *call = ring->call;
    const cadre__span span = span_of(w, q, 1);
    const size_t offset = span.first * call->element_bytes;
    char *out = ring->data + offset;

    if (span.count == 0)
        return CADRE_OK;
    CADRE_TRY(cadre__coll_finish_recv(call, index_of(w, q)));
    if (!w->reduce)
        return CADRE_OK;
    if (ring->result != NULL && q / ring->n_segments == (size_t)call->size - 2) {
        const int whole = cadre__ring_chunk(w->position, call->size - 1, call->size);

        out = ring->result +
              (span.first - chunk_of(ring, whole).first) * call->element_bytes;
    }
    /* What came stands first also in place, so that both ways give the same bits. */
    return cadre__coll_combine(call, out, landing_of(w, q, span), ring->own + offset,
                               span.count);
}

/* n walks at once, alike but for direction and place; the first is on this ring. */
static cadre_status go_round(const cadre__ring *ring, const walk *walks, int n)
{
    cadre__coll_call *call = ring->call;
    const size_t n_messages = (size_t)(call->size - 1) * ring->n_segments;
    const int first_step = call->step;
    size_t posted = 0, sent = 0;

    for (size_t q = 0; q < n_messages; q++) {
        call->step = first_step + (int)(q / ring->n_segments);
        for (; posted < n_messages && posted < q + window(ring); posted++)
            for (int i = 0; i < n; i++)
                CADRE_TRY(post_receive(&walks[i], posted));
        for (;
             sent < n_messages && sent < q + window(ring) && sent < q + ring->n_segments;
             sent++)
            for (int i = 0; i < n; i++)
                CADRE_TRY(post_send(&walks[i], sent));
        for (int i = 0; i < n; i++)
            CADRE_TRY(take(&walks[i], q));
    }
    /* Nothing sent here may be overwritten by the next walk before it has gone. */
    return cadre__coll_finish_sends(call);
}

static cadre_status average(cadre__ring *ring, int chunk)
{
    const cadre__span whole = chunk_of(ring, chunk);

    return cadre__coll_average(ring->call,
                               ring->result != NULL
                                   ? ring->result
                                   : ring->data + whole.first * ring->call->element_bytes,
                               whole.count);
}

cadre_status cadre__ring_reduce_scatter(cadre__ring *rings, int n_rings, bool own)
{
    cadre__coll_call *call = rings[0].call;
    walk walks[2] = {{0}};

    call->step = 0;
    if (call->size == 1)
        return cadre__coll_copy(call,
                                rings[0].result != NULL ? rings[0].result : rings[0].data,
                                rings[0].own, call->bytes);
    for (int i = 0; i < n_rings; i++)
        walks[i] = (walk){
            .ring = &rings[i],
            .position =
                cadre__ring_neighbour(virtual_rank(&rings[i]), own ? -1 : 0, call->size),
            .reduce = true,
        };
    CADRE_TRY(go_round(rings, walks, n_rings));
    for (int i = 0; i < n_rings; i++)
        CADRE_TRY(average(&rings[i], whole_chunk(&rings[i], own)));
    return CADRE_OK;
}

cadre_status cadre__ring_allgather(cadre__ring *rings, int n_rings)
{
    walk walks[2] = {{0}};

    rings[0].call->step = rings[0].call->size - 1;
    for (int i = 0; i < n_rings; i++)
        walks[i] = (walk){.ring = &rings[i], .position = virtual_rank(&rings[i]) + 1};
    return go_round(rings, walks, n_rings);
}
