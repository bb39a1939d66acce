/* tests/unit/test_wire.c - messages survive the trip, and damaged ones are refused: every
 * length is tried wrong. */
#include "cmocka_all.h"
#include "core/memory.h"
#include "group/copy.h"
#include "group/wire.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES (CADRE__WIRE_FIRST + 64)

/* Build the first part of a message with this head. */
static size_t build(uint8_t *first, cadre__wire_head *head, const void *table,
                    const void *data)
{
    const size_t bytes = cadre__wire_layout(head);
    memset(first, 0, FIRST_BYTES);
    memcpy(first, head, sizeof *head);
    if (cadre__wire_table(first, head) && head->table_bytes)
        memcpy((void *)cadre__wire_table(first, head), table, head->table_bytes);
    if (cadre__wire_data(first, head) && head->data_bytes)
        memcpy((void *)cadre__wire_data(first, head), data, head->data_bytes);
    return bytes;
}

static void layout_puts_inline_what_fits(void **state)
{
    static const struct {
        uint64_t table, data;
        unsigned flags;
        size_t bytes;
    } cases[] = {
        {0, 0, 3, 72},
        {32, 100, 3, 72 + 32 + 100},
        {33, 1, 3, 112 + 1},
        {0, CADRE__WIRE_FIRST - 72, 3, CADRE__WIRE_FIRST},
        {0, CADRE__WIRE_FIRST - 71, 1, 72},
        {CADRE__WIRE_FIRST - 72, 0, 3, CADRE__WIRE_FIRST},
        {CADRE__WIRE_FIRST - 72, 1, 1, CADRE__WIRE_FIRST},
        {CADRE__WIRE_FIRST - 71, 0, 0, 72},
        {32, 262144, 1, 104},
        {CADRE__WIRE_MAX, CADRE__WIRE_MAX, 0, 72},
    };
    uint8_t *first = cadre__alloc(FIRST_BYTES);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cadre__wire_head head = {.kind = CADRE__WIRE_BATCH,
                                 .table_bytes = cases[i].table,
                                 .data_bytes = cases[i].data},
                         read;
        assert_int_equal(cadre__wire_layout(&head), cases[i].bytes);
        assert_int_equal(head.flags, cases[i].flags);
        memcpy(first, &head, sizeof head);
        assert_int_equal(cadre__wire_check(first, cases[i].bytes, &read), CADRE_OK);
        assert_memory_equal(&read, &head, sizeof head);
    }
    cadre__free(first);
}

static void damaged_heads_are_refused(void **state)
{
    uint8_t *first = cadre__alloc(FIRST_BYTES);
    const uint8_t table[64] = {0}, data[10] = {0};
    cadre__wire_head head = {
        .kind = CADRE__WIRE_BATCH, .n = 2, .table_bytes = 64, .data_bytes = 10};
    cadre__wire_head bad, read;
    const size_t bytes = build(first, &head, table, data);

    (void)state;
    assert_int_equal(cadre__wire_check(first, bytes, &read), CADRE_OK);
    for (size_t n = 0; n < FIRST_BYTES; n++) {
        if (n != bytes)
            assert_int_equal(cadre__wire_check(first, n, &read), CADRE_ERR_INPUT);
    }
#define REFUSED(field, value)                                                            \
    do {                                                                                 \
        bad = head;                                                                      \
        bad.field = (value);                                                             \
        memcpy(first, &bad, sizeof bad);                                                 \
        assert_int_equal(cadre__wire_check(first, bytes, &read), CADRE_ERR_INPUT);       \
    } while (0)
    REFUSED(magic, 0);
    REFUSED(kind, 0);
    REFUSED(kind, CADRE__WIRE_N_KINDS);
    REFUSED(kind, 0xffff);
    REFUSED(flags, 0);
    REFUSED(flags, CADRE__WIRE_TABLE_INLINE);
    REFUSED(flags, 7);
    REFUSED(table_bytes, 65);
    REFUSED(table_bytes, UINT64_MAX);
    REFUSED(table_bytes, (uint64_t)CADRE__WIRE_MAX + 1);
    REFUSED(data_bytes, 11);
    REFUSED(data_bytes, UINT64_MAX - 63);
    REFUSED(data_bytes, (uint64_t)CADRE__WIRE_MAX + 1);
    cadre__free(first);
}

