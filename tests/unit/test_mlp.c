/* tests/unit/test_mlp.c - the kernel "mlp": answers against a plain computation, rows
 * that do not depend on their company on any CPU that OpenBLAS can play here, files that
 * are refused, gradients against differences. */
#include "cmocka_all.h"
#include <cadre/io.h>
#include <cadre/kernel.h>
#include <cadre/ops.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const cadre_kernel cadre_kernel_mlp;
#define MLP (&cadre_kernel_mlp)

enum { MAX_WIDTH = 700 };

static char folder[] = "/tmp/cadre-test-mlp-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A fixed sequence of numbers in [-1, 1). */
static float value(size_t i)
{
    const uint32_t r = (uint32_t)(i + 1) * 2654435761u;
    return (float)((r ^ (r >> 15)) * 2246822519u >> 8) / 8388608.0f - 1.0f;
}

static void *open_net(const char *model, const char *options, int trainable)
{
    const cadre_kernel_args args = {
        .model = model, .tokenizer = "", .options = options, .trainable = trainable};
    void *net;

    if (MLP->open(&args, &net) != CADRE_OK)
        fail_msg("%s: %s", options, cadre_last_error());
    return net;
}

/* Serve rows[n][n_in]; answers stay valid until the next call. */
static const cadre_answer *serve(void *net, const float *rows, size_t n_in, size_t n)
{
    static cadre_request requests[600];
    static cadre_answer answers[600];

    assert_true(n <= 600);
    for (size_t i = 0; i < n; i++)
        requests[i] = (cadre_request){
            .id = 100 + i, .data = rows + i * n_in, .bytes = n_in * sizeof(float)};
    memset(answers, 0xee, sizeof answers);
    assert_int_equal(MLP->serve(net, requests, n, answers), CADRE_OK);
    return answers;
}

/* ---- Answers ---- */

