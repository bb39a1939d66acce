/* tests/unit/test_engine.c - the kernel "transformer": continuous batching on a small
 * llama2.c model with random weights, and on a real one. What a request gets must not
 * depend, to the last bit, on what else runs. */
#include "cmocka_all.h"
#include "transformer/tier_options.h"
#include <cadre/kernel.h>
#include <cadre/ops.h>
#include <cadre/topo.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const cadre_kernel cadre_kernel_transformer;
#define KERNEL (&cadre_kernel_transformer)

/* ---- A small model ---- */

enum { DIM = 48, FFN = 80, LAYERS = 3, HEADS = 6, KV_HEADS = 2, CONTEXT = 160 };
enum { N_BYTES = 256, FIRST_BYTE = 3, FIRST_CHAR = FIRST_BYTE + N_BYTES, VOCAB = 384 };

static char folder[] = "/tmp/cadre-test-engine-XXXXXX";
static char model[128], tokenizer[128];

/* The next number of a fixed sequence, 0 to 2^31 - 1. */
static uint64_t draw_state = 1;

static int draw(void)
{
    draw_state =
        draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)(draw_state >> 33);
}

static float uniform(void)
{
    return (float)(draw() >> 7) / 8388608.0f - 1;
}

static void write_floats(FILE *file, size_t n, float base, float spread)
{
    for (size_t i = 0; i < n; i++) {
        const float value = base + spread * uniform();
        assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
    }
}

static void write_model(void)
{
    static const int32_t header[7] = {DIM, FFN, LAYERS, HEADS, KV_HEADS, -VOCAB, CONTEXT};
    const size_t head = DIM / HEADS, kv = KV_HEADS * head;
    FILE *file = fopen(model, "wb");

    assert_non_null(file);
    fwrite(header, sizeof header, 1, file);
    write_floats(file, VOCAB * DIM, 0, 1);
    write_floats(file, LAYERS * DIM, 1, 0.1f);
    write_floats(file, LAYERS * DIM * DIM, 0, 0.3f); /* q */
    write_floats(file, 2 * LAYERS * DIM * kv, 0, 0.3f);
    write_floats(file, LAYERS * DIM * DIM, 0, 0.3f);
    write_floats(file, LAYERS * DIM, 1, 0.1f);
    write_floats(file, 3 * LAYERS * DIM * FFN, 0, 0.3f);
    write_floats(file, DIM, 1, 0.1f);
    write_floats(file, CONTEXT * head, 0, 0); /* cosines and sines, not read */
    write_floats(file, VOCAB * DIM, 0, 0.5f);
    fclose(file);
}

static void write_piece(FILE *file, float score, const char *text)
{
    const int32_t n = (int32_t)strlen(text);

    fwrite(&score, sizeof score, 1, file);
    fwrite(&n, sizeof n, 1, file);
    fwrite(text, (size_t)n, 1, file);
}

static void write_tokenizer(void)
{
    static const char *const words[] = {"th", "the", " t", " the", "in", "er"};
    const int32_t longest = 16;
    FILE *file = fopen(tokenizer, "wb");
    char text[16];

    assert_non_null(file);
    fwrite(&longest, sizeof longest, 1, file);
    write_piece(file, 0, "<unk>");
    write_piece(file, 0, "\n<s>\n");
    write_piece(file, 0, "\n</s>\n");
    for (unsigned b = 0; b < N_BYTES; b++) {
        snprintf(text, sizeof text, "<0x%02X>", b);
        write_piece(file, 0, text);
    }
    size_t n = FIRST_CHAR;
    for (char c = ' '; c < 127; c++, n++) {
        snprintf(text, sizeof text, "%c", c);
        write_piece(file, -1000, text);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++, n++)
        write_piece(file, -(float)i, words[i]);
    for (; n < VOCAB; n++) {
        snprintf(text, sizeof text, "w%zu", n);
        write_piece(file, -2000, text);
    }
    fclose(file);
}

static int make_files(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(model, sizeof model, "%s/model.bin", folder);
    snprintf(tokenizer, sizeof tokenizer, "%s/tokenizer.bin", folder);
    write_model();
    write_tokenizer();
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    remove(model);
    remove(tokenizer);
    return rmdir(folder);
}