/* Pack requests into memory of exactly their size, which the sanitizers watch. */
static uint8_t *packed_requests(const cadre_request *requests, size_t n,
                                cadre__wire_head *head)
{
    size_t bytes;
    assert_int_equal(cadre__wire_measure_requests(requests, n, &bytes), CADRE_OK);
    uint8_t *table = malloc(bytes ? bytes : 1);
    assert_non_null(table);
    cadre__wire_pack_requests(requests, n, table, bytes);
    *head = (cadre__wire_head){.n = (uint32_t)n, .table_bytes = bytes};
    return table;
}

static const cadre_message chat[] = {
    {.role_at = 0, .role_bytes = 1, .content_at = 2, .content_bytes = 3},
    {.role_at = 5, .role_bytes = 0, .content_at = 5, .content_bytes = 0},
};
static const char *const stops[] = {"\n\n", "END"};
static const cadre_request wishes[3] = {
    {.id = UINT64_MAX,
     .data = "one",
     .bytes = 3,
     .sampling = {.max_tokens = 7,
                  .temperature = 0.5f,
                  .top_p = 0.25f,
                  .min_p = 0.125f,
                  .top_k = 40,
                  .logprobs = -1,
                  .seed = 1000},
     .stops = stops,
     .n_stops = 2},
    {.id = 1, .data = "", .bytes = 0, .sampling = {.logprobs = 20}},
    {.id = 2,
     .data = "u hey",
     .bytes = 5,
     .messages = chat,
     .n_messages = 2,
     .stops = stops + 1,
     .n_stops = 1},
};

static void requests_survive(void **state)
{
    cadre_request out[3];
    const char *got_stops[3];
    cadre__wire_source source;
    cadre__wire_head head;
    uint8_t data[8];
    size_t n_stops;

    (void)state;
    assert_int_equal(cadre__wire_source_requests(wishes, 3, &source), CADRE_OK);
    assert_int_equal(source.bytes, 8);
    cadre__wire_copy(&source, data);
    assert_memory_equal(data, "oneu hey", 8);
    uint8_t *table = packed_requests(wishes, 3, &head);
    head.data_bytes = 8;
    assert_int_equal(head.table_bytes, 216); /* 3 x 56, 2 x 16, and 3 + 4 + 4 in eights */
    assert_int_equal(cadre__wire_count_stops(&head, table, &n_stops), CADRE_OK);
    assert_int_equal(n_stops, 3);
    assert_int_equal(cadre__wire_unpack_requests(&head, table, data, out, got_stops),
                     CADRE_OK);
    for (size_t i = 0; i < 3; i++) {
        const cadre_sampling *a = &out[i].sampling, *b = &wishes[i].sampling;
        assert_true(out[i].id == wishes[i].id && out[i].bytes == wishes[i].bytes);
        assert_memory_equal(out[i].data, wishes[i].data, wishes[i].bytes);
        assert_true(a->max_tokens == b->max_tokens && a->seed == b->seed);
        assert_true(a->temperature == b->temperature && a->top_p == b->top_p);
        assert_true(a->min_p == b->min_p && a->top_k == b->top_k);
        assert_true(a->logprobs == b->logprobs);
        assert_int_equal(out[i].n_messages, wishes[i].n_messages);
        assert_int_equal(out[i].n_stops, wishes[i].n_stops);
        for (uint32_t k = 0; k < out[i].n_stops; k++)
            assert_string_equal(out[i].stops[k], wishes[i].stops[k]);
    }
    assert_null(out[0].messages);
    assert_null(out[1].stops);
    assert_memory_equal(out[2].messages, chat, sizeof chat);
    free(table);
}

