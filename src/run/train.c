/* run/train.c - `cadre train`: data-parallel training with results that do not depend on
 * the number of ranks.
 *
 * Each epoch puts the rows in an order that depends on seed and epoch only, and cuts it
 * into batches; a batch is cut into micro-batches of the kernel's size, which are dealt
 * to the ranks in turn. The gradient of a micro-batch depends on its rows and the
 * parameters only, and gradients are added exactly (exact_sum.h): within a rank, then
 * over ranks by ring AllReduce. So after each step every rank has the same parameters, to
 * the last bit, and so has every other number of ranks.
 *
 * What may go wrong on one rank (a kernel's failure, a gradient out of range) travels in
 * the same AllReduce as a count behind the gradient, so no rank waits for one that gave
 * up.
 */
#include "core/memory.h"
#include "io/dataset.h"
#include "io/file.h"
#include "run/exact_sum.h"
#include "run/train_job.h"
#include <cadre/clock.h>
#include <cadre/coll.h>
#include <cadre/group.h>
#include <cadre/kernel.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define STEP_TIMEOUT_MS 120000 /* for the slowest rank's part of one batch */
#define LOSS_UNITS 16777216.0  /* 2^24: losses are summed exactly too */
#define LOSS_LIMIT 67108864.0  /* 2^26 */

/* What is summed behind the gradient. */
enum { EXTRA_LOSS, EXTRA_FAILED, EXTRA_OUT_OF_RANGE, N_EXTRAS };

typedef struct trainer {
    cadre_comm *world;
    const cadre__train_opts *opts;
    cadre__train_job *job;
    cadre__dataset *data, *test;
    const cadre_kernel *kernel;
    void *state;
    cadre_kernel_info info;
    cadre__optimizer *optimizer;
    size_t n_params, micro_rows, n_batches;

    size_t epoch;
    uint32_t *order;         /* [data->n_rows], of this epoch */
    float *x;                /* [micro_rows][n_in] */
    int32_t *labels;         /* [micro_rows] */
    float *grad, *delta;     /* [n_params] */
    int64_t *sums;           /* [n_params + N_EXTRAS] */
    const float *params;     /* the kernel's, if weights decay */
    cadre_request *requests; /* [info.best_batch], for the test */
    cadre_answer *answers;

    double loss, accuracy; /* of the last epoch */
    int64_t start_ns, reduce_ns;
} trainer;

static bool speaks(const trainer *t)
{
    return cadre_comm_rank(t->world) == 0;
}

static cadre_status agree(const trainer *t, cadre_status st)
{
    return cadre_comm_agree(t->world, st, cadre_deadline_in_ms(STEP_TIMEOUT_MS));
}

static cadre_status sum_over_ranks(trainer *t, int64_t *sums, size_t n)
{
    const cadre_coll_opts opts = {.deadline_ns = cadre_deadline_in_ms(STEP_TIMEOUT_MS),
                                  .algorithm = "ring"};
    const int64_t start = cadre_clock_ns();
    const cadre_status st =
        cadre_allreduce(t->world, CADRE_IN_PLACE, sums, n, CADRE_I64, CADRE_SUM, &opts);

    t->reduce_ns += cadre_clock_ns() - start;
    return st;
}

/* ---- Getting ready, each rank for itself ---- */