/* ---- Requests and what they get ---- */

enum { MOST = 40, MAX_OUT = 64 };

typedef struct result {
    char *text;
    size_t bytes;
    uint32_t tokens_in, tokens_out, tokens_shared;
    char reason[8];
    uint32_t n_logprobs; /* values below: chosen, then alternatives, of each token */
    float logprobs[MAX_OUT * 6];
} result;

static void *open_with(const char *model_path, const char *tokenizer_path,
                       const char *options)
{
    const cadre_kernel_args args = {
        .model = model_path, .tokenizer = tokenizer_path, .options = options};
    void *kernel;

    if (KERNEL->open(&args, &kernel) != CADRE_OK)
        fail_msg("%s: %s", options, cadre_last_error());
    return kernel;
}

static void *open_small(const char *options)
{
    return open_with(model, tokenizer, options);
}

static void keep(const cadre_answer *answer, result *out)
{
    if (answer->status != CADRE_OK)
        fail_msg("request %d: %s", (int)answer->id, answer->message);
    *out = (result){.bytes = answer->bytes,
                    .tokens_in = answer->tokens_in,
                    .tokens_out = answer->tokens_out,
                    .tokens_shared = answer->tokens_shared};
    out->text = malloc(answer->bytes + 1);
    memcpy(out->text, answer->data, answer->bytes);
    out->text[answer->bytes] = '\0';
    snprintf(out->reason, sizeof out->reason, "%s", answer->finish_reason);
    assert_true(answer->last_token_ns >= answer->first_token_ns);
    assert_int_equal(answer->first_token_ns > 0, answer->tokens_out > 0);
    const cadre_logprobs *l = answer->logprobs;
    if (!l)
        return;
    assert_int_equal(l->n_tokens, answer->tokens_out);
    assert_true(l->n_tokens * (1 + l->n_top) <= MAX_OUT * 6);
    for (uint32_t i = 0; i < l->n_tokens; i++) {
        out->logprobs[out->n_logprobs++] = l->tokens[i].logprob;
        for (uint32_t k = 0; k < l->n_top; k++)
            out->logprobs[out->n_logprobs++] = l->top[i * l->n_top + k].logprob;
    }
}

static void forget(result *results, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(results[i].text);
        results[i].text = NULL;
    }
}

/* Serve requests[order[i]], whose ids are their places. */
static void serve(void *kernel, const cadre_request *requests, const size_t *order,
                  size_t n, result *results)
{
    size_t n_given = 0, n_done = 0, n_active = 0;

    for (size_t rounds = 0; n_done < n; rounds++) {
        cadre_answer answers[4];
        size_t got;
        assert_true(rounds < 100000);
        while (n_given < n) {
            const cadre_status st = KERNEL->submit(kernel, &requests[order[n_given]]);
            if (st == CADRE_ERR_STATE)
                break;
            if (st != CADRE_OK)
                fail_msg("submit: %s", cadre_last_error());
            n_given++;
        }
        assert_int_equal(KERNEL->step(kernel, &n_active), CADRE_OK);
        do {
            got = KERNEL->collect(kernel, answers, 4);
            for (size_t i = 0; i < got; i++)
                keep(&answers[i], &results[answers[i].id]);
            n_done += got;
        } while (got == 4);
    }
    assert_int_equal(n_active, 0);
}

static cadre_request text_request(uint64_t id, const char *text, uint32_t max_tokens)
{
    return (cadre_request){
        .id = id,
        .data = text,
        .bytes = strlen(text),
        .sampling = {.max_tokens = max_tokens, .top_p = 1, .logprobs = -1, .seed = id}};
}

static void assert_same(const result *a, const result *b)
{
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->text, b->text, a->bytes);
    assert_int_equal(a->tokens_in, b->tokens_in);
    assert_int_equal(a->tokens_out, b->tokens_out);
    assert_string_equal(a->reason, b->reason);
    assert_int_equal(a->n_logprobs, b->n_logprobs);
    assert_memory_equal(a->logprobs, b->logprobs, a->n_logprobs * sizeof *a->logprobs);
}

