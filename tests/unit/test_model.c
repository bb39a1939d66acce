/* tests/unit/test_model.c - models in GGUF files and llama2.c checkpoints: described as
 * they are, and refused with a sentence where anything does not fit. */
#include "cmocka_all.h"
#include "h5_case.h"
#include "transformer/model.h"
#include "transformer/tool/convert_model.h"
#include "transformer/tool/gguf_write.h"
#include "transformer/tool/random_model.h"
#include <math.h>

/* A file beside the sources; the test is passed over, loudly, if it is not there. */
static const char *shared(const char *name)
{
    static char paths[2][1024];
    static int turn;
    const char *source = getenv("CADRE_TEST_SOURCE");
    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/../shared/data/%s",
             source ? source : ".", name);
    if (access(paths[turn], R_OK) != 0) {
        fprintf(stderr, "SKIPPED: no %s\n", paths[turn]);
        skip();
    }
    return paths[turn];
}

static tf_random_spec small(const char *architecture, cadre_wtype type)
{
    return (tf_random_spec){.architecture = architecture,
                            .dim = 32,
                            .n_layers = 2,
                            .n_heads = 4,
                            .n_kv_heads = 2,
                            .ffn = 64,
                            .n_vocab = 300,
                            .context = 128,
                            .type = type,
                            .seed = 3};
}

static tf_model *opened(const char *path, const char *tokenizer)
{
    tf_model *model;
    if (tf_model_open(path, tokenizer, 0, &model) != CADRE_OK)
        fail_msg("%s", cadre_last_error());
    return model;
}

static void refused(const char *path, const char *tokenizer, cadre_status code,
                    const char *says)
{
    tf_model *model;
    assert_int_equal(tf_model_open(path, tokenizer, 0, &model), code);
    assert_null(model);
    if (!strstr(cadre_last_error(), says))
        fail_msg("expected \"%s\" in \"%s\"", says, cadre_last_error());
}

/* ---- Models of each architecture ---- */

static void test_llama(void **state)
{
    const tf_random_spec spec = small("llama", CADRE_W_Q8_0);
    (void)state;
    assert_int_equal(tf_random_write(in_folder("llama.gguf"), &spec), CADRE_OK);
    tf_model *m = opened(in_folder("llama.gguf"), NULL);
    assert_string_equal(m->architecture, "llama");
    assert_string_equal(m->name, "random-2x32");
    const tf_shape *s = &m->shape;
    assert_int_equal(s->dim, 32);
    assert_int_equal(s->n_layers, 2);
    assert_int_equal(s->n_heads, 4);
    assert_int_equal(s->n_kv_heads, 2);
    assert_int_equal(s->head_dim, 8);
    assert_int_equal(s->n_rot, 8);
    assert_int_equal(s->ffn, 64);
    assert_int_equal(s->n_vocab, 300);
    assert_int_equal(s->context, 128);
    assert_int_equal(s->rope_halves, 0);
    assert_true(s->rope_base == 10000 && s->rope_factor == 1 && !s->rope_divisors);
    assert_true(s->eps == 1e-5f);
    assert_int_equal(m->embedding.type, CADRE_W_Q8_0);
    assert_int_equal(m->embedding.n_out, 300);
    assert_ptr_not_equal(m->output.data, m->embedding.data);
    const tf_layer_source *layer = &m->layers[1];
    assert_int_equal(layer->matrices[TF_K].n_out, 16);
    assert_int_equal(layer->matrices[TF_K].n_in, 32);
    assert_int_equal(layer->matrices[TF_DOWN].n_out, 32);
    assert_int_equal(layer->matrices[TF_DOWN].n_in, 64);
    assert_int_equal(layer->vectors[TF_ATTN_NORM].n_in, 32);
    assert_null(layer->vectors[TF_Q_BIAS].data);
    assert_null(layer->vectors[TF_Q_NORM].data);
    tf_model_close(m);
    tf_model_close(NULL);
}

static void test_qwen(void **state)
{
    tf_random_spec spec = small("qwen2", CADRE_W_F32);
    (void)state;
    spec.tied = 1;
    assert_int_equal(tf_random_write(in_folder("qwen.gguf"), &spec), CADRE_OK);
    tf_model *m = opened(in_folder("qwen.gguf"), NULL);
    assert_int_equal(m->shape.rope_halves, 1);
    assert_ptr_equal(m->output.data, m->embedding.data);
    assert_int_equal(m->layers[0].vectors[TF_Q_BIAS].n_in, 32);
    assert_int_equal(m->layers[0].vectors[TF_V_BIAS].n_in, 16);
    tf_model_close(m);

    spec = small("qwen3", CADRE_W_F32);
    spec.head_dim = 16; /* wider than dim / heads */
    assert_int_equal(tf_random_write(in_folder("qwen.gguf"), &spec), CADRE_OK);
    m = opened(in_folder("qwen.gguf"), NULL);
    assert_int_equal(m->shape.head_dim, 16);
    assert_int_equal(m->layers[1].matrices[TF_Q].n_out, 64);
    assert_int_equal(m->layers[1].matrices[TF_O].n_in, 64);
    assert_int_equal(m->layers[1].vectors[TF_K_NORM].n_in, 16);
    tf_model_close(m);
}