static double naive_activation(double x, int gelu)
{
    if (!gelu)
        return x > 0 ? x : 0;
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

/* The network's answer to one row in double, from its flat parameters. */
static void naive(const float *params, const size_t *widths, size_t n_layers, int gelu,
                  int softmax, const float *row, double *y)
{
    double x[MAX_WIDTH], sum = 0;

    for (size_t i = 0; i < widths[0]; i++)
        x[i] = (double)row[i];
    for (size_t l = 0; l < n_layers; l++) {
        const size_t n_in = widths[l], n_out = widths[l + 1];
        for (size_t o = 0; o < n_out; o++) {
            y[o] = (double)params[n_out * n_in + o];
            for (size_t i = 0; i < n_in; i++)
                y[o] += (double)params[o * n_in + i] * x[i];
        }
        params += n_out * (n_in + 1);
        for (size_t o = 0; o < n_out; o++)
            x[o] = l + 1 < n_layers ? naive_activation(y[o], gelu) : y[o];
    }
    for (size_t o = 0; softmax && o < widths[n_layers]; o++)
        sum += exp(x[o]);
    for (size_t o = 0; o < widths[n_layers]; o++)
        y[o] = softmax ? exp(x[o]) / sum : x[o];
}

static void check_answers(const char *options, const size_t *widths, size_t n_layers,
                          int gelu, int softmax)
{
    float rows[70 * 20];
    double want[MAX_WIDTH];
    cadre_tensor params;
    void *net = open_net("", options, 1);

    assert_int_equal(MLP->tensor(net, "parameters", &params), CADRE_OK);
    float *p = params.data; /* biases too */
    for (size_t i = 0; i < params.dims[0]; i++)
        p[i] = 0.5f * value(i);
    for (size_t i = 0; i < 70 * widths[0]; i++)
        rows[i] = value(i + 5000);
    const cadre_answer *answers = serve(net, rows, widths[0], 70);
    for (size_t r = 0; r < 70; r++) {
        assert_int_equal(answers[r].status, CADRE_OK);
        assert_int_equal(answers[r].id, 100 + r);
        assert_int_equal(answers[r].bytes, widths[n_layers] * sizeof(float));
        assert_int_equal(answers[r].tokens_in + answers[r].tokens_out, 2);
        naive(p, widths, n_layers, gelu, softmax, rows + r * widths[0], want);
        for (size_t o = 0; o < widths[n_layers]; o++)
            if (fabs((double)((const float *)answers[r].data)[o] - want[o]) > 2e-5)
                fail_msg("%s: row %zu, value %zu: %g, expected %g", options, r, o,
                         (double)((const float *)answers[r].data)[o], want[o]);
    }
    MLP->close(net);
}

static void test_answers_are_right(void **state)
{
    (void)state;
    check_answers("{\"layers\": [20, 33, 7, 4]}", (size_t[]){20, 33, 7, 4}, 3, 0, 1);
    check_answers("{\"layers\": [20, 33, 7, 4], \"activation\": \"gelu\", \"output\": "
                  "\"none\", \"block_rows\": 7}",
                  (size_t[]){20, 33, 7, 4}, 3, 1, 0);
    check_answers("{\"layers\": [1, 1], \"output\": \"none\", \"block_rows\": 1}",
                  (size_t[]){1, 1}, 1, 0, 0);
}

static void test_a_bad_row_fails_alone(void **state)
{
    float rows[3][4] = {{1, 2, 3, 4}, {1, NAN, 3, 4}, {1, 2, 3, 4}};
    void *net = open_net("", "{\"layers\": [4, 3]}", 0);
    cadre_request requests[4];
    cadre_answer answers[4];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        requests[i] = (cadre_request){.id = i, .data = rows[i], .bytes = sizeof rows[i]};
    requests[3] = (cadre_request){.id = 3, .data = rows[0], .bytes = 12};
    assert_int_equal(MLP->serve(net, requests, 4, answers), CADRE_OK);
    assert_int_equal(answers[0].status, CADRE_OK);
    assert_int_equal(answers[1].status, CADRE_ERR_INPUT);
    assert_non_null(strstr(answers[1].message, "NaN"));
    assert_null(answers[1].data);
    assert_memory_equal(answers[0].data, answers[2].data, 12);
    assert_int_equal(answers[3].status, CADRE_ERR_INPUT);
    assert_int_equal(MLP->serve(net, requests, 0, answers), CADRE_OK);
    MLP->close(net);
}

static void test_it_describes_itself(void **state)
{
    const float row[8] = {0};
    const cadre_request request = {.data = row, .bytes = sizeof row}, bad = {.bytes = 4};
    cadre_kernel_info info;
    cadre_estimate estimate;
    cadre_tensor view;
    void *net = open_net("", "{\"layers\": [8, 16, 3]}", 0);

    (void)state;
    assert_int_equal(MLP->describe(net, &info), CADRE_OK);
    assert_int_equal(info.n_in, 8);
    assert_int_equal(info.n_out, 3);
    assert_int_equal(info.weights_bytes, (8 * 16 + 16 + 16 * 3 + 3) * 4);
    assert_true(info.private_bytes > 0 && info.best_batch >= 1 &&
                info.flops_per_request > 0);
    assert_int_equal(MLP->estimate(net, &request, &estimate), CADRE_OK);
    assert_true(estimate.tokens_in == 1 && estimate.max_tokens_out == 1);
    assert_true(estimate.cost_ns > 0);
    assert_int_equal(MLP->estimate(net, &bad, &estimate), CADRE_ERR_INPUT);
    assert_int_equal(MLP->tensor(net, "parameters", &view), CADRE_ERR_STATE);
    assert_int_equal(MLP->tensor(net, "weights", &view), CADRE_ERR_NOT_FOUND);
    MLP->close(net);
}

static void test_bad_options_are_refused(void **state)
{
    static const char *const options[] = {
        "{}",
        "{\"layers\": [4]}",
        "{\"layers\": [4, 0]}",
        "{\"layers\": [4, 2000000]}",
        "{\"layers\": [1000000, 1000000]}",
        "{\"layers\": [4, 2], \"activation\": \"tanh\"}",
        "{\"layers\": [4, 2], \"output\": \"max\"}",
        "{\"layers\": [4, 2], \"block_rows\": 0}",
        "{\"layers\": [4, 2], \"bloc_rows\": 8}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const cadre_kernel_args args = {
            .model = "", .tokenizer = "", .options = options[i]};
        void *net;
        if (MLP->open(&args, &net) != CADRE_ERR_INPUT || net != NULL)
            fail_msg("taken: %s", options[i]);
        assert_true(cadre_last_error()[0] != '\0');
    }
}

