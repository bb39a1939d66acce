/* Reports: JSON both ways to the last bit, and what each format says. */
#include "core/memory.h"
#include "io/file.h"
#include "report/report.h"
#include "report/tables.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CENT (CADRE_MONEY_USD / 100)
#define MS INT64_C(1000000)

static cadre__quantiles quantiles(int64_t ms)
{
    return (cadre__quantiles){.p50 = ms * MS,
                              .p90 = 2 * ms * MS + 1,
                              .p95 = 3 * ms * MS,
                              .p99 = 4 * ms * MS,
                              .p999 = 5 * ms * MS,
                              .max = 6 * ms * MS + 123456,
                              .mean = (double)ms * 1.1e6 / 3};
}

static void make_tier(cadre__report_tier *t, const char *name, uint64_t requests,
                      int64_t ms)
{
    *t = (cadre__report_tier){.name = cadre__strdup(name),
                              .kernel = cadre__strdup("mlp"),
                              .model_digest = cadre__strdup("00ff"),
                              .shards = 2,
                              .ranks_per_shard = 1,
                              .requests = requests,
                              .failed = 1,
                              .downgraded_to = 7,
                              .tokens_in = requests * 64,
                              .tokens_out = requests,
                              .cost = (cadre_money)requests * 12345678901,
                              .compute_ns = 321 * MS,
                              .service = quantiles(ms),
                              .labelled = 1000,
                              .correct = 987};
}

static void make_rank(cadre__report_rank *r, int rank, const char *role,
                      int64_t compute_ms, int64_t coordination_ms, int64_t idle_ms)
{
    *r = (cadre__report_rank){.rank = rank,
                              .host = cadre__strdup("node-1"),
                              .role = cadre__strdup(role),
                              .cores = cadre__strdup("0-3"),
                              .shards = rank ? cadre__strdup("small/0 large/1") : NULL,
                              .wall_ns = (compute_ms + coordination_ms + idle_ms) * MS,
                              .compute_ns = compute_ms * MS,
                              .coordination_ns = coordination_ms * MS,
                              .idle_ns = idle_ms * MS,
                              .n_batches = 40,
                              .n_requests = 2000,
                              .bytes_in = 1 << 20,
                              .bytes_out = 1 << 10};
}

static void make_tenants(cadre__run_report *run)
{
    run->n_tenants = 3;
    run->tenants = cadre__alloc_n(3, sizeof *run->tenants);
    run->tenants[0] = (cadre__report_tenant){.name = cadre__strdup("acme"),
                                             .state = cadre__strdup("throttled"),
                                             .limited = true,
                                             .budget = 500 * CENT,
                                             .spent = 450 * CENT + 1,
                                             .requests = 2000,
                                             .completed = 1990,
                                             .refused = 10,
                                             .refused_worth = 50 * CENT,
                                             .downgraded = 25};
    run->tenants[1] = (cadre__report_tenant){.name = cadre__strdup("globex <&> \"sons\""),
                                             .state = cadre__strdup("active"),
                                             .limited = true,
                                             .budget = 10 * CENT,
                                             .spent = 3 * CENT,
                                             .requests = 1000,
                                             .completed = 998,
                                             .failed = 2};
    run->tenants[2] = (cadre__report_tenant){.name = cadre__strdup("initech"),
                                             .state = cadre__strdup("unlimited"),
                                             .spent = 123 * CENT,
                                             .requests = 1000,
                                             .completed = 1000};
}

