/* tests/unit/test_output.c - stop strings, however they arrive, and text that is UTF-8.
 */
#include "cmocka_all.h"
#include "transformer/output.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next number of a fixed sequence, 0 to 2^31 - 1. */
static uint64_t draw_state = 1;

static int draw(void)
{
    draw_state =
        draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)(draw_state >> 33);
}

/* ---- Stop strings ---- */

/* Where the text ends, by looking at every byte: the first to be complete, of those the
 * longest. SIZE_MAX: nowhere. */
static size_t plain_end(const char *text, size_t n, const char *const *stops,
                        size_t n_stops)
{
    for (size_t at = 1; at <= n; at++) {
        size_t longest = 0;
        for (size_t s = 0; s < n_stops; s++) {
            const size_t length = strlen(stops[s]);
            if (length <= at && length > longest &&
                memcmp(text + at - length, stops[s], length) == 0)
                longest = length;
        }
        if (longest > 0)
            return at - longest;
    }
    return SIZE_MAX;
}

static size_t fed_end(const char *text, size_t n, size_t piece, const char *const *stops,
                      size_t n_stops)
{
    tf_stops all;
    size_t end = SIZE_MAX;

    assert_int_equal(tf_stops_init(&all, stops, n_stops), CADRE_OK);
    for (size_t at = 0; at < n; at += piece) {
        if (tf_stops_feed(&all, text + at, n - at < piece ? n - at : piece, &end))
            break;
    }
    tf_stops_fini(&all);
    return end;
}

static void stops_are_found(void **state)
{
    static const char *const stops[] = {"abab", "bc", "\n\n", "aabaaab"};
    char text[64];

    (void)state;
    draw_state = 3;
    for (int round = 0; round < 20000; round++) {
        const size_t n = (size_t)draw() % sizeof text, n_stops = (size_t)draw() % 5;
        for (size_t i = 0; i < n; i++)
            text[i] = "aab\nc"[draw() % 5];
        assert_int_equal(fed_end(text, n, 1 + (size_t)draw() % 7, stops, n_stops),
                         plain_end(text, n, stops, n_stops));
    }
}

static void the_first_to_end_counts(void **state)
{
    static const char *const stops[] = {"abcd", "bc", "abc"};

    (void)state;
    /* "bc" and "abc" end before "abcd"; the longer of the two is cut. */
    assert_int_equal(fed_end("xxabcd", 6, 6, stops, 3), 2);
    assert_int_equal(fed_end("xxabcd", 6, 6, stops, 2), 3);
    assert_int_equal(fed_end("xxabcd", 6, 6, stops, 1), 2);
    assert_int_equal(fed_end("xxab", 4, 1, stops, 3), SIZE_MAX);
}

static void bad_stops_are_refused(void **state)
{
    static const char *const stops[] = {"a", "b", "", "d", "e"};
    tf_stops all;

    (void)state;
    assert_int_equal(tf_stops_init(&all, stops, 3), CADRE_ERR_INPUT);
    tf_stops_fini(&all);
    assert_int_equal(tf_stops_init(&all, stops, 5), CADRE_ERR_INPUT);
    tf_stops_fini(&all);
    assert_int_equal(tf_stops_init(&all, NULL, 0), CADRE_OK);
    tf_stops_fini(&all);
}

/* ---- Text ---- */

enum { FIRST_BYTE = 3, N_TOKENS = 3 + 256 + 2 };

/* A vocabulary of all bytes and two words. */
typedef struct bytes_vocab {
    char names[256][8];
    tf_string tokens[N_TOKENS];
    float scores[N_TOKENS];
    int32_t types[N_TOKENS];
    tf_vocab vocab;
    tf_tokenizer *tokenizer;
} bytes_vocab;

static void set(bytes_vocab *v, size_t id, const char *text, int32_t type)
{
    v->tokens[id] = (tf_string){text, strlen(text)};
    v->types[id] = type;
    v->scores[id] = -(float)id;
}

