/* tests/mpi/test_shared.c - the algorithms by shared memory: sizes around every place
 * where they change their way, all collectives, shared buffers mixed with ordinary ones,
 * several operations under way, ranks that come late, with another call, or never.
 *
 * Inputs are small integers, so every sum is exact whatever the order. */
#include "mpi_check.h"
#include <cadre/coll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static cadre_comm *world;
static int size, rank;

/* Elements of f32 on both sides of: one cache line, a slot, chunks of 8, 32 and 128 KiB,
 * streams of 128 and 512 KiB, the whole of an area, and what is reduced and read at once.
 */
static const size_t counts[] = {
    1,    13,    14,    15,    1023,   1024,   1025,   2047,   2049,   4096,       8191,
    8193, 32767, 32769, 65537, 131071, 131073, 262144, 262145, 300007, 1048576 + 5};
#define N_COUNTS (sizeof counts / sizeof counts[0])
#define MOST ((size_t)1048576 + 5)

static float value(int r, size_t i, int round)
{
    return (float)((int)((i * 7 + (size_t)r * 13 + (size_t)round * 5) % 61) - 30);
}

/* ---- Buffers: ordinary, or shared, or the one on even ranks and the other on odd ----
 */

typedef enum where { ORDINARY, SHARED, MIXED } where;
static const char *const where_names[] = {"ordinary", "shared", "mixed"};

static float *take(size_t count, where place)
{
    void *memory;

    if (place == SHARED || (place == MIXED && rank % 2 == 1)) {
        if (cadre_coll_alloc(world, count * sizeof(float), &memory) == CADRE_OK)
            return memory;
        fprintf(stderr, "%s\n", cadre_last_error());
        cadre_abort(1);
    }
    memory = calloc(count + 1, sizeof(float));
    if (memory == NULL)
        cadre_abort(1);
    return memory;
}

static void give(float *memory, where place)
{
    if (place == SHARED || (place == MIXED && rank % 2 == 1))
        cadre_coll_free(world, memory);
    else
        free(memory);
}

/* ---- One collective: what this rank sends, and what it should have then ---- */

typedef struct trial {
    cadre_collective collective;
    const char *algorithm;
    size_t count;
    int root, round;
    bool in_place;
    size_t *counts; /* [size], of a reduce_scatter */
} trial;

static float total(const trial *t, size_t i, int ranks)
{
    float sum = 0;

    for (int r = 0; r < ranks; r++)
        sum += value(r, i, t->round);
    return sum;
}

static size_t first_of(const trial *t, int r)
{
    size_t first = 0;

    for (int i = 0; i < r; i++)
        first += t->counts[i];
    return first;
}

static size_t sent(const trial *t)
{
    const bool blocks = t->collective == CADRE_ALLTOALL || t->collective == CADRE_SCATTER;

    return blocks ? t->count * (size_t)size : t->count;
}

static size_t received(const trial *t)
{
    switch (t->collective) {
    case CADRE_GATHER:
        return rank == t->root ? t->count * (size_t)size : 0;
    case CADRE_REDUCE:
        return rank == t->root ? t->count : 0;
    case CADRE_ALLGATHER:
    case CADRE_ALLTOALL:
        return t->count * (size_t)size;
    case CADRE_REDUCE_SCATTER:
        return t->counts[rank];
    default:
        return t->count;
    }
}

static float expected(const trial *t, size_t i)
{
    const size_t n = t->count, me = (size_t)rank;

    switch (t->collective) {
    case CADRE_BROADCAST:
        return value(t->root, i, t->round);
    case CADRE_GATHER:
    case CADRE_ALLGATHER:
        return value((int)(i / n), i % n, t->round);
    case CADRE_SCATTER:
        return value(t->root, me * n + i, t->round);
    case CADRE_ALLTOALL:
        return value((int)(i / n), me * n + i % n, t->round);
    case CADRE_SCAN:
        return total(t, i, rank + 1);
    case CADRE_REDUCE_SCATTER:
        return total(t, first_of(t, rank) + i, size);
    default:
        return total(t, i, size);
    }
}

/* Where in-place input stands in the receive buffer; false: not possible here. */
static bool in_place_at(const trial *t, size_t *at)
{
    const bool root = rank == t->root;

    *at = 0;
    if (t->collective == CADRE_BROADCAST || t->collective == CADRE_SCATTER)
        return false;
    if (t->collective == CADRE_ALLGATHER || t->collective == CADRE_GATHER)
        *at = (size_t)rank * t->count;
    return (t->collective != CADRE_GATHER && t->collective != CADRE_REDUCE) || root;
}

static const char *name_of(const trial *t, where place)
{
    static char name[160];

    snprintf(name, sizeof name, "collective %d by %s, %zu elements, root %d, %s%s",
             (int)t->collective, t->algorithm ? t->algorithm : "choice", t->count,
             t->root, where_names[place], t->in_place ? ", in place" : "");
    return name;
}

