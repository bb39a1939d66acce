/* A kernel of your own: it answers a text with its number of words and the longest. Make
 * it a shared object, include/ in the path, nothing to link, and a tier's "kernel". */
#include <cadre/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BATCH 4096
typedef char answer_text[128]; /* they must outlive serve(): the kernel's state */

static cadre_status open_words(const cadre_kernel_args *args, void **state)
{
    (void)args;
    *state = calloc(MAX_BATCH, sizeof(answer_text));
    return *state ? CADRE_OK : cadre_fail(CADRE_ERR_NOMEM, "no memory for answers");
}

static cadre_status describe_words(const void *state, cadre_kernel_info *info)
{
    (void)state;
    *info = (cadre_kernel_info){
        .takes = CADRE_PAYLOAD_TEXT, .gives = CADRE_PAYLOAD_TEXT, .best_batch = 16};
    return CADRE_OK;
}

static uint32_t count(const cadre_request *request, answer_text answer)
{
    const char *p = request->data, *end = p + request->bytes, *longest = p;
    size_t most = 0, n;
    uint32_t n_words = 0;
    for (; p < end; p += n + 1) {
        for (n = 0; p + n < end && !strchr(" \t\r\n", p[n]); n++)
            ;
        n_words += n > 0;
        if (n > most)
            most = n, longest = p;
    }
    snprintf(answer, sizeof(answer_text), "%u words, the longest: %.*s", n_words,
             most < 64 ? (int)most : 64, longest);
    return n_words;
}

/* What a request costs at worst: a word is a token here, and the answer is free. */
static cadre_status estimate_words(const void *state, const cadre_request *request,
                                   cadre_estimate *out)
{
    (void)state;
    *out = (cadre_estimate){.tokens_in = count(request, (answer_text){0})};
    return CADRE_OK;
}

static cadre_status serve_words(void *state, const cadre_request *requests, size_t n,
                                cadre_answer *answers)
{
    answer_text *texts = state;
    if (n > MAX_BATCH)
        return cadre_fail(CADRE_ERR_ARG, "%zu texts, %d at most", n, MAX_BATCH);
    for (size_t i = 0; i < n; i++) {
        answers[i] = (cadre_answer){
            .id = requests[i].id, .data = texts[i], .finish_reason = "stop"};
        answers[i].tokens_in = count(&requests[i], texts[i]);
        answers[i].bytes = strlen(texts[i]);
    }
    return CADRE_OK;
}

CADRE_API const cadre_kernel *cadre_kernel_entry(void);
const cadre_kernel *cadre_kernel_entry(void)
{
    static const cadre_kernel kernel = {.abi = CADRE_KERNEL_ABI,
                                        .name = "words",
                                        .summary = "counts words",
                                        .open = open_words,
                                        .close = free,
                                        .describe = describe_words,
                                        .estimate = estimate_words,
                                        .serve = serve_words};
    return &kernel;
}
