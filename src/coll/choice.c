/* coll/choice.c - one row for each algorithm, and the choice among them. */
#include "coll/choice.h"
#include "coll/algorithms.h"
#include "core/settings.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const cadre__coll_row table[] = {
    {CADRE__ALLREDUCE, "recursive_doubling",
     "log2(p) exchanges of everything: short vectors", NULL,
     cadre__allreduce_recursive_doubling_cost, cadre__allreduce_recursive_doubling},
    {CADRE__ALLREDUCE, "ring", "reduce-scatter and allgather round a ring: long vectors",
     NULL, cadre__allreduce_ring_cost, cadre__allreduce_ring},
    {CADRE__ALLREDUCE, "native", "the MPI library's own", cadre__native_applies,
     cadre__native_allreduce_cost, cadre__native_allreduce_run},

    {CADRE__REDUCE, "binomial", "up a tree: short vectors", NULL,
     cadre__reduce_binomial_cost, cadre__reduce_binomial},
    {CADRE__REDUCE, "ring",
     "reduce-scatter round a ring, chunks to the root: long vectors", NULL,
     cadre__reduce_ring_cost, cadre__reduce_ring},
    {CADRE__REDUCE, "native", "the MPI library's own", cadre__native_applies,
     cadre__native_reduce_cost, cadre__native_reduce_run},

    {CADRE__BROADCAST, "binomial", "down a tree: short vectors", NULL,
     cadre__broadcast_binomial_cost, cadre__broadcast_binomial},
    {CADRE__BROADCAST, "chain", "segments through a chain of all ranks: long vectors",
     NULL, cadre__broadcast_chain_cost, cadre__broadcast_chain},
    {CADRE__BROADCAST, "native", "the MPI library's own", cadre__native_applies,
     cadre__native_broadcast_cost, cadre__native_broadcast_run},

    {CADRE__BARRIER, "dissemination", "log2(p) rounds of signals", NULL,
     cadre__barrier_dissemination_cost, cadre__barrier_dissemination},
    {CADRE__BARRIER, "native", "the MPI library's own", NULL, cadre__native_barrier_cost,
     cadre__native_barrier_run},

    {CADRE__GATHER, "binomial", "up a tree: short blocks", NULL,
     cadre__gather_binomial_cost, cadre__gather_binomial},
    {CADRE__GATHER, "linear", "straight to the root: long blocks", NULL,
     cadre__gather_linear_cost, cadre__gather_linear},
    {CADRE__GATHER, "native", "the MPI library's own", cadre__native_applies,
     cadre__native_gather_cost, cadre__native_gather_run},

    {CADRE__SCATTER, "binomial", "down a tree: short blocks", NULL,
     cadre__scatter_binomial_cost, cadre__scatter_binomial},
    {CADRE__SCATTER, "linear", "straight from the root: long blocks", NULL,
     cadre__scatter_linear_cost, cadre__scatter_linear},
    {CADRE__SCATTER, "native", "the MPI library's own", cadre__native_applies,
     cadre__native_scatter_cost, cadre__native_scatter_run},

    {CADRE__ALLGATHER, "direct", "each rank to every other: short blocks, few ranks",
     cadre__allgather_direct_applies, cadre__allgather_direct_cost,
     cadre__allgather_direct},
    {CADRE__ALLGATHER, "ring", "blocks pass from rank to rank: long blocks", NULL,
     cadre__allgather_ring_cost, cadre__allgather_ring},
    {CADRE__ALLGATHER, "native", "the MPI library's own", cadre__native_applies,
     cadre__native_allgather_cost, cadre__native_allgather_run},
};

#define N_ROWS (sizeof table / sizeof table[0])

