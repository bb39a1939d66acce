/* io/request_body.c - keys of OpenAI's body that are refused, and those that are passed
 * over. */
#include "io/request_body.h"
#include "core/memory.h"
#include "core/text.h"
#include <cadre/log.h>
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- What nobody here can do ---- */

typedef enum neutral { IS_ONE, IS_ZERO, IS_FALSE, IS_EMPTY } neutral;

static const struct {
    const char *key;
    neutral value;
    const char *expected;
} unsupported[] = {
    {"n", IS_ONE, "1: each answer is a request of its own"},
    {"best_of", IS_ONE, "1: each answer is a request of its own"},
    {"stream", IS_FALSE, "false: answers of a batch come whole"},
    {"echo", IS_FALSE, "false: answers do not repeat the prompt"},
    {"suffix", IS_EMPTY, "no text: there is no insertion"},
    {"presence_penalty", IS_ZERO, "0: there are no penalties"},
    {"frequency_penalty", IS_ZERO, "0: there are no penalties"},
    {"logit_bias", IS_EMPTY, "an empty object: there are no biases"},
    {"tools", IS_EMPTY, "an empty array: there are no tools"},
    {"functions", IS_EMPTY, "an empty array: there are no tools"},
};

static bool is_neutral(const cadre__json *node, neutral value)
{
    switch (value) {
    case IS_ONE:
        return cadre__json_number_or(node, 0) == 1;
    case IS_ZERO:
        return cadre__json_number_or(node, 1) == 0;
    case IS_FALSE:
        return !cadre__json_bool_or(node, true);
    case IS_EMPTY:
        break;
    }
    return cadre__json_is_string(node)
               ? *cadre__json_string_or(node, "") == '\0'
               : !cadre__json_is_number(node) && !cadre__json_first(node);
}

static cadre_status mistyped(const cadre__json_doc *doc, const cadre__json *node,
                             const char *expected)
{
    char found[128];
    return cadre__json_fail(doc, node, "expected %s, found %s", expected,
                            cadre__json_found(doc, node, found, sizeof found));
}

/* A member; OpenAI's clients write null for what was not given. */
static const cadre__json *given(const cadre__json *body, const char *key)
{
    const cadre__json *node = cadre__json_member(body, key);
    return node && cadre__json_is_null(node) ? NULL : node;
}

cadre_status cadre__request_body_check(const cadre__json_doc *doc,
                                       const cadre__json *body)
{
    for (size_t i = 0; i < N_OF(unsupported); i++) {
        const cadre__json *node = given(body, unsupported[i].key);
        if (node && !is_neutral(node, unsupported[i].value))
            return mistyped(doc, node, unsupported[i].expected);
    }
    const cadre__json *format = given(body, "response_format");
    const char *type = cadre__json_string_or(cadre__json_member(format, "type"), "");
    return !format || strcmp(type, "text") == 0
               ? CADRE_OK
               : mistyped(doc, format, "{\"type\": \"text\"}");
}

/* ---- What nobody here knows ---- */

static const char *const line_keys[] = {"custom_id", "method", "url", "body"};

/* What is read, and what means nothing to a batch on one's own machines. */
static const char *const body_keys[] = {
    "model",
    "prompt",
    "messages",
    "input",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "logprobs",
    "top_logprobs",
    "metadata",
    "response_format",
    "user",
    "store",
    "service_tier",
    "stream_options",
    "tool_choice",
    "function_call",
    "safety_identifier",
    "parallel_tool_calls",
    "prompt_cache_key",
};

static bool is_among(const char *key, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static void tell(cadre__strange_keys *told, const cadre__json_doc *doc,
                 const cadre__json *node, const char *const *known, size_t n_known)
{
    const char *key = cadre__json_key(node);
    const char *nearest = cadre__nearest(key, known, n_known);

    if (told->n == CADRE__STRANGE_KEYS_TOLD ||
        is_among(key, (const char *const *)told->keys, told->n))
        return;
    told->keys[told->n] = cadre__strdup(key);
    if (!told->keys[told->n])
        return;
    told->n++;
    cadre__json_fail(
        doc, node, "unknown key, passed over here and on later lines%s%s%s%s",
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "",
        told->n < CADRE__STRANGE_KEYS_TOLD ? "" : " (no more are told)");
    cadre_log(CADRE_LOG_WARN, "io", "%s", cadre_last_error());
}

static void look(cadre__strange_keys *told, const cadre__json_doc *doc,
                 const cadre__json *object, const char *const *known, size_t n_known)
{
    for (const cadre__json *node = cadre__json_first(object); node;
         node = cadre__json_next(node))
        if (!is_among(cadre__json_key(node), known, n_known))
            tell(told, doc, node, known, n_known);
}

void cadre__strange_keys_tell(cadre__strange_keys *told, const cadre__json_doc *doc)
{
    const cadre__json *root = cadre__json_root(doc);
    const char *known[N_OF(body_keys) + N_OF(unsupported)];

    memcpy(known, body_keys, sizeof body_keys);
    for (size_t i = 0; i < N_OF(unsupported); i++)
        known[N_OF(body_keys) + i] = unsupported[i].key;
    look(told, doc, root, line_keys, N_OF(line_keys));
    look(told, doc, cadre__json_member(root, "body"), known, N_OF(known));
}

void cadre__strange_keys_fini(cadre__strange_keys *told)
{
    for (size_t i = 0; i < told->n; i++)
        cadre__free(told->keys[i]);
    told->n = 0;
}
