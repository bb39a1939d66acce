/* tests/unit/test_gguf.c - GGUF files: what is written is read back, every kind of damage
 * is refused with a sentence, and none does harm. */
#include "cmocka_all.h"
#include "h5_case.h"
#include "transformer/gguf.h"
#include "transformer/tool/gguf_write.h"
#include "transformer/tool/random_model.h"

/* ---- A file put together by hand ---- */

static uint8_t file[4096];
static size_t n_file;

static void put(const void *bytes, size_t n)
{
    assert_true(n_file + n <= sizeof file);
    memcpy(file + n_file, bytes, n);
    n_file += n;
}

static void put_u32(uint32_t value)
{
    put(&value, sizeof value);
}

static void put_u64(uint64_t value)
{
    put(&value, sizeof value);
}

static void put_string(const char *text)
{
    put_u64(strlen(text));
    put(text, strlen(text));
}

static void start(uint64_t n_tensors, uint64_t n_keys)
{
    n_file = 0;
    put("GGUF", 4);
    put_u32(3);
    put_u64(n_tensors);
    put_u64(n_keys);
}

static void put_key(const char *key, tf_value_type type)
{
    put_string(key);
    put_u32((uint32_t)type);
}

static void put_tensor(const char *name, uint64_t n_in, uint64_t n_out, uint32_t type,
                       uint64_t offset)
{
    put_string(name);
    put_u32(2);
    put_u64(n_in);
    put_u64(n_out);
    put_u32(type);
    put_u64(offset);
}

static void pad_to(size_t alignment, size_t more)
{
    while (n_file % alignment)
        put("", 1);
    for (size_t i = 0; i < more; i++)
        put("", 1);
}

static tf_gguf *opened(void)
{
    tf_gguf *g;
    if (tf_gguf_open_memory("hand.gguf", file, n_file, &g) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    return g;
}

static void refused(cadre_status code, const char *says)
{
    tf_gguf *g;
    assert_int_equal(tf_gguf_open_memory("hand.gguf", file, n_file, &g), code);
    assert_null(g);
    if (!strstr(cadre_last_error(), says))
        fail_msg("expected \"%s\" in \"%s\"", says, cadre_last_error());
    assert_non_null(strstr(cadre_last_error(), "hand.gguf"));
}

/* ---- Values ---- */

#define SCALAR(key, type, c_type, value)                                                 \
    do {                                                                                 \
        const c_type v = value;                                                          \
        put_key(key, type);                                                              \
        put(&v, sizeof v);                                                               \
    } while (0)

static void put_all_types(void)
{
    start(0, 15);
    SCALAR("u8", TF_UINT8, uint8_t, 200);
    SCALAR("i8", TF_INT8, int8_t, -100);
    SCALAR("u16", TF_UINT16, uint16_t, 60000);
    SCALAR("i16", TF_INT16, int16_t, -30000);
    SCALAR("u32", TF_UINT32, uint32_t, 4000000000u);
    SCALAR("i32", TF_INT32, int32_t, -2000000000);
    SCALAR("u64", TF_UINT64, uint64_t, UINT64_MAX);
    SCALAR("i64", TF_INT64, int64_t, INT64_MIN);
    SCALAR("f32", TF_FLOAT32, float, 1.5f);
    SCALAR("f64", TF_FLOAT64, double, -2.25);
    SCALAR("yes", TF_BOOL, uint8_t, 1);
    put_key("text", TF_STRING);
    put_string("a \x01 text");
    put_key("words", TF_ARRAY);
    put_u32(TF_STRING);
    put_u64(3);
    put_string("one");
    put_string("");
    put_string("three");
    put_key("numbers", TF_ARRAY);
    put_u32(TF_INT16);
    put_u64(2);
    put("\x01\x00\xff\xff", 4);
    put_key("none", TF_ARRAY);
    put_u32(TF_FLOAT32);
    put_u64(0);
}

static void test_integers(void **state)
{
    static const struct {
        const char *key;
        int64_t value;
    } cases[] = {{"u8", 200},       {"i8", -100},        {"u16", 60000},
                 {"i16", -30000},   {"u32", 4000000000}, {"i32", -2000000000},
                 {"i64", INT64_MIN}};
    int64_t value;
    (void)state;
    put_all_types();
    tf_gguf *g = opened();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            tf_gguf_integer(g, cases[i].key, 1, INT64_MIN, INT64_MAX, &value), CADRE_OK);
        assert_true(value == cases[i].value);
    }
    value = 7;
    assert_int_equal(tf_gguf_integer(g, "absent", 0, 0, 9, &value), CADRE_OK);
    assert_int_equal(value, 7);
    assert_int_equal(tf_gguf_integer(g, "absent", 1, 0, 9, &value), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "key \"absent\" is missing"));
    assert_int_equal(tf_gguf_integer(g, "u8", 1, 0, 199, &value), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "from 0 to 199, found 200"));
    assert_int_equal(tf_gguf_integer(g, "u64", 1, 0, INT64_MAX - 1, &value),
                     CADRE_ERR_INPUT);
    assert_int_equal(tf_gguf_integer(g, "f32", 1, 0, 9, &value), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "expected an integer, found float32"));
    assert_int_equal(tf_gguf_integer(g, "numbers", 1, 0, 9, &value), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "found an array of int16"));
    assert_int_equal(value, 7);
    tf_gguf_close(g);
}