static cadre_coll_args args_of(const trial *t, float *send, float *recv)
{
    cadre_coll_args args = {.collective = t->collective,
                            .send = send,
                            .recv = recv,
                            .count = t->count,
                            .dtype = CADRE_F32,
                            .reduction = CADRE_SUM,
                            .root = t->root};

    if (t->collective == CADRE_BROADCAST)
        args.recv = send;
    if (t->collective == CADRE_REDUCE_SCATTER)
        args.counts = t->counts;
    return args;
}

static void fill(const trial *t, float *send)
{
    for (size_t i = 0; i < sent(t); i++)
        send[i] = t->collective == CADRE_BROADCAST && rank != t->root
                      ? -1000.0f
                      : value(rank, i, t->round);
}

static void compare(const trial *t, const float *got, where place)
{
    size_t wrong = 0, first = 0;

    for (size_t i = 0; i < received(t); i++) {
        if (got[i] != expected(t, i) && wrong++ == 0)
            first = i;
    }
    CHECK(wrong == 0, "%s: %zu wrong, element %zu is %g and should be %g",
          name_of(t, place), wrong, first, (double)got[first],
          (double)expected(t, first));
}

static void run_trial(const trial *t, where place)
{
    const bool broadcast = t->collective == CADRE_BROADCAST;
    const size_t n_recv = sent(t) > received(t) ? sent(t) : received(t);
    float *send = take(sent(t), place), *recv = take(n_recv, place);
    cadre_coll_args args = args_of(t, send, recv);
    size_t at;

    fill(t, send);
    if (t->in_place && in_place_at(t, &at)) {
        memcpy(recv + at, send, sent(t) * sizeof(float));
        args.send = CADRE_IN_PLACE;
    }
    const cadre_coll_opts opts = {.algorithm = t->algorithm};
    CHECK(cadre_coll_call(world, &args, &opts) == CADRE_OK, "%s", name_of(t, place));
    compare(t, broadcast ? send : recv, place);
    give(send, place);
    give(recv, place);
}

static size_t *uneven(size_t count)
{
    static size_t block[64];
    size_t left = count;

    for (int r = 0; r < size; r++) {
        block[r] = r == size - 1 ? left : (count / (size_t)size) * (size_t)(r % 3) / 2;
        left -= block[r];
    }
    return block;
}

static bool has(cadre_collective collective, const char *algorithm)
{
    static const char *const names[] = {
#define X(id, name) name,
        CADRE_COLLECTIVE_LIST(X)
#undef X
    };
    const char *name;

    for (size_t i = 0; (name = cadre_coll_algorithm(names[collective], i, NULL)); i++) {
        if (strcmp(name, algorithm) == 0)
            return true;
    }
    return false;
}

static void test_sizes(const char *algorithm, where place)
{
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++) {
        const cadre_collective collective = (cadre_collective)c;
        const bool blocks = collective == CADRE_ALLTOALL || collective == CADRE_SCATTER ||
                            collective == CADRE_GATHER || collective == CADRE_ALLGATHER;

        if (collective == CADRE_BARRIER || !has(collective, algorithm))
            continue;
        for (size_t i = 0; i < N_COUNTS; i++) {
            const size_t count = counts[i];
            trial t = {collective, algorithm,  count,        (int)i % size,
                       (int)i,     i % 3 == 2, uneven(count)};

            if (blocks && count * (size_t)size > MOST)
                continue;
            /* Short ones are never read where they stand. */
            if (place != ORDINARY && (count < 1024 || (i + (size_t)c) % 2 == 0))
                continue;
            run_trial(&t, place);
        }
    }
}

/* ---- Order, lateness, and many at once ---- */

/* Roots run ahead of the others: nothing may be overwritten before it was taken. */
static void test_running_ahead(void)
{
    static const size_t sizes[] = {3, 1500, 20000};

    for (int i = 0; i < 300; i++) {
        trial t = {CADRE_BROADCAST, "shm", sizes[i % 3], i % 7 == 0 ? i % size : 0, i,
                   false,           NULL};
        if (i % 5 == 4)
            t.collective = i % 2 ? CADRE_GATHER : CADRE_SCATTER;
        if (i % 50 == 0 && rank == size - 1)
            usleep(2000);
        run_trial(&t, ORDINARY);
        if (i % 60 == 0)
            CHECK(cadre_barrier(world, NULL) == CADRE_OK, "barrier %d", i);
    }
}

/* Long broadcasts, of which roots write a part; the next one may begin on some ranks
 * while others are still in this one. */
