/* tests/unit/test_weight_cache.c - packed weights: what they hold, where they lie, who
 * makes and who removes them, and which are not believed. */
#include "cmocka_all.h"
#include "tiny_model.h"
#include "transformer/weights.h"
#include <cadre/io.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const tiny_spec spec = {.dim = 256,
                               .n_layers = 2,
                               .n_heads = 8,
                               .n_kv_heads = 4,
                               .head_dim = 32,
                               .ffn = 256,
                               .n_vocab = 90,
                               .n_rot = 32,
                               .rope_factor = 1,
                               .type = CADRE_W_Q8_0,
                               .other = CADRE_W_Q6_K,
                               .biases = 1,
                               .divisors = 1};

static tiny_model tiny;
static char cache[80], partial[96], memory[80];

static int set_up_with(size_t n_vocab)
{
    char name[32];

    snprintf(name, sizeof name, "cache-%ld", (long)getpid());
    tiny_spec own = spec; /* other weights in each run: memory is shared by content */
    own.seed = (unsigned)getpid();
    own.n_vocab = n_vocab;
    tiny_make(&tiny, &own, name);
    snprintf(cache, sizeof cache, "%s.cadre", tiny.path);
    snprintf(partial, sizeof partial, "%s.partial", cache);
    char digest[33];
    assert_int_equal(cadre_file_digest(tiny.path, digest), CADRE_OK);
    snprintf(memory, sizeof memory, "/dev/shm/cadre-%ld-%s", (long)geteuid(), digest);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(spec.n_vocab);
}

/* 5.8 MB packed: it is packed and written in pieces of 2 MiB. */
static int set_up_pieces(void **state)
{
    (void)state;
    return set_up_with(9000);
}

static int tear_down(void **state)
{
    (void)state;
    remove(cache);
    remove(partial);
    remove(memory);
    tiny_free(&tiny);
    return 0;
}

static tf_weights *open_weights(tf_cache where, int expect_found)
{
    tf_weights *weights;

    if (tf_weights_open(&tiny.model, where, &weights) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    assert_int_equal(weights->found, expect_found);
    return weights;
}

static int exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* ---- Content ---- */

static void check_matrix(const tf_source *source, const cadre_matrix *matrix)
{
    const size_t bytes = source->n_in / cadre_wtype_block(source->type) *
                         cadre_wtype_block_bytes(source->type);
    float expected[512], found[512];

    assert_int_equal(matrix->type, source->type);
    assert_int_equal(matrix->n_out, source->n_out);
    assert_int_equal(matrix->n_in, source->n_in);
    assert_int_equal((uintptr_t)matrix->data % 64, 0);
    for (size_t row = 0; row < source->n_out; row++) {
        cadre_dequantize(source->type, (const uint8_t *)source->data + row * bytes,
                         source->n_in, expected);
        cadre_matrix_row(matrix, row, found);
        assert_memory_equal(found, expected, source->n_in * sizeof *found);
    }
}

static void check_content(const tf_weights *weights)
{
    const tf_model *model = &tiny.model;

    check_matrix(&model->embedding, &weights->embedding);
    check_matrix(&model->output, &weights->output);
    assert_memory_equal(weights->output_norm, model->output_norm.data,
                        spec.dim * sizeof(float));
    assert_ptr_not_equal(weights->shape.rope_divisors, model->shape.rope_divisors);
    assert_memory_equal(weights->shape.rope_divisors, tiny.divisors,
                        spec.n_rot / 2 * sizeof(float));
    for (size_t l = 0; l < spec.n_layers; l++) {
        const tf_layer_source *from = &model->layers[l];
        for (int m = 0; m < TF_N_MATRICES; m++)
            check_matrix(&from->matrices[m], &weights->layers[l].matrices[m]);
        for (int v = 0; v < TF_N_VECTORS; v++) {
            const float *vector = weights->layers[l].vectors[v];
            assert_int_equal(!vector, !from->vectors[v].data);
            if (vector)
                assert_memory_equal(vector, from->vectors[v].data,
                                    from->vectors[v].n_in * sizeof(float));
        }
    }
}

static void test_content(void **state)
{
    static const tf_cache places[] = {TF_CACHE_AUTO, TF_CACHE_FILE, TF_CACHE_MEMORY};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        tf_weights *weights = open_weights(places[i], 0);
        check_content(weights);
        tf_weights_close(weights);
    }
}

/* ---- Shared memory ---- */

