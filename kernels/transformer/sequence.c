/* sequence.c - one request on its way. */
#include "sequence.h"
#include <cadre/clock.h>
#include <cadre/matrix.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading a request ---- */

static cadre_status check_sampling(const cadre_request *request)
{
    const cadre_sampling *s = &request->sampling;

    if (s->max_tokens == 0)
        return cadre_fail(CADRE_ERR_INPUT, "max_tokens: expected 1 or more, found 0");
    if (!(s->temperature >= 0 && s->temperature < 1e9f))
        return cadre_fail(CADRE_ERR_INPUT,
                          "temperature: expected 0 or more, below 1e9, found %g",
                          (double)s->temperature);
    if (!(s->top_p >= 0 && s->top_p <= 1))
        return cadre_fail(CADRE_ERR_INPUT, "top_p: expected 0 to 1, found %g",
                          (double)s->top_p);
    if (!(s->min_p >= 0 && s->min_p <= 1))
        return cadre_fail(CADRE_ERR_INPUT, "min_p: expected 0 to 1, found %g",
                          (double)s->min_p);
    if (s->logprobs < -1 || s->logprobs > CADRE_MAX_TOP_LOGPROBS)
        return cadre_fail(CADRE_ERR_INPUT,
                          "log-probabilities: expected 0 to %d per token, found %d",
                          CADRE_MAX_TOP_LOGPROBS, (int)s->logprobs);
    return CADRE_OK;
}

static cadre_status refuse_chat(void)
{
    char names[128];
    size_t n = 0;

    for (int chat = 0; chat < TF_N_CHATS && n < sizeof names; chat++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", chat ? ", " : "",
                              tf_chat_name((tf_chat)chat));
    return cadre_fail(CADRE_ERR_UNSUPPORTED,
                      "these are chat messages, and the model brings no chat template "
                      "that is known; the tier's option chat_template names one of: %s",
                      names);
}

static cadre_status encode_chat(const tf_tokenizer *tokenizer, tf_chat chat,
                                const cadre_request *request, tf_tokens *tokens)
{
    tf_piece *pieces = NULL;
    size_t n;
    int add_bos;

    if (chat == TF_CHAT_NONE)
        return refuse_chat();
    CADRE_TRY(tf_chat_format(chat, request->data, request->messages, request->n_messages,
                             &pieces, &n, &add_bos));
    const cadre_status st = tf_tokenizer_encode(tokenizer, pieces, n, add_bos, tokens);
    free(pieces);
    return st;
}

static cadre_status encode(const tf_tokenizer *tokenizer, tf_chat chat,
                           const cadre_request *request, tf_tokens *tokens)
{
    const tf_piece piece = {.text = request->bytes ? request->data : "",
                            .bytes = request->bytes};

    if (request->n_messages > 0)
        CADRE_TRY(encode_chat(tokenizer, chat, request, tokens));
    else
        CADRE_TRY(tf_tokenizer_encode(tokenizer, &piece, 1, 1, tokens));
    if (tokens->n == 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "the prompt is empty, and the model's vocabulary has no token "
                          "that a text begins with");
    return CADRE_OK;
}

cadre_status tf_sequence_read(const tf_tokenizer *tokenizer, tf_chat chat,
                              size_t max_positions, const cadre_request *request,
                              tf_tokens *tokens, uint32_t *max_out)
{
    CADRE_TRY(check_sampling(request));
    CADRE_TRY(encode(tokenizer, chat, request, tokens));
    if (tokens->n >= max_positions)
        return cadre_fail(CADRE_ERR_INPUT,
                          "the prompt has %zu tokens, which leaves no room for an answer "
                          "in a context of %zu",
                          tokens->n, max_positions);
    const size_t room = max_positions - tokens->n;
    *max_out = request->sampling.max_tokens;
    if (*max_out > room)
        *max_out = (uint32_t)room;
    return CADRE_OK;
}

/* ---- Life ---- */

