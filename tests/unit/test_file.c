/* Files: reading with limits, gzip, whole writes, growing files, folders, digests. */
#include "cmocka_all.h"
#include "core/memory.h"
#include "io/file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* gzip -9n of "hello\n", once; two such members are one file of two lines. */
static const unsigned char hello_gz[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd,
    0xc9, 0xc9, 0xe7, 0x02, 0x00, 0x20, 0x30, 0x3a, 0x36, 0x06, 0x00, 0x00, 0x00};

static char folder[] = "/tmp/cadre-test-file-XXXXXX";
static char path_buf[4][256];

static const char *in_folder(int slot, const char *name)
{
    snprintf(path_buf[slot], sizeof path_buf[slot], "%s/%s", folder, name);
    return path_buf[slot];
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "chmod -R u+w '%s' && rm -r '%s'", folder, folder);
    return system(command);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected \"%s\" in \"%s\"", part, text);
}

static void assert_content(const char *path, const char *expected)
{
    char *text;
    size_t size;
    assert_int_equal(cadre__file_read(path, 1000, &text, &size), CADRE_OK);
    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
    cadre__free(text);
}

static void writes_and_reads(void **state)
{
    (void)state;
    const char *path = in_folder(0, "a");
    assert_int_equal(cadre__file_write(path, "one", 3), CADRE_OK);
    assert_int_equal(cadre__file_write(path, "other", 5), CADRE_OK);
    assert_content(path, "other");
    assert_int_equal(cadre__file_write(path, "", 0), CADRE_OK);
    assert_content(path, "");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_mode & S_IRUSR);
}

static void a_failed_write_leaves_nothing(void **state)
{
    (void)state;
    const char *taken = in_folder(0, "taken");
    char command[400];
    assert_int_equal(mkdir(taken, 0777), 0);
    assert_int_equal(cadre__file_write(in_folder(1, "absent/a"), "x", 1), CADRE_ERR_IO);
    assert_contains(cadre_last_error(), "absent/a");
    assert_contains(cadre_last_error(), "No such file");
    assert_int_equal(cadre__file_write(taken, "x", 1), CADRE_ERR_IO);
    snprintf(command, sizeof command, "ls -A '%s' | grep -q partial", folder);
    assert_int_not_equal(system(command), 0);
}

