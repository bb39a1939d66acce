/* tests/mpi/test_group.c - shard groups end to end: the coordinator tests, the workers
 * serve. The kernels are shared objects from tests/examples. */
#include "group/groups.h"
#include "mpi_check.h"
#include <cadre/cadre.h>
#include <stdbool.h>
#include <stdlib.h>

/* What the moody kernel does with a row {mode, rank, value, 0}. */
enum { WELL, FAIL_BATCH, SPIN, FAIL_REQUEST, SHORT, OTHER, RANK };

#define MAX_ROWS 5000

static cadre_groups *groups;
static size_t n_workers;
static bool alone; /* one rank: the coordinator serves */
static float rows[MAX_ROWS][4];
static cadre_request requests[MAX_ROWS];

/* ---- Helpers ---- */

static const char *kernel_path(const char *name)
{
    static char path[4096];
    const char *build = getenv("CADRE_TEST_BUILD");
    snprintf(path, sizeof path, "%s/tests/kernel_%s.so", build ? build : ".", name);
    return path;
}

static cadre_group *create(const char *name, const char *kernel, size_t shards,
                           size_t width)
{
    cadre_group *group;
    const cadre_group_opts opts = {.name = name,
                                   .kernel = kernel_path(kernel),
                                   .shards = shards,
                                   .ranks_per_shard = width,
                                   .timeout_ms = 20000};
    CHECK(cadre_group_create(groups, &opts, &group) == CADRE_OK, "create %s", name);
    return group;
}

static void delete (cadre_group *group)
{
    CHECK(cadre_group_delete(group, 20000) == CADRE_OK, "delete");
}

/* n rows that the moody kernel answers with {0, i, 2i, -i}. */
static void fill(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rows[i][0] = WELL;
        rows[i][1] = -1;
        rows[i][2] = (float)i;
        rows[i][3] = 0;
        requests[i] =
            (cadre_request){.id = 100 + i, .data = rows[i], .bytes = sizeof rows[i]};
    }
}

/* Row i behaves in some way on one rank of the job (-1: on all). */
static void mood(size_t i, int mode, int rank, float value)
{
    rows[i][0] = (float)mode;
    rows[i][1] = (float)rank;
    rows[i][2] = value;
}

static bool is_row(const cadre_answer *answer, float a, float b, float c, float d)
{
    const float expected[] = {a, b, c, d};
    if (answer->status != CADRE_OK || answer->bytes != sizeof expected)
        return false;
    const float *row = answer->data;
    for (int i = 0; i < 4; i++) {
        if (row[i] != expected[i])
            return false;
    }
    return true;
}

static cadre_gathered *ask(cadre_group *group, const cadre_query *query,
                           cadre_status expected)
{
    cadre_gathered *out;
    const cadre_status st = cadre_group_scatter_gather(group, query, &out);
    CHECK(st == expected, "%s instead of %s", cadre_status_name(st),
          cadre_status_name(expected));
    if (out)
        CHECK(out->queried == out->responded + out->failed + out->late,
              "%zu queried, %zu responded, %zu failed, %zu late", out->queried,
              out->responded, out->failed, out->late);
    return out;
}

static cadre_batch *next(cadre_status expected)
{
    cadre_batch *batch;
    const cadre_status st =
        cadre_groups_next(groups, cadre_deadline_in_ms(20000), &batch);
    CHECK(st == expected, "%s instead of %s", cadre_status_name(st),
          cadre_status_name(expected));
    return batch;
}

/* Let late answers come in, so that tests do not disturb each other. */
static void settle(void)
{
    cadre_rank_time times[64];
    CHECK(cadre_groups_times(groups, 20000, times) == CADRE_OK, "times");
}

/* ---- Life ---- */

static cadre_status try_create(cadre_group_opts opts)
{
    cadre_group *group;
    opts.timeout_ms = 20000;
    const cadre_status st = cadre_group_create(groups, &opts, &group);
    CHECK((st == CADRE_OK) == (group != NULL), "group without success");
    return st;
}

