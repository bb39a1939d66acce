/* group/shard.h - one rank's part of a shard: an opened kernel and the batches it works
 * on.
 *
 * A kernel of the batch style answers a batch in one call. One of the incremental style
 * gets the requests of many batches as it has room; a batch is finished when all its
 * requests are answered. */
#ifndef CADRE_GROUP_SHARD_H
#define CADRE_GROUP_SHARD_H

#include "group/account.h"
#include <cadre/comm.h>
#include <cadre/group.h>
#include <stdbool.h>

/* One batch inside an incremental kernel. */
typedef struct cadre__work {
    struct cadre__work *next;
    uint64_t ticket;
    size_t n, n_inside, n_answered;
    int64_t enqueued_ns;     /* instant */
    cadre_request *requests; /* [n], what they point to in payload */
    void *payload;
    int64_t *waited_ns;    /* [n]: until the kernel took the request */
    cadre_answer *answers; /* [n], each with memory of its own */
    uint8_t *states;       /* [n] */
    cadre_status status;   /* not CADRE_OK: given up as a whole, with message */
    char message[256];
    int64_t compute_ns, cpu_ns; /* its share of what the kernel took */
} cadre__work;

typedef struct cadre__shard {
    struct cadre__shard *next;
    uint32_t group; /* number */
    char *group_name;
    size_t index, n_shards; /* which shard of how many */
    size_t width, position; /* ranks of the shard, this one's place; 0 leads */
    int *ranks;             /* [width] */
    cadre_comm *comm;       /* of the shard; NULL if width is 1 */
    cadre_comm *peers;      /* ranks of this position in all shards; NULL if one shard */
    const cadre_kernel *kernel;
    void *state;
    cadre_kernel_info info;
    cadre__time_account *account;
    cadre__work *first, *last; /* unfinished, oldest first */
    cadre__work *finished_first, *finished_last;
} cadre__shard;

typedef struct cadre__shard_spec {
    uint32_t group;
    const int *ranks; /* [n_shards * width] of comm */
    size_t n_shards, width;
    const char *name, *kernel, *model, *tokenizer, *options;
} cadre__shard_spec;

/* Make the communicators and open the kernel. comm has the ranks of spec, account is
 * borrowed. Collective over the ranks of the group. The caller owns *out; NULL on
 * failure. */
cadre_status cadre__shard_open(cadre_comm *comm, cadre__time_account *account,
                               const cadre__shard_spec *spec, cadre__shard **out);
void cadre__shard_close(cadre__shard *shard);

bool cadre__shard_is_incremental(const cadre__shard *shard);

/* Batch style: answer n requests. Collective over the shard. */
cadre_status cadre__shard_serve(cadre__shard *shard, const cadre_request *requests,
                                size_t n, cadre_answer *answers, int64_t *compute_ns,
                                int64_t *cpu_ns);

/* Incremental style. The requests and all they point to are copied. Times to the first
 * and last token in the answers count from here, not from the kernel's submit(). */
cadre_status cadre__shard_enqueue(cadre__shard *shard, uint64_t ticket,
                                  const cadre_request *requests, size_t n);
void cadre__shard_cancel(cadre__shard *shard, uint64_t ticket);
bool cadre__shard_busy(const cadre__shard *shard);
/* Offer what waits, take one step, collect. Collective over the shard. */
void cadre__shard_step(cadre__shard *shard);
/* The next batch that is finished; the caller owns it. NULL: none. */
cadre__work *cadre__shard_take(cadre__shard *shard);
void cadre__work_destroy(cadre__work *work);

/* The kernel's tensor of this name; with the type and shape of `expected`, unless
 * NULL. */
cadre_status cadre__shard_tensor(cadre__shard *shard, const char *name,
                                 const cadre_tensor *expected, cadre_tensor *view);

/* The worst status of the shard's ranks; st itself if there is one rank. */
cadre_status cadre__shard_agree(cadre__shard *shard, cadre_status st);

#endif