static cadre_status open_kernel(trainer *t)
{
    const cadre__train_job *job = t->job;
    const cadre_kernel_args args = {
        .model = job->model, .tokenizer = "", .options = job->options, .trainable = 1};

    CADRE_TRY(cadre_kernel_find(job->kernel, &t->kernel));
    if (!t->kernel->training || !t->kernel->serve)
        return cadre_fail(CADRE_ERR_UNSUPPORTED, "kernel \"%s\" cannot be trained",
                          job->kernel);
    CADRE_TRY(cadre_context(t->kernel->open(&args, &t->state), "opening kernel \"%s\"",
                            job->kernel));
    CADRE_TRY(t->kernel->describe(t->state, &t->info));
    if (t->info.takes != CADRE_PAYLOAD_ROW || t->info.gives != CADRE_PAYLOAD_ROW)
        return cadre_fail(CADRE_ERR_UNSUPPORTED,
                          "kernel \"%s\" does not map rows to rows", job->kernel);
    t->n_params = t->kernel->training->n_params(t->state);
    t->micro_rows = t->kernel->training->micro_rows(t->state);
    if (job->optimizer.weight_decay > 0) {
        cadre_tensor view;
        if (!t->kernel->tensor)
            return cadre_fail(CADRE_ERR_UNSUPPORTED,
                              "weight_decay: kernel \"%s\" does not show its parameters",
                              job->kernel);
        CADRE_TRY(t->kernel->tensor(t->state, "parameters", &view));
        t->params = view.data;
    }
    return CADRE_OK;
}

/* Rows fit the model, and there is a label for each that it can give. */
static cadre_status check_dataset(const trainer *t, const cadre__dataset *set,
                                  const cadre__job_input *input, const char *key)
{
    const char *name = input->path[0] ? input->path : input->generator;

    if (set->n_cols != t->info.n_in)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s (\"%s\"): expected %zu columns, as the model takes, found %zu", name, key,
            t->info.n_in, set->n_cols);
    if (!set->labels)
        return cadre_fail(CADRE_ERR_INPUT, "%s (\"%s\"): expected a label for each row",
                          name, key);
    if (set->n_rows < 1 || set->n_rows > UINT32_MAX)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s (\"%s\"): expected 1 to %u rows, found %zu", name, key,
                          UINT32_MAX, set->n_rows);
    for (size_t r = 0; r < set->n_rows; r++)
        if (set->labels[r] < 0 || (size_t)set->labels[r] >= t->info.n_out)
            return cadre_fail(
                CADRE_ERR_INPUT,
                "%s (\"%s\"), row %zu: expected a label from 0 to %zu, found %d", name,
                key, r, t->info.n_out - 1, (int)set->labels[r]);
    return CADRE_OK;
}

static cadre_status load_data(trainer *t)
{
    CADRE_TRY(cadre_context(cadre__dataset_load(&t->job->data, &t->data), "data"));
    CADRE_TRY(check_dataset(t, t->data, &t->job->data, "data"));
    if (t->job->has_test) {
        CADRE_TRY(cadre_context(cadre__dataset_load(&t->job->test, &t->test), "test"));
        CADRE_TRY(check_dataset(t, t->test, &t->job->test, "test"));
    }
    return CADRE_OK;
}

static cadre_status check_batch(const trainer *t)
{
    const size_t batch = t->job->batch, most = CADRE__EXACT_MAX_TERMS * t->micro_rows;

    if (batch % t->micro_rows != 0 || batch > most)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: batch: expected a multiple of %zu, at most %zu, found %zu",
                          t->opts->job_path, t->micro_rows, most, batch);
    return CADRE_OK;
}

static cadre_status take_memory(trainer *t)
{
    const size_t n = t->n_params;

    t->order = cadre__alloc_n(t->data->n_rows, sizeof *t->order);
    t->x = cadre__alloc_n(t->micro_rows, t->info.n_in * sizeof *t->x);
    t->labels = cadre__alloc_n(t->micro_rows, sizeof *t->labels);
    t->grad = cadre__alloc_n(n, sizeof *t->grad);
    t->delta = cadre__alloc_n(n, sizeof *t->delta);
    t->sums = cadre__alloc_n(n + N_EXTRAS, sizeof *t->sums);
    t->requests = cadre__alloc_n(t->info.best_batch, sizeof *t->requests);
    t->answers = cadre__alloc_n(t->info.best_batch, sizeof *t->answers);
    if (!t->order || !t->x || !t->labels || !t->grad || !t->delta || !t->sums ||
        !t->requests || !t->answers)
        return CADRE_ERR_NOMEM;
    t->n_batches = (t->data->n_rows + t->job->batch - 1) / t->job->batch;
    return cadre__optimizer_create(&t->job->optimizer, n, t->job->epochs * t->n_batches,
                                   &t->optimizer);
}

