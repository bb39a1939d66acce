/* io/job_tier.c - one tier of a job file, and what a request on it costs. */
#include "core/memory.h"
#include "io/job_internal.h"
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define PRICE_MAX (1000 * CADRE_MONEY_USD) /* above it a price is taken for a slip */
#define TOKENS_PER_PRICE 1000
#define COUNT_MAX 1000000
#define RANKS_PER_SHARD_MAX 1024 /* above it a model is not split but ground */
#define IN_FLIGHT_MAX 1000
#define LABEL_BYTES 256

static cadre_status parse_price_key(const cadre__json_doc *doc, const cadre__json *price,
                                    const char *key, cadre_money *out)
{
    const cadre__json *node = cadre__json_member(price, key);
    *out = 0;
    CADRE_TRY(cadre__json_get_money(doc, price, key, false, 0, out));
    if (*out > PRICE_MAX)
        return cadre__json_fail(doc, node,
                                "expected a price of at most 1000 USD, found \"%s\"",
                                cadre__json_string_or(node, ""));
    return CADRE_OK;
}

/* A price per 1k tokens must be whole per token, so that every cost is exact. */
static cadre_status parse_price_per_1k(const cadre__json_doc *doc,
                                       const cadre__json *price, const char *key,
                                       cadre_money *out)
{
    CADRE_TRY(parse_price_key(doc, price, key, out));
    if (*out % TOKENS_PER_PRICE == 0)
        return CADRE_OK;
    const cadre__json *node = cadre__json_member(price, key);
    return cadre__json_fail(
        doc, node,
        "expected at most 10 digits of fraction (1e-13 USD per token), "
        "found \"%s\"",
        cadre__json_string_or(node, ""));
}

static cadre_status parse_price(const cadre__json_doc *doc, const cadre__json *tier,
                                cadre__price *out)
{
    static const char *const keys[] = {"input_per_1k", "output_per_1k", "per_request"};
    const cadre__json *price = cadre__json_member(tier, "price");
    if (!price)
        return cadre__json_fail(
            doc, tier,
            "\"price\" is missing: expected an object with input_per_1k, "
            "output_per_1k or per_request");
    CADRE_TRY(cadre__json_only_keys(doc, price, keys, N_OF(keys)));
    if (!cadre__json_first(price))
        return cadre__json_fail(
            doc, price,
            "expected input_per_1k, output_per_1k or per_request, found an "
            "empty object");
    CADRE_TRY(parse_price_per_1k(doc, price, keys[0], &out->input_per_1k));
    CADRE_TRY(parse_price_per_1k(doc, price, keys[1], &out->output_per_1k));
    return parse_price_key(doc, price, keys[2], &out->per_request);
}

cadre_status cadre__price_cost(const cadre__price *price, uint64_t tokens_in,
                               uint64_t tokens_out, cadre_money *out)
{
    cadre_money in, gives, cost;
    if (price->input_per_1k % TOKENS_PER_PRICE || price->output_per_1k % TOKENS_PER_PRICE)
        return cadre_fail(CADRE_ERR_ARG, "a price per 1k tokens is not whole per token");
    CADRE_TRY(cadre_money_mul(price->input_per_1k / TOKENS_PER_PRICE, tokens_in, &in));
    CADRE_TRY(
        cadre_money_mul(price->output_per_1k / TOKENS_PER_PRICE, tokens_out, &gives));
    CADRE_TRY(cadre_money_add(in, gives, &cost));
    CADRE_TRY(cadre_money_add(cost, price->per_request, &cost));
    *out = cost;
    return CADRE_OK;
}

/* A kernel that is a shared object is named by a path, a built-in one by its name. */
static cadre_status parse_kernel(const cadre__json_doc *doc, const cadre__json *tier,
                                 const char *folder, char **out)
{
    const char *kernel = NULL;
    CADRE_TRY(cadre__json_get_string(doc, tier, "kernel", true, &kernel));
    const size_t n = strlen(kernel);
    if (n == 0)
        return cadre__json_fail(
            doc, cadre__json_member(tier, "kernel"),
            "expected the name of a kernel or the path of a shared object, "
            "found \"\"");
    if (strchr(kernel, '/') || (n > 3 && strcmp(kernel + n - 3, ".so") == 0))
        return cadre__job_path(folder, kernel, out);
    return cadre__job_copy(kernel, out);
}

static cadre_status parse_options(const cadre__json_doc *doc, const cadre__json *tier,
                                  char **out)
{
    char found[128];
    const cadre__json *options = cadre__json_member(tier, "options");
    if (!options)
        return cadre__job_copy("{}", out);
    if (!cadre__json_is_object(options))
        return cadre__json_fail(doc, options, "expected an object, found %s",
                                cadre__json_found(doc, options, found, sizeof found));
    *out = cadre__json_print(options, false);
    return *out ? CADRE_OK : CADRE_ERR_NOMEM;
}

