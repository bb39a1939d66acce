/* sampler.c - choosing a token.
 *
 * Sums run over blocks of the vocabulary, in f32 inside a block as the op does it and in
 * double from block to block: quick, and the same bits at every level of ops.
 *
 * Nothing is sorted. Without top-k and top-p a token is found by its place in the running
 * sum. With them tokens go into bins by their distance from the largest logit; the
 * likeliest bins are taken whole, and of the next one its likeliest tokens. */
#include "sampler.h"
#include <cadre/ops.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 512,
    LAST_BIN = 255,
    BINS_PER_UNIT = 16 /* of (largest logit - logit) / temperature */
};

struct tf_sampler {
    size_t n_vocab, n_blocks;
    float *weights;     /* [n_vocab]: exp((logit - largest) / temperature) */
    double *sums;       /* [n_blocks]: of weights */
    int32_t *likeliest; /* [n_vocab]: ids */
    uint8_t *bins;      /* [n_vocab] */
    size_t bin_counts[LAST_BIN + 1];
    double bin_weights[LAST_BIN + 1];
};

cadre_status tf_sampler_create(size_t n_vocab, tf_sampler **out)
{
    *out = NULL;
    tf_sampler *sampler = calloc(1, sizeof *sampler);
    if (sampler) {
        sampler->n_vocab = n_vocab;
        sampler->n_blocks = (n_vocab + BLOCK - 1) / BLOCK;
        sampler->weights = calloc(n_vocab, sizeof *sampler->weights);
        sampler->sums = calloc(sampler->n_blocks, sizeof *sampler->sums);
        sampler->likeliest = calloc(n_vocab, sizeof *sampler->likeliest);
        sampler->bins = calloc(n_vocab, sizeof *sampler->bins);
    }
    if (!sampler || !sampler->weights || !sampler->sums || !sampler->likeliest ||
        !sampler->bins) {
        tf_sampler_destroy(sampler);
        return cadre_fail(CADRE_ERR_NOMEM, "sampler for %zu tokens", n_vocab);
    }
    *out = sampler;
    return CADRE_OK;
}

void tf_sampler_destroy(tf_sampler *sampler)
{
    if (!sampler)
        return;
    free(sampler->weights);
    free(sampler->sums);
    free(sampler->likeliest);
    free(sampler->bins);
    free(sampler);
}

/* ---- Random numbers ---- */

void tf_philox(const uint32_t *counter, const uint32_t *key, uint32_t *out)
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t k[2] = {key[0], key[1]};

    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)c[0] * 0xd2511f53u, b = (uint64_t)c[2] * 0xcd9e8d57u;
        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b,
                                  (uint32_t)(a >> 32) ^ c[3] ^ k[1], (uint32_t)a};
        for (int i = 0; i < 4; i++)
            c[i] = next[i];
        k[0] += 0x9e3779b9u;
        k[1] += 0xbb67ae85u;
    }
    for (int i = 0; i < 4; i++)
        out[i] = c[i];
}

