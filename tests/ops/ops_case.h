/* tests/ops/ops_case.h - what the tests of ops share: repeatable numbers and the tables
 * of all levels. Included after cmocka.h. */
#ifndef CADRE_TESTS_OPS_CASE_H
#define CADRE_TESTS_OPS_CASE_H

#include <cadre/ops.h>
#include <stdlib.h>

/* A fixed sequence, so that a failure can be repeated. */
static inline uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline float next_float(uint64_t *state, float scale)
{
    return ((float)(next(state) >> 40) / 8388608.0f - 1.0f) * scale;
}

static inline void fill_floats(float *x, size_t n, float scale, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = next_float(&seed, scale);
}

/* The table of a level, copied; 0 if this machine lacks it. */
static inline int table_of(size_t index, cadre_ops *out)
{
    int usable = 0;
    const char *name = cadre_ops_level(index, &usable, NULL);

    if (!name || !usable)
        return 0;
    assert_int_equal(cadre_ops_init(name), CADRE_OK);
    *out = *cadre_ops_get();
    assert_string_equal(out->level, name);
    return 1;
}

static inline cadre_ops ref_table(void)
{
    assert_int_equal(cadre_ops_init("ref"), CADRE_OK);
    return *cadre_ops_get();
}

/* Memory aligned to 64 bytes, filled with a byte. */
static inline void *aligned(size_t bytes, int fill)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

    assert_non_null(memory);
    memset(memory, fill, bytes);
    return memory;
}

/* A float as its bits, which is what counts also where values compare equal. */
static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

#endif
