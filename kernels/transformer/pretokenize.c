/* pretokenize.c - the regular expressions of the vocabularies, run by PCRE2.
 *
 * The expressions are those of the vocabularies' tokenizer.json as llama.cpp applies
 * them: several ones one after the other, each inside the words that those before it
 * left. White space is Unicode's White_Space, which \s of no regular expression library
 * is exactly, so it is spelled out; letters, numbers and punctuation are those of the
 * Unicode version that PCRE2 was built with.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pretokenize.h"
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHITE                                                                            \
    "\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}"   \
    "\\x{202F}\\x{205F}\\x{3000}"
#define SPACE "[" WHITE "]"
#define NO_SPACE "[^" WHITE "]"
/* Neither white space nor letter nor number. */
#define OTHER "[^" WHITE "\\p{L}\\p{N}]"
/* White space up to the last one before a word. */
#define SPACES_BEFORE SPACE "+(?!" NO_SPACE ")"

/* GPT-2 (Radford et al. 2019), encoder.py. */
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?" OTHER "+|" SPACES_BEFORE

/* tiktoken's cl100k_base and its kin: digits in runs of up to 3, or one by one. */
#define CL100K(digits)                                                                   \
    "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\\r\\n\\p{L}\\p{N}]?"       \
    "\\p{L}+|" digits "| ?" OTHER "+[\\r\\n]*|" SPACE "*[\\r\\n]+|" SPACES_BEFORE        \
    "|" SPACE "+"

/* Letters of scripts with cases, as deepseek-llm's tokenizer.json lists them. */
#define CASED                                                                            \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}"       \
    "\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-"       \
    "\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-"        \
    "\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}"     \
    "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}"       \
    "\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}"       \
    "\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}"       \
    "\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-"        \
    "\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}"        \
    "\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}"       \
    "\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}"         \
    "\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-"        \
    "\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}"         \
    "\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}"        \
    "\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}"       \
    "\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}"       \
    "\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-"           \
    "\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}"          \
    "\\x{1E900}-\\x{1E943}"

/* U+0800 to U+9FA5 and U+AC00 to U+D7FF, less the white space among them. */
#define EASTERN                                                                          \
    "[\\x{800}-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}\\x{202A}-\\x{202E}"       \
    "\\x{2030}-\\x{205E}\\x{2060}-\\x{2FFF}\\x{3001}-\\x{9FA5}\\x{AC00}-\\x{D7FF}]+"

#define MAX_STAGES 6

typedef struct family {
    const char *stages[MAX_STAGES];
    int takes_words;
} family;

static const family gpt2 = {{GPT2}, 0};
static const family llama3 = {{CL100K("\\p{N}{1,3}")}, 1};
static const family dbrx = {{CL100K("\\p{N}{1,3}")}, 0};
static const family qwen2 = {{CL100K("\\p{N}")}, 0};
static const family starcoder = {{"\\p{N}", GPT2}, 0};
static const family falcon = {{"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9]{3}"}, 0};
static const family deepseek_llm = {
    {"[\\r\\n]", SPACE "?[" CASED "]+",
     SPACE "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3001}"
           "\\x{3002}]+",
     "(?<!" SPACE ")" SPACE "++\\z", /* white space at the end, found in linear time */
     EASTERN, "\\p{N}+"},
    0};
static const family deepseek_coder = {
    {"[\\r\\n]", SPACE "?\\p{L}+", SPACE "?\\p{P}+", EASTERN, "\\p{N}"}, 0};
static const family by_default = {{"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9]{3}"}, 0};

/* Names as they stand in GGUF files, and others that mean the same expressions. */
static const struct {
    const char *name;
    const family *family;
} names[] = {
    {"default", &by_default},
    {"gpt-2", &gpt2},
    {"gpt2", &gpt2},
    {"phi-2", &gpt2},
    {"mpt", &gpt2},
    {"olmo", &gpt2},
    {"jais", &gpt2},
    {"gigachat", &gpt2},
    {"mellum", &gpt2},
    {"a.x-4.0", &gpt2},
    {"exaone4", &gpt2},
    {"trillion", &gpt2},
    {"llama-bpe", &llama3},
    {"llama3", &llama3},
    {"llama-v3", &llama3},
    {"falcon3", &llama3},
    {"falcon-h1", &llama3},
    {"pixtral", &llama3},
    {"midm-2.0", &llama3},
    {"lfm2", &llama3},
    {"dbrx", &dbrx},
    {"smaug-bpe", &dbrx},
    {"qwen2", &qwen2},
    {"deepseek-r1-qwen", &qwen2},
    {"stablelm2", &qwen2},
    {"megrez", &qwen2},
    {"hunyuan", &qwen2},
    {"kormo", &qwen2},
    {"solar-open", &qwen2},
    {"grok-2", &qwen2},
    {"starcoder", &starcoder},
    {"refact", &starcoder},
    {"smollm", &starcoder},
    {"command-r", &starcoder},
    {"codeshell", &starcoder},
    {"exaone", &starcoder},
    {"minerva-7b", &starcoder},
    {"mellum2", &starcoder},
    {"falcon", &falcon},
    {"deepseek-llm", &deepseek_llm},
    {"deepseek-coder", &deepseek_coder},
};
#define N_NAMES (sizeof names / sizeof *names)

struct tf_pretokenizer {
    pcre2_code *stages[MAX_STAGES];
    size_t n_stages;
    int takes_words;
};

static cadre_status no_memory(void)
{
    return cadre_fail(CADRE_ERR_NOMEM, "no memory to cut a text into words");
}

