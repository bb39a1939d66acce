/* tests/unit/h5_case.h - a folder of its own for each test program that writes files. */
#ifndef CADRE_TESTS_H5_CASE_H
#define CADRE_TESTS_H5_CASE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char test_folder[64];

static inline int make_test_folder(void **state)
{
    (void)state;
    snprintf(test_folder, sizeof test_folder, "/tmp/cadre-test-XXXXXX");
    return mkdtemp(test_folder) ? 0 : -1;
}

static inline int remove_test_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf -- '%s'", test_folder);
    return system(command) == 0 ? 0 : -1;
}

/* A path in the folder; the two last results stay valid. */
static inline const char *in_folder(const char *name)
{
    static char paths[2][256];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", test_folder, name);
    return paths[turn];
}

/* A file of tests/data. */
static inline const char *test_data(const char *name)
{
    static char path[1024];
    const char *source = getenv("CADRE_TEST_SOURCE");
    snprintf(path, sizeof path, "%s/tests/data/%s", source ? source : ".", name);
    return path;
}

static inline void put_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
}

/* The whole file with a NUL behind it; the caller frees it. NULL if there is none. */
static inline char *get_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    const size_t bytes = (size_t)ftell(file);
    rewind(file);
    char *content = malloc(bytes + 1);
    if (!content || fread(content, 1, bytes, file) != bytes)
        abort();
    fclose(file);
    content[bytes] = '\0';
    if (size)
        *size = bytes;
    return content;
}

#endif
