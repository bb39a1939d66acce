/* tests/preload/unlike.c - ranks that describe the same data by unlike types (MPI-3.1,
 * 5.1: signatures must agree, types need not). Whoever does the call must be the same on
 * all ranks, and where a type has gaps these must stay as they were.
 *
 * Open MPI 4.1 alone was seen to hang in the allgatherv of this program from 3 ranks on.
 */
#include "check.h"

#define SHAPES 5
#define GAP (-7.0F)

/* `items` floats as `count` of a type of one shape, `stride` floats apart from each
 * other. */
typedef struct layout {
    MPI_Datatype type;
    int count, stride;
} layout;

static layout layout_of(int shape, int items)
{
    layout l = {MPI_FLOAT, items, 1};
    const int length = items / 2;
    const MPI_Aint second = (MPI_Aint)length * (MPI_Aint)sizeof(float);
    const int lengths[] = {length, items - length};
    const MPI_Aint places[] = {0, second};
    const MPI_Datatype inner[] = {MPI_FLOAT, MPI_FLOAT};

    switch (shape % SHAPES) {
    case 1: /* all of it is one item */
        l.count = 1;
        MPI_Type_contiguous(items, MPI_FLOAT, &l.type);
        break;
    case 2: /* one item with gaps inside */
        l.count = 1, l.stride = 2;
        MPI_Type_vector(items, 1, 2, MPI_FLOAT, &l.type);
        break;
    case 3: /* as many items, with a gap after each */
        l.stride = 3;
        MPI_Type_create_resized(MPI_FLOAT, 0, 3 * (MPI_Aint)sizeof(float), &l.type);
        break;
    case 4: /* two pieces that happen to meet */
        l.count = 1;
        MPI_Type_create_struct(2, lengths, places, inner, &l.type);
        break;
    default:
        return l;
    }
    MPI_Type_commit(&l.type);
    return l;
}

static void forget(layout *l)
{
    if (l->type != MPI_FLOAT)
        MPI_Type_free(&l->type);
}

static float value(int of_rank, int i)
{
    return (float)(of_rank * 1000 + i % 997);
}

/* Room for `blocks` blocks: a vector's items are no longer than their last float. */
static size_t room(const layout *l, int items, int blocks)
{
    return (size_t)items * (size_t)l->stride * (size_t)blocks + 1;
}

/* Where block b begins: an item with gaps inside ends with its last float. */
static size_t block_at(const layout *l, int items, int b)
{
    const size_t length = (size_t)items * (size_t)l->stride;
    return (size_t)b * (l->count == 1 && l->stride > 1 ? length - 1 : length);
}

static float *filled(size_t n)
{
    float *at = memory(n * sizeof *at);
    for (size_t i = 0; i < n; i++)
        at[i] = GAP;
    return at;
}

static void put(float *to, const layout *l, int items, int block, int of_rank)
{
    to += block_at(l, items, block);
    for (int i = 0; i < items; i++)
        to[i * l->stride] = value(of_rank, i);
}

static void expect(const char *what, const float *at, const layout *l, int items,
                   int block, int of_rank)
{
    at += block_at(l, items, block);
    for (int i = 0; i < items; i++) {
        CHECK(at[i * l->stride] == value(of_rank, i), "%s of %d, block %d: [%d] is %g",
              what, items, block, i, (double)at[i * l->stride]);
        for (int k = 1; k < l->stride && i < items - 1; k++)
            CHECK(at[i * l->stride + k] == GAP, "%s of %d wrote into a gap", what, items);
    }
}

/* Wait for what was started, if it was. */
static void end(int later, MPI_Request *request)
{
    if (later)
        MPI_Wait(request, MPI_STATUS_IGNORE);
}

static void bcast(int items, int round, MPI_Comm comm)
{
    layout l = layout_of(rank + round, items);
    const int root = round % size, later = round % 2;
    float *buf = filled(room(&l, items, 1));
    MPI_Request request;

    if (rank == root)
        put(buf, &l, items, 0, root);
    if (later)
        MPI_Ibcast(buf, l.count, l.type, root, comm, &request);
    else
        MPI_Bcast(buf, l.count, l.type, root, comm);
    end(later, &request);
    expect("bcast", buf, &l, items, 0, root);
    forget(&l);
    free(buf);
}

/* To each its own type, for what it sends and for what it gets. */
static void allgather(int items, int round, MPI_Comm comm)
{
    layout from = layout_of(rank + round, items), to = layout_of(2 * rank + round, items);
    float *in = filled(room(&from, items, 1)), *out = filled(room(&to, items, size));
    const int later = round % 2;
    MPI_Request request;

    put(in, &from, items, 0, rank);
    if (later)
        MPI_Iallgather(in, from.count, from.type, out, to.count, to.type, comm, &request);
    else
        MPI_Allgather(in, from.count, from.type, out, to.count, to.type, comm);
    end(later, &request);
    for (int r = 0; r < size; r++)
        expect("allgather", out, &to, items, r, r);
    forget(&from);
    forget(&to);
    free(in);
    free(out);
}

static void allgatherv(int items, int round, MPI_Comm comm)
{
    layout from = layout_of(rank + round, items), to = layout_of(2 * rank + round, items);
    float *in = filled(room(&from, items, 1)), *out = filled(room(&to, items, size));
    int *counts = memory((size_t)size * sizeof *counts),
        *places = memory((size_t)size * sizeof *places);
    const int later = round % 2;
    MPI_Request request;

    put(in, &from, items, 0, rank);
    for (int r = 0; r < size; r++) {
        counts[r] = to.count;
        places[r] = r * to.count;
    }
    if (later)
        MPI_Iallgatherv(in, from.count, from.type, out, counts, places, to.type, comm,
                        &request);
    else
        MPI_Allgatherv(in, from.count, from.type, out, counts, places, to.type, comm);
    end(later, &request);
    for (int r = 0; r < size; r++)
        expect("allgatherv", out, &to, items, r, r);
    forget(&from);
    forget(&to);
    free(counts);
    free(places);
    free(in);
    free(out);
}

static void alltoall(int items, int round, MPI_Comm comm)
{
    layout from = layout_of(rank + round, items), to = layout_of(2 * rank + round, items);
    float *in = filled(room(&from, items, size)), *out = filled(room(&to, items, size));
    const int later = round % 2;
    MPI_Request request;

    for (int r = 0; r < size; r++)
        put(in, &from, items, r, rank + r);
    if (later)
        MPI_Ialltoall(in, from.count, from.type, out, to.count, to.type, comm, &request);
    else
        MPI_Alltoall(in, from.count, from.type, out, to.count, to.type, comm);
    end(later, &request);
    for (int r = 0; r < size; r++)
        expect("alltoall", out, &to, items, r, rank + r);
    forget(&from);
    forget(&to);
    free(in);
    free(out);
}

int main(int argc, char **argv)
{
    static const int sizes[] = {2, 4, 300, 20001};
    MPI_Comm comm;

    MPI_Init(&argc, &argv);
    check_start();
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            bcast(sizes[k], round, comm);
            allgather(sizes[k], round, comm);
            allgatherv(sizes[k], round, comm);
            alltoall(sizes[k], round, comm);
        }
    }
    MPI_Comm_free(&comm);
    return check_finish();
}
