/* tests/unit/test_rundir.c - the run directory: who may write it, in which order lines
 * come, what is visible when, and that its files say what the records said. */
#include "cmocka_all.h"
#include "core/memory.h"
#include "h5_case.h"
#include "io/json_text.h"
#include "io/record.h"
#include "io/tensor_file.h"
#include <cadre/clock.h>
#include <cadre/io.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define N 4

static const char job_text[] = "{\"schema_version\": 1, \"name\": \"night\"}";

typedef struct fixture {
    cadre__job job;
    cadre__job_tier tiers[2];
    cadre__job_tenant tenants[1];
    cadre__requests requests;
    cadre__item items[N];
    cadre__json *info;
    const char *dir;
} fixture;

static char small[] = "small", large[] = "large", acme[] = "acme \"inc\"",
            night[] = "night";
static char ids[N][8] = {"a", "b\n", "c", "d"};

static void make_fixture(fixture *f, const char *dir)
{
    memset(f, 0, sizeof *f);
    f->tiers[0].name = small;
    f->tiers[1].name = large;
    f->tenants[0].name = acme;
    f->job.name = night;
    f->job.tiers = f->tiers;
    f->job.n_tiers = 2;
    f->job.tenants = f->tenants;
    f->job.n_tenants = 1;
    snprintf(f->job.digest, sizeof f->job.digest, "0123456789abcdef0123456789abcdef");
    assert_int_equal(cadre__json_parse("job", 1, job_text, strlen(job_text), &f->job.doc),
                     CADRE_OK);
    for (size_t i = 0; i < N; i++)
        f->items[i] = (cadre__item){.custom_id = ids[i], .label = (int32_t)i};
    f->requests.n = N;
    f->requests.items = f->items;
    f->info = cadre__json_new_object();
    cadre__json_add_string(f->info, "command", "cadre run night.json");
    f->dir = dir;
}

static void free_fixture(fixture *f)
{
    cadre__json_doc_destroy(f->job.doc);
    cadre__json_destroy(f->info);
}

static cadre_status open_dir(fixture *f, bool overwrite, cadre__rundir **out)
{
    return cadre__rundir_open(f->dir, &f->job, &f->requests, f->info, overwrite, out);
}

static void expect_refused(fixture *f, bool overwrite, cadre_status expected,
                           const char *words)
{
    cadre__rundir *dir;
    const cadre_status st = open_dir(f, overwrite, &dir);
    if (st != expected || dir || !strstr(cadre_last_error(), words))
        fail_msg("expected \"%s\", found %s: %s", words, cadre_status_name(st),
                 cadre_last_error());
}

static cadre__record answer_of(size_t index, const void *data, size_t bytes,
                               cadre_payload gives)
{
    cadre__record record = {.index = index,
                            .ok = true,
                            .tier = 1,
                            .wanted_tier = 1,
                            .attempts = 1,
                            .cost = CADRE_MONEY_USD / 4,
                            .tokens_in = 3,
                            .tokens_out = 2,
                            .queue_ns = 1500000,
                            .service_ns = 2000500,
                            .decision = cadre__strdup("fixed: large"),
                            .gives = gives,
                            .data = cadre__alloc(bytes),
                            .bytes = bytes,
                            .finish_reason = "stop"};
    memcpy(record.data, data, bytes);
    return record;
}

static cadre__record error_of(size_t index)
{
    return (cadre__record){.index = index,
                           .error_code = "timeout",
                           .message = cadre__strdup("no answer in 5 s"),
                           .tier = -1,
                           .wanted_tier = 0};
}

static void put(cadre__rundir *dir, cadre__record record)
{
    if (cadre__rundir_put(dir, &record) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
}

static void put_texts(cadre__rundir *dir)
{
    put(dir, answer_of(3, "bad \xff byte", 10, CADRE_PAYLOAD_TEXT));
    put(dir, answer_of(1, "say \"hi\"\n\x01", 10, CADRE_PAYLOAD_TEXT));
    put(dir, error_of(2));
    put(dir, answer_of(0, "größer", 8, CADRE_PAYLOAD_TEXT));
}

/* The file of the run directory must hold exactly this. */
static void expect_file(const fixture *f, const char *name, const char *expected)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    char *found = get_file(path, NULL);
    if (!found || strcmp(found, expected) != 0)
        fail_msg("%s: expected\n%s\nfound\n%s", name, expected,
                 found ? found : "nothing");
    free(found);
}

