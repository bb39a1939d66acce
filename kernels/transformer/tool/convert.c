/* convert.c - cadre-model convert: a model as GGUF, in another type. */
#include "convert_model.h"
#include "model_write.h"
#include "tool.h"
#include <stdio.h>

typedef struct values {
    const char *type, *tokenizer;
} values;

static const tool_option options[] = {
    {"type", "F32|F16|BF16|Q8_0|Q4_0", "of the matrices (default: F16)", TOOL_CHOICE,
     offsetof(values, type), 0, 0},
    {"tokenizer", "FILE", "the vocabulary of a llama2.c checkpoint", TOOL_TEXT,
     offsetof(values, tokenizer), 0, 0},
};

static cadre_status convert(const char *in, const char *out, const values *v)
{
    size_t n_others = 0;
    cadre_wtype type = CADRE_W_F16;
    tf_model *model;

    CADRE_TRY(tf_type_by_name(v->type, &type));
    CADRE_TRY(tf_model_open(in, v->tokenizer, 0, &model));
    const cadre_status st = tf_convert(model, type, out, &n_others);
    tf_model_close(model);
    if (st == CADRE_OK && n_others > 0)
        fprintf(stderr,
                "cadre-model convert: %zu matrices are F16, as their rows do not fit "
                "%s's blocks of %zu\n",
                n_others, cadre_wtype_name(type), cadre_wtype_block(type));
    return st;
}

static int run(const tool_command *self, int argc, char **argv)
{
    values v = {.type = "F16"};
    const char *operands[TOOL_MAX_OPERANDS];
    int code;

    if (!tool_parse(self, argc, argv, &v, operands, &code))
        return code;
    return tool_report(self, convert(operands[0], operands[1], &v));
}

const tool_command tool_convert = {
    .name = "convert",
    .summary = "write a model as GGUF, in another type",
    .operands = "IN OUT.gguf",
    .description =
        "Reads a llama2.c checkpoint or a GGUF file and writes a GGUF file with\n"
        "matrices of another type. Vectors stay F32; matrices whose rows do\n"
        "not fit the type's blocks become F16.",
    .min_operands = 2,
    .max_operands = 2,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};