static bytes_vocab *make_vocab(void)
{
    bytes_vocab *v = calloc(1, sizeof *v);

    assert_non_null(v);
    set(v, 0, "<unk>", TF_TOKEN_UNKNOWN);
    set(v, 1, "<s>", TF_TOKEN_CONTROL);
    set(v, 2, "</s>", TF_TOKEN_CONTROL);
    for (size_t b = 0; b < 256; b++) {
        snprintf(v->names[b], sizeof v->names[b], "<0x%02X>", (unsigned)b);
        set(v, FIRST_BYTE + b, v->names[b], TF_TOKEN_BYTE);
    }
    set(v, 259, "\xe2\x96\x81two", TF_TOKEN_NORMAL);
    set(v, 260, "\xe2\x96\x81", TF_TOKEN_NORMAL);
    v->vocab = (tf_vocab){.source = "test",
                          .kind = TF_VOCAB_SPM,
                          .n = N_TOKENS,
                          .tokens = v->tokens,
                          .scores = v->scores,
                          .types = v->types,
                          .bos = 1,
                          .eos = 2,
                          .eot = -1,
                          .pad = -1,
                          .add_bos = 1,
                          .add_space_prefix = 1};
    assert_int_equal(tf_tokenizer_create(&v->vocab, &v->tokenizer), CADRE_OK);
    return v;
}

static void destroy_vocab(bytes_vocab *v)
{
    tf_tokenizer_destroy(v->tokenizer);
    free(v);
}

static void check_text(const bytes_vocab *v, const char *bytes, size_t n, size_t skip,
                       size_t most, const char *expected)
{
    int32_t ids[64] = {0};
    char *text;
    size_t n_text;

    for (size_t i = 0; i < n; i++)
        ids[i] = FIRST_BYTE + (unsigned char)bytes[i];
    assert_int_equal(tf_output_text(v->tokenizer, ids, n, skip, most, &text, &n_text),
                     CADRE_OK);
    assert_string_equal(text, expected);
    assert_int_equal(n_text, strlen(expected));
    free(text);
}

static void text_is_utf8(void **state)
{
    bytes_vocab *v = make_vocab();

    (void)state;
    check_text(v, "", 0, 0, SIZE_MAX, "");
    check_text(v, "plain", 5, 0, SIZE_MAX, "plain");
    check_text(v, "plain", 5, 1, SIZE_MAX, "lain");
    check_text(v, "plain", 5, 1, 2, "la");
    check_text(v, "gr\xc3\xbc\xc3\x9f", 6, 0, SIZE_MAX, "gr\xc3\xbc\xc3\x9f");
    /* A character that is cut off at the end is left out, by tokens or by a stop. */
    check_text(v, "a\xe2\x82", 3, 0, SIZE_MAX, "a");
    check_text(v, "a\xe2\x82\xac", 4, 0, 3, "a");
    check_text(v, "a\xf0\x9f\x98", 4, 0, SIZE_MAX, "a");
    /* What no further byte can mend is shown. */
    check_text(v, "a\xff", 2, 0, SIZE_MAX, "a\xef\xbf\xbd");
    check_text(v, "\xe2\x82z", 3, 0, SIZE_MAX, "\xef\xbf\xbdz");
    check_text(v, "a\0b", 3, 0, SIZE_MAX,
               "a\xef\xbf\xbd"
               "b");
    destroy_vocab(v);
}

static void words_are_joined(void **state)
{
    bytes_vocab *v = make_vocab();
    static const int32_t ids[] = {259, 2, 259, 260, -5, 100000, FIRST_BYTE + '!'};
    char *text;
    size_t n;

    (void)state;
    assert_int_equal(tf_output_text(v->tokenizer, ids, 7, 1, SIZE_MAX, &text, &n),
                     CADRE_OK);
    assert_string_equal(text, "two two !");
    free(text);
    destroy_vocab(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_are_found),
        cmocka_unit_test(the_first_to_end_counts),
        cmocka_unit_test(bad_stops_are_refused),
        cmocka_unit_test(text_is_utf8),
        cmocka_unit_test(words_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
