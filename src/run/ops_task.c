/* run/ops_task.c - inputs for ops, and how each is called. */
#include "run/ops_task.h"
#include "core/memory.h"
#include <stdio.h>
#include <string.h>

/* Weights of a task together: more than caches hold. */
#define WEIGHTS_BYTES ((size_t)128 << 20)

enum { MEMORY = sizeof((cadre__ops_task *)0)->memory / sizeof(void *) };

/* A fixed sequence (Steele, Lea and Flood 2014), so that every run computes the same. */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fill_floats(float *out, size_t n)
{
    uint64_t state = n;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(next(&state) >> 40) / 8388608.0f - 1.0f;
}

/* Zeroed memory that goes with the task. */
static void *take(cadre__ops_task *task, size_t n, size_t bytes)
{
    size_t i = 0;
    while (task->memory[i])
        i++;
    return task->memory[i] = cadre__alloc_n(n, bytes);
}

static float *take_floats(cadre__ops_task *task, size_t n)
{
    float *out = take(task, n, sizeof *out);
    if (out)
        fill_floats(out, n);
    return out;
}

/* ---- Matrix products ---- */

static void run_matmul(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    const cadre_matrix *w = &task->copies[task->next];
    task->next = (task->next + 1) % task->n_copies;
    ops->matmul[w->type](w, 0, n_parts, &task->x, 0, task->rows, task->out, w->n_out, 0);
}

/* n weights as a file has them. K types have no quantiser here: theirs are any bytes
 * whose f16 parts are finite and below 1, whichever they are. */
static void fill_weights(cadre_wtype type, size_t n, uint64_t seed, uint8_t *out)
{
    const size_t block = cadre_wtype_block(type), bytes = cadre_wtype_block_bytes(type);
    float values[256];

    for (size_t i = 0; i < n / block; i++) {
        for (size_t k = 0; k < block; k++)
            values[k] = (float)(next(&seed) >> 40) / 8388608.0f - 1.0f;
        if (type < CADRE_W_Q4_K)
            cadre_quantize(type, values, block, out + i * bytes);
        else
            for (size_t k = 0; k < bytes; k++)
                out[i * bytes + k] = next(&seed) & 0xbb;
    }
}

static cadre_status make_weights(cadre__ops_task *task, cadre_wtype type, size_t n_out,
                                 size_t n_in)
{
    const size_t row_bytes =
        n_in / cadre_wtype_block(type) * cadre_wtype_block_bytes(type);
    cadre_matrix w = {.type = type, .n_out = n_out, .n_in = n_in};
    const size_t n_panels = cadre_matrix_panels(&w);
    const size_t bytes = n_panels * cadre_panel_bytes(type, n_in);
    uint8_t *packed;
    uint8_t *plain = cadre__alloc_n(n_out, row_bytes);

    task->n_copies = 1 + WEIGHTS_BYTES / bytes;
    task->copies = take(task, task->n_copies, sizeof *task->copies);
    packed = take(task, task->n_copies, bytes);
    if (!plain || !task->copies || !packed) {
        cadre__free(plain);
        return CADRE_ERR_NOMEM;
    }
    for (size_t o = 0; o < n_out; o++)
        fill_weights(type, n_in, o, plain + o * row_bytes);
    cadre_pack(type, n_out, n_in, plain, 0, n_panels, packed);
    cadre__free(plain);
    for (size_t i = 0; i < task->n_copies; i++) {
        if (i > 0)
            memcpy(packed + i * bytes, packed, bytes);
        w.data = packed + i * bytes;
        task->copies[i] = w;
    }
    task->n_parts = n_panels;
    task->bytes = (double)bytes;
    return CADRE_OK;
}

/* Rows in the form of the type. */
static cadre_status make_rows(cadre__ops_task *task, cadre_form form, size_t n_in)
{
    float *x = cadre__alloc_n(task->rows, n_in * sizeof *x);
    void *memory = take(task, 1, cadre_rows_bytes(form, task->rows, n_in));

    if (!x || !memory) {
        cadre__free(x);
        return CADRE_ERR_NOMEM;
    }
    fill_floats(x, task->rows * n_in);
    cadre_rows_init(&task->x, form, task->rows, n_in, memory);
    cadre_ops_get()->to_rows(x, n_in, task->rows, &task->x, 0);
    cadre__free(x);
    return CADRE_OK;
}

