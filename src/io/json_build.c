/* io/json_build.c - trees of JSON put together and printed. */
#include "core/memory.h"
#include "io/json.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Something could not be added to this container. cJSON uses the low 10 bits of a node's
 * type and keeps the rest; json.c uses bit 16. */
#define MARK_FAILED (1 << 17)

cadre__json *cadre__json_new_object(void)
{
    return cJSON_CreateObject();
}

cadre__json *cadre__json_new_array(void)
{
    return cJSON_CreateArray();
}

void cadre__json_add(cadre__json *parent, const char *key, cadre__json *child)
{
    const bool done = parent && child &&
                      (key ? cJSON_AddItemToObject(parent, key, child)
                           : cJSON_AddItemToArray(parent, child));
    if (done)
        return;
    cJSON_Delete(child);
    if (parent)
        parent->type |= MARK_FAILED;
}

void cadre__json_add_string(cadre__json *parent, const char *key, const char *value)
{
    cadre__json_add(parent, key, value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

void cadre__json_add_number(cadre__json *parent, const char *key, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", value);
    /* cJSON prints 15 digits when they come close; what needs more is given as text. */
    if (!isfinite(value) || strtod(text, NULL) == value) {
        cadre__json_add(parent, key,
                        isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
        return;
    }
    snprintf(text, sizeof text, "%.16g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, sizeof text, "%.17g", value);
    cadre__json_add(parent, key, cJSON_CreateRaw(text));
}

void cadre__json_add_integer(cadre__json *parent, const char *key, int64_t value)
{
    char text[32];
    if (value > -INT64_C(1000000000000000) && value < INT64_C(1000000000000000)) {
        cadre__json_add(parent, key, cJSON_CreateNumber((double)value));
        return;
    }
    snprintf(text, sizeof text, "%" PRId64, value);
    cadre__json_add(parent, key, cJSON_CreateRaw(text));
}

void cadre__json_add_bool(cadre__json *parent, const char *key, bool value)
{
    cadre__json_add(parent, key, cJSON_CreateBool(value));
}

void cadre__json_add_money(cadre__json *parent, const char *key, cadre_money value)
{
    char text[CADRE_MONEY_TEXT];
    cadre__json_add_string(parent, key, cadre_money_format(value, text));
}

void cadre__json_remove(cadre__json *object, const char *key)
{
    if (cJSON_IsObject(object))
        cJSON_DeleteItemFromObjectCaseSensitive(object, key);
}

void cadre__json_destroy(cadre__json *node)
{
    cJSON_Delete(node);
}

cadre__json *cadre__json_copy(const cadre__json *node)
{
    return node ? cJSON_Duplicate(node, 1) : NULL;
}

static bool has_failed(const cJSON *node)
{
    if (!node || node->type & MARK_FAILED)
        return true;
    for (const cJSON *child = node->child; child; child = child->next)
        if (has_failed(child))
            return true;
    return false;
}

char *cadre__json_print(const cadre__json *node, bool pretty)
{
    char *printed = has_failed(node) ? NULL
                    : pretty         ? cJSON_Print(node)
                                     : cJSON_PrintUnformatted(node);
    if (!printed) {
        (void)cadre_fail(CADRE_ERR_NOMEM, "out of memory for a JSON text");
        return NULL;
    }
    const size_t n = strlen(printed);
    char *text = cadre__alloc(n + 2);
    if (text) {
        memcpy(text, printed, n);
        text[n] = pretty ? '\n' : '\0';
    }
    cJSON_free(printed);
    return text;
}

cadre_status cadre__json_append(cadre__json *root, cadre__text *out)
{
    char *text = cadre__json_print(root, true);

    cadre__json_destroy(root);
    if (!text)
        return CADRE_ERR_NOMEM;
    cadre__text_puts(out, text);
    cadre__free(text);
    return CADRE_OK;
}