/* Every type is written as a matrix of the deviation it should have. */
static void test_types(void **state)
{
    (void)state;
    for (int type = 0; type < CADRE_N_WTYPES; type++) {
        tf_random_spec spec = small("llama", (cadre_wtype)type);
        float row[256];
        double sum = 0, squares = 0;
        spec.dim = 256;
        spec.n_layers = 1;
        assert_int_equal(tf_random_write(in_folder("type.gguf"), &spec), CADRE_OK);
        tf_model *m = opened(in_folder("type.gguf"), NULL);
        const tf_source *w = &m->embedding;
        assert_int_equal(w->type, type);
        const size_t bytes =
            256 / cadre_wtype_block(w->type) * cadre_wtype_block_bytes(w->type);
        for (size_t i = 0; i < w->n_out; i++) {
            cadre_dequantize(w->type, (const uint8_t *)w->data + i * bytes, 256, row);
            for (int k = 0; k < 256; k++) {
                sum += (double)row[k];
                squares += (double)row[k] * (double)row[k];
            }
        }
        const double n = 256.0 * (double)w->n_out, mean = sum / n;
        const double deviation = sqrt(squares / n - mean * mean);
        assert_true(fabs(mean) < 0.1 / 16);
        assert_true(deviation > 0.8 / 16 && deviation < 1.2 / 16);
        /* 64 is no multiple of the K types' blocks. */
        assert_int_equal(m->layers[0].matrices[TF_DOWN].type,
                         type >= CADRE_W_Q4_K ? CADRE_W_F16 : type);
        tf_model_close(m);
    }
}

static void test_random_is_reproducible(void **state)
{
    tf_random_spec spec = small("llama", CADRE_W_F16);
    size_t n_a = 0, n_b = 0;
    (void)state;
    assert_int_equal(tf_random_write(in_folder("a.gguf"), &spec), CADRE_OK);
    assert_int_equal(tf_random_write(in_folder("b.gguf"), &spec), CADRE_OK);
    char *a = get_file(in_folder("a.gguf"), &n_a),
         *b = get_file(in_folder("b.gguf"), &n_b);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a);
    free(b);
    spec.seed = 4;
    assert_int_equal(tf_random_write(in_folder("b.gguf"), &spec), CADRE_OK);
    b = get_file(in_folder("b.gguf"), &n_b);
    assert_int_not_equal(memcmp(a, b, n_a), 0);
    free(a);
    free(b);
    spec.n_kv_heads = 3;
    assert_int_equal(tf_random_write(in_folder("c.gguf"), &spec), CADRE_ERR_INPUT);
    spec = small("gpt2", CADRE_W_F16);
    assert_int_equal(tf_random_write(in_folder("c.gguf"), &spec), CADRE_ERR_INPUT);
    assert_int_not_equal(access(in_folder("c.gguf"), F_OK), 0);
}

/* ---- A model with one thing changed ---- */

typedef enum action {
    DROP_KEY,
    SET_INTEGER,
    SET_NUMBER,
    SET_TEXT,
    SET_TRUE,
    SET_FALSE,
    SET_INTEGERS, /* two elements, as there are two layers */
    DROP_TENSOR,
    RENAME_TENSOR,  /* to `text` */
    RESHAPE_TENSOR, /* to one row of `number` */
    ADD_TENSOR      /* four times `number` */
} action;

typedef struct change {
    action action;
    const char *what;
    double number;
    const char *text;
} change;

static void write_changed_key(tf_writer *w, const change *c)
{
    const int32_t number = (int32_t)(c->action == SET_INTEGERS ? c->number : 0);
    const int32_t pair[2] = {number, c->text ? 1 : number};
    switch (c->action) {
    case SET_INTEGER:
        tf_write_integer(w, c->what, (uint32_t)c->number);
        break;
    case SET_NUMBER:
        tf_write_number(w, c->what, (float)c->number);
        break;
    case SET_TEXT:
        tf_write_string(w, c->what, c->text);
        break;
    case SET_TRUE:
    case SET_FALSE:
        tf_write_boolean(w, c->what, c->action == SET_TRUE);
        break;
    case SET_INTEGERS:
        tf_write_integers(w, c->what, pair, 2);
        break;
    default:
        break;
    }
}

static void write_tensor(tf_writer *w, const tf_tensor *t, const change *c, int data)
{
    const int chosen = c->action >= DROP_TENSOR && tf_string_is(t->name, c->what);
    const int reshaped = chosen && c->action == RESHAPE_TENSOR;
    const size_t bytes = reshaped ? (size_t)c->number * sizeof(float) : t->bytes;
    tf_string name = t->name;
    if (chosen && c->action == DROP_TENSOR)
        return;
    if (chosen && c->action == RENAME_TENSOR)
        name = (tf_string){c->text, strlen(c->text)};
    if (data)
        assert_int_equal(tf_write_data(w, t->data, bytes), CADRE_OK);
    else
        tf_write_tensor(w, name, t->type, reshaped ? (size_t)c->number : t->dims[0],
                        reshaped || t->n_dims == 1 ? 0 : t->dims[1]);
}

