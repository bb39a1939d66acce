/* noise.h - random numbers for weights: quick, and the same on every machine. */
#ifndef TF_NOISE_H
#define TF_NOISE_H

#include <cadre/matrix.h>

typedef struct tf_noise {
    uint64_t state;   /* may be set to start again elsewhere */
    float *quantiles; /* of the normal distribution */
} tf_noise;

/* CADRE_ERR_NOMEM */
cadre_status tf_noise_init(tf_noise *noise, uint64_t seed);
void tf_noise_fini(tf_noise *noise);

/* out[n] normal with this mean and deviation, to 16 bits. */
void tf_noise_normal(tf_noise *noise, float mean, float deviation, size_t n, float *out);

/* n weights of a K type as random blocks of about this deviation and no mean. */
void tf_noise_blocks(tf_noise *noise, cadre_wtype type, float deviation, size_t n,
                     void *out);

#endif