static void make_run(cadre__report *report)
{
    cadre__run_report *run = &report->run;

    memset(report, 0, sizeof *report);
    report->kind = CADRE__REPORT_RUN;
    *run = (cadre__run_report){.job = cadre__strdup("quick<start>"),
                               .digest = cadre__strdup("abc123"),
                               .output_dir = cadre__strdup("runs/quickstart"),
                               .started = cadre__strdup("2026-11-23T13:05:00Z"),
                               .finished = cadre__strdup("2026-11-23T13:05:02Z"),
                               .version = cadre__strdup("0.1.0"),
                               .host = cadre__strdup("node-1"),
                               .n_ranks = 3,
                               .n_nodes = 1,
                               .exit_code = 1,
                               .exit_reason = cadre__strdup("10 requests were refused"),
                               .requests = 4000,
                               .completed = 3988,
                               .failed = 2,
                               .refused = 10,
                               .downgraded = 25,
                               .wall_ns = 1234567891,
                               .validate_ns = 12 * MS,
                               .broadcast_ns = MS,
                               .open_ns = 45 * MS,
                               .barrier_ns = MS / 3,
                               .serve_ns = 1234567891,
                               .reduce_ns = 2 * MS,
                               .write_ns = 30 * MS,
                               .cost = 576 * CENT + 1,
                               .queue = quantiles(40),
                               .service = quantiles(5)};
    run->n_tiers = 3;
    run->tiers = cadre__alloc_n(3, sizeof *run->tiers);
    make_tier(&run->tiers[0], "small", 2500, 2);
    make_tier(&run->tiers[1], "medium", 1000, 6);
    make_tier(&run->tiers[2], "large", 490, 21);
    make_tenants(run);
    run->n_ranks_listed = 3;
    run->ranks = cadre__alloc_n(3, sizeof *run->ranks);
    make_rank(&run->ranks[0], 0, "coordinator", 0, 300, 934);
    make_rank(&run->ranks[1], 1, "worker", 1100, 34, 100);
    make_rank(&run->ranks[2], 2, "worker", 1000, 134, 100);
}

static void make_row(cadre__bench_row *row, size_t shards, double efficiency)
{
    char name[32];

    snprintf(name, sizeof name, "%zu shards", shards);
    *row =
        (cadre__bench_row){.name = cadre__strdup(name),
                           .shards = shards,
                           .batch = 64,
                           .requests = 160 * shards,
                           .kib_per_request = 256,
                           .repetitions = 5,
                           .requests_per_s = 1234.5 * (double)shards * efficiency / 100,
                           .wall_ms = 160 / 1.2345 / efficiency * 100,
                           .spread_percent = 1.7,
                           .p50_ms = 0.8,
                           .p95_ms = 1.1,
                           .p99_ms = 2.0 / 3,
                           .compute_ms = 120,
                           .coordination_ms = 7.25,
                           .compute_percent = 94.3,
                           .granularity = 120 / 7.25,
                           .efficiency_percent = efficiency,
                           .imbalance = 1.02,
                           .karp_flatt = shards == 1 ? NAN : 0.0123,
                           .nodes = 1,
                           .cores = shards};
}

static void make_bench(cadre__report *report)
{
    static const double efficiencies[] = {100, 97.5, 93.1, 88, 61.7};
    cadre__bench_report *bench = &report->bench;

    memset(report, 0, sizeof *report);
    report->kind = CADRE__REPORT_BENCH;
    *bench = (cadre__bench_report){
        .benchmark = cadre__strdup("shards"),
        .started = cadre__strdup("2026-11-23T13:05:00Z"),
        .command = cadre__strdup("mpirun -n 17 cadre bench shards"),
        .version = cadre__strdup("0.1.0"),
        .host = cadre__strdup("node-1"),
        .cpu = cadre__strdup("some CPU, 16 cores"),
        .blas = cadre__strdup("OpenBLAS 0.3.21"),
        .mpi = cadre__strdup("Open MPI 4.1.4"),
        .n_ranks = 17,
        .scaling = cadre__strdup("weak: each shard serves a request of the same size"),
        .n_rows = 5,
        .rows = cadre__alloc_n(5, sizeof(cadre__bench_row)),
        .n_notes = 2,
        .notes = cadre__alloc_n(2, sizeof(char *))};
    for (size_t i = 0; i < 5; i++)
        make_row(&bench->rows[i], (size_t)1 << i, efficiencies[i]);
    bench->notes[0] = cadre__strdup("compute is time inside kernels");
    bench->notes[1] = cadre__strdup("a <second> note");
}

/* The second tier of a run gives texts. */
static void make_texts(cadre__run_report *run)
{
    cadre__report_tier *t = &run->tiers[1];
    t->tokens_in = 90000;
    t->tokens_out = 12345;
    t->tokens_shared = 4096;
    t->first_token = quantiles(11);
    t->per_token = quantiles(3);
}