static void test_bad_options(void)
{
    const cadre_group_opts good = {
        .name = "g", .kernel = kernel_path("moody"), .shards = 1};
    cadre_group_opts bad;
#define REFUSED(change, expected)                                                        \
    bad = good;                                                                          \
    change;                                                                              \
    CHECK(try_create(bad) == (expected), #change)
    REFUSED(bad.name = NULL, CADRE_ERR_ARG);
    REFUSED(bad.name = "", CADRE_ERR_ARG);
    REFUSED(bad.shards = 0, CADRE_ERR_ARG);
    REFUSED(bad.shards = n_workers + 1, CADRE_ERR_TOPO);
    REFUSED(bad.shards = SIZE_MAX; bad.ranks_per_shard = 2, CADRE_ERR_TOPO);
    REFUSED(bad.partition = (cadre_partition)9, CADRE_ERR_ARG);
    REFUSED(bad.partition = CADRE_PARTITION_RANGE, CADRE_ERR_ARG);
    REFUSED(bad.placement = (cadre_placement)9, CADRE_ERR_ARG);
    REFUSED(bad.kernel = NULL, CADRE_ERR_ARG);
    REFUSED(bad.kernel = "no-such-kernel", CADRE_ERR_NOT_FOUND);
    CHECK(strstr(cadre_last_error(), "mlp") != NULL, "the sentence lists no kernels");
    REFUSED(bad.kernel = "./no-such-file.so", CADRE_ERR_NOT_FOUND);
    REFUSED(bad.kernel = "libm.so.6/", CADRE_ERR_NOT_FOUND);
    CHECK(cadre_group_at(groups, 0) == NULL, "a refused group is listed");
}

static void test_life(void)
{
    cadre_group *a = create("a", "moody", n_workers, 1), *b = create("b", "moody", 1, 1);

    CHECK(cadre_group_get(groups, "a") == a && cadre_group_get(groups, "b") == b, "get");
    CHECK(cadre_group_get(groups, "c") == NULL, "get of a group that is not there");
    CHECK(cadre_group_at(groups, 0) == a && cadre_group_at(groups, 1) == b, "list");
    CHECK(cadre_group_at(groups, 2) == NULL, "end of list");
    CHECK(strcmp(cadre_group_name(b), "b") == 0, "name");
    CHECK(cadre_group_get_state(a) == CADRE_GROUP_ACTIVE, "state");
    CHECK(cadre_group_n_shards(a) == n_workers && cadre_group_ranks_per_shard(a) == 1,
          "shape");
    for (size_t i = 0; i < n_workers; i++)
        CHECK(cadre_group_rank_of(a, i) == (alone ? 0 : (int)i + 1), "rank of shard %zu",
              i);
    const cadre_kernel_info *info = cadre_group_kernel_info(a);
    CHECK(info->n_in == 4 && info->n_out == 4 && info->takes == CADRE_PAYLOAD_ROW,
          "info");
    CHECK(try_create((cadre_group_opts){.name = "a",
                                        .kernel = kernel_path("moody"),
                                        .shards = 1}) == CADRE_ERR_EXISTS,
          "a name twice");
    delete (a);
    CHECK(cadre_group_get(groups, "a") == NULL && cadre_group_at(groups, 0) == b,
          "deleted");
    a = create("a", "moody", 1, 1);
    CHECK(cadre_group_at(groups, 1) == a, "created again");
    delete (a);
    delete (b);
}

/* One rank cannot open: the sentence names it, the others are closed again. */
static void test_open_fails(void)
{
    const int rank = alone ? 0 : (int)n_workers;
    char options[32], name[32];
    snprintf(options, sizeof options, "{\"fail_on\": %d}", rank);
    snprintf(name, sizeof name, "rank %d ", rank);
    const cadre_group_opts opts = {.name = "sick",
                                   .kernel = kernel_path("moody"),
                                   .options = options,
                                   .shards = n_workers};
    CHECK(try_create(opts) == CADRE_ERR_INPUT, "a group whose kernel does not open");
    CHECK(strstr(cadre_last_error(), name) &&
              strstr(cadre_last_error(), "told not to open"),
          "the sentence");
    CHECK(cadre_group_at(groups, 0) == NULL, "it is listed");
    delete (create("sick", "moody", n_workers, 1));
}

/* ---- Scatter-gather ---- */

static void check_concat(cadre_group *group, size_t n)
{
    const cadre_query query = {
        .requests = requests, .n_requests = n, .timeout_ms = 20000};
    cadre_gathered *got = ask(group, &query, CADRE_OK);
    CHECK(got && got->n_answers == n && got->failed == 0 && got->late == 0, "%zu rows",
          n);
    for (size_t i = 0; got && i < n; i++) {
        const float v = rows[i][2];
        if (!is_row(&got->answers[i], 0, v, 2 * v, -v) ||
            got->answers[i].id != requests[i].id) {
            CHECK(0, "answer %zu of %zu", i, n);
            break;
        }
    }
    if (got && got->responded > 0) {
        CHECK(got->mean_latency_ns > 0 && got->max_latency_ns >= got->mean_latency_ns,
              "latency");
        CHECK(got->shards[0].success && got->shards[0].error[0] == '\0', "report");
        CHECK(got->shards[0].compute_ns > 0 &&
                  got->shards[0].compute_ns <= got->shards[0].latency_ns,
              "compute %lld of %lld ns", (long long)got->shards[0].compute_ns,
              (long long)got->shards[0].latency_ns);
    }
    cadre_gathered_destroy(got);
}

static void test_concat(void)
{
    static const size_t sizes[] = {1, 2, 7, 80, 130, 1000, MAX_ROWS};

    for (int partition = CADRE_PARTITION_HASH; partition <= CADRE_PARTITION_ROUND_ROBIN;
         partition++) {
        cadre_group *group;
        const cadre_group_opts opts = {.name = "concat",
                                       .kernel = kernel_path("moody"),
                                       .shards = n_workers,
                                       .partition = (cadre_partition)partition,
                                       .n_keys = 1000};
        CHECK(cadre_group_create(groups, &opts, &group) == CADRE_OK, "create");
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            fill(sizes[k]);
            check_concat(group, sizes[k]);
        }
        /* The same rows, no longer one behind the other in memory. */
        for (size_t i = 0; i < 500; i++) {
            const cadre_request one = requests[i];
            requests[i] = requests[1000 - i];
            requests[1000 - i] = one;
        }
        for (size_t i = 0; i < 1000; i++) {
            float row[4];
            memcpy(row, requests[i].data, sizeof row);
            CHECK(row[2] == (float)(requests[i].id - 100), "rows moved");
        }
        const cadre_query query = {.requests = requests, .n_requests = 1000};
        cadre_gathered *got = ask(group, &query, CADRE_OK);
        for (size_t i = 0; got && i < 1000; i++) {
            const float v = (float)(requests[i].id - 100);
            CHECK(is_row(&got->answers[i], 0, v, 2 * v, -v), "moved row %zu", i);
        }
        cadre_gathered_destroy(got);
        delete (group);
    }
}

