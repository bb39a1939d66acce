/* A kernel that generates text as a language model does, a token per step for every
 * request inside, but only repeats what it was told: the prompt, or the last message of a
 * chat. A token is three bytes, so that characters come in parts. With a temperature it
 * tells how it was asked to sample instead. */
#include <cadre/clock.h>
#include <cadre/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 4
#define CONTEXT 256 /* tokens of prompt and answer */
#define TOKEN_BYTES 3
#define MAX_BYTES (CONTEXT * TOKEN_BYTES)
#define MAX_STOP 64

typedef struct slot {
    int used, finished;
    uint64_t id;
    char text[MAX_BYTES + 1]; /* all that will be said */
    size_t bytes, said, n_in, n_out, max_out;
    char stops[CADRE_MAX_STOPS][MAX_STOP];
    uint32_t n_stops, n_top;
    int wants_logprobs;
    const char *finish_reason;
    int64_t start_ns, first_ns, last_ns;
    cadre_token tokens[CONTEXT], top[CONTEXT * CADRE_MAX_TOP_LOGPROBS];
    cadre_logprobs logprobs;
} slot;

typedef struct parrot {
    slot slots[SLOTS];
} parrot;

static cadre_status open_parrot(const cadre_kernel_args *args, void **state)
{
    (void)args;
    *state = calloc(1, sizeof(parrot));
    return *state ? CADRE_OK
                  : cadre_fail(CADRE_ERR_NOMEM, "no memory for %d slots", SLOTS);
}

static cadre_status describe_parrot(const void *state, cadre_kernel_info *info)
{
    (void)state;
    *info = (cadre_kernel_info){.takes = CADRE_PAYLOAD_TEXT,
                                .gives = CADRE_PAYLOAD_TEXT,
                                .private_bytes = sizeof(parrot),
                                .best_batch = SLOTS};
    return CADRE_OK;
}

static size_t n_tokens(size_t bytes)
{
    return (bytes + TOKEN_BYTES - 1) / TOKEN_BYTES;
}

static cadre_status estimate_parrot(const void *state, const cadre_request *request,
                                    cadre_estimate *out)
{
    const size_t n = n_tokens(request->bytes);
    (void)state;
    if (n + request->sampling.max_tokens > CONTEXT)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%zu tokens of prompt and %u to be generated do not fit the "
                          "context of %d",
                          n, request->sampling.max_tokens, CONTEXT);
    *out = (cadre_estimate){.tokens_in = (uint32_t)n,
                            .max_tokens_out = request->sampling.max_tokens};
    return CADRE_OK;
}

static void learn(slot *s, const cadre_request *request)
{
    const cadre_sampling *ask = &request->sampling;
    const cadre_message *last =
        request->n_messages ? &request->messages[request->n_messages - 1] : NULL;
    const char *text = request->data;

    if (ask->temperature > 0)
        s->bytes = (size_t)snprintf(
            s->text, sizeof s->text, "t%g p%g m%g k%u s%llu %u stops",
            (double)ask->temperature, (double)ask->top_p, (double)ask->min_p, ask->top_k,
            (unsigned long long)ask->seed, request->n_stops);
    else
        s->bytes = (size_t)snprintf(s->text, sizeof s->text, "%.*s",
                                    (int)(last ? last->content_bytes : request->bytes),
                                    text + (last ? last->content_at : 0));
    for (uint32_t i = 0; i < request->n_stops; i++)
        snprintf(s->stops[i], MAX_STOP, "%s", request->stops[i]);
}

static cadre_status submit_parrot(void *state, const cadre_request *request)
{
    parrot *p = state;
    size_t i = 0;
    while (i < SLOTS && p->slots[i].used)
        i++;
    if (i == SLOTS)
        return cadre_fail(CADRE_ERR_STATE, "all %d slots are taken", SLOTS);
    slot *s = &p->slots[i];
    memset(s, 0, sizeof *s);
    s->used = 1;
    s->id = request->id;
    s->n_in = n_tokens(request->bytes);
    s->max_out = request->sampling.max_tokens;
    s->n_stops = request->n_stops;
    s->wants_logprobs = request->sampling.logprobs >= 0;
    s->n_top = s->wants_logprobs ? (uint32_t)request->sampling.logprobs : 0;
    s->start_ns = cadre_clock_ns();
    learn(s, request);
    return CADRE_OK;
}

