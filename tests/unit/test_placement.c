/* tests/unit/test_placement.c - which workers get which shards, and which shard a key
 * belongs to: for every size of job, without MPI. */
#include "cmocka_all.h"
#include "group/partition.h"
#include "group/placement.h"
#include <cadre/group.h>
#include <string.h>

#define MAX_SITES 64

/* n workers, ranks 1 to n, `per_node` on each node. */
static void make_sites(cadre__site *sites, size_t n, size_t per_node)
{
    for (size_t i = 0; i < n; i++)
        sites[i] = (cadre__site){
            .rank = (int)i + 1, .node = (int)(i / per_node), .load = 0, .leader = -1};
}

/* Put a gang on sites[first .. first + width). */
static void make_gang(cadre__site *sites, size_t first, size_t width)
{
    for (size_t i = first; i < first + width; i++) {
        sites[i].leader = sites[first].rank;
        sites[i].gang_ranks = (int)width;
    }
}

static void assert_ranks(const int *ranks, size_t n, const int *expected)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ranks[i], expected[i]);
}

static void every_size_can_be_filled(void **state)
{
    cadre__site sites[MAX_SITES];
    int ranks[MAX_SITES];

    (void)state;
    for (size_t n = 1; n <= 24; n++) {
        for (size_t per_node = 1; per_node <= n; per_node++) {
            make_sites(sites, n, per_node);
            for (size_t width = 1; width <= n; width++) {
                const size_t shards = n / width;
                for (int how = CADRE_PLACEMENT_SPREAD; how <= CADRE_PLACEMENT_PACK;
                     how++) {
                    int seen[MAX_SITES] = {0};
                    assert_int_equal(cadre__place(sites, n, shards, width,
                                                  (cadre_placement)how, ranks),
                                     CADRE_OK);
                    for (size_t i = 0; i < shards * width; i++) {
                        assert_in_range(ranks[i], 1, n);
                        assert_int_equal(seen[ranks[i] - 1]++, 0);
                    }
                }
                assert_int_equal(cadre__place(sites, n, shards + 1, width,
                                              CADRE_PLACEMENT_PACK, ranks),
                                 CADRE_ERR_TOPO);
            }
        }
    }
}

