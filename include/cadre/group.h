/* cadre/group.h - shard groups: the shards that together serve one model tier.
 *
 * The ranks of a comm divide into a coordinator, rank 0, and workers, all others (a comm
 * of one rank is both). The coordinator creates groups and sends them work; the workers
 * sit in cadre_groups_serve(), hold shards and run their kernels. A worker may hold
 * shards of several groups, but only one of each.
 *
 *     cadre_groups_open(world, &groups);            every rank
 *     if (cadre_comm_rank(world) != 0)
 *         cadre_groups_serve(groups, &exit_code);   workers, until the coordinator closes
 *     else
 *         ... create, scatter_gather, delete ...    coordinator
 *     cadre_groups_close(groups, exit_code);        every rank
 *
 * Calls marked Coordinator are made on rank 0 only. They talk to the workers they need
 * and wait with deadlines; no other rank has to call anything.
 */
#ifndef CADRE_GROUP_H
#define CADRE_GROUP_H

#include <cadre/comm.h>
#include <cadre/dtype.h>
#include <cadre/kernel.h>
#include <cadre/request.h>

typedef struct cadre_groups cadre_groups;
typedef struct cadre_group cadre_group;

/* comm is borrowed and must outlive *out. The caller owns *out; on failure it is NULL.
 * Collective over comm. */
CADRE_API cadre_status cadre_groups_open(cadre_comm *comm, cadre_groups **out);

/* Serve until the coordinator closes; *exit_code (may be NULL) is what it said then.
 * Workers; on the coordinator it is CADRE_ERR_STATE. A kernel's failure does not end it.
 * CADRE_ERR_MPI, CADRE_ERR_BROKEN  the coordinator cannot be reached any more */
CADRE_API cadre_status cadre_groups_serve(cadre_groups *groups, int *exit_code);

/* Coordinator: delete all groups and send the workers home with exit_code. Workers: free
 * what is left (exit_code is ignored). NULL is ignored. Collective over comm; workers
 * call it after serve has returned. */
CADRE_API void cadre_groups_close(cadre_groups *groups, int exit_code);

/* How many workers there are (1 on a comm of one rank). Local. */
CADRE_API size_t cadre_groups_n_workers(const cadre_groups *groups);

/* ---- Life of a group ---- */

#define CADRE_GROUP_STATE_LIST(X)                                                        \
    X(CREATING, "creating")                                                              \
    X(ACTIVE, "active")                                                                  \
    X(DRAINING, "draining")                                                              \
    X(STOPPED, "stopped")

typedef enum cadre_group_state {
#define X(id, name) CADRE_GROUP_##id,
    CADRE_GROUP_STATE_LIST(X)
#undef X
} cadre_group_state;

/* Which shard a key belongs to. */
#define CADRE_PARTITION_LIST(X)                                                          \
    X(HASH, "hash")               /* a fixed 64-bit mix of the key, modulo shards */     \
    X(RANGE, "range")             /* equal ranges of [0, n_keys) */                      \
    X(ROUND_ROBIN, "round_robin") /* the next shard in turn, whatever the key */

typedef enum cadre_partition {
#define X(id, name) CADRE_PARTITION_##id,
    CADRE_PARTITION_LIST(X)
#undef X
} cadre_partition;

/* Where shards go. Either way workers with the least weight of shards come first. */
#define CADRE_PLACEMENT_LIST(X)                                                          \
    X(SPREAD, "spread") /* over as many nodes as possible */                             \
    X(PACK, "pack")     /* on as few nodes as possible */

typedef enum cadre_placement {
#define X(id, name) CADRE_PLACEMENT_##id,
    CADRE_PLACEMENT_LIST(X)
#undef X
} cadre_placement;

CADRE_API const char *cadre_group_state_name(cadre_group_state state);
CADRE_API const char *cadre_partition_name(cadre_partition partition);
CADRE_API const char *cadre_placement_name(cadre_placement placement);
CADRE_API cadre_status cadre_partition_from_name(const char *name, cadre_partition *out);
CADRE_API cadre_status cadre_placement_from_name(const char *name, cadre_placement *out);

typedef struct cadre_group_opts {
    const char *name;       /* unique among the groups */
    const char *kernel;     /* name of a built-in kernel, or path of a shared object */
    const char *model;      /* as in cadre_kernel_args; NULL means "" */
    const char *tokenizer;  /* the same */
    const char *options;    /* JSON text; NULL means "{}" */
    size_t shards;          /* 1 to the number of workers / ranks_per_shard */
    size_t ranks_per_shard; /* 0 means 1; on one node where possible */
    cadre_partition partition;
    uint64_t n_keys; /* for CADRE_PARTITION_RANGE */
    cadre_placement placement;
    int64_t timeout_ms; /* to open all shards; 0: 60 s */
} cadre_group_opts;

/* Choose ranks, open the kernel on each, wait until all are warm. The group belongs to
 * `groups`; *out is valid until deleted, NULL on failure, and then nothing is left open.
 * Coordinator.
 * CADRE_ERR_ARG      a field is wrong; the sentence names it, what it was, what it may be
 * CADRE_ERR_TOPO     more ranks needed than there are workers
 * CADRE_ERR_EXISTS   the name is taken
 * CADRE_ERR_TIMEOUT  names the ranks that did not open in time
 * otherwise          the worst status of a shard's open(), with its rank and sentence */