static void make_infer(cadre__report *report)
{
    cadre__infer_report *infer = &report->infer;

    memset(report, 0, sizeof *report);
    report->kind = CADRE__REPORT_INFER;
    *infer = (cadre__infer_report){.started = cadre__strdup("2026-11-23T13:05:00Z"),
                                   .command = cadre__strdup("cadre bench infer"),
                                   .version = cadre__strdup("0.1.0"),
                                   .host = cadre__strdup("node-1"),
                                   .cpu = cadre__strdup("some CPU"),
                                   .ops = cadre__strdup("avx512"),
                                   .mpi = cadre__strdup("Open MPI 4.1.4"),
                                   .n_ranks = 3,
                                   .kernel = cadre__strdup("transformer"),
                                   .model = cadre__strdup("m<1>.gguf"),
                                   .options = cadre__strdup("{}"),
                                   .verified = cadre__strdup("4 answers"),
                                   .open_ms = 812,
                                   .open_again_ms = 33.5,
                                   .model_bytes = 1u << 30,
                                   .weights_bytes = 1100u << 20,
                                   .pss_bytes = 1200u << 20,
                                   .pss_mapped_bytes = 1110u << 20,
                                   .n_rows = 1,
                                   .rows = cadre__alloc_n(1, sizeof(cadre__infer_row)),
                                   .n_notes = 1,
                                   .notes = cadre__alloc_n(1, sizeof(char *))};
    infer->rows[0] = (cadre__infer_row){.name = cadre__strdup("128 + 64"),
                                        .shards = 2,
                                        .ranks_per_shard = 1,
                                        .requests = 256,
                                        .tokens_in = 32768,
                                        .tokens_out = 16384,
                                        .early = 1,
                                        .repetitions = 3,
                                        .wall_ms = 49152,
                                        .spread_percent = 1.5,
                                        .tokens_per_s = 1000,
                                        .generated_per_s = 1000.0 / 3,
                                        .compute_percent = 99.1,
                                        .first_token = quantiles(100),
                                        .per_token = quantiles(7),
                                        .latency = quantiles(2000)};
    infer->notes[0] = cadre__strdup("a <note>");
}

typedef cadre_status writer(const cadre__report *report, cadre__text *out);

static char *written(writer *write, const cadre__report *report)
{
    cadre__text out = {0};

    if (write(report, &out) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    char *copy = cadre__strdup(cadre__text_string(&out));
    cadre__text_fini(&out);
    return copy;
}

static void expect_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected to find\n%s\nin\n%s", part, text);
}

static void temp_path(char *path, size_t size)
{
    const char *folder = getenv("TMPDIR");

    snprintf(path, size, "%s/cadre-report-XXXXXX", folder ? folder : "/tmp");
}

/* ---- There and back ---- */

static void expect_same_after_loading(cadre__report *report)
{
    static writer *const writers[] = {cadre__report_json, cadre__report_text,
                                      cadre__report_csv, cadre__report_html};
    char path[512];
    cadre__report loaded;

    temp_path(path, sizeof path);
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    char *json = written(cadre__report_json, report);
    assert_int_equal(write(fd, json, strlen(json)), strlen(json));
    close(fd);
    if (cadre__report_load(path, &loaded) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(loaded.kind, report->kind);
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        char *before = written(writers[i], report), *after = written(writers[i], &loaded);
        assert_string_equal(before, after);
        cadre__free(before);
        cadre__free(after);
    }
    cadre__report_fini(&loaded);
    cadre__free(json);
    unlink(path);
}

static void a_run_comes_back_whole(void **state)
{
    cadre__report report;

    (void)state;
    make_run(&report);
    report.run.tiers[1].service.mean = 1.0 / 3;
    report.run.ranks[0].idle_ns = (INT64_C(1) << 53) - 1;
    expect_same_after_loading(&report);
    cadre__report_fini(&report);
}

static void an_empty_run_comes_back_whole(void **state)
{
    cadre__report report = {.kind = CADRE__REPORT_RUN};

    (void)state;
    expect_same_after_loading(&report);
    cadre__report_fini(&report);
}

static void a_bench_comes_back_whole(void **state)
{
    cadre__report report;

    (void)state;
    make_bench(&report);
    expect_same_after_loading(&report);
    cadre__report_fini(&report);
}

