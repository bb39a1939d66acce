/* io/request_line.c - one request from its JSON: OpenAI's batch form or the short
 * form. */
#include "io/request_line.h"
#include "core/memory.h"
#include "io/json_scan.h"
#include "io/json_text.h"
#include "io/request_body.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define MAX_TOKENS_DEFAULT 16
#define MAX_TOKENS_MAX 1000000
#define TEMPERATURE_MAX 2
#define SEED_MAX                                                                         \
    INT64_C(9007199254740991) /* 2^53 - 1, as far as JSON numbers are exact */
#define NAMES_SHOWN 10
#define TOP_K_MAX 1000000
#define STOP_BYTES 1024 /* of one stop string */

/* Where each part of a request stands. */
typedef struct form {
    const cadre__json_doc *doc;
    const cadre__json *root;
    const cadre__json *body;   /* prompt and sampling: root in the short form */
    const cadre__json *wishes; /* tenant and so on: root, or metadata or NULL */
    const char *id, *text;     /* keys of id and text; text NULL: the url's */
    bool openai;
} form;

static const struct {
    const char *url, *key;
} urls[] = {
    [CADRE__URL_COMPLETIONS] = {"/v1/completions", "prompt"},
    [CADRE__URL_CHAT] = {"/v1/chat/completions", "messages"},
    [CADRE__URL_EMBEDDINGS] = {"/v1/embeddings", "input"},
};

static cadre_status mistyped(const form *f, const cadre__json *node, const char *expected)
{
    char found[128];
    return cadre__json_fail(f->doc, node, "expected %s, found %s", expected,
                            cadre__json_found(f->doc, node, found, sizeof found));
}

/* A member; OpenAI's clients write null for what was not given. */
static const cadre__json *given(const form *f, const cadre__json *object, const char *key)
{
    const cadre__json *node = object ? cadre__json_member(object, key) : NULL;
    return node && f->openai && cadre__json_is_null(node) ? NULL : node;
}

/* ---- Which form it has ---- */

static cadre_status open_openai(form *f, cadre__request_line *out)
{
    const char *method = "POST", *url = NULL;
    size_t i = 0;
    CADRE_TRY(cadre__json_get_string(f->doc, f->root, "method", false, &method));
    if (strcmp(method, "POST") != 0)
        return mistyped(f, cadre__json_member(f->root, "method"), "\"POST\"");
    CADRE_TRY(cadre__json_get_string(f->doc, f->root, "url", true, &url));
    while (i < N_OF(urls) && strcmp(url, urls[i].url) != 0)
        i++;
    if (i == N_OF(urls))
        return mistyped(
            f, cadre__json_member(f->root, "url"),
            "\"/v1/completions\", \"/v1/chat/completions\" or \"/v1/embeddings\"");
    out->item.url = (cadre__url)i;
    f->body = cadre__json_member(f->root, "body");
    if (!f->body)
        return cadre__json_fail(f->doc, f->root,
                                "\"body\" is missing: expected an object");
    if (!cadre__json_is_object(f->body))
        return mistyped(f, f->body, "an object");
    if (!given(f, f->body, urls[i].key))
        return cadre__json_fail(f->doc, f->body, "\"%s\" is missing: \"%s\" needs it",
                                urls[i].key, url);
    static const char *const keys[] = {"tenant", "max_cost_usd", "prefer_gpu",
                                       "complexity", "label"};
    f->wishes = given(f, f->body, "metadata");
    return f->wishes ? cadre__json_only_keys(f->doc, f->wishes, keys, N_OF(keys))
                     : CADRE_OK;
}

static cadre_status open_short(form *f, cadre__request_line *out)
{
    static const char *const keys[] = {
        "id",           "prompt",     "messages",   "input",    "tenant",
        "tier",         "model",      "max_tokens", "top_p",    "seed",
        "max_cost_usd", "prefer_gpu", "complexity", "label",    "temperature",
        "top_k",        "min_p",      "stop",       "logprobs", "top_logprobs"};
    int n_given = 0;
    CADRE_TRY(cadre__json_only_keys(f->doc, f->root, keys, N_OF(keys)));
    f->body = f->wishes = f->root;
    for (size_t i = 0; i < N_OF(urls); i++) {
        if (cadre__json_member(f->root, urls[i].key)) {
            out->item.url = (cadre__url)i;
            n_given++;
        }
    }
    if (n_given == 1)
        return CADRE_OK;
    return cadre__json_fail(
        f->doc, f->root,
        "expected exactly one of \"prompt\", \"messages\" and \"input\", "
        "found %d",
        n_given);
}