static bool has_file(const fixture *f, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    return access(path, F_OK) == 0;
}

static void test_json_string(void **state)
{
    static const struct {
        const char *bytes, *expected;
    } cases[] = {
        {"", "\"\""},
        {"a\"\\/\b\f\n\r\t\x1f\x7f", "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u001f\x7f\""},
        {"größer \xf0\x9f\x98\x80", "\"größer \xf0\x9f\x98\x80\""},
        {"\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80", /* too long, a surrogate, too large */
         "\"\uFFFD\uFFFD|\uFFFD\uFFFD\uFFFD|\uFFFD\uFFFD\uFFFD\uFFFD\""},
        {"cut \xe2\x82", "\"cut \uFFFD\uFFFD\""},
        {"cut \xe2\x82\"", "\"cut \uFFFD\uFFFD\\\"\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cadre__text text = {0};
        cadre__text_json_string(&text, cases[i].bytes, strlen(cases[i].bytes));
        assert_string_equal(cadre__text_string(&text), cases[i].expected);
        cadre__text_fini(&text);
    }
    cadre__text text = {0};
    cadre__text_json_string(&text, "a\0b", 3);
    assert_string_equal(cadre__text_string(&text), "\"a\\u0000b\"");
    cadre__text_fini(&text);
}

#define CADRE_PART                                                                       \
    "\"cadre\":{\"tier\":\"large\",\"tenant\":\"acme "                                   \
    "\\\"inc\\\"\",\"cost_usd\":\"0.25\","                                               \
    "\"tokens_in\":3,\"tokens_out\":2,\"downgraded\":false,\"decision\":\"fixed: "       \
    "large\","                                                                           \
    "\"attempts\":1,\"queue_ms\":1.500,\"service_ms\":2.001}}\n"
#define USAGE_PART                                                                       \
    "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}},"      \
    "\"error\":null,"
#define TEXT_LINE(index, id, text)                                                       \
    "{\"id\":\"batch_req_" index "\",\"custom_id\":\"" id                                \
    "\",\"response\":{\"status_code\":200,\"request_id\":\"req_" index                   \
    "\",\"body\":{\"id\":\"cmpl-" index                                                  \
    "\",\"object\":\"text_completion\",\"model\":\"large\",\"choices\":[{\"index\":0,"   \
    "\"text\":\"" text                                                                   \
    "\",\"logprobs\":null,\"finish_reason\":\"stop\"}]," USAGE_PART CADRE_PART

static void test_texts(void **state)
{
    fixture f;
    cadre__rundir *dir;
    (void)state;
    make_fixture(&f, in_folder("texts/deep"));
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    assert_true(has_file(&f, "run.json") && has_file(&f, "results.jsonl.partial"));
    assert_null(cadre__rundir_record(dir, 0));
    put_texts(dir);
    assert_string_equal(cadre__rundir_record(dir, 2)->error_code, "timeout");
    assert_null(cadre__rundir_record(dir, N));
    assert_int_equal(cadre__rundir_ledger(dir, "{\"seq\":1}"), CADRE_OK);
    assert_false(has_file(&f, "results.jsonl"));
    const cadre__named_text files[] = {{"report.json", "{}\n"}};
    assert_int_equal(cadre__rundir_complete(dir, files, 1), CADRE_OK);
    cadre__rundir_destroy(dir);
    expect_file(&f, "results.jsonl",
                TEXT_LINE("0", "a", "größer")
                    TEXT_LINE("1", "b\\n", "say \\\"hi\\\"\\n\\u0001")
                        TEXT_LINE("3", "d", "bad \uFFFD byte"));
    expect_file(
        &f, "errors.jsonl",
        "{\"id\":\"batch_req_2\",\"custom_id\":\"c\",\"response\":null,"
        "\"error\":{\"code\":\"timeout\",\"message\":\"no answer in 5 s\"},"
        "\"cadre\":{\"tier\":null,\"tenant\":\"acme \\\"inc\\\"\",\"cost_usd\":\"0.00\","
        "\"tokens_in\":0,\"tokens_out\":0,\"downgraded\":false,\"decision\":null,"
        "\"attempts\":0,\"queue_ms\":0.000,\"service_ms\":0.000}}\n");
    expect_file(&f, "ledger.jsonl", "{\"seq\":1}\n");
    expect_file(&f, "report.json", "{}\n");
    assert_false(has_file(&f, "results.jsonl.partial") || has_file(&f, "run.json.lock"));
    free_fixture(&f);
}

static void test_chat_and_rows(void **state)
{
    const float row[3] = {0.1f, -1, INFINITY};
    fixture f;
    cadre__rundir *dir;
    (void)state;
    make_fixture(&f, in_folder("mixed"));
    f.requests.n = 2;
    f.items[0].url = CADRE__URL_CHAT;
    f.items[1].url = CADRE__URL_EMBEDDINGS;
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    put(dir, answer_of(0, "hi", 2, CADRE_PAYLOAD_TEXT));
    put(dir, answer_of(1, row, sizeof row, CADRE_PAYLOAD_ROW));
    assert_int_equal(cadre__rundir_complete(dir, NULL, 0), CADRE_OK);
    cadre__rundir_destroy(dir);
    expect_file(
        &f, "results.jsonl",
        "{\"id\":\"batch_req_0\",\"custom_id\":\"a\",\"response\":{\"status_code\":200,"
        "\"request_id\":\"req_0\",\"body\":{\"id\":\"chatcmpl-0\",\"object\":"
        "\"chat.completion\",\"model\":\"large\",\"choices\":[{\"index\":0,\"message\":{"
        "\"role\":\"assistant\",\"content\":\"hi\"},\"logprobs\":null,\"finish_reason\":"
        "\"stop\"}]"
        "," USAGE_PART CADRE_PART
        "{\"id\":\"batch_req_1\",\"custom_id\":\"b\\n\",\"response\":{\"status_code\":"
        "200,\"request_id\":\"req_1\",\"body\":{\"object\":\"list\",\"model\":\"large\","
        "\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.100000001,-1,"
        "null]}],\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}},"
        "\"error\":null," CADRE_PART);
    expect_file(&f, "errors.jsonl", "");
    free_fixture(&f);
}

static void test_run_json(void **state)
{
    fixture f;
    cadre__rundir *dir;
    cadre__json_doc *doc;
    (void)state;
    make_fixture(&f, in_folder("run"));
    for (int done = 0; done < 2; done++) {
        assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
        if (done) {
            put_texts(dir);
            assert_int_equal(cadre__rundir_complete(dir, NULL, 0), CADRE_OK);
        }
        cadre__rundir_destroy(dir);
        assert_int_equal(cadre__json_parse_file(in_folder("run/run.json"), 1 << 20, &doc),
                         CADRE_OK);
        const cadre__json *root = cadre__json_root(doc);
        assert_string_equal(cadre__json_string_or(cadre__json_member(root, "status"), ""),
                            done ? "completed" : "in_progress");
        assert_string_equal(
            cadre__json_string_or(cadre__json_member(root, "job_digest"), ""),
            f.job.digest);
        assert_string_equal(
            cadre__json_string_or(cadre__json_member(root, "command"), ""),
            "cadre run night.json");
        assert_int_equal(cadre__json_member(root, "finished") != NULL, done);
        const cadre__json *job = cadre__json_member(root, "job");
        assert_string_equal(cadre__json_string_or(cadre__json_member(job, "name"), ""),
                            "night");
        cadre__json_doc_destroy(doc);
    }
    free_fixture(&f);
}

static void test_order(void **state)
{
    fixture f;
    cadre__rundir *dir;
    (void)state;
    make_fixture(&f, in_folder("order"));
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    put(dir, answer_of(1, "x", 1, CADRE_PAYLOAD_TEXT));
    assert_int_equal(cadre__rundir_complete(dir, NULL, 0), CADRE_ERR_STATE);
    cadre__record again = answer_of(1, "y", 1, CADRE_PAYLOAD_TEXT);
    assert_int_equal(cadre__rundir_put(dir, &again), CADRE_ERR_INTERNAL);
    assert_null(again.data);
    cadre__record outside = answer_of(N, "y", 1, CADRE_PAYLOAD_TEXT);
    assert_int_equal(cadre__rundir_put(dir, &outside), CADRE_ERR_INTERNAL);
    assert_int_equal(*(const char *)cadre__rundir_record(dir, 1)->data, 'x');
    cadre__rundir_destroy(dir);
    /* Line 1 had to wait for line 0, which never came. */
    expect_file(&f, "results.jsonl.partial", "");
    free_fixture(&f);
}

static void test_others_can_follow(void **state)
{
    fixture f;
    cadre__rundir *dir;
    (void)state;
    make_fixture(&f, in_folder("follow"));
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    const int64_t end = cadre_clock_ns() + 1100 * CADRE_NS_PER_MS;
    while (cadre_clock_ns() < end)
        usleep(50000);
    put(dir, answer_of(0, "x", 1, CADRE_PAYLOAD_TEXT));
    expect_file(&f, "results.jsonl.partial", TEXT_LINE("0", "a", "x"));
    cadre__rundir_destroy(dir);
    free_fixture(&f);
}

static void test_whose_directory(void **state)
{
    fixture f;
    cadre__rundir *dir;
    (void)state;
    make_fixture(&f, in_folder("whose"));
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    char words[64];
    snprintf(words, sizeof words, " %ld)", (long)getpid());
    expect_refused(&f, false, CADRE_ERR_EXISTS, "is being written by another process");
    expect_refused(&f, false, CADRE_ERR_EXISTS, words);
    cadre__rundir_destroy(dir);

    /* Left unfinished: the same job starts over, another is refused. */
    f.job.digest[0] = 'f';
    expect_refused(&f, true, CADRE_ERR_EXISTS, "holds another job (digest 0123");
    f.job.digest[0] = '0';
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    put_texts(dir);
    assert_int_equal(cadre__rundir_complete(dir, NULL, 0), CADRE_OK);
    cadre__rundir_destroy(dir);

    /* Finished: only with overwrite, and then nothing of the old run stays visible. */
    expect_refused(&f, false, CADRE_ERR_EXISTS, "completed");
    assert_true(has_file(&f, "results.jsonl") && has_file(&f, "results.h5"));
    assert_int_equal(open_dir(&f, true, &dir), CADRE_OK);
    assert_false(has_file(&f, "results.jsonl") || has_file(&f, "results.h5"));
    cadre__rundir_destroy(dir);

    put_file(in_folder("whose/run.json"), "{", 1);
    expect_refused(&f, true, CADRE_ERR_EXISTS, "run.json is damaged");
    free_fixture(&f);
}

static void test_no_directory_of_ours(void **state)
{
    fixture f;
    (void)state;
    make_fixture(&f, in_folder("thesis"));
    assert_int_equal(mkdir(f.dir, 0777), 0);
    put_file(in_folder("thesis/chapter1.tex"), "x", 1);
    expect_refused(&f, true, CADRE_ERR_EXISTS, "chapter1.tex");
    assert_false(has_file(&f, "run.json.lock"));
    f.dir = in_folder("thesis/chapter1.tex");
    expect_refused(&f, false, CADRE_ERR_INPUT, "chapter1.tex");
    f.dir = "/proc/cadre-run";
    expect_refused(&f, false, CADRE_ERR_INPUT, "/proc/cadre-run");
    free_fixture(&f);
}

/* A process that dies keeps no lock. */
/* A job that never began leaves its place to the next, whatever job that is. */
static void test_withdrawn(void **state)
{
    fixture f;
    cadre__rundir *dir;
    (void)state;
    make_fixture(&f, in_folder("withdrawn"));
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    assert_true(has_file(&f, "run.json"));
    cadre__rundir_withdraw(dir);
    assert_int_equal(access(f.dir, F_OK), -1);
    assert_int_equal(mkdir(f.dir, 0777), 0);
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    cadre__rundir_withdraw(dir);
    assert_int_equal(access(f.dir, F_OK), 0); /* it was there before */
    assert_int_equal(rmdir(f.dir), 0);        /* and nothing is in it */
    cadre__rundir_withdraw(NULL);
    free_fixture(&f);
}

static void test_lock_of_the_dead(void **state)
{
    fixture f;
    cadre__rundir *dir;
    int status;
    (void)state;
    make_fixture(&f, in_folder("dead"));
    const pid_t pid = fork();
    if (pid == 0)
        _exit(open_dir(&f, false, &dir) == CADRE_OK ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(has_file(&f, "run.json.lock"));
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    cadre__rundir_destroy(dir);
    free_fixture(&f);
}

static void expect_strings(const cadre_tensor_file *file, const char *name,
                           const char *const *expected)
{
    const char *const *strings;
    size_t n;
    assert_int_equal(cadre__tensor_file_strings(file, name, &strings, &n), CADRE_OK);
    assert_int_equal(n, N);
    for (size_t i = 0; i < N; i++)
        assert_string_equal(strings[i], expected[i]);
}

static void test_results_h5(void **state)
{
    static const char *const tiers[N] = {"large", "large", "", "large"};
    static const char *const codes[N] = {"", "", "timeout", ""};
    static const char *const answers[N] = {"größer", "say \"hi\"\n\x01", "",
                                           "bad \uFFFD byte"};
    fixture f;
    cadre__rundir *dir;
    cadre_tensor_file *file;
    cadre_tensor view;
    (void)state;
    make_fixture(&f, in_folder("h5"));
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    put_texts(dir);
    assert_int_equal(cadre__rundir_complete(dir, NULL, 0), CADRE_OK);
    cadre__rundir_destroy(dir);
    assert_int_equal(cadre_tensor_file_open(in_folder("h5/results.h5"), &file), CADRE_OK);
    expect_strings(file, "tier", tiers);
    expect_strings(file, "error_code", codes);
    expect_strings(file, "answer", answers);
    assert_int_equal(cadre_tensor_file_get(file, "cost", &view, NULL), CADRE_OK);
    assert_int_equal(((int64_t *)view.data)[0], CADRE_MONEY_USD / 4);
    assert_int_equal(((int64_t *)view.data)[2], 0);
    assert_int_equal(cadre_tensor_file_get(file, "status", &view, NULL), CADRE_OK);
    assert_int_equal(((int32_t *)view.data)[2], 0);
    assert_int_equal(((int32_t *)view.data)[3], 1);
    assert_int_equal(cadre_tensor_file_get(file, "label", &view, NULL), CADRE_OK);
    assert_int_equal(((int32_t *)view.data)[3], 3);
    assert_string_equal(cadre_tensor_file_attribute(file, "schema_version"), "1");
    assert_string_equal(cadre_tensor_file_attribute(file, "command"),
                        "cadre run night.json");
    assert_string_equal(cadre_tensor_file_attribute(file, "job"),
                        "{\"schema_version\":1,\"name\":\"night\"}");
    cadre_tensor_file_close(file);
    free_fixture(&f);
}

/* Many rows: compressed, in blocks, NaN where there is no answer; and quick. */
static void test_many_rows(void **state)
{
    enum { MANY = 50000, WIDTH = 4 };
    fixture f;
    cadre__rundir *dir;
    cadre_tensor_file *file;
    cadre_tensor view;
    (void)state;
    make_fixture(&f, in_folder("many"));
    cadre__item *items = cadre__alloc_n(MANY, sizeof *items);
    for (size_t i = 0; i < MANY; i++)
        items[i].custom_id = ids[0];
    f.requests.n = MANY;
    f.requests.items = items;
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    for (size_t i = 0; i < MANY; i++) {
        const float row[WIDTH] = {(float)i, 0.5f, -1e-9f, 1};
        put(dir, i % 1000 == 999 ? error_of(i)
                                 : answer_of(i, row, sizeof row, CADRE_PAYLOAD_ROW));
    }
    assert_int_equal(cadre__rundir_complete(dir, NULL, 0), CADRE_OK);
    cadre__rundir_destroy(dir);
    assert_int_equal(cadre_tensor_file_open(in_folder("many/results.h5"), &file),
                     CADRE_OK);
    assert_int_equal(cadre_tensor_file_get(file, "answer", &view, NULL), CADRE_OK);
    assert_true(view.dtype == CADRE_F32 && view.n_dims == 2);
    assert_true(view.dims[0] == MANY && view.dims[1] == WIDTH);
    const float *x = view.data;
    for (size_t i = 0; i < MANY; i++)
        if (i % 1000 == 999 ? !isnan(x[i * WIDTH]) : x[i * WIDTH] != (float)i)
            fail_msg("row %zu: %g", i, (double)x[i * WIDTH]);
    cadre_tensor_file_close(file);
    cadre__free(items);
    free_fixture(&f);
}

static void test_no_requests(void **state)
{
    fixture f;
    cadre__rundir *dir;
    (void)state;
    make_fixture(&f, in_folder("none"));
    f.requests.n = 0;
    assert_int_equal(open_dir(&f, false, &dir), CADRE_OK);
    assert_int_equal(cadre__rundir_complete(dir, NULL, 0), CADRE_OK);
    cadre__rundir_destroy(dir);
    cadre__rundir_destroy(NULL);
    free_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_string),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_chat_and_rows),
        cmocka_unit_test(test_run_json),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_others_can_follow),
        cmocka_unit_test(test_whose_directory),
        cmocka_unit_test(test_no_directory_of_ours),
        cmocka_unit_test(test_withdrawn),
        cmocka_unit_test(test_lock_of_the_dead),
        cmocka_unit_test(test_results_h5),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_no_requests),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
