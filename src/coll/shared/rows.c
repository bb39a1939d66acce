/* coll/shared/rows.c - when to go through shared memory, and what it is predicted to
 * cost.
 *
 * p ranks; s: until a flag is seen (sync_ns), c: a byte that another core has written is
 * copied (copy_ns), r: such a byte is reduced. Copying out of one's own cache takes half
 * of c. */
#include "coll/cost.h"
#include "coll/shared/pull.h"

/* process_vm_readv() of one page, and how much slower than a copy its bytes are. */
#define READ_CALL_NS 1500.0
#define READ_FACTOR 1.3
#define BYTES_PER_WAIT 131072.0

bool cadre__shared_applies(const cadre__coll_call *call)
{
    return call->size > 1 && call->comm != NULL && cadre_comm_n_nodes(call->comm) == 1 &&
           cadre__comm_area(call->comm, 0) != NULL && call->recv_counts == NULL;
}

bool cadre__shared_read_applies(const cadre__coll_call *call)
{
    return cadre__shared_applies(call) && cadre__comm_can_read(call->comm);
}

static double reduced_byte_ns(const cadre__coll_call *call)
{
    return call->costs->copy_ns + 0.5 * call->costs->reduce_ns;
}

/* Long ones wait once for each chunk. */
static double waits_ns(const cadre__coll_call *call, double waits)
{
    const size_t bytes = cadre__pull_most(call);
    const bool whole = bytes <= SHARED_INLINE_BYTES || cadre__pull_swaps(call, bytes);
    const double chunks = whole ? 0 : 1 + (double)bytes / BYTES_PER_WAIT;

    return (waits + chunks) * call->costs->sync_ns;
}

double cadre__shared_barrier_cost(const cadre__coll_call *call)
{
    return call->costs->sync_ns * (1 + 0.1 * (call->size - 2));
}

/* Copying this rank's stream in, and taking the others', both by the busiest rank. */
static void bytes_of(const cadre__coll_call *call, double *in, double *out)
{
    const double m = (double)call->bytes, others = call->size - 1;

    switch (call->collective) {
    case CADRE_BROADCAST: /* the one while the other */
        *in = 0;
        *out = m;
        break;
    case CADRE_GATHER:
    case CADRE_SCATTER:
        *in = 0;
        *out = others * m;
        break;
    case CADRE_ALLGATHER:
        *in = m;
        *out = others * m;
        break;
    case CADRE_ALLTOALL:
        *in = *out = others * m;
        break;
    case CADRE_REDUCE_SCATTER:
        *in = *out = m * others / call->size;
        break;
    default:
        *in = m;
        *out = others * m;
    }
}

double cadre__shared_pull_cost(const cadre__coll_call *call)
{
    const double c = call->costs->copy_ns;
    const double taken =
        cadre__collective_reduces(call->collective) ? reduced_byte_ns(call) : c;
    double in, out;

    bytes_of(call, &in, &out);
    return waits_ns(call, 1) + 0.5 * c * in + taken * out;
}

double cadre__shared_pull_read_cost(const cadre__coll_call *call)
{
    const double c = READ_FACTOR * call->costs->copy_ns;
    const double taken =
        cadre__collective_reduces(call->collective) ? c + call->costs->reduce_ns : c;
    double in, out;

    bytes_of(call, &in, &out);
    return 3 * call->costs->sync_ns + READ_CALL_NS * (call->size - 1) + taken * out;
}

double cadre__shared_slices_cost(const cadre__coll_call *call)
{
    const double c = call->costs->copy_ns, m = (double)call->bytes;
    const double share = (call->size - 1.0) / call->size;

    return 2 * waits_ns(call, 1) + m * share * (0.5 * c + reduced_byte_ns(call) + c);
}

double cadre__shared_slices_read_cost(const cadre__coll_call *call)
{
    const double c = READ_FACTOR * call->costs->copy_ns, m = (double)call->bytes;
    const double share = (call->size - 1.0) / call->size;

    return 3 * call->costs->sync_ns + 2 * READ_CALL_NS * (call->size - 1) +
           m * share * (2 * c + 0.5 * call->costs->reduce_ns);
}
