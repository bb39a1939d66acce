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

/* Values that a text request may set; a row kernel ignores them. */
typedef struct cadre_sampling {
    uint32_t max_tokens;
    float temperature; /* 0: greedy */
    float top_p;       /* 1: off */
    uint64_t seed;
} cadre_sampling;

/* One request, borrowed for the time of the call. */
typedef struct cadre_request {
    uint64_t id;      /* unique in the job; the answer carries it back */
    const void *data; /* f32[n_in] aligned to 4 bytes, or `bytes` bytes of text */
    size_t bytes;
    cadre_sampling sampling;
} cadre_request;

/* One answer. The kernel keeps the memory behind data until its next call. */
typedef struct cadre_answer {
    uint64_t id;
    cadre_status status; /* CADRE_OK, or why this request alone failed */
    const char *message; /* a sentence if it failed; may be NULL */
    const void *data;    /* f32[info.n_out], or text; NULL on failure */
    size_t bytes;
    uint32_t tokens_in, tokens_out;
    const char *finish_reason; /* "stop" or "length" */
} cadre_answer;

/* The worst that one request can cost, for routing and reservation. */
typedef struct cadre_estimate {
    uint32_t tokens_in;      /* exact */
    uint32_t max_tokens_out; /* at most so many */
    double cost_ns;          /* compute time on one rank, roughly; 0 if unknown */
} cadre_estimate;

#endif
