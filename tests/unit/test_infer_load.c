/* Texts of an exact number of tokens, for kernels that count in different ways. */
#include "cmocka_all.h"
#include "run/infer_load.h"
#include <stdio.h>
#include <string.h>

#define CONTEXT 300

typedef enum counting { WORDS, PAIRS, GROUPS, ROWS } counting;

static cadre_status describe(const void *state, cadre_kernel_info *info)
{
    const counting *how = state;
    *info = (cadre_kernel_info){.takes =
                                    *how == ROWS ? CADRE_PAYLOAD_ROW : CADRE_PAYLOAD_TEXT,
                                .gives = CADRE_PAYLOAD_TEXT};
    return CADRE_OK;
}

/* Words, with one at the start of every text; pairs of bytes; or groups of five words,
 * which leave most numbers out. */
static cadre_status estimate(const void *state, const cadre_request *request,
                             cadre_estimate *out)
{
    const counting *how = state;
    const char *text = request->data;
    uint32_t n_words = request->bytes > 0;

    for (size_t i = 0; i < request->bytes; i++)
        n_words += text[i] == ' ';
    out->tokens_in = *how == WORDS    ? 1 + n_words
                     : *how == GROUPS ? n_words / 5 * 5
                                      : (uint32_t)(request->bytes + 1) / 2;
    out->max_tokens_out = request->sampling.max_tokens;
    if (out->tokens_in + out->max_tokens_out > CONTEXT)
        return cadre_fail(CADRE_ERR_INPUT, "%u and %u do not fit", out->tokens_in,
                          out->max_tokens_out);
    return CADRE_OK;
}

static const cadre_kernel kernel = {
    .name = "counter", .describe = describe, .estimate = estimate};

static void texts_have_the_wanted_length(void **state)
{
    static const size_t lengths[] = {1, 2, 16, 128, CONTEXT - 1};
    (void)state;
    for (counting how = WORDS; how <= PAIRS; how++) {
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            cadre__text a = {0}, b = {0}, other = {0};
            cadre_estimate counted;
            assert_int_equal(cadre__infer_text(&kernel, &how, 7, lengths[i], &a),
                             CADRE_OK);
            assert_int_equal(cadre__infer_text(&kernel, &how, 7, lengths[i], &b),
                             CADRE_OK);
            assert_int_equal(cadre__infer_text(&kernel, &how, 8, lengths[i], &other),
                             CADRE_OK);
            const cadre_request request = {.data = cadre__text_string(&a),
                                           .bytes = a.size,
                                           .sampling = {.max_tokens = 1}};
            assert_int_equal(estimate(&how, &request, &counted), CADRE_OK);
            assert_int_equal(counted.tokens_in, lengths[i]);
            assert_string_equal(cadre__text_string(&a), cadre__text_string(&b));
            if (lengths[i] > 2)
                assert_string_not_equal(cadre__text_string(&a),
                                        cadre__text_string(&other));
            cadre__text_fini(&a);
            cadre__text_fini(&b);
            cadre__text_fini(&other);
        }
    }
}

static void impossible_lengths_are_refused(void **state)
{
    cadre__text text = {0};
    counting how = GROUPS;
    (void)state;
    assert_int_equal(cadre__infer_text(&kernel, &how, 7, 15, &text), CADRE_OK);
    assert_int_equal(cadre__infer_text(&kernel, &how, 7, 17, &text), CADRE_ERR_INPUT);
    assert_string_equal(cadre_last_error(), "no text of exactly 17 tokens was found");
    how = WORDS;
    assert_int_equal(cadre__infer_text(&kernel, &how, 7, CONTEXT, &text),
                     CADRE_ERR_INPUT);
    assert_string_equal(cadre_last_error(), "a text of 300 tokens: 300 and 1 do not fit");
    cadre__text_fini(&text);
}

static void a_load_keeps_to_its_shape(void **state)
{
    const cadre__infer_shape shape = {16, 200, 8, 64};
    cadre__infer_load load, again;
    counting how = WORDS;
    size_t shortest = SIZE_MAX, longest = 0;

    (void)state;
    assert_int_equal(cadre__infer_load_make(&kernel, &how, &shape, 200, &load), CADRE_OK);
    assert_int_equal(cadre__infer_load_make(&kernel, &how, &shape, 200, &again),
                     CADRE_OK);
    for (size_t i = 0; i < 200; i++) {
        const cadre_request *request = &load.requests[i];
        assert_true(request->id == i && request->data == load.texts[i]);
        assert_true(request->sampling.max_tokens >= 8 &&
                    request->sampling.max_tokens <= 64);
        assert_true(request->sampling.temperature == 0 &&
                    request->sampling.logprobs == -1);
        assert_string_equal(load.texts[i], again.texts[i]);
        shortest = load.tokens_in[i] < shortest ? load.tokens_in[i] : shortest;
        longest = load.tokens_in[i] > longest ? load.tokens_in[i] : longest;
    }
    assert_true(shortest >= 16 && shortest < 32 && longest <= 200 && longest > 180);
    cadre__infer_load_fini(&load);
    cadre__infer_load_fini(&again);
}

static void a_load_is_refused(void **state)
{
    const cadre__infer_shape shape = {10, 10, 1, 1}, too_long = {250, 250, 64, 64};
    cadre__infer_load load;
    counting how = ROWS;

    (void)state;
    assert_int_equal(cadre__infer_load_make(&kernel, &how, &shape, 2, &load),
                     CADRE_ERR_UNSUPPORTED);
    cadre__infer_load_fini(&load);
    how = WORDS;
    assert_int_equal(cadre__infer_load_make(&kernel, &how, &too_long, 2, &load),
                     CADRE_ERR_INPUT);
    assert_string_equal(cadre_last_error(), "250 and 64 do not fit");
    cadre__infer_load_fini(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_the_wanted_length),
        cmocka_unit_test(impossible_lengths_are_refused),
        cmocka_unit_test(a_load_keeps_to_its_shape),
        cmocka_unit_test(a_load_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
