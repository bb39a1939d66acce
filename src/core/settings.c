/* core/settings.c - CADRE_* environment variables. */
#include "core/settings.h"
#include "core/text.h"
#include <cadre/log.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "CADRE_"

static const struct {
    const char *name, *value, *help;
} settings[CADRE__N_SETTINGS] = {
#define X(id, value, help) [CADRE__SETTING_##id] = {PREFIX #id, value, help},
    CADRE__SETTING_LIST(X)
#undef X
};

extern char **environ;

const char *cadre__setting_name(cadre__setting setting)
{
    return settings[setting].name;
}

const char *cadre__setting_help(cadre__setting setting)
{
    return settings[setting].help;
}

const char *cadre__setting_default(cadre__setting setting)
{
    return settings[setting].value;
}

static const char *from_environment(cadre__setting setting)
{
    const char *value = getenv(settings[setting].name);
    return value && value[0] ? value : NULL;
}

const char *cadre__setting_value(cadre__setting setting)
{
    const char *value = from_environment(setting);
    return value ? value : settings[setting].value;
}

const char *cadre__setting_source(cadre__setting setting)
{
    return from_environment(setting) ? "environment" : "default";
}

cadre_status cadre__setting_integer(cadre__setting setting, int64_t min, int64_t max,
                                    int64_t *out)
{
    const char *text = cadre__setting_value(setting);
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < min || value > max)
        return cadre_fail(
            CADRE_ERR_INPUT,
            "%s: expected a whole number from %lld to %lld, found \"%.40s\"",
            settings[setting].name, (long long)min, (long long)max, text);
    *out = value;
    return CADRE_OK;
}

void cadre__settings_warn_unknown(void)
{
    const char *names[CADRE__N_SETTINGS];
    for (size_t i = 0; i < CADRE__N_SETTINGS; i++)
        names[i] = settings[i].name + strlen(PREFIX);

    for (char **entry = environ; *entry; entry++) {
        if (strncmp(*entry, PREFIX, strlen(PREFIX)) != 0)
            continue;
        char name[64];
        const size_t length = strcspn(*entry, "=");
        if (length >= sizeof name)
            continue;
        memcpy(name, *entry, length);
        name[length] = '\0';
        size_t i = 0;
        while (i < CADRE__N_SETTINGS && strcmp(name, settings[i].name) != 0)
            i++;
        if (i < CADRE__N_SETTINGS)
            continue;
        const char *near =
            cadre__nearest(name + strlen(PREFIX), names, CADRE__N_SETTINGS);
        cadre_log(CADRE_LOG_WARN, "core", "unknown variable %s is ignored%s%s", name,
                  near ? "; the nearest known is " PREFIX : "", near ? near : "");
    }
}