/* A line of another maker's file: only the fields that the job names mean anything. */
static cadre_status open_foreign(form *f, const cadre__job_input *input,
                                 cadre__request_line *out)
{
    f->body = f->root;
    f->id = input->id_field;
    f->text = input->prompt_field;
    out->item.url = CADRE__URL_COMPLETIONS;
    return cadre__json_member(f->root, f->text)
               ? CADRE_OK
               : cadre__json_fail(f->doc, f->root,
                                  "\"%.60s\" is missing: expected a string", f->text);
}

static cadre_status open_form(form *f, const cadre__job_input *input,
                              cadre__request_line *out)
{
    f->root = cadre__json_root(f->doc);
    if (!cadre__json_is_object(f->root))
        return mistyped(f, f->root, "a request object");
    if (input->id_field)
        return open_foreign(f, input, out);
    f->openai = cadre__json_member(f->root, "custom_id") != NULL;
    f->id = f->openai ? "custom_id" : "id";
    if (!f->openai && !cadre__json_member(f->root, "id"))
        return cadre__json_fail(
            f->doc, f->root,
            "expected \"id\" (short form) or \"custom_id\" (OpenAI batch "
            "form), found neither");
    return f->openai ? open_openai(f, out) : open_short(f, out);
}

static cadre_status parse_id(const form *f, cadre__request_line *out)
{
    const char *id = NULL;
    CADRE_TRY(cadre__json_get_string(f->doc, f->root, f->id, true, &id));
    const size_t n = strlen(id);
    bool fine = n > 0 && n <= CADRE__ID_BYTES;
    for (size_t i = 0; i < n && fine; i++)
        fine = (unsigned char)id[i] >= 0x20 && id[i] != 0x7F;
    out->custom_id = id;
    out->id_node = cadre__json_member(f->root, f->id);
    return fine ? CADRE_OK
                : mistyped(f, out->id_node,
                           "an id of 1 to 512 bytes without control characters");
}

/* ---- What is asked ---- */

static const cadre__json *payload_of(const form *f, cadre__url url)
{
    return cadre__json_member(f->body, f->text ? f->text : urls[url].key);
}

/* "content" is a string, or OpenAI's array of {"type": "text", "text": ...}. */
static cadre_status append_content(const form *f, const cadre__json *content,
                                   cadre__text *out)
{
    static const char expected[] =
        "a string, or an array of {\"type\": \"text\", \"text\": ...}";
    if (cadre__json_is_string(content)) {
        cadre__text_puts(out, cadre__json_string_or(content, ""));
        return CADRE_OK;
    }
    if (!cadre__json_is_array(content))
        return mistyped(f, content, expected);
    for (const cadre__json *part = cadre__json_first(content); part;
         part = cadre__json_next(part)) {
        const char *type = cadre__json_string_or(cadre__json_member(part, "type"), "");
        const char *text = cadre__json_string_or(cadre__json_member(part, "text"), NULL);
        if (strcmp(type, "text") != 0 || !text)
            return mistyped(f, part, "{\"type\": \"text\", \"text\": ...}");
        cadre__text_puts(out, text);
    }
    return CADRE_OK;
}

/* "role: content" as the next line of joined, and where the two stand. */
static cadre_status append_message(const form *f, const cadre__json *message,
                                   cadre__chat_buffers *buffers)
{
    cadre__text *joined = &buffers->joined;
    const char *role = NULL;
    cadre_message slices;

    CADRE_TRY(cadre__json_get_string(f->doc, message, "role", true, &role));
    const cadre__json *content = cadre__json_member(message, "content");
    if (!content)
        return cadre__json_fail(f->doc, message,
                                "\"content\" is missing: expected a string");
    cadre__text_puts(joined, joined->size ? "\n" : "");
    slices.role_at = (uint32_t)joined->size;
    slices.role_bytes = (uint32_t)strlen(role);
    cadre__text_printf(joined, "%s: ", role);
    slices.content_at = (uint32_t)joined->size;
    CADRE_TRY(append_content(f, content, joined));
    slices.content_bytes = (uint32_t)joined->size - slices.content_at;
    cadre__text_append(&buffers->messages, (const char *)&slices, sizeof slices);
    return CADRE_OK;
}