static void test_last_user_removes(void **state)
{
    (void)state;
    assert_false(exists(memory));
    tf_weights *first = open_weights(TF_CACHE_MEMORY, 0);
    tf_weights *second = open_weights(TF_CACHE_MEMORY, 1);
    assert_true(exists(memory));
    tf_weights_close(first);
    assert_true(exists(memory));
    check_content(second);
    tf_weights_close(second);
    assert_false(exists(memory));
    assert_false(exists(cache));
}

/* Processes that come at once share one copy that one of them makes; one dies without
 * closing it. */
static void check_crowd(tf_cache where)
{
    enum { N = 6 };
    pid_t children[N];
    int n_made = 0;

    for (int i = 0; i < N; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            tf_weights *weights;
            if (tf_weights_open(&tiny.model, where, &weights) != CADRE_OK)
                _exit(9);
            const int made = !weights->found;
            usleep(i == 0 ? 100000 : 300000);
            if (i > 0)
                tf_weights_close(weights);
            _exit(made);
        }
    }
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_in_range(WEXITSTATUS(status), 0, 1);
        n_made += WEXITSTATUS(status);
    }
    assert_int_equal(n_made, 1);
    assert_false(exists(partial));
}

static void test_crowd(void **state)
{
    (void)state;
    assert_false(exists(memory));
    check_crowd(TF_CACHE_MEMORY);
    if (exists(memory)) /* the one who died was the last */
        tf_weights_close(open_weights(TF_CACHE_MEMORY, 1));
    assert_false(exists(memory));
    check_crowd(TF_CACHE_FILE);
}

static void test_after_a_crash(void **state)
{
    (void)state;
    assert_false(exists(memory));
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        tf_weights *weights;
        tf_weights_open(&tiny.model, TF_CACHE_MEMORY, &weights);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(exists(memory));
    tf_weights *weights = open_weights(TF_CACHE_MEMORY, 1);
    check_content(weights);
    tf_weights_close(weights);
    assert_false(exists(memory));
}

static void leave(char path[96], const char *tail, int age_s)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = time(NULL) - age_s}};

    snprintf(path, 96, "/dev/shm/cadre-%ld-%032lx%s", (long)geteuid(),
             (long)getpid() * 16 + age_s % 16, tail);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

/* What killed processes left of other models goes; what is used or was just made stays.
 */
static void test_left_memory_is_removed(void **state)
{
    char old[96], half_made[96], used[96], fresh[96], other[96];

    (void)state;
    leave(old, "", 100);
    leave(half_made, ".partial", 101);
    leave(used, "", 102);
    leave(fresh, "", -1);
    leave(other, "-kept", 103);
    const int fd = open(used, O_RDONLY);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    tf_weights_close(open_weights(TF_CACHE_MEMORY, 0));
    const int left[] = {exists(old), exists(half_made), exists(used), exists(fresh),
                        exists(other)};
    close(fd);
    unlink(old);
    unlink(half_made);
    unlink(used);
    unlink(fresh);
    unlink(other);
    assert_int_equal(left[0] + left[1], 0);
    assert_int_equal(left[2] + left[3] + left[4], 3);
}

/* ---- Files ---- */

static void change_byte(const char *path, off_t at, uint8_t value)
{
    const int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &value, 1, at), 1);
    close(fd);
}

static void expect(int found)
{
    tf_weights *weights = open_weights(TF_CACHE_FILE, found);
    check_content(weights);
    tf_weights_close(weights);
}

static void test_file_is_found(void **state)
{
    (void)state;
    expect(0);
    expect(1);
    assert_false(exists(partial));

    /* The same bytes in another file: found by digest, once. */
    char copy[320];
    snprintf(copy, sizeof copy, "cp %s %s.copy && mv %s.copy %s", tiny.path, tiny.path,
             tiny.path, tiny.path);
    assert_int_equal(system(copy), 0);
    tf_file_id old = tiny.model.id;
    assert_int_equal(tf_file_identify(tiny.path, &tiny.model.id), CADRE_OK);
    assert_memory_not_equal(&old, &tiny.model.id, sizeof old);
    expect(1);
    expect(1);
}

static void test_file_is_not_believed(void **state)
{
    /* Offsets: magic, version, length, layout. */
    static const off_t offsets[] = {0, 8, 16, 24};

    (void)state;
    expect(0);
    for (size_t i = 0; i < 4; i++) {
        change_byte(cache, offsets[i], 0xa5);
        expect(0);
        expect(1);
    }
    assert_int_equal(truncate(cache, 100), 0);
    expect(0);
    assert_int_equal(truncate(cache, 0), 0);
    expect(0);

    /* Not known to be on disk, and made before the machine started. */
    change_byte(cache, 12, 0);
    expect(1);
    tf_weights_close(open_weights(TF_CACHE_FILE, 1));
    const off_t boot = 32 + (off_t)sizeof(tf_file_id) + 40;
    change_byte(cache, boot, 'z');
    expect(0);

    /* What another process left when it died. */
    remove(cache);
    FILE *file = fopen(partial, "w");
    assert_non_null(file);
    fputs("left behind", file);
    fclose(file);
    expect(0);
    assert_false(exists(partial));
}