static void add_tensor(tf_writer *w, const change *c, int data)
{
    const float v = (float)c->number, values[4] = {v, v, v, v};
    const tf_string name = {c->what, strlen(c->what)};
    if (data)
        assert_int_equal(tf_write_data(w, values, sizeof values), CADRE_OK);
    else
        tf_write_tensor(w, name, CADRE_W_F32, 4, 0);
}

static void write_changed(const char *from, const char *to, const change *c)
{
    tf_writer *w;
    tf_gguf *g;
    assert_int_equal(tf_gguf_open(from, &g), CADRE_OK);
    assert_int_equal(tf_writer_create(to, &w), CADRE_OK);
    for (size_t i = 0; i < tf_gguf_n_values(g); i++)
        if (c->action >= DROP_TENSOR ||
            !tf_string_is(tf_gguf_value_at(g, i)->key, c->what))
            tf_write_value(w, tf_gguf_value_at(g, i));
    write_changed_key(w, c);
    for (int data = 0; data < 2; data++) {
        for (size_t i = 0; i < tf_gguf_n_tensors(g); i++)
            write_tensor(w, tf_gguf_tensor_at(g, i), c, data);
        if (c->action == ADD_TENSOR)
            add_tensor(w, c, data);
    }
    assert_int_equal(tf_writer_finish(w), CADRE_OK);
    tf_gguf_close(g);
}

/* A model of the architecture with one change, in a file. */
static const char *changed(const char *architecture, const change *c)
{
    const tf_random_spec spec = small(architecture, CADRE_W_F32);
    assert_int_equal(tf_random_write(in_folder("good.gguf"), &spec), CADRE_OK);
    write_changed(in_folder("good.gguf"), in_folder("changed.gguf"), c);
    return in_folder("changed.gguf");
}