/* ---- Nothing depends on company ---- */

static char prompts[MOST][200];
static const char *const stops[] = {"e", "zz"};

/* Prompts of all lengths, half of which begin alike; all ways of sampling. */
static void invent(cadre_request *requests)
{
    draw_state = 20261123;
    for (size_t i = 0; i < MOST; i++) {
        size_t n = (size_t)draw() % 120;
        if (i % 2 == 0)
            n = (size_t)snprintf(prompts[i], sizeof prompts[i],
                                 "The same words stand at the beginning of many prompts, "
                                 "and at the end %d",
                                 draw() % 3);
        else
            for (size_t k = 0; k < n; k++)
                prompts[i][k] = (char)(' ' + draw() % 95);
        prompts[i][n] = '\0';
        requests[i] = text_request(i, prompts[i], 1 + (uint32_t)(draw() % MAX_OUT));
        cadre_sampling *s = &requests[i].sampling;
        s->logprobs = i % 4 == 0 ? 5 : i % 4 == 1 ? 0 : -1;
        s->temperature = i % 3 == 0 ? 0 : 0.9f;
        s->top_p = i % 5 == 0 ? 0.9f : 1;
        s->top_k = i % 7 == 0 ? 20 : 0;
        s->min_p = i % 11 == 0 ? 0.02f : 0;
        if (i % 6 == 1) {
            requests[i].stops = stops;
            requests[i].n_stops = 2;
        }
    }
}

static void shuffle(size_t *order)
{
    for (size_t i = 0; i < MOST; i++)
        order[i] = i;
    for (size_t i = MOST; i > 1; i--) {
        const size_t k = (size_t)draw() % i, moved = order[i - 1];
        order[i - 1] = order[k];
        order[k] = moved;
    }
}

static void answers_do_not_depend_on_company(void **state)
{
    static const char *const cases[] = {
        "{}",
        "{\"max_sequences\": 40, \"max_rows\": 1000}",
        "{\"max_sequences\": 7, \"max_rows\": 7}",
        "{\"max_sequences\": 3, \"max_rows\": 50, \"prefix_sharing\": false}",
        "{\"max_sequences\": 40, \"kv_mib\": 1, \"weights_cache\": \"memory\"}",
        "{\"threads_per_rank\": 3, \"max_rows\": 90}",
    };
    cadre_request requests[MOST];
    result *alone = calloc(MOST, sizeof *alone), *all = calloc(MOST, sizeof *all);
    size_t order[MOST];

    (void)state;
    assert_true(alone && all);
    invent(requests);
    void *one = open_small("{\"max_sequences\": 1, \"prefix_sharing\": false}");
    for (size_t i = 0; i < MOST; i++)
        serve(one, requests, &i, 1, alone);
    KERNEL->close(one);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        void *kernel = open_small(cases[c]);
        size_t n_shared = 0;
        for (int round = 0; round < 2; round++) {
            shuffle(order);
            serve(kernel, requests, order, MOST, all);
            for (size_t i = 0; i < MOST; i++) {
                assert_same(&alone[i], &all[i]);
                n_shared += all[i].tokens_shared;
            }
            forget(all, MOST);
        }
        if (strstr(cases[c], "false"))
            assert_int_equal(n_shared, 0);
        else
            assert_true(n_shared > 20 * 32);
        KERNEL->close(kernel);
    }
    forget(alone, MOST);
    free(alone);
    free(all);
}

/* The cache's type changes numbers, but not that they are an own matter. */
static void check_company(const char *const cases[2])
{
    cadre_request requests[MOST];
    result *results[2];
    size_t order[MOST];

    invent(requests);
    for (size_t c = 0; c < 2; c++) {
        void *kernel = open_small(cases[c]);
        results[c] = calloc(MOST, sizeof **results);
        assert_non_null(results[c]);
        shuffle(order);
        serve(kernel, requests, order, MOST, results[c]);
        KERNEL->close(kernel);
    }
    for (size_t i = 0; i < MOST; i++)
        assert_same(&results[0][i], &results[1][i]);
    for (size_t c = 0; c < 2; c++) {
        forget(results[c], MOST);
        free(results[c]);
    }
}

