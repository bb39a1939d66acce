/* Lines of results.jsonl: log-probabilities in OpenAI's two forms, times of texts. */
#include "cmocka_all.h"
#include "io/json.h"
#include "io/results.h"
#include <math.h>
#include <string.h>

static const cadre_token chosen[] = {
    {" gr", 3, -0.5f}, {"\xC3", 1, -1}, {"\xBC\xC3\x9F", 3, -INFINITY}, {"\"", 1, 0}};
static const cadre_token likely[] = {
    {" gr", 3, -0.5f}, {"a", 1, -2},      /* ordinary */
    {"\xC3", 1, -1},   {"\xE2", 1, -1.5}, /* shown alike */
    {"x", 1, -0.25f},  {"x", 1, -3},      /* two tokens of one text */
    {"\"", 1, 0},      {"", 0, -4}};
static const cadre_logprobs with_two = {.n_tokens = 4,
                                        .n_top = 2,
                                        .tokens = chosen,
                                        .top = likely},
                            with_none = {.n_tokens = 1, .tokens = chosen};

static void expect(const cadre_logprobs *logprobs, bool chat, const char *expected)
{
    cadre__text out = {0};
    cadre__json_doc *doc;
    cadre__put_logprobs(&out, logprobs, chat);
    assert_string_equal(cadre__text_string(&out), expected);
    if (cadre__json_parse("logprobs", 1, out.data, out.size, &doc) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    cadre__json_doc_destroy(doc);
    cadre__text_fini(&out);
}

static void completions_have_four_arrays(void **state)
{
    (void)state;
    expect(NULL, false, "null");
    expect(&with_two, false,
           "{\"tokens\":[\" gr\",\"\uFFFD\",\"\uFFFDß\",\"\\\"\"],"
           "\"token_logprobs\":[-0.5,-1,-9999,0],"
           "\"top_logprobs\":[{\" gr\":-0.5,\"a\":-2},{\"\uFFFD\":-1},{\"x\":-0.25},"
           "{\"\\\"\":0,\"\":-4}],"
           "\"text_offset\":[0,3,4,5]}");
    expect(&with_none, false,
           "{\"tokens\":[\" gr\"],\"token_logprobs\":[-0.5],\"top_logprobs\":null,"
           "\"text_offset\":[0]}");
}

static void chats_have_an_object_per_token(void **state)
{
    const cadre_logprobs first_two = {
        .n_tokens = 2, .n_top = 2, .tokens = chosen, .top = likely};
    (void)state;
    expect(NULL, true, "null");
    expect(
        &first_two, true,
        "{\"content\":[{\"token\":\" gr\",\"logprob\":-0.5,\"bytes\":[32,103,114],"
        "\"top_logprobs\":[{\"token\":\" gr\",\"logprob\":-0.5,\"bytes\":[32,103,114]},"
        "{\"token\":\"a\",\"logprob\":-2,\"bytes\":[97]}]},"
        "{\"token\":\"\uFFFD\",\"logprob\":-1,\"bytes\":[195],"
        "\"top_logprobs\":[{\"token\":\"\uFFFD\",\"logprob\":-1,\"bytes\":[195]},"
        "{\"token\":\"\uFFFD\",\"logprob\":-1.5,\"bytes\":[226]}]}],"
        "\"refusal\":null}");
    expect(&with_none, true,
           "{\"content\":[{\"token\":\" gr\",\"logprob\":-0.5,\"bytes\":[32,103,114],"
           "\"top_logprobs\":[]}],\"refusal\":null}");
}

static void timings_stand_at_the_end(void **state)
{
    static char id[] = "a", text[] = "hi", name[] = "t";
    cadre__job_tier tier = {.name = name};
    cadre__job_tenant tenant = {.name = name};
    const cadre__job job = {
        .tiers = &tier, .n_tiers = 1, .tenants = &tenant, .n_tenants = 1};
    const cadre__item item = {.custom_id = id};
    cadre__record record = {.ok = true,
                            .attempts = 1,
                            .tokens_in = 9,
                            .tokens_out = 3,
                            .tokens_shared = 8,
                            .first_token_ns = 2500000,
                            .last_token_ns = 5500000,
                            .gives = CADRE_PAYLOAD_TEXT,
                            .data = text,
                            .bytes = 2,
                            .finish_reason = "length"};
    cadre__text out = {0};
    (void)state;
    cadre__result_line(&out, &job, &item, &record);
    assert_non_null(strstr(out.data, "\"usage\":{\"prompt_tokens\":9,"
                                     "\"completion_tokens\":3,\"total_tokens\":12}"));
    assert_non_null(strstr(out.data, "\"attempts\":1,\"queue_ms\":0.000,\"service_ms\":"
                                     "0.000,\"cached_tokens\":8,\"ttft_ms\":2.500,"
                                     "\"tpot_ms\":1.500}}\n"));
    assert_int_equal(cadre__record_ns_per_token(&record), 1500000);
    record.tokens_out = 1;
    cadre__text_clear(&out);
    cadre__result_line(&out, &job, &item, &record);
    assert_non_null(strstr(out.data, "\"tpot_ms\":null}}\n"));
    cadre__text_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completions_have_four_arrays),
        cmocka_unit_test(chats_have_an_object_per_token),
        cmocka_unit_test(timings_stand_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
