/* weights.h - a model's weights, packed once per node and mapped by every process.
 *
 * The packed copy is a file: beside the model, to be found again by the next job, or in
 * the node's shared memory, for as long as somebody uses it. Either is keyed by the
 * digest of the model file, made under a lock by one process while the others wait, and
 * mapped read-only.
 */
#ifndef TF_WEIGHTS_H
#define TF_WEIGHTS_H

#include "model.h"

typedef enum tf_cache {
    TF_CACHE_AUTO,  /* a file if it is 64 MiB or more and the folder lets us; else memory
                     */
    TF_CACHE_FILE,  /* beside the model: MODEL.cadre */
    TF_CACHE_MEMORY /* /dev/shm, removed by the last user */
} tf_cache;

typedef struct tf_layer {
    cadre_matrix matrices[TF_N_MATRICES];
    const float *vectors[TF_N_VECTORS]; /* NULL: absent */
} tf_layer;

typedef struct tf_weights {
    tf_shape shape;
    cadre_matrix embedding, output; /* may be one and the same */
    const float *output_norm;
    tf_layer *layers;         /* [n_layers] */
    size_t bytes;             /* of the packed copy */
    int found;                /* 1: a packed copy was there already */
    struct tf_cached *cached; /* private: keeps the mapping */
} tf_weights;

/* Find or make the packed copy of model, which may be closed afterwards. Packs on as many
 * threads as the process has CPUs. The caller owns *out; on failure it is NULL. Local,
 * though processes of a node wait for one that packs.
 * CADRE_ERR_NOMEM    no room in shared memory: says how much is needed and there
 * CADRE_ERR_IO       the cache file cannot be written or read (AUTO then uses memory)
 * CADRE_ERR_INPUT    the model's file changed while it was read
 * CADRE_ERR_TIMEOUT  another process has been packing for too long; names it */
cadre_status tf_weights_open(const tf_model *model, tf_cache cache, tf_weights **out);
void tf_weights_close(tf_weights *weights);

#endif
