/* cadre/log.h - diagnostics on stderr, filtered by level and module.
 *
 * CADRE_LOG=warn                  the default: warnings and errors
 * CADRE_LOG=info,coll=debug,io=off  a level for all, then exceptions by module
 * CADRE_LOG=off                   nothing at all
 *
 * Each line carries level, rank and module. Standard output belongs to results: nothing
 * is ever logged there.
 */
#ifndef CADRE_LOG_H
#define CADRE_LOG_H

#include <cadre/status.h>

typedef enum cadre_log_level {
    CADRE_LOG_OFF,
    CADRE_LOG_ERROR,
    CADRE_LOG_WARN,
    CADRE_LOG_INFO,
    CADRE_LOG_DEBUG
} cadre_log_level;

/* Where lines go; `line` has no newline. */
typedef void cadre_log_sink(void *context, cadre_log_level level, const char *line);

/* Set levels from a filter string as above; NULL means the default. Local.
 * CADRE_ERR_INPUT  an unknown level; the filter is unchanged */
CADRE_API cadre_status cadre_log_filter(const char *filter);

/* Replace the sink; NULL restores stderr. Local. */
CADRE_API void cadre_log_set_sink(cadre_log_sink *sink, void *context);

/* The rank shown in each line; -1 (the default) shows none. Local. */
CADRE_API void cadre_log_set_rank(int rank);

/* Local. `module` is a folder's name, such as "coll". */
CADRE_API void cadre_log(cadre_log_level level, const char *module, const char *fmt, ...)
    CADRE_PRINTF(3, 4);

#endif
