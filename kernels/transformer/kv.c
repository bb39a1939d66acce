/* kv.c - pages of the KV cache: free, used, published.
 *
 * A published page is known by a serial number of its own, and found under the serial of
 * the page before it and its tokens. Serials are never used again, so a page whose
 * predecessor has been given to somebody else cannot be found any more; it is reused in
 * its turn.
 *
 * Free pages stand in one line: taken at its head; unpublished ones come back to the
 * head, where they are warm in the caches, published ones to the tail, where they last
 * longest. */
#include "kv.h"
#include <cadre/matrix.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define NO_SERIAL UINT64_C(0) /* before the first page */

typedef struct page {
    uint64_t serial; /* NO_SERIAL: not published */
    uint64_t before; /* serial of the page before */
    uint64_t hash;
    uint32_t n_users;
    uint32_t older, newer; /* in the line of free pages */
    uint32_t next;         /* in its bucket */
    int32_t tokens[CADRE_KV_PAGE];
} page;

struct tf_kv {
    size_t n_pages, n_free;
    page *pages;       /* [n_pages] */
    uint32_t *buckets; /* [n_buckets], a power of two */
    size_t n_buckets;
    uint32_t head, tail; /* of the line of free pages */
    uint64_t last_serial;
};

/* ---- The line of free pages ---- */

static void put_first(tf_kv *kv, uint32_t index)
{
    page *p = &kv->pages[index];

    p->older = NONE;
    p->newer = kv->head;
    if (kv->head != NONE)
        kv->pages[kv->head].older = index;
    else
        kv->tail = index;
    kv->head = index;
    kv->n_free++;
}

static void put_last(tf_kv *kv, uint32_t index)
{
    page *p = &kv->pages[index];

    p->newer = NONE;
    p->older = kv->tail;
    if (kv->tail != NONE)
        kv->pages[kv->tail].newer = index;
    else
        kv->head = index;
    kv->tail = index;
    kv->n_free++;
}

static void take_out(tf_kv *kv, uint32_t index)
{
    const page *p = &kv->pages[index];

    if (p->older != NONE)
        kv->pages[p->older].newer = p->newer;
    else
        kv->head = p->newer;
    if (p->newer != NONE)
        kv->pages[p->newer].older = p->older;
    else
        kv->tail = p->older;
    kv->n_free--;
}

/* ---- The table of published pages ---- */

/* The finalizer of SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t hash_of(uint64_t before, const int32_t *tokens)
{
    uint64_t hash = mix(before + UINT64_C(0x9e3779b97f4a7c15));

    for (size_t i = 0; i < CADRE_KV_PAGE; i += 2)
        hash =
            mix(hash ^ ((uint64_t)(uint32_t)tokens[i] << 32 | (uint32_t)tokens[i + 1]));
    return hash;
}

static uint32_t *bucket_of(const tf_kv *kv, uint64_t hash)
{
    return &kv->buckets[hash & (kv->n_buckets - 1)];
}

/* The published page with these tokens behind the page `before`, or NONE. */
static uint32_t find(const tf_kv *kv, uint64_t before, const int32_t *tokens)
{
    const uint64_t hash = hash_of(before, tokens);

    for (uint32_t i = *bucket_of(kv, hash); i != NONE; i = kv->pages[i].next) {
        const page *p = &kv->pages[i];
        if (p->hash == hash && p->before == before &&
            memcmp(p->tokens, tokens, sizeof p->tokens) == 0)
            return i;
    }
    return NONE;
}

static void insert(tf_kv *kv, uint32_t index, uint64_t before, const int32_t *tokens)
{
    page *p = &kv->pages[index];

    p->serial = ++kv->last_serial;
    p->before = before;
    p->hash = hash_of(before, tokens);
    memcpy(p->tokens, tokens, sizeof p->tokens);
    uint32_t *bucket = bucket_of(kv, p->hash);
    p->next = *bucket;
    *bucket = index;
}

static void unpublish(tf_kv *kv, uint32_t index)
{
    page *p = &kv->pages[index];

    if (p->serial == NO_SERIAL)
        return;
    uint32_t *link = bucket_of(kv, p->hash);
    while (*link != index)
        link = &kv->pages[*link].next;
    *link = p->next;
    p->serial = NO_SERIAL;
}

/* ---- Life ---- */

