/* logits.c - cadre-model logits: what a model makes of a text, for comparison with other
 * programs. */
#include "forward.h"
#include "team.h"
#include "tokenizer.h"
#include "tool.h"
#include <cadre/clock.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHUNK = 4096 };

typedef struct values {
    const char *tokenizer, *tokens, *prompt, *output, *kv;
    cadre_kv_type kv_type; /* what kv names */
    int64_t n_threads, chunk;
} values;

static const tool_option options[] = {
    {"tokenizer", "FILE", "the vocabulary of a llama2.c checkpoint", TOOL_TEXT,
     offsetof(values, tokenizer), 0, 0},
    {"tokens", "1,2,3", "the tokens to compute", TOOL_TEXT, offsetof(values, tokens), 0,
     0},
    {"prompt", "TEXT", "a text instead, made into tokens as a prompt is", TOOL_TEXT,
     offsetof(values, prompt), 0, 0},
    {"output", "FILE", "where the logits go", TOOL_TEXT, offsetof(values, output), 0, 0},
    {"threads", "N", "threads (default: one per CPU)", TOOL_INTEGER,
     offsetof(values, n_threads), 1, TF_MAX_THREADS},
    {"chunk", "N", "tokens computed at a time (default 256)", TOOL_INTEGER,
     offsetof(values, chunk), 1, MAX_CHUNK},
    {"kv", "TYPE", "f16, int8 or f32: how keys and values are kept (default f16)",
     TOOL_TEXT, offsetof(values, kv), 0, 0},
};

static int run(const tool_command *self, int argc, char **argv);

const tool_command tool_logits = {
    .name = "logits",
    .summary = "what a model makes of a text",
    .operands = "MODEL",
    .description =
        "Computes a text's tokens and writes the logits of each as raw 32-bit floats, "
        "tokens x vocabulary, in the machine's byte order. The numbers do not depend on "
        "--threads and --chunk.",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};

/* ---- Tokens ---- */

static cadre_status parse_tokens(const char *text, size_t n_vocab, tf_tokens *out)
{
    for (const char *at = text; *at;) {
        char *end;
        errno = 0;
        const long long id = strtoll(at, &end, 10);
        if (end == at || (*end != ',' && *end != '\0') || errno || id < 0 ||
            (unsigned long long)id >= n_vocab)
            return cadre_fail(CADRE_ERR_ARG,
                              "--tokens: expected numbers from 0 to %zu with commas "
                              "between them, found \"%.40s\"",
                              n_vocab - 1, at);
        CADRE_TRY(tf_tokens_push(out, (int32_t)id));
        at = *end ? end + 1 : end;
    }
    return CADRE_OK;
}

static cadre_status encode(const tf_model *model, const char *prompt, tf_tokens *out)
{
    const tf_piece piece = {.text = prompt, .bytes = strlen(prompt)};
    tf_tokenizer *tokenizer;

    CADRE_TRY(tf_tokenizer_create(&model->vocab, &tokenizer));
    const cadre_status st = tf_tokenizer_encode(tokenizer, &piece, 1, 1, out);
    tf_tokenizer_destroy(tokenizer);
    return st;
}

static cadre_status get_tokens(const tf_model *model, const values *v, tf_tokens *out)
{
    CADRE_TRY(v->tokens ? parse_tokens(v->tokens, model->shape.n_vocab, out)
                        : encode(model, v->prompt, out));
    if (out->n < 1 || out->n > model->shape.context)
        return cadre_fail(CADRE_ERR_ARG, "expected 1 to %zu tokens, found %zu",
                          model->shape.context, out->n);
    return CADRE_OK;
}

/* ---- Computing ---- */

static cadre_status compute(tf_forward *forward, const tf_tokens *tokens, size_t chunk,
                            size_t n_vocab, const uint32_t *pages, FILE *file)
{
    for (size_t at = 0, n; at < tokens->n; at += n) {
        const float *logits;
        n = tokens->n - at < chunk ? tokens->n - at : chunk;
        const tf_span span = {
            .first_position = at, .n_tokens = n, .n_logits = n, .pages = pages};
        CADRE_TRY(tf_forward_step(forward, tokens->ids + at, &span, 1, &logits));
        if (fwrite(logits, n_vocab * sizeof *logits, n, file) != n)
            return cadre_fail(CADRE_ERR_IO, "writing logits: %s", strerror(errno));
    }
    return CADRE_OK;
}