static cadre_status fail_unknown(tf_string name)
{
    char known[1024], shown[TF_SHOWN];
    size_t at = 0;
    for (size_t i = 0; i < N_NAMES; i++) {
        const size_t n = strlen(names[i].name);
        if (at + n + 3 > sizeof known)
            break;
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
                               names[i].name);
    }
    return cadre_fail(CADRE_ERR_UNSUPPORTED,
                      "the vocabulary asks for pre-tokenizer \"%s\"; known are %s",
                      tf_show(name, shown), known);
}

static const family *family_of(tf_string name)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (strlen(names[i].name) == name.bytes &&
            memcmp(names[i].name, name.at, name.bytes) == 0)
            return names[i].family;
    return NULL;
}

static cadre_status compile(const char *expression, pcre2_code **out)
{
    int problem;
    PCRE2_SIZE offset;
    *out = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
                         PCRE2_UTF | PCRE2_NO_UTF_CHECK, &problem, &offset, NULL);
    if (!*out)
        return problem == PCRE2_ERROR_HEAP_FAILED
                   ? no_memory()
                   : cadre_fail(CADRE_ERR_INTERNAL,
                                "PCRE2 refuses an expression with %d at %zu", problem,
                                (size_t)offset);
    /* Where the system forbids code made at run time, PCRE2 interprets instead. */
    (void)pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE);
    return CADRE_OK;
}

cadre_status tf_pretokenizer_create(tf_string name, tf_pretokenizer **out)
{
    const family *which = family_of(name);
    *out = NULL;
    if (!which)
        return fail_unknown(name);
    tf_pretokenizer *pre = calloc(1, sizeof *pre);
    if (!pre)
        return no_memory();
    pre->takes_words = which->takes_words;
    while (pre->n_stages < MAX_STAGES && which->stages[pre->n_stages]) {
        const cadre_status st =
            compile(which->stages[pre->n_stages], &pre->stages[pre->n_stages]);
        if (st != CADRE_OK) {
            tf_pretokenizer_destroy(pre);
            return st;
        }
        pre->n_stages++;
    }
    *out = pre;
    return CADRE_OK;
}

void tf_pretokenizer_destroy(tf_pretokenizer *pre)
{
    if (!pre)
        return;
    for (size_t i = 0; i < pre->n_stages; i++)
        pcre2_code_free(pre->stages[i]);
    free(pre);
}

int tf_pretokenizer_takes_words(const tf_pretokenizer *pre)
{
    return pre->takes_words;
}

void tf_words_fini(tf_words *words)
{
    free(words->ends);
    free(words->before);
    pcre2_match_data_free(words->match);
    pcre2_match_context_free(words->limits);
    *words = (tf_words){0};
}

/* The expressions take a few steps per byte; more would be a mistake in one of them. */
static cadre_status prepare(tf_words *words, size_t bytes)
{
    if (!words->match)
        words->match = pcre2_match_data_create(1, NULL);
    if (!words->limits)
        words->limits = pcre2_match_context_create(NULL);
    if (!words->match || !words->limits)
        return no_memory();
    const size_t limit = bytes < UINT32_MAX / 64 ? 1000 + bytes * 32 : UINT32_MAX;
    pcre2_set_match_limit(words->limits, (uint32_t)limit);
    return CADRE_OK;
}

static cadre_status add_end(tf_words *words, size_t end)
{
    if (words->n == words->capacity) {
        const size_t capacity = words->capacity ? 2 * words->capacity : 256;
        size_t *ends = realloc(words->ends, capacity * sizeof *ends);
        if (!ends)
            return no_memory();
        words->ends = ends;
        words->capacity = capacity;
    }
    words->ends[words->n++] = end;
    return CADRE_OK;
}

/* Cut text[start..end): what matches is a word, and so is what lies between. */
static cadre_status cut(const pcre2_code *stage, const char *text, size_t start,
                        size_t end, tf_words *words)
{
    const PCRE2_SPTR window = (PCRE2_SPTR)text + start;
    const size_t bytes = end - start;
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(words->match);
    size_t at = 0;
    while (at < bytes) {
        const int rc = pcre2_match(stage, window, bytes, at, PCRE2_NO_UTF_CHECK,
                                   words->match, words->limits);
        if (rc == PCRE2_ERROR_NOMATCH)
            return add_end(words, end);
        if (rc < 0)
            return rc == PCRE2_ERROR_NOMEMORY || rc == PCRE2_ERROR_HEAPLIMIT
                       ? no_memory()
                       : cadre_fail(CADRE_ERR_INTERNAL,
                                    "PCRE2 failed with %d on a text of %zu bytes", rc,
                                    bytes);
        if (found[0] > at)
            CADRE_TRY(add_end(words, start + found[0]));
        at = found[1];
        CADRE_TRY(add_end(words, start + at));
    }
    return CADRE_OK;
}

static void swap_lists(tf_words *words)
{
    size_t *const ends = words->ends;
    const size_t capacity = words->capacity;
    words->ends = words->before;
    words->capacity = words->before_capacity;
    words->before = ends;
    words->before_capacity = capacity;
    words->n = 0;
}

cadre_status tf_pretokenize(const tf_pretokenizer *pre, const char *text, size_t bytes,
                            tf_words *words)
{
    CADRE_TRY(prepare(words, bytes));
    words->n = 0;
    if (bytes == 0)
        return CADRE_OK;
    CADRE_TRY(cut(pre->stages[0], text, 0, bytes, words));
    for (size_t stage = 1; stage < pre->n_stages; stage++) {
        const size_t n = words->n;
        size_t start = 0;
        swap_lists(words);
        for (size_t i = 0; i < n; i++) {
            CADRE_TRY(cut(pre->stages[stage], text, start, words->before[i], words));
            start = words->before[i];
        }
    }
    return CADRE_OK;
}
