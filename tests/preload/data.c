/* tests/preload/data.c - every overridden function, blocking and not, on predefined and
 * derived types, in place or not, over counts; results against what they must be. */
#include "check.h"

static const int counts[] = {0, 1, 3, 500, 5000, 70001};
#define N_COUNTS ((int)(sizeof counts / sizeof counts[0]))

/* Exactly summable in float for few ranks. */
static double value(int of_rank, int i)
{
    return (of_rank + 1) * (i % 61 + 1);
}

static double sum_of_ranks(int i)
{
    return size * (size + 1) / 2.0 * (i % 61 + 1);
}

/* Finish what a non-blocking function started. */
static void end(MPI_Request *request, int how)
{
    int done = 0;
    if (how == 0)
        MPI_Wait(request, MPI_STATUS_IGNORE);
    else if (how == 1)
        MPI_Waitall(1, request, MPI_STATUSES_IGNORE);
    else
        while (!done)
            MPI_Test(request, &done, MPI_STATUS_IGNORE);
    CHECK(*request == MPI_REQUEST_NULL, "the request is still there");
}

static void allreduce(int n, int round, MPI_Comm comm)
{
    float *in = memory((size_t)n * sizeof *in), *out = memory((size_t)n * sizeof *out);
    const int in_place = round % 3 == 1, later = round % 2;
    MPI_Request request;

    for (int i = 0; i < n; i++) {
        in[i] = (float)value(rank, i);
        out[i] = in_place ? in[i] : -1;
    }
    void *from = in_place ? MPI_IN_PLACE : (void *)in;
    if (later) {
        MPI_Iallreduce(from, out, n, MPI_FLOAT, MPI_SUM, comm, &request);
        end(&request, round % 3);
    } else {
        MPI_Allreduce(from, out, n, MPI_FLOAT, MPI_SUM, comm);
    }
    for (int i = 0; i < n; i++)
        CHECK(out[i] == (float)sum_of_ranks(i), "allreduce of %d: [%d] is %g", n, i,
              (double)out[i]);
    free(in);
    free(out);
}

static void reduce(int n, int round, MPI_Comm comm)
{
    const int root = round % size, in_place = rank == root && round % 3 == 1;
    long *in = memory((size_t)n * sizeof *in), *out = memory((size_t)n * sizeof *out);
    MPI_Request request;

    for (int i = 0; i < n; i++) {
        in[i] = (long)value(rank, i);
        out[i] = in_place ? in[i] : -1;
    }
    void *from = in_place ? MPI_IN_PLACE : (void *)in;
    if (round % 2) {
        MPI_Ireduce(from, out, n, MPI_LONG, MPI_MAX, root, comm, &request);
        end(&request, round % 3);
    } else {
        MPI_Reduce(from, rank == root ? out : NULL, n, MPI_LONG, MPI_MAX, root, comm);
    }
    for (int i = 0; i < n && rank == root; i++)
        CHECK(out[i] == (long)value(size - 1, i), "reduce of %d: [%d] is %ld", n, i,
              out[i]);
    free(in);
    free(out);
}

static void reduce_scatter(int n, int round, MPI_Comm comm)
{
    const int block = n / size;
    int *each = memory((size_t)size * sizeof *each), first = 0, all = 0;
    MPI_Request request;

    for (int r = 0; r < size; r++) {
        each[r] = round % 4 < 2 ? block : block + r;
        first += r < rank ? each[r] : 0;
        all += each[r];
    }
    double *in = memory((size_t)all * sizeof *in),
           *out = memory((size_t)all * sizeof *out);
    for (int i = 0; i < all; i++) {
        in[i] = value(rank, i);
        out[i] = in[i];
    }
    void *from = round % 3 == 2 ? MPI_IN_PLACE : (void *)in;
    if (round % 4 == 0)
        MPI_Reduce_scatter_block(from, out, block, MPI_DOUBLE, MPI_SUM, comm);
    else if (round % 4 == 2)
        MPI_Reduce_scatter(from, out, each, MPI_DOUBLE, MPI_SUM, comm);
    else if (round % 4 == 1)
        MPI_Ireduce_scatter_block(from, out, block, MPI_DOUBLE, MPI_SUM, comm, &request);
    else
        MPI_Ireduce_scatter(from, out, each, MPI_DOUBLE, MPI_SUM, comm, &request);
    if (round % 2)
        end(&request, round % 3);
    for (int i = 0; i < each[rank]; i++)
        CHECK(out[i] == sum_of_ranks(first + i), "reduce_scatter of %d: [%d] is %g", n, i,
              out[i]);
    free(each);
    free(in);
    free(out);
}

/* The root has integers one after the other, the others in every second place, or the
 * other way round: equal signatures, unlike types. */
static void bcast(int n, int round, MPI_Comm comm)
{
    const int root = round % size, stride = round % 4 < 2 ? 2 : 1;
    int *buf = memory((size_t)n * 2 * sizeof *buf);
    MPI_Datatype spread = MPI_INT;
    MPI_Request request;

    if (stride == 2) {
        MPI_Type_vector(n, 1, 2, MPI_INT, &spread);
        MPI_Type_commit(&spread);
    }
    for (int i = 0; i < 2 * n; i++)
        buf[i] = rank == root ? 1000 + i / stride : -1;
    if (round % 2) {
        MPI_Ibcast(buf, stride == 2 ? 1 : n, spread, root, comm, &request);
        if (stride == 2)
            MPI_Type_free(&spread);
        end(&request, round % 3);
    } else {
        MPI_Bcast(buf, stride == 2 ? 1 : n, spread, root, comm);
        if (stride == 2)
            MPI_Type_free(&spread);
    }
    for (int i = 0; i < n; i++) {
        CHECK(buf[i * stride] == 1000 + i, "bcast of %d: [%d] is %d", n, i,
              buf[i * stride]);
        CHECK(stride == 1 || rank == root || buf[i * 2 + 1] == -1,
              "bcast of %d wrote into a gap", n);
    }
    free(buf);
}

