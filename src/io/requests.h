/* io/requests.h - all requests of a job, from JSONL or a dataset, validated as a
 * whole. */
#ifndef CADRE_IO_REQUESTS_H
#define CADRE_IO_REQUESTS_H

#include "io/dataset.h"
#include "io/job.h"
#include <cadre/request.h>

typedef enum cadre__url {                         /* which form the answer takes */
                          CADRE__URL_COMPLETIONS, /* choices[0].text */
                          CADRE__URL_CHAT,        /* choices[0].message.content */
                          CADRE__URL_EMBEDDINGS   /* rows: data[0].embedding holds the
                                                     output row */
} cadre__url;

#define CADRE__ID_BYTES 512 /* longest custom_id */

typedef struct cadre__item {
    char *custom_id;
    size_t line; /* 1-based line of the file, or row + 1 */
    cadre__url url;
    cadre_payload payload;
    const void *data; /* the row (f32[n_in]) or text */
    size_t bytes;
    cadre_sampling sampling; /* defaults: max_tokens 16, temperature 0, top_p 1, seed 0,
                                no log-probabilities */
    const cadre_message *messages; /* [n_messages] of data; NULL if it is no chat */
    uint32_t n_messages, n_stops;
    const char *const *stops; /* [n_stops] */
    void *extra;              /* what the two point to; owned */
    /* Why this request alone cannot be served, "prompt: not valid UTF-8 from byte 3 on";
     * owned; NULL: nothing is wrong with it. */
    char *flaw;
    int tenant;        /* index into the job's tenants */
    int tier;          /* index into the job's tiers; -1: auto */
    double complexity; /* in [0, 1]; NAN: not given */
    bool prefer_gpu;
    cadre_money max_cost; /* -1: not given */
    int32_t label;        /* the right class, if known; -1 */
} cadre__item;

typedef struct cadre__requests {
    size_t n;
    cadre__item *items;      /* input order */
    cadre__dataset *dataset; /* rows live here when they come from one; else NULL */
    float *rows;             /* rows of a JSONL file, one behind the other; else NULL */
    char *storage;           /* ids and texts */
    char digest[33]; /* of the input's bytes, unpacked, or the generator's values */
} cadre__requests;

/* Read and validate all requests of the job: ids unique (for datasets "row-000001" and so
 * on), tenants and tiers known, one tenant only may be left out if the job has just one.
 * Rows in JSONL are "input": [numbers] (OpenAI: in body), texts "prompt" or "messages"
 * (joined as "role: content" lines, of which messages are slices). Unknown keys are
 * errors in cadre's own objects (short form, body.metadata); those of OpenAI's body are
 * errors if they would change the answer, else warned of, each once. What is no text in a
 * prompt or message (bytes that are no UTF-8, \u0000, half of a surrogate pair) is a flaw
 * of that request, anywhere else an error of the file; a seed from 2^53 on is one, too.
 * The caller owns *out. Local.
 * CADRE_ERR_INPUT  file:line: what was found and expected; for a duplicate id both lines
 */
cadre_status cadre__requests_load(const cadre__job *job, cadre__requests **out);
void cadre__requests_destroy(cadre__requests *requests);

#endif
