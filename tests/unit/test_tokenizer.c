/* tests/unit/test_tokenizer.c - text to tokens and back: as the vocabularies' own
 * tokenizers do it, and refused with a sentence where anything does not fit. */
#include "cmocka_all.h"
#include "transformer/pretokenize.h"
#include "transformer/tokenizer.h"
#include "transformer/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file beside the sources; the test is passed over, loudly, if it is not there. */
static const char *shared(const char *name)
{
    static char paths[4][1024];
    static int turn;
    const char *source = getenv("CADRE_TEST_SOURCE");
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/../shared/data/%s",
             source ? source : ".", name);
    if (access(paths[turn], R_OK) != 0) {
        fprintf(stderr, "SKIPPED: no %s\n", paths[turn]);
        skip();
    }
    return paths[turn];
}

static char *contents(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(1 << 20);
    assert_non_null(file);
    assert_non_null(text);
    *bytes = fread(text, 1, 1 << 20, file);
    fclose(file);
    return text;
}

/* ---- Small vocabularies ---- */

enum { MAX_TOKENS = 512 };

typedef struct words {
    tf_vocab vocab;
    tf_string tokens[MAX_TOKENS], merges[16];
    float scores[MAX_TOKENS];
    int32_t types[MAX_TOKENS];
    char bytes[256][8];
} words;

static tf_string string_of(const char *text)
{
    return (tf_string){text, strlen(text)};
}

static int32_t add(words *w, const char *text, float score, int type)
{
    const size_t i = w->vocab.n++;
    w->tokens[i] = string_of(text);
    w->scores[i] = score;
    w->types[i] = type;
    return (int32_t)i;
}

static words *new_words(tf_vocab_kind kind)
{
    words *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->vocab = (tf_vocab){.source = "small.gguf",
                          .kind = kind,
                          .pre = string_of("gpt-2"),
                          .tokens = w->tokens,
                          .scores = w->scores,
                          .types = w->types,
                          .merges = w->merges,
                          .bos = -1,
                          .eos = -1,
                          .eot = -1,
                          .unk = -1,
                          .pad = -1};
    return w;
}

/* Tokens 0 to 255: a byte each. */
static words *spm_words(void)
{
    words *w = new_words(TF_VOCAB_SPM);
    for (int byte = 0; byte < 256; byte++) {
        snprintf(w->bytes[byte], sizeof *w->bytes, "<0x%02X>", (unsigned)byte);
        add(w, w->bytes[byte], 0, TF_TOKEN_BYTE);
    }
    return w;
}

/* Tokens 0 to 93: '!' to '~'; 94: a space; 95: a newline. */
enum { SPACE = 94, NEWLINE = 95 };

static words *bpe_words(void)
{
    words *w = new_words(TF_VOCAB_BPE);
    for (int byte = '!'; byte <= '~'; byte++) {
        w->bytes[byte][0] = (char)byte;
        add(w, w->bytes[byte], 0, TF_TOKEN_NORMAL);
    }
    add(w, "\u0120", 0, TF_TOKEN_NORMAL);
    add(w, "\u010A", 0, TF_TOKEN_NORMAL);
    return w;
}

static void merge(words *w, const char *text)
{
    w->merges[w->vocab.n_merges++] = string_of(text);
}