static void wrong_requests_are_not_sent(void **state)
{
    cadre_request bad;
    cadre_message outside = {.content_at = 4, .content_bytes = UINT32_MAX};
    const char *const missing[1] = {NULL};
    size_t bytes;

    (void)state;
#define NOT_SENT(statement)                                                              \
    do {                                                                                 \
        bad = wishes[2];                                                                 \
        statement;                                                                       \
        assert_int_equal(cadre__wire_measure_requests(&bad, 1, &bytes), CADRE_ERR_ARG);  \
    } while (0)
    NOT_SENT(bad.n_stops = CADRE_MAX_STOPS + 1);
    NOT_SENT(bad.stops = NULL);
    NOT_SENT(bad.stops = missing);
    NOT_SENT(bad.messages = NULL);
    NOT_SENT(bad.messages = &outside; bad.n_messages = 1);
    NOT_SENT(bad.bytes = 4);
    NOT_SENT(bad.sampling.logprobs = CADRE_MAX_TOP_LOGPROBS + 1);
    NOT_SENT(bad.sampling.logprobs = -2);
    assert_int_equal(cadre__wire_measure_requests(&wishes[2], 1, &bytes), CADRE_OK);
}

static void rows_in_one_piece_are_seen(void **state)
{
    float rows[3][4] = {{0}};
    cadre_request requests[3];
    cadre__wire_source source;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        requests[i] = (cadre_request){.data = rows[i], .bytes = sizeof rows[i]};
    assert_int_equal(cadre__wire_source_requests(requests, 3, &source), CADRE_OK);
    assert_ptr_equal(source.whole, rows);
    requests[1].data = rows[2];
    requests[2].data = rows[1];
    assert_int_equal(cadre__wire_source_requests(requests, 3, &source), CADRE_OK);
    assert_null(source.whole);
    requests[1].data = NULL;
    assert_int_equal(cadre__wire_source_requests(requests, 3, &source), CADRE_ERR_ARG);
    requests[1].bytes = 0;
    assert_int_equal(cadre__wire_source_requests(requests, 3, &source), CADRE_OK);
    requests[2].bytes = CADRE__WIRE_MAX;
    assert_int_equal(cadre__wire_source_requests(requests, 3, &source), CADRE_ERR_ARG);
    requests[2].bytes = SIZE_MAX;
    assert_int_equal(cadre__wire_source_requests(requests, 3, &source), CADRE_ERR_ARG);
    assert_int_equal(cadre__wire_source_requests(requests, SIZE_MAX / 8, &source),
                     CADRE_ERR_ARG);
}