static cadre_status join_messages(const form *f, const cadre__json *messages,
                                  cadre__chat_buffers *buffers, cadre__item *out)
{
    cadre__text_clear(&buffers->joined);
    cadre__text_clear(&buffers->messages);
    if (!cadre__json_is_array(messages) || !cadre__json_first(messages))
        return mistyped(f, messages, "an array of messages");
    for (const cadre__json *message = cadre__json_first(messages); message;
         message = cadre__json_next(message)) {
        CADRE_TRY(append_message(f, message, buffers));
        out->n_messages++;
    }
    CADRE_TRY(cadre__text_status(&buffers->messages));
    out->messages = (const cadre_message *)(const void *)buffers->messages.data;
    return cadre__text_status(&buffers->joined);
}

static cadre_status parse_payload(const form *f, cadre__chat_buffers *buffers,
                                  cadre__request_line *out)
{
    const cadre__json *node = payload_of(f, out->item.url);
    out->item.payload = CADRE_PAYLOAD_TEXT;
    switch (out->item.url) {
    case CADRE__URL_COMPLETIONS:
        out->text = cadre__json_string_or(node, NULL);
        if (out->text)
            return CADRE_OK;
        return mistyped(f, node,
                        cadre__json_is_array(node)
                            ? "a string (several texts are several requests, and tokens "
                              "are not taken)"
                            : "a string");
    case CADRE__URL_CHAT:
        CADRE_TRY(join_messages(f, node, buffers, &out->item));
        out->text = cadre__text_string(&buffers->joined);
        return CADRE_OK;
    case CADRE__URL_EMBEDDINGS:
        break;
    }
    out->item.payload = CADRE_PAYLOAD_ROW;
    out->row = node;
    return cadre__json_is_array(node) ? CADRE_OK
                                      : mistyped(f, node, "an array of numbers");
}

/* Note why this request alone cannot be served: the first reason counts. */
static cadre_status spoil(cadre__item *item, const char *fmt, ...) CADRE_PRINTF(2, 3);

static cadre_status spoil(cadre__item *item, const char *fmt, ...)
{
    char sentence[256];
    va_list args;
    if (item->flaw)
        return CADRE_OK;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    item->flaw = cadre__strdup(sentence);
    return item->flaw ? CADRE_OK : CADRE_ERR_NOMEM;
}

/* What is no text in a prompt that is sent to a model is a matter of this request;
 * anywhere else nobody can say what the line means, but in another maker's, of which we
 * read nothing else than the id. */
static cadre_status check_text(const form *f, cadre__request_line *out)
{
    const bool text = out->item.payload == CADRE_PAYLOAD_TEXT;
    const cadre__json *payload = text ? payload_of(f, out->item.url) : NULL;
    const char *problem = cadre__json_text_problem(f->doc);

    if (!cadre__json_is_text(f->doc, f->text ? out->id_node : f->root, payload))
        return cadre__json_fail_text(f->doc);
    if (!text || cadre__json_is_text(f->doc, payload, NULL))
        return CADRE_OK;
    const char *key = f->text ? f->text : urls[out->item.url].key;
    const size_t byte = cadre__utf8_valid_bytes(out->text, strlen(out->text)) + 1;
    return problem == cadre__json_not_utf8
               ? spoil(&out->item, "%.60s: not valid UTF-8 from byte %zu of the text on",
                       key, byte)
               : spoil(&out->item, "%.60s: %s, at byte %zu of the text", key, problem,
                       byte);
}

static cadre_status parse_integer(const form *f, const char *key, int64_t min,
                                  int64_t max, int64_t *out)
{
    return given(f, f->body, key)
               ? cadre__json_get_integer(f->doc, f->body, key, false, min, max, out)
               : CADRE_OK;
}

