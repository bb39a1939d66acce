/* tests/mpi/test_coll_costs.c - costs are measured at the first call by choice, are equal
 * on all ranks, and go to the communicators that are made afterwards, and to no others.
 */
#include "coll/cost_set.h"
#include "coll/explain.h"
#include "mpi_check.h"
#include <cadre/coll.h>
#include <cadre/mpi.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdlib.h>

static cadre_comm *world;
static int size;

static cadre_comm *of_all(int tag)
{
    int ranks[64];
    cadre_comm *comm = NULL;

    for (int r = 0; r < size; r++)
        ranks[r] = r;
    CHECK(cadre_comm_create(world, ranks, size, tag, &comm) == CADRE_OK, "a comm");
    return comm;
}

static bool measured(const cadre_comm *comm)
{
    return strcmp(cadre__coll_costs_origin(comm), "measured in this job") == 0;
}

/* The same bits on every rank. */
static void check_equal(const cadre_comm *comm)
{
    const size_t bytes = sizeof(cadre__coll_costs);
    const cadre_coll_opts opts = {.algorithm = "binomial"};
    unsigned char *first = malloc(bytes);

    memcpy(first, cadre__coll_costs_of(comm), bytes);
    CHECK(cadre_broadcast(world, first, bytes, CADRE_U8, 0, &opts) == CADRE_OK, "sent");
    CHECK(memcmp(first, cadre__coll_costs_of(comm), bytes) == 0, "as those of rank 0");
    free(first);
}

static void heirs_have_what_their_parent_had(void)
{
    const cadre_coll_opts named = {.algorithm = "dissemination"};
    cadre_comm *before, *after;

    CHECK(cadre_barrier(world, &named) == CADRE_OK, "a named call");
    before = of_all(1);
    CHECK(!measured(world) && !measured(before), "nothing is measured for a named call");
    CHECK(cadre_barrier(before, NULL) == CADRE_OK, "by choice on a comm made from world");
    CHECK(!measured(world) && !measured(before), "nor for a comm that is not MPI's");
    CHECK(cadre_barrier(world, NULL) == CADRE_OK, "by choice");
    after = of_all(2);
    CHECK(cadre_barrier(after, NULL) == CADRE_OK, "by choice, on an heir");
    CHECK(measured(world) == (size > 1), "%s", cadre__coll_costs_origin(world));
    CHECK(measured(after) == (size > 1), "%s", cadre__coll_costs_origin(after));
    CHECK(!measured(before), "what was made before stays: its ranks agree");
    check_equal(world);
    check_equal(before);
    check_equal(after);
    if (size > 1)
        CHECK(cadre__coll_costs_of(after)->curve_ranks == size, "curves of this size");
    cadre_comm_destroy(before);
    cadre_comm_destroy(after);
}

static void short_of_time_nothing_is_measured(void)
{
    const cadre_coll_opts soon = {.deadline_ns = cadre_deadline_in_ms(4000)};
    cadre_comm *comm;

    CHECK(cadre_comm_from_mpi(MPI_COMM_WORLD, &comm) == CADRE_OK, "a second world");
    CHECK(cadre_barrier(comm, &soon) == CADRE_OK, "with little time");
    CHECK(size == 1 || strstr(cadre__coll_costs_origin(comm), "too little time"), "%s",
          cadre__coll_costs_origin(comm));
    CHECK(cadre_barrier(comm, NULL) == CADRE_OK, "with much time");
    CHECK(!measured(comm), "the choice does not change any more");
    cadre_comm_destroy(comm);
}

int main(void)
{
    setenv("CADRE_COLL_COSTS", "measure", 1);
    world = check_start();
    size = cadre_comm_size(world);
    heirs_have_what_their_parent_had();
    short_of_time_nothing_is_measured();
    return check_finish(world);
}
