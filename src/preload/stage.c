/* preload/stage.c - data movement as bytes: blocks with gaps are packed into memory in
 * between, all others are used where they are. Packed data are the same bytes on all
 * ranks, since those run one program on one kind of machine. */
#include "core/memory.h"
#include "preload/preload.h"
#include <string.h>

static size_t side_bytes(const side *s)
{
    return (size_t)s->count * s->item_bytes;
}

/* Memory in between: the communicator's, grown, or the turn's own. */
static void *memory(turn *t, int which, size_t bytes, bool keep)
{
    user_comm *comm = t->comm;

    if (keep)
        return t->staging[which] = cadre__alloc(bytes);
    if (comm->staged_bytes[which] < bytes) {
        cadre__free(comm->staging[which]);
        comm->staging[which] = cadre__alloc(bytes);
        comm->staged_bytes[which] = comm->staging[which] ? bytes : 0;
    }
    return t->staging[which] = comm->staging[which];
}

static int pack(const turn *t, const side *s, const void *from, char *to)
{
    int at = 0;
    if (s->count == 0)
        return MPI_SUCCESS;
    return PMPI_Pack(from, s->count, s->type, to, (int)side_bytes(s), &at, t->mpi);
}

/* Whether the blocks of the receiving side follow each other without gaps. */
static bool seamless(const turn *t)
{
    if (!t->recv.dense)
        return false;
    if (!t->recv_counts)
        return true;
    int64_t next = t->places[0];
    for (int r = 0; r < t->comm->size; r++) {
        if (t->recv_counts[r] > 0 && t->places[r] != next)
            return false;
        next += t->recv_counts[r];
    }
    return true;
}

static const char *first_block(const turn *t)
{
    const char *at = t->recv.buf;
    return t->recv_counts ? at + t->places[0] * t->recv.extent : at;
}

static int stage_broadcast(turn *t, bool keep)
{
    const side *s = &t->recv;

    t->args.recv = (void *)(uintptr_t)s->buf;
    if (s->dense)
        return MPI_SUCCESS;
    t->args.recv = memory(t, 1, t->bytes, keep);
    if (!t->args.recv)
        return MPI_ERR_NO_MEM;
    return t->comm->rank == t->args.root ? pack(t, s, s->buf, t->args.recv) : MPI_SUCCESS;
}

/* The input of an allgather or alltoall that stands in a receive buffer with gaps. */
static int stage_in_place(turn *t, bool keep)
{
    const bool all = t->args.collective == CADRE_ALLTOALL;
    const int rank = t->comm->rank;
    side mine = t->recv;
    MPI_Aint place = (MPI_Aint)rank * mine.count;

    if (all)
        mine.count *= t->comm->size, place = 0;
    if (t->recv_counts) {
        mine.count = t->recv_counts[rank];
        place = t->places[rank];
    }
    t->args.send = memory(t, 0, side_bytes(&mine) + 1, keep);
    if (!t->args.send)
        return MPI_ERR_NO_MEM;
    return pack(t, &mine, (const char *)mine.buf + place * mine.extent, t->staging[0]);
}

int cadre__preload_stage(turn *t, bool keep)
{
    if (t->args.collective == CADRE_BROADCAST)
        return stage_broadcast(t, keep);
    const bool straight = seamless(t);
    side *s = &t->send;

    if (straight) {
        t->args.recv = (void *)(uintptr_t)first_block(t);
    } else {
        t->args.recv = memory(t, 1, t->bytes, keep);
        if (!t->args.recv)
            return MPI_ERR_NO_MEM;
    }
    if (s->buf == MPI_IN_PLACE) {
        t->args.send = CADRE_IN_PLACE;
        return straight ? MPI_SUCCESS : stage_in_place(t, keep);
    }
    t->args.send = s->buf;
    if (s->dense)
        return MPI_SUCCESS;
    if (t->args.collective == CADRE_ALLTOALL)
        s->count *= t->comm->size;
    t->args.send = memory(t, 0, side_bytes(s) + 1, keep);
    return t->args.send ? pack(t, s, s->buf, t->staging[0]) : MPI_ERR_NO_MEM;
}

static int unpack(const turn *t, const char *from, size_t bytes, MPI_Aint place,
                  int count)
{
    char *to = (char *)(uintptr_t)t->recv.buf + place * t->recv.extent;
    int at = 0;

    if (count == 0)
        return MPI_SUCCESS;
    if (t->recv.dense) {
        memcpy(to, from, bytes);
        return MPI_SUCCESS;
    }
    return PMPI_Unpack(from, (int)bytes, &at, to, count, t->recv.type, t->mpi);
}

int cadre__preload_unstage(turn *t)
{
    const char *from = t->staging[1];
    const int size = t->comm->size;

    if (!from)
        return MPI_SUCCESS;
    if (t->args.collective == CADRE_BROADCAST) {
        if (t->comm->rank == t->args.root)
            return MPI_SUCCESS;
        return unpack(t, from, t->bytes, 0, t->recv.count);
    }
    if (!t->recv_counts)
        return unpack(t, from, t->bytes, 0, t->recv.count * size);
    for (int r = 0; r < size; r++) {
        const size_t bytes = (size_t)t->recv_counts[r] * t->recv.item_bytes;
        const int code = unpack(t, from, bytes, t->places[r], t->recv_counts[r]);
        if (code != MPI_SUCCESS)
            return code;
        from += bytes;
    }
    return MPI_SUCCESS;
}