static void spread_takes_all_nodes_and_pack_few(void **state)
{
    cadre__site sites[12];
    int ranks[12];

    (void)state;
    make_sites(sites, 12, 4); /* nodes: 1-4, 5-8, 9-12 */
    assert_int_equal(cadre__place(sites, 12, 3, 1, CADRE_PLACEMENT_SPREAD, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 3, (const int[]){1, 5, 9});
    assert_int_equal(cadre__place(sites, 12, 4, 1, CADRE_PLACEMENT_PACK, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 4, (const int[]){1, 2, 3, 4});
    assert_int_equal(cadre__place(sites, 12, 3, 2, CADRE_PLACEMENT_SPREAD, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 6, (const int[]){1, 2, 5, 6, 9, 10});
    assert_int_equal(cadre__place(sites, 12, 2, 2, CADRE_PLACEMENT_PACK, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 4, (const int[]){1, 2, 3, 4});
}

static void the_least_loaded_come_first(void **state)
{
    cadre__site sites[6];
    int ranks[6];

    (void)state;
    make_sites(sites, 6, 3); /* nodes: 1-3, 4-6 */
    sites[0].load = 9;
    sites[1].load = 5;
    sites[2].load = 7;
    sites[3].load = 8;
    assert_int_equal(cadre__place(sites, 6, 2, 1, CADRE_PLACEMENT_SPREAD, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 2, (const int[]){5, 2});
    assert_int_equal(cadre__place(sites, 6, 2, 1, CADRE_PLACEMENT_PACK, ranks), CADRE_OK);
    assert_ranks(ranks, 2, (const int[]){5, 6});
}

static void pack_prefers_a_node_that_holds_all(void **state)
{
    cadre__site sites[5];
    int ranks[5];

    (void)state;
    make_sites(sites, 5, 2); /* nodes: 1-2, 3-4, 5 */
    assert_int_equal(cadre__place(sites, 5, 2, 1, CADRE_PLACEMENT_PACK, ranks), CADRE_OK);
    assert_ranks(ranks, 2, (const int[]){1, 2});
    sites[0].load = sites[1].load = 3;
    assert_int_equal(cadre__place(sites, 5, 2, 1, CADRE_PLACEMENT_PACK, ranks), CADRE_OK);
    assert_ranks(ranks, 2, (const int[]){3, 4});
    assert_int_equal(cadre__place(sites, 5, 1, 1, CADRE_PLACEMENT_PACK, ranks), CADRE_OK);
    assert_ranks(ranks, 1, (const int[]){3});
}

/* Shards of one node come first, then what is left over is put together across nodes. */
static void shards_cross_nodes_only_if_they_must(void **state)
{
    cadre__site sites[6];
    int ranks[6];

    (void)state;
    make_sites(sites, 6, 3); /* nodes: 1-3, 4-6 */
    assert_int_equal(cadre__place(sites, 6, 2, 2, CADRE_PLACEMENT_SPREAD, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 4, (const int[]){1, 2, 4, 5});
    assert_int_equal(cadre__place(sites, 6, 3, 2, CADRE_PLACEMENT_SPREAD, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 6, (const int[]){1, 2, 4, 5, 3, 6});
}

static void gangs_are_used_whole_or_not_at_all(void **state)
{
    cadre__site sites[5];
    int ranks[5];

    (void)state;
    make_sites(sites, 5, 5);
    make_gang(sites, 1, 2); /* ranks 2 and 3 */
    assert_int_equal(cadre__place(sites, 5, 2, 2, CADRE_PLACEMENT_SPREAD, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 4, (const int[]){2, 3, 1, 4});
    /* Another width must keep away from it. */
    assert_int_equal(cadre__place(sites, 5, 1, 3, CADRE_PLACEMENT_SPREAD, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 3, (const int[]){1, 4, 5});
    make_gang(sites, 3, 2);
    assert_int_equal(cadre__place(sites, 5, 1, 3, CADRE_PLACEMENT_SPREAD, ranks),
                     CADRE_ERR_TOPO);
    assert_non_null(strstr(cadre_last_error(), "another width"));
    /* Shards of one rank may share any worker. */
    assert_int_equal(cadre__place(sites, 5, 5, 1, CADRE_PLACEMENT_SPREAD, ranks),
                     CADRE_OK);
    assert_ranks(ranks, 5, (const int[]){1, 2, 3, 4, 5});
}

static void hash_is_fixed_and_even(void **state)
{
    size_t counts[7] = {0};

    (void)state;
    for (uint64_t key = 0; key < 70000; key++) {
        const size_t shard = cadre__partition_hash(key, 7);
        assert_in_range(shard, 0, 6);
        counts[shard]++;
    }
    for (size_t i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500);
    /* Known values: results may be kept by the shard of their key. */
    static const size_t known[] = {2, 2, 4, 2, 6, 3, 3, 2};
    for (uint64_t key = 0; key < 8; key++)
        assert_int_equal(cadre__partition_hash(key, 7), known[key]);
    assert_int_equal(cadre__partition_hash(UINT64_MAX, 1), 0);
}

static void ranges_tile_the_keys(void **state)
{
    static const uint64_t n_keys[] = {1, 2, 6, 7, 8, 100, UINT64_C(1) << 40};

    (void)state;
    for (size_t k = 0; k < sizeof n_keys / sizeof n_keys[0]; k++) {
        for (size_t shards = 1; shards <= 9; shards++) {
            const uint64_t n = n_keys[k], shown = n < 1000 ? n : 1000;
            uint64_t counts[9] = {0};
            size_t before = 0;
            for (uint64_t key = 0; key < shown; key++) {
                const size_t shard = cadre__partition_range(key, n, shards);
                assert_in_range(shard, before, shards - 1);
                before = shard;
                counts[shard]++;
            }
            for (size_t i = 0; n == shown && i < shards; i++)
                assert_in_range(counts[i], n / shards, n / shards + (n % shards != 0));
            assert_int_equal(cadre__partition_range(n, n, shards), shards - 1);
            assert_int_equal(cadre__partition_range(UINT64_MAX, n, shards), shards - 1);
        }
    }
}

static void names_lead_there_and_back(void **state)
{
    cadre_partition partition;
    cadre_placement placement;

    (void)state;
    for (int i = CADRE_PARTITION_HASH; i <= CADRE_PARTITION_ROUND_ROBIN; i++) {
        assert_int_equal(cadre_partition_from_name(
                             cadre_partition_name((cadre_partition)i), &partition),
                         CADRE_OK);
        assert_int_equal(partition, i);
    }
    assert_int_equal(cadre_placement_from_name("pack", &placement), CADRE_OK);
    assert_int_equal(placement, CADRE_PLACEMENT_PACK);
    assert_string_equal(cadre_placement_name(CADRE_PLACEMENT_PACK), "pack");
    assert_int_equal(cadre_placement_from_name("scatter", &placement),
                     CADRE_ERR_NOT_FOUND);
    assert_non_null(strstr(cadre_last_error(), "spread, pack"));
    assert_int_equal(cadre_partition_from_name(NULL, &partition), CADRE_ERR_NOT_FOUND);
    assert_string_equal(cadre_group_state_name(CADRE_GROUP_DRAINING), "draining");
    assert_string_equal(cadre_aggregation_name(CADRE_AGGREGATE_TOP_K), "top_k");
    assert_string_equal(cadre_aggregation_name((cadre_aggregation)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_can_be_filled),
        cmocka_unit_test(spread_takes_all_nodes_and_pack_few),
        cmocka_unit_test(the_least_loaded_come_first),
        cmocka_unit_test(pack_prefers_a_node_that_holds_all),
        cmocka_unit_test(shards_cross_nodes_only_if_they_must),
        cmocka_unit_test(gangs_are_used_whole_or_not_at_all),
        cmocka_unit_test(hash_is_fixed_and_even),
        cmocka_unit_test(ranges_tile_the_keys),
        cmocka_unit_test(names_lead_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