static void test_all_to_every_shard(void)
{
    cadre_group *group = create("all", "moody", n_workers, 1);
    const float w = (float)n_workers;
    const int last = cadre_group_rank_of(group, n_workers - 1);
    cadre_query query = {.requests = requests,
                         .n_requests = 3,
                         .aggregation = CADRE_AGGREGATE_REDUCE,
                         .reduction = CADRE_SUM,
                         .timeout_ms = 20000};
    fill(3);
    mood(1, RANK, -1, 5);
    cadre_gathered *got = ask(group, &query, CADRE_OK);
    const float ranks = alone ? 0 : w * (w + 1) / 2;
    CHECK(got && got->queried == n_workers && got->responded == n_workers, "counts");
    CHECK(got && is_row(&got->answers[0], 0, 0, 0, 0), "sum of row 0");
    CHECK(got && is_row(&got->answers[1], ranks, 5 * w, 10 * w, -5 * w), "sum of row 1");
    CHECK(got && is_row(&got->answers[2], 0, 2 * w, 4 * w, -2 * w), "sum of row 2");
    cadre_gathered_destroy(got);

    query.reduction = CADRE_MAX;
    mood(0, FAIL_REQUEST, last, 0);
    got = ask(group, &query, CADRE_OK);
    CHECK(got && got->answers[0].status == CADRE_ERR_INPUT,
          "a request that one shard refused");
    CHECK(got && strcmp(got->answers[0].message, "told to refuse this") == 0,
          "its message");
    CHECK(got && is_row(&got->answers[1], (float)last, 5, 10, -5), "maximum");
    cadre_gathered_destroy(got);

    /* The last shard is outvoted, unless it is alone; with two, ties go to the lower. */
    query.aggregation = CADRE_AGGREGATE_MAJORITY;
    mood(0, OTHER, last, 7);
    got = ask(group, &query, CADRE_OK);
    const float vote = n_workers == 1 ? 8 : 7;
    CHECK(got && is_row(&got->answers[0], 0, vote, 2 * vote, -vote), "majority");
    cadre_gathered_destroy(got);

    query.aggregation = CADRE_AGGREGATE_TOP_K;
    query.k = 3;
    got = ask(group, &query, CADRE_OK);
    CHECK(got && got->n_answers == 0 && got->top != NULL, "top-k");
    if (got && got->top) {
        const cadre_top_value *top =
            got->top; /* the rows are {0, 7, 14, -7}, last {0, 8, 16, -8} */
        CHECK(top[0].shard == n_workers - 1 && top[0].index == 2 && top[0].value == 16,
              "first");
        if (n_workers >= 3)
            CHECK(top[1].shard == 0 && top[1].index == 2 && top[1].value == 14 &&
                      top[2].shard == 1 && top[2].value == 14,
                  "second and third");
        CHECK(top[3].value >= top[4].value && top[4].value >= top[5].value, "order");
    }
    cadre_gathered_destroy(got);
    delete (group);
}

static void test_first(void)
{
    cadre_group *group = create("first", "moody", n_workers, 1);
    const cadre_query query = {.requests = requests,
                               .n_requests = 1,
                               .aggregation = CADRE_AGGREGATE_FIRST,
                               .timeout_ms = 20000};
    fill(1);
    if (n_workers > 1)
        mood(0, FAIL_BATCH, 1, 3); /* the first shard fails: another must do */
    cadre_gathered *got = ask(group, &query, CADRE_OK);
    CHECK(got && got->responded >= 1 && got->n_answers == 1, "counts");
    CHECK(got && is_row(&got->answers[0], 0, rows[0][2], 2 * rows[0][2], -rows[0][2]),
          "answer");
    cadre_gathered_destroy(got);
    mood(0, FAIL_BATCH, -1, 3);
    got = ask(group, &query, CADRE_ERR_KERNEL);
    CHECK(got && got->failed == n_workers && got->answers[0].status == CADRE_ERR_INPUT,
          "all fail");
    cadre_gathered_destroy(got);
    settle();
    delete (group);
}

/* Shard 0 is slow, shard 1 fails, the others do well. */
static void test_min_responses(void)
{
    if (n_workers < 2)
        return;
    cadre_group *group = create("some", "moody", n_workers, 1);
    cadre_query query = {.requests = requests,
                         .n_requests = 2,
                         .aggregation = CADRE_AGGREGATE_REDUCE,
                         .reduction = CADRE_SUM,
                         .min_responses = n_workers - 2,
                         .timeout_ms = 20000};
    const float others = (float)n_workers - 2;
    fill(2);
    mood(0, FAIL_BATCH, 2, 1);
    mood(1, SPIN, 1, 400);
    if (n_workers > 2) {
        cadre_gathered *got = ask(group, &query, CADRE_OK);
        CHECK(got && got->responded == n_workers - 2 && !got->shards[0].success,
              "counts");
        CHECK(got && is_row(&got->answers[0], 0, others, 2 * others, -others),
              "sum of the rest");
        CHECK(got && got->max_latency_ns < 390 * CADRE_NS_PER_MS,
              "it waited for the slow");
        cadre_gathered_destroy(got);
        settle();
    }
    query.min_responses = n_workers - 1;
    cadre_gathered *got = ask(group, &query, CADRE_OK);
    CHECK(got && got->failed == 1 && got->shards[1].success == 0, "one fails");
    CHECK(got && strstr(got->shards[1].error, "told to fail on rank 2"), "its sentence");
    cadre_gathered_destroy(got);

    query.min_responses = 0;
    got = ask(group, &query, CADRE_ERR_KERNEL);
    CHECK(strstr(cadre_last_error(), "told to fail on rank 2"), "the sentence");
    CHECK(got && got->failed == 1, "given, though too few succeeded");
    cadre_gathered_destroy(got);
    query.min_responses = n_workers + 1;
    CHECK(ask(group, &query, CADRE_ERR_ARG) == NULL, "more responses than shards");
    settle();
    delete (group);
}

