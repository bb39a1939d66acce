/* coll/choice.c - one row for each algorithm, and the choice among them. */
#include "coll/choice.h"
#include "coll/algorithms.h"
#include "coll/cost.h"
#include "coll/reproducible.h"
#include "coll/setting.h"
#include "coll/shared/shared.h"
#include "coll/state.h"
#include "core/memory.h"
#include <stdio.h>
#include <string.h>

/* A program, and a direct algorithm by shared memory. */
#define PROGRAM(id, row_name, text, fn, when)                                            \
    {                                                                                    \
        .collective = CADRE_##id, .name = row_name, .summary = text, .applies = when,    \
        .cost_ns = fn##_cost, .build = fn                                                \
    }
#define NATIVE(id)                                                                       \
    {                                                                                    \
        .collective = CADRE_##id, .name = "native", .summary = "the MPI library's own",  \
        .applies = cadre__native_applies, .cost_ns = cadre__coll_native_cost,            \
        .build = cadre__native, .polled = true                                           \
    }

#define DIRECT(id, row_name, text, fn, when)                                             \
    {                                                                                    \
        .collective = CADRE_##id, .name = row_name, .summary = text, .applies = when,    \
        .cost_ns = fn##_cost, .progress = fn, .ordered = true,                           \
        .timed_out = cadre__shared_timed_out                                             \
    }
#define PULLED(id)                                                                       \
    DIRECT(id, "shm", "memory shared by the node", cadre__shared_pull,                   \
           cadre__shared_applies),                                                       \
        DIRECT(id, "shm_read", "ranks of the node read each other's memory",             \
               cadre__shared_pull_read, cadre__shared_read_applies)

#define REDUCED(id, text)                                                                \
    {                                                                                    \
        .collective = CADRE_##id, .name = "shm", .summary = text,                        \
        .applies = cadre__shared_applies, .cost_ns = cadre__shared_pull_cost,            \
        .progress = cadre__shared_reduce_all, .ordered = true,                           \
        .timed_out = cadre__shared_timed_out                                             \
    }

static const cadre__coll_row table[] = {
    PROGRAM(ALLREDUCE, "recursive_doubling",
            "log2(p) exchanges of everything: short vectors",
            cadre__allreduce_recursive_doubling, NULL),
    PROGRAM(ALLREDUCE, "ring", "reduce-scatter and allgather round a ring: long vectors",
            cadre__allreduce_ring, NULL),
    PROGRAM(ALLREDUCE, "rabenseifner",
            "recursive halving, then doubling: middling vectors",
            cadre__allreduce_rabenseifner, NULL),
    PROGRAM(ALLREDUCE, "ring_bidirectional",
            "two rings in opposite directions, for networks that are rings",
            cadre__allreduce_ring_bidirectional, NULL),
    PROGRAM(ALLREDUCE, "hierarchical",
            "inside nodes, then across by every rank on its slice",
            cadre__allreduce_hierarchical, cadre__allreduce_hierarchical_applies),
    PROGRAM(ALLREDUCE, "leader", "to the first rank of each node, then among those",
            cadre__allreduce_leader, cadre__two_levels_applies),
    REDUCED(ALLREDUCE, "memory shared by the node: each rank reduces everything"),
    DIRECT(ALLREDUCE, "shm_slices",
           "memory shared by the node: each rank reduces a slice", cadre__shared_slices,
           cadre__shared_applies),
    DIRECT(ALLREDUCE, "shm_read", "the same, reading each other's memory",
           cadre__shared_slices_read, cadre__shared_read_applies),
    {.collective = CADRE_ALLREDUCE,
     .name = "reproducible",
     .summary = "integers of one scale: the same bits for any ranks, where asked for",
     .applies = cadre__allreduce_reproducible_applies,
     .cost_ns = cadre__allreduce_reproducible_cost,
     .build = cadre__allreduce_reproducible,
     .reproducible = true},
    NATIVE(ALLREDUCE),

    PROGRAM(REDUCE, "binomial", "up a tree: short vectors", cadre__reduce_binomial, NULL),
    PROGRAM(REDUCE, "ring",
            "reduce-scatter round a ring, chunks to the root: long vectors",
            cadre__reduce_ring, NULL),
    REDUCED(REDUCE, "memory shared by the node"),
    DIRECT(REDUCE, "shm_read", "ranks of the node read each other's memory",
           cadre__shared_pull_read, cadre__shared_read_applies),
    NATIVE(REDUCE),

    PROGRAM(REDUCE_SCATTER, "halving", "recursive halving: short vectors",
            cadre__reduce_scatter_halving, NULL),
    PROGRAM(REDUCE_SCATTER, "ring", "round a ring: long vectors",
            cadre__reduce_scatter_ring, NULL),
    PULLED(REDUCE_SCATTER),
    NATIVE(REDUCE_SCATTER),

    PROGRAM(BROADCAST, "binomial", "down a tree: short vectors",
            cadre__broadcast_binomial, NULL),
    PROGRAM(BROADCAST, "kary", "down a tree of four children each: short vectors",
            cadre__broadcast_kary, NULL),
    PROGRAM(BROADCAST, "chain", "segments through a chain of all ranks: long vectors",
            cadre__broadcast_chain, NULL),
    PROGRAM(BROADCAST, "hierarchical", "across nodes, then inside each",
            cadre__broadcast_hierarchical, cadre__two_levels_applies),
    PULLED(BROADCAST),
    NATIVE(BROADCAST),

    PROGRAM(BARRIER, "dissemination", "log2(p) rounds of signals",
            cadre__barrier_dissemination, NULL),
    PROGRAM(BARRIER, "hierarchical", "inside nodes, and among their first ranks",
            cadre__barrier_hierarchical, cadre__two_levels_applies),
    DIRECT(BARRIER, "shm", "flags in memory shared by the node", cadre__shared_barrier,
           cadre__shared_applies),
    NATIVE(BARRIER),

    PROGRAM(GATHER, "binomial", "up a tree: short blocks", cadre__gather_binomial, NULL),
    PROGRAM(GATHER, "linear", "straight to the root: long blocks", cadre__gather_linear,
            NULL),
    PULLED(GATHER),
    NATIVE(GATHER),

    PROGRAM(SCATTER, "binomial", "down a tree: short blocks", cadre__scatter_binomial,
            NULL),
    PROGRAM(SCATTER, "linear", "straight from the root: long blocks",
            cadre__scatter_linear, NULL),
    PULLED(SCATTER),
    NATIVE(SCATTER),

    PROGRAM(ALLGATHER, "direct", "each rank to every other: short blocks, few ranks",
            cadre__allgather_direct, cadre__allgather_direct_applies),
    PROGRAM(ALLGATHER, "bruck", "what ranks have doubles each time: short blocks",
            cadre__allgather_bruck, NULL),
    PROGRAM(ALLGATHER, "ring", "blocks pass from rank to rank: long blocks",
            cadre__allgather_ring, NULL),
    PULLED(ALLGATHER),
    NATIVE(ALLGATHER),

    PROGRAM(ALLTOALL, "bruck", "hops of 1, 2, 4, .. ranks: short equal blocks",
            cadre__alltoall_bruck, cadre__alltoall_bruck_applies),
    PROGRAM(ALLTOALL, "pairwise", "each block straight to its rank: long blocks",
            cadre__alltoall_pairwise, NULL),
    PULLED(ALLTOALL),
    NATIVE(ALLTOALL),

    PROGRAM(SCAN, "doubling", "log2(p) rounds of everything: short vectors",
            cadre__scan_doubling, NULL),
    PROGRAM(SCAN, "chain", "segments along the chain of ranks: long vectors",
            cadre__scan_chain, NULL),
    DIRECT(SCAN, "shm", "memory shared by the node", cadre__shared_pull,
           cadre__shared_applies),
    NATIVE(SCAN),
};

