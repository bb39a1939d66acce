/* A kernel of your own, in one file: it answers a text with its number of words and the
 * word that is most frequent in it (of several the first). Build it as a shared object
 * with include/ in the path and nothing to link; name its path as a tier's "kernel". */
#include <cadre/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BATCH 4096

/* An answer must outlive serve(), so it stands in the kernel's state. */
typedef char answer_text[128];

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

/* Move *at to the next word; its length, 0 at the end. */
static size_t next_word(const char **at, const char *end)
{
    size_t n = 0;
    while (*at < end && strchr(" \t\r\n", **at))
        (*at)++;
    while (*at + n < end && !strchr(" \t\r\n", (*at)[n]))
        n++;
    return n;
}

static void count(const char *start, const char *end, char *text, uint32_t *n_words)
{
    const char *best = start;
    size_t most = 0, best_length = 0, n, m;
    for (const char *word = start; (n = next_word(&word, end)) > 0;
         word += n, ++*n_words) {
        size_t times = 0;
        for (const char *other = start; (m = next_word(&other, end)) > 0; other += m)
            times += m == n && memcmp(word, other, n) == 0;
        if (times > most)
            most = times, best = word, best_length = n < 64 ? n : 64;
    }
    snprintf(text, sizeof(answer_text), "%u words, %zu x %.*s", *n_words, most,
             (int)best_length, best);
}

static cadre_status serve_words(void *state, const cadre_request *requests, size_t n,
                                cadre_answer *answers)
{
    answer_text *texts = state;
    if (n > MAX_BATCH)
        return cadre_fail(CADRE_ERR_ARG, "%zu texts, %d at most", n, MAX_BATCH);
    for (size_t i = 0; i < n; i++) {
        const char *text = requests[i].data;
        answers[i] = (cadre_answer){.id = requests[i].id, .data = texts[i]};
        answers[i].finish_reason = "stop";
        count(text, text + requests[i].bytes, texts[i], &answers[i].tokens_in);
        answers[i].bytes = strlen(texts[i]);
    }
    return CADRE_OK;
}

CADRE_API const cadre_kernel *cadre_kernel_entry(void);
const cadre_kernel *cadre_kernel_entry(void)
{
    static const cadre_kernel kernel = {CADRE_KERNEL_ABI,    "words", "counts words",
                                        open_words,          free,    describe_words,
                                        .serve = serve_words};
    return &kernel;
}