static void test_split(void)
{
    for (int i = 0; i < 36; i++) {
        trial t = {CADRE_BROADCAST,
                   i / 3 % 2 ? "shm_read" : "shm",
                   i % 4 == 1 ? 200001 : 140000,
                   i / 2 % size,
                   i,
                   false,
                   NULL};

        if (i % 12 == 7 && rank == i % size)
            usleep(3000);
        run_trial(&t, (where)(i % 3));
    }
}

/* What was read in one operation is written in the next: nothing may be gone, whatever
 * comes after what, however late a rank is. */
static void test_swapped(void)
{
    static const cadre_collective of[] = {CADRE_ALLREDUCE, CADRE_ALLGATHER,
                                          CADRE_ALLTOALL, CADRE_REDUCE_SCATTER,
                                          CADRE_BROADCAST};
    static const size_t sizes[] = {1, 20, 300, 5000, 30000};
    uint32_t draw = 1;

    for (int i = 0; i < 250; i++) {
        draw = draw * 1664525 + 1013904223;
        const uint32_t way = draw >> 8;
        const size_t count = sizes[way / 5 % 5];
        trial t = {of[way % 5],       "shm",        count, i % size, i,
                   way / 25 % 3 == 0, uneven(count)};

        if (way / 75 % 4 == 0)
            t.algorithm = t.collective == CADRE_ALLREDUCE ? "shm_slices" : "shm_read";
        if (way / 300 % 16 == 0 && rank == i % size)
            usleep(1000);
        run_trial(&t, (where)(way / 4800 % 3));
    }
}

static void test_late(void)
{
    for (int late = 0; late < size; late++) {
        trial t = {CADRE_ALLREDUCE, "shm_slices", 40000, 0, late, true, NULL};

        if (rank == late)
            usleep(15000); /* long enough for the others to be asleep */
        run_trial(&t, ORDINARY);
        if (rank == late)
            usleep(15000);
        CHECK(cadre_barrier(world, &(cadre_coll_opts){.algorithm = "shm"}) == CADRE_OK,
              "barrier with rank %d late", late);
    }
}

#define N_PLANS 6

static void test_plans(void)
{
    static const size_t sizes[N_PLANS] = {5, 3000, 50000, 7, 100000, 2000};
    cadre_coll_plan *plans[N_PLANS];
    float *send[N_PLANS], *recv[N_PLANS];
    trial t[N_PLANS];

    for (int p = 0; p < N_PLANS; p++) {
        t[p] = (trial){p % 2 ? CADRE_ALLGATHER : CADRE_ALLREDUCE,
                       "shm",
                       sizes[p],
                       0,
                       0,
                       false,
                       NULL};
        send[p] = take(sent(&t[p]), MIXED);
        recv[p] = take(received(&t[p]), MIXED);
        cadre_coll_args args = args_of(&t[p], send[p], recv[p]);
        const cadre_coll_opts opts = {.algorithm = t[p].algorithm};
        CHECK(cadre_coll_plan_make(world, &args, &opts, &plans[p]) == CADRE_OK, "plan %d",
              p);
    }
    for (int round = 0; round < 20; round++) {
        for (int p = 0; p < N_PLANS; p++) {
            t[p].round = round;
            fill(&t[p], send[p]);
            CHECK(cadre_coll_start(plans[p], 0) == CADRE_OK, "start of plan %d", p);
        }
        for (int i = 0; i < N_PLANS; i++) {
            const int p = (i * 5 + rank) % N_PLANS; /* each in an order of its own */

            CHECK(cadre_coll_wait(plans[p]) == CADRE_OK, "wait for plan %d", p);
            compare(&t[p], recv[p], MIXED);
        }
    }
    for (int p = 0; p < N_PLANS; p++) {
        cadre_coll_plan_free(plans[p]);
        give(send[p], MIXED);
        give(recv[p], MIXED);
    }
}

/* ---- Memory ---- */

static void test_alloc(void)
{
    void *a, *b, *c, *none = &a;

    CHECK(cadre_coll_alloc(world, 0, &a) == CADRE_OK && a != NULL, "0 bytes");
    CHECK(cadre_coll_alloc(world, 5 << 20, &b) == CADRE_OK, "5 MiB");
    CHECK((uintptr_t)b % 4096 == 0, "%p is not aligned to a page", b);
    memset(b, 1, 5 << 20);
    CHECK(cadre_coll_alloc(world, 4097, &c) == CADRE_OK, "4097 bytes");
    cadre_coll_free(world, b);
    CHECK(cadre_coll_alloc(world, 3 << 20, &b) == CADRE_OK, "3 MiB where 5 were");
    size_t dirty = 0;
    for (size_t i = 0; i < 3 << 20; i++)
        dirty += ((unsigned char *)b)[i] != 0;
    CHECK(dirty == 0, "%zu bytes of new memory are not zero", dirty);
    cadre_coll_free(world, a);
    cadre_coll_free(world, c);
    cadre_coll_free(world, b);
    cadre_coll_free(world, NULL);
    CHECK(cadre_coll_alloc(world, SIZE_MAX - 1, &none) == CADRE_ERR_NOMEM && none == NULL,
          "more than there is");
    CHECK(cadre_coll_alloc(NULL, 1, &none) == CADRE_ERR_ARG, "no comm");
}