#define N_ROWS (sizeof table / sizeof table[0])

const cadre__coll_row *cadre__coll_row_at(cadre_collective collective, size_t index)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (table[i].collective == collective && index-- == 0)
            return &table[i];
    }
    return NULL;
}

const char *cadre_coll_algorithm(const char *collective, size_t index,
                                 const char **summary)
{
    const cadre__coll_row *row = NULL;

    for (int c = 0; c < CADRE_N_COLLECTIVES && collective != NULL; c++) {
        if (strcmp(collective, cadre__collective_name((cadre_collective)c)) == 0)
            row = cadre__coll_row_at((cadre_collective)c, index);
    }
    if (summary != NULL)
        *summary = row != NULL ? row->summary : NULL;
    return row != NULL ? row->name : NULL;
}

/* ---- Names ---- */

/* Append ", word" (or the first word alone) to a list that is cut off at its size. */
static void list_word(char *list, size_t size, const char *word)
{
    const size_t used = strlen(list);

    snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", word);
}

static bool same(const char *name, const char *text, size_t n)
{
    return strlen(name) == n && memcmp(name, text, n) == 0;
}

static cadre_status find(cadre_collective collective, const char *name, size_t n,
                         const cadre__coll_row **out)
{
    const cadre__coll_row *row;
    char known[256] = "";

    for (size_t i = 0; (row = cadre__coll_row_at(collective, i)) != NULL; i++) {
        if (same(row->name, name, n)) {
            *out = row;
            return CADRE_OK;
        }
    }
    *out = NULL;
    for (size_t i = 0; (row = cadre__coll_row_at(collective, i)) != NULL; i++)
        list_word(known, sizeof known, row->name);
    return cadre_fail(CADRE_ERR_NOT_FOUND, "%s has no algorithm \"%.*s\"; it has %s",
                      cadre__collective_name(collective), (int)(n < 64 ? n : 64), name,
                      known);
}

cadre_status cadre__coll_find(cadre_collective collective, const char *name,
                              const cadre__coll_row **out)
{
    return find(collective, name, strlen(name), out);
}

/* ---- The choice ---- */

struct cadre__coll_order {
    struct {
        uint8_t n; /* 0: not known yet */
        uint8_t rows[15];
    } classes[CADRE__COLL_CLASSES];
};

