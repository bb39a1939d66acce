/* cadre/kernel.h - what a worker runs.
 *
 * A shard kernel is a table of functions, linked in or loaded from a shared object that
 * exports
 *
 *     const cadre_kernel *cadre_kernel_entry(void);
 *
 * The framework opens it once per shard, keeps it warm, serves many batches, and closes
 * it. One instance is used by one thread. A kernel reports failure by returning
 * cadre_fail(...), never by exiting; it prints nothing.
 *
 * A kernel serves in one of two styles, and fills in the functions of exactly one:
 *   batch        serve(): one call per batch, every request answered on return;
 *   incremental  submit(), step(), collect(), cancel(): requests join and leave between
 *                steps, as text generation does.
 * Kernels that learn fill in `training` too.
 *
 * Determinism is the kernel's duty: the answer to a request must not depend on the other
 * requests of its batch, their number or their order.
 */
#ifndef CADRE_KERNEL_H
#define CADRE_KERNEL_H

#include <cadre/comm.h>
#include <cadre/dtype.h>
#include <cadre/request.h>
#include <cadre/status.h>

#define CADRE_KERNEL_ABI 1

/* How a kernel is opened; everything is borrowed for the time of open() only, except
 * shard. */
typedef struct cadre_kernel_args {
    const char *model;     /* path of the weights; "" if the tier names none */
    const char *tokenizer; /* path of the vocabulary; "" if none */
    const char *options;   /* the tier's "options" object as JSON text; "{}" if none */
    cadre_comm *shard;     /* the ranks that share this shard; NULL if it is one rank */
    int describe_only;     /* 1: only describe() and estimate() will be called */
    int trainable;         /* 1: parameters will be changed in memory */
    int node_workers;      /* ranks of this node that compute, this one among them, which
                            * share what it has; 0 is taken for 1 */
} cadre_kernel_args;

/* What an opened kernel takes, gives and costs. */
typedef struct cadre_kernel_info {
    cadre_payload takes, gives;
    size_t n_in, n_out;     /* values in a row taken, given; 0 for text */
    uint64_t weights_bytes; /* on the node, however many ranks share them */
    uint64_t private_bytes; /* in this process, besides */
    size_t best_batch;      /* requests per batch at which it is efficient; at least 1 */
    double flops_per_request; /* 0 if unknown */
} cadre_kernel_info;

/* What a kernel that learns adds. Parameters and gradients are seen as one flat f32
 * vector. */
typedef struct cadre_kernel_training {
    size_t (*n_params)(const void *state);

    /* Rows of one micro-batch: gradient() takes 1 to this many. */
    size_t (*micro_rows)(const void *state);

    /* Sum over rows of the loss gradient into grad[n_params] (overwritten), the summed
     * loss into *loss. x is [n_rows][n_in], labels [n_rows]. The result depends on the
     * rows and the parameters only.
     * CADRE_ERR_INPUT  a label out of range */
    cadre_status (*gradient)(void *state, const float *x, const int32_t *labels,
                             size_t n_rows, float *grad, double *loss);

    /* params += delta[n_params]. */
    cadre_status (*apply)(void *state, const float *delta);

    /* Write the model to path, whole or not at all. */
    cadre_status (*save)(const void *state, const char *path);
} cadre_kernel_training;

typedef struct cadre_kernel {
    uint32_t abi; /* CADRE_KERNEL_ABI */
    const char *name;
    const char *summary; /* one line */

    /* Collective over args->shard if that is not NULL. On failure *state is NULL. */
    cadre_status (*open)(const cadre_kernel_args *args, void **state);
    void (*close)(void *state);
    cadre_status (*describe)(const void *state, cadre_kernel_info *info);

    /* May be NULL: then a row costs one token in and one out, and a text is refused.
     * CADRE_ERR_INPUT, CADRE_ERR_RANGE, CADRE_ERR_UNSUPPORTED  this request cannot be
     * served (too long, malformed): it alone ends as an error, with this sentence */
    cadre_status (*estimate)(const void *state, const cadre_request *request,
                             cadre_estimate *out);

    /* Batch style: answers[i] for requests[i], 0 <= i < n. A failure of the call fails
     * the whole batch; a failure of one request stands in its answer. */
    cadre_status (*serve)(void *state, const cadre_request *requests, size_t n,
                          cadre_answer *answers);

    /* Incremental style. submit: take a copy of one request, or CADRE_ERR_STATE if there
     * is no room now (it is offered again after a step). step: advance all by one step;
     * *n_active is how many are unfinished. collect: hand out up to max finished answers,
     * which stay valid until the next call of step or collect. cancel: forget a request,
     * known or not. */
    cadre_status (*submit)(void *state, const cadre_request *request);
    cadre_status (*step)(void *state, size_t *n_active);
    size_t (*collect)(void *state, cadre_answer *answers, size_t max);
    void (*cancel)(void *state, uint64_t id);

    /* A named tensor of the kernel, viewed in place and writable, for broadcast, reduce
     * and all-reduce over a group. May be NULL.
     * CADRE_ERR_NOT_FOUND  no such tensor */
    cadre_status (*tensor)(void *state, const char *name, cadre_tensor *view);

    const cadre_kernel_training *training; /* NULL: cannot learn */
} cadre_kernel;

typedef const cadre_kernel *cadre_kernel_entry_fn(void);
#define CADRE_KERNEL_ENTRY "cadre_kernel_entry"

#endif
