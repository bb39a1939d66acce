/* tests/unit/test_fifo.c - order is kept while the queue wraps and grows. */
#include "cmocka_all.h"
#include "run/fifo.h"

static void test_order(void **state)
{
    cadre__fifo fifo = {0};
    size_t next_in = 0, next_out = 0;
    (void)state;
    for (size_t round = 0; round < 200; round++) {
        for (size_t i = 0; i < round % 7 + 1; i++)
            assert_int_equal(cadre__fifo_push(&fifo, next_in++), CADRE_OK);
        for (size_t i = 0; i < round % 5 && fifo.n > 0; i++) {
            assert_int_equal(cadre__fifo_front(&fifo), next_out);
            assert_int_equal(cadre__fifo_pop(&fifo), next_out++);
        }
        assert_int_equal(fifo.n, next_in - next_out);
    }
    while (fifo.n > 0)
        assert_int_equal(cadre__fifo_pop(&fifo), next_out++);
    assert_int_equal(next_in, next_out);
    cadre__fifo_fini(&fifo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