/* Blocks of pairs (a contiguous type), or of shorts with a hole after each. */
static void allgather(int n, int round, MPI_Comm comm)
{
    MPI_Datatype type;
    const int stride = round % 4 < 2 ? 1 : 2, in_place = round % 3 == 1;
    short *in = memory((size_t)n * 4), *out = memory((size_t)n * 4 * (size_t)size);
    MPI_Request request;

    if (stride == 1)
        MPI_Type_contiguous(1, MPI_SHORT, &type);
    else
        MPI_Type_create_resized(MPI_SHORT, 0, 4, &type);
    MPI_Type_commit(&type);
    for (int i = 0; i < n; i++)
        in[i] = (short)(rank * 100 + i % 97);
    for (int i = 0; i < n * size * stride; i++)
        out[i] = in_place && i / stride / (n ? n : 1) == rank && i % stride == 0
                     ? in[i / stride - rank * n]
                     : -7;
    void *from = in_place ? MPI_IN_PLACE : (void *)in;
    if (round % 2) {
        MPI_Iallgather(from, n, MPI_SHORT, out, n, type, comm, &request);
        end(&request, round % 3);
    } else {
        MPI_Allgather(from, n, MPI_SHORT, out, n, type, comm);
    }
    for (int i = 0; i < n * size; i++) {
        CHECK(out[i * stride] == i / n * 100 + i % n % 97, "allgather of %d: [%d] is %d",
              n, i, out[i * stride]);
        CHECK(stride == 1 || out[i * 2 + 1] == -7, "allgather of %d wrote into a gap", n);
    }
    MPI_Type_free(&type);
    free(in);
    free(out);
}

/* Blocks of unequal length, in rank order or backwards, with gaps or without. */
static void allgatherv(int n, int round, MPI_Comm comm)
{
    const int gap = round % 4 < 2 ? 0 : 3, backwards = round % 8 >= 4;
    int *each = memory((size_t)size * sizeof(int)),
        *places = memory((size_t)size * sizeof(int)), all = 0;
    MPI_Request request;

    for (int k = 0; k < size; k++) {
        const int r = backwards ? size - 1 - k : k;
        each[r] = (n + r) % (n + 2);
        places[r] = all;
        all += each[r] + gap;
    }
    int *in = memory((size_t)each[rank] * sizeof *in),
        *out = memory((size_t)all * sizeof *out);
    for (int i = 0; i < all; i++)
        out[i] = -1;
    for (int i = 0; i < each[rank]; i++)
        in[i] = out[places[rank] + i] = rank * 100000 + i;
    void *from = round % 3 == 1 ? MPI_IN_PLACE : (void *)in;
    if (round % 2) {
        MPI_Iallgatherv(from, each[rank], MPI_INT, out, each, places, MPI_INT, comm,
                        &request);
        end(&request, round % 3);
    } else {
        MPI_Allgatherv(from, each[rank], MPI_INT, out, each, places, MPI_INT, comm);
    }
    for (int r = 0; r < size; r++)
        for (int i = 0; i < each[r] + gap; i++)
            CHECK(out[places[r] + i] == (i < each[r] ? r * 100000 + i : -1),
                  "allgatherv of %d, rank %d: [%d] is %d", n, r, i, out[places[r] + i]);
    free(each);
    free(places);
    free(in);
    free(out);
}

static void alltoall(int n, int round, MPI_Comm comm)
{
    const size_t bytes = (size_t)n * (size_t)size * sizeof(double);
    double *in = memory(bytes), *out = memory(bytes);
    MPI_Datatype type = MPI_DOUBLE;
    const int in_place = round % 3 == 1, derived = round % 4 >= 2;
    MPI_Request request;

    if (derived) { /* two halves, not known to be dense */
        MPI_Type_vector(2, 1, 1, MPI_FLOAT, &type);
        MPI_Type_commit(&type);
    }
    for (int i = 0; i < n * size; i++) {
        in[i] = rank * 1000.0 + i / n + i % n * 1e6;
        out[i] = in_place ? in[i] : -1;
    }
    void *from = in_place ? MPI_IN_PLACE : (void *)in;
    if (round % 2) {
        MPI_Ialltoall(from, n, type, out, n, type, comm, &request);
        end(&request, round % 3);
    } else {
        MPI_Alltoall(from, n, type, out, n, type, comm);
    }
    for (int i = 0; i < n * size; i++)
        CHECK(out[i] == i / n * 1000.0 + rank + i % n * 1e6, "alltoall of %d: [%d] is %g",
              n, i, out[i]);
    if (derived)
        MPI_Type_free(&type);
    free(in);
    free(out);
}

int main(int argc, char **argv)
{
    MPI_Request request;
    MPI_Comm comm;

    MPI_Init(&argc, &argv);
    check_start();
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < N_COUNTS && (round < 8 || k < N_COUNTS - 1); k++) {
            const int n = counts[k];
            allreduce(n, round, comm);
            reduce(n, round, comm);
            reduce_scatter(n, round, comm);
            bcast(n, round, comm);
            allgather(n > 5000 ? 5000 : n, round, comm);
            allgatherv(n, round, comm);
            alltoall(n > 5000 ? 5000 : n, round, comm);
        }
        MPI_Barrier(comm);
        MPI_Ibarrier(comm, &request);
        end(&request, round % 3);
    }
    MPI_Comm_free(&comm);
    return check_finish();
}