/* A shard that is too slow: the others' answers are there, its own is dropped when it
 * comes, and what is sent next is not mixed up with it. */
static void test_timeout(void)
{
    if (alone)
        return;
    cadre_group *group = create("slow", "moody", n_workers, 1);
    cadre_query query = {.requests = requests,
                         .n_requests = 1,
                         .aggregation = CADRE_AGGREGATE_REDUCE,
                         .timeout_ms = 150};
    const int64_t late = cadre_groups_n_late(groups), start = cadre_clock_ns();
    fill(64);
    mood(0, SPIN, 1, 450);
    cadre_gathered *got = ask(group, &query, CADRE_ERR_TIMEOUT);
    CHECK(cadre_clock_ns() - start < 440 * CADRE_NS_PER_MS, "came back too late");
    CHECK(strstr(cadre_last_error(), "rank 1"), "the sentence");
    CHECK(got && got->late >= 1 && got->failed == 0 && !got->shards[0].success, "counts");
    if (n_workers == 1)
        CHECK(got && got->answers[0].status == CADRE_ERR_TIMEOUT, "no answer");
    cadre_gathered_destroy(got);
    CHECK(cadre_group_in_flight(group, 0) == 0, "abandoned, but in flight");
    fill(64);
    check_concat(group, 64);
    settle();
    CHECK(cadre_groups_n_late(groups) >= late + 1, "the late answer was not counted");
    delete (group);
}