double tf_random(uint64_t seed, uint32_t index)
{
    const uint32_t counter[4] = {index, 0, 0, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t bits[4];

    tf_philox(counter, key, bits);
    return (double)(((uint64_t)bits[1] << 32 | bits[0]) >> 11) * 0x1p-53;
}

/* ---- Weights ---- */

static size_t block_length(const tf_sampler *sampler, size_t block)
{
    const size_t rest = sampler->n_vocab - block * BLOCK;
    return rest < BLOCK ? rest : BLOCK;
}

/* Sum over the vocabulary of exp((logit - max) * scale); the terms into weights unless
 * that is NULL. */
static double weigh(tf_sampler *sampler, const float *logits, float max, float scale,
                    float *weights)
{
    const cadre_ops *ops = cadre_ops_get();
    double total = 0;

    for (size_t b = 0; b < sampler->n_blocks; b++) {
        const size_t at = b * BLOCK;
        sampler->sums[b] =
            (double)ops->exp_sum_f32(logits + at, block_length(sampler, b), max, scale,
                                     weights ? weights + at : NULL);
        total += sampler->sums[b];
    }
    return total;
}

/* ---- Drawing from the whole vocabulary ---- */

/* The token of block b in which the running sum passes `target`, passing over those
 * lighter than `least`. The sums of a block and of its terms are rounded differently, so
 * the last one that has any weight stands for a target that none reaches. */
static int32_t draw_in_block(const tf_sampler *sampler, size_t b, double target,
                             float least)
{
    const size_t end = b * BLOCK + block_length(sampler, b);
    size_t last = end;
    double sum = 0;

    for (size_t i = b * BLOCK; i < end; i++) {
        const float weight = sampler->weights[i];
        if (weight <= 0 || weight < least)
            continue;
        last = i;
        sum += (double)weight;
        if (sum > target)
            break;
    }
    return (int32_t)(last < end ? last : end - 1);
}

static int32_t draw_by_id(const tf_sampler *sampler, double total, double uniform,
                          float least)
{
    double target = uniform * total;
    size_t last = 0;

    for (size_t b = 0; b < sampler->n_blocks; b++) {
        if (sampler->sums[b] <= 0)
            continue;
        last = b;
        if (target < sampler->sums[b])
            break;
        target -= sampler->sums[b];
    }
    return draw_in_block(sampler, last, target, least);
}

/* Count only weights of at least `least` in the sums; returns their total. */
static double cut_light(tf_sampler *sampler, float least)
{
    double total = 0;

    for (size_t b = 0; b < sampler->n_blocks; b++) {
        const float *weights = sampler->weights + b * BLOCK;
        double sum = 0;
        for (size_t i = 0; i < block_length(sampler, b); i++)
            sum += weights[i] >= least ? (double)weights[i] : 0;
        sampler->sums[b] = sum;
        total += sum;
    }
    return total;
}

/* ---- Drawing from the likeliest ---- */

/* Whether token a stands before b in order of likelihood. */
static int is_before(const float *logits, int32_t a, int32_t b)
{
    return logits[a] > logits[b] || (a < b && logits[a] == logits[b]);
}

static void swap(int32_t *ids, size_t a, size_t b)
{
    const int32_t moved = ids[a];

    ids[a] = ids[b];
    ids[b] = moved;
}

/* Bring the middle one of three to the end of ids[n]. */
static void choose_pivot(int32_t *ids, size_t n, const float *logits)
{
    const size_t middle = n / 2;

    if (is_before(logits, ids[middle], ids[0]))
        swap(ids, middle, 0);
    if (is_before(logits, ids[n - 1], ids[0]))
        swap(ids, n - 1, 0);
    if (is_before(logits, ids[middle], ids[n - 1]))
        swap(ids, middle, n - 1);
}

/* Bring those of ids[n] that stand before its pivot to the front, the pivot behind them;
 * its place, and the weight of those before it. */
static size_t partition(const tf_sampler *sampler, int32_t *ids, size_t n,
                        const float *logits, double *sum)
{
    size_t place = 0;

    choose_pivot(ids, n, logits);
    *sum = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        if (is_before(logits, ids[i], ids[n - 1])) {
            *sum += (double)sampler->weights[ids[i]];
            swap(ids, i, place++);
        }
    }
    swap(ids, place, n - 1);
    return place;
}

/* Bring the likeliest of ids[n] to the front, in no order: `most` of them, or the fewest
 * that weigh `enough`, or all; how many (Hoare 1961, with weights). */
static size_t select_among(const tf_sampler *sampler, const float *logits, int32_t *ids,
                           size_t n, size_t most, double enough)
{
    size_t begin = 0, end = n;
    double weight = 0; /* of those before begin, which are in */

    while (begin < end) {
        double left;
        const size_t place =
            begin + partition(sampler, ids + begin, end - begin, logits, &left);
        if (place > begin && (place >= most || weight + left >= enough)) {
            end = place;
            continue;
        }
        weight += left + (double)sampler->weights[ids[place]];
        begin = place + 1;
        if (begin >= most || weight >= enough)
            break;
    }
    return begin;
}

/* Sort all tokens into bins by their distance from the largest logit, and weigh the bins;
 * the last one, of those far away, is not weighed. */
static void fill_bins(tf_sampler *sampler, const float *logits, float max,
                      float temperature)
{
    const float scale = BINS_PER_UNIT / temperature;

    memset(sampler->bin_counts, 0, sizeof sampler->bin_counts);
    memset(sampler->bin_weights, 0, sizeof sampler->bin_weights);
    for (size_t i = 0; i < sampler->n_vocab; i++) {
        const float distance = (max - logits[i]) * scale;
        const int is_near = distance < LAST_BIN; /* a NaN is not */
        const uint8_t bin = is_near ? (uint8_t)distance : LAST_BIN;
        sampler->bins[i] = bin;
        if (is_near) {
            sampler->bin_counts[bin]++;
            sampler->bin_weights[bin] += (double)sampler->weights[i];
        }
    }
}

/* The likeliest of the vocabulary into sampler->likeliest, in no order: `most` of them,
 * or the fewest that weigh `enough`; how many. Whole bins first, and of the one in which
 * the border lies a part. */