/* Better to hear of it now than after hours of training. */
static cadre_status check_output(const trainer *t)
{
    struct stat info;
    if (!speaks(t))
        return CADRE_OK;
    if (stat(t->job->output, &info) == 0 && S_ISDIR(info.st_mode))
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: expected the name of a file to write, found a folder",
                          t->job->output);
    char *folder = cadre__path_folder(t->job->output);
    if (!folder)
        return CADRE_ERR_NOMEM;
    const cadre_status st = cadre__make_output_folder(folder);
    cadre__free(folder);
    return st;
}

/* All that is read. */
static cadre_status prepare(trainer *t)
{
    CADRE_TRY(cadre__train_job_load(t->opts, &t->job));
    CADRE_TRY(open_kernel(t));
    CADRE_TRY(check_batch(t));
    CADRE_TRY(load_data(t));
    return take_memory(t);
}

/* ---- One epoch ---- */

/* The i-th number of a sequence (splitmix64: Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Fisher and Yates's shuffle. Taking the high half of a product for a remainder is not
 * quite uniform, by less than 2^-32, which does not matter here. */
static void shuffle(trainer *t)
{
    const uint64_t key = mix(t->job->seed, t->epoch);
    const size_t n = t->data->n_rows;

    for (size_t i = 0; i < n; i++)
        t->order[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)(((mix(key, i) >> 32) * (uint64_t)i) >> 32);
        const uint32_t swap = t->order[i - 1];
        t->order[i - 1] = t->order[j];
        t->order[j] = swap;
    }
}

/* A row as the network gets to see it in this epoch: blurred, if the job says so, by
 * noise that depends on seed, epoch and row only. It keeps a network from learning few
 * rows by heart. */
static void take_row(const trainer *t, size_t row, float *out)
{
    const size_t n = t->info.n_in;
    const float noise = (float)t->job->noise;

    memcpy(out, t->data->x + row * n, n * sizeof *out);
    if (noise == 0)
        return;
    const uint64_t key = mix(mix(~t->job->seed, t->epoch), row);
    for (size_t c = 0; c < n; c++)
        out[c] += noise * ((float)(mix(key, c) >> 40) * 0x1p-23f - 1.0f);
}

/* Add loss and gradient of the rows order[first .. first + n_rows) to the sums. */
static cadre_status add_micro_batch(trainer *t, size_t first, size_t n_rows)
{
    const size_t n_in = t->info.n_in;
    double loss;

    for (size_t r = 0; r < n_rows; r++) {
        const size_t row = t->order[first + r];
        take_row(t, row, t->x + r * n_in);
        t->labels[r] = t->data->labels[row];
    }
    CADRE_TRY(
        t->kernel->training->gradient(t->state, t->x, t->labels, n_rows, t->grad, &loss));
    int64_t *extras = t->sums + t->n_params;
    const bool in_range = cadre__exact_add(t->sums, t->grad, t->n_params);
    if (in_range && loss >= 0 && loss <= LOSS_LIMIT)
        extras[EXTRA_LOSS] += (int64_t)(loss * LOSS_UNITS + 0.5);
    else
        extras[EXTRA_OUT_OF_RANGE] += 1;
    return CADRE_OK;
}

/* This rank's micro-batches of the rows order[first .. first + n_rows). */
static cadre_status add_share(trainer *t, size_t first, size_t n_rows)
{
    const size_t rank = (size_t)cadre_comm_rank(t->world);
    const size_t size = (size_t)cadre_comm_size(t->world);

    memset(t->sums, 0, (t->n_params + N_EXTRAS) * sizeof *t->sums);
    for (size_t at = rank * t->micro_rows; at < n_rows; at += size * t->micro_rows) {
        const size_t rest = n_rows - at;
        CADRE_TRY(
            add_micro_batch(t, first + at, rest < t->micro_rows ? rest : t->micro_rows));
    }
    return CADRE_OK;
}

