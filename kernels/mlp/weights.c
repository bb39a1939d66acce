/* weights.c - a network's weights: read and checked, made fresh, written.
 *
 * The file (schema_version 1) is a tensor file with f32 datasets "layer0/weight"
 * [n_out, n_in] and "layer0/bias" [n_out], and so on for each layer, and the attributes
 * kernel = "mlp", schema_version, n_layers, activation ("relu" or "gelu"), output
 * ("softmax" or "none").
 */
#include "mlp.h"
#include <cadre/ops.h>
#include <cadre/options.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION "1"

enum { NAME_SIZE = 32 };

static const char *const activation_names[] = {[MLP_RELU] = "relu", [MLP_GELU] = "gelu"};
static const char *const output_names[] = {
    [MLP_NONE] = "none", [MLP_SOFTMAX] = "softmax"};

/* Which of two names it is; -1 for neither. */
static int one_of_two(const char *const names[2], const char *name)
{
    for (int i = 0; i < 2; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static void part_name(char name[NAME_SIZE], size_t layer, const char *part)
{
    snprintf(name, NAME_SIZE, "layer%zu/%s", layer, part);
}

/* ---- Reading ---- */

static cadre_status attribute(const cadre_tensor_file *file, const char *path,
                              const char *name, const char **out)
{
    *out = cadre_tensor_file_attribute(file, name);
    if (!*out)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: no attribute \"%s\": not weights of an mlp", path, name);
    return CADRE_OK;
}

static cadre_status choice(const cadre_tensor_file *file, const char *path,
                           const char *name, const char *const names[2], int *out)
{
    const char *text;

    CADRE_TRY(attribute(file, path, name, &text));
    *out = one_of_two(names, text);
    if (*out < 0)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: attribute \"%s\": expected \"%s\" or \"%s\", found \"%.40s\"", path,
            name, names[0], names[1], text);
    return CADRE_OK;
}

static cadre_status expect(const cadre_tensor_file *file, const char *path,
                           const char *name, const char *value)
{
    const char *text;

    CADRE_TRY(attribute(file, path, name, &text));
    if (strcmp(text, value) != 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: attribute \"%s\": expected \"%s\", found \"%.40s\"", path,
                          name, value, text);
    return CADRE_OK;
}

static cadre_status read_attributes(mlp *net, const char *path)
{
    const char *text;
    char *end;
    int which;

    CADRE_TRY(expect(net->file, path, "kernel", "mlp"));
    CADRE_TRY(expect(net->file, path, "schema_version", SCHEMA_VERSION));
    CADRE_TRY(choice(net->file, path, "activation", activation_names, &which));
    net->activation = (mlp_activation)which;
    CADRE_TRY(choice(net->file, path, "output", output_names, &which));
    net->output = (mlp_output)which;

    CADRE_TRY(attribute(net->file, path, "n_layers", &text));
    const long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > MLP_MAX_LAYERS)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: attribute \"n_layers\": expected a whole number from 1 to %d, "
            "found \"%.40s\"",
            path, MLP_MAX_LAYERS, text);
    net->n_layers = (size_t)n;
    return CADRE_OK;
}

/* "[64, 16]" */
static const char *shape_text(const cadre_tensor *t, char *buf, size_t size)
{
    size_t used = (size_t)snprintf(buf, size, "[");

    for (int d = 0; d < t->n_dims && used < size; d++)
        used +=
            (size_t)snprintf(buf + used, size - used, "%s%zu", d ? ", " : "", t->dims[d]);
    if (used < size)
        snprintf(buf + used, size - used, "]");
    return buf;
}