static size_t select_likeliest(tf_sampler *sampler, const float *logits, size_t most,
                               double enough)
{
    int32_t *ids = sampler->likeliest;
    size_t border = 0, n = 0, n_border = 0;
    double weight = 0;

    while (border < LAST_BIN && n + sampler->bin_counts[border] < most &&
           weight + sampler->bin_weights[border] < enough) {
        n += sampler->bin_counts[border];
        weight += sampler->bin_weights[border++];
    }
    int32_t *at = ids, *at_border = ids + n;
    for (size_t i = 0; i < sampler->n_vocab; i++) {
        if (sampler->bins[i] < border)
            *at++ = (int32_t)i;
        else if (sampler->bins[i] == border)
            at_border[n_border++] = (int32_t)i;
    }
    return n +
           select_among(sampler, logits, at_border, n_border, most - n, enough - weight);
}

/* What min-p leaves of likeliest[n], and its weight. */
static size_t cut_unlikely(tf_sampler *sampler, size_t n, float least, double *sum)
{
    size_t kept = 0;

    *sum = 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t id = sampler->likeliest[i];
        if (sampler->weights[id] < least)
            continue;
        *sum += (double)sampler->weights[id];
        sampler->likeliest[kept++] = id;
    }
    return kept;
}

static int32_t draw_likeliest(const tf_sampler *sampler, size_t n, double target)
{
    double running = 0;
    size_t i = 0;

    for (; i + 1 < n; i++) {
        running += (double)sampler->weights[sampler->likeliest[i]];
        if (running > target)
            break;
    }
    return sampler->likeliest[i];
}

static int32_t choose_likeliest(tf_sampler *sampler, const float *logits, size_t best,
                                const cadre_sampling *sampling, double total,
                                double uniform)
{
    const int by_count = sampling->top_k > 0 && sampling->top_k < sampler->n_vocab;
    const size_t most = by_count ? sampling->top_k : sampler->n_vocab;
    const double enough = by_count ? INFINITY : (double)sampling->top_p * total;
    const float least = sampling->min_p * sampler->weights[best];
    double sum;

    fill_bins(sampler, logits, logits[best], sampling->temperature);
    size_t n = select_likeliest(sampler, logits, most, enough);
    if (by_count && sampling->top_p < 1) {
        cut_unlikely(sampler, n, 0, &sum);
        n = select_among(sampler, logits, sampler->likeliest, n, n,
                         (double)sampling->top_p * sum);
    }
    n = cut_unlikely(sampler, n, least, &sum);
    return draw_likeliest(sampler, n, uniform * sum);
}

/* ---- Choosing ---- */

int32_t tf_sampler_choose(tf_sampler *sampler, const float *logits,
                          const cadre_sampling *sampling, uint32_t index)
{
    const size_t best = cadre_ops_get()->argmax_f32(logits, sampler->n_vocab);

    if (!(sampling->temperature > 0) || sampling->top_k == 1)
        return (int32_t)best;
    const float max = logits[best];
    double total =
        weigh(sampler, logits, max, 1 / sampling->temperature, sampler->weights);
    if (!(total > 0) || !isfinite(total))
        return (int32_t)best;
    const double uniform = tf_random(sampling->seed, index);
    if (sampling->top_p < 1 ||
        (sampling->top_k > 0 && sampling->top_k < sampler->n_vocab))
        return choose_likeliest(sampler, logits, best, sampling, total, uniform);
    const float least = sampling->min_p * sampler->weights[best];
    if (least > 0)
        total = cut_light(sampler, least);
    return draw_by_id(sampler, total, uniform, least);
}

/* ---- Log-probabilities ---- */

/* What a JSON number can say. */
static float logprob_of(float logit, double log_total)
{
    const float logprob = (float)((double)logit - log_total);
    return isfinite(logprob) ? logprob : TF_NO_LOGPROB;
}

void tf_sampler_logprobs(tf_sampler *sampler, const float *logits, int32_t id,
                         size_t n_top, tf_candidate *chosen, tf_candidate *top)
{
    const float max = logits[cadre_ops_get()->argmax_f32(logits, sampler->n_vocab)];
    const double total = weigh(sampler, logits, max, 1, NULL);
    const double log_total = (double)max + log(total);
    size_t n = 0;

    for (size_t i = 0; i < sampler->n_vocab && n_top > 0; i++) {
        if (n == n_top && !(logits[i] > top[n - 1].logprob))
            continue;
        size_t at = n < n_top ? n++ : n - 1;
        for (; at > 0 && logits[i] > top[at - 1].logprob; at--)
            top[at] = top[at - 1];
        top[at] = (tf_candidate){(int32_t)i, logits[i]};
    }
    for (size_t i = 0; i < n; i++)
        top[i].logprob = logprob_of(top[i].logprob, log_total);
    *chosen = (tf_candidate){id, logprob_of(logits[id], log_total)};
}
