/* model_file.h - what stands behind an opened model; for the model's own files. */
#ifndef TF_MODEL_FILE_H
#define TF_MODEL_FILE_H

#include "allocate.h"
#include "mapped.h"
#include "model.h"

enum {
    TF_MAX_SIZE = 1 << 20,    /* of any hyperparameter, unless said otherwise */
    TF_MAX_CONTEXT = 1 << 24, /* positions */
    TF_MAX_HEAD_DIM = 256
};

/* Bytes of a file, borrowed or mapped. */
typedef struct tf_bytes {
    const char *path;
    const uint8_t *data;
    size_t n;
} tf_bytes;

typedef struct tf_model_file {
    tf_mapped weights, tokenizer; /* all zero: borrowed */
    char *tokenizer_path;
    tf_gguf *gguf; /* NULL: llama2.c */
} tf_model_file;

/* Fill in all of *model but path, name and file_bytes. What they leave there on failure
 * is closed by tf_model_close(). */
cadre_status tf_model_read_gguf(const tf_bytes *file, int vocab_only, tf_model *model);
cadre_status tf_model_read_llama2c(const tf_bytes *file, const tf_bytes *tokenizer,
                                   tf_model *model);

/* The vocabulary of model->file->gguf into model->vocab and shape.n_vocab. */
cadre_status tf_model_read_vocab(tf_model *model);

/* Whether sizes fit each other and are not absurd; a size of 0 is absurd unless
 * `incomplete`. */
cadre_status tf_check_shape(const char *path, const tf_shape *shape, int incomplete);

/* A vector's values are f32 and finite. */
cadre_status tf_check_finite(const char *path, const char *tensor, const float *values,
                             size_t n);

#endif