static tf_tokenizer *make(const words *w)
{
    tf_tokenizer *t;
    if (tf_tokenizer_create(&w->vocab, &t) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    return t;
}

/* What creating a tokenizer fails with, and what it says. */
static void refuse(words *w, cadre_status st, const char *says)
{
    tf_tokenizer *t;
    assert_int_equal(tf_tokenizer_create(&w->vocab, &t), st);
    assert_null(t);
    if (!strstr(cadre_last_error(), says))
        fail_msg("\"%s\" does not say \"%s\"", cadre_last_error(), says);
    free(w);
}

static tf_tokens encode(const tf_tokenizer *t, const char *text, size_t bytes)
{
    tf_tokens tokens = {0};
    const tf_piece piece = {text, bytes, 0};
    if (tf_tokenizer_encode(t, &piece, 1, 0, &tokens) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    return tokens;
}

static void expect_ids(const tf_tokens *tokens, const int32_t *ids, size_t n)
{
    assert_int_equal(tokens->n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(tokens->ids[i], ids[i]);
}

#define EXPECT(t, text, ...)                                                             \
    do {                                                                                 \
        const int32_t wanted_[] = {__VA_ARGS__};                                         \
        tf_tokens tokens_ = encode(t, text, strlen(text));                               \
        expect_ids(&tokens_, wanted_, sizeof wanted_ / sizeof *wanted_);                 \
        tf_tokens_free(&tokens_);                                                        \
    } while (0)

/* The text of tokens, without the space that the vocabulary puts first. */
static char *decode(const tf_tokenizer *t, const tf_tokens *tokens, size_t *bytes)
{
    char *text = malloc(tokens->n * 64 + 1);
    size_t at = 0;
    assert_non_null(text);
    for (size_t i = 0; i < tokens->n; i++) {
        size_t n;
        const char *part = tf_tokenizer_text(t, tokens->ids[i], &n);
        memcpy(text + at, part, n);
        at += n;
    }
    const size_t dropped = tf_tokenizer_drops_space(t) && at > 0 && text[0] == ' ';
    memmove(text, text + dropped, at - dropped);
    *bytes = at - dropped;
    return text;
}

static void expect_round_trip(const tf_tokenizer *t, const char *text, size_t bytes)
{
    size_t n;
    tf_tokens tokens = encode(t, text, bytes);
    char *back = decode(t, &tokens, &n);
    assert_int_equal(n, bytes);
    assert_memory_equal(back, text, n);
    free(back);
    tf_tokens_free(&tokens);
}

/* ---- Reference data ---- */

/* The next test of a .inp file; tests are apart by a line of their own. */
static tf_string next_text(const char **at, const char *end)
{
    static const char apart[] = "\n__ggml_vocab_test__\n";
    const char *start = *at;
    const char *stop = memmem(start, (size_t)(end - start), apart, strlen(apart));
    *at = stop ? stop + strlen(apart) : end;
    return (tf_string){start, (size_t)((stop ? stop : end) - start)};
}

static void check_reference(const char *vocab)
{
    char name[2][128];
    size_t in_bytes, out_bytes, n_texts = 0;
    tf_model *model;
    tf_tokenizer *t;
    const char *path = shared(vocab);
    snprintf(name[0], sizeof name[0], "%s.inp", vocab);
    snprintf(name[1], sizeof name[1], "%s.out", vocab);
    char *in = contents(shared(name[0]), &in_bytes);
    char *out = contents(shared(name[1]), &out_bytes), *line = out;
    out[out_bytes] = 0;
    assert_int_equal(tf_model_open(path, NULL, 1, &model), CADRE_OK);
    assert_int_equal(tf_tokenizer_create(&model->vocab, &t), CADRE_OK);
    assert_int_equal(tf_tokenizer_n_vocab(t), model->vocab.n);
    for (const char *at = in; at < in + in_bytes; n_texts++) {
        const tf_string text = next_text(&at, in + in_bytes);
        tf_tokens tokens = encode(t, text.at, text.bytes);
        char *end = strchr(line, '\n'), *next = line;
        if (end)
            *end = 0;
        for (size_t i = 0; i < tokens.n; i++) {
            const long id = strtol(line, &next, 10);
            if (next == line || id != tokens.ids[i])
                fail_msg("text %zu, token %zu: %d instead of %ld", n_texts, i,
                         (int)tokens.ids[i], id);
            line = next;
        }
        assert_int_equal(strspn(line, " "), strlen(line));
        expect_round_trip(t, text.at, text.bytes);
        tf_tokens_free(&tokens);
        line = end ? end + 1 : line + strlen(line);
    }
    assert_true(n_texts > 40);
    tf_tokenizer_destroy(t);
    tf_model_close(model);
    free(in);
    free(out);
}

static void test_reference_spm(void **state)
{
    (void)state;
    check_reference("vocab/ggml-vocab-llama-spm.gguf");
}

static void test_reference_bpe(void **state)
{
    (void)state;
    check_reference("vocab/ggml-vocab-gpt-2.gguf");
}

/* ---- SentencePiece ---- */

static void test_spm_merges(void **state)
{
    (void)state;
    words *w = spm_words();
    const int32_t space = add(w, "\u2581", -1, TF_TOKEN_NORMAL);
    const int32_t a = add(w, "a", -1, TF_TOKEN_NORMAL);
    const int32_t b = add(w, "b", -1, TF_TOKEN_NORMAL);
    const int32_t ab = add(w, "ab", -3, TF_TOKEN_NORMAL);
    const int32_t ba = add(w, "ba", -2, TF_TOKEN_NORMAL);
    const int32_t aa = add(w, "aa", -0.0f, TF_TOKEN_NORMAL);
    const int32_t word = add(w, "\u2581ab", -9, TF_TOKEN_NORMAL);
    tf_tokenizer *t = make(w);

    EXPECT(t, "ab", ab);
    EXPECT(t, "aba", a, ba); /* the better score */
    EXPECT(t, "aaa", aa, a); /* of equal ones the left */
    EXPECT(t, "b ab b", b, word, space, b);
    EXPECT(t, "\u00e9", 0xC3, 0xA9); /* byte by byte */
    EXPECT(t, "<0x41>", '<', '0', 'x', '4', '1', '>');
    tf_tokenizer_destroy(t);

    w->vocab.add_space_prefix = 1;
    t = make(w);
    EXPECT(t, "ab", word);
    EXPECT(t, " ab", space, word);
    tf_tokens none = encode(t, "", 0);
    assert_int_equal(none.n, 0);
    assert_true(tf_tokenizer_drops_space(t));
    const char spaced[] = " ab\na\u00e9  \U0001F680b";
    expect_round_trip(t, spaced, strlen(spaced));
    tf_tokenizer_destroy(t);
    free(w);
}

static void test_spm_unknown(void **state)
{
    (void)state;
    words *w = new_words(TF_VOCAB_SPM);
    const int32_t a = add(w, "a", 0, TF_TOKEN_NORMAL);
    w->vocab.unk = add(w, "<unk>", 0, TF_TOKEN_UNKNOWN);
    tf_tokenizer *t = make(w);
    size_t bytes;
    EXPECT(t, "a\u00e9a", a, w->vocab.unk, a);
    (void)tf_tokenizer_text(t, w->vocab.unk, &bytes);
    assert_int_equal(bytes, 0);
    tf_tokenizer_destroy(t);
    free(w);
}

/* What llama2.c does, word for word the slow way: of all pairs join the best, and again.
 */
static size_t encode_slowly(const tf_vocab *v, const char *text, int32_t *ids)
{
    size_t n = 0;
    char joined[128];
    for (size_t at = 0, bytes; at <= strlen(text); at += bytes) {
        const char *from = at ? text + at - 1 : " ";
        bytes = at ? tf_utf8_decode(from, strlen(from), NULL) : 1;
        if (bytes == 0)
            break;
        size_t id = 0;
        while (id < v->n && (v->tokens[id].bytes != bytes ||
                             memcmp(v->tokens[id].at, from, bytes) != 0))
            id++;
        for (size_t i = 0; id == v->n && i < bytes; i++)
            ids[n++] = (unsigned char)from[i] + 3;
        if (id < v->n)
            ids[n++] = (int32_t)id;
    }
    for (;;) {
        size_t best = n, best_id = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const tf_string l = v->tokens[ids[i]], r = v->tokens[ids[i + 1]];
            memcpy(joined, l.at, l.bytes);
            memcpy(joined + l.bytes, r.at, r.bytes);
            for (size_t id = 0; id < v->n; id++)
                if (v->tokens[id].bytes == l.bytes + r.bytes &&
                    memcmp(v->tokens[id].at, joined, l.bytes + r.bytes) == 0 &&
                    (best == n || v->scores[id] > v->scores[best_id])) {
                    best = i;
                    best_id = id;
                }
        }
        if (best == n)
            return n;
        ids[best] = (int32_t)best_id;
        memmove(ids + best + 1, ids + best + 2, (--n - best - 1) * sizeof *ids);
    }
}

static void test_llama2c(void **state)
{
    static const char *const texts[] = {
        "Once upon a time, there was a little girl named Lily.",
        "Zoo  \n\tCAPS 42% \u00e9\u4e2d\U0001F680 \u2581!",
        " She said: \"I love you!\"",
    };
    int32_t ids[256];
    tf_model *model;
    tf_tokenizer *t;
    (void)state;
    assert_int_equal(tf_model_open(shared("stories260K/stories260K.bin"),
                                   shared("stories260K/tok512.bin"), 1, &model),
                     CADRE_OK);
    assert_int_equal(tf_tokenizer_create(&model->vocab, &t), CADRE_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tf_tokens tokens = encode(t, texts[i], strlen(texts[i]));
        expect_ids(&tokens, ids, encode_slowly(&model->vocab, texts[i], ids));
        tf_tokens_free(&tokens);
        expect_round_trip(t, texts[i], strlen(texts[i]));
    }
    assert_true(tf_tokenizer_is_end(t, 2));
    assert_false(tf_tokenizer_is_end(t, 3));
    tf_tokenizer_destroy(t);
    tf_model_close(model);
}

/* ---- Special tokens ---- */

static void test_specials(void **state)
{
    (void)state;
    words *w = bpe_words();
    const int32_t bos = w->vocab.bos = add(w, "<s>", 0, TF_TOKEN_CONTROL);
    const int32_t eos = w->vocab.eos = add(w, "</s>", 0, TF_TOKEN_CONTROL);
    const int32_t turn = add(w, "<|im_end|>", 0, TF_TOKEN_USER);
    const int32_t u = add(w, "ab", 0, TF_TOKEN_USER);
    const int32_t longer = add(w, "abc", 0, TF_TOKEN_USER);
    w->vocab.add_bos = 1;
    tf_tokenizer *t = make(w);
    const int32_t a = 'a' - '!', less = 0x3C - '!', s = 's' - '!', more = 0x3E - '!',
                  d = 'd' - '!';
    size_t bytes;

    /* Users' tokens in any text, the longest; control tokens in templates only. */
    EXPECT(t, "aabab", a, u, u);
    EXPECT(t, "abcab", longer, u);
    EXPECT(t, "<s>", less, s, more);
    tf_tokens tokens = {0};
    const tf_piece pieces[] = {{"<s>", 3, 0}, {"<s>ab</s>", 9, 1}, {"", 0, 1},
                               {"<", 1, 1},   {"s>", 2, 0},        {"<s", 2, 0},
                               {">", 1, 1}};
    assert_int_equal(tf_tokenizer_encode(t, pieces, 7, 1, &tokens), CADRE_OK);
    const int32_t wanted[] = {bos,  less, s,    more, bos, u,   eos,
                              less, s,    more, less, s,   more};
    expect_ids(&tokens, wanted, 13);

    /* Not enough that a template begins it; a user's may go on. */
    const tf_piece cut[] = {{"a", 1, 1}, {"bc</s>d", 7, 0}};
    tokens.n = 0;
    assert_int_equal(tf_tokenizer_encode(t, cut, 2, 0, &tokens), CADRE_OK);
    assert_int_equal(tokens.ids[0], longer);
    assert_int_equal(tokens.ids[tokens.n - 1], d);
    assert_int_equal(tokens.n, 6);

    /* What ends a text adds nothing to it, and is not made of text by its name. */
    assert_true(tf_tokenizer_is_end(t, eos));
    assert_true(tf_tokenizer_is_end(t, turn));
    assert_false(tf_tokenizer_is_end(t, bos));
    assert_false(tf_tokenizer_is_end(t, -1));
    assert_false(tf_tokenizer_is_end(t, 1 << 20));
    assert_string_equal(tf_tokenizer_text(t, 1 << 20, &bytes), "");
    (void)tf_tokenizer_text(t, turn, &bytes);
    assert_int_equal(bytes, 0);
    tokens.n = 0;
    const tf_piece plain = {"<|im_end|>", 10, 0};
    assert_int_equal(tf_tokenizer_encode(t, &plain, 1, 0, &tokens), CADRE_OK);
    assert_int_equal(tokens.n, 10);
    tf_tokens_free(&tokens);
    tf_tokenizer_destroy(t);
    free(w);
}

static void test_spm_prefix_after_special(void **state)
{
    (void)state;
    words *w = spm_words();
    const int32_t eos = w->vocab.eos = add(w, "</s>", 0, TF_TOKEN_CONTROL);
    const int32_t word = add(w, "\u2581a", 0, TF_TOKEN_NORMAL);
    w->vocab.add_space_prefix = 1;
    tf_tokenizer *t = make(w);
    tf_tokens tokens = {0};
    const tf_piece piece = {"a</s>a", 6, 1};
    const int32_t wanted[] = {word, eos, word};
    assert_int_equal(tf_tokenizer_encode(t, &piece, 1, 1, &tokens), CADRE_OK);
    expect_ids(&tokens, wanted, 3);
    tf_tokens_free(&tokens);
    tf_tokenizer_destroy(t);
    free(w);
}

/* A user's token that is half a character must not cut one of the text. */
static void test_half_a_character(void **state)
{
    (void)state;
    words *w = spm_words();
    add(w, "\xE4\xB8", 0, TF_TOKEN_USER);
    add(w, "\xB8", 0, TF_TOKEN_CONTROL);
    tf_tokenizer *t = make(w);
    EXPECT(t, "\u4e2d", 0xE4, 0xB8, 0xAD);
    tf_tokenizer_destroy(t);
    free(w);
}

/* ---- Byte-level BPE ---- */

static void test_bpe_merges(void **state)
{
    (void)state;
    words *w = bpe_words();
    const int32_t a = 'a' - '!', b = 'b' - '!';
    const int32_t bc = add(w, "bc", 0, TF_TOKEN_NORMAL);
    const int32_t ab = add(w, "ab", 0, TF_TOKEN_NORMAL);
    const int32_t abc = add(w, "abc", 0, TF_TOKEN_NORMAL);
    const int32_t word = add(w, "\u0120ab", 0, TF_TOKEN_NORMAL);
    const int32_t whole = add(w, "acb", 0, TF_TOKEN_NORMAL);
    merge(w, "b c");
    merge(w, "a b");
    merge(w, "\u0120 ab");
    merge(w, "b c"); /* the first counts */
    merge(w, "ab c");
    tf_tokenizer *t = make(w);
    EXPECT(t, "abc", a, bc);
    EXPECT(t, "ab ab\nb", ab, word, NEWLINE, b);
    EXPECT(t, "a  b", a, SPACE, SPACE, b);
    EXPECT(t, "acb", a, 'c' - '!', b);
    expect_round_trip(t, "ab abc !\n", 9);
    tf_tokenizer_destroy(t);

    /* Llama 3 takes a word that is a token as it is. */
    w->vocab.pre = string_of("llama-bpe");
    t = make(w);
    EXPECT(t, "abc", abc);
    EXPECT(t, "acb", whole);
    EXPECT(t, "abcb", a, bc, b);
    tf_tokenizer_destroy(t);
    free(w);
}

/* ---- Pre-tokenizers ---- */

static void expect_words(const char *name, const char *text, const char *expected)
{
    tf_pretokenizer *pre;
    tf_words cuts = {0};
    char joined[512];
    size_t at = 0, start = 0;
    assert_int_equal(tf_pretokenizer_create(string_of(name), &pre), CADRE_OK);
    assert_int_equal(tf_pretokenize(pre, text, strlen(text), &cuts), CADRE_OK);
    for (size_t i = 0; i < cuts.n; i++) {
        if (i > 0)
            joined[at++] = '|';
        memcpy(joined + at, text + start, cuts.ends[i] - start);
        at += cuts.ends[i] - start;
        start = cuts.ends[i];
    }
    joined[at] = 0;
    assert_string_equal(joined, expected);
    assert_int_equal(start, strlen(text));
    tf_words_fini(&cuts);
    tf_pretokenizer_destroy(pre);
}

static void test_pretokenizers(void **state)
{
    static const char latin[] = " Hello's WORLD'S 12345  x\r\n\n\ty!?\u2026";
    static const char others[] =
        "\u4e2d\u6587 \ud55c\uad6d\uc5b4\u3000z $a+b `q`~ \u00bd\u0661\u0662  ";
    static const struct {
        const char *name, *latin, *others;
    } cases[] = {
        {"gpt-2", " Hello|'s| WORLD|'|S| 12345| | x|\r\n\n|\t|y|!?\u2026",
         "\u4e2d\u6587| \ud55c\uad6d\uc5b4|\u3000|z| $|a|+|b| `|q|`~| "
         "\u00bd\u0661\u0662|  "},
        {"llama-bpe", " Hello|'s| WORLD|'S| |123|45| | x|\r\n\n|\ty|!?\u2026",
         "\u4e2d\u6587| \ud55c\uad6d\uc5b4|\u3000z| $|a|+b| `|q|`~| "
         "|\u00bd\u0661\u0662|  "},
        {"qwen2", " Hello|'s| WORLD|'S| |1|2|3|4|5| | x|\r\n\n|\ty|!?\u2026",
         "\u4e2d\u6587| \ud55c\uad6d\uc5b4|\u3000z| $|a|+b| `|q|`~| "
         "|\u00bd|\u0661|\u0662|  "},
        {"starcoder", " Hello|'s| WORLD|'|S| |1|2|3|4|5| | x|\r\n\n|\t|y|!?\u2026",
         "\u4e2d\u6587| \ud55c\uad6d\uc5b4|\u3000|z| $|a|+|b| `|q|`~| "
         "|\u00bd|\u0661|\u0662|  "},
        {"falcon", " Hello|'|s| WORLD|'|S| |123|45| | x|\r\n\n|\t|y|!?\u2026",
         "\u4e2d\u6587| \ud55c\uad6d\uc5b4|\u3000|z| |$|a|+|b| |`|q|`~| "
         "\u00bd\u0661\u0662|  "},
        {"deepseek-llm", " Hello|'|s| WORLD|'|S| |12345| | x|\r|\n|\n|\ty|!?|\u2026",
         "\u4e2d\u6587| |\ud55c\uad6d\uc5b4|\u3000z| $|a|+|b| `|q|`~| "
         "|\u00bd\u0661\u0662|  "},
        {"deepseek-coder",
         " Hello|'|s| WORLD|'|S| |1|2|3|4|5| | x|\r|\n|\n|\ty|!?|\u2026",
         "\u4e2d\u6587| |\ud55c\uad6d\uc5b4|\u3000z| $|a|+|b| `|q|`~ "
         "|\u00bd|\u0661|\u0662|  "},
        {"default", " Hello|'|s| WORLD|'|S| |123|45| | x|\r\n\n|\t|y|!?\u2026",
         "\u4e2d\u6587| \ud55c\uad6d\uc5b4|\u3000|z| |$|a|+|b| `|q|`|~| "
         "|\u00bd\u0661\u0662|  "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_words(cases[i].name, latin, cases[i].latin);
        expect_words(cases[i].name, others, cases[i].others);
    }
    expect_words("refact", "a1", "a|1");
    expect_words("smollm", "a1", "a|1");
}

/* A text that makes a careless expression try every start with every end. */
static void test_long_texts(void **state)
{
    static const char *const names[] = {"gpt-2",     "llama-bpe",    "qwen2",
                                        "starcoder", "deepseek-llm", "deepseek-coder",
                                        "falcon",    "default"};
    static const char *const units[] = {" ", "a", "1", "!", "\n", " \t", "'", "\u4e2d"};
    enum { BYTES = 1 << 17 };
    char *text = malloc(BYTES + 1);
    (void)state;
    assert_non_null(text);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            tf_pretokenizer *pre;
            tf_words cuts = {0};
            const size_t unit = strlen(units[u]), bytes = BYTES / unit * unit;
            for (size_t i = 0; i < bytes; i++)
                text[i] = units[u][i % unit];
            text[bytes] = 'x';
            assert_int_equal(tf_pretokenizer_create(string_of(names[n]), &pre), CADRE_OK);
            assert_int_equal(tf_pretokenize(pre, text, bytes + 1, &cuts), CADRE_OK);
            assert_int_equal(cuts.ends[cuts.n - 1], bytes + 1);
            tf_words_fini(&cuts);
            tf_pretokenizer_destroy(pre);
        }
    free(text);
}

static void test_long_words(void **state)
{
    enum { BYTES = 1 << 20 };
    char *text = malloc(BYTES);
    words *b = bpe_words(), *s = spm_words();
    (void)state;
    assert_non_null(text);
    memset(text, 'a', BYTES);
    add(b, "aa", 0, TF_TOKEN_NORMAL);
    add(b, "aaaa", 0, TF_TOKEN_NORMAL);
    merge(b, "a a");
    merge(b, "aa aa");
    add(s, "aa", 1, TF_TOKEN_NORMAL);
    add(s, "aaaa", 0, TF_TOKEN_NORMAL);
    for (int kind = 0; kind < 2; kind++) {
        tf_tokenizer *t = make(kind ? b : s);
        tf_tokens tokens = encode(t, text, BYTES);
        assert_int_equal(tokens.n, BYTES / 4);
        tf_tokens_free(&tokens);
        tf_tokenizer_destroy(t);
    }
    free(text);
    free(b);
    free(s);
}

/* ---- What is refused ---- */

static void test_bad_vocabularies(void **state)
{
    words *w;
    (void)state;
    w = bpe_words();
    w->tokens[7].bytes = 0;
    refuse(w, CADRE_ERR_INPUT, "small.gguf: token 7 of the vocabulary is empty");
    w = bpe_words();
    w->tokens[9] = w->tokens[4];
    refuse(w, CADRE_ERR_INPUT, "tokens 4 and 9 of the vocabulary are both \"%\"");
    w = bpe_words();
    w->vocab.eos = (int32_t)w->vocab.n;
    refuse(w, CADRE_ERR_INPUT, "the EOS token is 96, but the vocabulary has 96 tokens");
    w = bpe_words();
    w->vocab.n = 0;
    refuse(w, CADRE_ERR_INPUT, "has 0 tokens; expected 1 to 1048576");
    w = bpe_words();
    w->vocab.pre = string_of("viking");
    refuse(w, CADRE_ERR_UNSUPPORTED,
           "pre-tokenizer \"viking\"; known are default, gpt-2");
    w = bpe_words();
    merge(w, "a b");
    refuse(w, CADRE_ERR_INPUT, "merge 0, \"a b\", makes what is no token");
    w = bpe_words();
    add(w, "ab", 0, TF_TOKEN_NORMAL);
    merge(w, "a b");
    merge(w, "xy b");
    refuse(w, CADRE_ERR_INPUT, "merge 1, \"xy b\", starts with what is no token");
    w = bpe_words();
    merge(w, "b xy");
    refuse(w, CADRE_ERR_INPUT, "merge 0, \"b xy\", ends with what is no token");
    w = bpe_words();
    merge(w, "ab");
    refuse(w, CADRE_ERR_INPUT, "is not two tokens");
    w = spm_words();
    w->tokens[0x0A] = string_of("newline");
    refuse(w, CADRE_ERR_INPUT, "neither a token \"<0x0A>\" nor one for what is unknown");
    w = spm_words();
    w->vocab.scores = NULL;
    refuse(w, CADRE_ERR_INPUT, "no scores");
    w = spm_words();
    w->scores[3] = strtof("nan", NULL);
    refuse(w, CADRE_ERR_INPUT, "score of token 3 is a NaN");
}

static void test_bad_texts(void **state)
{
    words *w = bpe_words();
    tf_tokenizer *t = make(w);
    tf_tokens tokens = {0};
    const tf_piece pieces[] = {{"ab", 2, 0}, {"a\xC3", 2, 0}};
    const tf_piece foreign = {"ab \u00e9", 5, 0};
    (void)state;
    assert_int_equal(tf_tokens_push(&tokens, 5), CADRE_OK);
    assert_int_equal(tf_tokenizer_encode(t, pieces, 2, 0, &tokens), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "part 2 of the text: byte 1 (0xC3)"));
    assert_int_equal(tf_tokenizer_encode(t, &foreign, 1, 0, &tokens), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "a byte 0xC3, for which small.gguf has"));
    assert_int_equal(tokens.n, 1);
    assert_int_equal(tf_tokenizer_encode(t, NULL, 0, 1, &tokens), CADRE_OK);
    assert_int_equal(tokens.n, 1);
    tf_tokens_free(&tokens);
    tf_tokenizer_destroy(t);
    free(w);
}