static void damaged_requests_are_refused(void **state)
{
    const uint8_t data[8] = {0};
    cadre_request out[4];
    const char *got_stops[16];
    cadre__wire_head head;
    size_t bytes;

    (void)state;
    assert_int_equal(cadre__wire_measure_requests(wishes, 3, &bytes), CADRE_OK);
    uint8_t *table = malloc(bytes);
    assert_non_null(table);
    cadre__wire_request *entries = (cadre__wire_request *)(void *)table;
    cadre_message *messages = (cadre_message *)(void *)(table + 3 * sizeof *entries);
    char *text = (char *)(messages + 2);
#define DAMAGED(statement)                                                               \
    do {                                                                                 \
        cadre__wire_pack_requests(wishes, 3, table, bytes);                              \
        head = (cadre__wire_head){.n = 3, .table_bytes = bytes, .data_bytes = 8};        \
        statement;                                                                       \
        assert_int_equal(                                                                \
            cadre__wire_unpack_requests(&head, table, data, out, got_stops),             \
            CADRE_ERR_INPUT);                                                            \
    } while (0)
    DAMAGED(head.n = 4);
    DAMAGED(head.n = 2);
    DAMAGED(head.n = UINT32_MAX);
    DAMAGED(head.table_bytes -= 8);
    DAMAGED(head.data_bytes = 7);
    DAMAGED(head.data_bytes = 9);
    DAMAGED(entries[0].bytes = 4);
    DAMAGED(entries[2].bytes = 4);
    DAMAGED(entries[2].bytes = UINT32_MAX);
    DAMAGED(entries[0].bytes = UINT32_MAX; entries[2].bytes = 9); /* 8 in 32 bits */
    DAMAGED(entries[0].n_stops = CADRE_MAX_STOPS + 1);
    DAMAGED(entries[0].n_stops = UINT32_MAX);
    DAMAGED(entries[0].n_stops = 1);
    DAMAGED(entries[0].n_stops = 3);
    DAMAGED(entries[0].n_stops = 0);
    DAMAGED(entries[1].n_stops = 1);
    DAMAGED(entries[0].stop_bytes = 6; entries[2].stop_bytes = 5);
    DAMAGED(entries[2].stop_bytes = UINT32_MAX);
    DAMAGED(entries[2].n_messages = 1);
    DAMAGED(entries[2].n_messages = UINT32_MAX);
    DAMAGED(entries[1].n_messages = 1; entries[2].n_messages = 1);
    DAMAGED(entries[1].logprobs = CADRE_MAX_TOP_LOGPROBS + 1);
    DAMAGED(entries[1].logprobs = -2);
    DAMAGED(messages[0].role_bytes = 6);
    DAMAGED(messages[1].content_at = UINT32_MAX);
    DAMAGED(text[2] = 'x');
    DAMAGED(text[10] = 'x');
    free(table);
}

static const cadre_token chosen[] = {{"ab", 2, -0.5f}, {"\xE2", 1, -1}},
                         likely[] = {{"ab", 2, -0.5f},
                                     {"", 0, -2},
                                     {"xyz", 3, -0.25f},
                                     {"\xE2", 1, -1}};
static const cadre_logprobs with_two = {.n_tokens = 2,
                                        .n_top = 2,
                                        .tokens = chosen,
                                        .top = likely},
                            with_none = {.n_tokens = 1, .tokens = chosen},
                            of_nothing = {0};
static const cadre_answer answers[5] = {
    {.id = 1,
     .data = "abcd",
     .bytes = 4,
     .tokens_in = 2,
     .tokens_out = 3,
     .tokens_shared = 1,
     .finish_reason = "stop",
     .logprobs = &with_two,
     .first_token_ns = 5,
     .last_token_ns = INT64_MAX},
    {.id = 2, .status = CADRE_ERR_INPUT, .message = "no"},
    {.id = 3, .data = "", .bytes = 0, .finish_reason = "length", .logprobs = &with_none},
    {.id = 4, .data = "", .logprobs = &of_nothing},
    {.id = 5, .data = ""},
};

static void assert_same_tokens(const cadre_token *a, const cadre_token *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(a[i].n_bytes, b[i].n_bytes);
        assert_memory_equal(a[i].bytes, b[i].bytes, b[i].n_bytes);
        assert_true(a[i].logprob == b[i].logprob);
    }
}

static void assert_same_logprobs(const cadre_logprobs *a, const cadre_logprobs *b)
{
    if (!a || !b) {
        assert_true(!a && !b);
        return;
    }
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_int_equal(a->n_top, b->n_top);
    assert_same_tokens(a->tokens, b->tokens, b->n_tokens);
    assert_same_tokens(a->top, b->top, (size_t)b->n_tokens * b->n_top);
}

