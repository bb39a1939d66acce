/* random.c - cadre-model random: a model with random weights. */
#include "model_write.h"
#include "random_model.h"
#include "tool.h"

typedef struct values {
    const char *architecture, *type, *vocab_file;
    int64_t dim, layers, heads, kv_heads, head_dim, ffn, vocab, context, seed;
    int tied;
} values;

#define SIZE(name, field, least, help)                                                   \
    {                                                                                    \
        name, "N", help, TOOL_INTEGER, offsetof(values, field), least, 1 << 24           \
    }

static const tool_option options[] = {
    {"arch", "llama|qwen2|qwen3", "architecture (default: llama)", TOOL_CHOICE,
     offsetof(values, architecture), 0, 0},
    SIZE("dim", dim, 1, "width (default: 768)"),
    SIZE("layers", layers, 1, "layers (default: 12)"),
    SIZE("heads", heads, 1, "heads (default: 12)"),
    SIZE("kv-heads", kv_heads, 0, "heads of keys and values (default: as heads)"),
    SIZE("head-dim", head_dim, 0, "values of a head (default: dim / heads)"),
    SIZE("ffn", ffn, 1, "feed-forward width (default: 2048)"),
    SIZE("vocab", vocab, 1, "tokens of a made-up vocabulary (default: 32000)"),
    {"vocab-file", "FILE", "a GGUF whose vocabulary is copied", TOOL_TEXT,
     offsetof(values, vocab_file), 0, 0},
    SIZE("context", context, 1, "longest text in tokens (default: 2048)"),
    {"type", "F32|F16|BF16|Q8_0|Q4_0|Q4_K|Q5_K|Q6_K", "of the matrices (default: F32)",
     TOOL_CHOICE, offsetof(values, type), 0, 0},
    {"seed", "N", "equal seeds give equal files (default: 1)", TOOL_INTEGER,
     offsetof(values, seed), 0, INT64_MAX},
    {"tied", NULL, "let the output matrix be the embedding", TOOL_FLAG,
     offsetof(values, tied), 0, 0},
};

static cadre_status write(const char *path, const values *v)
{
    tf_random_spec spec = {
        .architecture = v->architecture,
        .dim = (size_t)v->dim,
        .n_layers = (size_t)v->layers,
        .n_heads = (size_t)v->heads,
        .n_kv_heads = (size_t)(v->kv_heads ? v->kv_heads : v->heads),
        .ffn = (size_t)v->ffn,
        .n_vocab = (size_t)v->vocab,
        .context = (size_t)v->context,
        .head_dim = (size_t)v->head_dim,
        .tied = v->tied,
        .seed = (uint64_t)v->seed,
        .vocab = v->vocab_file,
    };

    CADRE_TRY(tf_type_by_name(v->type, &spec.type));
    return tf_random_write(path, &spec);
}

static int run(const tool_command *self, int argc, char **argv)
{
    values v = {.architecture = "llama",
                .type = "F32",
                .dim = 768,
                .layers = 12,
                .heads = 12,
                .ffn = 2048,
                .vocab = 32000,
                .context = 2048,
                .seed = 1};
    const char *operands[TOOL_MAX_OPERANDS];
    int code;

    if (!tool_parse(self, argc, argv, &v, operands, &code))
        return code;
    return tool_report(self, write(operands[0], &v));
}

const tool_command tool_random = {
    .name = "random",
    .summary = "write a model with random weights",
    .operands = "OUT.gguf",
    .description = "Writes a model of any shape with random weights, for tests and\n"
                   "timings. Matrices whose rows do not fit the type's blocks are F16,\n"
                   "vectors F32.",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};