/* One step on a batch; *loss is the sum over its rows. The same outcome on every rank. */
static cadre_status step(trainer *t, size_t batch, double *loss)
{
    const size_t first = batch * t->job->batch, rest = t->data->n_rows - first;
    const size_t n_rows = rest < t->job->batch ? rest : t->job->batch;
    const int64_t *extras = t->sums + t->n_params;

    const cadre_status mine = add_share(t, first, n_rows);
    if (mine != CADRE_OK)
        t->sums[t->n_params + EXTRA_FAILED] += 1;
    CADRE_TRY(sum_over_ranks(t, t->sums, t->n_params + N_EXTRAS));
    if (extras[EXTRA_FAILED] > 0)
        return agree(t, mine);
    if (extras[EXTRA_OUT_OF_RANGE] > 0)
        return cadre_fail(
            CADRE_ERR_RANGE,
            "training diverged in epoch %zu, batch %zu: expected gradients and "
            "losses of a micro-batch below %.0f and %.0f, found larger ones or "
            "NaN in %lld of them; try a lower learning_rate",
            t->epoch + 1, batch + 1, (double)CADRE__EXACT_LIMIT, LOSS_LIMIT,
            (long long)extras[EXTRA_OUT_OF_RANGE]);
    *loss = (double)extras[EXTRA_LOSS] / LOSS_UNITS;
    cadre__optimizer_step(t->optimizer, t->sums, n_rows, t->params, t->delta);
    return t->kernel->training->apply(t->state, t->delta);
}

/* ---- Accuracy on the test rows ---- */

