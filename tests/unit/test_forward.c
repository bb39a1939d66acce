/* tests/unit/test_forward.c - a step of the transformer: against a plain computation in
 * double, and the same bits however sequences are cut, mixed and divided over threads. */
#include "cmocka_all.h"
#include "tiny_model.h"
#include "transformer/forward.h"
#include <cadre/ops.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGES_EACH = 4, MAX_TOKENS = PAGES_EACH * CADRE_KV_PAGE };

static const tiny_spec plain = {.dim = 48,
                                .n_layers = 2,
                                .n_heads = 6,
                                .n_kv_heads = 2,
                                .head_dim = 8,
                                .ffn = 72,
                                .n_vocab = 53,
                                .n_rot = 8,
                                .rope_factor = 1,
                                .type = CADRE_W_F32,
                                .other = CADRE_W_F32,
                                .seed = 1};

static const tiny_spec quantised = {.dim = 256,
                                    .n_layers = 2,
                                    .n_heads = 8,
                                    .n_kv_heads = 4,
                                    .head_dim = 32,
                                    .ffn = 512,
                                    .n_vocab = 90,
                                    .n_rot = 32,
                                    .rope_factor = 1,
                                    .type = CADRE_W_Q4_K,
                                    .other = CADRE_W_Q6_K,
                                    .seed = 2};

/* ---- A model, opened ---- */

static tiny_model tiny;
static tf_weights *weights;

static void open_model(const tiny_spec *spec)
{
    char name[32];

    snprintf(name, sizeof name, "forward-%ld", (long)getpid());
    tiny_make(&tiny, spec, name);
    if (tf_weights_open(&tiny.model, TF_CACHE_MEMORY, &weights) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
}

static void close_model(void)
{
    tf_weights_close(weights);
    tiny_free(&tiny);
}

/* A fixed sequence of tokens, another for each `which`. */
static void make_tokens(unsigned which, int32_t *tokens, size_t n)
{
    uint32_t state = which * 97u + 11;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        tokens[i] = (int32_t)((state >> 8) % weights->shape.n_vocab);
    }
}

