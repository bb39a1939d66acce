/* Job files: everything that is accepted, with its defaults, and what is refused and
 * how. */
#include "cmocka_all.h"
#include "core/memory.h"
#include "io/file.h"
#include "io/job.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char small_job[] =
    "{\"schema_version\": 1, \"name\": \"a\", \"input\": {\"path\": \"r.jsonl\"},\n"
    " \"tiers\": [{\"name\": \"small\", \"kernel\": \"mlp\", \"price\": "
    "{\"per_request\": \"0.1\"}}]}";

static const char full_job[] =
    "{\n"
    " \"schema_version\": 1,\n"
    " \"name\": \"nightly-eval\",\n"
    " \"input\": {\"path\": \"/data/x.csv.gz\", \"rows\": 10, \"first_row\": 5, "
    "\"label_column\": -1,\n"
    "             \"scale\": 0.0625},\n"
    " \"output\": {\"dir\": \"runs/nightly\"},\n"
    " \"tiers\": [\n"
    "  {\"name\": \"small\", \"kernel\": \"mlp\", \"model\": \"models/s.h5\",\n"
    "   \"price\": {\"input_per_1k\": \"0.001\", \"output_per_1k\": \"0.0000000001\"}},\n"
    "  {\"name\": \"medium\", \"kernel\": \"./mine.so\", \"tokenizer\": \"/t.bin\", "
    "\"shards\": 3,\n"
    "   \"ranks_per_shard\": 2, \"partition\": \"hash\", \"placement\": \"pack\", "
    "\"batch\": 64,\n"
    "   \"in_flight\": 2, \"options\": {\"layers\": [1, 2]}, \"labels\": "
    "{\"gpu_capable\": \"false\"},\n"
    "   \"price\": {\"per_request\": \"0.0000000000001\"}},\n"
    "  {\"name\": \"large\", \"kernel\": \"other.so\", \"needs_gpu\": true,\n"
    "   \"price\": {\"input_per_1k\": \"1000\"}}],\n"
    " \"tenants\": [{\"name\": \"acme\", \"budget\": \"5.00\"}, {\"name\": "
    "\"globex\"}],\n"
    " \"router\": {\"policy\": \"fixed\", \"tier\": \"medium\", \"thresholds\": [0.2, "
    "0.9],\n"
    "              \"fallback\": false,\n"
    "              \"complexity\": {\"source\": \"linear\", \"weights\": [1, -2.5], "
    "\"bias\": 0.5}},\n"
    " \"limits\": {\"request_timeout_ms\": 10, \"max_attempts\": 1, \"job_deadline_s\": "
    "60}\n"
    "}\n";

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected \"%s\" in \"%s\"", part, text);
}

static cadre_status load_text(const char *text, cadre__job **out)
{
    cadre__json_doc *doc;
    *out = NULL;
    CADRE_TRY(cadre__json_parse("jobs/a.json", 1, text, strlen(text), &doc));
    return cadre__job_from_doc("jobs/a.json", doc, out);
}

