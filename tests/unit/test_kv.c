/* tests/unit/test_kv.c - pages of the KV cache: given out, shared, taken back. What a
 * page would hold is written down beside it, so that sharing is checked against truth. */
#include "cmocka_all.h"
#include "transformer/kv.h"
#include <cadre/matrix.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = CADRE_KV_PAGE, MOST = 16 };

/* The next number of a fixed sequence, 0 to 2^31 - 1. */
static uint64_t draw_state = 1;

static int draw(void)
{
    draw_state =
        draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)(draw_state >> 33);
}

/* n tokens that count up from `first`. */
static const int32_t *count_up(int32_t first, size_t n)
{
    static int32_t tokens[MOST * PAGE];
    for (size_t i = 0; i < n; i++)
        tokens[i] = first + (int32_t)i;
    return tokens;
}

static tf_kv *make(size_t n_pages)
{
    tf_kv *kv;
    assert_int_equal(tf_kv_create(n_pages, &kv), CADRE_OK);
    assert_int_equal(tf_kv_n_pages(kv), n_pages);
    assert_int_equal(tf_kv_n_free(kv), n_pages);
    return kv;
}

static size_t take(tf_kv *kv, const int32_t *tokens, size_t n_tokens, size_t n_pages,
                   uint32_t *pages)
{
    size_t n_shared = 12345;
    assert_int_equal(tf_kv_take(kv, tokens, n_tokens, n_pages, pages, &n_shared),
                     CADRE_OK);
    for (size_t i = 0; i < n_pages; i++) {
        assert_true(pages[i] < tf_kv_n_pages(kv));
        for (size_t k = 0; k < i; k++)
            assert_true(pages[i] != pages[k]);
    }
    return n_shared;
}

static void takes_all_or_nothing(void **state)
{
    tf_kv *kv = make(5);
    uint32_t a[MOST], b[MOST];
    size_t n_shared;

    (void)state;
    assert_int_equal(take(kv, count_up(0, 70), 70, 3, a), 0);
    assert_int_equal(tf_kv_n_free(kv), 2);
    assert_int_equal(tf_kv_take(kv, count_up(0, 70), 70, 3, b, &n_shared),
                     CADRE_ERR_STATE);
    assert_int_equal(tf_kv_n_free(kv), 2);
    assert_int_equal(take(kv, count_up(0, 64), 64, 2, b), 0);
    assert_int_equal(tf_kv_n_free(kv), 0);
    tf_kv_release(kv, a, 3);
    assert_int_equal(tf_kv_n_free(kv), 3);
    tf_kv_release(kv, b, 2);
    assert_int_equal(tf_kv_n_free(kv), 5);
    tf_kv_destroy(kv);
}

static void shares_what_is_equal(void **state)
{
    tf_kv *kv = make(16);
    uint32_t a[MOST], b[MOST], c[MOST];
    int32_t other[96];

    (void)state;
    take(kv, count_up(0, 100), 100, 4, a);
    /* Nothing is shared before it is published, and then only whole pages. */
    assert_int_equal(take(kv, count_up(0, 100), 100, 4, b), 0);
    tf_kv_release(kv, b, 4);
    tf_kv_publish(kv, count_up(0, 100), 90, a);
    assert_int_equal(take(kv, count_up(0, 100), 100, 4, b), 64);
    assert_memory_equal(a, b, 2 * sizeof *a);
    assert_true(a[2] != b[2]);
    assert_int_equal(tf_kv_n_free(kv), 16 - 6);
    /* Never the page of the last token. */
    assert_int_equal(take(kv, count_up(0, 64), 64, 2, c), 32);
    tf_kv_release(kv, c, 2);
    assert_int_equal(take(kv, count_up(0, 65), 65, 3, c), 64);
    tf_kv_release(kv, c, 3);
    /* Another token anywhere before ends what is shared. */
    memcpy(other, count_up(0, 96), sizeof other);
    other[40]++;
    assert_int_equal(take(kv, other, 96, 3, c), 32);
    tf_kv_release(kv, c, 3);
    other[0]++;
    assert_int_equal(take(kv, other, 96, 3, c), 0);
    tf_kv_release(kv, c, 3);
    /* The second page's tokens at the first place are something else. */
    assert_int_equal(take(kv, count_up(32, 96), 96, 3, c), 0);
    tf_kv_release(kv, c, 3);
    tf_kv_release(kv, a, 4);
    tf_kv_release(kv, b, 4);
    assert_int_equal(tf_kv_n_free(kv), 16);
    /* Nobody uses them, and they can still be shared. */
    assert_int_equal(take(kv, count_up(0, 100), 100, 4, c), 64);
    tf_kv_destroy(kv);
}

static void forgets_the_oldest_first(void **state)
{
    tf_kv *kv = make(6);
    uint32_t a[MOST], b[MOST], c[MOST];

    (void)state;
    take(kv, count_up(0, 65), 65, 3, a);
    tf_kv_publish(kv, count_up(0, 65), 65, a);
    take(kv, count_up(1000, 65), 65, 3, b);
    tf_kv_publish(kv, count_up(1000, 65), 65, b);
    tf_kv_release(kv, a, 3);
    tf_kv_release(kv, b, 3);
    /* Three pages are taken: the two that hold nothing, then the last of the older. */
    take(kv, count_up(2000, 65), 65, 3, c);
    tf_kv_release(kv, c, 3);
    assert_int_equal(take(kv, count_up(0, 65), 65, 3, c), 32);
    tf_kv_release(kv, c, 3);
    assert_int_equal(take(kv, count_up(1000, 65), 65, 3, c), 64);
    tf_kv_release(kv, c, 3);
    /* All pages are taken: nothing is left of either. */
    take(kv, count_up(3000, 6 * PAGE), 6 * PAGE, 6, c);
    tf_kv_release(kv, c, 6);
    assert_int_equal(take(kv, count_up(0, 65), 65, 3, c), 0);
    tf_kv_destroy(kv);
}

