/* group/placement.c - which workers get which shards. */
#include "group/placement.h"
#include "core/memory.h"
#include <stdbool.h>
#include <string.h>

/* A set of workers that can take one shard. */
typedef struct berth {
    size_t first; /* its sites, in members[first .. first + width) */
    int node;     /* of its leader */
    uint64_t load;
    bool local; /* all on one node */
    bool taken;
} berth;

typedef struct harbour {
    const cadre__site *sites;
    size_t n_sites, width;
    size_t *members; /* indices of sites */
    size_t n_members;
    berth *berths;
    size_t n_berths;
    bool *used; /* [n_sites] */
} harbour;

/* Members added since `first` are a whole berth: note it. */
static void close_berth(harbour *h, size_t first)
{
    const cadre__site *leader = &h->sites[h->members[first]];
    berth *b = &h->berths[h->n_berths++];
    *b = (berth){.first = first, .node = leader->node, .local = true};
    for (size_t i = first; i < h->n_members; i++) {
        const cadre__site *site = &h->sites[h->members[i]];
        b->load = site->load > b->load ? site->load : b->load;
        b->local = b->local && site->node == leader->node;
        h->used[h->members[i]] = true;
    }
}

/* Cut the free sites of a node (-1: of all nodes) into berths, in order of rank. */
static void cut(harbour *h, int node)
{
    size_t first = h->n_members;
    for (size_t i = 0; i < h->n_sites; i++) {
        const cadre__site *site = &h->sites[i];
        if (h->used[i] || (node >= 0 && site->node != node) ||
            (h->width > 1 && site->leader >= 0))
            continue;
        h->members[h->n_members++] = i;
        if (h->n_members - first == h->width) {
            close_berth(h, first);
            first = h->n_members;
        }
    }
    h->n_members = first; /* a rest too small is left for later */
}

/* Gangs that exist are berths as they are. */
static void reuse_gangs(harbour *h)
{
    for (size_t i = 0; i < h->n_sites; i++) {
        const int leader = h->sites[i].rank;
        if (h->sites[i].leader != leader || h->sites[i].gang_ranks != (int)h->width)
            continue;
        const size_t first = h->n_members;
        h->members[h->n_members++] = i;
        for (size_t j = 0; j < h->n_sites; j++) {
            if (j != i && h->sites[j].leader == leader)
                h->members[h->n_members++] = j;
        }
        close_berth(h, first);
    }
}

static int n_nodes_of(const harbour *h)
{
    int n = 0;
    for (size_t i = 0; i < h->n_sites; i++)
        n = h->sites[i].node >= n ? h->sites[i].node + 1 : n;
    return n;
}

/* The free berth of this node with the least load; NULL if there is none. */
static berth *lightest(harbour *h, int node)
{
    berth *best = NULL;
    for (size_t i = 0; i < h->n_berths; i++) {
        berth *b = &h->berths[i];
        if (!b->taken && b->local && b->node == node && (!best || b->load < best->load))
            best = b;
    }
    return best;
}

/* The next berth when spreading: of a node with the fewest shards of this group. */
static berth *spread(harbour *h, const size_t *on_node, int n_nodes)
{
    berth *best = NULL;
    for (int node = 0; node < n_nodes; node++) {
        berth *b = lightest(h, node);
        if (!b)
            continue;
        if (!best || on_node[node] < on_node[best->node] ||
            (on_node[node] == on_node[best->node] && b->load < best->load))
            best = b;
    }
    return best;
}

/* The free berths of a node and their mean load. */
static void offer(const harbour *h, int node, size_t *n_free, uint64_t *load)
{
    *n_free = 0;
    *load = 0;
    for (size_t i = 0; i < h->n_berths; i++) {
        const berth *b = &h->berths[i];
        if (b->taken || !b->local || b->node != node)
            continue;
        *n_free += 1;
        *load += b->load;
    }
    if (*n_free)
        *load /= *n_free;
}

/* The next berth when packing: stay on the node begun; else begin the least loaded of
 * those that can hold all the rest, else the one that holds most. */
static berth *pack(harbour *h, const size_t *on_node, int n_nodes, size_t left)
{
    int best = -1;
    size_t best_free = 0;
    uint64_t best_load = 0;
    for (int node = 0; node < n_nodes; node++) {
        size_t n_free;
        uint64_t load;
        offer(h, node, &n_free, &load);
        if (n_free == 0)
            continue;
        if (on_node[node] > 0)
            return lightest(h, node);
        n_free = n_free < left ? n_free : left;
        if (best < 0 || n_free > best_free || (n_free == best_free && load < best_load)) {
            best = node;
            best_free = n_free;
            best_load = load;
        }
    }
    return best < 0 ? NULL : lightest(h, best);
}

/* Berths that reach over nodes come last, lightest first. */
static berth *across(harbour *h)
{
    berth *best = NULL;
    for (size_t i = 0; i < h->n_berths; i++) {
        berth *b = &h->berths[i];
        if (!b->taken && (!best || b->load < best->load))
            best = b;
    }
    return best;
}

static cadre_status choose(harbour *h, size_t shards, cadre_placement placement,
                           size_t *on_node, int *ranks)
{
    const int n_nodes = n_nodes_of(h);
    for (size_t shard = 0; shard < shards; shard++) {
        berth *b = placement == CADRE_PLACEMENT_PACK
                       ? pack(h, on_node, n_nodes, shards - shard)
                       : spread(h, on_node, n_nodes);
        if (!b)
            b = across(h);
        if (!b)
            return cadre_fail(
                CADRE_ERR_TOPO,
                "%zu shards of %zu ranks: %zu workers have room for %zu%s", shards,
                h->width, h->n_sites, shard,
                h->n_berths * h->width < h->n_sites / h->width * h->width
                    ? ", because the others work for shards of another width"
                    : "");
        b->taken = true;
        on_node[b->node]++;
        for (size_t i = 0; i < h->width; i++)
            ranks[shard * h->width + i] = h->sites[h->members[b->first + i]].rank;
    }
    return CADRE_OK;
}

cadre_status cadre__place(const cadre__site *sites, size_t n_sites, size_t shards,
                          size_t width, cadre_placement placement, int *ranks)
{
    harbour h = {.sites = sites, .n_sites = n_sites, .width = width};
    cadre_status st = CADRE_ERR_NOMEM;
    const int n_nodes = n_nodes_of(&h);
    size_t *on_node = cadre__alloc_n((size_t)n_nodes, sizeof *on_node);

    h.members = cadre__alloc_n(n_sites, sizeof *h.members);
    h.berths = cadre__alloc_n(n_sites, sizeof *h.berths);
    h.used = cadre__alloc_n(n_sites, sizeof *h.used);
    if (!on_node || !h.members || !h.berths || !h.used)
        goto done;
    if (width > 1)
        reuse_gangs(&h);
    for (int node = 0; node < n_nodes; node++)
        cut(&h, node);
    cut(&h, -1);
    st = choose(&h, shards, placement, on_node, ranks);

done:
    cadre__free(on_node);
    cadre__free(h.members);
    cadre__free(h.berths);
    cadre__free(h.used);
    return st;
}