static cadre_status parse_number(const form *f, const char *key, double min, double max,
                                 float *out)
{
    double value = *out;
    if (given(f, f->body, key))
        CADRE_TRY(cadre__json_get_number(f->doc, f->body, key, false, min, max, &value));
    *out = (float)value;
    return CADRE_OK;
}

static cadre_status parse_max_tokens(const form *f, uint32_t *out)
{
    int64_t max_tokens = MAX_TOKENS_DEFAULT;
    CADRE_TRY(parse_integer(f, "max_tokens", 1, MAX_TOKENS_MAX, &max_tokens));
    if (f->openai && given(f, f->body, "max_completion_tokens")) {
        if (given(f, f->body, "max_tokens"))
            return cadre__json_fail(
                f->doc, f->body,
                "expected \"max_tokens\" or \"max_completion_tokens\", "
                "found both");
        CADRE_TRY(
            parse_integer(f, "max_completion_tokens", 1, MAX_TOKENS_MAX, &max_tokens));
    }
    *out = (uint32_t)max_tokens;
    return CADRE_OK;
}

/* A number of alternatives for completions; for chats a yes or no and "top_logprobs". */
static cadre_status parse_logprobs(const form *f, cadre__url url, int32_t *out)
{
    int64_t n_top = -1;
    bool wanted = false;

    if (url != CADRE__URL_CHAT) {
        CADRE_TRY(parse_integer(f, "logprobs", 0, CADRE_MAX_TOP_LOGPROBS, &n_top));
        *out = (int32_t)n_top;
        return CADRE_OK;
    }
    if (given(f, f->body, "logprobs"))
        CADRE_TRY(cadre__json_get_bool(f->doc, f->body, "logprobs", true, &wanted));
    n_top = wanted ? 0 : -1;
    CADRE_TRY(parse_integer(f, "top_logprobs", 0, CADRE_MAX_TOP_LOGPROBS, &n_top));
    if (!wanted && n_top > 0)
        return cadre__json_fail(f->doc, cadre__json_member(f->body, "top_logprobs"),
                                "expected \"logprobs\": true beside it");
    *out = wanted ? (int32_t)n_top : -1;
    return CADRE_OK;
}

static cadre_status add_stop(const form *f, const cadre__json *node,
                             cadre__request_line *out)
{
    const char *stop = cadre__json_string_or(node, "");
    const size_t n = strlen(stop);
    if (n == 0 || n > STOP_BYTES)
        return mistyped(f, node, "a string of 1 to 1024 bytes");
    out->stops[out->item.n_stops++] = stop;
    return CADRE_OK;
}

/* A string, or an array of up to four. */
static cadre_status parse_stops(const form *f, cadre__request_line *out)
{
    const cadre__json *node = given(f, f->body, "stop");
    if (!node)
        return CADRE_OK;
    if (!cadre__json_is_array(node))
        return add_stop(f, node, out);
    if (cadre__json_length(node) > CADRE_MAX_STOPS || cadre__json_n_numbers(f->doc, node))
        return mistyped(f, node, "at most 4 strings");
    for (const cadre__json *stop = cadre__json_first(node); stop;
         stop = cadre__json_next(stop))
        CADRE_TRY(add_stop(f, stop, out));
    return CADRE_OK;
}

/* Whole numbers beyond 2^53 are not the same to all who read JSON (RFC 8259, section 6),
 * but files have them. Only the request that asks for one is refused. */
static cadre_status parse_seed(const form *f, cadre__item *item)
{
    char found[128];
    int64_t seed = 0;
    const cadre__json *node = given(f, f->body, "seed");
    const double value = cadre__json_number_or(node, 0);
    if (f->root && value == floor(value) && value > SEED_MAX)
        return spoil(item,
                     "seed: expected a whole number, at least 0 and below 2^53, found %s",
                     cadre__json_found(f->doc, node, found, sizeof found));
    CADRE_TRY(parse_integer(f, "seed", 0, SEED_MAX, &seed));
    item->sampling.seed = (uint64_t)seed;
    return CADRE_OK;
}

