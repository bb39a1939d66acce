/* tests/mpi/test_coll_plan.c - operations in the background: several under way on one
 * comm, waited for in any order, started again and again, with blocking calls in between;
 * deadlines and misuse. */
#include "mpi_check.h"
#include <cadre/coll.h>
#include <stdbool.h>
#include <stdlib.h>

#define LONG 100000 /* several segments and rendezvous messages */
#define SHORT 10

static cadre_comm *world;
static int size;

/* ---- A few operations, each with data that tell rank, round and place ---- */

typedef struct job {
    cadre_collective collective;
    const char *algorithm; /* NULL: by choice */
    size_t count;
    int root;
    int64_t *send, *recv;
    cadre_coll_plan *plan;
} job;

static size_t sent_elements(const job *j)
{
    return j->collective == CADRE_ALLTOALL ? j->count * (size_t)size : j->count;
}

static size_t received_elements(const job *j)
{
    return j->collective == CADRE_ALLTOALL || j->collective == CADRE_ALLGATHER
               ? j->count * (size_t)size
               : j->count;
}

static int64_t value(int rank, int round, size_t i)
{
    return rank * 1000003 + round * 101 + (int64_t)i;
}

static int64_t expected(const job *j, int round, size_t i)
{
    int64_t sum = 0;

    switch (j->collective) {
    case CADRE_ALLREDUCE:
    case CADRE_SCAN:
        for (int r = 0; r < (j->collective == CADRE_SCAN ? check_rank + 1 : size); r++)
            sum += value(r, round, i);
        return sum;
    case CADRE_BROADCAST:
        return value(j->root, round, i);
    case CADRE_ALLGATHER:
        return value((int)(i / j->count), round, i % j->count);
    default: /* alltoall */
        return value((int)(i / j->count), round,
                     (size_t)check_rank * j->count + i % j->count);
    }
}

static void make(job *j)
{
    const size_t n_send = sent_elements(j), n_recv = received_elements(j);

    j->send = calloc(n_send, sizeof *j->send);
    j->recv = calloc(n_recv, sizeof *j->recv);
    if (j->send == NULL || j->recv == NULL)
        cadre_abort(1);
    const cadre_coll_args args = {.collective = j->collective,
                                  .send = j->send,
                                  .recv = j->recv,
                                  .count = j->count,
                                  .dtype = CADRE_I64,
                                  .root = j->root};
    CHECK(cadre_coll_plan_make(world, &args,
                               &(cadre_coll_opts){.algorithm = j->algorithm},
                               &j->plan) == CADRE_OK,
          "making a plan");
}

static void start(job *j, int round)
{
    int64_t *data = j->collective == CADRE_BROADCAST ? j->recv : j->send;

    for (size_t i = 0; i < received_elements(j); i++)
        j->recv[i] = -1;
    for (size_t i = 0; i < sent_elements(j); i++) {
        if (j->collective != CADRE_BROADCAST || check_rank == j->root)
            data[i] = value(check_rank, round, i);
    }
    CHECK(cadre_coll_start(j->plan, 0) == CADRE_OK, "starting");
}

static void verify(const job *j, int round)
{
    for (size_t i = 0; i < received_elements(j); i++) {
        if (j->recv[i] == expected(j, round, i))
            continue;
        CHECK(
            0,
            "collective %d by %s, %zu elements, round %d: element %zu is %lld, not %lld",
            (int)j->collective, j->algorithm ? j->algorithm : "choice", j->count, round,
            i, (long long)j->recv[i], (long long)expected(j, round, i));
        return;
    }
}

static void finish(job *j, int round)
{
    CHECK(cadre_coll_wait(j->plan) == CADRE_OK, "waiting");
    verify(j, round);
}

static void discard(job *j)
{
    cadre_coll_plan_free(j->plan);
    free(j->send);
    free(j->recv);
}

static job jobs[] = {
    {.collective = CADRE_ALLREDUCE, .algorithm = "ring", .count = LONG},
    {.collective = CADRE_ALLREDUCE, .algorithm = "recursive_doubling", .count = SHORT},
    {.collective = CADRE_BROADCAST, .algorithm = "chain", .count = LONG},
    {.collective = CADRE_ALLREDUCE, .count = SHORT},
    {.collective = CADRE_ALLTOALL, .algorithm = "pairwise", .count = 300},
    {.collective = CADRE_ALLREDUCE, .count = LONG},
    {.collective = CADRE_SCAN, .algorithm = "chain", .count = LONG},
    {.collective = CADRE_ALLGATHER, .algorithm = "bruck", .count = 77},
    {.collective = CADRE_BROADCAST, .count = SHORT},
    {.collective = CADRE_ALLREDUCE, .algorithm = "rabenseifner", .count = LONG},
    {.collective = CADRE_ALLREDUCE, .algorithm = "native", .count = SHORT},
    {.collective = CADRE_ALLGATHER, .count = LONG / 10},
};

