/* convert_model.h - any model that we can open as a GGUF file of another type. */
#ifndef TF_CONVERT_MODEL_H
#define TF_CONVERT_MODEL_H

#include "model.h"

/* Write `model` to path with matrices of this type: F32, F16, BF16, Q8_0 or Q4_0. Vectors
 * stay F32; matrices whose rows do not fit the type's blocks become F16, *n_others of
 * them. A matrix that has the type already keeps its bytes. Whole or not at all. Local.
 * CADRE_ERR_UNSUPPORTED  another type
 * CADRE_ERR_INPUT        a weight that the type cannot hold; names the tensor
 * CADRE_ERR_IO, CADRE_ERR_NOMEM */
cadre_status tf_convert(const tf_model *model, cadre_wtype type, const char *path,
                        size_t *n_others);

#endif