static void answers_survive(void **state)
{
    cadre_answer out[5];
    cadre__wire_source source;
    cadre_logprobs logprobs[3];
    cadre_token tokens[7];
    size_t bytes, n_logprobs, n_tokens;
    uint8_t data[4];

    (void)state;
    assert_int_equal(cadre__wire_source_answers(answers, 5, &source), CADRE_OK);
    assert_int_equal(source.bytes, 4);
    cadre__wire_copy(&source, data);
    assert_int_equal(cadre__wire_measure_answers(answers, 5, &bytes), CADRE_OK);
    /* 5 x 64, 5 + 3 + 7 of text in eights, 7 tokens x 8, 9 + 2 of their bytes in eights
     */
    assert_int_equal(bytes, 320 + 16 + 56 + 16);
    uint8_t *table = malloc(bytes);
    assert_non_null(table);
    cadre__wire_pack_answers(answers, 5, table, bytes);
    const cadre__wire_head head = {.n = 5, .table_bytes = bytes, .data_bytes = 4};
    assert_int_equal(cadre__wire_count_tokens(&head, table, &n_logprobs, &n_tokens),
                     CADRE_OK);
    assert_true(n_logprobs == 3 && n_tokens == 7);
    assert_int_equal(
        cadre__wire_unpack_answers(&head, table, data, out, logprobs, tokens), CADRE_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(out[i].id, answers[i].id);
        assert_int_equal(out[i].status, answers[i].status);
        assert_int_equal(out[i].bytes, answers[i].bytes);
        assert_int_equal(out[i].tokens_in, answers[i].tokens_in);
        assert_int_equal(out[i].tokens_out, answers[i].tokens_out);
        assert_int_equal(out[i].tokens_shared, answers[i].tokens_shared);
        assert_true(out[i].first_token_ns == answers[i].first_token_ns);
        assert_true(out[i].last_token_ns == answers[i].last_token_ns);
        assert_same_logprobs(out[i].logprobs, answers[i].logprobs);
    }
    assert_memory_equal(out[0].data, "abcd", 4);
    assert_string_equal(out[0].finish_reason, "stop");
    assert_null(out[0].message);
    assert_null(out[1].data);
    assert_string_equal(out[1].message, "no");
    assert_non_null(out[2].data);
    assert_string_equal(out[2].finish_reason, "length");
    free(table);
}

static void damaged_answers_are_refused(void **state)
{
    cadre_answer out[5];
    cadre_logprobs logprobs[5];
    cadre_token tokens[64];
    size_t bytes;
    const uint8_t data[4] = {0};

    (void)state;
    assert_int_equal(cadre__wire_measure_answers(answers, 5, &bytes), CADRE_OK);
    uint8_t *table = malloc(bytes);
    assert_non_null(table);
    cadre__wire_answer *entries = (cadre__wire_answer *)(void *)table;
    cadre__wire_token *first_token = (cadre__wire_token *)(void *)(table + 320 + 16);
    cadre__wire_head head = {.n = 5, .table_bytes = bytes, .data_bytes = 4};
#define SPOILT(statement)                                                                \
    do {                                                                                 \
        cadre__wire_pack_answers(answers, 5, table, bytes);                              \
        head = (cadre__wire_head){.n = 5, .table_bytes = bytes, .data_bytes = 4};        \
        statement;                                                                       \
        assert_int_equal(                                                                \
            cadre__wire_unpack_answers(&head, table, data, out, logprobs, tokens),       \
            CADRE_ERR_INPUT);                                                            \
    } while (0)
    SPOILT(entries[0].bytes = 3);
    SPOILT(entries[0].bytes = 5);
    SPOILT(entries[2].bytes = UINT32_MAX);
    SPOILT(entries[0].finish_bytes = 4);
    SPOILT(entries[2].finish_bytes = 100);
    SPOILT(entries[2].finish_bytes = UINT32_MAX);
    SPOILT(entries[1].message_bytes = UINT32_MAX);
    SPOILT(entries[0].n_tokens = 3);
    SPOILT(entries[0].n_tokens = 1);
    SPOILT(entries[0].n_tokens = UINT32_MAX; entries[0].n_top = 20);
    SPOILT(entries[0].n_top = 3);
    SPOILT(entries[0].n_top = -1);
    SPOILT(entries[0].n_top = -2);
    SPOILT(entries[0].n_top = CADRE_MAX_TOP_LOGPROBS + 1);
    SPOILT(entries[0].token_bytes = 8; entries[2].token_bytes = 3);
    SPOILT(entries[0].token_bytes = 10; entries[2].token_bytes = 1);
    SPOILT(entries[4].token_bytes = 1);
    SPOILT(entries[2].token_bytes = UINT32_MAX);
    SPOILT(first_token->bytes = 3);
    SPOILT(first_token->bytes = 1);
    SPOILT(first_token->bytes = UINT32_MAX);
    SPOILT(head.n = UINT32_MAX);
    SPOILT(head.n = 4);
    SPOILT(head.table_bytes = 95);
    SPOILT(head.table_bytes += 8);
    SPOILT(head.data_bytes = 0);
    free(table);
}