static void texts_come_back_whole(void **state)
{
    cadre__report report;

    (void)state;
    make_run(&report);
    make_texts(&report.run);
    expect_same_after_loading(&report);
    cadre__report_fini(&report);
    make_infer(&report);
    expect_same_after_loading(&report);
    cadre__report_fini(&report);
}

/* A report that was written before there were texts is read as one without. */
static void an_older_report_is_read(void **state)
{
    static const char *const keys[] = {"tokens_shared", "ttft", "tpot"};
    char path[512];
    cadre__report report, loaded;
    cadre__json_doc *doc;

    (void)state;
    make_run(&report);
    char *json = written(cadre__report_json, &report);
    assert_int_equal(cadre__json_parse("report", 1, json, strlen(json), &doc), CADRE_OK);
    cadre__json *tiers = cadre__json_member(cadre__json_root(doc), "tiers");
    for (cadre__json *tier = cadre__json_first(tiers); tier;
         tier = cadre__json_next(tier))
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
            cadre__json_remove(tier, keys[i]);
    char *older = cadre__json_print(cadre__json_root(doc), true);
    temp_path(path, sizeof path);
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, older, strlen(older)) == (ssize_t)strlen(older));
    close(fd);
    if (cadre__report_load(path, &loaded) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    char *again = written(cadre__report_json, &loaded);
    assert_string_equal(again, json);
    unlink(path);
    cadre__json_doc_destroy(doc);
    cadre__free(json);
    cadre__free(older);
    cadre__free(again);
    cadre__report_fini(&loaded);
    cadre__report_fini(&report);
}

static void a_folder_is_looked_into(void **state)
{
    char folder[512], path[600];
    cadre__report report, loaded;

    (void)state;
    temp_path(folder, sizeof folder);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(cadre__report_load(folder, &loaded), CADRE_ERR_NOT_FOUND);
    expect_has(cadre_last_error(), "not a run directory");

    snprintf(path, sizeof path, "%s/run.json", folder);
    assert_int_equal(cadre__file_write(path, "{}", 2), CADRE_OK);
    assert_int_equal(cadre__report_load(folder, &loaded), CADRE_ERR_NOT_FOUND);
    expect_has(cadre_last_error(), "this run is not finished");
    unlink(path);

    make_run(&report);
    char *json = written(cadre__report_json, &report);
    snprintf(path, sizeof path, "%s/report.json", folder);
    assert_int_equal(cadre__file_write(path, json, strlen(json)), CADRE_OK);
    assert_int_equal(cadre__report_load(folder, &loaded), CADRE_OK);
    assert_string_equal(loaded.run.job, "quick<start>");
    assert_int_equal(loaded.run.tenants[0].spent, 450 * CENT + 1);
    cadre__report_fini(&loaded);
    cadre__report_fini(&report);
    cadre__free(json);
    unlink(path);
    rmdir(folder);
    assert_int_equal(cadre__report_load(folder, &loaded), CADRE_ERR_NOT_FOUND);
}

static void what_is_no_report_is_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"[]", "expected a report, an object"},
        {"{\"schema_version\": 2, \"kind\": \"run\"}", "schema_version"},
        {"{\"schema_version\": 1, \"kind\": \"joke\"}", "found \"joke\""},
        {"{\"schema_version\": 1, \"kind\": \"run\"}", "key \"job\" is missing"},
        {"{\"schema_version\": 1, \"kind\": \"bench\", \"benchmark\": 7}",
         "expected a string or null"},
    };
    cadre__report report, loaded;
    char path[512];

    (void)state;
    temp_path(path, sizeof path);
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(cadre__file_write(path, cases[i].text, strlen(cases[i].text)),
                         CADRE_OK);
        assert_int_equal(cadre__report_load(path, &loaded), CADRE_ERR_INPUT);
        expect_has(cadre_last_error(), cases[i].says);
    }
    /* A report cut or changed anywhere fails or loads, and never leaks or crashes. */
    make_run(&report);
    char *json = written(cadre__report_json, &report);
    const size_t n = strlen(json);
    for (size_t i = 0; i < n; i += 97) {
        char kept = json[i];
        json[i] = '[';
        assert_int_equal(cadre__file_write(path, json, n), CADRE_OK);
        if (cadre__report_load(path, &loaded) == CADRE_OK)
            cadre__report_fini(&loaded);
        json[i] = kept;
    }
    cadre__free(json);
    cadre__report_fini(&report);
    unlink(path);
}

