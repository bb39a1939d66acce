/* model_write.h - what every model file that we write has in common. */
#ifndef TF_MODEL_WRITE_H
#define TF_MODEL_WRITE_H

#include "gguf_write.h"
#include "model.h"

/* The type by its name, in capitals or not.
 * CADRE_ERR_INPUT  unknown: lists those that are known */
cadre_status tf_type_by_name(const char *name, cadre_wtype *out);

/* The type that a matrix with rows of n_in gets where `wanted` is asked for: F16 if its
 * blocks do not fit. */
cadre_wtype tf_type_that_fits(cadre_wtype wanted, size_t n_in);

/* The keys that say how a model of this shape and type is computed. */
void tf_write_shape(tf_writer *w, const char *name, const char *architecture,
                    cadre_wtype type, const tf_shape *shape);

/* general.file_type, by which programs name what is in a file. */
void tf_write_file_type(tf_writer *w, cadre_wtype type);

/* The keys of a SentencePiece vocabulary. */
void tf_write_vocab(tf_writer *w, const tf_vocab *vocab);

#endif