static void copies_own_what_they_point_to(void **state)
{
    cadre_request from[3], copies[3];
    char text[] = "u hey", stop[] = "END";
    const char *const list[] = {stop};
    void *memory;

    (void)state;
    memcpy(from, wishes, sizeof from);
    from[2].data = text;
    from[2].stops = list;
    assert_int_equal(cadre__requests_copy(from, 3, copies, &memory), CADRE_OK);
    memset(text, 'x', sizeof text - 1);
    memset(stop, 'x', sizeof stop - 1);
    assert_memory_equal(copies[0].data, "one", 3);
    assert_string_equal(copies[0].stops[0], "\n\n");
    assert_string_equal(copies[0].stops[1], "END");
    assert_null(copies[1].stops);
    assert_memory_equal(copies[2].data, "u hey", 5);
    assert_memory_equal(copies[2].messages, chat, sizeof chat);
    assert_string_equal(copies[2].stops[0], "END");
    cadre__free(memory);

    assert_null(cadre__logprobs_copy(NULL));
    cadre_logprobs *logprobs = cadre__logprobs_copy(&with_two);
    assert_non_null(logprobs);
    assert_ptr_not_equal(logprobs->tokens, with_two.tokens);
    assert_ptr_not_equal(logprobs->top[2].bytes, with_two.top[2].bytes);
    assert_same_logprobs(logprobs, &with_two);
    cadre__free(logprobs);
}

static void tensors_survive_or_are_refused(void **state)
{
    const cadre_tensor in = {.dtype = CADRE_I64, .n_dims = 2, .dims = {3, 5}};
    const size_t bytes = cadre__wire_tensor_bytes("weights");
    cadre__wire_head head = {.table_bytes = bytes};
    uint8_t *table = cadre__alloc(bytes);
    cadre__wire_tensor *entry = (cadre__wire_tensor *)table;
    const char *name;
    cadre_tensor out;

    (void)state;
    cadre__wire_pack_tensor(&in, "weights", table);
    assert_int_equal(cadre__wire_unpack_tensor(&head, table, &out, &name), CADRE_OK);
    assert_string_equal(name, "weights");
    assert_int_equal(out.dtype, CADRE_I64);
    assert_int_equal(out.n_dims, 2);
    assert_int_equal(out.dims[1], 5);
#define WRONG(statement)                                                                 \
    do {                                                                                 \
        cadre__wire_pack_tensor(&in, "weights", table);                                  \
        statement;                                                                       \
        assert_int_not_equal(cadre__wire_unpack_tensor(&head, table, &out, &name),       \
                             CADRE_OK);                                                  \
    } while (0)
    WRONG(entry->n_dims = -1);
    WRONG(entry->n_dims = CADRE_MAX_DIMS + 1);
    WRONG(entry->dtype = -1);
    WRONG(entry->dtype = CADRE_N_DTYPES);
    WRONG(entry->dims[0] = UINT64_MAX);
    WRONG(entry->name_bytes = 0);
    WRONG(entry->name_bytes = 4);
    WRONG(entry->name_bytes = UINT64_MAX);
    WRONG(head.table_bytes = 47);
    cadre__free(table);
}