/* ---- What is said ---- */

static void text_of_a_run(void **state)
{
    cadre__report report;

    (void)state;
    make_run(&report);
    char *text = written(cadre__report_text, &report);
    expect_has(text, "quick<start>: 4,000 requests on 3 ranks (1 node) in 1.235 s, 3,230 "
                     "completed/s\n"
                     "  3,988 completed, 2 failed, 10 refused, 25 downgraded; total cost "
                     "$5.7600000000001\n");
    expect_has(text,
               "  small   mlp          2     2,500   62.5       1         7  160,000"
               "   2,500  3.08641972525    2.000   6.000   8.000      98.7\n");
    expect_has(text, "0.4999999999999"); /* remaining, to the last unit */
    expect_has(text,
               "  compute + coordination + idle = ranks x wall: 2.100 + 0.468 + 1.134 "
               "= 3.702 s = 3 x 1.234 s\n");
    expect_has(text, "\nexit 1: 10 requests were refused\n");
    assert_null(strstr(text, "not accounted for"));
    cadre__free(text);

    report.run.ranks[2].idle_ns -= 5 * MS;
    text = written(cadre__report_text, &report);
    expect_has(text, "(5.000 ms are not accounted for)");
    cadre__free(text);
    cadre__report_fini(&report);
}

static void accuracy_only_of_labelled_requests(void **state)
{
    cadre__report report;

    (void)state;
    make_run(&report);
    char *text = written(cadre__report_text, &report);
    expect_has(text, "accuracy");
    cadre__free(text);
    for (size_t i = 0; i < report.run.n_tiers; i++)
        report.run.tiers[i].labelled = report.run.tiers[i].correct = 0;
    text = written(cadre__report_text, &report);
    assert_null(strstr(text, "accuracy"));
    cadre__free(text);
    cadre__report_fini(&report);
}

static void text_of_a_bench(void **state)
{
    cadre__report report;

    (void)state;
    make_bench(&report);
    char *text = written(cadre__report_text, &report);
    expect_has(text, "benchmark shards on 17 ranks; weak: each shard serves");
    expect_has(text, "Karp-Flatt");
    expect_has(text, "\n- compute is time inside kernels\n- a <second> note\n");
    cadre__free(text);
    cadre__report_fini(&report);
}

static void figures_of_texts(void **state)
{
    cadre__report report;

    (void)state;
    make_run(&report);
    char *text = written(cadre__report_text, &report);
    assert_null(strstr(text, "TTFT"));
    cadre__free(text);
    text = written(cadre__report_prometheus, &report);
    assert_null(strstr(text, "first_token"));
    cadre__free(text);

    make_texts(&report.run);
    text = written(cadre__report_text, &report);
    expect_has(text, "\n  90,000 tokens in (4,096 of them shared), 12,345 out: 82,899 "
                     "tokens/s, 9,999 generated/s\n");
    expect_has(text,
               "  medium  90,000   4,096  12,345    82,899        9,999   11.00   33.00"
               "   44.00   3.000   9.000   12.00");
    cadre__free(text);
    text = written(cadre__report_json, &report);
    expect_has(text, "\"generated_per_s\":");
    cadre__free(text);
    text = written(cadre__report_html, &report);
    expect_has(text, "<h2>Texts</h2>");
    expect_has(text, "tokens/s, in and out");
    cadre__free(text);
    text = written(cadre__report_prometheus, &report);
    expect_has(text, "\ncadre_tokens_shared_total{tier=\"medium\"} 4096\n");
    expect_has(text,
               "\ncadre_time_to_first_token_seconds{tier=\"medium\",quantile=\"0.5\"} "
               "0.011000000\n");
    expect_has(text, "\ncadre_time_per_output_token_seconds{tier=\"medium\",quantile="
                     "\"0.99\"} 0.012000000\n");
    cadre__free(text);
    cadre__report_fini(&report);
}

