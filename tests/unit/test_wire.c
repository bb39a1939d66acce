/* tests/unit/test_wire.c - messages survive the trip, and damaged ones are refused: every
 * length is tried wrong. */
#include "cmocka_all.h"
#include "core/memory.h"
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

static void requests_survive(void **state)
{
    static const char *const texts[] = {"one", "", "three"};
    cadre_request in[3], out[3];
    cadre__wire_request table[3];
    cadre__wire_source source;
    uint8_t data[8];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        in[i] = (cadre_request){.id = UINT64_MAX - i,
                                .data = texts[i],
                                .bytes = strlen(texts[i]),
                                .sampling = {.max_tokens = 7 + (uint32_t)i,
                                             .temperature = 0.5f,
                                             .top_p = 0.25f,
                                             .seed = 1000 + i}};
    assert_int_equal(cadre__wire_source_requests(in, 3, &source), CADRE_OK);
    assert_int_equal(source.bytes, 8);
    cadre__wire_copy(&source, data);
    assert_memory_equal(data, "onethree", 8);
    cadre__wire_pack_requests(in, 3, table);
    const cadre__wire_head head = {.n = 3, .table_bytes = sizeof table, .data_bytes = 8};
    assert_int_equal(cadre__wire_unpack_requests(&head, (uint8_t *)table, data, out),
                     CADRE_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_true(out[i].id == in[i].id);
        assert_int_equal(out[i].bytes, in[i].bytes);
        assert_memory_equal(out[i].data, in[i].data, in[i].bytes);
        assert_int_equal(out[i].sampling.max_tokens, in[i].sampling.max_tokens);
        assert_true(out[i].sampling.temperature == 0.5f &&
                    out[i].sampling.top_p == 0.25f);
        assert_int_equal(out[i].sampling.seed, in[i].sampling.seed);
    }
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
    cadre__wire_request table[2] = {{.bytes = 4}, {.bytes = 6}};
    const uint8_t data[10] = {0};
    cadre_request out[3];
    cadre__wire_head head = {.n = 2, .table_bytes = sizeof table, .data_bytes = 10};
    const uint8_t *raw = (const uint8_t *)table;

    (void)state;
    assert_int_equal(cadre__wire_unpack_requests(&head, raw, data, out), CADRE_OK);
    head.n = 3;
    assert_int_equal(cadre__wire_unpack_requests(&head, raw, data, out), CADRE_ERR_INPUT);
    head.n = 1;
    assert_int_equal(cadre__wire_unpack_requests(&head, raw, data, out), CADRE_ERR_INPUT);
    head.n = UINT32_MAX;
    assert_int_equal(cadre__wire_unpack_requests(&head, raw, data, out), CADRE_ERR_INPUT);
    head.n = 2;
    table[1].bytes = 5;
    assert_int_equal(cadre__wire_unpack_requests(&head, raw, data, out), CADRE_ERR_INPUT);
    table[1].bytes = 7;
    assert_int_equal(cadre__wire_unpack_requests(&head, raw, data, out), CADRE_ERR_INPUT);
    table[0].bytes = UINT32_MAX;
    table[1].bytes = 11; /* would add up to 10 in 32 bits */
    assert_int_equal(cadre__wire_unpack_requests(&head, raw, data, out), CADRE_ERR_INPUT);
}

static const cadre_answer answers[3] = {
    {.id = 1,
     .data = "abcd",
     .bytes = 4,
     .tokens_in = 2,
     .tokens_out = 3,
     .finish_reason = "stop"},
    {.id = 2, .status = CADRE_ERR_INPUT, .message = "no"},
    {.id = 3, .data = "", .bytes = 0, .finish_reason = "length"},
};