/* ---- UTF-8 ---- */

static void test_utf8_decode(void **state)
{
    static const struct {
        const char *text;
        size_t bytes;
        uint32_t code;
    } good[] = {{"a", 1, 'a'},
                {"\xC2\x80", 2, 0x80},
                {"\xDF\xBF", 2, 0x7FF},
                {"\xE0\xA0\x80", 3, 0x800},
                {"\xED\x9F\xBF", 3, 0xD7FF},
                {"\xEE\x80\x80", 3, 0xE000},
                {"\xF0\x90\x80\x80", 4, 0x10000},
                {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF}};
    static const char *const bad[] = {"\x80",         "\xC0\xAF",
                                      "\xC1\xBF",     "\xC2",
                                      "\xC2\x41",     "\xE0\x9F\xBF",
                                      "\xE1\x80",     "\xED\xA0\x80",
                                      "\xEF\xBF\x41", "\xF0\x8F\xBF\xBF",
                                      "\xF1\x80",     "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80", "\xFF"};
    uint32_t code;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(tf_utf8_decode(good[i].text, strlen(good[i].text), &code),
                         good[i].bytes);
        assert_int_equal(code, good[i].code);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tf_utf8_decode(bad[i], strlen(bad[i]), NULL), 0);
        assert_int_equal(tf_utf8_valid(bad[i], strlen(bad[i])), 0);
    }
    assert_int_equal(tf_utf8_decode("", 0, NULL), 0);
    assert_int_equal(tf_utf8_valid("a\u00e9\xC3\x41", 5), 3);
}

