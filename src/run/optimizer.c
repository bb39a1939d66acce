/* run/optimizer.c - SGD with momentum, and Adam (Kingma and Ba 2015). */
#include "run/optimizer.h"
#include "core/memory.h"
#include "run/exact_sum.h"
#include <math.h>

struct cadre__optimizer {
    cadre__optimizer_spec spec;
    size_t n, step, n_steps;
    double power1, power2;    /* beta1^step, beta2^step */
    float *gradient;          /* [n] */
    float *moment1, *moment2; /* [n]; velocity of SGD in moment1 */
};

cadre_status cadre__optimizer_create(const cadre__optimizer_spec *spec, size_t n,
                                     size_t n_steps, cadre__optimizer **out)
{
    cadre__optimizer *o = cadre__alloc(sizeof *o);

    *out = NULL;
    if (!o)
        return CADRE_ERR_NOMEM;
    o->spec = *spec;
    o->n = n;
    o->n_steps = n_steps;
    o->power1 = o->power2 = 1.0;
    o->gradient = cadre__alloc_n(n, sizeof(float));
    o->moment1 = cadre__alloc_n(n, sizeof(float));
    o->moment2 = cadre__alloc_n(spec->kind == CADRE__ADAM ? n : 0, sizeof(float));
    if (!o->gradient || !o->moment1 || !o->moment2) {
        cadre__optimizer_destroy(o);
        return CADRE_ERR_NOMEM;
    }
    *out = o;
    return CADRE_OK;
}

void cadre__optimizer_destroy(cadre__optimizer *o)
{
    if (!o)
        return;
    cadre__free(o->gradient);
    cadre__free(o->moment1);
    cadre__free(o->moment2);
    cadre__free(o);
}

/* cos(x) for 0 <= x <= pi/2 by its series, to the last bit or two of a double: the
 * mathematical library's may differ from machine to machine. */
static double cosine(double x)
{
    const double z = x * x;
    double sum = 1.0, term = 1.0;

    for (int k = 1; k <= 12; k++) {
        term = term * -z / (double)((2 * k - 1) * (2 * k));
        sum = sum + term;
    }
    return sum;
}

double cadre__optimizer_rate(const cadre__optimizer_spec *spec, size_t step,
                             size_t n_steps)
{
    if (!spec->cosine)
        return spec->learning_rate;
    const double quarter_wave = 1.5707963267948966 * ((double)step / (double)n_steps);
    const double c = cosine(quarter_wave);
    return spec->learning_rate * (c * c); /* (1 + cos 2a) / 2 */
}

static void adam(cadre__optimizer *o, float rate, float *restrict delta)
{
    const float beta1 = (float)o->spec.beta1, beta2 = (float)o->spec.beta2;
    const float rest1 = (float)(1.0 - o->spec.beta1),
                rest2 = (float)(1.0 - o->spec.beta2);
    const float epsilon = (float)o->spec.epsilon;
    const float *restrict g = o->gradient;
    float *restrict m = o->moment1, *restrict v = o->moment2;

    o->power1 *= o->spec.beta1;
    o->power2 *= o->spec.beta2;
    const float correct1 = (float)(1.0 / (1.0 - o->power1));
    const float correct2 = (float)(1.0 / (1.0 - o->power2));
    for (size_t i = 0; i < o->n; i++) {
        m[i] = beta1 * m[i] + rest1 * g[i];
        v[i] = beta2 * v[i] + rest2 * (g[i] * g[i]);
        delta[i] = -(rate * (m[i] * correct1)) / (sqrtf(v[i] * correct2) + epsilon);
    }
}

static void sgd(cadre__optimizer *o, float rate, float *restrict delta)
{
    const float momentum = (float)o->spec.momentum;
    const float *restrict g = o->gradient;
    float *restrict velocity = o->moment1;

    for (size_t i = 0; i < o->n; i++) {
        velocity[i] = momentum * velocity[i] + g[i];
        delta[i] = -(rate * velocity[i]);
    }
}

void cadre__optimizer_step(cadre__optimizer *o, const int64_t *sums, size_t n_rows,
                           const float *params, float *delta)
{
    const float rate = (float)cadre__optimizer_rate(&o->spec, o->step, o->n_steps);

    for (size_t i = 0; i < o->n; i++)
        o->gradient[i] = (float)(cadre__exact_value(sums[i]) / (double)n_rows);
    if (o->spec.kind == CADRE__ADAM)
        adam(o, rate, delta);
    else
        sgd(o, rate, delta);
    if (o->spec.weight_decay > 0) {
        const float decay = rate * (float)o->spec.weight_decay;
        for (size_t i = 0; i < o->n; i++)
            delta[i] -= decay * params[i];
    }
    o->step++;
}
