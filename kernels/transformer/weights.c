/* weights.c - the packed copy: all matrices and vectors of a model, one behind the other
 * in the order of their use, each aligned to 64 bytes. Where everything lies follows from
 * the model's shapes and types alone, so nothing in the file is ever used as an offset.
 */
#include "weights.h"
#include "cache.h"
#include "team.h"
#include <cadre/log.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ALIGNMENT = 64,
    MAX_PACKERS = 16,
    FORM = 2 /* of panels (ops/packed.h): a copy in another form is not used */
};
/* What a thread packs and writes at a time, at a multiple of it in the file: file systems
 * that can then keep it as one huge page (ext4 from Linux 6.16 on, XFS). */
#define WINDOW_BYTES ((size_t)2 << 20)
#define FILE_BYTES (UINT64_C(64) << 20) /* AUTO: from here on, a file */

/* A matrix, or a vector of floats. */
typedef struct part {
    const tf_source *source;
    cadre_matrix *matrix; /* what will point to it: this */
    const float **vector; /* or this */
    uint64_t offset, bytes;
    size_t unit_bytes, n_units; /* panels; a vector is one unit */
} part;

typedef struct packing {
    tf_source divisors;
    part *parts;
    size_t n_parts, unit_bytes; /* unit_bytes: of the longest unit */
    uint64_t bytes, layout;
    const char *model;

    uint8_t *buffers; /* [n_threads][WINDOW_BYTES + unit_bytes] */
    int fd;
    atomic_size_t next_window;
    atomic_int error; /* errno of a thread that failed */
} packing;

/* ---- Layout ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    for (int shift = 0; shift < 64; shift += 8)
        hash = (hash ^ (value >> shift & 255)) * UINT64_C(0x100000001b3);
    return hash; /* FNV-1a, Fowler, Noll and Vo */
}

static cadre_status add(packing *p, const tf_source *source, cadre_matrix *matrix,
                        const float **vector)
{
    part *new = &p->parts[p->n_parts];
    const size_t n_out = source->n_out, n_in = source->n_in;

    if (!source->data)
        return CADRE_OK;
    *new = (part){.source = source, .matrix = matrix, .vector = vector};
    new->offset = p->bytes;
    if (matrix) {
        new->n_units = (n_out + CADRE_PANEL - 1) / CADRE_PANEL;
        new->unit_bytes = cadre_panel_bytes(source->type, n_in);
    } else {
        new->n_units = 1;
        new->unit_bytes = (n_in * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT *ALIGNMENT;
    }
    if (new->unit_bytes == 0 || new->n_units == 0 ||
        __builtin_mul_overflow(new->unit_bytes, new->n_units, &new->bytes) ||
        __builtin_add_overflow(p->bytes, new->bytes, &p->bytes) || p->bytes > INT64_MAX)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: %zu rows of %zu %s weights cannot be packed", p->model,
                          n_out, n_in, cadre_wtype_name(source->type));
    if (p->unit_bytes < new->unit_bytes)
        p->unit_bytes = new->unit_bytes;
    p->layout = mix(mix(mix(mix(p->layout, source->type), n_out), n_in), new->offset);
    p->n_parts++;
    return CADRE_OK;
}

static cadre_status add_layer(packing *p, const tf_layer_source *from, tf_layer *layer)
{
    for (int v = 0; v < TF_N_VECTORS; v++)
        CADRE_TRY(add(p, &from->vectors[v], NULL, &layer->vectors[v]));
    for (int m = 0; m < TF_N_MATRICES; m++)
        CADRE_TRY(add(p, &from->matrices[m], &layer->matrices[m], NULL));
    return CADRE_OK;
}

static int is_tied(const tf_model *model)
{
    return model->output.data == model->embedding.data;
}

