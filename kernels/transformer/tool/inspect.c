/* inspect.c - cadre-model inspect: what a model file holds. */
#include "model_file.h"
#include "tool.h"
#include <stdio.h>

enum { SHOWN_ELEMENTS = 4 };

typedef struct values {
    const char *tokenizer;
    int tensors;
} values;

static const tool_option options[] = {
    {"tokenizer", "FILE", "the vocabulary of a llama2.c checkpoint", TOOL_TEXT,
     offsetof(values, tokenizer), 0, 0},
    {"tensors", NULL, "list every tensor", TOOL_FLAG, offsetof(values, tensors), 0, 0},
};

/* ---- Keys ---- */

static void print_string(tf_string text)
{
    char shown[TF_SHOWN];
    printf("\"%s\"", tf_show(text, shown));
}

/* One element at `at`; where the next one starts. */
static const uint8_t *print_element(const tf_value *value, const uint8_t *at)
{
    if (value->type == TF_STRING) {
        const tf_string text = tf_value_as_string(at);
        print_string(text);
        return (const uint8_t *)text.at + text.bytes;
    }
    if (value->type == TF_BOOL)
        printf("%s", *at ? "true" : "false");
    else
        printf("%.9g", tf_value_as_double(value->type, at));
    return at + tf_value_type_bytes(value->type);
}

static void print_value(const tf_value *value)
{
    char key[TF_SHOWN];
    const uint8_t *at = value->at;

    printf("  %-40s  ", tf_show(value->key, key));
    if (!value->is_array) {
        print_element(value, at);
        printf("\n");
        return;
    }
    printf("%zu x %s [", value->n, tf_value_type_name(value->type));
    for (size_t i = 0; i < value->n && i < SHOWN_ELEMENTS; i++) {
        printf("%s", i ? ", " : "");
        at = print_element(value, at);
    }
    printf("%s]\n", value->n > SHOWN_ELEMENTS ? ", ..." : "");
}

static void print_keys(const tf_gguf *file)
{
    printf("\nkeys\n");
    for (size_t i = 0; i < tf_gguf_n_values(file); i++)
        print_value(tf_gguf_value_at(file, i));
}

/* ---- Tensors ---- */

static double mib(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void print_tensors(const tf_gguf *file)
{
    char name[TF_SHOWN];

    printf("\ntensors\n");
    for (size_t i = 0; i < tf_gguf_n_tensors(file); i++) {
        const tf_tensor *t = tf_gguf_tensor_at(file, i);
        printf("  %-32s  %-5s  [%zu", tf_show(t->name, name), cadre_wtype_name(t->type),
               t->dims[0]);
        for (int d = 1; d < t->n_dims; d++)
            printf(", %zu", t->dims[d]);
        printf("]  %.3f MiB\n", mib(t->bytes));
    }
}

static void print_types(const tf_gguf *file)
{
    size_t n[CADRE_N_WTYPES] = {0}, bytes[CADRE_N_WTYPES] = {0};

    for (size_t i = 0; i < tf_gguf_n_tensors(file); i++) {
        const tf_tensor *t = tf_gguf_tensor_at(file, i);
        n[t->type]++;
        bytes[t->type] += t->bytes;
    }
    for (int type = 0; type < CADRE_N_WTYPES; type++)
        if (n[type])
            printf("  tensors           %zu of %s, %.1f MiB\n", n[type],
                   cadre_wtype_name((cadre_wtype)type), mib(bytes[type]));
}

/* ---- The model ---- */

static size_t n_parameters(const tf_model *model)
{
    const tf_source *embedding = &model->embedding, *output = &model->output;
    size_t n = embedding->n_out * embedding->n_in + model->output_norm.n_in;

    if (output->data != embedding->data)
        n += output->n_out * output->n_in;
    for (size_t l = 0; model->layers && l < model->shape.n_layers; l++) {
        const tf_layer_source *layer = &model->layers[l];
        for (int m = 0; m < TF_N_MATRICES; m++)
            n += layer->matrices[m].n_out * layer->matrices[m].n_in;
        for (int v = 0; v < TF_N_VECTORS; v++)
            n += layer->vectors[v].n_in;
    }
    return n;
}

static void print_shape(const tf_model *model)
{
    const tf_shape *s = &model->shape;

    printf("  width             %zu\n", s->dim);
    printf("  layers            %zu\n", s->n_layers);
    printf("  heads             %zu of %zu values, %zu for keys and values\n", s->n_heads,
           s->head_dim, s->n_kv_heads);
    printf("  feed-forward      %zu\n", s->ffn);
    printf("  context           %zu tokens\n", s->context);
    printf("  rope              base %g, %zu values per head, pairs %s%s\n", s->rope_base,
           s->n_rot, s->rope_halves ? "(i, i + half)" : "(2i, 2i + 1)",
           s->rope_divisors ? ", with divisors" : "");
    if (s->rope_factor != 1)
        printf("  rope scaling      positions divided by %g\n", s->rope_factor);
    printf("  norm epsilon      %g\n", (double)s->eps);
    if (model->layers)
        printf("  parameters        %zu\n", n_parameters(model));
}

static void print_vocab(const tf_vocab *v)
{
    static const char *const kinds[] = {[TF_VOCAB_SPM] = "SentencePiece",
                                        [TF_VOCAB_BPE] = "byte-level BPE",
                                        [TF_VOCAB_LLAMA2C] = "llama2.c"};
    char pre[TF_SHOWN];

    printf("  vocabulary        %zu tokens, %s", v->n, kinds[v->kind]);
    if (v->kind == TF_VOCAB_BPE)
        printf(" with %zu merges, pre-tokenizer \"%s\"", v->n_merges,
               tf_show(v->pre, pre));
    printf("\n  special tokens    BOS %d%s, EOS %d%s\n", v->bos,
           v->add_bos ? " (added)" : "", v->eos, v->add_eos ? " (added)" : "");
    printf("  chat template     %s\n", v->chat_template.bytes ? "yes" : "none");
}

static cadre_status inspect(const char *path, const values *v)
{
    tf_model *model;

    CADRE_TRY(tf_model_open(path, v->tokenizer, 1, &model));
    const tf_gguf *file = model->file->gguf;
    printf("%s\n  file              %s, %.1f MiB, %s\n", model->name, path,
           mib(model->file_bytes), file ? "GGUF" : "llama2.c checkpoint");
    printf("  architecture      %s\n", model->architecture);
    print_shape(model);
    if (file)
        print_types(file);
    print_vocab(&model->vocab);
    if (file)
        print_keys(file);
    if (file && v->tensors)
        print_tensors(file);
    tf_model_close(model);
    return CADRE_OK;
}

static int run(const tool_command *self, int argc, char **argv)
{
    values v = {0};
    const char *operands[TOOL_MAX_OPERANDS];
    int code;

    if (!tool_parse(self, argc, argv, &v, operands, &code))
        return code;
    code = tool_report(self, inspect(operands[0], &v));
    return code == TOOL_OK ? tool_flush(self) : code;
}

const tool_command tool_inspect = {
    .name = "inspect",
    .summary = "check a model file and print what it holds",
    .operands = "FILE",
    .description = "Checks the file as opening it for inference does, and prints the\n"
                   "model's shape, its vocabulary, its keys and, on demand, its tensors.",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};