#define MOST_ROWS 15
_Static_assert(N_ROWS < UINT8_MAX, "a row's index fits in a byte");

bool cadre__coll_applies(const cadre__coll_row *row, const cadre__coll_call *call)
{
    return row->reproducible == call->reproducible &&
           (row->applies == NULL || row->applies(call));
}

size_t cadre__coll_size(const cadre__coll_call *call)
{
    if (call->recv_counts != NULL)
        return 64 << 10; /* what goes to whom differs between ranks: taken for that */
    if (call->counts != NULL && call->collective != CADRE_REDUCE_SCATTER)
        return (call->bytes + (size_t)call->size - 1) / (size_t)call->size;
    return call->bytes;
}

int cadre__coll_class(const cadre__coll_call *call)
{
    const size_t bytes = cadre__coll_size(call);

    return bytes < 2 ? (int)bytes : 65 - __builtin_clzll(bytes - 1);
}

/* Of a row among those of its collective. */
static size_t index_of(const cadre__coll_row *row)
{
    size_t index = 0;

    for (const cadre__coll_row *r = table; r < row; r++)
        index += r->collective == row->collective;
    return index;
}

double cadre__coll_class_cost(const cadre__coll_row *row, const cadre__coll_call *call,
                              int class)
{
    cadre__coll_call typical = *call;

    typical.bytes = class == 0 ? 0 : (size_t)1 << (class - 1);
    typical.counts = typical.recv_counts = NULL;
    typical.element_bytes = 1;
    typical.count = typical.bytes;
    return cadre__coll_predict(row, index_of(row), &typical);
}

/* Inside a node, messages of the MPI library take three times as long when the host has
 * laid the cores far apart, and what goes through shared memory hardly longer; with near
 * cores calls of the kernel gain little, and shared memory twofold: who was slightly
 * faster on the day of measuring is not chosen for that. */
#define BY_OTHERS 1.25

static double weight(const cadre__coll_row *row, const cadre__coll_call *call)
{
    const bool one_node = call->comm != NULL && cadre_comm_n_nodes(call->comm) == 1;

    const bool by_others = !row->ordered || row->applies == cadre__shared_read_applies;

    return one_node && by_others ? BY_OTHERS : 1;
}

/* All rows of the collective, cheapest first; equals as in the table. */
static void sort_rows(const cadre__coll_call *call, int class, uint8_t *rows, uint8_t *n)
{
    double costs[MOST_ROWS] = {0};

    *n = 0;
    for (size_t i = 0; i < N_ROWS && *n < MOST_ROWS; i++) {
        if (table[i].collective != call->collective)
            continue;
        const double cost =
            cadre__coll_class_cost(&table[i], call, class) * weight(&table[i], call);
        int at = (*n)++;

        for (; at > 0 && costs[at - 1] > cost; at--) {
            costs[at] = costs[at - 1];
            rows[at] = rows[at - 1];
        }
        costs[at] = cost;
        rows[at] = (uint8_t)i;
    }
}

static cadre_status by_cost(const cadre__coll_call *call, const cadre__coll_row **out)
{
    const int class = cadre__coll_class(call);
    cadre__coll_state *state = call->state_of_comm;
    uint8_t here[MOST_ROWS], n_here = 0, *rows = here, *n = &n_here;

    if (state != NULL) {
        cadre__coll_order **order = &state->orders[call->collective];

        if (*order == NULL && (*order = cadre__alloc(sizeof **order)) == NULL)
            return CADRE_ERR_NOMEM;
        rows = (*order)->classes[class].rows;
        n = &(*order)->classes[class].n;
    }
    if (*n == 0)
        sort_rows(call, class, rows, n);
    for (uint8_t i = 0; i < *n; i++) {
        *out = &table[rows[i]];
        if (cadre__coll_applies(*out, call))
            return CADRE_OK;
    }
    return cadre_fail(CADRE_ERR_UNSUPPORTED, "no algorithm of %s can do this",
                      cadre__collective_name(call->collective));
}

static cadre_status by_name(const cadre__coll_call *call, const char *name,
                            const cadre__coll_row **out)
{
    CADRE_TRY(cadre__coll_find(call->collective, name, out));
    if (!cadre__coll_applies(*out, call))
        return cadre_fail(CADRE_ERR_UNSUPPORTED, "%s by %s cannot take %zu elements%s",
                          cadre__collective_name(call->collective), name, call->count,
                          call->reproducible ? " reproducibly" : "");
    return CADRE_OK;
}

cadre_status cadre__coll_choose(const cadre__coll_call *call, const char *name,
                                const cadre__coll_row **out)
{
    const cadre__coll_rules *rules;

    *out = NULL;
    if (name != NULL)
        return by_name(call, name, out);
    CADRE_TRY(cadre__coll_setting(&rules));
    *out = cadre__coll_rule_for(rules, call->collective, cadre__coll_size(call));
    if (*out != NULL && cadre__coll_applies(*out, call))
        return CADRE_OK;
    return by_cost(call, out);
}