static void figures_of_an_inference_benchmark(void **state)
{
    cadre__text out = {0};
    cadre__report report;

    (void)state;
    make_infer(&report);
    char *text = written(cadre__report_text, &report);
    expect_has(text, "benchmark infer on 3 ranks: kernel transformer, model m<1>.gguf");
    expect_has(text,
               "opened in 812 ms, again in 34 ms; model file 1024 MiB, weights 1100 "
               "MiB on the node, all shards' processes 1200 MiB (PSS), of which 1110 "
               "are files and shared memory");
    expect_has(text, "verified: 4 answers");
    expect_has(text, "\n- a <note>\n");
    cadre__free(text);
    text = written(cadre__report_csv, &report);
    expect_has(text, "\n128 + 64,2,1,256,32768,16384,1,3,49152,1.5,1000,333.3333333,99.1,"
                     "100,300,400,7,21,28,2000,6000,8000\n");
    cadre__free(text);
    text = written(cadre__report_html, &report);
    expect_has(text, "m&lt;1&gt;.gguf");
    expect_has(text, "a &lt;note&gt;");
    cadre__free(text);
    assert_int_equal(cadre__report_prometheus(&report, &out), CADRE_ERR_UNSUPPORTED);
    cadre__report_fini(&report);
}

static void no_escape_sequence_reaches_a_terminal(void **state)
{
    cadre__report report;

    (void)state;
    make_run(&report);
    cadre__free(report.run.job);
    report.run.job = cadre__strdup("\033[2Jboo");
    char *text = written(cadre__report_text, &report);
    assert_null(strchr(text, '\033'));
    cadre__free(text);
    cadre__report_fini(&report);
}

static void csv_is_one_table(void **state)
{
    cadre__report report;

    (void)state;
    make_run(&report);
    cadre__free(report.run.tiers[0].name);
    report.run.tiers[0].name = cadre__strdup("a,\"b\"");
    char *text = written(cadre__report_csv, &report);
    expect_has(text, "\n\"a,\"\"b\"\"\",mlp,2,1,2500,1,7,160000,2500,3.08641972525,321,2,"
                     "4.000001,6,8,12.123456,1000,987,0,,,,,,\n");
    cadre__free(text);
    cadre__report_fini(&report);
    make_bench(&report);
    text = written(cadre__report_csv, &report);
    expect_has(text, "\n1 shards,1,64,160,256,5,1234.5,");
    expect_has(text, ",100,1.02,,1,1,0\n"); /* no Karp-Flatt fraction in the first row */
    cadre__free(text);
    cadre__report_fini(&report);
}

static void html_is_whole_and_escaped(void **state)
{
    cadre__report report;

    (void)state;
    make_run(&report);
    char *text = written(cadre__report_html, &report);
    expect_has(text, "<title>quick&lt;start&gt;</title>");
    expect_has(text, "globex &lt;&amp;&gt; &quot;sons&quot;");
    expect_has(text, "$4.5000000000001 of $5.00</text>");
    expect_has(text, "$1.23, no limit</text>");
    expect_has(text, "prefers-color-scheme:dark");
    assert_null(strstr(text, "quick<start>"));
    assert_null(strstr(text, "http"));
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, ">nan"));
    assert_null(strstr(text, "\"nan"));
    assert_null(strstr(text, " nan"));
    expect_has(text, "</body></html>\n");
    cadre__free(text);
    cadre__report_fini(&report);

    make_bench(&report);
    text = written(cadre__report_html, &report);
    expect_has(text, "a &lt;second&gt; note");
    expect_has(text, "<path class=\"path a\" d=\"M84.0 ");
    assert_null(strstr(text, ">nan"));
    assert_null(strstr(text, "\"nan"));
    assert_null(strstr(text, " nan"));
    cadre__free(text);
    cadre__report_fini(&report);
}

