/* coll/setting.c - reading CADRE_COLL. */
#include "coll/setting.h"
#include "coll/choice.h"
#include "core/settings.h"
#include "core/text.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* One item: the setting, to count characters in it, and the item's end. */
typedef struct item {
    const char *setting, *at, *end;
} item;

static size_t character(const item *it)
{
    return (size_t)(it->at - it->setting) + 1;
}

static int shown(const item *it)
{
    const size_t n = (size_t)(it->end - it->at);

    return (int)(n < 64 ? n : 64);
}

/* The length of the part that begins here and ends at a colon or with the item. */
static size_t part(const item *it)
{
    const char *colon = memchr(it->at, ':', (size_t)(it->end - it->at));

    return (size_t)((colon != NULL ? colon : it->end) - it->at);
}

static cadre_status bad_form(const item *it)
{
    return cadre_fail(CADRE_ERR_INPUT,
                      "\"%.*s\" at character %zu: expected COLLECTIVE:ALGORITHM or "
                      "COLLECTIVE:FROM-TO:ALGORITHM",
                      shown(it), it->at, character(it));
}

static cadre_status read_collective(item *it, cadre_collective *out)
{
    const size_t n = part(it);
    char known[160] = "";

    if (it->at + n == it->end)
        return bad_form(it);
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++) {
        const char *name = cadre__collective_name((cadre_collective)c);
        const size_t used = strlen(known);

        if (strlen(name) == n && memcmp(name, it->at, n) == 0) {
            *out = (cadre_collective)c;
            it->at += n + 1;
            return CADRE_OK;
        }
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", name);
    }
    return cadre_fail(CADRE_ERR_NOT_FOUND,
                      "character %zu: there is no collective \"%.*s\"; there are %s",
                      character(it), (int)(n < 64 ? n : 64), it->at, known);
}

/* "FROM-TO:", either of which may be missing. */
static cadre_status read_range(item *it, cadre__coll_rule *rule)
{
    const char *stop = it->at + part(it), *end;

    if (stop == it->end)
        return bad_form(it);
    if (*it->at != '-') {
        if (!cadre__read_bytes(it->at, &end, &rule->from) || *end != '-')
            return cadre_fail(CADRE_ERR_INPUT,
                              "\"%.*s\" at character %zu: expected a range of bytes, as "
                              "4k-1M: a number, k, M or G after it, a dash",
                              shown(it), it->at, character(it));
        it->at = end;
    }
    it->at++;
    if (it->at == stop) {
        rule->to = SIZE_MAX;
    } else if (!cadre__read_bytes(it->at, &end, &rule->to) || end != stop) {
        return cadre_fail(CADRE_ERR_INPUT,
                          "\"%.*s\" at character %zu: expected where the range ends, a "
                          "number with k, M or G after it, or nothing",
                          shown(it), it->at, character(it));
    } else if (rule->to <= rule->from) {
        return cadre_fail(CADRE_ERR_INPUT,
                          "character %zu: a range from %zu to before %zu bytes is empty",
                          character(it), rule->from, rule->to);
    }
    it->at = stop + 1;
    return CADRE_OK;
}

static cadre_status add_rule(const item *it, cadre_collective collective,
                             const cadre__coll_rule *rule, cadre__coll_rules *out)
{
    const size_t n = out->of[collective].n;
    const char *name = cadre__collective_name(collective);

    for (size_t i = 0; i < n; i++) {
        const cadre__coll_rule *other = &out->of[collective].rules[i];

        if (rule->from < other->to && other->from < rule->to)
            return cadre_fail(CADRE_ERR_INPUT,
                              "character %zu: %s of %zu bytes is named twice, %s and %s",
                              character(it), name,
                              rule->from > other->from ? rule->from : other->from,
                              other->row->name, rule->row->name);
    }
    if (n == CADRE__MAX_RULES)
        return cadre_fail(CADRE_ERR_INPUT, "character %zu: more than %d ranges of %s",
                          character(it), CADRE__MAX_RULES, name);
    out->of[collective].rules[out->of[collective].n++] = *rule;
    return CADRE_OK;
}

static cadre_status read_item(item *it, cadre__coll_rules *out)
{
    cadre__coll_rule rule = {.to = SIZE_MAX};
    const item whole = *it;
    cadre_collective collective = CADRE_ALLREDUCE;
    char name[64];

    CADRE_TRY(read_collective(it, &collective));
    if (it->at < it->end && (*it->at == '-' || (*it->at >= '0' && *it->at <= '9')))
        CADRE_TRY(read_range(it, &rule));
    if (part(it) != (size_t)(it->end - it->at))
        return bad_form(&whole);
    snprintf(name, sizeof name, "%.*s", shown(it), it->at);
    CADRE_TRY(cadre_context(cadre__coll_find(collective, name, &rule.row),
                            "character %zu", character(it)));
    return add_rule(it, collective, &rule, out);
}

cadre_status cadre__coll_parse(const char *setting, cadre__coll_rules *out)
{
    memset(out, 0, sizeof *out);
    for (const char *at = setting; *at != '\0';) {
        item it = {setting, at, at + strcspn(at, ",")};

        at = it.end + (*it.end == ',');
        CADRE_TRY(read_item(&it, out));
    }
    return CADRE_OK;
}

const cadre__coll_row *cadre__coll_rule_for(const cadre__coll_rules *rules,
                                            cadre_collective collective, size_t bytes)
{
    for (size_t i = 0; i < rules->of[collective].n; i++) {
        const cadre__coll_rule *rule = &rules->of[collective].rules[i];

        if (bytes >= rule->from && (bytes < rule->to || rule->to == SIZE_MAX))
            return rule->row;
    }
    return NULL;
}

/* ---- The environment's ---- */

static struct {
    pthread_once_t once;
    cadre__coll_rules rules;
    cadre_status status;
    char sentence[512];
} said = {.once = PTHREAD_ONCE_INIT};

static void read_setting(void)
{
    said.status =
        cadre__coll_parse(cadre__setting_value(CADRE__SETTING_COLL), &said.rules);
    if (said.status != CADRE_OK)
        snprintf(said.sentence, sizeof said.sentence, "%s: %s",
                 cadre__setting_name(CADRE__SETTING_COLL), cadre_last_error());
}

cadre_status cadre__coll_setting(const cadre__coll_rules **out)
{
    pthread_once(&said.once, read_setting);
    *out = &said.rules;
    return said.status == CADRE_OK ? CADRE_OK
                                   : cadre_fail(said.status, "%s", said.sentence);
}
