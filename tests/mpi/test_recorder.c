/* tests/mpi/test_recorder.c - what ranks hear when a collective fails: who is missing and
 * what it last entered, and who called something else.
 *
 * Each case breaks a communicator of its own; world stays whole. With an argument, one
 * case for tests/cli/test_coll_failures.sh, whose last rank stops or dies. */
#include "mpi_check.h"
#include <cadre/coll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define DEADLINE_MS 200
#define LATEST_MS (DEADLINE_MS + 2000)
#define COUNT 1000

static cadre_comm *world;
static int size, n_comms;
static float input[2 * COUNT], output[64 * 2 * COUNT];

/* Wait for all, however long they take to find out that something is wrong. */
static void meet(void)
{
    CHECK(cadre_barrier(world, NULL) == CADRE_OK, "ranks meet");
}

static cadre_comm *a_comm(void)
{
    int ranks[64];
    cadre_comm *comm = NULL;

    for (int r = 0; r < size; r++)
        ranks[r] = r;
    CHECK(cadre_comm_create(world, ranks, size, n_comms++, &comm) == CADRE_OK, "a comm");
    return comm;
}

static bool told(const char *text)
{
    return strstr(cadre_last_error(), text) != NULL;
}

static cadre_coll_args allreduce_of(size_t count)
{
    return (cadre_coll_args){.collective = CADRE_ALLREDUCE,
                             .send = input,
                             .recv = output,
                             .count = count,
                             .dtype = CADRE_F32,
                             .reduction = CADRE_SUM};
}

static cadre_coll_args broadcast_from(int root)
{
    return (cadre_coll_args){.collective = CADRE_BROADCAST,
                             .recv = output,
                             .count = COUNT,
                             .dtype = CADRE_F32,
                             .root = root};
}

/* As a blocking call, or as a plan that is started, tested and waited for. */
static cadre_status call(cadre_comm *comm, const cadre_coll_args *args,
                         const char *algorithm, bool planned)
{
    const cadre_coll_opts opts = {.deadline_ns = cadre_deadline_in_ms(DEADLINE_MS),
                                  .algorithm = algorithm};
    cadre_coll_plan *plan;
    int done = 0;

    if (!planned)
        return cadre_coll_call(comm, args, &opts);
    CADRE_TRY(cadre_coll_plan_make(comm, args, &opts, &plan));
    cadre_status st = cadre_coll_start(plan, opts.deadline_ns);
    if (st == CADRE_OK)
        st = cadre_coll_test(plan, &done);
    if (st == CADRE_OK)
        st = cadre_coll_wait(plan);
    cadre_coll_plan_free(plan);
    return st;
}

static void check_failed(cadre_comm *comm, const char *what, int64_t began_ns)
{
    const int64_t ms = (cadre_clock_ns() - began_ns) / CADRE_NS_PER_MS;

    CHECK(ms < LATEST_MS, "%s: known after %lld ms", what, (long long)ms);
    CHECK(cadre_barrier(comm, NULL) == CADRE_ERR_BROKEN, "%s: broken from then on", what);
}

/* ---- One rank never comes ---- */

static void absent(const char *algorithm, bool planned)
{
    const int missing = size - 1;
    const cadre_coll_args before = broadcast_from(0), args = allreduce_of(COUNT);
    cadre_comm *comm = a_comm();
    char name[32];

    CHECK(call(comm, &before, "binomial", false) == CADRE_OK, "all come at first");
    meet();
    if (check_rank != missing) {
        const int64_t began = cadre_clock_ns();
        const cadre_status st = call(comm, &args, algorithm, planned);

        snprintf(name, sizeof name, "rank %d on ", missing);
        CHECK(st == CADRE_ERR_TIMEOUT, "%s: status %d", algorithm, st);
        CHECK(told("allreduce by") && told(name), "%s names the missing", algorithm);
        CHECK(told("broadcast"), "%s tells what the missing last entered", algorithm);
        check_failed(comm, algorithm, began);
    }
    meet();
    cadre_comm_destroy(comm);
}

/* ---- One rank calls something else ---- */