static cadre__job *load(const char *text)
{
    cadre__job *job;
    if (load_text(text, &job) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    return job;
}

/* text with the first `from` replaced by `to`. */
static char *replaced(const char *text, const char *from, const char *to)
{
    static char out[8192];
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("\"%s\" is not in the job", from);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static void has_defaults(void **state)
{
    (void)state;
    cadre__job *job = load(small_job);
    const cadre__job_tier *tier = &job->tiers[0];
    assert_string_equal(job->folder, "jobs");
    assert_string_equal(job->name, "a");
    assert_string_equal(job->input.path, "jobs/r.jsonl");
    assert_string_equal(job->input.generator, "");
    assert_true(cadre__job_input_is_jsonl(&job->input));
    assert_int_equal(job->input.label_column, -2);
    assert_true(job->input.scale == 1);
    assert_string_equal(job->input.dataset, "x");
    assert_null(job->output_dir);
    assert_int_equal(job->n_tiers, 1);
    assert_string_equal(tier->kernel, "mlp");
    assert_string_equal(tier->model, "");
    assert_string_equal(tier->tokenizer, "");
    assert_string_equal(tier->options, "{}");
    assert_string_equal(tier->partition, "round_robin");
    assert_string_equal(tier->placement, "spread");
    assert_true(tier->shards == 1 && tier->ranks_per_shard == 1 && tier->batch == 0);
    assert_true(tier->in_flight == 0 && !tier->needs_gpu && tier->n_labels == 0);
    assert_true(tier->price.input_per_1k == 0 && tier->price.output_per_1k == 0);
    assert_true(tier->price.per_request == CADRE_MONEY_USD / 10);
    assert_int_equal(job->n_tenants, 1);
    assert_string_equal(job->tenants[0].name, "default");
    assert_false(job->tenants[0].limited);
    assert_string_equal(job->router.policy, "complexity");
    assert_true(job->router.fallback && job->router.full_length == 4096);
    assert_true(job->router.n_thresholds == 0);
    assert_true(job->limits.request_timeout_ms == 60000 && job->limits.max_attempts == 3);
    assert_true(job->limits.job_deadline_s == 0 &&
                job->limits.broadcast_timeout_ms == 30000);
    assert_true(job->limits.barrier_timeout_ms == 60000 &&
                job->limits.reduce_timeout_ms == 30000);
    assert_int_equal(strlen(job->digest), 32);
    cadre__job_destroy(job);
    cadre__job_destroy(NULL);
}

static void reads_every_key(void **state)
{
    (void)state;
    cadre__job *job = load(full_job);
    const cadre__job_tier *small = &job->tiers[0], *medium = &job->tiers[1];
    assert_string_equal(job->input.path, "/data/x.csv.gz");
    assert_true(job->input.rows == 10 && job->input.first_row == 5);
    assert_true(job->input.label_column == -1 && job->input.scale == 0.0625);
    assert_string_equal(job->output_dir, "jobs/runs/nightly");
    assert_string_equal(small->model, "jobs/models/s.h5");
    assert_true(small->price.input_per_1k == CADRE_MONEY_USD / 1000);
    assert_true(small->price.output_per_1k == 1000);
    assert_string_equal(medium->kernel, "jobs/./mine.so");
    assert_string_equal(medium->tokenizer, "/t.bin");
    assert_string_equal(medium->options, "{\"layers\":[1,2]}");
    assert_string_equal(medium->partition, "hash");
    assert_string_equal(medium->placement, "pack");
    assert_true(medium->shards == 3 && medium->ranks_per_shard == 2 &&
                medium->batch == 64);
    assert_true(medium->in_flight == 2 && medium->n_labels == 1);
    assert_string_equal(medium->labels[0].key, "gpu_capable");
    assert_string_equal(medium->labels[0].value, "false");
    assert_true(medium->price.per_request == 1);
    assert_string_equal(job->tiers[2].kernel, "jobs/other.so");
    assert_true(job->tiers[2].needs_gpu);
    assert_true(job->tenants[0].limited && job->tenants[0].budget == 5 * CADRE_MONEY_USD);
    assert_false(job->tenants[1].limited);
    assert_string_equal(job->router.policy, "fixed");
    assert_string_equal(job->router.fixed_tier, "medium");
    assert_int_equal(job->router.source, CADRE__COMPLEXITY_LINEAR);
    assert_true(job->router.n_weights == 2 && job->router.weights[1] == -2.5);
    assert_true(job->router.bias == 0.5 && !job->router.fallback);
    assert_true(job->router.n_thresholds == 2 && job->router.thresholds[1] == 0.9);
    assert_true(job->limits.request_timeout_ms == 10 && job->limits.max_attempts == 1);
    assert_int_equal(job->limits.job_deadline_s, 60);
    assert_int_equal(cadre__job_tier_index(job, "large"), 2);
    assert_int_equal(cadre__job_tier_index(job, "auto"), -1);
    cadre__job_destroy(job);
}

static void thresholds_have_defaults(void **state)
{
    (void)state;
    cadre__job *job = load(replaced(full_job, "\"thresholds\": [0.2, 0.9],", ""));
    assert_true(job->router.thresholds[0] == 0.3 && job->router.thresholds[1] == 0.7);
    cadre__job_destroy(job);
}

static void generates_input(void **state)
{
    (void)state;
    cadre__job *job =
        load(replaced(small_job, "{\"path\": \"r.jsonl\"}",
                      "{\"generator\": \"graded\", \"seed\": 9, \"rows\": 100}"));
    assert_string_equal(job->input.path, "");
    assert_string_equal(job->input.generator, "graded");
    assert_true(job->input.seed == 9 && job->input.rows == 100 &&
                job->input.first_row == 0);
    assert_false(cadre__job_input_is_jsonl(&job->input));
    cadre__job_destroy(job);
}

static const struct {
    const char *from, *to, *error;
} bad_jobs[] = {
    {"\"schema_version\": 1,", "", "a.json:1: \"schema_version\" is missing"},
    {"\"schema_version\": 1", "\"schema_version\": 2",
     "a.json:2: schema_version: expected a "
     "whole number from 1 to 1"},
    {"\"name\": \"nightly-eval\"", "\"nmae\": \"x\"",
     "a.json:3: nmae: unknown key; did you mean \"name\"?"},
    {"nightly-eval", "a b", "name: expected a name of 1 to 64 letters"},
    {"nightly-eval", "..", "name: expected a name"},
    {"nightly-eval", "", "name: expected a name"},
    {"\"shards\": 3", "\"shards\": 0",
     "jobs/a.json:10: tiers[1].shards: expected a whole number from 1 to 1000000, "
     "found the "
     "number 0"},
    {"\"shards\": 3", "\"shards\": \"3\"", "tiers[1].shards: expected a whole number"},
    {"\"shards\": 3", "\"shrads\": 3",
     "a.json:10: tiers[1].shrads: unknown key; did you mean \"shards\"?"},
    {"\"ranks_per_shard\": 2", "\"ranks_per_shard\": -1", "tiers[1].ranks_per_shard: "},
    {"\"ranks_per_shard\": 2", "\"ranks_per_shard\": 1025",
     "tiers[1].ranks_per_shard: expected a whole number from 1 to 1024"},
    {"\"shards\": 3", "\"shards\": 500001",
     "tiers[1]: expected at most 1000000 ranks, found 500001 shards of 2 ranks"},
    {"\"small\"", "\"large\"",
     "a.json:14: tiers[2].name: \"large\" is the name of tiers[0]"},
    {"\"small\"", "\"auto\"", "a tier cannot be named \"auto\""},
    {"\"hash\"", "\"hsah\"",
     "tiers[1].partition: expected \"round_robin\", \"hash\" or "
     "\"range\", found \"hsah\""},
    {"\"pack\"", "\"packed\"", "tiers[1].placement: expected \"spread\" or \"pack\""},
    {"\"kernel\": \"mlp\"", "\"kernel\": \"\"", "tiers[0].kernel: expected the name"},
    {"\"kernel\": \"mlp\",", "", "tiers[0]: \"kernel\" is missing"},
    {"{\"layers\": [1, 2]}", "[1]",
     "tiers[1].options: expected an object, found an array of 1"},
    {"{\"gpu_capable\": \"false\"}", "{\"gpu_capable\": false}",
     "tiers[1].labels.gpu_capable: expected a label"},
    {"\"in_flight\": 2", "\"in_flight\": 0", "tiers[1].in_flight: expected"},
    {"\"0.001\"", "\"-0.001\"",
     "tiers[0].price.input_per_1k: expected an amount of at least "
     "0.00 USD, found \"-0.001\""},
    {"\"0.001\"", "0.001",
     "a.json:9: tiers[0].price.input_per_1k: expected an amount in USD as "
     "a decimal string such as \"0.10\", found the number 0.001: write "
     "\"0.001\", in quotes"},
    {"\"0.0000000001\"", "\"0.00000000001\"", "at most 10 digits of fraction"},
    {"\"0.0000000001\"", "\"0.00000000000001\"", "finer than 1e-13 USD"},
    {"\"1000\"", "\"1000.01\"",
     "tiers[2].price.input_per_1k: expected a price of at most 1000"},
    {"\"1000\"", "\"1e400\"", "tiers[2].price.input_per_1k: expected an amount in USD"},
    {"{\"input_per_1k\": \"1000\"}", "{}", "tiers[2].price: expected input_per_1k, "},
    {"{\"input_per_1k\": \"1000\"}", "\"5\"", "tiers[2].price: expected an object"},
    {"{\"input_per_1k\": \"1000\"}", "{\"input\": \"1\"}",
     "tiers[2].price.input: unknown key"},
    {",\n   \"price\": {\"input_per_1k\": \"1000\"}", "",
     "a.json:14: tiers[2]: \"price\" is missing"},
    {"\"5.00\"", "\"1e400\"",
     "a.json:16: tenants[0].budget: expected an amount in USD as a "
     "plain decimal"},
    {"\"5.00\"", "1e400", "a.json:16: tenants[0].budget: the number 1e400 is too large"},
    {"\"5.00\"", "5.0", "write \"5.0\", in quotes"},
    {"\"5.00\"", "\"-1\"", "tenants[0].budget: expected an amount of at least 0.00 USD"},
    {"\"5.00\"", "\"1000000\"", "tenants[0].budget: \"1000000\" USD is beyond"},
    {"\"globex\"", "\"acme\"",
     "tenants[1].name: \"acme\" is the name of tenants[0] already"},
    {"\"globex\"", "\"glo bex\"", "tenants[1].name: expected a name"},
    {"\"policy\": \"fixed\"", "\"policy\": \"cascade\"",
     "router.policy: expected \"complexity\", \"fixed\" or \"cheapest\", found "
     "\"cascade\""},
    {"\"tier\": \"medium\",", "", "router: \"tier\" is missing"},
    {"\"tier\": \"medium\"", "\"tier\": \"huge\"",
     "router.tier: expected the name of a tier"},
    {"[0.2, 0.9]", "[0.2]",
     "router.thresholds: expected an array of 2 (one less than tiers), "
     "found an array of 1"},
    {"[0.2, 0.9]", "[0.9, 0.2]", "router.thresholds[1]: expected thresholds that rise"},
    {"[0.2, 0.9]", "[0.2, 1]", "router.thresholds[1]: expected thresholds that rise"},
    {"[0.2, 0.9]", "[0.2, null]", "router.thresholds[1]: expected a number, found null"},
    {"\"source\": \"linear\", \"weights\": [1, -2.5]", "\"source\": \"linear\"",
     "router.complexity: \"weights\" is missing"},
    {"[1, -2.5]", "[]", "router.complexity.weights: expected an array of numbers"},
    {"\"source\": \"linear\"", "\"source\": \"length\"",
     "router.complexity.weights: unknown key"},
    {"\"source\": \"linear\", \"weights\": [1, -2.5], \"bias\": 0.5",
     "\"source\": \"feature\"", "router.complexity: \"feature\" is missing"},
    {"\"max_attempts\": 1", "\"max_attempts\": 0", "limits.max_attempts: expected"},
    {"\"max_attempts\": 1", "\"max_attempt\": 1", "did you mean \"max_attempts\"?"},
    {"\"runs/nightly\"", "\"\"", "output.dir: expected the path of a folder"},
    {"{\"dir\": \"runs/nightly\"}", "{}", "output: \"dir\" is missing"},
    {"\"scale\": 0.0625", "\"scale\": \"x\"", "input.scale: expected a number"},
    {"\"rows\": 10", "\"tenants\": \"all\"",
     "input.tenants: expected \"in_turn\", found \"all\""},
    {"\"rows\": 10", "\"rows\": -10",
     "input.rows: expected a whole number from 0 to 4294967295"},
    {"\"rows\": 10", "\"seed\": 10",
     "input.seed: this key means nothing for a .csv file"},
    {"x.csv.gz", "x.txt", "input.path: expected a path that ends in .jsonl"},
    {"\"path\": \"/data/x.csv.gz\"", "\"path\": \"a.jsonl\"",
     "input.rows: this key means nothing for a .jsonl file"},
    {"\"rows\": 10", "\"fields\": {\"id\": \"i\", \"prompt\": \"p\"}",
     "input.fields: this key means nothing for a .csv file"},
    {"\"path\": \"/data/x.csv.gz\", \"rows\": 10, \"first_row\": 5, "
     "\"label_column\": -1,\n"
     "             \"scale\": 0.0625",
     "\"path\": \"a.jsonl\", \"fields\": {\"id\": \"i\"}",
     "input.fields: \"prompt\" is missing"},
    {"\"path\": \"/data/x.csv.gz\", \"rows\": 10, \"first_row\": 5, "
     "\"label_column\": -1,\n"
     "             \"scale\": 0.0625",
     "\"path\": \"a.jsonl\", \"request\": {}",
     "input.request: expected \"fields\" beside it"},
    {"\"path\": \"/data/x.csv.gz\", \"rows\": 10, \"first_row\": 5, "
     "\"label_column\": -1,\n"
     "             \"scale\": 0.0625",
     "\"path\": \"a.jsonl\", \"fields\": {\"id\": \"i\", \"prompt\": \"p\"}, "
     "\"request\": {\"max_token\": 5}",
     "input.request.max_token: unknown key; did you mean \"max_tokens\"?"},
    {"\"path\": \"/data/x.csv.gz\"", "\"path\": \"a.csv\", \"generator\": \"graded\"",
     "input: expected \"path\" or \"generator\", found both"},
    {"\"path\": \"/data/x.csv.gz\", \"rows\": 10, \"first_row\": 5, "
     "\"label_column\": -1,\n"
     "             \"scale\": 0.0625",
     "\"generator\": \"graded\"", "input: \"rows\" is missing"},
    {"\"path\": \"/data/x.csv.gz\", \"rows\": 10, \"first_row\": 5, "
     "\"label_column\": -1,\n"
     "             \"scale\": 0.0625",
     "\"generator\": \"random\", \"rows\": 1",
     "input.generator: expected \"graded\", found \"random\""},
    {"\"path\": \"/data/x.csv.gz\", ", "",
     "input: expected a \"path\" or a \"generator\", found "
     "neither"},
};

static void refuses_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_jobs / sizeof *bad_jobs; i++) {
        cadre__job *job;
        const char *text = replaced(full_job, bad_jobs[i].from, bad_jobs[i].to);
        const cadre_status st = load_text(text, &job);
        if (st == CADRE_OK)
            fail_msg("case %zu: \"%s\" was accepted", i, bad_jobs[i].to);
        assert_int_equal(st, CADRE_ERR_INPUT);
        assert_null(job);
        assert_contains(cadre_last_error(), bad_jobs[i].error);
        assert_contains(cadre_last_error(), "jobs/a.json");
    }
}