/* One dataset: f32, n_dims dimensions, finite values, and mapped if it has to be. */
static cadre_status read_part(const mlp *net, const char *path, const char *name,
                              int n_dims, int need_mapped, cadre_tensor *view)
{
    size_t count;
    int mapped;

    CADRE_TRY(cadre_tensor_file_get(net->file, name, view, &mapped));
    if (view->dtype != CADRE_F32)
        return cadre_fail(CADRE_ERR_INPUT, "%s: dataset \"%s\": expected f32, found %s",
                          path, name, cadre_dtype_name(view->dtype));
    if (view->n_dims != n_dims)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: dataset \"%s\": expected %d dimension%s, found %d", path,
                          name, n_dims, n_dims == 1 ? "" : "s", view->n_dims);
    for (int d = 0; d < n_dims; d++)
        if (view->dims[d] < 1 || view->dims[d] > MLP_MAX_WIDTH)
            return cadre_fail(
                CADRE_ERR_INPUT,
                "%s: dataset \"%s\": expected dimensions from 1 to %d, found %zu", path,
                name, MLP_MAX_WIDTH, view->dims[d]);
    if (need_mapped && !mapped)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: dataset \"%s\": is not stored as one plain block of f32, so "
            "ranks cannot share it; rewrite the file with: h5repack -l CONTI",
            path, name);
    CADRE_TRY(cadre_tensor_count(view, &count));
    if (!cadre_ops_get()->all_finite_f32(view->data, count))
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: dataset \"%s\": expected finite values, found a NaN or infinity", path,
            name);
    return CADRE_OK;
}

static cadre_status read_layer(mlp *net, const char *path, size_t l, int need_mapped)
{
    mlp_layer *layer = &net->layers[l];
    char name[NAME_SIZE], shape[64];
    cadre_tensor view;

    part_name(name, l, "weight");
    CADRE_TRY(read_part(net, path, name, 2, need_mapped, &view));
    layer->n_out = view.dims[0];
    layer->n_in = view.dims[1];
    layer->weight = view.data;
    if (l > 0 && layer->n_in != net->layers[l - 1].n_out)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: dataset \"%s\": expected shape [n, %zu], as the layer before "
            "gives %zu values, found %s",
            path, name, net->layers[l - 1].n_out, net->layers[l - 1].n_out,
            shape_text(&view, shape, sizeof shape));

    part_name(name, l, "bias");
    CADRE_TRY(read_part(net, path, name, 1, need_mapped, &view));
    layer->bias = view.data;
    if (view.dims[0] != layer->n_out)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: dataset \"%s\": expected shape [%zu], as its weight has that "
            "many rows, found %s",
            path, name, layer->n_out, shape_text(&view, shape, sizeof shape));
    return CADRE_OK;
}

/* Sum up sizes once the shapes of all layers are known. */
static cadre_status measure(mlp *net, const char *what)
{
    net->n_params = 0;
    net->max_width = net->layers[0].n_in;
    for (size_t l = 0; l < net->n_layers; l++) {
        const mlp_layer *layer = &net->layers[l];
        /* Both factors are at most MLP_MAX_WIDTH, so nothing overflows. */
        net->n_params += layer->n_out * (layer->n_in + 1);
        if (net->n_params > MLP_MAX_PARAMS)
            return cadre_fail(CADRE_ERR_INPUT, "%s: more than %zu parameters", what,
                              MLP_MAX_PARAMS);
        if (layer->n_out > net->max_width)
            net->max_width = layer->n_out;
    }
    return CADRE_OK;
}

/* Move the weights into memory of our own, one layer behind the other. */
static cadre_status copy_params(mlp *net)
{
    net->params = mlp_floats(net, net->n_params);
    if (!net->params)
        return CADRE_ERR_NOMEM;
    float *at = net->params;
    for (size_t l = 0; l < net->n_layers; l++) {
        mlp_layer *layer = &net->layers[l];
        const size_t n_weights = layer->n_out * layer->n_in;
        if (layer->weight) {
            memcpy(at, layer->weight, n_weights * sizeof *at);
            memcpy(at + n_weights, layer->bias, layer->n_out * sizeof *at);
        }
        layer->weight = at;
        layer->bias = at + n_weights;
        at += n_weights + layer->n_out;
    }
    return CADRE_OK;
}

cadre_status mlp_weights_load(mlp *net, const char *path, int copy)
{
    CADRE_TRY(cadre_tensor_file_open(path, &net->file));
    CADRE_TRY(read_attributes(net, path));
    for (size_t l = 0; l < net->n_layers; l++)
        CADRE_TRY(read_layer(net, path, l, !copy));
    CADRE_TRY(measure(net, path));
    if (copy) {
        CADRE_TRY(copy_params(net));
        cadre_tensor_file_close(net->file);
        net->file = NULL;
    }
    return CADRE_OK;
}