CADRE_API cadre_status cadre_group_create(cadre_groups *groups,
                                          const cadre_group_opts *opts,
                                          cadre_group **out);

/* Wait until what is in flight has settled (state draining), close the kernels, free the
 * group. Coordinator. */
CADRE_API cadre_status cadre_group_delete(cadre_group *group, int64_t timeout_ms);

/* By name, NULL if there is none; by index in order of creation, NULL past the last.
 * Local (coordinator). */
CADRE_API cadre_group *cadre_group_get(cadre_groups *groups, const char *name);
CADRE_API cadre_group *cadre_group_at(cadre_groups *groups, size_t index);

CADRE_API const char *cadre_group_name(const cadre_group *group);
CADRE_API cadre_group_state cadre_group_get_state(const cadre_group *group);
CADRE_API size_t cadre_group_n_shards(const cadre_group *group);
/* The rank that leads a shard; and how many ranks it has. */
CADRE_API int cadre_group_rank_of(const cadre_group *group, size_t shard);
/* The position-th rank of a shard; its leader is at 0. Local (coordinator). */
CADRE_API int cadre_group_rank_at(const cadre_group *group, size_t shard,
                                  size_t position);
CADRE_API size_t cadre_group_ranks_per_shard(const cadre_group *group);
/* What the opened kernel described. Borrowed. */
CADRE_API const cadre_kernel_info *cadre_group_kernel_info(const cadre_group *group);
/* The shard that a key belongs to. Advances the turn of a round-robin group. */
CADRE_API size_t cadre_group_shard_of(cadre_group *group, uint64_t key);

/* ---- Batches in flight: the engine underneath. Coordinator. ---- */

/* What came back for one batch. */
typedef struct cadre_batch {
    uint64_t ticket;
    cadre_group *group; /* NULL if it has been deleted since */
    size_t shard;
    int rank;
    cadre_status status; /* of the call as a whole */
    char message[256];   /* a sentence if it failed */
    size_t n_answers;    /* as many as requests, in their order; 0 if it failed */
    /* Of an incremental kernel, their times to the first and last token count from the
     * batch's reaching the shard. */
    cadre_answer *answers;
    int64_t latency_ns; /* from submit to here, on the coordinator */
    int64_t compute_ns; /* inside the kernel, on the worker, wall time */
    int64_t cpu_ns;     /* inside the kernel, CPU time of the worker's thread */
} cadre_batch;

/* Memory for requests that the workers of this node read where it is, so that sending
 * them moves nothing; ordinary memory where none can be shared. NULL when there is none
 * left. The caller frees it with cadre_groups_free() before closing. Coordinator. */
CADRE_API void *cadre_groups_alloc(cadre_groups *groups, size_t bytes);
CADRE_API void cadre_groups_free(cadre_groups *groups, void *ptr);

/* Send a batch to a shard, which serves its batches in order. requests and the data
 * behind them must stay untouched until the batch has come back or been abandoned: rows
 * that lie one behind the other in memory are sent from where they are.
 * CADRE_ERR_STATE  the group is not active */
CADRE_API cadre_status cadre_group_submit(cadre_group *group, size_t shard,
                                          const cadre_request *requests, size_t n,
                                          uint64_t *ticket);

/* Batches sent to a shard and not come back. Local. */
CADRE_API size_t cadre_group_in_flight(const cadre_group *group, size_t shard);

/* The next batch of any group to come back, failed ones included; the caller owns *out.
 * On a comm of one rank this is where kernels run.
 * CADRE_ERR_TIMEOUT    none came by the deadline
 * CADRE_ERR_NOT_FOUND  none is in flight */
CADRE_API cadre_status cadre_groups_next(cadre_groups *groups, int64_t deadline_ns,
                                         cadre_batch **out);
CADRE_API void cadre_batch_destroy(cadre_batch *batch);

/* Forget a batch: its answer, should it come, is dropped and counted as late. Its
 * requests and data are the caller's again, unless a warning in the log says that an idle
 * worker has not taken them within a second (it is stopped or lost). */
CADRE_API void cadre_groups_abandon(cadre_groups *groups, uint64_t ticket);

/* How many answers have been dropped because nobody waited for them any more. Local
 * (coordinator). */
CADRE_API int64_t cadre_groups_n_late(const cadre_groups *groups);

/* ---- Scatter-gather. Coordinator. ---- */

/* CONCAT asks for each request the shard of its key; the others send all requests to
 * every shard. */
#define CADRE_AGGREGATION_LIST(X)                                                        \
    X(CONCAT, "concat")     /* all answers, in order */                                  \
    X(REDUCE, "reduce")     /* rows combined element by element */                       \
    X(FIRST, "first")       /* the answers of the first shard that succeeds */           \
    X(MAJORITY, "majority") /* per request the most frequent answer */                   \
    X(TOP_K, "top_k")       /* per request the k largest values */