const cadre__coll_row *cadre__coll_row_at(cadre__collective collective, size_t index)
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

    for (int c = 0; c < CADRE__N_COLLECTIVES && collective != NULL; c++) {
        if (strcmp(collective, cadre__collective_name((cadre__collective)c)) == 0)
            row = cadre__coll_row_at((cadre__collective)c, index);
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

static cadre_status find(cadre__collective collective, const char *name, size_t n,
                         const cadre__coll_row **out)
{
    const cadre__coll_row *row;
    char known[128] = "";

    for (size_t i = 0; (row = cadre__coll_row_at(collective, i)) != NULL; i++) {
        if (same(row->name, name, n)) {
            *out = row;
            return CADRE_OK;
        }
        list_word(known, sizeof known, row->name);
    }
    *out = NULL;
    return cadre_fail(CADRE_ERR_NOT_FOUND, "%s has no algorithm \"%.*s\"; it has %s",
                      cadre__collective_name(collective), (int)(n < 64 ? n : 64), name,
                      known);
}

cadre_status cadre__coll_find(cadre__collective collective, const char *name,
                              const cadre__coll_row **out)
{
    return find(collective, name, strlen(name), out);
}

static cadre_status find_collective(const char *name, size_t n, cadre__collective *out)
{
    char known[128] = "";

    for (int c = 0; c < CADRE__N_COLLECTIVES; c++) {
        const char *candidate = cadre__collective_name((cadre__collective)c);

        if (same(candidate, name, n)) {
            *out = (cadre__collective)c;
            return CADRE_OK;
        }
        list_word(known, sizeof known, candidate);
    }
    return cadre_fail(CADRE_ERR_NOT_FOUND,
                      "there is no collective \"%.*s\"; there are %s",
                      (int)(n < 64 ? n : 64), name, known);
}

/* ---- The setting ---- */

cadre_status cadre__coll_parse(const char *setting, const cadre__coll_row **out)
{
    memset(out, 0, CADRE__N_COLLECTIVES * sizeof out[0]);
    for (const char *item = setting; *item != '\0';) {
        const size_t length = strcspn(item, ",");
        const size_t name = strcspn(item, ":,");
        cadre__collective collective = CADRE__N_COLLECTIVES;

        if (name == length)
            return cadre_fail(CADRE_ERR_INPUT,
                              "\"%.*s\" at character %zu: expected COLLECTIVE:ALGORITHM",
                              (int)(length < 64 ? length : 64), item,
                              (size_t)(item - setting) + 1);
        CADRE_TRY(find_collective(item, name, &collective));
        if (out[collective] != NULL)
            return cadre_fail(CADRE_ERR_INPUT, "%s is named twice",
                              cadre__collective_name(collective));
        CADRE_TRY(find(collective, item + name + 1, length - name - 1, &out[collective]));
        item += length;
        if (*item == ',')
            item++;
    }
    return CADRE_OK;
}

static struct {
    pthread_once_t once;
    const cadre__coll_row *rows[CADRE__N_COLLECTIVES];
    cadre_status status;
    char sentence[512];
} chosen = {.once = PTHREAD_ONCE_INIT};

static void read_setting(void)
{
    chosen.status =
        cadre__coll_parse(cadre__setting_value(CADRE__SETTING_COLL), chosen.rows);
    if (chosen.status != CADRE_OK)
        snprintf(chosen.sentence, sizeof chosen.sentence, "%s: %s",
                 cadre__setting_name(CADRE__SETTING_COLL), cadre_last_error());
}

/* ---- The choice ---- */

static bool applies(const cadre__coll_row *row, const cadre__coll_call *call)
{
    return row->applies == NULL || row->applies(call);
}

static cadre_status named_row(const cadre__coll_call *call, const char *name,
                              const cadre__coll_row **out)
{
    *out = NULL;
    if (name != NULL) {
        CADRE_TRY(cadre__coll_find(call->collective, name, out));
    } else {
        pthread_once(&chosen.once, read_setting);
        if (chosen.status != CADRE_OK)
            return cadre_fail(chosen.status, "%s", chosen.sentence);
        *out = chosen.rows[call->collective];
    }
    if (*out != NULL && !applies(*out, call))
        return cadre_fail(CADRE_ERR_UNSUPPORTED, "%s by %s cannot take %zu elements",
                          cadre__collective_name(call->collective), (*out)->name,
                          call->count);
    return CADRE_OK;
}

cadre_status cadre__coll_choose(const cadre__coll_call *call, const char *name,
                                const cadre__coll_row **out)
{
    double least = 0;

    CADRE_TRY(named_row(call, name, out));
    if (*out != NULL)
        return CADRE_OK;
    for (size_t i = 0; i < N_ROWS; i++) {
        if (table[i].collective != call->collective || !applies(&table[i], call))
            continue;
        const double cost = table[i].cost_ns(call);

        if (*out == NULL || cost < least) {
            *out = &table[i];
            least = cost;
        }
    }
    return CADRE_OK;
}