static void reads_within_limits(void **state)
{
    (void)state;
    char *text;
    size_t size;
    const char *path = in_folder(0, "limit");
    assert_int_equal(cadre__file_write(path, "12345", 5), CADRE_OK);
    assert_int_equal(cadre__file_read(path, 5, &text, &size), CADRE_OK);
    cadre__free(text);
    assert_int_equal(cadre__file_read(path, 4, &text, &size), CADRE_ERR_INPUT);
    assert_null(text);
    assert_contains(cadre_last_error(), "has 5 bytes; at most 4 are read");
    assert_int_equal(cadre__file_read(in_folder(0, "nobody"), 4, &text, &size),
                     CADRE_ERR_NOT_FOUND);
    assert_int_equal(cadre__file_read(folder, 4, &text, &size), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "is a folder, not a file");
    /* A pipe without a writer would be waited for. */
    path = in_folder(0, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(cadre__file_read(path, 4, &text, &size), CADRE_ERR_INPUT);
}

static void reads_gzip(void **state)
{
    (void)state;
    const char *path = in_folder(0, "a.gz");
    char *text;
    size_t size;
    unsigned char bytes[2 * sizeof hello_gz];
    memcpy(bytes, hello_gz, sizeof hello_gz);
    memcpy(bytes + sizeof hello_gz, hello_gz, sizeof hello_gz);
    assert_int_equal(cadre__file_write(path, bytes, sizeof bytes), CADRE_OK);
    assert_content(path, "hello\nhello\n");
    assert_int_equal(cadre__file_write(path, hello_gz, sizeof hello_gz), CADRE_OK);
    assert_content(path, "hello\n");
    /* Cut anywhere, it is truncated; after two bytes already it counts as gzip. */
    for (size_t n = 2; n < sizeof hello_gz; n++) {
        assert_int_equal(cadre__file_write(path, hello_gz, n), CADRE_OK);
        assert_int_equal(cadre__file_read(path, 1000, &text, &size), CADRE_ERR_INPUT);
        assert_contains(cadre_last_error(), "truncated");
    }
    bytes[14] ^= 0x55;
    assert_int_equal(cadre__file_write(path, bytes, sizeof hello_gz), CADRE_OK);
    assert_int_equal(cadre__file_read(path, 1000, &text, &size), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "gzip");
    assert_null(text);
}

/* A small file may unpack to a large one: the limit holds for what comes out. */
static void limits_what_gzip_unpacks_to(void **state)
{
    (void)state;
    char command[400], *text;
    size_t size;
    const char *path = in_folder(0, "zeros.gz");
    snprintf(command, sizeof command, "head -c 3000000 /dev/zero | gzip -c > '%s'", path);
    assert_int_equal(system(command), 0);
    assert_int_equal(cadre__file_read(path, 3000000, &text, &size), CADRE_OK);
    assert_int_equal(size, 3000000);
    cadre__free(text);
    assert_int_equal(cadre__file_read(path, 2999999, &text, &size), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "unpacks to more than 2999999 bytes");
}

static void grows_under_another_name(void **state)
{
    (void)state;
    cadre__growing file;
    const char *path = in_folder(0, "grow"), *partial = in_folder(1, "grow.partial");
    assert_int_equal(cadre__growing_open(path, &file), CADRE_OK);
    assert_int_equal(cadre__growing_append(&file, "one\n", 4), CADRE_OK);
    assert_int_equal(cadre__growing_flush(&file), CADRE_OK);
    assert_content(partial, "one\n");
    assert_false(cadre__file_exists(path));
    assert_int_equal(cadre__growing_append(&file, "two\n", 4), CADRE_OK);
    assert_int_equal(cadre__growing_complete(&file), CADRE_OK);
    assert_content(path, "one\ntwo\n");
    assert_false(cadre__file_exists(partial));
    cadre__growing_discard(&file);

    assert_int_equal(cadre__growing_open(in_folder(2, "left"), &file), CADRE_OK);
    assert_int_equal(cadre__growing_append(&file, "x", 1), CADRE_OK);
    cadre__growing_discard(&file);
    cadre__growing_discard(&file);
    cadre__growing_discard(NULL);
    assert_false(cadre__file_exists(path_buf[2]));
    assert_content(in_folder(3, "left.partial"), "x");
    assert_int_equal(cadre__growing_open(in_folder(2, "absent/x"), &file), CADRE_ERR_IO);
}

static void notices_a_full_disk(void **state)
{
    (void)state;
    cadre__growing file;
    char name[64];
    if (access("/dev/full", W_OK) != 0)
        skip();
    snprintf(name, sizeof name, "full.partial");
    assert_int_equal(symlink("/dev/full", in_folder(0, name)), 0);
    assert_int_equal(cadre__growing_open(in_folder(1, "full"), &file), CADRE_OK);
    assert_int_equal(cadre__growing_append(&file, "x", 1), CADRE_OK);
    assert_int_equal(cadre__growing_complete(&file), CADRE_ERR_IO);
    assert_contains(cadre_last_error(), "No space left");
    assert_false(cadre__file_exists(path_buf[1]));
    assert_null(file.stream);
}

static void makes_folders(void **state)
{
    (void)state;
    assert_int_equal(cadre__make_folders(in_folder(0, "p/q/r")), CADRE_OK);
    assert_true(cadre__file_exists(path_buf[0]));
    assert_int_equal(cadre__make_folders(in_folder(0, "p/q/r/")), CADRE_OK);
    assert_int_equal(cadre__make_folders("/"), CADRE_OK);
    assert_int_equal(cadre__file_write(in_folder(1, "p/file"), "", 0), CADRE_OK);
    assert_int_equal(cadre__file_write(path_buf[0], "", 0), CADRE_ERR_IO);
    assert_contains(cadre_last_error(), "not a regular file: it is not replaced");
    assert_int_equal(cadre__make_folders(in_folder(0, "p/file/x")), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "p/file: a file has that name");
    assert_int_equal(cadre__make_folders("/proc/nope"), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "/proc/nope");
}

/* Where nobody may write the path is wrong; where nothing more fits it is not. */
static void makes_folders_for_output(void **state)
{
    struct rlimit limit;

    (void)state;
    const char *path = in_folder(0, "o/ut");
    assert_int_equal(cadre__make_output_folder(path), CADRE_OK);
    assert_int_equal(rmdir(path), 0); /* nothing was left there */
    assert_int_equal(cadre__make_output_folder("/proc"), CADRE_ERR_INPUT);
    assert_contains(cadre_last_error(), "/proc: cannot write there");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const cadre_status st = cadre__make_output_folder(path);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(st, CADRE_ERR_IO);
    assert_int_equal(cadre__path_fault(ENOSPC), CADRE_ERR_IO);
    assert_int_equal(cadre__path_fault(EROFS), CADRE_ERR_INPUT);
}

static void digests_as_xxh128sum_does(void **state)
{
    (void)state;
    char hex[33], other[33];
    /* XXH3 with seed 0 of no bytes, from its specification's test vectors. */
    cadre__bytes_digest("", 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    assert_true(cadre_bytes_checksum("", 0) == UINT64_C(0x2d06800538d394c2));
    /* More than one chunk of the reader. */
    const size_t n = ((size_t)1 << 20) + 12345;
    unsigned char *bytes = malloc(n);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(i * 7 + (i >> 8));
    assert_int_equal(cadre__file_write(in_folder(0, "digest"), bytes, n), CADRE_OK);
    assert_int_equal(cadre_file_digest(path_buf[0], hex), CADRE_OK);
    cadre__bytes_digest(bytes, n, other);
    assert_string_equal(hex, other);
    bytes[n - 1] ^= 1;
    cadre__bytes_digest(bytes, n, other);
    assert_string_not_equal(hex, other);
    free(bytes);
    assert_int_equal(cadre_file_digest(in_folder(0, "nobody"), hex), CADRE_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads),
        cmocka_unit_test(a_failed_write_leaves_nothing),
        cmocka_unit_test(reads_within_limits),
        cmocka_unit_test(reads_gzip),
        cmocka_unit_test(limits_what_gzip_unpacks_to),
        cmocka_unit_test(grows_under_another_name),
        cmocka_unit_test(notices_a_full_disk),
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(makes_folders_for_output),
        cmocka_unit_test(digests_as_xxh128sum_does),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