/* Everything that depends on the number of tokens. */
static cadre_status take_memory(tf_sequence *s, const tf_tokens *prompt)
{
    const size_t n_tokens = prompt->n + s->max_out;
    const size_t n_candidates = s->max_out * (1 + s->n_top);

    s->n_prompt = prompt->n;
    /* The last token is generated and not computed. */
    s->n_pages = (n_tokens - 1 + CADRE_KV_PAGE - 1) / CADRE_KV_PAGE;
    s->tokens = malloc(n_tokens * sizeof *s->tokens);
    s->pages = malloc(s->n_pages * sizeof *s->pages);
    if (s->sampling.logprobs >= 0)
        s->candidates = malloc(n_candidates * sizeof *s->candidates);
    if (!s->tokens || !s->pages || (s->sampling.logprobs >= 0 && !s->candidates))
        return cadre_fail(CADRE_ERR_NOMEM, "a request of %zu tokens", n_tokens);
    memcpy(s->tokens, prompt->ids, prompt->n * sizeof *s->tokens);
    return CADRE_OK;
}

static cadre_status fill(tf_sequence *s, const tf_tokenizer *tokenizer, tf_chat chat,
                         size_t max_positions, const cadre_request *request)
{
    tf_tokens prompt = {0};
    uint32_t max_out = 0;

    cadre_status st =
        tf_sequence_read(tokenizer, chat, max_positions, request, &prompt, &max_out);
    s->max_out = max_out;
    if (st == CADRE_OK)
        st = take_memory(s, &prompt);
    tf_tokens_free(&prompt);
    if (st == CADRE_OK)
        st = tf_stops_init(&s->stops, request->stops, request->n_stops);
    return st;
}

cadre_status tf_sequence_create(const tf_tokenizer *tokenizer, tf_chat chat,
                                size_t max_positions, const cadre_request *request,
                                tf_sequence **out)
{
    const int64_t now = cadre_clock_ns();
    const size_t n_vocab = tf_tokenizer_n_vocab(tokenizer);
    const int32_t n_top = request->sampling.logprobs;

    *out = NULL;
    tf_sequence *s = calloc(1, sizeof *s);
    if (!s)
        return cadre_fail(CADRE_ERR_NOMEM, "a request");
    s->id = request->id;
    s->sampling = request->sampling;
    s->n_top = n_top < 0 ? 0 : (size_t)n_top < n_vocab ? (size_t)n_top : n_vocab;
    s->text_end = SIZE_MAX;
    s->drops_space = request->bytes == 0 && tf_tokenizer_drops_space(tokenizer);
    s->submitted_ns = now;
    const cadre_status st = fill(s, tokenizer, chat, max_positions, request);
    if (st != CADRE_OK) {
        tf_sequence_destroy(s);
        return st;
    }
    *out = s;
    return CADRE_OK;
}

void tf_sequence_destroy(tf_sequence *s)
{
    if (!s)
        return;
    tf_stops_fini(&s->stops);
    free(s->tokens);
    free(s->pages);
    free(s->candidates);
    free(s->text);
    free(s->answer_tokens);
    free(s);
}

/* ---- Generating ---- */

/* What token adds to the text, as the first one if that is said. */
static const char *text_of(const tf_sequence *s, const tf_tokenizer *tokenizer,
                           int32_t id, int is_first, size_t *bytes)
{
    const char *text = tf_tokenizer_text(tokenizer, id, bytes);

    if (is_first && s->drops_space && *bytes > 0 && text[0] == ' ') {
        text++;
        --*bytes;
    }
    return text;
}

static void take_logprobs(tf_sequence *s, tf_sampler *sampler, const float *logits,
                          int32_t id)
{
    tf_candidate *at = s->candidates + s->n_out * (1 + s->n_top);

    tf_sampler_logprobs(sampler, logits, id, s->n_top, at, at + 1);
}