cadre_status cadre__ops_task_matmul(cadre_wtype type, size_t n_out, size_t n_in,
                                    size_t rows, cadre__ops_task *task)
{
    *task = (cadre__ops_task){.rows = rows,
                              .operations = 2.0 * (double)(n_out * n_in * rows),
                              .form = cadre_wtype_form(type),
                              .same_bits = type != CADRE_W_BF16,
                              .run = run_matmul,
                              .n_out = rows * n_out};
    snprintf(task->op, sizeof task->op, "matmul %s", cadre_wtype_name(type));
    snprintf(task->shape, sizeof task->shape, "%zu x %zu", n_out, n_in);
    CADRE_TRY(make_weights(task, type, n_out, n_in));
    CADRE_TRY(make_rows(task, task->form, n_in));
    task->out = take(task, task->n_out, sizeof *task->out);
    return task->out ? CADRE_OK : CADRE_ERR_NOMEM;
}

/* ---- Attention ---- */

static void run_attention(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    (void)n_parts;
    ops->attention(&task->attention);
}

/* The last n_tokens of n_positions, for `group` heads of 64. */
static cadre_status make_attention(cadre__ops_task *task, cadre_kv_type type,
                                   size_t n_positions, size_t n_tokens, size_t group)
{
    enum { HEAD_DIM = 64 };
    const size_t block = cadre_kv_block_bytes(type, HEAD_DIM), width = group * HEAD_DIM;
    const size_t n_pages = (n_positions + CADRE_KV_PAGE - 1) / CADRE_KV_PAGE;
    const double seen = (double)(2 * n_positions - n_tokens + 1) / 2 * (double)n_tokens;
    float *key = take_floats(task, 2 * HEAD_DIM);
    uint8_t *blocks = take(task, n_pages, block);
    uint32_t *pages = take(task, n_pages, sizeof *pages);
    float *q = take_floats(task, n_tokens * width);
    void *scratch = take(task, 1, cadre_attention_scratch(group, HEAD_DIM, n_positions));

    task->n_out = n_tokens * width;
    task->out = take(task, task->n_out, sizeof *task->out);
    if (!key || !blocks || !pages || !q || !scratch || !task->out)
        return CADRE_ERR_NOMEM;
    for (size_t p = 0; p < n_positions; p++) {
        pages[p / CADRE_KV_PAGE] = (uint32_t)(p / CADRE_KV_PAGE);
        cadre_ops_get()->kv_store(type, HEAD_DIM, blocks + p / CADRE_KV_PAGE * block,
                                  p % CADRE_KV_PAGE, key, key + HEAD_DIM);
        key[p % (2 * HEAD_DIM)] += 0.01f;
    }
    task->attention = (cadre_attention){.type = type,
                                        .head_dim = HEAD_DIM,
                                        .group = group,
                                        .blocks = blocks,
                                        .page_stride = block,
                                        .pages = pages,
                                        .first_position = n_positions - n_tokens,
                                        .n_tokens = n_tokens,
                                        .scale = 0.125f,
                                        .q = q,
                                        .q_stride = width,
                                        .out = task->out,
                                        .out_stride = width,
                                        .scratch = scratch};
    snprintf(task->op, sizeof task->op, "attention %s", cadre_kv_type_name(type));
    snprintf(task->shape, sizeof task->shape, "%zu heads of 64, to %zu", group,
             n_positions);
    task->rows = n_tokens;
    task->form = CADRE_FORM_F32;
    task->operations = 4.0 * HEAD_DIM * (double)group * seen;
    task->bytes = n_tokens == 1 ? (double)(n_pages * block) : 0;
    task->run = run_attention;
    return CADRE_OK;
}

static cadre_status prefill_f16(cadre__ops_task *task)
{
    return make_attention(task, CADRE_KV_F16, 512, 512, 8);
}

static cadre_status prefill_int8(cadre__ops_task *task)
{
    return make_attention(task, CADRE_KV_INT8, 512, 512, 8);
}

static cadre_status prefill_f32(cadre__ops_task *task)
{
    return make_attention(task, CADRE_KV_F32, 512, 512, 8);
}

static cadre_status decode_f16(cadre__ops_task *task)
{
    return make_attention(task, CADRE_KV_F16, 512, 1, 8);
}

static cadre_status decode_one_head(cadre__ops_task *task)
{
    return make_attention(task, CADRE_KV_F16, 512, 1, 1);
}