/* What is changed in a good model of 2 layers, and what must be said of it. */
static const struct {
    change change;
    cadre_status code;
    const char *says;
} refusals[] = {
    {{DROP_KEY, "general.architecture", 0, 0}, CADRE_ERR_INPUT, "is missing"},
    {{SET_TEXT, "general.architecture", 0, "gemma2"},
     CADRE_ERR_UNSUPPORTED,
     "architecture \"gemma2\" is not supported"},
    {{DROP_KEY, "llama.block_count", 0, 0},
     CADRE_ERR_INPUT,
     "\"llama.block_count\" is missing"},
    {{SET_INTEGER, "llama.block_count", 0, 0}, CADRE_ERR_INPUT, "from 1 to"},
    {{SET_INTEGER, "llama.block_count", 3, 0}, CADRE_ERR_INPUT, "for each of 3 layers"},
    {{SET_INTEGER, "llama.block_count", 1, 0}, CADRE_ERR_UNSUPPORTED, "tensor \"blk.1."},
    {{SET_INTEGER, "llama.block_count", 1 << 20, 0},
     CADRE_ERR_INPUT,
     "for each of 1048576 layers"},
    {{SET_INTEGER, "llama.embedding_length", 4e9, 0}, CADRE_ERR_INPUT, "found 4000"},
    {{SET_INTEGER, "llama.embedding_length", 40, 0},
     CADRE_ERR_INPUT,
     "\"token_embd.weight\": expected shape [40, 300], found [32, 300, 1, 1]"},
    {{SET_TEXT, "llama.embedding_length", 0, "32"},
     CADRE_ERR_INPUT,
     "expected an integer, found string"},
    {{SET_INTEGER, "llama.attention.head_count", 3, 0}, CADRE_ERR_INPUT, "equal groups"},
    {{SET_INTEGERS, "llama.attention.head_count_kv", 2, "unlike"},
     CADRE_ERR_UNSUPPORTED,
     "layers that differ"},
    {{SET_INTEGER, "llama.attention.value_length", 4, 0},
     CADRE_ERR_UNSUPPORTED,
     "keys of 8 values and values of 4"},
    {{SET_INTEGER, "llama.rope.dimension_count", 5, 0}, CADRE_ERR_INPUT, "even"},
    {{SET_INTEGER, "llama.rope.dimension_count", 16, 0}, CADRE_ERR_INPUT, "even"},
    {{SET_NUMBER, "llama.attention.layer_norm_rms_epsilon", -1, 0},
     CADRE_ERR_INPUT,
     "found -1"},
    {{SET_NUMBER, "llama.attention.layer_norm_rms_epsilon", NAN, 0},
     CADRE_ERR_INPUT,
     "from 0 to 1, found"},
    {{SET_NUMBER, "llama.rope.freq_base", INFINITY, 0}, CADRE_ERR_INPUT, "found inf"},
    {{SET_TEXT, "llama.rope.scaling.type", 0, "yarn"},
     CADRE_ERR_UNSUPPORTED,
     "\"yarn\" is not supported"},
    {{SET_NUMBER, "llama.rope.scaling.factor", 1e-9, 0}, CADRE_ERR_INPUT, "rope scaling"},
    {{SET_NUMBER, "llama.rope.scaling.attn_factor", 2, 0},
     CADRE_ERR_UNSUPPORTED,
     "attn_factor"},
    {{SET_INTEGER, "llama.expert_count", 8, 0}, CADRE_ERR_UNSUPPORTED, "8 experts"},
    {{SET_FALSE, "llama.attention.causal", 0, 0}, CADRE_ERR_UNSUPPORTED, "later tokens"},
    {{SET_TEXT, "tokenizer.ggml.model", 0, "bert"},
     CADRE_ERR_UNSUPPORTED,
     "\"bert\" is not supported"},
    {{DROP_KEY, "tokenizer.ggml.tokens", 0, 0}, CADRE_ERR_INPUT, "tokens\" is miss"},
    {{DROP_KEY, "tokenizer.ggml.scores", 0, 0}, CADRE_ERR_INPUT, "scores\" is miss"},
    {{SET_INTEGERS, "tokenizer.ggml.token_type", 1, 0},
     CADRE_ERR_INPUT,
     "an element for each of 300 tokens, found 2"},
    {{SET_INTEGERS, "tokenizer.ggml.token_type", 7, 0},
     CADRE_ERR_INPUT,
     "from 0 to 6, found 7"},
    {{SET_INTEGER, "tokenizer.ggml.bos_token_id", 300, 0},
     CADRE_ERR_INPUT,
     "from 0 to 299, found 300"},
    {{SET_TEXT, "tokenizer.ggml.model", 0, "gpt2"},
     CADRE_ERR_INPUT,
     "merges\" is missing"},
    {{DROP_TENSOR, "blk.1.ffn_up.weight", 0, 0},
     CADRE_ERR_INPUT,
     "\"blk.1.ffn_up.weight\" is missing"},
    {{DROP_TENSOR, "output_norm.weight", 0, 0}, CADRE_ERR_INPUT, "is missing"},
    {{RENAME_TENSOR, "output.weight", 0, "strange.weight"},
     CADRE_ERR_UNSUPPORTED,
     "tensor \"strange.weight\" is none that architecture llama has"},
    {{RENAME_TENSOR, "output.weight", 0, "blk.0.attn_q_norm.weight"},
     CADRE_ERR_UNSUPPORTED,
     "attn_q_norm"},
    {{RENAME_TENSOR, "output.weight", 0, "rope_freqs.weight"},
     CADRE_ERR_INPUT,
     "expected shape [4, 1]"},
    {{RESHAPE_TENSOR, "blk.0.attn_norm.weight", 31, 0},
     CADRE_ERR_INPUT,
     "expected shape [32, 1], found [31, 1, 1, 1]"},
};

static void test_changes_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        refused(changed("llama", &refusals[i].change), NULL, refusals[i].code,
                refusals[i].says);
}

static void test_qwen_changes_refused(void **state)
{
    const change no_bias = {DROP_TENSOR, "blk.0.attn_k.bias", 0, 0};
    const change no_norm = {DROP_TENSOR, "blk.1.attn_k_norm.weight", 0, 0};
    (void)state;
    refused(changed("qwen2", &no_bias), NULL, CADRE_ERR_INPUT,
            "attn_k.bias\" is missing");
    refused(changed("qwen3", &no_norm), NULL, CADRE_ERR_INPUT,
            "attn_k_norm.weight\" is missing");
}

