/* io/name_table.c - a hash table of fixed size with linear probing. */
#include "io/name_table.h"
#include "core/memory.h"
#include "io/file.h"
#include <string.h>

cadre_status cadre__name_table_init(cadre__name_table *table, size_t max_names)
{
    size_t n = 16;
    while (n / 2 < max_names && n <= SIZE_MAX / 4)
        n *= 2;
    table->n_slots = n;
    table->slots = cadre__alloc_n(n, sizeof table->slots[0]);
    return table->slots ? CADRE_OK : CADRE_ERR_NOMEM;
}

void cadre__name_table_fini(cadre__name_table *table)
{
    cadre__free(table->slots);
    memset(table, 0, sizeof *table);
}

/* The slot that holds name, or the free one where it belongs. */
static struct cadre__name_slot *slot_of(const cadre__name_table *table, const char *name)
{
    const size_t mask = table->n_slots - 1;
    size_t i = (size_t)cadre_bytes_checksum(name, strlen(name)) & mask;
    while (table->slots[i].name && strcmp(table->slots[i].name, name) != 0)
        i = (i + 1) & mask;
    return &table->slots[i];
}

bool cadre__name_table_find(const cadre__name_table *table, const char *name,
                            size_t *value)
{
    const struct cadre__name_slot *slot = slot_of(table, name);
    if (!slot->name)
        return false;
    *value = slot->value;
    return true;
}

bool cadre__name_table_add(cadre__name_table *table, const char *name, size_t *value)
{
    struct cadre__name_slot *slot = slot_of(table, name);
    if (slot->name) {
        *value = slot->value;
        return false;
    }
    *slot = (struct cadre__name_slot){name, *value};
    return true;
}
