/* tests/mpi/test_comm.c - messages, deadlines, agreement, communicators of some ranks. */
#include "core/memory.h"
#include "mpi_check.h"
#include <stdlib.h>

static int64_t soon(int64_t ms)
{
    return cadre_deadline_in_ms(ms);
}

static void fill(unsigned char *buf, size_t n, int rank)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = (unsigned char)(i * 7 + (size_t)rank * 31 + 1);
}

/* Everybody sends to the next rank and receives from the one before, both ends of MPI's
 * protocols: short, eager, rendezvous. */
static void test_ring(cadre_comm *world)
{
    static const size_t sizes[] = {0, 1, 100, 4096, 4097, 65536, 3000001};
    const int size = cadre_comm_size(world), rank = check_rank;
    const int next = (rank + 1) % size, before = (rank + size - 1) % size;

    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const size_t n = sizes[k];
        unsigned char *out = cadre__alloc(n), *in = cadre__alloc(n + 1),
                      *expected = cadre__alloc(n);
        cadre_req reqs[2] = {0};
        fill(out, n, rank);
        fill(expected, n, before);
        CHECK(cadre_irecv(world, in, n + 1, before, 5, &reqs[0]) == CADRE_OK, "irecv");
        CHECK(cadre_isend(world, out, n, next, 5, &reqs[1]) == CADRE_OK, "isend");
        CHECK(cadre_wait(world, reqs, 2, soon(20000)) == CADRE_OK, "%zu bytes", n);
        CHECK(reqs[0].bytes == n, "got %zu bytes, expected %zu", reqs[0].bytes, n);
        CHECK(reqs[0].peer == before, "came from %d, expected %d", reqs[0].peer, before);
        CHECK(memcmp(in, expected, n) == 0, "contents of %zu bytes", n);
        cadre__free(out);
        cadre__free(in);
        cadre__free(expected);
    }
}

/* Rank 0 takes one message of each other rank, whoever is first. */
static void test_any_source(cadre_comm *world)
{
    const int size = cadre_comm_size(world);
    if (check_rank != 0) {
        CHECK(cadre_send(world, &check_rank, sizeof check_rank, 0, 6, soon(20000)) ==
                  CADRE_OK,
              "send");
        return;
    }
    int sum = 0, value, from;
    for (int i = 1; i < size; i++) {
        size_t bytes;
        CHECK(cadre_probe(world, CADRE_ANY_RANK, 6, soon(20000), &from, &bytes) ==
                  CADRE_OK,
              "probe");
        CHECK(bytes == sizeof value, "probed %zu bytes", bytes);
        CHECK(cadre_recv(world, &value, sizeof value, from, 6, soon(20000), NULL) ==
                  CADRE_OK,
              "recv");
        CHECK(value == from, "rank %d sent %d", from, value);
        sum += value;
    }
    CHECK(sum == size * (size - 1) / 2, "sum of ranks is %d", sum);
}

/* A deadline passes when it should, names the rank, and the withdrawn receive leaves
 * nothing. */
static void test_deadline(cadre_comm *world)
{
    const int size = cadre_comm_size(world), other = (check_rank + 1) % size;
    int value = 0;
    const int64_t start = cadre_clock_ns();
    const cadre_status st =
        cadre_recv(world, &value, sizeof value, other, 7, soon(30), NULL);
    const int64_t took = cadre_clock_ns() - start;
    char name[64];
    snprintf(name, sizeof name, "rank %d on ", other);
    CHECK(st == CADRE_ERR_TIMEOUT, "status %s", cadre_status_name(st));
    CHECK(strstr(cadre_last_error(), name) != NULL, "the sentence names no %s", name);
    CHECK(took >= 30 * CADRE_NS_PER_MS, "came back after %lld ns", (long long)took);
    CHECK(cadre_comm_agree(world, CADRE_OK, soon(20000)) == CADRE_OK, "agree");
}

static void test_bad_arguments(cadre_comm *world)
{
    cadre_req req = {0};
    const int size = cadre_comm_size(world);
    char byte = 0;
    CHECK(cadre_isend(world, &byte, 1, size, 0, &req) == CADRE_ERR_ARG, "rank too large");
    CHECK(cadre_isend(world, &byte, 1, -1, 0, &req) == CADRE_ERR_ARG, "rank negative");
    CHECK(cadre_irecv(world, &byte, 1, 0, -2, &req) == CADRE_ERR_ARG, "tag negative");
    CHECK(cadre_isend(world, NULL, 1, 0, 0, &req) == CADRE_ERR_ARG, "NULL");
    CHECK(cadre_isend(world, &byte, (size_t)1 << 31, 0, 0, &req) == CADRE_ERR_ARG,
          "2 GiB");
    size_t index;
    CHECK(cadre_wait_any(world, &req, 1, soon(10), &index) == CADRE_ERR_ARG,
          "nothing under way");
}