static cadre_status decode_int8(cadre__ops_task *task)
{
    return make_attention(task, CADRE_KV_INT8, 512, 1, 8);
}

static cadre_status decode_f32(cadre__ops_task *task)
{
    return make_attention(task, CADRE_KV_F32, 512, 1, 8);
}

/* ---- Vectors ---- */

enum { DIM = 2048, ROWS = 16, VOCABULARY = 32000 };

/* n floats in, and as many out. */
static cadre_status make_vectors(cadre__ops_task *task, const char *op, size_t rows,
                                 size_t cols, size_t n_inputs)
{
    snprintf(task->op, sizeof task->op, "%s", op);
    snprintf(task->shape, sizeof task->shape, "%zu", cols);
    task->rows = rows;
    task->n = cols;
    task->n_out = rows * cols;
    task->bytes = (double)(rows * cols * sizeof(float)) * (double)(n_inputs + 1);
    if (!take_floats(task, n_inputs * rows * cols))
        return CADRE_ERR_NOMEM;
    task->out = take(task, task->n_out, sizeof *task->out);
    return task->out ? CADRE_OK : CADRE_ERR_NOMEM;
}

static void run_rmsnorm(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    const float *x = task->memory[0];
    (void)n_parts;
    for (size_t r = 0; r < task->rows; r++)
        ops->rmsnorm_f32(x + r * task->n, x, 1e-5f, task->n, task->out + r * task->n);
}

static cadre_status rmsnorm(cadre__ops_task *task)
{
    task->run = run_rmsnorm;
    return make_vectors(task, "rmsnorm", ROWS, DIM, 1);
}

/* With a copy of the gate, which is overwritten. */
static void run_silu_mul(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    const float *gate = task->memory[0];
    (void)n_parts;
    memcpy(task->out, gate, task->n_out * sizeof *gate);
    ops->silu_mul_f32(task->out, task->n, gate + task->n_out, task->n, task->rows,
                      task->n);
}

static cadre_status silu_mul(cadre__ops_task *task)
{
    task->run = run_silu_mul;
    return make_vectors(task, "silu_mul", ROWS, DIM, 2);
}

static void run_rope(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    const float *x = task->memory[0];
    (void)n_parts;
    memcpy(task->out, x, task->n_out * sizeof *x);
    for (size_t r = 0; r < task->rows; r++)
        ops->rope_f32(task->out + r * task->n, task->n / 64, 64, 64, x, x + 32, 0);
}

static cadre_status rope(cadre__ops_task *task)
{
    task->run = run_rope;
    return make_vectors(task, "rope", ROWS, DIM, 1);
}

static void run_to_rows(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    (void)n_parts;
    ops->to_rows(task->memory[0], task->n, task->rows, &task->x, 0);
}

static cadre_status make_to_rows(cadre__ops_task *task, const char *op, cadre_form form)
{
    const size_t bytes = cadre_rows_bytes(form, ROWS, DIM);
    void *memory = NULL;

    task->run = run_to_rows;
    CADRE_TRY(make_vectors(task, op, ROWS, DIM, 1));
    memory = take(task, 1, bytes);
    if (!memory)
        return CADRE_ERR_NOMEM;
    cadre_rows_init(&task->x, form, ROWS, DIM, memory);
    task->out = memory;
    task->n_out = bytes / sizeof *task->out;
    task->bytes = (double)(ROWS * DIM * sizeof(float) + bytes);
    return CADRE_OK;
}

static cadre_status to_rows_q8(cadre__ops_task *task)
{
    return make_to_rows(task, "to_rows Q8", CADRE_FORM_Q8);
}

static cadre_status to_rows_bf16(cadre__ops_task *task)
{
    return make_to_rows(task, "to_rows BF16", CADRE_FORM_BF16);
}

static void run_argmax(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    (void)n_parts;
    task->out[0] = (float)ops->argmax_f32(task->memory[0], task->n);
}

static cadre_status argmax(cadre__ops_task *task)
{
    task->run = run_argmax;
    CADRE_TRY(make_vectors(task, "argmax", 1, VOCABULARY, 1));
    task->bytes /= 2;
    return CADRE_OK;
}

static void run_exp_sum(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    (void)n_parts;
    task->out[0] += ops->exp_sum_f32(task->memory[0], task->n, 1.0f, 1.0f, task->out);
}

