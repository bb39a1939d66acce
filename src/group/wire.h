/* group/wire.h - what coordinator and workers say to each other, byte by byte. No MPI
 * here.
 *
 * A message is a head, a table and data. The first part, at most CADRE__WIRE_FIRST bytes,
 * holds the head and, as far as they fit, the table and the data; what does not fit
 * follows as messages of its own. So a small message is one MPI message, and rows of
 * numbers travel from where they lie to where they are used.
 *
 * Nothing received is trusted: every length is checked before it is used. */
#ifndef CADRE_GROUP_WIRE_H
#define CADRE_GROUP_WIRE_H

#include <cadre/dtype.h>
#include <cadre/request.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One message with a copy is quicker than three without, up to about here: each message
 * beyond 4 KiB costs a question to the receiver first. */
#define CADRE__WIRE_FIRST 32704
#define CADRE__WIRE_MAX INT32_MAX /* bytes of table or data: as one MPI message takes */
#define CADRE__WIRE_MAGIC 0x31475243u /* "CRG1" */
#define CADRE__WIRE_ARGS 4

typedef enum cadre__wire_kind {
    CADRE__WIRE_CREATE = 1, /* open a kernel: table of ranks, data of strings */
    CADRE__WIRE_DELETE,     /* close it */
    CADRE__WIRE_BATCH,      /* table of requests, data of their payloads */
    CADRE__WIRE_CANCEL,     /* args[0]: ticket of a batch nobody waits for any more */
    CADRE__WIRE_TENSOR,     /* table: a tensor's shape and name, data: its values */
    CADRE__WIRE_BARRIER,    /* args: id, round, timeout */
    CADRE__WIRE_REDUCE,     /* args: reduction, timeout; table: shape and name */
    CADRE__WIRE_ALL_REDUCE, /* the same args; data: the tensor's name */
    CADRE__WIRE_TIMES,      /* args: timeout */
    CADRE__WIRE_STOP,       /* args[0]: exit code */
    CADRE__WIRE_STEP,       /* a leader to its shard: take one step */
    CADRE__WIRE_REPLY,      /* to the coordinator; args as in cadre__wire_reply */
    CADRE__WIRE_N_KINDS
} cadre__wire_kind;

/* args of a reply. A failed one has no table, and a sentence as data. */
typedef enum cadre__wire_reply {
    CADRE__REPLY_STATUS,
    CADRE__REPLY_COMPUTE_NS,
    CADRE__REPLY_CPU_NS
} cadre__wire_reply;

#define CADRE__WIRE_TABLE_INLINE 1u
#define CADRE__WIRE_DATA_INLINE 2u
#define CADRE__WIRE_DATA_SHARED 4u /* of a batch: data is in the arena, at args[0] */

typedef struct cadre__wire_head {
    uint32_t magic;
    uint16_t kind, flags;
    uint32_t group; /* number of the group */
    uint32_t n;     /* entries of the table */
    uint64_t ticket;
    uint64_t table_bytes, data_bytes;
    int64_t args[CADRE__WIRE_ARGS];
} cadre__wire_head;

/* A request. Behind the table's entries stand the messages of all requests, as they are
 * in memory, and then their stop strings, each with its NUL, in the order of the entries;
 * the table ends at the next multiple of 8. */
typedef struct cadre__wire_request {
    uint64_t id, seed;
    uint32_t bytes, max_tokens;
    float temperature, top_p, min_p;
    uint32_t top_k;
    int32_t logprobs;
    uint32_t n_messages;
    uint32_t n_stops, stop_bytes; /* bytes: of all of them */
} cadre__wire_request;

/* An answer. Behind the table's entries stand the message and the finish reason of each
 * answer, in the order of the entries, each with its NUL, which is counted (0 bytes:
 * there is none); from the next multiple of 8 on the tokens of all answers, for each
 * answer those chosen and then the alternatives; then the bytes of these tokens. The
 * table ends at the next multiple of 8. */
typedef struct cadre__wire_answer {
    uint64_t id;
    int64_t first_token_ns, last_token_ns;
    int32_t status;
    uint32_t bytes, tokens_in, tokens_out, tokens_shared;
    uint32_t message_bytes, finish_bytes;
    uint32_t n_tokens;
    int32_t n_top; /* -1: no log-probabilities */
    uint32_t token_bytes;
} cadre__wire_answer;

typedef struct cadre__wire_token {
    float logprob;
    uint32_t bytes;
} cadre__wire_token;