static void test_agree(cadre_comm *world)
{
    const int size = cadre_comm_size(world);
    CHECK(cadre_comm_agree(world, CADRE_OK, soon(20000)) == CADRE_OK, "all well");

    /* Two ranks fail: the worse status wins, and everybody hears its sentence. */
    cadre_status mine = CADRE_OK;
    if (check_rank == size - 1)
        mine = cadre_fail(CADRE_ERR_TOPO, "no room here");
    if (check_rank == size / 2)
        mine = cadre_fail(CADRE_ERR_KERNEL, "layer 7 is missing");
    const cadre_status st = cadre_comm_agree(world, mine, soon(20000));
    CHECK(st == CADRE_ERR_KERNEL, "agreed on %s", cadre_status_name(st));
    CHECK(strstr(cadre_last_error(), "layer 7 is missing") != NULL, "sentence");
    char who[32];
    snprintf(who, sizeof who, "rank %d on ", size / 2);
    CHECK(size / 2 == 0 || strstr(cadre_last_error(), who) != NULL, "sentence without %s",
          who);
}

/* Odd ranks make a communicator of their own, in reverse order; the others know
 * nothing. */
static void test_create(cadre_comm *world)
{
    const int size = cadre_comm_size(world);
    int ranks[64], n = 0;
    cadre_comm *odd;
    for (int r = size - 1; r >= 0; r--) {
        if (r % 2)
            ranks[n++] = r;
    }
    if (check_rank % 2) {
        CHECK(cadre_comm_create(world, ranks, n, 3, &odd) == CADRE_OK, "create");
        CHECK(cadre_comm_size(odd) == n, "size %d", cadre_comm_size(odd));
        CHECK(cadre_comm_world_rank_of(odd, cadre_comm_rank(odd)) == check_rank,
              "world rank");
        CHECK(cadre_comm_agree(odd, CADRE_OK, soon(20000)) == CADRE_OK, "agree");
        CHECK(cadre_comm_node_size(odd) <= n, "node size");
        cadre_comm_destroy(odd);
    }
    const int twice[] = {0, 0};
    CHECK(cadre_comm_create(world, twice, size > 1 ? 2 : 1, 3, &odd) ==
              (check_rank == 0 && size == 1 ? CADRE_OK : CADRE_ERR_ARG),
          "a list that is wrong, or without the caller");
    if (size == 1)
        cadre_comm_destroy(odd);
}

/* The last rank never comes: all others say so, in time, and the comm is broken for
 * them. */
static void test_missing(cadre_comm *world)
{
    const int size = cadre_comm_size(world);
    int ranks[64];
    cadre_comm *copy;
    if (size == 1)
        return;
    for (int r = 0; r < size; r++)
        ranks[r] = r;
    CHECK(cadre_comm_create(world, ranks, size, 4, &copy) == CADRE_OK, "create");
    if (check_rank != size - 1) {
        char who[64];
        snprintf(who, sizeof who, "rank %d on ", size - 1);
        cadre_status st = cadre_comm_agree(copy, CADRE_OK, soon(600));
        CHECK(st == CADRE_ERR_TIMEOUT, "agreed on %s", cadre_status_name(st));
        CHECK(strstr(cadre_last_error(), who) != NULL, "the sentence names no %s", who);
        st = cadre_comm_agree(copy, CADRE_OK, soon(600));
        CHECK(st == CADRE_ERR_BROKEN, "after that: %s", cadre_status_name(st));
    }
    CHECK(cadre_comm_agree(world, CADRE_OK, soon(20000)) == CADRE_OK,
          "the world is unharmed");
    cadre_comm_destroy(copy);
}

/* A rank that waits uses next to no CPU time, even where ranks outnumber cores. */
static void test_idle(cadre_comm *world)
{
    int value = 0;
    const int64_t cpu = cadre_cpu_ns();
    CHECK(cadre_recv(world, &value, sizeof value, check_rank, 8, soon(300), NULL) ==
              CADRE_ERR_TIMEOUT,
          "nobody sends");
    const int64_t used = cadre_cpu_ns() - cpu;
    CHECK(used < 100 * CADRE_NS_PER_MS, "300 ms of waiting took %lld us of CPU time",
          (long long)(used / CADRE_NS_PER_US));
}

int main(void)
{
    cadre_comm *world = check_start();
    test_ring(world);
    test_any_source(world);
    test_deadline(world);
    test_bad_arguments(world);
    test_agree(world);
    test_create(world);
    test_missing(world);
    test_idle(world);
    return check_finish(world);
}