static cadre_status parse_sampling(const form *f, cadre__item *item)
{
    int64_t top_k = 0;
    cadre_sampling *out = &item->sampling;
    *out = (cadre_sampling){.temperature = 0, .top_p = 1};
    CADRE_TRY(parse_max_tokens(f, &out->max_tokens));
    CADRE_TRY(parse_number(f, "temperature", 0, TEMPERATURE_MAX, &out->temperature));
    CADRE_TRY(parse_number(f, "top_p", 0, 1, &out->top_p));
    CADRE_TRY(parse_number(f, "min_p", 0, 1, &out->min_p));
    CADRE_TRY(parse_integer(f, "top_k", 0, TOP_K_MAX, &top_k));
    CADRE_TRY(parse_seed(f, item));
    out->top_k = (uint32_t)top_k;
    return parse_logprobs(f, item->url, &out->logprobs);
}

/* ---- Tier and tenant ---- */

/* unknown tenant "acm"; did you mean "acme"? */
static cadre_status unknown(const char *what, const char *name, const char *const *known,
                            size_t n, cadre__text *sentence)
{
    const char *nearest = cadre__nearest(name, known, n);
    cadre__text_printf(sentence, "unknown %s \"%.60s\"", what, name);
    if (nearest) {
        cadre__text_printf(sentence, "; did you mean \"%s\"?", nearest);
    } else {
        cadre__text_puts(sentence, "; the job has ");
        for (size_t i = 0; i < n && i < NAMES_SHOWN; i++)
            cadre__text_printf(sentence, "%s%s", i ? ", " : "", known[i]);
        if (n > NAMES_SHOWN)
            cadre__text_printf(sentence, " and %zu more", n - NAMES_SHOWN);
    }
    return cadre__text_status(sentence);
}

cadre_status cadre__request_unknown_tenant(const cadre__job *job, const char *name,
                                           cadre__text *sentence)
{
    const char **known = cadre__alloc_n(job->n_tenants, sizeof *known);
    if (!known)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < job->n_tenants; i++)
        known[i] = job->tenants[i].name;
    const cadre_status st = unknown("tenant", name, known, job->n_tenants, sentence);
    cadre__free(known);
    return st;
}

cadre_status cadre__request_unknown_tier(const cadre__job *job, const char *name,
                                         cadre__text *sentence)
{
    const char **known = cadre__alloc_n(job->n_tiers + 1, sizeof *known);
    if (!known)
        return CADRE_ERR_NOMEM;
    for (size_t i = 0; i < job->n_tiers; i++)
        known[i] = job->tiers[i].name;
    known[job->n_tiers] = "auto";
    const cadre_status st = unknown("tier", name, known, job->n_tiers + 1, sentence);
    cadre__free(known);
    return st;
}

static cadre_status parse_tier(const form *f, const cadre__job *job, int *out)
{
    const char *key = "model", *name = "auto";
    if (!f->openai && cadre__json_member(f->root, "tier")) {
        if (cadre__json_member(f->root, "model"))
            return cadre__json_fail(
                f->doc, f->root,
                "expected \"tier\" or \"model\", which mean the same, "
                "found both");
        key = "tier";
    }
    const cadre__json *node = given(f, f->body, key);
    if (node)
        CADRE_TRY(cadre__json_get_string(f->doc, f->body, key, false, &name));
    *out = cadre__job_tier_index(job, name);
    if (*out >= 0 || strcmp(name, "auto") == 0)
        return CADRE_OK;
    cadre__text sentence = {0};
    cadre_status st = cadre__request_unknown_tier(job, name, &sentence);
    if (st == CADRE_OK)
        st = cadre__json_fail(f->doc, node, "%s", cadre__text_string(&sentence));
    cadre__text_fini(&sentence);
    return st;
}