static void test_other_values(void **state)
{
    double number;
    int boolean = 0;
    tf_string text;
    (void)state;
    put_all_types();
    tf_gguf *g = opened();
    assert_int_equal(tf_gguf_n_values(g), 15);
    assert_true(tf_string_is(tf_gguf_value_at(g, 0)->key, "u8"));
    assert_null(tf_gguf_value_at(g, 15));
    assert_int_equal(tf_gguf_number(g, "f32", 1, 0, 2, &number), CADRE_OK);
    assert_true(number == 1.5);
    assert_int_equal(tf_gguf_number(g, "f64", 1, -3, 2, &number), CADRE_OK);
    assert_true(number == -2.25);
    assert_int_equal(tf_gguf_number(g, "i8", 1, -100, 2, &number), CADRE_OK);
    assert_true(number == -100);
    assert_int_equal(tf_gguf_number(g, "f32", 1, 2, 3, &number), CADRE_ERR_INPUT);
    assert_int_equal(tf_gguf_boolean(g, "yes", 1, &boolean), CADRE_OK);
    assert_int_equal(boolean, 1);
    assert_int_equal(tf_gguf_boolean(g, "u8", 1, &boolean), CADRE_ERR_INPUT);
    assert_int_equal(tf_gguf_string(g, "text", 1, &text), CADRE_OK);
    assert_true(tf_string_is(text, "a \x01 text"));
    char shown[TF_SHOWN];
    assert_string_equal(tf_show(text, shown), "a ? text");
    assert_int_equal(tf_gguf_string(g, "words", 1, &text), CADRE_ERR_INPUT);
    tf_gguf_close(g);
}

static void test_arrays(void **state)
{
    tf_string *words;
    int32_t *integers;
    float *floats;
    size_t n;
    (void)state;
    put_all_types();
    tf_gguf *g = opened();
    assert_int_equal(tf_gguf_strings(g, "words", 1, &words, &n), CADRE_OK);
    assert_int_equal(n, 3);
    assert_true(tf_string_is(words[1], "") && tf_string_is(words[2], "three"));
    free(words);
    assert_int_equal(tf_gguf_integers(g, "numbers", 1, -1, 1, &integers, &n), CADRE_OK);
    assert_int_equal(n, 2);
    assert_int_equal(integers[1], -1);
    free(integers);
    assert_int_equal(tf_gguf_integers(g, "numbers", 1, 0, 1, &integers, &n),
                     CADRE_ERR_INPUT);
    assert_null(integers);
    assert_int_equal(tf_gguf_floats(g, "numbers", 1, &floats, &n), CADRE_OK);
    assert_true(floats[0] == 1 && floats[1] == -1);
    free(floats);
    assert_int_equal(tf_gguf_floats(g, "none", 1, &floats, &n), CADRE_OK);
    assert_int_equal(n, 0);
    free(floats);
    assert_int_equal(tf_gguf_floats(g, "words", 1, &floats, &n), CADRE_ERR_INPUT);
    assert_int_equal(tf_gguf_strings(g, "text", 1, &words, &n), CADRE_ERR_INPUT);
    assert_int_equal(tf_gguf_strings(g, "absent", 0, &words, &n), CADRE_OK);
    assert_null(words);
    tf_gguf_close(g);
}

