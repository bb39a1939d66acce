/* tests/mpi/test_forward_tp.c - ranks that split a model give the bits of one rank alone,
 * also when they outnumber heads and panels. */
#include "mpi_check.h"
#include "tiny_model.h"
#include "transformer/forward.h"
#include <string.h>
#include <unistd.h>

enum { N_TOKENS = 75, N_PAGES = 6, MAX_VOCAB = 100 };

static const tiny_spec specs[] = {
    {.dim = 48,
     .n_layers = 3,
     .n_heads = 6,
     .n_kv_heads = 2,
     .head_dim = 8,
     .ffn = 72,
     .n_vocab = 53,
     .n_rot = 8,
     .rope_factor = 1,
     .type = CADRE_W_F32,
     .other = CADRE_W_F16,
     .biases = 1,
     .head_norms = 1},
    {.dim = 256,
     .n_layers = 2,
     .n_heads = 8,
     .n_kv_heads = 4,
     .head_dim = 32,
     .ffn = 256,
     .n_vocab = 90,
     .n_rot = 32,
     .rope_factor = 1,
     .halves = 1,
     .tied = 1,
     .type = CADRE_W_Q8_0,
     .other = CADRE_W_Q6_K},
};

/* Logits of all tokens, computed in spans of unlike length, into all[N_TOKENS][n_vocab].
 * Two sequences of the same tokens run side by side, the second without logits. */
static void compute(const tf_weights *weights, cadre_comm *shard, cadre_kv_type kv,
                    int n_threads, float *all)
{
    const size_t n_vocab = weights->shape.n_vocab;
    const tf_forward_options options = {.max_rows = 64,
                                        .max_logits = 32,
                                        .max_positions = N_TOKENS,
                                        .n_threads = n_threads,
                                        .kv = kv,
                                        .n_pages = N_PAGES,
                                        .shard = shard,
                                        .timeout_ms = 20000};
    const uint32_t pages[2][3] = {{5, 0, 3}, {1, 4, 2}};
    tf_forward *forward;
    size_t at = 0;

    cadre_status st = tf_forward_create(weights, &options, &forward);
    CHECK(st == CADRE_OK, "create");
    while (st == CADRE_OK && at < N_TOKENS) {
        size_t now = 1 + at % 32;
        int32_t tokens[64];
        const float *logits;
        now = N_TOKENS - at < now ? N_TOKENS - at : now;
        for (size_t i = 0; i < now; i++)
            tokens[i] = tokens[now + i] = (int32_t)((at + i) * 7 % n_vocab);
        const tf_span spans[] = {{at, now, 0, pages[0]}, {at, now, now, pages[1]}};
        st = tf_forward_step(forward, tokens, spans, 2, &logits);
        CHECK(st == CADRE_OK, "step at %zu", at);
        if (st == CADRE_OK)
            memcpy(all + at * n_vocab, logits, now * n_vocab * sizeof *all);
        at += now;
    }
    tf_forward_destroy(forward);
}

static void check(cadre_comm *world, const tiny_spec *spec, cadre_kv_type kv)
{
    static float expected[N_TOKENS * MAX_VOCAB], found[N_TOKENS * MAX_VOCAB];
    char name[32];
    tiny_model tiny;
    tf_weights *weights;

    snprintf(name, sizeof name, "tp-%ld", (long)getpid());
    tiny_make(&tiny, spec, name);
    const cadre_status st = tf_weights_open(&tiny.model, TF_CACHE_MEMORY, &weights);
    CHECK(st == CADRE_OK, "weights");
    if (st == CADRE_OK) {
        compute(weights, NULL, kv, 1, expected);
        for (int n_threads = 1; n_threads <= 2; n_threads++) {
            memset(found, 0, sizeof found);
            compute(weights, world, kv, n_threads, found);
            CHECK(memcmp(found, expected, N_TOKENS * spec->n_vocab * sizeof *found) == 0,
                  "%s, %s keys and values, %d threads: not the bits of one rank",
                  cadre_wtype_name(spec->type), cadre_kv_type_name(kv), n_threads);
        }
        tf_weights_close(weights);
    }
    tiny_free(&tiny);
}

int main(void)
{
    cadre_comm *world = check_start();

    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        check(world, &specs[i], CADRE_KV_F16);
    check(world, &specs[0], CADRE_KV_F32);
    return check_finish(world);
}
