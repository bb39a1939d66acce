/* group/names.c - words for the enumerations of cadre/group.h, as job files and reports
 * use them. */
#include <cadre/group.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
#define X(id, name) [CADRE_GROUP_##id] = name,
    CADRE_GROUP_STATE_LIST(X)
#undef X
};

static const char *const partition_names[] = {
#define X(id, name) [CADRE_PARTITION_##id] = name,
    CADRE_PARTITION_LIST(X)
#undef X
};

static const char *const placement_names[] = {
#define X(id, name) [CADRE_PLACEMENT_##id] = name,
    CADRE_PLACEMENT_LIST(X)
#undef X
};

static const char *const aggregation_names[] = {
#define X(id, name) [CADRE_AGGREGATE_##id] = name,
    CADRE_AGGREGATION_LIST(X)
#undef X
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *name_of(const char *const *names, size_t n, size_t value)
{
    return value < n ? names[value] : "unknown";
}

/* The place of name in names, or a sentence that lists them. */
static cadre_status find(const char *const *names, size_t n, const char *what,
                         const char *name, size_t *out)
{
    char list[128] = "";
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        if (name && strcmp(names[i], name) == 0) {
            *out = i;
            return CADRE_OK;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 names[i]);
    }
    return cadre_fail(CADRE_ERR_NOT_FOUND, "unknown %s \"%s\": expected one of %s", what,
                      name ? name : "", list);
}

const char *cadre_group_state_name(cadre_group_state state)
{
    return name_of(state_names, COUNT(state_names), (size_t)state);
}

const char *cadre_partition_name(cadre_partition partition)
{
    return name_of(partition_names, COUNT(partition_names), (size_t)partition);
}

const char *cadre_placement_name(cadre_placement placement)
{
    return name_of(placement_names, COUNT(placement_names), (size_t)placement);
}

const char *cadre_aggregation_name(cadre_aggregation aggregation)
{
    return name_of(aggregation_names, COUNT(aggregation_names), (size_t)aggregation);
}

cadre_status cadre_partition_from_name(const char *name, cadre_partition *out)
{
    size_t value = 0;
    CADRE_TRY(find(partition_names, COUNT(partition_names), "partition", name, &value));
    *out = (cadre_partition)value;
    return CADRE_OK;
}

cadre_status cadre_placement_from_name(const char *name, cadre_placement *out)
{
    size_t value = 0;
    CADRE_TRY(find(placement_names, COUNT(placement_names), "placement", name, &value));
    *out = (cadre_placement)value;
    return CADRE_OK;
}