static void other_caches_are_as_independent(void **state)
{
    static const char *const int8[] = {"{\"kv\": \"int8\", \"max_sequences\": 1}",
                                       "{\"kv\": \"int8\", \"max_sequences\": 20}"};
    static const char *const f32[] = {"{\"kv\": \"f32\", \"max_sequences\": 1}",
                                      "{\"kv\": \"f32\", \"max_sequences\": 20}"};

    (void)state;
    check_company(int8);
    check_company(f32);
}

/* ---- Requests that end in all ways ---- */

static void ends_are_as_said(void **state)
{
    void *kernel = open_small("{\"context\": 40, \"ignore_eos\": true}");
    const size_t order[] = {0, 1, 2, 3};
    result results[4];
    char *text, stop[8];
    const char *stop_at[] = {stop};

    (void)state;
    cadre_request requests[] = {text_request(0, "the", 20), text_request(1, "the", 20),
                                text_request(2, "the", 1000), text_request(3, "", 5)};
    requests[0].sampling.logprobs = 2;
    serve(kernel, requests, order, 1, results);
    assert_string_equal(results[0].reason, "length");
    assert_int_equal(results[0].tokens_out, 20);
    assert_int_equal(results[0].n_logprobs, 60);
    for (size_t i = 0; i < 20; i++) { /* greedy: the chosen one is the likeliest */
        assert_true(results[0].logprobs[3 * i] == results[0].logprobs[3 * i + 1]);
        assert_true(results[0].logprobs[3 * i + 1] >= results[0].logprobs[3 * i + 2]);
        assert_true(results[0].logprobs[3 * i] < 0);
    }
    /* Stop at two letters out of the middle of that text. */
    text = results[0].text;
    size_t at = results[0].bytes / 3;
    while (at + 3 < results[0].bytes && ((text[at] | text[at + 1]) & 0x80))
        at++;
    snprintf(stop, sizeof stop, "%.2s", text + at);
    requests[1].stops = stop_at;
    requests[1].n_stops = 1;
    serve(kernel, requests, order + 1, 3, results);
    assert_string_equal(results[1].reason, "stop");
    assert_true(results[1].tokens_out < 20);
    assert_int_equal(results[1].bytes, strstr(text, stop) - text);
    assert_memory_equal(results[1].text, text, results[1].bytes);
    /* The context is full. */
    assert_string_equal(results[2].reason, "length");
    assert_int_equal(results[2].tokens_in + results[2].tokens_out, 40);
    assert_memory_equal(results[2].text, text, results[0].bytes);
    assert_int_equal(results[3].tokens_in, 1);
    forget(results, 4);
    KERNEL->close(kernel);
}

static void refuse(void *kernel, const cadre_request *request, cadre_status st,
                   const char *sentence)
{
    cadre_estimate estimate;

    assert_int_equal(KERNEL->estimate(kernel, request, &estimate), st);
    if (!strstr(cadre_last_error(), sentence))
        fail_msg("expected \"%s\" in \"%s\"", sentence, cadre_last_error());
    assert_int_equal(KERNEL->submit(kernel, request), st);
}