/* Two sequences computed the same page; the first one's goes, and is used again. */
static void survives_lost_predecessors(void **state)
{
    tf_kv *kv = make(8);
    uint32_t a[MOST], b[MOST], c[MOST];

    (void)state;
    take(kv, count_up(0, 100), 100, 4, a);
    take(kv, count_up(0, 100), 100, 4, b);
    tf_kv_publish(kv, count_up(0, 100), 32, a);
    tf_kv_publish(kv, count_up(0, 100), 64, b); /* its second page follows a's first */
    tf_kv_release(kv, a, 4);
    take(kv, count_up(5000, 100), 100, 4, c);
    tf_kv_publish(kv, count_up(5000, 100), 96, c);
    tf_kv_publish(kv, count_up(0, 100), 96, b); /* now under its own first page */
    tf_kv_release(kv, c, 4);
    assert_int_equal(take(kv, count_up(0, 100), 100, 4, a), 96);
    assert_memory_equal(a, b, 3 * sizeof *a);
    tf_kv_release(kv, a, 4);
    tf_kv_release(kv, b, 4);
    assert_int_equal(tf_kv_n_free(kv), 8);
    tf_kv_destroy(kv);
}

/* ---- Many sequences, against what the pages would hold ---- */

enum { N_PAGES = 40, N_SEQUENCES = 12 };

typedef struct sequence {
    size_t n_tokens, n_pages;
    int32_t tokens[8 * PAGE];
    uint32_t pages[8];
} sequence;

static int32_t held[N_PAGES][8 * PAGE]; /* of each page: all tokens up to its end */
static size_t held_n[N_PAGES];

/* A prompt of few kinds, so that beginnings are often equal. */
static void invent(sequence *s)
{
    s->n_tokens = 1 + (size_t)(draw() % (8 * PAGE));
    const int kind = draw() % 3;
    const size_t differs = (size_t)(draw() % (8 * PAGE));
    for (size_t i = 0; i < s->n_tokens; i++)
        s->tokens[i] = (int32_t)i * 7 + kind + (i >= differs ? 1 + draw() % 2 : 0);
    s->n_pages = (s->n_tokens + PAGE - 1) / PAGE;
}

static void start(tf_kv *kv, sequence *s, size_t *n_used)
{
    size_t n_shared = 0;
    const size_t before = tf_kv_n_free(kv);

    invent(s);
    if (tf_kv_take(kv, s->tokens, s->n_tokens, s->n_pages, s->pages, &n_shared) !=
        CADRE_OK) {
        assert_true(s->n_pages > before);
        s->n_pages = 0;
        return;
    }
    assert_true(n_shared % PAGE == 0 && n_shared < s->n_tokens);
    for (size_t i = 0; i < n_shared / PAGE; i++) {
        assert_int_equal(held_n[s->pages[i]], (i + 1) * PAGE);
        assert_memory_equal(held[s->pages[i]], s->tokens,
                            (i + 1) * PAGE * sizeof *s->tokens);
    }
    for (size_t i = n_shared / PAGE; i < s->n_pages; i++) {
        const size_t end = (i + 1) * PAGE < s->n_tokens ? (i + 1) * PAGE : s->n_tokens;
        held_n[s->pages[i]] = end;
        memcpy(held[s->pages[i]], s->tokens, end * sizeof *s->tokens);
    }
    tf_kv_publish(kv, s->tokens, s->n_tokens - (size_t)draw() % s->n_tokens, s->pages);
    *n_used += n_shared;
}

static void holds_under_load(void **state)
{
    tf_kv *kv = make(N_PAGES);
    sequence sequences[N_SEQUENCES] = {0};
    size_t n_shared = 0;

    (void)state;
    draw_state = 20261123;
    for (int round = 0; round < 20000; round++) {
        sequence *s = &sequences[draw() % N_SEQUENCES];
        if (s->n_pages == 0) {
            start(kv, s, &n_shared);
        } else if (draw() % 2) {
            tf_kv_release(kv, s->pages, s->n_pages);
            s->n_pages = 0;
        } else {
            tf_kv_publish(kv, s->tokens, s->n_tokens, s->pages);
        }
    }
    assert_true(n_shared > 1000);
    for (size_t i = 0; i < N_SEQUENCES; i++)
        tf_kv_release(kv, sequences[i].pages, sequences[i].n_pages);
    assert_int_equal(tf_kv_n_free(kv), N_PAGES);
    tf_kv_destroy(kv);
}

static void refuses_nonsense(void **state)
{
    tf_kv *kv = (tf_kv *)&kv;

    (void)state;
    assert_int_equal(tf_kv_create(0, &kv), CADRE_ERR_ARG);
    assert_null(kv);
    assert_int_equal(tf_kv_create(TF_KV_MAX_PAGES + 1, &kv), CADRE_ERR_ARG);
    tf_kv_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_all_or_nothing),
        cmocka_unit_test(shares_what_is_equal),
        cmocka_unit_test(forgets_the_oldest_first),
        cmocka_unit_test(survives_lost_predecessors),
        cmocka_unit_test(holds_under_load),
        cmocka_unit_test(refuses_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