void tf_sequence_accept(tf_sequence *s, const tf_tokenizer *tokenizer,
                        tf_sampler *sampler, int ignore_end, const float *logits)
{
    const int32_t id =
        tf_sampler_choose(sampler, logits, &s->sampling, (uint32_t)s->n_out);
    size_t bytes;

    if (!isfinite(logits[id])) {
        s->failure = "the model computes no finite numbers: are its weights damaged?";
        s->finish_reason = "error";
        return;
    }
    if (!ignore_end && tf_tokenizer_is_end(tokenizer, id)) {
        s->finish_reason = "stop";
        return;
    }
    if (s->candidates)
        take_logprobs(s, sampler, logits, id);
    const char *text = text_of(s, tokenizer, id, s->n_out == 0, &bytes);
    s->tokens[s->n_prompt + s->n_out++] = id;
    s->last_ns = cadre_clock_ns();
    if (s->n_out == 1)
        s->first_ns = s->last_ns;
    if (tf_stops_feed(&s->stops, text, bytes, &s->text_end))
        s->finish_reason = "stop";
    else if (s->n_out == s->max_out)
        s->finish_reason = "length";
}

/* ---- Answering ---- */

static cadre_token token_of(const tf_sequence *s, const tf_tokenizer *tokenizer,
                            const tf_candidate *candidate, int is_first)
{
    size_t bytes;
    const char *text = text_of(s, tokenizer, candidate->id, is_first, &bytes);

    return (cadre_token){
        .bytes = text, .n_bytes = (uint32_t)bytes, .logprob = candidate->logprob};
}

static cadre_status make_logprobs(tf_sequence *s, const tf_tokenizer *tokenizer)
{
    const size_t n_each = 1 + s->n_top;

    s->answer_tokens = malloc((s->n_out * n_each + 1) * sizeof *s->answer_tokens);
    if (!s->answer_tokens)
        return CADRE_ERR_NOMEM;
    cadre_token *chosen = s->answer_tokens, *top = s->answer_tokens + s->n_out;
    for (size_t i = 0; i < s->n_out; i++) {
        const tf_candidate *candidates = s->candidates + i * n_each;
        chosen[i] = token_of(s, tokenizer, &candidates[0], i == 0);
        for (size_t k = 0; k < s->n_top; k++)
            top[i * s->n_top + k] = token_of(s, tokenizer, &candidates[1 + k], i == 0);
    }
    s->logprobs = (cadre_logprobs){.n_tokens = (uint32_t)s->n_out,
                                   .n_top = (uint32_t)s->n_top,
                                   .tokens = chosen,
                                   .top = top};
    return CADRE_OK;
}

cadre_answer tf_sequence_answer(tf_sequence *s, const tf_tokenizer *tokenizer)
{
    size_t skip = 0, bytes = 0;

    if (s->failure)
        return (cadre_answer){
            .id = s->id, .status = CADRE_ERR_INPUT, .message = s->failure};
    if (s->n_out > 0) {
        size_t whole;
        (void)tf_tokenizer_text(tokenizer, s->tokens[s->n_prompt], &whole);
        (void)text_of(s, tokenizer, s->tokens[s->n_prompt], 1, &skip);
        skip = whole - skip;
    }
    cadre_status st = tf_output_text(tokenizer, s->tokens + s->n_prompt, s->n_out, skip,
                                     s->text_end, &s->text, &bytes);
    if (st == CADRE_OK && s->candidates)
        st = make_logprobs(s, tokenizer);
    if (st != CADRE_OK)
        return (cadre_answer){
            .id = s->id, .status = st, .message = "no memory is left for the answer"};
    return (cadre_answer){
        .id = s->id,
        .data = s->text,
        .bytes = bytes,
        .tokens_in = (uint32_t)s->n_prompt,
        .tokens_out = (uint32_t)s->n_out,
        .tokens_shared = (uint32_t)s->n_shared,
        .finish_reason = s->finish_reason,
        .logprobs = s->candidates ? &s->logprobs : NULL,
        .first_token_ns = s->n_out ? s->first_ns - s->submitted_ns : 0,
        .last_token_ns = s->n_out ? s->last_ns - s->submitted_ns : 0,
    };
}