static tf_forward *open_forward(int n_threads, cadre_kv_type kv)
{
    const tf_forward_options options = {.max_rows = 300,
                                        .max_logits = 300,
                                        .max_positions = MAX_TOKENS,
                                        .n_threads = n_threads,
                                        .kv = kv,
                                        .n_pages = 8 * PAGES_EACH};
    tf_forward *forward;

    if (tf_forward_create(weights, &options, &forward) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    return forward;
}

/* Pages of sequence s, not in order. */
static void make_pages(size_t s, uint32_t *pages)
{
    for (uint32_t p = 0; p < PAGES_EACH; p++)
        pages[p] = (uint32_t)(8 * (PAGES_EACH - 1 - p) + s);
}

static void step(tf_forward *forward, const int32_t *tokens, const tf_span *spans,
                 size_t n_spans, const float **logits)
{
    assert_int_equal(tf_forward_step(forward, tokens, spans, n_spans, logits), CADRE_OK);
}

/* All logits [n][n_vocab] of one sequence alone, `chunk` tokens a step. */
static float *alone(tf_forward *forward, const int32_t *tokens, size_t n, size_t chunk)
{
    const size_t n_vocab = weights->shape.n_vocab;
    float *all = malloc(n * n_vocab * sizeof *all);
    uint32_t pages[PAGES_EACH];
    const float *logits;

    assert_non_null(all);
    make_pages(3, pages);
    for (size_t at = 0; at < n; at += chunk) {
        const size_t now = n - at < chunk ? n - at : chunk;
        const tf_span span = {
            .first_position = at, .n_tokens = now, .n_logits = now, .pages = pages};
        step(forward, tokens + at, &span, 1, &logits);
        memcpy(all + at * n_vocab, logits, now * n_vocab * sizeof *all);
    }
    return all;
}

/* ---- Against double ---- */

static void product(const tf_source *w, const double *x, double *y)
{
    float *row = malloc(w->n_in * sizeof *row);
    const size_t bytes =
        w->n_in / cadre_wtype_block(w->type) * cadre_wtype_block_bytes(w->type);

    for (size_t o = 0; o < w->n_out; o++) {
        cadre_dequantize(w->type, (const uint8_t *)w->data + o * bytes, w->n_in, row);
        y[o] = 0;
        for (size_t k = 0; k < w->n_in; k++)
            y[o] += row[k] * x[k];
    }
    free(row);
}

static void normalise(const tf_source *weight, double eps, const double *x, size_t n,
                      double *y)
{
    const float *scale = weight->data;
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / sqrt(sum / (double)n + eps) * scale[i];
}

static void naive_rotate(const tf_shape *s, double *x, size_t position)
{
    const size_t half = s->n_rot / 2;

    for (size_t i = 0; i < half; i++) {
        const double divisor = s->rope_divisors ? s->rope_divisors[i] : 1;
        const double angle = (double)position / s->rope_factor / divisor *
                             pow(s->rope_base, -2.0 * (double)i / (double)s->n_rot);
        const size_t p = s->rope_halves ? i : 2 * i;
        const size_t q = s->rope_halves ? i + half : 2 * i + 1;
        const double a = x[p], b = x[q];
        x[p] = a * cos(angle) - b * sin(angle);
        x[q] = a * sin(angle) + b * cos(angle);
    }
}

static void finish(const tf_shape *s, const tf_source *bias, const tf_source *norm,
                   size_t n_heads, size_t position, double *x)
{
    for (size_t i = 0; bias->data && i < n_heads * s->head_dim; i++)
        x[i] += ((const float *)bias->data)[i];
    for (size_t h = 0; h < n_heads; h++) {
        if (norm->data)
            normalise(norm, s->eps, x + h * s->head_dim, s->head_dim,
                      x + h * s->head_dim);
        naive_rotate(s, x + h * s->head_dim, position);
    }
}

/* A key's or value's component as a cache of this type keeps it. */
static double kept_as(cadre_kv_type kv, double x)
{
    float value = (float)x;
    uint16_t half;

    if (kv == CADRE_KV_F32)
        return x;
    assert_int_equal(cadre_quantize(CADRE_W_F16, &value, 1, &half), CADRE_OK);
    cadre_dequantize(CADRE_W_F16, &half, 1, &value);
    return value;
}

/* Attention of the token at `position` into out; keys and values [position][heads]. */
static void naive_attention(const tf_shape *s, const double *q, const double *keys,
                            const double *values, size_t position, double *out)
{
    const size_t d = s->head_dim, width = s->n_kv_heads * d;
    double score[MAX_TOKENS];

    for (size_t h = 0; h < s->n_heads; h++) {
        const size_t at = h / (s->n_heads / s->n_kv_heads) * d;
        double top = -INFINITY, sum = 0;
        for (size_t p = 0; p <= position; p++) {
            score[p] = 0;
            for (size_t i = 0; i < d; i++)
                score[p] += q[h * d + i] * keys[p * width + at + i];
            score[p] /= sqrt((double)d);
            top = fmax(top, score[p]);
        }
        memset(out + h * d, 0, d * sizeof *out);
        for (size_t p = 0; p <= position; p++) {
            score[p] = exp(score[p] - top);
            sum += score[p];
        }
        for (size_t p = 0; p <= position; p++)
            for (size_t i = 0; i < d; i++)
                out[h * d + i] += score[p] / sum * values[p * width + at + i];
    }
}

enum { WIDE = 1024 };

/* One layer for the token at `position`. keys, values: of this layer. */
static void naive_layer(const tf_shape *s, const tf_layer_source *layer, cadre_kv_type kv,
                        size_t position, double *x, double *keys, double *values)
{
    const size_t width = s->n_kv_heads * s->head_dim;
    const tf_source *m = layer->matrices, *v = layer->vectors;
    double in[WIDE] = {0}, q[WIDE] = {0}, out[WIDE] = {0}, up[WIDE] = {0};
    double *k = keys + position * width, *value = values + position * width;

    normalise(&v[TF_ATTN_NORM], s->eps, x, s->dim, in);
    product(&m[TF_Q], in, q);
    product(&m[TF_K], in, k);
    product(&m[TF_V], in, value);
    finish(s, &v[TF_Q_BIAS], &v[TF_Q_NORM], s->n_heads, position, q);
    finish(s, &v[TF_K_BIAS], &v[TF_K_NORM], s->n_kv_heads, position, k);
    for (size_t i = 0; i < width; i++) {
        k[i] = kept_as(kv, k[i]);
        if (v[TF_V_BIAS].data)
            value[i] += ((const float *)v[TF_V_BIAS].data)[i];
        value[i] = kept_as(kv, value[i]);
    }
    naive_attention(s, q, keys, values, position, in);
    product(&m[TF_O], in, out);
    for (size_t i = 0; i < s->dim; i++)
        x[i] += out[i];
    normalise(&v[TF_FFN_NORM], s->eps, x, s->dim, in);
    product(&m[TF_GATE], in, out);
    product(&m[TF_UP], in, up);
    for (size_t i = 0; i < s->ffn; i++)
        in[i] = out[i] / (1 + exp(-out[i])) * up[i];
    product(&m[TF_DOWN], in, out);
    for (size_t i = 0; i < s->dim; i++)
        x[i] += out[i];
}

static double *naive(const tf_model *model, cadre_kv_type kv, const int32_t *tokens,
                     size_t n)
{
    const tf_shape *s = &model->shape;
    const size_t per_layer = n * s->n_kv_heads * s->head_dim;
    double *logits = calloc(n * s->n_vocab, sizeof *logits);
    double *keys = calloc(s->n_layers * per_layer, sizeof *keys);
    double *values = calloc(s->n_layers * per_layer, sizeof *values);
    const size_t row_bytes = s->dim / cadre_wtype_block(model->embedding.type) *
                             cadre_wtype_block_bytes(model->embedding.type);

    for (size_t t = 0; t < n; t++) {
        float row[WIDE] = {0};
        double x[WIDE] = {0};
        cadre_dequantize(model->embedding.type,
                         (const uint8_t *)model->embedding.data +
                             (size_t)tokens[t] * row_bytes,
                         s->dim, row);
        for (size_t i = 0; i < s->dim; i++)
            x[i] = row[i];
        for (size_t l = 0; l < s->n_layers; l++)
            naive_layer(s, &model->layers[l], kv, t, x, keys + l * per_layer,
                        values + l * per_layer);
        normalise(&model->output_norm, s->eps, x, s->dim, x);
        product(&model->output, x, logits + t * s->n_vocab);
    }
    free(keys);
    free(values);
    return logits;
}

/* The largest difference, relative to the root mean square of what is expected. */
static double distance(const float *found, const double *expected, size_t n)
{
    double largest = 0, sum = 0;

    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(found[i] - expected[i]));
        sum += expected[i] * expected[i];
    }
    return largest / sqrt(sum / (double)n);
}