static void answers_survive(void **state)
{
    cadre_answer out[3];
    cadre__wire_source source;
    size_t bytes;
    uint8_t data[4];

    (void)state;
    assert_int_equal(cadre__wire_source_answers(answers, 3, &source), CADRE_OK);
    assert_int_equal(source.bytes, 4);
    cadre__wire_copy(&source, data);
    assert_int_equal(cadre__wire_measure_answers(answers, 3, &bytes), CADRE_OK);
    assert_int_equal(bytes, 112); /* 3 x 32 and 5 + 3 + 7 of text, in eights */
    uint8_t *table = cadre__alloc(bytes);
    cadre__wire_pack_answers(answers, 3, table, bytes);
    const cadre__wire_head head = {.n = 3, .table_bytes = bytes, .data_bytes = 4};
    assert_int_equal(cadre__wire_unpack_answers(&head, table, data, out), CADRE_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(out[i].id, answers[i].id);
        assert_int_equal(out[i].status, answers[i].status);
        assert_int_equal(out[i].bytes, answers[i].bytes);
        assert_int_equal(out[i].tokens_in, answers[i].tokens_in);
        assert_int_equal(out[i].tokens_out, answers[i].tokens_out);
    }
    assert_memory_equal(out[0].data, "abcd", 4);
    assert_string_equal(out[0].finish_reason, "stop");
    assert_null(out[0].message);
    assert_null(out[1].data);
    assert_string_equal(out[1].message, "no");
    assert_non_null(out[2].data);
    assert_string_equal(out[2].finish_reason, "length");
    cadre__free(table);
}

static void damaged_answers_are_refused(void **state)
{
    cadre_answer out[4];
    size_t bytes;
    const uint8_t data[4] = {0};

    (void)state;
    assert_int_equal(cadre__wire_measure_answers(answers, 3, &bytes), CADRE_OK);
    uint8_t *table = cadre__alloc(bytes);
    cadre__wire_answer *entries = (cadre__wire_answer *)table;
    cadre__wire_head head = {.n = 3, .table_bytes = bytes, .data_bytes = 4};
#define SPOILT(statement)                                                                \
    do {                                                                                 \
        cadre__wire_pack_answers(answers, 3, table, bytes);                              \
        statement;                                                                       \
        assert_int_equal(cadre__wire_unpack_answers(&head, table, data, out),            \
                         CADRE_ERR_INPUT);                                               \
    } while (0)
    SPOILT(entries[0].bytes = 3);
    SPOILT(entries[0].bytes = 5);
    SPOILT(entries[2].bytes = UINT32_MAX);
    SPOILT(entries[0].finish_bytes = 4);
    SPOILT(entries[2].finish_bytes = 100);
    SPOILT(entries[2].finish_bytes = UINT32_MAX);
    SPOILT(entries[1].message_bytes = UINT32_MAX);
    SPOILT(head.n = UINT32_MAX);
    head.n = 3;
    SPOILT(head.table_bytes = 95);
    head.table_bytes = bytes;
    SPOILT(head.data_bytes = 0);
    cadre__free(table);
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

/* Random bytes in a valid frame: whatever the verdict, nothing is read out of bounds (the
 * sanitizers watch), and nothing crashes. */
static void noise_does_no_harm(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint64_t words[24];
        for (size_t i = 0; i < 24; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            words[i] = round % 3 ? x : x & 0x0000000f0000000full;
        }
        const size_t n = words[0] % 4, table_bytes = words[1] % 150,
                     data_bytes = words[2] % 40;
        uint8_t *table = malloc(table_bytes ? table_bytes / 8 * 8 + 8 : 8);
        uint8_t *data = malloc(data_bytes + 1);
        memcpy(table, words + 3, table_bytes);
        const cadre__wire_head head = {
            .n = (uint32_t)n, .table_bytes = table_bytes, .data_bytes = data_bytes};
        cadre_request requests[4];
        cadre_answer got[4];
        cadre_tensor tensor;
        const char *name, *strings[4];
        (void)cadre__wire_unpack_requests(&head, table, data, requests);
        (void)cadre__wire_unpack_answers(&head, table, data, got);
        (void)cadre__wire_unpack_tensor(&head, table, &tensor, &name);
        (void)cadre__wire_unpack_strings(table, table_bytes, strings, n);
        free(table);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_puts_inline_what_fits),
        cmocka_unit_test(damaged_heads_are_refused),
        cmocka_unit_test(requests_survive),
        cmocka_unit_test(rows_in_one_piece_are_seen),
        cmocka_unit_test(damaged_requests_are_refused),
        cmocka_unit_test(answers_survive),
        cmocka_unit_test(damaged_answers_are_refused),
        cmocka_unit_test(tensors_survive_or_are_refused),
        cmocka_unit_test(strings_survive_or_are_refused),
        cmocka_unit_test(noise_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
