/* core/log.c - diagnostics filtered by level and module. */
#include <cadre/log.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_MODULES 16
#define MODULE_BYTES 24

static const char *const level_names[] = {"off", "error", "warn", "info", "debug"};
#define N_LEVELS (sizeof level_names / sizeof level_names[0])

typedef struct filter {
    cadre_log_level all;
    size_t n;
    struct {
        char module[MODULE_BYTES];
        cadre_log_level level;
    } modules[MAX_MODULES];
} filter;

static void to_stderr(void *context, cadre_log_level level, const char *line)
{
    (void)context;
    (void)level;
    fprintf(stderr, "%s\n", line);
}

/* Set once at start, before anything logs. */
static filter in_force = {.all = CADRE_LOG_WARN};
static cadre_log_sink *sink = to_stderr;
static void *sink_context;
static int shown_rank = -1;

static cadre_status parse_level(const char *text, size_t n, cadre_log_level *out)
{
    for (size_t i = 0; i < N_LEVELS; i++) {
        if (strlen(level_names[i]) == n && strncmp(level_names[i], text, n) == 0) {
            *out = (cadre_log_level)i;
            return CADRE_OK;
        }
    }
    return cadre_fail(
        CADRE_ERR_INPUT,
        "log level: expected off, error, warn, info or debug, found \"%.*s\"", (int)n,
        text);
}

cadre_status cadre_log_filter(const char *text)
{
    filter parsed = {.all = CADRE_LOG_WARN};

    for (const char *p = text; p && *p;) {
        const size_t n = strcspn(p, ",");
        const char *equals = memchr(p, '=', n);
        if (!equals) {
            CADRE_TRY(parse_level(p, n, &parsed.all));
        } else {
            const size_t name = (size_t)(equals - p);
            if (name == 0 || name >= MODULE_BYTES || parsed.n == MAX_MODULES)
                return cadre_fail(CADRE_ERR_INPUT, "log filter: bad entry \"%.*s\"",
                                  (int)n, p);
            memcpy(parsed.modules[parsed.n].module, p, name);
            CADRE_TRY(
                parse_level(equals + 1, n - name - 1, &parsed.modules[parsed.n].level));
            parsed.n++;
        }
        p += n;
        p += *p == ',';
    }
    in_force = parsed;
    return CADRE_OK;
}

void cadre_log_set_sink(cadre_log_sink *new_sink, void *context)
{
    sink = new_sink ? new_sink : to_stderr;
    sink_context = new_sink ? context : NULL;
}

void cadre_log_set_rank(int rank)
{
    shown_rank = rank;
}

static cadre_log_level level_of(const char *module)
{
    for (size_t i = 0; i < in_force.n; i++) {
        if (strcmp(in_force.modules[i].module, module) == 0)
            return in_force.modules[i].level;
    }
    return in_force.all;
}

void cadre_log(cadre_log_level level, const char *module, const char *fmt, ...)
{
    if (level == CADRE_LOG_OFF || level > level_of(module))
        return;
    char line[1024];
    int n =
        shown_rank >= 0
            ? snprintf(line, sizeof line, "cadre %s rank %d %s: ", level_names[level],
                       shown_rank, module)
            : snprintf(line, sizeof line, "cadre %s %s: ", level_names[level], module);
    if (n < 0 || (size_t)n >= sizeof line)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + n, sizeof line - (size_t)n, fmt, args);
    va_end(args);
    sink(sink_context, level, line);
}
