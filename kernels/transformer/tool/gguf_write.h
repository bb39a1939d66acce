/* gguf_write.h - a GGUF v3 file, written from front to back: keys, then the tensors'
 * shapes, then their data in the same order. The file has its name when it is complete.
 */
#ifndef TF_GGUF_WRITE_H
#define TF_GGUF_WRITE_H

#include "gguf.h"

typedef struct tf_writer tf_writer;

/* The caller owns *out, until tf_writer_finish() or tf_writer_discard(). Local.
 * CADRE_ERR_IO     names path and what failed
 * CADRE_ERR_INPUT  path is there and is no regular file */
cadre_status tf_writer_create(const char *path, tf_writer **out);

/* Keys. What fails (memory) is told by the next call that returns a status. */
void tf_write_string(tf_writer *w, const char *key, const char *text);
void tf_write_integer(tf_writer *w, const char *key, uint32_t value);
void tf_write_number(tf_writer *w, const char *key, float value);
void tf_write_boolean(tf_writer *w, const char *key, int value);
void tf_write_strings(tf_writer *w, const char *key, const tf_string *values, size_t n);
void tf_write_floats(tf_writer *w, const char *key, const float *values, size_t n);
void tf_write_integers(tf_writer *w, const char *key, const int32_t *values, size_t n);
/* As it stands in another file. */
void tf_write_value(tf_writer *w, const tf_value *value);

/* A tensor to come: n_out rows of n_in, or with n_out 0 a vector. */
void tf_write_tensor(tf_writer *w, tf_string name, cadre_wtype type, size_t n_in,
                     size_t n_out);

/* The next n bytes of the data of all tensors in turn; padding between them is added.
 * After this no key and no tensor may follow.
 * CADRE_ERR_IO     also if the disk has no room for all tensors: seen before any is
 * written CADRE_ERR_NOMEM CADRE_ERR_STATE  more data than the tensors have */
cadre_status tf_write_data(tf_writer *w, const void *data, size_t n);

/* Write out, fsync, rename; frees w in any case.
 * CADRE_ERR_IO, CADRE_ERR_NOMEM
 * CADRE_ERR_STATE  data is missing */
cadre_status tf_writer_finish(tf_writer *w);
/* Leave nothing behind. NULL is ignored. */
void tf_writer_discard(tf_writer *w);

#endif