static cadre_status exp_sum(cadre__ops_task *task)
{
    task->run = run_exp_sum;
    return make_vectors(task, "exp_sum", 1, VOCABULARY, 1);
}

static void run_kv_store(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    const float *x = task->memory[0];
    (void)n_parts;
    for (size_t p = 0; p < CADRE_KV_PAGE; p++)
        ops->kv_store(CADRE_KV_F16, task->n, task->out, p, x + p * task->n,
                      x + (CADRE_KV_PAGE + p) * task->n);
}

static cadre_status kv_store(cadre__ops_task *task)
{
    task->run = run_kv_store;
    CADRE_TRY(make_vectors(task, "kv_store f16", CADRE_KV_PAGE, 64, 2));
    task->out = take(task, 1, cadre_kv_block_bytes(CADRE_KV_F16, 64));
    task->n_out = cadre_kv_block_bytes(CADRE_KV_F16, 64) / sizeof *task->out;
    return task->out ? CADRE_OK : CADRE_ERR_NOMEM;
}

/* ---- Reductions ---- */

enum { CACHED = 1 << 16, BEYOND_CACHES = 1 << 23 }; /* elements */

static void run_sum_f32(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    const float *x = task->memory[0];
    (void)n_parts;
    ops->combine[CADRE_F32][CADRE_SUM](task->out, x, x + task->n, task->n);
}

static cadre_status sum_f32_cached(cadre__ops_task *task)
{
    task->run = run_sum_f32;
    return make_vectors(task, "combine f32 sum", 1, CACHED, 2);
}

static cadre_status sum_f32(cadre__ops_task *task)
{
    task->run = run_sum_f32;
    return make_vectors(task, "combine f32 sum", 1, BEYOND_CACHES, 2);
}

static void run_sum_bf16(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    const float *x = task->memory[0];
    (void)n_parts;
    ops->combine[CADRE_BF16][CADRE_SUM](task->out, x, x + task->n, 2 * task->n);
}

/* Two in the place of an f32, each as that would be rounded toward zero. */
static cadre_status sum_bf16_cached(cadre__ops_task *task)
{
    task->run = run_sum_bf16;
    CADRE_TRY(make_vectors(task, "combine bf16 sum", 1, CACHED / 2, 2));
    snprintf(task->shape, sizeof task->shape, "%d", CACHED);
    uint16_t *halves = task->memory[0];
    for (size_t i = 0; i < 2 * task->n; i++)
        halves[2 * i] = halves[2 * i + 1];
    return CADRE_OK;
}

/* To the integers of a reproducible sum, and back. */
static void run_fixed_f32(cadre__ops_task *task, const cadre_ops *ops, size_t n_parts)
{
    uint8_t *top = task->memory[2];
    int64_t *sums = task->memory[3];
    (void)n_parts;
    memset(top, 0, task->n);
    memset(sums, 0, task->n * sizeof *sums);
    ops->exponents_f32(task->memory[0], task->n, top);
    ops->fixed_add_f32(task->memory[0], top, task->n, sums);
    ops->fixed_to_f32(sums, top, task->n, task->out);
}

static cadre_status fixed_f32(cadre__ops_task *task)
{
    task->run = run_fixed_f32;
    CADRE_TRY(make_vectors(task, "fixed f32", 1, CACHED, 1));
    return take(task, CACHED, sizeof(uint8_t)) && take(task, CACHED, sizeof(int64_t))
               ? CADRE_OK
               : CADRE_ERR_NOMEM;
}

cadre_status cadre__ops_task_other(size_t index, cadre__ops_task *task)
{
    static cadre_status (*const makers[])(cadre__ops_task *) = {
        prefill_f16,    prefill_int8,    prefill_f32,     decode_f16, decode_int8,
        decode_f32,     decode_one_head, rmsnorm,         silu_mul,   rope,
        to_rows_q8,     to_rows_bf16,    argmax,          exp_sum,    kv_store,
        sum_f32_cached, sum_f32,         sum_bf16_cached, fixed_f32};

    *task = (cadre__ops_task){.same_bits = true, .n_parts = 1};
    if (index >= sizeof makers / sizeof makers[0])
        return CADRE_ERR_NOT_FOUND;
    return makers[index](task);
}

void cadre__ops_task_fini(cadre__ops_task *task)
{
    for (size_t i = 0; i < MEMORY; i++)
        cadre__free(task->memory[i]);
    *task = (cadre__ops_task){0};
}
