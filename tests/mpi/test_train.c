/* tests/mpi/test_train.c - training gives the same bytes on all ranks together as on one
 * rank alone, and what is wrong on one rank ends it on all. */
#include "io/file.h"
#include "mpi_check.h"
#include "run/run.h"
#include <cadre/coll.h>
#include <stdlib.h>
#include <unistd.h>

static cadre_comm *world;
static char folder[64];

static const char job_text[] =
    "{\"schema_version\": 1, \"name\": \"test\", \"kernel\": \"mlp\",\n"
    " \"options\": {\"layers\": [16, 24, 24, 4], \"activation\": \"gelu\", \"seed\": "
    "3},\n"
    " \"data\": {\"generator\": \"graded\", \"seed\": 1, \"rows\": 700},\n"
    " \"test\": {\"generator\": \"graded\", \"seed\": 2, \"rows\": 300},\n"
    " \"epochs\": 3, \"batch\": 288, \"seed\": 5, \"noise\": 0.01,\n"
    " \"optimizer\": {\"name\": \"adam\", \"learning_rate\": 0.01, \"schedule\": "
    "\"cosine\",\n"
    "                \"weight_decay\": 0.01}}\n";

static void path_of(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", folder, name);
}

/* Train with one more setting (or NULL) on comm; the model goes to `name`. */
static int train(cadre_comm *comm, const char *job, const char *set, const char *name)
{
    char job_path[128], output[128];
    const char *sets[1] = {set};

    path_of(job_path, job);
    path_of(output, name);
    const cadre__train_opts opts = {.job_path = job_path,
                                    .sets = sets,
                                    .n_sets = set ? 1 : 0,
                                    .output = output,
                                    .quiet = true};
    return cadre__train(comm, NULL, &opts);
}

static cadre_comm *alone(void)
{
    const int me = cadre_comm_rank(world);
    cadre_comm *comm = NULL;

    CHECK(cadre_comm_create(world, &me, 1, 0, &comm) == CADRE_OK, "a comm of one rank");
    return comm;
}

static void check_same_file(const char *a, const char *b)
{
    char path_a[128], path_b[128], *bytes_a = NULL, *bytes_b = NULL;
    size_t n_a = 0, n_b = 0;

    path_of(path_a, a);
    path_of(path_b, b);
    CHECK(cadre__file_read(path_a, 1 << 20, &bytes_a, &n_a) == CADRE_OK, "%s", a);
    CHECK(cadre__file_read(path_b, 1 << 20, &bytes_b, &n_b) == CADRE_OK, "%s", b);
    CHECK(n_a > 0 && n_a == n_b && memcmp(bytes_a, bytes_b, n_a) == 0,
          "the weights differ: %zu and %zu bytes", n_a, n_b);
    free(bytes_a);
    free(bytes_b);
}

static void remove_file(const char *name)
{
    char path[128];

    path_of(path, name);
    unlink(path);
}

static void meet(void)
{
    CHECK(cadre_barrier(world, NULL) == CADRE_OK, "barrier");
}

static void test_bytes_do_not_depend_on_ranks(const char *set)
{
    char own[32];
    cadre_comm *comm = alone();

    snprintf(own, sizeof own, "alone%d.h5", check_rank);
    CHECK(train(comm, "job.json", set, own) == 0, "alone");
    CHECK(train(world, "job.json", set, "together.h5") == 0, "together");
    check_same_file(own, "together.h5");
    cadre_comm_destroy(comm);
    meet();
    remove_file(own);
    remove_file("together.h5");
}

/* Twice three epochs from a saved model need not equal six, but must be the same on
 * all. */
static void test_it_continues(void)
{
    char set[160], first[128];

    CHECK(train(world, "job.json", NULL, "first.h5") == 0, "first");
    path_of(first, "first.h5");
    snprintf(set, sizeof set, "model=%s", first);
    /* Options belong to fresh networks. */
    CHECK(train(world, "job.json", set, "second.h5") == CADRE__EXIT_INPUT,
          "layers and model");
    CHECK(train(world, "continue.json", set, "second.h5") == 0, "continued");
    meet();
    remove_file("first.h5");
    remove_file("second.h5");
}

static void check_refused(const char *job, const char *set, const char *why)
{
    char path[128];

    CHECK(train(world, job, set, "never.h5") == CADRE__EXIT_INPUT, "%s", why);
    path_of(path, "never.h5");
    CHECK(access(path, F_OK) != 0, "%s: a file is left", why);
}

static void test_bad_jobs_end_on_all_ranks(void)
{
    check_refused("job.json", "epoch=3", "unknown key");
    check_refused("job.json", "batch=100", "batch no multiple of the micro-batch");
    check_refused("job.json", "batch=1048576", "batch too large");
    check_refused("job.json", "kernel=mpl", "unknown kernel");
    check_refused("job.json", "options={\"layers\": [15, 4]}", "columns");
    check_refused("job.json", "options={\"layers\": [16, 3]}", "labels");
    check_refused("job.json", "optimizer.name=rmsprop", "optimizer");
    check_refused("job.json", "optimizer.momentum=0.9", "momentum of adam");
    check_refused("job.json", "data.rows=0", "no rows");
    check_refused("job.json", "test=7", "test no object");
    check_refused("absent.json", NULL, "no job file");
    check_refused(
        "job.json",
        "optimizer={\"name\": \"sgd\", \"learning_rate\": 1e6, \"momentum\": 0.9}",
        "diverges");
    /* One rank alone has a reason to give up; the others must hear of it. */
    check_refused(check_rank == cadre_comm_size(world) - 1 ? "absent.json" : "job.json",
                  NULL, "the last rank has no job file");
}

static void write_jobs(void)
{
    char path[128], text[sizeof job_text];

    path_of(path, "job.json");
    CHECK(cadre__file_write(path, job_text, sizeof job_text - 1) == CADRE_OK, "job.json");
    memcpy(text, job_text, sizeof text);
    /* The same without a network's options. */
    char *start = strstr(text, "\"options\""), *end = strstr(text, " \"data\"");
    memset(start, ' ', (size_t)(end - start));
    path_of(path, "continue.json");
    CHECK(cadre__file_write(path, text, sizeof text - 1) == CADRE_OK, "continue.json");
}

/* A folder that all ranks know. */
static void make_folder(void)
{
    _Alignas(int32_t) char name[sizeof folder] = "/tmp/cadre-test-train-XXXXXX";

    if (check_rank == 0) {
        CHECK(mkdtemp(name) != NULL, "mkdtemp");
        memcpy(folder, name, sizeof folder);
        write_jobs();
    }
    CHECK(cadre_broadcast(world, name, sizeof name / sizeof(int32_t), CADRE_I32, 0,
                          NULL) == CADRE_OK,
          "broadcast");
    memcpy(folder, name, sizeof folder);
}

int main(void)
{
    world = check_start();
    make_folder();
    /* Reasons are printed on stderr and results on stdout; neither belongs to the
     * verdict. */
    CHECK(freopen("/dev/null", "w", stdout) != NULL, "stdout");
    test_bytes_do_not_depend_on_ranks(NULL);
    test_bytes_do_not_depend_on_ranks("optimizer={\"name\": \"sgd\", \"momentum\": 0.9}");
    test_bytes_do_not_depend_on_ranks("batch=32");
    test_it_continues();
    test_bad_jobs_end_on_all_ranks();
    meet();
    if (check_rank == 0) {
        remove_file("job.json");
        remove_file("continue.json");
        CHECK(rmdir(folder) == 0, "%s is not empty", folder);
    }
    return check_finish(world);
}