static void bad_requests_are_refused(void **state)
{
    void *kernel = open_small("{\"context\": 20}");
    static const char *const many[] = {"a", "b", "c", "d", "e"};
    static const char *const empty[] = {""};
    const cadre_message message = {0, 4, 6, 5};
    cadre_request request = text_request(0, "a prompt of more than twenty letters", 5);

    (void)state;
    refuse(kernel, &request, CADRE_ERR_INPUT, "in a context of 20");
    request = text_request(0, "a", 0);
    refuse(kernel, &request, CADRE_ERR_INPUT, "max_tokens");
    request = text_request(0, "a\xff", 1);
    refuse(kernel, &request, CADRE_ERR_INPUT, "UTF-8");
    request = text_request(0, "a", 1);
    request.sampling.temperature = -1;
    refuse(kernel, &request, CADRE_ERR_INPUT, "temperature");
    request = text_request(0, "a", 1);
    request.sampling.temperature = NAN;
    refuse(kernel, &request, CADRE_ERR_INPUT, "temperature");
    request = text_request(0, "a", 1);
    request.sampling.top_p = 1.5f;
    refuse(kernel, &request, CADRE_ERR_INPUT, "top_p");
    request = text_request(0, "a", 1);
    request.sampling.min_p = NAN;
    refuse(kernel, &request, CADRE_ERR_INPUT, "min_p");
    request = text_request(0, "a", 1);
    request.sampling.logprobs = 21;
    refuse(kernel, &request, CADRE_ERR_INPUT, "0 to 20");
    request = text_request(0, "user: hello", 1);
    request.messages = &message;
    request.n_messages = 1;
    refuse(kernel, &request, CADRE_ERR_UNSUPPORTED, "chatml");
    request = text_request(0, "a", 1);
    request.stops = many;
    request.n_stops = 5;
    assert_int_equal(KERNEL->submit(kernel, &request), CADRE_ERR_INPUT);
    request.stops = empty;
    request.n_stops = 1;
    assert_int_equal(KERNEL->submit(kernel, &request), CADRE_ERR_INPUT);
    KERNEL->close(kernel);
}

/* The first weight of q; returns what it was. */
static float replace_weight(float value)
{
    const long at = 28 + (long)sizeof value * (VOCAB * DIM + LAYERS * DIM);
    FILE *file = fopen(model, "r+b");
    float old;

    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fread(&old, sizeof old, 1, file), 1);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    return old;
}

/* Nobody pays for a text that was not computed. */
static void damaged_weights_are_told(void **state)
{
    const float old = replace_weight(NAN);
    void *kernel = open_small("{}");
    const cadre_request request = text_request(7, "a prompt", 5);
    cadre_answer answer;
    size_t n_active;

    (void)state;
    assert_int_equal(KERNEL->submit(kernel, &request), CADRE_OK);
    do
        assert_int_equal(KERNEL->step(kernel, &n_active), CADRE_OK);
    while (n_active > 0);
    assert_int_equal(KERNEL->collect(kernel, &answer, 1), 1);
    assert_int_equal(answer.id, 7);
    assert_int_equal(answer.status, CADRE_ERR_INPUT);
    assert_non_null(strstr(answer.message, "no finite numbers"));
    KERNEL->close(kernel);
    replace_weight(old);
}

/* ---- Room ---- */

static void room_is_told_and_cancelled(void **state)
{
    void *kernel = open_small("{\"max_sequences\": 2}");
    const size_t order[] = {2, 3};
    cadre_answer answer;
    result results[4];
    size_t n_active;
    cadre_request requests[] = {text_request(0, "a", 50), text_request(1, "b", 50),
                                text_request(2, "c", 3), text_request(3, "d", 3)};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(KERNEL->submit(kernel, &requests[i % 2]), CADRE_OK);
    assert_int_equal(KERNEL->submit(kernel, &requests[2]), CADRE_ERR_STATE);
    assert_int_equal(KERNEL->step(kernel, &n_active), CADRE_OK);
    assert_int_equal(n_active, 4);
    KERNEL->cancel(kernel, 0); /* one runs, one waits */
    KERNEL->cancel(kernel, 99);
    assert_int_equal(KERNEL->step(kernel, &n_active), CADRE_OK);
    assert_int_equal(n_active, 2);
    KERNEL->cancel(kernel, 1);
    assert_int_equal(KERNEL->step(kernel, &n_active), CADRE_OK);
    assert_int_equal(n_active, 0);
    assert_int_equal(KERNEL->collect(kernel, &answer, 1), 0);
    serve(kernel, requests, order, 2, results);
    /* A finished one that nobody collected. */
    assert_int_equal(KERNEL->submit(kernel, &requests[2]), CADRE_OK);
    do
        assert_int_equal(KERNEL->step(kernel, &n_active), CADRE_OK);
    while (n_active > 0);
    KERNEL->cancel(kernel, 2);
    assert_int_equal(KERNEL->collect(kernel, &answer, 1), 0);
    forget(results + 2, 2);
    KERNEL->close(kernel);
}