static double distance_of(const tiny_spec *spec, cadre_kv_type kv)
{
    enum { N = 70 };
    int32_t tokens[N];

    open_model(spec);
    make_tokens(1, tokens, N);
    tf_forward *forward = open_forward(1, kv);
    float *found = alone(forward, tokens, N, N);
    double *expected = naive(&tiny.model, kv, tokens, N);
    const double d = distance(found, expected, N * spec->n_vocab);
    free(found);
    free(expected);
    tf_forward_destroy(forward);
    close_model();
    return d;
}

static void check_f32(tiny_spec spec, const char *what)
{
    const double d16 = distance_of(&spec, CADRE_KV_F16);
    const double d32 = distance_of(&spec, CADRE_KV_F32);

    if (d16 > 2e-3) /* keys and values near the middle of two f16 go either way */
        fail_msg("%s: differs by %g", what, d16);
    if (d32 > 1e-5)
        fail_msg("%s, keys and values in f32: differs by %g", what, d32);
}

static void test_f32(void **state)
{
    tiny_spec spec = plain;

    (void)state;
    check_f32(spec, "plain");
    spec.tied = 1;
    spec.n_rot = 4;
    check_f32(spec, "tied, half of a head rotated");
    spec.halves = spec.biases = 1;
    check_f32(spec, "halves, biases");
    spec.head_norms = 1;
    spec.rope_factor = 3;
    check_f32(spec, "norms of heads, linear scaling");
    spec.divisors = 1;
    spec.n_kv_heads = 6;
    check_f32(spec, "divisors, a KV head each");
    spec.n_kv_heads = 1;
    spec.n_heads = 3;
    spec.head_dim = 20; /* heads share panels, q is wider than the model */
    check_f32(spec, "odd heads");
    spec.type = spec.other = CADRE_W_F16;
    check_f32(spec, "f16");
}

static void test_quantised(void **state)
{
    static const struct {
        cadre_wtype type, other;
        double limit;
    } cases[] = {{CADRE_W_BF16, CADRE_W_F32, 0.05},
                 {CADRE_W_Q8_0, CADRE_W_Q8_0, 0.15},
                 {CADRE_W_Q4_0, CADRE_W_Q8_0, 0.15},
                 {CADRE_W_Q4_K, CADRE_W_Q6_K, 0.15},
                 {CADRE_W_Q5_K, CADRE_W_F16, 0.15}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tiny_spec spec = quantised;
        spec.type = cases[i].type;
        spec.other = cases[i].other;
        const double d = distance_of(&spec, CADRE_KV_F16);
        if (d > cases[i].limit)
            fail_msg("%s: differs by %g", cadre_wtype_name(spec.type), d);
    }
}

