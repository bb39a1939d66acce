/* model.h - a model file, checked and described: shapes, where its tensors lie, its
 * vocabulary. Knows the formats (GGUF, llama2.c) and architectures (llama, qwen2, qwen3);
 * computes nothing.
 */
#ifndef TF_MODEL_H
#define TF_MODEL_H

#include "gguf.h"
#include "mapped.h"

typedef enum tf_vocab_kind {
    TF_VOCAB_SPM,    /* SentencePiece BPE by scores, byte fallback */
    TF_VOCAB_BPE,    /* byte-level BPE by merges, after a pre-tokenizer */
    TF_VOCAB_LLAMA2C /* SPM scores, pieces as llama2.c stores them (spaces, not U+2581) */
} tf_vocab_kind;

/* Token types, as GGUF numbers them. */
enum {
    TF_TOKEN_NORMAL = 1,
    TF_TOKEN_UNKNOWN = 2,
    TF_TOKEN_CONTROL = 3,
    TF_TOKEN_USER = 4,
    TF_TOKEN_UNUSED = 5,
    TF_TOKEN_BYTE = 6
};

/* What a file says of its vocabulary; strings are borrowed from the file. */
typedef struct tf_vocab {
    const char *source; /* the file, for messages */
    tf_vocab_kind kind;
    tf_string pre; /* pre-tokenizer's name; "default" if the file has none */
    size_t n;
    tf_string *tokens; /* [n] */
    float *scores;     /* [n], or NULL */
    int32_t *types;    /* [n], or NULL: all normal */
    tf_string *merges; /* [n_merges] */
    size_t n_merges;
    int32_t bos, eos, eot, unk, pad; /* -1: none */
    int add_bos, add_eos, add_space_prefix;
    tf_string chat_template; /* Jinja text; empty: none */
} tf_vocab;

/* Shapes and constants of the forward pass. */
typedef struct tf_shape {
    size_t dim, n_layers, n_heads, n_kv_heads, head_dim, ffn, n_vocab, context;
    size_t n_rot; /* values of a head that are rotated */
    float eps;
    int rope_halves; /* NEOX pairs (i, i + n_rot / 2); else (2i, 2i + 1) */
    double rope_base;
    double rope_factor; /* linear scaling: positions are divided by this; 1: none */
    const float *rope_divisors; /* [n_rot / 2], from rope_freqs.weight; NULL: none */
} tf_shape;

/* Where a weight lies in the file: n_out rows of n_in, row by row; data NULL: absent. */
typedef struct tf_source {
    cadre_wtype type;
    size_t n_out, n_in;
    const void *data;
} tf_source;

typedef enum tf_role { /* matrices of a layer */
                       TF_Q,
                       TF_K,
                       TF_V,
                       TF_O,
                       TF_GATE,
                       TF_UP,
                       TF_DOWN,
                       TF_N_MATRICES
} tf_role;

typedef enum tf_vector { /* vectors of a layer, n_in values with n_out = 1 */
                         TF_ATTN_NORM,
                         TF_FFN_NORM,
                         TF_Q_BIAS, /* the rest may be absent */
                         TF_K_BIAS,
                         TF_V_BIAS,
                         TF_Q_NORM, /* [head_dim], applied to each head before RoPE */
                         TF_K_NORM,
                         TF_N_VECTORS
} tf_vector;

typedef struct tf_layer_source {
    tf_source matrices[TF_N_MATRICES];
    tf_source vectors[TF_N_VECTORS];
} tf_layer_source;

typedef struct tf_model {
    char *path;
    char *name;            /* the model's own, or the file's */
    char architecture[16]; /* "llama", "qwen2", "qwen3" */
    tf_shape shape;
    tf_vocab vocab;
    tf_source embedding, output, output_norm; /* output may be the embedding (tied) */
    tf_layer_source *layers; /* [n_layers]; NULL: the file is a vocabulary only */
    size_t file_bytes;
    tf_file_id id;              /* of the file when it was opened */
    struct tf_model_file *file; /* private: what keeps the memory */
} tf_model;

/* Open the model at path: GGUF by its magic, else a llama2.c checkpoint, whose vocabulary
 * is the file `tokenizer` (a GGUF has its own: "" or NULL then). Everything is checked
 * against everything: shapes against hyperparameters, the vocabulary's ids and lengths;
 * a tensor that the architecture does not know is refused. vocab_only: a GGUF without
 * tensors is accepted, of any architecture; its shape is filled as far as it tells. The
 * caller owns *out; on failure it is NULL. Local.
 * CADRE_ERR_NOT_FOUND    no such file
 * CADRE_ERR_INPUT        malformed; names file, key or tensor, found and expected
 * CADRE_ERR_UNSUPPORTED  an architecture, tensor type or rope scaling we do not compute,
 *                        by name */
cadre_status tf_model_open(const char *path, const char *tokenizer, int vocab_only,
                           tf_model **out);
/* The same from memory (aligned to 8 bytes) that is borrowed until close. `path` and
 * `tokenizer_path` are for messages; tokenizer is NULL if there is none. */
cadre_status tf_model_open_memory(const char *path, const void *data, size_t bytes,
                                  const char *tokenizer_path, const void *tokenizer,
                                  size_t tokenizer_bytes, int vocab_only, tf_model **out);
/* Most of the model has been read and will not be again: its file's pages are given back,
 * and come again where they are used. */
void tf_model_rest(const tf_model *model);
/* NULL is ignored. */
void tf_model_close(tf_model *model);

#endif
