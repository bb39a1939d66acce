/* tier_options.c - reading and completing a tier's options. */
#include "tier_options.h"
#include "kv.h"
#include <cadre/options.h>
#include <cadre/topo.h>
#include <stdio.h>
#include <string.h>

enum {
    DEFAULT_SEQUENCES = 64,
    DEFAULT_PROMPT_ROWS = 128, /* of a step, beside those that decode */
    DEFAULT_CONTEXT = 4096,
    MAX_SEQUENCES = 4096,
    MAX_ROWS = 65536,
    MAX_THREADS = 1024,
    MAX_THREADS_PER_CORE = 4,
    MEMORY_SHARE = 4 /* the KV cache takes one part in this of a process's memory */
};

#define MIB ((uint64_t)1 << 20)

typedef struct word_list {
    const char *key, *expected;
    size_t n;
    const char *words[3];
} word_list;

static const word_list kv_types = {
    "kv", "\"f16\", \"int8\" or \"f32\"", CADRE_N_KV_TYPES, {"f16", "int8", "f32"}};
static const word_list caches = {
    "weights_cache", "\"auto\", \"file\" or \"memory\"", 3, {"auto", "file", "memory"}};

/* A string out of a list; its place there into *out, which is the default before. */
static cadre_status read_word(const char *options, const word_list *list, int *out)
{
    char word[64];

    snprintf(word, sizeof word, "%s", list->words[*out]);
    CADRE_TRY(cadre_option_string(options, list->key, word, sizeof word));
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(word, list->words[i]) == 0) {
            *out = (int)i;
            return CADRE_OK;
        }
    }
    return cadre_fail(CADRE_ERR_INPUT, "options: %s: expected %s, found \"%s\"",
                      list->key, list->expected, word);
}

/* Some threads more than cores only wait for one another; many make a step take times as
 * long, so that is taken for a slip. */
static cadre_status check_threads(int64_t n_threads)
{
    cadre_topo *topo;

    if (n_threads <= MAX_THREADS_PER_CORE)
        return CADRE_OK;
    CADRE_TRY(cadre_topo_create(&topo));
    const size_t n_cores = cadre_topo_get_facts(topo)->node_cores;
    cadre_topo_destroy(topo);
    if ((uint64_t)n_threads <= MAX_THREADS_PER_CORE * (uint64_t)n_cores)
        return CADRE_OK;
    return cadre_fail(CADRE_ERR_INPUT,
                      "options: threads_per_rank: expected at most %zu, %d for each of "
                      "this node's %zu core%s, found %lld",
                      MAX_THREADS_PER_CORE * n_cores, MAX_THREADS_PER_CORE, n_cores,
                      n_cores == 1 ? "" : "s", (long long)n_threads);
}

static cadre_status read_sizes(const char *options, const tf_model *model,
                               tf_tier_options *out)
{
    const int64_t most = (int64_t)model->shape.context;
    int64_t sequences = DEFAULT_SEQUENCES, threads = 0;
    int64_t context = most < DEFAULT_CONTEXT ? most : DEFAULT_CONTEXT;

    CADRE_TRY(
        cadre_option_integer(options, "max_sequences", 1, MAX_SEQUENCES, &sequences));
    int64_t rows = sequences + DEFAULT_PROMPT_ROWS;
    CADRE_TRY(cadre_option_integer(options, "max_rows", sequences, MAX_ROWS, &rows));
    CADRE_TRY(cadre_option_integer(options, "context", 2, most, &context));
    CADRE_TRY(
        cadre_option_integer(options, "threads_per_rank", 1, MAX_THREADS, &threads));
    CADRE_TRY(check_threads(threads));
    CADRE_TRY(cadre_option_integer(options, "kv_mib", 1, INT64_C(1) << 30, &out->kv_mib));
    out->engine.max_sequences = (size_t)sequences;
    out->engine.max_rows = (size_t)rows;
    out->engine.max_positions = (size_t)context;
    out->engine.n_threads = (int)threads;
    return CADRE_OK;
}

/* The template that the options name, or the one that the model brings. One that we do
 * not know matters only when a chat comes: it is refused then. */