typedef struct cadre__wire_tensor {
    int32_t dtype, n_dims;
    uint64_t dims[CADRE_MAX_DIMS];
    uint64_t name_bytes; /* the name follows, with its NUL */
} cadre__wire_tensor;

/* Check the first part of a message, of `bytes` bytes at `first` (aligned to 8), and copy
 * its head.
 * CADRE_ERR_INPUT  says what does not fit */
cadre_status cadre__wire_check(const void *first, size_t bytes, cadre__wire_head *head);

/* Where the parts stand in a checked first part; NULL if they come apart. */
const uint8_t *cadre__wire_table(const void *first, const cadre__wire_head *head);
const uint8_t *cadre__wire_data(const void *first, const cadre__wire_head *head);

/* Set magic and flags of head from its table_bytes and data_bytes, leaving
 * CADRE__WIRE_DATA_SHARED as it is; returns the bytes of the first part. */
size_t cadre__wire_layout(cadre__wire_head *head);

/* Pieces of memory that make up the data of a message. */
typedef struct cadre__wire_source {
    const void *whole; /* they lie one behind the other from here; NULL: they do not */
    size_t bytes;      /* of all together */
    const cadre_request *requests; /* either these */
    const cadre_answer *answers;   /* or these */
    size_t n;
} cadre__wire_source;

/* CADRE_ERR_ARG  more than CADRE__WIRE_MAX bytes, or NULL data with bytes > 0 */
cadre_status cadre__wire_source_requests(const cadre_request *requests, size_t n,
                                         cadre__wire_source *out);
cadre_status cadre__wire_source_answers(const cadre_answer *answers, size_t n,
                                        cadre__wire_source *out);
/* Copy all pieces to `to`. */
void cadre__wire_copy(const cadre__wire_source *source, uint8_t *to);

/* The table of n requests, of *bytes bytes.
 * CADRE_ERR_ARG  a message that is not inside its request, too many stop strings or
 *                alternatives, a pointer that is missing, more than fits a message */
cadre_status cadre__wire_measure_requests(const cadre_request *requests, size_t n,
                                          size_t *bytes);
void cadre__wire_pack_requests(const cadre_request *requests, size_t n, uint8_t *table,
                               size_t bytes);

/* And back: data pointers into `data`, messages and stop strings into `table`; stops has
 * room for as many pointers as cadre__wire_count_stops() said.
 * CADRE_ERR_INPUT  the lengths do not add up */
cadre_status cadre__wire_count_stops(const cadre__wire_head *head, const uint8_t *table,
                                     size_t *n_stops);
cadre_status cadre__wire_unpack_requests(const cadre__wire_head *head,
                                         const uint8_t *table, const uint8_t *data,
                                         cadre_request *requests, const char **stops);

/* The same for answers. What cadre__wire_count_tokens() counts is room that unpacking
 * needs: answers with log-probabilities, and tokens of all of them. */
cadre_status cadre__wire_measure_answers(const cadre_answer *answers, size_t n,
                                         size_t *bytes);
void cadre__wire_pack_answers(const cadre_answer *answers, size_t n, uint8_t *table,
                              size_t bytes);
cadre_status cadre__wire_count_tokens(const cadre__wire_head *head, const uint8_t *table,
                                      size_t *n_logprobs, size_t *n_tokens);
cadre_status cadre__wire_unpack_answers(const cadre__wire_head *head,
                                        const uint8_t *table, const uint8_t *data,
                                        cadre_answer *answers, cadre_logprobs *logprobs,
                                        cadre_token *tokens);

/* A tensor's shape and name. The view that comes back has no data; *name points into
 * table. */
size_t cadre__wire_tensor_bytes(const char *name);
void cadre__wire_pack_tensor(const cadre_tensor *tensor, const char *name,
                             uint8_t *table);
cadre_status cadre__wire_unpack_tensor(const cadre__wire_head *head, const uint8_t *table,
                                       cadre_tensor *tensor, const char **name);

/* n NUL-terminated strings one behind the other; and back, pointing into data.
 * CADRE_ERR_INPUT  not exactly n of them */
size_t cadre__wire_strings_bytes(const char *const *strings, size_t n);
void cadre__wire_pack_strings(const char *const *strings, size_t n, uint8_t *data);
cadre_status cadre__wire_unpack_strings(const uint8_t *data, size_t bytes,
                                        const char **strings, size_t n);

#endif
