/* cadre/request.h - what is asked of a shard kernel, and what comes back.
 *
 * A request is either a row of numbers or a text. Its answer is the kernel's, and depends
 * on the request and the model only.
 */
#ifndef CADRE_REQUEST_H
#define CADRE_REQUEST_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

/* What a request carries. */
typedef enum cadre_payload {
    CADRE_PAYLOAD_ROW, /* f32[info.n_in]: one row of a tensor */
    CADRE_PAYLOAD_TEXT /* UTF-8, no NUL inside */
} cadre_payload;

#define CADRE_MAX_STOPS 4         /* stop strings of one request */
#define CADRE_MAX_TOP_LOGPROBS 20 /* alternatives given per token */

/* Values that a text request may set; a row kernel ignores them. */
typedef struct cadre_sampling {
    uint32_t max_tokens;
    float temperature; /* 0: greedy */
    float top_p;       /* 1: off */
    float min_p;       /* 0: off */
    uint32_t top_k;    /* 0: off */
    int32_t logprobs;  /* -1: none; else with so many alternatives per token */
    uint64_t seed;
} cadre_sampling;

/* One message of a chat, as slices of the request's data. */
typedef struct cadre_message {
    uint32_t role_at, role_bytes;       /* "system", "user", "assistant", ... */
    uint32_t content_at, content_bytes; /* any UTF-8 */
} cadre_message;

/* One request, borrowed for the time of the call. A chat has messages; its data is then
 * the chat as "role: content" lines, for kernels that know no templates. */
typedef struct cadre_request {
    uint64_t id;      /* unique in the job; the answer carries it back */
    const void *data; /* f32[n_in] aligned to 4 bytes, or `bytes` bytes of text */
    size_t bytes;
    cadre_sampling sampling;
    const cadre_message *messages; /* [n_messages]; NULL if it is no chat */
    uint32_t n_messages;
    uint32_t n_stops;
    const char *const *stops; /* [n_stops]: the text ends before the first of them */
} cadre_request;

/* One token of an answer, or one that could have stood there: its bytes, which may be a
 * part of a UTF-8 character, and the natural logarithm of its probability at temperature
 * 1, before any cut of the distribution. */
typedef struct cadre_token {
    const char *bytes;
    uint32_t n_bytes;
    float logprob;
} cadre_token;

/* Log-probabilities of an answer's tokens_out tokens. */
typedef struct cadre_logprobs {
    uint32_t n_tokens, n_top;
    const cadre_token *tokens; /* [n_tokens]: those chosen */
    const cadre_token *top;    /* [n_tokens][n_top]: the likeliest, best first */
} cadre_logprobs;

/* One answer. The kernel keeps the memory behind pointers until its next call. */
typedef struct cadre_answer {
    uint64_t id;
    cadre_status status; /* CADRE_OK, or why this request alone failed */
    const char *message; /* a sentence if it failed; may be NULL */
    const void *data;    /* f32[info.n_out], or text; NULL on failure */
    size_t bytes;
    uint32_t tokens_in, tokens_out;
    uint32_t tokens_shared;    /* of tokens_in: not computed again, but found computed */
    const char *finish_reason; /* "stop" or "length" */
    const cadre_logprobs *logprobs; /* NULL: not asked for */
    int64_t
        first_token_ns; /* from submit() to the first token of text; 0: no such thing */
    int64_t last_token_ns; /* from submit() to the last one */
} cadre_answer;

/* The worst that one request can cost, for routing and reservation. */
typedef struct cadre_estimate {
    uint32_t tokens_in;      /* exact */
    uint32_t max_tokens_out; /* at most so many */
    double cost_ns;          /* compute time on one rank, roughly; 0 if unknown */
} cadre_estimate;

#endif