static cadre_status read_chat(const char *options, const tf_model *model, tf_chat *chat)
{
    static const char not_given[] = "\n";
    char name[64];

    *chat = TF_CHAT_NONE;
    memcpy(name, not_given, sizeof not_given);
    CADRE_TRY(cadre_option_string(options, "chat_template", name, sizeof name));
    if (strcmp(name, not_given) != 0)
        return cadre_context(tf_chat_by_name(name, chat), "options");
    if (model->vocab.chat_template.bytes > 0 &&
        tf_chat_recognise(model->vocab.chat_template, chat) != CADRE_OK)
        *chat = TF_CHAT_NONE;
    return CADRE_OK;
}

cadre_status tf_tier_options_read(const char *options, const tf_model *model,
                                  tf_tier_options *out)
{
    static const char *const known[] = {
        "max_sequences",    "max_rows",       "context",       "kv",
        "kv_mib",           "ignore_eos",     "chat_template", "weights_cache",
        "threads_per_rank", "prefix_sharing",
    };
    int kv = CADRE_KV_F16, cache = TF_CACHE_AUTO;

    *out = (tf_tier_options){.engine.prefix_sharing = 1,
                             .engine.timeout_ms = CADRE_DEFAULT_TIMEOUT_MS};
    CADRE_TRY(cadre_options_check(options, known, sizeof known / sizeof *known));
    CADRE_TRY(read_sizes(options, model, out));
    CADRE_TRY(read_word(options, &kv_types, &kv));
    CADRE_TRY(read_word(options, &caches, &cache));
    CADRE_TRY(
        cadre_option_boolean(options, "prefix_sharing", &out->engine.prefix_sharing));
    CADRE_TRY(cadre_option_boolean(options, "ignore_eos", &out->engine.ignore_end));
    CADRE_TRY(read_chat(options, model, &out->engine.chat));
    out->engine.kv = (cadre_kv_type)kv;
    out->cache = (tf_cache)cache;
    return CADRE_OK;
}

/* ---- This process's share of its node ---- */

cadre_status tf_tier_options_complete(tf_tier_options *options, int node_workers)
{
    const size_t workers = node_workers > 1 ? (size_t)node_workers : 1;
    cadre_topo *topo;

    CADRE_TRY(cadre_topo_create(&topo));
    const cadre_topo_facts *facts = cadre_topo_get_facts(topo);
    const uint64_t memory = facts->memory_limit_bytes / MEMORY_SHARE;
    const size_t all = facts->node_cores > 0 ? facts->node_cores : 1;
    size_t cores = all / workers;
    options->kv_default_bytes = memory / workers;
    if (facts->bound && facts->usable_cores > 0) {
        cores = facts->usable_cores;
        options->kv_default_bytes = memory / all * cores;
    }
    cadre_topo_destroy(topo);
    cores = cores < 1 ? 1 : cores < MAX_THREADS ? cores : MAX_THREADS;
    if (options->engine.n_threads == 0)
        options->engine.n_threads = (int)cores;
    return CADRE_OK;
}

cadre_status tf_tier_options_pages(const tf_tier_options *options, size_t page_bytes,
                                   size_t *n_pages)
{
    const size_t least = tf_engine_pages(options->engine.max_positions);
    const size_t most = least * options->engine.max_sequences;
    uint64_t bytes = (uint64_t)options->kv_mib * MIB;

    if (options->kv_mib == 0)
        bytes = options->kv_default_bytes;
    /* A rank of more than there are heads stores nothing: its pages take no memory. */
    uint64_t n = page_bytes > 0 ? bytes / page_bytes : most;
    if (n > most)
        n = most;
    if (n > TF_KV_MAX_PAGES)
        n = TF_KV_MAX_PAGES;
    if (n < least)
        return cadre_fail(
            options->kv_mib ? CADRE_ERR_INPUT : CADRE_ERR_NOMEM,
            "the KV cache of %llu MiB%s holds %llu positions, fewer than one sequence's "
            "context of %zu, for which it takes %llu MiB",
            (unsigned long long)(bytes / MIB),
            options->kv_mib ? "" : " (a quarter of this process's share of the memory)",
            (unsigned long long)(n * CADRE_KV_PAGE), options->engine.max_positions,
            (unsigned long long)((least * (uint64_t)page_bytes + MIB - 1) / MIB));
    *n_pages = (size_t)n;
    return CADRE_OK;
}