/* Between the first token and the last a step takes no memory. */
static void steps_take_no_memory(void **state)
{
    void *kernel = open_small("{\"max_sequences\": 8}");
    size_t n_active;
    cadre_request requests[8];

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        requests[i] = text_request(i, prompts[i], 30);
        requests[i].sampling.logprobs = 3;
        requests[i].sampling.temperature = i % 2 ? 1 : 0;
        requests[i].sampling.top_p = 0.9f;
        assert_int_equal(KERNEL->submit(kernel, &requests[i]), CADRE_OK);
    }
    const size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 20; i++)
        assert_int_equal(KERNEL->step(kernel, &n_active), CADRE_OK);
    assert_true(mallinfo2().uordblks <= before);
    KERNEL->close(kernel);
}

/* Bytes of the file that are in this process's memory; -1 if it is not mapped. */
static long resident(const char *path)
{
    char line[512];
    long kib = -1;
    int found = 0;

    FILE *file = fopen("/proc/self/smaps", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (strstr(line, path))
            found = 1;
        else if (found && strncmp(line, "Rss:", 4) == 0) {
            kib = strtol(line + 4, NULL, 10);
            break;
        }
    }
    fclose(file);
    return kib < 0 ? kib : kib * 1024;
}

/* Who packs reads the whole model; what serves is the packed copy. */
static void the_model_does_not_stay(void **state)
{
    struct stat info;

    (void)state;
    void *kernel = open_small("{\"weights_cache\": \"memory\"}");
    assert_int_equal(stat(model, &info), 0);
    assert_true(info.st_size > 200000);
    assert_in_range(resident(model), 0, 65536);
    KERNEL->close(kernel);
    assert_int_equal(resident(model), -1);
}

/* ---- Opening ---- */

static void refuse_options_as(cadre_status status, const char *options,
                              const char *sentence)
{
    const cadre_kernel_args args = {
        .model = model, .tokenizer = tokenizer, .options = options};
    void *kernel = &kernel;

    assert_int_equal(KERNEL->open(&args, &kernel), status);
    assert_null(kernel);
    if (!strstr(cadre_last_error(), sentence))
        fail_msg("expected \"%s\" in \"%s\"", sentence, cadre_last_error());
}

static void refuse_options(const char *options, const char *sentence)
{
    refuse_options_as(CADRE_ERR_INPUT, options, sentence);
}

static void options_are_checked(void **state)
{
    (void)state;
    refuse_options("{\"max_sequence\": 3}", "max_sequences");
    refuse_options("{\"max_sequences\": 0}", "from 1 to");
    refuse_options("{\"max_sequences\": 50, \"max_rows\": 49}", "max_rows");
    refuse_options("{\"context\": 161}", "from 2 to 160");
    refuse_options("{\"kv\": \"f64\"}", "\"f16\", \"int8\" or \"f32\"");
    refuse_options("{\"weights_cache\": \"disk\"}", "\"file\"");
    refuse_options("{\"prefix_sharing\": 1}", "prefix_sharing");
    refuse_options("{\"threads_per_rank\": 0}", "threads_per_rank");
    refuse_options("{\"kv\": \"\"}", "found \"\"");
    refuse_options("{\"weights_cache\": \"\"}", "found \"\"");
    refuse_options_as(CADRE_ERR_UNSUPPORTED, "{\"chat_template\": \"\"}",
                      "chat template \"\" is unknown");
}

/* More than a few threads for each core are a slip; on the largest machines 1024 are not.
 */
static void threads_are_bounded_by_cores(void **state)
{
    char expected[64];
    cadre_topo *topo;

    (void)state;
    assert_int_equal(cadre_topo_create(&topo), CADRE_OK);
    const size_t n_cores = cadre_topo_get_facts(topo)->node_cores;
    cadre_topo_destroy(topo);
    if (n_cores >= 256)
        skip();
    snprintf(expected, sizeof expected, "this node's %zu core", n_cores);
    refuse_options("{\"threads_per_rank\": 1024}", expected);
}