static void flip_byte(const char *path, off_t at)
{
    uint8_t value;
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &value, 1, at), 1);
    close(fd);
    change_byte(path, at, value ^ 4);
}

/* Bits that turn on the disk would give other texts: such a file is made anew. */
static void test_damaged_file_is_made_anew(void **state)
{
    struct stat info;

    (void)state;
    expect(0);
    assert_int_equal(stat(cache, &info), 0);
    /* The content's first and last blocks, a checksum, the checksum of checksums. */
    const off_t places[] = {4096, 4096 + 70000, info.st_size - 300, info.st_size - 5,
                            240};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        expect(1);
        flip_byte(cache, places[i]);
        expect(0);
    }
    expect(1);
}

static void flip_unnoticed(const char *path, off_t at)
{
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    flip_byte(path, at);
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Checksums are not compared by all: what was verified in this life of the machine, on
 * this day, and was not written to since is taken. */
static void test_verified_once(void **state)
{
    const off_t boot = 248, day = 248 + 40 + 2; /* at_s, 65536 s and more ago */

    (void)state;
    const off_t places[] = {boot, day};
    for (size_t i = 0; i < 2; i++) {
        expect(0);
        expect(1);
        flip_unnoticed(cache, 4096 + 70000);
        tf_weights_close(open_weights(TF_CACHE_FILE, 1));
        flip_unnoticed(cache, places[i]);
        expect(0);
        expect(1);
        remove(cache);
    }
}

/* The folder's file is in the way: "file" fails, "auto" takes memory. */
static void test_no_way_to_a_file(void **state)
{
    tf_weights *weights;

    (void)state;
    assert_int_equal(mkdir(partial, 0755), 0);
    assert_int_equal(tf_weights_open(&tiny.model, TF_CACHE_FILE, &weights), CADRE_ERR_IO);
    assert_non_null(strstr(cadre_last_error(), "weights_cache \"file\""));
    assert_non_null(strstr(cadre_last_error(), partial));
    tf_weights_close(open_weights(TF_CACHE_AUTO, 0));
}

static void test_model_changes(void **state)
{
    (void)state;
    usleep(20000); /* more than the file system's clock takes from tick to tick */
    change_byte(tiny.path, 3, 77);
    tf_weights *weights = NULL; /* of the model as it was when it was opened */
    assert_int_equal(tf_weights_open(&tiny.model, TF_CACHE_FILE, &weights),
                     CADRE_ERR_INPUT);
    assert_null(weights);
    assert_non_null(strstr(cadre_last_error(), "changed"));
    assert_false(exists(cache));
    assert_int_equal(tf_file_identify(tiny.path, &tiny.model.id), CADRE_OK);
    expect(0);
    usleep(20000);
    change_byte(tiny.path, 3, 78);
    assert_int_equal(tf_file_identify(tiny.path, &tiny.model.id), CADRE_OK);
    expect(0);
}

static void test_no_room(void **state)
{
    const struct rlimit small = {.rlim_cur = 50000, .rlim_max = RLIM_INFINITY};
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    tf_weights *weights;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const cadre_status st = tf_weights_open(&tiny.model, TF_CACHE_FILE, &weights);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(st, CADRE_ERR_IO);
    assert_null(weights);
    assert_false(exists(cache));
    assert_false(exists(partial));
    expect(0);
}

static void test_no_folder(void **state)
{
    char nowhere[] = "/tmp/cadre-no-such-folder/model";
    char *path = tiny.model.path;
    tf_weights *weights;

    (void)state;
    tiny.model.path = nowhere;
    assert_int_equal(tf_weights_open(&tiny.model, TF_CACHE_MEMORY, &weights),
                     CADRE_ERR_NOT_FOUND);
    assert_int_equal(tf_weights_open(&tiny.model, TF_CACHE_FILE, &weights), CADRE_ERR_IO);
    tiny.model.path = path;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_content, set_up_pieces, tear_down),
        cmocka_unit_test_setup_teardown(test_last_user_removes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crowd, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_after_a_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_left_memory_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_file_is_made_anew, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_verified_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_way_to_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_is_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_folder, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