/* ---- Rows do not depend on their company ---- */

/* A row alone, at every place of batches of several sizes, among others: always the same
 * bits. */
static void check_company(const char *options, size_t n_in, size_t n_out)
{
    static float rows[67 * MAX_WIDTH];
    static float alone[MAX_WIDTH];
    static const size_t batches[] = {1, 2, 31, 32, 33, 67};
    void *net = open_net("", options, 0);

    for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++)
        for (size_t place = 0; place < batches[b]; place++) {
            for (size_t i = 0; i < batches[b] * n_in; i++)
                rows[i] = value(i * 31 + place);
            for (size_t i = 0; i < n_in; i++)
                rows[place * n_in + i] = value(i + 77);
            const cadre_answer *answers = serve(net, rows, n_in, batches[b]);
            if (b == 0)
                memcpy(alone, answers[0].data, n_out * sizeof *alone);
            if (memcmp(alone, answers[place].data, n_out * sizeof *alone) != 0)
                fail_msg("%s on %s: row %zu of %zu differs from the same row alone",
                         options, cadre_blas_core(), place, batches[b]);
        }
    MLP->close(net);
}

static void test_rows_do_not_depend_on_company(void **state)
{
    static const size_t shapes[][3] = {{1, 1, 1},    {16, 12, 4},  {16, 64, 4},
                                       {13, 17, 11}, {64, 33, 10}, {100, 129, 5},
                                       {385, 96, 3}, {640, 47, 1}};
    static const char *const rows[] = {"", ", \"block_rows\": 7", ", \"block_rows\": 64"};
    char options[128];

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t r = 0; r < 3; r++) {
            const size_t *s = shapes[i];
            snprintf(options, sizeof options,
                     "{\"layers\": [%zu, %zu, %zu], \"output\": \"none\"%s}", s[0], s[1],
                     s[2], rows[r]);
            check_company(options, s[0], s[2]);
        }
}

/* Run the test above in a child whose OpenBLAS takes this CPU for another. */
static void check_core(const char *core)
{
    const pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        setenv("OPENBLAS_CORETYPE", core, 1);
        execl("/proc/self/exe", "test_mlp", "--company", (char *)NULL);
        _exit(126);
    }
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGILL)
        print_message("[     INFO ] this CPU cannot run OpenBLAS's %s\n", core);
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("as %s: status 0x%x", core, (unsigned)status);
}

static void test_rows_do_not_depend_on_company_on_other_cpus(void **state)
{
    static const char *const cores[] = {"Prescott", "Nehalem",  "Sandybridge", "Haswell",
                                        "Zen",      "SkylakeX", "Cooperlake"};

    (void)state;
    for (size_t i = 0; i < sizeof cores / sizeof cores[0]; i++)
        check_core(cores[i]);
}

/* ---- Files ---- */

typedef struct file_case {
    const char *what;      /* wrong about it */
    const char *must_say;  /* in the sentence */
    size_t part;           /* which dataset to spoil */
    cadre_tensor tensor;   /* with what; dtype -1: leave it out */
    const char *attribute; /* or which attribute */
    const char *value;     /* with what; NULL: leave it out */
} file_case;

static float numbers[64];
static double wide_numbers[64];

