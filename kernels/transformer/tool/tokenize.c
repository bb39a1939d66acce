/* tokenize.c - cadre-model tokenize: the tokens of a text. */
#include "tokenizer.h"
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *tokenizer;
    int bos, special, pieces;
} values;

static const tool_option options[] = {
    {"tokenizer", "FILE", "the vocabulary of a llama2.c checkpoint", TOOL_TEXT,
     offsetof(values, tokenizer), 0, 0},
    {"bos", NULL, "begin with BOS if the model's prompts do", TOOL_FLAG,
     offsetof(values, bos), 0, 0},
    {"special", NULL, "recognise special tokens, as in a chat template", TOOL_FLAG,
     offsetof(values, special), 0, 0},
    {"pieces", NULL, "print a line per token, with its text in the vocabulary", TOOL_FLAG,
     offsetof(values, pieces), 0, 0},
};

/* All of standard input, which the caller frees. */
static cadre_status read_input(char **text, size_t *bytes)
{
    size_t capacity = 0;
    *text = NULL;
    *bytes = 0;
    do {
        if (*bytes == capacity) {
            capacity = capacity ? 2 * capacity : 1 << 16;
            char *grown = realloc(*text, capacity);
            if (!grown)
                return cadre_fail(CADRE_ERR_NOMEM, "no memory for %zu bytes of input",
                                  capacity);
            *text = grown;
        }
        *bytes += fread(*text + *bytes, 1, capacity - *bytes, stdin);
    } while (!feof(stdin) && !ferror(stdin));
    return ferror(stdin) ? cadre_fail(CADRE_ERR_IO, "standard input cannot be read")
                         : CADRE_OK;
}

static void print_pieces(const tf_vocab *vocab, const tf_tokens *tokens)
{
    char shown[TF_SHOWN];
    for (size_t i = 0; i < tokens->n; i++)
        printf("%7d  \"%s\"\n", (int)tokens->ids[i],
               tf_show(vocab->tokens[tokens->ids[i]], shown));
}

static void print_ids(const tf_tokens *tokens)
{
    for (size_t i = 0; i < tokens->n; i++)
        printf("%s%d", i ? " " : "", (int)tokens->ids[i]);
    printf("\n");
}

static cadre_status tokenize(const tf_vocab *vocab, const tf_piece *piece,
                             const values *v)
{
    tf_tokenizer *tokenizer;
    tf_tokens tokens = {0};
    CADRE_TRY(tf_tokenizer_create(vocab, &tokenizer));
    const cadre_status st = tf_tokenizer_encode(tokenizer, piece, 1, v->bos, &tokens);
    if (st == CADRE_OK && v->pieces)
        print_pieces(vocab, &tokens);
    else if (st == CADRE_OK)
        print_ids(&tokens);
    tf_tokens_free(&tokens);
    tf_tokenizer_destroy(tokenizer);
    return st;
}

static cadre_status open_and_tokenize(const char *path, const char *text, const values *v)
{
    tf_model *model;
    char *input = NULL;
    size_t bytes = text ? strlen(text) : 0;
    CADRE_TRY(tf_model_open(path, v->tokenizer, 1, &model));
    cadre_status st = text ? CADRE_OK : read_input(&input, &bytes);
    const tf_piece piece = {text ? text : input, bytes, v->special};
    if (st == CADRE_OK)
        st = tokenize(&model->vocab, &piece, v);
    free(input);
    tf_model_close(model);
    return st;
}

static int run(const tool_command *self, int argc, char **argv)
{
    values v = {0};
    const char *operands[TOOL_MAX_OPERANDS];
    int code;

    if (!tool_parse(self, argc, argv, &v, operands, &code))
        return code;
    const char *text = operands[1];
    if (text && strcmp(text, "-") == 0)
        text = NULL;
    code = tool_report(self, open_and_tokenize(operands[0], text, &v));
    return code == TOOL_OK ? tool_flush(self) : code;
}

const tool_command tool_tokenize = {
    .name = "tokenize",
    .summary = "print the tokens of a text",
    .operands = "MODEL [TEXT]",
    .description = "Prints the ids of the tokens on one line. Without TEXT, or if it is\n"
                   "\"-\", standard input is read to its end.",
    .min_operands = 1,
    .max_operands = 2,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};