static void strings_survive_or_are_refused(void **state)
{
    const char *const in[] = {"a", "", "bc"};
    const char *out[3];
    uint8_t data[6];

    (void)state;
    assert_int_equal(cadre__wire_strings_bytes(in, 3), 6);
    cadre__wire_pack_strings(in, 3, data);
    assert_int_equal(cadre__wire_unpack_strings(data, 6, out, 3), CADRE_OK);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(out[i], in[i]);
    assert_int_equal(cadre__wire_unpack_strings(data, 5, out, 3), CADRE_ERR_INPUT);
    assert_int_equal(cadre__wire_unpack_strings(data, 6, out, 2), CADRE_ERR_INPUT);
    assert_int_equal(cadre__wire_unpack_strings(data, 0, out, 1), CADRE_ERR_INPUT);
}

/* Random bytes in a valid frame: whatever the verdict, nothing is read or written out of
 * bounds (the sanitizers watch), and nothing crashes. */
static void noise_does_no_harm(void **state)
{
    uint64_t x = 88172645463325252u;
    size_t n_accepted = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint64_t words[40];
        for (size_t i = 0; i < 40; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            words[i] = round % 3 ? x : x & 0x0000000300000003ull;
        }
        const size_t n = words[0] % 4, table_bytes = words[1] % 32 * 8,
                     data_bytes = words[2] % 40;
        uint64_t *table = malloc(table_bytes ? table_bytes : 8);
        uint8_t *data = malloc(data_bytes + 1);
        assert_true(table && data);
        memcpy(table, words + 3, table_bytes);
        const cadre__wire_head head = {
            .n = (uint32_t)n, .table_bytes = table_bytes, .data_bytes = data_bytes};
        const uint8_t *raw = (const uint8_t *)table;
        cadre_request requests[4];
        cadre_answer got[4];
        cadre_tensor tensor;
        size_t n_stops, n_logprobs, n_tokens;
        const char *name, *strings[4];
        if (cadre__wire_count_stops(&head, raw, &n_stops) == CADRE_OK) {
            const char **list = malloc(n_stops * sizeof *list + 1);
            n_accepted +=
                cadre__wire_unpack_requests(&head, raw, data, requests, list) == CADRE_OK;
            free(list);
        }
        if (cadre__wire_count_tokens(&head, raw, &n_logprobs, &n_tokens) == CADRE_OK) {
            cadre_logprobs *logprobs = malloc(n_logprobs * sizeof *logprobs + 1);
            cadre_token *tokens = malloc(n_tokens * sizeof *tokens + 1);
            n_accepted += cadre__wire_unpack_answers(&head, raw, data, got, logprobs,
                                                     tokens) == CADRE_OK;
            free(logprobs);
            free(tokens);
        }
        (void)cadre__wire_unpack_tensor(&head, raw, &tensor, &name);
        (void)cadre__wire_unpack_strings(raw, table_bytes, strings, n);
        free(table);
        free(data);
    }
    assert_true(n_accepted > 0); /* of nothing at least */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_puts_inline_what_fits),
        cmocka_unit_test(damaged_heads_are_refused),
        cmocka_unit_test(requests_survive),
        cmocka_unit_test(wrong_requests_are_not_sent),
        cmocka_unit_test(rows_in_one_piece_are_seen),
        cmocka_unit_test(damaged_requests_are_refused),
        cmocka_unit_test(answers_survive),
        cmocka_unit_test(damaged_answers_are_refused),
        cmocka_unit_test(copies_own_what_they_point_to),
        cmocka_unit_test(tensors_survive_or_are_refused),
        cmocka_unit_test(strings_survive_or_are_refused),
        cmocka_unit_test(noise_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
