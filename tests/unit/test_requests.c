/* Request files: both forms, datasets, and what is refused with which line. */
#include "cmocka_all.h"
#include "core/memory.h"
#include "io/file.h"
#include "io/requests.h"
#include <cadre/log.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/cadre-test-requests-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected \"%s\" in \"%s\"", part, text);
}

/* A job of tiers small, large with this input object and this "tenants" text. */
static cadre__job *job_of(const char *input, const char *tenants)
{
    char text[2048], path[128];
    cadre__json_doc *doc;
    cadre__job *job = NULL;
    snprintf(
        text, sizeof text,
        "{\"schema_version\": 1, \"name\": \"t\", \"input\": %s,%s \"tiers\": ["
        "{\"name\": \"small\", \"kernel\": \"k\", \"price\": {\"per_request\": \"0\"}},"
        "{\"name\": \"large\", \"kernel\": \"k\", \"price\": {\"per_request\": \"1\"}}]}",
        input, tenants);
    snprintf(path, sizeof path, "%s/job.json", folder);
    if (cadre__json_parse(path, 1, text, strlen(text), &doc) != CADRE_OK ||
        cadre__job_from_doc(path, doc, &job) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    return job;
}

static const char two_tenants[] =
    "\"tenants\": [{\"name\": \"acme\", \"budget\": \"5\"}, {\"name\": \"globex\"}],";

static void put(const char *name, const char *text, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (cadre__file_write(path, text, size) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
}

static cadre_status load(const char *text, const char *tenants, cadre__requests **out)
{
    put("r.jsonl", text, strlen(text));
    cadre__job *job = job_of("{\"path\": \"r.jsonl\"}", tenants);
    const cadre_status st = cadre__requests_load(job, out);
    cadre__job_destroy(job);
    return st;
}

static void reads_the_short_form(void **state)
{
    (void)state;
    cadre__requests *r;
    static const char text[] =
        "{\"id\": \"a\", \"prompt\": \"Hello \\u00e9\"}\r\n"
        "{\"id\": \"b\", \"messages\": [{\"role\": \"system\", \"content\": \"Be "
        "brief.\"},"
        " {\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"Hi\"}]}],"
        " \"tier\": \"large\", \"max_tokens\": 5, \"temperature\": 0.5, \"top_p\": 0.25,"
        " \"seed\": 77}\n"
        "{\"id\": \"c\", \"input\": [1, -2.5, 3e2], \"tenant\": \"default\", \"model\": "
        "\"auto\","
        " \"max_cost_usd\": \"0.5\", \"prefer_gpu\": true, \"complexity\": 0.75, "
        "\"label\": 3}\n"
        "\n  \n";
    if (load(text, "", &r) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(r->n, 3);
    const cadre__item *a = &r->items[0], *b = &r->items[1], *c = &r->items[2];
    assert_string_equal(a->custom_id, "a");
    assert_int_equal(a->line, 1);
    assert_int_equal(a->url, CADRE__URL_COMPLETIONS);
    assert_int_equal(a->payload, CADRE_PAYLOAD_TEXT);
    assert_int_equal(a->bytes, 8);
    assert_memory_equal(a->data, "Hello \xC3\xA9", 8);
    assert_true(a->sampling.max_tokens == 16 && a->sampling.temperature == 0);
    assert_true(a->sampling.top_p == 1 && a->sampling.seed == 0);
    assert_true(a->tenant == 0 && a->tier == -1 && isnan(a->complexity) &&
                !a->prefer_gpu);
    assert_true(a->max_cost == -1 && a->label == -1);
    assert_int_equal(b->url, CADRE__URL_CHAT);
    assert_int_equal(b->bytes, strlen("system: Be brief.\nuser: Hi"));
    assert_memory_equal(b->data, "system: Be brief.\nuser: Hi", b->bytes);
    assert_true(b->tier == 1 && b->sampling.max_tokens == 5 &&
                b->sampling.temperature == 0.5f);
    assert_true(b->sampling.top_p == 0.25f && b->sampling.seed == 77);
    assert_int_equal(c->url, CADRE__URL_EMBEDDINGS);
    assert_int_equal(c->payload, CADRE_PAYLOAD_ROW);
    assert_int_equal(c->bytes, 3 * sizeof(float));
    const float *row = c->data;
    assert_true(row[0] == 1 && row[1] == -2.5f && row[2] == 300);
    assert_true(c->max_cost == CADRE_MONEY_USD / 2 && c->prefer_gpu &&
                c->complexity == 0.75);
    assert_true(c->label == 3 && c->tier == -1);
    assert_int_equal(strlen(r->digest), 32);
    cadre__requests_destroy(r);
    cadre__requests_destroy(NULL);
}

static void reads_the_openai_form(void **state)
{
    (void)state;
    cadre__requests *r;
    static const char text[] =
        "{\"custom_id\": \"1\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\", "
        "\"body\":"
        " {\"model\": \"small\", \"messages\": [{\"role\": \"user\", \"content\": "
        "\"Hi\"}],"
        " \"max_completion_tokens\": 9, \"temperature\": null, \"stream\": false, \"n\": "
        "1,"
        " \"metadata\": {\"tenant\": \"globex\", \"max_cost_usd\": \"0.25\", "
        "\"prefer_gpu\":"
        " \"true\", \"complexity\": \"0.7\", \"label\": \"2\"}}}\n"
        "{\"custom_id\": \"2\", \"method\": \"POST\", \"url\": \"/v1/completions\", "
        "\"body\":"
        " {\"prompt\": \"x\", \"max_tokens\": 3, \"metadata\": {\"tenant\": \"acme\","
        " \"prefer_gpu\": false, \"complexity\": 1}}}\n"
        "{\"custom_id\": \"3\", \"url\": \"/v1/embeddings\", \"body\":"
        " {\"input\": [0.5], \"metadata\": {\"tenant\": \"acme\"}}}";
    if (load(text, two_tenants, &r) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(r->n, 3);
    const cadre__item *a = &r->items[0], *b = &r->items[1];
    assert_true(a->tier == 0 && a->tenant == 1 && a->url == CADRE__URL_CHAT);
    assert_true(a->sampling.max_tokens == 9 && a->sampling.temperature == 0);
    assert_true(a->max_cost == CADRE_MONEY_USD / 4 && a->prefer_gpu && a->label == 2);
    assert_true(a->complexity == 0.7);
    assert_memory_equal(a->data, "user: Hi", 8);
    assert_true(b->tier == -1 && b->tenant == 0 && b->sampling.max_tokens == 3);
    assert_true(!b->prefer_gpu && b->complexity == 1);
    assert_true(*(const float *)r->items[2].data == 0.5f);
    cadre__requests_destroy(r);
}

#define OPENAI_NULLS                                                                     \
    "{\"custom_id\": \"1\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": "       \
    "\"x\", "                                                                            \
    "\"stop\": null, \"logprobs\": null, \"n\": null, \"stream\": null, \"top_k\": "     \
    "null, "                                                                             \
    "\"suffix\": null, \"logit_bias\": null, \"seed\": null}}\n"

/* All that asks how to sample, in both forms; what asks for nothing special is passed. */
static void reads_sampling_and_stops(void **state)
{
    (void)state;
    cadre__requests *r;
    static const char text[] =
        "{\"id\": \"a\", \"prompt\": \"\", \"stop\": \"END\", \"top_k\": 40, \"min_p\": "
        "0.125, \"logprobs\": 0}\n"
        "{\"custom_id\": \"b\", \"url\": \"/v1/chat/completions\", \"body\": "
        "{\"messages\": [{\"role\": \"system\", \"content\": \"\"}, {\"role\": "
        "\"user\", \"content\": [{\"type\": \"text\", \"text\": \"H\"}, {\"type\": "
        "\"text\", \"text\": \"\u00e9\"}]}], \"stop\": [\"\\n\\n\", \"\u20ac\"], "
        "\"logprobs\": true, \"top_logprobs\": 20, \"n\": 1, \"stream\": false, "
        "\"presence_penalty\": 0, \"frequency_penalty\": 0.0, \"logit_bias\": {}, "
        "\"tools\": [], \"response_format\": {\"type\": \"text\"}, \"user\": \"u\"}}\n"
        "{\"custom_id\": \"c\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": "
        "\"x\", \"logprobs\": 20, \"best_of\": 1, \"echo\": false, "
        "\"suffix\": \"\", \"seed\": 9007199254740991, \"stop\": []}}\n"
        "{\"id\": \"d\", \"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}\n";
    if (load(text, "", &r) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    const cadre__item *a = &r->items[0], *b = &r->items[1], *c = &r->items[2],
                      *d = &r->items[3];
    assert_true(a->bytes == 0 && a->n_stops == 1 && a->sampling.top_k == 40);
    assert_string_equal(a->stops[0], "END");
    assert_true(a->sampling.min_p == 0.125f && a->sampling.logprobs == 0);
    assert_true(a->n_messages == 0 && !a->messages && !a->flaw);
    const char *chat = b->data;
    assert_string_equal(chat, "system: \nuser: H\xC3\xA9");
    assert_int_equal(b->n_messages, 2);
    const cadre_message *system = &b->messages[0], *user = &b->messages[1];
    assert_true(system->role_at == 0 && system->role_bytes == 6);
    assert_true(system->content_at == 8 && system->content_bytes == 0);
    assert_memory_equal(chat + user->role_at, "user", user->role_bytes);
    assert_true(user->role_bytes == 4 && user->content_bytes == 3);
    assert_memory_equal(chat + user->content_at, "H\xC3\xA9", 3);
    assert_int_equal(b->n_stops, 2);
    assert_string_equal(b->stops[0], "\n\n");
    assert_string_equal(b->stops[1], "\xE2\x82\xAC");
    assert_true(b->sampling.logprobs == 20 && c->sampling.logprobs == 20);
    assert_true(c->n_stops == 0 && c->sampling.seed == 9007199254740991u);
    assert_true(d->sampling.logprobs == -1 && d->sampling.top_k == 0 &&
                d->sampling.min_p == 0);
    cadre__requests_destroy(r);
    assert_int_equal(load(OPENAI_NULLS, "", &r), CADRE_OK);
    assert_true(r->items[0].n_stops == 0 && r->items[0].sampling.logprobs == -1);
    cadre__requests_destroy(r);
}

/* Lines of another maker, whose fields the job names. */
static void reads_foreign_lines(void **state)
{
    (void)state;
    cadre__requests *r;
    static const char lines[] = "{\"task_id\": \"T/0\", \"prompt\": \"def f():\\n\", "
                                "\"test\": [1, 2], \"model\": "
                                "\"gpt\", \"max_tokens\": \"many\"}\n"
                                "{\"prompt\": \"\", \"task_id\": \"T/1\", \"note\": "
                                "\"\\ud800\\u0000\xFF\"}\n";
    put("r.jsonl", lines, strlen(lines));
    cadre__job *job =
        job_of("{\"path\": \"r.jsonl\", \"fields\": {\"id\": \"task_id\", \"prompt\": "
               "\"prompt\"}, \"request\": {\"max_tokens\": 99, \"stop\": [\"\\ndef\"], "
               "\"model\": \"large\", \"temperature\": 0.5}}",
               "");
    if (cadre__requests_load(job, &r) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(r->n, 2);
    const cadre__item *a = &r->items[0], *b = &r->items[1];
    assert_string_equal(a->custom_id, "T/0");
    assert_string_equal(a->data, "def f():\n");
    assert_true(a->url == CADRE__URL_COMPLETIONS && a->tier == 1 && b->tier == 1);
    assert_true(a->sampling.max_tokens == 99 && a->sampling.temperature == 0.5f);
    assert_string_equal(b->stops[0], "\ndef");
    assert_string_equal(b->custom_id, "T/1");
    cadre__requests_destroy(r);
    cadre__job_destroy(job);

    static const struct {
        const char *input, *error;
    } bad[] = {
        {"\"fields\": {\"id\": \"task_id\", \"prompt\": \"question\"}",
         "r.jsonl:1: \"question\" is missing: expected a string"},
        {"\"fields\": {\"id\": \"number\", \"prompt\": \"prompt\"}",
         "r.jsonl:1: \"number\" is missing"},
        {"\"fields\": {\"id\": \"task_id\", \"prompt\": \"test\"}",
         "r.jsonl:1: test: expected a string"},
        {"\"fields\": {\"id\": \"task_id\", \"prompt\": \"prompt\"}, \"request\": "
         "{\"max_tokens\": 0}",
         "job.json:1: input.request.max_tokens: expected a whole number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char input[512];
        snprintf(input, sizeof input, "{\"path\": \"r.jsonl\", %s}", bad[i].input);
        job = job_of(input, "");
        assert_int_equal(cadre__requests_load(job, &r), CADRE_ERR_INPUT);
        assert_contains(cadre_last_error(), bad[i].error);
        cadre__job_destroy(job);
    }
}

/* What a model would read is a matter of the request; the rest of the file stands. */
static void bad_utf8_spoils_one_request_only(void **state)
{
    (void)state;
    cadre__requests *r;
    static const char text[] =
        "{\"id\": \"a\", \"prompt\": \"ab\xFF\", \"stop\": \"x\"}\n"
        "{\"id\": \"b\", \"messages\": [{\"role\": \"user\", \"content\": \"x\xC3\"}]}\n"
        "{\"id\": \"c\", \"prompt\": \"\xC3\xA9 fine\"}\n";
    if (load(text, "", &r) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(r->n, 3);
    assert_string_equal(r->items[0].flaw,
                        "prompt: not valid UTF-8 from byte 3 of the text on");
    assert_string_equal(r->items[1].flaw,
                        "messages: not valid UTF-8 from byte 8 of the text on");
    assert_null(r->items[2].flaw);
    cadre__requests_destroy(r);
    /* It must be well-formed otherwise. */
    assert_int_equal(load("{\"id\": \"a\", \"prompt\": \"\xFF\"", "", &r),
                     CADRE_ERR_INPUT);
    assert_int_equal(load("{\"id\": \"a\", \"prompt\": \"\xFF\", \"seed\": -1}", "", &r),
                     CADRE_ERR_INPUT);
}

/* Flaws of one request: escapes that are no character, seeds that JSON does not hold. */
static void odd_requests_spoil_themselves_only(void **state)
{
    (void)state;
    static const struct {
        const char *line, *flaw;
    } cases[] = {
        {"{\"id\": \"a\", \"prompt\": \"a\\u0000b\"}",
         "prompt: a string must not hold the NUL character (\\u0000), at byte 2 of the "
         "text"},
        {"{\"id\": \"b\", \"prompt\": \"\\ud800\\ud83d\\ude00\"}",
         "prompt: the first half of a surrogate pair stands alone, at byte 1 of the "
         "text"},
        {"{\"id\": \"c\", \"prompt\": \"\\ud83d\\ude00\\uDE00\"}",
         "prompt: the second half of a surrogate pair stands alone, at byte 5 of the "
         "text"},
        {"{\"id\": \"d\", \"messages\": [{\"role\": \"user\", \"content\": "
         "\"\\uD83D\\n\"}]}",
         "messages: the first half of a surrogate pair stands alone, at byte 7 of the "
         "text"},
        {"{\"id\": \"e\", \"prompt\": \"x\", \"seed\": 9007199254740992}",
         "seed: expected a whole number, at least 0 and below 2^53, found the number "
         "9007199254740992"},
        {"{\"id\": \"f\", \"prompt\": \"\\u0000\", \"seed\": 1e300}",
         "prompt: a string must not hold the NUL character (\\u0000), at byte 1 of the "
         "text"},
        {"{\"id\": \"g\", \"prompt\": \"\\ud83d\\ude00 \\\\u0000\", \"seed\": "
         "9007199254740991}",
         NULL},
    };
    enum { N = sizeof cases / sizeof *cases };
    char text[4096] = "";
    cadre__requests *r;

    for (size_t i = 0; i < N; i++)
        sprintf(text + strlen(text), "%s\n", cases[i].line);
    if (load(text, "", &r) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(r->n, N);
    for (size_t i = 0; i < N; i++) {
        if (cases[i].flaw)
            assert_string_equal(r->items[i].flaw ? r->items[i].flaw : "none",
                                cases[i].flaw);
        else
            assert_null(r->items[i].flaw);
    }
    assert_string_equal(r->items[N - 1].data, "\xF0\x9F\x98\x80 \\u0000");
    assert_int_equal(r->items[N - 1].sampling.seed, 9007199254740991);
    cadre__requests_destroy(r);
}

static char told[4096];

static void remember(void *context, cadre_log_level level, const char *line)
{
    (void)context;
    (void)level;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s\n", line);
}

/* Keys that nobody knows are told once each, with the first line they are on. */
static void strange_keys_are_told_once(void **state)
{
    (void)state;
    static const char text[] =
        "{\"custom_id\": \"1\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": "
        "\"x\","
        " \"user\": \"me\", \"n\": 1, \"temprature\": 1}}\n"
        "{\"custom_id\": \"2\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": "
        "\"x\","
        " \"temprature\": 1, \"qqqqqqqqqq\": 2}, \"methud\": \"POST\"}\n";
    cadre__requests *r;

    told[0] = '\0';
    cadre_log_set_sink(remember, NULL);
    const cadre_status st = load(text, "", &r);
    cadre_log_set_sink(NULL, NULL);
    assert_int_equal(st, CADRE_OK);
    cadre__requests_destroy(r);
    assert_contains(told,
                    "r.jsonl:1: body.temprature: unknown key, passed over here and on "
                    "later lines; did you mean \"temperature\"?\n");
    assert_contains(told,
                    "r.jsonl:2: body.qqqqqqqqqq: unknown key, passed over here and on "
                    "later lines\n");
    assert_contains(told, "r.jsonl:2: methud: unknown key, passed over here and on later "
                          "lines; did you mean \"method\"?\n");
    size_t n_lines = 0;
    for (const char *p = told; (p = strchr(p, '\n')); p++)
        n_lines++;
    assert_int_equal(n_lines, 3);
}

#define SHORT "{\"id\": \"a\", \"prompt\": \"x\"}\n"
#define OPENAI(body)                                                                     \
    "{\"custom_id\": \"1\", \"url\": \"/v1/completions\", \"body\": " body "}\n"

static const struct {
    const char *text, *error;
} bad_requests[] = {
    {"", "r.jsonl: expected requests, found an empty file"},
    {"\n\n", "expected requests, found an empty file"},
    {SHORT "\n{\"id\": \"b\", \"prompt\": \"x\"}",
     "r.jsonl:2: expected a request, found an "
     "empty line"},
    {SHORT "{\"id\": \"b\", prompt}\n", "r.jsonl:2:13: expected a key in quotes, found "
                                        "'prompt'"},
    {SHORT "{\"id\": \"b\", \"prompt\": \"y\"}\n" SHORT,
     "r.jsonl:3: id: \"a\" is the id of line 1 already"},
    {"{\"id\": \"a\", \"prompt\": \"x\"} {}\n", "r.jsonl:1:28: expected nothing more"},
    {"[]", "r.jsonl:1: expected a request object, found an array of 0"},
    {"{\"prompt\": \"x\"}", "expected \"id\" (short form) or \"custom_id\""},
    {"{\"id\": \"\", \"prompt\": \"x\"}", "id: expected an id of 1 to 512 bytes"},
    {"{\"id\": \"a\\n\", \"prompt\": \"x\"}", "id: expected an id"},
    {"{\"id\": 5, \"prompt\": \"x\"}", "id: expected a string, found the number 5"},
    {"{\"id\": \"a\"}",
     "expected exactly one of \"prompt\", \"messages\" and \"input\", found 0"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"input\": [1]}", "found 2"},
    {"{\"id\": \"a\", \"promt\": \"x\"}",
     "r.jsonl:1: promt: unknown key; did you mean \"prompt\"?"},
    {"{\"id\": \"a\", \"prompt\": 5}", "prompt: expected a string, found the number 5"},
    {"{\"id\": \"a\\u0000\", \"prompt\": \"x\"}",
     "r.jsonl:1:10: a string must not hold the "
     "NUL character"},
    {"{\"id\": \"a\", \"\\uD800\": \"x\"}", "unknown key"},
    {"{\"id\": \"a\", \"prompt\": \"\\uD80\"}", "expected four hexadecimal digits"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"stop\": \"\\uDC00\"}",
     "the second half of a surrogate pair stands alone"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"seed\": -1}", "seed: expected a whole number"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"tenant\": \"\xFF\"}",
     "r.jsonl:1:39: these bytes are not valid UTF-8"},
    {"{\"id\": \"\xC3\", \"prompt\": \"x\"}", "not valid UTF-8"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"stop\": \"\xE2\x82\"}", "not valid UTF-8"},
    {"{\"id\": \"a\", \"input\": [1], \"\xFF\": 2}", "unknown key"},
    {"{\"id\": \"a\", \"prompt\": [\"x\", \"y\"]}",
     "prompt: expected a string (several texts are several requests, and tokens are not "
     "taken), found an array of 2"},
    {"{\"id\": \"a\", \"prompt\": [1, 2, 3]}", "found an array of 3"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"stop\": \"\"}",
     "stop: expected a string of 1 to 1024 bytes, found \"\""},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"stop\": [\"a\", 5]}",
     "stop[1]: expected a string"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"stop\": [1, 2]}",
     "stop: expected at most 4 strings"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"stop\": [\"a\", \"b\", \"c\", \"d\", \"e\"]}",
     "stop: expected at most 4 strings, found an array of 5"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"top_k\": -1}", "top_k: expected a whole"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"top_p\": 1.5}", "top_p: expected a number"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"min_p\": -0.1}", "min_p: expected a number"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"logprobs\": 21}",
     "logprobs: expected a whole"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"logprobs\": true}",
     "logprobs: expected a whole"},
    {"{\"id\": \"a\", \"messages\": [{\"role\": \"user\", \"content\": \"x\"}], "
     "\"logprobs\": 5}",
     "logprobs: expected true or false"},
    {"{\"id\": \"a\", \"messages\": [{\"role\": \"user\", \"content\": \"x\"}], "
     "\"top_logprobs\": 5}",
     "top_logprobs: expected \"logprobs\": true beside it"},
    {OPENAI("{\"prompt\": \"x\", \"n\": 2}"),
     "r.jsonl:1: body.n: expected 1: each answer is a request of its own, found the "
     "number 2"},
    {OPENAI("{\"prompt\": \"x\", \"best_of\": 2}"), "body.best_of: expected 1"},
    {OPENAI("{\"prompt\": \"x\", \"stream\": true}"), "body.stream: expected false"},
    {OPENAI("{\"prompt\": \"x\", \"echo\": true}"), "body.echo: expected false"},
    {OPENAI("{\"prompt\": \"x\", \"suffix\": \"y\"}"), "body.suffix: expected no text"},
    {OPENAI("{\"prompt\": \"x\", \"presence_penalty\": 0.5}"),
     "presence_penalty: expected 0"},
    {OPENAI("{\"prompt\": \"x\", \"frequency_penalty\": -1}"),
     "frequency_penalty: expected 0"},
    {OPENAI("{\"prompt\": \"x\", \"logit_bias\": {\"50256\": -100}}"),
     "logit_bias: expected an empty"},
    {OPENAI("{\"prompt\": \"x\", \"tools\": [{\"type\": \"function\"}]}"),
     "tools: expected an empty"},
    {OPENAI("{\"prompt\": \"x\", \"response_format\": {\"type\": \"json_object\"}}"),
     "response_format: expected {\"type\": \"text\"}"},
    {OPENAI("{\"prompt\": \"x\", \"max_tokens\": 0}"),
     "body.max_tokens: expected a whole"},
    {"{\"id\": \"a\", \"messages\": []}", "messages: expected an array of messages"},
    {"{\"id\": \"a\", \"messages\": [{\"role\": \"user\"}]}",
     "messages[0]: \"content\" is missing"},
    {"{\"id\": \"a\", \"messages\": [{\"role\": \"u\", \"content\": [{\"type\": "
     "\"image_url\"}]}]}",
     "messages[0].content[0]: expected {\"type\": \"text\""},
    {"{\"id\": \"a\", \"input\": []}", "input: expected an array of numbers"},
    {"{\"id\": \"a\", \"input\": \"text\"}", "input: expected an array of numbers"},
    {"{\"id\": \"a\", \"input\": [1, \"2\"]}",
     "input[1]: expected a number, found \"2\""},
    {"{\"id\": \"a\", \"input\": [1e39]}",
     "input: expected numbers that fit 32-bit floating point, "
     "found a larger one at index 0"},
    {"{\"id\": \"a\", \"input\": [NaN]}", "expected a value, found 'NaN'"},
    {"{\"id\": \"a\", \"input\": [1, 2]}\n{\"id\": \"b\", \"input\": [1]}",
     "r.jsonl:2: input: expected a row of 2 numbers as on line 1, found 1"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"tier\": \"smal\"}",
     "tier: unknown tier \"smal\"; did you mean \"small\"?"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"model\": \"gpt-4o\"}",
     "model: unknown tier \"gpt-4o\"; the job has small, large, auto"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"model\": \"small\", \"tier\": \"small\"}",
     "found both"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"tenant\": \"defaul\"}",
     "tenant: unknown tenant \"defaul\"; did you mean \"default\"?"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"max_tokens\": 0}",
     "max_tokens: expected a whole"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"max_tokens\": null}",
     "max_tokens: expected a whole"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"temperature\": 2.5}",
     "temperature: expected a number"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"seed\": -1}", "seed: expected a whole number"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"max_cost_usd\": 0.5}",
     "write \"0.5\", in quotes"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"max_cost_usd\": \"-1\"}",
     "of at least 0.00 USD"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"complexity\": 1.5}",
     "complexity: expected a number from 0 to 1"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"complexity\": \"0.5\"}",
     "complexity: expected"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"prefer_gpu\": \"true\"}",
     "prefer_gpu: expected true"},
    {"{\"id\": \"a\", \"prompt\": \"x\", \"label\": -1}",
     "label: expected the number of a class"},
    {"{\"custom_id\": \"1\", \"url\": \"/v1/audio\", \"body\": {}}",
     "url: expected "
     "\"/v1/completions\""},
    {"{\"custom_id\": \"1\", \"url\": \"/v1/completions\"}", "\"body\" is missing"},
    {"{\"custom_id\": \"1\", \"method\": \"GET\", \"url\": \"/v1/completions\", "
     "\"body\": {}}",
     "method: expected \"POST\", found \"GET\""},
    {OPENAI("{\"messages\": []}"),
     "body: \"prompt\" is missing: \"/v1/completions\" needs it"},
    {OPENAI("{\"prompt\": \"x\", \"metadata\": {\"tenat\": \"default\"}}"),
     "body.metadata.tenat: unknown key; did you mean \"tenant\"?"},
    {OPENAI("{\"prompt\": \"x\", \"metadata\": {\"complexity\": \"0x1\"}}"),
     "complexity: expected"},
    {OPENAI("{\"prompt\": \"x\", \"metadata\": {\"complexity\": \"high\"}}"),
     "body.metadata.complexity: expected a number from 0 to 1, found \"high\""},
    {OPENAI("{\"prompt\": \"x\", \"metadata\": {\"prefer_gpu\": \"yes\"}}"),
     "body.metadata.prefer_gpu: expected true or false, found \"yes\""},
    {OPENAI("{\"prompt\": \"x\", \"max_tokens\": 1, \"max_completion_tokens\": 1}"),
     "found both"},
};

static void refuses_and_says_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_requests / sizeof *bad_requests; i++) {
        cadre__requests *r;
        if (load(bad_requests[i].text, "", &r) == CADRE_OK)
            fail_msg("case %zu was accepted: %s", i, bad_requests[i].text);
        assert_null(r);
        assert_contains(cadre_last_error(), bad_requests[i].error);
        assert_contains(cadre_last_error(), "r.jsonl:");
    }
}

static void a_tenant_must_be_named_among_several(void **state)
{
    (void)state;
    cadre__requests *r;
    assert_int_equal(load(SHORT, two_tenants, &r), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(),
                    "r.jsonl:1: \"tenant\" is missing: the job has 2 tenants");
    assert_int_equal(load(OPENAI("{\"prompt\": \"x\"}"), two_tenants, &r),
                     CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "body: \"metadata.tenant\" is missing");
}

static void reports_a_missing_file(void **state)
{
    (void)state;
    cadre__requests *r;
    cadre__job *job = job_of("{\"path\": \"absent.jsonl\"}", "");
    assert_int_equal(cadre__requests_load(job, &r), CADRE_ERR_NOT_FOUND);
    assert_contains(cadre_last_error(), "absent.jsonl: No such file");
    cadre__job_destroy(job);
}

/* Rows grow and move while they are read; each item must still find its own, among
 * texts. */
static void keeps_many_rows_apart(void **state)
{
    (void)state;
    const size_t n = 20000;
    char *text = malloc(n * 64), *p = text, id[32];
    cadre__requests *r;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        p += i % 10 == 9
                 ? sprintf(p, "{\"id\": \"r%zu\", \"prompt\": \"p%zu\"}\n", i, i)
                 : sprintf(p, "{\"id\": \"r%zu\", \"input\": [%zu, 0, -%zu]}\n", i, i, i);
    if (load(text, "", &r) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(r->n, n);
    for (size_t i = 0; i < n; i++) {
        const cadre__item *item = &r->items[i];
        snprintf(id, sizeof id, "r%zu", i);
        assert_string_equal(item->custom_id, id);
        assert_int_equal(item->line, i + 1);
        if (i % 10 == 9) {
            id[0] = 'p';
            assert_string_equal(item->data, id);
        } else {
            const float *row = item->data;
            assert_true(item->bytes == 12 && row[0] == (float)i && row[2] == -(float)i);
        }
    }
    /* Neighbours in the file are neighbours in memory. */
    assert_ptr_equal((const float *)r->items[0].data + 3, r->items[1].data);
    cadre__requests_destroy(r);
    free(text);
}

static void unpacks_gzip_with_the_same_digest(void **state)
{
    (void)state;
    char command[400], digest[33];
    cadre__requests *r;
    assert_int_equal(load(SHORT, "", &r), CADRE_OK);
    snprintf(digest, sizeof digest, "%s", r->digest);
    cadre__requests_destroy(r);
    snprintf(command, sizeof command, "gzip -c '%s/r.jsonl' > '%s/z.jsonl.gz'", folder,
             folder);
    assert_int_equal(system(command), 0);
    cadre__job *job = job_of("{\"path\": \"z.jsonl.gz\"}", "");
    assert_int_equal(cadre__requests_load(job, &r), CADRE_OK);
    assert_int_equal(r->n, 1);
    assert_string_equal(r->digest, digest);
    cadre__requests_destroy(r);
    cadre__job_destroy(job);
}

static void takes_rows_of_a_dataset(void **state)
{
    (void)state;
    static const char csv[] = "0,1,7\n2,3,8\n4,5,9\n";
    cadre__requests *r;
    put("d.csv", csv, sizeof csv - 1);
    cadre__job *job = job_of(
        "{\"path\": \"d.csv\", \"first_row\": 1, \"rows\": 2, \"label_column\": -1}", "");
    if (cadre__requests_load(job, &r) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(r->n, 2);
    const cadre__item *first = &r->items[0];
    const float *row = r->items[1].data;
    assert_string_equal(first->custom_id, "row-000001");
    assert_true(first->line == 2 && first->label == 8 && first->bytes == 8);
    assert_true(first->url == CADRE__URL_EMBEDDINGS &&
                first->payload == CADRE_PAYLOAD_ROW);
    assert_true(first->tier == -1 && first->tenant == 0 && first->max_cost == -1);
    assert_string_equal(r->items[1].custom_id, "row-000002");
    assert_true(row[0] == 4 && row[1] == 5);
    assert_int_equal(strlen(r->digest), 32);
    cadre__requests_destroy(r);
    cadre__job_destroy(job);
    job = job_of("{\"path\": \"d.csv\"}", two_tenants);
    assert_int_equal(cadre__requests_load(job, &r), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "no row names its tenant, and the job has 2");
    cadre__job_destroy(job);
    job = job_of("{\"path\": \"d.csv\", \"tenants\": \"in_turn\"}", two_tenants);
    assert_int_equal(cadre__requests_load(job, &r), CADRE_OK);
    assert_true(r->items[0].tenant == 0 && r->items[1].tenant == 1 &&
                r->items[2].tenant == 0);
    cadre__requests_destroy(r);
    cadre__job_destroy(job);
}

static void takes_rows_of_the_generator(void **state)
{
    (void)state;
    char digest[33];
    cadre__requests *r;
    cadre__job *job = job_of(
        "{\"generator\": \"graded\", \"seed\": 3, \"rows\": 4, \"first_row\": 9}", "");
    if (cadre__requests_load(job, &r) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(r->n, 4);
    assert_int_equal(r->items[3].bytes, CADRE__GRADED_COLUMNS * sizeof(float));
    assert_true(r->items[3].line == 13 && r->items[3].label >= 0);
    assert_string_equal(r->items[3].custom_id, "row-000004");
    snprintf(digest, sizeof digest, "%s", r->digest);
    cadre__requests_destroy(r);
    job->input.seed = 4;
    assert_int_equal(cadre__requests_load(job, &r), CADRE_OK);
    assert_string_not_equal(r->digest, digest);
    cadre__requests_destroy(r);
    cadre__job_destroy(job);
}

/* Any byte changed: accepted or refused with a sentence, never a crash. */
static void survives_damage(void **state)
{
    (void)state;
    static const char good[] =
        OPENAI("{\"prompt\": \"x\", \"metadata\": {\"label\": \"2\"}}") SHORT
        "{\"id\": \"b\", \"messages\": [{\"role\": \"u\", \"content\": \"c\"}]}\n"
        "{\"id\": \"c\", \"input\": [1, 2, 3], \"max_cost_usd\": \"0.5\"}\n";
    unsigned random = 99;
    char text[sizeof good], path[128];
    cadre__job *job = job_of("{\"path\": \"bad.jsonl\"}", "");
    cadre__requests *r;
    snprintf(path, sizeof path, "%s/bad.jsonl", folder);
    for (int i = 0; i < 500; i++) {
        memcpy(text, good, sizeof good);
        random = random * 1664525u + 1013904223u;
        text[(random >> 8) % (sizeof good - 1)] = (char)(random & 0x7F);
        FILE *file = fopen(path, "w"); /* without the fsync of a whole write */
        assert_non_null(file);
        fwrite(text, 1, sizeof good - 1, file);
        fclose(file);
        const cadre_status st = cadre__requests_load(job, &r);
        assert_true(st == CADRE_OK || st == CADRE_ERR_INPUT);
        cadre__requests_destroy(r);
    }
    cadre__job_destroy(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_short_form),
        cmocka_unit_test(reads_the_openai_form),
        cmocka_unit_test(reads_sampling_and_stops),
        cmocka_unit_test(reads_foreign_lines),
        cmocka_unit_test(bad_utf8_spoils_one_request_only),
        cmocka_unit_test(odd_requests_spoil_themselves_only),
        cmocka_unit_test(strange_keys_are_told_once),
        cmocka_unit_test(refuses_and_says_where),
        cmocka_unit_test(a_tenant_must_be_named_among_several),
        cmocka_unit_test(reports_a_missing_file),
        cmocka_unit_test(keeps_many_rows_apart),
        cmocka_unit_test(unpacks_gzip_with_the_same_digest),
        cmocka_unit_test(takes_rows_of_a_dataset),
        cmocka_unit_test(takes_rows_of_the_generator),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
