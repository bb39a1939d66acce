/* cadre/export.h - which symbols libcadre shows, and its version. */
#ifndef CADRE_EXPORT_H
#define CADRE_EXPORT_H

#define CADRE_VERSION_MAJOR 0
#define CADRE_VERSION_MINOR 1
#define CADRE_VERSION_PATCH 0
#define CADRE_VERSION "0.1.0"

#ifdef __GNUC__
#define CADRE_API __attribute__((visibility("default")))
#define CADRE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define CADRE_NORETURN __attribute__((noreturn))
#else
#define CADRE_API
#define CADRE_PRINTF(fmt, args)
#define CADRE_NORETURN
#endif

/* The version of the library that is running, for instance "0.1.0". Local. */
CADRE_API const char *cadre_version(void);

#endif