static cadre_status lay_out(packing *p, const tf_model *model, tf_weights *weights)
{
    const tf_shape *shape = &model->shape;
    const size_t per_layer = (size_t)TF_N_VECTORS + TF_N_MATRICES;

    p->model = model->path;
    p->layout = mix(UINT64_C(0xcbf29ce484222325), FORM);
    p->parts = calloc(4 + shape->n_layers * per_layer, sizeof *p->parts);
    if (!p->parts)
        return cadre_fail(CADRE_ERR_NOMEM, "%s: out of memory for %zu layers", p->model,
                          shape->n_layers);
    p->divisors = (tf_source){.type = CADRE_W_F32,
                              .n_out = 1,
                              .n_in = shape->n_rot / 2,
                              .data = shape->rope_divisors};
    CADRE_TRY(add(p, &p->divisors, NULL, &weights->shape.rope_divisors));
    CADRE_TRY(add(p, &model->embedding, &weights->embedding, NULL));
    for (size_t l = 0; l < shape->n_layers; l++)
        CADRE_TRY(add_layer(p, &model->layers[l], &weights->layers[l]));
    CADRE_TRY(add(p, &model->output_norm, NULL, &weights->output_norm));
    if (!is_tied(model))
        CADRE_TRY(add(p, &model->output, &weights->output, NULL));
    return CADRE_OK;
}

static void point(const packing *p, const uint8_t *content)
{
    for (size_t i = 0; i < p->n_parts; i++) {
        const part *one = &p->parts[i];
        const void *data = content + one->offset;
        if (one->matrix)
            *one->matrix = (cadre_matrix){.type = one->source->type,
                                          .n_out = one->source->n_out,
                                          .n_in = one->source->n_in,
                                          .data = data};
        else
            *one->vector = data;
    }
}

/* ---- Packing ---- */

static void pack_unit(const part *one, size_t unit, uint8_t *buffer)
{
    const tf_source *source = one->source;
    const size_t row_bytes = source->n_in / cadre_wtype_block(source->type) *
                             cadre_wtype_block_bytes(source->type);
    const size_t first_row = unit * CADRE_PANEL;

    if (one->matrix)
        cadre_pack(source->type, source->n_out - first_row, source->n_in,
                   (const uint8_t *)source->data + first_row * row_bytes, 0, 1, buffer);
    else
        cadre_dequantize(source->type, source->data, source->n_in,
                         memset(buffer, 0, one->unit_bytes));
}

/* What of bytes [from, to) of the copy belongs to a part, into window, which begins at
 * `from`. Units that reach beyond are packed into spare. */
static void pack_part(const part *one, uint64_t from, uint64_t to, uint8_t *spare,
                      uint8_t *window)
{
    const uint64_t end = one->offset + one->bytes < to ? one->offset + one->bytes : to;
    const uint64_t start = one->offset > from ? one->offset : from;

    for (uint64_t at = start; at < end;) {
        const size_t unit = (size_t)((at - one->offset) / one->unit_bytes);
        const uint64_t first = one->offset + (uint64_t)unit * one->unit_bytes;
        const uint64_t next =
            first + one->unit_bytes < end ? first + one->unit_bytes : end;
        if (next - at == one->unit_bytes) {
            pack_unit(one, unit, window + (at - from));
        } else {
            pack_unit(one, unit, spare);
            memcpy(window + (at - from), spare + (at - first), (size_t)(next - at));
        }
        at = next;
    }
}

static int write_fully(int fd, const uint8_t *bytes, size_t n, uint64_t offset)
{
    while (n > 0) {
        const ssize_t done = pwrite(fd, bytes, n, (off_t)offset);
        if (done < 0 && errno != EINTR)
            return errno;
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
            offset += (uint64_t)done;
        }
    }
    return 0;
}

static uint64_t n_windows(const packing *p)
{
    return (TF_CACHE_HEADER + p->bytes + WINDOW_BYTES - 1) / WINDOW_BYTES;
}