typedef enum cadre_aggregation {
#define X(id, name) CADRE_AGGREGATE_##id,
    CADRE_AGGREGATION_LIST(X)
#undef X
} cadre_aggregation;

CADRE_API const char *cadre_aggregation_name(cadre_aggregation aggregation);

typedef struct cadre_query {
    const cadre_request *requests; /* the key of a request is its id */
    size_t n_requests;
    cadre_aggregation aggregation;
    cadre_reduction reduction; /* for CADRE_AGGREGATE_REDUCE, on f32 */
    size_t k;                  /* for CADRE_AGGREGATE_TOP_K */
    /* Shards that must succeed; 0: all that were asked. The call returns as soon as so
     * many have. */
    size_t min_responses;
    int64_t timeout_ms; /* 0: CADRE_DEFAULT_TIMEOUT_MS */
} cadre_query;

typedef struct cadre_shard_report {
    size_t shard;
    int rank;
    int64_t latency_ns, compute_ns, cpu_ns;
    int success;
    char error[256]; /* "" if it succeeded */
} cadre_shard_report;

typedef struct cadre_top_value {
    size_t shard, index; /* which value of which shard's row */
    float value;
} cadre_top_value;

typedef struct cadre_gathered {
    size_t queried, responded, failed, late; /* shards; they add up: queried = the rest */
    int64_t mean_latency_ns, max_latency_ns; /* of those that responded */
    cadre_shard_report *shards;              /* [queried] */
    size_t n_answers;                        /* = n_requests unless top-k */
    cadre_answer *answers; /* status CADRE_ERR_TIMEOUT where none came */
    cadre_top_value *top;  /* [n_requests][k]; for CADRE_AGGREGATE_TOP_K, else NULL */
} cadre_gathered;

/* Ask shards and put their answers together. *out is given, and the caller owns it, also
 * when min_responses was missed; it is NULL only if nothing was sent. For MAJORITY ties
 * go to the lowest shard; for TOP_K to the lowest shard and index.
 * CADRE_ERR_ARG      a field of query is wrong
 * CADRE_ERR_TIMEOUT  fewer than min_responses shards had succeeded at the timeout
 * CADRE_ERR_KERNEL   so many failed that min_responses cannot be reached */
CADRE_API cadre_status cadre_group_scatter_gather(cadre_group *group,
                                                  const cadre_query *query,
                                                  cadre_gathered **out);
CADRE_API void cadre_gathered_destroy(cadre_gathered *gathered);

/* One request to the shard of its key. The caller owns *out. */
CADRE_API cadre_status cadre_group_send(cadre_group *group, uint64_t key,
                                        const cadre_request *request, int64_t timeout_ms,
                                        cadre_batch **out);

/* ---- Collectives among the shards of a group, started by the coordinator. ----
 * They wait behind the batches already sent to each shard. timeout_ms 0: the default. */

/* Copy *value into the kernels' tensor of that name on every rank of the group;
 * *acks (may be NULL) counts the shards that did.
 * CADRE_ERR_TIMEOUT  below min_acks (0: all) */
CADRE_API cadre_status cadre_group_broadcast(cadre_group *group, const char *name,
                                             const cadre_tensor *value, size_t min_acks,
                                             int64_t timeout_ms, size_t *acks);

/* All shards meet; id and round are checked to be the same on all and named in errors. */
CADRE_API cadre_status cadre_group_barrier(cadre_group *group, uint64_t id,
                                           uint64_t round, int64_t timeout_ms);

/* out->data (caller's, of the tensor's type and size) = reduction over shards of the
 * kernels' tensor. */
CADRE_API cadre_status cadre_group_reduce(cadre_group *group, const char *name,
                                          cadre_reduction reduction,
                                          const cadre_tensor *out, int64_t timeout_ms);

/* The same, by ring AllReduce, into the kernels' tensor of every shard. */
CADRE_API cadre_status cadre_group_all_reduce(cadre_group *group, const char *name,
                                              cadre_reduction reduction,
                                              int64_t timeout_ms);

/* ---- Where the time went ---- */

/* Totals of one rank since open, in ns of wall time; they add up to wall_ns. */
typedef struct cadre_rank_time {
    int64_t wall_ns, compute_ns, idle_ns, coordination_ns;
    int64_t n_batches, n_requests, bytes_in, bytes_out;
} cadre_rank_time;

/* times[comm size], gathered from every rank; waits behind the batches in flight.
 * Coordinator. */
CADRE_API cadre_status cadre_groups_times(cadre_groups *groups, int64_t timeout_ms,
                                          cadre_rank_time *times);

/* ---- Kernels by name ---- */

/* A built-in kernel's table, or that of a shared object (kept loaded until the process
 * ends) if name contains '/' or ends in ".so". Local.
 * CADRE_ERR_NOT_FOUND    no such kernel; the sentence lists those built in
 * CADRE_ERR_UNSUPPORTED  the object has no cadre_kernel_entry, another ABI, or lacks
 * functions */
CADRE_API cadre_status cadre_kernel_find(const char *name, const cadre_kernel **out);

#endif