/* ---- The same bits ---- */

static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void assert_same(const float *a, const float *b, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (bits_of(a[i]) != bits_of(b[i]))
            fail_msg("%s: value %zu: %.9g and %.9g", what, i, a[i], b[i]);
}

static void check_chunks(tf_forward *forward, const int32_t *tokens, size_t n,
                         const float *expected)
{
    static const size_t chunks[] = {1, 3, 31, 32, 40};

    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        char what[32];
        snprintf(what, sizeof what, "chunks of %zu", chunks[i]);
        float *found = alone(forward, tokens, n, chunks[i]);
        assert_same(found, expected, n * weights->shape.n_vocab, what);
        free(found);
    }
}

/* Several sequences of unlike length grow by unlike spans, in an order that changes, and
 * want the logits of their last few tokens only. */
static void check_batch(tf_forward *forward, const float *const *expected, size_t n)
{
    enum { N_SEQUENCES = 6 };
    const size_t n_vocab = weights->shape.n_vocab;
    size_t done[N_SEQUENCES] = {0};
    uint32_t pages[N_SEQUENCES][PAGES_EACH];
    int32_t all[N_SEQUENCES][MAX_TOKENS];

    for (unsigned s = 0; s < N_SEQUENCES; s++) {
        make_tokens(s, all[s], n);
        make_pages(s, pages[s]);
    }
    for (size_t round = 0, active = 1; active > 0; round++) {
        tf_span spans[N_SEQUENCES];
        int32_t tokens[N_SEQUENCES * MAX_TOKENS];
        size_t owner[N_SEQUENCES], n_tokens = 0;
        const float *logits;
        active = 0;
        for (size_t i = 0; i < N_SEQUENCES; i++) {
            const size_t s = (i * 5 + round) % N_SEQUENCES;
            const size_t wish = 1 + (s * 13 + round * 7) % 37;
            const size_t now = n - done[s] < wish ? n - done[s] : wish;
            if (now == 0)
                continue;
            memcpy(tokens + n_tokens, all[s] + done[s], now * sizeof *tokens);
            n_tokens += now;
            owner[active] = s;
            spans[active++] = (tf_span){.first_position = done[s],
                                        .n_tokens = now,
                                        .n_logits = (s + round) % 3 % (now + 1),
                                        .pages = pages[s]};
            done[s] += now;
        }
        if (active == 0)
            break;
        step(forward, tokens, spans, active, &logits);
        for (size_t i = 0; i < active; i++) {
            const size_t end = spans[i].first_position + spans[i].n_tokens;
            const size_t count = spans[i].n_logits * n_vocab;
            assert_same(logits, expected[owner[i]] + (end - spans[i].n_logits) * n_vocab,
                        count, "batch");
            logits += count;
        }
    }
}

static void check_bits(const tiny_spec *spec, cadre_kv_type kv)
{
    enum { N = 77, N_SEQUENCES = 6 };
    int32_t tokens[N];
    float *expected[N_SEQUENCES];

    open_model(spec);
    tf_forward *forward = open_forward(1, kv);
    for (unsigned s = 0; s < N_SEQUENCES; s++) {
        make_tokens(s, tokens, N);
        expected[s] = alone(forward, tokens, N, N);
    }
    check_chunks(forward, tokens, N, expected[N_SEQUENCES - 1]);
    tf_forward_destroy(forward);
    for (int n_threads = 1; n_threads <= 4; n_threads++) {
        forward = open_forward(n_threads, kv);
        check_batch(forward, (const float *const *)expected, N);
        tf_forward_destroy(forward);
    }
    for (unsigned s = 0; s < N_SEQUENCES; s++)
        free(expected[s]);
    close_model();
}

static void test_bits(void **state)
{
    tiny_spec spec = plain;

    (void)state;
    check_bits(&spec, CADRE_KV_F16);
    spec.head_norms = spec.biases = spec.halves = 1;
    check_bits(&spec, CADRE_KV_INT8);
    check_bits(&spec, CADRE_KV_F32);
    check_bits(&quantised, CADRE_KV_F16);
    check_bits(&quantised, CADRE_KV_F32);
    spec = quantised;
    spec.type = CADRE_W_Q8_0;
    spec.other = CADRE_W_BF16;
    check_bits(&spec, CADRE_KV_INT8);
}