/* ---- Damage ---- */

static void test_header_refused(void **state)
{
    (void)state;
    n_file = 0;
    refused(CADRE_ERR_INPUT, "expected 4 bytes of magic, found 0");
    put("GGML\3\0\0\0", 8);
    refused(CADRE_ERR_INPUT, "found bytes 47 47 4d 4c");
    start(0, 0);
    file[4] = 1;
    refused(CADRE_ERR_INPUT, "version 2 or 3, found 1");
    memcpy(file + 4, "\0\0\0\3", 4);
    refused(CADRE_ERR_INPUT, "big-endian");
    start(UINT64_MAX, 0);
    refused(CADRE_ERR_INPUT, "18446744073709551615 as number of tensors");
    start(0, 1u << 20);
    refused(CADRE_ERR_INPUT, "1048576 as number of keys");
}

static void test_version_2_is_read(void **state)
{
    (void)state;
    put_all_types();
    file[4] = 2;
    tf_gguf_close(opened());
}

static void test_values_refused(void **state)
{
    (void)state;
    start(0, 1);
    put_key("", TF_UINT8);
    put("xxx", 3);
    refused(CADRE_ERR_INPUT, "a key of 1 to 65535 bytes, found 0");
    start(0, 1);
    put_u64(UINT64_MAX - 4);
    put("xxxxxxxxxxxxxx", 14);
    refused(CADRE_ERR_INPUT, "18446744073709551611 bytes of a key");
    start(0, 1);
    put_key("what", (tf_value_type)13);
    put("xxxx", 4);
    refused(CADRE_ERR_INPUT,
            "hand.gguf: offset 36: key \"what\": expected a value's type");
    start(0, 1);
    put_key("nested", TF_ARRAY);
    put_u32(TF_ARRAY);
    put_u64(0);
    refused(CADRE_ERR_INPUT, "an array of arrays");
    start(0, 1);
    put_key("long", TF_ARRAY);
    put_u32(TF_UINT64);
    put_u64(UINT64_MAX / 4);
    refused(CADRE_ERR_INPUT, "truncated: an array of 4611686018427387903");
    start(0, 1);
    put_key("long", TF_ARRAY);
    put_u32(TF_UINT64);
    put_u64(2);
    put_u64(0);
    refused(CADRE_ERR_INPUT, "an array of 2 uint64s, and 8 bytes are left");
    start(0, 1);
    SCALAR("flag", TF_BOOL, uint8_t, 2);
    refused(CADRE_ERR_INPUT, "a bool of 0 or 1, found 2");
    start(0, 2);
    SCALAR("same", TF_BOOL, uint8_t, 1);
    SCALAR("same", TF_UINT8, uint8_t, 1);
    refused(CADRE_ERR_INPUT, "key \"same\" is there twice");
}

static void test_alignment(void **state)
{
    static const uint32_t wrong[] = {0, 4, 48, 1u << 21};
    char name[16];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        start(0, 1);
        SCALAR("general.alignment", TF_UINT32, uint32_t, wrong[i]);
        refused(CADRE_ERR_INPUT, "general.alignment");
    }
    start(2, 1);
    SCALAR("general.alignment", TF_UINT32, uint32_t, 64);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "t%d", i);
        put_tensor(name, 3, 1, 0, (uint64_t)i * 64);
    }
    pad_to(64, 64 + 12);
    tf_gguf *g = opened();
    assert_int_equal((const uint8_t *)tf_gguf_tensor(g, "t1")->data - file, n_file - 12);
    tf_gguf_close(g);
}

/* One tensor and 4096 - something bytes of data. */
static void one_tensor(uint64_t n_in, uint64_t n_out, uint32_t type, uint64_t offset)
{
    start(1, 0);
    put_tensor("w", n_in, n_out, type, offset);
    pad_to(32, 1024);
}