static void odd(const char *what, const cadre_coll_args *usual,
                const cadre_coll_args *other, const char *algorithm, bool planned)
{
    cadre_comm *comm = a_comm();
    char name[32];

    meet();
    const int64_t began = cadre_clock_ns();
    const cadre_status st =
        call(comm, check_rank == size - 1 ? other : usual, algorithm, planned);

    snprintf(name, sizeof name, "rank %d on ", size - 1);
    CHECK(st == CADRE_ERR_ARG, "%s: status %d", what, st);
    CHECK(told("the ranks' calls differ"), "%s is called that", what);
    CHECK(check_rank == size - 1 || told(name), "%s names the rank", what);
    check_failed(comm, what, began);
    meet();
    cadre_comm_destroy(comm);
}

/* Found out when messages do not fit. */
static void unchecked_cases(void)
{
    const cadre_coll_args usual = allreduce_of(COUNT), less = allreduce_of(COUNT / 2),
                          more = allreduce_of(2 * COUNT);

    odd("another count", &usual, &less, "ring", false);
    odd("a count too large", &usual, &more, "recursive_doubling", true);
}

/* Found out before anything is sent. */
static void checked_cases(void)
{
    const cadre_coll_args usual = allreduce_of(COUNT), from_0 = broadcast_from(0),
                          from_last = broadcast_from(size - 1);
    cadre_coll_args integers = usual, greatest = usual;

    integers.dtype = CADRE_I32;
    greatest.reduction = CADRE_MAX;
    setenv("CADRE_COLL_CHECK", "1", 1);
    odd("another type of that size", &usual, &integers, NULL, false);
    odd("another reduction", &usual, &greatest, NULL, true);
    odd("another root", &from_0, &from_last, NULL, false);
    odd("another order", &usual, &from_0, NULL, true);

    cadre_comm *comm = a_comm();
    for (int i = 0; i < 100; i++) {
        CHECK(call(comm, &usual, NULL, i % 2 == 1) == CADRE_OK, "equal calls pass");
        CHECK(call(comm, &from_last, NULL, i % 3 == 1) == CADRE_OK, "equal calls pass");
    }
    cadre_comm_destroy(comm);
    unsetenv("CADRE_COLL_CHECK");
}

/* ---- For the script ---- */

/* The last rank stops or dies instead of calling; the others print what they hear, and
 * leave without MPI, which would wait for it. */
static int lose_one(int signal_number)
{
    const cadre_coll_args args = allreduce_of(COUNT);
    int32_t pid = getpid();

    CHECK(cadre_broadcast(world, &pid, 1, CADRE_I32, size - 1, NULL) == CADRE_OK,
          "all come at first");
    if (check_rank == size - 1)
        raise(signal_number);
    const int64_t began = cadre_clock_ns();
    const cadre_status st = call(world, &args, "recursive_doubling", check_rank % 2 == 1);
    const int64_t ms = (cadre_clock_ns() - began) / CADRE_NS_PER_MS;

    printf("rank %d: %s after %s: %s\n", check_rank, cadre_status_name(st),
           ms < LATEST_MS ? "a moment" : "too long", cadre_last_error());
    fflush(stdout);
    if (check_rank == 0) {
        usleep(300000); /* for the others to print, too */
        kill(pid, SIGKILL);
    }
    _exit(0);
}

/* A few operations and a signal: what the recorder writes. */
static int trace(int signal_number)
{
    const cadre_coll_args args = allreduce_of(COUNT), root = broadcast_from(0);

    for (int i = 0; i < 5; i++)
        CHECK(call(world, i < 4 ? &args : &root, i < 4 ? "ring" : "binomial", i == 2) ==
                  CADRE_OK,
              "call %d", i);
    if (check_failures == 0)
        raise(signal_number);
    return check_finish(world);
}

int main(int argc, char **argv)
{
    world = check_start();
    size = cadre_comm_size(world);
    if (argc > 1 && strcmp(argv[1], "trace") == 0)
        return trace(argc > 2 ? (int)strtol(argv[2], NULL, 10) : SIGUSR1);
    if (argc > 1)
        return lose_one(strcmp(argv[1], "stop") == 0 ? SIGSTOP : SIGKILL);
    if (size > 1) {
        absent("ring", false);
        absent("recursive_doubling", true);
        unchecked_cases();
        checked_cases();
    }
    return check_finish(world);
}