/* Every level of ops that this machine has gives the same logits. */
static void check_levels(cadre_kv_type kv)
{
    enum { N = 40 };
    int32_t tokens[N];
    float *first = NULL;
    int usable;

    open_model(&quantised);
    make_tokens(0, tokens, N);
    for (size_t i = 0; cadre_ops_level(i, &usable, NULL); i++) {
        if (!usable)
            continue;
        assert_int_equal(cadre_ops_init(cadre_ops_level(i, NULL, NULL)), CADRE_OK);
        tf_forward *forward = open_forward(2, kv);
        float *found = alone(forward, tokens, N, N);
        if (first)
            assert_same(found, first, N * quantised.n_vocab,
                        cadre_ops_level(i, NULL, NULL));
        else
            first = found;
        if (found != first)
            free(found);
        tf_forward_destroy(forward);
    }
    free(first);
    close_model();
    assert_int_equal(cadre_ops_init(NULL), CADRE_OK);
}

static void test_levels(void **state)
{
    (void)state;
    for (int kv = 0; kv < CADRE_N_KV_TYPES; kv++)
        check_levels((cadre_kv_type)kv);
}

/* ---- A trained model ---- */

static char *read_text(const char *path)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(path, "rb");

    assert_non_null(text);
    if (!file) {
        free(text);
        return NULL;
    }
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

/* What a token adds to the text, as the vocabulary spells it. */
static void append(const tf_vocab *vocab, int32_t id, int after_bos, char *text)
{
    tf_string piece = vocab->tokens[id];
    char spelled[8] = "";

    if (piece.bytes == 6 && memcmp(piece.at, "<0x", 3) == 0) {
        const char digits[] = {piece.at[3], piece.at[4], '\0'};
        spelled[0] = (char)strtoul(digits, NULL, 16);
        piece = (tf_string){spelled, 1};
    }
    if (after_bos && piece.bytes && piece.at[0] == ' ')
        piece = (tf_string){piece.at + 1, piece.bytes - 1};
    strncat(text, piece.at, piece.bytes);
}

static void test_stories(void **state)
{
    enum { N = 200 };
    const char *source = getenv("CADRE_TEST_SOURCE");
    char folder[300], path[400], vocabulary[400];
    tf_model *model;

    (void)state;
    snprintf(folder, sizeof folder, "%s/../shared/data/stories260K",
             source ? source : ".");
    snprintf(path, sizeof path, "%s/expected_greedy_200.txt", folder);
    char *expected = read_text(path);
    if (!expected) {
        print_message("skipped: no %s beside the sources\n", path);
        skip();
    }
    char *text = calloc(1, 65536);
    assert_non_null(text);
    snprintf(path, sizeof path, "%s/stories260K.bin", folder);
    snprintf(vocabulary, sizeof vocabulary, "%s/tok512.bin", folder);
    assert_int_equal(tf_model_open(path, vocabulary, 0, &model), CADRE_OK);
    assert_int_equal(tf_weights_open(model, TF_CACHE_MEMORY, &weights), CADRE_OK);

    const tf_forward_options options = {.max_rows = 1,
                                        .max_logits = 1,
                                        .max_positions = 256,
                                        .n_threads = 2,
                                        .n_pages = 8};
    const uint32_t pages[] = {2, 0, 1, 7, 6, 5, 4, 3};
    tf_forward *forward;
    assert_int_equal(tf_forward_create(weights, &options, &forward), CADRE_OK);
    int32_t token = 1;
    for (size_t at = 0; at < N; at++) {
        const tf_span span = {
            .first_position = at, .n_tokens = 1, .n_logits = 1, .pages = pages};
        const float *logits;
        step(forward, &token, &span, 1, &logits);
        token = (int32_t)cadre_ops_get()->argmax_f32(logits, weights->shape.n_vocab);
        append(&model->vocab, token, at == 0, text);
    }
    assert_string_equal(text, expected);
    tf_forward_destroy(forward);
    tf_weights_close(weights);
    tf_model_close(model);
    free(text);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32), cmocka_unit_test(test_quantised),
        cmocka_unit_test(test_bits), cmocka_unit_test(test_levels),
        cmocka_unit_test(test_stories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
