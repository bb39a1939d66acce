/* tokenizer.c - what is the same for all vocabularies: their checks, special tokens, and
 * the way through a text. */
#include "tokenizer_parts.h"
#include "utf8.h"
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS (1 << 20)
/* So that offsets into a text whose spaces take three bytes fit an int32_t. */
#define MAX_TEXT (INT32_MAX / 4)

/* ---- Lists of tokens ---- */

cadre_status tf_tokens_push(tf_tokens *tokens, int32_t id)
{
    if (tokens->n == tokens->capacity) {
        const size_t capacity = tokens->capacity ? 2 * tokens->capacity : 64;
        int32_t *ids = realloc(tokens->ids, capacity * sizeof *ids);
        if (!ids)
            return cadre_fail(CADRE_ERR_NOMEM, "no memory for %zu tokens", capacity);
        tokens->ids = ids;
        tokens->capacity = capacity;
    }
    tokens->ids[tokens->n++] = id;
    return CADRE_OK;
}

void tf_tokens_free(tf_tokens *tokens)
{
    free(tokens->ids);
    *tokens = (tf_tokens){0};
}

/* ---- Making a tokenizer ---- */

static cadre_status check_id(const tf_vocab *vocab, const char *what, int32_t id)
{
    if (id < -1 || (id >= 0 && (size_t)id >= vocab->n))
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: the %s token is %d, but the vocabulary has %zu tokens",
                          vocab->source, what, (int)id, vocab->n);
    return CADRE_OK;
}

static cadre_status check_size(const tf_vocab *vocab)
{
    if (vocab->n == 0 || vocab->n > MAX_TOKENS)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: the vocabulary has %zu tokens; expected 1 to %d",
                          vocab->source, vocab->n, MAX_TOKENS);
    CADRE_TRY(check_id(vocab, "BOS", vocab->bos));
    CADRE_TRY(check_id(vocab, "EOS", vocab->eos));
    CADRE_TRY(check_id(vocab, "end-of-turn", vocab->eot));
    CADRE_TRY(check_id(vocab, "unknown", vocab->unk));
    return check_id(vocab, "padding", vocab->pad);
}

/* Put every token into *all, refusing those without text and those that are there. */
static cadre_status list_tokens(const tf_vocab *vocab, tf_token_table *all)
{
    char shown[TF_SHOWN];
    CADRE_TRY(tf_token_table_init(all, vocab->tokens, vocab->n));
    for (size_t i = 0; i < vocab->n; i++) {
        if (vocab->tokens[i].bytes == 0) {
            if (vocab->types && vocab->types[i] == TF_TOKEN_UNUSED)
                continue;
            return cadre_fail(CADRE_ERR_INPUT, "%s: token %zu of the vocabulary is empty",
                              vocab->source, i);
        }
        const int32_t other = tf_token_table_add(all, (int32_t)i);
        if (other >= 0)
            return cadre_fail(CADRE_ERR_INPUT,
                              "%s: tokens %d and %zu of the vocabulary are both \"%s\"",
                              vocab->source, (int)other, i,
                              tf_show(vocab->tokens[i], shown));
    }
    return CADRE_OK;
}

/* Whether a token ends a text by its name, as the models that people have call theirs;
 * files name one or two of them by id, and models use others, too. */