static void refuses_what_is_no_job(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"[]", "jobs/a.json:1: expected an object, found an array of 0"},
        {"{}", "jobs/a.json:1: \"schema_version\" is missing"},
        {"{\"schema_version\": 1, \"name\": \"a\"}", "\"input\" is missing"},
        {"{\"schema_version\": 1, \"name\": \"a\", \"input\": {\"path\": \"a.csv\"}}",
         "\"tiers\" is missing"},
        {"{\"schema_version\": 1, \"name\": \"a\", \"input\": {\"path\": \"a.csv\"}, "
         "\"tiers\": []}",
         "tiers: expected an array of 1 to 1000 tiers, found an array of 0"},
        {"{\"schema_version\": 1, \"name\": \"a\", \"input\": {\"path\": \"a.csv\"}, "
         "\"tiers\": {}}",
         "tiers: expected an array of 1 to 1000 tiers, found an object"},
        {"{\"schema_version\": 1, \"name\": \"a\", \"input\": 5}",
         "input: expected an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cadre__job *job;
        assert_int_equal(load_text(cases[i].text, &job), CADRE_ERR_INPUT);
        assert_contains(cadre_last_error(), cases[i].error);
    }
}

static void set_changes_job_and_digest(void **state)
{
    (void)state;
    char folder[] = "/tmp/cadre-test-job-XXXXXX", path[64], command[96];
    const char *sets[] = {"tiers.0.shards=4", "output.dir=/elsewhere", "name=b"};
    cadre__job *plain, *moved, *changed;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.json", folder);
    assert_int_equal(cadre__file_write(path, small_job, strlen(small_job)), CADRE_OK);
    assert_int_equal(cadre__job_load(path, NULL, 0, &plain), CADRE_OK);
    assert_int_equal(cadre__job_load(path, sets + 1, 1, &moved), CADRE_OK);
    assert_int_equal(cadre__job_load(path, sets, 3, &changed), CADRE_OK);
    assert_string_equal(moved->output_dir, "/elsewhere");
    assert_string_equal(plain->digest, moved->digest);
    assert_string_not_equal(plain->digest, changed->digest);
    assert_int_equal(changed->tiers[0].shards, 4);
    assert_string_equal(changed->name, "b");
    cadre__job_destroy(plain);
    cadre__job_destroy(moved);
    cadre__job_destroy(changed);

    sets[0] = "tiers.0.shards=0";
    assert_int_equal(cadre__job_load(path, sets, 1, &plain), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(),
                    "a.json (--set tiers.0.shards): tiers[0].shards: expected");
    sets[0] = "tiers.0.shards";
    assert_int_equal(cadre__job_load(path, sets, 1, &plain), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "--set tiers.0.shards: expected path=value");
    sets[0] = "tiers.1.shards=1";
    assert_int_equal(cadre__job_load(path, sets, 1, &plain), CADRE_ERR_INPUT);
    assert_int_equal(cadre__job_load("/nonexistent/a.json", NULL, 0, &plain),
                     CADRE_ERR_NOT_FOUND);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* Cut anywhere, or with any byte changed, a job file is accepted or refused with a
 * sentence. */
static void survives_damage(void **state)
{
    (void)state;
    char text[sizeof full_job];
    cadre__job *job;
    unsigned random = 12345;
    for (size_t n = 0; n < sizeof full_job - 1; n += 7) {
        memcpy(text, full_job, n);
        text[n] = '\0';
        assert_int_equal(load_text(text, &job), CADRE_ERR_INPUT);
    }
    for (int i = 0; i < 2000; i++) {
        memcpy(text, full_job, sizeof full_job);
        for (int j = 0; j < 2; j++) {
            random = random * 1664525u + 1013904223u;
            text[(random >> 8) % (sizeof full_job - 1)] = (char)(random & 0x7F);
        }
        const cadre_status st = load_text(text, &job);
        assert_true(st == CADRE_OK || st == CADRE_ERR_INPUT);
        cadre__job_destroy(job);
    }
}

static void costs_are_exact(void **state)
{
    (void)state;
    const cadre__price price = {
        .input_per_1k = 1000, .output_per_1k = 3000, .per_request = 7};
    const cadre__price dear = {.input_per_1k = 1000 * CADRE_MONEY_USD};
    const cadre__price odd = {.input_per_1k = 1};
    cadre_money cost = -1;
    assert_int_equal(cadre__price_cost(&price, 5, 2, &cost), CADRE_OK);
    assert_true(cost == 5 + 2 * 3 + 7);
    assert_int_equal(cadre__price_cost(&price, 0, 0, &cost), CADRE_OK);
    assert_true(cost == 7);
    assert_int_equal(cadre__price_cost(&dear, 922337, 0, &cost), CADRE_OK);
    assert_true(cost == 922337 * CADRE_MONEY_USD);
    cost = -1;
    assert_int_equal(cadre__price_cost(&dear, 922338, 0, &cost), CADRE_ERR_RANGE);
    assert_int_equal(cadre__price_cost(&price, UINT64_MAX, 0, &cost), CADRE_ERR_RANGE);
    assert_int_equal(cadre__price_cost(&odd, 1, 0, &cost), CADRE_ERR_ARG);
    assert_true(cost == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(reads_every_key),
        cmocka_unit_test(thresholds_have_defaults),
        cmocka_unit_test(generates_input),
        cmocka_unit_test(refuses_and_says_why),
        cmocka_unit_test(refuses_what_is_no_job),
        cmocka_unit_test(set_changes_job_and_digest),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(costs_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