cadre_status tf_kv_create(size_t n_pages, tf_kv **out)
{
    *out = NULL;
    if (n_pages == 0 || n_pages > TF_KV_MAX_PAGES)
        return cadre_fail(CADRE_ERR_ARG, "KV cache: expected 1 to %zu pages, found %zu",
                          TF_KV_MAX_PAGES, n_pages);
    tf_kv *kv = calloc(1, sizeof *kv);
    size_t n_buckets = 16;
    while (n_buckets < 2 * n_pages)
        n_buckets *= 2;
    if (kv) {
        kv->pages = calloc(n_pages, sizeof *kv->pages);
        kv->buckets = malloc(n_buckets * sizeof *kv->buckets);
    }
    if (!kv || !kv->pages || !kv->buckets) {
        tf_kv_destroy(kv);
        return cadre_fail(CADRE_ERR_NOMEM, "KV cache: a table of %zu pages", n_pages);
    }
    kv->n_pages = n_pages;
    kv->n_buckets = n_buckets;
    memset(kv->buckets, 0xff, n_buckets * sizeof *kv->buckets); /* NONE */
    kv->head = kv->tail = NONE;
    for (uint32_t i = 0; i < n_pages; i++)
        put_last(kv, i);
    *out = kv;
    return CADRE_OK;
}

void tf_kv_destroy(tf_kv *kv)
{
    if (!kv)
        return;
    free(kv->pages);
    free(kv->buckets);
    free(kv);
}

size_t tf_kv_n_free(const tf_kv *kv)
{
    return kv->n_free;
}

size_t tf_kv_n_pages(const tf_kv *kv)
{
    return kv->n_pages;
}

/* ---- Sequences ---- */

/* The published pages that hold the prompt's beginning, into pages[]; how many. */
static size_t find_prefix(const tf_kv *kv, const int32_t *tokens, size_t n_tokens,
                          uint32_t *pages)
{
    const size_t most = (n_tokens - 1) / CADRE_KV_PAGE;
    uint64_t before = NO_SERIAL;
    size_t n = 0;

    for (; n < most; n++) {
        const uint32_t index = find(kv, before, tokens + n * CADRE_KV_PAGE);
        if (index == NONE)
            break;
        pages[n] = index;
        before = kv->pages[index].serial;
    }
    return n;
}

cadre_status tf_kv_take(tf_kv *kv, const int32_t *tokens, size_t n_tokens, size_t n_pages,
                        uint32_t *pages, size_t *n_shared)
{
    /* Without room even for the pages that cannot be shared, leave at once. */
    if (n_pages > kv->n_free + (n_tokens - 1) / CADRE_KV_PAGE)
        return CADRE_ERR_STATE;
    const size_t n_found = find_prefix(kv, tokens, n_tokens, pages);
    size_t n_needed = n_pages;

    for (size_t i = 0; i < n_found; i++)
        n_needed -= kv->pages[pages[i]].n_users > 0;
    if (n_needed > kv->n_free)
        return CADRE_ERR_STATE;
    for (size_t i = 0; i < n_found; i++) {
        if (kv->pages[pages[i]].n_users++ == 0)
            take_out(kv, pages[i]);
    }
    for (size_t i = n_found; i < n_pages; i++) {
        const uint32_t index = kv->head;
        take_out(kv, index);
        unpublish(kv, index);
        kv->pages[index].n_users = 1;
        pages[i] = index;
    }
    *n_shared = n_found * CADRE_KV_PAGE;
    return CADRE_OK;
}

void tf_kv_publish(tf_kv *kv, const int32_t *tokens, size_t n_tokens,
                   const uint32_t *pages)
{
    uint64_t before = NO_SERIAL;

    for (size_t i = 0; i < n_tokens / CADRE_KV_PAGE; i++) {
        const int32_t *part = tokens + i * CADRE_KV_PAGE;
        uint32_t index = find(kv, before, part);
        /* Where another sequence published the same tokens first, its page stands for
         * both. */
        if (index == NONE) {
            index = pages[i];
            unpublish(kv, index);
            insert(kv, index, before, part);
        }
        before = kv->pages[index].serial;
    }
}

void tf_kv_release(tf_kv *kv, const uint32_t *pages, size_t n_pages)
{
    for (size_t i = n_pages; i-- > 0;) {
        page *p = &kv->pages[pages[i]];
        if (--p->n_users > 0)
            continue;
        if (p->serial == NO_SERIAL)
            put_first(kv, pages[i]);
        else
            put_last(kv, pages[i]);
    }
}
