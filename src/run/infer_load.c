/* run/infer_load.c - making texts of an exact number of tokens by trial. */
#include "run/infer_load.h"
#include "core/memory.h"
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define SEED 20261123
#define TRIES 16      /* other words, when some hit no exact number */
#define NEARBY 64     /* bytes to look at on both sides of where the count should be */
#define WORD_BYTES 16 /* more than any word below, with its blank */

/* Ordinary words that every vocabulary can write. */
static const char *const words[] = {
    "the",   "of",    "and",   "to",    "in",   "is",   "that",  "for",  "was",   "on",
    "are",   "with",  "they",  "be",    "at",   "one",  "have",  "this", "from",  "by",
    "hot",   "word",  "but",   "what",  "some", "we",   "can",   "out",  "other", "were",
    "all",   "there", "when",  "up",    "use",  "your", "how",   "said", "an",    "each",
    "she",   "which", "do",    "their", "time", "if",   "will",  "way",  "about", "many",
    "then",  "them",  "write", "would", "like", "so",   "these", "her",  "long",  "make",
    "thing", "see",   "him",   "two",
};

/* SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t uniform(uint64_t *state, size_t min, size_t max)
{
    return min + (size_t)(next_random(state) % (max - min + 1));
}

/* Words up to at least this many bytes. */
static void fill(uint64_t seed, size_t bytes, cadre__text *out)
{
    uint64_t random = seed;
    cadre__text_clear(out);
    while (out->size < bytes && !out->failed)
        cadre__text_printf(out, "%s%s", out->size ? " " : "",
                           words[next_random(&random) % N_OF(words)]);
}

static cadre_request greedy(const char *text, size_t bytes, size_t max_tokens)
{
    return (cadre_request){
        .data = text,
        .bytes = bytes,
        .sampling = {.max_tokens = (uint32_t)max_tokens, .top_p = 1, .logprobs = -1}};
}

/* Tokens of the first bytes of a text. What does not fit the model has too many. */
static size_t count(const cadre_kernel *kernel, const void *state,
                    const cadre__text *text, size_t bytes)
{
    const cadre_request request = greedy(cadre__text_string(text), bytes, 1);
    cadre_estimate estimate;
    return kernel->estimate(state, &request, &estimate) == CADRE_OK ? estimate.tokens_in
                                                                    : SIZE_MAX;
}

/* The least bytes that have n tokens or more, if the count grows with them, as it does
 * but for the last few bytes. */
static size_t search(const cadre_kernel *kernel, const void *state,
                     const cadre__text *text, size_t n)
{
    size_t low = 0, high = text->size;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (count(kernel, state, text, middle) < n)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Say why: most often the model's context is shorter. */
static cadre_status no_text(const cadre_kernel *kernel, const void *state,
                            const cadre__text *text, size_t n_tokens)
{
    const cadre_request request =
        greedy(cadre__text_string(text), search(kernel, state, text, n_tokens), 1);
    cadre_estimate estimate;
    const cadre_status st = kernel->estimate(state, &request, &estimate);
    if (st != CADRE_OK)
        return cadre_context(st, "a text of %zu tokens", n_tokens);
    return cadre_fail(CADRE_ERR_INPUT, "no text of exactly %zu tokens was found",
                      n_tokens);
}

cadre_status cadre__infer_text(const cadre_kernel *kernel, const void *state,
                               uint64_t seed, size_t n_tokens, cadre__text *out)
{
    for (uint64_t try = 0; try < TRIES; try++) {
        fill(seed + (try << 32), (n_tokens + 1) * WORD_BYTES, out);
        CADRE_TRY(cadre__text_status(out));
        const size_t middle = search(kernel, state, out, n_tokens);
        const size_t first = middle > NEARBY ? middle - NEARBY : 0;
        for (size_t bytes = first; bytes <= middle + NEARBY && bytes <= out->size;
             bytes++) {
            if (count(kernel, state, out, bytes) == n_tokens) {
                out->data[bytes] = '\0';
                out->size = bytes;
                return CADRE_OK;
            }
        }
    }
    return no_text(kernel, state, out, n_tokens);
}

static cadre_status make_request(const cadre_kernel *kernel, const void *state, size_t i,
                                 size_t prompt, size_t generate, cadre__infer_load *out)
{
    cadre__text text = {0};
    cadre_estimate estimate;

    cadre_status st = cadre__infer_text(kernel, state, SEED + i, prompt, &text);
    out->texts[i] = cadre__strdup(cadre__text_string(&text));
    const size_t bytes = text.size;
    cadre__text_fini(&text);
    CADRE_TRY(st);
    if (!out->texts[i])
        return CADRE_ERR_NOMEM;
    out->requests[i] = greedy(out->texts[i], bytes, generate);
    out->requests[i].id = i;
    out->tokens_in[i] = (uint32_t)prompt;
    CADRE_TRY(kernel->estimate(state, &out->requests[i], &estimate));
    if (estimate.max_tokens_out < generate)
        return cadre_fail(CADRE_ERR_INPUT,
                          "a prompt of %zu tokens leaves room for %u more, expected %zu",
                          prompt, estimate.max_tokens_out, generate);
    return CADRE_OK;
}

static cadre_status check_kernel(const cadre_kernel *kernel, const void *state)
{
    cadre_kernel_info info;
    CADRE_TRY(kernel->describe(state, &info));
    if (info.takes == CADRE_PAYLOAD_TEXT && info.gives == CADRE_PAYLOAD_TEXT &&
        kernel->estimate)
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_UNSUPPORTED,
                      "kernel %s does not take and give texts and count their tokens",
                      kernel->name);
}

cadre_status cadre__infer_load_make(const cadre_kernel *kernel, const void *state,
                                    const cadre__infer_shape *shape, size_t n,
                                    cadre__infer_load *out)
{
    uint64_t random = SEED;

    *out = (cadre__infer_load){0};
    CADRE_TRY(check_kernel(kernel, state));
    out->requests = cadre__alloc_n(n, sizeof *out->requests);
    out->texts = cadre__alloc_n(n, sizeof *out->texts);
    out->tokens_in = cadre__alloc_n(n, sizeof *out->tokens_in);
    if (!out->requests || !out->texts || !out->tokens_in)
        return CADRE_ERR_NOMEM;
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        const size_t prompt = uniform(&random, shape->prompt_min, shape->prompt_max);
        const size_t generate =
            uniform(&random, shape->generate_min, shape->generate_max);
        CADRE_TRY(make_request(kernel, state, i, prompt, generate, out));
    }
    return CADRE_OK;
}

void cadre__infer_load_fini(cadre__infer_load *load)
{
    for (size_t i = 0; load->texts && i < load->n; i++)
        cadre__free(load->texts[i]);
    cadre__free(load->texts);
    cadre__free(load->requests);
    cadre__free(load->tokens_in);
    *load = (cadre__infer_load){0};
}
