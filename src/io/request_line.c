/* io/request_line.c - one request from its JSON: OpenAI's batch form or the short
 * form. */
#include "io/request_line.h"
#include "core/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define MAX_TOKENS_DEFAULT 16
#define MAX_TOKENS_MAX 1000000
#define TEMPERATURE_MAX 2
#define SEED_MAX                                                                         \
    INT64_C(9007199254740991) /* 2^53 - 1, as far as JSON numbers are exact */
#define NAMES_SHOWN 10

/* Where each part of a request stands. */
typedef struct form {
    const cadre__json_doc *doc;
    const cadre__json *root;
    const cadre__json *body;   /* prompt and sampling: root in the short form */
    const cadre__json *wishes; /* tenant and so on: root, or metadata or NULL */
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
        "id",           "prompt",     "messages",   "input", "tenant",
        "tier",         "model",      "max_tokens", "top_p", "seed",
        "max_cost_usd", "prefer_gpu", "complexity", "label", "temperature"};
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

static cadre_status open_form(form *f, cadre__request_line *out)
{
    f->root = cadre__json_root(f->doc);
    if (!cadre__json_is_object(f->root))
        return mistyped(f, f->root, "a request object");
    f->openai = cadre__json_member(f->root, "custom_id") != NULL;
    if (!f->openai && !cadre__json_member(f->root, "id"))
        return cadre__json_fail(
            f->doc, f->root,
            "expected \"id\" (short form) or \"custom_id\" (OpenAI batch "
            "form), found neither");
    return f->openai ? open_openai(f, out) : open_short(f, out);
}

static cadre_status parse_id(const form *f, cadre__request_line *out)
{
    const char *key = f->openai ? "custom_id" : "id";
    const char *id = NULL;
    CADRE_TRY(cadre__json_get_string(f->doc, f->root, key, true, &id));
    const size_t n = strlen(id);
    bool fine = n > 0 && n <= CADRE__ID_BYTES;
    for (size_t i = 0; i < n && fine; i++)
        fine = (unsigned char)id[i] >= 0x20 && id[i] != 0x7F;
    out->custom_id = id;
    out->id_node = cadre__json_member(f->root, key);
    return fine ? CADRE_OK
                : mistyped(f, out->id_node,
                           "an id of 1 to 512 bytes without control characters");
}

/* ---- What is asked ---- */

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

static cadre_status join_messages(const form *f, const cadre__json *messages,
                                  cadre__text *out)
{
    cadre__text_clear(out);
    if (!cadre__json_is_array(messages) || !cadre__json_first(messages))
        return mistyped(f, messages, "an array of messages");
    for (const cadre__json *message = cadre__json_first(messages); message;
         message = cadre__json_next(message)) {
        const char *role = NULL;
        CADRE_TRY(cadre__json_get_string(f->doc, message, "role", true, &role));
        const cadre__json *content = cadre__json_member(message, "content");
        if (!content)
            return cadre__json_fail(f->doc, message,
                                    "\"content\" is missing: expected a string");
        cadre__text_printf(out, "%s%s: ", out->size ? "\n" : "", role);
        CADRE_TRY(append_content(f, content, out));
    }
    return cadre__text_status(out);
}

static cadre_status parse_payload(const form *f, cadre__text *joined,
                                  cadre__request_line *out)
{
    const cadre__json *node = cadre__json_member(f->body, urls[out->item.url].key);
    out->item.payload = CADRE_PAYLOAD_TEXT;
    switch (out->item.url) {
    case CADRE__URL_COMPLETIONS:
        out->text = cadre__json_string_or(node, NULL);
        return out->text ? CADRE_OK : mistyped(f, node, "a string");
    case CADRE__URL_CHAT:
        CADRE_TRY(join_messages(f, node, joined));
        out->text = cadre__text_string(joined);
        return CADRE_OK;
    case CADRE__URL_EMBEDDINGS:
        break;
    }
    out->item.payload = CADRE_PAYLOAD_ROW;
    out->row = node;
    return cadre__json_is_array(node) ? CADRE_OK
                                      : mistyped(f, node, "an array of numbers");
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

static cadre_status parse_sampling(const form *f, cadre_sampling *out)
{
    int64_t max_tokens = MAX_TOKENS_DEFAULT, seed = 0;
    *out = (cadre_sampling){.temperature = 0, .top_p = 1};
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
    CADRE_TRY(parse_number(f, "temperature", 0, TEMPERATURE_MAX, &out->temperature));
    CADRE_TRY(parse_number(f, "top_p", 0, 1, &out->top_p));
    CADRE_TRY(parse_integer(f, "seed", 0, SEED_MAX, &seed));
    out->max_tokens = (uint32_t)max_tokens;
    out->seed = (uint64_t)seed;
    return CADRE_OK;
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

cadre_status cadre__request_line_parse(const cadre__job *job,
                                       const cadre__name_table *tenants,
                                       const cadre__json_doc *doc, cadre__text *joined,
                                       cadre__request_line *out)
{
    form f = {.doc = doc};
    memset(out, 0, sizeof *out);
    CADRE_TRY(open_form(&f, out));
    CADRE_TRY(parse_id(&f, out));
    CADRE_TRY(parse_payload(&f, joined, out));
    CADRE_TRY(parse_sampling(&f, &out->item.sampling));
    CADRE_TRY(parse_tier(&f, job, &out->item.tier));
    CADRE_TRY(parse_tenant(&f, job, tenants, &out->item.tenant));
    return parse_wishes(&f, &out->item);
}