/* A file of a 4-3-2 network, with one thing wrong if `wrong` is not NULL. */
static void write_file(const char *path, const file_case *wrong)
{
    cadre_named_tensor tensors[4] = {
        {"layer0/weight", {CADRE_F32, 2, {3, 4}, numbers}},
        {"layer0/bias", {CADRE_F32, 1, {3}, numbers}},
        {"layer1/weight", {CADRE_F32, 2, {2, 3}, numbers}},
        {"layer1/bias", {CADRE_F32, 1, {2}, numbers}},
    };
    cadre_attribute attributes[5] = {{"kernel", "mlp"},
                                     {"schema_version", "1"},
                                     {"n_layers", "2"},
                                     {"activation", "relu"},
                                     {"output", "softmax"}};
    size_t n_tensors = 4, n_attributes = 5;

    for (size_t i = 0; i < 64; i++)
        numbers[i] = value(i);
    if (wrong && wrong->attribute) {
        size_t i = 0;
        while (strcmp(attributes[i].name, wrong->attribute) != 0)
            i++;
        attributes[i].value = wrong->value;
        if (!wrong->value)
            attributes[i] = attributes[--n_attributes];
    } else if (wrong) {
        tensors[wrong->part].tensor = wrong->tensor;
        if (wrong->tensor.n_dims < 0)
            tensors[wrong->part] = tensors[--n_tensors];
    }
    if (cadre_tensor_file_write(path, tensors, n_tensors, attributes, n_attributes) !=
        CADRE_OK)
        fail_msg("%s", cadre_last_error());
}

static cadre_status try_open(const char *path, int describe_only)
{
    const cadre_kernel_args args = {
        .model = path, .tokenizer = "", .options = "{}", .describe_only = describe_only};
    void *net;
    const cadre_status st = MLP->open(&args, &net);

    assert_true((st == CADRE_OK) == (net != NULL));
    MLP->close(net);
    return st;
}

static void test_wrong_files_are_refused(void **state)
{
    static float bad[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, NAN, 12};
    static const file_case cases[] = {
        {"kernel", "kernel", 0, {0}, "kernel", "transformer"},
        {"no kernel", "kernel", 0, {0}, "kernel", NULL},
        {"version", "schema_version", 0, {0}, "schema_version", "2"},
        {"activation", "sigmoid", 0, {0}, "activation", "sigmoid"},
        {"output", "output", 0, {0}, "output", NULL},
        {"0 layers", "n_layers", 0, {0}, "n_layers", "0"},
        {"65 layers", "n_layers", 0, {0}, "n_layers", "65"},
        {"layers in words", "two", 0, {0}, "n_layers", "two"},
        {"3 layers", "layer2/weight", 0, {0}, "n_layers", "3"},
        {"no bias", "layer1/bias", 3, {.n_dims = -1}, NULL, NULL},
        {"f64", "f64", 0, {CADRE_F64, 2, {3, 4}, wide_numbers}, NULL, NULL},
        {"1 dimension", "dimension", 0, {CADRE_F32, 1, {12}, numbers}, NULL, NULL},
        {"bias too long", "[4]", 1, {CADRE_F32, 1, {4}, numbers}, NULL, NULL},
        {"layers do not fit", "[2, 5]", 2, {CADRE_F32, 2, {2, 5}, numbers}, NULL, NULL},
        {"NaN", "NaN", 0, {CADRE_F32, 2, {3, 4}, bad}, NULL, NULL},
        {"no rows", "layer0/weight", 0, {CADRE_F32, 2, {0, 4}, numbers}, NULL, NULL},
    };
    char path[256];

    (void)state;
    snprintf(path, sizeof path, "%s", in_folder("wrong.h5"));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file(path, &cases[i]);
        for (int describe_only = 0; describe_only < 2; describe_only++) {
            const cadre_status st = try_open(path, describe_only);
            if (st != CADRE_ERR_INPUT && st != CADRE_ERR_NOT_FOUND)
                fail_msg("%s: taken (status %d)", cases[i].what, (int)st);
            if (!strstr(cadre_last_error(), "wrong.h5") ||
                !strstr(cadre_last_error(), cases[i].must_say))
                fail_msg("%s: the sentence does not say \"%s\": %s", cases[i].what,
                         cases[i].must_say, cadre_last_error());
        }
    }
    write_file(path, NULL);
    assert_int_equal(try_open(path, 0), CADRE_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size - 20), 0);
    assert_int_equal(try_open(path, 0), CADRE_ERR_INPUT);
    assert_int_equal(try_open(in_folder("absent.h5"), 1), CADRE_ERR_NOT_FOUND);
}

