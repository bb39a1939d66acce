/* tier_options.h - what a tier's "options" say to this kernel. */
#ifndef TF_TIER_OPTIONS_H
#define TF_TIER_OPTIONS_H

#include "engine.h"

typedef struct tf_tier_options {
    tf_engine_options engine;  /* all but n_pages and shard */
    int64_t kv_mib;            /* 0: by what max_sequences need and the node has */
    uint64_t kv_default_bytes; /* what the node has for this process */
    tf_cache cache;
} tf_tier_options;

/* Read options (JSON text) for a model; n_threads is 0 where they give none. Local.
 * CADRE_ERR_INPUT  an unknown key, a value of another type, out of range or unknown */
cadre_status tf_tier_options_read(const char *options, const tf_model *model,
                                  tf_tier_options *out);

/* What options leave to this process's share of its node, on which node_workers ranks
 * compute: a thread for each core that it is bound to, or, bound to none, for each of an
 * equal part of all; the same part of the memory. Local.
 * CADRE_ERR_TOPO  the node cannot be read */
cadre_status tf_tier_options_complete(tf_tier_options *options, int node_workers);

/* The number of pages that kv_mib, or the default, gives a cache whose page has
 * page_bytes. The default is what max_sequences of max_positions need, but at most a
 * quarter of this process's share of the node's memory, which is its share of the cores.
 * Local.
 * CADRE_ERR_INPUT  kv_mib does not hold one sequence of max_positions
 * CADRE_ERR_NOMEM  the default does not */
cadre_status tf_tier_options_pages(const tf_tier_options *options, size_t page_bytes,
                                   size_t *n_pages);

#endif
