/* tests/unit/test_coll_schedule.c - chunks, rings, trees and hypercubes for 1 to 64
 * ranks. */
#include "cmocka_all.h"
#include "coll/schedule.h"

#define MAX_RANKS 64

/* One bit for each rank. */
static uint64_t everybody(int size)
{
    return size == 64 ? UINT64_MAX : (UINT64_C(1) << size) - 1;
}

static uint64_t bit(int rank)
{
    return UINT64_C(1) << rank;
}

static void chunks_tile_the_vector(void **state)
{
    static const size_t counts[] = {0, 1, 2, 3, 63, 64, 65, 1000003, SIZE_MAX / 8};

    (void)state;
    for (int size = 1; size <= MAX_RANKS; size++) {
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            size_t next = 0;

            for (int i = 0; i < size; i++) {
                const cadre__span span = cadre__chunk(counts[c], size, i);

                assert_int_equal(span.first, next);
                assert_true(span.count - counts[c] / (size_t)size <= 1);
                next += span.count;
            }
            assert_int_equal(next, counts[c]);
        }
    }
}

static void segments_tile_a_chunk(void **state)
{
    (void)state;
    for (size_t count = 0; count < 40; count++) {
        for (size_t segment_count = 1; segment_count < 12; segment_count++) {
            const cadre__span span = {100, count};
            const size_t n = cadre__n_segments(count, 1, segment_count);
            size_t next = 100;

            assert_true(n >= 1);
            for (size_t i = 0; i < n; i++) {
                const cadre__span s = cadre__segment(span, segment_count, i);

                assert_int_equal(s.first, next);
                assert_true(s.count <= segment_count);
                assert_true(s.count > 0 || count == 0);
                next += s.count;
            }
            assert_int_equal(next, 100 + count);
            assert_int_equal(cadre__segment(span, segment_count, n).count, 0);
            assert_int_equal(cadre__segment(span, segment_count, SIZE_MAX).count, 0);
        }
    }
}

static void smaller_chunks_have_as_many_segments(void **state)
{
    (void)state;
    /* 9 elements for 4 ranks: 3, 2, 2, 2; in segments of 2 all count 2, some empty. */
    assert_int_equal(cadre__n_segments(9, 4, 2), 2);
    assert_int_equal(cadre__segment(cadre__chunk(9, 4, 3), 2, 0).count, 2);
    assert_int_equal(cadre__segment(cadre__chunk(9, 4, 3), 2, 1).count, 0);
}

static void neighbours_go_round(void **state)
{
    (void)state;
    for (int size = 1; size <= MAX_RANKS; size++) {
        for (int rank = 0; rank < size; rank++) {
            for (int d = -2 * size; d <= 2 * size; d++) {
                const int n = cadre__ring_neighbour(rank, d, size);

                assert_int_equal(n, ((rank + d) % size + size) % size);
            }
        }
    }
    assert_int_equal(cadre__ring_neighbour(INT32_MAX - 2, 5, INT32_MAX), 3);
}

/* What the right neighbour expects is what is sent to it, and every rank's part of a
 * chunk comes in exactly once. */
static void ring_reduces_each_chunk_once(void **state)
{
    static uint64_t have[MAX_RANKS][MAX_RANKS]; /* [rank][chunk]: whose parts are in */

    (void)state;
    for (int size = 1; size <= MAX_RANKS; size++) {
        for (int r = 0; r < size; r++) {
            for (int c = 0; c < size; c++)
                have[r][c] = bit(r);
        }
        for (int step = 0; step < size - 1; step++) {
            uint64_t sent[MAX_RANKS];

            for (int r = 0; r < size; r++)
                sent[r] = have[r][cadre__ring_chunk(r, step, size)];
            for (int r = 0; r < size; r++) {
                const int left = cadre__ring_neighbour(r, -1, size);
                const int c = cadre__ring_chunk(r, step + 1, size);

                assert_int_equal(c, cadre__ring_chunk(left, step, size));
                assert_true((have[r][c] & sent[left]) == 0);
                have[r][c] |= sent[left];
            }
        }
        for (int r = 0; r < size; r++)
            assert_true(have[r][cadre__ring_neighbour(r, 1, size)] == everybody(size));
        /* The allgather: whole chunks only, until everybody has all. */
        for (int step = 0; step < size - 1; step++) {
            for (int r = 0; r < size; r++) {
                const int c = cadre__ring_chunk(r + 1, step, size);

                assert_true(have[r][c] == everybody(size));
            }
            for (int r = 0; r < size; r++)
                have[r][cadre__ring_chunk(r + 1, step + 1, size)] = everybody(size);
        }
        for (int r = 0; r < size; r++) {
            for (int c = 0; c < size; c++)
                assert_true(have[r][c] == everybody(size));
        }
    }
}