static cadre_status parse_labels(const cadre__json_doc *doc, const cadre__json *tier,
                                 cadre__job_tier *out)
{
    char found[128];
    const cadre__json *labels = cadre__json_member(tier, "labels");
    if (!labels)
        return CADRE_OK;
    if (!cadre__json_is_object(labels))
        return cadre__json_fail(doc, labels, "expected an object of strings, found %s",
                                cadre__json_found(doc, labels, found, sizeof found));
    out->labels = cadre__alloc_n(cadre__json_length(labels), sizeof out->labels[0]);
    if (!out->labels)
        return CADRE_ERR_NOMEM;
    for (const cadre__json *node = cadre__json_first(labels); node;
         node = cadre__json_next(node)) {
        const char *key = cadre__json_key(node),
                   *value = cadre__json_string_or(node, NULL);
        if (!value || strlen(value) > LABEL_BYTES || strlen(key) > LABEL_BYTES || !*key)
            return cadre__json_fail(
                doc, node,
                "expected a label: key and string of at most %d bytes, "
                "found %s",
                LABEL_BYTES, cadre__json_found(doc, node, found, sizeof found));
        cadre__label *label = &out->labels[out->n_labels++];
        CADRE_TRY(cadre__job_copy(key, &label->key));
        CADRE_TRY(cadre__job_copy(value, &label->value));
    }
    return CADRE_OK;
}

static cadre_status parse_name(const cadre__json_doc *doc, const cadre__json *node,
                               char **out)
{
    CADRE_TRY(cadre__job_name(doc, node, "name", out));
    if (strcmp(*out, "auto") == 0)
        return cadre__json_fail(
            doc, cadre__json_member(node, "name"),
            "a tier cannot be named \"auto\": requests say so to let the "
            "router choose");
    return CADRE_OK;
}

cadre_status cadre__job_parse_tier(const cadre__json_doc *doc, const cadre__json *node,
                                   const char *folder, cadre__job_tier *out)
{
    static const char *const keys[] = {
        "name",      "kernel",          "model",     "tokenizer", "options",
        "shards",    "ranks_per_shard", "partition", "placement", "batch",
        "in_flight", "price",           "needs_gpu", "labels"};
    static const char *const partitions[] = {"round_robin", "hash", "range"};
    static const char *const placements[] = {"spread", "pack"};
    const char *model = "", *tokenizer = "";

    *out = (cadre__job_tier){.shards = 1, .ranks_per_shard = 1};
    CADRE_TRY(cadre__json_only_keys(doc, node, keys, N_OF(keys)));
    CADRE_TRY(parse_name(doc, node, &out->name));
    CADRE_TRY(parse_kernel(doc, node, folder, &out->kernel));
    CADRE_TRY(cadre__json_get_string(doc, node, "model", false, &model));
    CADRE_TRY(cadre__job_path(folder, model, &out->model));
    CADRE_TRY(cadre__json_get_string(doc, node, "tokenizer", false, &tokenizer));
    CADRE_TRY(cadre__job_path(folder, tokenizer, &out->tokenizer));
    CADRE_TRY(parse_options(doc, node, &out->options));
    CADRE_TRY(cadre__job_size(doc, node, "shards", 1, COUNT_MAX, &out->shards));
    CADRE_TRY(cadre__job_size(doc, node, "ranks_per_shard", 1, RANKS_PER_SHARD_MAX,
                              &out->ranks_per_shard));
    if (out->shards > COUNT_MAX / out->ranks_per_shard)
        return cadre__json_fail(
            doc, node, "expected at most %d ranks, found %zu shards of %zu ranks",
            COUNT_MAX, out->shards, out->ranks_per_shard);
    CADRE_TRY(cadre__job_choice(doc, node, "partition", partitions, N_OF(partitions),
                                &out->partition));
    CADRE_TRY(cadre__job_choice(doc, node, "placement", placements, N_OF(placements),
                                &out->placement));
    CADRE_TRY(cadre__job_size(doc, node, "batch", 0, COUNT_MAX, &out->batch));
    CADRE_TRY(cadre__job_size(doc, node, "in_flight", 1, IN_FLIGHT_MAX, &out->in_flight));
    CADRE_TRY(cadre__json_get_bool(doc, node, "needs_gpu", false, &out->needs_gpu));
    CADRE_TRY(parse_labels(doc, node, out));
    return parse_price(doc, node, &out->price);
}

void cadre__job_tier_fini(cadre__job_tier *tier)
{
    cadre__free(tier->name);
    cadre__free(tier->kernel);
    cadre__free(tier->model);
    cadre__free(tier->tokenizer);
    cadre__free(tier->options);
    cadre__free(tier->partition);
    cadre__free(tier->placement);
    for (size_t i = 0; i < tier->n_labels; i++) {
        cadre__free(tier->labels[i].key);
        cadre__free(tier->labels[i].value);
    }
    cadre__free(tier->labels);
    memset(tier, 0, sizeof *tier);
}