static void test_bad_queries(void)
{
    cadre_group *group = create("bad", "moody", 1, 1);
    cadre_request odd = {.id = 1, .data = rows, .bytes = 15};
    const cadre_query good = {.requests = requests, .n_requests = 1};
    cadre_query bad;
    uint64_t ticket;
    fill(1);
#define BAD_QUERY(change)                                                                \
    bad = good;                                                                          \
    change;                                                                              \
    CHECK(ask(group, &bad, CADRE_ERR_ARG) == NULL, #change)
    BAD_QUERY(bad.n_requests = 0);
    BAD_QUERY(bad.requests = NULL);
    BAD_QUERY(bad.requests = &odd);
    BAD_QUERY(bad.timeout_ms = -1);
    BAD_QUERY(bad.aggregation = (cadre_aggregation)9);
    BAD_QUERY(bad.aggregation = CADRE_AGGREGATE_REDUCE; bad.reduction = CADRE_LAND);
    BAD_QUERY(bad.aggregation = CADRE_AGGREGATE_TOP_K);
    BAD_QUERY(bad.aggregation = CADRE_AGGREGATE_TOP_K; bad.k = 5);
    BAD_QUERY(bad.aggregation = CADRE_AGGREGATE_FIRST; bad.min_responses = 2);
    CHECK(cadre_group_submit(group, 1, requests, 1, &ticket) == CADRE_ERR_ARG,
          "no such shard");
    CHECK(cadre_group_submit(group, 0, requests, 0, &ticket) == CADRE_ERR_ARG,
          "no requests");
    CHECK(cadre_group_submit(group, 0, &odd, 1, &ticket) == CADRE_ERR_ARG, "an odd row");
    odd = (cadre_request){.id = 1, .data = NULL, .bytes = 16};
    CHECK(cadre_group_submit(group, 0, &odd, 1, &ticket) == CADRE_ERR_ARG, "no data");
    CHECK(next(CADRE_ERR_NOT_FOUND) == NULL, "something is in flight");
    mood(0, SHORT, -1, 0);
    cadre_gathered *got = ask(group, &good, CADRE_ERR_KERNEL);
    CHECK(strstr(cadre_last_error(), "4 bytes"), "a short answer");
    cadre_gathered_destroy(got);
    delete (group);
}

/* ---- By key ---- */

static int rank_for(cadre_group *group, uint64_t key)
{
    cadre_batch *batch;
    const float row[4] = {RANK, -1, 0, 0};
    const cadre_request request = {.id = key, .data = row, .bytes = sizeof row};
    CHECK(cadre_group_send(group, key, &request, 20000, &batch) == CADRE_OK, "send");
    if (!batch)
        return -1;
    CHECK(batch->status == CADRE_OK && batch->n_answers == 1 &&
              batch->answers[0].id == key,
          "batch of one");
    float first;
    memcpy(&first, batch->answers[0].data, sizeof first);
    CHECK(batch->rank == (int)first, "rank %d served, rank %d is named", (int)first,
          batch->rank);
    cadre_batch_destroy(batch);
    return (int)first;
}

static void test_send(void)
{
    cadre_group_opts opts = {.name = "keys",
                             .kernel = kernel_path("moody"),
                             .shards = n_workers,
                             .partition = CADRE_PARTITION_RANGE,
                             .n_keys = 2 * n_workers};
    cadre_group *group;
    CHECK(cadre_group_create(groups, &opts, &group) == CADRE_OK, "create");
    for (uint64_t key = 0; key < 2 * n_workers; key++)
        CHECK(rank_for(group, key) == cadre_group_rank_of(group, (size_t)key / 2),
              "range");
    CHECK(rank_for(group, 1000000) == cadre_group_rank_of(group, n_workers - 1),
          "past the end");
    delete (group);

    opts.partition = CADRE_PARTITION_HASH;
    CHECK(cadre_group_create(groups, &opts, &group) == CADRE_OK, "create");
    for (uint64_t key = 0; key < 5; key++)
        CHECK(rank_for(group, key) == rank_for(group, key), "hash is stable");
    delete (group);

    opts.partition = CADRE_PARTITION_ROUND_ROBIN;
    CHECK(cadre_group_create(groups, &opts, &group) == CADRE_OK, "create");
    for (size_t i = 0; i < 2 * n_workers; i++)
        CHECK(rank_for(group, 7) == cadre_group_rank_of(group, i % n_workers), "turn %zu",
              i);
    delete (group);
}

/* ---- Batches in flight ---- */

static void test_in_flight(void)
{
    cadre_group *group = create("flight", "moody", n_workers, 1);
    enum { DEPTH = 5, EACH = 20 };
    uint64_t tickets[DEPTH], last[64] = {0};

    fill(DEPTH * EACH);
    CHECK(next(CADRE_ERR_NOT_FOUND) == NULL, "nothing is in flight");
    for (size_t k = 0; k < DEPTH; k++) {
        for (size_t shard = 0; shard < n_workers; shard++)
            CHECK(cadre_group_submit(group, shard, requests + k * EACH, EACH,
                                     &tickets[k]) == CADRE_OK,
                  "submit");
    }
    for (size_t shard = 0; shard < n_workers; shard++)
        CHECK(cadre_group_in_flight(group, shard) <= DEPTH, "in flight");
    for (size_t k = 0; k < DEPTH * n_workers; k++) {
        cadre_batch *batch = next(CADRE_OK);
        if (!batch)
            continue;
        CHECK(batch->group == group && batch->status == CADRE_OK &&
                  batch->n_answers == EACH,
              "batch");
        CHECK(batch->ticket > last[batch->shard], "shard %zu answers out of order",
              batch->shard);
        last[batch->shard] = batch->ticket;
        const size_t first = (size_t)batch->answers[0].id - 100;
        for (size_t i = 0; i < EACH; i++) {
            const float v = (float)(first + i);
            CHECK(is_row(&batch->answers[i], 0, v, 2 * v, -v), "answer %zu", i);
        }
        cadre_batch_destroy(batch);
    }
    CHECK(next(CADRE_ERR_NOT_FOUND) == NULL, "all have come");

    /* A batch that is forgotten does not come; the one behind it does. */
    CHECK(cadre_group_submit(group, 0, requests, 1, &tickets[0]) == CADRE_OK, "submit");
    CHECK(cadre_group_submit(group, 0, requests + 1, 1, &tickets[1]) == CADRE_OK,
          "submit");
    cadre_groups_abandon(groups, tickets[0]);
    cadre_groups_abandon(groups, 424242);
    cadre_batch *batch = next(CADRE_OK);
    CHECK(batch && batch->ticket == tickets[1] && batch->answers[0].id == 101,
          "the second");
    cadre_batch_destroy(batch);
    CHECK(next(CADRE_ERR_NOT_FOUND) == NULL, "the first is forgotten");

    /* A batch that failed comes back with its sentence, and the worker goes on. */
    mood(0, FAIL_BATCH, -1, 0);
    CHECK(cadre_group_submit(group, 0, requests, 2, NULL) == CADRE_OK, "submit");
    batch = next(CADRE_OK);
    CHECK(batch && batch->status == CADRE_ERR_INPUT && batch->n_answers == 0,
          "failed batch");
    CHECK(batch && strstr(batch->message, "told to fail"), "its sentence");
    cadre_batch_destroy(batch);
    fill(3);
    check_concat(group, 3);

    /* A batch that nobody has fetched outlives its group. */
    CHECK(cadre_group_submit(group, 0, requests, 1, NULL) == CADRE_OK, "submit");
    delete (group);
    batch = next(CADRE_OK);
    CHECK(batch && batch->group == NULL && batch->n_answers == 1, "after its group");
    cadre_batch_destroy(batch);
}

static void test_deadline(void)
{
    if (alone)
        return;
    cadre_group *group = create("wait", "moody", 1, 1);
    cadre_batch *batch;
    fill(1);
    mood(0, SPIN, -1, 200);
    CHECK(cadre_group_submit(group, 0, requests, 1, NULL) == CADRE_OK, "submit");
    CHECK(cadre_groups_next(groups, cadre_clock_ns(), &batch) == CADRE_ERR_TIMEOUT &&
              !batch,
          "too early");
    CHECK(cadre_group_delete(group, 1) == CADRE_ERR_TIMEOUT, "deleted while at work");
    CHECK(cadre_group_get_state(group) == CADRE_GROUP_DRAINING, "state");
    CHECK(cadre_group_submit(group, 0, requests, 1, NULL) == CADRE_ERR_STATE,
          "while draining");
    delete (group);
    batch = next(CADRE_OK);
    CHECK(batch && batch->status == CADRE_OK, "it came");
    cadre_batch_destroy(batch);
}

/* ---- Tensors ---- */

static void test_tensors(void)
{
    cadre_group *group = create("tensors", "moody", n_workers, 1);
    float values[5], sum[5] = {0};
    int64_t counts[3] = {0};
    cadre_tensor weights = {.dtype = CADRE_F32, .n_dims = 1, .dims = {5}, .data = sum};
    const cadre_tensor numbers = {
        .dtype = CADRE_I64, .n_dims = 1, .dims = {3}, .data = counts};
    const float ranks = alone ? 0 : 0.5f * (float)(n_workers * (n_workers + 1));
    size_t acks;

    CHECK(cadre_group_reduce(group, "weights", CADRE_SUM, &weights, 20000) == CADRE_OK,
          "reduce");
    for (int i = 0; i < 5; i++)
        CHECK(sum[i] == ranks, "sum of ranks is %g", (double)sum[i]);
    CHECK(cadre_group_reduce(group, "counts", CADRE_MAX, &numbers, 20000) == CADRE_OK,
          "reduce");
    CHECK(counts[2] == (alone ? 0 : (int64_t)n_workers) + 2, "maximum");
    CHECK(cadre_group_all_reduce(group, "weights", CADRE_SUM, 20000) == CADRE_OK,
          "all-reduce");
    CHECK(cadre_group_reduce(group, "weights", CADRE_MIN, &weights, 20000) == CADRE_OK,
          "reduce");
    CHECK(sum[4] == ranks, "every shard has the sum: %g", (double)sum[4]);

    for (int i = 0; i < 5; i++)
        values[i] = (float)i + 0.5f;
    weights.data = values;
    CHECK(cadre_group_broadcast(group, "weights", &weights, 0, 20000, &acks) == CADRE_OK,
          "broadcast");
    CHECK(acks == n_workers, "%zu shards acknowledged", acks);
    weights.data = sum;
    CHECK(cadre_group_reduce(group, "weights", CADRE_SUM, &weights, 20000) == CADRE_OK,
          "reduce");
    for (int i = 0; i < 5; i++)
        CHECK(sum[i] == values[i] * (float)n_workers, "what was broadcast");
    CHECK(cadre_group_barrier(group, 7, 1, 20000) == CADRE_OK, "barrier");

    CHECK(cadre_group_broadcast(group, "none", &weights, 0, 20000, NULL) ==
              CADRE_ERR_NOT_FOUND,
          "no such tensor");
    CHECK(strstr(cadre_last_error(), "no tensor \"none\""), "the sentence");
    weights.dims[0] = 4;
    CHECK(cadre_group_broadcast(group, "weights", &weights, 1, 20000, NULL) ==
              CADRE_ERR_ARG,
          "wrong shape");
    CHECK(cadre_group_reduce(group, "weights", CADRE_SUM, &weights, 20000) ==
              CADRE_ERR_ARG,
          "wrong shape");
    CHECK(cadre_group_broadcast(group, "weights", &weights, n_workers + 1, 20000, NULL) ==
              CADRE_ERR_ARG,
          "more acks than shards");
    CHECK(cadre_group_all_reduce(group, "none", CADRE_SUM, 20000) == CADRE_ERR_NOT_FOUND,
          "no such tensor");
    fill(10);
    check_concat(group, 10);
    delete (group);
}

/* A barrier waits behind a batch; with too little time it says who is busy. */
static void test_barrier_deadline(void)
{
    if (alone)
        return;
    cadre_group *group = create("late", "moody", n_workers, 1);
    fill(1);
    mood(0, SPIN, -1, 250);
    CHECK(cadre_group_submit(group, 0, requests, 1, NULL) == CADRE_OK, "submit");
    CHECK(cadre_group_barrier(group, 3, 9, 50) == CADRE_ERR_TIMEOUT, "barrier");
    CHECK(strstr(cadre_last_error(), "barrier 3, round 9") &&
              strstr(cadre_last_error(), "rank 1"),
          "the sentence");
    CHECK(cadre_group_barrier(group, 3, 10, 20000) == CADRE_OK, "barrier behind a batch");
    cadre_batch *batch = next(CADRE_OK);
    CHECK(batch && batch->status == CADRE_OK, "the batch");
    cadre_batch_destroy(batch);
    delete (group);
}

/* ---- Other kernels ---- */

static void test_words(void)
{
    static const char *const texts[] = {"the cat and the dog", "", "  one\n", "a b b a"};
    static const char *const expected[] = {
        "5 words, the longest: the",
        "0 words, the longest: ", "1 words, the longest: one", "4 words, the longest: a"};
    cadre_group *group = create("words", "words", n_workers, 1);
    cadre_gathered *got;

    for (size_t i = 0; i < 4; i++)
        requests[i] =
            (cadre_request){.id = i, .data = texts[i], .bytes = strlen(texts[i])};
    const cadre_query query = {
        .requests = requests, .n_requests = 4, .timeout_ms = 20000};
    got = ask(group, &query, CADRE_OK);
    for (size_t i = 0; got && i < 4; i++)
        CHECK(got->answers[i].bytes == strlen(expected[i]) &&
                  memcmp(got->answers[i].data, expected[i], strlen(expected[i])) == 0,
              "text %zu: %.*s", i, (int)got->answers[i].bytes,
              (const char *)got->answers[i].data);
    CHECK(got && strcmp(got->answers[0].finish_reason, "stop") == 0, "finish reason");
    cadre_gathered_destroy(got);
    const cadre_query numeric = {.requests = requests,
                                 .n_requests = 4,
                                 .aggregation = CADRE_AGGREGATE_TOP_K,
                                 .k = 1};
    CHECK(ask(group, &numeric, CADRE_ERR_ARG) == NULL, "the largest of texts");
    delete (group);
}

static size_t collatz(uint64_t n, uint64_t *peak)
{
    size_t moves = 0;
    for (*peak = n; n != 1; moves++) {
        n = n % 2 ? 3 * n + 1 : n / 2;
        *peak = n > *peak ? n : *peak;
    }
    return moves;
}

static void check_collatz(const cadre_batch *batch)
{
    CHECK(batch->status == CADRE_OK && batch->compute_ns > 0, "batch: %s",
          batch->message);
    for (size_t i = 0; i < batch->n_answers; i++) {
        const cadre_answer *answer = &batch->answers[i];
        float row[2];
        uint64_t peak;
        const size_t moves = collatz(answer->id, &peak);
        CHECK(answer->status == CADRE_OK && answer->bytes == sizeof row, "answer");
        if (answer->bytes != sizeof row)
            continue;
        memcpy(row, answer->data, sizeof row);
        CHECK(row[0] == (float)moves && row[1] == (float)peak, "from %d: %g moves",
              (int)answer->id, (double)row[0]);
    }
}

/* Requests of many batches are in the kernel together; short ones overtake long ones. */
static void test_incremental(size_t width)
{
    enum { BATCHES = 6, EACH = 3 };
    cadre_group *group = create("steps", "collatz", n_workers / width, width);
    const size_t n_shards = cadre_group_n_shards(group);
    static float starts[64 * BATCHES * EACH];
    static cadre_request asked[64 * BATCHES * EACH];
    size_t n = 0;

    for (size_t shard = 0; shard < n_shards; shard++) {
        for (size_t k = 0; k < BATCHES; k++) {
            for (size_t i = 0; i < EACH; i++, n++) {
                starts[n] =
                    (float)(k == 0 ? 97 + n : n % 16 + 1); /* the first take longest */
                asked[n] = (cadre_request){.id = (uint64_t)starts[n],
                                           .data = &starts[n],
                                           .bytes = sizeof(float)};
            }
            CHECK(cadre_group_submit(group, shard, asked + n - EACH, EACH, NULL) ==
                      CADRE_OK,
                  "submit");
        }
    }
    for (size_t k = 0; k < BATCHES * n_shards; k++) {
        cadre_batch *batch = next(CADRE_OK);
        if (batch)
            check_collatz(batch);
        cadre_batch_destroy(batch);
    }
    /* One bad request fails alone. */
    starts[1] = -4;
    CHECK(cadre_group_submit(group, 0, asked, EACH, NULL) == CADRE_OK, "submit");
    cadre_batch *batch = next(CADRE_OK);
    CHECK(batch && batch->status == CADRE_OK &&
              batch->answers[1].status == CADRE_ERR_INPUT,
          "a bad start");
    CHECK(batch && batch->answers[1].message && strstr(batch->answers[1].message, "-4"),
          "why");
    CHECK(batch && batch->answers[2].status == CADRE_OK, "its neighbour");
    cadre_batch_destroy(batch);
    /* Forgotten in the middle of it: the slots are free again. */
    for (int k = 0; k < 3; k++) {
        uint64_t ticket;
        CHECK(cadre_group_submit(group, 0, asked, 1, &ticket) == CADRE_OK, "submit");
        cadre_groups_abandon(groups, ticket);
    }
    CHECK(next(CADRE_ERR_NOT_FOUND) == NULL, "forgotten");
    delete (group);
}

/* A shard of two ranks gives what one rank gives. */
static void test_split(void)
{
    static float wide[40][64];
    static cadre_request asked[40];
    if (n_workers < 2)
        return;
    cadre_group *group = create("split", "halves", n_workers / 2, 2);
    CHECK(cadre_group_ranks_per_shard(group) == 2, "width");
    for (size_t i = 0; i < 40; i++) {
        for (size_t k = 0; k < 64; k++)
            wide[i][k] = (float)(i * 7 + k);
        asked[i] = (cadre_request){.id = i, .data = wide[i], .bytes = sizeof wide[i]};
    }
    const cadre_query query = {.requests = asked, .n_requests = 40, .timeout_ms = 20000};
    cadre_gathered *got = ask(group, &query, CADRE_OK);
    for (size_t i = 0; got && i < 40; i++) {
        float sum;
        memcpy(&sum, got->answers[i].data, sizeof sum);
        CHECK(sum == (float)(64 * i * 7 + 2016), "row %zu: %g", i, (double)sum);
    }
    cadre_gathered_destroy(got);
    CHECK(cadre_group_barrier(group, 1, 1, 20000) == CADRE_OK, "barrier");
    delete (group);
}

/* Shards of one and of two ranks, of both styles, on the same workers, all at once. */
static void test_mixed(void)
{
    enum { ROUNDS = 10 };
    static float wide[64];
    static float starts[ROUNDS];
    static cadre_request wides[1], singles[ROUNDS];
    if (n_workers < 2)
        return;
    cadre_group *plain = create("plain", "moody", n_workers, 1);
    cadre_group *split = create("split", "halves", n_workers / 2, 2);
    cadre_group *steps = create("steps", "collatz", n_workers / 2, 2);
    CHECK(cadre_group_rank_of(split, 0) == cadre_group_rank_of(steps, 0),
          "one gang, two shards");
    wides[0] = (cadre_request){.id = 1, .data = wide, .bytes = sizeof wide};
    fill(8);
    size_t n = 0, n_answers = 0;
    for (size_t k = 0; k < ROUNDS; k++) {
        starts[k] = (float)(27 + k);
        singles[k] = (cadre_request){
            .id = (uint64_t)starts[k], .data = &starts[k], .bytes = sizeof starts[k]};
        for (size_t i = 0; i < n_workers; i++, n++)
            CHECK(cadre_group_submit(plain, i, requests, 8, NULL) == CADRE_OK, "submit");
        for (size_t i = 0; i < n_workers / 2; i++, n += 2) {
            CHECK(cadre_group_submit(split, i, wides, 1, NULL) == CADRE_OK, "submit");
            CHECK(cadre_group_submit(steps, i, singles + k, 1, NULL) == CADRE_OK,
                  "submit");
        }
        if (k == ROUNDS / 2) { /* collectives wait for all of that */
            CHECK(cadre_group_barrier(plain, 1, k, 20000) == CADRE_OK, "barrier");
            CHECK(cadre_group_all_reduce(plain, "weights", CADRE_MAX, 20000) == CADRE_OK,
                  "reduce");
        }
    }
    for (size_t k = 0; k < n; k++) {
        cadre_batch *batch = next(CADRE_OK);
        if (!batch)
            continue;
        CHECK(batch->status == CADRE_OK, "group %s: %s", cadre_group_name(batch->group),
              batch->message);
        if (batch->group == steps)
            check_collatz(batch);
        n_answers += batch->n_answers;
        cadre_batch_destroy(batch);
    }
    CHECK(n_answers == ROUNDS * (8 * n_workers + 2 * (n_workers / 2)), "%zu answers",
          n_answers);
    delete (plain);
    delete (split);
    delete (steps);
}

/* A gang that is there keeps shards of another width away, and goes with its last
 * group. */
static void test_gangs(void)
{
    if (n_workers != 3)
        return;
    cadre_group *pair = create("pair", "halves", 1, 2);
    cadre_group_opts opts = {.name = "triple",
                             .kernel = kernel_path("halves"),
                             .shards = 1,
                             .ranks_per_shard = 3};
    CHECK(try_create(opts) == CADRE_ERR_TOPO, "gangs that overlap");
    delete (pair);
    delete (create("triple", "halves", 1, 3));
}

/* ---- Time ---- */

static void test_times(void)
{
    cadre_rank_time before[64], after[64];
    cadre_group *group = create("time", "moody", n_workers, 1);
    const size_t n_ranks = alone ? 1 : n_workers + 1;

    CHECK(cadre_groups_times(groups, 20000, before) == CADRE_OK, "times");
    fill(1);
    mood(0, SPIN, -1, 30);
    for (size_t shard = 0; shard < n_workers; shard++)
        CHECK(cadre_group_submit(group, shard, requests, 1, NULL) == CADRE_OK, "submit");
    for (size_t shard = 0; shard < n_workers; shard++)
        cadre_batch_destroy(next(CADRE_OK));
    CHECK(cadre_groups_times(groups, 20000, after) == CADRE_OK, "times");
    for (size_t rank = 0; rank < n_ranks; rank++) {
        const cadre_rank_time *t = &after[rank];
        CHECK(t->compute_ns + t->idle_ns + t->coordination_ns == t->wall_ns, "rank %zu",
              rank);
        CHECK(t->compute_ns >= 0 && t->idle_ns >= 0 && t->coordination_ns >= 0,
              "rank %zu", rank);
        if (rank == 0 && !alone) {
            CHECK(t->compute_ns == 0 && t->bytes_out > before[0].bytes_out,
                  "coordinator");
            continue;
        }
        CHECK(t->compute_ns - before[rank].compute_ns >= 30 * CADRE_NS_PER_MS,
              "rank %zu computed %lld ns", rank, (long long)t->compute_ns);
        CHECK(t->n_batches == before[rank].n_batches + 1, "rank %zu: batches", rank);
        CHECK(t->n_requests == before[rank].n_requests + 1, "rank %zu: requests", rank);
    }
    delete (group);
}

/* ---- Messages that make no sense ---- */

static void post(const void *bytes, size_t n, int tag, int rank)
{
    CHECK(cadre_send(groups->comm, bytes, n, rank, tag, cadre_deadline_in_ms(20000)) ==
              CADRE_OK,
          "send");
}

/* Workers drop them, or say no, and go on. */
static void test_garbage(void)
{
    static uint8_t noise[CADRE__WIRE_FIRST];
    if (alone)
        return;
    cadre_group *group = create("tough", "moody", n_workers, 1);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 37 + 11);
    for (int tag = CADRE__TAG_COMMAND; tag <= CADRE__TAG_FORWARD; tag++) {
        static const size_t sizes[] = {0, 1, 71, 72, 73, sizeof noise};
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            post(noise, sizes[i], tag, 1);
    }
    /* A good frame around nonsense: every kind that names a group that is not there, or
     * is there and gets an empty table. */
    for (int kind = CADRE__WIRE_CREATE; kind < CADRE__WIRE_N_KINDS; kind++) {
        if (kind == CADRE__WIRE_STOP || kind == CADRE__WIRE_TIMES ||
            kind == CADRE__WIRE_DELETE || kind == CADRE__WIRE_BARRIER ||
            kind == CADRE__WIRE_STEP)
            continue;
        for (uint32_t number = group->number; number < group->number + 2; number++) {
            cadre__wire_head head = {
                .kind = (uint16_t)kind, .group = number, .n = 3, .args = {-1, 1}};
            post(&head, cadre__wire_layout(&head), CADRE__TAG_COMMAND, 1);
        }
    }
    fill(20);
    check_concat(group, 20);
    settle();
    delete (group);
}