static void test_tensors_refused(void **state)
{
    char name[66];
    (void)state;
    one_tensor(16, 16, 0, 0);
    tf_gguf_close(opened());
    one_tensor(16, 17, 0, 0);
    refused(CADRE_ERR_INPUT, "go beyond the end of the file");
    one_tensor(0, 4, 0, 0);
    refused(CADRE_ERR_INPUT, "dimensions of 1 or more, found 0");
    one_tensor(UINT64_C(1) << 62, 4, 0, 0);
    refused(CADRE_ERR_INPUT, "more than the file's");
    one_tensor(UINT64_C(1) << 32, UINT64_C(1) << 32, 0, 0);
    refused(CADRE_ERR_INPUT, "more than the file's");
    one_tensor(4, 4, 10, 0);
    refused(CADRE_ERR_UNSUPPORTED, "tensor \"w\": type Q2_K is not supported");
    one_tensor(4, 4, 23, 0);
    refused(CADRE_ERR_UNSUPPORTED, "IQ4_XS");
    one_tensor(4, 4, 99, 0);
    refused(CADRE_ERR_INPUT, "unknown type number 99");
    one_tensor(48, 4, 8, 0);
    refused(CADRE_ERR_INPUT, "rows of a multiple of 32 values, as Q8_0 has");
    one_tensor(128, 1, 12, 0);
    refused(CADRE_ERR_INPUT, "multiple of 256");
    one_tensor(4, 4, 0, 32);
    refused(CADRE_ERR_INPUT, "expected its data at 0");
    start(2, 0);
    put_tensor("w", 4, 4, 0, 0);
    put_tensor("w", 4, 4, 0, 64);
    pad_to(32, 1024);
    refused(CADRE_ERR_INPUT, "tensor \"w\" is there twice");
    memset(name, 'n', 65);
    name[65] = '\0';
    start(1, 0);
    put_tensor(name, 4, 4, 0, 0);
    pad_to(32, 1024);
    refused(CADRE_ERR_INPUT, "a tensor's name of 1 to 64 bytes, found 65");
    start(1, 0);
    put_string("w");
    put_u32(5);
    pad_to(32, 1024);
    refused(CADRE_ERR_INPUT, "1 to 4 dimensions, found 5");
}

static void test_files_refused(void **state)
{
    tf_gguf *g;
    (void)state;
    assert_int_equal(tf_gguf_open(in_folder("absent.gguf"), &g), CADRE_ERR_NOT_FOUND);
    assert_int_equal(tf_gguf_open(test_folder, &g), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "expected a regular file"));
    put_file(in_folder("empty.gguf"), "", 0);
    assert_int_equal(tf_gguf_open(in_folder("empty.gguf"), &g), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "empty"));
}

/* ---- A whole file, cut and flipped ---- */

static char *small_model(size_t *size)
{
    const tf_random_spec spec = {.architecture = "llama",
                                 .dim = 8,
                                 .n_layers = 1,
                                 .n_heads = 2,
                                 .n_kv_heads = 1,
                                 .ffn = 8,
                                 .n_vocab = 8,
                                 .context = 16,
                                 .type = CADRE_W_F16,
                                 .seed = 1};
    assert_int_equal(tf_random_write(in_folder("small.gguf"), &spec), CADRE_OK);
    return get_file(in_folder("small.gguf"), size);
}

/* In memory of its own size, so that the sanitizer sees the end. */
static cadre_status open_copy(const char *bytes, size_t n)
{
    char *copy = malloc(n ? n : 1);
    tf_gguf *g;
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    const cadre_status st = tf_gguf_open_memory("cut.gguf", copy, n, &g);
    if (st == CADRE_OK)
        tf_gguf_close(g);
    free(copy);
    return st;
}

static void test_truncation_at_every_byte(void **state)
{
    size_t size = 0;
    char *whole = small_model(&size);
    (void)state;
    assert_int_equal(open_copy(whole, size), CADRE_OK);
    /* The last tensor is padded; without the padding nothing is missing. */
    for (size_t n = 0; n + 32 <= size; n++)
        assert_int_equal(open_copy(whole, n), CADRE_ERR_INPUT);
    free(whole);
}

static void test_flipped_bits_do_no_harm(void **state)
{
    size_t size = 0, n_refused = 0;
    char *whole = small_model(&size);
    (void)state;
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++) {
            whole[i] ^= (char)(1 << bit);
            n_refused += open_copy(whole, size) != CADRE_OK;
            whole[i] ^= (char)(1 << bit);
        }
    assert_true(n_refused > 1000);
    free(whole);
}

/* ---- Writing ---- */