static void prometheus_of_a_run(void **state)
{
    cadre__text out = {0};
    cadre__report report;

    (void)state;
    make_run(&report);
    cadre__free(report.run.tiers[2].name);
    report.run.tiers[2].name = cadre__strdup("a\"b\\c\nd");
    char *text = written(cadre__report_prometheus, &report);
    expect_has(text, "# HELP cadre_requests_total Requests served by a tier.\n"
                     "# TYPE cadre_requests_total counter\n"
                     "cadre_requests_total{tier=\"small\"} 2500\n"
                     "cadre_requests_total{tier=\"medium\"} 1000\n"
                     "cadre_requests_total{tier=\"a\\\"b\\\\c\\nd\"} 490\n");
    expect_has(text, "\ncadre_job_wall_seconds{job=\"quick<start>\"} 1.234567891\n");
    expect_has(text, "\ncadre_tenant_spent_usd{tenant=\"acme\"} 4.5000000000001\n");
    assert_null(strstr(text, "budget_usd{tenant=\"initech\"}"));
    expect_has(text,
               "\ncadre_service_seconds{tier=\"small\",quantile=\"0.99\"} 0.008000000\n");
    expect_has(
        text,
        "\ncadre_rank_seconds_total{rank=\"1\",activity=\"compute\"} 1.100000000\n");
    /* Every line is a comment or a sample of a family that has been announced. */
    for (char *line = text; *line; line = strchr(line, '\n') + 1)
        assert_true(strncmp(line, "# ", 2) == 0 || strncmp(line, "cadre_", 6) == 0);
    cadre__free(text);
    cadre__report_fini(&report);
    make_bench(&report);
    assert_int_equal(cadre__report_prometheus(&report, &out), CADRE_ERR_UNSUPPORTED);
    cadre__report_fini(&report);
}

static void formats_by_name(void **state)
{
    cadre__text out = {0};
    cadre__report report;

    (void)state;
    make_bench(&report);
    assert_int_equal(cadre__report_format(&report, "csv", &out), CADRE_OK);
    expect_has(cadre__text_string(&out), "name,shards,");
    assert_int_equal(cadre__report_format(&report, "yaml", &out), CADRE_ERR_ARG);
    assert_string_equal(cadre_last_error(),
                        "unknown report format \"yaml\": text, json, csv or html");
    cadre__text_fini(&out);
    cadre__report_fini(&report);
}

static void durations_in_words(void **state)
{
    static const struct {
        int64_t ns;
        const char *says;
    } cases[] = {{0, "0.00 ms"},
                 {1234567, "1.23 ms"},
                 {45678901, "45.7 ms"},
                 {456789012, "457 ms"},
                 {999600000, "1.000 s"},
                 {12345678901, "12.35 s"},
                 {INT64_C(125400000000), "2 min 05 s"},
                 {INT64_C(7384000000000), "2 h 03 min"}};
    char buf[48];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(cadre__show_duration(cases[i].ns, buf), cases[i].says);
}

static void quantiles_of_a_histogram(void **state)
{
    cadre_hist *hist = cadre__alloc(sizeof *hist);
    cadre__quantiles q;

    (void)state;
    assert_non_null(hist);
    cadre_hist_init(hist);
    for (int i = 1; i <= 100; i++)
        cadre_hist_record(hist, i);
    cadre__quantiles_of(hist, &q);
    assert_int_equal(q.p50, 50);
    assert_int_equal(q.p90, 90);
    assert_int_equal(q.p95, 95);
    assert_int_equal(q.p99, 99);
    assert_int_equal(q.max, 100);
    assert_true(q.mean == 50.5);
    cadre__free(hist);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_comes_back_whole),
        cmocka_unit_test(an_empty_run_comes_back_whole),
        cmocka_unit_test(a_bench_comes_back_whole),
        cmocka_unit_test(texts_come_back_whole),
        cmocka_unit_test(an_older_report_is_read),
        cmocka_unit_test(a_folder_is_looked_into),
        cmocka_unit_test(what_is_no_report_is_refused),
        cmocka_unit_test(text_of_a_run),
        cmocka_unit_test(accuracy_only_of_labelled_requests),
        cmocka_unit_test(text_of_a_bench),
        cmocka_unit_test(figures_of_texts),
        cmocka_unit_test(figures_of_an_inference_benchmark),
        cmocka_unit_test(no_escape_sequence_reaches_a_terminal),
        cmocka_unit_test(csv_is_one_table),
        cmocka_unit_test(html_is_whole_and_escaped),
        cmocka_unit_test(prometheus_of_a_run),
        cmocka_unit_test(formats_by_name),
        cmocka_unit_test(durations_in_words),
        cmocka_unit_test(quantiles_of_a_histogram),
    };

    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