static void pack_main(void *context, int thread)
{
    packing *p = context;
    uint8_t *window = p->buffers + (size_t)thread * (WINDOW_BYTES + p->unit_bytes);
    uint64_t i;

    while ((i = atomic_fetch_add(&p->next_window, 1)) < n_windows(p) && !p->error) {
        /* The header stands before the first window's part of the copy. */
        const uint64_t from = i > 0 ? i * WINDOW_BYTES - TF_CACHE_HEADER : 0;
        const uint64_t next = (i + 1) * WINDOW_BYTES - TF_CACHE_HEADER;
        const uint64_t to = next < p->bytes ? next : p->bytes;
        for (size_t k = 0; k < p->n_parts; k++)
            pack_part(&p->parts[k], from, to, window + WINDOW_BYTES, window);
        const int error =
            write_fully(p->fd, window, (size_t)(to - from), TF_CACHE_HEADER + from);
        if (error)
            p->error = error;
    }
}

static cadre_status fill(void *context, int fd)
{
    packing *p = context;
    tf_team *team;
    int n = tf_team_cpus();

    n = n < MAX_PACKERS ? n : MAX_PACKERS;
    n = (uint64_t)n < n_windows(p) ? n : (int)n_windows(p);
    CADRE_TRY(tf_team_create(n, &team));
    p->fd = fd;
    p->next_window = 0;
    p->error = 0;
    p->buffers = aligned_alloc(ALIGNMENT, (size_t)n * (WINDOW_BYTES + p->unit_bytes));
    if (p->buffers)
        tf_team_run(team, pack_main, p);
    else
        p->error = ENOMEM;
    tf_team_destroy(team);
    free(p->buffers);
    if (p->error)
        return cadre_fail(CADRE_ERR_IO, "%s: writing packed weights: %s", p->model,
                          strerror(p->error));
    return CADRE_OK;
}

/* ---- Opening and closing ---- */

static cadre_status find_or_make(packing *p, const tf_model *model, tf_cache where,
                                 tf_cached **out)
{
    const tf_cache_request request = {.model = model->path,
                                      .model_id = model->id,
                                      .bytes = p->bytes,
                                      .layout = p->layout,
                                      .fill = fill,
                                      .context = p};

    if (where == TF_CACHE_FILE || (where == TF_CACHE_AUTO && p->bytes >= FILE_BYTES)) {
        const cadre_status st = tf_cache_open(&request, TF_BESIDE_MODEL, out);
        if (where == TF_CACHE_FILE && st == CADRE_ERR_IO)
            return cadre_context(st,
                                 "weights_cache \"file\" (\"auto\" would take memory)");
        if (st != CADRE_ERR_IO)
            return st;
        cadre_log(CADRE_LOG_INFO, "transformer", "packed weights go to memory: %s",
                  cadre_last_error());
    }
    return tf_cache_open(&request, TF_SHARED_MEMORY, out);
}

static cadre_status open_with(packing *p, const tf_model *model, tf_cache where,
                              tf_weights *weights)
{
    weights->shape = model->shape;
    weights->layers = calloc(model->shape.n_layers, sizeof *weights->layers);
    if (!weights->layers)
        return cadre_fail(CADRE_ERR_NOMEM, "%s: out of memory for %zu layers",
                          model->path, model->shape.n_layers);
    CADRE_TRY(lay_out(p, model, weights));
    CADRE_TRY(find_or_make(p, model, where, &weights->cached));
    point(p, tf_cache_content(weights->cached));
    if (is_tied(model))
        weights->output = weights->embedding;
    weights->bytes = p->bytes;
    weights->found = tf_cache_was_found(weights->cached);
    return CADRE_OK;
}

cadre_status tf_weights_open(const tf_model *model, tf_cache cache, tf_weights **out)
{
    packing p = {0};

    *out = NULL;
    tf_weights *weights = calloc(1, sizeof *weights);
    if (!weights)
        return cadre_fail(CADRE_ERR_NOMEM, "%s: out of memory for weights", model->path);
    const cadre_status st = open_with(&p, model, cache, weights);
    free(p.parts);
    if (st != CADRE_OK) {
        tf_weights_close(weights);
        return st;
    }
    *out = weights;
    return CADRE_OK;
}

void tf_weights_close(tf_weights *weights)
{
    if (!weights)
        return;
    tf_cache_close(weights->cached);
    free(weights->layers);
    free(weights);
}