/* Chunked weights cannot be mapped; they are refused with advice, and the advice
 * helps. */
static void test_chunked_weights_are_refused_with_advice(void **state)
{
    char plain[256], chunked[256], mended[256], command[1200];

    (void)state;
    snprintf(plain, sizeof plain, "%s", in_folder("plain.h5"));
    snprintf(chunked, sizeof chunked, "%s", in_folder("chunked.h5"));
    snprintf(mended, sizeof mended, "%s", in_folder("mended.h5"));
    write_file(plain, NULL);
    snprintf(command, sizeof command,
             "h5repack -l layer0/weight:CHUNK=2x2 %s %s 2>/dev/null && "
             "h5repack -l CONTI %s %s 2>/dev/null",
             plain, chunked, chunked, mended);
    if (system(command) != 0) {
        print_message("[     INFO ] no h5repack here: not tried\n");
        return;
    }
    assert_int_equal(try_open(chunked, 0), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "h5repack -l CONTI"));
    assert_int_equal(try_open(mended, 0), CADRE_OK);
}

static void test_saved_networks_come_back(void **state)
{
    float rows[5 * 6], before[5 * 3];
    char path[256], again[256];
    cadre_kernel_info info;
    void *net = open_net("", "{\"layers\": [6, 40, 3], \"activation\": \"gelu\"}", 1);

    (void)state;
    snprintf(path, sizeof path, "%s", in_folder("net.h5"));
    snprintf(again, sizeof again, "%s", in_folder("again.h5"));
    for (size_t i = 0; i < 30; i++)
        rows[i] = value(i);
    const cadre_answer *answers = serve(net, rows, 6, 5);
    for (size_t i = 0; i < 5; i++)
        memcpy(before + 3 * i, answers[i].data, 12);
    assert_int_equal(MLP->training->save(net, path), CADRE_OK);
    MLP->close(net);

    net = open_net(path, "{}", 0); /* mapped */
    answers = serve(net, rows, 6, 5);
    for (size_t i = 0; i < 5; i++)
        assert_memory_equal(before + 3 * i, answers[i].data, 12);
    assert_int_equal(MLP->describe(net, &info), CADRE_OK);
    assert_int_equal(info.weights_bytes, (6 * 40 + 40 + 40 * 3 + 3) * 4);
    assert_int_equal(MLP->training->save(net, again), CADRE_OK);
    assert_int_equal(MLP->training->apply(net, rows), CADRE_ERR_STATE);
    MLP->close(net);

    char command[600];
    snprintf(command, sizeof command, "cmp -s %s %s", path, again);
    assert_int_equal(system(command), 0);
    const cadre_kernel_args args = {
        .model = path, .tokenizer = "", .options = "{\"layers\": [6, 3]}"};
    assert_int_equal(MLP->open(&args, &net), CADRE_ERR_INPUT);
}

/* ---- Training ---- */