#define N_JOBS (sizeof jobs / sizeof jobs[0])

static void make_all(void)
{
    for (size_t k = 0; k < N_JOBS; k++) {
        jobs[k].root = jobs[k].collective == CADRE_BROADCAST ? (int)k % size : 0;
        make(&jobs[k]);
    }
}

/* All at once; each rank waits in an order of its own. */
static void test_at_once(void)
{
    for (int round = 0; round < 6; round++) {
        for (size_t k = 0; k < N_JOBS; k++)
            start(&jobs[k], round);
        for (size_t k = 0; k < N_JOBS; k++)
            finish(&jobs[(k * 5 + (size_t)(check_rank + round)) % N_JOBS], round);
    }
}

/* Each of them alone, many times, most of all the short ones. */
static void test_again_and_again(void)
{
    for (size_t k = 0; k < N_JOBS; k++) {
        const int rounds = jobs[k].count <= SHORT ? 1000 : 3;

        for (int round = 0; round < rounds; round++) {
            start(&jobs[k], round);
            finish(&jobs[k], round);
        }
    }
}

/* Blocking calls while two are under way; one rank comes late. */
static void test_with_blocking_calls(void)
{
    for (int round = 0; round < 10; round++) {
        job *one = &jobs[(size_t)round % N_JOBS],
            *other = &jobs[(size_t)(round + 3) % N_JOBS];
        int64_t sum = 0, mine = check_rank + round;

        start(one, round);
        if (check_rank == round % size) {
            const int64_t until = cadre_clock_ns() + CADRE_NS_PER_MS;
            while (cadre_clock_ns() < until)
                ;
        }
        CHECK(cadre_allreduce(world, &mine, &sum, 1, CADRE_I64, CADRE_SUM, NULL) ==
                  CADRE_OK,
              "a blocking call");
        CHECK(sum == (int64_t)size * (size - 1) / 2 + (int64_t)size * round,
              "the sum is %lld", (long long)sum);
        start(other, round);
        CHECK(cadre_barrier(world, &(cadre_coll_opts){.algorithm = "dissemination"}) ==
                  CADRE_OK,
              "a barrier");
        CHECK(cadre_barrier(world, NULL) == CADRE_OK, "a barrier by choice");
        finish(other, round);
        finish(one, round);
    }
}

/* Nothing but looks, until all are done. */
static void test_by_looking(void)
{
    const int64_t until = cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS);
    size_t n_done = 0;

    for (size_t k = 0; k < N_JOBS; k++)
        start(&jobs[k], 99);
    for (bool done[N_JOBS] = {false}; n_done < N_JOBS && cadre_clock_ns() < until;) {
        for (size_t k = 0; k < N_JOBS; k++) {
            int now = 0;

            CHECK(done[k] || cadre_coll_test(jobs[k].plan, &now) == CADRE_OK, "looking");
            if (!done[k] && now)
                verify(&jobs[k], 99);
            n_done += !done[k] && now;
            done[k] = done[k] || now;
        }
    }
    CHECK(n_done == N_JOBS, "%zu of %zu ended", n_done, N_JOBS);
}

/* ---- Misuse ---- */

static void test_misuse(void)
{
    float a[4] = {0}, b[4] = {0};
    cadre_coll_args args = {
        .collective = CADRE_ALLREDUCE, .send = a, .recv = b, .count = 4};
    cadre_coll_plan *plan = (cadre_coll_plan *)a;
    int done = 0;

    CHECK(cadre_coll_start(NULL, 0) == CADRE_ERR_ARG, "no plan");
    CHECK(cadre_coll_wait(NULL) == CADRE_ERR_ARG, "no plan");
    CHECK(cadre_coll_test(NULL, &done) == CADRE_ERR_ARG, "no plan");
    cadre_coll_plan_free(NULL);
    args.recv = a;
    CHECK(cadre_coll_plan_make(world, &args, NULL, &plan) == CADRE_ERR_ARG &&
              plan == NULL,
          "overlapping buffers");
    args.recv = b;
    CHECK(cadre_coll_plan_make(world, &args, NULL, &plan) == CADRE_OK, "a plan");
    CHECK(cadre_coll_wait(plan) == CADRE_OK, "what was never started is done");
    CHECK(cadre_coll_test(plan, &done) == CADRE_OK && done, "it is done");
    cadre_coll_plan_free(plan);
    args.count = 0;
    CHECK(cadre_coll_plan_make(world, &args, NULL, &plan) == CADRE_OK, "nothing to do");
    CHECK(cadre_coll_start(plan, 0) == CADRE_OK && cadre_coll_start(plan, 0) == CADRE_OK,
          "nothing is done at once");
    CHECK(cadre_coll_wait(plan) == CADRE_OK, "and done");
    cadre_coll_plan_free(plan);
}