static void test_changes_accepted(void **state)
{
    static const change drop_output = {DROP_TENSOR, "output.weight", 0, 0},
                        drop_kv = {DROP_KEY, "llama.attention.key_length", 0, 0},
                        kv_array = {SET_INTEGERS, "llama.attention.head_count_kv", 2, 0},
                        linear = {SET_NUMBER, "llama.rope.scaling.factor", 4, 0},
                        legacy = {SET_NUMBER, "llama.rope.scale_linear", 2, 0},
                        no_scale = {SET_NUMBER, "llama.rope.scaling.factor", 0, 0},
                        pad = {SET_INTEGER, "tokenizer.ggml.padding_token_id",
                               4294967295.0, 0},
                        no_bos = {SET_FALSE, "tokenizer.ggml.add_bos_token", 0, 0},
                        base = {SET_NUMBER, "llama.rope.freq_base", 500000, 0},
                        few = {SET_INTEGER, "llama.rope.dimension_count", 4, 0};
    (void)state;
    tf_model *m = opened(changed("llama", &drop_output), NULL);
    assert_ptr_equal(m->output.data, m->embedding.data);
    tf_model_close(m);
    m = opened(changed("llama", &drop_kv), NULL);
    assert_int_equal(m->shape.head_dim, 8);
    tf_model_close(m);
    m = opened(changed("llama", &kv_array), NULL);
    assert_int_equal(m->shape.n_kv_heads, 2);
    tf_model_close(m);
    m = opened(changed("llama", &linear), NULL);
    assert_true(m->shape.rope_factor == 4);
    tf_model_close(m);
    m = opened(changed("llama", &legacy), NULL);
    assert_true(m->shape.rope_factor == 2);
    tf_model_close(m);
    m = opened(changed("llama", &no_scale), NULL);
    assert_true(m->shape.rope_factor == 1);
    tf_model_close(m);
    m = opened(changed("llama", &pad), NULL);
    assert_int_equal(m->vocab.pad, -1);
    assert_int_equal(m->vocab.add_bos, 1);
    assert_int_equal(m->vocab.add_space_prefix, 1);
    tf_model_close(m);
    m = opened(changed("llama", &no_bos), NULL);
    assert_int_equal(m->vocab.add_bos, 0);
    tf_model_close(m);
    m = opened(changed("llama", &base), NULL);
    assert_true(m->shape.rope_base == 500000);
    tf_model_close(m);
    m = opened(changed("llama", &few), NULL);
    assert_int_equal(m->shape.n_rot, 4);
    tf_model_close(m);
}

static void test_rope_divisors(void **state)
{
    static const char *const name = "rope_freqs.weight";
    const change two = {ADD_TENSOR, name, 2, 0}, zero = {ADD_TENSOR, name, 0, 0},
                 nan = {ADD_TENSOR, name, NAN, 0},
                 other = {ADD_TENSOR, "rope_factors_long.weight", 2, 0};
    (void)state;
    tf_model *m = opened(changed("llama", &two), NULL);
    for (int i = 0; i < 4; i++)
        assert_true(m->shape.rope_divisors[i] == 2);
    tf_model_close(m);
    refused(changed("llama", &zero), NULL, CADRE_ERR_INPUT, "above 0, found 0 at 0");
    refused(changed("llama", &nan), NULL, CADRE_ERR_INPUT, "finite");
    refused(changed("llama", &other), NULL, CADRE_ERR_UNSUPPORTED, "rope_factors_long");
}

static void test_vocabulary_only(void **state)
{
    tf_model *m;
    (void)state;
    assert_int_equal(
        tf_model_open(shared("vocab/ggml-vocab-llama-spm.gguf"), NULL, 1, &m), CADRE_OK);
    assert_null(m->layers);
    assert_int_equal(m->vocab.kind, TF_VOCAB_SPM);
    assert_int_equal(m->vocab.n, 32000);
    assert_int_equal(m->vocab.types[0], TF_TOKEN_UNKNOWN);
    assert_int_equal(m->vocab.types[3], TF_TOKEN_BYTE);
    assert_int_equal(m->vocab.bos, 1);
    assert_int_equal(m->vocab.eos, 2);
    tf_model_close(m);
    assert_int_equal(tf_model_open(shared("vocab/ggml-vocab-gpt-2.gguf"), NULL, 1, &m),
                     CADRE_OK);
    assert_int_equal(m->vocab.kind, TF_VOCAB_BPE);
    assert_int_equal(m->vocab.n, 50257);
    assert_int_equal(m->vocab.n_merges, 50000);
    assert_true(tf_string_is(m->vocab.pre, "gpt-2"));
    assert_null(m->vocab.scores);
    assert_int_equal(m->vocab.add_bos, 0);
    tf_model_close(m);
    refused(shared("vocab/ggml-vocab-gpt-2.gguf"), NULL, CADRE_ERR_INPUT,
            "found no tensors");
}

static void test_llama3_texts_start_with_bos(void **state)
{
    static const tf_string merges[] = {{"a b", 3}}, tokens[] = {{"a", 1}, {"b", 1}};
    static const char *const pres[] = {"llama-bpe", "qwen2"};
    tf_writer *w;
    tf_model *m;
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tf_writer_create(in_folder("vocab.gguf"), &w), CADRE_OK);
        tf_write_string(w, "tokenizer.ggml.model", "gpt2");
        tf_write_string(w, "tokenizer.ggml.pre", pres[i]);
        tf_write_strings(w, "tokenizer.ggml.tokens", tokens, 2);
        tf_write_strings(w, "tokenizer.ggml.merges", merges, 1);
        assert_int_equal(tf_writer_finish(w), CADRE_OK);
        assert_int_equal(tf_model_open(in_folder("vocab.gguf"), NULL, 1, &m), CADRE_OK);
        assert_int_equal(m->vocab.add_bos, i == 0);
        assert_int_equal(m->vocab.bos, -1);
        assert_int_equal(m->vocab.unk, -1);
        tf_model_close(m);
    }
}

/* ---- llama2.c ---- */