static void check_gradient(const char *options, size_t n_rows)
{
    enum { N_IN = 5, N_OUT = 3 };
    float x[32 * N_IN];
    int32_t labels[32];
    double loss, up, down;
    cadre_tensor params;
    void *net = open_net("", options, 1);
    const cadre_kernel_training *t = MLP->training;
    const size_t n = t->n_params(net);
    float *grad = calloc(n, sizeof *grad), *unused = calloc(n, sizeof *unused);

    assert_true(grad && unused);
    for (size_t i = 0; i < n_rows * N_IN; i++)
        x[i] = value(i + 900);
    for (size_t r = 0; r < n_rows; r++)
        labels[r] = (int32_t)(r * 7 % N_OUT);
    assert_int_equal(MLP->tensor(net, "parameters", &params), CADRE_OK);
    assert_int_equal(params.dims[0], n);
    assert_int_equal(t->gradient(net, x, labels, n_rows, grad, &loss), CADRE_OK);
    assert_true(loss > 0);
    float *p = params.data;
    for (size_t i = 0; i < n; i++) {
        const float old = p[i], h = 0x1p-7f;
        p[i] = old + h;
        assert_int_equal(t->gradient(net, x, labels, n_rows, unused, &up), CADRE_OK);
        p[i] = old - h;
        assert_int_equal(t->gradient(net, x, labels, n_rows, unused, &down), CADRE_OK);
        p[i] = old;
        const double slope = (up - down) / (2 * (double)h);
        if (fabs(slope - (double)grad[i]) > 0.01 * (double)n_rows)
            fail_msg("%s: parameter %zu: gradient %g, difference %g", options, i,
                     (double)grad[i], slope);
    }
    free(grad);
    free(unused);
    MLP->close(net);
}

static void test_gradients_agree_with_differences(void **state)
{
    (void)state;
    check_gradient("{\"layers\": [5, 7, 6, 3], \"activation\": \"gelu\"}", 32);
    check_gradient(
        "{\"layers\": [5, 7, 3], \"activation\": \"gelu\", \"output\": \"none\"}", 3);
    check_gradient("{\"layers\": [5, 3]}", 17);
    check_gradient("{\"layers\": [5, 9, 3], \"activation\": \"relu\"}", 1);
}

static void test_training_refuses_what_it_cannot(void **state)
{
    const float x[8] = {0};
    float grad[8];
    double loss;
    void *net = open_net("", "{\"layers\": [2, 2]}", 1);
    const cadre_kernel_training *t = MLP->training;

    (void)state;
    assert_int_equal(t->gradient(net, x, (int32_t[]){2}, 1, grad, &loss),
                     CADRE_ERR_INPUT);
    assert_int_equal(t->gradient(net, x, (int32_t[]){-1}, 1, grad, &loss),
                     CADRE_ERR_INPUT);
    assert_int_equal(t->gradient(net, x, (int32_t[]){0}, 0, grad, &loss), CADRE_ERR_ARG);
    assert_int_equal(t->gradient(net, x, (int32_t[]){0}, 33, grad, &loss), CADRE_ERR_ARG);
    MLP->close(net);
    net = open_net("", "{\"layers\": [2, 2]}", 0);
    assert_int_equal(t->gradient(net, x, (int32_t[]){0}, 1, grad, &loss),
                     CADRE_ERR_STATE);
    MLP->close(net);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const files[] = {"wrong.h5",  "plain.h5", "chunked.h5",
                                        "mended.h5", "net.h5",   "again.h5"};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(in_folder(files[i]));
    return rmdir(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest company[] = {
        cmocka_unit_test(test_rows_do_not_depend_on_company)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_right),
        cmocka_unit_test(test_a_bad_row_fails_alone),
        cmocka_unit_test(test_it_describes_itself),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_rows_do_not_depend_on_company),
        cmocka_unit_test(test_rows_do_not_depend_on_company_on_other_cpus),
        cmocka_unit_test(test_wrong_files_are_refused),
        cmocka_unit_test(test_chunked_weights_are_refused_with_advice),
        cmocka_unit_test(test_saved_networks_come_back),
        cmocka_unit_test(test_gradients_agree_with_differences),
        cmocka_unit_test(test_training_refuses_what_it_cannot),
    };

    if (argc > 1 && strcmp(argv[1], "--company") == 0)
        return cmocka_run_group_tests_name("mlp as another CPU", company, NULL, NULL);
    return cmocka_run_group_tests_name("mlp", tests, make_folder, remove_folder);
}
