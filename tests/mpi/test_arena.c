/* tests/mpi/test_arena.c - memory that the workers of a node read in place. */
#include "group/arena.h"
#include "mpi_check.h"
#include <cadre/coll.h>
#include <cadre/group.h>
#include <stdbool.h>
#include <stdlib.h>

#define PIECE ((size_t)200000)
#define N_PIECES 20

static void fill(uint8_t *to, size_t n, size_t seed)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(i * 31 + seed * 7 + 1);
}

static bool holds_pattern(const uint8_t *at, size_t n, size_t seed)
{
    for (size_t i = 0; i < n; i++) {
        if (at[i] != (uint8_t)(i * 31 + seed * 7 + 1))
            return false;
    }
    return true;
}

/* Rank 0 allocates and writes, the others read what is there; freed room is used
 * again. */
static void test_pieces(cadre_comm *world)
{
    cadre__arena arena;
    int64_t offsets[N_PIECES] = {0};
    void *pieces[N_PIECES];

    CHECK(cadre__arena_open(world, &arena) == CADRE_OK, "open");
    if (cadre_comm_size(world) == 1) {
        CHECK(cadre__arena_alloc(&arena, 1) == NULL, "one rank has nobody to share with");
        cadre__arena_close(&arena);
        return;
    }
    CHECK(arena.base != NULL, "no shared memory on this machine");
    for (size_t i = 0; check_rank == 0 && i < N_PIECES; i++) {
        pieces[i] = cadre__arena_alloc(&arena, PIECE);
        CHECK(pieces[i] && cadre__arena_holds(&arena, pieces[i], PIECE, &offsets[i]),
              "piece %zu", i);
        fill(pieces[i], PIECE, i);
    }
    CHECK(cadre_broadcast(world, offsets, N_PIECES, CADRE_I64, 0, NULL) == CADRE_OK,
          "tell");
    for (size_t i = 0; i < N_PIECES; i++)
        CHECK(holds_pattern(arena.base + offsets[i], PIECE, i), "piece %zu differs", i);
    CHECK(cadre_barrier(world, NULL) == CADRE_OK, "barrier");
    if (check_rank == 0) {
        int64_t offset;
        cadre__arena_free(&arena, pieces[3]);
        cadre__arena_free(&arena, pieces[4]);
        CHECK(cadre__arena_alloc(&arena, 2 * PIECE) == pieces[3], "room is used again");
        CHECK(cadre__arena_alloc(&arena, arena.bytes + 1) == NULL, "more than there is");
        CHECK(cadre__arena_alloc(&arena, 0) == NULL, "nothing");
        CHECK(!cadre__arena_holds(&arena, arena.base + arena.bytes - 1, 2, &offset),
              "end");
        CHECK(!cadre__arena_holds(&arena, &offset, 8, &offset), "the stack");
    }
    cadre__arena_close(&arena);
}

/* The same answers for rows in the arena, packed into it, and sent from where they
 * are. */
static void test_batches(cadre_groups *groups)
{
    static const char options[] = "{\"layers\":[1024,8],\"output\":\"none\",\"seed\":3}";
    const cadre_group_opts opts = {
        .name = "arena", .kernel = "mlp", .options = options, .shards = 1};
    enum { N = 64, COLUMNS = 1024 };
    float *shared = cadre_groups_alloc(groups, sizeof(float) * N * COLUMNS);
    float *mine = malloc(sizeof(float) * N * COLUMNS);
    cadre_request requests[3][N];
    cadre_batch *batches[3] = {NULL};
    cadre_group *group;

    for (size_t i = 0; i < N * COLUMNS; i++)
        shared[i] = mine[i] = (float)(i % 1013) / 1013.0f;
    for (size_t i = 0; i < N; i++) {
        const size_t bytes = sizeof(float) * COLUMNS;
        requests[0][i] =
            (cadre_request){.id = i, .data = shared + i * COLUMNS, .bytes = bytes};
        requests[1][i] =
            (cadre_request){.id = i, .data = mine + i * COLUMNS, .bytes = bytes};
        requests[2][i] = (cadre_request){
            .id = i, .data = mine + (N - 1 - i) * COLUMNS, .bytes = bytes};
    }
    CHECK(cadre_group_create(groups, &opts, &group) == CADRE_OK, "create");
    for (int k = 0; k < 3; k++)
        CHECK(cadre_group_submit(group, 0, requests[k], N, NULL) == CADRE_OK, "submit %d",
              k);
    for (int k = 0; k < 3; k++) {
        CHECK(cadre_groups_next(groups, cadre_deadline_in_ms(20000), &batches[k]) ==
                  CADRE_OK,
              "batch %d", k);
        CHECK(batches[k] && batches[k]->n_answers == N, "answers of batch %d", k);
    }
    for (size_t i = 0; i < N; i++) {
        const cadre_answer *first = &batches[0]->answers[i];
        CHECK(memcmp(first->data, batches[1]->answers[i].data, first->bytes) == 0,
              "row %zu sent from private memory", i);
        CHECK(memcmp(first->data, batches[2]->answers[N - 1 - i].data, first->bytes) == 0,
              "row %zu packed", i);
    }
    for (int k = 0; k < 3; k++)
        cadre_batch_destroy(batches[k]);
    CHECK(cadre_group_delete(group, 20000) == CADRE_OK, "delete");
    cadre_groups_free(groups, shared);
    free(mine);
}

int main(void)
{
    cadre_comm *world = check_start();
    cadre_groups *groups;

    test_pieces(world);
    CHECK(cadre_groups_open(world, &groups) == CADRE_OK, "open groups");
    if (check_rank == 0)
        test_batches(groups);
    else
        CHECK(cadre_groups_serve(groups, NULL) == CADRE_OK, "serve");
    cadre_groups_close(groups, 0);
    return check_finish(world);
}
