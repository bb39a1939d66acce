/* io/name_table.h - numbers by name: request ids by line, tenants by index. */
#ifndef CADRE_IO_NAME_TABLE_H
#define CADRE_IO_NAME_TABLE_H

#include <cadre/status.h>
#include <stdbool.h>
#include <stddef.h>

/* Caller storage; names are borrowed and must stay where they are. */
typedef struct cadre__name_table {
    struct cadre__name_slot {
        const char *name; /* NULL: free */
        size_t value;
    } * slots;
    size_t n_slots; /* a power of two, at least twice the names */
} cadre__name_table;

/* Room for max_names. */
cadre_status cadre__name_table_init(cadre__name_table *table, size_t max_names);
void cadre__name_table_fini(cadre__name_table *table);

/* Is name there? Then its value. */
bool cadre__name_table_find(const cadre__name_table *table, const char *name,
                            size_t *value);

/* Add name, or return false and the value that it has already in *value. */
bool cadre__name_table_add(cadre__name_table *table, const char *name, size_t *value);

#endif