static void test_writer_round_trip(void **state)
{
    static const float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const tf_string words[] = {{"a", 1}, {"bc", 2}};
    static const float floats[] = {0.5f};
    static const int32_t integers[] = {-3, 4};
    const tf_string matrix = {"matrix", 6}, vector = {"vector", 6};
    tf_writer *w;
    tf_gguf *g, *copy;
    (void)state;
    assert_int_equal(tf_writer_create(in_folder("w.gguf"), &w), CADRE_OK);
    tf_write_string(w, "s", "text");
    tf_write_integer(w, "u", 7);
    tf_write_number(w, "f", 0.25f);
    tf_write_boolean(w, "b", 5);
    tf_write_strings(w, "words", words, 2);
    tf_write_floats(w, "floats", floats, 1);
    tf_write_integers(w, "integers", integers, 2);
    tf_write_tensor(w, vector, CADRE_W_F32, 3, 0);
    tf_write_tensor(w, matrix, CADRE_W_F32, 1, 5);
    assert_int_equal(access(in_folder("w.gguf"), F_OK), -1);
    assert_int_equal(tf_write_data(w, values, 2 * sizeof(float)), CADRE_OK);
    assert_int_equal(tf_write_data(w, values + 2, 6 * sizeof(float)), CADRE_OK);
    assert_int_equal(tf_writer_finish(w), CADRE_OK);

    assert_int_equal(tf_gguf_open(in_folder("w.gguf"), &g), CADRE_OK);
    assert_int_equal(access(in_folder("w.gguf.partial"), F_OK), -1);
    assert_int_equal(tf_gguf_n_tensors(g), 2);
    const tf_tensor *t = tf_gguf_tensor(g, "matrix");
    assert_int_equal(t->dims[0], 1);
    assert_int_equal(t->dims[1], 5);
    assert_int_equal((uintptr_t)t->data % 32, 0);
    assert_memory_equal(t->data, values + 3, 5 * sizeof(float));
    assert_int_equal(tf_gguf_tensor(g, "vector")->n_dims, 1);
    assert_memory_equal(tf_gguf_tensor(g, "vector")->data, values, 3 * sizeof(float));
    assert_null(tf_gguf_tensor(g, "absent"));

    /* Values copied as they stand are the same values. */
    assert_int_equal(tf_writer_create(in_folder("copy.gguf"), &w), CADRE_OK);
    for (size_t i = 0; i < tf_gguf_n_values(g); i++)
        tf_write_value(w, tf_gguf_value_at(g, i));
    assert_int_equal(tf_writer_finish(w), CADRE_OK);
    assert_int_equal(tf_gguf_open(in_folder("copy.gguf"), &copy), CADRE_OK);
    assert_int_equal(tf_gguf_n_values(copy), 7);
    for (size_t i = 0; i < 7; i++) {
        const tf_value *a = tf_gguf_value_at(g, i), *b = tf_gguf_value_at(copy, i);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->at, b->at, a->bytes);
    }
    tf_gguf_close(copy);
    tf_gguf_close(g);
}

static void test_writer_refuses(void **state)
{
    const tf_string name = {"w", 1};
    const float value = 1;
    tf_writer *w;
    (void)state;
    assert_int_equal(tf_writer_create(in_folder("no/no.gguf"), &w), CADRE_ERR_IO);
    assert_null(w);
    assert_int_equal(tf_writer_create(in_folder("no.gguf"), &w), CADRE_OK);
    tf_write_tensor(w, name, CADRE_W_F32, 2, 0);
    assert_int_equal(tf_write_data(w, &value, sizeof value), CADRE_OK);
    assert_int_equal(tf_writer_finish(w), CADRE_ERR_STATE);
    assert_int_equal(tf_writer_create(in_folder("no.gguf"), &w), CADRE_OK);
    assert_int_equal(tf_write_data(w, &value, sizeof value), CADRE_ERR_STATE);
    tf_writer_discard(w);
    tf_writer_discard(NULL);
    assert_int_equal(access(in_folder("no.gguf"), F_OK), -1);
    assert_int_equal(access(in_folder("no.gguf.partial"), F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_other_values),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_header_refused),
        cmocka_unit_test(test_version_2_is_read),
        cmocka_unit_test(test_values_refused),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_tensors_refused),
        cmocka_unit_test(test_files_refused),
        cmocka_unit_test(test_truncation_at_every_byte),
        cmocka_unit_test(test_flipped_bits_do_no_harm),
        cmocka_unit_test(test_writer_round_trip),
        cmocka_unit_test(test_writer_refuses),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