static void test_utf8_complete(void **state)
{
    static const struct {
        const char *text;
        size_t complete;
    } cases[] = {{"", 0},
                 {"abc", 3},
                 {"ab\xC3", 2},
                 {"ab\xC3\xA9", 4},
                 {"\xE4\xB8", 0},
                 {"a\xF0\x9F\x9A", 1},
                 {"a\xF0\x9F\x9A\x80", 5},
                 {"a\xF0", 1},
                 {"a\x80", 2},        /* nothing can make it valid */
                 {"\xE0\x80", 2},     /* an overlong form */
                 {"\xF4\x90\x80", 3}, /* beyond U+10FFFF */
                 {"\x80\x80\x80", 3}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(tf_utf8_complete(cases[i].text, strlen(cases[i].text)),
                         cases[i].complete);
}

static void test_utf8_repair(void **state)
{
    static const struct {
        const char *text, *repaired;
    } cases[] = {{"a\u00e9\U0001F680", "a\u00e9\U0001F680"},
                 {"a\xC3", "a\uFFFD"},
                 {"\xE4\xB8z", "\uFFFDz"}, /* one for the longest part */
                 {"\xF0\x9F\x9A\xF0\x9F\x9A\x80", "\uFFFD\U0001F680"},
                 {"\xC0\xAF", "\uFFFD\uFFFD"},
                 {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"}};
    char out[32];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t n = tf_utf8_append_valid(out, cases[i].text, strlen(cases[i].text));
        assert_int_equal(n, strlen(cases[i].repaired));
        assert_memory_equal(out, cases[i].repaired, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_spm),
        cmocka_unit_test(test_reference_bpe),
        cmocka_unit_test(test_spm_merges),
        cmocka_unit_test(test_spm_unknown),
        cmocka_unit_test(test_llama2c),
        cmocka_unit_test(test_specials),
        cmocka_unit_test(test_spm_prefix_after_special),
        cmocka_unit_test(test_half_a_character),
        cmocka_unit_test(test_bpe_merges),
        cmocka_unit_test(test_pretokenizers),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_bad_vocabularies),
        cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_utf8_decode),
        cmocka_unit_test(test_utf8_complete),
        cmocka_unit_test(test_utf8_repair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