/* A thread for each core, unless workers must share them. */
static void threads_are_the_cores_of_a_rank(void **state)
{
    tf_tier_options alone = {0}, crowded = {0}, asked = {.engine.n_threads = 3};
    cadre_topo *topo;

    (void)state;
    assert_int_equal(cadre_topo_create(&topo), CADRE_OK);
    const cadre_topo_facts *facts = cadre_topo_get_facts(topo);
    const size_t cores = facts->bound ? facts->usable_cores : facts->node_cores;
    assert_int_equal(tf_tier_options_complete(&alone, 0), CADRE_OK);
    assert_int_equal(tf_tier_options_complete(&crowded, 100000), CADRE_OK);
    assert_int_equal(tf_tier_options_complete(&asked, 1), CADRE_OK);
    assert_int_equal(alone.engine.n_threads, cores);
    assert_int_equal(crowded.engine.n_threads, facts->bound ? cores : 1);
    assert_int_equal(asked.engine.n_threads, 3);
    if (!facts->bound)
        assert_int_equal(crowded.kv_default_bytes, alone.kv_default_bytes / 100000);
    cadre_topo_destroy(topo);
}

static void is_described_without_computing(void **state)
{
    const cadre_kernel_args args = {
        .model = model, .tokenizer = tokenizer, .options = "{}", .describe_only = 1};
    cadre_request request = text_request(0, "the the", 1000);
    cadre_estimate estimate;
    cadre_kernel_info info;
    void *kernel;
    size_t n_active;

    (void)state;
    assert_int_equal(KERNEL->open(&args, &kernel), CADRE_OK);
    assert_int_equal(KERNEL->describe(kernel, &info), CADRE_OK);
    assert_int_equal(info.takes, CADRE_PAYLOAD_TEXT);
    assert_int_equal(info.gives, CADRE_PAYLOAD_TEXT);
    assert_int_equal(info.best_batch, 64);
    assert_true(info.weights_bytes > VOCAB * DIM * 4);
    assert_int_equal(KERNEL->estimate(kernel, &request, &estimate), CADRE_OK);
    assert_int_equal(estimate.tokens_in, 3); /* BOS, " the", " the" */
    assert_int_equal(estimate.max_tokens_out, CONTEXT - 3);
    request.sampling.max_tokens = 7;
    assert_int_equal(KERNEL->estimate(kernel, &request, &estimate), CADRE_OK);
    assert_int_equal(estimate.max_tokens_out, 7);
    assert_int_equal(KERNEL->submit(kernel, &request), CADRE_ERR_STATE);
    assert_int_equal(KERNEL->step(kernel, &n_active), CADRE_ERR_STATE);
    KERNEL->close(kernel);
    KERNEL->close(NULL);
}

/* ---- The real model ---- */

static void stories_are_told(void **state)
{
    const char *source = getenv("CADRE_TEST_SOURCE");
    char paths[3][512], expected[1024];
    static const char *const names[] = {"stories260K.bin", "tok512.bin",
                                        "expected_greedy_200.txt"};
    const size_t order[] = {0};
    cadre_request request = text_request(0, "", 200);
    result told;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        snprintf(paths[i], sizeof paths[i], "%s/../shared/data/stories260K/%s",
                 source ? source : ".", names[i]);
    FILE *file = fopen(paths[2], "rb");
    if (!file) {
        print_message("SKIPPED: no %s\n", paths[2]);
        skip();
    }
    const size_t n = fread(expected, 1, sizeof expected - 1, file);
    fclose(file);
    void *kernel = open_with(paths[0], paths[1], "{}");
    serve(kernel, &request, order, 1, &told);
    assert_int_equal(told.bytes, n);
    assert_memory_equal(told.text, expected, n);
    assert_int_equal(told.tokens_out, 200);
    assert_string_equal(told.reason, "length");
    forget(&told, 1);
    KERNEL->close(kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_do_not_depend_on_company),
        cmocka_unit_test(other_caches_are_as_independent),
        cmocka_unit_test(ends_are_as_said),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(damaged_weights_are_told),
        cmocka_unit_test(room_is_told_and_cancelled),
        cmocka_unit_test(steps_take_no_memory),
        cmocka_unit_test(the_model_does_not_stay),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(threads_are_bounded_by_cores),
        cmocka_unit_test(threads_are_the_cores_of_a_rank),
        cmocka_unit_test(is_described_without_computing),
        cmocka_unit_test(stories_are_told),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