static void test_stories260K(void **state)
{
    const char *path = shared("stories260K/stories260K.bin"),
               *tokenizer = shared("stories260K/tok512.bin");
    (void)state;
    tf_model *m = opened(path, tokenizer);
    const tf_shape *s = &m->shape;
    assert_string_equal(m->architecture, "llama");
    assert_string_equal(m->name, "stories260K.bin");
    assert_int_equal(s->dim, 64);
    assert_int_equal(s->n_layers, 5);
    assert_int_equal(s->n_heads, 8);
    assert_int_equal(s->n_kv_heads, 4);
    assert_int_equal(s->head_dim, 8);
    assert_int_equal(s->ffn, 172);
    assert_int_equal(s->n_vocab, 512);
    assert_int_equal(s->context, 512);
    assert_ptr_equal(m->output.data, m->embedding.data);
    assert_int_equal(m->vocab.kind, TF_VOCAB_LLAMA2C);
    assert_int_equal(m->vocab.types[0], TF_TOKEN_UNKNOWN);
    assert_int_equal(m->vocab.types[1], TF_TOKEN_CONTROL);
    assert_int_equal(m->vocab.types[13], TF_TOKEN_BYTE);
    assert_true(tf_string_is(m->vocab.tokens[13], "<0x0A>"));
    assert_int_equal(m->vocab.types[403], TF_TOKEN_NORMAL);
    assert_true(tf_string_is(m->vocab.tokens[403], " Once"));
    /* The last norm's weights are about 1 in any trained model: places are right. */
    const float *norm = m->output_norm.data;
    for (int i = 0; i < 64; i++)
        assert_true(norm[i] > 0.1f && norm[i] < 20);
    tf_model_close(m);
    refused(path, NULL, CADRE_ERR_INPUT, "name its tokenizer file");
    refused(tokenizer, path, CADRE_ERR_INPUT, "no GGUF file, and as a llama2.c");
    refused(path, path, CADRE_ERR_INPUT, "truncated or damaged at token");
}

/* A vocabulary that a GGUF file would not use is a slip. */
static void test_tokenizer_beside_gguf(void **state)
{
    static const char why[] = "m.gguf: a GGUF file has its own vocabulary: expected no "
                              "tokenizer beside it, found v.bin";
    static const uint64_t file[3] = {0x0000000346554747};
    tf_model *m;

    (void)state;
    assert_int_equal(
        tf_model_open_memory("m.gguf", file, sizeof file, "v.bin", "", 0, 0, &m),
        CADRE_ERR_INPUT);
    assert_null(m);
    assert_string_equal(cadre_last_error(), why);
}

/* A checkpoint and its vocabulary put together by hand. */
typedef struct checkpoint {
    uint8_t weights[2048], vocab[256];
    size_t n_weights, n_vocab;
} checkpoint;

static void make_checkpoint(int32_t vocab, checkpoint *c)
{
    /* dim 4, ffn 6, 1 layer, 2 heads, 1 KV head, 4 positions */
    const int32_t header[7] = {4, 6, 1, 2, 1, vocab, 4};
    static const char *const pieces[] = {"<unk>", "\n<s>\n", "\n</s>\n", " a", "b c"};
    const size_t n_floats =
        5 * 4 * (vocab < 0 ? 2 : 1) + 2 * 4 + 2 * 16 + 2 * 8 + 3 * 24 + 4 + 4 * 2;
    memcpy(c->weights, header, sizeof header);
    c->n_weights = sizeof header;
    for (size_t i = 0; i < n_floats; i++) {
        const float value = (float)i;
        memcpy(c->weights + c->n_weights, &value, sizeof value);
        c->n_weights += sizeof value;
    }
    memset(c->vocab, 0, 4);
    c->n_vocab = 4;
    for (int i = 0; i < 5; i++) {
        const float score = -(float)i;
        const int32_t n = (int32_t)strlen(pieces[i]);
        memcpy(c->vocab + c->n_vocab, &score, 4);
        memcpy(c->vocab + c->n_vocab + 4, &n, 4);
        memcpy(c->vocab + c->n_vocab + 8, pieces[i], (size_t)n);
        c->n_vocab += 8 + (size_t)n;
    }
}

/* In memory of its own size, so that the sanitizer sees the end. */
static cadre_status open_checkpoint(const checkpoint *c, tf_model **out)
{
    uint8_t *weights = malloc(c->n_weights + 1), *vocab = malloc(c->n_vocab + 1);
    assert_true(weights && vocab);
    memcpy(weights, c->weights, c->n_weights);
    memcpy(vocab, c->vocab, c->n_vocab);
    const cadre_status st = tf_model_open_memory("hand.bin", weights, c->n_weights,
                                                 "hand.tok", vocab, c->n_vocab, 0, out);
    if (st == CADRE_OK) {
        const float *first = (*out)->layers[0].matrices[TF_UP].data;
        assert_true(first[0] >= 0);
        tf_model_close(*out);
    }
    free(weights);
    free(vocab);
    return st;
}