static int is_end_name(tf_string text)
{
    static const char *const names[] = {
        "</s>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|im_end|>",
        "<|end|>",
        "<end_of_turn>",
        "<EOT>",
        "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (tf_string_is(text, names[i]))
            return 1;
    return 0;
}

/* A token's type; without types, the ids that the file names and the names that are known
 * are special. */
static int type_of(const tf_vocab *vocab, int32_t id)
{
    if (vocab->types)
        return vocab->types[id];
    return id == vocab->bos || id == vocab->eos || id == vocab->eot || id == vocab->unk ||
                   is_end_name(vocab->tokens[id])
               ? TF_TOKEN_CONTROL
               : TF_TOKEN_NORMAL;
}

static unsigned char marks_of(const tf_vocab *vocab, int32_t id)
{
    const int type = type_of(vocab, id);
    const int user = type == TF_TOKEN_USER;
    const int special = user || type == TF_TOKEN_CONTROL || type == TF_TOKEN_UNKNOWN;
    const int ends = id == vocab->eos || id == vocab->eot ||
                     (special && is_end_name(vocab->tokens[id]));
    /* Some files call what ends a text user-defined; one that only speaks of it is not
     * over. */
    const int control = special && (ends || !user);
    return (unsigned char)((ends ? TF_MARK_END : 0) | (control ? TF_MARK_CONTROL : 0) |
                           (user && !control ? TF_MARK_USER : 0));
}

static int compare_specials(const void *a, const void *b, void *vocab)
{
    const tf_string *tokens = ((const tf_vocab *)vocab)->tokens;
    const tf_string *x = &tokens[*(const int32_t *)a], *y = &tokens[*(const int32_t *)b];
    const int order = memcmp(x->at, y->at, x->bytes < y->bytes ? x->bytes : y->bytes);
    return order ? order : x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* Whether a token can stand in a text as it is; one that is no whole characters would
 * cut those of the text apart. */
static int is_text(tf_string token)
{
    return token.bytes > 0 && tf_utf8_valid(token.at, token.bytes) == token.bytes;
}

static void list_specials(tf_tokenizer *t)
{
    const tf_vocab *vocab = t->vocab;
    for (size_t i = 0; i < vocab->n; i++) {
        t->marks[i] = marks_of(vocab, (int32_t)i);
        if (!(t->marks[i] & (TF_MARK_CONTROL | TF_MARK_USER)) ||
            !is_text(vocab->tokens[i]))
            continue;
        t->specials[t->n_specials++] = (int32_t)i;
        t->starts[(unsigned char)vocab->tokens[i].at[0]] |= t->marks[i];
    }
    qsort_r(t->specials, t->n_specials, sizeof *t->specials, compare_specials,
            (void *)(uintptr_t)vocab);
}

void tf_tokenizer_set_text(tf_tokenizer *t, int32_t id, const char *bytes, size_t n)
{
    char *at = t->arena + t->arena_bytes;
    memcpy(at, bytes, n);
    t->texts[id] = (tf_string){at, n};
    t->arena_bytes += n;
}

static cadre_status take_memory(tf_tokenizer *t)
{
    const tf_vocab *vocab = t->vocab;
    size_t bytes = 1;
    for (size_t i = 0; i < vocab->n; i++)
        bytes += vocab->tokens[i].bytes;
    t->marks = calloc(vocab->n, sizeof *t->marks);
    t->texts = calloc(vocab->n, sizeof *t->texts);
    t->specials = calloc(vocab->n, sizeof *t->specials);
    t->arena = malloc(bytes);
    return t->marks && t->texts && t->specials && t->arena
               ? CADRE_OK
               : cadre_fail(CADRE_ERR_NOMEM,
                            "%s: no memory for a tokenizer of %zu tokens", vocab->source,
                            vocab->n);
}

static cadre_status fill(tf_tokenizer *t, tf_token_table *all)
{
    CADRE_TRY(take_memory(t));
    CADRE_TRY(list_tokens(t->vocab, all));
    list_specials(t);
    for (size_t i = 0; i < t->vocab->n; i++)
        t->texts[i].at = "";
    memset(t->byte_ids, -1, sizeof t->byte_ids);
    return t->vocab->kind == TF_VOCAB_BPE ? tf_bpe_create(t, all) : tf_spm_create(t);
}

cadre_status tf_tokenizer_create(const tf_vocab *vocab, tf_tokenizer **out)
{
    tf_token_table all = {0};
    *out = NULL;
    CADRE_TRY(check_size(vocab));
    tf_tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return cadre_fail(CADRE_ERR_NOMEM, "%s: no memory for a tokenizer",
                          vocab->source);
    t->vocab = vocab;
    const cadre_status st = fill(t, &all);
    tf_token_table_fini(&all);
    if (st != CADRE_OK)
        tf_tokenizer_destroy(t);
    else
        *out = t;
    return st;
}

void tf_tokenizer_destroy(tf_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    free(tokenizer->marks);
    free(tokenizer->texts);
    free(tokenizer->arena);
    free(tokenizer->specials);
    tf_token_table_fini(&tokenizer->table);
    tf_merge_table_fini(&tokenizer->merges);
    tf_pretokenizer_destroy(tokenizer->pre);
    free(tokenizer);
}

/* ---- Special tokens in a text ---- */

/* The first of specials[from..to) whose byte at depth is `byte` or higher; all of them
 * are longer than depth and the same before it. */
static size_t first_special(const tf_tokenizer *t, size_t from, size_t to, size_t depth,
                            unsigned byte)
{
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const tf_string *token = &t->vocab->tokens[t->specials[middle]];
        if ((unsigned char)token->at[depth] < byte)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The longest special token at the start of text[bytes], or -1; control tokens only
 * within its first template_bytes. */
static int32_t special_at(const tf_tokenizer *t, const char *text, size_t bytes,
                          size_t template_bytes)
{
    size_t from = 0, to = t->n_specials;
    int32_t best = -1;
    for (size_t depth = 0; from < to; depth++) {
        const int32_t id = t->specials[from];
        if (t->vocab->tokens[id].bytes == depth) { /* the shortest stands first */
            if ((t->marks[id] & TF_MARK_USER) || depth <= template_bytes)
                best = id;
            from++;
        }
        if (depth == bytes)
            break;
        const unsigned byte = (unsigned char)text[depth];
        from = first_special(t, from, to, depth, byte);
        to = first_special(t, from, to, depth, byte + 1);
    }
    return best;
}

/* ---- Encoding ---- */

/* A text and how much of it, from where we are, is template. */
typedef struct walk {
    const tf_piece *pieces;
    const char *text;
    size_t bytes, at;
    size_t piece, piece_end; /* where we are */
} walk;

static size_t template_bytes_at(walk *w, size_t at)
{
    while (at >= w->piece_end) /* at < bytes: a piece follows */
        w->piece_end += w->pieces[++w->piece].bytes;
    return w->pieces[w->piece].is_template ? w->piece_end - at : 0;
}

/* Move w->at to the next special token and return it, or to the end and return -1. */
static int32_t next_special(const tf_tokenizer *t, walk *w)
{
    for (; w->at < w->bytes; w->at++) {
        const unsigned char starts = t->starts[(unsigned char)w->text[w->at]];
        if (!starts)
            continue;
        const size_t template_bytes = template_bytes_at(w, w->at);
        if (!template_bytes && !(starts & TF_MARK_USER))
            continue;
        const int32_t id =
            special_at(t, w->text + w->at, w->bytes - w->at, template_bytes);
        if (id >= 0)
            return id;
    }
    return -1;
}

static cadre_status encode_text(const tf_tokenizer *t, tf_encoding *encoding,
                                const char *text, size_t bytes, int after_special)
{
    if (bytes == 0)
        return CADRE_OK;
    return t->vocab->kind == TF_VOCAB_BPE
               ? tf_bpe_encode(t, encoding, text, bytes)
               : tf_spm_encode(t, encoding, text, bytes,
                               after_special && t->vocab->add_space_prefix);
}

static cadre_status encode_all(const tf_tokenizer *t, tf_encoding *encoding, walk *w)
{
    int after_special = 1;
    for (;;) {
        const size_t start = w->at;
        const int32_t special = next_special(t, w);
        CADRE_TRY(
            encode_text(t, encoding, w->text + start, w->at - start, after_special));
        if (special < 0)
            return CADRE_OK;
        CADRE_TRY(tf_tokens_push(encoding->out, special));
        w->at += t->vocab->tokens[special].bytes;
        after_special = 1;
    }
}

static cadre_status check_pieces(const tf_piece *pieces, size_t n, size_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t valid = tf_utf8_valid(pieces[i].text, pieces[i].bytes);
        if (valid < pieces[i].bytes)
            return cadre_fail(
                CADRE_ERR_INPUT,
                "part %zu of the text: byte %zu (0x%02X) is not valid UTF-8", i + 1,
                valid, (unsigned)(unsigned char)pieces[i].text[valid]);
        if (pieces[i].bytes > MAX_TEXT - *bytes)
            return cadre_fail(CADRE_ERR_INPUT,
                              "the text has more than %d bytes, which is the most",
                              MAX_TEXT);
        *bytes += pieces[i].bytes;
    }
    return CADRE_OK;
}

/* The pieces as one text, which the caller frees. NULL: no memory. */
static char *join_pieces(const tf_piece *pieces, size_t n, size_t bytes)
{
    char *text = malloc(bytes + 1), *at = text;
    for (size_t i = 0; text && i < n; i++)
        at = (char *)memcpy(at, pieces[i].text, pieces[i].bytes) + pieces[i].bytes;
    return text;
}

cadre_status tf_tokenizer_encode(const tf_tokenizer *tokenizer, const tf_piece *pieces,
                                 size_t n_pieces, int add_bos, tf_tokens *out)
{
    const tf_vocab *vocab = tokenizer->vocab;
    const size_t n_before = out->n;
    tf_encoding encoding = {.out = out};
    size_t bytes;
    CADRE_TRY(check_pieces(pieces, n_pieces, &bytes));
    char *text = join_pieces(pieces, n_pieces, bytes);
    if (!text)
        return cadre_fail(CADRE_ERR_NOMEM, "no memory to tokenize %zu bytes", bytes);
    cadre_status st = CADRE_OK;
    if (add_bos && vocab->add_bos && vocab->bos >= 0)
        st = tf_tokens_push(out, vocab->bos);
    if (st == CADRE_OK && bytes > 0) {
        walk w = {pieces, text, bytes, 0, 0, pieces[0].bytes};
        st = encode_all(tokenizer, &encoding, &w);
    }
    tf_merger_fini(&encoding.merger);
    tf_words_fini(&encoding.words);
    free(encoding.spaced);
    free(text);
    if (st != CADRE_OK)
        out->n = n_before;
    return st;
}

/* ---- Questions ---- */

const char *tf_tokenizer_text(const tf_tokenizer *tokenizer, int32_t id, size_t *bytes)
{
    if (id < 0 || (size_t)id >= tokenizer->vocab->n) {
        *bytes = 0;
        return "";
    }
    *bytes = tokenizer->texts[id].bytes;
    return tokenizer->texts[id].at;
}

int tf_tokenizer_drops_space(const tf_tokenizer *tokenizer)
{
    return tokenizer->vocab->kind != TF_VOCAB_BPE && tokenizer->vocab->add_space_prefix;
}

int tf_tokenizer_is_end(const tf_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && (size_t)id < tokenizer->vocab->n &&
           (tokenizer->marks[id] & TF_MARK_END);
}

size_t tf_tokenizer_n_vocab(const tf_tokenizer *tokenizer)
{
    return tokenizer->vocab->n;
}
