/* step.h - the state of a forward pass, shared by forward.c, which takes its memory, and
 * step.c, which computes.
 *
 * Within a step, phases by rows (norms, conversions) and phases by panels or heads
 * (products, attention) alternate, with a barrier between them. Rows are divided evenly;
 * panels and heads are taken from a counter, in small portions, as it makes no difference
 * to a value who computes it.
 */
#ifndef TF_STEP_H
#define TF_STEP_H

#include "forward.h"
#include "split.h"
#include "team.h"
#include <cadre/ops.h>
#include <stdatomic.h>

/* Inputs of matrices, each in the forms that they need. */
typedef enum tf_input {
    TF_IN_DIM,   /* the normalised residual: q, k, v; gate, up; output */
    TF_IN_HEADS, /* attention's output: o */
    TF_IN_FFN,   /* silu(gate) * up: down */
    TF_N_INPUTS
} tf_input;

/* Phases that take portions from a counter. */
typedef enum tf_phase {
    TF_PHASE_QKV,
    TF_PHASE_ATTENTION,
    TF_PHASE_O,
    TF_PHASE_FFN,
    TF_PHASE_DOWN,
    TF_N_PHASES
} tf_phase;

enum {
    TF_MAX_PORTION = 8,      /* panels that a thread takes at a time */
    TF_ATTENTION_TOKENS = 32 /* of a portion of attention */
};

typedef struct tf_row { /* a token of the step */
    uint32_t position, page;
} tf_row;

/* Consecutive tokens of a sequence whose attention is computed together. */
typedef struct tf_chunk {
    size_t row, out_row; /* of its first token: in the step, among rows still computed */
    size_t first_position, n_tokens;
    const uint32_t *pages;
} tf_chunk;

typedef struct tf_scratch { /* of a thread */
    float *row;             /* the longest row that there is */
    float *up;              /* [max_rows][TF_MAX_PORTION * CADRE_PANEL] */
    void *attention;
} tf_scratch;

struct tf_forward {
    const tf_weights *weights;
    const cadre_ops *ops;
    tf_forward_options options;
    tf_team *team;
    int rank, size; /* in the shard */

    tf_heads heads;
    tf_panels q, k, v;
    tf_split by_heads, by_dim, by_ffn, by_vocab;

    uint8_t *memory; /* all that follows */
    size_t memory_bytes;
    float *x, *x_last; /* the residual [max_rows][dim]; of rows with logits */
    float *q_out, *k_out, *v_out;
    float *stage; /* parts of ranks, one behind the other: [rows][width] each */
    float *logits;
    float *cosines, *sines; /* [max_rows][n_rot / 2] */
    double *frequencies;    /* [n_rot / 2]: radians per position */
    cadre_rows inputs[TF_N_INPUTS][CADRE_N_FORMS];
    tf_scratch *scratch; /* [n_threads] */
    tf_row *rows;
    uint32_t *kept; /* [max_logits]: the rows with logits */
    tf_chunk *chunks, *last_chunks;
    size_t *counts;          /* [size]: of a gather */
    atomic_size_t *portions; /* [n_layers + 1][TF_N_PHASES] */

    uint8_t *kv;
    size_t kv_bytes, block_bytes, page_bytes;

    /* The step under way. */
    const int32_t *tokens;
    size_t n_rows, n_logits, n_chunks, n_last_chunks;
    cadre_status status;
};

/* Compute what tokens, rows, kept and chunks describe. */
void tf_step_run(tf_forward *forward);

#endif