/* ---- Making ---- */

/* The i-th number of a sequence (splitmix64: Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Weights uniform in +-sqrt(6 / n_in) (He et al. 2015), biases zero. */
static void randomise(mlp *net, uint64_t seed)
{
    uint64_t i = 0;

    for (size_t l = 0; l < net->n_layers; l++) {
        const mlp_layer *layer = &net->layers[l];
        const float bound = sqrtf(6.0f / (float)layer->n_in);
        float *weight = net->params + (layer->weight - net->params); /* it is ours */
        for (size_t j = 0; j < layer->n_out * layer->n_in; j++) {
            const float unit = (float)(mix(seed, i++) >> 40) * (1.0f / 8388608.0f) - 1.0f;
            weight[j] = unit * bound;
        }
    }
}

static cadre_status option_choice(const char *options, const char *key,
                                  const char *const names[2], int *out)
{
    char text[32];

    snprintf(text, sizeof text, "%s", names[*out]);
    CADRE_TRY(cadre_option_string(options, key, text, sizeof text));
    *out = one_of_two(names, text);
    if (*out < 0)
        return cadre_fail(CADRE_ERR_INPUT,
                          "options.%s: expected \"%s\" or \"%s\", found \"%s\"", key,
                          names[0], names[1], text);
    return CADRE_OK;
}

cadre_status mlp_weights_fresh(mlp *net, const char *options)
{
    int64_t widths[MLP_MAX_LAYERS + 1], seed = 1;
    size_t n_widths = 0;
    int activation = MLP_RELU, output = MLP_SOFTMAX;

    CADRE_TRY(cadre_option_integers(options, "layers", 1, MLP_MAX_WIDTH, widths,
                                    MLP_MAX_LAYERS + 1, &n_widths));
    if (n_widths < 2)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "mlp without a model: options.layers: expected at least 2 widths, "
            "such as [16, 32, 4], found %zu",
            n_widths);
    CADRE_TRY(option_choice(options, "activation", activation_names, &activation));
    CADRE_TRY(option_choice(options, "output", output_names, &output));
    CADRE_TRY(cadre_option_integer(options, "seed", 0, INT64_C(1) << 53, &seed));

    net->n_layers = n_widths - 1;
    net->activation = (mlp_activation)activation;
    net->output = (mlp_output)output;
    for (size_t l = 0; l < net->n_layers; l++)
        net->layers[l] =
            (mlp_layer){.n_in = (size_t)widths[l], .n_out = (size_t)widths[l + 1]};
    CADRE_TRY(measure(net, "options.layers"));
    CADRE_TRY(copy_params(net));
    randomise(net, (uint64_t)seed);
    return CADRE_OK;
}

/* ---- Writing ---- */

cadre_status mlp_weights_save(const mlp *net, const char *path)
{
    char names[2 * MLP_MAX_LAYERS][NAME_SIZE], n_layers[16];
    cadre_named_tensor parts[2 * MLP_MAX_LAYERS];
    const cadre_attribute attributes[] = {
        {"kernel", "mlp"},
        {"schema_version", SCHEMA_VERSION},
        {"n_layers", n_layers},
        {"activation", activation_names[net->activation]},
        {"output", output_names[net->output]},
    };

    snprintf(n_layers, sizeof n_layers, "%zu", net->n_layers);
    for (size_t l = 0; l < net->n_layers; l++) {
        const mlp_layer *layer = &net->layers[l];
        part_name(names[2 * l], l, "weight");
        part_name(names[2 * l + 1], l, "bias");
        /* A tensor's data is not const, since views may be written; writing a file
         * reads. */
        parts[2 * l] = (cadre_named_tensor){names[2 * l],
                                            {CADRE_F32,
                                             2,
                                             {layer->n_out, layer->n_in},
                                             (void *)(uintptr_t)layer->weight}};
        parts[2 * l + 1] = (cadre_named_tensor){
            names[2 * l + 1],
            {CADRE_F32, 1, {layer->n_out}, (void *)(uintptr_t)layer->bias}};
    }
    return cadre_tensor_file_write(path, parts, 2 * net->n_layers, attributes,
                                   sizeof attributes / sizeof attributes[0]);
}