static void powers_of_two(void **state)
{
    (void)state;
    assert_int_equal(cadre__log2_ceil(1), 0);
    assert_int_equal(cadre__log2_ceil(2), 1);
    assert_int_equal(cadre__log2_ceil(3), 2);
    assert_int_equal(cadre__log2_ceil(64), 6);
    assert_int_equal(cadre__log2_ceil(65), 7);
    assert_int_equal(cadre__log2_ceil(INT32_MAX), 31);
    assert_int_equal(cadre__pow2_floor(1), 1);
    assert_int_equal(cadre__pow2_floor(3), 2);
    assert_int_equal(cadre__pow2_floor(64), 64);
    assert_int_equal(cadre__pow2_floor(INT32_MAX), 1 << 30);
}

static void trees_reach_everybody(void **state)
{
    (void)state;
    for (int size = 1; size <= MAX_RANKS; size++) {
        int parent[MAX_RANKS], members[MAX_RANKS];

        for (int p = 0; p < size; p++)
            parent[p] = -1;
        for (int p = 0; p < size; p++) {
            for (int d = cadre__tree_reach(p, size) / 2; d > 0; d /= 2) {
                if (p + d >= size)
                    continue;
                assert_int_equal(parent[p + d], -1);
                assert_int_equal(p + d - cadre__tree_reach(p + d, size), p);
                parent[p + d] = p;
            }
        }
        /* Children stand behind their parents, so backwards all subtrees are complete. */
        for (int p = size - 1; p >= 0; p--)
            members[p] = 1;
        for (int p = size - 1; p > 0; p--) {
            assert_in_range(parent[p], 0, p - 1);
            members[parent[p]] += members[p];
        }
        for (int p = 0; p < size; p++)
            assert_int_equal(cadre__tree_subtree(p, size), members[p]);
        assert_int_equal(members[0], size);
    }
}

static void places_and_ranks_of_a_tree(void **state)
{
    (void)state;
    for (int size = 1; size <= MAX_RANKS; size++) {
        for (int root = 0; root < size; root++) {
            assert_int_equal(cadre__tree_place(root, root, size), 0);
            for (int rank = 0; rank < size; rank++) {
                const int place = cadre__tree_place(rank, root, size);

                assert_in_range(place, 0, size - 1);
                assert_int_equal(cadre__tree_rank(place, root, size), rank);
            }
        }
    }
}

static void doubling_collects_everybody_in_order(void **state)
{
    (void)state;
    for (int size = 1; size <= MAX_RANKS; size++) {
        const int power = cadre__pow2_floor(size);
        uint64_t have[MAX_RANKS] = {0};
        int last = -1;

        for (int rank = 0; rank < size; rank++) {
            const int place = cadre__doubling_place(rank, size);

            if (place < 0) { /* its data goes to the next rank, which takes part */
                assert_true(cadre__doubling_place(rank + 1, size) >= 0);
                have[cadre__doubling_place(rank + 1, size)] |= bit(rank);
                continue;
            }
            assert_int_equal(place, last + 1);
            assert_int_equal(cadre__doubling_rank(place, size), rank);
            have[place] |= bit(rank);
            last = place;
        }
        assert_int_equal(last, power - 1);
        for (int b = 1; b < power; b *= 2) {
            uint64_t before[MAX_RANKS] = {0};

            for (int p = 0; p < power; p++)
                before[p] = have[p];
            for (int p = 0; p < power; p++) {
                assert_true((before[p] & before[p ^ b]) == 0);
                /* All ranks of the lower partner stand before those of the higher one. */
                assert_true((p & b) != 0 || before[p] < before[p ^ b]);
                have[p] |= before[p ^ b];
            }
        }
        for (int p = 0; p < power; p++)
            assert_true(have[p] == everybody(size));
    }
}

static void dissemination_hears_of_everybody(void **state)
{
    (void)state;
    for (int size = 1; size <= MAX_RANKS; size++) {
        uint64_t heard[MAX_RANKS];

        for (int r = 0; r < size; r++)
            heard[r] = bit(r);
        for (int k = 0; k < cadre__log2_ceil(size); k++) {
            uint64_t before[MAX_RANKS] = {0};

            for (int r = 0; r < size; r++)
                before[r] = heard[r];
            for (int r = 0; r < size; r++)
                heard[r] |= before[cadre__ring_neighbour(r, -(1 << k), size)];
        }
        for (int r = 0; r < size; r++)
            assert_true(heard[r] == everybody(size));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_tile_the_vector),
        cmocka_unit_test(segments_tile_a_chunk),
        cmocka_unit_test(smaller_chunks_have_as_many_segments),
        cmocka_unit_test(neighbours_go_round),
        cmocka_unit_test(ring_reduces_each_chunk_once),
        cmocka_unit_test(powers_of_two),
        cmocka_unit_test(trees_reach_everybody),
        cmocka_unit_test(places_and_ranks_of_a_tree),
        cmocka_unit_test(doubling_collects_everybody_in_order),
        cmocka_unit_test(dissemination_hears_of_everybody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