static cadre_comm *copy_of_world(int tag)
{
    int ranks[64];
    cadre_comm *comm;

    for (int r = 0; r < size; r++)
        ranks[r] = r;
    if (cadre_comm_create(world, ranks, size, tag, &comm) != CADRE_OK)
        cadre_abort(1);
    return comm;
}

/* MPI may keep hold of the buffers of operations that fail. */
static float lost[8][LONG];

static cadre_coll_plan *lost_plan(cadre_comm *comm, int k, const char *algorithm)
{
    const cadre_coll_args args = {.collective = CADRE_ALLREDUCE,
                                  .send = lost[2 * k],
                                  .recv = lost[2 * k + 1],
                                  .count = LONG};
    cadre_coll_plan *plan = NULL;

    CHECK(cadre_coll_plan_make(comm, &args, &(cadre_coll_opts){.algorithm = algorithm},
                               &plan) == CADRE_OK,
          "making a plan");
    return plan;
}

/* The last rank starts nothing: both operations of the others fail, one of them for its
 * deadline, by waiting or by looking. */
static void check_absence(const char *algorithm, bool by_looking, int tag)
{
    cadre_comm *comm = copy_of_world(tag);
    cadre_coll_plan *first = lost_plan(comm, 0, algorithm);
    cadre_coll_plan *second = lost_plan(comm, 1, "ring");

    if (check_rank < size - 1) {
        cadre_status st;
        int done = 0;

        CHECK(cadre_coll_start(second, 0) == CADRE_OK, "the other starts");
        CHECK(cadre_coll_start(first, cadre_deadline_in_ms(60)) == CADRE_OK, "starting");
        CHECK(cadre_coll_start(second, 0) == CADRE_ERR_ARG, "it is under way");
        do
            st = by_looking ? cadre_coll_test(first, &done) : cadre_coll_wait(first);
        while (by_looking && st == CADRE_OK && !done);
        CHECK(st == CADRE_ERR_TIMEOUT, "%s: %s", algorithm ? algorithm : "choice",
              cadre_status_name(st));
        CHECK(strstr(cadre_last_error(), "deadline passed") != NULL, "no reason");
        CHECK(strncmp(cadre_last_error(), "allreduce by ", 13) == 0, "no algorithm");
        CHECK(cadre_coll_wait(second) == CADRE_ERR_BROKEN, "the other ends, too");
        CHECK(cadre_coll_wait(first) == CADRE_ERR_TIMEOUT, "and says so again");
        CHECK(cadre_coll_start(first, 0) == CADRE_ERR_BROKEN,
              "starting on a broken comm");
    }
    cadre_coll_plan_free(first);
    cadre_coll_plan_free(second);
    CHECK(cadre_barrier(world, NULL) == CADRE_OK, "the world survives");
    cadre_comm_destroy(comm);
}

/* Freed while it is under way: an error on that rank, and none hangs. */
static void test_freed_too_early(void)
{
    cadre_comm *comm = copy_of_world(30);
    cadre_coll_plan *plan = lost_plan(comm, 2, "ring");

    if (size > 1 && check_rank == 0) {
        CHECK(cadre_coll_start(plan, 0) == CADRE_OK, "starting");
        cadre_coll_plan_free(plan);
        CHECK(cadre_barrier(comm, NULL) == CADRE_ERR_BROKEN, "the comm is broken");
        CHECK(strstr(cadre_last_error(), "freed while it was under way") != NULL,
              "no reason");
    } else {
        cadre_coll_plan_free(plan);
    }
    cadre_comm_destroy(comm);
}

int main(void)
{
    world = check_start();
    size = cadre_comm_size(world);
    make_all();
    test_at_once();
    test_again_and_again();
    test_with_blocking_calls();
    test_by_looking();
    for (size_t k = 0; k < N_JOBS; k++)
        discard(&jobs[k]);
    test_misuse();
    for (int i = 0; size > 1 && i < 4; i++)
        check_absence(i % 2 ? "rabenseifner" : NULL, i / 2 == 1, 20 + i);
    test_freed_too_early();
    return check_finish(world);
}