/* The chosen token is the likeliest; the others are letters. */
static void tell_logprobs(slot *s, const cadre_token *token)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    cadre_token *top = s->top + s->n_out * s->n_top;
    s->tokens[s->n_out] = *token;
    for (uint32_t i = 0; i < s->n_top; i++)
        top[i] = i ? (cadre_token){letters + i, 1, -1.0f - (float)i} : *token;
}

static void cut_at_stop(slot *s)
{
    const char c = s->text[s->said];
    s->text[s->said] = '\0';
    for (uint32_t i = 0; i < s->n_stops; i++) {
        const char *at = strstr(s->text, s->stops[i]);
        if (at) {
            s->said = (size_t)(at - s->text);
            s->finish_reason = "stop";
            s->finished = 1;
            return;
        }
    }
    s->text[s->said] = c;
}

static void say(slot *s)
{
    const size_t left = s->bytes - s->said;
    const cadre_token token = {.bytes = s->text + s->said,
                               .n_bytes =
                                   (uint32_t)(left < TOKEN_BYTES ? left : TOKEN_BYTES),
                               .logprob = -0.125f * (float)(s->n_out + 1)};
    if (left == 0) {
        s->finish_reason = "stop";
        s->finished = 1;
        return;
    }
    tell_logprobs(s, &token);
    s->said += token.n_bytes;
    s->last_ns = cadre_clock_ns();
    s->first_ns = s->n_out++ ? s->first_ns : s->last_ns;
    if (s->n_out == s->max_out) {
        s->finish_reason = "length";
        s->finished = 1;
    }
    cut_at_stop(s);
}

static cadre_status step_parrot(void *state, size_t *n_active)
{
    parrot *p = state;
    *n_active = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        slot *s = &p->slots[i];
        if (s->used && !s->finished)
            say(s);
        *n_active += s->used && !s->finished;
    }
    return CADRE_OK;
}

static size_t collect_parrot(void *state, cadre_answer *answers, size_t max)
{
    parrot *p = state;
    size_t n = 0;
    for (size_t i = 0; i < SLOTS && n < max; i++) {
        slot *s = &p->slots[i];
        if (!s->used || !s->finished)
            continue;
        s->used = 0;
        while (s->said > 0 && ((unsigned char)s->text[s->said] & 0xC0) == 0x80)
            s->said--; /* a character is not cut */
        s->logprobs = (cadre_logprobs){.n_tokens = (uint32_t)s->n_out,
                                       .n_top = s->n_top,
                                       .tokens = s->tokens,
                                       .top = s->top};
        answers[n++] =
            (cadre_answer){.id = s->id,
                           .data = s->text,
                           .bytes = s->said,
                           .tokens_in = (uint32_t)s->n_in,
                           .tokens_out = (uint32_t)s->n_out,
                           .tokens_shared = s->n_in > 1,
                           .finish_reason = s->finish_reason,
                           .logprobs = s->wants_logprobs ? &s->logprobs : NULL,
                           .first_token_ns = s->n_out ? s->first_ns - s->start_ns + 1 : 0,
                           .last_token_ns = s->n_out ? s->last_ns - s->start_ns + 1 : 0};
    }
    return n;
}

static void cancel_parrot(void *state, uint64_t id)
{
    parrot *p = state;
    for (size_t i = 0; i < SLOTS; i++)
        p->slots[i].used = p->slots[i].used && p->slots[i].id != id;
}

static const cadre_kernel kernel = {.abi = CADRE_KERNEL_ABI,
                                    .name = "parrot",
                                    .summary = "repeats what it was told",
                                    .open = open_parrot,
                                    .close = free,
                                    .describe = describe_parrot,
                                    .estimate = estimate_parrot,
                                    .submit = submit_parrot,
                                    .step = step_parrot,
                                    .collect = collect_parrot,
                                    .cancel = cancel_parrot};

CADRE_API cadre_kernel_entry_fn cadre_kernel_entry;

const cadre_kernel *cadre_kernel_entry(void)
{
    return &kernel;
}