static void test_places_in_a_checkpoint(void **state)
{
    checkpoint c;
    tf_model *m;
    (void)state;
    make_checkpoint(-5, &c);
    assert_int_equal(tf_model_open_memory("hand.bin", c.weights, c.n_weights, "hand.tok",
                                          c.vocab, c.n_vocab, 0, &m),
                     CADRE_OK);
    const tf_layer_source *l = &m->layers[0];
    /* Floats are numbered; the order is llama2.c's. */
    const struct {
        const void *data;
        float first;
    } places[] = {
        {m->embedding.data, 0},
        {l->vectors[TF_ATTN_NORM].data, 20},
        {l->matrices[TF_Q].data, 24},
        {l->matrices[TF_K].data, 40},
        {l->matrices[TF_V].data, 48},
        {l->matrices[TF_O].data, 56},
        {l->vectors[TF_FFN_NORM].data, 72},
        {l->matrices[TF_GATE].data, 76},
        {l->matrices[TF_DOWN].data, 100},
        {l->matrices[TF_UP].data, 124},
        {m->output_norm.data, 148},
        {m->output.data, 160},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        assert_true(*(const float *)places[i].data == places[i].first);
    tf_model_close(m);
}

static void test_damaged_checkpoints(void **state)
{
    checkpoint c, whole;
    tf_model *m;
    (void)state;
    make_checkpoint(5, &whole);
    assert_int_equal(open_checkpoint(&whole, &m), CADRE_OK);
    for (size_t n = 0; n < whole.n_weights; n++) {
        c = whole;
        c.n_weights = n;
        assert_int_equal(open_checkpoint(&c, &m), CADRE_ERR_INPUT);
    }
    for (size_t n = 0; n < whole.n_vocab; n++) {
        c = whole;
        c.n_vocab = n;
        assert_int_equal(open_checkpoint(&c, &m), CADRE_ERR_INPUT);
    }
    c = whole;
    c.n_weights++;
    assert_int_equal(open_checkpoint(&c, &m), CADRE_ERR_INPUT);
    c = whole;
    c.n_vocab++;
    assert_int_equal(open_checkpoint(&c, &m), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "expected the end after 5 tokens"));
    /* Each byte of the header, and of the vocabulary, as every value. */
    for (size_t i = 0; i < 28; i++)
        for (int value = 0; value < 256; value++) {
            c = whole;
            c.weights[i] = (uint8_t)value;
            (void)open_checkpoint(&c, &m);
        }
    for (size_t i = 0; i < whole.n_vocab; i++)
        for (int value = 0; value < 256; value++) {
            c = whole;
            c.vocab[i] = (uint8_t)value;
            (void)open_checkpoint(&c, &m);
        }
    const int32_t least = INT32_MIN;
    c = whole;
    memcpy(c.weights + 20, &least, sizeof least);
    assert_int_equal(open_checkpoint(&c, &m), CADRE_ERR_INPUT);
    const float nan = NAN;
    c = whole;
    memcpy(c.weights + 28 + 4 * 20, &nan, sizeof nan);
    assert_int_equal(open_checkpoint(&c, &m), CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "rms_att of layer 0"));
}

static void test_other_files_are_named(void **state)
{
    static const struct {
        const char *bytes, *says;
    } cases[] = {
        {"24ka\1\0\0\0", "version 1 or later"},
        {"tjgg\3\0\0\0", "GGJT"},
        {"PK\3\4....", "zip"},
        {"\x89HDF\r\n\x1a\n", "HDF5"},
        {"tiny....", "found 8 bytes"},
    };
    tf_model *m;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_file(in_folder("other"), cases[i].bytes, 8);
        assert_int_not_equal(tf_model_open(in_folder("other"), NULL, 0, &m), CADRE_OK);
        if (!strstr(cadre_last_error(), cases[i].says))
            fail_msg("expected \"%s\" in \"%s\"", cases[i].says, cadre_last_error());
    }
}

/* ---- Conversion ---- */