static void coordinate(void)
{
    test_bad_options();
    test_life();
    test_open_fails();
    test_concat();
    test_all_to_every_shard();
    test_first();
    test_min_responses();
    test_timeout();
    test_bad_queries();
    test_send();
    test_in_flight();
    test_deadline();
    test_tensors();
    test_barrier_deadline();
    test_words();
    test_incremental(1);
    if (n_workers >= 2)
        test_incremental(2);
    test_split();
    test_mixed();
    test_gangs();
    test_times();
    test_garbage();
}

int main(void)
{
    cadre_comm *world = check_start();
    int exit_code = -1;

    (void)cadre_log_filter("error"); /* some tests provoke warnings */
    CHECK(cadre_groups_open(world, &groups) == CADRE_OK, "open");
    n_workers = cadre_groups_n_workers(groups);
    alone = cadre_comm_size(world) == 1;
    CHECK(n_workers == (alone ? 1 : (size_t)cadre_comm_size(world) - 1), "workers");
    if (check_rank == 0) {
        CHECK(cadre_groups_serve(groups, NULL) == CADRE_ERR_STATE, "rank 0 cannot serve");
        coordinate();
        (void)create("left", "moody", n_workers, 1); /* close takes care of it */
    } else {
        CHECK(cadre_groups_serve(groups, &exit_code) == CADRE_OK, "serve");
        CHECK(exit_code == 42, "exit code %d", exit_code);
    }
    cadre_groups_close(groups, 42);
    return check_finish(world);
}