static size_t index_of_largest(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* How many of the test rows [first, first + n) are classified rightly; n <=
 * best_batch. */
static cadre_status count_correct(trainer *t, size_t first, size_t n, int64_t *correct)
{
    const size_t n_in = t->info.n_in;

    for (size_t i = 0; i < n; i++)
        t->requests[i] = (cadre_request){.id = first + i,
                                         .data = t->test->x + (first + i) * n_in,
                                         .bytes = n_in * sizeof(float)};
    CADRE_TRY(t->kernel->serve(t->state, t->requests, n, t->answers));
    for (size_t i = 0; i < n; i++) {
        const cadre_answer *answer = &t->answers[i];
        if (answer->status == CADRE_OK && index_of_largest(answer->data, t->info.n_out) ==
                                              (size_t)t->test->labels[first + i])
            *correct += 1;
    }
    return CADRE_OK;
}

/* Each rank takes every size-th batch of the test rows. */
static cadre_status measure_accuracy(trainer *t)
{
    const size_t n = t->test->n_rows, batch = t->info.best_batch;
    const size_t stride = batch * (size_t)cadre_comm_size(t->world);
    int64_t counts[2] = {0, 0}; /* correct, failed */
    cadre_status st = CADRE_OK;

    for (size_t at = batch * (size_t)cadre_comm_rank(t->world); st == CADRE_OK && at < n;
         at += stride)
        st = count_correct(t, at, n - at < batch ? n - at : batch, &counts[0]);
    counts[1] = st != CADRE_OK;
    CADRE_TRY(sum_over_ranks(t, counts, 2));
    if (counts[1] > 0)
        return agree(t, st);
    t->accuracy = (double)counts[0] / (double)n;
    return CADRE_OK;
}

static void report_epoch(const trainer *t, int64_t ns)
{
    char accuracy[40] = "";

    if (!speaks(t) || t->opts->quiet)
        return;
    if (t->test)
        snprintf(accuracy, sizeof accuracy, "  test accuracy %6.2f %%",
                 100 * t->accuracy);
    fprintf(stderr, "epoch %3zu/%zu  loss %.5f%s  %.2f s\n", t->epoch + 1, t->job->epochs,
            t->loss, accuracy, (double)ns / CADRE_NS_PER_S);
}

static cadre_status train(trainer *t)
{
    for (t->epoch = 0; t->epoch < t->job->epochs; t->epoch++) {
        const int64_t start = cadre_clock_ns();
        double sum = 0;
        shuffle(t);
        for (size_t batch = 0; batch < t->n_batches; batch++) {
            double loss = 0;
            CADRE_TRY(step(t, batch, &loss));
            sum += loss;
        }
        t->loss = sum / (double)t->data->n_rows;
        if (t->test)
            CADRE_TRY(measure_accuracy(t));
        report_epoch(t, cadre_clock_ns() - start);
    }
    return CADRE_OK;
}

/* ---- The end ---- */

/* Rank 0 writes the model; the others wait for its word. */
static cadre_status save(trainer *t, char digest[33])
{
    cadre_status st = CADRE_OK;

    if (speaks(t)) {
        st = t->kernel->training->save(t->state, t->job->output);
        if (st == CADRE_OK)
            st = cadre_file_digest(t->job->output, digest);
    }
    return agree(t, st);
}

static void summarize(const trainer *t, const char *digest)
{
    const double seconds = (double)(cadre_clock_ns() - t->start_ns) / CADRE_NS_PER_S;
    const double reduce = (double)t->reduce_ns / CADRE_NS_PER_S;

    if (!speaks(t))
        return;
    printf("training      %s\n", t->job->name);
    printf("kernel        %s, %zu parameters\n", t->job->kernel, t->n_params);
    printf("rows          %zu, %zu epochs, %zu rows per batch\n", t->data->n_rows,
           t->job->epochs, t->job->batch);
    printf("ranks         %d\n", cadre_comm_size(t->world));
    printf("loss          %.6f per row in the last epoch\n", t->loss);
    if (t->test)
        printf("accuracy      %.2f %% of %zu test rows\n", 100 * t->accuracy,
               t->test->n_rows);
    printf("time          %.2f s, of it AllReduce with waiting %.2f s (%.1f %%)\n",
           seconds, reduce, 100 * reduce / seconds);
    printf("model         %s\n", t->job->output);
    printf("xxh128        %s\n", digest);
}

static void fini(trainer *t)
{
    if (t->kernel && t->state)
        t->kernel->close(t->state);
    cadre__optimizer_destroy(t->optimizer);
    cadre__dataset_destroy(t->data);
    cadre__dataset_destroy(t->test);
    cadre__free(t->order);
    cadre__free(t->x);
    cadre__free(t->labels);
    cadre__free(t->grad);
    cadre__free(t->delta);
    cadre__free(t->sums);
    cadre__free(t->requests);
    cadre__free(t->answers);
    cadre__train_job_destroy(t->job);
}

/* Memory and other ranks are resources, and so is storage once all was read; what cannot
 * be read is a fault of the job, as is all else, such as a place where nobody may
 * write. */
static int exit_code_of(cadre_status st, bool was_read)
{
    switch (st) {
    case CADRE_OK:
        return CADRE__EXIT_OK;
    case CADRE_ERR_IO:
        return was_read ? CADRE__EXIT_RESOURCE : CADRE__EXIT_INPUT;
    case CADRE_ERR_NOMEM:
    case CADRE_ERR_TIMEOUT:
    case CADRE_ERR_MPI:
    case CADRE_ERR_BROKEN:
    case CADRE_ERR_INTERNAL:
        return CADRE__EXIT_RESOURCE;
    default:
        return CADRE__EXIT_INPUT;
    }
}

int cadre__train(cadre_comm *world, cadre_topo *topo, const cadre__train_opts *opts)
{
    trainer t = {.world = world, .opts = opts, .start_ns = cadre_clock_ns()};
    char digest[33] = "";
    bool was_read = false;
    cadre_status st;

    (void)topo; /* ranks need no placement among each other */
    CADRE_TRY_GOTO(st, agree(&t, prepare(&t)), done);
    was_read = true;
    CADRE_TRY_GOTO(st, agree(&t, check_output(&t)), done);
    CADRE_TRY_GOTO(st, train(&t), done);
    CADRE_TRY_GOTO(st, save(&t, digest), done);
    summarize(&t, digest);
done:
    if (st != CADRE_OK && speaks(&t))
        fprintf(stderr, "cadre: %s\n", cadre_last_error());
    fini(&t);
    return exit_code_of(st, was_read);
}