static cadre_status compute_to_file(tf_forward *forward, const tf_tokens *tokens,
                                    const values *v, size_t n_vocab)
{
    const size_t n_pages = tokens->n / CADRE_KV_PAGE + 1;
    uint32_t *pages = calloc(n_pages, sizeof *pages);
    FILE *file = fopen(v->output, "wb");
    cadre_status st = CADRE_OK;

    if (!pages)
        st = cadre_fail(CADRE_ERR_NOMEM, "out of memory for %zu pages", n_pages);
    else if (!file)
        st = cadre_fail(CADRE_ERR_IO, "cannot write %s: %s", v->output, strerror(errno));
    for (size_t i = 0; pages && i < n_pages; i++)
        pages[i] = (uint32_t)i;
    const int64_t start = cadre_clock_ns();
    if (st == CADRE_OK)
        st = compute(forward, tokens, (size_t)v->chunk, n_vocab, pages, file);
    const double seconds = (double)(cadre_clock_ns() - start) / (double)CADRE_NS_PER_S;
    if (file && fclose(file) != 0 && st == CADRE_OK)
        st = cadre_fail(CADRE_ERR_IO, "cannot write %s: %s", v->output, strerror(errno));
    free(pages);
    if (st == CADRE_OK)
        printf("%zu tokens x %zu logits in %.3f s (%.1f tokens/s)\n", tokens->n, n_vocab,
               seconds, (double)tokens->n / seconds);
    return st;
}

static cadre_status run_model(const tf_model *model, const values *v,
                              const tf_tokens *tokens)
{
    const size_t chunk = (size_t)v->chunk < tokens->n ? (size_t)v->chunk : tokens->n;
    const tf_forward_options how = {.max_rows = chunk,
                                    .max_logits = chunk,
                                    .max_positions = tokens->n,
                                    .n_threads = (int)v->n_threads,
                                    .kv = v->kv_type,
                                    .n_pages = tokens->n / CADRE_KV_PAGE + 1};
    tf_weights *weights;
    tf_forward *forward;

    CADRE_TRY(tf_weights_open(model, TF_CACHE_AUTO, &weights));
    cadre_status st = tf_forward_create(weights, &how, &forward);
    if (st == CADRE_OK)
        st = compute_to_file(forward, tokens, v, model->shape.n_vocab);
    tf_forward_destroy(forward);
    tf_weights_close(weights);
    return st;
}

static cadre_status read_kv_type(values *v)
{
    for (int i = 0; i < CADRE_N_KV_TYPES; i++) {
        v->kv_type = (cadre_kv_type)i;
        if (strcmp(v->kv, cadre_kv_type_name(v->kv_type)) == 0)
            return CADRE_OK;
    }
    return cadre_fail(CADRE_ERR_ARG, "--kv: expected f16, int8 or f32, found \"%.40s\"",
                      v->kv);
}

static cadre_status open_and_run(const char *path, values *v)
{
    tf_tokens tokens = {0};
    tf_model *model;

    if (!v->output || !v->tokens == !v->prompt)
        return cadre_fail(CADRE_ERR_ARG,
                          "expected --output and either --tokens or --prompt");
    CADRE_TRY(read_kv_type(v));
    CADRE_TRY(tf_model_open(path, v->tokenizer, 0, &model));
    cadre_status st = get_tokens(model, v, &tokens);
    if (st == CADRE_OK)
        st = run_model(model, v, &tokens);
    tf_tokens_free(&tokens);
    tf_model_close(model);
    return st;
}

static int run(const tool_command *self, int argc, char **argv)
{
    const char *operands[TOOL_MAX_OPERANDS];
    values v = {.n_threads = tf_team_cpus(), .chunk = 256, .kv = "f16"};
    int code;

    if (!tool_parse(self, argc, argv, &v, operands, &code))
        return code;
    code = tool_report(self, open_and_run(operands[0], &v));
    return code == TOOL_OK ? tool_flush(self) : code;
}
