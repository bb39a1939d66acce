/* tests/preload/progress.c - what MPI promises of progress: messages move while ranks are
 * in a collective, and collectives end while ranks wait for a message. */
#include "check.h"
#include <unistd.h>

#define LONG_ONE (4 << 20)

/* Rank 0 has a long message under way to the last rank when it enters the barrier, which
 * the last rank enters only when it has the message. */
static void message_during_barrier(char *buf)
{
    MPI_Request request = MPI_REQUEST_NULL;

    if (rank == 0)
        MPI_Isend(buf, LONG_ONE, MPI_CHAR, size - 1, 1, MPI_COMM_WORLD, &request);
    if (rank == size - 1)
        MPI_Recv(buf, LONG_ONE, MPI_CHAR, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
}

/* The last rank sends only when its part of the reduction has ended, and rank 0 waits for
 * that message before it looks at its own. */
static void collective_during_receive(int round)
{
    MPI_Request request;
    int in = rank + round, out = -1, token = round;

    MPI_Iallreduce(&in, &out, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD, &request);
    if (rank == 0)
        MPI_Recv(&token, 1, MPI_INT, size - 1, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    CHECK(out == size - 1 + round, "maximum %d", out);
    if (rank == size - 1)
        MPI_Send(&token, 1, MPI_INT, 0, 2, MPI_COMM_WORLD);
    CHECK(token == round, "token %d", token);
}

/* Several at once, on two communicators, waited for in another order. */
static void out_of_order(MPI_Comm other)
{
    enum { N = 6 };
    MPI_Request requests[N];
    int in[N], out[N], index;

    for (int i = 0; i < N; i++) {
        in[i] = rank * 10 + i;
        MPI_Iallreduce(&in[i], &out[i], 1, MPI_INT, MPI_MAX,
                       i % 2 ? other : MPI_COMM_WORLD, &requests[i]);
    }
    MPI_Barrier(other);
    MPI_Wait(&requests[N - 1], MPI_STATUS_IGNORE);
    for (int i = 1; i < N; i++)
        MPI_Waitany(N, requests, &index, MPI_STATUS_IGNORE);
    for (int i = 0; i < N; i++)
        CHECK(out[i] == (size - 1) * 10 + i, "[%d] is %d", i, out[i]);
}

int main(int argc, char **argv)
{
    MPI_Comm other;

    MPI_Init(&argc, &argv);
    check_start();
    char *buf = memory(LONG_ONE);
    for (int i = 0; i < LONG_ONE; i++)
        buf[i] = (char)i;
    MPI_Comm_dup(MPI_COMM_WORLD, &other);
    for (int round = 0; round < ROUNDS; round++) {
        if (size > 1) {
            message_during_barrier(buf);
            collective_during_receive(round);
        }
        MPI_Barrier(other);
        out_of_order(other);
    }
    MPI_Comm_free(&other);
    free(buf);
    return check_finish();
}