/* ---- Failures, each on a comm of its own ---- */

static cadre_comm *copy_of_world(void)
{
    int all[64];
    cadre_comm *copy = NULL;

    for (int r = 0; r < size; r++)
        all[r] = r;
    CHECK(cadre_comm_create(world, all, size, 7, &copy) == CADRE_OK, "copy of the world");
    return copy;
}

/* The last rank calls something else; all of them hear of it, long before the deadline.
 */
static void test_mismatch(size_t count, size_t other_count, cadre_collective other)
{
    cadre_comm *comm = copy_of_world();
    const bool odd = rank == size - 1;
    const size_t n = odd ? other_count : count;
    float *send = take(n, ORDINARY), *recv = take(n * (size_t)size, ORDINARY);
    const cadre_coll_args args = {.collective = odd ? other : CADRE_ALLREDUCE,
                                  .send = send,
                                  .recv = recv,
                                  .count = n,
                                  .reduction = CADRE_SUM};
    const int64_t start = cadre_clock_ns();
    const cadre_coll_opts opts = {.deadline_ns = start + 3 * CADRE_NS_PER_S,
                                  .algorithm = "shm"};
    const cadre_status st = cadre_coll_call(comm, &args, &opts);

    CHECK(st == CADRE_ERR_ARG || st == CADRE_ERR_TIMEOUT, "%zu against %zu: %s", count,
          other_count, cadre_status_name(st));
    if (st != CADRE_OK && rank == 0)
        CHECK(strstr(cadre_last_error(), "allreduce") != NULL, "says which call");
    CHECK(cadre_clock_ns() - start < 6 * CADRE_NS_PER_S, "says so in time");
    CHECK(cadre_coll_call(comm, &args, &opts) == CADRE_ERR_BROKEN, "the comm is broken");
    CHECK(cadre_comm_agree(world, CADRE_OK, cadre_deadline_in_ms(20000)) == CADRE_OK,
          "all are back");
    cadre_comm_destroy(comm);
    give(send, ORDINARY);
    give(recv, ORDINARY);
}

/* The last rank never comes. */
static void test_missing(cadre_collective collective, size_t count, const char *algorithm)
{
    cadre_comm *comm = copy_of_world();
    float *send = take(count, ORDINARY), *recv = take(count, ORDINARY);
    const cadre_coll_args args = {.collective = collective,
                                  .send = send,
                                  .recv = recv,
                                  .count = count,
                                  .reduction = CADRE_SUM};
    const int64_t start = cadre_clock_ns();
    const cadre_coll_opts opts = {.deadline_ns = start + 300 * CADRE_NS_PER_MS,
                                  .algorithm = algorithm};
    char missing[32];

    snprintf(missing, sizeof missing, "rank %d", size - 1);
    if (rank != size - 1) {
        const cadre_status st = cadre_coll_call(comm, &args, &opts);
        CHECK(st == CADRE_ERR_TIMEOUT, "%s", cadre_status_name(st));
        CHECK(strstr(cadre_last_error(), missing) != NULL, "names %s", missing);
        CHECK(cadre_clock_ns() - start < 2300 * CADRE_NS_PER_MS, "within 2 s");
    }
    CHECK(cadre_comm_agree(world, CADRE_OK, cadre_deadline_in_ms(20000)) == CADRE_OK,
          "all are back");
    cadre_comm_destroy(comm);
    give(send, ORDINARY);
    give(recv, ORDINARY);
}

int main(void)
{
    world = check_start();
    size = cadre_comm_size(world);
    rank = cadre_comm_rank(world);
    test_alloc();
    if (size > 1) {
        static const char *const algorithms[] = {"shm", "shm_slices", "shm_read"};

        for (int a = 0; a < 3; a++) {
            for (int place = ORDINARY; place <= MIXED; place++)
                test_sizes(algorithms[a], (where)place);
        }
        test_running_ahead();
        test_split();
        test_swapped();
        test_late();
        test_plans();
        test_mismatch(10, 11, CADRE_ALLREDUCE);
        test_mismatch(10, 100000, CADRE_SCAN);
        test_mismatch(20000, 20001, CADRE_ALLREDUCE);
        test_missing(CADRE_ALLREDUCE, 100000, "shm_slices");
        test_missing(CADRE_BARRIER, 0, "shm");
    }
    return check_finish(world);
}
