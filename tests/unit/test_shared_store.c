/* tests/unit/test_shared_store.c - copies into a shared area: right whichever way they
 * are stored, and a way that has become slow is left for the other one. */
#include "cmocka_all.h"
#include "coll/shared/control.h"
#include <stdlib.h>
#include <string.h>

#define BYTES ((size_t)64 << 10)
/* Per byte, of what is pretended to have been measured. */
#define SLOW_NS 1.0
#define PAST_CACHES_NS 0.2

static char *from, *to;

static int make_buffers(void **state)
{
    (void)state;
    from = malloc(BYTES);
    to = malloc(BYTES + 64);
    return from == NULL || to == NULL;
}

static int free_buffers(void **state)
{
    (void)state;
    free(from);
    free(to);
    return 0;
}

/* Copies that are long enough to be timed, some of which are, and the odd ends of others.
 */
static void store_all(cadre__shared *shared, int round)
{
    static const size_t sizes[] = {BYTES, BYTES, 0, 1, 63, 8191, 8193};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t offset = i % 2 == 0 ? 0 : 7;

        memset(from, round + (int)i, BYTES);
        memset(to, -1 - round - (int)i, BYTES + 64);
        cadre__shared_store(shared, to + offset, from, sizes[i]);
        assert_memory_equal(to + offset, from, sizes[i]);
        assert_int_equal(to[offset + sizes[i]], (char)(-1 - round - (int)i));
    }
}

/* Until the way is that one, while the present one seems slow; the rounds it took. */
static int rounds_until(cadre__shared *shared, int way)
{
    int round = 0;

    for (; shared->storing.way != way && round < 1000; round++) {
        shared->storing.byte_ns[!way] = way == 1 ? SLOW_NS : PAST_CACHES_NS;
        store_all(shared, round);
    }
    return round;
}

static void test_usual_way_stays(void **state)
{
    cadre__shared shared = {.n = 2};

    (void)state;
    for (int round = 0; round < 20; round++) {
        shared.storing.byte_ns[0] = 0.01;
        store_all(&shared, round);
        assert_int_equal(shared.storing.way, 0);
    }
    assert_true(shared.storing.byte_ns[1] == 0); /* never tried */
}

static void test_slow_way_is_left(void **state)
{
    cadre__shared shared = {.n = 2};

    (void)state;
    /* At once, unless the machine pauses just then. */
    assert_in_range(rounds_until(&shared, 1), 1, 100);
    assert_false(cadre__shared_stores_plainly(&shared));
    /* The usual way is tried again, but not soon. */
    assert_in_range(rounds_until(&shared, 0), 10, 999);
    assert_true(cadre__shared_stores_plainly(&shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_usual_way_stays, make_buffers, free_buffers),
        cmocka_unit_test_setup_teardown(test_slow_way_is_left, make_buffers,
                                        free_buffers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