static cadre_status parse_tenant(const form *f, const cadre__job *job,
                                 const cadre__name_table *tenants, int *out)
{
    const char *name = NULL;
    size_t index = 0;
    const cadre__json *node = given(f, f->wishes, "tenant");
    if (node)
        CADRE_TRY(cadre__json_get_string(f->doc, f->wishes, "tenant", false, &name));
    else if (job->n_tenants == 1)
        name = job->tenants[0].name;
    else
        return cadre__json_fail(
            f->doc, f->wishes ? f->wishes : f->body,
            "\"%stenant\" is missing: the job has %zu tenants, one of which "
            "must pay",
            f->openai && !f->wishes ? "metadata." : "", job->n_tenants);
    if (cadre__name_table_find(tenants, name, &index)) {
        *out = (int)index;
        return CADRE_OK;
    }
    cadre__text sentence = {0};
    cadre_status st = cadre__request_unknown_tenant(job, name, &sentence);
    if (st == CADRE_OK)
        st = cadre__json_fail(f->doc, node, "%s", cadre__text_string(&sentence));
    cadre__text_fini(&sentence);
    return st;
}

/* ---- Wishes ---- */

/* A number, or in OpenAI's metadata, whose values are strings, one written in a string.
 * NAN for anything else. */
static double wish_number(const form *f, const cadre__json *node)
{
    const char *text = f->openai ? cadre__json_string_or(node, NULL) : NULL;
    char *end;
    if (!text)
        return cadre__json_number_or(node, NAN);
    if (!*text || text[strspn(text, "+-.0123456789eE")] != '\0')
        return NAN; /* strtod knows hexadecimal, "inf" and blanks, which we do not want */
    const double value = strtod(text, &end);
    return *end == '\0' ? value : NAN;
}

static cadre_status parse_bool_wish(const form *f, const char *key, bool *out)
{
    const cadre__json *node = given(f, f->wishes, key);
    const char *text = f->openai ? cadre__json_string_or(node, "") : "";
    if (!node)
        return CADRE_OK;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return cadre__json_get_bool(f->doc, f->wishes, key, true, out);
    *out = strcmp(text, "true") == 0;
    return CADRE_OK;
}

static cadre_status parse_wishes(const form *f, cadre__item *out)
{
    const cadre__json *complexity = given(f, f->wishes, "complexity");
    const cadre__json *label = given(f, f->wishes, "label");
    out->complexity = NAN;
    out->max_cost = -1;
    out->label = -1;
    if (complexity) {
        out->complexity = wish_number(f, complexity);
        if (!(out->complexity >= 0 && out->complexity <= 1))
            return mistyped(f, complexity, "a number from 0 to 1");
    }
    if (label) {
        const double value = wish_number(f, label);
        if (!(value >= 0 && value <= INT32_MAX) || value != floor(value))
            return mistyped(f, label, "the number of a class: 0, 1, 2, ...");
        out->label = (int32_t)value;
    }
    if (given(f, f->wishes, "max_cost_usd"))
        CADRE_TRY(cadre__json_get_money(f->doc, f->wishes, "max_cost_usd", true, 0,
                                        &out->max_cost));
    return parse_bool_wish(f, "prefer_gpu", &out->prefer_gpu);
}

void cadre__chat_buffers_fini(cadre__chat_buffers *buffers)
{
    cadre__text_fini(&buffers->joined);
    cadre__text_fini(&buffers->messages);
}

cadre_status cadre__request_line_parse(const cadre__job *job,
                                       const cadre__name_table *tenants,
                                       const cadre__json_doc *doc,
                                       cadre__chat_buffers *buffers,
                                       cadre__request_line *out)
{
    form f = {.doc = doc};
    const form asked = {.doc = job->doc, .body = job->input.request, .openai = true};
    memset(out, 0, sizeof *out);
    CADRE_TRY(open_form(&f, &job->input, out));
    out->openai = f.openai;
    CADRE_TRY(parse_id(&f, out));
    CADRE_TRY(parse_payload(&f, buffers, out));
    CADRE_TRY(check_text(&f, out));
    const form *how = f.text ? &asked : &f;
    CADRE_TRY(parse_sampling(how, &out->item));
    CADRE_TRY(parse_stops(how, out));
    out->item.stops = out->stops;
    if (f.openai)
        CADRE_TRY(cadre__request_body_check(f.doc, f.body));
    CADRE_TRY(parse_tier(how, job, &out->item.tier));
    CADRE_TRY(parse_tenant(&f, job, tenants, &out->item.tenant));
    return parse_wishes(&f, &out->item);
}