static void test_llama2c_to_gguf(void **state)
{
    tf_model *m =
        opened(shared("stories260K/stories260K.bin"), shared("stories260K/tok512.bin"));
    size_t n_others = 0;
    (void)state;
    assert_int_equal(tf_convert(m, CADRE_W_F32, in_folder("f32.gguf"), &n_others),
                     CADRE_OK);
    assert_int_equal(n_others, 0);
    tf_model *g = opened(in_folder("f32.gguf"), NULL);
    assert_int_equal(g->vocab.kind, TF_VOCAB_SPM);
    assert_int_equal(g->vocab.n, 512);
    assert_true(tf_string_is(g->vocab.tokens[1], "<s>"));
    assert_true(tf_string_is(g->vocab.tokens[403], "\xe2\x96\x81Once"));
    assert_memory_equal(g->vocab.scores, m->vocab.scores, 512 * sizeof(float));
    assert_memory_equal(g->vocab.types, m->vocab.types, 512 * sizeof(int32_t));
    assert_ptr_equal(g->output.data, g->embedding.data);
    assert_true(g->shape.eps == m->shape.eps);
    for (size_t l = 0; l < 5; l++)
        for (int r = 0; r < TF_N_MATRICES; r++) {
            const tf_source *a = &m->layers[l].matrices[r],
                            *b = &g->layers[l].matrices[r];
            assert_int_equal(a->n_out, b->n_out);
            assert_int_equal(a->n_in, b->n_in);
            assert_memory_equal(a->data, b->data, a->n_out * a->n_in * sizeof(float));
        }
    tf_model_close(g);

    /* 172 is no multiple of 32: five matrices stay F16. */
    assert_int_equal(tf_convert(m, CADRE_W_Q8_0, in_folder("q8.gguf"), &n_others),
                     CADRE_OK);
    assert_int_equal(n_others, 5);
    g = opened(in_folder("q8.gguf"), NULL);
    assert_int_equal(g->layers[0].matrices[TF_DOWN].type, CADRE_W_F16);
    assert_int_equal(g->layers[0].matrices[TF_UP].type, CADRE_W_Q8_0);
    assert_int_equal(g->layers[0].vectors[TF_FFN_NORM].type, CADRE_W_F32);
    assert_int_equal(tf_convert(m, CADRE_W_Q4_K, in_folder("no.gguf"), &n_others),
                     CADRE_ERR_UNSUPPORTED);
    assert_int_not_equal(access(in_folder("no.gguf"), F_OK), 0);
    tf_model_close(g);
    tf_model_close(m);
}

/* Each type to each that we write: keys stay, values are as near as the type allows. */
static void test_gguf_to_gguf(void **state)
{
    static const float error[] = {0, 5e-4f, 4e-3f, 8e-3f, 8e-2f};
    const tf_random_spec spec = small("qwen2", CADRE_W_F32);
    size_t n_others = 0;
    (void)state;
    assert_int_equal(tf_random_write(in_folder("from.gguf"), &spec), CADRE_OK);
    tf_model *from = opened(in_folder("from.gguf"), NULL);
    const float *wanted = from->layers[1].matrices[TF_GATE].data;
    for (int type = 0; type <= CADRE_W_Q4_0; type++) {
        float row[32];
        assert_int_equal(
            tf_convert(from, (cadre_wtype)type, in_folder("to.gguf"), &n_others),
            CADRE_OK);
        tf_model *to = opened(in_folder("to.gguf"), NULL);
        const tf_source *gate = &to->layers[1].matrices[TF_GATE];
        assert_int_equal(gate->type, type);
        assert_string_equal(to->name, from->name);
        assert_memory_equal(to->layers[0].vectors[TF_K_BIAS].data,
                            from->layers[0].vectors[TF_K_BIAS].data, 16 * sizeof(float));
        cadre_dequantize(gate->type, gate->data, 32, row);
        for (int i = 0; i < 32; i++)
            assert_true(fabsf(row[i] - wanted[i]) <= error[type]);
        tf_model_close(to);
    }
    tf_model_close(from);
}

static void test_conversion_refuses_what_does_not_fit(void **state)
{
    checkpoint c;
    tf_model *m;
    size_t n_others = 0;
    (void)state;
    make_checkpoint(5, &c);
    const float large = 70000;
    memcpy(c.weights + 28, &large, sizeof large); /* of the embedding */
    assert_int_equal(tf_model_open_memory("hand.bin", c.weights, c.n_weights, "hand.tok",
                                          c.vocab, c.n_vocab, 0, &m),
                     CADRE_OK);
    assert_int_equal(tf_convert(m, CADRE_W_F16, in_folder("large.gguf"), &n_others),
                     CADRE_ERR_INPUT);
    assert_non_null(strstr(cadre_last_error(), "token_embd.weight"));
    assert_non_null(strstr(cadre_last_error(), "found 70000"));
    assert_int_not_equal(access(in_folder("large.gguf"), F_OK), 0);
    assert_int_not_equal(access(in_folder("large.gguf.partial"), F_OK), 0);
    assert_int_equal(tf_convert(m, CADRE_W_BF16, in_folder("large.gguf"), &n_others),
                     CADRE_OK);
    tf_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama),
        cmocka_unit_test(test_qwen),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_random_is_reproducible),
        cmocka_unit_test(test_changes_refused),
        cmocka_unit_test(test_qwen_changes_refused),
        cmocka_unit_test(test_changes_accepted),
        cmocka_unit_test(test_rope_divisors),
        cmocka_unit_test(test_vocabulary_only),
        cmocka_unit_test(test_llama3_texts_start_with_bos),
        cmocka_unit_test(test_stories260K),
        cmocka_unit_test(test_tokenizer_beside_gguf),
        cmocka_unit_test(test_places_in_a_checkpoint),
        cmocka_unit_test(test_damaged_checkpoints),
        cmocka_unit_test(test_other_files_are_named),
        cmocka_unit_test(test_llama2c_to_gguf),
        cmocka_unit_test(test_gguf_to_gguf),
        cmocka_unit_test(test_conversion_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
